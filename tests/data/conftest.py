"""Small BIDS data sets as fMRIPrep writes them, simulated."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from b2m_encoding.spaces import GrayordinateSpace, VolumeSpace, grayordinate_space, surface_space, write_maps

TR = 2.0
VOLUMES = 24
GRID = (5, 6, 4)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


class BidsFolder:
    """Writes runs of a data set, and remembers the responses of each."""

    def __init__(self, root: Path) -> None:
        self.root, self.derivatives = root, root / "derivatives" / "fmriprep"
        self.rng, self.header_tr = np.random.default_rng(0), TR
        mask = np.zeros(GRID, dtype=bool)
        mask[1:4, 1:5, 1:3] = True
        self.mask = mask
        self.derivatives.mkdir(parents=True)
        description = {"Name": "simulated", "BIDSVersion": "1.8.0"}
        (root / "dataset_description.json").write_text(json.dumps(description))
        made_by = {"DatasetType": "derivative", "GeneratedBy": [{"Name": "simulation"}]}
        (self.derivatives / "dataset_description.json").write_text(json.dumps({**description, **made_by}))

    def func(self, base: Path, subject: str, run: str) -> Path:
        session = [part for part in run.split("_") if part.startswith("ses-")]
        folder = Path(base, f"sub-{subject}", *session, "func")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def events(self, subject: str, run: str, rows: Iterable[str] = ("4\t2\tsound", "20\t2\tvoice")) -> Path:
        path = self.func(self.root, subject, run) / f"sub-{subject}_{run}_events.tsv"
        path.write_text("\n".join(["onset\tduration\ttrial_type", *rows]))
        return path

    def sidecar(self, subject: str, run: str, tr: float = TR) -> Path:
        path = self.func(self.root, subject, run) / f"sub-{subject}_{run}_bold.json"
        path.write_text(json.dumps({"RepetitionTime": tr, "TaskName": "listening"}))
        return path

    def volumes(
        self, subject: str, run: str, *, raw: bool = False, space: str = "_space-MNI152NLin2009cAsym"
    ) -> np.ndarray:
        """Write one run; returns the voxels of the mask, (n_samples, n_voxels)."""
        data = self.rng.integers(500, 1500, (*GRID, VOLUMES)).astype(np.int16)
        image = nib.Nifti1Image(data, AFFINE)
        image.header.set_xyzt_units("mm", "sec")
        image.header.set_zooms((2.0, 2.0, 2.0, self.header_tr))
        folder = self.func(self.root if raw else self.derivatives, subject, run)
        stem = f"sub-{subject}_{run}" + ("" if raw else f"{space}_desc-preproc")
        nib.save(image, folder / f"{stem}_bold.nii{'' if raw else '.gz'}")
        if not raw:
            nib.save(
                nib.Nifti1Image(self.mask.astype(np.uint8), AFFINE),
                folder / f"sub-{subject}_{run}{space}_desc-brain_mask.nii.gz",
            )
        return data[self.mask].T

    def surface(self, subject: str, run: str, name: str = "fsaverage5", n_samples: int = VOLUMES) -> np.ndarray:
        space = surface_space(name)
        values = self.rng.standard_normal((n_samples, space.n_targets)).astype(np.float32)
        path = self.func(self.derivatives, subject, run) / f"sub-{subject}_{run}_hemi-{{hemi}}_space-{name}_bold"
        write_maps(space, f"{path}.func.gii", values, tr=self.header_tr)
        return values

    def grayordinates(self, subject: str, run: str, n_samples: int = VOLUMES, first: int | None = None) -> np.ndarray:
        """Write one run; of all grayordinates, or the first ones."""
        space = grayordinate_space() if first is None else GrayordinateSpace(grayordinate_space().axis[:first])
        values = self.rng.standard_normal((n_samples, space.n_targets)).astype(np.float32)
        path = self.func(self.derivatives, subject, run) / f"sub-{subject}_{run}_space-fsLR_den-91k_bold.dtseries.nii"
        write_maps(space, path, values, tr=self.header_tr)
        return values

    def confounds(self, subject: str, run: str, *, displaced: Iterable[int] = ()) -> Path:
        """A table with the columns that nilearn's motion, wm_csf and scrub strategies need."""
        columns = {}
        for name in ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "csf", "white_matter"):
            for ending in ("", "_derivative1", "_power2", "_derivative1_power2"):
                columns[name + ending] = [f"{x:.6f}" for x in self.rng.standard_normal(VOLUMES)]
                if "derivative1" in ending:
                    columns[name + ending][0] = "n/a"
        displacement = np.full(VOLUMES, 0.1)
        displacement[list(displaced)] = 2.0
        columns["framewise_displacement"] = ["n/a", *map(str, displacement[1:])]
        columns["std_dvars"] = ["n/a", *["1.0"] * (VOLUMES - 1)]
        path = self.func(self.derivatives, subject, run) / f"sub-{subject}_{run}_desc-confounds_timeseries.tsv"
        lines = ["\t".join(columns), *("\t".join(row) for row in zip(*columns.values(), strict=True))]
        path.write_text("\n".join(lines) + "\n")
        path.with_suffix(".json").write_text("{}")
        return path

    @property
    def space(self) -> VolumeSpace:
        return VolumeSpace(self.mask, AFFINE)


@pytest.fixture
def bids(tmp_path: Path) -> BidsFolder:
    return BidsFolder(tmp_path / "bids")
