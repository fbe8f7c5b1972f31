"""Reconstruction: retrieve, generate and evaluate sounds from decoded embeddings, and write them into the results."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from b2m_encoding._typing import Booleans, Float32, Float64, Floating, Progress
from b2m_encoding.decoding.evaluation.paired import paired_tests
from b2m_encoding.decoding.generators import Condition
from b2m_encoding.decoding.generators.files import for_listening, recipe_key, write_sound
from b2m_encoding.decoding.generators.rank import rank_by_responses
from b2m_encoding.decoding.retrieval.corpus import Corpus
from b2m_encoding.decoding.retrieval.exact_search import search
from b2m_encoding.decoding.retrieval.similarity import Neighbours
from b2m_encoding.errors import InputError
from b2m_encoding.io.names import safe_name
from b2m_encoding.io.removal import remove_temporary_files
from b2m_encoding.io.tables import tsv
from b2m_encoding.io.writing import reported_as_input_error, write_whole
from b2m_encoding.reconstruction.candidates import exemplar_of, make_candidates, write_excerpt, written_before
from b2m_encoding.reconstruction.evaluate import (
    COLUMNS,
    PRESENTED,
    Row,
    Score,
    evaluate_vectors,
    mean_of,
)
from b2m_encoding.reconstruction.listening_page import merge_table, write_listening
from b2m_encoding.reconstruction.request import ReconstructionRequest, ReconstructionSetup, decoded_subjects, prepare
from b2m_encoding.results.decoded import Decoded
from b2m_encoding.results.place import results_locked, work_folder_of
from b2m_encoding.results.reader import Results
from b2m_encoding.results.reranking_model import RerankingModel
from b2m_encoding.results.schema import tables
from b2m_encoding.results.schema.files import LISTEN
from b2m_encoding.study import load_study

WRITTEN = (tables.RECONSTRUCTION, tables.EVALUATION, tables.CLIP_EVALUATION, tables.EVALUATION_TESTS)
OF_CHANCE = 20_000
"""Recordings at most, evenly spaced in the corpus, over which chance is an expectation."""
METHODS = ("retrieved", "oracle", "chance")
"""Methods of retrieval: nearest to the decoded vector, nearest to the true one, at random."""


def reconstruct(
    path: str | Path,
    corpus: Corpus,
    request: ReconstructionRequest,
    progress: Progress = lambda what, done, total: None,
) -> tuple[Path, pd.DataFrame]:
    """Retrieve and generate sounds from decoded embeddings, and write a page to listen to them.

    Sounds lie in ``sub-XX/reconstruction/``; existing ones are not made again. ``reconstruction.tsv`` lists them,
    ``evaluation.tsv`` holds their evaluation, ``listen.html`` plays them.

    Parameters
    ----------
    path : Path
        Results folder of a study, or its study file.
    corpus : Corpus
        Recordings, embedded in the decoded feature space.
    request : ReconstructionRequest
    progress : callable
        Called with the current clip, the clips done and all clips.

    Returns
    -------
    page : Path
        The listening page.
    evaluation : DataFrame
        One row per subject, method and measure.

    Raises
    ------
    InputError
        If another run is using these results, nothing was decoded, the corpus is in another space, or the weights of
        the generator are missing; nothing is written then. Or if a file cannot be written.
    """
    path = Path(path)
    results = Results.open(load_study(path).output if path.is_file() else path)
    failed = reported_as_input_error("a reconstruction failed", results.path)
    with results_locked(work_folder_of(results.path.absolute())), failed:
        _remove_temporary(results)
        return _reconstruct(results, corpus, request, progress)


def _remove_temporary(results: Results) -> None:
    """Remove what a reconstruction that was killed left half-written."""
    remove_temporary_files(results.path, (*(one.file for one in WRITTEN), LISTEN))
    for subject in results.subjects:
        for folder in (results.path / f"sub-{subject}").rglob("*/"):
            remove_temporary_files(folder, (tables.NEIGHBOURS.file, ".mp3", ".wav", ".json"))


def _reconstruct(
    results: Results, corpus: Corpus, request: ReconstructionRequest, progress: Progress
) -> tuple[Path, pd.DataFrame]:
    setup = prepare(results, corpus, request)
    subjects = decoded_subjects(setup)
    decoded = {subject: results.decoded(subject, setup.target, request.decoder) for subject in subjects}
    total, done = sum(len(part.clips) for part in decoded.values()), 0
    encoders = {subject: results.encoder(subject, setup.target) for subject in subjects}
    rows: list[Row] = []
    evaluated: list[Row] = []
    of_clips: list[pd.DataFrame] = []
    groups = _groups(results)
    for subject, part in decoded.items():
        report = partial(_report, progress, subject, done, total)
        sounds, vectors, allowed = _subject(setup, subject, part, encoders[subject], report)
        rows += sounds
        scores = _scores(setup, sounds, vectors, part, allowed)
        evaluated += [{"subject": subject, **one.row()} for one in scores]
        of_clips += [_clip_rows(subject, part.clips.tolist(), one, groups) for one in scores if one.clips is not None]
        done += len(part.clips)
    names = {"target": setup.target, "decoder": request.decoder, "corpus": setup.corpus_name}
    table = merge_table(
        results.path / tables.RECONSTRUCTION.file,
        pd.DataFrame(rows).assign(**names, corpus_key=corpus.key),
        ("subject", "target", "decoder", "corpus", "method"),
    )
    evaluation = pd.DataFrame(evaluated, columns=["subject", *COLUMNS]).assign(**names)
    everything = merge_table(
        results.path / tables.EVALUATION.file,
        evaluation,
        ("subject", "target", "decoder", "corpus", "method", "encoder", "measure"),
    )
    every_clip = merge_table(
        results.path / tables.CLIP_EVALUATION.file,
        pd.concat([pd.DataFrame(columns=["subject"]), *of_clips]).assign(**names),
        ("subject", "target", "decoder", "corpus", "method", "encoder", "measure"),
    )
    write_whole(results.path / tables.EVALUATION_TESTS.file, tsv(paired_tests(every_clip)))
    progress("page", total, total)
    return write_listening(results, table, everything, names), evaluation


def _report(progress: Progress, subject: str, before: int, total: int, clip: str, i: int) -> None:
    progress(f"sub-{subject}: {clip}", before + i, total)


def _scores(
    setup: ReconstructionSetup, rows: list[Row], vectors: dict[str, list[Floating]], part: Decoded, allowed: Booleans
) -> list[Score]:
    """Scores of the best sound of every method, and the mean over the samples of a generator, none chosen."""
    of_chance = np.flatnonzero(allowed)
    of_chance = of_chance[:: -(-len(of_chance) // OF_CHANCE)]
    true, candidates = setup.metric.unit(part.true), setup.metric.unit(setup.corpus.vectors[of_chance])
    best = {name: samples[0] for name, samples in vectors.items()}
    scores = evaluate_vectors(best, true, candidates) + setup.evaluators.evaluate(_sounds(setup, rows, "rank", 1))
    name, n = setup.generator.name, setup.request.n
    if n > 1 and name in vectors:
        samples = [evaluate_vectors({name: one}, true) for one in vectors[name][1:]]
        heard = _sounds(setup, rows, "rank", 1).get(PRESENTED)
        for number, one in enumerate(samples, start=1):
            files = {name: _sounds(setup, rows, "sample", number)[name], **({PRESENTED: heard} if heard else {})}
            one += setup.evaluators.evaluate(files)
        scores += mean_of(samples, f"{name}, mean of {n}")
    return scores


def _sounds(setup: ReconstructionSetup, rows: list[Row], column: str, number: int) -> dict[str, list[Path]]:
    """Sounds of every method by their rank or the number of the sample, in the order of the clips."""
    sounds: dict[str, list[Path]] = {}
    for row in rows:
        if row.get(column) == number:
            sounds.setdefault(row["method"], []).append(setup.results.path / row["file"])
    return sounds


def _groups(results: Results) -> dict[str, str]:
    """Group of every clip, where the results list them."""
    table = results.table(tables.CLIPS) if results.has(tables.CLIPS) else None
    return {} if table is None else dict(zip(table["clip"].astype(str), table["group"].fillna("n/a"), strict=True))


def _clip_rows(subject: str, clips: list[str], score: Score, groups: Mapping[str, str]) -> pd.DataFrame:
    names = {"subject": subject, "method": score.method, "encoder": score.encoder, "measure": score.measure}
    of_clips = {"clip": clips, "group": [groups.get(clip, "n/a") for clip in clips], "value": score.clips}
    return pd.DataFrame({**names, **of_clips})


def _subject(
    setup: ReconstructionSetup,
    subject: str,
    decoded: Decoded,
    encoder: RerankingModel,
    report: Callable[[str, int], None],
) -> tuple[list[Row], dict[str, list[Floating]], Booleans]:
    """Rows of the table of one subject, unit vectors of each method, and the recordings that may be retrieved.

    Of a generator the best samples come first, then all first ones, all second ones and so on.
    """
    clips = decoded.clips.tolist()
    neighbours, out = _neighbours(setup, subject, decoded, encoder)
    _write_neighbours(setup, subject, clips, neighbours)
    best = {name: setup.corpus.vectors[near.rows[:, 0]] for name, near in neighbours.items()}
    vectors: dict[str, list[Floating]] = {name: [setup.metric.unit(values)] for name, values in best.items()}
    fit = {name: _responses_r(encoder, clips, np.asarray(values, np.float32)) for name, values in best.items()}
    rows, generated = [], []
    for i, clip in enumerate(clips):
        report(clip, i)
        folder = setup.folder(subject, safe_name(clip))
        rows += _presented_row(setup, folder, clip)
        for name, near in neighbours.items():
            rows.append({**_excerpt_row(setup, folder, clip, name, near, i), "responses_r": float(fit[name][i])})
        if setup.generator.name not in METHODS:
            row = int(neighbours["retrieved"].rows[i, 0])
            candidates, vector = _generated(setup, subject, folder, decoded, encoder, i, row)
            rows += candidates
            generated.append(vector)
    if generated:
        vectors[setup.generator.name] = [setup.metric.unit(values) for values in np.stack(generated, axis=1)]
    return [{"subject": subject, **row} for row in rows], vectors, ~out


def _neighbours(
    setup: ReconstructionSetup, subject: str, decoded: Decoded, encoder: RerankingModel
) -> tuple[dict[str, Neighbours], Booleans]:
    """Recordings of each method of retrieval, and the mask of those that may not be retrieved.

    These are the test clips, and those that are left out.
    """
    request = setup.request
    trained = [] if request.training else encoder.trained.tolist()
    presented = [*decoded.clips.tolist(), *trained]
    files = [setup.presented.files[clip] for clip in presented if clip in setup.presented.files]
    out = setup.corpus.mask(presented, report=False) | setup.corpus.mask(request.leave_out)
    out |= setup.corpus.mask_sounds(files)
    if out.all():
        raise InputError(
            "the corpus holds nothing that may be retrieved",
            file=setup.corpus.folder,
            found=f"{len(out)} recordings, all of them clips of the study or left out",
            fix="build a corpus of other recordings" + ("" if request.training else ", or drop --no-training"),
        )
    k = min(request.k, int((~out).sum()))
    vectors = setup.corpus.vectors
    found = {
        "retrieved": search(vectors, decoded.predicted, k, leave_out=out, metric=setup.metric),
        "oracle": search(vectors, decoded.true, k, leave_out=out, metric=setup.metric),
        "chance": _at_random(setup, subject, decoded, out),
    }
    return found, out


def _responses_r(encoder: RerankingModel, clips: list[str], vectors: Float32) -> Float64:
    """Correlation of the responses predicted from a sound for each clip with those measured, over targets."""
    pairs = zip(clips, encoder.predict(vectors), strict=True)
    return np.array([rank_by_responses(predicted[None], encoder.of(clip)).scores[0] for clip, predicted in pairs])


def _at_random(setup: ReconstructionSetup, subject: str, decoded: Decoded, out: Booleans) -> Neighbours:
    """A random recording for each clip."""
    seed = int.from_bytes(hashlib.sha256(f"{setup.request.seed}/{subject}/chance".encode()).digest()[:4], "little")
    rows = np.random.default_rng(seed).choice(np.flatnonzero(~out), len(decoded.clips))[:, None]
    units = setup.metric.unit(setup.corpus.vectors[rows[:, 0]])
    return Neighbours(rows, np.einsum("kd,kd->k", units, setup.metric.unit(decoded.predicted))[:, None])


def _presented_row(setup: ReconstructionSetup, folder: Path, clip: str) -> list[Row]:
    """Row of the stimulus, if its file exists."""
    path = folder / "heard.mp3"
    recipe = recipe_key({"clip": clip, "file": str(setup.presented.files.get(clip)), "seconds": setup.seconds})
    if not written_before(path, recipe, setup.excerpts):
        sound = setup.presented.wave(clip, setup.seconds)
        if sound is None:
            return []
        write_sound(path, for_listening(*sound), sound[1], {"generated": False, "title": clip, "recipe": recipe})
    return [{"clip": clip, "method": PRESENTED, "rank": 1, "file": _relative(setup, path), "about": clip}]


def _excerpt_row(setup: ReconstructionSetup, folder: Path, clip: str, method: str, near: Neighbours, i: int) -> Row:
    """Row of the nearest recording."""
    row = int(near.rows[i, 0])
    path = write_excerpt(folder / f"{method}.mp3", setup.corpus, row, setup.seconds, setup.excerpts)
    return {
        "clip": clip,
        "method": method,
        "rank": 1,
        "file": _relative(setup, path),
        "about": exemplar_of(setup.corpus, row).about,
        "recording": str(setup.corpus.table["clip"].iloc[row]),
        "cosine": float(near.cosine[i, 0]),
    }


def _generated(
    setup: ReconstructionSetup, subject: str, folder: Path, decoded: Decoded, encoder: RerankingModel, i: int, row: int
) -> tuple[list[Row], Float32]:
    """Rows of the candidates for one clip; vectors of the one that explains the responses best, and of all in turn."""
    clip, predicted = str(decoded.clips[i]), decoded.predicted[i]
    candidates = make_candidates(
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
    ranking = rank_by_responses(encoder.predict(candidates.embeddings), encoder.of(clip))
    cosine = setup.metric.unit(candidates.embeddings) @ setup.metric.unit(predicted[None])[0]
    rows = [
        {
            "clip": clip,
            "method": setup.generator.name,
            "rank": rank,
            "sample": number + 1,
            "file": _relative(setup, candidates.files[number]),
            "about": f"candidate {number + 1} of {setup.request.n}",
            "cosine": float(cosine[number]),
            "responses_r": float(ranking.scores[number]),
        }
        for rank, number in enumerate(ranking.order.tolist(), start=1)
    ]
    return rows, np.stack([candidates.embeddings[ranking.order[0]], *candidates.embeddings])


def _condition(setup: ReconstructionSetup, decoded: Decoded, i: int, row: int) -> Condition:
    """Input of a generator for one clip: decoded vectors, and the retrieved recording."""
    clip, exemplar, metadata = str(decoded.clips[i]), exemplar_of(setup.corpus, row), setup.corpus.table.iloc[row]
    text = ", ".join(part for part in (metadata.get("genre", ""), metadata.get("title", "")) if part)
    starts, series = decoded.windows.of(clip)
    times = starts + setup.windows.length / 2
    return Condition(clip, decoded.predicted[i], exemplar, text or exemplar.about, series, times)


def _write_neighbours(
    setup: ReconstructionSetup, subject: str, clips: list[str], neighbours: Mapping[str, Neighbours]
) -> None:
    """Write the table of the nearest recordings of every clip."""
    metadata = setup.corpus.table
    parts = []
    for method, near in neighbours.items():
        rows, k = near.rows.ravel(), near.rows.shape[1]
        table = pd.DataFrame({"clip": np.repeat(clips, k), "method": method})
        table["rank"] = np.tile(np.arange(1, k + 1), len(clips))
        table["recording"], table["cosine"] = metadata["clip"].to_numpy()[rows], near.cosine.ravel()
        for column in ("title", "artist", "genre", "licence"):
            table[column] = metadata[column].to_numpy()[rows]
        parts.append(table)
    folder = setup.folder(subject, "")
    folder.mkdir(parents=True, exist_ok=True)
    merge_table(folder / tables.NEIGHBOURS.file, pd.concat(parts, ignore_index=True), ("method",))


def _relative(setup: ReconstructionSetup, path: Path) -> str:
    return path.relative_to(setup.results.path).as_posix()
