"""Rows of `faults.py`: files of the user, hostile names, mount points, special files."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from pathlib import Path

import numpy as np
from faults_bench import Bench, Found, call, content, disk, in_child, refused, run, tree
from faults_commands import SPACE, study_of_clips, write_sounds

from b2m_encoding.decoding.retrieval.build import build_corpus
from b2m_encoding.decoding.retrieval.corpus import Corpus
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.study import load_study
from b2m_encoding.workflow.demo import run_demo
from b2m_encoding.workflow.extract_features import fill_features
from b2m_encoding.workflow.run import run_study

MINE = b"written by the user"
LOOKALIKES = (
    ".results.old-2024-backup/a", ".results.partial-notes/a", ".results.old-1/dataset_description.json",
    ".results.partial-99-0123abcd/a", ".res.old-77-01234567/a", "results.work/a", "demo.json", "shards/000.tar",
    "corpus.json", ".results.work-2/record.json",
)  # fmt: skip
INSIDE = (
    "notes.txt", "figures/mine.png", "sub-01/notes/deep/a.txt", "demo.json", "shards/1.tar", ".hidden", "view.html",
    "subjects.tsv.edited", "sub-01/sub-01_x.json", "lock", "corpus.json",
)  # fmt: skip


def put(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(MINE + name.encode())
    return path


def mine(folder: Path) -> list[bytes]:
    """Contents of the user's files below a folder, wherever they lie."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(data for path in files if (data := path.read_bytes()).startswith(MINE))


def foreign_files(bench: Bench, folder: Path, n_rounds: int) -> Found:
    """Files of the user at random places; every command runs over them, with and without its own records."""
    rng, survived = np.random.default_rng(0), []
    home = bench.study.parent
    for number in range(n_rounds):
        bench.reset()
        call(run, bench.study)
        before = mine(home)
        for names, place in ((LOOKALIKES, home), (INSIDE, bench.results)):
            for name in rng.permutation(names)[:4]:
                if not (place / name).exists():
                    put(place, str(name))
        (bench.results / "empty/folder").mkdir(parents=True, exist_ok=True)
        for lost in ("manifest.json", "dataset_description.json", "provenance.json"):
            if rng.integers(2) and number:
                (bench.results / lost).unlink()
        before = mine(home)
        shutil.rmtree(bench.work, ignore_errors=bool(rng.integers(2)))
        same = [call(run, bench.study) in (0, 2) for _ in range(2)]
        survived.append(all(same) and mine(home) == before and (bench.results / "empty/folder").is_dir())
        for path in [path for path in home.rglob("*") if path.is_file() and path.read_bytes().startswith(MINE)]:
            path.unlink()
    for name in ("demo.json", "shards/1.tar", "clips.tsv", "study.toml", "results/a", ".b2m_encoding.json"):
        place = folder / "foreign" / name.replace("/", "-")
        put(place, name)
        write_sounds(place / "sub/audio")
        before, sounds = mine(place), tree(place / "sub/audio")
        told = [refused(run_demo, place), refused(build_corpus, place / "sub/audio", place, SPACE)]
        told.append(refused(build_corpus, place / "sub/audio/noise", place / "sub/audio", SPACE))
        survived.append(all(told) and mine(place) == before and tree(place / "sub/audio") == sounds)
    return {"survived": all(survived), "rounds": len(survived)}


HOSTILE = (
    "../victim", "x/../../../victim", "/etc/victim", "..", ".", "", "a/b", "a\\b", "a\0b", "a\nb", "~", "-rf", "=1+1",
    "con", "x" * 300, "é/../victim", "%2e%2e/victim", "train-2/record.json", " ", "a b/", "\ud800", "‮abc", "@x", "+x",
)  # fmt: skip


