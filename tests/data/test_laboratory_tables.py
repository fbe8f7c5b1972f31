"""Tables and arrays as laboratories keep them: what is plain is read as it is meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from b2m_encoding.data.arrays import open_array
from b2m_encoding.data.confounds import read_censoring, read_confound_tables
from b2m_encoding.data.events import read_events
from b2m_encoding.errors import InputError
from b2m_encoding.features.transcripts import read_transcript
from b2m_encoding.runs import Runs

VALUES = np.random.default_rng(0).standard_normal((30, 3))
RUNS = Runs.from_lengths({"r": 30}, 2.0)
EVENTS = {
    "numbered by a header": "1\tonset\tduration\ttrial_type\n1\t0\t2\ta\n2\t4\t0\tb\n",
    "units in brackets": "onset (s)\tduration (s)\ttrial_type\n0\t2\ta\n4\t0\tb\n",
    "units after a dash": "Onset_sec\tDuration_sec\ttrial_type\n0\t2\ta\n4\t0\tb\n",
    "a difference of times": "onset\tduration\ttrial_type\n0\t2\ta\n4\t-1e-9\tb\n",
    "unknown durations": "onset\tduration\ttrial_type\n0\t2\ta\n4\t\tb\n",
}


@pytest.mark.parametrize("kind", EVENTS)
def test_event_tables(kind: str, tmp_path: Path) -> None:
    (tmp_path / "e.tsv").write_text(EVENTS[kind])
    table = read_events(tmp_path / "e.tsv")
    assert table["onset"].tolist() == [0, 4]
    assert table["duration"].tolist() == [2, 0]
    assert table["trial_type"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    "header", ["start_time,end_time,word", "onset_sec,offset_sec,word", "Begin (s),End (s),Text", "tmin,tmax,text"]
)
def test_tables_of_words(header: str, tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text(f"{header}\n0.5,0.8,hello\n")
    words = read_transcript(tmp_path / "w.csv")
    assert (words.text, words.onset.tolist(), words.end.tolist()) == (("hello",), [0.5], [0.8])
    (tmp_path / "w.csv").write_text("onset_ms,word\n500,hello\n")
    with pytest.raises(InputError, match="lacks a column"):
        read_transcript(tmp_path / "w.csv")


def test_values_that_are_missing_in_the_first_rows(tmp_path: Path) -> None:
    """Second derivatives lack two values; one in the middle of a run is named."""
    table = pd.DataFrame(VALUES, columns=list("abc"))
    table.loc[:1, "c"] = np.nan
    table.to_csv(tmp_path / "c.tsv", sep="\t", index=False, na_rep="n/a")
    found = read_confound_tables({"r": tmp_path / "c.tsv"}, RUNS)["r"]
    assert np.allclose(found["c"][:2], VALUES[2:, 2].mean())
    assert np.allclose(found.iloc[2:], VALUES[2:])
    for row in (3, 20):
        gap = table.copy()
        gap.loc[row, "b"] = np.nan
        gap.to_csv(tmp_path / "c.tsv", sep="\t", index=False, na_rep="n/a")
        with pytest.raises(InputError, match=f"not numbers[\\s\\S]*column b, row {row + 1}\n"):
            read_confound_tables({"r": tmp_path / "c.tsv"}, RUNS)


def test_censoring_on_one_line(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text(" ".join("0" * 28 + "11") + "\n")
    assert read_censoring({"r": tmp_path / "c.txt"}, RUNS)["r"].tolist() == [True] * 28 + [False] * 2


def test_the_only_array_of_a_file_needs_no_name(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is in the extra arrays")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/features"] = VALUES
    np.testing.assert_array_equal(open_array(tmp_path / "a.h5")[:], VALUES)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["times"] = np.arange(30)
    with pytest.raises(InputError, match=r"several arrays[\s\S]*group/features, times[\s\S]*a.h5::NAME"):
        open_array(tmp_path / "a.h5")


def test_values_of_tables_may_be_missing(tmp_path: Path) -> None:
    """As in arrays: a target without values is none to stop for."""
    table = pd.DataFrame(VALUES, columns=list("abc")).assign(b=np.nan)
    table.to_csv(tmp_path / "a.csv", index=False, na_rep="n/a")
    np.testing.assert_array_equal(open_array(tmp_path / "a.csv"), table.to_numpy())
