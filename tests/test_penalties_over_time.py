"""Penalties, L1 weights and bounds that depend on time: closed forms, properties of the discrete problem, and wrong input."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

import eulerian_mfc as emfc
from eulerian_mfc.control.curves import Curves
from eulerian_mfc.control.spaces import control_space
from eulerian_mfc.control.varying import regulariser_of

MESH = emfc.CartesianMesh([(-2.0, 3.0)], 60)
WIDTH = 0.2
TIMES = np.linspace(0.0, 1.0, 1001)


def transport(**cost):
    """Every state moves with the velocity u and is to end at 1: J = (1 - int u)^2 + WIDTH^2 + the cost of the control."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], WIDTH), label=[[1.0]])
    field = emfc.fields.AffineField(1, matrix=False)
    return emfc.Problem(field, law, emfc.losses.SquaredLoss(), horizon=1.0, **{"penalty": lambda t: 1.0 + t, **cost})


def integral(function, *points):
    return quad(function, 0.0, 1.0, epsabs=1e-13, epsrel=1e-13, limit=200, points=points or None)[0]


def least(control, penalty, sparsity=lambda t: 0.0, points=()):
    """The least cost, for the optimal velocity `control(c, t)` where c = 2 (1 - int u) is the pull of the loss."""
    c = brentq(lambda c: c - 2.0 * (1.0 - integral(lambda t: control(c, t), *points)), 0.0, 2.0, xtol=1e-14)

    def rate(t):
        return 0.5 * penalty(t) * control(c, t) ** 2 + sparsity(t) * abs(control(c, t))

    return 0.25 * c**2 + WIDTH**2 + integral(rate, *points)


OPTIMUM = least(lambda c, t: c / (1.0 + t), lambda t: 1.0 + t)


def test_the_closed_form():
    """`2 (1 - c L) = c` with `L = int 1 / lambda = log 2`."""
    c = 2.0 / (1.0 + 2.0 * np.log(2.0))
    assert (1 - c * np.log(2.0)) ** 2 + WIDTH**2 + 0.5 * c**2 * np.log(2.0) == pytest.approx(OPTIMUM, abs=1e-13)


@pytest.mark.parametrize(("degree", "layers"), [(0, (8, 16)), (1, (4, 8)), (2, (4, 8)), (3, (2, 4))])
def test_the_cost_converges_with_twice_the_order_of_the_control(degree, layers):
    few, many = (emfc.solve(transport(), MESH, layers=n, control_degree=degree).cost - OPTIMUM for n in layers)
    assert many > -1e-13
    assert abs(np.log2(few / many) - (2 * degree + 2)) < (0.2 if degree < 3 else 0.6)


def test_the_recovered_control_is_of_higher_order():
    solution = emfc.solve(transport(), MESH, layers=4, control_degree=2)
    times = np.array([0.0, 0.3, 0.5, 1.0])
    exact = 2.0 / (1.0 + 2.0 * np.log(2.0)) / (1.0 + times)
    assert np.abs(solution.theta(times)[:, 0] - exact).max() > 1e-6
    assert np.abs(solution.theta(times, recovered=True)[:, 0] - exact).max() < 1e-8


def test_arrays_stepwise_and_functions_are_the_same():
    values = np.array([[1.0], [3.0], [2.0], [0.5]])
    forms = (values, emfc.Stepwise(np.linspace(0.0, 1.0, 5), values), lambda t: values[min(int(4 * t), 3)])
    found = [emfc.solve(transport(penalty=form), MESH, layers=4).cost for form in forms]
    length = (1.0 / values).mean()  # int 1 / lambda
    c = 2.0 / (1.0 + 2.0 * length)
    exact = (1 - c * length) ** 2 + WIDTH**2 + 0.5 * c**2 * length
    assert np.abs(np.array(found) - exact).max() < 1e-12


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_jumps_within_a_layer_are_integrated_exactly(degree):
    weights = emfc.Stepwise([0.0, 0.3, 1.0], [1.0, 3.0])
    regulariser = regulariser_of(weights, emfc.Stepwise([0.0, 0.6, 1.0], [0.0, 5.0]), None, 2, 1.0)
    space = control_space(regulariser, 1.0, [0.0, 0.5, 1.0], degree)
    assert space.cost(space.coerce(2.0)) == pytest.approx(2 * (0.5 * 4.0 * (0.3 + 2.1) + 2.0 * 5.0 * 0.4), rel=1e-13)


