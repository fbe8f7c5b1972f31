"""Request of a reconstruction, and its setup: decoded feature space, corpus, generator and evaluators, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from b2m_encoding.decoding.evaluation.tagger import AudioSetTagger
from b2m_encoding.decoding.generators import Generator, load_generator
from b2m_encoding.decoding.retrieval.corpus import RECORD, Corpus
from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace, check_same_space
from b2m_encoding.decoding.retrieval.similarity import Metric, Similarity
from b2m_encoding.errors import InputError
from b2m_encoding.features.networks import JOINT_ENCODERS
from b2m_encoding.io.names import safe_name
from b2m_encoding.reconstruction.evaluate import Evaluators
from b2m_encoding.results.clip_sounds import ClipSounds
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema import tables
from b2m_encoding.results.schema.files import RECONSTRUCTION, entity
from b2m_encoding.study import DecodingTable, WindowsTable


@dataclass(frozen=True)
class ReconstructionRequest:
    """Options of a reconstruction.

    Parameters
    ----------
    target : str, optional
        Decoded feature space; the first of the study by default.
    decoder : str
        Decoder whose predictions are used.
    generator : str
        Name of a generator.
    settings : mapping
        Settings of the generator: weights, device, strength, steps, guidance.
    n : int
        Number of candidates per clip; the one whose predicted responses fit the measured ones best is ranked first.
    k : int
        Number of recordings that are listed per clip.
    similarity : {"auto", "cosine", "centred", "standardised"}
        Metric of the search; by default the plain cosine of joint embeddings, and standardised features otherwise.
    seconds : float, optional
        Length of sounds; by default the embedded length of the recordings of the corpus.
    subjects : tuple of str
        Subjects to reconstruct; all by default.
    leave_out : tuple of str
        Recordings of the corpus that may not be retrieved, beside the test clips.
    training : bool
        Whether training clips may be retrieved, if the corpus holds them.
    sounds : Path, optional
        Folder of the stimuli, if the study does not name it.
    seed : int
    evaluator : str, optional
        A second encoder that embeds presented and reconstructed sounds: a model of ``b2m models list``, or
        ``acoustic``.
    classes : bool
        Compare classes of AudioSet.
    """

    target: str | None = None
    decoder: str = "regions"
    generator: str = "retrieved"
    settings: Mapping[str, Any] = field(default_factory=dict)
    n: int = 1
    k: int = 10
    similarity: Literal["auto"] | Similarity = "auto"
    seconds: float | None = None
    subjects: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    training: bool = True
    sounds: Path | None = None
    seed: int = 0
    evaluator: str | None = None
    classes: bool = False


@dataclass(frozen=True, eq=False)
class ReconstructionSetup:
    """Checked parts of a reconstruction, the same for all subjects.

    Parameters
    ----------
    results : Results
    corpus : Corpus
    space : AudioEmbeddingSpace
        The decoded feature space.
    metric : Metric
        Metric of the search.
    generator : Generator
    presented : ClipSounds
        Presented sounds.
    corpus_name : str
        Name of the corpus in these results: its own, with its hash where another corpus has that name.
    target : str
        Name of the decoded feature space.
    windows : WindowsTable
        Windows that were decoded.
    request : ReconstructionRequest
    evaluators : Evaluators
    excerpts : dict
        Stimuli and excerpts of recordings that this reconstruction has written, by recipe.
    """

    results: Results
    corpus: Corpus
    space: AudioEmbeddingSpace
    metric: Metric
    generator: Generator
    presented: ClipSounds
    corpus_name: str
    target: str
    windows: WindowsTable
    request: ReconstructionRequest
    evaluators: Evaluators
    excerpts: dict[str, Path] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Length of every sound, s."""
        return self.request.seconds or float(self.corpus.record["space"]["seconds"])

    @property
    def preparation(self) -> dict[str, float]:
        """Fade, s, and level with which recordings of the corpus were embedded."""
        return {key: float(self.corpus.record["space"][key]) for key in ("fade", "rms")}

    def folder(self, subject: str, clip: str) -> Path:
        """Folder of the sounds of one clip."""
        name = f"{entity(self.target)}-{entity(self.request.decoder)}-{safe_name(self.corpus_name)}"
        return self.results.path / f"sub-{subject}" / RECONSTRUCTION / name / clip


