"""Bounds on the control and running costs: optima in closed form, from every solver."""

import numpy as np
import pytest
from scipy.optimize import Bounds

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError

from .conftest import toy_line, toy_mesh
from .test_optima import SOLVERS

CUBIC = emfc.transport.SemiLagrangian(3)


def shift(dim=2, **changes):
    """`F = theta`, samples to samples: a linear-quadratic problem."""
    rng = np.random.default_rng(dim)
    x, y = rng.normal(scale=0.3, size=(20, dim)), rng.normal(size=(20, dim)) + 0.5
    given = {"penalty": 0.7, "horizon": 1.5, **changes}
    field = emfc.fields.AffineField(dim, matrix=False)
    return emfc.Problem(field, emfc.laws.Empirical(x, y), emfc.losses.SquaredLoss(), **given), x, y


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("bounds", ["one pair", "pairs", "scipy"])
def test_bounded_constant_field(name, bounds):
    """The cost is a sum over coordinates, convex in each: the bounded optimum is the free one, clipped."""
    _, x, y = shift()
    exact = 2 * (y.mean(axis=0) - x.mean(axis=0)) / (0.7 + 3.0)
    high = 0.5 * exact.max()
    given = {
        "one pair": (-1.0, high),
        "pairs": [(None, high), (-1.0, None)],
        "scipy": Bounds([-np.inf, -1.0], [high, high]),
    }[bounds]
    expected = np.minimum(exact, [high, np.inf] if bounds == "pairs" else high)
    problem, _, _ = shift(bounds=given)
    solution = emfc.solve(
        problem, emfc.CartesianMesh([(-4.0, 4.0)] * 2, 48), 4, solver=SOLVERS[name], transport=CUBIC, initial=5.0
    )
    assert solution.converged, solution.message
    # an interior point method stays inside by about the square root of its tolerance
    tolerance = 1e-6 if name == "direct" else 1e-8
    np.testing.assert_allclose(solution.control, np.broadcast_to(expected, (4, 2)), rtol=0, atol=tolerance)
    assert (problem.regulariser.project(solution.control) == solution.control).all()
    assert solution.certificate.kind == "strict local minimum"


def test_bounds_that_hold_everything():
    """No free entry is left: the certificate says so instead of dividing by nothing."""
    problem, _, _ = shift(bounds=(-0.01, 0.01))
    solution = emfc.solve(problem, emfc.CartesianMesh([(-4.0, 4.0)] * 2, 48), 4, transport=CUBIC)
    assert solution.converged
    assert np.abs(np.abs(solution.control) - 0.01).max() == 0
    assert "every entry of the control is held by a bound" in " ".join(solution.verdict())


def test_residual_under_bounds_is_zero_only_at_critical_points():
    """At a bound that pushes the right way it vanishes; at one that pushes the wrong way it does not."""
    problem, x, y = shift(1, bounds=(-0.1, 0.2))
    system = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-4.0, 4.0)], 60), 4, transport=CUBIC)
    gradient = lambda c: system.cost_and_gradient(np.full((4, 1), c))[1]  # noqa: E731
    assert (y.mean() - x.mean()) > 0.2
    assert system.residual(np.full((4, 1), 0.2), gradient(0.2)) == 0
    assert system.residual(np.full((4, 1), -0.1), gradient(-0.1)) > 0.1
    # inside, however near the bound, nothing holds the control
    assert system.residual(np.full((4, 1), 0.199), gradient(0.199)) > 0.1


@pytest.mark.parametrize(
    "bounds", [(1.0, 0.0), [(0, 1), (2, 1)], (np.nan, 1.0), (0, 1, 2), [(0, 1)] * 3, "tight", (np.inf, np.inf)]
)
def test_infeasible_and_malformed_bounds(bounds):
    with pytest.raises(ArgumentError, match="bounds: got"):
        shift(bounds=bounds)


def discrete_optimum(e0, penalty, horizon, layers):
    """Minimiser of `|e_M|^2 + dt sum' |e_n|^2 + penalty dt / 2 |theta|^2`, `e_{n+1} = e_n + dt theta_n` (trapezoidal sum)."""
    dt = horizon / layers
    partial = dt * np.tril(np.ones((layers, layers)))
    weights = np.full(layers, dt)
    weights[-1] = dt / 2 + 1.0
    matrix = 2 * partial.T @ np.diag(weights) @ partial + penalty * dt * np.eye(layers)
    return np.linalg.solve(matrix, -2 * partial.T @ (weights * e0))


