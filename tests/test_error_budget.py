"""Error budgets against errors that are known: references by particles, with no mesh and no layers left."""

import dataclasses

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.errors import EulerianError, NotAnalyticError
from eulerian_mfc.run.case import Case

from .conftest import ROOT

SL = emfc.transport.SemiLagrangian


def bimodal():
    return Case.load(ROOT / "cases" / "bimodal_1d.py").build()[0]


@pytest.fixture(scope="module")
def best_cost():
    """The optimal cost with controls of any shape in time: particles, 80 and 160 layers extrapolated with order 2."""
    costs = []
    for layers in (80, 160):
        system = emfc.ParticleSystem(bimodal(), layers)
        costs.append(system.cost(emfc.solvers.LBFGS().solve(system, 0.9).control).total)
    return costs[1] + (costs[1] - costs[0]) / 3


@pytest.mark.parametrize(
    ("cells", "layers", "options", "source"),
    [
        (40, 10, {"transport": SL(3)}, "mesh"),
        (80, 10, {"transport": SL(1)}, "mesh"),
        (160, 10, {}, "layers"),
        (40, 3, {}, "layers"),
        (160, 40, {"solver": emfc.solvers.LBFGS(max_iterations=2)}, "optimisation"),
        (80, 20, {"transport": SL(3), "solver": emfc.solvers.LBFGS(max_iterations=3)}, "optimisation"),
        (160, 20, {"continuity": emfc.continuity.FiniteVolume("muscl"), "transport": SL(3)}, "mesh"),
    ],
)
def test_budgets_add_up_and_name_the_culprit(best_cost, cells, layers, options, source):
    """Within a factor 3 of the true error; measured 0.9 to 1.2."""
    solution = emfc.solve(bimodal(), emfc.CartesianMesh([(-4, 4)], cells), layers, initial=0.5, **options)
    budget = solution.error_budget()
    true = abs(solution.cost - best_cost)
    assert true / 3 <= budget.total <= 3 * true
    assert budget.refine == source
    assert f"refine first: {source}" in budget.table()
    assert budget["samples"] == 0.0


def test_samples_dominate_a_small_sample(best_cost):
    """Over 12 samples of 50 the estimate has the size of the true error, in root mean square."""
    found = []
    for seed in range(12):
        problem = dataclasses.replace(bimodal(), law=emfc.laws.Empirical(*bimodal().law.sample(50, seed)))
        solution = emfc.solve(problem, emfc.CartesianMesh([(-4, 4)], 80), 20, initial=0.9)
        budget = solution.error_budget()
        assert budget.refine == "samples"
        found.append((budget.total, abs(solution.cost - best_cost)))
    estimated, true = np.sqrt(np.mean(np.square(found), axis=0))
    assert true / 3 <= estimated <= 3 * true


def test_a_solution_without_its_problem_has_no_budget(toy_solution, tmp_path):
    toy_solution.save(tmp_path / "s.h5")
    with pytest.raises(EulerianError, match="loaded without its problem"):
        emfc.Solution.load(tmp_path / "s.h5").error_budget()


def test_samples_count_the_running_loss():
    """The spread over 40 samples of 400 points at one control, by particles: the estimate is within a factor 1.5."""
    rng = np.random.default_rng(0)
    loss = emfc.losses.SquaredLoss()

    def problem():
        x = rng.normal(scale=0.5, size=400)
        law = emfc.laws.Empirical(x, np.sin(3 * x))
        return emfc.Problem(emfc.fields.NeuralField(1), law, loss, 0.3, 1.0, running=loss)

    solution = emfc.solve(problem(), emfc.CartesianMesh([(-4, 4)], 60), 5)
    costs = [emfc.ParticleSystem(problem(), 5).cost(solution.control).total for _ in range(40)]
    estimate = next(c.error for c in solution.error_budget().contributions if c.source == "samples")
    assert 1 / 1.5 <= abs(estimate) / np.std(costs) <= 1.5


