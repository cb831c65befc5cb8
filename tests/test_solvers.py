"""Solvers: the same optimum from each, histories, and verdicts that never call an unconverged answer converged."""

import re

import numpy as np
import pytest
from scipy.optimize import brentq

import eulerian_mfc as emfc
from eulerian_mfc.diagnostics import stability
from eulerian_mfc.errors import ArgumentError, BoundaryMassWarning, NonFiniteError
from eulerian_mfc.solvers.layer_update import minimise_layer
from eulerian_mfc.solvers.mixing import Anderson
from eulerian_mfc.solvers.newton_cg import steihaug

from .conftest import REFERENCE, toy_line, toy_mesh, truncated


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


FROM_ANYWHERE = [
    emfc.solvers.LBFGS(),
    emfc.solvers.Shooting(relaxation="auto"),
    emfc.solvers.GradientFlow(),
    emfc.solvers.SuccessiveApproximations(),
    emfc.solvers.NewtonCG(),
    emfc.solvers.NewtonKrylov(),
    emfc.solvers.ProximalGradient(),
]


@pytest.mark.parametrize("start", [1e8, 1e12, 1e30])
@pytest.mark.parametrize("solver", FROM_ANYWHERE, ids=lambda s: type(s).__name__)
def test_converged_means_the_same_however_large_the_start(solver, start):
    """A tolerance that went with the start's residual called zero controls converged."""
    best = emfc.solve(toy_line(), toy_mesh(40), 4)
    found = emfc.solve(toy_line(), toy_mesh(40), 4, initial=start, solver=solver)
    assert found.converged
    np.testing.assert_allclose(found.cost, best.cost, rtol=1e-9)
    np.testing.assert_allclose(found.threshold / solver.tol, best.threshold / emfc.solvers.LBFGS().tol, rtol=1e-2)


@pytest.mark.parametrize("start", [5.0, 20.0, 100.0])
@pytest.mark.parametrize(
    "field", [emfc.fields.AffineField(1), emfc.fields.NeuralField(1, activation="swish")], ids=repr
)
def test_converged_means_the_same_where_the_flow_of_the_start_explodes(field, start):
    """Particles, which no box holds: the loss's term at the start is larger by many powers of ten than at the optimum."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), lambda x: 0.5 * x)
    system = emfc.ParticleSystem(emfc.Problem(field, law, emfc.losses.SquaredLoss(), 0.1, 1.0), 4)
    near, far = (emfc.solvers.LBFGS().solve(system, initial) for initial in (0.1, start))
    assert near.converged
    assert far.converged
    assert abs(system.cost(far.control).total - system.cost(near.control).total) <= 1e-10


@pytest.mark.parametrize("start", [0.0, 0.1, 30.0])
@pytest.mark.parametrize("solver", [emfc.solvers.LBFGS(), emfc.solvers.Shooting(relaxation="auto")], ids=repr)
def test_an_optimum_at_zero_is_found_from_anywhere_even_from_itself(solver, start):
    """The labels are the inputs: both terms vanish at the optimum, and only round-off is left of them."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), lambda x: x)
    problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), 0.1, 1.0)
    solution = emfc.solve(problem, toy_mesh(60), 2, initial=start, solver=solver)
    assert solution.converged, solution.message
    assert np.abs(solution.control).max() <= 1e-9


SINGULAR = {
    "log(theta)": (lambda t, theta, x: np.log(theta[0]) * np.cos(x), {"bounds": (1e-8, 10.0)}, None),
    "cos(x) / theta": (lambda t, theta, x: np.cos(x) / theta[0], {"bounds": (1e-2, 10.0)}, 0.3),
    "(x - y)^12": (None, {"loss": emfc.losses.LabelLoss(lambda x, y: ((x - y) ** 12).sum(axis=1), [2.5])}, None),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_converged_means_the_same_where_the_control_zero_is_singular(name):
    """There the loss's term is as large as one likes, and relative to it every residual was small enough."""
    function, changes, start = SINGULAR[name]
    given = {"loss": emfc.losses.SquaredLoss(), "penalty": 0.1, "horizon": 1.0} | changes
    if function is None:
        law = emfc.laws.Labelled(emfc.laws.Gaussian([3.0], 0.2), [[2.5]])
        field, mesh = emfc.fields.AffineField(1), emfc.CartesianMesh([(-2.0, 8.0)], 160)
    else:
        law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), lambda x: 0.8 * x + 0.3)
        field, mesh = emfc.fields.CustomField(function, dim=1, size=1), emfc.CartesianMesh([(-5.0, 5.0)], 96)
    problem = emfc.Problem(field, law, **given)
    found = emfc.solve(problem, mesh, 3, initial=start)
    assert found.converged, found.message
    # By the definition, with the terms at the optimum itself.
    system = found.system
    terms = system.controls.conditions.terms(found.control, system.cost_and_gradient(found.control)[1]).max()
    assert found.residual <= 1e-8 * terms


