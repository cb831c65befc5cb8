"""One tolerance for costs of the density: claims against a known optimum and against smaller tolerances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import root

import eulerian_mfc as emfc
from eulerian_mfc import losses

TARGET = emfc.laws.Gaussian([1.0], 0.4)


def problem(loss, **changes):
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.2], 0.5), [[0.0]])
    return emfc.Problem(emfc.fields.AffineField(1), law, loss, 0.2, 1.0, **changes)


def least_divergence():
    """J* of the divergence to TARGET: the law stays normal, so that mean and variance solve an optimal control problem."""

    def control(z):
        return -(z[2] * z[0] + 2.0 * z[3] * z[1]) / 0.2, -z[2] / 0.2

    def path(costates):
        def rates(t, z):
            w, b = control(z)
            return [w * z[0] + b, 2 * w * z[1], -z[2] * w, -2 * z[3] * w, 0.1 * (w * w + b * b)]

        return solve_ivp(rates, (0, 1), [0.2, 0.25, *costates, 0.0], method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]

    def gap(costates):
        m, v, p, q, _ = path(costates)
        return [p - (m - 1.0) / 0.16, q - 0.5 * (1 / 0.16 - 1 / v)]

    m, v, _, _, spent = path(root(gap, [-0.15, 0.2], tol=1e-12).x)
    return spent + 0.5 * (np.log(0.16 / v) + (v + (m - 1.0) ** 2) / 0.16 - 1.0)


@pytest.mark.parametrize("tol", [1e-4, 1e-6])
def test_a_known_optimum_is_within_the_bracket(tol):
    solution = emfc.solve(problem(losses.KullbackLeibler(TARGET, floor=1e-9)), tol=tol)
    best, error = least_divergence(), solution.error
    assert error.met
    assert abs(solution.cost - best) <= error.cost <= error.tolerance
    assert error.bracket[0] <= best <= error.bracket[1]


PROBLEMS = {
    "discrepancy": lambda: problem(losses.MaximumMeanDiscrepancy(TARGET, bandwidth=0.5)),
    "squared distance": lambda: problem(losses.SquaredDensityDistance(TARGET)),
    "congestion with noise": lambda: problem(losses.SquaredLoss() + 0.3 * losses.Congestion(), noise=0.2),
    "running congestion": lambda: problem(losses.SquaredLoss(), running=0.3 * losses.Congestion()),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_claims_agree_with_smaller_tolerances(name):
    rough, fine = (emfc.solve(PROBLEMS[name](), tol=tol) for tol in (1e-3, 1e-6))
    assert rough.error.met
    assert fine.error.met
    assert abs(rough.cost - fine.cost) <= rough.error.cost + fine.error.cost
    assert rough.error.bracket[0] <= fine.error.bracket[1]
    assert fine.error.bracket[0] <= rough.error.bracket[1]


def test_a_cost_that_depends_on_the_box_is_told():
    """The target is a constant, so that the cost grows with the empty part of every longer box."""

    class Empty(losses.SmoothDensityCost):
        def cost(self, density):
            return float(0.5 * density.volumes @ (density.values - 0.1) ** 2)

        def potential(self, density):
            return density.values - 0.1

        def tangent(self, density, dmasses):
            return dmasses / density.volumes

    solution = emfc.solve(problem(Empty()), tol=1e-4)
    assert not solution.error.met
    assert "box" in solution.error.stopped_by
