"""Figure of sounds: spectrograms of presented, retrieved and generated sounds, with the same colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import ScalarColours
from b2m_encoding.figures.options import PageKeywords, PageOptions
from b2m_encoding.figures.page import MARGIN, FigureResult, shortened
from b2m_encoding.figures.panels import centred_colour_bar

WINDOW, HOP = 0.064, 0.016
"""Seconds of a frame, and between frames."""
LOWEST, HIGHEST, BANDS = 60.0, 8000.0, 160
RANGE = 60.0
"""Range of levels below the loudest point, dB."""
AXIS, TITLE, FOOTER, GAP = 11.0, 4.5, 11.0, 2.0
HIGHEST_ROW = 26.0
TICKS = (100, 300, 1000, 3000)


def stimulus(
    sounds: Mapping[str, NDArray[Any]],
    rate: int,
    **keywords: Unpack[PageKeywords],
) -> FigureResult:
    """Spectrograms one below the other, on the same scale of time, frequency and level.

    Parameters
    ----------
    sounds : mapping of str to array, shape (n_samples,)
        Mono sounds, for instance ``heard``, ``retrieved`` and ``generated``.
    rate : int
        Sampling rate of all sounds, Hz.
    **keywords
        ``title``, ``note``, ``style`` and ``origin``, as in :class:`~b2m_encoding.figures.PageOptions`.

    Notes
    -----
    Power of 64 ms Hann frames, on a logarithmic scale of frequency, in decibels below the loudest point of each sound:
    clips of different loudness look alike.
    """
    options = PageOptions(**keywords)
    style = options.style
    pictures = {name: _spectrogram(np.asarray(wave, dtype=np.float64), rate, name) for name, wave in sounds.items()}
    if not pictures:
        raise InputError("no sound to draw")
    seconds = max(len(wave) for wave in sounds.values()) / rate
    header = options.header
    room = style.max_height_mm - header - MARGIN - FOOTER - 5
    height = min(HIGHEST_ROW, room / len(pictures) - TITLE - GAP)
    if height < 5:
        raise InputError("too many sounds for one page", found=len(pictures), fix="draw them in several figures")
    colours = ScalarColours(-RANGE, 0.0, style.colour_map)
    with style.context():
        page = options.page(header + MARGIN + len(pictures) * (height + TITLE + GAP) + 5 + FOOTER)
        left, width = MARGIN + AXIS, style.width_mm - 2 * MARGIN - AXIS - 2
        for row, (name, picture) in enumerate(pictures.items()):
            top = header + MARGIN / 2 + row * (height + TITLE + GAP)
            if len(pictures) > 1:
                page.letter(MARGIN, top, "abcdefghijklmnopqrstuvwxyz"[row % 26])
            page.write(left, top + TITLE / 2, shortened(name, style.text_size, width, style), va="center_baseline")
            axes = page.panel(left, top + TITLE, width, height)
            _draw(axes, picture, colours, seconds, last=row == len(pictures) - 1)
        centred_colour_bar(page, page.height - FOOTER + 1.5, colours, "level (dB)", (False, False))
    sentences = [
        f"Spectrograms of {', '.join(pictures)}: power of {1000 * WINDOW:g} ms frames, {LOWEST:g} to "
        f"{min(HIGHEST, rate / 2):g} Hz, in decibels below the loudest point of each; the range is {RANGE:g} dB.",
    ]
    table = pd.concat([_table(name, picture) for name, picture in pictures.items()], ignore_index=True)
    return FigureResult(page, options.caption(sentences), table)


def frequencies(rate: int) -> NDArray[np.float64]:
    """Centres of the bands, Hz."""
    return np.geomspace(LOWEST, min(HIGHEST, rate / 2), BANDS)


def _spectrogram(wave: NDArray[np.float64], rate: int, name: str) -> NDArray[np.float64]:
    """Decibels below the loudest point, shape (n_bands, n_frames)."""
    length = round(WINDOW * rate)
    if wave.ndim != 1 or len(wave) < length:
        raise InputError("sound too short to draw", found=f"{name}: shape {wave.shape}", expected=f">= {WINDOW:g} s")
    transform = ShortTimeFFT(hann(length, sym=False), round(HOP * rate), rate)
    power = transform.spectrogram(wave, k_offset=0)[:, : transform.upper_border_begin(len(wave))[1]]
    place = np.interp(frequencies(rate), transform.f, np.arange(len(transform.f)))
    low = np.minimum(place.astype(int), len(transform.f) - 2)
    share = (place - low)[:, None]
    bands = (1 - share) * power[low] + share * power[low + 1]
    loudest = bands.max()
    if not np.isfinite(loudest):
        raise InputError("a sound holds values that are not finite", found=name)
    decibels = 10 * np.log10(np.maximum(bands / loudest if loudest > 0 else bands, 10 ** (-RANGE / 10)))
    return np.asarray(decibels)


def _draw(axes: Axes, picture: NDArray[np.float64], colours: ScalarColours, seconds: float, *, last: bool) -> None:
    low, high = np.log10(LOWEST), np.log10(HIGHEST)
    axes.imshow(colours.table[colours.codes(picture)], origin="lower", aspect="auto", interpolation="none",
                extent=(0, picture.shape[1] * HOP, low, high))  # fmt: skip
    axes.set(xlim=(0, seconds), ylim=(low, high))
    axes.set_yticks(np.log10(TICKS), [f"{tick / 1000:g}" for tick in TICKS])
    axes.set_ylabel("kHz", parse_math=False)
    if last:
        axes.set_xlabel("time (s)", labelpad=1.5, parse_math=False)
    else:
        axes.set_xticklabels([])


def _table(name: str, picture: NDArray[np.float64]) -> pd.DataFrame:
    """Mean level of eight groups of bands over time, a compact form of the picture."""
    bands = np.array_split(np.arange(len(picture)), 8)
    frames = np.arange(picture.shape[1])
    columns = {f"band_{i + 1}_dB": picture[rows].mean(axis=0) for i, rows in enumerate(bands)}
    return pd.DataFrame({"sound": name, "seconds": (frames + 0.5) * HOP, **columns})
