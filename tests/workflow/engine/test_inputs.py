"""Results belong to the inputs that were read: a file that changes while a run goes on stops it, and spoils nothing."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.io.hashes import sha256
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.results.reader import Results
from b2m_encoding.study import load_study
from b2m_encoding.workflow.engine import runner as runner_module
from b2m_encoding.workflow.engine.context import StepContext
from b2m_encoding.workflow.engine.inputs import Derived, Input
from b2m_encoding.workflow.engine.serialise import load_tree
from b2m_encoding.workflow.engine.store import WorkFolder
from b2m_encoding.workflow.engine.unit import Unit
from b2m_encoding.workflow.run import explain_study, run_study, work_folder

from ...conftest import without_figures
from ..conftest import replace, write_labels

Change = Callable[[], None]
EVENTS = "onset\tduration\ttrial_type\n" + "".join(f"{5 * i}\t2\t{'ab'[i % 2]}\n" for i in range(12))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with responses, feature files and event tables that has been run once."""
    study = simulate_arrays(tmp_path_factory.mktemp("inputs") / "study", n_subjects=1, n_targets=12, n_samples=60)
    without_figures(study)
    folder = study.parent
    (folder / "events.tsv").write_text(EVENTS)
    runs = [path.stem.removeprefix("01_") for path in sorted((folder / "responses").iterdir())]
    events = "events = { " + ", ".join(f'{run} = "events.tsv"' for run in runs) + " }\n"
    conditions = '[features.events]\nextractor = "conditions"\ngroups = { a = ["a"], b = ["b"] }\n'
    study.write_text(study.read_text().replace("[features.sound]", events + conditions + "[features.sound]"))
    run_study(load_study(study), study)
    return folder


@pytest.fixture
def study(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "study")
    return tmp_path / "study/study.toml"


def content(results: Path) -> dict[str, str]:
    """Hashes of all results but those that hold the time of the run."""
    return {
        path.relative_to(results).as_posix(): sha256(path)
        for path in sorted(results.rglob("*"))
        if path.is_file() and path.name not in ("provenance.json", "manifest.json") and path.suffix != ".html"
    }


def from_scratch(study: Path) -> dict[str, str]:
    """Results of the inputs as they are now, in a copy without results and work."""
    copy = study.parent.with_name("scratch")
    shutil.copytree(study.parent, copy, ignore=shutil.ignore_patterns("results", ".results.work"))
    run_study(load_study(copy / "study.toml"), copy / "study.toml")
    return content(copy / "results")


def run_while(monkeypatch: pytest.MonkeyPatch, study: Path, unit: str, before: Change, after: Change) -> list[str]:
    """Run a study; files change before and after a unit is computed. Returns the units that were computed."""
    real, units = runner_module.compute_unit, []

    def changing(context: object, one: object, *rest: object) -> None:
        name = one.name  # type: ignore[attr-defined]
        if name == unit:
            before()
        real(context, one, *rest)  # type: ignore[arg-type]
        units.append(name)
        if name == unit:
            after()

    with monkeypatch.context() as patch:
        patch.setattr(runner_module, "compute_unit", changing)
        run_study(load_study(study), study)
    return units


def nothing() -> None:
    pass


def other_array(path: Path) -> bytes:
    values = np.load(path)
    with (path.parent / "new.npy").open("wb") as stream:
        np.save(stream, values[::-1].copy())
    new = (path.parent / "new.npy").read_bytes()
    (path.parent / "new.npy").unlink()
    return new


CHANGES: dict[str, tuple[str, str, Callable[[Path], bytes]]] = {
    "response": ("responses/01_train-2.npy", "statistics/sub-01_train-2", other_array),
    "features": ("features/sound_train-1.npy", "features/sub-01", other_array),
    "events": ("events.tsv", "features/sub-01", lambda path: path.read_bytes().replace(b"\ta\n", b"\tb\n", 2)),
}


def swapped_spaces(text: str) -> str:
    first, second, end = (text.index(name) for name in ("[features.sound]", "[features.words]", "[model]"))
    return text[:first] + text[second:end] + text[first:second] + text[end:]


def swapped_runs(text: str) -> str:
    files = re.search(r"files = \{ (.*) \}", text)
    assert files
    pairs = re.findall(r'\S+ = "[^"]+"', files[1])
    return text.replace(files[1], ", ".join(pairs[::-1]))


def swapped_groups(text: str) -> str:
    return text.replace('a = ["a"], b = ["b"]', 'b = ["b"], a = ["a"]')


