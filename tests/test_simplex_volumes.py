"""Finite volumes on simplices: orders, bounds, mass, walls, and the optimum beside elements."""

import numpy as np
import pytest
from skfem.quadrature import get_quadrature

import eulerian_mfc as emfc
from eulerian_mfc import SimplexMesh
from eulerian_mfc.continuity import SimplexFiniteVolume
from eulerian_mfc.continuity.limiters import SIMPLEX_LIMITERS as LIMITERS
from eulerian_mfc.continuity.simplex_finite_volume import RECONSTRUCTIONS
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.flow import Flow, Layer

from .conftest import REFERENCE
from .simplices import box, lshape

SCHEMES = [SimplexFiniteVolume("upwind"), *(SimplexFiniteVolume("muscl", limiter) for limiter in LIMITERS)]


def test_every_reconstruction_is_tested():
    assert {s.reconstruction for s in SCHEMES} == set(RECONSTRUCTIONS)


def averages(mesh, function):
    """Masses of the cells by scikit-fem's quadrature of degree 8."""
    places, weights = get_quadrature(mesh.skfem.refdom, 8)
    b = np.concatenate([1 - places.sum(axis=0, keepdims=True), places]).T
    points = np.einsum("qi,cik->cqk", b, mesh.points[mesh.cells])
    values = function(points.reshape(-1, mesh.dim)).reshape(mesh.size, -1)
    return (values * weights / weights.sum()).sum(axis=1) * mesh.volumes


def rotation(t, theta, x):
    """About the third axis, where there is one."""
    return theta[0] * np.concatenate([-x[:, 1:2], x[:, :1], 0 * x[:, 2:]], axis=1)


def bump(centre, width):
    return lambda x: np.exp(-((x - centre) ** 2).sum(axis=1) / (2 * width**2))


def quarter_turn(scheme, cells, dim=2, width=0.2):
    """`(masses, exact, initial, mesh, ledger)` after a quarter of a turn in three layers."""
    mesh = box(dim, cells)
    field = emfc.fields.CustomField(rotation, dim, 1, autonomous=True)
    operator = scheme.on(mesh, Flow(field, emfc.LayerMap()))
    start, end = np.zeros(dim), np.zeros(dim)
    start[0] = end[1] = 0.3
    initial = averages(mesh, bump(start, width))
    masses, ledger = initial[None], 0.0
    for n in range(3):
        masses, left = operator.step_with_ledger(Layer(n / 3, np.pi / 6, np.ones(1)), masses)
        ledger = ledger + left
    return masses[0], averages(mesh, bump(end, width)), initial, mesh, ledger


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
def test_rotation(scheme):
    """Orders in L1; with a limiter no new extrema; mass and ledger exact."""
    cells = (16, 32, 64)
    errors = []
    for n in cells:
        masses, exact, initial, mesh, ledger = quarter_turn(scheme, n)
        errors.append(np.abs(masses - exact).sum() / exact.sum())
        assert abs(masses.sum() + ledger.sum() - initial.sum()) <= 1e-12 * initial.sum()
        if scheme.positive:
            density, first = masses / mesh.volumes, initial / mesh.volumes
            assert density.max() <= first.max() * (1 + 1e-14)
            assert density.min() >= min(first.min(), 0.0) - 1e-15
    order = np.log(errors[-2] / errors[-1]) / np.log(2)
    assert order >= {1: 0.65, 2: 1.7}[scheme.order], (
        order,
        errors,
    )  # upwind reaches 0.8 on finer meshes: docs/simplices


@pytest.mark.parametrize("scheme", [SimplexFiniteVolume("upwind"), SimplexFiniteVolume()], ids=repr)
def test_a_box_keeps_its_bounds(scheme):
    """An indicator function, carried round: between 0 and 1 to round-off."""
    mesh = box(2, 20)
    operator = scheme.on(mesh, Flow(emfc.fields.CustomField(rotation, 2, 1, autonomous=True), emfc.LayerMap()))
    density = (np.abs(mesh.centres - [0.3, 0.1]).max(axis=1) < 0.25).astype(float)
    masses, _ = operator.step(Layer(0.0, 1.0, np.ones(1)), (density * mesh.volumes)[None])
    out = masses[0] / mesh.volumes
    assert out.min() >= -1e-15
    assert out.max() <= 1 + 1e-14
    assert out.max() >= 0.6


