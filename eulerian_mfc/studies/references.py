"""What errors are measured against: an exact or reference value, Richardson's, the finest run, or no mesh at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._validate import array, fail, mismatch, positive
from ..results.solution_data import SolutionData
from .orders import extrapolate

KINDS = ("richardson", "finest", "particles")
#: relative size of differences of costs that are round-off: sums of many terms, optima to the solver's tolerance
ROUND_OFF = 1e-14
#: relative size of differences of controls that are round-off
SMALLEST = 1e-13
TWINS = "the particle twin on refined points of the law, with the same layers and no mesh"


@dataclass(frozen=True)
class Reference:
    """Values known from elsewhere.

    Parameters
    ----------
    cost : the optimal cost J.
    control : the optimal control `(layers, m)`, on as many layers or others: it is averaged over each layer.
    cost_floor, control_floor : how wrong they may be; smaller errors tell no order.
    source : what they are, in words.

    Raises
    ------
    ArgumentError
        If neither cost nor control is given, or a number is negative or not finite.
    """

    cost: float | None = None
    control: Any = None
    cost_floor: float = 0.0
    control_floor: float = 0.0
    source: str = "the reference"

    def __post_init__(self) -> None:
        if self.cost is None and self.control is None:
            raise mismatch("reference", "neither cost nor control", "at least one of them")
        if self.cost is not None:
            object.__setattr__(self, "cost", array("reference.cost", self.cost, ndim=0).item())
        for name in ("cost_floor", "control_floor"):
            positive(f"reference.{name}", getattr(self, name), allow_zero=True)
        if not isinstance(self.source, str):
            raise fail("reference.source", self.source, "a text")
        if self.control is not None:
            object.__setattr__(self, "control", array("reference.control", self.control, ndim=2))


def as_reference(value: Any) -> Reference | str:
    """A Reference, from itself, a mapping, or a Solution; or one of the words that name a way to find one."""
    if isinstance(value, Reference):
        return value
    if isinstance(value, SolutionData):
        return Reference(
            value.cost, value.control, source=f"a solution on {value.mesh.shape} cells, {value.layers} layers"
        )
    if isinstance(value, Mapping):
        known = Reference.__dataclass_fields__
        for name in value:
            if name not in known and name not in ("penalty", "grad_max"):
                raise fail("reference", name, "one of " + ", ".join(known))
        return Reference(**{k: v for k, v in value.items() if k in known})
    if value in KINDS:
        return str(value)
    raise fail("reference", value, f"one of {', '.join(KINDS)}, a Reference, or a Solution")


def averaged(control: np.ndarray, layers: int) -> np.ndarray:
    """Means `(layers, m)` over other layers of a piecewise-constant control `(n, m)`: exact, by its integral."""
    if len(control) == layers:
        return control
    integral = np.concatenate([np.zeros((1, control.shape[1])), np.cumsum(control, axis=0)]) / len(control)
    ends = np.linspace(0.0, 1.0, layers + 1)
    grid = np.linspace(0.0, 1.0, len(control) + 1)
    at_ends = np.stack([np.interp(ends, grid, column) for column in integral.T], axis=1)
    return np.diff(at_ends, axis=0) * layers


@dataclass(frozen=True)
class Errors:
    """Errors of a sequence of runs, what they are against, and below what they are round-off."""

    values: list[float | None]
    against: str
    floor: float
    #: degrees of freedom that went into the other value: Richardson's limit and order come from the same runs
    spent: int = 0


def errors(
    h: Sequence[float],
    values: Sequence[np.ndarray],
    reference: Reference | str,
    floor: float,
    *,
    known: np.ndarray | None = None,
    twins: Sequence[np.ndarray] | None = None,
    expected: float | None = None,
) -> Errors:
    """Largest entries of `|v_k - v|` for a sequence of arrays of one shape, from coarse to fine.

    `known` is the reference's own value and `twins` are the twins' values for "particles"; `expected` is the highest
    order of theory.
    """
    gap = lambda a, b: float(np.abs(a - b).max())  # noqa: E731
    if isinstance(reference, Reference):
        if known is None:
            return Errors([None] * len(values), "nothing: the reference has no such value", floor)
        return Errors([gap(v, known) for v in values], reference.source, floor)
    if twins is not None:
        return Errors([gap(a, b) for a, b in zip(values, twins, strict=True)], TWINS, floor)
    if reference == "finest":
        return Errors([*(gap(v, values[-1]) for v in values[:-1]), None], "the finest run", floor)
    limit = extrapolate(h, values, floor, expected)
    found: list[float | None] = [gap(v, limit.value) for v in values]
    if limit.order is None:
        found[-1] = None  # the limit itself
    return Errors(found, limit.how, floor, 0 if limit.order is None else 2)


def cost_errors(
    h: Sequence[float],
    costs: Sequence[float],
    reference: Reference | str,
    twins: Any,
    expected: float | None,
    known_to: float = 0.0,
) -> Errors:
    """Errors of the cost; `known_to` is the error of the twins' own integrals."""
    floor = max(ROUND_OFF * max(abs(c) for c in costs), known_to)
    known = None
    if isinstance(reference, Reference) and reference.cost is not None:
        known, floor = np.array(reference.cost), max(floor, reference.cost_floor)
    both = {"twins": None if twins is None else [np.array(t) for t in twins], "known": known}
    return errors(h, [np.array(c) for c in costs], reference, floor, expected=expected, **both)  # type: ignore[arg-type]


def control_errors(
    h: Sequence[float],
    controls: Sequence[np.ndarray],
    reference: Reference | str,
    twins: Any,
    expected: float | None,
    left: float,
) -> Errors:
    """Errors of the control; controls on different layers are compared by their means over the coarsest.

    `left` is how far from the optimum the solver may have left a control.
    """
    floor = max(left, SMALLEST * max(float(np.abs(c).max()) for c in controls))
    layers = min(len(c) for c in controls)
    note = "" if len({len(c) for c in controls}) == 1 else f", by means over {layers} layers"
    known = None
    if isinstance(reference, Reference) and reference.control is not None:
        known, floor = averaged(reference.control, layers), max(floor, reference.control_floor)
    means = [averaged(c, layers) for c in controls]
    twin_means = None if twins is None else [averaged(t, layers) for t in twins]
    found = errors(h, means, reference, floor, known=known, twins=twin_means, expected=expected)
    return replace(found, against=found.against + note)


def spread(rows: int, used: Sequence[int], measure: Any, *arguments: Any) -> Errors:
    """The errors that `measure(*arguments)` gives for the rows in `used`, and None for the others."""
    if not used:
        return Errors([None] * rows, "nothing: no run converged", 0.0)
    found = measure(*arguments)
    values: list[float | None] = [None] * rows
    for k, value in zip(used, found.values, strict=True):
        values[k] = value
    return replace(found, values=values)


def check_parameters(reference: Any, parameters: int) -> None:
    """ArgumentError where a known control has another number of parameters than the problem."""
    if isinstance(reference, Reference) and reference.control is not None and reference.control.shape[1] != parameters:
        raise mismatch(
            "reference.control", f"{reference.control.shape[1]} parameters a layer", f"the problem's {parameters}"
        )
