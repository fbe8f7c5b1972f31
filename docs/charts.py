"""Draw the two charts of the documentation as SVG, which every browser and GitHub show: boxes, and what leads to what.

python docs/charts.py
"""

from __future__ import annotations

from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent / "images"
WIDTH, HEIGHT, STEP_X, STEP_Y = 210, 46, 250, 84
Box = tuple[str, float, float, bool]
"""Text (lines divided by a bar), column, row, and whether it is a question."""

FLOW: dict[str, Box] = {
    "study": ("study.toml", 0.5, 0, False),
    "workflow": ("workflow|check, plan, units of work", 0.5, 1, False),
    "data": ("data, spaces|responses, run by run", 0, 2, False),
    "features": ("features|one row per sample", 1, 2, False),
    "models": ("models|sufficient statistics, penalties", 0.5, 3, False),
    "stats": ("stats|scores, tests, ceilings, audit", 0, 4, False),
    "decoding": ("decoding|features from responses", 1, 4, False),
    "analysis": ("analysis|frozen results of all subjects", 0.5, 5, False),
    "results": ("results|maps, tables, provenance", 0.5, 6, False),
    "gallery": ("gallery, figures|pictures, report, pages", 0, 7, False),
    "reconstruction": ("reconstruction|music from decoded features", 1, 7, False),
}
FLOW_ARROWS = (
    "study workflow", "workflow data", "workflow features", "data models", "features models", "models stats",
    "models decoding", "stats analysis", "decoding analysis", "analysis results", "results gallery",
    "results reconstruction",
)  # fmt: skip
CHOICE: dict[str, Box] = {
    "spaces": ("How many|feature spaces?", 0, 0, True),
    "differ": ("Thousands of samples, and a|penalty for each is wanted?", 1.2, 0, True),
    "ridge": ('solver = "stacked" (default)', 0, 1.3, False),
    "banded": ('solver = "banded"', 1.2, 1.3, False),
    "sample": ("What is a sample?", 0.6, 2.4, True),
    "delays": ("a volume:|delays = [3.0, 4.5, 6.0, 7.5]", 0, 3.6, False),
    "windows": ("a clip, as in Brain2Music:|[windows]", 1.2, 3.6, False),
}
CHOICE_ARROWS = (
    "spaces differ several", "spaces ridge one", "differ ridge no", "differ banded yes", "ridge sample",
    "banded sample", "sample delays", "sample windows",
)  # fmt: skip


def chart(boxes: dict[str, Box], arrows: tuple[str, ...], title: str) -> str:
    """The SVG of a chart."""
    right = max(column for _, column, _, _ in boxes.values()) * STEP_X + WIDTH + 20
    bottom = max(row for _, _, row, _ in boxes.values()) * STEP_Y + HEIGHT + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right:g} {bottom:g}" width="{right:g}" role="img" '
        f'font-family="sans-serif" font-size="13"><title>{escape(title)}</title>'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#57606a"/></marker></defs>'
        f'<rect width="{right:g}" height="{bottom:g}" fill="#ffffff"/>'
    ]
    parts += [_arrow(boxes, *arrow.split()) for arrow in arrows]
    parts += [_box(*box) for box in boxes.values()]
    return "\n".join([*parts, "</svg>\n"])


def _place(box: Box) -> tuple[float, float]:
    return 10 + box[1] * STEP_X, 10 + box[2] * STEP_Y


def _box(text: str, column: float, row: float, question: bool) -> str:
    left, top = _place((text, column, row, question))
    look = 'rx="23" fill="#fff4d9" stroke="#d98e00"' if question else 'rx="4" fill="#eaf2fb" stroke="#0072b2"'
    lines = text.split("|")
    first = top + HEIGHT / 2 + 4.5 - 8 * (len(lines) - 1)
    bold = ["bold" if i == 0 and len(lines) > 1 and not question else "normal" for i in range(len(lines))]
    words = "".join(
        f'<text x="{left + WIDTH / 2:g}" y="{first + 16 * i:g}" text-anchor="middle" fill="#1f2328" '
        f'font-weight="{bold[i]}">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    return f'<rect x="{left:g}" y="{top:g}" width="{WIDTH}" height="{HEIGHT}" {look}/>{words}'


def _arrow(boxes: dict[str, Box], start: str, end: str, word: str = "") -> str:
    (x1, y1), (x2, y2) = (_place(boxes[name]) for name in (start, end))
    if y1 == y2:
        x1, y1, x2, y2 = x1 + WIDTH, y1 + HEIGHT / 2, x2, y2 + HEIGHT / 2
    else:
        x1, y1, x2 = x1 + WIDTH / 2, y1 + HEIGHT, x2 + WIDTH / 2
    line = f'<path d="M{x1:g} {y1:g} {x2:g} {y2:g}" stroke="#57606a" fill="none" marker-end="url(#tip)"/>'
    level = y1 == y2
    x, y, anchor = (x1 + x2) / 2 + 4 * (not level), (y1 + y2) / 2 - 4, "middle" if level else "start"
    return line + (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="11" fill="#57606a">{escape(word)}</text>'
        if word
        else ""
    )


def main() -> None:
    """Write both."""
    (FOLDER / "flow.svg").write_text(chart(FLOW, FLOW_ARROWS, "How a study flows through the rooms"), encoding="utf-8")
    (FOLDER / "choose.svg").write_text(chart(CHOICE, CHOICE_ARROWS, "Which model to use"), encoding="utf-8")


if __name__ == "__main__":
    main()
