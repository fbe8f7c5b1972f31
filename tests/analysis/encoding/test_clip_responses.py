"""What is kept of held-out samples: responses to clips, the best target of every region, a file that reads back."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.analysis.encoding.clip_responses import best_of_regions, mean_clip_responses
from b2m_encoding.errors import InputError
from b2m_encoding.results.clip_responses import ClipResponses
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import load_atlas, surface_space


def test_a_clip_is_credited_with_its_own_late_samples() -> None:
    """Two presentations of x, one of y; a lag of two samples, and never more than half a clip."""
    runs = Runs.from_labels(["a"] * 10, 1.5, clip=[*"xxxx", "", *"yy", *"xxx"])
    measured = np.arange(20.0).reshape(10, 2)
    clips, responses = mean_clip_responses(measured, runs, 3.0)
    assert clips == ["x", "y"]
    first, second = measured[2:4].mean(axis=0), measured[8:10].mean(axis=0)
    assert np.allclose(responses, [(first + second) / 2, measured[6]])
    assert mean_clip_responses(measured[4:5], runs.take(np.array([4])), 3.0)[0] == []


def test_the_best_target_of_each_region_and_hemisphere(rng: np.random.Generator) -> None:
    space = surface_space("fsaverage5")
    atlas = load_atlas("hcp-mmp1", space)
    r = rng.normal(size=space.n_targets)
    r[atlas.mask("A1", "L")] = np.nan
    best = best_of_regions(r, atlas)
    names = {(atlas.regions[atlas.labels[target] - 1], bool(target < space.n_vertices)) for target in best}
    assert len(names) == len(best) == 2 * len(atlas.regions) - 1
    assert ("A1", True) not in names
    for target in best[::37]:
        hemi = "L" if target < space.n_vertices else "R"
        inside = atlas.mask(atlas.regions[atlas.labels[target] - 1], hemi)
        assert r[target] == np.nanmax(np.where(inside, r, np.nan))


def test_the_file_reads_back(tmp_path: Path, rng: np.random.Generator) -> None:
    kept = ClipResponses(
        np.array(["blues.00001", "jazz.00002"]), np.array([15, np.nan], "f4"), np.array([15, np.nan], "f4"),
        np.array([[0.5, np.nan, 1], [1, 2, -3]], "f4"), np.array([0, 2]), rng.normal(size=(2, 7)).astype("f4"),
        rng.normal(size=(2, 7)).astype("f4"), 1.5,
    )  # fmt: skip
    kept.save(tmp_path / "kept.npz")
    again = ClipResponses.load(tmp_path / "kept.npz")
    assert again.step == 1.5
    for name in ("clips", "start", "duration", "targets"):
        assert np.array_equal(getattr(again, name), getattr(kept, name), equal_nan=name in ("start", "duration"))
    for name in ("responses", "measured", "predicted"):
        assert np.allclose(getattr(again, name), getattr(kept, name), atol=2e-3, equal_nan=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        replace(kept, clips=np.array(["a", "b"], dtype=object)).save(tmp_path / "object.npz")
    np.savez(tmp_path / "pickle.npz", **{**asdict(kept), "clips": np.array(["a", "b"], dtype=object)})
    (tmp_path / "cut.npz").write_bytes((tmp_path / "kept.npz").read_bytes()[:200])
    for name in ("pickle", "cut"):
        with pytest.raises(InputError, match="cannot be read"):
            ClipResponses.load(tmp_path / f"{name}.npz")
