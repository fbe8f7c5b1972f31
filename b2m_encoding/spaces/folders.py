"""Folders in which other programs keep surfaces and atlases."""

from __future__ import annotations

import os
import sys
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path


def nilearn_folders() -> list[Path]:
    """Folders of files that nilearn downloaded: its ``get_data_dirs``, whose import costs a second."""
    named = (os.environ.get(name) for name in ("NILEARN_SHARED_DATA", "NILEARN_DATA"))
    folders = [folder for text in named if text is not None for folder in text.split(os.pathsep)]
    return [*map(Path, folders), Path.home() / "nilearn_data"]


def subjects_folders() -> list[Path]:
    """Folders of the subjects of FreeSurfer."""
    home = os.environ.get("FREESURFER_HOME")
    folders = [os.environ.get("SUBJECTS_DIR"), home and str(Path(home, "subjects"))]
    return [Path(folder) for folder in folders if folder]


def pycortex_filestore() -> Path:
    """The filestore named in pycortex's configuration, or the one that was installed with it."""
    config = ConfigParser()
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    try:
        config.read(Path(home, "pycortex", "options.cfg"))
        named = Path(config.get("basic", "filestore"))
        if named.is_dir():  # the file may still name a deleted environment
            return named
    except ConfigError:
        pass
    return Path(sys.prefix, "share", "pycortex", "db")
