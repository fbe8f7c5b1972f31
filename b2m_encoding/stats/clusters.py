"""Clusters and threshold-free cluster enhancement on a surface mesh, with family-wise p values from permuted maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_diag, csr_array
from scipy.sparse.csgraph import connected_components

from b2m_encoding._typing import Float32, Float64, Floating, Integers
from b2m_encoding.errors import InputError
from b2m_encoding.stats.multiplicity import max_statistic_p

OUTSIDE = -1


def mesh_adjacency(meshes: Sequence[tuple[NDArray[np.integer], int]]) -> csr_array:
    """Build the graph of neighbouring targets: vertices that share an edge of a triangle.

    Parameters
    ----------
    meshes : sequence of (triangles, n_vertices)
        Triangles of each hemisphere, shape (n_triangles, 3), in the order of the targets. Use a mesh that is closed
        (white, pial, inflated), not a flat one, whose cuts separate neighbours.

    Returns
    -------
    sparse array of bool, shape (n_targets, n_targets)

    Raises
    ------
    InputError
        If a triangle refers to a vertex that does not exist.

    Examples
    --------
    >>> square = np.array([[0, 1, 2], [1, 2, 3]])
    >>> mesh_adjacency([(square, 4), (square, 4)]).toarray().sum(axis=0)
    array([2, 3, 3, 2, 2, 3, 3, 2])
    """
    parts = []
    for triangles, n_vertices in meshes:
        if len(triangles) and np.max(triangles) >= n_vertices:
            raise InputError("a triangle refers to a vertex that does not exist", found=int(np.max(triangles)))
        first, second = (
            np.concatenate([np.roll(triangles, -k, axis=1)[:, 0] for k in ks]) for ks in ((0, 1, 2), (1, 2, 0))
        )
        edges = csr_array((np.ones(len(first)), (first, second)), shape=(n_vertices, n_vertices))
        parts.append((edges + edges.T).astype(bool))
    return csr_array(block_diag(parts, format="csr"))


def standardised_maps(observed: Floating, null: Floating) -> tuple[Float64, Float32]:
    """Scale observed and permuted maps by the null distribution of each target (z), so that targets are comparable.

    Without it, targets whose predictions are more autocorrelated reach a threshold on r more often by chance. The
    observed map counts among the maps of the null distribution, as it does in every p value: otherwise it alone
    would be scaled by a distribution without it, and too many small tests would be positive.

    Parameters
    ----------
    observed : array, shape (n_targets,)
    null : array, shape (n_permutations, n_targets)
        From :func:`~b2m_encoding.stats.null_maps`.

    Returns
    -------
    observed : array, shape (n_targets,)
    null : array of float32, shape (n_permutations, n_targets)
    """
    n, outside = len(null), np.asarray(observed, dtype=np.float64)
    null_mean, null_variance = null.mean(axis=0, dtype=np.float64), null.var(axis=0, dtype=np.float64)
    mean = null_mean + (outside - null_mean) / (n + 1)
    deviation = np.sqrt((n * null_variance + n / (n + 1) * (outside - null_mean) ** 2) / (n + 1))
    scale = np.divide(1.0, deviation, out=np.full_like(deviation, np.nan), where=deviation > 0)
    z = (null - mean.astype(np.float32)) * scale.astype(np.float32)
    return np.asarray((outside - mean) * scale, dtype=np.float64), z


@dataclass(frozen=True, eq=False)
class Clusters:
    """Clusters of a map above a threshold.

    Parameters
    ----------
    label : array of int, shape (n_targets,)
        Number of the cluster of each target, -1 outside clusters.
    size : array, shape (n_clusters,)
        Extent (targets, or area) or mass.
    p : array, shape (n_clusters,)
        Family-wise, from the largest cluster of each permuted map; never 0.
    """

    label: Integers
    size: Float64
    p: Float64

    @property
    def p_map(self) -> Float64:
        """P of the cluster of each target, shape (n_targets,); NaN outside clusters."""
        return np.asarray(np.r_[self.p, np.nan][self.label])


def cluster_test(
    observed: Floating,
    null: Floating,
    adjacency: csr_array,
    *,
    threshold: float = 3.09,
    statistic: Literal["mass", "extent"] = "mass",
    area: Floating | None = None,
) -> Clusters:
    """Test clusters of targets above a threshold by the largest cluster of every permuted map.

    Nichols & Holmes 2002, doi 10.1002/hbm.1058; mass: Bullmore et al. 1999, doi 10.1109/42.750253.

    Parameters
    ----------
    observed : array, shape (n_targets,)
        z of :func:`standardised_maps`, or r. NaN is in no cluster.
    null : array, shape (n_permutations, n_targets)
    adjacency : sparse array
        From :func:`mesh_adjacency`.
    threshold : float
        Chosen before looking at the map; 3.09 is p = .001 for z.
    statistic : "mass" or "extent"
        Sum of the excess over the threshold, or size alone.
    area : array, shape (n_targets,), optional
        Area of each vertex, mm2; every target counts as 1 if not given.

    Returns
    -------
    Clusters

    Raises
    ------
    InputError
        If maps and mesh differ in their number of targets, or the statistic is unknown.

    Notes
    -----
    p is that of the cluster, not of its vertices: the effect is not localised within the cluster. Not
    with thresholds below about z = 2.3, which join distant regions.

    Examples
    --------
    >>> chain = csr_array(np.eye(6, k=1) + np.eye(6, k=-1))
    >>> null = np.tile([0.0, 2.0, 0.0, 0.0, 0.0, 0.0], (99, 1))
    >>> clusters = cluster_test(np.array([0, 5.0, 4, 0, 0, 2]), null, chain, threshold=1.0)
    >>> clusters.label, clusters.size, clusters.p
    (array([-1,  0,  0, -1, -1,  1]), array([7., 1.]), array([0.01, 1.  ]))
    """
    _check(observed, null, adjacency)
    if statistic not in ("mass", "extent"):
        raise InputError("unknown cluster statistic", found=statistic, expected="mass or extent")
    weight: Float64 = np.ones(len(observed)) if area is None else np.asarray(area, dtype=np.float64)
    label, size = _clusters(observed, adjacency, threshold, statistic, weight)
    largest = [_clusters(row, adjacency, threshold, statistic, weight)[1].max(initial=0.0) for row in null]
    return Clusters(label, size, max_statistic_p(size, np.array(largest)))


def tfce(
    values: Floating,
    adjacency: csr_array,
    *,
    step: float = 0.1,
    extent_power: float = 1.0,
    height_power: float = 2.0,
    area: Floating | None = None,
) -> Float64:
    """Enhance a map by threshold-free clusters: integral of extent^E height^H over the thresholds below each value.

    Smith & Nichols 2009, doi 10.1016/j.neuroimage.2008.03.061; E = 1 and H = 2 as is usual on surfaces (Winkler et al.
    2014, doi 10.1016/j.neuroimage.2014.01.060). Only positive values are enhanced; give ``-values`` for the others.

    Parameters
    ----------
    values : array, shape (n_targets,)
        z of :func:`standardised_maps`; NaN stays NaN and separates its neighbours.
    adjacency : sparse array
        From :func:`mesh_adjacency`.
    step : float
        Distance of thresholds, in the unit of ``values`` (0.1 is meant for z). The same for every map of a test.
    extent_power, height_power : float
    area : array, shape (n_targets,), optional
        Area of each vertex, mm2.

    Returns
    -------
    array, shape (n_targets,)

    Examples
    --------
    >>> alone = tfce(np.array([2.0, 0.0]), csr_array((2, 2)))
    >>> alone.round(2)  # 2 ** 3 / 3
    array([2.67, 0.  ])
    """
    enhanced = np.where(np.isnan(values), np.nan, 0.0)
    area = np.ones(len(values)) if area is None else np.asarray(area, dtype=np.float64)
    height, inside, graph = step / 2, np.arange(len(values)), adjacency
    while True:
        with np.errstate(invalid="ignore"):
            keep = np.flatnonzero(values[inside] >= height)
        if len(keep) == 0:
            return enhanced
        if len(keep) < len(inside):  # below this threshold means below all later ones
            inside, graph = inside[keep], graph[keep][:, keep]
        cluster = connected_components(graph, directed=False)[1]
        extent = np.bincount(cluster, area[inside])
        enhanced[inside] += (extent**extent_power * height**height_power * step)[cluster]
        height += step


def tfce_test(
    observed: Floating,
    null: Floating,
    adjacency: csr_array,
    **options: Any,
) -> tuple[Float64, Float64]:
    """Test a map enhanced by :func:`tfce` against the largest enhanced value of every permuted map.

    Parameters
    ----------
    observed : array, shape (n_targets,)
        z of :func:`standardised_maps`.
    null : array, shape (n_permutations, n_targets)
    adjacency : sparse array
    **options
        Options of :func:`tfce`.

    Returns
    -------
    enhanced, p : array, shape (n_targets,)
        p is never 0; NaN where the target was not tested.

    Notes
    -----
    About 20 s for 1,000 permutations of 20,484 vertices on one core. A target is significant together with its
    neighbours: not for claims about single vertices; use the family-wise p of
    :func:`~b2m_encoding.stats.permutation.significance` for those.
    """
    _check(observed, null, adjacency)
    enhanced = tfce(observed, adjacency, **options)
    largest = [np.nanmax(tfce(row, adjacency, **options), initial=0.0) for row in null]
    return enhanced, max_statistic_p(enhanced, np.array(largest))


def _clusters(
    values: Floating, adjacency: csr_array, threshold: float, statistic: str, area: Float64
) -> tuple[Integers, Float64]:
    """Cluster of every target and size of every cluster."""
    with np.errstate(invalid="ignore"):
        inside = np.flatnonzero(values > threshold)
    label: Integers = np.full(len(values), OUTSIDE, dtype=np.int64)
    if len(inside) == 0:
        return label, np.zeros(0)
    label[inside] = connected_components(adjacency[inside][:, inside], directed=False)[1]
    height = values[inside] - threshold if statistic == "mass" else 1.0
    return label, np.asarray(np.bincount(label[inside], area[inside] * height), dtype=np.float64)


def _check(observed: Floating, null: Floating, adjacency: csr_array) -> None:
    n = len(observed)
    if null.ndim != 2 or null.shape[1] != n or adjacency.shape != (n, n):
        raise InputError(
            "observed map, permuted maps and mesh differ in number of targets",
            found=(observed.shape, null.shape, adjacency.shape),
        )