@pytest.mark.parametrize("jump", [0.3, 0.4999, 0.50001, 0.5 + 1e-9, 1.0 - 1e-6])
@pytest.mark.parametrize("degree", [0, 3])
def test_jumps_that_are_not_declared_are_found(jump, degree):
    regulariser = regulariser_of(lambda t: 1.0 if t < jump else 3.0, 0.0, None, 1, 1.0)
    space = control_space(regulariser, 1.0, 2, degree)
    assert space.cost(space.coerce(2.0)) == pytest.approx(2.0 * (jump + 3.0 * (1.0 - jump)), rel=1e-12)
    assert regulariser.penalties[0] == pytest.approx(jump + 3.0 * (1.0 - jump), rel=1e-12)


def test_singular_functions_are_integrated_in_few_evaluations():
    calls = []

    def weight(t):
        calls.append(t)
        return 1e-3 + np.sqrt(abs(t - 0.3))

    regulariser = regulariser_of(weight, 0.0, None, 1, 1.0)
    assert regulariser.penalties[0] == pytest.approx(1e-3 + 2.0 / 3.0 * (0.3**1.5 + 0.7**1.5), rel=1e-11)
    assert len(calls) < 20_000


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_bounds_that_touch(degree):
    for value in ((0.3, 0.3), (lambda t: (0.3, 0.3)), emfc.Stepwise([0.0, 0.4, 1.0], [(0.3, 0.3), (0.3, 0.3)])):
        solution = emfc.solve(transport(bounds=value), MESH, layers=3, control_degree=degree)
        assert np.abs(solution.theta(TIMES) - 0.3).max() < 1e-12


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_a_function_that_is_constant_is_a_number(degree):
    number = emfc.solve(transport(penalty=0.7, bounds=(0.0, 0.5)), MESH, layers=3, control_degree=degree)
    function = emfc.solve(
        transport(penalty=lambda t: 0.7, bounds=lambda t: (0.0, 0.5)), MESH, layers=3, control_degree=degree
    )
    assert abs(number.cost - function.cost) < 1e-14
    assert np.abs(number.control - function.control).max() < 1e-12


def high(t):
    """An upper bound that holds the optimal velocity at early times."""
    return 0.6 + 0.1 * np.sin(3.0 * t)


def test_an_upper_bound_that_moves():
    held = brentq(lambda t: OF_BOUND / (1.0 + t) - high(t), 0.0, 1.0)
    exact = least(lambda c, t: min(c / (1.0 + t), high(t)), lambda t: 1.0 + t, points=(held,))
    problem = transport(bounds=lambda t: (None, high(t)))
    ends = [0.0, 0.5 * held, held, 0.5 * (1.0 + held), 1.0]
    solution = emfc.solve(problem, MESH, layers=ends, control_degree=3)
    assert 0.0 < solution.cost - exact < 1e-7
    assert (solution.theta(TIMES)[:, 0] <= high(TIMES) + 1e-12).all()
    assert solution.checks.residual_in_time < 2e-3  # it was 0.1 if values on the bound did not count as held
    assert "over time" in solution.description["bounds"]


