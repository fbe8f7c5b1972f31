"""The page of a blind listening test: one HTML file with its sounds, which are named by numbers without meaning."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from b2m_encoding import __version__
from b2m_encoding.errors import InputError
from b2m_encoding.figures.interactive.encode import sha256_source

KINDS = {b"RIFF": "audio/wav", b"ID3": "audio/mpeg", b"OggS": "audio/ogg", b"fLaC": "audio/flac"}
"""Type of a sound by its first bytes; others are MP3 without a header."""


@dataclass(frozen=True)
class BlindTrial:
    """A reference and two alternatives, by the names of their sounds; nothing tells which alternative is right."""

    trial: str
    reference: str
    a: str
    b: str


def listening_test_page(
    page: str, trials: Sequence[BlindTrial], sounds: Mapping[str, bytes], note: str | None = None
) -> str:
    """Render the page.

    Parameters
    ----------
    page : str
        Identifier of the test, which comes back with the answers.
    trials : sequence of BlindTrial
        In an order without meaning: the page draws one for each listener.
    sounds : mapping of str to bytes
        Content of WAV or MP3 files.
    note : str, optional
        "simulated data".

    Returns
    -------
    str
        HTML that needs no other file and nothing of the network.

    Raises
    ------
    InputError
        If there is no trial, or a trial names a sound that is missing.
    """
    names = {name for trial in trials for name in (trial.reference, trial.a, trial.b)}
    if not trials or (missing := sorted(names - set(sounds))):
        raise InputError("a listening test needs trials with their sounds", found=missing if trials else "no trial")
    room = files("b2m_encoding.figures")
    style, script = (room.joinpath(name).read_text("utf-8") for name in ("listening.css", "listening_test.js"))
    content = {
        "page": page,
        "trials": [asdict(trial) for trial in trials],
        "sounds": {name: _address(sound) for name, sound in sounds.items()},
    }
    environment = Environment(
        loader=PackageLoader("b2m_encoding.figures", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    return environment.get_template("listening_test.html.j2").render(
        count=len(trials),
        note=note,
        test=Markup(json.dumps(content).replace("<", "\\u003c")),
        software=f"Made with b2m_encoding {__version__}.",
        style=Markup(style),
        script=Markup(script),
        style_hash=Markup(sha256_source([style])),
        script_hash=Markup(sha256_source([script])),
    )


def _address(sound: bytes) -> str:
    kind = next((kind for start, kind in KINDS.items() if sound.startswith(start)), "audio/mpeg")
    return f"data:{kind};base64,{base64.b64encode(_anonymous(sound)).decode('ascii')}"


def _anonymous(sound: bytes) -> bytes:
    """The sound without the texts in its file, such as the title that a player would show."""
    if sound.startswith(b"RIFF"):
        return _without_list(sound)
    if sound.startswith(b"ID3"):
        size = sum(byte << shift for byte, shift in zip(sound[6:10], (21, 14, 7, 0), strict=True))
        sound = sound[10 + size :]
    return sound[:-128] if sound[-128:-125] == b"TAG" else sound


def _without_list(sound: bytes) -> bytes:
    """A WAV file of its format and samples alone."""
    parts, place = [], 12
    while place + 8 <= len(sound):
        stop = place + 8 + int.from_bytes(sound[place + 4 : place + 8], "little")
        if sound[place : place + 4] in (b"fmt ", b"fact", b"data"):
            parts.append(sound[place : stop + stop % 2])
        place = stop + stop % 2
    body = b"WAVE" + b"".join(parts)
    return b"RIFF" + len(body).to_bytes(4, "little") + body
