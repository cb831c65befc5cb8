"""What errors are measured against: an exact or reference value, Richardson's, the finest run, or no mesh at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike

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

    Examples
    --------
    >>> Reference(cost=0.25, source="by hand").cost
    0.25
    """

    cost: float | None = None
    control: ArrayLike | None = None
    cost_floor: float = 0.0
    control_floor: float = 0.0
    source: str = "the reference"

    def __post_init__(self) -> None:
        if self.cost is None and self.control is None:
            raise mismatch("reference", "neither cost nor control", "at least one of them")
        if self.cost is not None:
            object.__setattr__(self, "cost", array("reference.cost", self.cost, ndim=0).item())
        positive("reference.cost_floor", self.cost_floor, allow_zero=True)
        positive("reference.control_floor", self.control_floor, allow_zero=True)
        if not isinstance(self.source, str):
            raise fail("reference.source", self.source, "a text")
        if self.control is not None:
            object.__setattr__(self, "control", array("reference.control", self.control, ndim=2))


#: what studies take as a reference: the word for a way to find one, values by name, or a solution
ReferenceLike = str | Reference | SolutionData | Mapping[str, object]


def as_reference(value: ReferenceLike) -> Reference | str:
    """A Reference, from itself, a mapping, or a Solution; or one of the words that name a way to find one."""
    if isinstance(value, Reference):
        return value
    if isinstance(value, SolutionData):
        return Reference(
            value.cost, value.control, source=f"a solution on {value.mesh.shape} cells, {value.layers} layers"
        )
    if isinstance(value, Mapping):
        known = [f.name for f in fields(Reference)]
        for name in value:
            if name not in known and name not in ("penalty", "grad_max"):
                raise fail("reference", name, "one of " + ", ".join(known))
        return Reference(**{k: v for k, v in value.items() if k in known})  # type: ignore[arg-type]  # which it checks
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


@dataclass(frozen=True)
class Sequenced:
    """A value of a sequence of runs, from coarse to fine, of which errors are taken.

    Attributes
    ----------
    h : widths, or what else errors are powers of.
    values : the values, arrays of one shape (of controls: on different layers).
    twins : the values without a mesh, for errors against "particles".
    expected : the highest order of theory.
    """

    h: Sequence[float]
    values: Sequence[np.ndarray]
    twins: Sequence[np.ndarray] | None = None
    expected: float | None = None


def errors(runs: Sequenced, reference: Reference | str, floor: float, known: np.ndarray | None = None) -> Errors:
    """Largest entries of `|v_k - v|`.

    Parameters
    ----------
    runs : the values v_k.
    reference : what v is.
    floor : errors up to here are round-off.
    known : the reference's own value.
    """
    h, values = runs.h, runs.values
    if isinstance(reference, Reference):
        if known is None:
            return Errors([None] * len(values), "nothing: the reference has no such value", floor)
        return Errors([_gap(v, known) for v in values], reference.source, floor)
    if runs.twins is not None:
        return Errors([_gap(a, b) for a, b in zip(values, runs.twins, strict=True)], TWINS, floor)
    if reference == "finest":
        return Errors([*(_gap(v, values[-1]) for v in values[:-1]), None], "the finest run", floor)
    limit = extrapolate(h, values, floor, runs.expected)
    found: list[float | None] = [_gap(v, limit.value) for v in values]
    if limit.order is None:
        found[-1] = None  # the limit itself
    return Errors(found, limit.how, floor, 0 if limit.order is None else 2)


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


def cost_errors(runs: Sequenced, reference: Reference | str, known_to: float = 0.0) -> Errors:
    """Errors of the cost; `known_to` is the error of the twins' own integrals."""
    floor = max(ROUND_OFF * max(float(np.abs(c)) for c in runs.values), known_to)
    known = None
    if isinstance(reference, Reference) and reference.cost is not None:
        known, floor = np.array(reference.cost), max(floor, reference.cost_floor)
    return errors(runs, reference, floor, known)


def control_errors(runs: Sequenced, reference: Reference | str, left: float) -> Errors:
    """Errors of the control; controls on different layers are compared by their means over the coarsest.

    `left` is how far from the optimum the solver may have left a control.
    """
    controls = runs.values
    floor = max(left, SMALLEST * max(float(np.abs(c).max()) for c in controls))
    layers = min(len(c) for c in controls)
    note = "" if len({len(c) for c in controls}) == 1 else f", by means over {layers} layers"
    known = None
    if isinstance(reference, Reference) and reference.control is not None:
        known, floor = averaged(np.asarray(reference.control), layers), max(floor, reference.control_floor)
    means = [averaged(c, layers) for c in controls]
    twins = None if runs.twins is None else [averaged(t, layers) for t in runs.twins]
    found = errors(replace(runs, values=means, twins=twins), reference, floor, known)
    return replace(found, against=found.against + note)


def spread(rows: int, used: Sequence[int], found: Errors | None) -> Errors:
    """The errors found for the rows in `used`, and None for the others; of no rows nothing was found."""
    if found is None:
        return Errors([None] * rows, "nothing: no run converged", 0.0)
    values: list[float | None] = [None] * rows
    for k, value in zip(used, found.values, strict=True):
        values[k] = value
    return replace(found, values=values)


def check_parameters(reference: Reference | str | None, parameters: int) -> None:
    """ArgumentError where a known control has another number of parameters than the problem."""
    if isinstance(reference, Reference) and reference.control is not None:
        found = np.shape(reference.control)[1]
        if found != parameters:
            raise mismatch("reference.control", f"{found} parameters a layer", f"the problem's {parameters}")
