"""Scores, models and labels that a figure was asked for."""

from __future__ import annotations

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError
from b2m_encoding.figures import MapKeywords
from b2m_encoding.gallery.context import FigureContext
from b2m_encoding.results.schema import JOINT, LABELS, SHORT_LABELS, UNMASKED


def score_label(context: FigureContext) -> str:
    """Label of the requested score and model."""
    label = LABELS.get(context.request.score, context.request.score)
    return label if context.model == JOINT else f"{label} of {context.model}"


def score_unit(context: FigureContext) -> str:
    """Short name of the requested score."""
    return SHORT_LABELS.get(context.request.score, context.request.score)


def requested_score(context: FigureContext, subject: str) -> tuple[Float32, MapKeywords]:
    """The requested score on the surface, with the options of its map."""
    [scores] = context.on_surface(subject, [(context.model, context.request.score)])
    keywords = context.map_keywords(subject, (context.model,))
    if context.request.score in UNMASKED:
        keywords["significant"] = None
    return scores, keywords


def requested_models(context: FigureContext, n: int, kind: str) -> tuple[str, ...]:
    """The requested feature spaces, by default the first n."""
    names = context.models if context.request.models else context.models[:n]
    if len(names) != n:
        raise InputError(f"{kind} shows {n} feature spaces", found=", ".join(names), fix="name them with --model")
    return names


def requested_scores(context: FigureContext, subject: str, models: tuple[str, ...]) -> list[Float32]:
    """The requested score of several models on the surface."""
    return context.on_surface(subject, [(model, context.request.score) for model in models])
