"""The values from which errors are measured: a known value, Richardson's limit, the finest run, or runs without a mesh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike

from .._validate import array, fail, mismatch, positive
from ..control.grid import Grid, checked_grid, count_of
from ..results.solution_data import SolutionData
from .orders import extrapolate

KINDS = ("richardson", "finest", "particles")
#: relative differences of costs below this are round-off: sums of many terms, optima to the solver's tolerance
ROUND_OFF = 1e-14
#: relative differences of controls below this are round-off
SMALLEST = 1e-13
TWINS = "the particle twin on refined points of the law, with the same layers and no mesh"


@dataclass(frozen=True)
class Reference:
    """Known values, such as an exact optimum.

    Parameters
    ----------
    cost : the optimal cost J.
    control : the optimal control `(layers, m)`, on any layers: it is averaged over the layers of the runs.
    grid : the times at which the layers of this control start and end; by default they are equal.
    cost_floor, control_floor : their own errors; orders are not read from errors below these.
    source : their source, in words.

    Raises
    ------
    ArgumentError
        If there is neither a cost nor a control, a floor is negative, or a number is not finite.

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
    grid: Grid | None = None

    def __post_init__(self) -> None:
        if self.cost is None and self.control is None:
            raise mismatch("reference", "neither cost nor control", "a cost, a control, or both")
        if self.cost is not None:
            object.__setattr__(self, "cost", array("reference.cost", self.cost, ndim=0).item())
        positive("reference.cost_floor", self.cost_floor, allow_zero=True)
        positive("reference.control_floor", self.control_floor, allow_zero=True)
        if not isinstance(self.source, str):
            raise fail("reference.source", self.source, "a text")
        if self.control is not None:
            object.__setattr__(self, "control", array("reference.control", self.control, ndim=2))
            self._check_grid()

    def _check_grid(self) -> None:
        found, rows = (
            None if self.grid is None else checked_grid(self.grid, "reference.grid"),
            len(np.asarray(self.control)),
        )
        if found is not None and count_of(found) != rows:
            raise mismatch("reference.grid", f"{count_of(found)} layers", f"the {rows} layers of reference.control")
        object.__setattr__(self, "grid", found)


#: the references that studies accept: a word such as "richardson", values by name, or a solution
ReferenceLike = str | Reference | SolutionData | Mapping[str, object]


def as_reference(value: ReferenceLike) -> Reference | str:
    """The Reference of a Reference, a mapping or a Solution; a word such as "richardson" is returned unchanged."""
    if isinstance(value, Reference):
        return value
    if isinstance(value, SolutionData):
        return Reference(
            value.cost,
            value.numerics.curves.means(value.control),
            source=f"a solution on {value.mesh.shape} cells, {value.layers} layers",
            grid=None if value.numerics.curves.equal else value.numerics.curves.grid,
        )
    if isinstance(value, Mapping):
        known = [f.name for f in fields(Reference)]
        for name in value:
            if name not in known and name not in ("penalty", "grad_max"):
                raise fail("reference", name, "one of " + ", ".join(known))
        return Reference(**{k: v for k, v in value.items() if k in known})  # type: ignore[arg-type]  # Reference checks the types
    if value in KINDS:
        return str(value)
    raise fail("reference", value, f"one of {', '.join(KINDS)}, a Reference, or a Solution")


def averaged(control: np.ndarray, layers: Grid, source: Grid | None = None) -> np.ndarray:
    """Means `(n, m)` of a control that is constant on layers over other layers of the same horizon; exact, from its integral.

    Parameters
    ----------
    control : `(M, m)`.
    layers : the number of new layers if they are equal, or their times.
    source : the same for the layers of the control; by default they are equal.

    Examples
    --------
    >>> averaged(np.array([[1.0], [3.0]]), layers=[0.0, 0.75, 1.0], source=[0.0, 0.25, 1.0]).round(12).ravel().tolist()
    [2.333333333333, 3.0]
    """
    old, new = _shares(len(control) if source is None else source), _shares(layers)
    if np.array_equal(old, new):
        return control
    parts = np.cumsum(control * np.diff(old)[:, None], axis=0)
    integral = np.concatenate([np.zeros((1, control.shape[1])), parts])
    at_ends = np.stack([np.interp(new, old, column) for column in integral.T], axis=1)
    return np.diff(at_ends, axis=0) / np.diff(new)[:, None]


