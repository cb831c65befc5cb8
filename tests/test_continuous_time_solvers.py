"""Every solver, with every kind of bound and penalty, reaches the same control that is a polynomial in time."""

from dataclasses import replace

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError

from .conftest import change_of_basis, toy_line, toy_mesh

GRID, DEGREE = [0.0, 0.2, 0.5, 1.0], 2
SOLVERS = {
    "lbfgs": emfc.solvers.LBFGS(),
    "shooting": emfc.solvers.Shooting(),
    "shooting, auto": emfc.solvers.Shooting(relaxation="auto"),
    "shooting, anderson": emfc.solvers.Shooting(relaxation=0.5, anderson=3),
    "gradient_flow": emfc.solvers.GradientFlow(),
    "gradient_flow, armijo": emfc.solvers.GradientFlow(rule="armijo", tol=1e-8),
    "successive_approximations": emfc.solvers.SuccessiveApproximations(),
    "newton_cg": emfc.solvers.NewtonCG(),
    "newton_krylov": emfc.solvers.NewtonKrylov(),
    "direct": emfc.solvers.Direct(),
    "direct, L-BFGS-B": emfc.solvers.Direct(tol=1e-7, method="L-BFGS-B"),
    "direct, SLSQP": emfc.solvers.Direct(tol=1e-6, method="SLSQP"),
    "proximal_gradient": emfc.solvers.ProximalGradient(tol=1e-8),
}
#: penalties, bounds that are active for a part of the time, and a running loss, which makes layers of several steps
PROBLEMS = {
    "free": {"penalty": 0.8},
    "bounds": {"penalty": 0.8, "bounds": (-0.1365, -0.1345)},
    "bounds and running loss": {"penalty": 0.8, "bounds": (-0.19, -0.12), "running": emfc.losses.SquaredLoss()},
    "penalty per parameter": {"penalty": [0.5, 8.0], "bias": True},
    "running loss": {"penalty": 0.8, "running": emfc.losses.SquaredLoss()},
}


def problem(name, **changes):
    return toy_line(**{**PROBLEMS[name], **changes})


def system(name, layers=GRID, degree=DEGREE, **changes):
    return emfc.OptimalitySystem(problem(name, **changes), toy_mesh(40), layers, control_degree=degree)


@pytest.fixture(scope="module")
def optima():
    """By Newton's method to round-off; the residual of each is checked here, so that what follows compares with optima."""
    found = {}
    for name in PROBLEMS:
        given = system(name)
        outcome = emfc.solvers.NewtonCG(tol=1e-12).solve(given, 0.1)
        assert outcome.converged, outcome.message
        assert given.residual(outcome.control, given.cost_and_gradient(outcome.control)[1]) <= 1e-11
        found[name] = outcome.control
    return found


def test_every_registered_solver_is_tested():
    assert {type(solver) for solver in SOLVERS.values()} == set(emfc.solvers.REGISTRY.values())


#: variants of a solver take the problems that differ most; interior-point steps with bounds and a running loss take seconds
PAIRS = [
    (kind, name)
    for kind in SOLVERS
    for name in (("free", "bounds and running loss") if "," in kind else PROBLEMS)
    if (kind, name) != ("direct", "bounds and running loss")
]


@pytest.mark.parametrize(("kind", "name"), PAIRS)
def test_all_solvers_reach_the_same_control(kind, name, optima):
    given, solver = system(name), SOLVERS[kind]
    outcome = solver.solve(given, 0.1)
    assert outcome.converged, outcome.message
    assert np.abs(outcome.control - optima[name]).max() <= 10 * solver.tol
    assert given.cost(outcome.control).total == pytest.approx(given.cost(optima[name]).total, rel=1e-10)


@pytest.mark.parametrize("name", ["bounds", "bounds and running loss"])
def test_bounds_are_active_for_a_part_of_the_time(name, optima):
    """Otherwise the tests of bounds would test nothing."""
    low, high = PROBLEMS[name]["bounds"]
    control = optima[name]
    assert (control == low).any()
    assert (control == high).any()
    assert ((control > low) & (control < high)).any()


@pytest.mark.parametrize(("layers", "degree"), [(9, 0), (GRID, 1)])
@pytest.mark.parametrize("kind", ["shooting", "shooting, auto", "shooting, anderson"])
def test_relaxed_steps_arrive_at_bounds(kind, layers, degree):
    """A relaxed step goes a part of the way to a bound only; at round-off from it, the derivative would still count."""
    given = system("bounds", layers, degree)
    outcome = SOLVERS[kind].solve(given, 0.1)
    assert outcome.converged, outcome.message
    assert (outcome.control == -0.1365).any()


def test_the_continuous_update_is_refused():
    with pytest.raises(ArgumentError, match=r'update.*"continuous" with a control of degree 2.*"discrete" update'):
        emfc.solvers.Shooting(update="continuous").solve(system("free"), 0.1)


