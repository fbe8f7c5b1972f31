"""Rows of `faults.py`: many subjects, events, regions, and subjects on one page."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
from faults_bench import Found, call, content, run
from faults_commands import study_of_clips

from b2m_encoding.gallery.explorer import write_view
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.manifest import write_manifest
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema.maps import Q
from b2m_encoding.spaces import surface_space


def many_subjects(folder: Path, n_subjects: int) -> Found:
    """Tiny subjects, run twice: the second run has nothing to do; each has maps and a page."""
    study = simulate_arrays(folder / "subjects/study", n_subjects=n_subjects, n_targets=6, n_samples=60)
    first = call(run, study)
    results = study.parent / "results"
    before, start = content(results), time.perf_counter()
    again = call(run, study)
    pages = len(list(results.glob("sub-*.html")))
    right = first == again == 0 and content(results) == before and pages == n_subjects
    return {"survived": right and len(Results.open(results).subjects) == n_subjects, "second_run_s": _since(start)}


def many_events(folder: Path, n_events: int) -> Found:
    """Runs of thousands of events."""
    study = study_of_clips(folder / "events", n_events=n_events // 5)
    text = study.read_text().replace('[features.acoustic]\nextractor = "acoustic"\nstimuli = "stimuli"\n', "")
    study.write_text(text)
    for path in study.parent.glob("*.tsv"):  # labels that differ, or there would be nothing to learn
        table = pd.read_csv(path, sep="\t")
        table["genre"] = [("a", "b", "c")[i * i % 3] for i in range(len(table))]
        table.to_csv(path, sep="\t", index=False)
    start = time.perf_counter()
    code = call(run, study)
    return {"survived": code == 0, "events": n_events // 5 * 5, "run_s": _since(start)}


def many_regions(folder: Path, n_regions: int) -> Found:
    """A table of regions as responses: maps, tables and report with every region."""
    study = folder / "regions/study.toml"
    study.parent.mkdir()
    names, rng = [f"region {number}" for number in range(n_regions)], np.random.default_rng(0)
    features = rng.standard_normal((300, 4)).astype(np.float32)
    np.save(study.parent / "sound.npy", features)
    for subject in ("01", "02"):
        values = features @ rng.standard_normal((4, n_regions)) + rng.standard_normal((300, n_regions))
        table = pd.DataFrame(values, columns=names)
        table.to_csv(study.parent / f"{subject}.tsv", sep="\t", index=False)
    study.write_text(
        'name = "regions"\noutput = "results"\n[data]\nreader = "table"\nfiles = "{subject}.tsv"\ntr = 1.5\n'
        '[features.sound]\nextractor = "array"\nfiles = "sound.npy"\n[model]\ndelays = [0.0]\n[evaluation]\n'
        'kind = "cross-validation"\nblocks = 5\ngap = 3.0\n'
        "[statistics]\npermutations = 200\nbootstraps = 100\nrefits = 2000\n"
    )
    code = call(run, study)
    if code:
        return {"survived": False, "regions": n_regions}
    results = study.parent / "results"
    table = pd.read_csv(next((results / "sub-01").glob("*desc-joint_stat-r_statmap.tsv")), sep="\t")
    return {"survived": table["target"].tolist() == names, "regions": n_regions}


def wide_view(folder: Path, n_subjects: int) -> Found:
    """The interactive page of many subjects on a cortex."""
    template = simulate_arrays(folder / "view/study", n_subjects=1, n_targets=6, n_samples=60)
    space, rng = surface_space("fsaverage5"), np.random.default_rng(0)
    subjects = [f"{number + 1:02d}" for number in range(n_subjects)]
    assert call(run, template) == 0
    record = Results.open(template.parent / "results").path
    with ResultsWriter(folder / "view/results", "view", subjects) as writer:
        for name in ("study.toml", "study.json", "provenance.json", "atlas.json"):
            writer.file(name).write_bytes((record / name).read_bytes())
        for subject in subjects:
            r = rng.uniform(-0.1, 0.6, space.n_targets)
            for desc in ("joint", "sound", "words"):
                writer.write_map(subject, desc, "r", r, space, {})
            writer.write_map(subject, "joint", Q.stat, np.where(r > 0.2, 0.01, 0.5), space, {})
        write_manifest(writer.folder, "")
    start = time.perf_counter()
    code = call(write_view, folder / "view/results", folder / "view/page.html")
    page = folder / "view/page.html"
    text = page.read_text() if page.exists() else ""
    shown = all(f"sub-{subject}" in text or f'"{subject}"' in text for subject in subjects)
    return {"survived": code == 0 and shown, "subjects": n_subjects, "mb": len(text) / 1e6, "run_s": _since(start)}


def _since(start: float) -> float:
    return round(time.perf_counter() - start, 1)
