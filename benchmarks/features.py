"""Features of clips of 15 s, against the naive way: every window by itself, one call each.

    python benchmarks/features.py [--quick] [--clips N] [--case NAME]

The networks have random weights: w2v-BERT 2.0 at its full size (580 million parameters, 24 layers) and CLAP, or with
--quick both with fewer layers of the same width. Our side decodes, resamples, embeds and keeps the features in an empty
store; the naive side is what the library offers, called for each window, and gets its waves for nothing.

A frame model runs once per clip, so that its frames know the whole clip, while those of the naive way know their
window alone. These features differ by design: what must agree is our features and the same frames averaged by a plain
loop, and our frames of a single window and the library's (``library_difference``). How alike both contexts are is told
as ``context_cosine``. A window model hears the same windows in both ways: its features must agree themselves.

``--case real_music`` runs networks with their real weights on music instead (``real_music.py``), ``real_music_musicnn``
one of them; nothing is timed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from harness import Row, alternate, arguments, environment, finish, peak_memory, save, seconds
from real_music import real_music

from b2m_encoding.features.clips import Clip
from b2m_encoding.features.embedding import EmbeddingOptions, embed_clips
from b2m_encoding.features.networks import load_audio_encoder
from b2m_encoding.features.networks.loading import transformers
from b2m_encoding.features.stimuli import Stimuli
from b2m_encoding.features.windows import centred, window_starts

RATE, DURATION, TR, WINDOW = 22050, 15.0, 1.5, 5.0
FEWER = {"w2v_bert": {"num_hidden_layers": 1}, "clap": {"audio_config": {"depths": [1, 1, 1, 1]}}}
"""Layers with --quick: as wide as ever, because the share of attention in the time depends on it."""
TOLERANCE = 1e-4
"""Largest difference, in units of the largest feature."""


@dataclass
class Case:
    """A network, the windows under its samples, and what it is timed on."""

    name: str
    network: Any
    alone: Callable[[np.ndarray], np.ndarray]
    """One window, one call."""
    hearing: EmbeddingOptions
    spans: np.ndarray
    length: float

    def cuts(self) -> list[tuple[float, float]]:
        """Windows of one clip, as the naive way hears them."""
        return [tuple(cut) for cut in self.hearing.windows(self.spans, DURATION, self.network).tolist()]


def write_tracks(folder: Path, n_clips: int) -> list[Clip]:
    """Noise that swells and falls, in GTZAN layout."""
    rng, clips = np.random.default_rng(0), []
    time = np.arange(int(18 * RATE)) / RATE
    for i in range(n_clips):
        clip = Clip("noise", f"noise.{i:05d}", 1.0, DURATION)
        clip.track(folder).parent.mkdir(parents=True, exist_ok=True)
        swell = 1 + np.sin(2 * np.pi * (0.2 + 0.1 * i) * time)
        soundfile.write(clip.track(folder), 0.05 * swell * rng.standard_normal(len(time)), RATE, subtype="PCM_16")
        clips.append(clip)
    return clips


def save_network(name: str, folder: Path, quick: bool) -> None:
    """Weights as they lie on disk after ``b2m models fetch``, but random."""
    library, fewer = transformers(), FEWER[name] if quick else {}
    library.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    if name == "w2v_bert":
        config = library.Wav2Vec2BertConfig(**fewer)
        model, extractor = library.Wav2Vec2BertModel(config), library.SeamlessM4TFeatureExtractor()
    else:
        model = library.ClapModel(library.ClapConfig(**fewer))
        extractor = library.ClapFeatureExtractor(truncation="rand_trunc")
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    if name == "clap":
        _save_words(folder)


def _save_words(folder: Path) -> None:
    """A tokenizer, which the folder of a CLAP must have."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    words = Tokenizer(WordLevel({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}, unk_token="<unk>"))
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    transformers().PreTrainedTokenizerFast(tokenizer_object=words, **names).save_pretrained(folder)


def ours(case: Case, stimuli: Stimuli, clips: list[Clip]) -> Callable[[], Any]:
    """Fill an empty store."""

    def work() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["B2M_CACHE"] = folder
            return from_store(case, stimuli, clips)()

    return work


def from_store(case: Case, stimuli: Stimuli, clips: list[Clip]) -> Callable[[], Any]:
    """Take from the store what is there."""
    return lambda: embed_clips(case.network, [case.hearing], stimuli, dict.fromkeys(clips, case.spans), case.length)[0]