def traversal(folder: Path, step: int = 1) -> Found:
    """Names of runs, subjects and feature spaces that would lead elsewhere: refused, or kept as text; nothing moves."""
    survived = []
    victim = folder / "traversal/victim"
    put(victim, "a")
    for number, name in enumerate(HOSTILE[::step]):
        for kind in ("run", "subject", "feature space"):
            study = simulate_arrays(
                folder / f"traversal/{number}-{kind[0]}/study", n_subjects=1, n_targets=6, n_samples=60
            )
            loaded = load_study(study)
            if kind == "run":
                files = {(name if run == "train-2" else run): path for run, path in loaded.data.files.items()}
                data = loaded.data.model_copy(update={"files": files})
                features = {key: one.model_copy() for key, one in loaded.features.items()}
                changed = loaded.model_copy(update={"data": data, "features": features})
            elif kind == "subject":
                changed = loaded.model_copy(update={"data": loaded.data.model_copy(update={"subjects": (name,)})})
            else:
                spaces = {name if key == "sound" else key: one for key, one in loaded.features.items()}
                changed = loaded.model_copy(update={"features": spaces})
            before = tree(folder / "traversal")
            ended = refused(run_study, changed, study)
            survived.append(ended and tree(folder / "traversal") == before)
            shutil.rmtree(study.parent.parent)
    return {"survived": all(survived), "names": len(survived), "refused": sum(survived)}


def mounts(bench: Bench, folder: Path, n_kills: int) -> Found:
    """Results on a mount point and behind a link: written, killed, written again, in place."""
    rng, survived, kills = np.random.default_rng(0), [], 0
    place, link = folder / "mounts/out", folder / "mounts/link"
    with disk(place, 64) as mounted:
        (folder / "mounts/big/place").mkdir(parents=True)
        link.symlink_to("big/place")
        for output in (place, link) if mounted else (link,):
            study = load_study(bench.study).model_copy(update={"output": output})
            survived.append(call(run_study, study, bench.study) == 0)
            put(output, "notes.txt")
            for _ in range(n_kills):
                shutil.rmtree(output.with_name(f".{output.name}.work"), ignore_errors=True)
                (output / "manifest.json").unlink(missing_ok=True)
                child = in_child(run_study, study, bench.study)
                time.sleep(rng.uniform(0, bench.seconds))
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                kills += 1
                survived.append(call(run_study, study, bench.study) == 0)
                found = content(output)
                survived.append(found.pop("notes.txt", "") != "" and found == bench.expected)
        survived.append(os.readlink(link) == "big/place" and (not mounted or os.path.ismount(place)))
    return {"survived": all(survived), "kills": kills, "mounted": mounted}


def fifo(folder: Path) -> Found:
    """Pipes, sockets, devices and names that are no text, in every folder that is walked."""
    study = study_of_clips(folder / "fifo")
    home, survived = study.parent, []
    for place in (home, home / "stimuli", home / "stimuli/noise"):
        os.mkfifo(place / "pipe.wav")
        (place / "zero.wav").symlink_to("/dev/zero")
        (place / "loop.wav").symlink_to("loop.wav")
        with socket.socket(socket.AF_UNIX) as server:
            os.chdir(place)
            server.bind("socket.wav")
        (Path(os.fsdecode(os.fsencode(place) + b"/odd\xff.wav"))).write_bytes(b"x")
    os.chdir("/")
    survived.append(call(build_corpus, home / "stimuli", home / "corpus", SPACE) == 0)
    survived.append(len(Corpus.open(home / "corpus")) == 10)
    survived.append(call(run, study) == 0)
    survived.append(call(fill_features, load_study(study)) == 0)
    for name in ("train-1.npy", "train-1.tsv", "study.toml"):
        (home / name).rename(home / f"{name}.kept")
        os.mkfifo(home / name)
        survived.append(refused(run, study))
        (home / name).unlink()
        (home / f"{name}.kept").rename(home / name)
    survived.append(call(run, study) == 0)
    return {"survived": all(survived), "checks": len(survived)}