@pytest.mark.parametrize("dim", [1, 3])
def test_other_dimensions(dim):
    """A translation: the centre of mass moves with it, second order holds, mass is exact."""
    errors = []
    cells = {1: (40, 80), 3: (6, 12)}[dim]
    for n in cells:
        mesh = box(dim, n)
        operator = SimplexFiniteVolume().on(mesh, Flow(emfc.fields.AffineField(dim, matrix=False), emfc.LayerMap()))
        shift = np.array([0.2, 0.1, -0.1])[:dim]
        width = {1: 0.15, 3: 0.3}[dim]
        start = averages(mesh, bump(np.zeros(dim), width))
        masses, left = operator.step(Layer(0.0, 1.0, shift), start[None])
        assert abs(masses.sum() + left.sum() - start.sum()) <= 1e-12 * start.sum()
        exact = averages(mesh, bump(shift, width))
        errors.append(np.abs(masses[0] - exact).sum() / exact.sum())
    assert np.log2(errors[0] / errors[1]) >= 1.5, errors


def test_gradients_of_linear_functions_are_exact():
    for dim in (1, 2, 3):
        mesh = box(dim, 5)
        operator = SimplexFiniteVolume("muscl", "none").on(
            mesh, Flow(emfc.fields.AffineField(dim, matrix=False), emfc.LayerMap())
        )
        slope = np.arange(1.0, dim + 1)
        np.testing.assert_allclose(operator._slopes(mesh.centres @ slope), np.tile(slope, (mesh.size, 1)), atol=1e-11)


def test_geometry():
    """Facets' normals sum to zero about every cell, and those of the boundary give the volume (divergence theorem)."""
    for dim in (1, 2, 3):
        mesh = box(dim, 4)
        geometry = SimplexFiniteVolume().on(mesh, Flow(emfc.fields.NeuralField(dim), emfc.LayerMap())).geometry
        closed = np.zeros((mesh.size, dim))
        np.add.at(closed, geometry.left, geometry.areas)
        np.subtract.at(closed, geometry.right[~geometry.outer], geometry.areas[~geometry.outer])
        np.testing.assert_allclose(closed, 0, atol=1e-13)
        outward = geometry.areas[geometry.outer], geometry.facet_centres[geometry.outer]
        assert abs((outward[0] * outward[1]).sum() / dim - 2.0**dim) <= 1e-12


def test_walls_and_ledger():
    """Each named side's outflow is counted by name; no-flux sides keep everything; unknown names are refused."""
    sides = {"left": lambda x: np.isclose(x[0], -1), "right": lambda x: np.isclose(x[0], 1)}
    mesh = SimplexMesh(box(2, 10).skfem.with_boundaries(sides))
    flow = Flow(emfc.fields.AffineField(2, matrix=False), emfc.LayerMap())
    start = averages(mesh, bump(np.zeros(2), 0.2))[None]
    layer = Layer(0.0, 1.0, np.array([1.5, 0.0]))
    operator = SimplexFiniteVolume("upwind").on(mesh, flow)
    assert operator.sides == ["left", "right", "unnamed"]
    masses, ledger = operator.step_with_ledger(layer, start)
    assert ledger[0, 1] > 0.5 * start.sum()
    assert abs(ledger[0, [0, 2]]).max() <= 1e-14
    assert abs(masses.sum() + ledger.sum() - start.sum()) <= 1e-13
    for boundary in ("no_flux", {"right": "no_flux"}):
        kept, ledger = SimplexFiniteVolume("muscl", boundary=boundary).on(mesh, flow).step_with_ledger(layer, start)
        assert np.abs(ledger).max() <= 1e-14
        assert abs(kept.sum() - start.sum()) <= 1e-13
        assert kept.min() >= -1e-15
    with pytest.raises(ArgumentError, match=r"boundary: got {'top': 'no_flux'}, expected names .*'left', 'right'"):
        SimplexFiniteVolume(boundary={"top": "no_flux"}).on(mesh, flow)


