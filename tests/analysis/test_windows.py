"""Windows of clips as samples, as in Brain2Music; features of a study kept once; and that timing matters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from b2m_encoding.analysis.encoding.encode import encode_subject
from b2m_encoding.analysis.windows import WindowedRecording, stimulus_timeline, windowed
from b2m_encoding.data import Responses, average_repeats
from b2m_encoding.errors import ProblemList
from b2m_encoding.features.extractors import build_spaces
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.models.scores import pearson_r
from b2m_encoding.phantom import load_truth
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced
from b2m_encoding.study import WindowsTable, load_study
from b2m_encoding.workflow.check import check_study

WINDOWS = "[windows]\nlength = 10.0\nstep = 1.5\nlag = 4.5\n\n[evaluation]"


def edit(path: Path, *pairs: tuple[str, str]) -> Path:
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.unlink()
    path.write_text(text)
    return path


def as_windows(path: Path) -> Path:
    return edit(path, ("[evaluation]", WINDOWS), ("delays = [4.5, 6.0]", 'solver = "ridge"'))


def test_responses_and_features_of_a_windowed_study_by_hand(tiny_study: Path) -> None:
    recording = check_study(load_study(tiny_study))["01"]
    study = load_study(as_windows(tiny_study))
    found = check_study(study)["01"]
    assert isinstance(found, WindowedRecording)
    run = "task-Training_run-01"
    own, volumes = found.responses.load_run(run), recording.responses.load_run(run)
    assert own.shape == (11 * 4, 20484)
    used = found.responses.runs.used[found.responses.runs.slices[run]]
    assert used.tolist() == [False] * 4 + [True] * 40
    for i in (4, 5, 43):
        start = 15 * (i // 4) + 1.5 * (i % 4)
        low, high = int((start + 4.5) / 1.5), int(np.ceil((start + 14.5) / 1.5))
        assert np.allclose(own[i], volumes[low:high].mean(axis=0), atol=1e-5, equal_nan=True)
    text = build_spaces(study.features, stimulus_timeline(found))["text"].values
    assert (text[4:8] == text[4]).all()
    assert not np.array_equal(text[4], text[8])
    assert found.responses.steps[-1] == "average over windows of 10 s every 1.5 s, 4.5 s after their sound"


def test_a_windowed_study_runs_and_predicts(tiny_study: Path, b2m: Callable[..., tuple[int, str]]) -> None:
    code, printed = b2m("run", as_windows(tiny_study))
    assert code == 0, printed
    results = tiny_study.parent / "results"
    record = json.loads((results / "provenance.json").read_text())
    assert "windows of 10 s" in record["cleaning"]["01"][-1]
    assert record["features"]["text"]["extractor"] == "caption"
    found = json.loads((results / "identification.json").read_text())["subjects"][0]
    assert found["clips"] == 10


def test_scores_of_windows_equal_a_plain_ridge_on_windows(rng: np.random.Generator, tmp_path: Path) -> None:
    """Two runs train, one tests; every window is one sample, paired with the mean of the scans ``lag`` later."""
    from b2m_encoding.data.recording import Recording
    from b2m_encoding.study import Study

    clips = np.repeat([f"c{i}" for i in range(18)], 10)
    runs = Runs.from_labels(np.repeat(["a", "b", "test"], 60), 1.5, clip=clips)
    features = rng.standard_normal((180, 3))
    values = (np.roll(features, 3, axis=0) @ rng.standard_normal((3, 4)) + rng.standard_normal((180, 4))).astype("f")
    table = {
        "name": "t",
        "output": str(tmp_path / "out"),
        "data": {"reader": "table", "files": "x", "regions": ["r"], "tr": 1.5},
        "features": {"rate": {"extractor": "array", "files": str(tmp_path / "{run}.npy")}},
        "windows": {"length": 5.0, "lag": 4.5},
        "model": {"alphas": {"low": 3.0, "high": 3.1, "number": 2}},
        "evaluation": {"kind": "test", "test_runs": "test"},
        "statistics": {"permutations": 100, "audit": False},
    }
    for name, rows in runs.slices.items():
        np.save(tmp_path / f"{name}.npy", features[rows])
    study = Study.model_validate(table)
    recording = windowed(Recording("01", Responses.from_array(values, runs, Unplaced(4))), study.windows)
    spaces = build_spaces(study.features, stimulus_timeline(recording))
    found = encode_subject(recording.responses, spaces, study)

    X, Y, names = [], [], []
    for name, rows in runs.slices.items():
        for clip in range(6):
            for k in range(7):
                first, last = 10 * clip + k, 10 * clip + int(np.ceil((1.5 * k + 5.0) / 1.5))
                if first + 3 < 60:
                    X.append(features[rows][first:last].mean(axis=0))
                    Y.append(values[rows][first + 3 : last + 3].mean(axis=0))
                    names.append(name)
    X, Y, test = np.array(X), np.array(Y), np.array(names) == "test"
    mean, deviation = X[~test].mean(axis=0), X[~test].std(axis=0)
    model = Ridge(alpha=3.0).fit((X[~test] - mean) / deviation, Y[~test])
    expected = pearson_r(model.predict((X[test] - mean) / deviation), Y[test])
    assert found.n_test == test.sum()
    assert np.allclose(found.r["joint"], expected, atol=2e-3)


@pytest.mark.parametrize(
    ("pairs", "problem"),
    [
        ([("[evaluation]", WINDOWS)], "model.delays are of volumes"),
        (
            [("[evaluation]", WINDOWS), ("delays = [4.5, 6.0]", ""), ('["text"]', '["text"]\nwindow = 5.0')],
            "leave decoding.window",
        ),
        (
            [("[evaluation]", WINDOWS + "\nblocks = 2\ngap = 6.0"), ("delays = [4.5, 6.0]", "")],
            "at least the length of a window, 10 s",
        ),
    ],
)
def test_windows_that_contradict_the_study(tiny_study: Path, pairs: list[tuple[str, str]], problem: str) -> None:
    with pytest.raises(ProblemList, match=problem):
        load_study(edit(tiny_study, *pairs))


def test_a_window_longer_than_the_clips_is_found_by_check(
    tiny_study: Path, b2m: Callable[..., tuple[int, str]]
) -> None:
    edit(tiny_study, ("[evaluation]", WINDOWS.replace("10.0", "20.0")), ("delays = [4.5, 6.0]", ""))
    code, printed = b2m("check", tiny_study)
    assert (code, "must fit into its clip" in printed, "shorten windows.length" in printed) == (2, True, True)


def test_repeats_of_windows_average_where_the_run_ends_early(tiny_study: Path) -> None:
    """The last windows of a run have no responses; their repeats have, and are averaged without them."""
    recording = windowed(check_study(load_study(tiny_study))["01"], WindowsTable(length=1.5, lag=4.5))
    runs, rows = recording.responses.runs.select(["task-Test_run-01"])
    assert (~runs.used[-3:]).all()
    averaged, merged = average_repeats(np.ones((len(rows), 1)), runs)
    assert len(averaged) == len(merged) == 100


@pytest.fixture
def auditory(tiny_study: Path) -> tuple[Responses, FeatureSpace, Path]:
    """Vertices that sound drives, and the acoustics."""
    study = load_study(tiny_study)
    recording = check_study(study)["01"]
    truth = load_truth(tiny_study.parent / "study" / "truth").subjects["01"]
    driven = np.flatnonzero((truth.drive == "acoustic") & truth.testable)
    values = recording.responses.load()[:, driven]
    spaces = build_spaces({"acoustic": study.features["acoustic"]}, stimulus_timeline(recording))
    return Responses.from_array(values, recording.responses.runs, Unplaced(len(driven))), spaces["acoustic"], tiny_study


@pytest.mark.parametrize("shift", [-1, 1])
def test_features_one_volume_off_predict_less(auditory: tuple[Responses, FeatureSpace, Path], shift: int) -> None:
    """The phantom's response peaks 5 s after its sound: a lag of 4.5 s is right, 3 and 6 s are not."""
    responses, space, path = auditory
    study = load_study(edit(path, ("delays = [4.5, 6.0]", "delays = [4.5]"), ('[decoding]\ntargets = ["text"]', "")))
    late = np.concatenate([np.roll(part, shift, axis=0) for _, part in space.runs.each_run(space.values)])
    r = [
        np.nanmedian(encode_subject(responses, {"acoustic": FeatureSpace("acoustic", v, space.runs)}, study).r["joint"])
        for v in (space.values, late)
    ]
    assert r[0] > r[1] + 0.003


def test_features_are_computed_once_for_all_runs(
    tiny_study: Path, b2m: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("B2M_CACHE", str(tmp_path / "cache"))
    code, printed = b2m("features", tiny_study, "--stimuli", tmp_path / "heard")
    assert code == 0, printed
    assert "30 clips" in printed
    assert f"kept in {tmp_path / 'cache' / 'features'}" in printed
    assert len(list((tmp_path / "heard").glob("*_15s.wav"))) == 30
    shards = list((tmp_path / "cache").rglob("*.safetensors"))
    assert shards
    code, printed = b2m("features", tiny_study)
    assert code == 0
    assert "30 clips" not in printed
    assert list((tmp_path / "cache").rglob("*.safetensors")) == shards


def test_features_need_a_sound_study_and_a_writable_store(
    tiny_study: Path, b2m: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2M_CACHE", "/proc/b2m")
    code, printed = b2m("features", tiny_study)
    assert (code, "features cannot be stored" in printed) == (2, True)
    tracks = sorted(tiny_study.parent.rglob("*.wav"))
    for track in tracks[:3]:
        track.unlink()
    code, printed = b2m("features", tiny_study)
    assert (code, "3 audio files are missing" in printed) == (2, True)
    assert all(track.name in printed for track in tracks[:3])
