"""Study files to start from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from b2m_encoding.errors import InputError


def template(kind: str) -> str:
    """Text of a template: ``demo``, ``musicgenre``, ``bids`` or ``arrays``."""
    return files(__name__).joinpath(f"{kind}.toml").read_text(encoding="utf-8")


def write_template(kind: str, folder: Path) -> Path:
    """Write ``study.toml`` into a folder; an existing one is never overwritten."""
    path = folder / "study.toml"
    if path.exists():
        raise InputError("there is a study file already", file=path, fix="choose another folder or delete it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(template(kind), encoding="utf-8")
    except OSError as error:
        raise InputError("cannot write the study file", file=path, found=error.strerror) from error
    return path
