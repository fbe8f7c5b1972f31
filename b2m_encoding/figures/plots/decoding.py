"""Figure of decoding: identification accuracy by group of clips, confusion of groups, and ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.figures.options import PageKeywords, PageOptions
from b2m_encoding.figures.page import MARGIN, FigureResult, Page, shortened, text_width
from b2m_encoding.figures.style import GREY, MARKERS, Style
from b2m_encoding.io.names import in_words
from b2m_encoding.io.shares import percent

COLUMNS = ("subject", "target", "clip", "accuracy")
CHANCE = 0.5
AXIS = 11.0
KEY, KEY_SPACE = 4.5, 10.0
"""Height of a row of the key, and space of an entry beside its text, mm."""
LINE, SHADE = "chance", "mean by chance, 95%"
"""Entries of the key for the chance line and band."""
BAND = "#D9D9D9"
LONGEST = 16.0
"""Longest name of a group, mm."""
MIN_CELL = 3.6
"""Narrowest cell of the confusion with a number in it, mm."""
Interval = tuple[float, float]


def decoding(
    table: pd.DataFrame,
    *,
    intervals: Mapping[tuple[str, str], Interval] | None = None,
    group_name: str = "group",
    **keywords: Unpack[PageKeywords],
) -> FigureResult:
    """Identification accuracy of every clip, confusion of groups, and the share of clips within the best k.

    Parameters
    ----------
    table : DataFrame
        Columns ``subject``, ``target`` (the decoded feature space), ``clip``, ``accuracy`` (0 to 1, chance 0.5; the
        share of other clips that are less like the prediction); optional ``group`` of the clip
        (its genre, speaker), ``identified_group`` of the clip most like the prediction, and ``decoder``: several are
        compared.
    intervals : mapping of (subject, target) to (float, float), optional
        95% interval of the mean accuracy by chance.
    group_name : str
        What the groups are called.
    **keywords
        ``title``, ``note``, ``style`` and ``origin``, as in :class:`~b2m_encoding.figures.PageOptions`.
    """
    options = PageOptions(**keywords)
    style = options.style
    data = _Data.of(table, style)
    with style.context():
        layout = _layout(data, style, options.header, bool(intervals))
        page = options.page(layout["height"][1])
        _keys(page, data, options.header + MARGIN / 2, bool(intervals))
        for letter, name in zip("abc", data.panels, strict=False):
            left, top, width, height = layout[name]
            page.letter(MARGIN if left < 20 else left - AXIS, top - 4.5, letter)
            axes = page.panel(left, top, width, height)
            {"accuracy": _accuracy, "confusion": _confusion, "ranks": _ranks}[name](axes, data, style, intervals or {})
    return FigureResult(
        page, options.caption(_sentences(data, intervals, in_words(group_name))), _named(data.table, group_name)
    )


@dataclass(frozen=True, eq=False)
class _Data:
    """The table with group and rank, and the order of targets, subjects and groups."""

    table: pd.DataFrame
    targets: tuple[str, ...]
    subjects: tuple[str, ...]
    groups: tuple[str, ...]
    n_clips: int
    confusion: NDArray[np.float64] | None
    """Share of the clips of each group (rows) that were identified as each group, for the first target."""

    @classmethod
    def of(cls, table: pd.DataFrame, style: Style) -> _Data:
        if missing := [column for column in COLUMNS if column not in table.columns]:
            expected = ", ".join(COLUMNS)
            raise InputError("the identification table lacks columns", found=", ".join(missing), expected=expected)
        if not len(table):
            raise InputError("the identification table is empty")
        table = table.assign(**{name: table[name].astype(str) for name in COLUMNS[:3]})
        if "decoder" in table and table["decoder"].nunique() > 1:
            table["target"] = table["target"] + ", " + table["decoder"].astype(str)
        if "group" not in table:
            table["group"] = "all clips"
        targets = tuple(table["target"].unique())
        if len(targets) > min(len(style.colours), len(DASHES)):
            raise InputError(
                "too many decoded feature spaces and decoders for one figure",
                found=len(targets),
                expected=f"at most {min(len(style.colours), len(DASHES))}",
                fix="choose fewer of them, or give the style more colours",
            )
        counts = table.groupby(["subject", "target"])["clip"].transform("size")
        # Ranks are whole or, tied, half numbers; accuracies from a file are rounded, which would worsen ranks.
        table["rank"] = 1 + (2 * (1 - table["accuracy"]) * (counts - 1)).round() / 2
        groups = tuple(sorted(table["group"].unique()))
        first = table[table["target"] == targets[0]]
        confusion = None
        if "identified_group" in table and len(groups) > 1 and first["identified_group"].notna().all():
            pairs = pd.crosstab(first["group"], first["identified_group"]).reindex(groups, axis=0)
            counted = pairs.reindex(groups, axis=1).fillna(0).to_numpy(dtype=float)
            confusion = counted / np.maximum(counted.sum(axis=1, keepdims=True), 1)
        return cls(table, targets, tuple(table["subject"].unique()), groups, int(counts.max()), confusion)

    @property
    def panels(self) -> list[str]:
        return ["accuracy", *(["confusion"] if self.confusion is not None else []), "ranks"]


def _layout(data: _Data, style: Style, header: float, band: bool) -> dict[str, tuple[float, float, float, float]]:
    """Left, top, width and height of every panel, mm; the height of the page in ``height``."""
    longest = min(max(text_width(name, style.small_size, style) for name in data.groups), LONGEST)
    keys = KEY * len(_key_rows(data, style, band))
    top, full = header + MARGIN / 2 + keys + 5, style.width_mm - 2 * MARGIN
    wide = style.width_mm >= 150
    if wide and data.confusion is not None:
        width = full - 2 * AXIS - AXIS - longest
        side = min(0.22 * full, 46.0)
        first = width - 2 * side - 12
        lefts = [MARGIN + AXIS, MARGIN + AXIS + first + 8 + longest + 4, style.width_mm - MARGIN - side]
        places = {"accuracy": (lefts[0], top, first, side), "ranks": (lefts[2], top, side, side),
                  "confusion": (lefts[1], top, side, side)}  # fmt: skip
        height = top + side + longest + 8
    else:
        below = top + 32 + longest + 10
        side = min((full - 2 * AXIS - longest - 8) / 2, 46.0)
        places = {"accuracy": (MARGIN + AXIS, top, full - AXIS, 32.0)}
        if data.confusion is not None:
            places["confusion"] = (MARGIN + longest + 6, below, side, side)
            places["ranks"] = (style.width_mm - MARGIN - side, below, side, side)
        else:
            places["ranks"] = (MARGIN + AXIS, below, min(full - AXIS, 60.0), 40.0)
        height = below + places["ranks"][3] + max(longest + 8 if data.confusion is not None else 0, 10)
    return {**places, "height": (0, height, 0, 0)}


def _key_rows(data: _Data, style: Style, band: bool) -> list[list[str]]:
    """Rows of the entries of the key."""
    full = style.width_mm - 2 * MARGIN
    names = [shortened(name, style.small_size, full - 8, style) for name in data.targets]
    rows: list[list[str]] = [[]]
    left = 0.0
    for text in (*names, LINE, *([SHADE] if band else [])):
        width = KEY_SPACE + text_width(text, style.small_size, style)
        if rows[-1] and left + width > full:
            rows.append([])
            left = 0.0
        rows[-1].append(text)
        left += width
    return rows


def _keys(page: Page, data: _Data, top: float, band: bool) -> None:
    """Draw the key: targets, chance line and band."""
    style, rows = page.style, _key_rows(data, page.style, band)
    axes = page.panel(0, top, style.width_mm, KEY * len(rows))
    axes.set(xlim=(0, style.width_mm), ylim=(KEY * len(rows), 0))
    axes.axis("off")
    looks = iter(zip(style.colours, MARKERS, strict=False))
    for number, row in enumerate(rows):
        left, middle = MARGIN, KEY * (number + 0.5)
        for text in row:
            if text == LINE:
                axes.plot([left, left + 4], [middle] * 2, color=GREY, linewidth=0.6, linestyle="--")
            elif text == SHADE:
                axes.fill_between([left, left + 4], middle - 1, middle + 1, color=BAND, linewidth=0)
            else:
                colour, marker = next(looks)
                axes.plot(left + 2, middle, marker, color=colour, markersize=3.5, markeredgewidth=0)
            axes.text(left + 5.5, middle, text, size=style.small_size, va="center_baseline", parse_math=False)
            left += KEY_SPACE + text_width(text, style.small_size, style)


def _accuracy(axes: Axes, data: _Data, style: Style, intervals: Mapping[tuple[str, str], Interval]) -> None:
    """A point per clip and subject, and the mean of every group and target."""
    if intervals:
        low, high = np.mean(list(intervals.values()), axis=0)
        axes.axhspan(low, high, color=BAND, linewidth=0, zorder=0)
    axes.axhline(CHANCE, color=GREY, linewidth=0.6, linestyle="--", zorder=1)
    step = 0.8 / len(data.targets)
    for index, (target, colour, marker) in enumerate(zip(data.targets, style.colours, MARKERS, strict=False)):
        for slot, group in enumerate(data.groups):
            here = data.table[(data.table["target"] == target) & (data.table["group"] == group)]["accuracy"].to_numpy()
            if not len(here):
                continue
            middle = slot + (index - (len(data.targets) - 1) / 2) * step
            x = middle + np.linspace(-0.3, 0.3, len(here) + 2)[1:-1] * step
            axes.plot(x, np.sort(here), marker, color=colour, markersize=1.8, markeredgewidth=0, alpha=0.8, zorder=2)
            axes.plot([middle - 0.38 * step, middle + 0.38 * step], [here.mean()] * 2, color="black", linewidth=1.0,
                      zorder=3)  # fmt: skip
    axes.set(xlim=(-0.6, len(data.groups) - 0.4), ylim=(-0.02, 1.02))
    _group_ticks(axes, data, style)
    axes.set_ylabel("identification accuracy", parse_math=False)


def _group_ticks(axes: Axes, data: _Data, style: Style) -> None:
    short = [shortened(name, style.small_size, LONGEST, style) for name in data.groups]
    turn: dict[str, Any] = {} if len(short) == 1 else {"rotation": 90}
    axes.set_xticks(range(len(short)), short, parse_math=False, **turn)
    axes.tick_params(axis="x", length=0)


def _confusion(axes: Axes, data: _Data, style: Style, _: Mapping[tuple[str, str], Interval]) -> None:
    """Presented group down, identified group across; numbers in cells that are wide enough."""
    assert data.confusion is not None
    cmap = matplotlib.colormaps["Greys"]
    axes.imshow(cmap(0.85 * data.confusion, bytes=True), interpolation="none", aspect="auto")
    _group_ticks(axes, data, style)
    short = [shortened(name, style.small_size, LONGEST, style) for name in data.groups]
    axes.set_yticks(range(len(short)), short, parse_math=False)
    axes.tick_params(axis="both", length=0)
    axes.spines[:].set_visible(True)
    cell = axes.get_position().width * style.width_mm / len(data.groups)
    for (row, column), share in np.ndenumerate(data.confusion):
        if share >= 0.005 and cell >= MIN_CELL:
            axes.text(column, row, f"{100 * share:.0f}", size=5, ha="center", va="center_baseline",
                      color="white" if share > 0.55 else "black", parse_math=False)  # fmt: skip
    axes.set_title("% of the clips", size=style.small_size, pad=3, parse_math=False)
    axes.set_xlabel("identified as", labelpad=1.5, parse_math=False)
    axes.set_ylabel("presented", labelpad=1.5, parse_math=False)


def _ranks(axes: Axes, data: _Data, style: Style, _: Mapping[tuple[str, str], Interval]) -> None:
    """Share of clips among the k most like their prediction: thin per subject, thick their mean."""
    k = np.arange(1, data.n_clips + 1)
    axes.plot([1, data.n_clips], [1 / data.n_clips, 1], color=GREY, linewidth=0.6, linestyle="--")
    for target, colour, dashes in zip(data.targets, style.colours, DASHES, strict=False):
        curves = rank_curves(data.table[data.table["target"] == target], k)
        if len(curves) > 1:
            axes.plot(k, curves.T, color=colour, linewidth=0.4, alpha=0.7)
        axes.plot(k, curves.mean(axis=0), color=colour, linewidth=1.3, linestyle=dashes)
    axes.set(xlim=(1, data.n_clips), ylim=(0, 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=2))
    axes.set_xlabel("rank k", labelpad=1.5, parse_math=False)
    axes.set_ylabel("clips within best k", parse_math=False)


DASHES = ("-", "--", "-.", ":", "-", "--")
"""Line styles of targets, distinct in black and white."""


def rank_curves(table: pd.DataFrame, k: NDArray[np.integer]) -> NDArray[np.float64]:
    """Share of the clips whose rank is at most k, shape (n_subjects, n_k); ties lie half way between ranks."""
    ranks = [group["rank"].to_numpy() for _, group in table.groupby("subject", sort=False)]
    return np.stack([(rank[:, None] <= k).mean(axis=0) for rank in ranks])


def _named(table: pd.DataFrame, group_name: str) -> pd.DataFrame:
    """The table with the name of the groups as that of their columns."""
    names = {"group": group_name, "identified_group": f"identified_{group_name}"}
    return table.rename(columns={old: new for old, new in names.items() if new not in table})


def _sentences(data: _Data, intervals: Mapping[tuple[str, str], Interval] | None, group_name: str) -> list[str]:
    """Sentences of the caption."""
    means = data.table.groupby(["target", "subject"], sort=False)["accuracy"].mean().groupby("target", sort=False)
    parts = []
    for target, values in means:
        spread = f" (SD {values.std():.3f})" if len(values) > 1 else ""
        parts.append(f"{target} {values.mean():.3f}{spread}")
    n = len(data.subjects)
    sentences = [
        f"Identification of {data.n_clips} clips from decoded features, {n} {'subject' if n == 1 else 'subjects'}: "
        f"mean accuracy {', '.join(parts)}; chance {CHANCE:g} (dashed).",
        f"Points: clips of every subject; bars: means of a {group_name}." if len(data.groups) > 1 else "Points: clips.",
    ]
    if intervals:
        low, high = np.mean(list(intervals.values()), axis=0)
        sentences.append(f"Grey band: 95% of the mean accuracies by chance, {low:.3f} to {high:.3f}.")
    if data.confusion is not None:
        right = float(np.mean(np.diag(data.confusion)))
        sentences.append(
            f"Confusion: {group_name} of a clip (rows) and of the clip most like its prediction ({data.targets[0]}); "
            f"{percent(right)} right, chance about {1 / len(data.groups):.1%}."
        )
    sentences.append("Ranks: clips among the k most like their prediction; thin: subjects.")
    return sentences
