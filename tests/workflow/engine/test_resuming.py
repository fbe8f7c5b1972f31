"""A study is done once; what follows from a change is done again, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.results.reader import Results
from b2m_encoding.study import Study, load_study
from b2m_encoding.workflow.engine import runner as runner_module
from b2m_encoding.workflow.run import explain_study, run_study, work_folder

Run = Callable[[], list[str]]


@pytest.fixture(scope="module")
def done_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = simulate_arrays(tmp_path_factory.mktemp("once") / "study", n_targets=30, n_samples=60)
    run_study(load_study(study), study)
    return study.parent


@pytest.fixture
def study(done_once: Path, tmp_path: Path) -> Path:
    """A copy of a study that has been run: a project may be moved."""
    shutil.copytree(done_once, tmp_path / "study")
    return tmp_path / "study/study.toml"


@pytest.fixture
def run(study: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the study; which units were done."""

    def call() -> list[str]:
        units: list[str] = []
        real = runner_module.compute_unit

        def counted(desk: object, unit: object, *rest: object) -> None:
            units.append(unit.name)  # type: ignore[attr-defined]
            real(desk, unit, *rest)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(runner_module, "compute_unit", counted)
            run_study(load_study(study), study)
        return units

    return call


def edit(study: Path, old: str, new: str) -> None:
    text = study.read_text()
    assert old in text
    study.write_text(text.replace(old, new))


def to_do(study: Path) -> dict[str, str]:
    return {name: state.reason for name, state in explain_study(load_study(study)).items() if not state.done}


def test_nothing_is_done_twice(study: Path, run: Run) -> None:
    written = {path: path.stat().st_mtime_ns for path in (study.parent / "results").rglob("*")}
    assert run() == []
    assert {path: path.stat().st_mtime_ns for path in written} == written


@pytest.mark.parametrize(
    ("old", "new", "steps"),
    [
        ('note = "simulated data"', 'note = "other note"', {"maps", "tables", "figures"}),
        (
            "permutations = 200",
            "permutations = 300",
            {"significance", "partition", "audit", "regions", "maps", "tables"},
        ),
        ("[1.5, 3.0]", "[3.0]", {"statistics", "fit", "score", "significance", "maps", "tables"}),
        ("dpi = 150", "dpi = 100", {"figures"}),
        ("[statistics]", "# a comment\n[statistics]", set()),
    ],
)
def test_a_change_redoes_what_follows_from_it(study: Path, run: Run, old: str, new: str, steps: set[str]) -> None:
    edit(study, old, new)
    reasons = to_do(study)
    done = run()
    assert set(done) == set(reasons)
    found = {name.partition("/")[0] for name in done}
    assert steps <= found
    assert "features" not in found
    if "fit" not in steps:
        assert "fit" not in found
    if steps in ({"figures"}, set()):
        assert found == steps
    assert run() == []


