"""First controls: the problem's own, and what users give."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._validate import mismatch
from ..fields.base import START
from ..problem import Problem
from ..solution import Solution
from ..system.controlled import ControlledSystem

#: what `solve` takes as its first control
Start = ArrayLike | Solution | None


def default_start(problem: Problem) -> float | np.ndarray:
    """`problem.start`, as the number 0.1 where all of it is: so checkpoints of solutions without `initial` have always named it.

    Parameters
    ----------
    problem : for its field and its law.

    Raises
    ------
    ArgumentError
        If the field's own start has another shape than `(m,)`, or is not finite.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> default_start(problem)
    0.1
    """
    return START if (problem.start == START).all() else problem.start


def starting_control(system: ControlledSystem, initial: Start, name: str = "initial") -> np.ndarray:
    """`(layers, m)` from what `solve` takes as `initial`.

    Parameters
    ----------
    system : for the shape, and the layers' times.
    initial : what `solve` takes.
    name : of the argument, for messages.

    Raises
    ------
    ArgumentError
        For other shapes, or the solution of a problem with other parameters.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> starting_control(emfc.ParticleSystem(problem, layers=2), [0.2, 0.3]).tolist()
    [[0.2, 0.3], [0.2, 0.3]]
    """
    if initial is None:
        initial = default_start(system.problem)
    if not isinstance(initial, Solution):
        return system.control(initial, name)
    if initial.parameter_names != system.problem.field.parameter_names:
        names = ", ".join(system.problem.field.parameter_names)
        raise mismatch(name, f"a solution with the parameters {', '.join(initial.parameter_names)}", names)
    return system.controls.carried(initial.control)
