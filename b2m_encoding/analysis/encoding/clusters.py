"""Clusters of a subject's map of prediction accuracy on the mesh of its surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.analysis.checks import check_clusters
from b2m_encoding.analysis.encoding.held_out import HeldOut
from b2m_encoding.analysis.encoding.significance import arrangement_options
from b2m_encoding.spaces import Space, SurfaceSpace
from b2m_encoding.spaces.meshes import HEMISPHERES
from b2m_encoding.stats import Significance, cluster_test, mesh_adjacency, null_maps, standardised_maps, tfce_test
from b2m_encoding.study import Study


@dataclass(frozen=True, eq=False)
class ClusterMap:
    """Family-wise p of clusters, or of threshold-free cluster enhancement, of the joint model's r.

    Parameters
    ----------
    kind : str
        ``mass``, ``extent`` or ``tfce``.
    p : array, shape (n_targets,)
        Of the cluster that a target belongs to, 1 outside clusters; NaN where not tested.
    n_permutations : int
    """

    kind: str
    p: NDArray[np.float64]
    n_permutations: int


def cluster_map(found: Significance, held_out: HeldOut, space: Space, study: Study) -> ClusterMap | None:
    """Test the map that was found against maps of the same rearrangements; None if the study does not ask for it."""
    table = study.statistics
    if table.clusters == "none":
        return None
    check_clusters(space, study)
    assert isinstance(space, SurfaceSpace)
    null = null_maps(
        held_out.predicted,
        held_out.measured,
        held_out.runs,
        **arrangement_options(held_out, study),  # type: ignore[arg-type]
        n_permutations=table.cluster_permutations,
        device=study.model.device,
        random_state=study.seed,
    )
    observed, null = standardised_maps(found.r, null)
    if found.deviate is not None:  # the same p on the scale of the permuted maps
        observed = found.deviate
    adjacency = mesh_adjacency(
        [(space.mesh("white", hemi).triangles, count) for hemi, count in zip(HEMISPHERES, space.counts, strict=True)]
    )
    if table.clusters == "tfce":
        p = tfce_test(observed, null, adjacency)[1]
    else:
        clusters = cluster_test(observed, null, adjacency, threshold=table.cluster_threshold, statistic=table.clusters)
        p = clusters.p_map
    p = np.where(np.isfinite(found.r), np.nan_to_num(p, nan=1.0), np.nan)
    return ClusterMap(table.clusters, p, table.cluster_permutations)
