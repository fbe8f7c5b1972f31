"""What is wrong with the text of a figure."""

from __future__ import annotations

from itertools import combinations

from b2m_encoding.figures.page import Page


def text_problems(page: Page) -> list[str]:
    """Words that are cut off by the page, too small, or written over each other."""
    with page.style.context():
        renderer = page.canvas.get_renderer()
        page.draw(renderer)
    found, boxes = [], []
    axis_of = [axis for axes in page.axes for axis in (axes.xaxis, axes.yaxis)]
    outside = {
        label
        for axis in axis_of
        for tick in axis.get_major_ticks() + axis.get_minor_ticks()
        for label in (tick.label1, tick.label2)
        if not min(axis.get_view_interval()) - 1e-9 <= tick.get_loc() <= max(axis.get_view_interval()) + 1e-9
    }
    for artist in page.findobj(lambda one: hasattr(one, "get_fontsize") and hasattr(one, "get_text")):
        if not artist.get_visible() or not artist.get_text().strip() or artist.get_path_effects() or artist in outside:
            continue
        if not all(parent.get_visible() for parent in (artist.axes,) if parent is not None):
            continue
        if artist.get_fontsize() < 5:
            found.append(f"too small: {artist.get_text()!r}")
        box = artist.get_window_extent(renderer)
        if box.x0 < 0 or box.y0 < 0 or box.x1 > page.bbox.x1 or box.y1 > page.bbox.y1:
            found.append(f"cut off: {artist.get_text()!r}")
        if artist.get_rotation() % 90:
            continue  # its box is larger than its ink
        boxes.append((artist.get_text(), box.padded(-0.15 * box.height) if artist.axes is not None else box))
    found += [f"{a!r} over {b!r}" for (a, one), (b, other) in combinations(boxes, 2) if one.overlaps(other)]
    return found
