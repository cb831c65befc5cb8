"""Constraints on the law at the final time: optima and multipliers that are known, and what solutions say about them."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import root
from scipy.stats import norm

import eulerian_mfc as emfc
from eulerian_mfc.constraints import ChanceConstraint, Expectation, MeanAndCovariance
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.solvers import Status

NOTHING = emfc.losses.StateLoss(lambda x: 0.0 * x[:, 0])
MESH = emfc.CartesianMesh([(-2.5, 3.0)], 50)


def first(x):
    return x[:, 0]


def shifted(*constraints, loss=None, penalty=2.0, label=1.0, std=0.3, **changes):
    """A normal law around 0 that a translation moves by b: with the label 1, `(1 - b)^2 + std^2 + b^2` for the penalty 2."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], std), label=[[label]])
    field = emfc.fields.AffineField(1, matrix=False)
    loss = emfc.losses.SquaredLoss() if loss is None else loss
    return emfc.Problem(field, law, loss, penalty, changes.pop("horizon", 1.0), constraints=constraints, **changes)


def steered(mean, variance, noise=0.0):
    """A normal law of mean 0.5 and deviation 0.4, with an affine field and no cost but the penalty 1."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.5], 0.4), label=[[0.0]])
    held = MeanAndCovariance([mean], [[variance]], tolerance=1e-11)
    return emfc.Problem(emfc.fields.AffineField(1), law, NOTHING, 1.0, 1.0, noise=noise, constraints=held)


def exact_steering(mean, variance, noise=0.0):
    """J* and the multipliers: `m' = w m + b`, `v' = 2 w v + noise^2`, with the least `1/2 int w^2 + b^2`."""

    def rates(t, z):
        w, b = -(z[2] * z[0] + 2 * z[3] * z[1]), -z[2]
        return [w * z[0] + b, 2 * w * z[1] + noise**2, -z[2] * w, -2 * z[3] * w, 0.5 * (w * w + b * b)]

    def end(costates):
        start = [0.5, 0.16, *costates, 0.0]
        return solve_ivp(rates, (0.0, 1.0), start, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]

    best = end(root(lambda c: end(c)[:2] - [mean, variance], [-0.5, 2.0], tol=1e-13).x)
    return best[[4, 2, 3]]


def exact_in_steps(mean, variance, noise, layers):
    """The same for a control that is constant on layers, with half of the noise before and half of it behind each layer."""
    h = 1.0 / layers

    def moments(theta):
        m, v = 0.5, 0.16
        for w, b in theta.reshape(layers, 2):
            m = m * np.exp(w * h) + b * (np.exp(w * h) - 1.0) / w
            v = (v + 0.5 * noise**2 * h) * np.exp(2 * w * h) + 0.5 * noise**2 * h
        return np.array([m, v + (m - mean) ** 2]) - [mean, variance]

    def conditions(z):
        theta, count = z[:-2], 2 * layers
        slopes = [moments(theta + 1e-30j * unit).imag / 1e-30 for unit in np.eye(count)]
        return [*(h * theta + slopes @ z[-2:]), *moments(theta)]

    z = root(conditions, [*np.tile([-0.2, 0.4], layers), -0.5, 2.0], tol=1e-13).x
    return np.array([0.5 * h * (z[:-2] ** 2).sum(), *z[-2:]])


def found(solution):
    return np.array([solution.cost, *(held.multiplier for held in solution.constraints)])


# --- steering of mean and covariance


def test_steering_of_a_normal_law_reaches_its_closed_form():
    options = {"control_degree": 5, "layer_map": emfc.LayerMap("dop853", 3)}
    solution = emfc.solve(steered(0.8, 0.12), MESH, 1, **options)
    assert solution.converged
    np.testing.assert_allclose(found(solution), exact_steering(0.8, 0.12), atol=1e-8)
    assert max(held.violation for held in solution.constraints) < 1e-9
    ends = solution.flow([[0.5], [0.9]])[:, 0]  # the mean, and one deviation away from it
    np.testing.assert_allclose([ends[0], (ends[1] - ends[0]) ** 2], [0.8, 0.12], atol=1e-8)


def test_steering_with_noise():
    options = {"layer_map": emfc.LayerMap("dop853", splitting=2), "solver": emfc.solvers.NewtonCG()}
    solution = emfc.solve(steered(0.8, 0.12, noise=0.3), MESH, 3, **options)
    np.testing.assert_allclose(found(solution), exact_in_steps(0.8, 0.12, 0.3, 3), atol=1e-8)


@pytest.mark.skipif("EMFC_FUZZ" not in os.environ, reason="only in the nightly run")
def test_steering_with_noise_reaches_continuous_time():
    options = {"control_degree": 6, "layer_map": emfc.LayerMap("dop853", 32), "solver": emfc.solvers.NewtonCG()}
    wide = emfc.CartesianMesh([(-3.5, 4.5)], 90)  # multipliers feel the tails: dm/dc is about 500
    exact = exact_steering(0.8, 0.12, 0.3)
    problem = steered(0.8, 0.12, noise=0.3)
    near = problem.terminal_constraints.at(exact[1:], np.full(2, 100.0))
    problem = emfc.Problem(problem.field, problem.law, NOTHING, 1.0, 1.0, noise=0.3, constraints=near)
    solution = emfc.solve(problem, wide, 1, **options)
    np.testing.assert_allclose(found(solution), exact, rtol=1e-8, atol=1e-8)


def test_steering_in_two_dimensions():
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0, 0.2], 0.4), label=[[0.0, 0.0]])
    mean, matrix = np.array([0.1, 0.0]), np.array([[0.14, 0.03], [0.03, 0.2]])
    held = MeanAndCovariance(mean, matrix)
    problem = emfc.Problem(emfc.fields.AffineField(2), law, NOTHING, 1.0, 1.0, constraints=held)
    mesh = emfc.CartesianMesh([(-2.7, 2.7)] * 2, [22] * 2)
    solution = emfc.solve(problem, mesh, 1, layer_map=emfc.LayerMap("rk4", 2), solver=emfc.solvers.NewtonCG())
    assert len(solution.constraints) == 5
    end = solution.flow([[0.0, 0.2], [0.4, 0.2], [0.0, 0.6]])
    spread = (end[1:] - end[0]).T
    np.testing.assert_allclose(end[0], mean, atol=1e-6)
    np.testing.assert_allclose(spread @ spread.T, matrix, atol=1e-6)


# --- single expectations


@pytest.mark.parametrize("bound", [0.3, 0.7])
def test_inequalities_are_active_or_not(bound):
    solution = emfc.solve(shifted(Expectation(first, at_most=bound)), MESH, 2)
    (held,) = solution.constraints
    b = min(bound, 0.5)
    assert solution.converged
    np.testing.assert_allclose(solution.control, b, atol=1e-8)
    assert held.active == (bound < 0.5)
    assert held.multiplier == pytest.approx(2 * (1 - b) - 2 * b, abs=1e-7)
    assert solution.cost == pytest.approx((1 - b) ** 2 + b**2 + 0.09, abs=1e-8)
    assert solution.cost == solution.terminal_cost + solution.penalty_cost
    assert ("not active" in " ".join(solution.verdict())) == (bound > 0.5)
    assert abs(solution.checks.cost_error) < 1e-9  # the look off the mesh has J itself
    found = solution.maximum_principle(starts=1)
    assert max(found.sigma_gap, found.excess.max()) < 1e-7


def test_an_equality_and_an_inequality_together():
    """The inequality is implied by the equality: which multiplier it has is not unique, but the control is."""
    held = Expectation(first, equals=0.2), Expectation(lambda x: x[:, 0] ** 2, at_most=0.2)
    solution = emfc.solve(shifted(*held), MESH, 2)
    np.testing.assert_allclose(solution.control, 0.2, atol=1e-8)
    assert [h.active for h in solution.constraints] == [True, False]


@pytest.mark.parametrize("form", ["moments", "labels"])
def test_functions_of_states_and_labels(form):
    """`E |X - Y|^2 <= c` with two labels: the mean square is `0.34 + 0.2 b + b^2`."""
    mixture = emfc.laws.GaussianMixture([[0.5], [-0.5]], 0.3, [0.4, 0.6])
    law = emfc.laws.Labelled(mixture, [[1.0], [-1.0]])
    held = Expectation(emfc.losses.SquaredLoss(), at_most=0.334)
    field, more = emfc.fields.AffineField(1, matrix=False), {"representation": form, "constraints": [held]}
    solution = emfc.solve(emfc.Problem(field, law, NOTHING, 1.0, 1.0, **more), MESH, 1)
    b = -0.1 + np.sqrt(0.004)
    assert solution.control.item() == pytest.approx(b, abs=1e-8)
    assert solution.constraints[0].multiplier == pytest.approx(-b / (2 * b + 0.2), rel=1e-6)


@pytest.mark.parametrize("given", [False, True])
def test_chances_are_those_of_the_smoothed_indicator(given):
    """`P(X + b + width Z > 0.8) <= 0.02` for normal laws, with the multiplier of the translation `(1 - b)^2 + b^2`."""
    slope = {"gradient": np.ones_like} if given else {}
    held = ChanceConstraint(lambda x: x[:, 0] - 0.8, at_most=0.02, width=0.15, **slope)
    wide = np.sqrt(0.3**2 + 0.15**2)
    b = 0.8 + wide * norm.ppf(0.02)
    solution = emfc.solve(shifted(held), emfc.CartesianMesh([(-2.5, 3.0)], 120), 1)
    assert solution.control.item() == pytest.approx(b, abs=1e-7)
    assert solution.constraints[0].multiplier == pytest.approx((2 - 4 * b) / norm.pdf(0.8, b, wide), rel=1e-6)
    loss, x = held.expectations(1)[0].loss, np.linspace(-2.0, 2.0, 9)[:, None]
    np.testing.assert_allclose(loss.gradient(x, x)[:, 0], norm.pdf(x[:, 0], 0.8, 0.15), atol=1e-12)


def test_multipliers_are_derivatives_of_the_least_cost():
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)

    def solved(bound):
        held = Expectation(lambda x: np.sin(x[:, 0]) ** 2, equals=bound)
        loss = emfc.losses.SquaredLoss()
        problem = emfc.Problem(emfc.fields.NeuralField(1), law, loss, 0.1, 1.0, constraints=[held])
        return emfc.solve(problem, emfc.CartesianMesh([(-4.0, 4.0)], 60), 2, solver=emfc.solvers.NewtonCG())

    middle, low, high = (solved(c) for c in (0.25, 0.249, 0.251))
    slope = (high.cost - low.cost) / 0.002
    assert middle.constraints[0].multiplier == pytest.approx(-slope, rel=1e-4)
    assert middle.taylor_slope() == pytest.approx(2.0, abs=0.05)
    assert middle.stability.kind == "strict local minimum"


@pytest.mark.parametrize("control", [0.05, 0.6])
def test_derivatives_of_the_augmented_lagrangian(control):
    problem = shifted(Expectation(lambda x: x[:, 0] ** 3, at_most=0.1), Expectation(first, equals=0.2))
    held = problem.terminal_constraints.at(np.array([0.1, -2.0]), np.array([3.0, 4.0]))
    problem = emfc.Problem(problem.field, problem.law, problem.loss, 2.0, 1.0, constraints=held)
    system = emfc.OptimalitySystem(problem, MESH, layers=1)
    theta, step = np.full((1, 1), control), 1e-5
    cost = system.cost(theta)
    third, mean = control**3 + 0.27 * control - 0.1, control - 0.2
    cubic = 0.1 * third + 1.5 * third**2 if 0.1 + 3.0 * third > 0 else -0.01 / 6.0
    assert cost.constraints == pytest.approx(cubic - 2.0 * mean + 2.0 * mean**2, abs=1e-8)
    assert cost.total == pytest.approx(cost.objective + cost.constraints)
    up, down = (system.cost_and_gradient(theta + s) for s in (step, -step))
    assert system.cost_and_gradient(theta)[1].item() == pytest.approx((up[0] - down[0]) / (2 * step), rel=1e-7)
    product = system.hessian(theta).product(np.ones((1, 1))).item()
    assert product == pytest.approx((up[1] - down[1]).item() / (2 * step), rel=1e-7)


# --- other settings


def test_a_free_horizon_with_a_constraint():
    """A way of 0.6 in the time T costs `0.36 / T + T / 2` with the penalty 2: the best time is 0.6 sqrt(2)."""
    problem = shifted(Expectation(first, equals=0.6), loss=NOTHING, horizon=emfc.FreeHorizon(0.3, 3.0, 0.5))
    solution = emfc.solve(problem, MESH, 1)
    assert solution.times[-1] == pytest.approx(0.6 * np.sqrt(2.0), abs=1e-7)
    assert solution.constraints[0].met


def test_solutions_bring_their_multipliers():
    problem = shifted(Expectation(first, at_most=0.3))
    solution = emfc.solve(problem, MESH, 2)
    again = emfc.solve(problem, MESH, 2, initial=solution)
    assert again.history[-1].evaluations < 0.5 * solution.history[-1].evaluations
    iterations = [row.iteration for row in solution.history]
    assert iterations == list(range(len(iterations)))


def test_constraints_that_cannot_hold_are_named():
    problem = shifted(Expectation(first, equals=1.0, name="mean"), bounds=(-0.1, 0.4))
    solution = emfc.solve(problem, MESH, 1)
    assert not solution.converged
    assert solution.status is Status.CONSTRAINTS_VIOLATED
    assert "mean" in solution.message
    assert "infeasible" in solution.message
    assert solution.constraints[0].violation == pytest.approx(0.6, abs=1e-6)
    assert "violated by 0.6" in " ".join(solution.verdict())


def test_files_keep_constraints(tmp_path):
    problem = shifted(Expectation(first, at_most=0.3, name="mean"))
    solution = emfc.solve(problem, MESH, 2)
    solution.save(tmp_path / "held.h5")
    loaded = emfc.Solution.load(tmp_path / "held.h5")
    assert loaded.constraints == solution.constraints
    assert "E mean" in " ".join(loaded.verdict())
    whole = emfc.Solution.load(tmp_path / "held.h5", problem)
    assert whole.stability.hessian_smallest == pytest.approx(solution.stability.hessian_smallest, rel=1e-9)
    gradient = whole.system.cost_and_gradient(whole.control)[1]
    assert whole.system.residual(whole.control, gradient) <= 2 * solution.threshold
    for other in (shifted(), shifted(Expectation(first, equals=0.3, name="mean"))):
        with pytest.raises(ArgumentError, match="constraints"):
            emfc.Solution.load(tmp_path / "held.h5", other)


def test_further_coordinates_keep_constraints():
    problem = shifted(Expectation(first, at_most=0.3, name="mean"))
    larger = problem.augmented(1)
    assert [row.title for row in larger.terminal_constraints.rows] == ["E mean <= 0.3"]
    assert larger.terminal_constraints.rows[0].loss.value(np.array([[2.0, 5.0]]), np.ones((1, 1))).tolist() == [2.0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Expectation(first), "exactly one"),
        (lambda: Expectation(first, equals=1.0, at_most=1.0), "exactly one"),
        (lambda: Expectation(first, equals=np.nan), "finite"),
        (lambda: Expectation(3.0, equals=1.0), "function"),
        (lambda: Expectation(emfc.losses.Congestion(), at_most=1.0), "density"),
        (lambda: Expectation(first, equals=1.0, tolerance=0.0), "tolerance"),
        (lambda: shifted(Expectation(lambda x: x, equals=1.0)), "shape"),
        (lambda: ChanceConstraint(first, at_most=1.5, width=0.1), "probability"),
        (lambda: ChanceConstraint(first, at_most=0.5, width=0.0), "width"),
        (lambda: MeanAndCovariance([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]), "positive definite"),
        (lambda: MeanAndCovariance([0.0, 0.0], [[1.0]]), "shape"),
        (lambda: shifted(MeanAndCovariance([0.0, 0.0], np.eye(2))), "dimension"),
        (lambda: shifted(first), "constraints"),
        (lambda: emfc.solve(shifted(Expectation(first, equals=0.1)), tol=1e-4), "tolerance"),
        (lambda: emfc.solve(shifted(Expectation(first, equals=0.1)), MESH, 2, checkpoint="run.h5"), "checkpoint"),
        (lambda: emfc.multistart(shifted(Expectation(first, equals=0.1)), MESH, 2, starts=2), "multistart"),
        (lambda: emfc.ParticleSystem(shifted(Expectation(first, equals=0.1)), 2), "particle"),
    ],
)
def test_bad_constraints_are_refused(make, words):
    with pytest.raises(ArgumentError, match=words):
        make()