def alone(network: Any, folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The network of transformers as it comes, for one window; a window model is the same in both ways."""
    if network.window:
        return lambda window: network.embed(window[None])[0]
    library = transformers()
    model = library.Wav2Vec2BertModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    extractor = library.SeamlessM4TFeatureExtractor.from_pretrained(folder, local_files_only=True)

    @torch.inference_mode()
    def vector(window: np.ndarray) -> np.ndarray:
        inputs = extractor([window], sampling_rate=network.rate, return_tensors="pt")
        n_frames = int(inputs["attention_mask"].sum())
        return model(**inputs).last_hidden_state[0, :n_frames].mean(dim=0).numpy()

    return vector


def naive(case: Case, waves: dict[Clip, np.ndarray]) -> Callable[[], Any]:
    """Every window by itself."""
    return lambda: {clip: np.stack([case.alone(window) for window in windows(case, waves[clip])]) for clip in waves}


def windows(case: Case, wave: np.ndarray) -> list[np.ndarray]:
    """The sound of every window of a clip."""
    rate = case.network.rate
    return [wave[round(start * rate) :][: round((stop - start) * rate)] for start, stop in case.cuts()]


def frames_by_hand(case: Case, waves: dict[Clip, np.ndarray]) -> dict[Clip, np.ndarray]:
    """The frames of every clip under each window, averaged one by one."""
    out = {}
    for clip, wave in waves.items():
        frames = case.network.embed(wave[None])[0, 0]
        centres = [(i + 0.5) / case.network.frame_rate for i in range(len(frames))]
        under = [[i for i, centre in enumerate(centres) if a <= centre < b] for a, b in case.cuts()]
        out[clip] = np.stack([frames[rows].mean(axis=0) for rows in under])
    return out


def difference(found: dict[Clip, np.ndarray], expected: dict[Clip, np.ndarray]) -> float:
    """Largest, in units of the largest feature."""
    return max(float(np.abs(found[c] - expected[c]).max() / np.abs(expected[c]).max()) for c in expected)


def cosine(found: dict[Clip, np.ndarray], other: dict[Clip, np.ndarray]) -> float:
    """Mean over windows."""
    a, b = (np.concatenate([side[clip] for clip in found]) for side in (found, other))
    return float(((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean())


def run_case(case: Case, stimuli: Stimuli, clips: list[Clip], repeats: int) -> Row:
    """Agreement first, then time."""
    waves = {clip: stimuli.wave(clip, case.network.rate) for clip in clips}
    with peak_memory() as peak:
        found = ours(case, stimuli, clips)()
    others = naive(case, waves)()
    if case.network.window:
        agreement = {"difference": difference(found, others)}
    else:
        clip = clips[0]
        own = np.stack([case.network.embed(window[None])[0, 0].mean(axis=0) for window in windows(case, waves[clip])])
        agreement = {
            "difference": difference(found, frames_by_hand(case, waves)),
            "library_difference": difference({clip: own}, {clip: others[clip]}),
            "context_cosine": cosine(found, others),
        }
    own_s, peer_s, ratio = alternate(ours(case, stimuli, clips), naive(case, waves), repeats)
    n = len(clips) * len(case.spans)
    size = f"{len(clips)} clips x {len(case.spans)} windows of {case.network.window or WINDOW:g} s"
    row = Row(
        case.name,
        f"{size}: {n / own_s:.2f} windows/s",
        f"transformers, one call each: {n / peer_s:.2f} windows/s",
        own_s,
        peer_s,
        ratio,
    )
    row.agreement, row.peak_mb = agreement, peak.mb
    return row


def stored(case: Case, stimuli: Stimuli, clips: list[Clip]) -> Row:
    """Read what was computed before."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["B2M_CACHE"] = folder
        read = from_store(case, stimuli, clips)
        computed = seconds(read)
        first, second = read(), read()
        own = min(seconds(read) for _ in range(3))
    agreement = {"difference": difference(first, second)}
    return Row("w2v_bert_stored", "read from the store", "computed", own, computed, computed / own, agreement)


def judge_networks(options: argparse.Namespace) -> None:
    """Networks with real weights on music, each saved when it is done."""
    env, rows = environment(threads=torch.get_num_threads(), quick=options.quick), []
    for row in real_music(options.quick, options.case.removeprefix("real_music").removeprefix("_") or None):
        rows.append(row)
        save("features", rows, env, quick=options.quick)
    agreed = all((row.agreement or {}).get("trained_beats_shuffled", True) for row in rows)
    finish("features", rows, env, agreed=agreed, quick=options.quick)


def main() -> None:
    options = arguments(__doc__ or "", _clips, lambda parser: parser.add_argument("--case", help="only this one"))
    if (options.case or "").startswith("real_music"):
        return judge_networks(options)
    n_clips, repeats = options.clips or 3, 2
    samples = np.arange(round(DURATION / TR)) * TR
    per_tr = np.stack([samples, samples + TR], axis=1)
    rows: list[Row] = []
    env = environment(threads=torch.get_num_threads(), quick=options.quick)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stimuli, clips = Stimuli(folder / "tracks"), write_tracks(folder / "tracks", n_clips)
        for network_name, window in (("w2v_bert", WINDOW), ("clap", 10.0)):
            own = clips[:1] if options.quick and network_name == "clap" else clips
            save_network(network_name, folder / network_name, options.quick)
            network = load_audio_encoder(
                network_name, weights=folder / network_name, device="cpu", **_last(network_name)
            )
            starts = window_starts(DURATION, window, TR)
            paper = np.stack([starts, starts + window], axis=1)
            single, frames = alone(network, folder / network_name), network.window is None
            hearing = EmbeddingOptions(window=window if frames else None)
            for mode, spans, length in (("paper", paper, window), ("per_tr", per_tr, TR)):
                case = Case(f"{network_name}_{mode}", network, single, hearing, spans, length)
                if options.case and case.name != options.case:
                    continue
                assert np.allclose(case.cuts(), paper if mode == "paper" else centred(per_tr, window, DURATION))
                rows.append(run_case(case, stimuli, own, repeats))
                save("features", rows, env, quick=options.quick)
                if case.name == "w2v_bert_paper":
                    rows.append(stored(case, stimuli, own))
    differences = [value for row in rows for key, value in (row.agreement or {}).items() if "difference" in key]
    agreed = all(value < TOLERANCE for value in differences)
    finish("features", rows, env, agreed=agreed, quick=options.quick)


def _last(name: str) -> dict[str, Any]:
    """Ask a frame model for its last layer."""
    return {"layers": (-1,)} if name == "w2v_bert" else {}


def _clips(parser: argparse.ArgumentParser) -> Any:
    return parser.add_argument("--clips", type=int, help="number of clips")


if __name__ == "__main__":
    main()
