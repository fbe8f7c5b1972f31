"""Audio embedding space of a decoded feature space: one vector for any clip or wave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from b2m_encoding.device import resolve_device
from b2m_encoding.errors import InputError
from b2m_encoding.features.acoustic import acoustic_rows
from b2m_encoding.features.audio import Wave, resample
from b2m_encoding.features.clips import Clip
from b2m_encoding.features.embedding import AudioSource, compute_clips
from b2m_encoding.features.extractors import Acoustic, PretrainedAudio
from b2m_encoding.features.extractors.from_audio import RATE, load_shared_encoder
from b2m_encoding.features.networks import AUDIO_ENCODERS
from b2m_encoding.features.weights import entry_of
from b2m_encoding.features.windows import Spans, window_starts

Vector = NDArray[np.float32]
OPTIONS = ("extractor", "groups", "layer", "window", "mode", "context", "pooling", "every")
"""Options of a table under ``[features]`` that determine the numbers, beside the weights."""
WEIGHTS = ("files", "shuffled_seed")


@dataclass(frozen=True)
class AudioEmbeddingSpace:
    """An audio feature space with its windows; the vector of a clip is the mean over its windows.

    Parameters
    ----------
    table : Acoustic or PretrainedAudio
        Table as under ``[features]`` of a study; its stimuli are ignored.
    length, step : float
        Length of windows and step between them, s: those of the decoded feature space.

    Examples
    --------
    >>> space = AudioEmbeddingSpace.of_model("acoustic")
    >>> noise = np.random.default_rng(0).standard_normal(15 * 8000).astype(np.float32)
    >>> space.embed_waves([noise], 8000).shape
    (1, 57)
    """

    table: Acoustic | PretrainedAudio
    length: float = 10.0
    step: float = 1.5

    def __post_init__(self) -> None:
        if not (0 < self.length < float("inf") and 0 < self.step < float("inf")):
            found = f"windows of {self.length:g} s every {self.step:g} s"
            raise InputError("impossible windows of sound", found=found, expected="more than 0 s")

    @classmethod
    def of_model(
        cls,
        model: str,
        *,
        layer: int | str | None = None,
        weights: str | Path | None = None,
        device: str = "auto",
        length: float = 10.0,
        step: float = 1.5,
    ) -> AudioEmbeddingSpace:
        """Space of ``acoustic``, of a network (``clap``, ``w2v_bert``), or of a model of ``b2m models list``.

        Parameters
        ----------
        model : str
        layer : int or str, optional
            Layer of a network that has several, by number or name.
        weights : Path, optional
            Folder of the weights.
        device : str
        length, step : float
            Length of windows and step between them, s.

        Raises
        ------
        InputError
            If there is no such model, or it has no such option.
        """
        weights = None if weights is None else Path(weights)
        here = Path()
        if model == "acoustic":
            if layer is not None or weights is not None:
                raise InputError("acoustic is no network", found="a layer or weights", expected="a model that has them")
            return cls(Acoustic(extractor="acoustic", stimuli=here), length, step)
        options: dict[str, Any] = {"layer": layer, "weights": weights, "device": device}
        if model not in AUDIO_ENCODERS:
            entry = entry_of(model)
            if entry.network not in AUDIO_ENCODERS:
                raise InputError(
                    "this model does not embed audio", found=model, expected=f"acoustic, {', '.join(AUDIO_ENCODERS)}"
                )
            options |= {"model": model}
            model = entry.network
        try:
            table = PretrainedAudio.model_validate({"extractor": model, "stimuli": here, **options})
        except ValidationError as error:
            raise InputError(f"{model} cannot be used like this", found=error.errors()[0]["msg"]) from error
        return cls(table, length, step)

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> AudioEmbeddingSpace:
        """Space of a corpus, from its record.

        Raises
        ------
        InputError
            If its weights are missing, or differ from those of the record.
        """
        kind = Acoustic if record["table"]["extractor"] == "acoustic" else PretrainedAudio
        windows = record["space"]["windows"]
        space = cls(kind.model_validate(record["table"]), windows["length"], windows["step"])
        weights = space.describe().get("pretrained", {}).get("files")
        if weights != record["space"].get("pretrained", {}).get("files"):
            raise InputError("the weights are not those of the corpus", found=_short(weights), fix="build it again")
        return space

    def spans(self, duration: float) -> Spans:
        """Start and end of the windows that fit into a clip, s, shape (n_windows, 2)."""
        starts = window_starts(duration, self.length, self.step)
        return np.stack([starts, starts + self.length], axis=1)

    @property
    def shortest(self) -> float:
        """Shortest sound that can be embedded, s."""
        input_window = self.table.window if isinstance(self.table, PretrainedAudio) else None
        return max(self.length, input_window or 0.0)

    def embed(self, sounds: AudioSource, clips: Iterable[Clip]) -> dict[Clip, Vector]:
        """Embed clips: the mean over the windows of each, in the units of the feature space.

        Parameters
        ----------
        sounds : AudioSource
            Waves of the clips.
        clips : iterable of Clip

        Returns
        -------
        dict of Clip to array of float32, shape (n_dimensions,)
        """
        spans = {clip: self.spans(clip.duration) for clip in sorted(clips, key=lambda clip: clip.duration)}
        return {clip: np.asarray(rows.mean(axis=0), np.float32) for clip, rows in self._rows(sounds, spans)}

    def embed_waves(self, waves: Sequence[Wave], rate: int) -> Vector:
        """Embed waves.

        Parameters
        ----------
        waves : sequence of array, shape (n_samples,)
        rate : int
            Sampling rate, Hz.

        Returns
        -------
        array of float32, shape (n_waves, n_dimensions)

        Raises
        ------
        InputError
            If a wave is shorter than a window.
        """
        audio = InMemoryAudio({Clip(f"wave {i}", 0.0, len(wave) / rate): (wave, rate) for i, wave in enumerate(waves)})
        for clip in audio.waves:
            if clip.duration < self.shortest:
                raise InputError(
                    "a sound is shorter than a window",
                    found=f"{clip.duration:g} s",
                    expected=f"at least {self.shortest:g} s",
                )
        vectors = self.embed(audio, audio.waves)
        return np.stack([vectors[clip] for clip in audio.waves])

    def _rows(self, sounds: AudioSource, clips: Mapping[Clip, Spans]) -> Iterator[tuple[Clip, Vector]]:
        if isinstance(self.table, Acoustic):
            for clip, spans in clips.items():
                rows = acoustic_rows(sounds.wave(clip, RATE), RATE, spans, self.table.groups)
                yield clip, np.asarray(rows, dtype=np.float32)
            return
        network, device = load_shared_encoder([self.table]), resolve_device(self.table.device).type
        for clip, [embedded] in compute_clips(network, [self.table.embedding_options], sounds, clips, device):
            yield clip, embedded

    @property
    def rate(self) -> int:
        """Rate to which sounds are resampled, Hz."""
        return RATE if isinstance(self.table, Acoustic) else load_shared_encoder([self.table]).rate

    def describe(self) -> dict[str, Any]:
        """Options, weights and windows as plain JSON values: equal for spaces that give equal numbers."""
        table = self.table.model_dump(mode="json")
        description: dict[str, Any] = {"options": {key: table[key] for key in OPTIONS if key in table}}
        if isinstance(self.table, PretrainedAudio):
            description["pretrained"] = dict(load_shared_encoder([self.table]).provenance)
        return {**description, "windows": {"length": self.length, "step": self.step, "pooling": "mean"}}


class InMemoryAudio:
    """Waves in memory as the sounds of clips.

    Parameters
    ----------
    waves : mapping of Clip to (array, int)
        Wave and sampling rate of each clip.
    """

    folder = Path()

    def __init__(self, waves: Mapping[Clip, tuple[Wave, int]]) -> None:
        self.waves = waves

    def wave(self, clip: Clip, rate: int) -> Wave:
        """Wave of a clip at a sampling rate."""
        wave, stored_rate = self.waves[clip]
        return resample(np.asarray(wave, dtype=np.float32), stored_rate, rate, clip.duration)


def check_same_space(
    space: Mapping[str, Any], record: Mapping[str, Any], length: float, step: float, *, file: str | Path | None = None
) -> None:
    """Raise an error unless vectors of a space can be compared with a decoded feature space.

    Parameters
    ----------
    space : mapping
        Description by :meth:`AudioEmbeddingSpace.describe`.
    record : mapping
        Feature space in ``provenance.json`` of the results: its options, and its network under ``pretrained``.
    length, step : float
        Length of the decoded windows and step between them, s.
    file : Path, optional
        Corpus, for the error.

    Raises
    ------
    InputError
        If they differ; the error names the first difference.
    """
    file = None if file is None else Path(file)
    fix = "b2m corpus build DIR --study STUDY --target NAME makes a corpus of the decoded feature space"
    if record.get("pca") is not None:
        raise InputError(
            "principal components were decoded, which a corpus does not hold",
            found=f"pca = {record['pca']}",
            fix="leave pca out of the decoded feature space",
        )

    def compare(what: str, found: Any, expected: Any) -> None:
        if found != expected:
            problem = f"the corpus and the decoded feature space differ in their {what}"
            raise InputError(problem, file=file, found=_short(found), expected=_short(expected), fix=fix)

    network, decoded = space.get("pretrained", {}), record.get("pretrained", {})
    if not (record.get("extractor") == "text" and network and decoded):  # text encoder of the same network: one space
        for key in OPTIONS:
            compare(key, space["options"].get(key), record.get(key))
        compare("windows", "{length:g} s every {step:g} s".format(**space["windows"]), f"{length:g} s every {step:g} s")
    for key in WEIGHTS:
        compare("weights" if key == "files" else key, network.get(key), decoded.get(key))


def _short(value: Any) -> str:
    """Value for an error; hashes are cut."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {str(part)[:12]}" for name, part in value.items())
    return "none" if value is None else str(value)
