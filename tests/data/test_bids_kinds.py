"""BIDS as fMRIPrep, XCP-D and others write it: names, sidecars, times and confounds."""

from __future__ import annotations

import json
import re

import nibabel as nib
import numpy as np
import pytest

from b2m_encoding.data import Cleaning, read_bids
from b2m_encoding.data.bids import SpaceQuery, list_subjects
from b2m_encoding.data.confounds import FMRIPrepConfounds, framewise_displacement, load_fmriprep_confounds
from b2m_encoding.errors import InputError, Problems, merged
from b2m_encoding.features.events import event_features

from .conftest import TR, BidsFolder

RUN = "task-listening_run-1"
MOTION = FMRIPrepConfounds(("motion",), {"motion": "basic"})


def filled(bids: BidsFolder, run: str = RUN, space: str = "_space-MNI152NLin2009cAsym") -> np.ndarray:
    values = bids.volumes("01", run, space=space)
    bids.events("01", run)
    bids.sidecar("01", run)
    bids.confounds("01", run)
    return values


def read(bids: BidsFolder, space: str = "MNI152NLin2009cAsym", **options: object) -> object:
    return read_bids(bids.root, "01", tasks=["listening"], space=space, derivatives=bids.derivatives, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("_space-MNIPediatricAsym_cohort-2", "MNIPediatricAsym:cohort-2"),
        ("_space-MNIPediatricAsym_cohort-2_res-2", "MNIPediatricAsym"),
        ("_space-MNIPediatricAsym_cohort-2_res-2", "space-MNIPediatricAsym_cohort-2_res-2"),
        ("_space-T1w", "T1w"),
        ("", "func"),
    ],
)
def test_confounds_are_those_of_the_run_whatever_the_space_is_called(
    written: str, asked: str, bids: BidsFolder
) -> None:
    values = filled(bids, space=written)
    recording = read(bids, asked)
    assert np.array_equal(recording.responses.load(), values)  # type: ignore[attr-defined]
    tables, _, files = load_fmriprep_confounds(recording, MOTION)  # type: ignore[arg-type]
    assert [path.name for path in files] == [f"sub-01_{RUN}_desc-confounds_timeseries.{end}" for end in ("tsv", "json")]
    assert tables["task-listening_run-01"].shape == (24, 6)


@pytest.mark.parametrize("entity", ["acq-mb", "dir-AP", "rec-norm", "ce-gad"])
def test_runs_that_differ_in_an_entity_have_their_own_confounds(entity: str, bids: BidsFolder) -> None:
    filled(bids)
    filled(bids, f"task-listening_{entity}_run-1")
    recording = read(bids)
    tables, _, files = load_fmriprep_confounds(recording, MOTION)  # type: ignore[arg-type]
    assert [(entity in path.name) for path in files] == 2 * [(entity in name) for name in tables]
    first, second = (table.to_numpy() for table in tables.values())
    assert not np.allclose(first, second)


def test_the_newer_of_two_tables_is_taken(bids: BidsFolder) -> None:
    filled(bids)
    path = next(bids.derivatives.rglob("*timeseries.tsv"))
    path.with_name(path.name.replace("timeseries", "regressors")).write_text("trans_x\n0\n")
    _, _, files = load_fmriprep_confounds(read(bids), MOTION)  # type: ignore[arg-type]
    assert [file for file in files if file.suffix == ".tsv"] == [path]  # sidecars are inputs too


def test_denoised_and_combined_responses_are_chosen_by_name(bids: BidsFolder) -> None:
    kinds = {}
    for desc in ("preproc", "denoised", "optcom"):
        kinds[desc] = filled(bids)
        path = next(bids.derivatives.rglob("*desc-preproc_bold.nii.gz"))
        path.rename(path.with_name(path.name.replace("preproc", f"{desc}x")))
    for path in bids.derivatives.rglob("*x_bold.nii.gz"):
        path.rename(path.with_name(path.name.replace("x_bold", "_bold")))
    for desc, values in kinds.items():
        found = read(bids, f"MNI152NLin2009cAsym:desc-{desc}")
        assert np.array_equal(found.responses.load(), values)  # type: ignore[attr-defined]
    assert np.array_equal(read(bids).responses.load(), kinds["preproc"])  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"desc .*denoised, optcom"):
        read(bids, "MNI152NLin2009cAsym:desc-smooth")


