"""Figures of the parts of variance that feature spaces explain."""

from __future__ import annotations

from b2m_encoding import figures
from b2m_encoding.errors import InputError
from b2m_encoding.figures import FigureResult
from b2m_encoding.gallery.context import FigureContext
from b2m_encoding.results.partition_doubts import ONE_PENALTY, doubted_parts
from b2m_encoding.results.schema import maps, tables
from b2m_encoding.results.schema.files import SETTINGS

PARTS = {maps.UNIQUE.stat, maps.SHARED.stat}


def draw_partition(context: FigureContext, subject: str) -> FigureResult:
    """Draw the unique and shared parts of variance."""
    stored = {desc: stats for desc, stats in context.results.stats(subject).items() if PARTS & {*stats}}
    if not stored:
        raise InputError(
            "the results hold no parts of variance",
            file=context.results.path,
            fix="set statistics.partition = true in the study, and run it again",
        )
    keys = [(desc, next(stat for stat in stats if stat in PARTS)) for desc, stats in stored.items()]
    names = [tuple(context.results.sidecar(subject, *key)["FeatureSpaces"]) for key in keys]
    order = {name: i for i, name in enumerate(context.results.feature_spaces)}
    parts = {
        tuple(sorted(part, key=order.__getitem__)): values
        for part, values in zip(names, context.on_surface(subject, keys), strict=True)
    }
    parts = dict(sorted(parts.items(), key=lambda item: [order[name] for name in item[0]]))
    return figures.partition(
        parts, *context.cortex(subject), zoom=context.zoom_only, limits=context.limits,
        remarks=_partition_remarks(context, subject), **context.map_keywords(subject),
    )  # fmt: skip


def _partition_remarks(context: FigureContext, subject: str) -> list[str]:
    """What a reader of the parts of variance should doubt."""
    remarks = []
    if context.results.has(tables.PARTITION):
        rows = context.results.table(tables.PARTITION)
        if doubted := doubted_parts(rows[rows["subject"] == subject], limit=2):
            remarks.append(f"Parts to doubt: {doubted}.")
    if context.results.has(SETTINGS) and context.results.json(SETTINGS)["model"].get("solver") == "ridge":
        remarks.append(f"Beware of {ONE_PENALTY}.")
    return remarks
