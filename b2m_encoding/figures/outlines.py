"""Vector outlines of regions and masks on a flat mesh, by marching triangles, and positions of their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SMOOTHING = 3
"""How often an arc is averaged with weights (1, 2, 1) / 4."""
SPECK = 2
"""Pieces with at most so many vertices are artefacts of resampling, unless their region has no larger piece."""

Line = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Arc:
    """The border between two labels, between two junctions or cuts, or a closed loop.

    Parameters
    ----------
    points : array, shape (n_points, 2)
        A closed arc repeats its first point at the end.
    labels : tuple of int
        The labels on its two sides, the smaller one first.
    """

    points: Line
    labels: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Borders:
    """All borders of a label map. Neighbours share their border, so that no slivers open between them."""

    arcs: tuple[Arc, ...]

    def around(self, labels: Collection[int]) -> list[Line]:
        """Every border of the given labels, without repetition."""
        wanted = set(labels)
        return [arc.points for arc in self.arcs if not wanted.isdisjoint(arc.labels)]

    def rim(self, labels: Collection[int]) -> list[Line]:
        """The outer border of the union of the given labels."""
        wanted = set(labels)
        return [arc.points for arc in self.arcs if len(wanted.intersection(arc.labels)) == 1]


def trace_borders(points: Line, triangles: NDArray[np.int64], labels: NDArray[np.int64]) -> Borders:
    """Trace the borders between labels through the triangles of a flat mesh.

    A border passes the midpoints of edges whose ends differ; where three labels meet in a triangle, three borders
    end at its centre. Each border is smoothed once, with its ends fixed; it stays open where the mesh ends.

    Parameters
    ----------
    points : array, shape (n_vertices, 2)
    triangles : array, shape (n_triangles, 3)
    labels : array of int, shape (n_vertices,)
    """
    links, where, pair = _graph(points, triangles, labels)
    arcs = []
    for nodes in _chains(links):
        inner = next(node for node in nodes if node >= 0)
        line = np.array([where[node] for node in nodes])
        arcs.append(Arc(_smoothed(line, loop=nodes[0] == nodes[-1] and nodes[0] >= 0), pair[inner]))
    return Borders(tuple(arcs))


_Graph = tuple[dict[int, list[int]], dict[int, Line], dict[int, tuple[int, int]]]


def _graph(points: Line, triangles: NDArray[np.int64], labels: NDArray[np.int64]) -> _Graph:
    """Neighbours, position and label pair of every node: edges have keys >= 0, three-label triangles < 0."""
    corner = labels[triangles]
    mixed = np.flatnonzero((corner != corner[:, [1, 2, 0]]).any(axis=1))
    links: dict[int, list[int]] = defaultdict(list)
    where: dict[int, Line] = {}
    pair: dict[int, tuple[int, int]] = {}
    for number, triangle in zip(mixed.tolist(), triangles[mixed].tolist(), strict=True):
        crossed = []
        for first, second in ((0, 1), (1, 2), (2, 0)):
            a, b = sorted((triangle[first], triangle[second]))
            if labels[a] != labels[b]:
                key = a << 32 | b
                crossed.append(key)
                where[key] = (points[a] + points[b]) / 2
                pair[key] = (int(min(labels[a], labels[b])), int(max(labels[a], labels[b])))
        ends = [(crossed[0], crossed[1])]
        if len(crossed) == 3:
            where[-number - 1] = points[triangle].mean(axis=0)
            ends = [(key, -number - 1) for key in crossed]
        for start, end in ends:
            links[start].append(end)
            links[end].append(start)
    return links, where, pair


def _chains(links: dict[int, list[int]]) -> Iterator[list[int]]:
    """Walk from junctions and loose ends first, then round the remaining loops."""
    unvisited = {node: list(neighbours) for node, neighbours in links.items()}

    def walk(start: int) -> list[int]:
        nodes = [start]
        while unvisited[nodes[-1]] and (len(nodes) == 1 or (nodes[-1] >= 0 and nodes[-1] != start)):
            here, following = nodes[-1], unvisited[nodes[-1]].pop()
            unvisited[following].remove(here)
            nodes.append(following)
        return nodes

    for start in [node for node, neighbours in links.items() if node < 0 or len(neighbours) == 1]:
        while unvisited[start]:
            yield walk(start)
    for start in links:
        if unvisited[start]:
            yield walk(start)


def _smoothed(line: Line, *, loop: bool) -> Line:
    """Average each point with its neighbours; the ends of an open line stay where they are."""
    for _ in range(SMOOTHING):
        if loop:
            ring = line[:-1]
            ring = (np.roll(ring, 1, axis=0) + 2 * ring + np.roll(ring, -1, axis=0)) / 4
            line = np.concatenate([ring, ring[:1]])
        elif len(line) > 2:
            line = np.concatenate([line[:1], (line[:-2] + 2 * line[1:-1] + line[2:]) / 4, line[-1:]])
    return line


def without_specks(triangles: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give tiny pieces of a region, apart from its main piece, the commonest label around them."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    same = edges[labels[edges[:, 0]] == labels[edges[:, 1]]]
    graph = coo_array((np.ones(len(same)), (same[:, 0], same[:, 1])), shape=(len(labels), len(labels)))
    _, piece = connected_components(graph, directed=False)
    size = np.bincount(piece)[piece]
    largest = np.zeros(labels.max() + 1, dtype=np.int64)
    used = np.unique(triangles)
    np.maximum.at(largest, labels[used], size[used])
    speck = (size <= SPECK) & (largest[labels] > SPECK)
    cleaned = labels.copy()
    for vertex in used[speck[used]]:
        around = edges[(edges == vertex).any(axis=1)].ravel()
        outside = labels[around[piece[around] != piece[vertex]]]
        cleaned[vertex] = np.bincount(outside).argmax()
    return cleaned


def boundary(points: Line, triangles: NDArray[np.int64]) -> list[Line]:
    """The rims of a flat mesh: closed lines along the edges that belong to one triangle only."""
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    keys, count = np.unique(edges @ np.array([len(points), 1]), return_counts=True)
    links: dict[int, list[int]] = defaultdict(list)
    for start, end in np.column_stack(np.divmod(keys[count == 1], len(points))).tolist():
        links[start].append(end)
        links[end].append(start)
    return [points[nodes] for nodes in _chains(links)]


def label_position(mask: NDArray[np.bool_], aspect: float = 1.0) -> tuple[float, float, float]:
    """Best position of a name inside a region: its pole of inaccessibility.

    Parameters
    ----------
    mask : array of bool, shape (rows, columns)
        Pixels of the region, at least one.
    aspect : float
        Width over height of the text: distances along the rows count that much less.

    Returns
    -------
    row, column, room : float
        The position in pixels, and the half height in pixels of the largest text that is clear of the border.
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    mask = mask[box]  # pixels outside the box are outside the region and cannot be nearer than its edge
    distance = distance_transform_edt(np.pad(mask, 1), sampling=(1.0, 1.0 / aspect))[1:-1, 1:-1]
    best = distance.max()
    corner = np.array([rows[0], columns[0]])
    row, column = (np.argwhere(distance >= max(best - 0.5, best / 2)) + corner).mean(axis=0)
    if distance[int(row) - corner[0], int(column) - corner[1]] < max(best - 1, best / 2):
        row, column = np.unravel_index(distance.argmax(), mask.shape) + corner
    return float(row), float(column), float(best)
