"""Values of a study file that are no such thing, and what a check finds before a run would fail."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.analysis.windows import stimulus_timeline
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
    "a reader that is misspelt": (
        ('reader = "array"', 'reader = "arrays"'),
        r'unknown reader(?s:.)*data.reader = "arrays"\n  expected: array\n',
    ),
    "an extractor that is misspelt": (
        ('sound]\nextractor = "array"', 'sound]\nextractor = "acustic"'),
        r'unknown extractor(?s:.)*features.sound.extractor = "acustic"\n  expected: acoustic\n',
    ),
    "an extractor that is like no other": (
        ('sound]\nextractor = "array"', 'sound]\nextractor = "#"'),
        r"unknown extractor(?s:.)*expected: acoustic, muq_mulan, ",
    ),
    "a kind that is not known": (('kind = "test"', 'kind = "tests"'), r"unknown value(?s:.)*'test' or 'cross-val"),
    "a number where a list belongs": (("[1.5, 3.0]", "3.0"), r"a list in brackets is needed(?s:.)*model.delays = 3.0"),
    "a decimal comma in quotes": (("tr = 1.5", 'tr = "1,5"'), r"a number is needed, without quotes and with a decimal"),
    "a number where text belongs": (('output = "results"', "output = 5"), r"a path is needed, as text"),
    "a decimal comma": (("tr = 1.5", "tr = 1,5"), r"line 7, column 7\): tr = 1,5\n  expected: .*decimal point"),
    "curly quotes": (
        ('"results"', "\u201cresults\u201d"),
        r"\): output = \u201cresults\u201d\n  expected: .*straight quotes",
    ),
    "a subject with its prefix": (('subjects = ["01"]', 'subjects = ["sub-01"]'), "without sub-"),
    "a folder that is misspelt": (
        ('"responses/', '"respones/'),
        r"an array is missing(?s:.)*no folder respones in .*\n  expected: responses, which is there",
    ),
    "a folder like no other": (('"responses/', '"xyz/deeper/'), r"an array is missing(?s:.)*no folder xyz in [^\n]*$"),
    "separators of Windows": (('"responses/', '"responses\\\\'), r"an array is missing(?s:.)*write / between folders"),
    "small letters": (
        ('_train-1.npy"', '_Train-1.npy"'),
        r"an array is missing(?s:.)*train-1.npy: capital letters differ",
    ),
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


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_features_in_text_tables(separator: str, header: bool, ends: str, study: Path) -> None:
    """As spreadsheets save them; with semicolons numbers have a decimal comma."""
    expected = check_study(load_study(study))["01"].responses.runs
    for path in (study.parent / "features").glob("words_*.npy"):
        values = np.load(path)
        lines = [separator.join(f"{value:.17g}" for value in row) for row in values]
        lines = [f"w{separator}x{separator}y{separator}z"[: 2 * values.shape[1] - 1], *lines] if header else lines
        text = ends.join(lines) + ends
        text = text.replace(".", ",") if separator == ";" else text
        path.with_suffix(".csv").write_text(("\ufeff" if separator == ";" else "") + text, encoding="utf-8", newline="")
    other = study.with_name("text.toml")
    other.write_text(study.read_text().replace("words_{run}.npy", "words_{run}.csv"))
    loaded = load_study(other)
    recording = check_study(loaded)["01"]
    assert recording.responses.runs.names == expected.names
    stimulation = stimulus_timeline(recording)
    found = loaded.features["words"].values(stimulation)
    assert np.array_equal(found, load_study(study).features["words"].values(stimulation))
    (study.parent / "features" / "words_train-1.csv").write_text("")
    with pytest.raises(InputError, match=r"an array is empty(?s:.)*words_train-1.csv"):
        check_study(loaded)
