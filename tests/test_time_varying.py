"""Layer maps with parameters that are polynomials in time, against textbook steps in complex arithmetic, for every field."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.interpolate import BPoly

from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.fields import ACTIVATIONS, REGISTRY, CustomField, NeuralField, SumField
from eulerian_mfc.flow import Layer, LayerMap, Tableau
from eulerian_mfc.flow.polynomials import KINDS, Basis
from eulerian_mfc.flow.tableaux import METHODS

from .test_characteristics import textbook
from .test_fields import CASES

#: W. Kutta's 3/8 rule, as a user gives it
KUTTA = Tableau(
    ((0, 0, 0, 0), (1 / 3, 0, 0, 0), (-1 / 3, 1, 0, 0), (1, -1, 1, 0)), (1 / 8, 3 / 8, 3 / 8, 1 / 8), order=4
)
EVERY = [*METHODS, KUTTA]
#: fields of every kind
FIELDS = [
    "neural-tanh-2d-bias", "neural-swish-1d-nobias", "affine-3d-True-True", "as-3d", "bottleneck-tanh-2d-5", "polynomial-2d-2",
    "radial-2d", "sum", "scaled-in-time", "linear-jacobians", "custom-jacobians", "potential-plus-control", "gradients",
]  # fmt: skip
EACH_FIELD = pytest.mark.parametrize("name", FIELDS)
EACH_METHOD = pytest.mark.parametrize("method", EVERY, ids=[*METHODS, "kutta"])
START, LENGTH = 0.35, 0.4


def theta_at(t, coefficients, kind):
    """The parameters at a time, by SciPy and NumPy."""
    share = (t - START) / LENGTH
    if kind == "legendre":
        return np.polynomial.legendre.legval(2 * share - 1, coefficients)
    return BPoly(coefficients[:, None], [0.0, 1.0])(share)


def step(method, f, t, dt, x):
    if method is not KUTTA:
        return textbook(method, f, t, dt, x)
    k1 = f(t, x)
    k2 = f(t + dt / 3, x + dt * k1 / 3)
    k3 = f(t + 2 * dt / 3, x + dt * (k2 - k1 / 3))
    k4 = f(t + dt, x + dt * (k1 - k2 + k3))
    return x + dt * (k1 + 3 * k2 + 3 * k3 + k4) / 8


def reference(name, method, substeps, kind, coefficients, x):
    """The layer by textbook steps of the field's formula, for real and complex coefficients and points."""
    rows, dt = CASES[name][1], LENGTH / substeps

    def f(t, z):
        theta = list(theta_at(t, coefficients, kind))
        out = np.array([rows(t, theta, list(point)) for point in z], dtype=complex)
        return out if np.iscomplexobj(z) or np.iscomplexobj(coefficients) else out.real

    for k in range(substeps):
        x = step(method, f, START + k * dt, dt, x)
    return x