def prepare(results: Results, corpus: Corpus, request: ReconstructionRequest) -> ReconstructionSetup:
    """Check everything that can be checked before anything is computed.

    Raises
    ------
    InputError
        If results and corpus do not fit together, recordings or weights are missing, or an option is impossible.
    """
    targets = results.study.get("decoding", {}).get("targets", [])
    target = request.target or next(iter(targets), None)
    if target is None:
        raise InputError("the study decodes nothing", file=results.path, expected="a study with [decoding]")
    spaces = results.provenance.get("features", {})
    if not spaces:
        raise InputError("the results are not complete", file=results.path, fix="b2m run the study to its end")
    record = spaces.get(target)
    if record is None:
        expected = ", ".join(spaces)
        raise InputError("the results hold no such feature space", file=results.path, found=target, expected=expected)
    windows = _windows(results, target)
    check_same_space(corpus.record["space"], record, windows.length, windows.step, file=corpus.folder)
    if not corpus.audio.is_dir():
        raise InputError(
            "the recordings of the corpus are not where they were",
            file=corpus.audio,
            fix=f'put them there, or write where they are now as "audio" into {corpus.folder / RECORD}',
        )
    generator = load_generator(request.generator, space=record.get("extractor"), **request.settings)
    joint = corpus.record["table"]["extractor"] in JOINT_ENCODERS
    kind: Similarity = ("cosine" if joint else "standardised") if request.similarity == "auto" else request.similarity
    metric = Metric.of(kind, corpus.centre, corpus.spread)
    space = AudioEmbeddingSpace.of_record(corpus.record)
    if request.seconds is not None:
        _check_seconds(request.seconds, None if generator.name == "retrieved" else space.shortest)
    subjects = request.subjects or results.subjects
    presented = ClipSounds.find(results, subjects, request.sounds)
    encoder = (
        None
        if request.evaluator is None
        else AudioEmbeddingSpace.of_model(request.evaluator, length=space.length, step=space.step)
    )
    evaluators = Evaluators(encoder, request.evaluator or "", AudioSetTagger() if request.classes else None)
    return ReconstructionSetup(
        results, corpus, space, metric, generator, presented, _name_of(corpus, results), target, windows, request,
        evaluators,
    )  # fmt: skip


def _name_of(corpus: Corpus, results: Results) -> str:
    """Name of a corpus in these results: with its hash where that of other recordings is there already."""
    if not results.has(tables.RECONSTRUCTION):
        return corpus.name
    known = results.table(tables.RECONSTRUCTION)
    same = known["corpus"] == corpus.name
    own = (known["corpus_key"] == corpus.key) if "corpus_key" in known else same & False  # of an earlier version
    return corpus.name if (same & own).any() or not same.any() else f"{corpus.name} ({corpus.key})"


def _check_seconds(seconds: float, window: float | None) -> None:
    """Raise an error unless sounds have a length, and generated ones that of a window at least."""
    if not 0 < seconds < float("inf") or seconds < (window or 0):
        expected = (
            "more than 0 s" if window is None else f"at least {window:g} s, a window of the decoded feature space"
        )
        raise InputError("impossible length of sounds", found=f"{seconds:g} s", expected=expected)


def _windows(results: Results, target: str) -> WindowsTable:
    """Decoded windows of a target."""
    table = results.study.get("decoding", {})
    if "windows" in results.study:
        windows = WindowsTable.model_validate(results.study["windows"]).of(target)
        return windows.model_copy(update={"length": table.get("own_windows", {}).get(target, windows.length)})
    defaults = DecodingTable.model_validate(
        {"targets": ["any"], **{k: table[k] for k in ("window", "step") if k in table}}
    )
    return WindowsTable(length=table.get("own_windows", {}).get(target, defaults.window), step=defaults.step)


def decoded_subjects(setup: ReconstructionSetup) -> tuple[str, ...]:
    """Subjects of the request, with decoded embeddings.

    Raises
    ------
    InputError
        If a subject of the request, or all subjects, have none.
    """
    decoded = sorted(
        folder.name.removeprefix("sub-")
        for folder in setup.results.path.glob("sub-*")
        if any(folder.glob("*_decoded.npz"))
    )
    if unknown := sorted(set(setup.request.subjects) - set(decoded)):
        raise InputError("nothing was decoded of this subject", found=unknown, expected=", ".join(decoded))
    chosen = setup.request.subjects or tuple(decoded)
    if not chosen:
        raise InputError("nothing was decoded", file=setup.results.path, fix="b2m run a study with [decoding]")
    return chosen
