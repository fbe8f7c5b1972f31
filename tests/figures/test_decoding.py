"""Identification by genre, confusion and ranks."""

import numpy as np
import pandas as pd
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.figures import Style, decoding
from b2m_encoding.figures.plots.decoding import rank_curves

NARROW, WIDE = Style(width_mm=89, dpi=72), Style(width_mm=183, dpi=72)
both_widths = pytest.mark.parametrize("style", [NARROW, WIDE], ids=["89mm", "183mm"])
GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")


def identification(n_subjects=3, targets=("text",), n_clips=20, genres=GENRES):
    rng = np.random.default_rng(0)
    rows = []
    for subject in range(n_subjects):
        for target in targets:
            ranks = rng.integers(0, n_clips // 2, n_clips)
            for clip, rank in enumerate(ranks):
                genre, taken = genres[clip % len(genres)], genres[(clip + int(rank > 3)) % len(genres)]
                rows.append((f"{subject:02d}", target, f"{genre}.{clip:05d}", 1 - rank / (n_clips - 1), genre, taken))
    return pd.DataFrame(rows, columns=["subject", "target", "clip", "accuracy", "group", "identified_group"])


@both_widths
@pytest.mark.parametrize("n_subjects", [1, 8])
@pytest.mark.parametrize("targets", [("text",), ("acoustic", "a long name of a feature space $", "text")])
def test_decoding(text_problems, style, n_subjects, targets):
    table = identification(n_subjects, targets)
    intervals = {(f"{s:02d}", target): (0.44, 0.56) for s in range(n_subjects) for target in targets}
    found = decoding(table, intervals=intervals, title="Decoding", note="simulated data", style=style)
    assert text_problems(found.figure) == []
    assert found.figure.get_figheight() * 25.4 <= style.max_height_mm + 1e-6
    mean = table[table["target"] == targets[0]]["accuracy"].mean()
    assert f"{targets[0]} {mean:.3f}" in found.caption
    assert "0.440 to 0.560" in found.caption


@both_widths
def test_several_decoders_of_one_feature_space(text_problems, style):
    names = ("regions", "ridge", "inverse", "contrastive", "ensemble")
    table = pd.concat([identification(2).assign(decoder=name) for name in names])
    found = decoding(table, style=style)
    assert text_problems(found.figure) == []
    assert all(f"text, {name} " in found.caption for name in names)
    alone = decoding(identification(2).assign(decoder="ridge"), style=style)
    assert "text 0" in alone.caption


@both_widths
def test_without_genres(text_problems, style):
    table = identification(2).drop(columns=["group", "identified_group"])
    found = decoding(table, style=style)
    assert text_problems(found.figure) == []
    assert "Confusion" not in found.caption


def test_ranks_follow_from_the_accuracy():
    """The best clip has rank one, the worst the number of clips; half of the ranks lie within half of them."""
    table = pd.DataFrame(
        {"subject": "01", "target": "text", "clip": list("abcde"), "accuracy": [1, 0.75, 0.5, 0.25, 0]}
    )
    found = decoding(table, style=NARROW)
    assert found.table["rank"].tolist() == [1, 2, 3, 4, 5]
    assert rank_curves(found.table, np.arange(1, 6)).round(9).tolist() == [[0.2, 0.4, 0.6, 0.8, 1.0]]


def test_ranks_survive_a_file_of_six_digits():
    """One of 19 others comes first: 18 / 19 is written as 0.947368, a little less; the clip is still the second."""
    accuracy = np.array([float(f"{1 - behind / 19:.6g}") for behind in range(20)])
    clips = [f"{nth:02d}" for nth in range(20)]
    found = decoding(
        pd.DataFrame({"subject": "01", "target": "text", "clip": clips, "accuracy": accuracy}), style=NARROW
    )
    assert found.table["rank"].tolist() == list(range(1, 21))
    assert rank_curves(found.table, np.array([2])).item() == 0.1


def test_confusion_is_that_of_the_table():
    table = identification(1, genres=("jazz", "pop"), n_clips=10)
    found = decoding(table, style=WIDE)
    shares = pd.crosstab(table["group"], table["identified_group"], normalize="index")
    words = [text.get_text() for text in found.figure.axes[2].texts]
    assert words == [f"{100 * share:.0f}" for share in shares.to_numpy().ravel()]


def test_what_is_refused():
    with pytest.raises(InputError, match="lacks columns"):
        decoding(identification().drop(columns="accuracy"))
    with pytest.raises(InputError, match="too many decoded"):
        decoding(identification(1, targets=tuple("abcdefg")))
    with pytest.raises(InputError, match="empty"):
        decoding(identification()[:0])