@pytest.mark.parametrize("swapped", [swapped_spaces, swapped_runs, swapped_groups])
def test_the_order_of_tables_is_a_setting(swapped: Callable[[str], str], study: Path) -> None:
    before = content(study.parent / "results")
    study.write_text(swapped(study.read_text()))
    run_study(load_study(study), study)
    found = content(study.parent / "results")
    assert found == from_scratch(study)
    assert {name for name in found if found[name] != before.get(name)} > {"study.toml"}


@pytest.mark.parametrize("when", ["before it is read", "after it is read"])
@pytest.mark.parametrize("kind", list(CHANGES))
def test_an_input_that_changes_stops_the_run_and_spoils_nothing(
    kind: str, when: str, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, unit, changed = CHANGES[kind]
    path = study.parent / name
    earlier = content(study.parent / "results")
    shutil.rmtree(work_folder(load_study(study)).path)
    study.write_text(study.read_text().replace("permutations = 200", "permutations = 150"))
    change = lambda: replace(path, changed(path))  # noqa: E731
    steps = (change, nothing) if when.startswith("before") else (nothing, change)
    with pytest.raises(InputError, match=f"{path.name} changed while the run went on; run again") as error:
        run_while(monkeypatch, study, unit, *steps)
    assert error.value.file == path
    assert content(study.parent / "results") == earlier
    run_study(load_study(study), study)
    assert content(study.parent / "results") == from_scratch(study)
    assert all(state.done for state in explain_study(load_study(study)).values())


def test_a_file_that_was_swapped_and_put_back_is_read_again(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash is the same before and after; the unit that read the other content must not stay."""
    path = study.parent / "features/sound_train-1.npy"
    good, state = path.read_bytes(), path.stat()
    expected = content(study.parent / "results")
    shutil.rmtree(study.parent / "results")
    shutil.rmtree(work_folder(load_study(study)).path)

    def put_back() -> None:
        replace(path, good)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))

    with pytest.raises(InputError, match="changed while the run went on"):
        run_while(monkeypatch, study, "features/sub-01", lambda: replace(path, other_array(path)), nothing)
    put_back()
    run_study(load_study(study), study)
    assert content(study.parent / "results") == expected


def test_a_file_that_is_removed_stops_the_run(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(work_folder(load_study(study)).path)
    path = study.parent / "features/words_test-2.npy"
    study.write_text(study.read_text().replace("permutations = 200", "permutations = 150"))
    earlier = content(study.parent / "results")
    with pytest.raises(InputError, match=r"words_test-2\.npy changed while"):
        run_while(monkeypatch, study, "features/sub-01", nothing, path.unlink)
    assert content(study.parent / "results") == earlier


def test_a_write_that_leaves_no_trace_is_found_before_publishing(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write through a memory map to a page that was written to before changes neither size nor times at once."""
    path = study.parent / "responses/01_train-1.npy"
    shutil.rmtree(work_folder(load_study(study)).path)
    shutil.rmtree(study.parent / "results")
    mapped = np.load(path, mmap_mode="r+")
    mapped[:] = mapped.copy()

    def change() -> None:
        mapped[:] = mapped[::-1].copy()

    with pytest.raises(InputError, match=r"01_train-1\.npy changed while"):
        run_while(monkeypatch, study, "statistics/sub-01_train-1", change, nothing)
    assert not (study.parent / "results").exists()
    assert not list(work_folder(load_study(study)).path.glob("fit/*/record.json"))
    mapped.flush()
    run_study(load_study(study), study)
    assert content(study.parent / "results") == from_scratch(study)


@pytest.mark.parametrize("kind", ["edited", "half-written", "deleted"])
def test_the_study_file_is_kept_as_it_was_parsed(study: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    study.write_text(study.read_text().replace("permutations = 200", "permutations = 150"))
    parsed = study.read_bytes()
    changes: dict[str, Change] = {
        "edited": lambda: replace(study, parsed.replace(b"150", b"250")),
        "half-written": lambda: replace(study, parsed[: len(parsed) // 2]),
        "deleted": study.unlink,
    }
    run_while(monkeypatch, study, "significance/sub-01", changes[kind], nothing)
    results = Results.open(study.parent / "results")
    assert (results.path / "study.toml").read_bytes() == parsed
    assert results.json("study.json")["statistics"]["permutations"] == 150
    assert sha256(results.path / "study.toml") in results.provenance["inputs"].values()
    if kind == "edited":
        run_study(load_study(study), study)
        assert content(study.parent / "results") == from_scratch(study)


def test_a_copy_of_a_study_keeps_the_file_that_was_parsed(study: Path) -> None:
    loaded = load_study(study).model_copy(update={"note": "other"}).on_machine("cpu", 4.0)
    assert loaded.source == study.read_bytes()


def test_labels_of_an_atlas_that_change_stop_the_run(surface_study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, study = surface_study.parent, load_study(surface_study)
    real = runner_module.compute_unit

    def changing(context: object, unit: object, *rest: object) -> None:
        if unit.name == "regions/sub-01":  # type: ignore[attr-defined]
            write_labels(folder, 5)
        real(context, unit, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(runner_module, "compute_unit", changing)
        with pytest.raises(InputError, match=r"hemi-[LR]\.label\.gii changed while"):
            run_study(study, surface_study, steps=["regions"])
    run_study(study, surface_study, steps=["regions"])
    rows = load_tree(work_folder(study).path / "regions/sub-01")
    counts = [(row["region"], row["targets"]) for row in rows.scores if row["feature_space"] == "joint"]
    assert [count for count in counts if count[1]] == [("first", 5), ("second", 25)]


def test_a_study_with_the_byte_order_mark_of_an_editor(study: Path) -> None:
    """The same study: nothing is computed again, and the copy in the results has no mark."""
    study.write_bytes(b"\xef\xbb\xbf" + study.read_bytes())
    assert all(state.done for state in explain_study(load_study(study)).values())
    run_study(load_study(study), study)
    assert (study.parent / "results/study.toml").read_text().isascii()


def test_the_order_of_subjects_is_a_setting(tmp_path: Path) -> None:
    file = without_figures(simulate_arrays(tmp_path / "study", n_targets=12, n_samples=60))
    run_study(load_study(file), file)
    file.write_text(file.read_text().replace('["01", "02"]', '["02", "01"]'))
    run_study(load_study(file), file)
    results = Results.open(file.parent / "results")
    assert list(dict.fromkeys(results.table("subjects.tsv")["subject"])) == ["02", "01"]
    assert list(dict.fromkeys(results.table("quality.tsv")["subject"])) == ["02", "01"]
    page = (results.path / "report.html").read_text()
    assert page.index("sub-02.html") < page.index("sub-01.html")
    assert content(results.path) == from_scratch(file)


def test_the_motion_of_a_run_is_an_input(root: Path) -> None:
    """fMRIPrep's table beside a run is read for its quality, also where the study regresses out no confounds."""
    file = root.parent / "study.toml"
    file.write_text(MOTION_STUDY)
    run_study(load_study(file), file, steps=["quality"])
    [first, *_] = sorted(root.rglob("*_desc-preproc_bold.nii.gz"))
    table = first.with_name("sub-01_task-listening_run-1_desc-confounds_timeseries.tsv")
    table.write_text("framewise_displacement\n" + "n/a\n" + "0.5\n" * 39)
    to_do = [name for name, state in explain_study(load_study(file), steps=["quality"]).items() if not state.done]
    assert to_do == ["quality/sub-01"]
    run_study(load_study(file), file, steps=["quality"])
    rows = load_tree(work_folder(load_study(file)).path / "quality/sub-01")
    assert rows[0]["mean_fd"] == 0.5


def test_the_times_of_volumes_are_an_input(root: Path) -> None:
    """They follow from sidecars, which are no files of responses."""
    file = root.parent / "study.toml"
    file.write_text(MOTION_STUDY)
    run_study(load_study(file), file, steps=["quality"])
    for path in root.rglob("sub-01*_desc-preproc_bold.nii.gz"):
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text('{"StartTime": 0.5}')
    to_do = [name for name, state in explain_study(load_study(file), steps=["quality"]).items() if not state.done]
    assert to_do == ["quality/sub-01"]


MOTION_STUDY = """
name = "Motion"
output = "results"
[data]
reader = "bids"
root = "data"
derivatives = "data/derivatives/fmriprep"
tasks = ["listening"]
space = "MNI152NLin2009cAsym"
subjects = ["01", "02"]
[features.conditions]
extractor = "conditions"
groups = { speech = ["speech"], music = ["music"] }
[model]
delays = [2.0, 4.0]
[evaluation]
kind = "cross-validation"
[statistics]
permutations = 100
refits = 1000
"""


def test_values_stay_in_memory_only_while_a_unit_is_still_given_them(tmp_path: Path) -> None:
    def unit(label: str, **inputs: Input) -> Unit:
        return Unit("fit", label, len, inputs)

    context = StepContext(load_study(simulate_arrays(tmp_path / "study", n_subjects=1)), WorkFolder(tmp_path / "work"))
    for name in ("fit/a", "fit/b", "fit/c", "held_out/a", "held_out/c"):
        context.keep(name, name)
    derived = Derived(dict, {"one": Derived(dict, {"parts": ["fit/a"]}, "held_out/a")})
    context.release([unit("x", all={"some": [derived]}), unit("y", part="fit/b")])
    assert set(context._values) == {"fit/a", "fit/b", "held_out/a"}
