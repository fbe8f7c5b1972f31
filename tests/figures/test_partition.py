"""Maps of unique and shared parts, and the numbers in the Venn diagram."""

from itertools import combinations

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.figures import Style, partition

NARROW, WIDE = Style(width_mm=89, dpi=72), Style(width_mm=183, dpi=72)


def parts_of(names, bumps):
    sets = [part for n in range(1, len(names) + 1) for part in combinations(names, n)]
    return {part: bumps(i, ("A1", "A5", "PBelt", "STSdp")[i % 4]) / 4 for i, part in enumerate(sets)}


@pytest.mark.parametrize("names", [("acoustic", "text"), ("a long name of a space", "text $", "another long name")])
@pytest.mark.parametrize(("style", "zoom"), [(NARROW, None), (NARROW, "auditory_zoom"), (WIDE, "auditory_zoom")])
def test_partition(space, atlas, bumps, text_problems, style, zoom, names):
    parts = parts_of(names, bumps)
    significant = np.sum(list(parts.values()), axis=0) > 0.1
    found = partition(
        parts, space, atlas, significant=significant, zoom=zoom, title="Subject 1", note="simulated data", style=style
    )
    assert text_problems(found.figure) == []
    assert found.figure.get_figheight() * 25.4 <= style.max_height_mm + 1e-6
    words = {text.get_text() for text in found.figure.findobj(lambda one: hasattr(one, "get_text"))}
    for part, values in parts.items():
        mean = np.float32(values)[significant].mean()
        assert f"{mean:.3f}".replace("-", "−") in words
        assert np.allclose(found.table["+".join(part)], values, atol=1e-6)


def test_parts_share_their_limits_and_add_up(space, atlas, bumps):
    parts = parts_of(("a", "b"), bumps)
    found = partition(parts, space, atlas, limits=(0.0, 0.05), style=NARROW)
    n_above = sum(int((np.float32(values) > 0.05).sum()) for values in parts.values())
    assert f"{n_above:,} of {3 * space.n_targets:,} values" in found.caption
    total = found.table[["a", "b", "a+b"]].sum(axis=1)
    assert np.allclose(total, np.sum(list(parts.values()), axis=0), atol=1e-5)


def test_more_than_three_are_summed(space, atlas, bumps, text_problems):
    parts = parts_of(("a", "b", "c", "d"), bumps)
    found = partition(parts, space, atlas, style=WIDE)
    assert text_problems(found.figure) == []
    shared = np.sum([values for part, values in parts.items() if len(part) > 1], axis=0)
    assert np.allclose(found.table["shared+any"], shared, atol=1e-5)


@pytest.mark.parametrize("kind", ["all NaN", "nothing significant"])
def test_empty_maps(space, atlas, acoustic, text_problems, kind):
    values = np.full(space.n_targets, np.nan) if kind == "all NaN" else acoustic
    nothing = np.zeros(space.n_targets, dtype=bool)
    parts = {("a",): values, ("b",): values, ("a", "b"): values}
    found = partition(parts, space, atlas, significant=nothing, style=NARROW)
    assert text_problems(found.figure) == []
    assert "n/a" in {text.get_text() for text in found.figure.findobj(lambda one: hasattr(one, "get_text"))}


def test_a_missing_part_is_named(space, atlas, acoustic):
    with pytest.raises(InputError, match="unique part"):
        partition({("a", "b"): acoustic, ("a",): acoustic}, space, atlas)
