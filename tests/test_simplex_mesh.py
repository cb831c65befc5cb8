"""Simplex meshes: location, walls, refinement, files, and meshes that are refused."""

import logging
import tracemalloc

import numpy as np
import pytest
import skfem

import eulerian_mfc as emfc
from eulerian_mfc import SimplexMesh
from eulerian_mfc.errors import ArgumentError, DomainError, FileFormatError, NonFiniteError
from eulerian_mfc.spaces import element_nodes, with_cell_masses

from .simplices import KINDS, box, delaunay, lshape, swiss

DIMS = [1, 2, 3]


def barycentric(mesh, cells, points):
    """By a linear solve of its own."""
    corners = mesh.points[mesh.cells[cells]].transpose(0, 2, 1)
    matrix = np.concatenate([corners, np.ones((len(cells), 1, mesh.dim + 1))], axis=1)
    return np.linalg.solve(matrix, np.concatenate([points, np.ones((len(points), 1))], axis=1)[:, :, None])[:, :, 0]


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("stretch", [1.0, 1e-5])
def test_points_are_found_in_cells_that_hold_them(dim, stretch):
    """Random points, vertices, facets; those outside are said to be outside. Thin cells too."""
    rng = np.random.default_rng(dim)
    mesh = delaunay(dim, 80, rng, stretch)
    points = np.concatenate([swiss(dim, rng)(mesh, 400), mesh.points, mesh.centres])
    found = mesh.locator.find(points)
    assert (found >= 0).all()
    assert barycentric(mesh, found, points).min() >= -1e-9
    assert (found[-mesh.size :] == np.arange(mesh.size)).all()
    beyond = mesh.points[mesh.points[:, 0].argmax()] + np.eye(dim)[0] * stretch * np.array([[1e-3], [1.0], [50.0]])
    assert (mesh.locator.find(beyond) == -1).all()
    assert not mesh.contains(beyond).any()


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("stretch", [1.0, 1e-5])
def test_walks_end_at_targets_inside(dim, stretch):
    """From every node to points anywhere, along facets and through vertices."""
    rng = np.random.default_rng(dim)
    mesh = delaunay(dim, 80, rng, stretch)
    nodes = element_nodes(mesh, 2)
    for targets in (swiss(dim, rng)(mesh, nodes.size), nodes.centres[rng.permutation(nodes.size)]):
        trace = mesh.locator.trace(nodes.cell_of_node, nodes.centres, targets)
        np.testing.assert_allclose(trace.feet, targets, rtol=0, atol=1e-12)
        assert barycentric(mesh, trace.cells, targets).min() >= -1e-9
        np.testing.assert_allclose(trace.barycentric.sum(axis=1), 1.0, rtol=1e-14)


@pytest.mark.parametrize("dim", DIMS)
def test_sliding_on_a_box_is_clamping(dim):
    """On a box the nearest point is known: every coordinate clamped. From nodes on walls, edges and corners too."""
    mesh = box(dim, {1: 30, 2: 9, 3: 5}[dim])
    rng = np.random.default_rng(0)
    nodes = element_nodes(mesh, 2)
    targets = nodes.centres + rng.normal(scale=0.8, size=nodes.centres.shape)
    trace = mesh.locator.trace(nodes.cell_of_node, nodes.centres, targets)
    clamped = np.clip(targets, -1.0, 1.0)
    np.testing.assert_allclose(trace.feet, clamped, rtol=0, atol=1e-12)
    outside = (clamped != targets).any(axis=1)
    assert (trace.projected == outside).all()
    expected = (clamped == targets)[:, :, None] * np.eye(dim)
    np.testing.assert_allclose(trace.jacobian[outside], expected[outside], rtol=0, atol=1e-12)


