"""A final time that is chosen with the control, against closed forms."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.run.free_horizon import slope_in_horizon

PENALTY, WEIGHT, WAY = 0.5, 0.2, 1.3


def moved(horizon, weight=WEIGHT, **changes):
    """States around 0 are to come to WAY at a cost of time: `E |X(T) - WAY|^2 + PENALTY/2 int u^2 + weight T`, X' = u."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.3), label=[[WAY]])
    field = emfc.fields.AffineField(1, matrix=False)
    return emfc.Problem(field, law, emfc.losses.SquaredLoss(), PENALTY, horizon, **changes)


def best(low=0.0, high=np.inf, weight=WEIGHT):
    """T* and J*: for a fixed T the velocity is constant, and the least cost is `WAY^2 PENALTY / (PENALTY + 2 T) + weight T`."""
    time = np.clip(0.5 * (WAY * np.sqrt(2 * PENALTY / weight) - PENALTY), low, high)
    return time, WAY**2 * PENALTY / (PENALTY + 2 * time) + weight * time + 0.09


MESH = emfc.CartesianMesh([(-3.0, 4.5)], 60)


@pytest.mark.parametrize("options", [{}, {"control_degree": 2}])
def test_the_best_time_is_found(options):
    solution = emfc.solve(moved(emfc.FreeHorizon(0.3, 4.0, WEIGHT)), MESH, 3, **options)
    time, cost = best()
    assert solution.converged
    assert solution.times[-1] == pytest.approx(time, abs=1e-8)
    assert solution.cost == pytest.approx(cost, abs=1e-8)
    assert solution.cost == pytest.approx(solution.terminal_cost + solution.penalty_cost + solution.running_cost)
    assert abs(slope_in_horizon(solution)) < 1e-7
    assert "dJ/dT" in solution.description["free horizon"]
    # the Hamiltonian of continuous time: int u psi' dmu + PENALTY/2 u^2 = -WEIGHT
    values = -solution.maximum_principle(starts=1).hamiltonian
    np.testing.assert_allclose(values, -WEIGHT, atol=1e-6)


def test_with_noise_the_best_time_is_earlier():
    """Noise adds `sigma^2 T` to the squared distance, as if time cost more."""
    solution = emfc.solve(moved(emfc.FreeHorizon(0.3, 4.0, WEIGHT), noise=0.3), MESH, 3)
    time, cost = best(weight=WEIGHT + 0.09)
    assert solution.times[-1] == pytest.approx(time, abs=1e-7)
    assert solution.cost == pytest.approx(cost, abs=1e-8)


def test_to_a_tolerance():
    solution = emfc.solve(moved(emfc.FreeHorizon(0.3, 4.0, WEIGHT)), tol=1e-7)
    assert solution.error.met
    assert abs(solution.cost - best()[1]) <= solution.error.cost


@pytest.mark.parametrize(("low", "high", "side"), [(0.2, 0.6, "upper"), (2.0, 3.0, "lower")])
def test_a_bound_of_the_time_may_be_best(low, high, side):
    solution = emfc.solve(moved(emfc.FreeHorizon(low, high, WEIGHT)), MESH, 2)
    assert solution.times[-1] == (high if side == "upper" else low)
    assert solution.cost == pytest.approx(best(low, high)[1], abs=1e-8)
    assert side in solution.description["free horizon"]


def test_particles_know_the_cost_of_time():
    problem = moved(emfc.FreeHorizon(0.5, 2.0, WEIGHT))
    assert emfc.ParticleSystem(problem, 2).cost(0.0).penalty == pytest.approx(WEIGHT * 1.0)


def test_pickled_horizons_are_the_same():
    horizon = emfc.FreeHorizon(0.5, 2.0, 0.1)
    for one in (horizon, horizon.at(1.7)):
        again = pickle.loads(pickle.dumps(one))
        assert (repr(again), float(again), again.settled) == (repr(one), float(one), one.settled)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: emfc.FreeHorizon(2.0, 1.0), "after low"),
        (lambda: emfc.FreeHorizon(0.0, 1.0), "> 0"),
        (lambda: emfc.FreeHorizon(0.5, np.inf), "finite"),
        (lambda: emfc.FreeHorizon(0.5, 1.0, -1.0), ">= 0"),
        (lambda: moved(emfc.FreeHorizon), "bounds"),
        (lambda: emfc.solve(moved(emfc.FreeHorizon(0.5, 1.0)), MESH, [0.0, 0.2, 1.0]), "number of layers"),
        (lambda: emfc.solve(moved(emfc.FreeHorizon(0.5, 1.0)), MESH, 2, checkpoint="run.h5"), "checkpoint"),
    ],
)
def test_bad_horizons_are_refused(make, words):
    with pytest.raises(ArgumentError, match=words):
        make()
