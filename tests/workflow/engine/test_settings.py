"""A step reads the settings that its unit declares, and no other; whatever else can change its numbers is hashed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import b2m_encoding
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.study import load_study
from b2m_encoding.workflow.check import check_study
from b2m_encoding.workflow.engine import unit as unit_module
from b2m_encoding.workflow.engine.settings import DeclaredSettings, UndeclaredSettingError, values_of
from b2m_encoding.workflow.plan import STEPS, Plan
from b2m_encoding.workflow.run import run_study


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_arrays(tmp_path_factory.mktemp("study") / "study", n_targets=20, n_samples=60)


def test_only_what_is_declared_can_be_read(file: Path) -> None:
    study = load_study(file)
    seen: Any = DeclaredSettings(study, ["model", "statistics.q", "statistics.partition", "seed"])
    assert seen.seed == study.seed
    assert seen.model.alphas.grid().tolist() == study.model.alphas.grid().tolist()
    assert seen.statistics.q == study.statistics.q
    assert seen.statistics.partitions(2) == study.statistics.partitions(2)
    for name in ("evaluation", "note"):
        with pytest.raises(UndeclaredSettingError, match=name):
            getattr(seen, name)
    with pytest.raises(UndeclaredSettingError, match=r"statistics\.level"):
        _ = seen.statistics.level
    with pytest.raises(AttributeError):
        _ = seen.statistics.no_such_thing
    assert getattr(seen.statistics, "no_such_thing", 0) == 0


def test_methods_of_a_table_read_what_is_declared(file: Path) -> None:
    seen: Any = DeclaredSettings(load_study(file), ["statistics.q"])
    with pytest.raises(UndeclaredSettingError, match=r"statistics\.partition"):
        seen.statistics.partitions(2)


def test_a_step_that_reads_another_setting_fails(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real unit of the scores, with one setting less."""
    real = Plan._add

    def forgetful(
        self: Plan, step: str, label: str, compute: Any, inputs: Any, study: Any = (), *rest: Any, **kind: Any
    ) -> str:
        declared = tuple(key for key in study if step != "score" or key != "statistics.level")
        return real(self, step, label, compute, inputs, declared, *rest, **kind)

    monkeypatch.setattr(Plan, "_add", forgetful)
    with pytest.raises(UndeclaredSettingError, match=r"statistics\.level"):
        run_study(load_study(file), file, steps=["score"])


def test_declared_settings_and_inputs_are_in_the_fingerprint(file: Path) -> None:
    study = load_study(file)
    plan = Plan(study, check_study(study))
    tables = study.model_dump(mode="json")
    for unit in plan.units.values():
        assert unit.step in STEPS
        assert {key: unit.settings[key] for key in unit.study if key not in ("maps", "data.discard")}.items() <= (
            values_of(tables, unit.study).items()
        )
    score = plan.units["score/sub-01"]
    assert score.needs == tuple(name for name in plan.units if name.startswith("fit/sub-01"))
    assert set(score.settings) == {"seed", "statistics.intervals", "statistics.level", "statistics.bootstraps"}


def test_plans_are_the_same_each_time(file: Path) -> None:
    study = load_study(file)
    recordings = check_study(study)
    first, second = (Plan(study, recordings).units for _ in range(2))
    assert list(first) == list(second)
    assert [unit.settings for unit in first.values()] == [unit.settings for unit in second.values()]


def test_the_code_that_can_change_numbers_is_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every source file belongs to the version of pictures, and all but those that only draw to that of numbers."""
    package = tmp_path / "b2m_encoding"
    shutil.copytree(Path(b2m_encoding.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(unit_module, "files", lambda name: package)
    version = unit_module.code_version.__wrapped__
    before = version(), version(draws=True)
    for name in ("study/tables.py", "config.py", "results/bundle.py", "stats/sums/blocks.py", "analysis/splits.py"):
        path = package / name
        text = path.read_text()
        path.write_text(text + "\n")
        assert version() != before[0], name
        path.write_text(text)
    path = package / "figures/colours.py"
    path.write_text(path.read_text() + "\n")
    assert version() == before[0]
    assert version(draws=True) != before[1]