def _shares(layers: Grid) -> np.ndarray:
    """The times at which layers start and end, as shares of the horizon."""
    found = checked_grid(layers)
    return np.linspace(0.0, 1.0, found + 1) if isinstance(found, int) else np.array(found) / found[-1]


@dataclass(frozen=True)
class Errors:
    """Errors of a sequence of runs, the value from which they are measured, and the floor below which they are round-off."""

    values: list[float | None]
    against: str
    floor: float
    #: degrees of freedom used for that value: Richardson's limit and order are computed from the same runs
    spent: int = 0


@dataclass(frozen=True)
class Sequenced:
    """A quantity of a sequence of runs, from coarse to fine, whose errors are computed.

    Attributes
    ----------
    h : widths, or another quantity in powers of which errors fall.
    values : the values, arrays of one shape (controls may have different numbers of layers).
    twins : the values without a mesh, for the reference "particles".
    expected : the highest order that theory predicts.
    grids : of controls, the layers of every run: a number of equal layers, or times.
    """

    h: Sequence[float]
    values: Sequence[np.ndarray]
    twins: Sequence[np.ndarray] | None = None
    expected: float | None = None
    grids: Sequence[Grid] | None = None


def errors(runs: Sequenced, reference: Reference | str, floor: float, known: np.ndarray | None = None) -> Errors:
    """Largest entries of `|v_k - v|`.

    Parameters
    ----------
    runs : the values v_k.
    reference : determines v.
    floor : errors up to this size are round-off.
    known : v itself, if `reference` is a Reference that has it.
    """
    h, values = runs.h, runs.values
    if isinstance(reference, Reference):
        if known is None:
            return Errors([None] * len(values), "nothing, since the reference does not have this value", floor)
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
    """Errors of the cost; `known_to` is the error of the law's integrals in the twins."""
    floor = max(ROUND_OFF * max(float(np.abs(c)) for c in runs.values), known_to)
    known = None
    if isinstance(reference, Reference) and reference.cost is not None:
        known, floor = np.array(reference.cost), max(floor, reference.cost_floor)
    return errors(runs, reference, floor, known)


def control_errors(runs: Sequenced, reference: Reference | str, left: float) -> Errors:
    """Errors of the control; controls on different layers are compared by their means over the coarsest layers.

    `left` is a bound of the distance to the optimum at which the solver may have stopped.
    """
    controls = runs.values
    floor = max(left, SMALLEST * max(float(np.abs(c).max()) for c in controls))
    grids = [len(c) for c in controls] if runs.grids is None else runs.grids
    layers = min(grids, key=count_of)
    note = "" if all(grid == layers for grid in grids) else f", by means over {count_of(layers)} layers"
    known = None
    if isinstance(reference, Reference) and reference.control is not None:
        known, floor = (
            averaged(np.asarray(reference.control), layers, reference.grid),
            max(floor, reference.control_floor),
        )
    means = [averaged(c, layers, grid) for c, grid in zip(controls, grids, strict=True)]
    twins = (
        None if runs.twins is None else [averaged(t, layers, grid) for t, grid in zip(runs.twins, grids, strict=True)]
    )
    found = errors(replace(runs, values=means, twins=twins), reference, floor, known)
    return replace(found, against=found.against + note)


def spread(rows: int, used: Sequence[int], found: Errors | None) -> Errors:
    """The errors `found` at the rows in `used`, and None at the others; None everywhere if nothing was found."""
    if found is None:
        return Errors([None] * rows, "nothing, since no run converged", 0.0)
    values: list[float | None] = [None] * rows
    for k, value in zip(used, found.values, strict=True):
        values[k] = value
    return replace(found, values=values)


def check_parameters(reference: Reference | str | None, parameters: int) -> None:
    """ArgumentError if a known control has another number of parameters than the problem."""
    if isinstance(reference, Reference) and reference.control is not None:
        found = np.shape(reference.control)[1]
        if found != parameters:
            raise mismatch(
                "reference.control", f"{found} parameters per layer", f"the problem's {parameters} parameters"
            )
