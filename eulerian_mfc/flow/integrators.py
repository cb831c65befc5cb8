"""Strong-stability-preserving Runge-Kutta methods, as combinations of forward Euler steps.

A state is a tuple of arrays; `euler(state, dt)` is a forward Euler step of length dt. If an Euler step keeps positivity up to
a largest length, then a method keeps it up to `coefficient` times that length.

References
----------
S. Gottlieb, D. Ketcheson, C.-W. Shu, Strong Stability Preserving Runge-Kutta and Multistep Time Discretizations,
World Scientific 2011, doi:10.1142/7498; the ten-stage method: D. Ketcheson, Highly efficient strong stability-preserving
Runge-Kutta methods with low-storage implementations, SIAM J. Sci. Comput. 30 (2008), 2113-2136, doi:10.1137/07070485X.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .._validate import integer
from ..errors import SubstepError

State = tuple[np.ndarray, ...]
Euler = Callable[[State, float], State]


class Integrator(NamedTuple):
    """A method: one step, its order, its SSP coefficient and its number of stages."""

    step: Callable[[Euler, State, float], State]
    order: int
    coefficient: float
    stages: int


def _mix(a: float, x: State, b: float, y: State) -> State:
    return tuple(a * p + b * q for p, q in zip(x, y, strict=True))


def _ssprk2(euler: Euler, state: State, dt: float) -> State:
    return _mix(0.5, state, 0.5, euler(euler(state, dt), dt))


def _ssprk3(euler: Euler, state: State, dt: float) -> State:
    middle = _mix(0.75, state, 0.25, euler(euler(state, dt), dt))
    return _mix(1 / 3, state, 2 / 3, euler(middle, dt))


def _ssprk104(euler: Euler, state: State, dt: float) -> State:
    first = state
    for _ in range(5):
        first = euler(first, dt / 6)
    second = _mix(1 / 25, state, 9 / 25, first)
    first = _mix(15.0, second, -5.0, first)
    for _ in range(4):
        first = euler(first, dt / 6)
    return _mix(1.0, second, 3 / 5, euler(first, dt / 6))


INTEGRATORS = {
    "euler": Integrator(lambda euler, state, dt: euler(state, dt), 1, 1.0, 1),
    "ssprk2": Integrator(_ssprk2, 2, 1.0, 2),
    "ssprk3": Integrator(_ssprk3, 3, 1.0, 3),
    "ssprk104": Integrator(_ssprk104, 4, 6.0, 10),
}

#: largest number of times that mass may cross the mesh in one layer. A linear field that is so fast at the edge of the mesh
#: expands, or contracts, by e^20 in the layer. A useful control does not do that; the steps of a diverging solver do more.
MOST_CROSSINGS = 10.0
#: largest number of substeps of a layer that may be asked for
MOST_SUBSTEPS = 10_000


def checked_substeps(given: int) -> int:
    """The user's number of substeps of a layer.

    Parameters
    ----------
    given : an integer from 1 to `MOST_SUBSTEPS`.

    Raises
    ------
    ArgumentError
        For anything else.

    Examples
    --------
    >>> checked_substeps(3)
    3
    """
    return integer("substeps", given, maximum=MOST_SUBSTEPS, instead="use more layers")


def substeps(courant: float, crossings: float, cfl: float, limit: float, given: int | None = None) -> int:
    """Number of substeps of a layer: the smallest that keeps the Courant number below `cfl`, or the user's.

    Parameters
    ----------
    courant : the Courant number of the layer if it is one step.
    crossings : how often the fastest velocity crosses the mesh in the layer.
    cfl, limit : the Courant number that is aimed at, and the largest one that the method allows.
    given : the user's number of substeps, or None.

    Raises
    ------
    SubstepError
        If mass would cross the mesh more than `MOST_CROSSINGS` times, or if the user's number is too small.
    """
    if given is not None:
        if courant > limit * given * (1 + 1e-12):
            raise SubstepError(
                f"substeps: got {given}, which gives the Courant number {courant / given:.3g}, expected a "
                f"Courant number of at most {limit:g}: use substeps >= {int(np.ceil(courant / limit))}"
            )
        return given
    count = max(1, int(np.ceil(courant / cfl - 1e-12)))
    if crossings > MOST_CROSSINGS:
        raise SubstepError(
            f"the field would carry mass {crossings:.3g} times across the mesh in one layer, in {count} "
            f"substeps, expected at most {MOST_CROSSINGS:g} times: the control is too large, as happens when "
            "a solver diverges. Use a larger penalty, a smaller relaxation, or more layers; if you want this "
            "speed, set the number of substeps"
        )
    return count
