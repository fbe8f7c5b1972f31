"""Clips of any laboratory's events: files, starts, groups, overlaps; and ds003720, which names them in its own way."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from b2m_encoding.data import average_repeats
from b2m_encoding.data.clip_columns import ClipColumns
from b2m_encoding.data.clips import played_clips, stimulus_path, without_ending
from b2m_encoding.data.events import label_clips, read_events
from b2m_encoding.errors import InputError
from b2m_encoding.features.clips import Clip, StimulusTimeline
from b2m_encoding.runs import Runs
from b2m_encoding.stats.ceilings import NoCeiling, find_repeats

Row = tuple[float, float, str, float]


def events(*rows: Row, group: tuple[str, ...] = ()) -> pd.DataFrame:
    table = pd.DataFrame(
        [(onset, duration, name, str(start)) for onset, duration, name, start in rows],
        columns=["onset", "duration", "stim_file", "start"],
    )
    return table.assign(speaker=list(group)) if group else table


def labelled(table: pd.DataFrame, n: int = 20, tr: float = 2.0, columns: ClipColumns = ClipColumns()) -> Runs:  # noqa: B008
    return label_clips(Runs.from_lengths({"a": n}, tr), {"a": table}, {"a": Path("a.tsv")}, columns)


def test_a_clip_is_a_file_and_its_start() -> None:
    table = events((0, 10, "a/x.wav", 0), (10, 10, "b/x.wav", 0), (20, 10, "a/x.wav", 60), (30, 10, "a/x.wav", 0))
    runs = labelled(table)
    assert list(dict.fromkeys(runs.clip.tolist())) == ["a/x", "b/x", "a/x@60"]
    y = np.repeat([1.0, 5.0, -1.0, 3.0], 5)[:, None]
    averaged, kept = average_repeats(y, runs)
    assert averaged[:, 0].tolist() == [2.0] * 5 + [5.0] * 5 + [-1.0] * 5
    assert kept.clip.tolist() == ["a/x"] * 5 + ["b/x"] * 5 + ["a/x@60"] * 5
    assert not isinstance(find_repeats(runs), NoCeiling)
    assert isinstance(find_repeats(labelled(table.iloc[:3])), NoCeiling)


def test_labels_do_not_depend_on_what_else_is_played() -> None:
    """A clip has the same label in the recordings of all subjects, whatever excerpts each of them heard."""
    alone = labelled(events((0, 10, "x.wav", 60)))
    both = labelled(events((0, 10, "x.wav", 60), (10, 10, "x.wav", 0)))
    assert set(alone.clip) - {""} == {"x@60"} <= set(both.clip)


def test_files_that_differ_in_their_ending_stay_apart() -> None:
    runs = labelled(events((0, 4, "x.wav", 0), (4, 4, "x.MP3", 0), (8, 4, "y.v1.ogg", 0), (12, 4, "rock.00001", 0)))
    assert list(dict.fromkeys(runs.clip.tolist()))[:4] == ["x.wav", "x.MP3", "y.v1", "rock.00001"]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
@pytest.mark.parametrize("second", [(10.0, 6.0), (0.0, 30.0), (29.0, 4.0), (-5.0, 10.0)])
def test_two_sounds_at_once_are_refused_in_any_order(order: list[int], second: tuple[float, float]) -> None:
    table = events((0, 30, "long.wav", 0), (*second, "short.wav", 0)).iloc[order]
    with pytest.raises(InputError, match=r"two clips(?s:.)*at once(?s:.)*(long.wav|short.wav)(?s:.)*one file"):
        labelled(table)
    with pytest.raises(InputError, match="at once"):
        _ = StimulusTimeline(Runs.from_lengths({"a": 20}, 2.0), {"a": table}).presentations


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 2, 0]])
def test_jitter_of_a_clock_and_order_of_rows_change_nothing(order: list[int]) -> None:
    table = events((0.02, 10.03, "a.wav", 0), (10.0, 9.98, "b.wav", 0), (20.01, 10, "c.wav", 0))
    assert labelled(table.iloc[order]).clip.tolist() == ["a"] * 5 + ["b"] * 5 + ["c"] * 5 + [""] * 5


@pytest.mark.parametrize("first", np.round(np.arange(0, 1.5, 0.1), 3).tolist())
def test_nine_volumes_are_nine_samples_wherever_a_clip_begins(first: float) -> None:
    rows = [(first + 13.5 * i, 13.5, f"{i % 2}.wav", 0.0) for i in range(6)]
    runs = labelled(events(*rows), 60, 1.5)
    assert [part.stop - part.start for part in runs.presentations] == [9] * 6
    average_repeats(np.zeros((60, 1)), runs)
    timeline = StimulusTimeline(Runs.from_lengths({"a": 60}, 1.5), {"a": events(*rows)})
    assert np.allclose([one.shares.sum() for one in timeline.presentations], 9)
    total = timeline.clips_to_samples({clip: np.ones((len(s), 1), np.float32) for clip, s in timeline.clips.items()})
    assert np.allclose(total[int(first > 0) : 54], 1, atol=1e-5)


@pytest.mark.parametrize("onset", [4.0, 4.1, 5.0, 5.9])
def test_a_click_is_in_one_volume(onset: float) -> None:
    runs = labelled(events((onset, 0.05, "click.wav", 0)))
    assert runs.clip.tolist() == [""] * 2 + ["click"] + [""] * 17


def test_groups_are_any_column() -> None:
    table = events((0, 10, "a.wav", 0), (10, 10, "b.wav", 0), group=("anna", "n/a"))
    runs = labelled(table, columns=ClipColumns(group="speaker"))
    assert runs.group.tolist() == ["anna"] * 5 + [""] * 15
    with pytest.raises(InputError, match=r"lacks the column of the groups(?s:.)*stim_file(?s:.)*genre"):
        labelled(table, columns=ClipColumns(group="genre"))
    other = table.rename(columns={"stim_file": "sound", "start": "from"})
    assert set(labelled(other).clip) == {""}
    named = labelled(other.assign(**{"from": ["3", "n/a"]}), columns=ClipColumns("sound", "from"))
    assert set(named.clip) == {"a@3", "b", ""}


def test_pictures_and_nothing_play_no_sound() -> None:
    table = events((0, 2, "face.png", 0), (2, 2, "n/a", 0), (4, 0, "house.JPG", 0), (6, 2, "a.wav", 0))
    assert set(labelled(table).clip) == {"a", ""}
    with pytest.raises(InputError, match=r"event 1 plays a.wav for an unknown time(?s:.)*stimulus = \"\""):
        labelled(events((0, 0, "a.wav", 0)))
    assert set(labelled(events((0, 0, "a.wav", 0)), columns=ClipColumns("")).clip) == {""}


@pytest.mark.parametrize("start", ["soon", "inf", "1;5"])
def test_a_start_is_a_number(start: str) -> None:
    with pytest.raises(InputError, match=r"event 1 does not identify a clip"):
        labelled(events((0, 10, "a.wav", 0)).assign(start=start))


def test_names_are_those_of_any_system() -> None:
    names = ["sounds\\a b.wav", "./x.wav", "stimuli/x.wav", "bids::stimuli/x.wav", " x.wav "]
    assert [stimulus_path(name) for name in names] == ["sounds/a b.wav", *["x.wav"] * 4]
    assert [without_ending(name) for name in ("a.WAV", "a.b", "a", ".wav", "x.y.flac")] == [
        "a",
        "a.b",
        "a",
        ".wav",
        "x.y",
    ]


GTZAN = (
    "onset\tduration\tgenre\ttrack\tstart\n0\t15\t'blues'\t17\t6.44\n15\t15\t'pop'\t32.0\t10.7\n30\t15\tn/a\tn/a\tn/a"
)


def test_ds003720_is_an_adapter(tmp_path: Path) -> None:
    (tmp_path / "events.tsv").write_text(GTZAN)
    table = read_events(tmp_path / "events.tsv")
    first, second = played_clips(table, ClipColumns(group="genre"))
    assert (first.stimulus, first.start, first.group) == ("blues/blues.00017.wav", 6.44, "blues")
    assert (second.stimulus, second.start, second.group) == ("pop/pop.00032.wav", 10.7, "pop")
    runs = labelled(table, 30, 1.5, ClipColumns(group="genre"))
    assert runs.clip.tolist() == ["blues.00017"] * 10 + ["pop.00032"] * 10 + [""] * 10
    assert runs.group.tolist() == ["blues"] * 10 + ["pop"] * 10 + [""] * 10
    [clip, _] = StimulusTimeline(runs, {"a": table}).clips
    assert (clip, clip.id) == (Clip("blues/blues.00017.wav", 6.44, 15.0), "blues.00017_15s")


@pytest.mark.realdata
def test_the_eighteen_published_tables_give_the_same_design(shared_data: Path, tmp_path: Path) -> None:
    """Labels, presentations and spans written out anew from the columns, as they were before stimuli were files."""
    shutil.copytree(shared_data / "ds003720/sub-001/func", tmp_path / "func")
    for path in sorted((tmp_path / "func").glob("*events.tsv")):
        rows = [line.split("\t") for line in path.read_text().replace("'", "").splitlines()[1:]]
        names = [f"{genre}.{int(track):05d}" for _, _, genre, track, *_ in rows]
        runs = labelled(read_events(path), 410, 1.5, ClipColumns(group="genre"))
        assert runs.clip.tolist() == np.repeat(names, 10).tolist()
        assert runs.presentation.tolist() == np.repeat(np.arange(41) + 1, 10).tolist()
        assert runs.group.tolist() == np.repeat([name.partition(".")[0] for name in names], 10).tolist()
        timeline = StimulusTimeline(runs, {"a": read_events(path)})
        assert [one.clip.start for one in timeline.presentations] == [float(row[4]) for row in rows]
        for i, one in enumerate(timeline.presentations):
            assert one.rows.tolist() == list(range(10 * i, 10 * i + 10))
            assert np.array_equal(one.spans, np.stack([np.arange(10), np.arange(1, 11)], axis=1) * 1.5)
            assert np.array_equal(one.shares, np.ones(10))


def test_columns_that_differ_in_case_and_accents_that_differ_in_bytes() -> None:
    """The same table from two systems labels the same clips."""
    runs = Runs.from_lengths({"a": 10, "b": 10}, 1.0)
    tables = {
        "a": pd.DataFrame({"onset": [0.0], "duration": [10.0], "stim_file": ["caf\u00e9.wav"]}),
        "b": pd.DataFrame({"onset": [0.0], "duration": [10.0], "Stim_File": ["cafe\u0301.wav"]}),
    }
    labelled = label_clips(runs, tables, dict.fromkeys(tables))  # type: ignore[arg-type]
    assert set(labelled.clip.tolist()) == {"caf\u00e9"}
