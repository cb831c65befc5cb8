"""Semi-Lagrangian transport and interpolation: exactness, orders, boundedness, kernels against plain NumPy."""

import numpy as np
import pytest
from scipy.interpolate import BarycentricInterpolator, RegularGridInterpolator, make_interp_spline

import eulerian_mfc as emfc
from eulerian_mfc.errors import NonFiniteError
from eulerian_mfc.flow import Flow, Layer
from eulerian_mfc.transport.interpolation import Interpolation

from .conftest import script

DEGREES = (1, 3, 5, 7)
KINDS = ("spline", "lagrange")
ALL = [(degree, kind) for degree in DEGREES for kind in KINDS]


@pytest.fixture(scope="module")
def orders():
    """The script that makes the docs' table of orders."""
    return script("transport_orders")


@pytest.mark.parametrize(("degree", "kind"), [pair for pair in ALL if pair[0] > 1])
def test_steps_at_an_outflow_boundary_are_stable(degree, kind):
    """Spectral radius 1 and bounded powers; the one-sided ends that the package avoids are unstable from degree 5 on."""
    (radius_before, power_before), (radius, power) = script("boundary_stability").study(degree, kind)
    assert radius <= 1 + 1e-12
    assert power <= 10
    if degree > 3:
        assert radius_before > 1.1
        assert power_before > 1e10


@pytest.mark.parametrize(("degree", "kind"), ALL)
def test_order_against_the_exact_tanh_flow(orders, degree, kind):
    """Cells and layers doubled together: the degree; at fixed layers, Courant number above 1: the degree plus one."""
    cells, errors, order = orders.study(degree, kind, fixed_courant=True)
    assert order >= degree - 0.15, errors
    assert errors[-1] <= {1: 1e-2, 3: 1e-6, 5: 1e-8, 7: 1e-8}[degree]
    assert orders.courant(cells[0], orders.FIXED_LAYERS) > 1
    _, errors, order = orders.study(degree, kind, fixed_courant=False)
    assert order >= degree + 0.8, errors


@pytest.mark.parametrize(("degree", "kind"), ALL)
def test_polynomials_up_to_the_degree_are_interpolated_exactly(degree, kind):
    """In three dimensions, with unequal cells, all but the linear intervals at the ends; the gradient as well."""
    mesh = emfc.CartesianMesh([(-1.0, 1.0), (0.0, 3.0), (-2.0, 0.5)], (degree + 1, degree + 3, degree + 5))
    ends = (degree - 1) // 2
    interpolation = Interpolation(mesh, degree, kind)
    rng = np.random.default_rng(1)
    coefficients = rng.normal(size=(2, degree + 1, degree + 1, degree + 1))
    polynomial = lambda x, c: np.polynomial.polynomial.polyval3d(*x.T, c)  # noqa: E731
    values = np.stack([polynomial(mesh.centres, c).reshape(mesh.shape) for c in coefficients])
    low = np.array([mesh.axis(k)[ends] for k in range(3)])
    high = np.array([mesh.axis(k)[-1 - ends] for k in range(3)])
    x = rng.uniform(low, high, size=(50, 3))
    weights = rng.normal(size=(2, 50))
    got, pull = interpolation.gather(x, interpolation.coefficients(values), weights)
    scale = np.abs(values).max()
    for r in range(2):
        np.testing.assert_allclose(got[r], polynomial(x, coefficients[r]), rtol=0, atol=1e-11 * scale)
    slopes = [
        sum(
            w * polynomial(x, np.polynomial.polynomial.polyder(c, axis=k))
            for w, c in zip(weights, coefficients, strict=True)
        )
        for k in range(3)
    ]
    np.testing.assert_allclose(pull, np.stack(slopes, axis=1), rtol=0, atol=1e-10 * scale * (degree + 1))


@pytest.mark.parametrize("degree", [3, 5, 7])
@pytest.mark.parametrize("cells", [8, 9, 10, 16, 40])
def test_splines_are_scipys_not_a_knot_splines(degree, cells):
    mesh = emfc.CartesianMesh([(0.0, 2.0)], cells)
    interpolation = Interpolation(mesh, degree, "spline")
    rng = np.random.default_rng(cells)
    nodes, values = mesh.axis(0), rng.normal(size=(1, cells))
    ends = (degree - 1) // 2
    x = rng.uniform(nodes[ends], nodes[-1 - ends], size=200)
    spline = make_interp_spline(nodes, values[0], k=degree)
    got, pull = interpolation.gather(x[:, None], interpolation.coefficients(values), np.ones((1, 200)))
    scale = np.abs(spline(x)).max()
    np.testing.assert_allclose(got[0], spline(x), rtol=0, atol=1e-10 * scale)
    np.testing.assert_allclose(pull[:, 0], spline(x, nu=1), rtol=0, atol=1e-9 * scale / mesh.widths[0])


