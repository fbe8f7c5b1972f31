from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from scipy.sparse import csr_array

from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import HEMISPHERES, surface_space
from b2m_encoding.stats import null_maps, pearson_r
from b2m_encoding.stats.clusters import cluster_test, mesh_adjacency, standardised_maps, tfce, tfce_test

SIDE = 12


@pytest.fixture(scope="module")
def sheet() -> csr_array:
    """A square sheet of triangles."""
    index = np.arange(SIDE**2).reshape(SIDE, SIDE)
    lower = np.stack([index[:-1, :-1], index[1:, :-1], index[:-1, 1:]], axis=-1).reshape(-1, 3)
    upper = np.stack([index[1:, 1:], index[1:, :-1], index[:-1, 1:]], axis=-1).reshape(-1, 3)
    return mesh_adjacency([(np.concatenate([lower, upper]), SIDE**2)])


def components_by_hand(inside: set[int], adjacency: csr_array) -> list[set[int]]:
    """Connected components by walking from neighbour to neighbour."""
    neighbours = [set(np.flatnonzero(row)) for row in adjacency.toarray()]
    left, found = set(inside), []
    while left:
        component, queue = set(), deque([min(left)])
        while queue:
            vertex = queue.popleft()
            if vertex in left:
                left.discard(vertex)
                component.add(vertex)
                queue.extend(neighbours[vertex] & left)
        found.append(component)
    return found


def smooth(rng: np.random.Generator, adjacency: csr_array, n: int) -> np.ndarray:
    maps = rng.standard_normal((n, adjacency.shape[0]))
    for _ in range(3):
        maps = maps + maps @ adjacency
    return maps / maps.std()


def test_adjacency_of_a_standard_surface() -> None:
    space = surface_space("fsaverage5")
    meshes = [space.mesh("white", hemi) for hemi in HEMISPHERES]
    adjacency = mesh_adjacency([(mesh.triangles, len(mesh.points)) for mesh in meshes])
    degree = np.bincount(adjacency.sum(axis=0).astype(int))
    assert degree[5] == 24  # two icosahedra, subdivided
    assert degree[6] == 20484 - 24
    assert (adjacency != adjacency.T).nnz == 0
    assert adjacency[:10242, 10242:].nnz == 0
    with pytest.raises(InputError, match="does not exist"):
        mesh_adjacency([(np.array([[0, 1, 5]]), 5)])


def test_enhancement_agrees_with_the_definition(rng: np.random.Generator, sheet: csr_array) -> None:
    values = smooth(rng, sheet, 1)[0] * 2
    area = rng.uniform(0.5, 2, len(values))
    step = 0.1
    expected = np.zeros(len(values))
    for height in np.arange(step / 2, values.max(), step):
        for component in components_by_hand(set(np.flatnonzero(values >= height)), sheet):
            rows = list(component)
            expected[rows] += area[rows].sum() ** 0.5 * height**2 * step
    assert np.allclose(tfce(values, sheet, step=step, extent_power=0.5, area=area), expected)


def test_enhancement_of_a_plateau_has_a_closed_form(sheet: csr_array) -> None:
    values = np.full(SIDE**2, np.nan)
    values[:7] = 3.0  # a row of 7
    assert np.allclose(tfce(values, sheet, step=0.05)[:7], 7 * 3.0**3 / 3, rtol=1e-3)
    assert np.isnan(tfce(values, sheet)[7:]).all()


@pytest.mark.parametrize("statistic", ["mass", "extent"])
def test_clusters_agree_with_a_walk_over_the_mesh(rng: np.random.Generator, sheet: csr_array, statistic: str) -> None:
    maps = smooth(rng, sheet, 31)
    found = cluster_test(maps[0], maps[1:], sheet, threshold=0.5, statistic=statistic)

    def sizes(values: np.ndarray) -> list[float]:
        parts = [list(part) for part in components_by_hand(set(np.flatnonzero(values > 0.5)), sheet)]
        return [float((values[part] - 0.5).sum()) if statistic == "mass" else len(part) for part in parts]

    assert np.allclose(sorted(found.size), sorted(sizes(maps[0])))
    largest = np.array([max(sizes(row), default=0.0) for row in maps[1:]])
    assert np.allclose(found.p, [(1 + (largest >= size - 1e-9).sum()) / 31 for size in found.size])
    inside = found.label >= 0
    assert np.array_equal(inside, maps[0] > 0.5)
    assert np.array_equal(found.p_map[inside], found.p[found.label[inside]])
    assert np.isnan(found.p_map[~inside]).all()


