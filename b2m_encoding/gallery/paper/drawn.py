"""Figures of the paper, drawn from results: one subject in the text, all subjects in the appendix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from b2m_encoding.errors import InputError
from b2m_encoding.figures import FigureResult
from b2m_encoding.gallery.context import FigureRequest
from b2m_encoding.gallery.kinds import KINDS
from b2m_encoding.gallery.paper.beside import Compared
from b2m_encoding.results.schema import JOINT, tables
from b2m_encoding.results.schema.brain2music import published
from b2m_encoding.results.schema.maps import STACK
from b2m_encoding.spaces import drawing_surface

PAIRS = {
    "5": ("MuLan_music", "w2v-BERT-avg"),
    "6": ("MuLan_music", "MuLan_text"),
    "7b": ("MuLan_music", "genre one-hot"),
}
"""Figures that compare two feature spaces."""
BEYOND = ("learning_curves", "stacking_weights")
"""Figures that the paper has not."""
APPENDIX = {"5": "A3", "6": "A4", "7b": "A5"}
"""The same for all subjects."""


@dataclass(frozen=True)
class Wanted:
    """A figure of the paper.

    Parameters
    ----------
    name : str
        Stem of its files.
    kind, subject : str
        Kind of figure, and subject ("" for all).
    request : FigureRequest
    """

    name: str
    kind: str
    subject: str
    request: FigureRequest


def wanted(compared: Compared) -> Iterator[Wanted]:
    """Figures that the results allow, in the order of the paper."""
    results, plain = compared.context.results, FigureRequest()
    if sounds := _sounds(compared):
        yield Wanted("figure3", "stimulus", "", replace(plain, sounds=sounds))
    if results.has(tables.CLIP_EVALUATION):
        yield Wanted("figure4ac", "reconstruction", "", plain)
        if (results.table(tables.CLIP_EVALUATION)["encoder"] == "AudioSet").any():
            yield Wanted("figure4b", "classes", "", plain)
    for number in PAIRS:
        yield from _pair(compared, number, compared.subjects[:1], f"figure{number}")
        if number == "6" and _has(compared, tables.IDENTIFICATION, "accuracy_unheard"):
            yield Wanted("figure7a", "unheard", "", plain)
    if results.has(tables.PENALTIES):
        yield Wanted("figureA1", "penalties", "", plain)
    if results.has(tables.IDENTIFICATION):
        yield Wanted("figureA2", "decoding", "", plain)
    for number, name in APPENDIX.items():
        yield from _pair(compared, number, compared.subjects[1:], f"figure{name}", inflated=False)
    yield from _beyond(compared)


def _beyond(compared: Compared) -> Iterator[Wanted]:
    """Learning curves, and stacking weights of one subject."""
    results, first, (learning, stacking) = compared.context.results, compared.subjects[0], BEYOND
    if results.has(tables.LEARNING):
        yield Wanted(learning, "learning", "", FigureRequest())
    if results.has_map(first, JOINT, STACK.stat) and drawing_surface(results.space(first)) is not None:
        yield Wanted(f"{stacking}_sub-{first}", "stacking", first, FigureRequest())


def _has(compared: Compared, table: tables.Table, column: str) -> bool:
    return compared.context.results.has(table) and column in compared.context.results.table(table)


def _pair(
    compared: Compared, number: str, subjects: tuple[str, ...], name: str, inflated: bool = True
) -> Iterator[Wanted]:
    """Flatmap, density and (of one subject) inflated cortices of two feature spaces."""
    models = tuple(compared.spaces.get(one, "") for one in PAIRS[number])
    if "" in models:
        return
    mark = published()["marked_r"].value if number == "7b" else None
    for subject in subjects:
        request = FigureRequest((subject,), models, compared.score, mark=mark)
        stem = f"{name}_sub-{subject}"
        yield Wanted(f"{stem}_density", "scatter", subject, request)
        if drawing_surface(compared.context.results.space(subject)) is None:
            continue
        yield Wanted(f"{stem}_flatmap", "preference", subject, replace(request, mask="own"))
        for model in models if inflated else ():
            own = replace(request, models=(model,), view="whole", mask="own")
            yield Wanted(f"{stem}_inflated_{model}", "surface", subject, own)


def _sounds(compared: Compared) -> dict[str, Path]:
    """Sounds of the first clip of the first subject: presented, retrieved, three generated ones."""
    results = compared.context.results
    if not results.has(tables.RECONSTRUCTION):
        return {}
    table = results.table(tables.RECONSTRUCTION)
    first = table[(table["subject"] == table["subject"].iloc[0]) & (table["clip"] == table["clip"].iloc[0])]
    first = first[first["corpus"] == first["corpus"].iloc[0]] if "corpus" in first else first
    shown = first[~first["method"].isin(["oracle", "chance"]) & (first["rank"] <= 3)]
    files = {f"{row.method} {row.rank}".replace(" 1", "") if row.method in ("heard", "retrieved") else
             f"{row.method} {row.rank}": results.path / row.file for row in shown.itertuples()}  # fmt: skip
    return {name: path for name, path in files.items() if path.is_file()}


def draw(compared: Compared, one: Wanted) -> FigureResult | str:
    """Draw a figure; the reason where these results do not allow it."""
    context = replace(compared.context, request=one.request)
    try:
        return KINDS[one.kind].draw(context, one.subject)
    except InputError as error:
        return str(error)