#: the pull of the loss where the bound `high` holds the velocity at early times
OF_BOUND = brentq(
    lambda c: c - 2.0 * (1.0 - integral(lambda t: min(c / (1.0 + t), high(t)), 0.3)), 0.0, 2.0, xtol=1e-13
)


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_a_bound_that_always_holds_the_control(degree):
    """The residual of continuous time vanishes, although the control differs from the bound between nodes."""
    solution = emfc.solve(transport(bounds=lambda t: (None, 0.5 * high(t))), MESH, layers=4, control_degree=degree)
    gap = 0.5 * high(TIMES) - solution.theta(TIMES)[:, 0]
    assert gap.min() > -1e-12
    assert gap.max() < (0.06, 0.006, 0.0005)[degree]
    assert solution.residual == solution.checks.residual_in_time == 0.0
    assert np.abs(solution.pointwise.residuals(np.array([0.1, 0.33, 0.9]))).max() == 0.0


@pytest.mark.parametrize("degree", [0, 2])
def test_the_l1_weight_over_time(degree):
    def weight(t):
        return 0.5 * t

    exact = least(lambda c, t: max(c - weight(t), 0.0) / (1.0 + t), lambda t: 1.0 + t, weight)
    errors = [
        emfc.solve(transport(sparsity=weight), MESH, layers=n, control_degree=degree).cost - exact for n in (2, 4, 8)
    ]
    assert (np.array(errors) > -1e-12).all()
    assert errors[-1] < (1e-3, 1e-8)[degree > 0]
    assert abs(np.log2(errors[1] / errors[2]) - (2 * degree + 2)) < 0.3


SOLVERS = [
    emfc.solvers.LBFGS(),
    emfc.solvers.NewtonCG(),
    emfc.solvers.Shooting(relaxation="auto"),
    emfc.solvers.SuccessiveApproximations(),
    emfc.solvers.GradientFlow(),
    emfc.solvers.ProximalGradient(),
    emfc.solvers.Direct(method="L-BFGS-B"),
]


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("degree", [0, 2])
def test_all_solvers_find_the_same_optimum(solver, degree):
    problem = transport(bounds=lambda t: (None, high(t)))
    reference = emfc.solve(problem, MESH, layers=3, control_degree=degree, solver=emfc.solvers.NewtonCG(tol=1e-11))
    found = emfc.solve(problem, MESH, layers=3, control_degree=degree, solver=solver)
    assert found.converged
    assert abs(found.cost - reference.cost) < 1e-10


def nonlinear(**cost):
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.2], 0.5), label=np.tanh)
    return emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), horizon=1.0, **cost)


@pytest.mark.parametrize(
    "bounds", [None, lambda t: [(-2.0 - t, None), (None, 3.0 + np.cos(t))]], ids=["free", "bounds"]
)
@pytest.mark.parametrize("degree", [0, 1, 3])
@pytest.mark.parametrize("layers", [3, [0.0, 0.2, 1.0]], ids=["equal", "unequal"])
def test_gradient_and_hessian(degree, layers, bounds):
    """The gradient is that of the cost by central differences, and second derivatives are symmetric."""
    problem = nonlinear(penalty=lambda t: [0.1 + t, 1.0 / (1.0 + t)], bounds=bounds)
    mesh = emfc.CartesianMesh([(-4.0, 4.0)], 40)
    system = emfc.OptimalitySystem(problem, mesh, layers=layers, control_degree=degree)
    rng = np.random.default_rng(degree)
    theta, v, w = (0.3 * rng.normal(size=system.controls.shape) for _ in range(3))
    slope = float((system.cost_and_gradient(theta)[1] * v).sum())

    def difference(step):
        ahead, behind = (system.cost_and_gradient(theta + s * v)[0] for s in (step, -step))
        return (ahead - behind) / (2.0 * step)

    extrapolated = (4.0 * difference(3e-4) - difference(6e-4)) / 3.0
    assert slope == pytest.approx(extrapolated, rel=1e-9, abs=1e-10)
    product = system.hessian(theta).product
    assert float((product(v) * w).sum()) == pytest.approx(float((product(w) * v).sum()), rel=1e-10)


