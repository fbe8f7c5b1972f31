"""Builds the page: one HTML file that holds its data, style and script, and asks nothing of the network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from b2m_encoding import __version__
from b2m_encoding.figures.colours import Floats
from b2m_encoding.figures.interactive.content import View, ViewSubject
from b2m_encoding.figures.interactive.encode import (
    GREYS,
    UNITS,
    coded,
    colours,
    data_uri,
    indices,
    sha256_source,
    surface,
)
from b2m_encoding.figures.interactive.heard import Clip

SCRIPTS = ("decode.js", "raster.js", "paint.js", "outlines.js", "details.js", "state.js", "draw.js", "legend.js",
           "controls.js", "pointer.js", "main.js")  # fmt: skip
"""In the order in which the page runs them."""

SCORE, LIMIT, RESPONSE = 2e-4, 1e-3, 2e-2
"""Steps of scores, of their intervals and of responses to clips: what the page writes is rounded as the number was."""


def interactive_page(view: View) -> str:
    """One self-contained HTML page; it works from a file, and every text in it is escaped.

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
        software=f"Made with b2m_encoding {__version__}.",
        style=Markup(style),
        script=Markup(script),
        data=Markup(_json(content(view))),
        style_hash=Markup(sha256_source([style])),
        script_hash=Markup(sha256_source([script])),
    )


def content(view: View) -> dict[str, Any]:
    """The data of the page, as its script reads them."""
    atlases = list({id(subject.atlas): subject.atlas for subject in view.subjects}.values())
    places = {id(atlas): place for place, atlas in enumerate(atlases)}
    return {
        "title": view.title,
        "caption": view.caption,
        "level": view.level,
        "interval": view.interval,
        "featureSpaces": view.feature_spaces,
        "greys": GREYS,
        "units": UNITS,
        "scores": [{"key": one.key, "title": one.title, "measure": one.measure} for one in view.scores],
        "maps": [
            {
                "key": one.key,
                "title": one.title,
                "label": one.label,
                "scores": one.scores,
                "strength": one.strength,
                "subjects": [i for i, subject in enumerate(view.subjects) if view.drawable(one, subject)],
                **colours(one.colours),
            }
            for one in view.maps
        ],
        "surfaces": [surface(atlas.space, atlas, view.zoom) for atlas in atlases],  # type: ignore[arg-type]
        "subjects": [_subject(one, places[id(one.atlas)]) for one in view.subjects],
        "clips": _clips(view.clips),
    }


def _subject(one: ViewSubject, place: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": one.name,
        "surface": place,
        "scores": {key: coded(values, SCORE) for key, values in one.scores.items()},
        "intervals": {key: [coded(low, LIMIT), coded(high, LIMIT)] for key, (low, high) in one.intervals.items()},
        "q": None if one.q is None else coded(one.q),
        "preference": None if one.preference is None else coded(one.preference, 1.0),
        "courses": None,
        "best": None,
    }
    if (courses := one.courses) is not None:
        found["courses"] = {
            "row": indices(courses.row),
            "measured": coded(courses.measured, _fine(courses.measured)),
            "predicted": coded(courses.predicted, _fine(courses.predicted)),
            "samples": courses.measured.shape[1],
            "step": courses.step,
            "about": courses.about,
        }
    if (best := one.best) is not None:
        found["best"] = {
            "clips": indices(best.clips),
            "responses": coded(best.responses, RESPONSE),
            "number": best.clips.shape[1],
            "unit": best.unit,
        }
    return found


def _fine(values: Floats) -> float:
    """A step that no eye sees in a curve."""
    known = values[np.isfinite(values)]
    return float(np.ptp(known)) / 500 if known.size else 0.0


def _clips(clips: Sequence[Clip]) -> list[dict[str, Any]]:
    return [
        {
            "name": clip.name,
            "about": clip.about,
            "sounds": [{"label": one.label, "source": data_uri(one.content, one.kind)} for one in clip.sounds],
        }
        for clip in clips
    ]


def _json(value: Any) -> str:
    """JSON that no text in it can end: angle brackets and ampersands are written as escapes."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _read(name: str) -> str:
    return files("b2m_encoding.figures.interactive").joinpath(name).read_text(encoding="utf-8")
