"""The folder of the demonstration: only what it wrote is replaced."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.io.hashes import sha256
from b2m_encoding.io.marked import mark_folder
from b2m_encoding.phantom import Size, simulate_arrays
from b2m_encoding.results.place import results_locked, work_folder_of
from b2m_encoding.study import load_study
from b2m_encoding.workflow import demo
from b2m_encoding.workflow.demo import _prepare, run_demo
from b2m_encoding.workflow.run import run_study


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def finished_demo(tmp_path: Path) -> Path:
    """A folder as a demonstration leaves it, with the results of a smaller study."""
    out = tmp_path / "demo"
    _prepare(out, 0)
    mark_folder(out, "demo", ["study/bids/README", "study/stimuli/a.wav"])
    for name in ("study/bids/README", "study/stimuli/a.wav", "summary.json"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("simulated")
    file = simulate_arrays(tmp_path / "arrays", n_subjects=1, n_targets=9)
    run_study(load_study(file).model_copy(update={"output": out / "results"}), file)
    return out


def test_an_earlier_demonstration_is_replaced(finished_demo: Path) -> None:
    assert (finished_demo / "results/report.html").is_file()
    _prepare(finished_demo, 1)
    assert sorted(tree(finished_demo)) == [".b2m_encoding.json", "demo.json", "study.toml"]
    assert {path.name for path in finished_demo.iterdir()} == {".b2m_encoding.json", "demo.json", "study.toml"}


@pytest.mark.parametrize(
    "name", ["notes.txt", "study/mine.toml", "results/mine.png", "results/sub-01/mine.txt", "other/x", ".hidden"]
)
def test_files_of_the_user_are_named_and_left_alone(finished_demo: Path, name: str) -> None:
    (finished_demo / name).parent.mkdir(exist_ok=True)
    (finished_demo / name).write_text("years of work")
    before = tree(finished_demo)
    with pytest.raises(InputError, match="something else") as caught:
        run_demo(finished_demo)
    assert caught.value.found == name
    assert {name: content for name, content in tree(finished_demo).items() if ".results.work" not in name} == {
        name: content for name, content in before.items() if ".results.work" not in name
    }


def test_links_are_of_the_user(finished_demo: Path, tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "big/x").write_text("mine")
    (finished_demo / "link").symlink_to(tmp_path / "big")
    with pytest.raises(InputError, match="something else"):
        run_demo(finished_demo)
    assert (tmp_path / "big/x").read_text() == "mine"


@pytest.mark.parametrize(
    "marker",
    ["{}", "[]", "not JSON", json.dumps({"simulated": True, "study": "0" * 64}), json.dumps({"title": "my demo"})],
)
def test_a_file_called_demo_json_is_no_marker(tmp_path: Path, marker: str) -> None:
    (tmp_path / "demo.json").write_text(marker)
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="something else"):
        run_demo(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.json", "thesis.tex"]


def test_an_edited_study_of_a_real_demonstration_is_refused(finished_demo: Path) -> None:
    study = finished_demo / "study.toml"
    study.write_text(study.read_text() + "# mine\n")
    with pytest.raises(InputError, match="has been edited"):
        run_demo(finished_demo)
    assert study.read_text().endswith("# mine\n")


def test_results_whose_manifest_is_lost_are_refused(finished_demo: Path) -> None:
    (finished_demo / "results/manifest.json").unlink()
    with pytest.raises(InputError, match="something else"):
        run_demo(finished_demo)
    assert (finished_demo / "results/report.html").is_file()


def test_a_demonstration_that_runs_is_not_removed(finished_demo: Path) -> None:
    with (
        results_locked(work_folder_of(finished_demo / "results")),
        pytest.raises(InputError, match="another run is working"),
    ):
        run_demo(finished_demo)
    assert (finished_demo / "results/report.html").is_file()


class Stopped(Exception):
    """In the place of a kill."""


@pytest.mark.parametrize("place", [".", "new"])
def test_the_current_folder_and_one_that_was_stopped(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch, b2m: Callable[..., tuple[int, str]]
) -> None:
    def stop(folder: Path, **options: object) -> None:
        (folder / "half").write_text("simulated")
        raise Stopped

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "simulate_study", stop)
    for _ in range(2):
        with pytest.raises(Stopped):
            run_demo(Path(place))
        assert sorted(path.name for path in Path(place).absolute().iterdir()) == [
            ".b2m_encoding.json", "demo.json", "study.toml",
        ]  # fmt: skip


def test_a_demonstration_whose_analysis_was_stopped_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was simulated is kept where it is what is asked for, and whole."""

    def stop(*told: object, **options: object) -> None:
        raise Stopped

    def run(seed: int) -> tuple[dict[str, int], str]:
        caplog.clear()
        with pytest.raises(Stopped):
            run_demo(tmp_path / "demo", seed=seed, n_subjects=1, size=Size(1, 1, 1, 1), n_targets=9)
        files = (tmp_path / "demo/study").rglob("*")
        return {str(path): path.stat().st_mtime_ns for path in files if path.is_file()}, caplog.text

    monkeypatch.setattr(demo, "run_study", stop)
    first, told = run(0)
    assert "interrupted" not in told
    again, told = run(0)
    assert again == first
    assert "was interrupted: it goes on" in told
    other, told = run(1)
    assert set(other.values()).isdisjoint(first.values())
    assert "was interrupted: it is simulated anew" in told
    next((tmp_path / "demo/study").rglob("*.wav")).unlink()
    assert set(run(1)[0].values()).isdisjoint(other.values())


@pytest.mark.parametrize("name", ["study/bids/README", "results/subjects.tsv", "results/dataset_description.json"])
def test_data_and_results_of_a_demonstration_that_were_edited_are_kept(finished_demo: Path, name: str) -> None:
    demo._record(finished_demo, {"study/bids/README": sha256(finished_demo / "study/bids/README")})
    (finished_demo / name).write_text("edited")
    before = tree(finished_demo)
    with pytest.raises(InputError, match="a file of this demo has been edited"):
        run_demo(finished_demo)
    assert tree(finished_demo) == before


def test_the_record_of_an_earlier_version_is_read(finished_demo: Path) -> None:
    record = {"simulated": True, "study": sha256(finished_demo / "study.toml")}
    (finished_demo / "demo.json").write_text(json.dumps(record))
    (finished_demo / "study.toml").write_text("# edited")
    with pytest.raises(InputError, match="the study file of this demo has been edited"):
        run_demo(finished_demo)