@pytest.mark.parametrize("degree", [1, 2])
def test_layers_updates_have_the_gradient(degree):
    """The derivatives of the layers' Hamiltonians are those of the cost, also where the penalty is not diagonal."""
    mesh = emfc.CartesianMesh([(-4.0, 4.0)], 40)
    system = emfc.OptimalitySystem(nonlinear(penalty=lambda t: 0.1 + t), mesh, layers=3, control_degree=degree)
    theta = 0.3 * np.random.default_rng(0).normal(size=system.controls.shape)
    cost, gradient, _ = system.layer_updates(theta)
    whole = system.cost_and_gradient(theta)
    assert cost == pytest.approx(whole[0], rel=1e-13)
    assert np.abs(gradient - whole[1]).max() < 1e-13 * np.abs(whole[1]).max() + 1e-15


WAVES = [
    lambda t: -np.cos(7.0 * t),
    lambda t: np.exp(-20.0 * (t - 0.37) ** 2),
    lambda t: np.abs(t - 0.41),
    lambda t: 0.3 * np.sin(25.0 * t),
]


@pytest.mark.parametrize("wave", WAVES, ids=["cosine", "bump", "kink", "fast"])
@pytest.mark.parametrize("degree", [0, 1, 2, 3, 5])
def test_bounds_hold_at_all_times(wave, degree):
    """Coefficients on their bounds give a control within the bounds at every time, to round-off."""
    bounds = regulariser_of(1.0, 0.0, lambda t: [(wave(t), None), (None, wave(t)), (wave(t), wave(t) + 3.0)], 3, 1.0)
    space = control_space(bounds, 1.0, 5, degree)
    times = np.linspace(0.0, 1.0, 20_001)
    edge = np.array([wave(t) for t in times])
    low, up = (np.broadcast_to(side, space.shape) for side in (space.regulariser.lower, space.regulariser.upper))
    assert np.isinf(low[..., 1]).all()
    assert np.isinf(up[..., 0]).all()
    curves = space.values(np.where(np.isfinite(low), low, up), times)
    slack = 1e-12
    assert (curves[:, 0] >= edge - slack).all()
    assert (curves[:, 1] <= edge + slack).all()
    assert np.abs(curves[:, 0] - edge).max() < (1.5 if degree == 0 else 1.2)
    random = space.project(np.random.default_rng(0).normal(size=space.shape, scale=3.0))
    values = space.values(random, times)
    assert (values[:, 2] >= edge - slack).all()
    assert (values[:, 2] <= edge + 3.0 + slack).all()


def test_bounds_that_are_polynomials_of_the_degree_are_exact():
    bounds = regulariser_of(1.0, 0.0, lambda t: (t**2 - 1.0, 2.0 - t), 1, 1.0)
    for curves in (Curves(1.0, 3, 2, "bernstein"), Curves(1.0, [0.0, 0.3, 1.0], 4, "bernstein")):
        on = bounds.on(curves)
        assert np.abs(curves.values(on.lower, TIMES)[:, 0] - (TIMES**2 - 1.0)).max() < 1e-14
        assert np.abs(curves.values(on.upper, TIMES)[:, 0] - (2.0 - TIMES)).max() < 1e-14


def test_files_keep_them(tmp_path):
    problem = transport(bounds=lambda t: (None, high(t)))
    solution = emfc.solve(problem, MESH, layers=3, control_degree=2)
    assert solution.bounds.shape == (2, 3, 3, 1)
    solution.save(tmp_path / "moving.h5")
    loaded = emfc.Solution.load(tmp_path / "moving.h5")
    assert np.array_equal(loaded.bounds, solution.bounds)
    assert loaded.verdict(analyse=False) == solution.verdict(analyse=False)
    whole = emfc.Solution.load(tmp_path / "moving.h5", problem)
    assert "minimum" in whole.certificate.kind
    with pytest.raises(emfc.errors.ArgumentError, match="other bounds"):
        emfc.Solution.load(tmp_path / "moving.h5", transport())
    again = emfc.solve(problem, MESH, layers=3, control_degree=2, initial=loaded)
    assert abs(again.cost - solution.cost) < 1e-12


