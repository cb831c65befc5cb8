"""A layer map that is given and less accurate than the control's degree is told; another one, or a chosen one, is not."""

import warnings

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc import LayerMap
from eulerian_mfc.errors import LayerMapWarning
from eulerian_mfc.solvers import LBFGS, Status

MESH = emfc.CartesianMesh([(-4.0, 4.0)], cells=120)
TOLD = "the layer map causes an error of the cost"


def bimodal():
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture(means=[[-1.0], [1.0]], std=0.2), label=[-2.0, 2.0])
    return emfc.Problem(emfc.fields.NeuralField(1, bias=False), law, emfc.losses.SquaredLoss(), 0.2, 1.0)


def solved(layers=4, **options):
    """The solution, and the words of the warnings about its layer map."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        solution = emfc.solve(bimodal(), MESH, layers, **{"initial": 0.9, **options})
    return solution, [str(w.message) for w in caught if w.category is LayerMapWarning]


@pytest.mark.parametrize(
    ("degree", "layer_map"), [(1, LayerMap("euler", 200)), (2, LayerMap("rk4", 3)), (3, LayerMap("dopri5", 3))]
)
def test_layer_maps_that_are_worse_than_the_degree_are_told(degree, layer_map, tmp_path):
    """With the ratio of the errors to within a factor of 5, which the error budget finds by an optimum of a richer space."""
    solution, told = solved(1, control_degree=degree, layer_map=layer_map)
    assert solution.status is Status.CONVERGED
    assert len(told) == 1
    assert told[0].startswith(TOLD)
    budget = solution.error_budget()
    errors = {c.source: abs(c.error) for c in budget.contributions}
    assert solution.checks.layer_map_share > 1
    assert 0.2 < solution.checks.layer_map_share / (errors["layer map"] / errors["layers"]) < 5
    said = told[0][0].upper() + told[0][1:]
    assert said in solution.verdict(analyse=False)[0]
    solution.save(tmp_path / "solution.h5")
    assert said in emfc.Solution.load(tmp_path / "solution.h5").verdict(analyse=False)[0]


@pytest.mark.parametrize(
    "options",
    [
        {"control_degree": 2, "layer_map": LayerMap("rk4", 40)},
        {"control_degree": 2, "layer_map": "dop853"},
        {"control_degree": 1, "layer_map": LayerMap("rk4", 4)},
        {"control_degree": 2, "layer_map": "auto"},
        {"control_degree": 2},
        {"layer_map": "euler"},
        {"layer_map": LayerMap("midpoint")},
    ],
    ids=str,
)
def test_others_are_not_told(options):
    """Accurate ones, those that are chosen, and any of constant controls, whose layers may be the model itself."""
    solution, told = solved(**options)
    assert told == []
    assert "layer map" not in solution.verdict(analyse=False)[0]
    given = options.get("control_degree", 0) and options.get("layer_map", "auto") != "auto"
    assert (solution.checks.layer_map_share is not None) == bool(given)


def test_the_comparison_changes_no_result():
    """Control, cost, history and status are those of the solver alone, bit by bit."""
    layer_map = LayerMap("rk4", 3)
    system = emfc.OptimalitySystem(bimodal(), MESH, 4, control_degree=2, layer_map=layer_map)
    outcome = LBFGS().solve(system, 0.9)
    solution, _ = solved(control_degree=2, layer_map=layer_map, solver=LBFGS())
    np.testing.assert_array_equal(solution.control, outcome.control)
    assert solution.cost == system.cost(outcome.control).total
    assert solution.status is outcome.status
    assert len(solution.history) == len(outcome.history)


def test_a_scheme_without_gradients_keeps_the_first_choice():
    """Finite volumes do not use the layer map, so that there is nothing to choose by the error of the degree."""
    volumes = emfc.continuity.FiniteVolume("upwind")
    solution, _ = solved(control_degree=1, continuity=volumes, transport=volumes.adjoint())
    assert solution.solved
    assert solution.numerics.flow.layer_map == LayerMap("dop853")


def test_what_cannot_be_compared_is_not():
    """A run that was not finished, a scheme without gradients, and substeps that cannot be doubled."""
    unfinished, told = solved(control_degree=2, layer_map=LayerMap("rk4", 3), solver=LBFGS(max_iterations=1))
    assert (unfinished.converged, unfinished.checks.layer_map_share, told) == (False, None, [])
    volumes = emfc.continuity.FiniteVolume("upwind")
    pair = {"continuity": volumes, "transport": volumes.adjoint()}
    found, told = solved(control_degree=1, layer_map=LayerMap("rk4", 2), **pair)
    assert (found.solved, found.checks.layer_map_share, told) == (True, None, [])
    most = LayerMap("euler", 6000)
    found, told = solved(1, control_degree=1, layer_map=most, solver=LBFGS(tol=0.5))
    assert (found.solved, found.checks.layer_map_share, told) == (True, None, [])
