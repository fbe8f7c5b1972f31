"""From decoded embeddings to sounds: retrieve, generate, judge, and write everything beside the results."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from b2m_encoding.decoding.generators import Condition
from b2m_encoding.decoding.generators.files import for_listening, read_record, recipe_key, write_sound
from b2m_encoding.decoding.generators.rank import rank_by_responses
from b2m_encoding.decoding.retrieval.corpus import Corpus
from b2m_encoding.decoding.retrieval.search import search
from b2m_encoding.decoding.retrieval.similarity import Neighbours
from b2m_encoding.errors import InputError
from b2m_encoding.io.writing import reported_as_input_error
from b2m_encoding.reconstruction.candidates import exemplar_of, make_candidates, safe_names, write_excerpt
from b2m_encoding.reconstruction.evaluate import COLUMNS, Row, judge_vectors
from b2m_encoding.reconstruction.listening_page import merge_table, write_listening
from b2m_encoding.reconstruction.request import Task, Wish, decoded_subjects, prepare
from b2m_encoding.results.bundle import results_locked, work_folder_of
from b2m_encoding.results.decoded import Decoded
from b2m_encoding.results.reader import Results
from b2m_encoding.results.reranking_model import RerankingModel
from b2m_encoding.results.schema import tables
from b2m_encoding.study import load_study

Progress = Callable[[str, int, int], None]
METHODS = ("retrieved", "oracle", "chance")
"""What a corpus answers with: to the decoded vector, to the true one, and at random."""


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
        If another run is working on these results, nothing was decoded, the corpus is in another space, or the
        generator's weights are not here; nothing is written then. Or if something cannot be written.
    """
    results = Results.open(load_study(path).output if path.is_file() else path)
    failed = reported_as_input_error("a reconstruction failed", results.path)
    with results_locked(work_folder_of(results.path.absolute())), failed:
        return _reconstruct(results, corpus, wish, progress)


def _reconstruct(results: Results, corpus: Corpus, wish: Wish, progress: Progress) -> tuple[Path, pd.DataFrame]:
    task = prepare(results, corpus, wish)
    subjects = decoded_subjects(task)
    decoded = {subject: results.decoded(subject, task.target, wish.decoder) for subject in subjects}
    total, done = sum(len(one.clips) for one in decoded.values()), 0
    encoders = {subject: results.encoder(subject, task.target) for subject in subjects}
    rows: list[Row] = []
    judged: list[Row] = []
    for subject, one in decoded.items():
        report = partial(_report, progress, subject, done, total)
        found, vectors = _subject(task, subject, one, encoders[subject], report)
        own = judge_vectors(vectors, task.measure.unit(one.true)) + task.judges.judge(_best_sounds(task, found))
        rows += found
        judged += [{"subject": subject, **row} for row in own]
        done += len(one.clips)
    names = {"target": task.target, "decoder": wish.decoder}
    table = merge_table(
        results.path / tables.RECONSTRUCTION.file,
        pd.DataFrame(rows).assign(**names),
        ("subject", "target", "decoder", "method"),
    )
    evaluation = pd.DataFrame(judged, columns=["subject", *COLUMNS]).assign(**names)
    everything = merge_table(
        results.path / tables.EVALUATION.file,
        evaluation,
        ("subject", "target", "decoder", "method", "encoder", "measure"),
    )
    progress("page", total, total)
    return write_listening(results, table, everything, names, corpus.name), evaluation


def _report(progress: Progress, subject: str, before: int, total: int, clip: str, i: int) -> None:
    progress(f"sub-{subject}: {clip}", before + i, total)


def _best_sounds(task: Task, rows: list[Row]) -> dict[str, list[Path]]:
    """The best sound of every method for each clip, in the order of the clips."""
    found: dict[str, list[Path]] = {}
    for row in rows:
        if row["rank"] == 1:
            found.setdefault(row["method"], []).append(task.results.path / row["file"])
    return found


