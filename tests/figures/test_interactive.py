"""The interactive page as a text: what goes into it, what is refused, that nothing in it can become HTML."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import PreferenceColours, ScalarColours
from b2m_encoding.figures.flatmap import Window, flat_layout
from b2m_encoding.figures.interactive import (
    BestClips,
    Clip,
    LevelColours,
    Score,
    Sound,
    TimeCourses,
    View,
    ViewMap,
    interactive_page,
)
from b2m_encoding.figures.interactive.encode import MISSING, UNITS, coded, encoded_colours, path
from b2m_encoding.spaces import Atlas


def unpacked(text: str, kind: str) -> NDArray[Any]:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=kind)


def data_of(page: str) -> Any:
    [text] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


@given(arrays(np.float64, array_shapes(max_dims=1, max_side=50), elements=st.floats(-1e3, 1e3) | st.just(np.nan)))
def test_numbers_survive_to_a_part_of_their_range(values: NDArray[np.float64]) -> None:
    found = coded(values)
    codes = unpacked(found["data"], "<u2")
    back = np.where(codes == MISSING, np.nan, found["low"] + codes * found["step"])
    assert np.array_equal(np.isnan(back), np.isnan(values))
    span = np.ptp(values[np.isfinite(values)]) if np.isfinite(values).any() else 0.0
    assert np.allclose(back, values, atol=span / 65_000 + 1e-12, rtol=0, equal_nan=True)


def test_whole_numbers_stay_exact() -> None:
    values = np.array([-2.0, -1, 0, 3, np.nan])
    found = coded(values, 1.0)
    codes = unpacked(found["data"], "<u2")
    assert np.array_equal(found["low"] + codes[:4] * found["step"], values[:4])
    assert codes[4] == MISSING


@given(arrays(np.float64, (7, 4), elements=st.floats(-5, 5) | st.just(np.nan)), st.integers(1, 9))
def test_best_clips_are_the_largest_responses(responses: NDArray[np.float64], n: int) -> None:
    best = BestClips.of(responses, n)
    assert best.clips.shape == (4, min(n, 7))
    for target, column in enumerate(responses.T):
        expected = np.sort(column[np.isfinite(column)])[::-1][:n]
        found = best.clips[target][best.clips[target] >= 0]
        assert np.array_equal(column[found], expected)
        assert np.array_equal(best.responses[target][: len(expected)], expected)
        assert len(set(found.tolist())) == len(found)


@given(arrays(np.float64, (9, 2), elements=st.floats(-100, 100)))
def test_paths_stay_within_half_a_unit(line: NDArray[np.float64]) -> None:
    text = path(line, Window(-100, 100, -100, 100))
    start, moves = re.fullmatch(r"M(-?\d+ -?\d+)l(.*)", text).groups()  # type: ignore[union-attr]
    steps = np.array(moves.split(), dtype=int).reshape(-1, 2)
    points = np.cumsum(np.concatenate([[np.array(start.split(), dtype=int)], steps]), axis=0) / UNITS
    expected = np.column_stack([line[:, 0] + 100, 100 - line[:, 1]])
    assert np.allclose(points[0], expected[0], atol=0.5 / UNITS + 1e-9)
    assert np.allclose(points[-1], expected[-1], atol=0.5 / UNITS + 1e-9)


@pytest.mark.parametrize(
    "one", [ScalarColours(0, 0.5), PreferenceColours(0.2, 0.4), LevelColours(("a", "b"), ("red", "#0072B2"))]
)
def test_the_page_has_the_table_of_the_printed_figure(one: Any) -> None:
    found = encoded_colours(one)
    assert np.array_equal(unpacked(found["table"], "u1").reshape(-1, 4), one.table)
    assert found["n"] == len(one.table)


def test_a_small_page(view: View) -> None:
    """Six maps on fsaverage5 without audio: at most 1.5 MB, here with intervals, time courses and best clips."""
    assert len(view.maps) == 6
    one, clips = view.subjects[0], [replace(clip, sounds=()) for clip in view.clips]
    assert 400_000 < len(interactive_page(replace(view, subjects=[one], clips=clips)).encode()) < 1_200_000
    bare = replace(one, courses=None, best=None, intervals={})
    assert len(interactive_page(replace(view, subjects=[bare], clips=[])).encode()) < 900_000


def test_nothing_in_the_page_points_to_the_network(view_page: str) -> None:
    without_sounds = re.sub(r"data:audio[^\"]*", "", view_page)
    assert set(re.findall(r"(?:https?:)?//[\w.]+\.\w+[^\s\"']*", without_sounds)) <= {"http://www.w3.org/2000/svg"}
    assert re.search(r"\b(?:fetch|XMLHttpRequest|WebSocket|import)\s*\(", without_sounds) is None
    assert "default-src 'none'" in view_page


def test_hostile_text_stays_text(hostile_page: str, hostile: str) -> None:
    assert hostile_page.count("<script") == 2
    assert "<img" not in hostile_page
    assert "alert(1)</script>" not in hostile_page
    data = data_of(hostile_page)
    assert data["title"] == data["caption"] == data["maps"][0]["title"] == data["clips"][0]["name"] == hostile
    assert data["surfaces"][0]["regions"][1] == hostile


def test_scripts_run_by_their_hash_alone(view_page: str) -> None:
    import hashlib

    scripts = re.findall(r"<script>(.*?)</script>", view_page, re.DOTALL)
    [policy] = re.findall(r'script-src ([^;"]*)', view_page)
    allowed = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    assert policy == " ".join(f"'sha256-{one}'" for one in allowed)
    assert "unsafe" not in view_page.split("<style>", 1)[0]


def test_subjects_on_one_surface_share_it(view: View, view_page: str) -> None:
    data = data_of(view_page)
    assert len(view.subjects) == 2
    assert len(data["surfaces"]) == 1


def test_the_surface_survives(view: View, view_page: str) -> None:
    [surface], layout = data_of(view_page)["surfaces"], flat_layout(view.subjects[0].space)
    first, second, third = unpacked(surface["triangles"], "<i4").reshape(3, -1)
    first = np.cumsum(first)
    corners = np.stack([first, first + second, first + second + third], axis=1)
    ours = np.sort(layout.triangles, axis=1)
    assert np.array_equal(np.unique(np.sort(corners, axis=1), axis=0), np.unique(ours, axis=0))
    drawn = np.unique(layout.triangles)
    x, y = unpacked(surface["points"], "<u2").reshape(2, -1)[:, drawn] * surface["place"]
    window = layout.window
    expected = (layout.points[drawn] - (window.left, window.top)) * (1, -1)
    assert np.allclose(np.column_stack([x, y]), expected, atol=0.026)


def test_what_does_not_fit_is_refused(view: View, atlas: Atlas) -> None:
    one = view.subjects[0]
    r = one.scores["acoustic"]
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: replace(one, scores={"acoustic": r[:-1]}), "does not fit fsaverage5"),
        (lambda: replace(one, q=r[:3]), "does not fit"),
        (lambda: replace(view, subjects=[]), "at least one subject"),
        (lambda: replace(view, subjects=[one, one]), "two subjects have one name"),
        (lambda: replace(view, scores=view.scores[1:]), "has no title"),
        (lambda: replace(view, clips=view.clips[:1]), "a clip that the page does not have"),
        (lambda: replace(view, maps=[view.maps[0]], subjects=[replace(one, scores={"text": r})]), "no map"),
        (lambda: ViewMap("a", "", "", ("x",), PreferenceColours(1, 1)), "needs 2 score"),
        (lambda: Sound("heard", b"", "text/html"), "MIME"),
        (lambda: LevelColours(("a", "b"), ("red",)), "needs a colour"),
        (lambda: TimeCourses(np.zeros(3, int), np.zeros((1, 5)), np.zeros((1, 4)), 1.5), "differ in shape"),
        (lambda: TimeCourses(np.full(3, 2), np.zeros((1, 5)), np.zeros((1, 5)), 1.5), "not there"),
    ]
    for make, problem in cases:
        with pytest.raises(InputError, match=problem):
            make()


def test_a_page_without_anything_optional(view: View, atlas: Atlas) -> None:
    one = replace(
        view.subjects[0], scores={"acoustic": view.subjects[0].scores["acoustic"]}, q=None, intervals={},
        preference=None, courses=None, best=None,
    )  # fmt: skip
    page = interactive_page(View("Bare", [one], [Score("acoustic", "acoustic")], [view.maps[1]]))
    data = data_of(page)
    assert data["clips"] == []
    assert data["subjects"][0]["best"] is data["subjects"][0]["courses"] is data["subjects"][0]["q"] is None
    assert 'id="note"' not in page


def test_clips_without_sounds_are_still_named(view: View) -> None:
    silent = replace(view, clips=[Clip(clip.name) for clip in view.clips])
    assert [clip["sounds"] for clip in data_of(interactive_page(silent))["clips"]] == [[]] * len(view.clips)
