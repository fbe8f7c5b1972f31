"""Maps of a subject for other programs: command lines of freeview and wb_view, with the surfaces that they need."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np

from b2m_encoding.errors import InputError
from b2m_encoding.io.writing import write_all
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema import JOINT, maps
from b2m_encoding.spaces import HEMISPHERES, GrayordinateSpace, SurfaceSpace, VolumeSpace
from b2m_encoding.spaces.meshes import Hemisphere, Mesh

STRUCTURE = {"L": "CortexLeft", "R": "CortexRight"}
SCRIPTS = ("freeview.sh", "wb_view.sh")


def write_viewers(
    results: Results,
    subject: str,
    out: str | Path,
    shown: Sequence[tuple[str, str]] | Literal["all"] = ((JOINT, maps.R.stat),),
) -> list[Path]:
    """Write scripts that open maps of a subject in freeview and in wb_view.

    Parameters
    ----------
    results : Results
    subject : str
    out : path
        Folder of the scripts, and of the inflated surfaces (GIFTI without compression, which both programs read).
    shown : sequence of (str, str), or "all"
        Models and statistics of the maps, the one that is seen first in front.

    Returns
    -------
    list of Path
        ``freeview.sh`` and ``wb_view.sh``; the first is left out for grayordinates, which freeview does not read.

    Raises
    ------
    InputError
        If there is no such map, or the targets have no places.

    Notes
    -----
    Colours of freeview begin at the 50th percentile of the first map and are full at the 99th; in wb_view they are set
    by hand. The programs themselves are not needed here.
    """
    space, out = results.space(subject), Path(out)
    every = [(desc, stat) for desc, stats in results.stats(subject).items() for stat in stats]
    first = (JOINT, maps.R.stat)
    pairs = sorted(every, key=lambda one: one != first) if shown == "all" else list(shown)
    values = [results.map(subject, desc, stat) for desc, stat in pairs]  # an error names those that there are
    found = [[path.absolute() for path in results.map_files(subject, desc, stat)] for desc, stat in pairs]
    if not isinstance(space, SurfaceSpace | VolumeSpace | GrayordinateSpace):
        raise InputError(f"sub-{subject} has no maps that these programs show", file=results.path, found=space.name)
    limits = [float(np.nanpercentile(values[0], share)) for share in (50, 99)]
    surfaces, content = {}, {}
    if isinstance(space, SurfaceSpace):
        surfaces = {hemi: (out / f"{space.name}_hemi-{hemi}_inflated.surf.gii").absolute() for hemi in HEMISPHERES}
        content = {path: _gifti(space.files.mesh("inflated", hemi), hemi) for hemi, path in surfaces.items()}
    commands = {
        "wb_view.sh": ["wb_view", *map(str, surfaces.values()), *(str(one) for files in found for one in files)]
    }
    if not isinstance(space, GrayordinateSpace):
        commands["freeview.sh"] = _freeview(space, surfaces, found, limits)
    for name, words in commands.items():
        content[out / name] = f"#!/bin/sh\n{shlex.join(words)}\n".encode()
    out.mkdir(parents=True, exist_ok=True)
    write_all(content, "scripts for other programs cannot be written")
    return [out / name for name in SCRIPTS if name in commands]


def _freeview(
    space: SurfaceSpace | VolumeSpace, surfaces: dict[Hemisphere, Path], found: list[list[Path]], limits: list[float]
) -> list[str]:
    """Words of the command line of freeview."""
    ends = ",".join(f"{limit:.4g}" for limit in limits)
    if isinstance(space, VolumeSpace):
        return ["freeview", "-v", *(f"{files[0]}:colormap=heat:heatscale={ends}" for files in found)]
    words = ["freeview"]
    for i, path in enumerate(surfaces.values()):
        words += ["-f", str(path) + "".join(f":overlay={files[i]}:overlay_threshold={ends}" for files in found)]
    return words


def _gifti(mesh: Mesh, hemi: Hemisphere) -> bytes:
    """A surface in GIFTI, with the structure that wb_view asks for."""
    arrays = [
        nib.gifti.GiftiDataArray(values.astype(kind), intent=intent)
        for values, kind, intent in (
            (mesh.points, np.float32, "NIFTI_INTENT_POINTSET"), (mesh.triangles, np.int32, "NIFTI_INTENT_TRIANGLE"),
        )
    ]  # fmt: skip
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": STRUCTURE[hemi], "GeometricType": "Inflated"})
    arrays[0].meta = meta
    content: bytes = nib.gifti.GiftiImage(darrays=arrays, meta=meta).to_xml()
    return content