@pytest.mark.parametrize(("degree", "kind"), ALL)
def test_the_outermost_intervals_are_linear(degree, kind):
    mesh = emfc.CartesianMesh([(0.0, 1.0)], 12)
    values = np.random.default_rng(8).normal(size=(1, 12))
    nodes, ends = mesh.axis(0), (degree - 1) // 2
    x = np.concatenate([np.linspace(nodes[0], nodes[ends], 20), np.linspace(nodes[-1 - ends], nodes[-1], 20)])
    interpolation = Interpolation(mesh, degree, kind)
    got, _ = interpolation.gather(x[:, None], interpolation.coefficients(values))
    np.testing.assert_allclose(got[0], np.interp(x, nodes, values[0]), rtol=0, atol=1e-12)


def test_two_dimensions_against_scipy_linear():
    mesh = emfc.CartesianMesh([(0.0, 1.0), (0.0, 2.0)], (7, 11))
    values = np.random.default_rng(2).normal(size=(1, 7, 11))
    x = np.random.default_rng(3).uniform([0.1, 0.1], [0.9, 1.9], size=(100, 2))
    expected = RegularGridInterpolator((mesh.axis(0), mesh.axis(1)), values[0])(x)
    interpolation = Interpolation(mesh, 1, "spline")
    got, _ = interpolation.gather(x, interpolation.coefficients(values))
    np.testing.assert_allclose(got[0], expected, rtol=0, atol=1e-13)


def largest_coefficients(mesh, degree, kind):
    """The maximum norm of the map from values to coefficients: round-off of the values grows by it, 28,000 times at degree 7."""
    norms = []
    for bounds, cells in zip(mesh.bounds, mesh.shape, strict=True):
        axis = emfc.CartesianMesh([bounds], cells)
        columns = [Interpolation(axis, degree, kind).coefficients(row[None]).ravel() for row in np.eye(cells)]
        norms.append(np.abs(columns).sum(axis=0).max())
    return np.prod(norms)


@pytest.mark.parametrize(("degree", "kind"), ALL)
def test_scatter_is_the_transpose_of_gather(degree, kind):
    """The matrices of both kernels, built column by column, with feet inside, on nodes and outside."""
    mesh = emfc.CartesianMesh([(0.0, 1.0), (0.0, 1.0)], (degree + 2, degree + 4))
    interpolation = Interpolation(mesh, degree, kind)
    x = np.concatenate([np.random.default_rng(4).uniform(-0.3, 1.3, size=(30, 2)), mesh.centres[:5]])
    evaluation = np.empty((len(x), mesh.size))
    for j, row in enumerate(np.eye(mesh.size)):
        evaluation[:, j] = interpolation.gather(x, interpolation.coefficients(row.reshape(1, *mesh.shape)))[0][0]
    deposition = np.empty((mesh.size, len(x)))
    for j, row in enumerate(np.eye(len(x))):
        deposits = interpolation.deposits(1)
        interpolation.scatter(x, row[None]).add_to(deposits)
        deposition[:, j] = interpolation.nodal_masses(deposits).ravel()
    round_off = 4 * np.finfo(float).eps * largest_coefficients(mesh, degree, kind)
    np.testing.assert_allclose(deposition, evaluation.T, rtol=0, atol=round_off * np.abs(evaluation).max())


@pytest.mark.parametrize(("degree", "kind"), ALL)
def test_constants_are_preserved_also_outside(degree, kind):
    mesh = emfc.CartesianMesh([(-1.0, 1.0)] * 2, 12)
    field = emfc.fields.AffineField(dim=2)
    operator = emfc.transport.SemiLagrangian(degree, kind).on(mesh, Flow(field, emfc.LayerMap()))
    theta = np.array([3.0, -1.0, 2.0, 1.0, 0.5, -0.7])
    out = operator.step(Layer(0.0, 0.4, theta), np.full((1, 12, 12), 7.0))
    np.testing.assert_allclose(out, 7.0, rtol=1e-13, atol=0)


