"""Folders of other programs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from nilearn.datasets import get_data_dirs

from b2m_encoding.spaces.folders import nilearn_folders


@pytest.mark.parametrize("shared", [None, "/a", os.pathsep.join(["/a", "/b"])])
@pytest.mark.parametrize("own", [None, "/c"])
def test_folders_are_those_of_nilearn(monkeypatch: pytest.MonkeyPatch, shared: str | None, own: str | None) -> None:
    for name, value in (("NILEARN_SHARED_DATA", shared), ("NILEARN_DATA", own)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert nilearn_folders() == [Path(folder) for folder in get_data_dirs()]
