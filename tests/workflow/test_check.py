"""``b2m check``: every damage a data set comes with ends in one clear message."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.runs import Runs
from b2m_encoding.study import load_study
from b2m_encoding.workflow.check import check_study
from b2m_encoding.workflow.copies import describe_copies

GRID = (4, 4, 3)
TR = 2.0
VOLUMES = 40
TASK = "task-listening"
Damage = Callable[[Path], object]


def save(data: np.ndarray, path: Path) -> None:
    image = nib.Nifti1Image(data, np.diag([2.0, 2, 2, 1]))
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((*image.header.get_zooms()[:3], *([TR] if data.ndim == 4 else [])))
    nib.save(image, path)


def bold(root: Path) -> Path:
    return next(root.glob("derivatives/fmriprep/sub-01/func/*run-1*bold.nii.gz"))


def events(root: Path) -> Path:
    return root / "sub-01/func" / f"sub-01_{TASK}_run-1_events.tsv"


def rewrite(change: Callable[[nib.Nifti1Image], None]) -> Damage:
    def damage(root: Path) -> None:
        image = nib.load(bold(root))
        image = nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header)
        change(image)
        nib.save(image, bold(root))

    return damage


def patched(offset: int, content: bytes) -> Damage:
    """Overwrite bytes of the header."""

    def damage(root: Path) -> None:
        raw = bytearray(gzip.decompress(bold(root).read_bytes()))
        raw[offset : offset + len(content)] = content
        bold(root).write_bytes(gzip.compress(bytes(raw)))

    return damage


def other_sform(image: nib.Nifti1Image) -> None:
    image.set_qform(np.diag([2.0, 2, 2, 1]), 1)
    image.set_sform(np.diag([-2.0, 2, 2, 1]), 1)


def broken_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("../../.git/annex/objects/Xf/3q/MD5E-s1.nii.gz/MD5E-s1.nii.gz")


def unlocked_pointer(path: Path) -> None:
    path.write_text("/annex/objects/MD5E-s513884512--0123456789abcdef.nii.gz\n")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def sidecar(root: Path) -> Path:
    return events(root).with_name(f"sub-01_{TASK}_run-1_bold.json")


def undecodable(root: Path) -> None:
    """A subject whose label is no UTF-8."""
    (root / "sub-01").rename(os.fsdecode(os.fsencode(root) + b"/sub-\xff"))


def duplicate(root: Path) -> None:
    path = bold(root)
    path.with_name(path.name.replace("run-1", "run-01")).write_bytes(path.read_bytes())


BAD: dict[str, tuple[Damage, list[str]]] = {
    "truncated gz": (lambda r: bold(r).write_bytes(bold(r).read_bytes()[:900]), ["truncated", "fetch or copy"]),
    "truncated inside": (
        lambda r: bold(r).write_bytes(gzip.compress(gzip.decompress(bold(r).read_bytes())[:2000])),
        ["truncated", "2000 bytes"],
    ),
    "empty file": (lambda r: bold(r).write_bytes(b""), ["cannot be read", "bold.nii.gz"]),
    "wrong magic": (patched(344, b"xyz\0"), ["cannot be read", "bold.nii.gz"]),
    "no gzip": (lambda r: bold(r).write_bytes(b"this is no image" * 99), ["cannot be read", "bold.nii.gz"]),
    "sform and qform": (rewrite(other_sform), ["sform and the qform", "disagree", "fslorient"]),
    "scaling without a number": (patched(112, np.array([2, np.nan], "<f4").tobytes()), ["bold.nii.gz", "intercept"]),
    "3-D": (lambda r: save(np.ones(GRID, np.int16), bold(r)), ["series of volumes", "4-D"]),
    "TR 0": (rewrite(lambda i: i.header.set_zooms((2, 2, 2, 0))), ["repetition time", "0 s"]),
    "TR in ms": (rewrite(lambda i: i.header.set_zooms((2, 2, 2, 2000))), ["repetition time", "2000 s", "milliseconds"]),
    "TR in ms in the sidecar": (
        lambda r: events(r).with_name(f"sub-01_{TASK}_run-1_bold.json").write_text('{"RepetitionTime": 2000}'),
        ["repetition time", "2000 s", "milliseconds"],
    ),
    "TR as text": (
        lambda r: events(r).with_name(f"sub-01_{TASK}_run-1_bold.json").write_text('{"RepetitionTime": "two"}'),
        ["repetition time is not a number", "two"],
    ),
    "NaN affine": (patched(280, np.full(4, np.nan, "<f4").tobytes()), ["affine", "nan"]),
    "another shape than its mask": (
        lambda r: save(np.ones((5, 4, 3, VOLUMES), np.int16), bold(r)),
        ["different grids", "resample"],
    ),
    "mask of another shape": (
        lambda r: save(np.ones((5, 4, 3), np.uint8), Path(str(bold(r)).replace("preproc_bold", "brain_mask"))),
        ["different grids"],
    ),
    "empty mask": (
        lambda r: save(np.zeros(GRID, np.uint8), Path(str(bold(r)).replace("preproc_bold", "brain_mask"))),
        ["mask", "at least one voxel"],
    ),
    "no mask": (
        lambda r: Path(str(bold(r)).replace("preproc_bold", "brain_mask")).unlink(),
        ["a mask is missing", "brain_mask"],
    ),
    "git-annex link": (lambda r: broken_link(bold(r)), ["not downloaded", "datalad get"]),
    "git-annex pointer": (lambda r: unlocked_pointer(bold(r)), ["not downloaded", "datalad get"]),
    "git-annex events": (lambda r: broken_link(events(r)), ["not downloaded", "events.tsv"]),
    "a pipe": (lambda r: pipe(bold(r)), ["no regular file", "bold.nii.gz"]),
    "a pipe of events": (lambda r: pipe(events(r)), ["no regular file", "events.tsv"]),
    "a pipe in the place of a sidecar": (lambda r: pipe(sidecar(r)), ["no regular file", "bold.json"]),
    "a device": (lambda r: link(bold(r), "/dev/zero"), ["no regular file", "bold.nii.gz"]),
    "a folder": (lambda r: folder(bold(r)), ["is a folder", "bold.nii.gz"]),
    "a label that is no UTF-8": (undecodable, ["label of a subject", r"\udcff"]),
    "duplicate runs": (duplicate, ["claim to be the same run", "run-01"]),
    "broken sidecar": (
        lambda r: events(r).with_name(f"sub-01_{TASK}_run-1_bold.json").write_text("{"),
        ["sidecar cannot be read", "bold.json"],
    ),
    "complex numbers": (
        lambda r: save(np.ones((*GRID, VOLUMES), np.complex64), bold(r)),
        ["does not hold real numbers", "complex64"],
    ),
    "colours": (
        lambda r: save(np.ones((*GRID, VOLUMES), [(name, "u1") for name in "RGB"]), bold(r)),
        ["does not hold real numbers", "bold.nii.gz"],
    ),
    "no derivatives": (lambda r: (r / "derivatives").rename(r / "d"), ["folder of derivatives does not exist"]),
    "events that are no text": (
        lambda r: events(r).write_bytes(events(r).read_bytes().replace(b"music", b"mu\0ic")),
        ["is no text", "events.tsv"],
    ),
    "events without a column": (lambda r: events(r).write_text("onset\tdur\n1\t2"), ["lacks a column", "duration"]),
    "events of another run": (
        lambda r: events(r).write_text("onset\tduration\ttrial_type\n300\t3\tspeech"),
        ["beyond the run", "300"],
    ),
    "events with an uneven row": (
        lambda r: events(r).write_text("onset\tduration\ttrial_type\n3\t3"),
        ["another number of fields", "row 1"],
    ),
    "packed events": (
        lambda r: (
            events(r).with_suffix(".tsv.gz").write_bytes(gzip.compress(events(r).read_bytes())),
            events(r).unlink(),
        ),
        ["format that BIDS does not know", "events.tsv.gz", "gunzip"],
    ),
    "events of a spreadsheet": (lambda r: events(r).rename(events(r).with_suffix(".csv")), ["events.csv", "with tabs"]),
    "no events": (lambda r: events(r).unlink(), ["run-01 has no events"]),
    "event of negative duration": (
        lambda r: events(r).write_text("onset\tduration\ttrial_type\n3\t-3\tspeech"),
        ["negative duration", "-3 s"],
    ),
    "a condition that never occurs": (
        lambda r: [
            path.write_text(path.read_text().replace("music", "noise")) for path in r.rglob("sub-01*events.tsv")
        ],
        ["never occur", "music"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_every_damage_has_its_message(case: str, root: Path, b2m: Callable[..., tuple[int, str]]) -> None:
    assert b2m("init", "bids", root)[0] == 0
    damage, expected = BAD[case]
    damage(root)
    code, printed = b2m("check", root / "study.toml")
    assert code == 2, printed
    assert "Traceback" not in printed
    for text in expected:
        assert text in printed, printed


def latin(root: Path) -> None:
    events(root).write_bytes(events(root).read_text().replace("music", "musíca").encode("latin-1"))


def in_milliseconds(image: nib.Nifti1Image) -> None:
    image.header.set_xyzt_units("mm", "msec")
    image.header.set_zooms((2, 2, 2, 2000))


HARMLESS: dict[str, Damage] = {
    "a copy in the place of a run": lambda r: bold(r).write_bytes(
        bold(r).with_name(bold(r).name.replace("run-1", "run-2")).read_bytes()
    ),
    "a copy in the place of a subject": lambda r: [
        shutil.copy(path, str(path).replace("sub-01", "sub-02")) for path in bold(r).parent.glob("*bold.nii.gz")
    ],
    "CRLF": lambda r: events(r).write_bytes(events(r).read_bytes().replace(b"\n", b"\r\n")),
    "byte order mark": lambda r: events(r).write_bytes(b"\xef\xbb\xbf" + events(r).read_bytes()),
    "missing quote": lambda r: events(r).write_text(events(r).read_text().replace("speech", "speech'")),
    "quotes": lambda r: events(r).write_text(events(r).read_text().replace("speech", "'speech'")),
    "Latin-1": latin,
    "UTF-16": lambda r: events(r).write_bytes(events(r).read_text().encode("utf-16")),
    "blank lines": lambda r: events(r).write_text(events(r).read_text() + "\n\n  \n"),
    "TR in ms, and the header says so": rewrite(in_milliseconds),
    "a unit that NIfTI does not know": patched(123, bytes([0b111111])),
    "events before and after the run": lambda r: events(r).write_text(
        "onset\tduration\ttrial_type\n-4\t6\tspeech\n10\tn/a\tmusic\n70\t30\tmusic"
    ),
    "two gzip members": lambda r: bold(r).write_bytes(
        b"".join(gzip.compress(part) for part in _halves(gzip.decompress(bold(r).read_bytes())))
    ),
}


def _halves(content: bytes) -> tuple[bytes, bytes]:
    return content[:1000], content[1000:]


@pytest.mark.parametrize("case", HARMLESS)
def test_quirks_are_read(
    case: str, root: Path, b2m: Callable[..., tuple[int, str]], caplog: pytest.LogCaptureFixture
) -> None:
    assert b2m("init", "bids", root)[0] == 0
    HARMLESS[case](root)
    code, printed = b2m("check", root / "study.toml")
    assert code == 0, printed
    assert ("is a copy of run" in caplog.text) == (case == "a copy in the place of a run")
    assert ("are identical in" in caplog.text) == (case == "a copy in the place of a subject")


def test_all_problems_of_all_subjects_in_one_go(root: Path, b2m: Callable[..., tuple[int, str]]) -> None:
    assert b2m("init", "bids", root)[0] == 0
    broken_link(bold(root))
    (root / f"sub-02/func/sub-02_{TASK}_run-2_bold.json").write_text('{"RepetitionTime": 3}')
    (root / f"sub-02/func/sub-02_{TASK}_run-3_bold.json").write_text("[]")
    study = root / "study.toml"
    study.write_text(study.read_text().replace("[data]", '[maps]\natlas = "brodmann"\n\n[data]'))
    code, printed = b2m("check", study)
    assert code == 2
    for text in ("not downloaded", "repetition times disagree", "a sidecar is no JSON object", "brodmann"):
        assert text in printed, printed


def test_events_without_sounds_do_not_hide_other_problems(root: Path, b2m: Callable[..., tuple[int, str]]) -> None:
    assert b2m("init", "bids", root)[0] == 0
    (root / "sounds").mkdir()
    study = root / "study.toml"
    text = study.read_text()
    assert '["music"]' in text
    sound = '[features.sound]\nextractor = "acoustic"\nstimuli = "sounds"\n\n[model]'
    study.write_text(text.replace('["music"]', '["musik"]').replace("[model]", sound, 1))
    code, printed = b2m("check", study)
    assert (code, "names no sound files" in printed, "musik" in printed) == (2, True, True), printed


@pytest.mark.parametrize("style", ["study", "paper"])
def test_both_studies_of_the_music_genre_data_are_read(
    style: str, tmp_path: Path, b2m: Callable[..., tuple[int, str]]
) -> None:
    assert b2m("init", "musicgenre", tmp_path)[0] == 0
    study = load_study(tmp_path / f"{style}.toml")
    assert study.data.reader == "musicgenre"
    assert study.data.discard == 15.0
    assert study.evaluation.average_repeats
    assert study.cleaning.detrend == {"study": "cosine", "paper": "median"}[style]
    code, printed = b2m("check", tmp_path / f"{style}.toml")
    assert (code, "the BIDS folder does not exist" in printed) == (2, True)


def test_copies_are_found_beside_a_run_with_the_same_beginning(tmp_path: Path) -> None:
    """Uncompressed images begin alike: a header, and voxels outside the head."""
    files = {f"run-{i}": tmp_path / f"{i}.nii" for i in (1, 2, 3)}
    for i, path in enumerate(files.values()):
        path.write_bytes(bytes(1 << 17) + (b"a" if i else b"b"))
    [found] = describe_copies(of_subjects({"01": files}))
    assert "sub-01: run run-3 is a copy of run run-2 (3.nii, 2.nii)" in found


def of_subjects(files: dict[str, dict[str, Path]], values: dict[str, np.ndarray] | None = None) -> dict[str, Any]:
    """Recordings with these files; without values too large to be compared."""
    recordings = {}
    for subject, own in files.items():
        runs = Runs.from_lengths(dict.fromkeys(own, 3), tr=2)
        read = None if values is None else lambda _, subject=subject: values[subject]
        responses = SimpleNamespace(runs=runs, n_targets=10**9 if values is None else 2, read_run=read)
        recordings[subject] = SimpleNamespace(files=own, responses=responses)
    return recordings


def test_copies_of_another_subject_are_found(tmp_path: Path) -> None:
    """As they are, packed again at another time, and (of small runs) with the same values in another file."""
    files = {s: {run: tmp_path / f"sub-{s}_{run}.nii.gz" for run in ("run-1", "run-2")} for s in ("01", "02", "03")}
    for i, path in enumerate(one for own in files.values() for one in own.values()):
        path.write_bytes(gzip.compress(bytes(1 << 20) + bytes([i]), mtime=0))
    assert not list(describe_copies(of_subjects(files)))
    files["02"]["run-1"].write_bytes(files["01"]["run-1"].read_bytes())
    content = gzip.decompress(files["01"]["run-2"].read_bytes())
    files["02"]["run-2"].write_bytes(gzip.compress(content, mtime=1e9))
    [found] = describe_copies(of_subjects(files))
    assert "sub-01 and sub-02 are identical in run-1, run-2" in found
    for own in files["02"].values():
        own.write_bytes(gzip.compress(b"other" + str(own).encode()))
    values = {"01": np.eye(3, 2), "02": np.eye(3, 2, dtype=np.float32), "03": 2 * np.eye(3, 2)}
    [found] = describe_copies(of_subjects(files, values))
    assert "sub-01 and sub-02 are identical in run-1;" in found
    assert not list(describe_copies(of_subjects(files, values | dict.fromkeys(("02", "03"), np.zeros((3, 2))))))


def test_packed_files_with_the_same_checksum_are_not_taken_for_copies(tmp_path: Path) -> None:
    """Programs that pack in blocks end every file with the same empty one."""
    files = {subject: {"run-1": tmp_path / f"{subject}.nii.gz"} for subject in ("01", "02")}
    for subject, own in files.items():
        own["run-1"].write_bytes(gzip.compress(subject.encode() * 1000) + gzip.compress(b""))
    assert not list(describe_copies(of_subjects(files)))


@pytest.mark.parametrize(
    ("order", "own_files", "told"), [("ab", False, False), ("ba", False, True), ("ba", True, False)]
)
def test_features_that_subjects_share_although_they_heard_other_sounds(
    order: str, own_files: bool, told: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    study = simulate_arrays(tmp_path, n_subjects=2, n_targets=6, n_samples=60)
    text, runs = (
        study.read_text(),
        [path.stem.removeprefix("sound_") for path in (tmp_path / "features").glob("sound_*")],
    )
    for subject, sounds in (("01", "ab"), ("02", order)):
        rows = "".join(f"{10 + 20 * i}\t8\t{name}.wav\n" for i, name in enumerate(sounds))
        (tmp_path / f"{subject}.tsv").write_text(f"onset\tduration\tstim_file\n{rows}")
        for path in (tmp_path / "features").glob("*_t*.npy") if own_files else ():
            shutil.copy(path, path.with_name(f"{subject}-{path.name}"))
    tables = "\n".join(f'{run} = "{{subject}}.tsv"' for run in runs)
    if own_files:
        text = text.replace('"features/', '"features/{subject}-')
    study.write_text(text + f"\n[data.events]\n{tables}\n")
    check_study(load_study(study))
    assert ("heard different sounds" in caplog.text) == told
