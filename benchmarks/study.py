"""A whole study of the size of Brain2Music's, one subject, and himalaya on the same models.

    python benchmarks/study.py [--quick] [--cases delayed_6144 delayed_1536 windows_paper] [--targets N]
                               [--subjects N] [--device cpu|cuda] [--no-peer]

Simulated arrays: 18 runs of 410 volumes (12 train), features of 128, 1,024 and 384 dimensions. ``delayed_6144`` has all
of them at four delays, ``delayed_1536`` the last alone; ``windows_paper`` has windows of 10 s of 540 clips of 15 s and
no delays. Each is one ``b2m run`` in a process of its own: all sets of feature spaces, audit, 10,000 permutations,
partition, maps. ``agreement`` compares penalties and held-out r of some targets with ``EncodingModel`` in memory and
the full grid. The peer, ``KernelRidgeCV`` on the precomputed kernel of every set of feature spaces, runs two of the
folds for few targets; its seconds are scaled to all folds, sets and targets, which is told in its column.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from harness import Row, arguments, environment, finish, gemm_rate, save, seconds

N_VOLUMES, TR, DELAYS = 410, 1.5, (3.0, 4.5, 6.0, 7.5)
TRAINING = [f"train-{i + 1:02d}" for i in range(12)]
TEST = [f"test-{i + 1}" for i in range(6)]
N_LATENT = 64


@dataclass(frozen=True)
class Case:
    """A design: features, and whether windows of clips are its samples."""

    spaces: Mapping[str, int]
    windows: bool = False
    targets: int = 60_000
    quick: int = 1500


CASES = {
    "delayed_6144": Case({"mulan": 128, "w2v_bert": 1024, "text": 384}),
    "delayed_1536": Case({"text": 384}),
    "windows_paper": Case({"mulan": 128, "w2v_bert": 1024, "text": 384}, windows=True),
}
STUDY = """name = "Study of the paper's size"
output = "results"
note = "simulated data"
[data]
reader = "array"
tr = {tr}
subjects = {subjects}
files = {files}
{events}
{features}
{design}
[evaluation]
kind = "test"
test_runs = "test*"
{average}
[statistics]
permutations = 10000
"""


def main() -> None:
    options = arguments(
        __doc__ or "",
        lambda parser: parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES)),
        lambda parser: parser.add_argument("--targets", type=int, help="instead of 60,000"),
        lambda parser: parser.add_argument("--subjects", type=int, default=1),
        lambda parser: parser.add_argument("--runs", type=int, help="training runs, instead of 12 (4 with --quick)"),
        lambda parser: parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu"),
        lambda parser: parser.add_argument("--no-peer", action="store_true"),
        lambda parser: parser.add_argument("--child", type=Path, help=argparse.SUPPRESS),
    )
    if options.child:
        run_here(options.child, options.device)
        return
    n_training = options.runs or (4 if options.quick else 12)
    env = environment(gemm_gflops=round(gemm_rate()), device=options.device, training_runs=n_training)
    rows, agreed = [], True
    for name in options.cases:
        case = CASES[name]
        n_targets = options.targets or (case.quick if options.quick else case.targets)
        with tempfile.TemporaryDirectory(prefix="b2m-study-") as folder:
            place = Path(folder)
            simulate(place, case, n_targets, options.subjects, TRAINING[:n_training])
            found = run_apart(place, options.device)
            agreement = compare(place, case) if options.device == "cpu" else {}
            peer = None if options.no_peer else peer_seconds(place, case, n_targets * options.subjects)
        agreed &= agreement.get("r_within", 0.0) < 1e-5
        ratio = peer["seconds"] / found["steps"]["fit"] if peer else None
        size = f"{n_targets} targets, {options.subjects} subjects"
        rows.append(
            Row(
                name if options.subjects == 1 else f"{name}_{options.subjects}_subjects",
                ours=f"{size}; s by step {found['steps']}; {found['disk_mb']} MB on disk at most",
                peer=f"himalaya, scaled from {peer['measured']}" if peer else None,
                ours_s=found["seconds"],
                peer_s=peer["seconds"] if peer else None,
                ratio=ratio,
                agreement=agreement,
                peak_mb=found["peak_mb"],
            )
        )
        save("study", rows, env, quick=options.quick)
    finish("study", rows, env, agreed=agreed, quick=options.quick)


def autoregressive(rng: np.random.Generator, n: int, width: int, weight: float) -> Any:
    """Series of first order, float32."""
    x = rng.standard_normal((n, width), dtype=np.float32)
    for t in range(1, n):
        x[t] += weight * x[t - 1]
    return x


def simulate(folder: Path, case: Case, n_targets: int, n_subjects: int, training: list[str]) -> None:
    """Write features, responses, events and the study."""
    rng = np.random.default_rng(0)
    for name in ("features", "responses", "events"):
        (folder / name).mkdir(parents=True)
    mixing = {k: rng.standard_normal((p, p), dtype=np.float32) / p**0.5 for k, p in case.spaces.items()}
    latent = {k: rng.standard_normal((p, N_LATENT), dtype=np.float32) / p**0.5 for k, p in case.spaces.items()}
    loading = rng.standard_normal((N_LATENT * len(latent), n_targets), dtype=np.float32)
    loading *= rng.random(loading.shape, dtype=np.float32) < 0.05
    repeated: dict[int, Mapping[str, Any]] = {}
    clips = clip_features(rng, folder, case, mixing) if case.windows else {}
    for number, run in enumerate([*training, *TEST]):
        if case.windows:
            features = {k: clip_courses(folder, run, clips[k], number) for k in mixing}
        else:
            made = {k: autoregressive(rng, N_VOLUMES, p, 0.8) @ mixing[k] for k, p in case.spaces.items()}
            features = made if run in training else repeated.setdefault(TEST.index(run) % 3, made)
            for k, values in features.items():
                np.save(folder / f"features/{k}_{run}.npy", values)
        driven = np.concatenate([features[k] @ latent[k] for k in latent], axis=1)
        signal = np.concatenate([np.zeros((3, driven.shape[1]), np.float32), driven[:-3]]) @ loading
        for subject in range(n_subjects):
            noise = autoregressive(rng, N_VOLUMES, n_targets, 0.4)
            np.save(folder / f"responses/{subject + 1:02d}_{run}.npy", 0.35 * signal + noise)
    write_study(folder, case, n_subjects, [*training, *TEST])


def clip_features(rng: np.random.Generator, folder: Path, case: Case, mixing: Mapping[str, Any]) -> dict[str, Any]:
    """Embeddings of the four windows of every clip, in one archive per feature space."""
    n_clips, found = 40 * len(TRAINING) + 60, {}
    for name, width in case.spaces.items():
        values = rng.standard_normal((n_clips, 1, width), dtype=np.float32)
        values = (values + 0.5 * rng.standard_normal((n_clips, 4, width), dtype=np.float32)) @ mixing[name]
        found[name] = values
        np.savez(folder / f"features/{name}.npz", **{f"clip-{i:03d}": one for i, one in enumerate(values)})
    return found


def clip_courses(folder: Path, run: str, embeddings: Any, number: int) -> Any:
    """Write the events of a run, 40 clips of 15 s; mean embedding of the clip at every volume."""
    first = 40 * number if run in TRAINING else 40 * len(TRAINING) + 10 * (TEST.index(run) % 6)
    chosen = [first + i if run in TRAINING else first + i % 10 for i in range(40)]
    lines = ["onset\tduration\tstim_file", *(f"{15 * i}\t15\tclip-{clip:03d}" for i, clip in enumerate(chosen))]
    (folder / f"events/{run}.tsv").write_text("\n".join(lines) + "\n")
    values = np.repeat(embeddings[chosen].mean(1), 10, axis=0)
    return np.concatenate([values, np.zeros((N_VOLUMES - len(values), values.shape[1]), np.float32)])


def write_study(folder: Path, case: Case, n_subjects: int, runs: list[str]) -> None:
    """Write ``study.toml``."""

    def table(kind: str, pattern: str) -> str:
        return "{ " + ", ".join(f'{run} = "{kind}/{pattern.format(run=run)}"' for run in runs) + " }"

    kinds = {
        k: f'extractor = "mulan_precomputed"\nfiles = "features/{k}.npz"\ndim = {p}' for k, p in case.spaces.items()
    }
    if not case.windows:
        kinds = {k: f'extractor = "array"\nfiles = "features/{k}_{{run}}.npy"' for k in case.spaces}
    text = STUDY.format(
        tr=TR,
        subjects=json.dumps([f"{i + 1:02d}" for i in range(n_subjects)]),
        files=table("responses", "{{subject}}_{run}.npy"),
        events=f"events = {table('events', '{run}.tsv')}" if case.windows else "",
        features="\n".join(f"[features.{name}]\n{kind}" for name, kind in kinds.items()),
        design="[windows]" if case.windows else f"[model]\ndelays = {list(DELAYS)}",
        average="average_repeats = true" if case.windows else "",
    )
    (folder / "study.toml").write_text(text)


def run_here(file: Path, device: str) -> None:
    """Run a study in this process; print seconds by step as JSON."""
    from b2m_encoding.study import load_study
    from b2m_encoding.workflow.run import run_study

    steps: dict[str, float] = {}
    last = [time.perf_counter(), "before"]

    def progress(text: str, *_: Any) -> None:
        now = time.perf_counter()
        steps[last[1]] = steps.get(last[1], 0.0) + now - last[0]
        parts = text.split(": ")
        last[:] = [now, parts[1] if len(parts) > 1 else parts[0]]

    study = load_study(file).on_machine(device, None)
    total = seconds(lambda: run_study(study, file, progress=progress))
    progress("end")
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    print(json.dumps({"seconds": total, "steps": {k: round(v, 1) for k, v in steps.items()}, "peak_mb": peak}))


def run_apart(folder: Path, device: str) -> dict[str, Any]:
    """Run a study in a process of its own; the disk that it used is looked at while it runs."""
    command = [sys.executable, __file__, "--child", str(folder / "study.toml"), "--device", device]
    before, largest = used(folder), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        while child.poll() is None:
            largest = max(largest, used(folder) - before)
            time.sleep(2)
        assert child.stdout is not None
        output = child.stdout.read()
    if child.returncode:
        sys.exit(f"the study failed: {' '.join(command)}")
    return {**json.loads(output.splitlines()[-1]), "disk_mb": round(largest / 1e6)}


def used(folder: Path) -> int:
    """Bytes of all files, also of those that come and go."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue
    return total