@pytest.mark.parametrize("dim", [2, 3])
def test_the_derivative_of_sliding_is_exact(dim):
    """On a random convex hull, against differences; feet stay on the mesh."""
    rng = np.random.default_rng(7)
    mesh = delaunay(dim, 60, rng)
    nodes = element_nodes(mesh, 2)
    targets = nodes.centres + rng.normal(size=nodes.centres.shape)
    trace = mesh.locator.trace(nodes.cell_of_node, nodes.centres, targets)
    assert 0.3 < trace.projected.mean() < 1
    assert barycentric(mesh, trace.cells, trace.feet).min() >= -1e-9
    direction = rng.normal(size=targets.shape)
    ahead, behind = (
        mesh.locator.trace(nodes.cell_of_node, nodes.centres, targets + s * direction).feet for s in (1e-7, -1e-7)
    )
    jacobian = np.where(trace.projected[:, None, None], trace.jacobian, np.eye(dim))
    gap = np.abs(np.einsum("nkm,nm->nk", jacobian, direction) - (ahead - behind) / 2e-7).max(axis=1)
    assert (gap > 1e-6).mean() <= 0.01  # one foot at a kink would be no error
    covector = rng.normal(size=targets.shape)
    np.testing.assert_allclose(
        (trace.pullback(covector.copy()) * direction).sum(), np.einsum("nk,nkm,nm", covector, jacobian, direction)
    )


@pytest.mark.parametrize("dim", [2, 3])
def test_sliding_on_convex_domains_does_not_expand(dim):
    """Projected dynamics: two targets from the same node end no farther apart than they are.

    At a vertex of the hull, round-off may still decide which wall a foot slides along: one in a thousand is let pass.
    """
    expanded, count = 0, 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        mesh = delaunay(dim, 40, rng)
        nodes = element_nodes(mesh, 2)
        first = nodes.centres + rng.normal(size=nodes.centres.shape)
        for size in (1.0, 1e-3, 1e-6):
            second = first + size * rng.normal(size=first.shape)
            ends = [mesh.locator.trace(nodes.cell_of_node, nodes.centres, t).feet for t in (first, second)]
            gap = np.linalg.norm(ends[0] - ends[1], axis=1)
            expanded += (gap > np.linalg.norm(first - second, axis=1) * (1 + 1e-6) + 1e-12).sum()
            count += len(gap)
    assert expanded <= 1e-3 * count


def test_walls_stop_characteristics_where_the_domain_is_not_convex():
    """L-shape: nothing jumps over the missing quarter; the re-entrant corner is left in every open direction."""
    mesh = lshape()
    nodes = element_nodes(mesh, 1)
    rng = np.random.default_rng(1)
    targets = nodes.centres + rng.normal(size=nodes.centres.shape)
    trace = mesh.locator.trace(nodes.cell_of_node, nodes.centres, targets)
    assert not (trace.feet > 1e-9).all(axis=1).any()
    assert np.abs(trace.feet).max() <= 1 + 1e-12
    start = np.array([[-0.5, 0.5]])  # the straight way to (0.5, -0.1) crosses the corner's quarter; stop at its wall
    over = mesh.locator.trace(mesh.locator.find(start), start, np.array([[0.5, 0.3]]))
    np.testing.assert_allclose(over.feet, [[0.0, 0.3]], atol=1e-12)
    corner = int(np.flatnonzero((np.abs(mesh.points) < 1e-12).all(axis=1))[0])
    angles = np.linspace(np.pi / 2, 2 * np.pi, 37)  # from one wall round to the other
    ways = 0.4 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for cell in np.flatnonzero((mesh.cells == corner).any(axis=1)):
        feet = mesh.locator.trace(np.full(37, cell), np.zeros((37, 2)), ways)
        np.testing.assert_allclose(feet.feet, ways, rtol=0, atol=1e-12)


def test_sliding_goes_round_a_polygon():
    """On a disc's polygon a tangential step from a boundary node must not get stuck at the node."""
    mesh = SimplexMesh(skfem.MeshTri.init_circle(4))
    rim = np.flatnonzero(np.abs(np.linalg.norm(mesh.points, axis=1) - 1) < 1e-12)
    x = mesh.points[rim]
    for sign in (1.0, -1.0):
        targets = x + sign * 0.03 * np.stack([-x[:, 1], x[:, 0]], axis=1)
        trace = mesh.locator.trace(element_nodes(mesh, 1).cell_of_node[rim], x, targets)
        assert trace.projected.all()
        np.testing.assert_allclose(trace.feet, targets, atol=2e-3)


def test_targets_that_are_not_finite():
    mesh = box(2, 4)
    with pytest.raises(NonFiniteError, match="1 of 2 characteristics are not finite, the first at row 1"):
        mesh.locator.trace(np.zeros(2, int), mesh.centres[[0, 0]], np.array([[0.0, 0.0], [np.nan, 0.0]]))


