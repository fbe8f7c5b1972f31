"""Ground truth of a simulated study: saved beside it, and read to evaluate an analysis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from b2m_encoding._typing import Booleans, Float32
from b2m_encoding.errors import InputError
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.phantom.brain import DRIVES, REGIONS, SPACES, Brain, cortex


@dataclass(frozen=True, eq=False)
class SubjectTruth:
    """Ground truth of one subject, per target of fsaverage5 (left, then right hemisphere).

    Parameters
    ----------
    drive : array of str
        ``none``, ``acoustic``, ``text`` (or ``tags``) or ``both``.
    snr, delay : array of float
        Standard deviation of the driven response over that of the noise; delay of the haemodynamic response, s.
    constant, missing : array of bool
        Targets with a constant time series, or NaN, which cannot be tested.
    region_weights : mapping of str to array, shape (n_regions, n_features)
        Mean weights of each region, per feature space.
    """

    drive: NDArray[Any]
    snr: Float32
    delay: Float32
    constant: Booleans
    missing: Booleans
    region_weights: Mapping[str, Float32]

    @property
    def testable(self) -> Booleans:
        """Targets with a varying time series, driven or not."""
        return ~(self.constant | self.missing)


@dataclass(frozen=True, eq=False)
class Truth:
    """Ground truth of a simulated study.

    Parameters
    ----------
    seed : int
    null : bool
        Whether nothing drives any target.
    space : str
        Name of the surface.
    regions : tuple of str
        Driven regions of the atlas.
    subjects : mapping of str to SubjectTruth
    association : str
        Feature space that drives association cortex: ``text``, or ``tags`` of a trained network.
    """

    seed: int
    null: bool
    space: str
    regions: tuple[str, ...]
    subjects: Mapping[str, SubjectTruth]
    association: str = "text"

    @property
    def spaces(self) -> tuple[str, str]:
        """Feature spaces that drive targets."""
        return "acoustic", self.association


def truth_of(brain: Brain, weights: Mapping[str, Float32], null: bool, association: str = "text") -> SubjectTruth:
    """Ground truth of one subject; with ``null``, no target is driven. ``association`` is the second drive."""
    _, atlas = cortex()
    drive = np.zeros_like(brain.drive) if null else brain.drive
    inside = np.array([atlas.mask(region) & (drive > 0) for region in driven_regions()], dtype=np.float32)
    inside = csr_array(inside / np.maximum(inside.sum(axis=1, keepdims=True), 1.0))
    return SubjectTruth(
        drive=np.array([name.replace("text", association) for name in DRIVES])[drive],
        snr=np.where(drive > 0, brain.snr, np.float32(0)),
        delay=brain.delay,
        constant=brain.constant,
        missing=brain.missing,
        region_weights={name.replace("text", association): inside @ weights[name].T for name in SPACES},
    )


def driven_regions() -> tuple[str, ...]:
    """Regions of the atlas that are driven."""
    return tuple(region for regions in REGIONS.values() for region in regions)


def save_truth(folder: Path, truth: Truth) -> None:
    """Write ``truth.json`` and one ``sub-<label>.npz`` per subject."""
    folder.mkdir(parents=True, exist_ok=True)
    for label, subject in truth.subjects.items():
        arrays = {name: getattr(subject, name) for name in ("drive", "snr", "delay", "constant", "missing")}
        weights = {f"region_weights_{name}": value for name, value in subject.region_weights.items()}
        np.savez_compressed(folder / f"sub-{label}.npz", allow_pickle=False, **arrays, **weights)
    summary = {
        "simulated": True,
        "seed": truth.seed,
        "null": truth.null,
        "space": truth.space,
        "drives": {name.replace("text", truth.association): list(regions) for name, regions in REGIONS.items()},
        "association": truth.association,
        "regions": list(truth.regions),
        "subjects": {
            label: {name: int((subject.drive == name).sum()) for name in ("none", *truth.spaces, "both")}
            | {"constant": int(subject.constant.sum()), "missing": int(subject.missing.sum())}
            for label, subject in truth.subjects.items()
        },
    }
    (folder / "truth.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def load_truth(path: str | Path) -> Truth:
    """Read the ground truth of a simulated study.

    Parameters
    ----------
    path : path
        Folder of the study, its ``truth`` folder, or ``truth.json`` in it.

    Raises
    ------
    InputError
        If there is none.
    """
    path = Path(path)
    candidates = (path, path / "truth.json", path / "truth" / "truth.json")
    file = next((candidate for candidate in candidates if candidate.is_file()), None)
    if file is None:
        raise InputError("no truth found", file=path, expected="the folder of a simulated study")
    summary = parse_json(file.read_text(encoding="utf-8"))
    subjects, association = {}, summary.get("association", "text")
    for label in summary["subjects"]:
        with np.load(file.parent / f"sub-{label}.npz", allow_pickle=False) as arrays:
            weights = {name: arrays[f"region_weights_{name}"] for name in ("acoustic", association)}
            fields = {name: arrays[name] for name in ("drive", "snr", "delay", "constant", "missing")}
        subjects[label] = SubjectTruth(**fields, region_weights=weights)
    return Truth(summary["seed"], summary["null"], summary["space"], tuple(summary["regions"]), subjects, association)
