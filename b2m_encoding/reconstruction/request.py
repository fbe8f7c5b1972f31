"""What a reconstruction needs: a decoded feature space, a corpus in that space, a generator and judges that fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from b2m_encoding.decoding.evaluation.tagger import AudioSetTagger
from b2m_encoding.decoding.generators import Generator, load_generator
from b2m_encoding.decoding.retrieval.corpus import RECORD, Corpus
from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace, check_same_space
from b2m_encoding.decoding.retrieval.similarity import Measure, Similarity
from b2m_encoding.errors import InputError
from b2m_encoding.features.networks import JOINT_ENCODERS
from b2m_encoding.reconstruction.evaluate import Judges
from b2m_encoding.results.bundle import entity
from b2m_encoding.results.clip_sounds import ClipSounds
from b2m_encoding.results.reader import Results
from b2m_encoding.study import DecodingTable, WindowsTable


@dataclass(frozen=True)
class Wish:
    """What a user asks of a reconstruction.

    Parameters
    ----------
    target : str, optional
        Decoded feature space; the first of the study by default.
    decoder : str
    generator : str
    settings : mapping
        Of the generator: weights, device, strength, steps, guidance.
    n : int
        Candidates per clip; the one whose predicted responses fit the measured ones best comes first.
    k : int
        Recordings that are listed per clip.
    similarity : {"auto", "cosine", "centred", "standardised"}
        The plain cosine of joint embeddings, or standardised features of anything else, by default.
    seconds : float, optional
        Of sounds; as much as the corpus was embedded of by default.
    subjects : tuple of str
        Only these.
    leave_out : tuple of str
        Recordings of the corpus that may not be retrieved, beside the test clips themselves.
    training : bool
        Whether clips of the training may be retrieved, if the corpus holds them.
    sounds : Path, optional
        Folder of the stimuli, if the study does not name it.
    seed : int
    judge : str, optional
        Another encoder that embeds heard and made sounds: a model of ``b2m models list``, or ``acoustic``.
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
    judge: str | None = None
    classes: bool = False


@dataclass(frozen=True, eq=False)
class Task:
    """Everything that is the same for all subjects."""

    results: Results
    corpus: Corpus
    space: AudioEmbeddingSpace
    measure: Measure
    generator: Generator
    heard: ClipSounds
    target: str
    windows: WindowsTable
    wish: Wish
    judges: Judges

    @property
    def seconds(self) -> float:
        """Of every sound."""
        return self.wish.seconds or float(self.corpus.record["space"]["seconds"])

    @property
    def preparation(self) -> dict[str, float]:
        """How recordings of the corpus were embedded."""
        return {key: float(self.corpus.record["space"][key]) for key in ("fade", "rms")}

    def folder(self, subject: str, clip: str) -> Path:
        """Sounds of one clip."""
        name = f"{entity(self.target)}-{entity(self.wish.decoder)}"
        return self.results.path / f"sub-{subject}" / "reconstruction" / name / clip


def prepare(results: Results, corpus: Corpus, wish: Wish) -> Task:
    """Check everything that can be checked before anything is computed."""
    targets = results.study.get("decoding", {}).get("targets", [])
    target = wish.target or next(iter(targets), None)
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
    generator = load_generator(wish.generator, space=record.get("extractor"), **wish.settings)
    joint = corpus.record["table"]["extractor"] in JOINT_ENCODERS
    kind: Similarity = ("cosine" if joint else "standardised") if wish.similarity == "auto" else wish.similarity
    measure = Measure.of(kind, corpus.centre, corpus.spread)
    space = AudioEmbeddingSpace.of_record(corpus.record)
    if wish.seconds is not None:
        _check_seconds(wish.seconds, None if generator.name == "retrieved" else space.shortest)
    subjects = wish.subjects or results.subjects
    heard = ClipSounds.find(results, subjects, wish.sounds)
    judge = (
        None if wish.judge is None else AudioEmbeddingSpace.of_model(wish.judge, length=space.length, step=space.step)
    )
    judges = Judges(judge, wish.judge or "", AudioSetTagger() if wish.classes else None)
    return Task(results, corpus, space, measure, generator, heard, target, windows, wish, judges)


def _check_seconds(seconds: float, window: float | None) -> None:
    """Sounds have a length, and what is generated is as long as a window, or it could not be embedded."""
    if not 0 < seconds < float("inf") or seconds < (window or 0):
        expected = "more than 0 s" if window is None else f"at least {window:g} s, a window of what was decoded"
        raise InputError("impossible length of sounds", found=f"{seconds:g} s", expected=expected)


def _windows(results: Results, target: str) -> WindowsTable:
    """The windows of a target that were decoded."""
    if "windows" in results.study:
        return WindowsTable.model_validate(results.study["windows"])
    table = results.study.get("decoding", {})
    usual = DecodingTable.model_validate(
        {"targets": ["any"], **{k: table[k] for k in ("window", "step") if k in table}}
    )
    return WindowsTable(length=table.get("own_windows", {}).get(target, usual.window), step=usual.step)


def decoded_subjects(task: Task) -> tuple[str, ...]:
    """Subjects with decoded embeddings."""
    here = sorted(
        folder.name.removeprefix("sub-")
        for folder in task.results.path.glob("sub-*")
        if any(folder.glob("*_decoded.npz"))
    )
    if unknown := sorted(set(task.wish.subjects) - set(here)):
        raise InputError("nothing was decoded of this subject", found=unknown, expected=", ".join(here))
    chosen = task.wish.subjects or tuple(here)
    if not chosen:
        raise InputError("nothing was decoded", file=task.results.path, fix="b2m run a study with [decoding]")
    return chosen