def test_memory_is_linear():
    """Four times the cells: at most 4.4 times the memory of location."""

    def peak(cells):
        mesh = box(3, cells)
        x = np.asfortranarray(mesh.centres)
        mesh.locator.find(x[:8])
        tracemalloc.start()
        locator = emfc.meshes.location.Locator(mesh.points, mesh.cells, mesh.locator.neighbours)
        locator.find(x)
        locator.trace(np.arange(mesh.size), x, x + 0.01)
        _, out = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return out / mesh.size

    assert peak(16) <= 1.1 * peak(10)


@pytest.mark.parametrize("dim", DIMS)
def test_refinement_keeps_the_domain_and_its_names(dim):
    mesh = box(dim, {1: 8, 2: 6, 3: 3}[dim])
    sides = {"left": lambda x: np.isclose(x[0], -1), "right": lambda x: np.isclose(x[0], 1)}
    mesh = SimplexMesh(mesh.skfem.with_boundaries(sides))
    chosen = mesh.centres[:, 0] > 0.3
    for fine in (mesh.refined(chosen), mesh.refined(np.flatnonzero(chosen)), mesh.refined()):
        assert fine.size > mesh.size
        np.testing.assert_allclose(fine.volumes.sum(), 2.0**dim, rtol=1e-12)
        for name, coordinate in (("left", -1.0), ("right", 1.0)):
            facets = fine.skfem.boundaries[name]
            points = fine.skfem.p[:, fine.skfem.facets[:, facets]]
            np.testing.assert_allclose(points[0], coordinate, atol=1e-12)
            everywhere = (np.abs(fine.skfem.p[0][fine.skfem.facets] - coordinate) < 1e-12).all(axis=0)
            assert len(facets) == everywhere.sum()
    assert mesh.refined(np.zeros(0, int)).size == mesh.size
    with pytest.raises(ArgumentError, match=f"cells: got a cell {mesh.size}, expected"):
        mesh.refined([0, mesh.size])
    for wrong in ("all", 3, [0.5], [[0, 1]], np.ones(3, bool)):
        with pytest.raises(ArgumentError, match=r"a list of cells 0 \.\. "):
            mesh.refined(wrong)


@pytest.mark.parametrize("ending", ["vtu", "msh", "vtk", "xdmf"])
@pytest.mark.parametrize("dim", DIMS)
def test_files_come_back(dim, ending, tmp_path):
    mesh = box(dim, 3)
    if dim > 1 and ending == "vtu":
        mesh = SimplexMesh(mesh.skfem.with_boundaries({"left": lambda x: np.isclose(x[0], -1)}))
    mesh.write(tmp_path / f"mesh.{ending}")
    back = SimplexMesh.read(tmp_path / f"mesh.{ending}")
    np.testing.assert_allclose(back.points, mesh.points, rtol=1e-12)
    np.testing.assert_array_equal(back.cells, mesh.cells)
    names = {name: np.sort(facets).tolist() for name, facets in (mesh.skfem.boundaries or {}).items()}
    assert {name: np.sort(f).tolist() for name, f in (back.skfem.boundaries or {}).items()} == names


def test_files_that_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no mesh file"):
        SimplexMesh.read(tmp_path / "none.msh")
    for name, text in (("mesh.msh", "not a mesh"), ("mesh.odd", "x"), ("mesh.vtu", "<VTKFile>")):
        (tmp_path / name).write_text(text)
        with pytest.raises(
            FileFormatError,
            match=rf"(?s){name}: meshio cannot read the file \(.+\); the package reads the formats .vtu",
        ):
            SimplexMesh.read(tmp_path / name)
    skfem.MeshQuad().save(tmp_path / "quad.xdmf")
    with pytest.raises(FileFormatError, match="got cells of type quad, expected line, triangle or tetra"):
        SimplexMesh.read(tmp_path / "quad.xdmf")
    import meshio

    surface = meshio.Mesh(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 1.0]]), [("triangle", [[0, 1, 2]])])
    surface.write(tmp_path / "surface.vtu")
    with pytest.raises(FileFormatError, match="expected a mesh of dimension 2"):
        SimplexMesh.read(tmp_path / "surface.vtu")
    with pytest.raises(ArgumentError, match=r"a file ending such as \.vtu"):
        box(2, 2).write(tmp_path / "mesh.odd")
    for wrong in (lambda: SimplexMesh.read(None), lambda: box(2, 2).write(3)):
        with pytest.raises(ArgumentError, match=r"path: got (None|3), expected a path"):
            wrong()
    with pytest.raises(ArgumentError, match=r"walls: got 'yes', expected True or False"):
        SimplexMesh(skfem.MeshTri(), walls="yes")


SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.5], [2.0, 2.0], [0.2, 0.2]])
BAD = {
    "inverted": (
        SQUARE[[0, 1, 2, 6]],
        [[0, 1, 2], [1, 2, 3]],
        "cell 1, which lies on the same side of a facet as cell 0",
    ),
    "duplicate": (SQUARE[:4], [[0, 1, 2], [1, 2, 3], [2, 1, 0]], "cell 2, a duplicate of cell 0"),
    "unused": (SQUARE[[0, 1, 2, 5]], [[0, 1, 2]], r"vertex 3 at \[2.0, 2.0\], which no cell uses"),
    "hanging": (
        SQUARE[:5],
        [[0, 1, 2], [1, 3, 4], [2, 3, 4]],
        "vertex 4 on a facet of cell 0, which does not have it as a corner",
    ),
    "doubled": (SQUARE[[0, 1, 2, 1, 2, 3]], [[0, 1, 2], [3, 4, 5]], "vertex 3 on a facet of cell 0"),
    "flat": (SQUARE[[0, 1, 2, 3, 4]], [[0, 1, 2], [0, 3, 4]], "cell 1, which has no volume"),
    "three": (
        SQUARE[[0, 1, 2, 3, 6]],
        [[0, 1, 2], [1, 2, 3], [1, 2, 4]],
        r"the facet of cells \[0, 1, 2\], which all three share",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_meshes_that_are_refused(name):
    points, cells, message = BAD[name]
    with pytest.raises(ArgumentError, match=message):
        SimplexMesh(skfem.MeshTri(points.T.copy(), np.array(cells).T.copy()))


def test_meshes_of_another_kind_are_refused():
    for mesh in (skfem.MeshQuad(), skfem.MeshTri2(), "mesh.msh"):
        with pytest.raises(ArgumentError, match="a MeshLine, MeshTri or MeshTet of scikit-fem"):
            SimplexMesh(mesh)
    with pytest.raises(ArgumentError, match=r"cell 0 with vertices \[0, 1, 7\], expected vertices 0 .. 2"):
        SimplexMesh(skfem.MeshTri(SQUARE[:3].T.copy(), np.array([[0], [1], [7]])))


def test_systems_that_do_not_fit():
    field = emfc.fields.NeuralField(2)
    law = emfc.laws.Empirical([[0.0, 0.0], [0.5, 0.5]], [[0.0, 0.0], [1.0, 1.0]])
    problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), 0.1, 1.0)
    with pytest.raises(ArgumentError, match="mesh: got a mesh of dimension 3, expected the problem's dimension 2"):
        emfc.OptimalitySystem(problem, box(3, 2), 2)
    with pytest.raises(DomainError, match=r"5\.00e-01 of the law's mass lies outside the mesh"):
        emfc.OptimalitySystem(problem, lshape(), 2)
    with pytest.raises(
        ArgumentError, match=r"on a SimplexMesh, expected a scheme for that mesh: transport.Elements\(\)"
    ):
        emfc.OptimalitySystem(problem, box(2, 4), 2, transport=emfc.transport.SemiLagrangian(3))
    with pytest.raises(ArgumentError, match=r"expected a scheme for that mesh: continuity\.SimplexFiniteVolume"):
        emfc.OptimalitySystem(problem, box(2, 4), 2, continuity=emfc.continuity.FiniteVolume())
    with pytest.raises(ArgumentError, match=r"on a CartesianMesh, expected a scheme .* transport.SemiLagrangian\(\)"):
        emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-1, 1)] * 2, 8), 2, transport=emfc.transport.Elements())
    with pytest.raises(ArgumentError, match="degree: got 3, expected one of 1, 2"):
        emfc.OptimalitySystem(problem_in(3), box(3, 2), 2, transport=emfc.transport.Elements(3))