@pytest.mark.parametrize("name", SOLVERS)
def test_running_cost_of_the_constant_field(name):
    """`int |x - y|^2` beside `|x(T) - y|^2`: the means decouple from the spread, a scalar linear-quadratic problem."""
    problem, x, y = shift(1, running=emfc.losses.SquaredLoss())
    e0 = float((x - y).mean())
    solution = emfc.solve(
        problem, emfc.CartesianMesh([(-4.5, 4.5)], 60), 12, solver=SOLVERS[name], transport=CUBIC, initial=0.0
    )
    assert solution.converged, solution.message
    exact = discrete_optimum(e0, 0.7, 1.5, 12)
    np.testing.assert_allclose(solution.control[:, 0], exact, rtol=0, atol=1e-7)
    spread = float(((x - y - e0) ** 2).mean())
    e = e0 + 0.125 * np.concatenate([[0.0], np.cumsum(exact)])
    np.testing.assert_allclose(solution.terminal_cost, e[-1] ** 2 + spread, atol=1e-8)
    np.testing.assert_allclose(solution.running_cost, np.trapezoid(e**2, dx=0.125) + 1.5 * spread, atol=1e-8)
    assert abs(solution.cost - solution.terminal_cost - solution.penalty_cost - solution.running_cost) <= 1e-14
    assert solution.checks.duality_drift <= 1e-12


def test_running_cost_in_continuous_time():
    """`e'' = 2 e / lambda`, `lambda e'(T) = -2 e(T)`: the layers' means approach e' at order 2."""
    e0, penalty, horizon = -0.8, 0.3, 2.0
    w = np.sqrt(2 / penalty)
    k = 2 / (penalty * w)
    scale = e0 / (np.cosh(w * horizon) + k * np.sinh(w * horizon))
    exact = lambda t: scale * (np.cosh(w * (horizon - t)) + k * np.sinh(w * (horizon - t)))  # noqa: E731
    errors = []
    for layers in (20, 40):
        problem = emfc.Problem(
            emfc.fields.AffineField(1, matrix=False),
            emfc.laws.Empirical([0.0], [-e0]),
            emfc.losses.SquaredLoss(),
            penalty,
            horizon,
            running=emfc.losses.SquaredLoss(),
        )
        solution = emfc.solve(problem, emfc.CartesianMesh([(-4, 4)], 60), layers, transport=CUBIC)
        means = np.diff(exact(solution.times)) / (horizon / layers)
        errors.append(np.abs(solution.control[:, 0] - means).max())
    assert 1.8 <= np.log2(errors[0] / errors[1]) <= 2.3
    # the turnpike: in the middle of a long horizon the state stays where the running loss is least
    assert abs(exact(1.0)) < 0.2 * abs(e0)


