"""Synthesiser of simulated tracks from wavetables and noise."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter, oaconvolve

from b2m_encoding._typing import Float32
from b2m_encoding.phantom.tracks import Track

RATE = 22050
N_TABLE = 2048
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}


@dataclass(frozen=True)
class Instrument:
    """Spectrum and envelope: harmonics ``k ** -tilt``, even ones times ``even``; attack and decay times in s."""

    tilt: float
    even: float = 1.0
    attack: float = 0.005
    decay: float = 10.0
    vibrato: float = 0.0
    drive: float = 0.0


INSTRUMENTS = {
    "piano": Instrument(1.8, 0.8, decay=0.7),
    "electric piano": Instrument(2.6, 0.2, decay=0.9),
    "guitar": Instrument(1.3, 0.9, decay=0.4),
    "distorted guitar": Instrument(0.8, 0.9, decay=2.0, drive=6.0),
    "strings": Instrument(1.2, 0.9, attack=0.12, vibrato=0.006),
    "fiddle": Instrument(0.9, 0.9, attack=0.04, vibrato=0.008),
    "flute": Instrument(3.0, 0.5, attack=0.06, vibrato=0.005),
    "saxophone": Instrument(1.0, 0.4, attack=0.03, vibrato=0.004),
    "trumpet": Instrument(0.7, 1.0, attack=0.03),
    "organ": Instrument(1.5, 1.5, attack=0.01),
    "synth": Instrument(1.0, 0.1, decay=1.5),
    "bass": Instrument(1.7, 0.8, decay=0.6),
}

# one character per eighth of a bar: k kick, s snare, h hat, r ride; both patterns are played together
DRUMS: dict[str, tuple[str, str]] = {
    "none": ("........", "........"),
    "shuffle": ("r.rrr.rr", "k.s.k.s."),
    "train": ("ssssssss", "k...k..."),
    "four on the floor": ("k.k.k.k.", ".hsh.hsh"),
    "boom bap": ("k..k.k..", "h.s.h.s."),
    "ride": ("r.rrr.rr", "..h...h."),
    "double kick": ("kkkkkkkk", "h.s.h.s."),
    "backbeat": ("hhhhhhhh", "k.s.kks."),
    "one drop": ("h.h.h.h.", "....k..."),
}
COMPING: dict[str, tuple[str, float]] = {
    "pad": ("x.......", 7.5),
    "strum": ("x.xxx.xx", 0.9),
    "boom-chick": ("..x...x.", 0.7),
    "offbeat": (".x.x.x.x", 0.4),
    "stab": ("...x..x.", 0.5),
    "power": ("xx.xxxxx", 0.8),
    "arpeggio": ("xxxxxxxx", 1.0),
}
BASS: dict[str, str] = {
    "none": "........",
    "root": "1.1.1.1.",
    "walking": "1.2.3.4.",
    "octave": "15151515",
    "deep": "1..1..3.",
}


@dataclass
class Player:
    """Mixer of notes into one wave; each note is synthesised once and then copied."""

    wave: Float32
    rng: np.random.Generator
    notes: dict[tuple[str, int, int], Float32] = field(default_factory=dict)

    def play(self, instrument: str, pitch: int, start: float, seconds: float, gain: float) -> None:
        """Add a note; its part after the end of the wave is dropped."""
        n_samples = max(int(seconds * RATE), 64)
        key = (instrument, pitch, n_samples)
        if key not in self.notes:
            self.notes[key] = synthesise(INSTRUMENTS[instrument], pitch, n_samples)
        self.add(self.notes[key], start, gain)

    def add(self, sound: Float32, start: float, gain: float) -> None:
        """Add a sound."""
        first = int(start * RATE)
        rest = self.wave[first : first + len(sound)]
        rest += np.float32(gain) * sound[: len(rest)]


def synthesise(instrument: Instrument, pitch: int, n_samples: int) -> Float32:
    """Synthesise a note (MIDI pitch) of an instrument, without harmonics above 9 kHz."""
    frequency = 440.0 * 2 ** ((pitch - 69) / 12)
    k = np.arange(1, max(int(min(9000.0, RATE * 0.45) / frequency), 1) + 1)
    amplitudes = k**-instrument.tilt * np.where(k % 2 == 0, instrument.even, 1.0)
    spectrum = np.zeros(N_TABLE // 2 + 1, dtype=complex)
    spectrum[k] = -1j * amplitudes * np.exp(1j * 2.4 * k**2)  # quadratic phases avoid sharp peaks of the waveform
    table = np.fft.irfft(spectrum)
    table = (table / np.sqrt(np.mean(table**2))).astype(np.float32)
    time = np.arange(n_samples, dtype=np.float32) / np.float32(RATE)
    phase = frequency * time
    if instrument.vibrato:
        phase += np.float32(frequency * instrument.vibrato / 34.5) * np.sin(np.float32(34.5) * time)
    note = table[(phase * N_TABLE).astype(np.int64) % N_TABLE]
    if instrument.drive:
        note = np.tanh(np.float32(instrument.drive) * note)
    release = np.minimum(1.0, (n_samples - np.arange(n_samples)) / (0.02 * RATE))
    envelope = np.minimum(1.0, time / instrument.attack) * np.exp(-time / instrument.decay) * release
    return np.asarray(note * envelope, dtype=np.float32)


def drum_kit(rng: np.random.Generator) -> dict[str, Float32]:
    """Synthesise kick, snare, hat and ride of one track."""
    time = np.arange(int(0.35 * RATE)) / RATE
    noise = rng.standard_normal(len(time))
    hiss = lfilter([1.0, -0.95], [1.0], noise)
    sounds = {
        "k": 2.2 * np.sin(2 * np.pi * (45 * time - 2.5 * np.exp(-time / 0.03))) * np.exp(-time / 0.1),
        "s": (0.8 * noise + np.sin(2 * np.pi * 190 * time)) * np.exp(-time / 0.06),
        "h": 0.35 * hiss * np.exp(-time / 0.025),
        "r": 0.3 * hiss * np.exp(-time / 0.12),
    }
    return {name: sound.astype(np.float32) for name, sound in sounds.items()}


def render(track: Track, seconds: float, rng: np.random.Generator) -> NDArray[np.int16]:
    """Render a track at 22,050 Hz: bars of four beats with varying layers, scaled to a common peak.

    Parameters
    ----------
    track : Track
    seconds : float
    rng : numpy.random.Generator

    Returns
    -------
    array of int16, shape (n_samples,)
    """
    player = Player(np.zeros(int(seconds * RATE), dtype=np.float32), rng)
    kit = drum_kit(rng)
    eighth = 30.0 / track.tempo
    walk = int(rng.integers(0, 7))
    layers: tuple[float, float, float] = (1.0, 1.0, 1.0)
    for bar in range(int(seconds / (8 * eighth)) + 1):
        if bar % 2 == 0:
            layers = _arrangement(rng)
        times = [(8 * bar + i + (track.swing if i % 2 else 0.0)) * eighth for i in range(8)]
        degree = int(track.progression[bar % 4]) - 1
        lead, backing, drums = layers
        _drums(player, kit, track, times, drums)
        _bass(player, track, degree, times, eighth)
        _chords(player, track, degree, times, eighth, backing)
        walk = _melody(player, track, walk, times, eighth, lead)
    wave = _room(player.wave, rng)
    return np.round(wave * (0.8 * 32767 / max(float(np.abs(wave).max()), 1e-6))).astype(np.int16)


def _arrangement(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw gains of melody, chords and drums for two bars; layers may pause, and the level varies."""
    swell = 10 ** rng.uniform(-0.4, 0.1)
    rests = rng.random(3) < (0.25, 0.15, 0.2)
    if rests.all():
        rests[1] = False
    lead, backing, drums = np.where(rests, 0.0, swell * 10 ** rng.uniform(-0.15, 0.15, 3))
    return float(lead), float(backing), float(drums)