@pytest.mark.parametrize("penalty", [1e8, 1e14, 1e30])
def test_converged_means_the_same_however_large_the_penalty(penalty):
    """To first order the control is `-int D_theta F^T grad psi dmu / lambda` at zero: times lambda it is always the same."""
    small, large = (emfc.solve(toy_line(penalty=p), toy_mesh(40), 4) for p in (1e8, penalty))
    assert large.converged
    np.testing.assert_allclose(large.control * penalty, small.control * 1e8, rtol=1e-7)


def test_functions_that_change_between_calls_are_not_called_converged(tmp_path):
    """A checkpoint holds the values of the function as it was; the certificate computes them anew."""
    file, checkpoint = tmp_path / "label.txt", tmp_path / "run.checkpoint"
    name = str(file)
    file.write_text("1")

    def solve():
        normal = emfc.laws.Gaussian([0.0], 1.0)
        law = emfc.laws.Labelled(normal, lambda x: np.loadtxt(name) * np.sign(x), breaks=[0.0])
        problem = emfc.Problem(emfc.fields.NeuralField(1, bias=False), law, emfc.losses.SquaredLoss(), 1.0, 1.0)
        return emfc.solve(problem, toy_mesh(40), 4, checkpoint=checkpoint)

    assert solve().converged
    assert solve().converged
    file.write_text("2")
    solution = solve()
    assert not solution.converged
    assert "evaluated again has the optimality residual 1." in solution.message


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
    "solver",
    [
        emfc.solvers.LBFGS(),
        emfc.solvers.Shooting(relaxation=0.5),
        emfc.solvers.GradientFlow(),
        emfc.solvers.SuccessiveApproximations(),
        emfc.solvers.NewtonCG(),
        emfc.solvers.NewtonKrylov(),
        emfc.solvers.Direct(),
    ],
    ids=lambda s: type(s).__name__,
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
        """Its value and derivative, its Hessian, that of the penalty, and no explicit minimiser."""

        weights = np.ones(3)

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
    assert "use a larger box" in solution.message
    assert solution.checks.mass_crossed <= 1.2


def test_solvers_say_what_they_need():
    particles = emfc.ParticleSystem(toy_line(), 4)
    with pytest.raises(ArgumentError, match="system: got ParticleSystem, expected an OptimalitySystem"):
        emfc.solvers.Shooting().solve(particles, 0.1)
    assert emfc.solvers.LBFGS(tol=1e-6).solve(particles, 0.1).converged


FIVE = {
    "unimodal 0.2": (lambda: truncated(0.2), 2.0, 210, True),
    "unimodal 0.1": (lambda: truncated(0.1), 2.0, 210, True),
    "unimodal 0.05": (lambda: truncated(0.05), 2.0, 210, False),
    "toy 1": (toy_line, 8.0, 60, False),
    "toy 0.2": (lambda: toy_line(penalty=0.2), 8.0, 210, False),
}


