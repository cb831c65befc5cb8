"""The adjoint pair on simplices: mass, duality and gradient on random meshes, orders, files, exports, figures."""

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import eulerian_mfc as emfc
from eulerian_mfc.flow import Flow, Layer

from .conftest import REFERENCE, paraview_sees
from .simplices import box, delaunay, swiss
from .test_adjoint_pair import FIELDS, check_gradient, check_mass_and_duality

PAIRS = [(dim, degree) for dim in (1, 2, 3) for degree in (1, 2, 3) if degree < 3 or dim == 2]


def random_system(seed, dim, degree, name, method):
    """A random system on a random mesh: samples inside cells, on facets and at vertices; thin cells; fast fields."""
    rng = np.random.default_rng(seed)
    field = FIELDS[name](dim)
    mesh = delaunay(dim, int(rng.integers(8, {1: 60, 2: 60, 3: 40}[dim])), rng, rng.choice([1.0, 0.02]))
    x, samples = swiss(dim, rng)(mesh, 20), rng.dirichlet(np.ones(20))
    labels = rng.normal(size=(3, dim))
    by_labels = bool(rng.integers(2))
    y = labels[rng.integers(3, size=20)] if by_labels else rng.normal(size=(20, dim))
    problem = emfc.Problem(
        field,
        emfc.laws.Empirical(x, y, samples),
        emfc.losses.SquaredLoss(),
        rng.uniform(0.1, 2.0, field.parameters),
        rng.uniform(0.5, 2.0),
        "labels" if by_labels else "moments",
    )
    layers = int(rng.integers(1, 5))
    scheme = emfc.transport.Elements(degree)
    layer_map = emfc.LayerMap(method, int(rng.integers(1, 3)))
    system = emfc.OptimalitySystem(problem, mesh, layers, transport=scheme, layer_map=layer_map)
    return system, rng.normal(scale=0.6, size=(layers, field.parameters)), rng


@pytest.mark.parametrize(("dim", "degree"), PAIRS)
@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_field_dimension_and_degree(name, dim, degree):
    for number, method in enumerate(("euler", "midpoint", "rk4")):
        system, control, rng = random_system((dim, degree, len(name), number), dim, degree, name, method)
        check_mass_and_duality(system, control)
        check_gradient(system, control, rng)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1),
    pair=st.sampled_from(PAIRS),
    name=st.sampled_from(sorted(FIELDS)),
    method=st.sampled_from(["euler", "midpoint", "rk4"]),
)
def test_random_problems_meshes_and_controls(seed, pair, name, method):
    system, control, rng = random_system(seed, *pair, name, method)
    check_mass_and_duality(system, control)
    check_gradient(system, control, rng)


def test_mass_leaves_in_these_tests():
    """The systems above do have characteristics that meet the boundary."""
    shares = []
    for seed in range(10):
        system, control, _ = random_system(seed, 2, 2, "affine", "rk4")
        masses, met = system.masses(control)
        shares.append(np.abs(met).max() / np.abs(masses).max())
    assert np.median(shares) > 0.1


