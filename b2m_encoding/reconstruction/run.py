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
from b2m_encoding.decoding.retrieval.exact_search import search
from b2m_encoding.decoding.retrieval.similarity import Neighbours
from b2m_encoding.errors import InputError
from b2m_encoding.io.writing import reported_as_input_error
from b2m_encoding.reconstruction.candidates import exemplar_of, make_candidates, safe_names, write_excerpt
from b2m_encoding.reconstruction.evaluate import COLUMNS, Row, evaluate_vectors
from b2m_encoding.reconstruction.listening_page import merge_table, write_listening
from b2m_encoding.reconstruction.request import ReconstructionRequest, ReconstructionSetup, decoded_subjects, prepare
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
    path: Path, corpus: Corpus, request: ReconstructionRequest, progress: Progress = lambda what, done, total: None
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
    request : ReconstructionRequest
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
        return _reconstruct(results, corpus, request, progress)


def _reconstruct(
    results: Results, corpus: Corpus, request: ReconstructionRequest, progress: Progress
) -> tuple[Path, pd.DataFrame]:
    setup = prepare(results, corpus, request)
    subjects = decoded_subjects(setup)
    decoded = {subject: results.decoded(subject, setup.target, request.decoder) for subject in subjects}
    total, done = sum(len(one.clips) for one in decoded.values()), 0
    encoders = {subject: results.encoder(subject, setup.target) for subject in subjects}
    rows: list[Row] = []
    judged: list[Row] = []
    for subject, one in decoded.items():
        report = partial(_report, progress, subject, done, total)
        found, vectors = _subject(setup, subject, one, encoders[subject], report)
        own = evaluate_vectors(vectors, setup.metric.unit(one.true)) + setup.evaluators.evaluate(
            _best_sounds(setup, found)
        )
        rows += found
        judged += [{"subject": subject, **row} for row in own]
        done += len(one.clips)
    names = {"target": setup.target, "decoder": request.decoder}
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


def _best_sounds(setup: ReconstructionSetup, rows: list[Row]) -> dict[str, list[Path]]:
    """The best sound of every method for each clip, in the order of the clips."""
    found: dict[str, list[Path]] = {}
    for row in rows:
        if row["rank"] == 1:
            found.setdefault(row["method"], []).append(setup.results.path / row["file"])
    return found


def _subject(
    setup: ReconstructionSetup,
    subject: str,
    decoded: Decoded,
    encoder: RerankingModel,
    report: Callable[[str, int], None],
) -> tuple[list[Row], dict[str, NDArray[np.floating]]]:
    """Rows of the table of one subject, and the vectors of each method as they are compared."""
    clips = decoded.clips.tolist()
    trained = [] if setup.request.training else encoder.trained.tolist()
    out = setup.corpus.mask([*clips, *trained, *setup.request.leave_out])
    if out.all():
        raise InputError(
            "the corpus holds nothing that may be retrieved",
            file=setup.corpus.folder,
            found=f"{len(out)} recordings, all of them clips of the study or left out",
            fix="build a corpus of other recordings" + ("" if setup.request.training else ", or drop --no-training"),
        )
    k = min(setup.request.k, int((~out).sum()))
    found = {
        "retrieved": search(setup.corpus.vectors, decoded.predicted, k, leave_out=out, metric=setup.metric),
        "oracle": search(setup.corpus.vectors, decoded.true, k, leave_out=out, metric=setup.metric),
        "chance": _at_random(setup, subject, decoded, out),
    }
    _write_neighbours(setup, subject, clips, found)
    vectors: dict[str, NDArray[np.floating]] = {
        name: setup.metric.unit(setup.corpus.vectors[own.rows[:, 0]]) for name, own in found.items()
    }
    fit = {
        name: _responses_r(encoder, clips, np.asarray(setup.corpus.vectors[own.rows[:, 0]], dtype=np.float32))
        for name, own in found.items()
    }
    names, rows, generated = safe_names(clips), [], []
    for i, clip in enumerate(clips):
        report(clip, i)
        folder = setup.folder(subject, names[clip])
        rows += _heard_row(setup, folder, clip)
        for name, own in found.items():
            rows.append({**_excerpt_row(setup, folder, clip, name, own, i), "responses_r": float(fit[name][i])})
        if setup.generator.name not in METHODS:
            made = _generated(setup, subject, folder, decoded, encoder, i, int(found["retrieved"].rows[i, 0]))
            rows += made[0]
            generated.append(made[1])
    if generated:
        vectors[setup.generator.name] = setup.metric.unit(np.stack(generated))
    return [{"subject": subject, **row} for row in rows], vectors