@pytest.mark.parametrize("name", FIVE)
def test_shooting_where_it_converges_and_where_it_does_not(name):
    """Undamped: as its eigenvalue says (30 layers). Automatic relaxation and Anderson: always, to L-BFGS's cost, 1e-10."""
    make, box, limit, converges = FIVE[name]
    system = emfc.OptimalitySystem(make(), emfc.CartesianMesh([(-box, box)], 80), 30)
    cost = lambda outcome: system.cost(outcome.control).total  # noqa: E731
    best = emfc.solvers.LBFGS().solve(system, 0.1)
    plain = emfc.solvers.Shooting(max_iterations=limit).solve(system, 0.1)
    assert plain.converged == converges
    assert (stability.analyse(system, best.control).shooting_eigenvalue > -1) == converges
    # With the eigenvalue near -1 (toy 1) the iterates drift away slowly: the limit comes first.
    assert (
        converges
        or ("the limit of 60" if name == "toy 1" else "shooting diverges: the iteration alternates") in plain.message
    )
    automatic = emfc.solvers.Shooting(relaxation="auto").solve(system, 0.1)
    anderson = emfc.solvers.Shooting(anderson=3).solve(system, 0.1)
    for outcome in (automatic, anderson):
        assert outcome.converged
        assert abs(cost(outcome) - cost(best)) <= 1e-10
    assert anderson.history[-1].sweeps < automatic.history[-1].sweeps
    if converges:
        assert anderson.history[-1].sweeps < plain.history[-1].sweeps


def test_divergence_is_named_and_the_advice_works():
    """Lambda = 0.05, 50 layers: undamped shooting alternates; the relaxation that the certificate names converges."""
    mesh = emfc.CartesianMesh([(-2.0, 2.0)], 80)
    plain = emfc.solve(truncated(0.05), mesh, 30, solver=emfc.solvers.Shooting())
    assert "shooting diverges: the iteration alternates between two controls" in plain.message
    assert any(sentence.startswith("The control is not a critical point") for sentence in plain.verdict())
    good = emfc.solve(truncated(0.05), mesh, 30)
    sentence = next(s for s in good.verdict() if "Undamped shooting" in s)
    relaxation = float(re.search(r"relaxation (\S+) converges", sentence)[1])
    damped = emfc.solve(truncated(0.05), mesh, 30, solver=emfc.solvers.Shooting(relaxation=relaxation))
    assert damped.converged
    assert abs(damped.cost - good.cost) <= 1e-10


def linear_problem(penalty=0.1):
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0, 0.0], 0.5), lambda x: x + 0.4 * np.cos(x[:, ::-1]))
    return emfc.Problem(emfc.fields.AgrachevSarychevField(2), law, emfc.losses.SquaredLoss(), penalty, 1.0)


def test_explicit_update_of_control_linear_fields():
    """Its fixed point differs from the discrete optimum by the order of the layer length, 1."""
    mesh = emfc.CartesianMesh([(-3.5, 3.5)] * 2, 20)
    gaps = []
    for layers in (10, 20):
        best = emfc.solve(linear_problem(), mesh, layers)
        explicit = emfc.solve(
            linear_problem(), mesh, layers, solver=emfc.solvers.Shooting(anderson=3, update="continuous")
        )
        assert explicit.converged
        gaps.append(np.abs(explicit.control - best.control).max())
        # It is a point of its own system, not of the discrete one, and the certificate shows it.
        assert explicit.residual > 1e3 * best.residual
        _, gradient, _ = best.system.layer_updates(explicit.control, "continuous")
        assert np.abs(gradient).max() * layers <= 1e-8
    assert 0.85 <= np.log2(gaps[0] / gaps[1]) <= 1.15


def test_explicit_update_of_a_non_linear_field():
    """The continuous-time update by Newton's method, for tanh: within O(dt) of the discrete optimum."""
    best = emfc.solve(toy_line(), toy_mesh(80), 20)
    other = emfc.solve(toy_line(), toy_mesh(80), 20, solver=emfc.solvers.Shooting(anderson=3, update="continuous"))
    assert other.converged
    assert 1e-6 <= np.abs(other.control - best.control).max() <= 1e-2


def test_update_in_continuous_time_needs_gradients_between_the_nodes():
    upwind = emfc.continuity.FiniteVolume("upwind")
    with pytest.raises(ArgumentError, match="transport: got FiniteVolumeTranspose"):
        emfc.solve(
            toy_line(), toy_mesh(80), 4, continuity=upwind, transport=upwind.adjoint(),
            solver=emfc.solvers.Shooting(update="continuous"),
        )  # fmt: skip


@pytest.mark.parametrize(
    "solver",
    [emfc.solvers.LBFGS(), emfc.solvers.GradientFlow(), emfc.solvers.NewtonCG(), emfc.solvers.Direct()],
    ids=lambda s: type(s).__name__,
)
def test_methods_that_compare_costs_refuse_pairs_that_are_not_adjoint(solver):
    with pytest.raises(ArgumentError, match=r"needs the exact gradient|line search needs"):
        emfc.solve(toy_line(), toy_mesh(80), 4, continuity=emfc.continuity.FiniteVolume("muscl"), solver=solver)


