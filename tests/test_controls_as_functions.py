"""Functions of time as controls: projected in L2, whatever the basis."""

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError, FileFormatError

GRID = [0.0, 0.5, 2.0]
MESH = emfc.CartesianMesh([(-4.0, 4.0)], cells=40)
TIMES = np.linspace(0.0, 2.0, 41)
BOUNDS = pytest.mark.parametrize("bounds", [None, (-3.0, 5.0)], ids=["legendre", "bernstein"])


def problem(bounds=None):
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    return emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), 1.0, 2.0, bounds=bounds)


#: the curve (1 + t^2, sin t), written in the ways that are accepted
WRITTEN = {
    "a list": lambda t: [1.0 + t**2, np.sin(t)],
    "a row": lambda t: np.column_stack([1.0 + t**2, np.sin(t)]),
    "both": lambda t: np.stack([1.0 + t**2, np.sin(t)], axis=-1),
    "times only": lambda t: np.concatenate([1.0 + t[:, None] ** 2, np.sin(t)[:, None]], axis=1),
}


@BOUNDS
@pytest.mark.parametrize("form", WRITTEN)
def test_polynomials_of_the_degree_are_met(bounds, form):
    """1 + t^2 is of degree 2: exact. Of sin t, the term that is left out is `(L/2)^3 / 15 <= 0.029`, L a layer's length."""
    space = emfc.ParticleSystem(problem(bounds), GRID, control_degree=2)
    values = space.controls.values(space.control(WRITTEN[form]), TIMES)
    np.testing.assert_allclose(values[:, 0], 1.0 + TIMES**2, rtol=1e-13)
    assert 1e-5 < np.abs(values[:, 1] - np.sin(TIMES)).max() < 0.029


@BOUNDS
@pytest.mark.parametrize("degree", [1, 3])
def test_the_projection_is_that_of_least_squares(bounds, degree):
    """The error is orthogonal to all polynomials of the degree on every layer, by a quadrature of its own."""
    space = emfc.ParticleSystem(problem(bounds), GRID, control_degree=degree)
    control = space.control(WRITTEN["a list"])
    s, w = np.polynomial.legendre.leggauss(30)
    for low, high in ((0.0, 0.5), (0.5, 2.0)):
        t = low + (high - low) * (s + 1) / 2
        error = space.controls.values(control, t) - np.stack([1.0 + t**2, np.sin(t)], axis=1)
        assert np.abs(error[:, 1]).max() > 1e-7
        np.testing.assert_allclose((w[:, None] * s[:, None] ** np.arange(degree + 1)).T @ error, 0.0, atol=1e-12)


def test_constant_layers_have_the_means():
    space = emfc.ParticleSystem(problem(), GRID)
    means = [[1 + 0.5**2 / 3, (1 - np.cos(0.5)) / 0.5], [1 + (8 - 0.125) / 4.5, (np.cos(0.5) - np.cos(2.0)) / 1.5]]
    np.testing.assert_allclose(space.control(WRITTEN["both"]), means, rtol=1e-13)
    np.testing.assert_allclose(space.control(lambda t: 0.3), 0.3, rtol=1e-13)


@BOUNDS
def test_they_are_accepted_wherever_a_control_is(bounds, tmp_path):
    given, options = problem(bounds), {"control_degree": 1}
    system = emfc.OptimalitySystem(given, MESH, GRID, **options)
    array = system.control(WRITTEN["a list"])
    assert system.cost(WRITTEN["a list"]).total == system.cost(array).total
    np.testing.assert_array_equal(system.cost_and_gradient(WRITTEN["both"])[1], system.cost_and_gradient(array)[1])
    short = emfc.solvers.LBFGS(max_iterations=2)
    one, other = (emfc.solve(given, MESH, GRID, initial=c, solver=short, **options) for c in (WRITTEN["a list"], array))
    np.testing.assert_array_equal(one.control, other.control)
    np.testing.assert_array_equal(
        *(short.solve(system, initial=c).control for c in (WRITTEN["a list"], array)),
    )
    found = emfc.multistart(given, MESH, GRID, starts=[WRITTEN["a list"]], **options)
    assert len(found) == 1
    # a Solution's curve, as a function: that of the solution itself
    again = system.control(one.theta)
    np.testing.assert_allclose(again, one.control, rtol=0, atol=1e-12)
    # a checkpoint knows the function that it began with
    file = tmp_path / "checkpoint"
    emfc.solve(given, MESH, GRID, initial=WRITTEN["a list"], solver=short, checkpoint=file, **options)
    with pytest.raises(FileFormatError, match="another run"):
        emfc.solve(given, MESH, GRID, initial=lambda t: [t, t], solver=short, checkpoint=file, **options)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (
            lambda t: [1.0, 2.0, 3.0],
            r"initial: got a function with a value of shape \(3,\) at one time, expected .*\(2,\)",
        ),
        (
            lambda t: np.stack([t[:], t]),
            r"initial: got a function with values of shape \(2, 20\) at 20 times, .*\(n, 2\)",
        ),
        (lambda t: [np.nan, t], r"initial\(0\.0.*\): got nan at index \(0,\), expected finite numbers"),
        (lambda t: None, r"initial\(0\.0.*\): got None, expected an array of real numbers"),
        (lambda t: "a", r"initial\(0\.0.*\): got 'a', expected an array of real numbers"),
        (lambda t, x: [t, x], r"initial: got a function that raises TypeError: .*, expected a function of time"),
    ],
)
def test_functions_that_return_something_else(function, told):
    with pytest.raises(ArgumentError, match=f"^{told}"):
        emfc.solve(problem(), MESH, GRID, control_degree=2, initial=function)


def test_errors_of_the_function_are_its_own():
    with pytest.raises(ZeroDivisionError):
        emfc.solve(problem(), MESH, GRID, initial=lambda t: 1 / 0)