@pytest.mark.parametrize(("dim", "degree"), PAIRS)
def test_taylor_remainder_has_slope_two(dim, degree):
    """`|J(theta + s v) - J(theta) - s <g, v>| = O(s^2)` for steps in which no foot crosses a facet (J has kinks there)."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        mesh = delaunay(dim, 15, rng)
        remainders = taylor_remainders(mesh, dim, degree, rng)
        if remainders is not None:
            break
    slope = np.polyfit(np.log(STEPS), np.log(remainders), 1)[0]
    assert abs(slope - 2) <= 0.15, (slope, remainders)


STEPS = np.array([4e-4, 2e-4, 1e-4, 5e-5])


def taylor_remainders(mesh, dim, degree, rng):
    """None if a foot crosses a facet within the steps."""
    law = emfc.laws.Empirical(swiss(dim, rng)(mesh, 20), rng.normal(size=(20, dim)))
    problem = emfc.Problem(emfc.fields.NeuralField(dim), law, emfc.losses.SquaredLoss(), 0.3, 1.0)
    system = emfc.OptimalitySystem(problem, mesh, 2, transport=emfc.transport.Elements(degree))
    control = rng.normal(scale=0.4, size=(2, problem.parameters))
    direction = rng.normal(size=control.shape)
    cost, gradient = system.cost_and_gradient(control)

    def cells(theta):
        feet = [system.flow(system.layer(n, theta[n]), system.mesh.centres) for n in range(2)]
        traces = [mesh.locator.trace(system.mesh.cell_of_node, system.mesh.centres, f) for f in feet]
        return np.stack([t.cells + mesh.size * t.projected for t in traces])

    if any((cells(control + s * direction) != cells(control)).any() for s in STEPS):
        return None
    return [abs(system.cost(control + s * direction).total - cost - s * np.vdot(gradient, direction)) for s in STEPS]


@pytest.mark.parametrize(("dim", "degree"), PAIRS)
def test_polynomials_of_the_degree_are_transported_exactly(dim, degree):
    """A translation that stays inside, and a polynomial of degree p: no error."""
    mesh = box(dim, 6)
    flow = Flow(emfc.fields.AffineField(dim, matrix=False), emfc.LayerMap("euler"))
    operator = emfc.transport.Elements(degree).on(mesh, flow)
    shift = np.array([0.13, -0.21, 0.17])[:dim]
    polynomial = lambda x: (0.3 + x @ np.arange(1.0, dim + 1)) ** degree  # noqa: E731
    psi = operator.step(Layer(0.0, 1.0, shift), polynomial(operator.mesh.centres)[None])
    inner = (np.abs(operator.mesh.centres + shift) <= 1).all(axis=1)
    expected = polynomial(operator.mesh.centres + shift)
    np.testing.assert_allclose(psi[0, inner], expected[inner], rtol=0, atol=1e-11)
    values, gradient = operator.interpolation.gather(
        mesh.centres,
        operator.interpolation.coefficients(polynomial(operator.mesh.centres)[None]),
        np.ones((1, mesh.size)),
    )
    np.testing.assert_allclose(values[0], polynomial(mesh.centres), atol=1e-12)
    slope = degree * (0.3 + mesh.centres @ np.arange(1.0, dim + 1)) ** (degree - 1)
    np.testing.assert_allclose(gradient, slope[:, None] * np.arange(1.0, dim + 1), rtol=1e-9, atol=1e-10)


def test_scikit_fem_evaluates_the_same():
    """Against scikit-fem's own interpolation, through its element finder, on a small mesh."""
    from skfem import Basis

    rng = np.random.default_rng(0)
    mesh = box(2, 5)
    for degree in (1, 2, 3):
        operator = emfc.transport.Elements(degree).on(mesh, Flow(emfc.fields.NeuralField(2), emfc.LayerMap()))
        basis = Basis(mesh.skfem, operator.mesh.element)
        psi, x = rng.normal(size=(1, operator.mesh.size)), rng.uniform(-1, 1, (200, 2))
        ours, _ = operator.interpolation.gather(x, operator.interpolation.coefficients(psi))
        np.testing.assert_allclose(ours[0], basis.probes(x.T) @ psi[0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(basis.doflocs.T, operator.mesh.centres, atol=1e-14)


def test_masses_of_degree_one_stay_non_negative():
    rng = np.random.default_rng(3)
    mesh = box(2, 12)
    law = emfc.laws.Empirical(rng.uniform(-1, 1, (50, 2)), rng.integers(2, size=(50, 1)))
    loss = emfc.losses.LabelLoss(lambda x, y: (x[:, 0] - y[0]) ** 2, [0.0, 1.0])
    problem = emfc.Problem(emfc.fields.NeuralField(2), law, loss, 0.2, 1.0)
    system = emfc.OptimalitySystem(problem, mesh, 6, transport=emfc.transport.Elements(1))
    masses, _ = system.masses(rng.normal(size=(6, 6)))
    assert masses.min() >= 0


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_densities_have_the_masses_integral(degree):
    """`int density = mass`, and the density of a smooth law is near: relative error at the peak below 10 percent."""
    from skfem import Basis, ElementTriP1, Functional

    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.1, -0.05], 0.12), [[0.0, 0.0]])
    problem = emfc.Problem(emfc.fields.NeuralField(2), law, emfc.losses.SquaredLoss(), 0.2, 1.0)
    system = emfc.OptimalitySystem(problem, box(2, 30), 1, transport=emfc.transport.Elements(degree))
    density = system.mesh.density(system.initial_masses)[0]
    basis = Basis(system.mesh.mesh.skfem, ElementTriP1())
    integral = Functional(lambda w: w["u"]).assemble(basis, u=basis.interpolate(density))
    assert abs(integral - 1) <= 1e-12
    exact = 1 / (2 * np.pi * 0.12**2)
    assert abs(density.max() / exact - 1) <= 0.1


