"""The estimate of the memory of a run: its arithmetic, what the machine has, and the message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from b2m_encoding.analysis.encoding.predict import new_model
from b2m_encoding.analysis.encoding.sizes import size_settings
from b2m_encoding.io.memory import available_memory
from b2m_encoding.models.solver.settings import Settings
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.study import Study, load_study
from b2m_encoding.workflow import memory
from b2m_encoding.workflow.check import check_study
from b2m_encoding.workflow.memory import BASE, COPIES, estimate_memory, memory_line, shapes_of, step_sizes

B2M = Callable[..., tuple[int, str]]
GB = 1_000_000_000


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 subjects; 3 training and 2 test runs of 80 samples; 4 + 3 features and 2 delays; 60 targets."""
    return simulate_arrays(tmp_path_factory.mktemp("memory") / "study")


def changed(study: Study, table: str, **values: object) -> Study:
    return study.model_copy(update={table: getattr(study, table).model_copy(update=values)})


def test_shapes_of_a_study(study: Path) -> None:
    loaded = load_study(study)
    shapes = shapes_of(loaded, check_study(loaded)["01"])
    assert (shapes.targets, shapes.unit, shapes.part, shapes.samples, shapes.longest_run) == (60, 60, 60, 400, 80)
    assert (shapes.held_out, shapes.largest_test, shapes.n_training_runs, shapes.n_splits) == (160, 160, 3, 1)
    assert (shapes.features, shapes.columns, shapes.block) == (7, (7 + 4) * 2, 10)
    assert shapes.bytes_per_target == 4 * (3 + 3) * 22
    assert shapes.n_models == 4  # time-only, sound, words, joint
    # responses of 160 samples, predictions by sound, words and all; 16 blocks of sums of these and of four predictions
    assert shapes.held_out_bytes == (2 + 2) * 4 * 160 + 8 * 16 * (2 + 3 * 4)


def test_shapes_of_splits_parts_components_and_the_dual_form(study: Path) -> None:
    loaded = load_study(study)
    [recording, _] = check_study(loaded).values()
    folds = changed(loaded, "evaluation", kind="cross-validation")
    shapes = shapes_of(folds, recording)
    assert (shapes.held_out, shapes.largest_test, shapes.n_splits) == (400, 80, 5)
    parts = shapes_of(changed(loaded, "model", parts=3, memory=20e-6), recording)
    assert parts.unit == 20
    assert 0 < parts.part < 20
    sound = loaded.features["sound"].model_copy(update={"pca": 2})
    assert shapes_of(loaded.model_copy(update={"features": {"sound": sound}}), recording).features == 2
    many = changed(loaded, "model", delays=tuple(1.5 * i for i in range(1, 31)))
    # 330 columns, 240 training samples: responses thrice, in the basis, and predictions and weights of four models
    assert shapes_of(many, recording).bytes_per_target == 4 * 240 * (3 + 1 + 4 * 2)


def test_the_sizes_are_those_of_the_fits(study: Path) -> None:
    loaded = changed(load_study(study), "model", folds=2, alpha_per="all")
    counted, fitted = size_settings(loaded), Settings.of(new_model(loaded))
    for one in fields(counted):
        assert np.array_equal(getattr(counted, one.name), getattr(fitted, one.name)), one.name
    for precision in ("float32", "float64", "fast"):
        of_numbers = Settings.of(new_model(loaded).set_params(precision=precision))
        assert of_numbers.itemsize == torch.finfo(of_numbers.dtype).bits // 8


