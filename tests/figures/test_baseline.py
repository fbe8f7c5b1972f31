"""Small pictures of every kind, compared with committed ones.

After a change that is meant to be seen, write them anew with ``B2M_WRITE_BASELINE=1`` and look at each one.
"""

import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from b2m_encoding.figures import (
    Style,
    decoding,
    hierarchy,
    partition,
    preference,
    regions,
    scatter,
    score_map,
    stimulus,
    subjects,
    surface,
    ternary,
    weights,
)

BASELINE = Path(__file__).parent / "baseline"
STYLE = Style(width_mm=89, dpi=80)
BLUR, TOLERANCE = 2.5, 6.0
"""Root mean square difference of 8-bit values after a blur of so many pixels.

Versions of matplotlib set text and sample pictures a pixel or so apart (3.9.4, 3.10.8 and 3.11.2 were compared).
"""

KINDS = (
    "accuracy",
    "accuracy_fade",
    "accuracy_zoom",
    "accuracy_overview",
    "decoding",
    "hierarchy",
    "partition",
    "preference",
    "regions",
    "scatter",
    "stimulus",
    "subjects",
    "surface",
    "ternary",
    "weights",
)


def clips(shift: float) -> pd.DataFrame:
    accuracy = np.clip(np.linspace(0.4, 1.0, 24) + shift, 0, 1)
    names = [("blues", "jazz", "pop", "rock")[i % 4] for i in range(24)]
    rows = {"subject": ["01", "02"] * 12, "target": "text", "clip": range(24), "accuracy": accuracy}
    return pd.DataFrame({**rows, "group": names, "identified_group": names[3:] + names[:3]})


def tone(x: np.ndarray) -> np.ndarray:
    return np.sin(np.cumsum(0.1 + 4 * np.interp(np.linspace(0, 300, 8000), np.arange(300), np.abs(x[:300]))))


@pytest.fixture(scope="session")
def figures(space, atlas, acoustic, text, holed, region_table):
    """One way to make each kind, from the scores it shows."""
    both = {"note": "simulated data", "style": STYLE}
    marked = {"significant": acoustic > 0.12, **both}
    third = 0.5 * (acoustic + text)[::-1]
    return {
        "accuracy": lambda x: score_map(np.where(np.isnan(holed), np.nan, x), space, atlas, **marked),
        "accuracy_fade": lambda x: score_map(x, space, atlas, **both),
        "accuracy_zoom": lambda x: score_map(x, space, atlas, view="zoom", zoom="auditory", contour=True, **marked),
        "accuracy_overview": lambda x: score_map(x, space, atlas, view="overview", **marked),
        "decoding": lambda x: decoding(clips(x.max() / 9), **both),
        "hierarchy": lambda x: hierarchy({"low": x, "middle": third, "high": text}, space, atlas, **both),
        "partition": lambda x: partition(
            {("acoustic",): x, ("text",): text, ("acoustic", "text"): third}, space, atlas, **marked
        ),
        "preference": lambda x: preference(x, 0.8 * text, space, atlas, names=("acoustic", "text"), **both),
        "regions": lambda x: regions(region_table().assign(score=lambda t: t["score"] + x[:9].mean()), **both),
        "scatter": lambda x: scatter(x, text, names=("acoustic", "text"), **both),
        "stimulus": lambda x: stimulus({"heard": tone(x), "retrieved": tone(text)}, 8000, **both),
        "subjects": lambda x: subjects({"sub-01": x, "sub-02": text, "sub-03": holed}, space, atlas, **both),
        "surface": lambda x: surface(np.where(np.isnan(holed), np.nan, x), space, atlas, **marked),
        "ternary": lambda x: ternary((x, text, third), space, atlas, names=("acoustic", "text", "music"), **both),
        "weights": lambda x: weights(np.stack([x, text, third]), space, atlas, **marked),
    }


def picture(result) -> np.ndarray:
    file = io.BytesIO()
    result.figure.savefig(file, format="png")
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def difference(one: np.ndarray, other: np.ndarray) -> float:
    if np.abs(np.subtract(one.shape, other.shape)).max() > 1:
        return np.inf
    rows, columns = np.minimum(one.shape, other.shape)[:2]
    blurred = [Image.fromarray(each[:rows, :columns]).filter(ImageFilter.GaussianBlur(BLUR)) for each in (one, other)]
    return float(np.sqrt(np.mean((np.asarray(blurred[0], dtype=float) - np.asarray(blurred[1])) ** 2)))


@pytest.mark.parametrize("kind", KINDS)
def test_looks_as_before(figures, acoustic, kind, tmp_path):
    seen, path = picture(figures[kind](acoustic)), BASELINE / f"{kind}.png"
    if os.environ.get("B2M_WRITE_BASELINE"):
        BASELINE.mkdir(exist_ok=True)
        Image.fromarray(seen).quantize(255).save(path, optimize=True)
    with Image.open(path) as image:
        wanted = np.asarray(image.convert("RGB"))
    assert path.stat().st_size < 60_000
    Image.fromarray(seen).save(tmp_path / f"{kind}.png")
    assert difference(seen, wanted) < TOLERANCE, f"compare {tmp_path / kind}.png with {path}"


@pytest.mark.parametrize("kind", ["accuracy_zoom", "preference", "regions", "scatter"])
def test_the_comparison_sees_other_scores(figures, text, kind):
    """Scores of another model, in the same places, are beyond the tolerance."""
    with Image.open(BASELINE / f"{kind}.png") as image:
        wanted = np.asarray(image.convert("RGB"))
    assert difference(picture(figures[kind](np.roll(text, 99) + 0.1)), wanted) > TOLERANCE


def test_the_comparison_does_not_see_a_shift_of_one_pixel():
    with Image.open(BASELINE / "regions.png") as image:
        wanted = np.asarray(image.convert("RGB"))
    assert difference(np.roll(wanted, 1, axis=1), wanted) < TOLERANCE
