from .diagnostics.delays import delays
from .diagnostics.design import design
from .diagnostics.profile import profile
from .diagnostics.quality import quality
from .diagnostics.timecourses import timecourses
from .options import MapKeywords, MapOptions, PageKeywords, PageOptions, ViewKeywords
from .page import FigureResult
from .plots.conditions import conditions
from .plots.decoding import decoding
from .plots.distribution import distribution
from .plots.group import group
from .plots.hierarchy import hierarchy
from .plots.images import plot_flatmap, plot_preference
from .plots.partition import partition
from .plots.preference import preference
from .plots.regions import regions
from .plots.scatter import scatter
from .plots.score_map import score_map
from .plots.slices import slices
from .plots.stimulus import stimulus
from .plots.subjects import subjects
from .plots.surface import surface
from .plots.tag_map import tag_map
from .plots.tag_profile import tag_profile
from .plots.tags import tags
from .plots.ternary import ternary
from .plots.weights import weights
from .settings import FigureSettings
from .style import Style

__all__ = [
    "FigureResult",
    "FigureSettings",
    "MapKeywords",
    "MapOptions",
    "PageKeywords",
    "PageOptions",
    "Style",
    "ViewKeywords",
    "conditions",
    "decoding",
    "delays",
    "design",
    "distribution",
    "group",
    "hierarchy",
    "partition",
    "plot_flatmap",
    "plot_preference",
    "preference",
    "profile",
    "quality",
    "regions",
    "scatter",
    "score_map",
    "slices",
    "stimulus",
    "subjects",
    "surface",
    "tag_map",
    "tag_profile",
    "tags",
    "ternary",
    "timecourses",
    "weights",
]
