"""The listening page: what was heard, retrieved and reconstructed, side by side, as one HTML file beside its sounds."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePosixPath
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from b2m_encoding import __version__
from b2m_encoding.errors import InputError
from b2m_encoding.figures.interactive.encode import sha256_source

SCRIPT = """\
document.addEventListener('play', (event) => {
  for (const sound of document.querySelectorAll('audio')) if (sound !== event.target) sound.pause();
}, true);
"""
"""One sound at a time."""


@dataclass(frozen=True)
class Excerpt:
    """A sound of one trial.

    Parameters
    ----------
    label : str
        "heard", "retrieved", "musicldm" ...
    file : str
        Relative to the page, with forward slashes.
    about : str
        Title and artist of a recording, or how a sound was made.
    facts : tuple of str
        Rank, similarity, genre.
    look : str
        Its mel spectrum as a data URI; see :func:`spectrum_picture`.
    """

    label: str
    file: str
    about: str = ""
    facts: tuple[str, ...] = ()
    look: str = ""

    def __post_init__(self) -> None:
        path = PurePosixPath(self.file)
        if not self.file or path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or "\\" in self.file:
            raise InputError("a sound must lie beside the page", found=self.file, expected="a relative path below it")

    @property
    def address(self) -> str:
        """As a link."""
        return quote(self.file)


@dataclass(frozen=True)
class Trial:
    """One clip as one subject heard it, and what was made of the responses."""

    subject: str
    clip: str
    excerpts: tuple[Excerpt, ...]
    about: str = ""


@dataclass(frozen=True)
class Listening:
    """Content of the page.

    Parameters
    ----------
    title : str
    trials : sequence of Trial
    note : str, optional
        "simulated data".
    caption : str
        What was done, for a reader who sees this page alone.
    numbers : sequence of sequence of str
        A table of results, its header first.
    report : str
        Address of the report, if there is one.
    """

    title: str
    trials: Sequence[Trial]
    note: str | None = None
    caption: str = ""
    numbers: Sequence[Sequence[str]] = ()
    report: str = ""


def listening_page(content: Listening) -> str:
    """The page as HTML: it works from a file, asks nothing of the network, and every text in it is escaped.

    Parameters
    ----------
    content : Listening

    Returns
    -------
    str

    Examples
    --------
    >>> excerpts = Excerpt("heard", "sub-01/heard.mp3"), Excerpt("retrieved", "sub-01/a b.mp3")
    >>> trial = Trial("01", "blues.00017", excerpts)
    >>> page = listening_page(Listening("A <study>", [trial]))
    >>> "A &lt;study&gt;" in page, 'src="sub-01/a%20b.mp3"' in page, page.count("<audio")
    (True, True, 2)
    """
    style = files("b2m_encoding.figures").joinpath("listening.css").read_text(encoding="utf-8")
    environment = Environment(
        loader=PackageLoader("b2m_encoding.figures", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    subjects: dict[str, list[Trial]] = {}
    for trial in content.trials:
        subjects.setdefault(trial.subject, []).append(trial)
    return environment.get_template("listening.html.j2").render(
        content=content,
        subjects=subjects,
        software=f"Made with b2m_encoding {__version__}.",
        style=Markup(style),
        script=Markup(SCRIPT),
        style_hash=Markup(sha256_source([style])),
        script_hash=Markup(sha256_source([SCRIPT])),
    )


def spectrum_picture(levels: NDArray[np.floating]) -> str:
    """Encode a spectrum as a small picture, low tones at the bottom, dark where it is silent.

    Parameters
    ----------
    levels : array, shape (n_frames, n_bands)
        Logarithmic levels; shown are the highest 60 % of their range.

    Returns
    -------
    str
        Data URI of a grey WebP picture.
    """
    high, low = float(levels.max()), float(levels.min())
    low += 0.4 * (high - low)
    shown = np.clip((levels - low) / max(high - low, 1e-12), 0, 1).T[::-1]
    stream = io.BytesIO()
    Image.fromarray((255 * shown).astype(np.uint8)).save(stream, "WEBP", quality=60)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