@pytest.mark.parametrize(
    "solver",
    [emfc.solvers.NewtonKrylov(tol=1e-8), emfc.solvers.Shooting(anderson=3, tol=1e-8)],
    ids=["krylov", "shooting"],
)
def test_methods_that_do_not_compare_costs_solve_any_pair(solver):
    """WENO5 and quintic splines: the same control equation, solved by both, near the adjoint pair's optimum."""
    best = emfc.solve(toy_line(), toy_mesh(), 10)
    other = emfc.solve(toy_line(), toy_mesh(), 10, continuity=emfc.continuity.FiniteVolume("weno5"), solver=solver)
    assert other.converged, other.message
    assert np.abs(other.control - best.control).max() <= 1e-5


def test_sequential_updates_lower_the_cost_by_the_sum_of_the_hamiltonians():
    """`J(new) - J(old) = sum_n [H_n(new_n) - H_n(old_n)]` at the new masses and the old potentials, exactly."""
    system = emfc.OptimalitySystem(toy_line(bias=True), toy_mesh(80), 6)
    rng = np.random.default_rng(0)
    old, new = rng.normal(scale=0.5, size=(2, 6, 2))
    gains = []

    def choose(n, h):
        gains.append(h(new[n])[0] - h(old[n])[0])
        return new[n]

    theta, cost = system.sequential_update(system.potentials(old), choose)
    assert np.array_equal(theta, new)
    np.testing.assert_allclose(cost, system.cost(new).total, rtol=0, atol=1e-14)
    np.testing.assert_allclose(cost - system.cost(old).total, sum(gains), rtol=0, atol=1e-13)


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.CostErrorWarning")  # five cells for a law: 2 %
def test_successive_approximations_never_raise_the_cost():
    """From far away, small penalty, no proximal weight at first: every accepted sweep lowers the cost."""
    for weight in (0.0, 1.0, 100.0):
        solver = emfc.solvers.SuccessiveApproximations(weight=weight, max_iterations=60)
        solution = emfc.solve(truncated(0.02), emfc.CartesianMesh([(-2.0, 2.0)], 100), 20, solver=solver, initial=3.0)
        costs = np.array([row.cost for row in solution.history])
        assert np.all(np.diff(costs) <= 1e-12)


@pytest.mark.parametrize(
    "solver",
    [
        emfc.solvers.GradientFlow(max_iterations=2),
        emfc.solvers.SuccessiveApproximations(max_iterations=2),
        emfc.solvers.NewtonCG(max_iterations=2),
        emfc.solvers.NewtonKrylov(max_iterations=2),
        emfc.solvers.Direct(max_iterations=2),
        emfc.solvers.Shooting(max_iterations=2),
    ],
    ids=lambda s: type(s).__name__,
)
def test_iteration_limits_are_told(solver):
    solution = emfc.solve(truncated(0.05), emfc.CartesianMesh([(-2.0, 2.0)], 80), 10, solver=solver)
    assert not solution.converged
    assert "the limit of 2 iterations is reached" in solution.message
    key = "residual" if isinstance(solver, emfc.solvers.NewtonKrylov) else "cost"
    assert getattr(solution, key) == pytest.approx(min(getattr(row, key) for row in solution.history), rel=1e-9)


def test_sweeps_are_counted():
    """Counted against the passes that the system really makes."""
    system = emfc.OptimalitySystem(toy_line(), toy_mesh(80), 5)
    passes = {"forward": 0, "backward": 0}
    step, back = system.pair.continuity.step, system.pair.transport.step_with_slope

    def counted_step(*arguments):
        passes["forward"] += 1
        return step(*arguments)

    def counted_back(*arguments):
        passes["backward"] += 1
        return back(*arguments)

    system.pair.continuity.step, system.pair.transport.step_with_slope = counted_step, counted_back
    outcome = emfc.solvers.GradientFlow(max_iterations=5).solve(system, 0.1)
    assert outcome.history[-1].sweeps == passes["forward"] / 5 + passes["backward"] / 5
    assert outcome.history[-1].sweeps == 2 * outcome.history[-1].evaluations