def test_running_cost_with_labels_and_particles_agree():
    """A label loss over time beside the squared loss at the end: one field a label for both; grid and particles agree."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-0.8, 0.8, size=(40, 1)), rng.choice([-1.0, 1.0], size=40)
    logistic = emfc.losses.LabelLoss(lambda x, y: np.log(1 + np.exp(-y[0] * x[:, 0])), [-1.0, 1.0])
    problem = emfc.Problem(
        emfc.fields.NeuralField(1), emfc.laws.Empirical(x, y), emfc.losses.SquaredLoss(), 0.3, 1.0, running=logistic
    )
    assert problem.separable.names == problem.separable_running.names == ("y=-1", "y=1")
    control = rng.normal(scale=0.4, size=(8, 2))
    grid = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-4, 4)], 200), 8)
    particles = emfc.ParticleSystem(problem, 8)
    assert abs(grid.cost(control).running - particles.cost(control).running) <= 1e-8
    cost, gradient = grid.cost_and_gradient(control)
    assert abs(cost - particles.cost_and_gradient(control)[0]) <= 1e-8
    np.testing.assert_allclose(gradient, particles.cost_and_gradient(control)[1], rtol=0, atol=1e-8)
    with pytest.raises(ArgumentError, match="running: got LabelLoss together with SquaredLoss"):
        emfc.Problem(
            emfc.fields.NeuralField(1),
            emfc.laws.Empirical(x, rng.normal(size=100)[:40] + np.arange(40)),
            emfc.losses.SquaredLoss(),
            0.3,
            1.0,
            "moments",
            running=logistic,
        )


def test_running_cost_on_finite_volumes():
    """The same problem by the pair that is not adjoint: near the adjoint pair's optimum."""
    problem = toy_line(running=emfc.losses.SquaredLoss())
    best = emfc.solve(problem, toy_mesh(), 20)
    other = emfc.solve(
        problem,
        toy_mesh(),
        20,
        continuity=emfc.continuity.FiniteVolume("weno5"),
        solver=emfc.solvers.Shooting(relaxation="auto", tol=1e-7),
    )
    assert best.converged
    assert other.converged
    assert abs(best.cost - other.cost) <= 1e-5
    assert np.abs(best.control - other.control).max() <= 1e-3
    assert best.checks.hamiltonian_drift <= 1e-3


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("penalty", [0.3, 1e-4])
def test_a_small_penalty_does_not_hide_a_bound(name, penalty):
    """The target is far beyond the bound: the optimum is the bound, from wherever the run starts."""
    problem = emfc.Problem(
        emfc.fields.AffineField(1, matrix=False),
        emfc.laws.Empirical(np.zeros(3), np.full(3, 2.0)),
        emfc.losses.SquaredLoss(),
        penalty,
        1.0,
        bounds=(-0.5, 0.5),
    )
    system = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-3, 3)], 60), 4, transport=CUBIC)
    for start in (0.0, -0.5):
        outcome = SOLVERS[name].solve(system, start)
        if outcome.converged:
            np.testing.assert_allclose(outcome.control, 0.5, rtol=0, atol=1e-9)
        # Undamped layer-wise methods need more than the default iterations for the smallest penalty; the others do not.
        assert outcome.converged or (name == "shooting" and penalty == 1e-4), outcome.message


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("bounds", [(-0.2, 0.3), (None, 0.3), [(None, 2.0), (-0.01, 0.0)]], ids=str)
def test_bounds_with_a_neural_field(name, bounds):
    """Tanh with bias, a small penalty: every method, the same bounded minimum, and the certificate of a minimum."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.02], 1.0, truncation=0.2), np.sign, breaks=[0.0])
    problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), 0.05, 1.0, bounds=bounds)
    mesh = emfc.CartesianMesh([(-2, 2)], 60)
    best = emfc.solve(problem, mesh, 6, solver=emfc.solvers.Direct(method="L-BFGS-B", tol=1e-7))
    solution = emfc.solve(problem, mesh, 6, solver=emfc.solvers.Direct() if name == "direct" else SOLVERS[name])
    assert solution.converged, solution.message
    assert abs(solution.cost - best.cost) <= 1e-8
    assert solution.certificate.kind == "strict local minimum"
    assert (problem.regulariser.project(solution.control) == solution.control).all()


def test_a_bound_without_a_multiplier_decides_nothing():
    """At the top of a hill that is also a bound: critical, and no minimum, since the way down is open."""
    loss = emfc.losses.LabelLoss(lambda x, y: 0.1 * np.cos(2 * np.pi * x[:, 0]), [0.0])
    field, law = emfc.fields.AffineField(1, matrix=False), emfc.laws.Empirical([0.0], [0.0])
    mesh = emfc.CartesianMesh([(-3, 3)], 240)
    with pytest.warns(
        emfc.errors.SymmetricStartWarning, match="the solver stayed there. This control is a saddle point of index 1"
    ):
        top = emfc.solve(emfc.Problem(field, law, loss, 1.0, 1.0, bounds=(-1.0, 0.0)), mesh, 4, initial=0.0)
    assert top.certificate.index == 1
    # A constant slope that presses against the bound decides: then it is a minimum.
    pressed = emfc.losses.LabelLoss(lambda x, y: 0.1 * np.cos(2 * np.pi * x[:, 0]) - 3 * x[:, 0], [0.0])
    held = emfc.solve(emfc.Problem(field, law, pressed, 1.0, 1.0, bounds=(-1.0, 0.0)), mesh, 4, initial=-0.1)
    assert np.abs(held.control).max() == 0
    assert held.certificate.kind == "strict local minimum"


def test_the_reduced_hessian_is_that_of_the_free_entries():
    """Two coordinates: one held by its bound where the cost is concave, one free where it is convex."""
    hills = lambda x, y: 0.3 * np.cos(2 * np.pi * x[:, 0]) - 4 * x[:, 0] - 0.1 * np.cos(2 * np.pi * x[:, 1])  # noqa: E731
    problem = emfc.Problem(
        emfc.fields.AffineField(2, matrix=False),
        emfc.laws.Empirical([[0.0, 0.0]], [0.0]),
        emfc.losses.LabelLoss(hills, [0.0]),
        1.0,
        1.0,
        bounds=[(-1.0, 0.0), (None, None)],
    )
    solution = emfc.solve(problem, emfc.CartesianMesh([(-2, 2)] * 2, 80), 3, initial=-0.02)
    assert solution.converged
    assert (solution.control[:, 0] == 0).all()
    assert solution.certificate.kind == "strict local minimum"
    # The free problem at the same point has a direction of descent there.
    np.testing.assert_allclose(solution.certificate.hessian_smallest, 1.0, atol=1e-3)