def test_a_subject_that_no_model_can_use_leaves_the_others(
    study: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    path = study.parent / "responses/02_test-2.npy"
    values = np.load(path)
    values[-1] = np.nan
    np.save(path, values)
    edit(study, "[1.5, 3.0]", "[3.0]")
    run()
    assert "no target can be tested: in run test-2 of sub-02" in caplog.text
    results = Results.open(study.parent / "results")
    assert np.isfinite(results.map("01", "joint", "r")).all()
    assert np.isnan(results.map("02", "joint", "r")).all()


def test_the_size_of_a_work_folder_passes_over_what_another_run_removes(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = work_folder(load_study(study))
    whole, real = work.size, os.lstat
    gone = work.path / "hashes.json"

    def lstat(path: str | Path, **options: int) -> os.stat_result:
        if Path(path) == gone:
            raise FileNotFoundError(path)
        return real(path, **options)

    size = real(gone).st_size
    monkeypatch.setattr(os, "lstat", lstat)
    assert work.size == whole - size


def test_reasons_are_told(study: Path, run: Run) -> None:
    edit(study, "permutations = 200", "permutations = 300")
    assert to_do(study)["significance/sub-01"] == "statistics.permutations: 200 -> 300"
    features = study.parent / "features/sound_train-1.npy"
    np.save(features, np.load(features) + 1)
    reasons = to_do(study)
    assert reasons["features/sub-01"] == "file sound_train-1.npy changed"
    assert "follows features/sub-01" in reasons["fit/sub-01_targets-0-30"]


def test_one_subject_more_leaves_the_others_alone(study: Path, run: Run) -> None:
    edit(study, '["01", "02"]', '["01", "02", "03"]')
    for path in (study.parent / "responses").glob("02_*"):
        shutil.copy(path, path.with_name(path.name.replace("02_", "03_")))
    assert not [name for name in run() if "sub-01" in name or "sub-02" in name]
    assert Results.open(study.parent / "results").subjects == ("01", "02", "03")


def test_a_failing_unit_leaves_what_is_done_and_the_earlier_results(
    study: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in (study.parent / "results").rglob("*") if path.is_file()}
    edit(study, "[1.5, 3.0]", "[3.0]")
    done: list[str] = []
    real = runner_module.compute_unit

    def failing(desk: object, unit: object, *rest: object) -> None:
        if unit.name == "significance/sub-02":  # type: ignore[attr-defined]
            raise RuntimeError("the lights went out")
        real(desk, unit, *rest)  # type: ignore[arg-type]
        done.append(unit.name)  # type: ignore[attr-defined]

    with monkeypatch.context() as patch:
        patch.setattr(runner_module, "compute_unit", failing)
        with pytest.raises(RuntimeError, match="lights"):
            run_study(load_study(study), study)
    assert {path: path.read_bytes() for path in before} == before
    again = run()
    assert not set(done) & set(again)
    assert again[0] == "significance/sub-02"


def test_files_of_others_stay_in_the_results(study: Path, run: Run) -> None:
    mine = study.parent / "results/figures/mine.txt"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("my figure")
    edit(study, 'note = "simulated data"', 'note = "other"')
    run()
    assert mine.read_text() == "my figure"


def test_weights_and_their_components_are_in_the_results(study: Path) -> None:
    results = Results.open(study.parent / "results")
    weights, r = results.weights("01"), results.map("01", "joint", "r")
    assert {name: own.shape for name, own in weights.items()} == {"sound": (2, 4, 30), "words": (2, 3, 30)}
    assert r[:20].min() > 0.2
    assert np.isfinite([results.map("01", "joint", f"pc{i}") for i in (1, 2, 3)]).all()
    table = results.table("sub-01/sub-01_desc-joint_components.tsv")
    assert table["feature_space"].tolist() == ["sound"] * 4 + ["words"] * 3
    np.testing.assert_allclose((table[["pc1", "pc2", "pc3"]] ** 2).sum(), 1, rtol=1e-4)


@pytest.mark.parametrize("name", ["regions.tsv", "sub-01/sub-01_space-unplaced_desc-joint_stat-r_statmap.tsv"])
def test_a_damaged_result_is_refused_and_restored(study: Path, run: Run, name: str) -> None:
    path = study.parent / "results" / name
    good = path.read_bytes()
    path.write_bytes(good[:-2] + bytes([good[-2] ^ 1]) + good[-1:])
    results = Results.open(study.parent / "results")
    with pytest.raises(InputError, match="not as it was written"):
        results.table(name) if name == "regions.tsv" else results.map("01", "joint", "r")
    assert run() == []
    assert path.read_bytes() == good


def test_a_damaged_unit_is_done_again(study: Path, run: Run) -> None:
    path = work_folder(load_study(study)).path / "score/sub-01/value.npz"
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    path.write_bytes(damaged)
    assert to_do(study) == {"score/sub-01": "damaged: value.npz"}
    assert run() == ["score/sub-01"]


def test_steps_stop_where_they_are_asked_to(study: Path) -> None:
    loaded = load_study(study)
    work = work_folder(loaded)
    shutil.rmtree(work.path)
    assert run_study(loaded, study, steps=["score"]) is None
    assert {path.parent.parent.name for path in work.path.rglob("record.json")} == {"features", "fit", "score"}
    with pytest.raises(InputError, match="unknown step"):
        run_study(loaded, study, steps=["scores"])


def test_a_second_run_at_the_same_time_is_refused(study: Path) -> None:
    loaded = load_study(study)
    with work_folder(loaded).locked(), pytest.raises(InputError, match="another run"):
        run_study(loaded, study)


def parts(study: Study, number: int) -> Study:
    return study.model_copy(update={"model": study.model.model_copy(update={"parts": number})})


def test_parts_of_the_targets_give_the_same_results(study: Path) -> None:
    loaded = load_study(study)
    whole = run_study(loaded, study)
    cut = run_study(parts(loaded, 4), study)
    assert whole is not None
    assert cut is not None
    assert (work_folder(loaded).path / "fit/sub-01_targets-8-15").is_dir()
    for subject, found in whole.encodings.items():
        np.testing.assert_allclose(cut.encodings[subject].r["joint"], found.r["joint"], atol=1e-6)
        np.testing.assert_array_equal(cut.encodings[subject].p, found.p)
