"""Solvers: the same optimum from each, histories, and verdicts that never call an unconverged answer converged."""

import re

import numpy as np
import pytest
from scipy.optimize import brentq

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError, BoundaryMassWarning, NonFiniteError
from eulerian_mfc.solvers.layer import minimise_layer

from .conftest import REFERENCE, toy_line, toy_mesh


def undefined_beyond_a_half(t, theta, x):
    """A field that is `theta x` up to theta = 0.5 and NaN beyond."""
    return (theta[0] if theta[0] <= 0.5 else np.nan) * x


def test_shooting_reaches_the_same_optimum_as_lbfgs(toy_solution):
    """On an adjoint pair shooting's fixed point is the discrete optimum, to the solvers' tolerance."""
    solver = emfc.solvers.Shooting(relaxation=0.5, tol=1e-10)
    solution = emfc.solve(toy_line(), toy_mesh(), layers=20, solver=solver)
    assert solution.converged
    np.testing.assert_allclose(solution.control, toy_solution.control, rtol=0, atol=1e-9)


def test_undamped_shooting_diverges_for_a_small_penalty_and_says_so():
    """The sources' warning: unimodal data, small penalty; the result is flagged and the best control kept."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0, truncation=0.2), np.sign, breaks=[0.0])
    problem = emfc.Problem(emfc.fields.NeuralField(1, bias=False), law, emfc.losses.SquaredLoss(), 0.002, 1.0)
    mesh = emfc.CartesianMesh([(-2.5, 2.5)], 200)
    solver = emfc.solvers.Shooting(max_iterations=25)
    solution = emfc.solve(problem, mesh, layers=10, solver=solver, initial=1.0)
    assert not solution.converged
    assert solution.message.startswith("not converged: ")
    assert "raise the penalty, or use LBFGS" in solution.message
    assert solution.cost <= min(row.cost for row in solution.history) + 1e-12


def test_early_stop_is_not_called_converged():
    solution = emfc.solve(toy_line(), toy_mesh(), layers=20, solver=emfc.solvers.LBFGS(max_iterations=2))
    assert not solution.converged
    assert "the limit of 2 iterations is reached" in solution.message
    assert solution.residual > 1e-9


def test_unreachable_tolerance_is_not_called_converged():
    """Below round-off no method can go; the verdict names the residual reached."""
    solution = emfc.solve(toy_line(), toy_mesh(), layers=20, solver=emfc.solvers.LBFGS(tol=1e-18))
    assert not solution.converged
    assert "round-off" in solution.message
    assert solution.residual < 1e-10
    assert abs(solution.cost - REFERENCE["toy_line_nobias_1"]["cost"]) < 1e-11


@pytest.mark.parametrize(
    "solver", [emfc.solvers.LBFGS(), emfc.solvers.Shooting(relaxation=0.5)], ids=["lbfgs", "shooting"]
)
def test_interrupt_keeps_the_best_control(solver):
    """Ctrl-C after three iterations."""

    def interrupt(row):
        if row.iteration == 3:
            raise KeyboardInterrupt

    solution = emfc.solve(toy_line(), toy_mesh(), layers=20, solver=solver, callback=interrupt)
    assert not solution.converged
    assert "interrupted" in solution.message
    assert len(solution.history) == 4
    assert solution.cost <= solution.history[0].cost
    assert solution.cost == pytest.approx(min(row.cost for row in solution.history), abs=1e-9)


def test_non_finite_values_end_the_run_with_the_best_control_and_the_layer():
    """The optimum would be near log 18, beyond where the field is defined: flagged, and the layer named."""
    field = emfc.fields.CustomField(
        undefined_beyond_a_half,
        dim=1,
        size=1,
        state_jacobian=lambda t, theta, x: np.full((len(x), 1, 1), theta[0]),
        parameter_jacobian=lambda t, theta, x: x[:, :, None],
    )
    law = emfc.laws.Empirical(np.linspace(-0.5, 0.5, 50), np.linspace(-9, 9, 50))
    problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), 1e-3, 1.0)
    mesh = emfc.CartesianMesh([(-3, 3)], 60)
    solution = emfc.solve(problem, mesh, layers=5, initial=0.1)
    assert not solution.converged
    assert re.search(r"layer \d of 5 \(t = .*\): 60 of 60 characteristics are not finite", solution.message)
    assert np.isfinite(solution.cost)
    with pytest.raises(NonFiniteError, match="layer 0 of 5"):
        emfc.solve(problem, mesh, layers=5, initial=5.0)


def test_history_and_callback_agree(toy_solution):
    rows = []
    solution = emfc.solve(toy_line(), toy_mesh(), layers=20, callback=rows.append)
    assert [row[:4] for row in solution.history] == [row[:4] for row in rows]
    assert [row.iteration for row in rows] == list(range(len(rows)))
    assert np.all(np.diff([row.evaluations for row in rows]) > 0)
    assert rows[0].cost == toy_solution.system.cost(0.1).total
    # Same bits on repeat.
    assert np.array_equal(solution.control, toy_solution.control)


def test_initial_from_a_solution_converges_at_once(toy_solution):
    solution = emfc.solve(toy_line(), toy_mesh(), layers=20, initial=toy_solution)
    assert solution.converged
    assert len(solution.history) == 1


@pytest.mark.parametrize("seed", range(4))
def test_layer_minimisation_of_a_non_convex_function(seed):
    """`minimise_layer` against SciPy on `|theta|^2/2 + sum cos(3 theta_i + phase)`: a stationary point, value reduced."""
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, size=3)

    class Function:
        """Its value and derivative, its Hessian, and no explicit minimiser."""

        def __call__(self, theta):
            return 0.5 * theta @ theta + np.cos(3 * theta + phase).sum(), theta - 3 * np.sin(3 * theta + phase)

        def hessian(self, theta):
            return np.diag(1 - 9 * np.cos(3 * theta + phase))

        def minimiser(self):
            return None

    function = Function()
    start = np.random.default_rng(seed).normal(size=3)
    out = minimise_layer(function, start, reduction=1e-10)
    assert np.abs(function(out)[1]).max() <= 1e-9 * np.abs(function(start)[1]).max()
    assert function(out)[0] <= function(start)[0]
    assert np.all(1 - 9 * np.cos(3 * out + phase) > 0)  # a minimum in every coordinate


@pytest.mark.parametrize("shift", [1e3, 1e6, 1e9])
def test_a_constant_in_the_loss_changes_neither_verdict_nor_control(shift, toy_solution):
    """The tolerance must not go with |J|."""
    loss = emfc.losses.LabelLoss(lambda x, y: (x[:, 0] - y[0]) ** 2 + shift, [-1.0, 1.0])
    solution = emfc.solve(toy_line(loss=loss), toy_mesh(), layers=20)
    # Potentials of size 1e9 leave seven digits of their differences.
    assert np.abs(solution.control - toy_solution.control).max() <= (1e-8 if shift == 1e3 else 1e-3)
    assert not solution.converged or np.abs(solution.control - toy_solution.control).max() <= 1e-8


@pytest.mark.parametrize("unit", [1e-5, 1e-2, 1e3])
def test_units_change_neither_verdict_nor_control(unit):
    """`F = theta x` in other units of length, the penalty scaled alike: the same control."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], unit), lambda x: unit * np.sign(x), breaks=[0.0])
    problem = emfc.Problem(emfc.fields.AffineField(1, bias=False), law, emfc.losses.SquaredLoss(), unit**2, 1.0)
    mesh = emfc.CartesianMesh([(-12 * unit, 12 * unit)], 240)
    solution = emfc.solve(problem, mesh, layers=5)
    # lambda theta + 2 (e^(2 theta) - e^theta sqrt(2/pi)) = 0 in units where lambda = 1
    exact = brentq(lambda v: v + 2 * (np.exp(2 * v) - np.exp(v) * np.sqrt(2 / np.pi)), -1, 1, xtol=1e-14)
    assert solution.converged, solution.message
    np.testing.assert_allclose(solution.control, exact, rtol=0, atol=1e-6)


