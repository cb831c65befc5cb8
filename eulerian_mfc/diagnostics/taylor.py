"""The check of a gradient: the order of the remainder of Taylor's formula."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._validate import array, integer, mismatch
from ..system.optimality import OptimalitySystem


def taylor_slope(
    system: OptimalitySystem, control: np.ndarray, seed: int = 0, steps: ArrayLike = (1e-1, 3e-2, 1e-2, 3e-3)
) -> float:
    """The order in s of `|J(theta + s v) - J(theta) - s <J'(theta), v>|` for a random v, whose entries have natural sizes.

    Parameters
    ----------
    system : the discrete problem.
    control : `(layers, m)`.
    seed : the seed of the direction v, an integer >= 0.
    steps : two or more values of s > 0.

    Returns
    -------
    float
        2 if the gradient is that of the cost (more than 2 at a degenerate point); 1 if it is not.

    Raises
    ------
    ArgumentError
        If there are fewer than two steps, or a step is not positive.
    """
    lengths = array("steps", steps, ndim=1)
    if len(lengths) < 2 or not (lengths > 0).all():
        raise mismatch("steps", f"{lengths.tolist()}", "at least two positive numbers")
    direction = np.random.default_rng(integer("seed", seed, minimum=0)).normal(size=control.shape)
    sizes = 1e-2 * system.problem.scales.control + np.abs(control).max(axis=0)
    direction *= sizes / np.abs(direction).max()
    cost, gradient = system.cost_and_gradient(control)
    slope = float(np.vdot(gradient, direction))
    rest = [abs(system.cost(control + s * direction).total - cost - s * slope) for s in lengths]
    return float(np.polyfit(np.log(lengths), np.log(np.maximum(rest, np.finfo(float).tiny)), 1)[0])