def test_hessian_sweeps_are_counted():
    """NewtonCG: passes of the tangents, and of the sweeps that a Hessian is made from, against the history."""
    system = emfc.OptimalitySystem(toy_line(), toy_mesh(80), 5)
    passes = {"forward": 0, "backward": 0, "tangent forward": 0, "tangent backward": 0}

    def count(owner, name, key):
        method = getattr(owner, name)

        def counted(*arguments):
            passes[key] += 1
            return method(*arguments)

        setattr(owner, name, counted)

    count(system.pair.continuity, "step", "forward")
    count(system.pair.transport, "step_with_slope", "backward")
    count(system.pair.transport, "step", "backward")
    count(system.pair.transport, "adjoint_step_tangent", "tangent forward")
    count(system.pair.transport, "step_with_slope_tangent", "tangent backward")
    outcome = emfc.solvers.NewtonCG().solve(system, 0.1)
    # the tangent of the masses is not needed beyond the last layer
    made = (passes["forward"] + passes["backward"] + passes["tangent backward"]) / 5 + passes["tangent forward"] / 4
    assert outcome.history[-1].sweeps == made


@pytest.mark.parametrize("curvature", [-2.0, 3.0])
def test_steihaug_follows_negative_curvature_to_the_edge(curvature):
    """Diagonal Hessians: the exact minimiser inside, a point of the sphere with a lower value outside."""
    diagonal, slope, radius = np.array([1.0, curvature, 4.0]), np.array([1.0, 1.0, -2.0]), 3.0
    step = steihaug(lambda v: diagonal * v, slope, radius, 1e-12)
    value = lambda s: slope @ s + 0.5 * s @ (diagonal * s)  # noqa: E731
    if curvature > 0:
        np.testing.assert_allclose(step, -slope / diagonal, atol=1e-10)
    else:
        np.testing.assert_allclose(np.linalg.norm(step), radius, rtol=1e-12)
        cauchy = -slope * min(radius / np.linalg.norm(slope), 3.0)
        assert value(step) <= value(cauchy) + 1e-12


def test_anderson_goes_back_where_the_change_grows():
    """A change three times the smallest: back to the best control, half the relaxation, no memory."""
    mixing = Anderson(3, 1.0)
    first, change = np.array([1.0, 2.0]), np.array([0.5, -0.5])
    second = mixing.next(first, change)
    np.testing.assert_array_equal(second, first + change)
    np.testing.assert_array_equal(mixing.next(second, 3 * change), first + 0.5 * change)


def test_anderson_solves_a_linear_map_in_as_many_steps_as_it_has_eigenvalues():
    """`G = b + A theta` with the eigenvalues -2, 0.5: a window of 2 solves it once secants span the plane."""
    matrix, right = np.diag([-2.0, 0.5]), np.array([1.0, 1.0])
    theta, mixing = np.zeros(2), Anderson(2, 1.0)
    mixing._first = 1e9  # near a fixed point from the start: no cap on the steps
    for _ in range(3):
        mixing._best = None  # and no safeguard
        theta = mixing.next(theta, right + matrix @ theta - theta)
        mixing._first = 1e9
    np.testing.assert_allclose(theta, right / (1 - np.diag(matrix)), atol=1e-10)


def test_unequal_penalties():
    """Lambda = (0.1, 10): every method in the penalty's metric, the same optimum."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.5], 0.7), np.ones_like)
    problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), [0.1, 10.0], 1.0)
    best = emfc.solve(problem, toy_mesh(80), 6)
    assert np.abs(best.control).min() > 1e-3
    for solver in (
        emfc.solvers.Shooting(anderson=3),
        emfc.solvers.Shooting(relaxation="auto"),
        emfc.solvers.NewtonKrylov(),
    ):
        other = emfc.solve(problem, toy_mesh(80), 6, solver=solver)
        np.testing.assert_allclose(other.control, best.control, rtol=0, atol=1e-7)


def test_the_update_in_continuous_time_is_not_called_critical_for_the_discrete_cost():
    solution = emfc.solve(toy_line(), toy_mesh(80), 6, solver=emfc.solvers.Shooting(anderson=3, update="continuous"))
    assert solution.converged
    assert "The control is not a critical point of the discrete cost" in solution.verdict()[1]
