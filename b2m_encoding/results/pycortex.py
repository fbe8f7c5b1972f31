"""All maps of a subject for pycortex: a subject of a filestore, and a data set with a view of each map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import ScalarColours
from b2m_encoding.figures.pycortex import add_subject, load_pycortex, to_vertex
from b2m_encoding.figures.pycortex_store import quiet
from b2m_encoding.io.removal import replacing_path
from b2m_encoding.io.writing import reported_as_input_error
from b2m_encoding.results.browse import ReadResults
from b2m_encoding.spaces import SurfaceSpace


def to_pycortex(
    results: ReadResults,
    subject: str,
    filestore: str | Path,
    *,
    name: str | None = None,
    file: str | Path | None = None,
) -> Any:
    """Give pycortex the surface of a subject and all its maps.

    Parameters
    ----------
    results : Results
    subject : str
        Its maps lie on a surface.
    filestore : path
        Folder of subjects of pycortex; created if need be. A subject that it has is taken as it is.
    name : str, optional
        Name of the subject there; default: that of the surface (``fsaverage5``).
    file : path, optional
        HDF5 file to save the data set to, which ``cortex.load`` opens.

    Returns
    -------
    cortex.Dataset
        A ``Vertex`` of every map, named ``joint_r``, and described by its JSON. Colours run from the first to the 99th
        percentile.

    Raises
    ------
    InputError
        If pycortex is not installed, the maps do not lie on a surface or not on that of the filestore's subject, or the
        file cannot be written.

    Notes
    -----
    For volumes see :func:`b2m_encoding.figures.pycortex.to_volume`.
    """
    subject = subject.removeprefix("sub-")
    space = results.space(subject)
    if not isinstance(space, SurfaceSpace):
        fix = "of volumes, figures.pycortex.to_volume makes views"
        raise InputError(
            f"the maps of sub-{subject} do not lie on a surface", file=results.path, found=space.name, fix=fix
        )
    name, store = name or space.name, Path(filestore).expanduser().absolute()
    if not (store / name).exists():
        add_subject(space, store, name)
    cortex, views = load_pycortex(store), {}
    for desc, stats in results.stats(subject).items():
        for stat in stats:
            values = results.map(subject, desc, stat)
            about = str(results.sidecar(subject, desc, stat).get("Description", ""))
            views[f"{desc}_{stat}"] = to_vertex(cortex, values, name, _colours(values), about)
    found = cortex.Dataset(**views)
    if file is not None:
        with (
            reported_as_input_error("the maps cannot be saved", Path(file)),
            replacing_path(Path(file)) as partial,
            quiet(),
        ):
            found.save(str(partial))
            found.h5.close()
    return found


def _colours(values: Any) -> ScalarColours:
    """From the first to the 99th percentile; around the value where all are equal."""
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, [1, 99]) if len(known) else (0.0, 1.0)
    return ScalarColours(float(low), float(high if high > low else low + 1))
