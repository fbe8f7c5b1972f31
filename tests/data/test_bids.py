"""BIDS data sets: which file is which run, in every format that fMRIPrep writes."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.data import Cleaning
from b2m_encoding.data.bids import SpaceQuery, find_runs, read_bids
from b2m_encoding.data.entities import BidsFile, inherited
from b2m_encoding.data.sources.bids import BidsSource
from b2m_encoding.errors import InputError, ProblemList
from b2m_encoding.spaces import GrayordinateSpace, VolumeSpace

MNI = "MNI152NLin2009cAsym"
RUNS = ("ses-1_task-listening_run-1", "ses-1_task-listening_run-2", "ses-2_task-listening_run-1")
NAMES = tuple(name.replace("run-", "run-0") for name in RUNS)


def in_sessions(bids) -> list[np.ndarray]:
    values = [bids.volumes("01", run) for run in RUNS]
    for run in RUNS:
        bids.events("01", run)
        bids.sidecar("01", run)
        bids.confounds("01", run, displaced=(9, 17))
    return values


def source(bids, **options: object) -> BidsSource:
    table = {"reader": "bids", "root": bids.root, "derivatives": bids.derivatives, "space": MNI, **options}
    return BidsSource.model_validate({"tasks": ["listening"], **table})


def test_volumes_of_all_sessions(bids) -> None:
    written = in_sessions(bids)
    recording = read_bids(bids.root, "01", tasks=["listening"], space=MNI, derivatives=bids.derivatives)
    responses = recording.responses
    assert responses.runs.names == NAMES
    assert isinstance(responses.space, VolumeSpace)
    assert np.array_equal(responses.space.mask, bids.mask)
    for name, values in zip(NAMES, written, strict=True):
        assert np.array_equal(responses.load_run(name), values)
    assert set(recording.events) == set(NAMES)
    second = read_bids(bids.root, "01", tasks=["listening"], space=MNI, derivatives=bids.derivatives, sessions=["2"])
    assert second.responses.runs.names == NAMES[2:]
    assert np.array_equal(second.responses.load(), written[2])


def test_runs_agree_with_pybids(bids) -> None:
    bids_layout = pytest.importorskip("bids", reason="pybids is in the extra bids")
    in_sessions(bids)
    bids.volumes("01", RUNS[0], raw=True)
    bids.surface("01", RUNS[2])
    layout = bids_layout.BIDSLayout(bids.root, derivatives=bids.derivatives, validate=False)
    query = {"subject": "01", "suffix": "bold", "extension": ".nii.gz", "desc": "preproc", "space": MNI}
    expected = {str(path) for path in layout.get(return_type="filename", **query)}
    found = find_runs(bids.derivatives, "01", SpaceQuery.parse(MNI), ["listening"], raw=False)
    assert {str(file.path) for file in found.values()} == expected
    for name, file in found.items():
        entities = layout.get_file(file.path).get_entities()
        assert int(entities["run"]) == int(file.entities["run"]), name
        assert entities["session"] == file.entities["ses"]


def test_grayordinates_keep_cortex_and_the_rest_apart(bids) -> None:
    run = "task-listening_run-1"
    values = bids.grayordinates("01", run, n_samples=8)
    bids.sidecar("01", run)
    recording = read_bids(bids.root, "01", tasks=["listening"], space="fsLR:den-91k", derivatives=bids.derivatives)
    space = recording.responses.space
    assert isinstance(space, GrayordinateSpace)
    loaded = recording.responses.load()
    assert np.array_equal(loaded, values)
    assert (~space.cortex).sum() == 31870
    thalamus = space.structures["CIFTI_STRUCTURE_THALAMUS_LEFT"]
    assert np.array_equal(loaded[:, thalamus], values[:, thalamus])


@pytest.mark.parametrize("space", ["fsaverage5", "fsaverage6"])
def test_surfaces_are_read_as_written(space: str, bids) -> None:
    values = bids.surface("01", "task-listening", space, n_samples=4)
    bids.sidecar("01", "task-listening")
    recording = read_bids(bids.root, "01", tasks=["listening"], space=space, derivatives=bids.derivatives)
    assert np.array_equal(recording.responses.load_run("task-listening"), values)


def test_raw_volumes_take_a_mask(bids, tmp_path: Path) -> None:
    run = "task-listening_run-1"
    values = bids.volumes("01", run, raw=True)
    bids.sidecar("01", run)
    with pytest.raises(InputError, match="raw volumes need a mask"):
        read_bids(bids.root, "01", tasks=["listening"], space="scanner")
    bids.volumes("01", run)
    mask = next(bids.derivatives.rglob("*brain_mask.nii.gz"))
    recording = read_bids(bids.root, "01", tasks=["listening"], space="scanner", mask=mask)
    assert np.array_equal(recording.responses.load(), values)


def test_brain_masks_of_runs_are_intersected(bids) -> None:
    in_sessions(bids)
    bids.mask = bids.mask.copy()
    bids.mask[1] = False
    bids.volumes("01", RUNS[1])
    recording = read_bids(bids.root, "01", tasks=["listening"], space=MNI, derivatives=bids.derivatives)
    assert np.array_equal(recording.responses.space.mask, bids.mask)


def test_confounds_equal_nilearn_and_censored_volumes_leave(bids) -> None:
    from nilearn.interfaces.fmriprep import load_confounds
    from nilearn.signal import clean

    written = in_sessions(bids)
    table = {"strategy": ["motion", "wm_csf", "scrub"], "motion": "basic", "scrub": 0, "std_dvars_threshold": 5.0}
    recording = source(bids, confounds=table).read("01", Cleaning("none", zscore=False))
    responses = recording.responses
    rows = responses.runs.slices[NAMES[0]]
    assert np.flatnonzero(~responses.runs.used[rows]).tolist() == [9, 17]
    expected, kept = load_confounds(
        str(recording.files[NAMES[0]]),
        strategy=("motion", "wm_csf", "scrub"),
        motion="basic",
        scrub=0,
        std_dvars_threshold=5.0,
    )
    assert kept.tolist() == np.flatnonzero(responses.runs.used[rows]).tolist()
    centred = written[0] - written[0][kept].mean(axis=0)
    oracle = clean(
        centred, detrend=False, filter=False, standardize=None, confounds=expected, sample_mask=kept, t_r=2.0
    )
    found = responses.load_run(NAMES[0])[kept]
    assert np.corrcoef(found.ravel(), (oracle - oracle.mean(axis=0)).ravel())[0, 1] > 0.9999
    assert any("trans_x" in step for step in responses.steps)
    assert sum(path.name.endswith("confounds_timeseries.tsv") for path in recording.inputs) == 3


@pytest.mark.parametrize(("strategy", "message"), [("compcor", "cannot be had"), ("global_signal", "cannot be had")])
def test_confounds_that_are_not_there(bids, strategy: str, message: str) -> None:
    in_sessions(bids)
    with pytest.raises(ProblemList, match=message) as error:
        source(bids, confounds={"strategy": [strategy]}).read("01", Cleaning())
    assert len(error.value.problems) == 3


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text.replace("0.1", "high"), "does not hold numbers|cannot be had"),
        (lambda text: text.rsplit("\n", 3)[0], "another number of rows"),
        (
            lambda text: "\n".join(
                line.replace(line.split("\t")[0], "n/a", i == 9) for i, line in enumerate(text.split("\n"))
            ),
            "not numbers",
        ),
        (lambda text: "", "cannot be had"),
    ],
)
def test_damaged_confounds(bids, damage, message: str) -> None:
    in_sessions(bids)
    for path in bids.derivatives.rglob("*timeseries.tsv"):
        path.write_text(damage(path.read_text()))
    with pytest.raises(ProblemList, match=message):
        source(bids, confounds={"strategy": ["motion", "scrub"], "motion": "basic"}).read("01", Cleaning())


def test_sidecars_and_events_are_inherited(bids) -> None:
    for run in RUNS:
        bids.volumes("01", run)
    (bids.root / "task-listening_bold.json").write_text(json.dumps({"RepetitionTime": 2.0}))
    everyone = bids.root / "task-listening_events.tsv"
    everyone.write_text("onset\tduration\ttrial_type\n0\t2\tall")
    session = bids.root / "sub-01" / "ses-2" / "sub-01_ses-2_task-listening_events.tsv"
    session.parent.mkdir(parents=True)
    session.write_text("onset\tduration\ttrial_type\n0\t2\tsession")
    recording = read_bids(bids.root, "01", tasks=["listening"], space=MNI, derivatives=bids.derivatives)
    assert [recording.events[name]["trial_type"].iloc[0] for name in NAMES] == ["all", "all", "session"]
    file = BidsFile.parse(next(bids.derivatives.rglob("*ses-2*bold.nii.gz")))
    assert inherited(bids.root, file, "events", "tsv") == [session, everyone]


def test_the_nearest_sidecar_overrides_key_by_key(bids) -> None:
    """The data set says 3 s, the subject says nothing of it, the session 2 s; a derivative has its own sidecar."""
    for run in RUNS:
        bids.volumes("01", run)
    folder = bids.root / "sub-01"
    (bids.root / "task-listening_bold.json").write_text('{"RepetitionTime": 3.0}')
    folder.mkdir()
    (folder / "sub-01_task-listening_bold.json").write_text('{"EchoTime": 0.03}')
    for session in ("1", "2"):
        (folder / f"ses-{session}").mkdir()
        path = folder / f"ses-{session}" / f"sub-01_ses-{session}_task-listening_bold.json"
        path.write_text('{"RepetitionTime": 2.0}')
    beside = next(bids.derivatives.rglob("*ses-2*run-1*bold.nii.gz"))
    beside = beside.with_name(beside.name.replace(".nii.gz", ".json"))
    beside.write_text('{"RepetitionTime": 2.0}')
    options = {"tasks": ["listening"], "space": MNI, "derivatives": bids.derivatives}
    assert read_bids(bids.root, "01", **options).responses.runs.tr == 2.0
    beside.write_text('{"RepetitionTime": 3.0}')
    with pytest.raises(InputError, match="repetition times disagree"):
        read_bids(bids.root, "01", **options)
    beside.write_text("{}")
    path.write_text('{"TaskName": "listening"}')
    with pytest.raises(InputError, match=r"repetition times disagree[\s\S]*3 s as in task-listening_bold.json"):
        read_bids(bids.root, "01", **options)
    for sidecar in bids.root.rglob("*bold.json"):
        sidecar.write_text("{}")
    assert read_bids(bids.root, "01", **options).responses.runs.tr == 2.0  # the headers'
    with pytest.raises(InputError, match=r"repetition times disagree[\s\S]*tr under"):
        read_bids(bids.root, "01", tr=2.5, **options)
    assert read_bids(bids.root, "01", tr=2.5, trust_header=False, **options).responses.runs.tr == 2.5
    with pytest.raises(InputError, match="no sidecar of a run states its RepetitionTime"):
        read_bids(bids.root, "01", trust_header=False, **options)


@pytest.mark.parametrize(("stated", "message"), [(0.0, "0 s"), (2000.0, "2000 s.*milliseconds"), (3.0, "disagree")])
@pytest.mark.parametrize("kind", ["volumes", "surface", "grayordinates"])
def test_repetition_times_of_headers(kind: str, stated: float, message: str, bids) -> None:
    run, options = "task-listening", {"tasks": ["listening"], "derivatives": bids.derivatives}
    bids.header_tr = stated
    sizes = {"volumes": {}, "surface": {"n_samples": 3}, "grayordinates": {"n_samples": 3, "first": 60}}
    getattr(bids, kind)("01", run, **sizes[kind])
    bids.sidecar("01", run, tr=2.0)
    space = {"volumes": MNI, "surface": "fsaverage5", "grayordinates": "fsLR:den-91k"}[kind]
    with pytest.raises(InputError, match=message):
        read_bids(bids.root, "01", space=space, **options)
    recording = read_bids(bids.root, "01", space=space, trust_header=False, **options)
    assert recording.responses.runs.tr == 2.0


@pytest.mark.parametrize("written", ["{}", "<![CDATA[{}]]>"])
def test_time_steps_of_surfaces(written: str, bids) -> None:
    bids.surface("01", "task-listening", n_samples=3)
    bids.sidecar("01", "task-listening")
    files = {path: path.read_bytes() for path in bids.derivatives.rglob("*.func.gii")}
    for step, message in {"2000": "", "": "", "2.0": "0.002 s .seconds", "two": "not a number", "0": "0 s"}.items():
        for path, content in files.items():
            path.write_bytes(content.replace(b"<Value>2000<", f"<Value>{written.format(step)}<".encode()))
        with pytest.raises(InputError, match=message) if message else nullcontext():
            read_bids(bids.root, "01", tasks=["listening"], derivatives=bids.derivatives)


def test_hemispheres_that_are_swapped(bids) -> None:
    bids.surface("01", "task-listening", n_samples=2)
    bids.sidecar("01", "task-listening")
    left, right = (next(bids.derivatives.rglob(f"*hemi-{hemi}*.func.gii")) for hemi in "LR")
    content = left.read_bytes()
    left.write_bytes(right.read_bytes())
    right.write_bytes(content)
    with pytest.raises(InputError, match=r"states the other hemisphere[\s\S]*CortexRight[\s\S]*CortexLeft"):
        read_bids(bids.root, "01", tasks=["listening"], derivatives=bids.derivatives)


def test_every_problem_of_a_subject_is_told(bids) -> None:
    in_sessions(bids)
    bids.events("01", RUNS[0], ["900\t2\tsound"])
    bids.sidecar("01", RUNS[1], tr=3.0)
    broken = next(bids.derivatives.rglob("*ses-2*bold.nii.gz"))
    broken.unlink()
    broken.symlink_to("../../.git/annex/objects/aa/gone")
    with pytest.raises(ProblemList) as error:
        read_bids(bids.root, "01", tasks=["listening"], space=MNI, derivatives=bids.derivatives)
    text = str(error.value)
    for expected in ("repetition times disagree", "not downloaded", f"datalad get {broken}"):
        assert expected in text
    bids.sidecar("01", RUNS[1])
    with pytest.raises(InputError, match="beyond the run"):
        read_bids(bids.root, "01", tasks=["listening"], space=MNI, derivatives=bids.derivatives, sessions=["1"])


def test_two_files_of_one_run(bids) -> None:
    in_sessions(bids)
    path = next(bids.derivatives.rglob("*ses-2*run-1*bold.nii.gz"))
    shutil.copy(path, path.with_name(path.name.replace("run-1", "run-01")))
    with pytest.raises(InputError, match="claim to be the same run"):
        read_bids(bids.root, "01", tasks=["listening"], space=MNI, derivatives=bids.derivatives)


def test_two_event_tables_of_one_run(bids) -> None:
    in_sessions(bids)
    bids.events("01", RUNS[0].replace("run-1", "run-01"))
    with pytest.raises(InputError, match="two event tables"):
        read_bids(bids.root, "01", tasks=["listening"], space=MNI, derivatives=bids.derivatives)


def test_resolutions_are_told_apart(bids) -> None:
    run = "task-listening_run-1"
    bids.sidecar("01", run)
    bids.volumes("01", run, space=f"_space-{MNI}_res-1")
    values = bids.volumes("01", run, space=f"_space-{MNI}_res-2")
    with pytest.raises(InputError, match="res-2"):
        read_bids(bids.root, "01", tasks=["listening"], space=MNI, derivatives=bids.derivatives)
    recording = read_bids(bids.root, "01", tasks=["listening"], space=f"{MNI}:res-2", derivatives=bids.derivatives)
    assert np.array_equal(recording.responses.load(), values)


def test_a_task_or_session_without_runs_says_what_is_there(bids) -> None:
    in_sessions(bids)
    for options in ({"tasks": ["rest"]}, {"tasks": ["listening"], "sessions": ["9"]}):
        with pytest.raises(InputError, match="tasks listening; spaces MNI152NLin2009cAsym; sessions 1, 2"):
            read_bids(bids.root, "01", space=MNI, derivatives=bids.derivatives, **options)
