"""Simulation of a Music Genre study, written to disk with its ground truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import encode_wav
from b2m_encoding.features.captions import caption_features
from b2m_encoding.features.clips import Clip as PresentedClip
from b2m_encoding.features.extractors import Acoustic, PretrainedAudio
from b2m_encoding.phantom import bold
from b2m_encoding.phantom.brain import SPACES, cortex, grow_brain, restricted
from b2m_encoding.phantom.caption_writer import write_caption
from b2m_encoding.phantom.design import CLIP_SECONDS, TR, TRACK_SECONDS, TRS_PER_CLIP, Clip, Run, Size, draw_design
from b2m_encoding.phantom.study_files import write_bold, write_captions, write_events, write_headers
from b2m_encoding.phantom.synthesiser import RATE, render
from b2m_encoding.phantom.tracks import draw_track
from b2m_encoding.phantom.truth import SubjectTruth, Truth, driven_regions, save_truth, truth_of


@dataclass(frozen=True)
class PhantomPaths:
    """Folders and files of a simulated study."""

    out: Path

    @property
    def bids(self) -> Path:
        """Folder of events and sidecars."""
        return self.out / "bids"

    @property
    def derivatives(self) -> Path:
        """Folder of BOLD on the surface."""
        return self.bids / "derivatives" / "phantom"

    @property
    def genres(self) -> Path:
        """Folder of audio files in GTZAN layout."""
        return self.out / "stimuli" / "genres"

    @property
    def captions(self) -> Path:
        """Caption table."""
        return self.out / "stimuli" / "captions.csv"

    @property
    def truth(self) -> Path:
        """Folder of the ground truth."""
        return self.out / "truth"


def simulate_study(
    out: str | Path,
    *,
    seed: int = 0,
    n_subjects: int = 2,
    null: bool = False,
    size: Size | None = None,
    n_targets: int | None = None,
    tags: PretrainedAudio | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> PhantomPaths:
    """Simulate a study with synthesised tracks, captions and BOLD, and write all its files.

    The responses are features of the written files, multiplied by random smooth weights and convolved with a
    haemodynamic response, with autocorrelated noise and drift.

    Parameters
    ----------
    out : path
        New or empty folder.
    seed : int
        Seed of all random numbers; equal seeds give equal bytes.
    n_subjects : int
    null : bool
        Write the same files with the same noise, without drive of any vertex.
    size : Size, optional
        Numbers of runs and clips; :data:`~b2m_encoding.phantom.PAPER` is the design of Brain2Music.
    n_targets : int, optional
        Number of vertices that were recorded; the others are missing. All by default.
    tags : PretrainedAudio, optional
        Extractor of a trained network whose features drive association cortex, instead of the words of captions; its
        stimuli are replaced by the tracks.
    progress : callable, optional
        Called with the part that is done, and the share of all work from 0 to 1.

    Returns
    -------
    PhantomPaths

    Raises
    ------
    InputError
        If the folder is not empty, or there is no subject.
    """
    paths, size = PhantomPaths(Path(out)), size or Size()
    if paths.out.exists() and (not paths.out.is_dir() or any(paths.out.iterdir())):
        raise InputError("the folder for the simulated study is not empty", file=paths.out, fix="name a new folder")
    if n_targets is not None and n_targets < 1:
        raise InputError("a study needs a target", found=n_targets, expected=">= 1")
    if n_subjects < 1:
        raise InputError("a study needs a subject", found=n_subjects, expected=">= 1")
    report = progress or (lambda _message, _share: None)
    design_seed, stimulus_seed, *subject_seeds = np.random.SeedSequence(seed).spawn(2 + n_subjects)
    runs = draw_design(size, np.random.default_rng(design_seed))
    write_headers(paths.out, paths.derivatives)
    features = _make_stimuli(paths, runs, stimulus_seed, tags)
    association = "text" if tags is None else "tags"
    report("stimuli", 0.2)
    subjects = {}
    for i, subject_seed in enumerate(subject_seeds):
        label = f"{i + 1:02d}"
        subjects[label] = _simulate_subject(paths, label, runs, features, subject_seed, null, association, n_targets)
        report(f"subject {label}", 0.2 + 0.8 * (i + 1) / n_subjects)
    space, _ = cortex()
    save_truth(paths.truth, Truth(seed, null, space.name, driven_regions(), subjects, association))
    return paths


def _make_stimuli(
    paths: PhantomPaths, runs: tuple[Run, ...], seed: np.random.SeedSequence, tags: PretrainedAudio | None
) -> dict[Clip, dict[str, Float32]]:
    """Write every track and the captions; returns the features of each clip, each (n_trs, n_features)."""
    clips = sorted({clip for run in runs for clip in run.clips}, key=lambda clip: clip.name)
    captions = {}
    for clip, clip_seed in zip(clips, seed.spawn(len(clips)), strict=True):
        rng = np.random.default_rng(clip_seed)
        track = draw_track(clip.genre, clip.number, rng)
        path = paths.genres / clip.genre / f"{clip.name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_wav(render(track, TRACK_SECONDS, rng), RATE, "PCM_16"))
        captions[f"{clip.name}_{CLIP_SECONDS:g}s"] = write_caption(track, rng)
    write_captions(paths.captions, captions)
    acoustic = _features_of_sounds(Acoustic(extractor="acoustic", stimuli=paths.genres, fade=2.0), clips)
    text: Sequence[Float32]
    if tags is None:
        text = list(np.repeat(caption_features(list(captions.values()))[:, None], TRS_PER_CLIP, axis=1))
    else:
        text = _features_of_sounds(tags.model_copy(update={"stimuli": paths.genres}), clips)
    return {clip: {"acoustic": acoustic[i], "text": text[i]} for i, clip in enumerate(clips)}


def _features_of_sounds(table: Acoustic | PretrainedAudio, clips: Sequence[Clip]) -> Sequence[Float32]:
    """Features of every clip as an analysis of the study computes them, which then finds them in the store."""
    starts = np.arange(TRS_PER_CLIP) * TR
    spans = np.stack([starts, starts + TR], axis=1)
    named = [PresentedClip(f"{clip.genre}/{clip.name}.wav", clip.start, CLIP_SECONDS, clip.genre) for clip in clips]
    rows = table.embed(dict.fromkeys(named, spans), TR)
    return [rows[name] for name in named]


def _simulate_subject(
    paths: PhantomPaths,
    label: str,
    runs: tuple[Run, ...],
    features: Mapping[Clip, Mapping[str, Float32]],
    seed: np.random.SeedSequence,
    null: bool,
    association: str,
    n_targets: int | None,
) -> SubjectTruth:
    """Simulate one subject, write events and BOLD, and return the ground truth."""
    brain_seed, weights_seed, *run_seeds = seed.spawn(2 + len(runs))
    brain_rng = np.random.default_rng(brain_seed)
    brain = grow_brain(brain_rng)
    brain = brain if n_targets is None else restricted(brain, n_targets, brain_rng)
    reference = {name: np.concatenate([clip[name] for clip in features.values()]) for name in SPACES}
    scaled = {name: bold.zscored(values, values) for name, values in reference.items()}
    weights = bold.draw_weights(scaled, brain, np.random.default_rng(weights_seed))
    run_features = [
        {
            name: bold.zscored(np.concatenate([features[clip][name] for clip in run.clips]), reference[name])
            for name in SPACES
        }
        for run in runs
    ]
    responses = [None] * len(runs) if null else bold.respond(run_features, weights, brain)
    for run, response, run_seed in zip(runs, responses, run_seeds, strict=True):
        n_samples = TRS_PER_CLIP * len(run.clips)
        values = bold.record(response, n_samples, brain, np.random.default_rng(run_seed))
        write_events(paths.bids / f"sub-{label}" / "func", label, run)
        write_bold(paths.derivatives / f"sub-{label}" / "func", label, run, values)
    return truth_of(brain, weights, null, association)