def _subject(
    task: Task,
    subject: str,
    decoded: Decoded,
    encoder: RerankingModel,
    report: Callable[[str, int], None],
) -> tuple[list[Row], dict[str, NDArray[np.floating]]]:
    """Rows of the table of one subject, and the vectors of each method as they are compared."""
    clips = decoded.clips.tolist()
    trained = [] if task.wish.training else encoder.trained.tolist()
    out = task.corpus.mask([*clips, *trained, *task.wish.leave_out])
    if out.all():
        raise InputError(
            "the corpus holds nothing that may be retrieved",
            file=task.corpus.folder,
            found=f"{len(out)} recordings, all of them clips of the study or left out",
            fix="build a corpus of other recordings" + ("" if task.wish.training else ", or drop --no-training"),
        )
    k = min(task.wish.k, int((~out).sum()))
    found = {
        "retrieved": search(task.corpus.vectors, decoded.predicted, k, leave_out=out, measure=task.measure),
        "oracle": search(task.corpus.vectors, decoded.true, k, leave_out=out, measure=task.measure),
        "chance": _at_random(task, subject, decoded, out),
    }
    _write_neighbours(task, subject, clips, found)
    vectors: dict[str, NDArray[np.floating]] = {
        name: task.measure.unit(task.corpus.vectors[own.rows[:, 0]]) for name, own in found.items()
    }
    fit = {
        name: _responses_r(encoder, clips, np.asarray(task.corpus.vectors[own.rows[:, 0]], dtype=np.float32))
        for name, own in found.items()
    }
    names, rows, generated = safe_names(clips), [], []
    for i, clip in enumerate(clips):
        report(clip, i)
        folder = task.folder(subject, names[clip])
        rows += _heard_row(task, folder, clip)
        for name, own in found.items():
            rows.append({**_excerpt_row(task, folder, clip, name, own, i), "responses_r": float(fit[name][i])})
        if task.generator.name not in METHODS:
            made = _generated(task, subject, folder, decoded, encoder, i, int(found["retrieved"].rows[i, 0]))
            rows += made[0]
            generated.append(made[1])
    if generated:
        vectors[task.generator.name] = task.measure.unit(np.stack(generated))
    return [{"subject": subject, **row} for row in rows], vectors


def _responses_r(encoder: RerankingModel, clips: list[str], vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Correlation of the responses predicted from a sound for each clip with those measured, over targets."""
    predicted = encoder.predict(vectors)
    pairs = zip(clips, predicted, strict=True)
    return np.array([rank_by_responses(one[None], encoder.of(clip)).scores[0] for clip, one in pairs])


def _at_random(task: Task, subject: str, decoded: Decoded, out: NDArray[np.bool_]) -> Neighbours:
    """A recording for each clip that has nothing to do with it."""
    seed = int.from_bytes(hashlib.sha256(f"{task.wish.seed}/{subject}/chance".encode()).digest()[:4], "little")
    rows = np.random.default_rng(seed).choice(np.flatnonzero(~out), len(decoded.clips))[:, None]
    units = task.measure.unit(task.corpus.vectors[rows[:, 0]])
    return Neighbours(rows, np.einsum("kd,kd->k", units, task.measure.unit(decoded.predicted))[:, None])


def _heard_row(task: Task, folder: Path, clip: str) -> list[Row]:
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


def _excerpt_row(task: Task, folder: Path, clip: str, method: str, found: Neighbours, i: int) -> Row:
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
    task: Task, subject: str, folder: Path, decoded: Decoded, encoder: RerankingModel, i: int, row: int
) -> tuple[list[Row], NDArray[np.float32]]:
    """Rows of the candidates for one clip and the vector of the best: the one that explains the responses best."""
    clip, predicted = str(decoded.clips[i]), decoded.predicted[i]
    made = make_candidates(
        folder,
        task.generator,
        _condition(task, decoded, i, row),
        task.space,
        task.preparation,
        n=task.wish.n,
        seconds=task.seconds,
        seed=f"{task.wish.seed}/{subject}/{task.target}/{task.wish.decoder}/{clip}",
        about={"subject": subject, "target": task.target, "decoder": task.wish.decoder},
    )
    ranking = rank_by_responses(encoder.predict(made.embeddings), encoder.of(clip))
    cosine = task.measure.unit(made.embeddings) @ task.measure.unit(predicted[None])[0]
    rows = [
        {
            "clip": clip,
            "method": task.generator.name,
            "rank": rank,
            "file": _relative(task, made.files[number]),
            "about": f"candidate {number + 1} of {task.wish.n}",
            "cosine": float(cosine[number]),
            "responses_r": float(ranking.scores[number]),
        }
        for rank, number in enumerate(ranking.order.tolist(), start=1)
    ]
    return rows, made.embeddings[ranking.order[0]]


def _condition(task: Task, decoded: Decoded, i: int, row: int) -> Condition:
    """What a generator is told of one clip: vectors that were decoded, and the recording that was retrieved."""
    clip, exemplar, known = str(decoded.clips[i]), exemplar_of(task.corpus, row), task.corpus.table.iloc[row]
    text = ", ".join(part for part in (known.get("genre", ""), known.get("title", "")) if part)
    starts, series = decoded.windows.of(clip)
    times = starts + task.windows.length / 2
    return Condition(clip, decoded.predicted[i], exemplar, text or exemplar.about, series, times)


def _write_neighbours(task: Task, subject: str, clips: list[str], found: Mapping[str, Neighbours]) -> None:
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
    merge_table(folder / tables.NEIGHBOURS.file, pd.concat(parts, ignore_index=True), ("method",))


def _relative(task: Task, path: Path) -> str:
    return path.relative_to(task.results.path).as_posix()
