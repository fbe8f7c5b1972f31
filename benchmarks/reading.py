"""Reading a full-size subject of the Music Genre data set: beside nilearn's NiftiMasker on the same files.

Simulated: 18 runs of 96 x 96 x 68 x 410 int16 (514 MB each), with events and sidecars in the published layout, written
run by run into a temporary folder and deleted at the end. Every run is read, cleaned (as in Brain2Music: a running
median of 240 s, z-score; and by cosines) and reduced to 60,000 voxels; nilearn does the cosine cleaning of the same
voxels. Each side runs in a process of its own, so that its peak memory is its own.

Run: python benchmarks/reading.py [--quick] [--folder DIR] [--runs N]
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from harness import Row, arguments, environment, finish, save, seconds

SHAPE, VOLUMES, VOXELS, TR = (96, 96, 68), 410, 60_000, 1.5
RUNS = [f"task-{task}_run-{i + 1:02d}" for task, n in (("Training", 12), ("Test", 6)) for i in range(n)]


def write_mask(folder: Path, shape: tuple[int, int, int], n_voxels: int) -> None:
    """A ball of exactly ``n_voxels`` voxels."""
    import nibabel as nib

    grid = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij"), axis=-1)
    order = np.argsort((grid**2).sum(axis=-1), axis=None, kind="stable")
    mask = np.zeros(shape, dtype=np.uint8)
    mask.ravel()[order[:n_voxels]] = 1
    nib.save(nib.Nifti1Image(mask, np.diag([2.0, 2, 2, 1])), folder / "mask.nii.gz")


def write_run(folder: Path, name: str, shape: tuple[int, int, int], n_volumes: int, seed: int) -> None:
    """One run: a level, a drift and noise in every voxel, a few volumes in memory at a time."""
    import nibabel as nib

    rng = np.random.default_rng(seed)
    func = folder / "sub-001" / "func"
    func.mkdir(parents=True, exist_ok=True)
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((*shape, n_volumes))
    header.set_zooms((2.0, 2.0, 2.0, TR))
    header.set_xyzt_units("mm", "sec")
    header.set_sform(np.diag([2.0, 2, 2, 1]), 1)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    level = rng.integers(400, 1600, shape, dtype=np.int16)
    noise = rng.integers(-30, 31, (*shape, 8), dtype=np.int16)
    with (func / f"sub-001_{name}_bold.nii").open("wb") as stream:
        stream.write(header.binaryblock + b"\0" * 4)
        for i in range(n_volumes):
            volume = level + np.int16(20 * np.sin(i / 60)) + np.roll(noise[..., i % 8], i, axis=0)
            stream.write(volume.tobytes(order="F"))
    (func / f"sub-001_{name}_bold.json").write_text(json.dumps({"RepetitionTime": TR, "Simulated": True}))
    rows = [f"{15 * i}\t15\t'rock'\t{100 * seed + i}\t1\t16" for i in range(n_volumes // 10)]
    events = "\r\n".join(["onset\tduration\tgenre\ttrack\tstart\tend", *rows])
    (func / f"sub-001_{name}_events.tsv").write_bytes(events.encode())


def read_ours(folder: Path, detrend: str, names: list[str]) -> dict[str, Any]:
    from b2m_encoding.data import Cleaning
    from b2m_encoding.data.bids import read_bids

    recording = read_bids(
        folder,
        "001",
        tasks=["Training", "Test"][: 2 if len(names) > 12 else 1],
        space="scanner",
        mask=folder / "mask.nii.gz",
    )
    prepared = recording.prepared(Cleaning(detrend, 240.0 if detrend == "median" else 128.0))
    return _each_run(lambda name: prepared.responses.load_run(name), names)


def read_nilearn(folder: Path, detrend: str, names: list[str]) -> dict[str, Any]:
    from nilearn.maskers import NiftiMasker

    masker = NiftiMasker(
        mask_img=str(folder / "mask.nii.gz"), detrend=True, standardize="zscore_sample", high_pass=1 / 128, t_r=TR,
        clean_args={"filter": "cosine"}, dtype="float32",
    )  # fmt: skip
    masker.fit()
    path = folder / "sub-001" / "func"
    return _each_run(lambda name: masker.transform(str(path / f"sub-001_{name}_bold.nii")), names)


def _each_run(load: Any, names: list[str]) -> dict[str, Any]:
    """Load run after run as a model would; keep a few values to compare, and the time of each."""
    kept, times = [], []
    for name in names:
        loaded: list[Any] = []
        times.append(seconds(lambda name=name, loaded=loaded: loaded.append(load(name))))
        kept.append(loaded[0][::40, ::2000].astype(float).tolist())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"times": times, "peak_mb": peak, "values": kept}


def measure(side: str, folder: Path, detrend: str, names: list[str]) -> dict[str, Any]:
    """Run one side in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder), "--detrend", detrend]
    done = subprocess.run([*command, "--names", *names], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def agreement(ours: dict[str, Any], peer: dict[str, Any]) -> float:
    a, b = (np.concatenate([np.asarray(values).ravel() for values in side["values"]]) for side in (ours, peer))
    return float(np.corrcoef(a, b)[0, 1])


def main() -> None:
    args = arguments(__doc__ or "", *OPTIONS)
    if args.side:
        side = read_ours if args.side == "ours" else read_nilearn
        print(json.dumps(side(args.folder, args.detrend, args.names)))
        return
    shape, n_volumes, n_voxels = ((40, 40, 30), 200, 5000) if args.quick else (SHAPE, VOLUMES, VOXELS)
    names = RUNS[: min(args.runs, 2) if args.quick else args.runs]
    n_bytes = len(names) * 2 * int(np.prod(shape)) * n_volumes
    folder = Path(tempfile.mkdtemp(prefix="b2m-reading-", dir=args.folder))
    if shutil.disk_usage(folder).free < 1.5 * n_bytes:
        folder.rmdir()
        sys.exit(f"{n_bytes / 1e9:.0f} GB are needed in {folder.parent}; choose another folder with --folder")
    env = environment(simulated=True, runs=len(names), shape=[*shape, n_volumes], voxels=n_voxels)
    rows: list[Row] = []
    try:
        write_mask(folder, shape, n_voxels)
        for i, name in enumerate(names):
            write_run(folder, name, shape, n_volumes, i)
        ours, peer = (measure(side, folder, "cosine", names[: args.peer_runs]) for side in ("ours", "nilearn"))
        r = agreement(ours, peer)
        ours_s, peer_s = sum(ours["times"]), sum(peer["times"])
        n_peer = len(names[: args.peer_runs])
        rows.append(
            Row("cosine", "load_run", "NiftiMasker", ours_s, peer_s, peer_s / ours_s,
                {"r": r, "runs": n_peer, "peer_peak_mb": peer["peak_mb"]}, ours["peak_mb"])
        )  # fmt: skip
        save("reading", rows, env, quick=args.quick)
        paper = measure("ours", folder, "median", names)
        rows.append(
            Row("subject", "load_run, median of 240 s", None, sum(paper["times"]), None, None,
                {"runs": len(names)}, paper["peak_mb"])
        )  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    agreed = r > 0.999 and paper["peak_mb"] < 3000
    finish("reading", rows, env, agreed=agreed, quick=args.quick)


def _option(*names: str, **rest: Any) -> Any:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(*names, **rest)

    return add


OPTIONS = (
    _option("--folder", type=Path, help="where 14 GB may be written for a while"),
    _option("--runs", type=int, default=18),
    _option("--peer-runs", type=int, default=4, help="runs that both sides read"),
    _option("--side", choices=("ours", "nilearn"), help=argparse.SUPPRESS),
    _option("--detrend", default="cosine", help=argparse.SUPPRESS),
    _option("--names", nargs="*", help=argparse.SUPPRESS),
)

if __name__ == "__main__":
    main()
