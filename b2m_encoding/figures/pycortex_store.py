"""pycortex without files in the home folder: import, filestore, and new subjects in a filestore."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import sys
import warnings
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib
import nibabel as nib
import numpy as np

from b2m_encoding.errors import InputError
from b2m_encoding.figures.flatmap import BOTH
from b2m_encoding.io.cache import cache_folder
from b2m_encoding.io.removal import move, temporary_folder
from b2m_encoding.io.writing import reported_as_input_error
from b2m_encoding.spaces import SurfaceSpace, VolumeSpace
from b2m_encoding.spaces.folders import pycortex_filestore
from b2m_encoding.spaces.meshes import MeshKind

FOLDERS = ("surfaces", "surface-info", "transforms", "anatomicals", "cache", "views")
MESHES: dict[MeshKind, str] = {"white": "wm", "pial": "pia", "inflated": "inflated", "flat": "flat"}


def load_pycortex(filestore: str | Path | None = None) -> Any:
    """Import pycortex without writing into the home folder, and set its filestore.

    On import pycortex writes a configuration that permanently names the filestore of its build environment. Here it
    reads a private configuration instead: the user's settings with the given filestore.

    Parameters
    ----------
    filestore : path, optional
        Folder of subjects; default: that of the user's configuration, or the one installed with pycortex.

    Returns
    -------
    module
        ``cortex``; its database is global.

    Raises
    ------
    InputError
        If pycortex is not installed, or there is no such folder.
    """
    if importlib.util.find_spec("cortex") is None:
        raise InputError("pycortex is not installed", fix='pip install --no-cache-dir "b2m-encoding[pycortex]"')
    store = Path(filestore).expanduser().absolute() if filestore else pycortex_filestore()
    if not store.is_dir():
        raise InputError("pycortex has no such filestore", file=store, fix="create it with add_subject(space, store)")
    cortex = sys.modules["cortex"] if "cortex" in sys.modules else _first_import(store)
    if cortex.db.filestore != str(store):
        cortex.db.filestore = str(store)
        cortex.db._memocache = {}  # meshes are cached by the name of the subject alone
    cortex.db.reload_subjects()
    options = cortex.options.config
    if not os.access(store, os.W_OK):
        options.set("basic", "cache", str(cache_folder() / "pycortex"))
    elif options.get("basic", "cache", fallback="") == str(cache_folder() / "pycortex"):
        options.remove_option("basic", "cache")
    return cortex


def _first_import(store: Path) -> Any:
    config = ConfigParser()
    home = os.environ.get("XDG_CONFIG_HOME")
    config.read(Path(home or Path.home() / ".config", "pycortex", "options.cfg"))
    colormaps = Path(sys.prefix, "share", "pycortex", "colormaps")
    for section, key, value in (("basic", "filestore", store), ("webgl", "colormaps", colormaps)):
        if value.is_dir():
            if not config.has_section(section):
                config.add_section(section)
            config.set(section, key, str(value))
    matplotlib.get_configdir()  # settled now: it would follow the variable below
    with TemporaryDirectory(prefix="b2m-pycortex-") as folder:
        private = Path(folder, "pycortex", "options.cfg")
        private.parent.mkdir()
        with private.open("w", encoding="utf-8") as stream:
            config.write(stream)
        os.environ["XDG_CONFIG_HOME"] = folder
        try:
            with quiet():
                return importlib.import_module("cortex")
        finally:
            del os.environ["XDG_CONFIG_HOME"]
            if home is not None:
                os.environ["XDG_CONFIG_HOME"] = home


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress output and warnings of pycortex."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def add_subject(space: SurfaceSpace, filestore: str | Path, name: str | None = None) -> str:
    """Create a subject of pycortex from a surface (fsaverage5, fsLR, a subject of FreeSurfer with a flat patch).

    Parameters
    ----------
    space : SurfaceSpace
    filestore : path
        A folder of the user's; created if need be. It appears complete or not at all.
    name : str, optional
        Default: that of the space.

    Returns
    -------
    str
        The name.

    Raises
    ------
    InputError
        If the filestore has a subject of this name, or the surface lacks a mesh.
    """
    name = name or space.name
    store = Path(filestore).expanduser().absolute()
    target = store / name
    if Path(name).name != name or name.startswith("."):
        raise InputError("not a name of a subject", found=name)
    if target.exists():
        raise InputError("the filestore has a subject of this name", file=target, fix="choose another name")
    meshes = {(kind, hemi): space.mesh(kind, hemi) for kind in MESHES for hemi in BOTH}
    failed = reported_as_input_error("the subject cannot be written", target)
    with failed, temporary_folder(target) as partial:
        for folder in FOLDERS:
            (partial / folder).mkdir()
        for (kind, hemi), mesh in meshes.items():
            arrays = [
                nib.gifti.GiftiDataArray(mesh.points.astype("f4"), "NIFTI_INTENT_POINTSET", datatype="float32"),
                nib.gifti.GiftiDataArray(mesh.triangles.astype("i4"), "NIFTI_INTENT_TRIANGLE", datatype="int32"),
            ]
            path = partial / "surfaces" / f"{MESHES[kind]}_{hemi.lower()}h.gii"
            nib.save(nib.gifti.GiftiImage(darrays=arrays), path)
        left, right = (-space.sulcal_depth(hemi) for hemi in BOTH)  # pycortex has gyri positive
        np.savez(partial / "surface-info" / "curvature.npz", left=left, right=right)
        move(partial, target)
    return name


def add_transform(cortex: Any, space: VolumeSpace, subject: str, name: str) -> None:
    """Register a volume with pycortex whose millimetres are those of the subject's surfaces (MNI152 on fsLR).

    Raises
    ------
    InputError
        If the subject has a transform of this name.
    """
    folder = Path(cortex.db.filestore, subject, "transforms", name)
    if folder.exists():
        raise InputError("the subject has a transform of this name", file=folder, fix="choose another name")
    with TemporaryDirectory() as scratch:
        reference = Path(scratch, "reference.nii.gz")
        nib.save(nib.Nifti1Image(space.mask.astype(np.uint8), space.affine), reference)
        with quiet():
            cortex.db.save_xfm(subject, name, np.linalg.inv(space.affine), "coord", str(reference))
    cortex.db.reload_subjects()
