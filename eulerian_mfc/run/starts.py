"""First controls: the default of a problem, and conversion of the argument `initial` of `solve`."""

from __future__ import annotations

import numpy as np

from .._validate import mismatch
from ..control.coerced import ControlLike
from ..fields.base import START
from ..problem import Problem
from ..solution import Solution
from ..system.controlled import ControlledSystem

#: the types of the argument `initial` of `solve`
Start = ControlLike | Solution | None


def default_start(problem: Problem) -> float | np.ndarray:
    """`problem.start`, or the number 0.1 if all its entries are 0.1.

    Checkpoints of runs without `initial` store this number, so that their fingerprints stay the same.

    Parameters
    ----------
    problem : the control problem, whose field and law define the start.

    Raises
    ------
    ArgumentError
        If the start that the field defines does not have the shape `(m,)`, or is not finite.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> default_start(problem)
    0.1
    """
    return START if (problem.start == START).all() else problem.start


def identity_of(initial: Start) -> object:
    """What counts of the argument `initial` of `solve` in the identity of a run.

    Of a Solution these are its coefficients. If its layers are not equal or its control is not constant on them, the times of the
    layers, as shares of the horizon, and the basis count too: other times make another function of the same coefficients.

    Parameters
    ----------
    initial : the argument of `solve`.

    Examples
    --------
    >>> identity_of(0.1)
    0.1
    """
    if not isinstance(initial, Solution):
        return initial
    curves = initial.numerics.curves
    if curves.equal and curves.degree == 0:
        return initial.control
    return initial.control, curves.ends / curves.horizon, curves.basis.kind


def starting_control(system: ControlledSystem, initial: Start, name: str = "initial") -> np.ndarray:
    """The control, of the shape of the system's space, from the argument `initial` of `solve`.

    Parameters
    ----------
    system : the discrete problem, which defines the shape and the times of the layers.
    initial : the argument of `solve`.
    name : the name of the argument, for messages.

    Raises
    ------
    ArgumentError
        If the shape is wrong, or the Solution belongs to a problem with other parameters.

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
    return system.controls.carried(initial.control, initial.numerics.curves)