@pytest.mark.parametrize("name", ["lbfgs", "shooting", "newton_cg"])
def test_solvers_that_need_a_smooth_cost_refuse_the_l1_norm(name):
    with pytest.raises(ArgumentError, match=r"smooth cost.*ProximalGradient"):
        SOLVERS[name].solve(system("free", sparsity=0.1), 0.1)


@pytest.mark.parametrize("bounds", [None, (-0.1245, 0.3)])
def test_the_optimum_with_an_l1_norm_satisfies_its_conditions(bounds):
    """Per coefficient, with the metric w: `g + w kappa sign(c) = 0`, or `|g| <= w kappa` at 0; signs at bounds."""
    given = system("penalty per parameter", sparsity=[0.03, 0.08], bounds=bounds, penalty=[0.8, 1.0])
    outcome = emfc.solvers.ProximalGradient(tol=1e-10).solve(given, 0.1)
    assert outcome.converged, outcome.message
    control = outcome.control
    gradient = given.cost_and_gradient(control)[1]
    smooth = (
        given.cost(control).total
        - emfc.OptimalitySystem(replace(given.problem, sparsity=0.0), toy_mesh(40), GRID, control_degree=DEGREE)
        .cost(control_of(given, control))
        .total
    )
    lengths = np.diff(GRID)[:, None, None]
    assert smooth == pytest.approx((lengths / 3 * [0.03, 0.08] * np.abs(control)).sum(), rel=1e-10)
    size = np.broadcast_to(lengths / 3 * np.array([0.03, 0.08]), control.shape)
    low, high = (-np.inf, np.inf) if bounds is None else bounds
    slope = gradient + size * np.sign(control)
    inner, zero = (control != 0) & (control > low) & (control < high), control == 0
    assert np.abs(slope[inner]).max() <= 1e-8
    assert (np.abs(gradient[zero]) <= size[zero] + 1e-8).all()
    assert (control == low).any() == (bounds is not None)
    assert (slope[control == low] >= -1e-8).all()
    assert (slope[control == high] <= 1e-8).all()
    assert zero.any()
    assert inner.any()


def control_of(given, control):
    """The same functions, in the coefficients of the space without an L1 norm."""
    bare = emfc.ParticleSystem(replace(given.problem, sparsity=0.0), GRID, control_degree=DEGREE).controls
    return np.einsum("ij,ljm->lim", change_of_basis(given.controls.basis, bare.basis), control)


def bimodal(penalty=0.2):
    return emfc.Problem(
        emfc.fields.NeuralField(dim=1, bias=False),
        emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1.0], [1.0]], 0.2), [-2.0, 2.0]),
        emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=1.0,
    )


@pytest.mark.parametrize("layers", [4, [0.0, 0.02, 0.3, 1.0]], ids=["equal", "unequal"])
@pytest.mark.parametrize("make", [lambda: toy_line(penalty=0.3), bimodal], ids=["toy line", "bimodal"])
def test_iterations_do_not_grow_with_the_degree_or_with_unequal_layers(make, layers):
    mesh, counts = emfc.CartesianMesh([(-8.0, 8.0)], 80), {}
    for degree in (0, 3):
        given = emfc.OptimalitySystem(make(), mesh, layers, control_degree=degree)
        outcome = emfc.solvers.LBFGS().solve(given, 0.1)
        assert outcome.converged, outcome.message
        counts[degree] = len(outcome.history)
    uniform = emfc.solvers.LBFGS().solve(emfc.OptimalitySystem(make(), mesh, 4), 0.1)
    assert counts[3] <= 1.5 * counts[0]
    assert counts[0] <= 1.5 * len(uniform.history)


def test_many_starts_find_one_point():
    found = emfc.multistart(problem("free"), toy_mesh(40), GRID, starts=4, seed=1, control_degree=DEGREE)
    assert [len(found), len(found.failed)] == [1, 0]
    assert len(found.points[0].starts) == 4
    assert found[0].control.shape == (3, 3, 1)
    again = emfc.multistart(
        problem("bounds"), toy_mesh(40), GRID, starts=[0.1, found[0], np.zeros((3, 3, 1))], control_degree=DEGREE
    )
    assert len(again.points[0].starts) == 3


def test_continuation_in_the_penalty_takes_the_last_control():
    options = {"control_degree": DEGREE, "solver": emfc.solvers.LBFGS()}
    found = emfc.continuation(problem("free"), toy_mesh(40), GRID, penalties=[2.0, 1.0, 0.8], **options)
    assert len(found) == 3
    cold = emfc.solve(problem("free"), toy_mesh(40), GRID, **options)
    assert found[2].cost == pytest.approx(cold.cost, rel=1e-12)
    np.testing.assert_allclose(found[2].control, cold.control, rtol=0, atol=1e-7)
    first = emfc.OptimalitySystem(problem("free"), toy_mesh(40), GRID, control_degree=DEGREE).cost(found[1].control)
    assert found[2].history[0].cost == first.total
