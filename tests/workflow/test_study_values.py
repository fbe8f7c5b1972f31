"""Values of a study file that are no such thing, and what a check finds before a run would fail."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.study import load_study
from b2m_encoding.workflow.check import check_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_arrays(tmp_path_factory.mktemp("study") / "a", n_subjects=1, n_targets=3, n_samples=60)


def checked(study: Path, change: tuple[str, str]) -> None:
    before, after = change
    text = study.read_text()
    assert before in text
    other = study.with_name("other.toml")
    other.write_text(text.replace(before, after, 1))
    check_study(load_study(other), file=other)


DATA, MODEL, STATISTICS = "[data]\n", "[model]\n", "[statistics]\n"
VALUES: dict[str, tuple[tuple[str, str], str]] = {
    "a repetition time that is true": (("tr = 1.5", "tr = true"), r"true or false is no value(?s:.)*tr = true"),
    "a seed that is true": (('output = "results"', 'output = "results"\nseed = true'), "seed = true"),
    "delays that are true": (("[1.5, 3.0]", "[true]"), "true or false"),
    "an infinite delay": (("[1.5, 3.0]", "[inf]"), "finite"),
    "an infinite gap": (("[evaluation]\n", "[evaluation]\ngap = inf\n"), "finite"),
    "memory that is NaN": ((MODEL, f"{MODEL}memory = nan\n"), "finite"),
    "penalties that fall": ((MODEL, "[model.alphas]\nlow = 10\nhigh = 1\n[model]\n"), "must be less than high"),
    "more permutations than memory": (("permutations = 200", "permutations = 99999999999"), "10000000"),
    "delays beyond the runs": (("[1.5, 3.0]", "[600]"), r"longer than the runs(?s:.)*90 s"),
    "all volumes discarded": ((DATA, f"{DATA}discard = 1e6\n"), "nothing is left of run"),
    "a wrong reader": (('reader = "array"', 'reader = "arrays"'), r"found: +data = .{100,120}\.\.\."),
}


@pytest.mark.parametrize(("change", "message"), VALUES.values(), ids=VALUES)
def test_impossible_values_are_named(change: tuple[str, str], message: str, study: Path) -> None:
    with pytest.raises(InputError, match=message):
        checked(study, change)


def test_features_that_are_not_finite_are_found_by_a_check(study: Path) -> None:
    checked(study, ("tr = 1.5", 'tr = "1.5"'))  # a number in quotes is one
    path = next((study.parent / "features").glob("sound_train-1.npy"))
    values = np.load(path)
    np.save(path, np.where(values > 1, np.inf, values))
    with pytest.raises(InputError, match=rf"not finite(?s:.)*{re.escape(path.name)}"):
        checked(study, ("tr = 1.5", "tr = 1.5"))
    np.save(path, values)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.write_bytes(b"\xff\xfea\0")])
def test_what_is_no_study_file(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(path := tmp_path / "study.toml")
    with pytest.raises(InputError, match=r"is a folder|not valid TOML"):
        load_study(path)
