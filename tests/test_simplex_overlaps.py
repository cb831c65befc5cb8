"""Simplex meshes whose parts lie on each other are refused; parts that do not are let pass."""

import numpy as np
import pytest
import skfem

from eulerian_mfc import SimplexMesh
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.kernels.bins import OVERLAPS

from .simplices import KINDS, box, delaunay

LINE = np.linspace(0.0, 1.0, 5)


def union(*parts):
    """The parts in one mesh, vertices of each its own."""
    first = np.cumsum([0, *(p.nvertices for p in parts)])
    return type(parts[0])(
        np.hstack([p.p for p in parts]), np.hstack([p.t + n for p, n in zip(parts, first, strict=False)])
    )


def cube(dim):
    return KINDS[dim].init_tensor(*[LINE] * dim)


def bar(dim, axis):
    """Long along one axis, in one cell's width."""
    lines = [np.array([-3.0, 3.0]) if k == axis else np.array([-0.1, 0.1]) for k in range(dim)]
    return KINDS[dim].init_tensor(*lines)


SHIFT = np.array([0.53, 0.31, 0.27])


@pytest.mark.parametrize("dim", [2, 3])
def test_parts_that_overlap(dim):
    """An island shifted, inside one cell, on top of one inner cell, and bars that cross without a vertex in the other."""
    square = cube(dim)
    inner = int(np.abs(square.p[:, square.t].mean(axis=1) - 0.5).max(axis=0).argmin())
    for island in (
        square.translated(SHIFT[:dim]),
        square.scaled(1e-3).translated(SHIFT[:dim]),
        square.restrict(np.array([inner])),
    ):
        with pytest.raises(
            ArgumentError, match=r"mesh: got cell (\d+), which overlaps cell (\d+): both contain the point"
        ):
            SimplexMesh(union(square, island))
    with pytest.raises(ArgumentError, match=r"got cell \d+, which overlaps cell 0: both contain the point"):
        SimplexMesh(union(bar(dim, 0), bar(dim, 1)))
    with pytest.raises(
        ArgumentError, match=rf"got cell {square.nelements}, which overlaps cell {inner}: both contain the point"
    ):
        SimplexMesh(union(square, square.restrict(np.array([inner]))))


@pytest.mark.parametrize("dim", [2, 3])
def test_parts_that_do_not_overlap(dim):
    """Islands beside, boxes that meet though their cells do not, bars that cross above each other."""
    square = cube(dim)
    assert SimplexMesh(union(square, square.translated(np.full(dim, 1.01)))).size == 2 * square.nelements
    corner = KINDS[dim](np.hstack([np.zeros((dim, 1)), np.eye(dim)]), np.arange(dim + 1)[:, None])
    opposite = KINDS[dim](1.05 - corner.p, corner.t)  # beyond the corner's slanted facet, in its bounding box
    assert SimplexMesh(union(corner, KINDS[dim](0.8 * opposite.p + 0.16, opposite.t))).size == 2
    if dim == 3:
        above = bar(3, 1).translated((0.0, 0.0, 0.2001))
        assert SimplexMesh(union(bar(3, 0), above)).size == 12


def test_a_mesh_that_goes_round_twice_is_refused():
    """A strip wound about a hole by more than a turn: neighbours agree, the ends lie on each other."""
    angles = np.linspace(0.0, 2.3 * np.pi, 40)
    rims = [r * np.stack([np.cos(angles), np.sin(angles)]) for r in (1.0, 2.0)]
    k = np.arange(39)
    cells = np.concatenate([np.stack([k, k + 1, k + 40]), np.stack([k + 1, k + 40, k + 41])], axis=1)
    with pytest.raises(ArgumentError, match="which overlaps cell 0: both contain the point"):
        SimplexMesh(skfem.MeshTri(np.hstack(rims), cells))
    once = cells[:, (cells % 40 < 34).all(axis=0)]
    assert SimplexMesh(skfem.MeshTri(np.hstack(rims), once).remove_unused_nodes()).size == 66


@pytest.mark.parametrize("dim", [2, 3])
def test_random_unions_are_refused_where_they_have_a_point_in_common(dim):
    """Two random convex hulls: they overlap if and only if a linear programme finds a point inside of both."""
    from scipy.optimize import linprog
    from scipy.spatial import ConvexHull

    refused = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        first, second = (delaunay(dim, int(rng.integers(dim + 1, 12)), rng).skfem for _ in range(2))
        second = second.scaled(rng.choice([0.2, 1.0])).translated(rng.uniform(-2.0, 2.0, dim))
        sides = np.concatenate([ConvexHull(m.p.T).equations for m in (first, second)])
        depth = linprog(
            [*[0.0] * dim, -1.0],
            np.concatenate([sides[:, :-1], np.ones((len(sides), 1))], axis=1),
            -sides[:, -1],
            bounds=[(None, None)] * (dim + 1),
        ).x[-1]
        assert abs(depth) > 1e-6
        if depth < 0:
            assert SimplexMesh(union(first, second)).size == first.nelements + second.nelements
            continue
        refused += 1
        with pytest.raises(ArgumentError, match="which overlaps cell"):
            SimplexMesh(union(first, second))
    assert 10 <= refused <= 30


@pytest.mark.parametrize("dim", [2, 3])
def test_bins_stay_few_on_thin_and_on_graded_meshes(dim):
    """What point location keeps is linear in the cells: thin ones, and small ones beside large ones."""
    rng = np.random.default_rng(0)
    thin = delaunay(dim, 100, rng, 1e-5)
    graded = box(dim, 4)
    for k in range(8):
        graded = graded.refined(np.linalg.norm(graded.centres, axis=1) < 0.7**k)
    for mesh in (thin, graded, box(dim, 6)):
        bins = mesh.locator.bins
        assert len(bins.cells) <= OVERLAPS * mesh.size
        assert len(bins.first) <= 4 * mesh.size
