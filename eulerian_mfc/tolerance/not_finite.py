"""What is not finite at a control, and what helps: states that leave every bound, or losses that are not defined there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..diagnostics.error_in_time import finite_cost
from ..errors import NonFiniteError
from ..system.particles import ParticleSystem

#: states further away than this many natural sizes count as those of a solution that blows up
FAR = 1e9
#: the substeps of a layer are multiplied by this to see whether states are finite with more of them
FINER = 16
#: the largest number of points of the law among which the cause is looked for
POINTS = 5_000
#: what helps where a field drives states to infinity
GROWS = (
    "fields that grow faster than |x| do this in finite time. A shorter horizon, a law of bounded support, bounds of the control "
    "(bounds=), or a field that grows at most like |x| helps"
)
#: what helps where a loss has no value
UNDEFINED = "define the loss for all states that can be reached, or give a law whose states stay where it is finite"


def not_finite(system: ParticleSystem, control: np.ndarray, which: str, error: NonFiniteError) -> NonFiniteError:
    """The error to raise if a control cannot be evaluated: its cause, and what helps.

    Parameters
    ----------
    system : particles that the control moves.
    control : the control.
    which : the control in words, such as "the first control".
    error : what was raised; its words are the cause if the values of this control are finite here.
    """
    with np.errstate(all="ignore"):
        return NonFiniteError(f"a solve to a tolerance cannot begin at {which}: {_cause(system, control, error)}")


def stiff(system: ParticleSystem, control: np.ndarray) -> bool:
    """Whether states leave every bound only because the substeps are too long for the field.

    Parameters
    ----------
    system : particles that the control moves.
    control : the control.
    """
    with np.errstate(all="ignore"):
        for points in _more_and_more(system, control):
            if _first_far(points, control) is not None:
                return _resolved(points, control)
    return False


def _more_and_more(system: ParticleSystem, control: np.ndarray) -> Iterator[ParticleSystem]:
    """The system, and one with more points of the law."""
    yield system
    yield ParticleSystem.refined(system.problem, system.grid, control, limit=POINTS, **system.layer_options)


def _resolved(system: ParticleSystem, control: np.ndarray) -> bool:
    """Whether all states stay finite with more substeps."""
    finer = system.with_layer_map(system.flow.layer_map.refined(FINER))
    return bool(np.isfinite(finite_cost(finer, control))) and _first_far(finer, control) is None


def _cause(system: ParticleSystem, control: np.ndarray, error: NonFiniteError) -> str:
    for points in _more_and_more(system, control):
        blown = _first_far(points, control)
        if blown is not None and _resolved(points, control):
            return (
                f"layers do not resolve the field; with {FINER} times as many substeps states stay finite (layer_map=)"
            )
        blown = blown or _first_far(points.with_layer_map(points.flow.layer_map.refined(FINER)), control)
        found = _of_loss(points, control) if blown is None else _of_states(points, control, *blown)
        if found is not None:
            return found
    return str(error)


def _of_states(system: ParticleSystem, control: np.ndarray, start: np.ndarray, time: float) -> str:
    told = f"the state that starts at x = {_shown(start)} has left every bound at the time t = {time:.3g}: {GROWS}"
    if not control.any():
        return f"{told}. This happens even at the control 0"
    rest = system.control(0.0)
    if np.isfinite(finite_cost(system, rest)) and _first_far(system, rest) is None:
        return f"{told}. At the control 0 states stay finite, so that initial=0.0 can be a start"
    return told


def _first_far(system: ParticleSystem, control: np.ndarray) -> tuple[np.ndarray, float] | None:
    """The start `(d,)` of the first state that leaves every bound, and the time when it has done so; None if all stay finite."""
    x, largest = system.rule.x, FAR * system.problem.scales.state
    for n, step in enumerate(system.controls.path(control), start=1):
        try:
            x = system.flow(step, x)
        except NonFiniteError:
            return system.rule.x[int(np.argmax(np.abs(x).max(axis=1)))], float(system.times[n])
        far = ~(np.abs(x) < largest).all(axis=1)
        if far.any():
            return system.rule.x[int(np.argmax(far))], float(system.times[n])
    return None


def _of_loss(system: ParticleSystem, control: np.ndarray) -> str | None:
    """Which loss is not finite, and where, in words; None if all are finite."""
    problem, labels = system.problem, system.rule.y
    states = system.states(control)
    places = [] if problem.loss.trained else [("loss", problem.loss, states[-1])]
    if problem.running is not None:
        places += [("running loss", problem.running, x) for x in states]
    for name, loss, x in places:
        values = {"": loss.value(x, labels), "gradient of the ": loss.gradient(x, labels).sum(axis=1)}
        for kind, value in values.items():
            bad = ~np.isfinite(value)
            if bad.any():
                j = int(np.argmax(bad))
                where = f"at the state x = {_shown(x[j])} with the label y = {_shown(labels[j])}"
                return f"the {kind}{name} is not finite {where}: {UNDEFINED}"
    return None


def _shown(values: np.ndarray) -> str:
    return "[" + ", ".join(f"{value:.4g}" for value in values) + "]"
