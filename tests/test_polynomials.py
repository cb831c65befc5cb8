"""Bases of polynomials on a layer, and quadrature, against NumPy's and SciPy's."""

import numpy as np
import pytest
from scipy.interpolate import BPoly

from eulerian_mfc.control.prolongation import projected
from eulerian_mfc.flow.polynomials import KINDS, Basis, gauss, lobatto

from .conftest import change_of_basis

EACH = pytest.mark.parametrize(("kind", "degree"), [(kind, degree) for kind in KINDS for degree in range(7)])


def value(kind, coefficients, s):
    """The polynomial of coefficients `(k + 1,)` at shares s."""
    if kind == "legendre":
        return np.polynomial.legendre.legval(2 * s - 1, coefficients)
    return BPoly(coefficients[:, None], [0.0, 1.0])(s)


@EACH
def test_values(kind, degree):
    s = np.linspace(0.0, 1.0, 11)
    rows = Basis(degree, kind)(s)
    assert rows.shape == (11, degree + 1)
    for row, unit in zip(rows.T, np.eye(degree + 1), strict=True):
        np.testing.assert_allclose(row, value(kind, unit, s), rtol=1e-13, atol=1e-14)
    part = Basis(degree, kind).part(0.3, 0.2)
    np.testing.assert_allclose(part(s), Basis(degree, kind)(0.3 + 0.2 * s), rtol=1e-13, atol=1e-14)
    assert part.whole == Basis(degree, kind)


@EACH
def test_masses_are_integrals_of_products(kind, degree):
    s, w = np.polynomial.legendre.leggauss(12)
    s, w = (s + 1) / 2, w / 2
    rows = np.stack([value(kind, unit, s) for unit in np.eye(degree + 1)])
    np.testing.assert_allclose(Basis(degree, kind).mass, (rows * w) @ rows.T, rtol=1e-12, atol=1e-15)


def test_the_first_coefficients_are_those_that_the_docstring_names():
    coefficients = np.random.default_rng(0).normal(size=4)
    ends = Basis(3, "bernstein")(np.array([0.0, 1.0])) @ coefficients
    np.testing.assert_array_equal(ends, coefficients[[0, -1]])
    s, w = gauss(4)
    assert w @ Basis(3, "legendre")(s) @ coefficients == pytest.approx(coefficients[0], rel=1e-14)


@pytest.mark.parametrize("degree", range(7))
def test_bernstein_polynomials_stay_within_the_range_of_their_coefficients(degree):
    basis, s, rng = Basis(degree, "bernstein"), np.linspace(0.0, 1.0, 1000), np.random.default_rng(degree)
    rows = basis(s)
    assert rows.min() >= 0.0
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, rtol=1e-14)
    for _ in range(20):
        coefficients = rng.normal(size=degree + 1)
        values = rows @ coefficients
        assert coefficients.min() - 1e-15 <= values.min()
        assert values.max() <= coefficients.max() + 1e-15


def on_another_layer(source, target, start, length, coefficients):
    """The coefficients of the projection on the target layer, whose start and length are shares of the source layer."""
    ends, layer = np.array([0.0, 1.0]), np.array([start, start + length])
    return projected(lambda t: source(t) @ coefficients[:, None], ends, source.degree, layer, target)[0, :, 0]


@EACH
@pytest.mark.parametrize("other", KINDS)
@pytest.mark.parametrize(("start", "length"), [(0.0, 1.0), (0.25, 0.5), (0.7, 0.3), (-1.0, 3.0), (1.0, 0.4)])
def test_projections_of_polynomials_that_the_target_has_are_exact(kind, degree, other, start, length):
    """On the same layer, on a part of it, on a longer layer, and on the next one (by extension)."""
    coefficients = np.random.default_rng(degree).normal(size=degree + 1)
    s = np.linspace(0.0, 1.0, 9)
    for higher in (degree, degree + 2):
        source, target = Basis(degree, kind), Basis(higher, other)
        moved = on_another_layer(source, target, start, length, coefficients)
        expected = value(kind, coefficients, start + length * s)
        np.testing.assert_allclose(
            value(other, moved, s), expected, rtol=0, atol=1e-11 * max(1, np.abs(expected).max())
        )
    if (start, length) == (0.0, 1.0):
        moved = on_another_layer(source, Basis(degree, other), start, length, coefficients)
        changed = change_of_basis(source, Basis(degree, other)) @ coefficients
        np.testing.assert_allclose(moved, changed, rtol=0, atol=1e-11)


@EACH
@pytest.mark.parametrize("other", KINDS)
def test_projections_to_lower_degrees_are_orthogonal(kind, degree, other):
    """The error is orthogonal to every polynomial of the target, by a quadrature of its own."""
    source, start, length = Basis(degree, kind), 0.2, 0.5
    coefficients = np.random.default_rng(degree).normal(size=degree + 1)
    s, w = np.polynomial.legendre.leggauss(10)
    s, w = (s + 1) / 2, w / 2
    for lower in range(degree):
        moved = on_another_layer(source, Basis(lower, other), start, length, coefficients)
        error = value(kind, coefficients, start + length * s) - value(other, moved, s)
        assert np.abs(error).max() > 1e-6  # it is a projection, and not exact
        for unit in np.eye(lower + 1):
            assert abs((w * error) @ value(other, unit, s)) < 1e-13


@pytest.mark.parametrize(
    ("rule", "points", "degree"),
    [*((gauss, n, 2 * n - 1) for n in range(1, 9)), *((lobatto, n, 2 * n - 3) for n in range(2, 9))],
)
def test_quadrature_is_exact_up_to_its_degree_and_not_above(rule, points, degree):
    x, w = rule(points)
    assert len(x) == len(w) == points
    assert (w > 0).all()
    assert (np.diff(x) > 0).all()
    np.testing.assert_allclose(x + x[::-1], 1.0, rtol=0, atol=1e-15)
    for k in range(degree + 1):
        assert w @ x**k == pytest.approx(1 / (k + 1), rel=1e-14)
    shifted = np.polynomial.legendre.Legendre.basis(degree + 1, domain=[0, 1])  # its integral is zero
    assert abs(w @ shifted(x)) > 1e-3
    assert (rule is lobatto) == (x[0] == 0.0) == (x[-1] == 1.0)
