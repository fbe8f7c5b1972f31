"""Rows of `faults.py`: full disks, what results tell about their author, formats of arrays."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import socket
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import zarr
from faults_bench import REFUSED, Bench, Found, call, content, disk, partial_names, run
from faults_commands import SPACE, decoded_results, study_of_clips

from b2m_encoding.decoding.retrieval.build import build_corpus
from b2m_encoding.decoding.retrieval.corpus import Corpus
from b2m_encoding.errors import InputError
from b2m_encoding.gallery.context import FigureRequest
from b2m_encoding.gallery.draw import draw_kind
from b2m_encoding.gallery.report import write_pages
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.reconstruction.request import ReconstructionRequest
from b2m_encoding.reconstruction.run import reconstruct
from b2m_encoding.results.reader import Results
from b2m_encoding.study import load_study
from b2m_encoding.workflow.demo import run_demo
from b2m_encoding.workflow.extract_features import fill_features
from b2m_encoding.workflow.run import run_study
from b2m_encoding.workflow.templates import write_template


def disk_full(bench: Bench, folder: Path, n_levels: int) -> Found:
    """A disk that fills up at several places of every command; then there is room again."""
    results, corpus = decoded_results(folder / "full")
    clips = study_of_clips(folder / "full/features")
    place = folder / "disk"
    request = ReconstructionRequest(seconds=2.0, k=2, sounds=folder / "full/stimuli")
    study = load_study(bench.study).model_copy(update={"output": place / "results"})
    commands: dict[str, Callable[[], object]] = {
        "run": lambda: run_study(study, bench.study),
        "report": lambda: write_pages(Results.open(place / "results")),
        "figure": lambda: draw_kind(place / "results", "scatter", FigureRequest(), {}, place / "pictures"),
        "corpus": lambda: build_corpus(folder / "full/stimuli", place / "corpus", SPACE, shard=3),
        "features": lambda: fill_features(load_study(clips)),
        "reconstruct": lambda: reconstruct(place / "decoded", Corpus.open(corpus), request),
        "init": lambda: write_template("musicgenre", place / f"studies-{time.monotonic_ns()}"),
        "demo": lambda: run_demo(place / "demo", n_subjects=1),
    }
    rng, survived, cache = np.random.default_rng(0), {}, os.environ["B2M_CACHE"]
    with disk(place, 64) as mounted:
        shutil.copytree(results, place / "decoded")
        for name, work in commands.items():
            os.environ["B2M_CACHE"] = str(place / "cache") if name == "features" else cache
            rooms = [0, *rng.integers(1_000, 400_000, n_levels - 1)]
            ended = [_fills(place, int(room), work, mounted) for room in rooms]
            survived[name] = all(ended) and (name in ("demo", "figure") or call(work) == 0)
            os.environ["B2M_CACHE"] = cache
        same = content(place / "results") == bench.expected
        left = partial_names(place)
    return {
        "survived": all(survived.values()) and same and not left,
        "by": "tmpfs" if mounted else "limit of file size",
        "failed": ", ".join(name for name, one in survived.items() if not one) or "none",
    }


def _fills(place: Path, room: int, work: Callable[[], object], mounted: bool) -> bool:
    """Whether a command ends well, or is told to the user, on a disk with little room."""
    ballast = place / "ballast"

    def limited() -> None:
        if not mounted:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room // 20, room // 20))
        try:
            work()
        except InputError as error:
            if "the disk is full" not in str(error) or str(place) not in str(error):
                raise RuntimeError from error
            os._exit(REFUSED)

    if mounted:
        free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
        ballast.write_bytes(b"\0" * max(0, free - room))
    code = call(limited)
    ballast.unlink(missing_ok=True)
    return code in (0, REFUSED)


def privacy(bench: Bench, folder: Path) -> Found:
    """No file of results, pages or corpus names a folder, the user or the machine."""
    user = "zaphodqx"
    home = folder / user
    shutil.copytree(bench.study.parent, home / "project", ignore=shutil.ignore_patterns("*results*"))
    study = home / "project/study.toml"
    shutil.move(home / "project/responses", home / "bold")
    study.write_text(study.read_text().replace('"responses/', f'"{home}/bold/') + f"# see {home}/notes.txt\n")
    results, corpus = decoded_results(home / "other")

    def work() -> None:
        os.environ |= {"HOME": str(home), "USER": user, "LOGNAME": user}
        run(study)
        write_pages(Results.open(home / "project/results"))
        request = ReconstructionRequest(seconds=2.0, k=2, sounds=home / "other/stimuli")
        reconstruct(results, Corpus.open(corpus), request)

    ended = call(work)
    words = [word.encode() for word in (user, str(folder), socket.gethostname()) if len(word) > 3]
    told = [
        path.name
        for place in (home / "project/results", results, corpus)
        for path in place.rglob("*")
        if path.is_file() and any(word in piece for word in words for piece in _pieces(path))
    ]
    return {"survived": ended == 0 and not told, "told": ", ".join(told) or "nothing"}


def _pieces(path: Path) -> list[bytes]:
    """Content of a file as it is, with its name, and what is compressed in it."""
    data = path.read_bytes()
    found = [path.name.encode(), data]
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL):
        try:
            found.append(zlib.decompress(stream))
        except zlib.error:
            found.append(stream)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            found += [str(arrays[name].tolist()).encode() for name in arrays]
    return found


def formats_run(folder: Path) -> Found:
    """Every format of arrays is run, and gives the same results."""

    def hdf5(path: Path, values: np.ndarray) -> str:
        with h5py.File(path.with_suffix(".h5"), "w") as file:
            file.create_dataset("a/bold", data=values, chunks=(16, 5), compression="gzip")
        return f"{path.stem}.h5::a/bold"

    def zarr_of(version: int) -> Callable[[Path, np.ndarray], str]:
        def write(path: Path, values: np.ndarray) -> str:
            zarr.create_array(str(path.with_suffix(".zarr")), data=values, chunks=(16, 5), zarr_format=version)  # type: ignore[arg-type]
            return f"{path.stem}.zarr"

        return write

    writers = {"npy": None, "hdf5": hdf5, "zarr 2": zarr_of(2), "zarr 3": zarr_of(3)}
    found = {}
    for number, (kind, write) in enumerate(writers.items()):
        study = simulate_arrays(folder / f"formats/{number}/study", n_subjects=1, n_targets=12, n_samples=60)
        text = study.read_text()
        for path in sorted((study.parent / "responses").glob("*.npy")) if write else ():
            values = np.load(path)
            path.unlink()
            text = text.replace(f"{{subject}}{path.name[2:]}", write(path, values).replace("01_", "{subject}_", 1))
        study.write_text(text)
        found[kind] = content(study.parent / "results") if call(run, study) == 0 else None
        if found[kind]:
            found[kind].pop("study.toml")
    agreed = [found["npy"] == other for other in found.values()]
    return {"survived": all(agreed) and found["npy"] is not None, "formats": len(found)}
