"""The best final time: solves with fixed times, and the derivative of the least cost in the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from ..control.horizon import FreeHorizon
from ..problem import Problem
from ..solution import Solution
from ..system.optimality import OptimalitySystem
from .starts import Start

#: derivatives in the time are central differences of order 4 over this share of it
STEP = 1e-3
#: the time is known to this share of it
CLOSE = 1e-12

#: (problem with a settled time, first control) -> its solution
Inner = Callable[[Problem, Start], Solution]


def solve_free_horizon(problem: Problem, inner: Inner, initial: Start) -> Solution:
    """The solution at the time where the derivative of the least cost in the time vanishes, or at a bound of the time.

    Between the bounds the derivative's zero is found by Brent's method, each solve starting from the control before, with time
    scaled. If the least cost has several minima in the time, it is one of them; if the derivative points into neither bound, it
    is the better bound.

    Parameters
    ----------
    problem : a problem whose horizon is a FreeHorizon.
    inner : solves a problem with a settled time.
    initial : the first control.

    References
    ----------
    R. P. Brent, Algorithms for Minimization without Derivatives, Prentice-Hall 1973, chapter 4.
    """
    free = problem.horizon
    assert isinstance(free, FreeHorizon)
    found: dict[float, Solution] = {}
    start = initial

    def slope(time: float) -> float:
        nonlocal start
        if time not in found:
            start = found[time] = inner(replace(problem, horizon=free.at(time)), start)
        return slope_in_horizon(found[time])

    first, last = slope(free.low), slope(free.high)
    if first < 0.0 < last:
        time = float(brentq(slope, free.low, free.high, xtol=CLOSE * free.high, rtol=4 * np.finfo(float).eps))
        rest = slope(time)
        told = f"T = {time:.12g}, where dJ/dT = {rest:.1e}: the Hamiltonian there is {rest - free.weight:.6g}"
    else:
        ends = (free.low, free.high)
        time = min(ends, key=lambda end: found[end].cost)
        side = "lower" if time == free.low else "upper"
        told = f"T = {time:.12g}, the {side} bound, where dJ/dT = {slope(time):.3g}"
    return found[time].described(**{"free horizon": told})


def slope_in_horizon(solution: Solution) -> float:
    """The derivative of the discrete cost in the final time, at a control whose coefficients stay as they are.

    At an optimal control it is the derivative of the least cost (envelope theorem); in continuous time it is `H(T) + weight`.

    Parameters
    ----------
    solution : a solution with its problem.
    """
    system = solution.system
    assert system is not None
    time = float(system.problem.horizon)

    def cost(share: float) -> float:
        horizon = system.problem.horizon
        at = horizon.at(share * time) if isinstance(horizon, FreeHorizon) else share * time
        chosen = system.discretisation
        layers = chosen.layers if isinstance(chosen.layers, int) else tuple(share * t for t in chosen.layers)
        scaled = OptimalitySystem.of(
            replace(system.problem, horizon=at), replace(chosen, layers=layers), system.resources
        )
        return scaled.cost(solution.control).total

    ahead, behind = (cost(1.0 + k * STEP) - cost(1.0 - k * STEP) for k in (1, 2))
    return (8.0 * ahead - behind) / (12.0 * STEP * time)
