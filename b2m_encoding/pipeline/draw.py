"""The figures of a study, from what was computed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from b2m_encoding.figures import FigureResult, accuracy_overview, preference, regions
from b2m_encoding.pipeline.encode import JOINT, Encoding
from b2m_encoding.results.report import ReportFigure
from b2m_encoding.spaces import (
    Space,
    SurfaceSpace,
    VolumeSpace,
    load_atlas,
    project,
    surface_space,
    volume_to_surface,
)
from b2m_encoding.study import Study


def draw_figures(
    encodings: Mapping[str, Encoding], table: pd.DataFrame, space: Space, study: Study, folder: Path
) -> list[ReportFigure]:
    """Draw and save what a study's space allows: maps on a surface, regions wherever there is a table of them."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = []
    if isinstance(space, SurfaceSpace | VolumeSpace):
        for subject, encoding in encodings.items():
            figures += _maps(subject, encoding, space, study, folder)
    if len(table) and table["score"].notna().any():
        title = f"Prediction accuracy by region, {table['subject'].nunique()} subjects"
        figures.append(_save(regions(table, note=study.note), title, folder / "regions"))
    return figures


def _maps(
    subject: str, encoding: Encoding, space: SurfaceSpace | VolumeSpace, study: Study, folder: Path
) -> list[ReportFigure]:
    """Accuracy of the joint model, and the preference between the first two feature spaces."""
    surface = space if isinstance(space, SurfaceSpace) else surface_space("fsaverage5")
    atlas = load_atlas(study.maps.atlas, surface)
    r = {name: _on_surface(values, space, surface) for name, values in encoding.r.items()}
    significant = _on_surface((encoding.q < study.statistics.q).astype(float), space, surface) > 0.5
    common: dict[str, Any] = {
        "tested": np.isfinite(r[JOINT]),
        "significant": significant,
        "note": study.note,
        "zoom": study.maps.zoom,
        "criterion": f"significant at q < {study.statistics.q:g} (FDR)",
    }
    title = f"Prediction accuracy, sub-{subject}"
    figures = [
        _save(
            accuracy_overview(r[JOINT], surface, atlas, title=f"sub-{subject}", **common),
            title,
            folder / f"sub-{subject}_accuracy",
        )
    ]
    names = [name for name in r if name != JOINT][:2]
    if len(names) == 2:
        drawn = preference(
            r[names[0]], r[names[1]], surface, atlas, names=(names[0], names[1]), title=f"sub-{subject}", **common
        )
        figures.append(_save(drawn, f"Component preference, sub-{subject}", folder / f"sub-{subject}_preference"))
    return figures


def _on_surface(
    values: NDArray[np.float64], space: SurfaceSpace | VolumeSpace, surface: SurfaceSpace
) -> NDArray[np.floating]:
    """Values on the surface that is drawn."""
    return project(volume_to_surface(space, surface), values) if isinstance(space, VolumeSpace) else values


def _save(figure: FigureResult, title: str, stem: Path) -> ReportFigure:
    """Save a figure with its numbers and caption; the report shows the PNG."""
    paths = figure.save(stem, formats=("png", "pdf"))
    return ReportFigure(title, figure.caption, paths[0])