def test_family_wise_error_holds_and_a_patch_is_found(sheet: csr_array) -> None:
    rng = np.random.default_rng(0)
    null, other = smooth(rng, sheet, 200), smooth(rng, sheet, 200)
    for largest in (
        lambda row: cluster_test(row, null[:1], sheet, threshold=1.5).size.max(initial=0.0),
        lambda row: tfce(row, sheet).max(),
    ):
        limit = np.sort([largest(row) for row in null])[-10]
        assert 0.01 < np.mean([largest(row) > limit for row in other]) < 0.11  # 0.05, with 200 maps on either side
    patch = np.zeros((SIDE, SIDE))
    patch[3:7, 3:7] = 6
    p = tfce_test(other[0] + patch.ravel(), null, sheet)[1]
    assert (p[patch.ravel() > 0] < 0.05).all()
    assert (p[patch.ravel() == 0] < 0.05).mean() < 0.2
    assert p.min() >= 1 / 201


def test_from_time_series_to_clusters(sheet: csr_array) -> None:
    rng = np.random.default_rng(0)
    runs = Runs.from_lengths([60] * 5, 1.5)
    signal, noise = rng.standard_normal((300, 1)), rng.standard_normal((300, SIDE**2))
    patch = np.zeros((SIDE, SIDE), dtype=bool)
    patch[2:6, 2:6] = True
    measured = noise + 0.5 * signal * patch.ravel()
    measured[:, -1] = np.nan
    predicted = np.repeat(signal, SIDE**2, axis=1) + 0.1 * rng.standard_normal(noise.shape)
    null = null_maps(predicted, measured, runs, n_permutations=200, random_state=0)
    z, null_z = standardised_maps(pearson_r(predicted, measured), null)
    assert np.allclose(np.vstack([z, null_z]).std(axis=0)[:-1], 1, atol=1e-4)
    p = cluster_test(z, null_z, sheet).p_map
    assert p[patch.ravel()].max() < 0.05
    enhanced, p = tfce_test(z, null_z, sheet)
    assert (p[patch.ravel()] < 0.05).all()
    assert (p[:-1][~patch.ravel()[:-1]] < 0.05).mean() < 0.1
    assert np.isnan(enhanced[-1])
    assert np.isnan(p[-1])


def test_maps_and_mesh_must_fit(sheet: csr_array) -> None:
    with pytest.raises(InputError, match="differ in number"):
        tfce_test(np.zeros(5), np.zeros((3, 5)), sheet)
    with pytest.raises(InputError, match="cluster statistic"):
        cluster_test(np.zeros(SIDE**2), np.zeros((3, SIDE**2)), sheet, statistic="height")


def test_the_observed_map_is_one_of_the_maps_it_is_measured_by(rng: np.random.Generator) -> None:
    maps = rng.gamma(2.0, size=(20, 5))
    z, null = standardised_maps(maps[0], maps[1:])
    expected = (maps - maps.mean(axis=0)) / maps.std(axis=0)
    assert np.allclose(np.vstack([z, null]), expected, atol=1e-5)


def test_five_percent_hold_with_few_permutations(sheet: csr_array) -> None:
    """19 permutations and many null maps: the largest z is the observed one in one of twenty, by symmetry."""
    rng = np.random.default_rng(0)
    positive = []
    for _ in range(400):
        maps = rng.standard_exponential((20, sheet.shape[0]))
        z, null = standardised_maps(maps[0], maps[1:])
        positive.append(cluster_test(z, null, sheet, threshold=2.5).p.min(initial=1.0) <= 0.05)
    assert np.mean(positive) == pytest.approx(0.05, abs=0.025)
