from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.data import average_repeats
from b2m_encoding.data.events import clip_label, label_clips, read_events
from b2m_encoding.errors import InputError
from b2m_encoding.features.events import event_features
from b2m_encoding.runs import Runs
from b2m_encoding.stats.arrangements import Blocks
from b2m_encoding.stats.ceilings import find_repeats

HEADER = "onset\tduration\tgenre\ttrack\tstart\tend"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("genre", ["'réggae'", "réggae'", '"réggae"', "réggae"])
def test_quirks_of_published_tables(tmp_path: Path, encoding: str, newline: str, genre: str) -> None:
    path = tmp_path / "events.tsv"
    path.write_bytes(newline.join([HEADER, f"0\t15\t{genre}\t7\t1.5\t16.5"]).encode(encoding))
    table = read_events(path)
    assert table["genre"].tolist() == ["réggae"]
    assert table["onset"].tolist() == [0.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("onset\tgenre\n0\tblues", "lacks a column"),
        ("onset\tduration\n0\tlong", "not a number"),
        ("onset\tduration\nn/a\t1", "no event of a table has an onset"),
        ("onset\tduration\n0\t-2", "negative duration"),
        ("onset\tduration\n0\t15\t3", "number of fields"),
        ("", "lacks a column"),
    ],
)
def test_unusable_tables_say_why(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "events.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_events(path)
    assert error.value.file == path


def test_clips_lie_under_their_samples(tmp_path: Path) -> None:
    path = tmp_path / "events.tsv"
    path.write_text(f"{HEADER}\n0\t3\tblues\t17\t0\t3\n3\t3\tpop\t4\t0\t3")
    runs = label_clips(Runs.from_lengths({"a": 5}, 1.5), {"a": read_events(path)}, {"a": path})
    assert runs.clip.tolist() == ["blues.00017"] * 2 + ["pop.00004"] * 2 + [""]


def labelled(tmp_path: Path, rows: str, n_samples: int = 8) -> Runs:
    path = tmp_path / "events.tsv"
    path.write_text(f"{HEADER}\n{rows}")
    return label_clips(Runs.from_lengths({"a": n_samples}, 1.5), {"a": read_events(path)}, {"a": path})


def test_a_clip_played_twice_in_a_row_has_two_presentations(tmp_path: Path) -> None:
    runs = labelled(tmp_path, "0\t3\tpop\t4\t0\t3\n3\t3\tpop\t4\t0\t3\n6\t3\tpop\t4\t0\t3")
    assert runs.clip.tolist() == ["pop.00004"] * 6 + [""] * 2
    assert [(part.start, part.stop) for part in runs.presentations] == [(0, 2), (2, 4), (4, 6)]
    averaged, _ = average_repeats(np.arange(8.0)[:, None], runs)
    assert averaged[:, 0].tolist() == [2, 3]
    assert find_repeats(runs).tolist() == [[0, 1], [2, 3], [4, 5]]
    assert runs.presentations == (slice(0, 2), slice(2, 4), slice(4, 6))
    assert [starts.tolist() for starts, _ in Blocks.of_clips(runs).groups] == [[0, 2, 4]]


def test_what_lies_in_the_run_counts(tmp_path: Path) -> None:
    runs = labelled(tmp_path, "-3\t6\tblues\t17\t0\t6\n9\t15\tpop\t4\t0\t15")
    assert runs.clip.tolist() == ["blues.00017"] * 2 + [""] * 4 + ["pop.00004"] * 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("14\t3\tpop\t4\t0\t3", "event 1 lies beyond the run"),
        ("-20\t3\tpop\t4\t0\t3", "all events end before the run"),
        ("0\tn/a\tpop\t4\t0\t3", "event 1 plays pop/pop.00004.wav for an unknown time"),
    ],
)
def test_what_makes_no_sense_is_refused(rows: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        labelled(tmp_path, rows)


def test_a_duration_that_is_not_known_is_an_impulse(tmp_path: Path) -> None:
    path = tmp_path / "events.tsv"
    path.write_text("onset\tduration\ttrial_type\n-1.5\tn/a\tbeep\n0.75\tn/a\tbeep\n-3\t4.5\ttone\n11.25\t9\ttone")
    table = read_events(path)
    assert table["duration"].tolist() == [0, 0, 4.5, 9]
    runs = Runs.from_lengths({"a": 8}, 1.5)
    found = event_features(runs, {"a": table}, "trial_type", {"beep": ["beep"], "tone": ["tone"]})
    assert found[:, 0].tolist() == [0.5, 0.5, 0, 0, 0, 0, 0, 0]
    assert found[:, 1].tolist() == [1, 0, 0, 0, 0, 0, 0, 0.5]


def test_label_follows_gtzan() -> None:
    assert clip_label("jazz", "54") == "jazz.00054"


@pytest.mark.realdata
def test_the_published_tables_are_read(shared_data: Path) -> None:
    """Counts of the published data set: 12 training runs of 41 rows, genres without quotes, one list played 4 times."""
    folder = shared_data / "ds003720/sub-001/func"
    training = [read_events(path) for path in sorted(folder.glob("*Training*events.tsv"))]
    test = [read_events(path) for path in sorted(folder.glob("*Test*events.tsv"))]
    assert [len(table) for table in training] == [41] * 12
    clips = {clip_label(g, t) for table in training for g, t in zip(table.genre[1:], table.track[1:], strict=True)}
    assert len(clips) == 480
    assert len({genre for table in training for genre in table.genre}) == 10
    for table in test:
        order = [clip_label(g, t) for g, t in zip(table.genre[1:], table.track[1:], strict=True)]
        assert order == order[:10] * 4


@pytest.mark.parametrize(
    ("text", "problem"),
    [("onset\tduration\tonset\n0\t15\t0\n", "two columns"), ("onset\n0\n", "lacks a column")],
)
def test_columns_are_there_once(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "events.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        read_events(path)
    with pytest.raises(InputError, match="is a folder"):
        read_events(tmp_path)


def test_lone_carriage_returns_end_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.tsv"
    path.write_bytes(b"onset\tduration\r0\t15\r15\t15\r")
    assert read_events(path)["onset"].tolist() == [0, 15]


def test_an_infinite_track_is_said(tmp_path: Path) -> None:
    path = tmp_path / "events.tsv"
    path.write_text("onset\tduration\tgenre\ttrack\n0\t15\tblues\tinf\n")
    with pytest.raises(InputError, match="names no track"):
        label_clips(Runs.from_lengths({"a": 10}, 1.5), {"a": read_events(path)}, {"a": path})