def problem_in(dim):
    law = emfc.laws.Empirical(np.zeros((1, dim)), np.ones((1, dim)))
    return emfc.Problem(emfc.fields.NeuralField(dim), law, emfc.losses.SquaredLoss(), 0.1, 1.0)


def test_nothing_calls_scikit_fems_finder(monkeypatch, caplog):
    """The finder that takes quadratic memory is not in any path of a solve."""
    for kind in KINDS.values():
        monkeypatch.setattr(kind, "element_finder", None)
    caplog.set_level(logging.ERROR)
    for dim in DIMS:
        system = emfc.OptimalitySystem(problem_in(dim), box(dim, 4), 2)
        system.cost_and_gradient(0.3)


@pytest.mark.parametrize(
    ("points", "cells"),
    [
        ([0.0, 1.0, 1.0, 2.0], [[0, 1], [2, 3]]),
        ([0.0, 1.0, 0.5, 2.0], [[0, 1], [2, 3]]),
        ([0.0, 2.0, 0.5, 1.0], [[0, 1], [2, 3]]),
    ],
    ids=["double vertex", "overlap", "inside"],
)
def test_intervals_that_do_not_fit(points, cells):
    mesh = skfem.MeshLine1(np.array([points]), np.array(cells).T)
    with pytest.raises(ArgumentError, match="cell 1, which overlaps cell 0 or touches it"):
        SimplexMesh(mesh)


def test_cells_near_the_boundary_are_those_that_cells_at_its_vertices_touch():
    """On a square, whose boundary is known from the coordinates alone."""
    square = skfem.MeshTri.init_tensor(*[np.linspace(-1, 1, 9)] * 2)
    mesh, layer = emfc.meshes.SimplexMesh(square), 0.25
    depth = 1.0 - np.abs(mesh.points).max(axis=1)  # of the vertices, in multiples of the cells' side
    nearest = depth[mesh.cells].min(axis=1)
    for cells in (1, 2, 3):
        expected = nearest <= (cells - 1) * layer + 1e-12
        assert 0 < expected.sum() < mesh.size
        assert np.array_equal(mesh.near_boundary(cells), expected)
    assert not emfc.meshes.SimplexMesh(square, walls=True).near_boundary(1).any()


@pytest.mark.parametrize("dim", DIMS)
def test_crossing_rates_are_cells_a_unit_of_time(dim):
    """Squares cut into right-angled simplices of legs h: `v` along an axis changes a coordinate at the rate v / h."""
    mesh = box(dim, 4, shake=0.0)
    for k in range(dim):
        rates = mesh.crossing_rates(np.tile(0.3 * np.eye(dim)[k], (mesh.size, 1)))
        np.testing.assert_allclose(rates, 0.3 / 0.5, rtol=1e-12)
    boxes = emfc.CartesianMesh([(-1.0, 1.0)] * dim, 4)
    np.testing.assert_allclose(boxes.crossing_rates(0.3 * np.ones((boxes.size, dim))), 0.6, rtol=1e-14)
    nodes = element_nodes(mesh, 2)
    held = np.arange(nodes.size) == nodes.dofs[3, -1]
    assert (nodes.cells_of(held) == (nodes.dofs == nodes.dofs[3, -1]).any(axis=1)).all()
    assert (with_cell_masses(nodes).cells_of(np.arange(mesh.size) == 2) == (np.arange(mesh.size) == 2)).all()


def test_the_width_is_the_longest_edge():
    mesh = SimplexMesh(skfem.MeshTri.init_tensor(np.linspace(0, 1, 3), np.linspace(0, 3, 4)))
    np.testing.assert_allclose(mesh.width, np.hypot(0.5, 1.0))


def test_refining_in_space_says_nothing(caplog):
    """scikit-fem notes the memory order of its own arrays of more than 1000 entries: no news for a round of refinement."""
    mesh = box(3, 7)
    assert mesh.refined(np.arange(20)).size > mesh.size
    assert not caplog.records
    mesh.skfem.refined(np.arange(20))
    assert any("C_CONTIGUOUS" in record.message for record in caplog.records)