def test_densities_are_spelt_in_two_ways() -> None:
    for text in ("fsaverage5", "fsaverage5:den-10k", "fsaverage:den-10k", "fsaverage_den-10k", "fsaverage:10k"):
        assert SpaceQuery.parse(text).surface == "fsaverage5", text
    assert SpaceQuery.parse("fsLR:91k") == SpaceQuery.parse("fsLR_den-91k") == SpaceQuery.parse("fsLR:den-91k")
    assert SpaceQuery.parse("fsLR").surface == SpaceQuery.parse("fsLR:den-32k").surface == "fsLR"


def test_leftovers_of_systems_and_editors_are_no_data(bids: BidsFolder) -> None:
    values = filled(bids)
    for path in [path for path in bids.root.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7Mac OS X")
        path.with_name(f"{path.name}~").write_bytes(b"old")
    (bids.root / "sub-01.bak").mkdir()
    (bids.root / ".DS_Store").write_bytes(b"\0")
    assert list_subjects(bids.root) == ["01"]
    assert np.array_equal(read(bids).responses.load(), values)  # type: ignore[attr-defined]


def test_echoes_have_the_times_of_their_run(bids: BidsFolder) -> None:
    values = filled(bids)
    path = next(bids.root.glob("sub-01/func/*bold.json"))
    path.rename(path.with_name(path.name.replace("_bold", "_echo-1_bold")))
    assert read(bids).responses.runs.tr == TR  # type: ignore[attr-defined]
    assert np.array_equal(read(bids).responses.load(), values)  # type: ignore[attr-defined]


def test_a_run_whose_name_lacks_its_number(bids: BidsFolder) -> None:
    filled(bids, "task-listening")
    for path in bids.root.glob("sub-01/func/*"):
        path.rename(path.with_name(path.name.replace("listening_", "listening_run-1_")))
    assert len(read(bids).events["task-listening"]) == 2  # type: ignore[attr-defined]
    bids.events("01", "task-listening_run-2")
    with pytest.raises(InputError, match=r"several event tables(?s:.)*run-1(?s:.)*run-2"):
        read(bids)


def with_times(bids: BidsFolder, **content: object) -> None:
    path = next(bids.derivatives.rglob("*desc-preproc_bold.nii.gz"))
    path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(content))


@pytest.mark.parametrize("start", [0.0, 0.5, 1.0, 1.999, 2.0])
def test_an_impulse_at_the_time_of_a_volume_is_in_that_volume(start: float, bids: BidsFolder) -> None:
    filled(bids)
    bids.events("01", RUN, [f"{start + 6}\t0\tbeep", f"{start + 13}\t0\tbetween", f"{start + 20.002}\t0\tlate"])
    with_times(bids, RepetitionTime=TR, StartTime=start)
    recording = read(bids)
    runs, events = recording.responses.runs, recording.events  # type: ignore[attr-defined]
    assert np.allclose(runs.time + runs.instant, start + TR * np.arange(24))
    groups = {name: [name] for name in ("beep", "between", "late")}
    found = event_features(runs, events, "trial_type", groups)
    assert found[3].tolist() == [1, 0, 0]
    assert found[6:8, 1].tolist() == [0.5, 0.5]
    assert np.allclose(found[10:12, 2], [0.999, 0.001], atol=1e-6)
    assert np.allclose(found.sum(axis=0), 1)


def test_half_of_a_volume_leaves_blocks_where_they_were(bids: BidsFolder) -> None:
    """Volumes corrected to their middle cover the time of their acquisition, as volumes that say nothing do."""
    filled(bids)
    before = read(bids)
    with_times(bids, RepetitionTime=TR, StartTime=TR / 2)
    after = read(bids)
    groups = {"sound": ["sound"]}
    one, other = (event_features(r.responses.runs, r.events, "trial_type", groups) for r in (before, after))  # type: ignore[attr-defined]
    assert np.array_equal(one, other)


@pytest.mark.parametrize("start", [0.0, 0.25, 1.9])
def test_no_volume_is_discarded_unless_asked(start: float, bids: BidsFolder) -> None:
    filled(bids)
    with_times(bids, StartTime=start)
    recording = read(bids)
    used = [recording.prepared(Cleaning(), discard=s).responses.runs.used.sum() for s in (0.0, 5.0)]  # type: ignore[attr-defined]
    assert used == [24, 24 - np.ceil((5.0 - start) / TR)]