def test_sizes_grow_with_what_they_depend_on(study: Path) -> None:
    loaded = load_study(study)
    shapes = replace(shapes_of(loaded, check_study(loaded)["01"]), targets=10_000, unit=10_000, part=10_000)
    sizes = step_sizes(shapes, loaded, cleaned=False)
    fit = COPIES["predictions"] * 4 * 160 * 10_000 + COPIES["statistics"] * shapes.bytes_per_target * 10_000
    fit += COPIES["held out"] * shapes.held_out_bytes * 10_000
    assert sizes["fit"] == pytest.approx(fit, rel=0.2)  # runs of responses and features come on top
    assert sizes["fit"] > fit
    clusters = step_sizes(shapes, changed(loaded, "statistics", clusters="mass", permutations=5000), cleaned=False)
    assert clusters["significance"] - sizes["significance"] == pytest.approx(4 * 5000 * 10_000, rel=0.01)
    assert step_sizes(shapes, loaded, cleaned=True)["statistics"] > sizes["statistics"]
    assert step_sizes(replace(shapes, part=5000), loaded, cleaned=False)["fit"] < sizes["fit"]
    weights = step_sizes(shapes, changed(loaded, "results", weights=False), cleaned=False)
    assert sizes["fit"] - weights["fit"] == 4 * shapes.columns * 10_000


@pytest.mark.parametrize("compared", [True, False])
def test_a_second_subject_needs_more_only_where_the_first_stays(study: Path, compared: bool) -> None:
    loaded = load_study(study)
    settings, recordings = changed(loaded, "statistics", inter_subject=compared), check_study(loaded)
    first, second = (
        max(peak.size for peak in estimate_memory(settings, recordings) if peak.subject == subject)
        for subject in ("01", "02")
    )
    assert BASE < first <= second < BASE + 1e8
    assert (first < second) == compared


@pytest.mark.parametrize(
    ("free", "words"), [(8 * GB, "8.0 GB are available"), (GB // 5, "warning: memory"), (None, "")]
)
def test_the_check_of_a_study_says_whether_the_memory_is_enough(
    study: Path, free: int | None, words: str, b2m: B2M, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: free)
    code, printed = b2m("check", study)
    assert code == 0
    assert "a run needs about 0.4 GB (step" in printed
    assert words in printed
    assert ("To do: close other programs" in printed) == (words == "warning: memory")
    loaded = load_study(study)
    assert memory_line(loaded, check_study(loaded)) in printed


def write(path: Path, text: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def test_memory_of_a_machine_and_of_its_control_groups(tmp_path: Path) -> None:
    assert available_memory(tmp_path) is None
    write(tmp_path / "proc/meminfo", "MemTotal: 64000000 kB\nMemAvailable: 32000000 kB")
    assert available_memory(tmp_path) == 32_000_000 * 1024
    write(tmp_path / "proc/self/cgroup", "0::/user/job")
    groups = tmp_path / "sys/fs/cgroup"
    write(groups / "user/job/memory.max", "max")
    write(groups / "user/job/memory.current", GB)
    assert available_memory(tmp_path) == 32_000_000 * 1024
    write(groups / "user/memory.max", 4 * GB)  # of the group above, with a file cache that the system would drop
    write(groups / "user/memory.current", 3 * GB)
    write(groups / "user/memory.stat", f"anon {GB}\ninactive_file {GB // 2}")
    assert available_memory(tmp_path) == 4 * GB - 3 * GB + GB // 2
    write(groups / "user/memory.current", 5 * GB)
    assert available_memory(tmp_path) == 0


def test_control_groups_of_version_1(tmp_path: Path) -> None:
    write(tmp_path / "proc/meminfo", "MemAvailable: 32000000 kB")
    write(tmp_path / "proc/self/cgroup", "5:cpu,cpuacct:/other\n4:memory:/docker/1\n0::/")
    folder = tmp_path / "sys/fs/cgroup/memory"
    write(folder / "docker/1/memory.limit_in_bytes", 2 * GB)
    write(folder / "docker/1/memory.usage_in_bytes", GB)
    write(folder / "docker/1/memory.stat", f"total_inactive_file {GB // 4}")
    write(folder / "memory.limit_in_bytes", 9223372036854771712)
    write(folder / "memory.usage_in_bytes", 20 * GB)
    assert available_memory(tmp_path) == GB + GB // 4
    write(tmp_path / "proc/self/cgroup", "4:memory:/a container's name for a group that is mounted as the root")
    write(folder / "memory.limit_in_bytes", 21 * GB)
    assert available_memory(tmp_path) == GB
