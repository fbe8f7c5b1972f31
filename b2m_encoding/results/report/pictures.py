"""Pictures of the report: figures of a results folder, scaled down and embedded in the page."""

from __future__ import annotations

import base64
import glob
import io
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from b2m_encoding.io.names import in_words
from b2m_encoding.results.report.content import Link, Picture
from b2m_encoding.results.schema.files import FIGURES

WIDTH, SMALL = 1400, 720
"""Largest width in pixels: on a page, and side by side."""
QUALITY = 92
"""Quality of WebP, a quarter of the size of PNG; the figure itself is in the results."""
TITLES = {
    "accuracy": "Prediction accuracy",
    "preference": "Preferred feature space",
    "ternary": "Three feature spaces",
    "partition": "Variance partitioning",
    "scatter": "One model against another",
    "subjects": "All subjects",
    "regions": "Prediction accuracy by region",
    "hierarchy": "Best feature space",
    "stacking": "Stacking weights",
    "weights": "Components of the weights",
    "tags": "What regions respond to",
    "tagprofile": "Tags of regions",
    "tagmap": "Preferred feature with a name",
    "learning": "Learning curves",
    "decoding": "Identification of clips",
    "unheard": "Identification without the group of a clip in training",
    "slices": "Prediction accuracy, slices",
    "distribution": "Distribution of the prediction accuracy",
    "group": "Group",
    "quality": "Motion and signal",
    "design": "Features",
    "ceiling": "Noise ceiling",
    "delays": "Delay curves",
    "lag": "Delay of the largest weights",
    "timecourses": "Measured and predicted",
    "profile": "Profile of regions",
    "surface": "Inflated cortex",
}
NAME = re.compile(r"(?:sub-(?P<subject>[^_]+)_)?(?P<kind>[a-z]+)(?P<rest>(?:_.+)?)")


def pictures(
    folder: Path, kinds: tuple[str, ...], subject: str | None, made: dict[tuple[Path, int], str], *, small: bool = False
) -> Iterator[Picture]:
    """Embed the figures of some kinds: of a subject, or of all subjects together (``None``).

    ``made`` keeps what was embedded, for other pages of the same report.
    """
    width = SMALL if small else WIDTH
    for kind in kinds:
        for png in sorted((folder / FIGURES).glob("*.png")):
            found = NAME.fullmatch(png.stem)
            caption = png.with_suffix(".txt")
            if found and found["kind"] == kind and found["subject"] == subject and caption.is_file():
                rest = in_words(found["rest"])
                text, origin = read_caption(caption)
                text = text.removeprefix(f"sub-{subject}. ")
                if (png, width) not in made:
                    made[png, width] = embedded(png, width)
                title = f"{TITLES.get(kind, kind)}{rest}"
                yield Picture(title, text, made[png, width], _files(png), origin)


def read_caption(path: Path) -> tuple[str, str]:
    """Caption of a figure, and its other paragraphs: details and origin."""
    text, _, rest = path.read_text(encoding="utf-8").strip().partition("\n\n")
    return text, " ".join(rest.split())


def _files(png: Path) -> list[Link]:
    """Links to a figure, its numbers and its caption, as files beside the page."""
    found = sorted(png.parent.glob(f"{glob.escape(png.stem)}.*"))
    return [Link(quote(f"{FIGURES}/{file.name}"), file.suffix[1:].upper()) for file in found]


def embedded(png: Path, width: int = WIDTH) -> str:
    """Encode a picture as a data URI, no wider than ``width`` pixels."""
    with Image.open(png) as image:
        picture = image.convert("RGB")
        if picture.width > width:
            size = (width, round(picture.height * width / picture.width))
            picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        stream = io.BytesIO()
        picture.save(stream, "WEBP", quality=QUALITY, method=2)  # twice as fast as the default, 4 % larger
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
