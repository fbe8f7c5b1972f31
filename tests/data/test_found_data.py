"""Data as they are found on disks of laboratories: cut by preprocessing, not fetched, renamed, exported by Windows."""

from __future__ import annotations

import gzip
import logging
import shutil
from contextlib import nullcontext
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix

from b2m_encoding.data.arrays import open_array
from b2m_encoding.data.bids import read_bids
from b2m_encoding.data.confounds import read_censoring
from b2m_encoding.data.events import label_clips, read_events
from b2m_encoding.data.table import read_table
from b2m_encoding.data.volume import read_mask
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import decode_audio
from b2m_encoding.features.captions import read_captions
from b2m_encoding.features.clips import Clip
from b2m_encoding.features.events import event_features, tell_alike
from b2m_encoding.features.stimuli import Stimuli
from b2m_encoding.features.transcripts import read_transcript
from b2m_encoding.io.presence import require_file
from b2m_encoding.runs import Runs
from b2m_encoding.spaces.files import load_image

MNI = "MNI152NLin2009cAsym"
RUN = "task-listening_run-1"
LINK = "../.git/annex/objects/Xx/Yy/MD5E-s9--a.wav/MD5E-s9--a.wav"
POINTERS = {
    "annex": b"/annex/objects/MD5E-s9--a.wav\n",
    "LFS": b"version https://git-lfs.github.com/spec/v1\noid sha\n",
}


def one_run(bids, *, raw: bool, kept: slice = slice(None)) -> None:
    """One preprocessed run, of some of the volumes that the raw one has."""
    bids.sidecar("01", RUN)
    bids.events("01", RUN)
    if raw:
        bids.volumes("01", RUN, raw=True)
    bids.volumes("01", RUN)
    path = next(bids.derivatives.rglob("*_bold.nii.gz"))
    image = nib.load(path)
    nib.save(image.slicer[..., kept], path.with_name("cut.nii.gz"))
    path.with_name("cut.nii.gz").replace(path)


@pytest.mark.parametrize("kept", [slice(4, None), slice(None, None, 2), slice(0, -1)])
def test_volumes_that_preprocessing_cut_off_shift_the_events(bids, kept: slice) -> None:
    one_run(bids, raw=True, kept=kept)
    with pytest.raises(
        InputError, match=r"another number of volumes than its raw series.*\n.*\n.*\n.*24, as in sub-01"
    ):
        read_bids(bids.root, "01", tasks=["listening"], space=MNI, derivatives=bids.derivatives)


@pytest.mark.parametrize(
    ("kept", "first"), [(slice(4, None), 4), (slice(0, -3), 0), (slice(4, -3), 4), (slice(4, None), None)]
)
def test_volumes_that_were_cut_off_as_stated(bids, kept: slice, first: int | None) -> None:
    """By the study, or by a sidecar that is no copy of the raw one; events keep their times."""
    one_run(bids, raw=True, kept=kept)
    bids.events("01", RUN, ("4\t2\tsound", "20\t2\tvoice", "46\t2\tnoise"))
    if first is None:
        sidecar = next(bids.derivatives.rglob("*_bold.nii.gz"))
        sidecar = sidecar.with_name(sidecar.name.replace("nii.gz", "json"))
        sidecar.write_text('{"RepetitionTime": 2.0, "NumberOfVolumesDiscardedByUser": 4}')
    options = {"tasks": ["listening"], "space": MNI, "derivatives": bids.derivatives}
    recording = read_bids(bids.root, "01", cut_at_start=first, **options)
    runs, (table,) = recording.responses.runs, recording.events.values()
    assert runs.time[0] == 2.0 * (kept.start or 0)
    assert len(table) == (3 if kept.stop is None else 2)
    features = event_features(runs, recording.events, "trial_type", {"voice": ["voice"]})[:, 0]
    assert runs.time[features == 1].tolist() == [20.0]
    if first is not None:
        with pytest.raises(InputError, match="25 stated to be cut off at the start"):
            read_bids(bids.root, "01", cut_at_start=25, **options)


def test_no_volume_was_cut_off(bids) -> None:
    one_run(bids, raw=True)
    with pytest.raises(InputError, match="has as many volumes as its raw series"):
        read_bids(bids.root, "01", tasks=["listening"], space=MNI, derivatives=bids.derivatives, cut_at_start=4)


@pytest.mark.parametrize("raw", [True, False])
def test_whole_runs_pass_whether_raw_images_are_there(bids, raw: bool) -> None:
    one_run(bids, raw=raw)
    if raw:  # of another run, and one that was not fetched
        path = next(bids.root.glob("sub-01/func/*_bold.nii"))
        path.with_name(path.name.replace("run-1", "run-2")).write_bytes(b"")
        path.unlink()
        path.symlink_to(LINK)
    recording = read_bids(bids.root, "01", tasks=["listening"], space=MNI, derivatives=bids.derivatives)
    assert len(recording.responses.runs) == 24


