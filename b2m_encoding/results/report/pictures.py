"""Pictures of the report: the figures of a results folder, made small enough to travel within the page."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from b2m_encoding.results.report.content import Picture

FIGURES = "figures"
WIDTH, SMALL = 1400, 720
"""Largest width in pixels: on a page, and side by side."""
QUALITY = 92
"""Of WebP: a quarter of the size of PNG; the figure itself lies in the results, whole."""
TITLES = {
    "accuracy": "Prediction accuracy",
    "preference": "Component preference",
    "ternary": "Three feature spaces",
    "partition": "Variance partitioning",
    "scatter": "One model against another",
    "subjects": "All subjects",
    "regions": "Prediction accuracy by region",
    "hierarchy": "Best feature space",
    "weights": "Components of the weights",
    "decoding": "Identification of clips",
    "surface": "Inflated cortex",
}
NAME = re.compile(r"(?:sub-(?P<subject>[^_]+)_)?(?P<kind>[a-z]+)(?P<rest>(?:_.+)?)")


def pictures(folder: Path, kinds: tuple[str, ...], subject: str | None, *, small: bool = False) -> Iterator[Picture]:
    """Figures of some kinds: of a subject, or those of all subjects together."""
    for kind in kinds:
        for png in sorted((folder / FIGURES).glob("*.png")):
            found = NAME.fullmatch(png.stem)
            caption = png.with_suffix(".txt")
            if found and found["kind"] == kind and found["subject"] == subject and caption.is_file():
                rest = found["rest"].replace("_", " ")
                text = caption.read_text(encoding="utf-8").strip()
                yield Picture(f"{TITLES.get(kind, kind)}{rest}", text, embedded(png, SMALL if small else WIDTH))


def embedded(png: Path, width: int = WIDTH) -> str:
    """A picture as a data URI, no wider than ``width`` pixels."""
    with Image.open(png) as image:
        picture = image.convert("RGB")
        if picture.width > width:
            size = (width, round(picture.height * width / picture.width))
            picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        stream = io.BytesIO()
        picture.save(stream, "WEBP", quality=QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
