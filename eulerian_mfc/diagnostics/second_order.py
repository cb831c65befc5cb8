"""The second-order analysis of a control, with the warnings that follow from it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..results.stability import Stability
from ..system.optimality import OptimalitySystem
from . import warnings_of
from .stability import analyse


def analyse_and_warn(
    system: OptimalitySystem, control: np.ndarray, solver: str, progress: Callable[[int], object] | None = None
) -> Stability:
    """The second-order analysis of a control; it issues the warnings that follow from it.

    With constraints it is that of the augmented Lagrangian, of which neither multistart nor the penalty's threshold says
    anything: then there are no warnings.

    Parameters
    ----------
    system : the discrete problem.
    control : the control.
    solver : the solver that found it, in words.
    progress : called before every Hessian product with the number of products done.
    """
    found = analyse(system, control, progress)
    if not system.problem.terminal_constraints:
        warnings_of.tell(warnings_of.of_second_order(found, solver, system.adjoint))
    return found