def test_particles_and_the_error_budget():
    solution = emfc.solve(transport(), MESH, layers=2, control_degree=1)
    particles = emfc.ParticleSystem(transport(), layers=2, control_degree=1)
    assert particles.cost(solution.control).total == pytest.approx(solution.cost, abs=1e-10)
    budget = solution.error_budget()
    error = solution.cost - OPTIMUM
    assert error <= budget["layers"] <= 5.0 * error


def test_the_hamiltonian_is_not_said_to_be_conserved():
    assert emfc.solve(transport(penalty=1.0), MESH, layers=3).checks.hamiltonian_drift < 1e-10
    assert emfc.solve(transport(), MESH, layers=3).checks.hamiltonian_drift is None


def test_with_a_horizon_of_another_length():
    """Time is that of the problem: with T = 2, `lambda = 1 + t / 2` and half of the velocity, the cost of the control halves."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], WIDTH), label=[[1.0]])
    field, loss = emfc.fields.AffineField(1, matrix=False), emfc.losses.SquaredLoss()
    problem = emfc.Problem(field, law, loss, penalty=lambda t: 2.0 + t, horizon=2.0)
    assert emfc.solve(problem, MESH, layers=4, control_degree=3).cost == pytest.approx(OPTIMUM, abs=1e-9)


WRONG = {
    "negative later": ({"penalty": lambda t: 0.5 - t}, "penalty at time 0.5: got"),
    "not a number": ({"penalty": lambda t: np.nan}, "penalty at time"),
    "too many": ({"penalty": lambda t: [1.0, 2.0]}, "penalty at time"),
    "a text": ({"penalty": lambda t: "small"}, "penalty at time"),
    "an error": ({"penalty": lambda t: 1.0 / (0.5 - t)}, "ZeroDivisionError"),
    "two arguments": ({"penalty": lambda t, x: 1.0}, "TypeError"),
    "a negative weight": ({"sparsity": lambda t: -t}, "sparsity at time"),
    "no room": ({"bounds": lambda t: (t, 0.5)}, "bounds at time 0.5"),
    "bounds of a number": ({"bounds": lambda t: 1.0}, "bounds at time"),
    "array of another count": ({"penalty": np.ones((4, 3))}, "penalty at time"),
    "bounds of another count": ({"bounds": np.zeros((4, 3, 2))}, "bounds at time"),
    "times of another horizon": ({"penalty": emfc.Stepwise([0.0, 2.0], [1.0])}, "times from 0 to 2"),
}


@pytest.mark.parametrize(("cost", "told"), WRONG.values(), ids=WRONG.keys())
def test_wrong_values_are_refused(cost, told):
    with pytest.raises(emfc.errors.ArgumentError, match=re.escape(told)):
        transport(**cost)


@pytest.mark.parametrize(
    ("times", "values"), [([0.0, 0.5, 0.5], [1, 2]), ([0.0, 1.0], [1, 2]), ([0.0], []), ([[0.0, 1.0]], [1])]
)
def test_wrong_steps_are_refused(times, values):
    with pytest.raises(emfc.errors.ArgumentError, match=r"times|values"):
        emfc.Stepwise(times, values)


def test_bounds_too_close_for_the_degree():
    problem = transport(bounds=lambda t: (np.sin(9.0 * t), np.sin(9.0 * t) + 0.05))
    with pytest.raises(emfc.errors.ArgumentError, match="too little room"):
        emfc.OptimalitySystem(problem, MESH, layers=2)
    assert emfc.OptimalitySystem(problem, MESH, layers=6, control_degree=3).controls.shape == (6, 4, 1)