def bimodal(dim, **changes):
    ones = np.ones(dim)
    return emfc.Problem(
        field=emfc.fields.NeuralField(dim),
        law=emfc.laws.Labelled(emfc.laws.GaussianMixture([-ones, ones], 0.2), [-2 * ones, 2 * ones]),
        **{"loss": emfc.losses.SquaredLoss(), "penalty": 0.2, "horizon": 1.0, **changes},
    )


@pytest.mark.parametrize(("degree", "least", "bound"), [(1, 0.9, 0.35), (2, 1.8, 5e-3), (3, 2.7, 4e-4)])
def test_order_of_the_cost(degree, least, bound):
    """`bimodal_2d_0.2` at the reference control, 20 layers, Courant numbers 0.15 to 0.4."""
    cells = (24, 32, 44)
    reference = REFERENCE["bimodal_2d_0.2"]
    errors = []
    for n in cells:
        system = emfc.OptimalitySystem(bimodal(2), box(2, n, -4.0, 4.0), 20, transport=emfc.transport.Elements(degree))
        errors.append(abs(system.cost(reference["control"]).total - reference["cost"]))
    order = -np.polyfit(np.log(cells), np.log(errors), 1)[0]
    assert order >= least, (order, errors)
    assert errors[-1] <= bound


@pytest.fixture(scope="module", params=[1, 2])
def solved(request):
    return emfc.solve(bimodal(request.param), box(request.param, 32, -4.0, 4.0), 5), request.param


def test_solve_files_exports_and_figures(solved, tmp_path):
    """One solution through everything: certificate, HDF5, ParaView, figures."""
    import pyvista

    solution, dim = solved
    mesh = solution.mesh
    assert solution.converged, solution.message
    assert solution.checks.mass_drift <= 1e-12
    assert solution.checks.duality_drift <= 1e-12
    assert solution.potentials.shape == (6, 2, solution.unknowns.size)
    assert solution.densities.shape == (6, 2, len(mesh.points))
    assert solution.velocity(0).shape == (mesh.size, dim)

    solution.save(tmp_path / "solution.h5")
    back = emfc.Solution.load(tmp_path / "solution.h5", bimodal(dim))
    np.testing.assert_array_equal(back.mesh.points, mesh.points)
    np.testing.assert_array_equal(back.densities, solution.densities)
    assert back.numerics.transport == emfc.transport.Elements(2)
    again, gradient = back.system.cost_and_gradient(back.control)
    assert abs(again - solution.cost) <= 1e-13
    assert np.abs(gradient / back.system.controls.mass).max() <= solution.residual * (1 + 1e-6)

    solution.to_vtk(tmp_path / "vtk")
    names = sorted(p.name for p in (tmp_path / "vtk").iterdir())
    assert [n for n in names if n.endswith(".vtu")] == [f"solution_{n:04d}.vtu" for n in range(6)]
    assert ("spacetime.vtr" in names) == (dim == 1)
    reader = pyvista.PVDReader(tmp_path / "vtk" / "solution.pvd")
    np.testing.assert_allclose(reader.time_values, solution.times)
    reader.set_active_time_value(solution.times[-1])
    grid = reader.read()[0]
    assert grid.n_cells == mesh.size
    # On a line every cell is an area with four points: its two vertices, and they again on the way back.
    of = mesh.cells[:, [0, 1, 1, 0]].ravel() if dim == 1 else np.arange(len(mesh.points))
    np.testing.assert_allclose(grid.points[:, :dim], mesh.points[of])
    np.testing.assert_allclose(grid.point_data["density_total"], solution.total_density[-1][of])
    # psi at the final time is the loss: its value at the vertices and its gradient at the centroids are known.
    label = solution.labels[0]
    np.testing.assert_allclose(
        grid.point_data[f"psi_{solution.names[0]}"], ((mesh.points[of] - label) ** 2).sum(axis=1), atol=1e-12
    )
    gradients = grid.cell_data[f"grad_psi_{solution.names[0]}"][:, :dim]
    np.testing.assert_allclose(gradients, 2 * (mesh.centres - label), atol=1e-9)
    np.testing.assert_allclose(grid.cell_data["velocity"][:, :dim], solution.velocity(5))

    solution.plot().savefig(tmp_path / "figure.png")


