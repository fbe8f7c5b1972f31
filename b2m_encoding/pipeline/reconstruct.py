"""From decoded embeddings to sounds: retrieve, generate, judge, and write everything beside the results."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from b2m_encoding.decoding.corpus import Corpus
from b2m_encoding.decoding.evaluation.tagger import AudioSetTagger
from b2m_encoding.decoding.reconstruction import Condition, Generator, load_generator
from b2m_encoding.decoding.reconstruction.files import for_listening, read_record, recipe_key, write_sound
from b2m_encoding.decoding.retrieval import Measure, Neighbours, Similarity, search
from b2m_encoding.decoding.sound_space import SoundSpace, check_same_space
from b2m_encoding.errors import InputError
from b2m_encoding.pipeline.heard_sounds import HeardSounds
from b2m_encoding.pipeline.judge import Judges, judge_vectors
from b2m_encoding.pipeline.listen import EVALUATION, TABLE, merge_table, write_listening
from b2m_encoding.pipeline.takes import exemplar_of, make_candidates, safe_names, write_excerpt
from b2m_encoding.results.bundle import entity
from b2m_encoding.results.decoded import Decoded, read_decoded
from b2m_encoding.results.reader import Results
from b2m_encoding.study import DecodingTable, WindowsTable, load_study

Progress = Callable[[str, int, int], None]
METHODS = ("retrieved", "oracle", "chance")
"""What a corpus answers with: to the decoded vector, to the true one, and at random."""


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
        Candidates per clip; the best by the responses comes first.
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
    sounds: Path | None = None
    seed: int = 0
    judge: str | None = None
    classes: bool = False


@dataclass(frozen=True, eq=False)
class _Task:
    """Everything that is the same for all subjects."""

    results: Results
    corpus: Corpus
    space: SoundSpace
    measure: Measure
    generator: Generator
    heard: HeardSounds
    target: str
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


def reconstruct(
    path: Path, corpus: Corpus, wish: Wish, progress: Progress = lambda what, done, total: None
) -> tuple[Path, pd.DataFrame]:
    """Retrieve and reconstruct what was heard from what was decoded, and write a page to listen.

    Sounds lie in ``sub-XX/reconstruction/``; what is there already is not made again. ``reconstruction.tsv`` lists
    them, ``evaluation.tsv`` judges them, ``listen.html`` plays them.

    Parameters
    ----------
    path : Path
        Results of a study, or its study file.
    corpus : Corpus
        In the decoded feature space.
    wish : Wish
    progress : callable
        Called with what is done now, the clips done and all clips.

    Returns
    -------
    page : Path
    evaluation : DataFrame
        One row per subject, method and measure.

    Raises
    ------
    InputError
        If nothing was decoded, the corpus is in another space, or the generator's weights are not here; nothing is
        written then.
    """
    results = Results.open(load_study(path).output if path.is_file() else path)
    task = _prepared(results, corpus, wish)
    subjects = _subjects(task)
    decoded = {subject: read_decoded(results.path, subject, task.target, wish.decoder) for subject in subjects}
    total, done = sum(len(one.clips) for one in decoded.values()), 0
    rows: list[dict[str, Any]] = []
    judged: list[dict[str, Any]] = []
    for subject, one in decoded.items():
        found, vectors = _subject(task, subject, one, lambda clip, i, s=subject, d=done: progress(  # type: ignore[misc]
            f"sub-{s}: {clip}", d + i, total))  # fmt: skip
        done += len(one.clips)
        rows += found
        own = [{"encoder": "decoded space", **row} for row in judge_vectors(vectors, task.measure.unit(one.true))]
        own += [{"encoder": wish.judge or "AudioSet", **row} for row in task.judges.judge(_best_sounds(task, found))]
        judged += [{"subject": subject, **row} for row in own]
    names = {"target": task.target, "decoder": wish.decoder}
    table = merge_table(
        results.path / TABLE, pd.DataFrame(rows).assign(**names), ("subject", "target", "decoder", "method")
    )
    evaluation = pd.DataFrame(judged).assign(**names)
    everything = merge_table(
        results.path / EVALUATION, evaluation, ("subject", "target", "decoder", "method", "encoder", "measure")
    )
    progress("page", total, total)
    return write_listening(results, table, everything, names, corpus.name), evaluation


def _prepared(results: Results, corpus: Corpus, wish: Wish) -> _Task:
    """Check everything that can be checked before anything is computed."""
    targets = results.study.get("decoding", {}).get("targets", [])
    target = wish.target or next(iter(targets), None)
    if target is None:
        raise InputError("the study decodes nothing", file=results.path, expected="a study with [decoding]")
    record = results.provenance.get("features", {}).get(target)
    if record is None:
        known = ", ".join(results.provenance.get("features", {}))
        raise InputError("the results hold no such feature space", file=results.path, found=target, expected=known)
    windows = _windows(results)
    check_same_space(corpus.record["space"], record, windows.length, windows.step, file=corpus.folder)
    generator = load_generator(wish.generator, **wish.settings)
    if generator.space is not None and generator.space != record.get("extractor"):
        raise InputError(
            f"{generator.name} takes embeddings of another space",
            found=f"{target}, extractor {record.get('extractor')}",
            expected=f'a decoded feature space with extractor = "{generator.space}"',
        )
    joint = corpus.record["table"]["extractor"] in JOINT
    kind: Similarity = ("cosine" if joint else "standardised") if wish.similarity == "auto" else wish.similarity
    measure = Measure.of(kind, corpus.centre, corpus.spread)
    space = SoundSpace.of_record(corpus.record)
    subjects = wish.subjects or results.subjects
    heard = HeardSounds.find(results, subjects, wish.sounds)
    judge = None if wish.judge is None else SoundSpace.of_model(wish.judge, length=space.length, step=space.step)
    judges = Judges(judge, AudioSetTagger() if wish.classes else None)
    return _Task(results, corpus, space, measure, generator, heard, target, wish, judges)


def _best_sounds(task: _Task, rows: list[dict[str, Any]]) -> dict[str, list[Path]]:
    """The best sound of every method for each clip, in the order of the clips."""
    found: dict[str, list[Path]] = {}
    for row in rows:
        if row["rank"] == 1:
            found.setdefault(row["method"], []).append(task.results.path / row["file"])
    return found


JOINT = ("muq_mulan", "clap", "musicldm_clap", "musiccoca")
"""Networks that were trained for the cosine."""


def _windows(results: Results) -> WindowsTable:
    """The windows that were decoded."""
    if "windows" in results.study:
        return WindowsTable.model_validate(results.study["windows"])
    own = {key: value for key, value in results.study.get("decoding", {}).items() if key in ("window", "step", "lag")}
    return DecodingTable.model_validate({"targets": ["any"], **own}).windows


def _subjects(task: _Task) -> tuple[str, ...]:
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


def _subject(
    task: _Task, subject: str, decoded: Decoded, report: Callable[[str, int], None]
) -> tuple[list[dict[str, Any]], dict[str, NDArray[np.floating]]]:
    """Rows of the table of one subject, and the vectors of each method as they are compared."""
    clips = decoded.clips.tolist()
    out = task.corpus.mask([*clips, *task.wish.leave_out])
    k = min(task.wish.k, int((~out).sum()))
    options: dict[str, Any] = {"k": k, "leave_out": out, "measure": task.measure}
    found = {
        "retrieved": search(task.corpus.vectors, decoded.predicted, **options),
        "oracle": search(task.corpus.vectors, decoded.true, **options),
        "chance": _at_random(task, subject, decoded, out),
    }
    _write_neighbours(task, subject, clips, found)
    vectors: dict[str, NDArray[np.floating]] = {
        name: task.measure.unit(task.corpus.vectors[own.rows[:, 0]]) for name, own in found.items()
    }
    names, rows, generated = safe_names(clips), [], []
    for i, clip in enumerate(clips):
        report(clip, i)
        folder = task.folder(subject, names[clip])
        rows += _heard_row(task, folder, clip)
        rows += [_excerpt_row(task, folder, clip, name, own, i) for name, own in found.items()]
        if task.generator.name not in METHODS:
            made = _generated(task, subject, folder, clip, decoded.predicted[i], int(found["retrieved"].rows[i, 0]))
            rows += made[0]
            generated.append(made[1])
    if generated:
        vectors[task.generator.name] = task.measure.unit(np.stack(generated))
    return [{"subject": subject, **row} for row in rows], vectors


def _at_random(task: _Task, subject: str, decoded: Decoded, out: NDArray[np.bool_]) -> Neighbours:
    """A recording for each clip that has nothing to do with it."""
    seed = int.from_bytes(hashlib.sha256(f"{task.wish.seed}/{subject}/chance".encode()).digest()[:4], "little")
    rows = np.random.default_rng(seed).choice(np.flatnonzero(~out), len(decoded.clips))[:, None]
    units = task.measure.unit(task.corpus.vectors[rows[:, 0]])
    return Neighbours(rows, np.einsum("kd,kd->k", units, task.measure.unit(decoded.predicted))[:, None])


def _heard_row(task: _Task, folder: Path, clip: str) -> list[dict[str, Any]]:
    """The stimulus, where it is here."""
    path = folder / "heard.mp3"
    recipe = recipe_key({"clip": clip, "file": str(task.heard.files.get(clip)), "seconds": task.seconds})
    kept = read_record(path)
    if not kept or kept.get("recipe") != recipe:
        found = task.heard.wave(clip, task.seconds)
        if found is None:
            return []
        write_sound(path, for_listening(*found), found[1], {"generated": False, "title": clip, "recipe": recipe})
    return [{"clip": clip, "method": "heard", "rank": 1, "file": _relative(task, path), "about": clip}]


def _excerpt_row(task: _Task, folder: Path, clip: str, method: str, found: Neighbours, i: int) -> dict[str, Any]:
    row = int(found.rows[i, 0])
    path = write_excerpt(folder / f"{method}.mp3", task.corpus, row, task.seconds)
    exemplar = exemplar_of(task.corpus, row)
    return {
        "clip": clip,
        "method": method,
        "rank": 1,
        "file": _relative(task, path),
        "about": exemplar.about,
        "recording": str(task.corpus.table["clip"].iloc[row]),
        "cosine": float(found.cosine[i, 0]),
    }


def _generated(
    task: _Task, subject: str, folder: Path, clip: str, predicted: NDArray[np.float32], row: int
) -> tuple[list[dict[str, Any]], NDArray[np.float32]]:
    """Rows of the candidates for one clip, best first, and the vector of the best."""
    exemplar, known = exemplar_of(task.corpus, row), task.corpus.table.iloc[row]
    text = ", ".join(part for part in (known.get("genre", ""), known.get("title", "")) if part)
    made = make_candidates(
        folder,
        task.generator,
        Condition(clip, predicted, exemplar, text or exemplar.about),
        task.space,
        task.preparation,
        n=task.wish.n,
        seconds=task.seconds,
        seed=f"{task.wish.seed}/{subject}/{task.target}/{task.wish.decoder}/{clip}",
        about={"subject": subject, "target": task.target, "decoder": task.wish.decoder},
    )
    rows = [
        {
            "clip": clip,
            "method": task.generator.name,
            "rank": rank,
            "file": _relative(task, made.files[i]),
            "about": f"candidate {i + 1} of {task.wish.n}",
            "cosine": float(made.agreement[i]),
        }
        for rank, i in enumerate(made.order.tolist(), start=1)
    ]
    return rows, made.embeddings[made.order[0]]


def _write_neighbours(task: _Task, subject: str, clips: list[str], found: Mapping[str, Neighbours]) -> None:
    """The nearest recordings of every clip."""
    known = task.corpus.table
    parts = []
    for method, own in found.items():
        rows = own.rows.ravel()
        table = pd.DataFrame({"clip": np.repeat(clips, own.rows.shape[1]), "method": method})
        table["rank"] = np.tile(np.arange(1, own.rows.shape[1] + 1), len(clips))
        table["recording"], table["cosine"] = known["clip"].to_numpy()[rows], own.cosine.ravel()
        for column in ("title", "artist", "genre", "licence"):
            table[column] = known[column].to_numpy()[rows]
        parts.append(table)
    folder = task.folder(subject, "")
    folder.mkdir(parents=True, exist_ok=True)
    merge_table(folder / "neighbours.tsv", pd.concat(parts, ignore_index=True), ("method",))


def _relative(task: _Task, path: Path) -> str:
    return path.relative_to(task.results.path).as_posix()