def _pitch(track: Track, degree: int, octave: int) -> int:
    """MIDI pitch of a scale degree; degrees above 6 continue in the next octave."""
    return 12 * (octave + 1 + degree // 7) + track.key + SCALES[track.mode][degree % 7]


def _drums(player: Player, kit: dict[str, Float32], track: Track, times: list[float], gain: float) -> None:
    for pattern in DRUMS[track.drums]:
        for i, hit in enumerate(pattern):
            if hit != ".":
                soft = 0.4 if pattern == "ssssssss" and i % 2 == 0 else 1.0
                player.add(kit[hit], times[i], 0.9 * gain * soft * player.rng.uniform(0.8, 1.0))


def _bass(player: Player, track: Track, degree: int, times: list[float], eighth: float) -> None:
    octave = 1 if track.bass == "deep" else 2
    for i, step in enumerate(BASS[track.bass]):
        if step != ".":
            up = {"1": 0, "2": 2, "3": 4, "4": 5, "5": 7}[step]
            player.play("bass", _pitch(track, degree + up, octave), times[i], 1.9 * eighth, 0.6)


def _chords(player: Player, track: Track, degree: int, times: list[float], eighth: float, gain: float) -> None:
    pattern, length = COMPING[track.comping]
    chord = (0, 4, 7) if track.comping == "power" else (0, 2, 4, 6) if track.genre == "jazz" else (0, 2, 4)
    octave = 2 if track.comping == "power" else 3
    for i, hit in enumerate(pattern):
        if hit != ".":
            tones = (chord[i % len(chord)],) if track.comping == "arpeggio" else chord
            for tone in tones:
                pitch = _pitch(track, degree + tone, octave)
                player.play(track.backing, pitch, times[i], length * eighth, 0.35 * gain)


def _melody(player: Player, track: Track, walk: int, times: list[float], eighth: float, gain: float) -> int:
    """Play a random walk on the scale for one bar, and return its last degree."""
    i = 0
    while i < 8:
        length = 1
        if player.rng.random() < track.density:
            walk = int(np.clip(walk + player.rng.integers(-2, 3), 0, 9))
            length = int(player.rng.integers(1, 3 if track.density > 0.5 else 5))
            pitch = _pitch(track, walk, 4 + track.register)
            player.play(track.lead, pitch, times[i], 0.95 * length * eighth, 0.6 * gain)
        i += length
    return walk


def _room(wave: Float32, rng: np.random.Generator) -> Float32:
    """Add reverberation, and noise 60 dB below full scale."""
    time = np.arange(int(0.4 * RATE)) / RATE
    echo = 0.02 * rng.standard_normal(len(time)) * np.exp(-time / 0.1)
    echo[0] = 1.0
    wet = oaconvolve(wave, echo)[: len(wave)] + 1e-3 * rng.standard_normal(len(wave))
    return np.asarray(wet, dtype=np.float32)
