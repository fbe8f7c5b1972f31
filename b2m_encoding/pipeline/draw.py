"""The figures of a study, from what was computed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from b2m_encoding.data.sources import GROUP_MEAN
from b2m_encoding.figures import FigureResult, accuracy_overview, preference, regions
from b2m_encoding.pipeline.encode import JOINT, Encoding
from b2m_encoding.results.report import ReportFigure
from b2m_encoding.spaces import Space, drawing_surface, load_atlas, resample
from b2m_encoding.study import Study

CONTROLLED = {"bh": "FDR", "by": "FDR", "fwe": "family-wise error"}
"""What the q of each correction controls."""


def draw_figures(
    encodings: Mapping[str, Encoding], table: pd.DataFrame, spaces: Mapping[str, Space], study: Study, folder: Path
) -> list[ReportFigure]:
    """Draw and save what a study's spaces allow: maps on the cortex, regions wherever there is a table of them."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = []
    for subject, encoding in encodings.items():
        figures += _maps(subject, encoding, spaces[subject], study, folder)
    shown = table[table["score"].notna() & (table["subject"] != GROUP_MEAN)]
    if len(shown):
        title = f"Prediction accuracy by region, {shown['subject'].nunique()} subjects"
        figures.append(_save(regions(shown, note=study.note), title, folder / "regions"))
    return figures


def _maps(subject: str, encoding: Encoding, space: Space, study: Study, folder: Path) -> list[ReportFigure]:
    """Accuracy of the joint model, and the preference between the first two feature spaces."""
    surface = drawing_surface(space)
    if surface is None:
        return []  # regions, or a volume that lies in no standard space: there is no cortex to draw on
    values = np.stack([*encoding.r.values(), (encoding.q < study.statistics.q).astype(float)])
    *scores, significant = resample(values, space, surface)
    r = dict(zip(encoding.r, scores, strict=True))
    atlas = load_atlas(study.maps.atlas, surface)
    common: dict[str, Any] = {
        "tested": np.isfinite(r[JOINT]),
        "significant": np.asarray(significant) > 0.5,
        "note": study.note,
        "title": f"sub-{subject}",
        "zoom": study.maps.zoom,
        "criterion": f"significant at q < {study.statistics.q:g} ({CONTROLLED[study.statistics.correction]})",
    }
    drawn = accuracy_overview(r[JOINT], surface, atlas, **common)
    figures = [_save(drawn, f"Prediction accuracy, sub-{subject}", folder / f"sub-{subject}_accuracy")]
    names = [name for name in r if name != JOINT][:2]
    if len(names) == 2:
        drawn = preference(r[names[0]], r[names[1]], surface, atlas, names=(names[0], names[1]), **common)
        figures.append(_save(drawn, f"Component preference, sub-{subject}", folder / f"sub-{subject}_preference"))
    return figures


def _save(figure: FigureResult, title: str, stem: Path) -> ReportFigure:
    """Save a figure with its numbers and caption; the report shows the PNG."""
    paths = figure.save(stem, formats=("png", "pdf"))
    return ReportFigure(title, figure.caption, paths[0])