def around(problem, start, layers=80):
    """The optimal cost with controls of any shape in time: particles, two numbers of layers extrapolated."""
    costs = []
    for n in (layers // 2, layers):
        system = emfc.ParticleSystem(problem, n)
        costs.append(system.cost(emfc.solvers.LBFGS().solve(system, start).control).total)
    return costs[1] + (costs[1] - costs[0]) / 3


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.EulerianWarning")
@pytest.mark.parametrize("end", [2.95, 3.3, 3.8])
def test_mass_that_leaves_the_box_has_a_line(end):
    """A drift towards the end of the box: 0.9 % of the mass crosses, or less; measured 1.0 to 1.1 of the true error."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), [[2.0]])
    problem = emfc.Problem(emfc.fields.AffineField(1, matrix=False), law, emfc.losses.SquaredLoss(), 0.3, 1.0)
    solution = emfc.solve(problem, emfc.CartesianMesh([(-4.0, end)], 80), 5, initial=1.0)
    budget = solution.error_budget()
    # E (X + c - 2)^2 + 0.15 c^2 is least at c = 2 / 1.15
    best = 2 / 1.15
    true = solution.cost - (0.25 + (best - 2) ** 2 + 0.15 * best**2)
    assert abs(true) / 1.5 <= budget.total <= 1.5 * abs(true)
    assert budget.refine == "box"
    assert budget["box"] == pytest.approx(true, rel=0.2)


@pytest.mark.parametrize("place", [0.5685, 0.3])
def test_jumps_of_labels_that_are_not_declared_have_a_line(place):
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), lambda x: np.where(x > place, 1.0, -1.0))
    problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), 1.0, 1.0)
    solution = emfc.solve(problem, emfc.CartesianMesh([(-8.0, 8.0)], 160), 5)
    budget = solution.error_budget()
    declared = emfc.laws.Labelled(law.law, law.label, breaks=[place])
    true = solution.cost - around(dataclasses.replace(problem, law=declared), 0.1, 40)
    assert abs(true) / 2 <= budget.total <= 2 * abs(true)
    assert budget.refine == "quadrature"


def steered(penalty):
    """`x' = u`, x(0) = 1, `int x^2 + penalty / 2 u^2 dt`: the optimal cost is `sqrt(p / 2) tanh(sqrt(2 / p))`."""
    nothing = emfc.losses.LabelLoss(lambda x, y: 0 * x[:, 0], [[0.0]])
    spent = emfc.losses.LabelLoss(lambda x, y: x[:, 0] ** 2, [[0.0]])
    law = emfc.laws.Empirical([1.0], [0.0])
    return emfc.Problem(emfc.fields.AffineField(1, matrix=False), law, nothing, penalty, 1.0, running=spent)


@pytest.mark.parametrize("layers", [1, 5])
def test_few_layers_and_a_small_penalty(layers):
    """Boundary layers in time that no layer resolves: the line is a bound, measured 1.33 and 1.39 of the true error."""
    solution = emfc.solve(steered(1e-3), emfc.CartesianMesh([(-4.0, 4.0)], 80), layers, initial=-1.0)
    true = solution.cost - np.sqrt(0.5e-3) * np.tanh(np.sqrt(2e3))
    budget = solution.error_budget()
    assert budget.refine == "layers"
    assert true <= budget["layers"] + budget["layer map"] <= 1.45 * true


def test_euler_layers_are_of_order_one():
    """Two Euler layers of a running cost and a linear field: against particles with 160 layers of order 4."""
    law = emfc.laws.Empirical([1.0, 0.5], [0.0, 0.0])
    problem = emfc.Problem(emfc.fields.AffineField(1), law, emfc.losses.SquaredLoss(), 0.2, 1.0)
    mesh = emfc.CartesianMesh([(-4.0, 4.0)], 160)
    solution = emfc.solve(problem, mesh, 8, layer_map="euler", initial=-0.5)
    budget = solution.error_budget()
    true = solution.cost - around(problem, -0.5, 40)
    assert (
        1.45 * true <= budget["layers"] + budget["layer map"] <= true < 0
    )  # a bound of the error's size, with its sign
    assert abs(budget["layer map"]) > 0.0


def test_fields_that_the_layers_do_not_see_have_an_error():
    """`theta cos(160 pi t)` is `theta` at all times that 20 layers look at, and drives nothing."""
    field = emfc.fields.CustomField(
        lambda t, theta, x: theta[0] * np.cos(160 * np.pi * t) + 0 * x, dim=1, size=1, names=["a"]
    )
    law = emfc.laws.Empirical([0.0], [1.0])
    problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), 0.5, 1.0)
    solution = emfc.solve(problem, emfc.CartesianMesh([(-4.0, 4.0)], 80), 20, layer_map="euler")
    # It seems to reach 0.8 for a cost of 0.2; truly nothing moves: the cost of no control is 1.
    assert solution.cost == pytest.approx(0.2, abs=1e-3)
    budget = solution.error_budget()
    assert -1.45 * 0.8 <= budget["layers"] + budget["layer map"] <= -0.8


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.SymmetricStartWarning")
def test_a_saddle_is_left():
    """`W2 tanh(W1 x + b1) + b2` has a saddle at zero, of cost 1 + the variance for two clusters sent twice as far."""
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1.0], [1.0]], 0.05), [[-2.0], [2.0]])
    problem = emfc.Problem(emfc.fields.BottleneckField(1, 1), law, emfc.losses.SquaredLoss(), 0.05, 1.0)
    mesh = emfc.CartesianMesh([(-4.0, 4.0)], 120)
    solution = emfc.solve(problem, mesh, 2, initial=0.0)
    assert solution.residual <= solution.threshold
    assert solution.cost == pytest.approx(1.0025, rel=1e-3)
    better = emfc.solve(problem, mesh, 2, initial=0.5)
    saved = solution.cost - better.cost
    assert saved > 0.3
    assert solution.error_budget()["optimisation"] >= 0.9 * saved


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.EulerianWarning")
@pytest.mark.parametrize(("count", "low", "high"), [(6, 0.8, 4.0), (20, 0.6, 1.6)])
def test_few_samples_that_are_fitted_too_well(count, low, high):
    """Root mean squares over 16 samples, against the optimum on the law; by the spread alone 0.4 and 0.8 of it."""
    truth = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), lambda x: np.sin(2 * x))
    problem = emfc.Problem(emfc.fields.AffineField(1), truth, emfc.losses.SquaredLoss(), 0.01, 1.0)
    twin = emfc.ParticleSystem(problem, 2)
    best = twin.cost(emfc.solvers.LBFGS().solve(twin, 0.5).control).total
    found = []
    for seed in range(16):
        sample = dataclasses.replace(problem, law=emfc.laws.Empirical(*truth.sample(count, seed)))
        solution = emfc.solve(sample, emfc.CartesianMesh([(-6.0, 6.0)], 60), 2, initial=0.5)
        line = next(c for c in solution.error_budget().contributions if c.source == "samples")
        found.append((line.error, solution.cost - best))
    estimated, true = np.sqrt(np.mean(np.square(found), axis=0))
    assert low <= estimated / true <= high
    assert "5-fold cross-validation" in line.how


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.BoundaryMassWarning")  # ripples of point masses
def test_samples_of_augmented_problems_count_too():
    rng = np.random.default_rng(0)
    x = rng.normal(scale=0.4, size=(30, 1))
    problem = emfc.Problem(
        emfc.fields.NeuralField(1), emfc.laws.Empirical(x, np.sin(3 * x)), emfc.losses.SquaredLoss(), 1.0, 1.0
    ).augmented(1)
    solution = emfc.solve(problem, emfc.CartesianMesh([(-4.0, 4.0)] * 2, 32), 2)
    assert solution.error_budget()["samples"] > 0


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.EulerianWarning")
def test_losses_without_a_complex_step_derivative_say_what_to_pass():
    """The mesh needs no gradient of a loss, the particles of a budget do: without one they name the loss and the argument."""
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-0.9], [0.9]], 0.25), [[-1.0], [1.0]])

    def budget(function, **gradient):
        loss = emfc.losses.LabelLoss(function, [[-1.0], [1.0]], **gradient)
        problem = emfc.Problem(emfc.fields.NeuralField(1), law, loss, 0.3, 1.0)
        return emfc.solve(problem, emfc.CartesianMesh([(-4.0, 4.0)], 40), 4).error_budget()

    def real(x, y):
        return (np.real(x)[:, 0] - y[0]) ** 2

    def refuses(x, y):
        return np.hypot(x[:, 0] - y[0], 1.0)

    for function in (real, refuses):
        with pytest.raises(
            NotAnalyticError, match=r"the loss LabelLoss.* pass its derivatives: LabelLoss\(.*state_gradient="
        ):
            budget(function)
    assert budget(real, state_gradient=lambda x, y: 2 * (x - y)).total < 0.1
