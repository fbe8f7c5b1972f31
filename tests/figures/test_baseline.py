"""Small pictures of every kind, compared with committed ones.

After a change that is meant to be seen, write them anew with ``B2M_WRITE_BASELINE=1`` and look at each one.
"""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from b2m_encoding.figures import (
    Style,
    accuracy,
    preference,
    regions,
    scatter,
    subjects,
)

BASELINE = Path(__file__).parent / "baseline"
STYLE = Style(width=89, dpi=80, font="DejaVu Sans")
TOLERANCE = 9.0
"""Root mean square difference of 8-bit values: versions of matplotlib set text a little differently."""


@pytest.fixture(scope="session")
def figures(space, atlas, acoustic, text, holed, region_table):
    """One way to make each kind, from the scores it shows."""
    both = {"note": "simulated data", "style": STYLE}
    marked = {"significant": acoustic > 0.12, **both}
    return {
        "accuracy": lambda x: accuracy(np.where(np.isnan(holed), np.nan, x), space, atlas, **marked),
        "accuracy_fade": lambda x: accuracy(x, space, atlas, **both),
        "accuracy_zoom": lambda x: accuracy(x, space, atlas, view="zoom", zoom="auditory", contour=True, **marked),
        "accuracy_overview": lambda x: accuracy(x, space, atlas, view="overview", **marked),
        "preference": lambda x: preference(x, 0.8 * text, space, atlas, names=("acoustic", "text"), **both),
        "regions": lambda x: regions(region_table().assign(score=lambda t: t["score"] + x[:9].mean()), **both),
        "scatter": lambda x: scatter(x, text, names=("acoustic", "text"), **both),
        "subjects": lambda x: subjects({"sub-01": x, "sub-02": text, "sub-03": holed}, space, atlas, **both),
    }


def picture(result) -> np.ndarray:
    file = io.BytesIO()
    result.figure.savefig(file, format="png")
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def difference(one: np.ndarray, other: np.ndarray) -> float:
    if one.shape != other.shape:
        return np.inf
    return float(np.sqrt(np.mean((one.astype(float) - other) ** 2)))


@pytest.mark.parametrize(
    "kind",
    [
        "accuracy",
        "accuracy_fade",
        "accuracy_zoom",
        "accuracy_overview",
        "preference",
        "regions",
        "scatter",
        "subjects",
    ],
)
def test_looks_as_before(figures, acoustic, kind, tmp_path):
    seen, path = picture(figures[kind](acoustic)), BASELINE / f"{kind}.png"
    if os.environ.get("B2M_WRITE_BASELINE"):
        BASELINE.mkdir(exist_ok=True)
        Image.fromarray(seen).quantize(128).save(path, optimize=True)
    with Image.open(path) as image:
        wanted = np.asarray(image.convert("RGB"))
    assert path.stat().st_size < 60_000
    Image.fromarray(seen).save(tmp_path / f"{kind}.png")
    assert difference(seen, wanted) < TOLERANCE, f"compare {tmp_path / kind}.png with {path}"


def test_the_comparison_sees_other_scores(figures, text):
    """Scores of another model, in the same places, are far beyond the tolerance."""
    with Image.open(BASELINE / "accuracy_zoom.png") as image:
        wanted = np.asarray(image.convert("RGB"))
    assert difference(picture(figures["accuracy_zoom"](text)), wanted) > 2 * TOLERANCE