def test_an_optimum_at_zero_is_found():
    """`F = theta`, E y = E x: both terms of the control equation vanish, and the verdict is still right."""
    law = emfc.laws.Empirical([-0.5, 0.5], [0.5, -0.5])
    problem = emfc.Problem(emfc.fields.AffineField(1, matrix=False), law, emfc.losses.SquaredLoss(), 1.0, 1.0)
    solution = emfc.solve(problem, emfc.CartesianMesh([(-6.0, 6.0)], 120), layers=4)
    assert solution.converged
    assert np.abs(solution.control).max() <= 1e-10


def test_the_accepted_point_is_returned_where_it_converged():
    """A rejected trial of a line search may have a lower cost, in another valley: it is not the answer."""
    loss = emfc.losses.LabelLoss(lambda x, y: 1.3 * np.cos(3.7 * x[:, 0] + 4.3) + 1.3 + 0.1 * x[:, 0] ** 2, [0.0])
    problem = emfc.Problem(
        emfc.fields.AffineField(1, matrix=False), emfc.laws.Empirical([0.0], [0.0]), loss, penalty=1.8, horizon=1.0
    )
    solution = emfc.solve(problem, emfc.CartesianMesh([(-8, 8)], 200), 4, initial=2.4)
    assert solution.converged, solution.message
    assert solution.residual == pytest.approx(solution.history[-1].residual, rel=1e-3, abs=1e-12)
    theta = solution.control[:, 0]
    np.testing.assert_allclose(theta, theta[0], atol=1e-9)
    slope = 1.8 * theta[0] - 1.3 * 3.7 * np.sin(3.7 * theta[0] + 4.3) + 0.2 * theta[0]
    assert abs(slope) <= 1e-3


def test_mass_that_left_the_box_is_no_answer():
    """All mass clamped on the boundary: the discrete problem is solved, the problem is not."""
    law = emfc.laws.Empirical(np.linspace(-1, 1, 11), 1e3 * np.linspace(-1, 1, 11))
    problem = emfc.Problem(emfc.fields.AffineField(1, bias=False), law, emfc.losses.SquaredLoss(), 1e-6, 10.0)
    with pytest.warns(BoundaryMassWarning):
        solution = emfc.solve(problem, emfc.CartesianMesh([(-8, 8)], 160), 5)
    assert not solution.converged
    assert "left the box" in solution.message
    assert solution.certificate.mass_crossed <= 1.2


def test_solvers_say_what_they_need():
    particles = emfc.ParticleSystem(toy_line(), 4)
    with pytest.raises(ArgumentError, match="system: got ParticleSystem, expected an OptimalitySystem"):
        emfc.solvers.Shooting().solve(particles, 0.1)
    assert emfc.solvers.LBFGS(tol=1e-6).solve(particles, 0.1).converged
