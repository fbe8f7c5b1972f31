import numpy as np
import pytest
from matplotlib.path import Path

from b2m_encoding.figures.flatmap import flat_layout
from b2m_encoding.figures.outlines import Borders, boundary, label_position, trace_borders, without_specks
from b2m_encoding.figures.panels import atlas_borders


def grid(n: int) -> tuple[np.ndarray, np.ndarray]:
    """A square sheet of n x n vertices."""
    x, y = np.meshgrid(np.arange(n, dtype=float), np.arange(n, dtype=float))
    index = np.arange(n * n).reshape(n, n)
    a, b, c, d = (one.ravel() for one in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]))
    return np.stack([x.ravel(), y.ravel()], axis=1), np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])


def closed(line: np.ndarray) -> bool:
    return bool((line[0] == line[-1]).all())


def rings(borders: Borders, label: int) -> list[np.ndarray]:
    """The borders of one label joined end to end: closed where they can be, open where a cut runs."""
    lines = borders.around([label])
    found, left = [line for line in lines if closed(line)], [line for line in lines if not closed(line)]
    while left:
        line, grows = left.pop(), True
        while grows and not closed(line):
            turned = [(i, one) for i, arc in enumerate(left) for one in (arc, arc[::-1])]
            after = [(i, np.concatenate([line, one[1:]])) for i, one in turned if (one[0] == line[-1]).all()]
            before = [(i, np.concatenate([one, line[1:]])) for i, one in turned if (one[-1] == line[0]).all()]
            grows = bool(after or before)
            if grows:
                index, line = (after or before)[0]
                del left[index]
        found.append(line)
    return found


@pytest.mark.parametrize("hemi", ["L", "R"])
@pytest.mark.parametrize("region", ["A1", "LBelt", "PBelt", "A4", "A5", "STSdp", "44"])
def test_outline_encloses_its_vertices(space, atlas, hemi, region):
    layout = flat_layout(space)
    borders = trace_borders(layout.points, layout.of([hemi]), without_specks(layout.triangles, atlas.labels))
    label = atlas.regions.index(region) + 1
    paths = [Path(ring) for ring in rings(borders, label) if closed(ring)]
    here = np.unique(layout.of([hemi]))
    inside = np.logical_xor.reduce([ring.contains_points(layout.points[here]) for ring in paths])
    mine = without_specks(layout.triangles, atlas.labels)[here] == label
    assert inside[mine].mean() > 0.97
    assert inside[~mine].mean() < 0.001


def test_disc_is_enclosed_by_one_closed_line():
    points, triangles = grid(21)
    labels = (np.hypot(*(points - 10).T) < 6).astype(int)
    (ring,) = rings(trace_borders(points, triangles, labels), 1)
    assert (ring[0] == ring[-1]).all()
    assert (Path(ring).contains_points(points) == (labels == 1)).all()


def test_three_regions_share_their_borders_without_sliver():
    """Every border is one line for both sides, and all three end in the same point where they meet."""
    points, triangles = grid(25)
    angle = np.arctan2(*(points - 12.3).T[::-1])
    labels = np.digitize(angle, [-np.pi / 3, np.pi / 3])
    arcs = trace_borders(points, triangles, labels).arcs
    assert sorted(arc.labels for arc in arcs) == [(0, 1), (0, 2), (1, 2)]
    junctions = {tuple(end) for arc in arcs for end in (arc.points[0], arc.points[-1])}
    meeting = [end for end in junctions if sum((arc.points[[0, -1]] == end).all(axis=1).any() for arc in arcs) == 3]
    assert len(meeting) == 1


def test_atlas_neighbours_share_their_border(atlas):
    """The rings of two neighbours hold the very same points along their border."""
    borders = atlas_borders(atlas)
    a, b = (atlas.regions.index(name) + 1 for name in ("A4", "A5"))
    shared = [arc for arc in borders.arcs if set(arc.labels) == {a, b}]
    assert shared
    round_ = {label: {tuple(point) for ring in rings(borders, label) for point in ring} for label in (a, b)}
    for arc in shared:
        assert {tuple(point) for point in arc.points} <= round_[a] & round_[b]
    ends = [tuple(end) for arc in borders.arcs if not closed(arc.points) for end in (arc.points[0], arc.points[-1])]
    at_cut = sum(ends.count(end) == 1 for end in set(ends))
    at_junction = sum(ends.count(end) == 3 for end in set(ends))
    assert at_junction > 300
    assert at_cut + at_junction == len(set(ends))


def test_open_where_a_cut_runs():
    points, triangles = grid(11)
    labels = (points[:, 0] < 4).astype(int)
    (line,) = rings(trace_borders(points, triangles, labels), 1)
    assert (line[0] != line[-1]).any()
    assert {line[0, 1], line[-1, 1]} == {0.0, 10.0}
    assert np.allclose(line[:, 0], 3.5, atol=0.51)


def test_borders_around_a_set_come_once(atlas):
    borders = atlas_borders(atlas)
    members = [atlas.regions.index(name) + 1 for name in atlas.members("auditory")]
    lines = borders.around(members)
    assert len({line.tobytes() for line in lines}) == len(lines)
    assert len(borders.rim(members)) < len(lines)


def test_uniform_labels_have_no_border():
    points, triangles = grid(4)
    assert trace_borders(points, triangles, np.zeros(16, dtype=int)).arcs == ()


def test_specks_take_the_label_around_them():
    points, triangles = grid(9)
    labels = np.where(points[:, 0] < 4, 1, 2)
    labels[9 * 4 + 7] = 1
    cleaned = without_specks(triangles, labels)
    assert cleaned[9 * 4 + 7] == 2
    assert (cleaned != labels).sum() == 1


def test_a_region_of_one_vertex_stays():
    points, triangles = grid(9)
    labels = np.zeros(81, dtype=int)
    labels[40] = 3
    assert without_specks(triangles, labels)[40] == 3
    (ring,) = rings(trace_borders(points, triangles, labels), 3)
    assert Path(ring).contains_point(points[40])


def test_boundary_runs_round_each_sheet(space):
    layout = flat_layout(space)
    for hemi in ("L", "R"):
        (ring,) = boundary(layout.points, layout.of([hemi]))
        assert (ring[0] == ring[-1]).all()


def test_label_stands_in_the_widest_place():
    mask = np.zeros((40, 60), dtype=bool)
    mask[5:9, 2:58] = True  # a long arm
    mask[9:35, 35:55] = True  # and a body
    row, column, room = label_position(mask)
    assert 15 < row < 30
    assert 40 < column < 50
    assert room >= 9
    row, column, _ = label_position(np.eye(1, dtype=bool))
    assert (row, column) == (0, 0)
