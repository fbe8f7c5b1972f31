"""The kinds of figures: which maps and tables of a results folder each one draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from b2m_encoding import figures
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import read_audio
from b2m_encoding.figures import FigureResult
from b2m_encoding.gallery import diagnostics
from b2m_encoding.gallery.context import FigureContext
from b2m_encoding.gallery.named_features import draw_of_names, draw_tag_map
from b2m_encoding.gallery.over_subjects import draw_decoding, draw_group, draw_learning, draw_regions, draw_subjects
from b2m_encoding.gallery.partition import draw_partition
from b2m_encoding.gallery.reconstruction import classes, penalties, reconstruction, unheard
from b2m_encoding.gallery.score_maps import (
    draw_accuracy,
    draw_distribution,
    draw_hierarchy,
    draw_lag,
    draw_preference,
    draw_scatter,
    draw_slices,
    draw_stacking,
    draw_surface,
    draw_ternary,
    draw_weights,
)

SOUND_RATE = 16_000
"""Sampling rate of spectrograms, Hz."""


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    Parameters
    ----------
    description : str
        Content of the figure, in one line.
    draw : callable
        Draws the figure from a context and a subject ("": all subjects together).
    per_subject : bool
        Whether every subject has a figure of this kind.
    """

    description: str
    draw: Callable[[FigureContext, str], FigureResult]
    per_subject: bool = True


def _stimulus(context: FigureContext, _: str) -> FigureResult:
    if not context.request.sounds:
        raise InputError("no sound to draw", fix="name sound files: --sound heard=a.wav --sound retrieved=b.wav")
    sounds = {name: read_audio(path, SOUND_RATE) for name, path in context.request.sounds.items()}
    return figures.stimulus(sounds, SOUND_RATE, **context.page_keywords())


KINDS = {
    "accuracy": Kind("a score on the flatmap, whole cortex and zoom, with significance and ceiling", draw_accuracy),
    "preference": Kind("two feature spaces in one colour, with legend and joint histogram", draw_preference),
    "ternary": Kind("three feature spaces in one colour, and each by itself", draw_ternary),
    "partition": Kind("unique and shared variance: maps and a Venn diagram with numbers", draw_partition),
    "scatter": Kind("density of targets, one model against another", draw_scatter),
    "subjects": Kind("a score in all subjects with the same limits", draw_subjects, per_subject=False),
    "group": Kind("a group: mean, t, overlap and outlines of all subjects", draw_group, per_subject=False),
    "regions": Kind("regions: subjects, means, intervals, ceiling, differences", draw_regions, per_subject=False),
    "hierarchy": Kind("layer, or feature space, with the best predictions", draw_hierarchy),
    "stacking": Kind("weights of the models that make up the stacked joint model", draw_stacking),
    "weights": Kind("three components of the weights as red, green and blue", draw_weights),
    "decoding": Kind("identification by group of clips, confusion, ranks", draw_decoding, per_subject=False),
    "reconstruction": Kind("identification by reconstructions: methods, corpora, groups", reconstruction, False),
    "classes": Kind("agreement of the classes of presented and reconstructed sounds", classes, False),
    "unheard": Kind("identification with and without the group of a clip in training", unheard, False),
    "penalties": Kind("scores of decoders at every penalty, fitted and left out", penalties, False),
    "learning": Kind("accuracy of regions by minutes of training data", draw_learning, per_subject=False),
    "tags": Kind("tags, or other features with names, that regions respond to", draw_of_names(figures.tags)),
    "tagprofile": Kind("all features with names by region: a profile of the tags", draw_of_names(figures.tag_profile)),
    "tagmap": Kind(
        "the tag, or other feature with a name, that each target prefers, and how certain it is", draw_tag_map
    ),
    "quality": Kind("head motion over time, and signal-to-noise ratio of every run", diagnostics.draw_quality),
    "design": Kind("features over time, and their correlations", diagnostics.draw_design),
    "ceiling": Kind("the noise ceiling on the cortex", diagnostics.draw_ceiling),
    "delays": Kind("weights over delays, by region", diagnostics.draw_delays),
    "lag": Kind("the delay with the largest weight, on the cortex", draw_lag),
    "timecourses": Kind("measured and predicted responses of the best targets", diagnostics.draw_timecourses),
    "profile": Kind("scores of all models in the regions that are predicted best", diagnostics.draw_profile),
    "slices": Kind("a score in slices through a volume, and a glass brain", draw_slices),
    "distribution": Kind("distributions of scores, and the best targets", draw_distribution),
    "surface": Kind("a score on the inflated cortex", draw_surface),
    "stimulus": Kind("spectrograms of presented, retrieved and generated sounds", _stimulus, per_subject=False),
}
"""All kinds, by their names on the command line."""
