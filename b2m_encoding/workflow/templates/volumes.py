"""Look at a folder of NIfTI series without BIDS names, and write a study of one subject."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import nibabel as nib
from nibabel.filebasedimages import ImageFileError

from b2m_encoding.data.cleaning import Cleaning
from b2m_encoding.data.recording import Recording
from b2m_encoding.data.sources.files import VolumeSource
from b2m_encoding.errors import InputError
from b2m_encoding.workflow.templates.arrays import event_tables, run_names
from b2m_encoding.workflow.templates.compose import clip_lines, path_text, quoted
from b2m_encoding.workflow.templates.sounds import find_sounds
from b2m_encoding.workflow.templates.survey import Survey, condition_column, conditions_of

ENDINGS = (".nii", ".nii.gz")
MNI = 4
"""Code of the affine of images in MNI space (NIfTI-1)."""
WHICH = '# affine = "sform"   # FILL IN: two affines disagree in the images; the right one is "sform" or "qform"'


def find_volumes(folder: Path) -> tuple[list[Path], list[Path]]:
    """Series of volumes below a folder, and masks: single volumes with ``mask`` in their names."""
    series, masks = [], []
    for path in sorted(path for path in folder.rglob("*") if path.name.endswith(ENDINGS) and path.name[0] != "."):
        try:
            shape = nib.load(path).shape
        except (OSError, ImageFileError):
            continue
        if len(shape) == 4 and shape[3] > 1:
            series.append(path)
        elif "mask" in path.name.lower():
            masks.append(path)
    return series, masks


def survey_volumes(series: Sequence[Path], masks: Sequence[Path], root: Path, folder: Path) -> tuple[Survey, list[str]]:
    """What series of volumes hold that can be analysed, and the lines of ``[data]``, with paths relative to ``folder``.

    Parameters
    ----------
    series, masks : sequence of Path
        Of :func:`find_volumes`.
    root : Path
        The folder that was looked at, for events and sounds.
    folder : Path
        Where the study will lie.

    Raises
    ------
    InputError, ProblemList
        If there is not one mask, or a series cannot be read.
    """
    if len(masks) != 1:
        found = ", ".join(path.name for path in masks) or "none"
        fix = "put one mask beside the series, or make one: nilearn.masking.compute_epi_mask"
        raise InputError("series of volumes need one mask", file=root, found=found, expected="mask.nii.gz", fix=fix)
    runs = run_names([path.name.partition(".")[0] for path in series])
    tables = [root / table for table in event_tables(root, runs)]
    images, events = (dict(zip(runs, paths, strict=True)) if paths else {} for paths in (series, tables))
    in_mni = int(nib.load(series[0]).header["sform_code"]) == MNI
    space = "MNI152NLin2009cAsym" if in_mni else "scanner"
    source = VolumeSource(reader="volume", images=images, mask=masks[0], events=events, space=space)
    recording, places = _read(source)
    sounds, column = find_sounds(root, [recording]), condition_column([recording])
    conditions = conditions_of([recording], column) if column else ()
    about = Survey(root, None, source.space, ("01",), runs, (recording,), column, conditions, sounds, {})
    data = [
        "[data]",
        'reader = "volume"',
        f"mask = {path_text(masks[0], folder)}",
        f"space = {quoted(source.space)}   # MNI152NLin2009cAsym is drawn on the cortex, scanner in slices",
        *places,
        *clip_lines(about),
        f"# trust_header = false   # and tr = ..., if the headers are wrong: {recording.responses.runs.tr:g} s",
        "# discard = 10.0                             # s at the start of each run",
    ]
    for key, paths in (("images", images), ("events", events)):
        lines = (f"{quoted(run)} = {path_text(path, folder)}" for run, path in paths.items())
        data += ["", f"[data.{key}]", *lines] if paths else []
    return about, data


def _read(source: VolumeSource) -> tuple[Recording, list[str]]:
    """The recording; where only the user knows which of two affines is right, also a line of ``[data]`` to fill in."""
    try:
        return source.read("01", Cleaning()), []
    except InputError:
        either = source.model_copy(update={"affine": "sform"})  # for all that does not depend on the place
        with suppress(InputError):
            return either.read("01", Cleaning()), [WHICH]
        raise
