"""The two results of a comparison: their models, subjects, and the targets and samples that they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Booleans, Float64
from b2m_encoding.analysis.encoding.blocks import BlockLayout
from b2m_encoding.data.sources import GROUP_MEAN
from b2m_encoding.errors import InputError
from b2m_encoding.gallery.context import FigureContext, FigureRequest
from b2m_encoding.results.held_out_blocks import HeldOutBlocks, read_blocks
from b2m_encoding.results.schema import JOINT, maps
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import RegionSpace, Space, VolumeSpace
from b2m_encoding.stats.sums.blocks import BlockSums

Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Side:
    """One of two results that are compared.

    Parameters
    ----------
    name : str
        Its name in tables and figures.
    context : FigureContext
    model : str
        ``joint`` or a feature space.
    """

    name: str
    context: FigureContext
    model: str

    @property
    def path(self) -> Path:
        """The results folder."""
        return self.context.results.path

    @property
    def subjects(self) -> tuple[str, ...]:
        """Subjects, without their mean."""
        return tuple(name for name in self.context.subjects if name != GROUP_MEAN)

    def scores(self, subject: str) -> Float64:
        """Map of r of the model, shape (n_targets,)."""
        return self.context.results.map(subject, self.model, maps.R.stat).astype(np.float64)

    def predicted(self, subject: str) -> Booleans:
        """Targets that the model predicts, by its own q; by that of the joint model where it has none."""
        results = self.context.results
        model = self.model if results.has_map(subject, self.model, maps.Q.stat) else JOINT
        return np.asarray(results.map(subject, model, maps.Q.stat) < self.context.statistics.q)

    def space(self, subject: str) -> Space:
        """Space of the maps of a subject."""
        return self.context.results.space(subject)

    def blocks(self, subject: str) -> HeldOutBlocks | None:
        """Held-out blocks of a subject; None where the results do not hold those of the model."""
        blocks = read_blocks(self.path, subject)
        return blocks if blocks is not None and self.model in blocks.contributions else None


def open_sides(
    paths: tuple[Path, Path], models: Sequence[str], names: Sequence[str], subjects: tuple[str, ...]
) -> tuple[Side, Side]:
    """Open two results, with one model for both or one of each; names follow from what differs."""
    for what, given in (("models", models), ("names", names)):
        if len(given) not in (0, *((1,) if what == "models" else ()), 2):
            raise InputError(f"two results are compared, with other {what}", found=", ".join(given), expected="two")
    first, second = (*models, *models)[:2] if models else (JOINT, JOINT)
    if paths[0].resolve() == paths[1].resolve() and first == second:
        raise InputError(
            "results are compared with themselves", file=paths[0], fix="name two models: --model A --model B"
        )
    one, other = (
        FigureContext.open(path, FigureRequest(subjects, (model,)), {})
        for path, model in zip(paths, (first, second), strict=True)
    )
    labels = tuple(names) or _names(one, other, first, second)
    if labels[0] == labels[1]:
        raise InputError("both results have the same name", found=labels[0], fix="name them: --name A --name B")
    return Side(labels[0], one, first), Side(labels[1], other, second)


def _names(one: FigureContext, other: FigureContext, first: str, second: str) -> tuple[str, str]:
    """Names by what differs: models, names of the studies, folders, or folders above them."""
    paths = [context.results.path.resolve() for context in (one, other)]
    studies = [str(context.results.study.get("name", "")) for context in (one, other)]
    if first != second and (paths[0] == paths[1] or studies[0] == studies[1]):
        return first, second
    kinds = (tuple(studies), (paths[0].name, paths[1].name), (paths[0].parent.name, paths[1].parent.name))
    for a, b in kinds:
        if a and b and a != b:
            return (a, b) if first == second else (f"{a}, {first}", f"{b}, {second}")
    return "first", "second"


def common_targets(spaces: Sequence[Space]) -> tuple[Space, list[Rows]]:
    """Find the targets that several spaces share: the space of these, and their rows in each.

    Raises
    ------
    InputError
        If the spaces differ in more than which voxels were tested.
    """
    first = spaces[0]
    if all(_same(first, space) for space in spaces):
        return first, [np.arange(space.n_targets) for space in spaces]
    volumes = [space for space in spaces if isinstance(space, VolumeSpace)]
    if len(volumes) == len(spaces) and all(_same_grid(volumes[0], space) for space in volumes):
        mask = np.logical_and.reduce([space.mask for space in volumes])
        if mask.any():
            rows = [np.flatnonzero(mask[space.mask]) for space in volumes]
            return VolumeSpace(mask, volumes[0].affine, volumes[0].name), rows
    others = dict.fromkeys(repr(space) for space in spaces)
    raise InputError(
        "the two results have other targets",
        found=" and ".join(others) if len(others) > 1 else f"{first!r}, but of other places",
        expected="one space, such as fsaverage5 or voxels of one grid",
        fix="run one of the studies in the space of the other, or compare regions alone: --regions-only",
    )


def _same(a: Space, b: Space) -> bool:
    if type(a) is not type(b) or a.name != b.name or a.n_targets != b.n_targets:
        return False
    if isinstance(a, VolumeSpace) and isinstance(b, VolumeSpace):
        return _same_grid(a, b) and np.array_equal(a.mask, b.mask)
    if isinstance(a, RegionSpace) and isinstance(b, RegionSpace):
        return a.regions == b.regions
    return True


def _same_grid(a: VolumeSpace, b: VolumeSpace) -> bool:
    return a.name == b.name and a.mask.shape == b.mask.shape and np.allclose(a.affine, b.affine, atol=1e-4)


def on_targets(blocks: HeldOutBlocks, model: str, n_targets: int, path: Path) -> Float64:
    """Contributions to r of a model on the targets of its maps, shape (n_blocks, n_targets); NaN where not tested."""
    values = blocks.contributions[model].astype(np.float64)
    if values.shape[1] == n_targets and len(blocks.tested) != n_targets:
        return values  # maps of volumes hold tested voxels alone
    if len(blocks.tested) != n_targets:
        raise InputError(
            "held-out blocks and maps have other targets",
            file=path,
            found=f"{len(blocks.tested)} and {n_targets}",
            fix="run the study again",
        )
    whole = np.full((len(values), n_targets), np.nan)
    whole[:, blocks.tested] = values
    return whole


def merged(blocks: HeldOutBlocks, values: Float64, length: int) -> Float64:
    """Add up values of the shortest blocks, shape (n_blocks, n_targets), within longer ones."""
    runs = Runs.from_labels(blocks.run, blocks.tr, clip=blocks.clip, presentation=blocks.presentation)
    nothing = np.zeros((len(blocks.n), 0))
    sums = BlockSums(blocks.n, blocks.split.astype(np.intp), nothing, nothing, {}, np.zeros(len(blocks.n), dtype=str))
    layout = BlockLayout(sums, runs, blocks.shortest, blocks.length)
    return layout.merge(values, length)
