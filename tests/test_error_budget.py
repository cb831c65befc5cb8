"""Error budgets against errors that are known: references by particles, with no mesh and no layers left."""

import dataclasses

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.case import Case
from eulerian_mfc.error_budget import linear_means
from eulerian_mfc.errors import EulerianError

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


def test_linear_means_keep_the_mean_and_lines():
    control = np.array([[1.0, 0.0], [3.0, 2.0], [2.0, 4.0], [0.0, 6.0]])
    finer = linear_means(control, 3)
    np.testing.assert_allclose(finer.reshape(4, 3, 2).mean(axis=1), control, rtol=0, atol=1e-15)
    np.testing.assert_allclose(np.diff(finer[:, 1]), 2 / 3, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(linear_means(control[:1], 2), control[[0, 0]])


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
