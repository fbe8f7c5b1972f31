"""Files that are not what they seem."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.io import archives


def test_an_archive_that_expands_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb, honest = tmp_path / "bomb.npz", tmp_path / "honest.npz"
    np.savez_compressed(bomb, a=np.zeros(10_000_000, dtype=np.uint8))
    np.savez_compressed(honest, a=np.random.default_rng(0).integers(0, 255, 10_000_000, dtype=np.uint8))
    archives.check_archive(bomb)
    monkeypatch.setattr(archives, "HARMLESS", 1e6)
    archives.check_archive(honest)
    with pytest.raises(InputError, match="expands to far more"):
        archives.read_archive(bomb, "a feature file")