def test_the_native_grid_beside_a_resampled_one(bids) -> None:
    """``--output-spaces NAME NAME:res-2`` writes both; NAME is the first."""
    bids.sidecar("01", RUN)
    native = bids.volumes("01", RUN)
    resampled = bids.volumes("01", RUN, space=f"_space-{MNI}_res-2")
    for space, expected in ((MNI, native), (f"{MNI}:res-2", resampled)):
        recording = read_bids(bids.root, "01", tasks=["listening"], space=space, derivatives=bids.derivatives)
        np.testing.assert_array_equal(recording.responses.load(), expected)


@pytest.mark.parametrize("hemi", ["left", "lh"])
def test_files_with_other_names_are_shown(bids, hemi: str) -> None:
    folder = bids.func(bids.derivatives, "01", RUN)
    name = f"sub-01_{RUN}_hemi-{hemi}_space-fsaverage5_bold.func.gii"
    (folder / name).write_bytes(b"")
    with pytest.raises(InputError, match=f"such as {name}"):
        read_bids(bids.root, "01", tasks=["listening"], space="fsaverage5", derivatives=bids.derivatives)


@pytest.mark.parametrize(("packed", "message"), [(True, "rename it to a.nii.gz"), (False, "rename it to a.nii:")])
def test_images_whose_name_says_wrongly_whether_they_are_compressed(packed: bool, message: str, tmp_path: Path) -> None:
    content = nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4)).to_bytes()
    path = tmp_path / ("a.nii" if packed else "a.nii.gz")
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(InputError, match=message):
        load_image(path)


@pytest.mark.parametrize("kind", [*POINTERS, "link"])
def test_files_that_were_not_fetched(kind: str, tmp_path: Path) -> None:
    """Sounds, transcripts and captions of a clone without content are not missing, damaged or of another format."""
    for name in ("a.wav", "a.TextGrid", "a.tsv", "a.nii.gz"):
        if kind == "link":
            (tmp_path / name).symlink_to(LINK)
        else:
            (tmp_path / name).write_bytes(POINTERS[kind])
    readers = (
        lambda: Stimuli(tmp_path).check([Clip("a.wav", 0.0, 5.0)]),
        lambda: Stimuli(tmp_path).check([Clip("A.flac", 0.0, 5.0)]),  # found by another ending
        lambda: decode_audio(tmp_path / "a.wav"),
        lambda: read_transcript(tmp_path / "a.TextGrid"),
        lambda: read_captions(tmp_path / "a.tsv"),
        lambda: read_events(tmp_path / "a.tsv"),
        lambda: load_image(tmp_path / "a.nii.gz"),
    )
    for read in readers:
        with pytest.raises(InputError, match=r"is not downloaded \((git-annex|Git LFS)\)"):
            read()