@pytest.mark.skipif(shutil.which("pvpython") is None, reason="ParaView (pvpython) is not installed")
def test_paraview_opens_simplices(solved, tmp_path):
    """The collection of `.vtu` files as ParaView itself reports it: times, bounds, cells, ranges."""
    solution, dim = solved
    solution.to_vtk(tmp_path)
    seen = paraview_sees(tmp_path / "solution.pvd")
    np.testing.assert_allclose(seen["times"], solution.times, rtol=1e-12)
    density = solution.total_density[-1]
    # On a line the density is the height, 0.4 of the line's length where it is largest.
    height = 0.4 * 8 / solution.total_density.max()
    second = [-4, 4] if dim == 2 else [height * min(density.min(), 0.0), height * density.max()]
    np.testing.assert_allclose(seen["bounds"], [-4, 4, *second, 0, 0], atol=1e-12)
    assert (seen["cells"], seen["points"]) == (
        solution.mesh.size,
        4 * solution.mesh.size if dim == 1 else len(solution.mesh.points),
    )
    np.testing.assert_allclose(
        seen["point_ranges"]["density_total"], [density.min(), density.max(), 1], rtol=1e-12, atol=1e-15
    )
    speeds = solution.velocity(5)[:, 0]
    np.testing.assert_allclose(seen["ranges"]["velocity"], [speeds.min(), speeds.max(), 3], rtol=1e-12)


def test_rasters_hold_the_mass():
    """What figures show: the density sampled on boxes integrates to one."""
    from eulerian_mfc.views.grid_sampling import on_boxes

    solution = emfc.solve(bimodal(2), box(2, 32, -4.0, 4.0), 3, solver=emfc.solvers.LBFGS(tol=1e-2))
    boxes = on_boxes(solution)
    mass = boxes.total_density[-1].sum() * boxes.mesh.volume
    assert abs(mass - 1) <= 1e-3
    assert boxes.densities.shape == (4, 2, *boxes.mesh.shape)
    assert boxes.outline.shape == (128, 2, 2)


def test_three_dimensions_agree_with_boxes():
    """Tetrahedra, a Cartesian mesh and particles, coarse: costs of one control. The study is docs/simplices.py."""
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], size=(200, 1)) * np.ones(3)
    law = emfc.laws.Empirical(signs + rng.normal(scale=0.2, size=(200, 3)), 2 * signs)
    problem = emfc.Problem(emfc.fields.NeuralField(3), law, emfc.losses.SquaredLoss(), 0.2, 1.0)
    control = np.tile(np.concatenate([np.full(9, 0.35), np.zeros(3)]), (4, 1))
    boxes = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-4, 4)] * 3, 24), 4).cost(control).total
    tetrahedra = emfc.OptimalitySystem(problem, box(3, 14, -4.0, 4.0), 4).cost(control).total
    particles = emfc.ParticleSystem(problem, 4).cost(control).total
    assert abs(boxes - particles) <= 5e-3
    assert abs(tetrahedra - particles) <= 3e-2