def test_arguments():
    with pytest.raises(ArgumentError, match="limiter: got 'mc', expected one of 'none', 'barth_jespersen'"):
        SimplexFiniteVolume(limiter="mc")
    with pytest.raises(ArgumentError, match="cfl: got 2, expected at most 1 for the integrator ssprk3"):
        SimplexFiniteVolume(cfl=2)
    flow = Flow(emfc.fields.AffineField(2, matrix=False), emfc.LayerMap())
    operator = SimplexFiniteVolume(substeps=1).on(box(2, 10), flow)
    with pytest.raises(ArgumentError, match=r"substeps: got 1, which gives the Courant number .*: use substeps >= "):
        operator.step(Layer(0.0, 1.0, np.ones(2)), np.ones((1, operator.mesh.size)))
    with pytest.raises(ArgumentError, match="a SimplexMesh"):
        SimplexFiniteVolume().on(emfc.CartesianMesh([(-1, 1)]), flow)


def test_measure_integrates_linear_densities_times_linear_functions():
    mesh = box(2, 6)
    operator = SimplexFiniteVolume("muscl", "none").on(
        mesh, Flow(emfc.fields.AffineField(2, matrix=False), emfc.LayerMap())
    )
    masses = averages(mesh, lambda x: 2 + x[:, 0])[None]
    points, weights, _ = operator.measure(masses)
    exact = 4 / 3  # int (2 + x) x over [-1, 1]^2
    assert abs(weights[0] @ points[:, 0] - exact) <= 1e-12
    np.testing.assert_allclose(weights.reshape(mesh.size, -1).sum(axis=1), masses[0], rtol=1e-12)


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.CostErrorWarning")  # 1 % on the finer mesh
def test_the_optimum_beside_elements():
    """Finite volumes for mu, elements for psi, by shooting, on a line: second order towards the reference control."""
    reference = np.array(REFERENCE["bimodal_1d_0.2"]["control"])
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1.0], [1.0]], 0.2), [-2.0, 2.0])
    problem = emfc.Problem(emfc.fields.NeuralField(1, bias=False), law, emfc.losses.SquaredLoss(), 0.2, 1.0)
    errors = []
    for n in (80, 160):
        solution = emfc.solve(
            problem, box(1, n, -4.0, 4.0), 20, continuity=SimplexFiniteVolume(), transport=emfc.transport.Elements(2),
            solver=emfc.solvers.Shooting(relaxation=0.5, tol=1e-6),
        )  # fmt: skip
        assert solution.solved, solution.message  # coarse: 6 to 11 % of the cost
        assert solution.checks.mass_drift <= 1e-12
        assert not solution.checks.adjoint
        errors.append(np.abs(solution.control - reference).max())
    assert errors[1] <= 4e-3, errors
    assert errors[0] >= 2.5 * errors[1], errors


def test_files_exports_and_figures(tmp_path):
    """Cell masses through HDF5, ParaView and figures, on the L-shape."""
    import pyvista

    law = emfc.laws.Labelled(emfc.laws.Gaussian([-0.5, -0.5], 0.05), [[0.1, -0.5]])
    problem = emfc.Problem(
        emfc.fields.AffineField(2, matrix=False), law, emfc.losses.SquaredLoss(), 0.5, 1.0, representation="moments"
    )
    solution = emfc.solve(
        problem,
        lshape(12),
        2,
        continuity=SimplexFiniteVolume(boundary="no_flux"),
        solver=emfc.solvers.Shooting(tol=1e-4),
    )
    assert solution.solved, solution.message  # coarse: 6 to 11 % of the cost
    solution.save(tmp_path / "s.h5")
    back = emfc.Solution.load(tmp_path / "s.h5", problem)
    np.testing.assert_array_equal(back.masses, solution.masses)
    assert back.numerics.continuity == SimplexFiniteVolume(boundary="no_flux")
    solution.to_vtk(tmp_path)
    grid = pyvista.read(tmp_path / "solution_0002.vtu")
    np.testing.assert_allclose(grid.cell_data["density_total"] * solution.mesh.volumes, solution.masses[-1, 0])
    solution.plot().savefig(tmp_path / "figure.png")