def _responses_r(encoder: RerankingModel, clips: list[str], vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Correlation of the responses predicted from a sound for each clip with those measured, over targets."""
    predicted = encoder.predict(vectors)
    pairs = zip(clips, predicted, strict=True)
    return np.array([rank_by_responses(one[None], encoder.of(clip)).scores[0] for clip, one in pairs])


def _at_random(setup: ReconstructionSetup, subject: str, decoded: Decoded, out: NDArray[np.bool_]) -> Neighbours:
    """A recording for each clip that has nothing to do with it."""
    seed = int.from_bytes(hashlib.sha256(f"{setup.request.seed}/{subject}/chance".encode()).digest()[:4], "little")
    rows = np.random.default_rng(seed).choice(np.flatnonzero(~out), len(decoded.clips))[:, None]
    units = setup.metric.unit(setup.corpus.vectors[rows[:, 0]])
    return Neighbours(rows, np.einsum("kd,kd->k", units, setup.metric.unit(decoded.predicted))[:, None])


def _heard_row(setup: ReconstructionSetup, folder: Path, clip: str) -> list[Row]:
    """The stimulus, where it is here."""
    path = folder / "heard.mp3"
    recipe = recipe_key({"clip": clip, "file": str(setup.heard.files.get(clip)), "seconds": setup.seconds})
    kept = read_record(path)
    if not kept or kept.get("recipe") != recipe:
        found = setup.heard.wave(clip, setup.seconds)
        if found is None:
            return []
        write_sound(path, for_listening(*found), found[1], {"generated": False, "title": clip, "recipe": recipe})
    return [{"clip": clip, "method": "heard", "rank": 1, "file": _relative(setup, path), "about": clip}]


def _excerpt_row(setup: ReconstructionSetup, folder: Path, clip: str, method: str, found: Neighbours, i: int) -> Row:
    row = int(found.rows[i, 0])
    path = write_excerpt(folder / f"{method}.mp3", setup.corpus, row, setup.seconds)
    exemplar = exemplar_of(setup.corpus, row)
    return {
        "clip": clip,
        "method": method,
        "rank": 1,
        "file": _relative(setup, path),
        "about": exemplar.about,
        "recording": str(setup.corpus.table["clip"].iloc[row]),
        "cosine": float(found.cosine[i, 0]),
    }


def _generated(
    setup: ReconstructionSetup, subject: str, folder: Path, decoded: Decoded, encoder: RerankingModel, i: int, row: int
) -> tuple[list[Row], NDArray[np.float32]]:
    """Rows of the candidates for one clip and the vector of the best: the one that explains the responses best."""
    clip, predicted = str(decoded.clips[i]), decoded.predicted[i]
    made = make_candidates(
        folder,
        setup.generator,
        _condition(setup, decoded, i, row),
        setup.space,
        setup.preparation,
        n=setup.request.n,
        seconds=setup.seconds,
        seed=f"{setup.request.seed}/{subject}/{setup.target}/{setup.request.decoder}/{clip}",
        about={"subject": subject, "target": setup.target, "decoder": setup.request.decoder},
    )
    ranking = rank_by_responses(encoder.predict(made.embeddings), encoder.of(clip))
    cosine = setup.metric.unit(made.embeddings) @ setup.metric.unit(predicted[None])[0]
    rows = [
        {
            "clip": clip,
            "method": setup.generator.name,
            "rank": rank,
            "file": _relative(setup, made.files[number]),
            "about": f"candidate {number + 1} of {setup.request.n}",
            "cosine": float(cosine[number]),
            "responses_r": float(ranking.scores[number]),
        }
        for rank, number in enumerate(ranking.order.tolist(), start=1)
    ]
    return rows, made.embeddings[ranking.order[0]]


def _condition(setup: ReconstructionSetup, decoded: Decoded, i: int, row: int) -> Condition:
    """What a generator is told of one clip: vectors that were decoded, and the recording that was retrieved."""
    clip, exemplar, known = str(decoded.clips[i]), exemplar_of(setup.corpus, row), setup.corpus.table.iloc[row]
    text = ", ".join(part for part in (known.get("genre", ""), known.get("title", "")) if part)
    starts, series = decoded.windows.of(clip)
    times = starts + setup.windows.length / 2
    return Condition(clip, decoded.predicted[i], exemplar, text or exemplar.about, series, times)


def _write_neighbours(
    setup: ReconstructionSetup, subject: str, clips: list[str], found: Mapping[str, Neighbours]
) -> None:
    """The nearest recordings of every clip."""
    known = setup.corpus.table
    parts = []
    for method, own in found.items():
        rows = own.rows.ravel()
        table = pd.DataFrame({"clip": np.repeat(clips, own.rows.shape[1]), "method": method})
        table["rank"] = np.tile(np.arange(1, own.rows.shape[1] + 1), len(clips))
        table["recording"], table["cosine"] = known["clip"].to_numpy()[rows], own.cosine.ravel()
        for column in ("title", "artist", "genre", "licence"):
            table[column] = known[column].to_numpy()[rows]
        parts.append(table)
    folder = setup.folder(subject, "")
    folder.mkdir(parents=True, exist_ok=True)
    merge_table(folder / tables.NEIGHBOURS.file, pd.concat(parts, ignore_index=True), ("method",))


def _relative(setup: ReconstructionSetup, path: Path) -> str:
    return path.relative_to(setup.results.path).as_posix()