def test_other_links_to_nothing_and_small_files(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("gone")
    with pytest.raises(InputError, match="a link to nothing"):
        require_file(tmp_path / "a")
    (tmp_path / "b").write_text("version 2 of a table")
    assert require_file(tmp_path / "b") == tmp_path / "b"


@pytest.mark.parametrize("name", ["it\u2019s.wav", "caf\u00e9 \u2013 1.wav", "\u0153uvre \u20ac.wav"])
def test_tables_of_windows(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Quotes, dashes and the sign of the euro stand where Latin-1 has control characters."""
    path = tmp_path / "events.tsv"
    path.write_bytes(f"onset\tduration\tstim_file\n4\t4\t{name}\n".encode("cp1252"))
    with caplog.at_level(logging.WARNING):
        assert read_events(path)["stim_file"].tolist() == [name]
    assert "not UTF-8 and read as Windows-1252" in caplog.text
    caplog.clear()
    path.write_text(f"onset\tduration\tstim_file\n4\t4\t{name}\n", "utf-8")
    read_events(path)
    assert not caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4 4 1\n20 4 1\n", "no names of its columns"),
        ("4\t2\ta\n20\t2\tb\n", "no names of its columns"),
        ("onset (ms)\tduration (ms)\tsound\n4\t4\ta\n", r"lacks a column.*\n.*\n.*onset \(ms\), duration \(ms\)"),
        ("onset\tduration\n0:00:04\t4\n", "a number such as 12.5"),
    ],
)
def test_tables_of_other_programs(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "events.tsv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_events(tmp_path / "events.tsv")


def labelled(folder: Path, rows: str, header: str = "onset\tduration\tstim_file") -> Runs:
    path = folder / "events.tsv"
    path.write_text(f"{header}\n{rows}")
    return label_clips(Runs.from_lengths({"r": 30}, 2.0), {"r": read_events(path)}, {"r": path})


def test_a_presentation_that_stands_twice(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="remove one of the two rows"):
        labelled(tmp_path, "4\t4\ta.wav\n4\t4\ta.wav\n")
    with pytest.raises(InputError, match="mix the two"):
        labelled(tmp_path, "4\t4\ta.wav\n4\t4\tb.wav\n")


@pytest.mark.parametrize(("starts", "doubted"), [((4, 20), True), ((0, 20), False), (("n/a", 20), False)])
def test_starts_that_are_onsets_are_doubted(
    starts: tuple[object, ...], doubted: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = f"4\t4\ta.wav\t{starts[0]}\n20\t4\tb.wav\t{starts[1]}\n"
    labelled(tmp_path, rows, "onset\tduration\tstim_file\tstart")
    assert ("holds the onsets" in caplog.text) == doubted


@pytest.mark.parametrize(("inside", "doubted"), [((0.2, 0.9, 1.0), True), ((1, 1, 1), False), ((3, 7, 11), False)])
def test_masks_of_probabilities_are_doubted(
    inside: tuple[float, ...], doubted: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = np.zeros((3, 3, 3), np.float32)
    values[0, 0] = inside
    image = nib.Nifti1Image(values, np.eye(4))
    image.set_sform(np.eye(4), 1)
    nib.save(image, tmp_path / "mask.nii.gz")
    assert read_mask(tmp_path / "mask.nii.gz", "T1w").n_targets == 3
    assert ("threshold them" in caplog.text) == doubted


def test_leftovers_beside_a_run_are_no_other_run(bids) -> None:
    one_run(bids, raw=False)
    path = next(bids.derivatives.rglob("*_bold.nii.gz"))
    shutil.copy(path, path.with_name(f"._{path.name}"))
    recording = read_bids(bids.root, "01", tasks=["listening"], space=MNI, derivatives=bids.derivatives)
    assert recording.responses.runs.names == ("task-listening_run-01",)


CLOCK = 2.0 * np.arange(8)
NOISE = np.random.default_rng(0).standard_normal((8, 2))


@pytest.mark.parametrize(
    ("header", "columns", "refused"),
    [
        ("time,a,b", (CLOCK, *NOISE.T), True),
        ("Time (s),a,b", (CLOCK, *NOISE.T), True),
        ("volume,a,b", (1 + CLOCK / 2, *NOISE.T), True),
        ("", (CLOCK, *NOISE.T), False),
        (",a,b", (CLOCK, *NOISE.T), True),  # an index that pandas wrote
        (",a,b", (CLOCK / 7, *NOISE.T), False),
        ("time,a,b", (CLOCK[::-1], *NOISE.T), False),
        ("time,a,b", (CLOCK / 7, *NOISE.T), False),  # no step of volumes
        ("time_ms,a,b", (1000 * CLOCK, *NOISE.T), True),
        ("S,a,b", (CLOCK, *NOISE.T), False),
        ("t-map,a,b", (CLOCK, *NOISE.T), False),
        ("n,a,b", (CLOCK / 2, *NOISE.T), False),
        ("time,a,b", (NOISE[:, 0], *NOISE.T), False),  # a region of that name
        ("drift,a,b", (CLOCK, *NOISE.T), False),
        ("time,b", (CLOCK, CLOCK + 1), False),
    ],
)
def test_columns_of_times_are_no_measurements(
    header: str, columns: tuple[np.ndarray, ...], refused: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    lines = [header] * bool(header) + [",".join(map(repr, map(float, row))) for row in zip(*columns, strict=True)]
    path.write_text("\n".join(lines))
    readers = [lambda: open_array(path, 2.0), lambda: read_table(path, "01", (), 2.0)]
    for read in readers if header else readers[:1]:
        with pytest.raises(InputError, match="holds times") if refused else nullcontext():
            read()


def test_sparse_matrices_of_matlab(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"x": csc_matrix(np.diag([1.0, 2, 3]))})
    np.testing.assert_array_equal(open_array(tmp_path / "a.mat"), np.diag([1.0, 2, 3]))


@pytest.mark.parametrize(("n_ones", "doubted"), [(7, True), (2, False)])
def test_censoring_as_afni_has_it(n_ones: int, doubted: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "c.txt").write_text("\n".join("1" * n_ones + "0" * (8 - n_ones)))
    kept = read_censoring({"r": tmp_path / "c.txt"}, Runs.from_lengths({"r": 8}, 2.0))
    assert kept["r"].sum() == 8 - n_ones
    assert ("AFNI" in caplog.text) == doubted


@pytest.mark.parametrize(("other", "told"), [("Music", True), ("mu_sic ", True), ("musics", False)])
def test_labels_that_differ_in_their_spelling(other: str, told: bool, caplog: pytest.LogCaptureFixture) -> None:
    events = pd.DataFrame({"onset": [2.0, 9.0], "duration": 2.0, f"kind of {other}": ["music", other]})
    runs = Runs.from_lengths({"r": 10}, 2.0)
    event_features(runs, {"r": events}, f"kind of {other}", {"music": ["music"]})
    assert ("count as different" in caplog.text) == told


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (("-1", "1", "+1"), False),
        (("1_0", "10"), False),
        (("shift_-2", "shift_2"), False),
        (("shift -2", "shift 2"), False),
        (("A-1", "A1"), True),
        (("low-pass", "Low pass"), True),
        (("track-01", "track_01"), True),
    ],
)
def test_a_minus_is_no_dash(labels: tuple[str, ...], told: bool, caplog: pytest.LogCaptureFixture) -> None:
    tell_alike(labels, "trial_type")
    assert ("count as different" in caplog.text) == told
