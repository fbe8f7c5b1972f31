"""Figure of one score in a volume: slices on a background, and the glass brain where the volume is in MNI space."""

from __future__ import annotations

from typing import Any, Unpack

import nibabel as nib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

from b2m_encoding._typing import Booleans, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import ScalarColours, over, shared_limits
from b2m_encoding.figures.options import MapKeywords, MapOptions
from b2m_encoding.figures.page import MARGIN, FigureResult, Page, swatch
from b2m_encoding.figures.panels import centred_colour_bar
from b2m_encoding.io.shares import counted_share
from b2m_encoding.spaces import VolumeSpace

FOOTER, GAP, LINE = 12.0, 1.5, 3.5
GLASS = 0.27
"""Height of the glass brain over the width of the page."""
NARROW, WIDE = 4, 6
"""Slices side by side on pages up to 120 mm, and on wider ones."""
OUTSIDE, INSIDE = 1.0, 0.78
"""Greys without a background: outside the mask, and tested targets."""


def slices(
    scores: Floating,
    space: VolumeSpace,
    *,
    label: str = "prediction accuracy (r)",
    limits: tuple[float | None, float | None] = (0.0, None),
    background: NDArray[np.floating] | None = None,
    **keywords: Unpack[MapKeywords],
) -> FigureResult:
    """One score in axial slices through the volume, the left side of the brain on the left.

    Parameters
    ----------
    scores : array, shape (n_targets,)
        Any score; NaN is not tested.
    space : VolumeSpace
    label, limits
        As in :func:`~b2m_encoding.figures.score_map`.
    background : array, shape (x, y, z), optional
        A picture on the grid of the mask, such as the mean image. Default: the MNI152 template where the volume is in
        its space, with a glass brain (nilearn) above; else the mask.
    **keywords
        As in :func:`~b2m_encoding.figures.score_map`, without ``view`` and ``zoom``.
    """
    options = MapOptions(**keywords)
    style, (tested, shown) = options.style, _masks(scores, space, options)
    shared = shared_limits([np.asarray(scores)[shown]], *limits)
    colours = shared.colours(style.colour_map, masked=options.significant is not None)
    volume, grey, places = _oriented(scores, space, tested, shown, background)
    chosen = _chosen(volume, 2 * (WIDE if style.width_mm > 120 else NARROW))
    n_columns = min(len(chosen), WIDE if style.width_mm > 120 else NARROW)
    width = (style.width_mm - 2 * MARGIN - (n_columns - 1) * GAP) / n_columns
    zooms = np.linalg.norm(places[:3, :3], axis=0)
    height = width * volume.shape[1] * zooms[1] / (volume.shape[0] * zooms[0])
    glass = GLASS * style.width_mm if space.in_mni else 0.0
    n_rows = -(-len(chosen) // n_columns)
    top = options.header + MARGIN / 2
    with style.context():
        page = options.page(top + glass + n_rows * (height + LINE) + GAP + FOOTER)
        if glass:
            _glass(page, space, np.where(shown, scores, 0), colours, (MARGIN, top, style.width_mm - 2 * MARGIN, glass))
        for number, index in enumerate(chosen):
            row, column = divmod(number, n_columns)
            left, upper = MARGIN + column * (width + GAP), top + glass + row * (height + LINE)
            axes = page.panel(left, upper + LINE, width, height)
            _draw(axes, volume[..., index], grey[..., index], colours)
            z = places[2, 2] * index + places[2, 3]
            page.write(left + width / 2, upper + LINE / 2, f"z = {z:.0f} mm".replace("-", "\N{MINUS SIGN}"),
                       size=style.small_size, ha="center", va="center_baseline")  # fmt: skip
        foot = page.height - FOOTER + 1.5
        centred_colour_bar(page, foot, colours, label, shared.clipped)
        if options.significant is not None and background is None and not space.in_mni:
            swatch(page, MARGIN, foot - 0.5, (str(INSIDE),), "not significant")
        page.write(style.width_mm - MARGIN, foot, "left is left", size=style.small_size, ha="right", va="top")
    caption = options.caption(_sentences(label, space, tested, shown, options, background), [shared.sentence()])
    return FigureResult(page, caption, _table(scores, space, tested, options.significant))


def _masks(scores: Floating, space: VolumeSpace, options: MapOptions) -> tuple[Booleans, Booleans]:
    """Targets that were tested, and those in colour."""
    for name, array in (("scores", scores), ("tested", options.tested), ("significant", options.significant)):
        if array is not None and np.shape(array) != (space.n_targets,):
            raise InputError(f"{name} must have one value per voxel of the mask", found=np.shape(array),
                             expected=(space.n_targets,))  # fmt: skip
    tested = np.isfinite(scores) & (True if options.tested is None else np.asarray(options.tested, dtype=bool))
    return tested, tested if options.significant is None else tested & np.asarray(options.significant, dtype=bool)


def _oriented(
    scores: Floating, space: VolumeSpace, tested: Booleans, shown: Booleans, background: NDArray[np.floating] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """Scores in colour (else NaN) and grey background in the order right, anterior, superior, with their affine."""
    picture = nib.as_closest_canonical(space.to_image(np.where(shown, scores, np.nan)))
    if background is None and space.in_mni:
        background = _template(space)
    inside = nib.as_closest_canonical(space.to_image(tested.astype(np.float32)))
    grey = np.where(np.nan_to_num(inside.get_fdata()) > 0, INSIDE, OUTSIDE)
    if background is not None:
        if np.shape(background) != space.mask.shape:
            raise InputError(
                "the background lies on another grid", found=np.shape(background), expected=space.mask.shape
            )
        image = nib.as_closest_canonical(nib.Nifti1Image(np.asarray(background, dtype=np.float32), space.affine))
        values = np.nan_to_num(image.get_fdata())
        high = np.percentile(values[values > 0], 99) if (values > 0).any() else 1.0
        grey = np.where(values > 0.05 * high, 0.25 + 0.65 * np.clip(values / high, 0, 1), OUTSIDE)
    box = np.argwhere(grey < OUTSIDE)
    low, high = (box.min(axis=0), box.max(axis=0) + 1) if len(box) else (np.zeros(3, int), np.array(grey.shape))
    part = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    affine = picture.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ low
    return picture.get_fdata(dtype=np.float32)[part], grey[part].astype(np.float32), affine


def _template(space: VolumeSpace) -> NDArray[np.floating]:
    """The MNI152 template of nilearn on the grid of the mask."""
    from nilearn.datasets import load_mni152_template
    from nilearn.image import resample_img

    template = load_mni152_template(resolution=2)
    moved: Any = resample_img(template, space.affine, space.mask.shape, force_resample=True, copy_header=True)
    return np.asarray(moved.get_fdata(dtype=np.float32))


def _chosen(volume: NDArray[np.float32], n: int) -> list[int]:
    """Axial slices at equal distances through what is in colour, or through everything."""
    filled = np.flatnonzero(np.isfinite(volume).any(axis=(0, 1)))
    low, high = (filled[0], filled[-1]) if len(filled) else (0, volume.shape[2] - 1)
    return sorted({round(index) for index in np.linspace(low, high, min(n, high - low + 1)).tolist()})


def _draw(axes: Axes, values: NDArray[np.float32], grey: NDArray[np.float32], colours: ScalarColours) -> None:
    """One slice: scores over the background, anterior up."""
    table = colours.table[colours.codes(values)].astype(float) / 255
    opacity = np.where(np.isfinite(values), table[..., 3], 0)[..., None]
    picture = table[..., :3] * opacity + grey[..., None] * (1 - opacity)
    axes.imshow(np.clip(picture.transpose(1, 0, 2), 0, 1), origin="lower", aspect="auto", interpolation="none")
    axes.axis("off")


def _glass(page: Page, space: VolumeSpace, scores: Floating, colours: ScalarColours,
           place: tuple[float, float, float, float]) -> None:  # fmt: skip
    """The largest score along every line of sight, from the left, the back, the right and above."""
    from nilearn.plotting import plot_glass_brain

    table = over(colours.table, 1.0) / 255
    volume = np.zeros(space.mask.shape, dtype=np.float32)
    volume[space.mask] = scores
    display: Any = plot_glass_brain(
        nib.Nifti1Image(volume, space.affine) if volume.any() else None,
        display_mode="lyrz",
        axes=page.panel(*place),
        figure=page,
        colorbar=False,
        plot_abs=False,
        annotate=True,
        cmap=ListedColormap(table),
        vmin=colours.vmin,
        vmax=colours.vmax,
        threshold=1e-6,
        symmetric_cbar=False,
    )
    for axes in display.axes.values():
        for text in axes.ax.texts:
            text.set_fontsize(page.style.small_size)


def _sentences(label: str, space: VolumeSpace, tested: Booleans, shown: Booleans, options: MapOptions,
               background: NDArray[np.floating] | None) -> list[str]:  # fmt: skip
    where = (
        "the given image"
        if background is not None
        else "the MNI152 template"
        if space.in_mni
        else "the tested voxels (grey)"
    )
    n, found = int(tested.sum()), int(shown.sum())
    return [
        f"{label[:1].upper()}{label[1:]} in {space.name}: axial slices on {where}, the left side of "
        "the brain on the left.",
        "Above: the largest score along each line of sight (glass brain of nilearn)." if space.in_mni else "",
        f"{n:,} of {space.n_targets:,} voxels were tested"
        + (f"; {counted_share(found, n)} are {options.criterion}." if options.significant is not None else "."),
    ]


def _table(scores: Floating, space: VolumeSpace, tested: Booleans, significant: Booleans | None) -> pd.DataFrame:
    columns: dict[str, object] = dict(zip("xyz", np.round(space.points.T, 2), strict=True))
    columns |= {"score": np.asarray(scores, dtype=np.float32), "tested": tested}
    return pd.DataFrame(
        columns if significant is None else columns | {"significant": np.asarray(significant, dtype=bool)}
    )
