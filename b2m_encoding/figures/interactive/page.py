"""The interactive page: one HTML file that contains its data, style and scripts and needs no network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from b2m_encoding import __version__
from b2m_encoding._typing import Floating
from b2m_encoding.figures.interactive.clips import Clip
from b2m_encoding.figures.interactive.content import View, ViewSubject
from b2m_encoding.figures.interactive.encode import (
    UNDERLAY,
    UNITS,
    coded,
    data_uri,
    encoded_colours,
    indices,
    sha256_source,
    surface,
)

SCRIPTS = ("decode.js", "raster.js", "paint.js", "outlines.js", "turn.js", "details.js", "region.js", "state.js",
           "draw.js", "solid.js", "export.js", "legend.js", "controls.js", "pointer.js", "main.js")  # fmt: skip
"""Scripts in the order in which the page runs them."""

SCORE, LIMIT, RESPONSE = 2e-4, 1e-3, 2e-2
"""Steps of scores, of their intervals and of responses to clips: the page rounds numbers alike."""


def interactive_page(view: View) -> str:
    """Build a self-contained HTML page; it works from a file, and every text in it is escaped.

    Parameters
    ----------
    view : View

    Returns
    -------
    str
        The page. Its browser needs DecompressionStream (Chromium 80, Firefox 113, Safari 16.4).

    Examples
    --------
    >>> from b2m_encoding.figures.colours import ScalarColours
    >>> from b2m_encoding.figures.interactive import Score, View, ViewMap, ViewSubject
    >>> from b2m_encoding.spaces import load_atlas, surface_space
    >>> atlas = load_atlas("hcp-mmp1", surface_space("fsaverage5"))
    >>> subject = ViewSubject("01", atlas, {"r": np.linspace(0, 1, 20484)})
    >>> map = ViewMap("r", "Accuracy", "prediction accuracy (r)", ("r",), ScalarColours(0, 1))
    >>> page = interactive_page(View("A study", [subject], [Score("r", "all features")], [map]))
    >>> len(page) < 700_000, page.count("<script")
    (True, 2)
    """
    script = "(() => {\n'use strict';\n" + "\n".join(_read(name) for name in SCRIPTS) + "\n})();\n"
    style = _read("style.css")
    environment = Environment(
        loader=PackageLoader("b2m_encoding.figures.interactive", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    return environment.get_template("page.html.j2").render(
        title=view.title,
        note=view.note,
        report=view.report,
        software=f"Made with b2m_encoding {__version__}.",
        style=Markup(style),
        script=Markup(script),
        data=Markup(_json(content(view))),
        style_hash=Markup(sha256_source([style])),
        script_hash=Markup(sha256_source([script])),
    )


def content(view: View) -> dict[str, Any]:
    """The data of the page in the form that its script reads."""
    atlases = list({id(subject.atlas): subject.atlas for subject in view.subjects}.values())
    places = {id(atlas): place for place, atlas in enumerate(atlases)}
    return {
        "title": view.title,
        "caption": view.caption,
        "level": view.level,
        "interval": view.interval,
        "featureSpaces": view.feature_spaces,
        "greys": UNDERLAY,
        "units": UNITS,
        "scores": [{"key": score.key, "title": score.title, "measure": score.measure} for score in view.scores],
        "maps": [
            {
                "key": drawn.key,
                "title": drawn.title,
                "label": drawn.label,
                "scores": drawn.scores,
                "strength": drawn.strength,
                "undecided": drawn.undecided,
                "masked": drawn.masked,
                "subjects": [i for i, subject in enumerate(view.subjects) if view.drawable(drawn, subject)],
                **encoded_colours(drawn.colours),
            }
            for drawn in view.maps
        ],
        "surfaces": [surface(atlas.space, atlas, view.zoom) for atlas in atlases],  # type: ignore[arg-type]
        "subjects": [_subject(subject, places[id(subject.atlas)]) for subject in view.subjects],
        "clips": _clips(view.clips),
    }


def _subject(subject: ViewSubject, place: int) -> dict[str, Any]:
    encoded: dict[str, Any] = {
        "name": subject.name,
        "surface": place,
        "scores": {key: coded(values, SCORE) for key, values in subject.scores.items()},
        "intervals": {key: [coded(low, LIMIT), coded(high, LIMIT)] for key, (low, high) in subject.intervals.items()},
        "q": None if subject.q is None else coded(subject.q),
        "own": {key: coded(values) for key, values in subject.own_q.items()},
        "preference": None if subject.preference is None else coded(subject.preference, 1.0),
        "courses": None,
        "best": None,
    }
    if (courses := subject.courses) is not None:
        encoded["courses"] = {
            "row": indices(courses.row),
            "measured": coded(courses.measured, _fine(courses.measured)),
            "predicted": coded(courses.predicted, _fine(courses.predicted)),
            "samples": courses.measured.shape[1],
            "step": courses.step,
            "about": courses.about,
        }
    if (best := subject.best) is not None:
        encoded["best"] = {
            "clips": indices(best.clips),
            "responses": coded(best.responses, RESPONSE),
            "number": best.clips.shape[1],
            "unit": best.unit,
        }
    return encoded


def _fine(values: Floating) -> float:
    """A step that is invisible in a curve."""
    finite = values[np.isfinite(values)]
    return float(np.ptp(finite)) / 500 if finite.size else 0.0


def _clips(clips: Sequence[Clip]) -> list[dict[str, Any]]:
    return [
        {
            "name": clip.name,
            "about": clip.about,
            "sounds": [{"label": sound.label, "source": data_uri(sound.content, sound.kind)} for sound in clip.sounds],
        }
        for clip in clips
    ]


def _json(value: Any) -> str:
    """JSON that no text in it can end: angle brackets and ampersands are written as escapes."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _read(name: str) -> str:
    return files("b2m_encoding.figures.interactive").joinpath(name).read_text(encoding="utf-8")