def samples(folder: Path, targets: Any) -> tuple[Any, ...]:
    """Study, responses of some targets, features, and the split, as the steps of a study have them."""
    from b2m_encoding.analysis.splits import evaluated
    from b2m_encoding.analysis.windows import read_recording, stimulus_timeline
    from b2m_encoding.data import Responses
    from b2m_encoding.features.extractors import build_spaces
    from b2m_encoding.spaces import Unplaced
    from b2m_encoding.study import load_study

    study = load_study(folder / "study.toml")
    recording = read_recording(study, "01")
    spaces = build_spaces(study.features, stimulus_timeline(recording), lambda *_: None)
    responses, splits = evaluated(recording.responses, study.evaluation)
    values = np.concatenate([responses.load_run(name)[:, targets] for name in responses.runs.slices])
    return study, Responses.from_array(values, responses.runs, Unplaced(len(targets))), spaces, splits


def compare(folder: Path, case: Case) -> dict[str, Any]:
    """Held-out r of some targets of the study against ``EncodingModel`` in memory, with every penalty scored."""
    from scipy.stats import pearsonr

    from b2m_encoding.analysis.encoding.predict import new_model, training_values
    from b2m_encoding.analysis.encoding.sizes import training_runs
    from b2m_encoding.analysis.encoding.test_samples import Part, TestSamples
    from b2m_encoding.results import Results

    results = Results(folder / "results")
    n_targets = len(results.map("01", "joint", "r"))
    chosen = np.unique(np.linspace(0, n_targets - 1, 100).round().astype(int))
    study, responses, spaces, [split] = samples(folder, chosen)
    runs, rows = training_runs(responses.runs, study, split)
    values = training_values(spaces, study, split)
    measured = np.concatenate([responses.load_run(name) for name in responses.runs.slices])
    model = new_model(study).set_params(screening=False)
    model.fit({name: array[rows] for name, array in values.items()}, measured[rows], runs=runs)
    test = TestSamples(
        Part(responses, slice(0, len(chosen)), np.zeros(0, int)), split, study.evaluation.average_repeats
    )
    predicted = test.predict(model, values)
    r = np.array([pearsonr(a, b)[0] for a, b in zip(predicted.T, test.measured.T, strict=True)])
    found = results.map("01", "joint", "r")[chosen]
    alphas = results.map("01", "joint", "alpha")[chosen]
    off = np.abs(found - r)
    same = np.isclose(alphas, model.best_alphas_)
    return {"r_within": float(np.median(off)), "r_largest": float(off.max()), "alpha_equal": float(same.mean())}