@pytest.mark.parametrize(("value", "message"), [(-0.1, "outside"), (2.1, "outside"), ("soon", "not a number")])
def test_a_start_lies_within_its_volume(value: object, message: str, bids: BidsFolder) -> None:
    filled(bids)
    with_times(bids, StartTime=value)
    with pytest.raises(InputError, match=message):
        read(bids)


@pytest.mark.parametrize(
    ("start", "stated", "message"),
    [
        (0.5, None, ""),
        (0.5, 0.5, ""),
        (0.0, 0.5, ""),
        (0.5, 1.0, "the start of a series and its StartTime disagree"),
        (20.0, None, "a series starts outside of its first volume"),
        (-0.5, None, "a series starts outside of its first volume"),
    ],
)
def test_the_start_of_a_cifti_series_is_its_start_time(
    start: float, stated: float | None, message: str, bids: BidsFolder
) -> None:
    bids.grayordinates("01", RUN, first=30)
    bids.sidecar("01", RUN)
    path = next(bids.derivatives.rglob("*.dtseries.nii"))
    image = nib.load(path)
    axes = image.header.get_axis(0), image.header.get_axis(1)
    axes[0].start = start
    nib.save(nib.Cifti2Image(np.asarray(image.dataobj), axes), path)
    if stated is not None:
        path.with_name(path.name.replace(".dtseries.nii", ".json")).write_text(json.dumps({"StartTime": stated}))
    if message:
        with pytest.raises(InputError, match=message):
            read(bids, "fsLR:den-91k")
        return
    runs = read(bids, "fsLR:den-91k").responses.runs  # type: ignore[attr-defined]
    assert np.allclose(runs.time + runs.instant, 0.5 + TR * np.arange(24))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_sidecars_with_umlauts(encoding: str, bids: BidsFolder) -> None:
    filled(bids)
    path = next(bids.root.glob("sub-01/**/*_bold.json"))
    path.write_bytes(json.dumps({"RepetitionTime": TR, "InstitutionName": "Köln"}, ensure_ascii=False).encode(encoding))
    assert read(bids).responses.runs.tr == TR  # type: ignore[attr-defined]


def test_times_of_some_runs_only_are_refused(bids: BidsFolder) -> None:
    filled(bids)
    filled(bids, "task-listening_run-2")
    path = next(bids.derivatives.rglob("*run-1*desc-preproc_bold.nii.gz"))
    path.with_name(path.name.replace(".nii.gz", ".json")).write_text('{"StartTime": 1.0}')
    with pytest.raises(InputError, match=r"some runs state(?s:.)*StartTime of task-listening_run-01 only"):
        read(bids)


@pytest.mark.parametrize(
    "content",
    [
        {"RepetitionTime": 2.0, "DelayTime": 1.0},
        {"RepetitionTime": 10.0, "AcquisitionDuration": 2.0},
        {"VolumeTiming": [0, 2.0, 8.0]},
        {"RepetitionTime": 10.0, "SliceTiming": [0, 0.5, 1.0, 1.5]},
    ],
)
def test_sparse_sampling_is_named(content: dict[str, object], bids: BidsFolder) -> None:
    filled(bids)
    next(bids.root.glob("sub-01/func/*bold.json")).write_text(json.dumps(content))
    with pytest.raises(InputError, match="sampled sparsely"):
        read(bids, trust_header=False)


def test_one_cause_is_told_once() -> None:
    problems = Problems()
    for i in range(8):
        with problems.collect():
            raise InputError("the sidecar of a run is missing", file=f"run-{i}.json", fix="add it")
    with pytest.raises(InputError, match=r"(in 8 files)(?s:.)*run-0.json ... run-7.json") as error:
        problems.raise_any()
    assert str(error.value).count("missing") == 1
    assert len(merged([*problems.found, InputError("another")])) == 2


def test_a_session_without_a_run_is_told(bids: BidsFolder) -> None:
    """A mistyped label among others would leave a part of the data out."""
    for session in ("1", "2"):
        filled(bids, f"ses-{session}_{RUN}")
    assert len(read(bids, sessions=["1", "2"]).files) == 2  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"in session 02(?s:.)*sessions 1"):
        read(bids, sessions=["1", "02"])