@pytest.mark.parametrize(("degree", "kind"), ALL)
def test_potentials_stay_bounded_where_the_field_points_outwards(degree, kind):
    """A hundred layers of outward flow: extrapolation would overflow; clamped, one Lebesgue constant is the bound.

    The Lebesgue constant max_x sum_j |L_j(x)| is SciPy's for splines and that of end intervals for Lagrange.
    """
    nodes = np.arange(40.0)
    if kind == "spline" or degree == 1:
        fine = np.linspace(0, 39, 3901)
        cardinal = make_interp_spline(nodes, np.eye(40), k=degree)(fine)
    else:
        fine = np.linspace(0, degree, 1001)
        cardinal = BarycentricInterpolator(nodes[: degree + 1], np.eye(degree + 1))(fine)
    lebesgue = np.abs(cardinal).sum(axis=1).max()
    mesh = emfc.CartesianMesh([(-1.0, 1.0)], 40)
    field = emfc.fields.AffineField(dim=1, bias=False)
    operator = emfc.transport.SemiLagrangian(degree, kind).on(mesh, Flow(field, emfc.LayerMap()))
    psi = np.random.default_rng(5).normal(size=(1, 40))
    bound = lebesgue * np.abs(psi).max()
    for n in range(100):
        psi = operator.step(Layer(n * 0.05, 0.05, np.array([4.0])), psi)
        assert np.abs(psi).max() <= bound * (1 + 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_degree_one_keeps_bounds_and_masses_non_negative(kind):
    mesh = emfc.CartesianMesh([(-1.0, 1.0)] * 2, 15)
    scheme = emfc.transport.SemiLagrangian(1, kind)
    assert scheme.positive
    operator = scheme.on(mesh, Flow(emfc.fields.AffineField(dim=2), emfc.LayerMap()))
    layer = Layer(0.0, 0.3, np.array([0.0, 2.0, -2.0, 0.3, 0.1, 0.2]))
    data = np.random.default_rng(6).uniform(size=(1, 15, 15))
    out = operator.step(layer, data)
    assert data.min() <= out.min()
    assert out.max() <= data.max()
    masses, clamped = operator.adjoint_step(layer, data)
    assert masses.min() >= 0
    assert 0 < clamped[0] < data.sum()  # corners turn out of the box


def test_feet_that_are_not_finite_are_refused():
    mesh = emfc.CartesianMesh([(0.0, 1.0)], 10)
    interpolation = Interpolation(mesh, 3, "spline")
    x = np.array([[0.5], [np.nan], [np.inf]])
    with pytest.raises(NonFiniteError, match="2 of 3 characteristics are not finite, the first at row 1"):
        interpolation.gather(x, interpolation.coefficients(np.zeros((1, 10))))
    with pytest.raises(NonFiniteError, match="2 of 3"):
        interpolation.scatter(x, np.ones((1, 3)))


def test_clamped_mass_is_counted():
    """A translation by a quarter of the box: the masses whose feet lie beyond the last centre, and no others."""
    mesh = emfc.CartesianMesh([(0.0, 1.0)], 20)
    operator = emfc.transport.SemiLagrangian(3).on(
        mesh, Flow(emfc.fields.AffineField(1, matrix=False), emfc.LayerMap())
    )
    masses = np.arange(1.0, 21.0)[None]
    out, clamped = operator.adjoint_step(Layer(0.0, 0.25, np.array([1.0])), masses)
    assert clamped[0] == masses[0, mesh.axis(0) + 0.25 > mesh.axis(0)[-1] + 1e-12].sum()
    np.testing.assert_allclose(out.sum(), masses.sum(), rtol=1e-14)


@pytest.mark.parametrize(("half_width", "cells"), [(8.0, 160), (4.5, 40), (4.5, 96), (0.1, 33), (1e3, 57)])
def test_the_outermost_centres_are_not_outside(half_width, cells):
    """Round-off in the centres' coordinates must not clamp them: slope 1 everywhere, and no mass counted as outside."""
    mesh = emfc.CartesianMesh([(-half_width, half_width)], cells)
    interpolation = Interpolation(mesh, 5, "spline")
    coefficients = interpolation.coefficients(mesh.centres.T.copy())
    _, pull = interpolation.gather(mesh.centres, coefficients, np.ones((1, cells)))
    np.testing.assert_allclose(pull, 1.0, rtol=1e-9)
    assert interpolation.scatter(mesh.centres, np.ones((1, cells))).clamped[0] == 0.0


def test_finite_but_astronomic_feet_are_refused_too():
    interpolation = Interpolation(emfc.CartesianMesh([(0.0, 1.0)], 10), 3, "spline")
    with pytest.raises(NonFiniteError, match="the first at row 0"):
        interpolation.gather(np.array([[1e304]]), interpolation.coefficients(np.zeros((1, 10))))