def peer_seconds(folder: Path, case: Case, n_targets: int) -> dict[str, Any]:
    """Seconds of himalaya for all sets of feature spaces, scaled from two folds and few targets of each."""
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV

    from b2m_encoding.analysis.encoding.predict import new_model, training_values
    from b2m_encoding.analysis.encoding.sizes import training_runs
    from b2m_encoding.features.delays import delay
    from b2m_encoding.features.space import all_subsets

    set_backend("torch")
    few, many = 100, 600
    study, responses, spaces, [split] = samples(folder, np.arange(min(many, n_targets)))
    runs, rows = training_runs(responses.runs, study, split)
    Y = np.concatenate([responses.load_run(name) for name in responses.runs.slices])[rows]
    Y = (Y - Y.mean(0)).astype(np.float32)
    kernels = {}
    for name, values in training_values(spaces, study, split).items():
        x = delay(values[rows], runs, study.model.delays) if study.model.delays else values[rows]
        x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
        kernels[name] = x @ x.T
    every = [(np.setdiff1d(np.arange(len(Y)), runs.rows(fold)), runs.rows(fold)) for fold in runs.folds(None)]
    times = []
    for names in all_subsets(tuple(kernels)):
        kernel = sum(kernels[name] for name in names)
        own = []
        for n in (few, min(many, n_targets)):
            solver = KernelRidgeCV(alphas=new_model(study).alphas, kernel="precomputed", cv=every[:2])
            own.append(seconds(lambda n=n, solver=solver, kernel=kernel: solver.fit(kernel, Y[:, :n])))
        times.append(own)
    first, second = np.sum(times, axis=0)
    slope = max(second - first, 0.0) / (min(many, n_targets) - few)
    total = len(every) / 2 * (first + slope * (n_targets - few))
    return {"seconds": float(total), "measured": f"2 of {len(every)} folds, {few} and {many} targets"}


if __name__ == "__main__":
    main()