def test_a_folder_beside_that_of_the_subjects_is_named(bids: BidsFolder) -> None:
    filled(bids)
    bids.derivatives = bids.derivatives.parent
    with pytest.raises(InputError, match=r"no such subject(?s:.)*found: +fmriprep"):
        read(bids)


def test_a_correction_of_slices_to_an_unknown_time_is_told(bids: BidsFolder, caplog: pytest.LogCaptureFixture) -> None:
    filled(bids)
    with_times(bids, RepetitionTime=TR, SliceTimingCorrected=True)
    read(bids)
    assert "no StartTime states to which" in caplog.text


def test_hemispheres_with_two_repetition_times(bids: BidsFolder) -> None:
    bids.surface("01", "task-listening", n_samples=2)
    path = next(bids.derivatives.rglob("*hemi-R*.func.gii"))
    path.write_bytes(path.read_bytes().replace(b"2000", b"1500"))
    with pytest.raises(InputError, match=r"hemispheres differ in repetition time(?s:.)*1.5 s"):
        read(bids, "fsaverage5")


def renamed_as_before_1_2(bids: BidsFolder) -> None:
    """Give derivatives and their tables the names of fMRIPrep before 1.2."""
    columns = {
        f"{kind}_{axis}": f"{old}{axis.upper()}" for kind, old in (("trans", ""), ("rot", "Rot")) for axis in "xyz"
    }
    columns |= {"csf": "CSF", "white_matter": "WhiteMatter", "std_dvars": "stdDVARS"}
    columns["framewise_displacement"] = "FramewiseDisplacement"
    for path in list(bids.derivatives.rglob("sub-*")):
        if not path.is_file():
            continue
        name = path.name.replace("_desc-preproc_bold", "_preproc").replace("_desc-brain_mask", "_brainmask")
        name = name.replace("_desc-confounds_timeseries", "_bold_confounds")
        name = re.sub(r"(_space-[A-Za-z0-9]+)(?=_preproc|_brainmask)", r"_bold\1", name)
        name = re.sub(r"_hemi-([LR])_space-(\w+)_bold", r"_bold_space-\2.\1", name)
        path = path.rename(path.with_name(name))
        if name.endswith("confounds.tsv"):
            lines = [line.split("\t") for line in path.read_text().splitlines()]
            kept = [i for i, column in enumerate(lines[0]) if column in columns]
            lines[0] = [columns.get(column, column) for column in lines[0]]
            path.write_text("\n".join("\t".join(line[i] for i in kept) for line in lines) + "\n")
        elif name.endswith("confounds.json"):
            path.unlink()


def test_fmriprep_before_1_2(bids: BidsFolder) -> None:
    """Its names are found, and its columns are those of later ones: motion with its derivatives, scrubbing."""
    choice = FMRIPrepConfounds(("motion", "wm_csf", "scrub"), {"motion": "full", "scrub": 0})
    values = filled(bids)
    surface = bids.surface("01", RUN)
    now = load_fmriprep_confounds(read(bids), choice)[0]["task-listening_run-01"]  # type: ignore[arg-type]
    renamed_as_before_1_2(bids)
    assert not list(bids.derivatives.rglob("*desc-*"))
    recording = read(bids)
    assert np.array_equal(recording.responses.load(), values)  # type: ignore[attr-defined]
    assert np.array_equal(read(bids, "fsaverage5").responses.load(), surface)  # type: ignore[attr-defined]
    tables, _, files = load_fmriprep_confounds(recording, choice)  # type: ignore[arg-type]
    assert [path.name for path in files] == [f"sub-01_{RUN}_bold_confounds.tsv"]
    table = tables["task-listening_run-01"]
    assert set(table) == set(now)
    steps = np.diff(table["trans_x"])
    assert np.allclose(table["trans_x"], now["trans_x"])
    assert np.allclose(np.diff(table["trans_x_derivative1"][1:]), np.diff(steps))
    displacement = framewise_displacement(files[0].with_name(f"sub-01_{RUN}_bold_space-T1w_preproc.nii.gz"))
    assert displacement is not None
    assert displacement[1] == 0.1
