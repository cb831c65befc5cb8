"""Explicit Runge-Kutta methods, as tables of their coefficients."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Tableau(NamedTuple):
    """An explicit Runge-Kutta method whose stage i uses stage i - 1 alone: `k_i = F(t + c_i dt, x + c_i dt k_{i-1})`.

    Attributes
    ----------
    reach : the `c_i`, as shares of the step.
    weights : the weights of the stages; they sum to 1.
    order : the order in the length of a step.

    References
    ----------
    E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, Springer 1993, section II.1.

    Examples
    --------
    >>> from eulerian_mfc.flow import Tableau
    >>> midpoint = Tableau(reach=(0.0, 0.5), weights=(0.0, 1.0), order=2)
    >>> sum(midpoint.weights)
    1.0
    """

    reach: tuple[float, ...]
    weights: tuple[float, ...]
    order: int


#: the methods of a `LayerMap`, by name
TABLEAUX = {
    "euler": Tableau((0.0,), (1.0,), 1),
    "midpoint": Tableau((0.0, 0.5), (0.0, 1.0), 2),
    "rk4": Tableau((0.0, 0.5, 0.5, 1.0), (1 / 6, 1 / 3, 1 / 3, 1 / 6), 4),
}


@lru_cache
def tableau_arrays(method: str) -> tuple[np.ndarray, np.ndarray]:
    """`reach` and `weights` of a method as arrays, for compiled fields."""
    tableau = TABLEAUX[method]
    return np.array(tableau.reach), np.array(tableau.weights)