def samples(name, method):
    """Degrees 0 to 3; bases and numbers of substeps change with the field and the method, so that all of them meet."""
    rng = np.random.default_rng(5)
    shift = FIELDS.index(name) + EVERY.index(method)
    for degree in range(4):
        kind, substeps = KINDS[(shift + degree) % 2], 1 + (shift + degree // 2) % 2
        field = CASES[name][0]
        coefficients = 0.4 * rng.normal(size=(degree + 1, field.parameters))
        layer = Layer(START, LENGTH, coefficients, Basis(degree, kind))
        x, p = rng.normal(size=(2, 3, field.dim))
        yield field, layer, LayerMap(method, substeps), x, p


def test_every_registered_field_is_here():
    fields = [CASES[name][0] for name in FIELDS]
    parts = [part for field in fields if isinstance(field, SumField) for part in field.fields]
    assert {type(field) for field in (*fields, *parts)} == set(REGISTRY.values())


@EACH_FIELD
@EACH_METHOD
def test_values_and_pull_backs(name, method):
    """The value to 1e-13; derivatives in the points and in all coefficients by complex steps, to 1e-11."""
    for field, layer, layer_map, x, p in samples(name, method):
        given = name, method, layer_map.substeps, layer.basis.kind
        end, stages = layer_map.with_stages(field, layer, x)
        np.testing.assert_allclose(end, reference(*given, layer.theta, x), rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(layer_map(field, layer, x), end, rtol=0, atol=1e-14 * np.abs(end).max())
        px, slope = layer_map.pullback(field, layer, stages, p)
        h = 1e-30
        for k in range(field.dim):
            moved = x + 1j * h * np.eye(field.dim)[k]
            expected = (p * reference(*given, layer.theta, moved).imag).sum(axis=1) / h
            np.testing.assert_allclose(px[:, k], expected, rtol=1e-11, atol=1e-11)
        assert slope.shape == layer.theta.shape
        for i in np.ndindex(slope.shape):
            theta = layer.theta.astype(complex)
            theta[i] += 1j * h
            expected = (p * reference(*given, theta, x).imag).sum() / h
            assert slope[i] == pytest.approx(expected, rel=1e-11, abs=1e-11)
        traced, pull = layer_map.trace(field, layer, x)
        np.testing.assert_allclose(traced, end, rtol=0, atol=1e-14 * np.abs(end).max())
        for ours, other in zip(pull(p), (px, slope), strict=True):
            np.testing.assert_allclose(ours, other, rtol=0, atol=1e-13 * np.abs(other).max())


@EACH_FIELD
@EACH_METHOD
def test_tangents_and_second_derivatives(name, method):
    """Tangents by complex steps and adjoint to pull-backs; their derivatives by differences, and symmetric."""
    for field, layer, layer_map, x, p in samples(name, method):
        rng, h = np.random.default_rng(6), 1e-30
        one, two = rng.normal(size=(2, *layer.theta.shape))
        dp = rng.normal(size=p.shape)
        _, stages = layer_map.with_stages(field, layer, x)
        slope = layer_map.pullback(field, layer, stages, p)[1]
        dx, dstages = layer_map.tangent(field, layer, stages, one)
        complex_theta = layer.theta + 1j * h * one
        expected = reference(name, method, layer_map.substeps, layer.basis.kind, complex_theta, x).imag / h
        np.testing.assert_allclose(dx, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())
        assert (p * dx).sum() == pytest.approx((slope * one).sum(), rel=1e-8, abs=1e-9)

        change = layer_map.pullback_tangent(field, layer, stages, p, one, dstages, dp)

        def pulled(s):
            moved = layer._replace(theta=layer.theta + s * one)  # noqa: B023
            return layer_map.pullback(field, moved, layer_map.with_stages(field, moved, x)[1], p + s * dp)[1]  # noqa: B023

        s = 1e-4
        differences = (8 * (pulled(s) - pulled(-s)) - (pulled(2 * s) - pulled(-2 * s))) / (12 * s)
        np.testing.assert_allclose(change, differences, rtol=0, atol=1e-7 * max(1.0, np.abs(differences).max()))
        still = np.zeros_like(p)
        first = layer_map.pullback_tangent(field, layer, stages, p, one, dstages, still)
        other = layer_map.tangent(field, layer, stages, two)[1]
        second = layer_map.pullback_tangent(field, layer, stages, p, two, other, still)
        assert (first * two).sum() == pytest.approx((second * one).sum(), rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("degree", range(4))
def test_fine_layers_follow_the_control(kind, degree):
    """DOP853 with 32 substeps against SciPy's adaptive solver with `theta(t)`, to 1e-11, for a field that depends on time."""
    field = CustomField(lambda t, th, x: np.sin(th[0] * x + 2 * t) + th[1] * np.cos(t), 1, 2)
    layer = Layer(START, LENGTH, 0.4 * np.random.default_rng(degree).normal(size=(degree + 1, 2)), Basis(degree, kind))
    x = np.linspace(-1.0, 1.0, 5)[:, None]
    rate = lambda t, z: field(t, theta_at(t, layer.theta, kind), z[:, None])[:, 0]  # noqa: E731
    exact = solve_ivp(rate, (START, START + LENGTH), x[:, 0], method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
    np.testing.assert_allclose(LayerMap("dop853", 32)(field, layer, x)[:, 0], exact, rtol=0, atol=1e-11)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dim", [1, 2, 3])
@EACH_METHOD
def test_compiled_layers(activation, dim, method):
    """More points than a chunk, and not a multiple of one; uncompiled stages are the reference, to 1e-13."""
    rng = np.random.default_rng(dim)
    for degree, substeps, bias in ((0, 2, True), (1, 1, False), (3, 2, True)):
        field, layer_map = NeuralField(dim, activation, bias), LayerMap(method, substeps)
        for kind in KINDS:
            layer = Layer(0.1, 0.7, 0.6 * rng.normal(size=(degree + 1, field.parameters)), Basis(degree, kind))
            x, p = rng.normal(size=(2, 333, dim))
            end, stages = layer_map.with_stages(field, layer, x)
            traced, pull = layer_map.trace(field, layer, x)
            np.testing.assert_array_equal(layer_map(field, layer, x), traced)
            np.testing.assert_allclose(traced, end, rtol=0, atol=1e-14 * np.abs(end).max())
            for ours, expected in zip(pull(p), layer_map.pullback(field, layer, stages, p), strict=True):
                assert ours.shape == expected.shape
                np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@EACH_METHOD
def test_constant_polynomials_are_constant_parameters(method):
    """Degree 0, and equal coefficients of Bernstein polynomials; the first coefficient's derivative is that of a constant."""
    field, layer_map, rng = NeuralField(2), LayerMap(method, 2), np.random.default_rng(1)
    theta, (x, p) = rng.normal(size=6), rng.normal(size=(2, 50, 2))
    end, pull = layer_map.trace(field, Layer(START, LENGTH, theta), x)
    slope = pull(p)[1]
    for kind, degree, rows in (("legendre", 0, 1), ("bernstein", 0, 1), ("bernstein", 3, 4)):
        again, back = layer_map.trace(field, Layer(START, LENGTH, np.tile(theta, (rows, 1)), Basis(degree, kind)), x)
        np.testing.assert_allclose(again, end, rtol=0, atol=1e-14)
        np.testing.assert_allclose(back(p)[1].sum(axis=0), slope, rtol=0, atol=1e-13 * np.abs(slope).max())


@EACH_METHOD
def test_layers_in_parts(method):
    """Two substeps are two layers with the basis's halves; a shift of the origin of time changes nothing (autonomous field)."""
    field, rng = NeuralField(2), np.random.default_rng(2)
    basis, x = Basis(3, "bernstein"), rng.normal(size=(40, 2))
    layer = Layer(START, LENGTH, rng.normal(size=(4, 6)), basis)
    half = layer._replace(length=LENGTH / 2, basis=basis.part(0.0, 0.5))
    other = layer._replace(start=START + LENGTH / 2, length=LENGTH / 2, basis=basis.part(0.5, 0.5))
    whole = LayerMap(method, 2)(field, layer, x)
    parts = LayerMap(method)(field, other, LayerMap(method)(field, half, x))
    np.testing.assert_allclose(whole, parts, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(LayerMap(method, 2)(field, layer._replace(start=7.0), x), whole)


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_at_times_and_their_transpose(kind):
    rng = np.random.default_rng(3)
    layer = Layer(START, LENGTH, rng.normal(size=(3, 4)), Basis(2, kind))
    shares, slopes = np.linspace(0.0, 1.0, 6), rng.normal(size=(6, 4))
    rows = layer.rows(shares)
    for share, row in zip(shares, rows, strict=True):
        np.testing.assert_allclose(row, theta_at(START + share * LENGTH, layer.theta, kind), rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(layer.at(share), row, rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(layer.at_time(START + share * LENGTH), row, rtol=1e-13, atol=1e-14)
    paired = (rows * slopes).sum()
    assert (layer.theta * layer.gathered(shares, slopes)).sum() == pytest.approx(paired, rel=1e-13)
    one_by_one = sum(layer.pulled_back(s, slope) for s, slope in zip(shares, slopes, strict=True))
    np.testing.assert_allclose(one_by_one, layer.gathered(shares, slopes), rtol=1e-13, atol=1e-14)


def test_constant_parameters_are_handed_on_as_they_are():
    layer, slope = Layer(START, LENGTH, np.ones(3)), np.ones(3)
    for theta in (layer.at(0.3), layer.at_time(0.4), layer.rows(np.ones(2)), LayerMap("rk4").parameters(layer)):
        assert theta is layer.theta
    assert layer.gathered(np.ones(2), slope) is layer.pulled_back(0.5, slope) is slope


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_sample_times_see_the_largest_speed(degree):
    """Within 2% of the range of the polynomial, wherever its largest value is."""
    assert Layer(1.0, 2.0, np.ones(1)).sample_times(True).tolist() == [1.0]
    assert Layer(1.0, 2.0, np.ones(1)).sample_times(False).tolist() == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert len(Layer(1.0, 2.0, np.ones((1, 1)), Basis(0)).sample_times(True)) == 1
    rng = np.random.default_rng(degree)
    for _ in range(50):
        layer = Layer(1.0, 2.0, rng.normal(size=(degree + 1, 1)), Basis(degree))
        seen = [layer.at_time(t)[0] for t in layer.sample_times(True)]
        all_of_them = layer.rows(np.linspace(0, 1, 2001))[:, 0]
        assert max(seen) >= all_of_them.max() - 0.02 * np.ptp(all_of_them)


def test_wrong_numbers_of_rows_reach_no_pointer():
    """Coefficients without a basis would be read as parameters of the stages."""
    field, x = NeuralField(2), np.zeros((4, 2))
    for rows in (1, 3, 5):
        with pytest.raises(ArgumentError, match=rf"theta: got {rows} rows of parameters, expected 4"):
            LayerMap("rk4")(field, Layer(0.0, 1.0, np.zeros((rows, 6))), x)
    with pytest.raises(ArgumentError, match="theta"):
        LayerMap("rk4")(field, Layer(0.0, 1.0, np.zeros((2, 5)), Basis(1)), x)
