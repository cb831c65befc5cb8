"""The design of a sweep: what it varies and measures."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

import numpy as np

from .._names import numbered
from .._validate import array, choice, fail
from ..results.solution_data import SolutionData
from .columns import CONVERGED, COST, ERROR_J, ERROR_THETA, RESIDUAL
from .job import Job
from .references import (
    Reference,
    ReferenceLike,
    as_reference,
)
from .runs import Measure, solve_run
from .sources import Built, Source, depended_on
from .store import Value
from .study_data import GROWING, Column

TERMINAL = Column("terminal_cost", "E[loss(X(T), Y)]", digits=10)
PENALTY = Column("penalty_cost", "1/2 int lambda |theta|^2 dt", digits=10)
SIZE = Column("largest theta", "largest modulus of the control", digits=6)


#: number of times per layer at which the largest value of a control is sought
SEEN = 64


@dataclass(frozen=True)
class SweepDesign:
    """The design of a sweep: what it varies and measures.

    Parameters
    ----------
    vary : values by argument; all combinations are run.
    measure : further columns, by name.
    parameter : the varied argument in powers of which errors fall; None for a sweep without errors.
    reference : the value from which errors are measured.

    Raises
    ------
    ArgumentError
        For values that are not lists, names that other columns have, or parameter values that are not from coarse to fine.

    Examples
    --------
    >>> SweepDesign({"penalty": [1.0, 2.0], "layers": [4, 8]}).points()[1]
    {'penalty': 1.0, 'layers': 8}
    """

    vary: Mapping[str, Sequence[object]]
    measure: Mapping[str, Measure] = field(default_factory=dict)
    parameter: str | None = None
    reference: ReferenceLike = "finest"

    def __post_init__(self) -> None:
        vary = self.vary
        if not isinstance(vary, Mapping) or not vary or not all(map(_is_list, vary.values())):
            raise fail("vary", vary, "a dict with a list of values for each argument that varies")
        if self.parameter is not None:
            check_parameter(vary, self.parameter, self.reference)
        taken = {c.name for c in (COST, TERMINAL, PENALTY, SIZE, ERROR_J, ERROR_THETA, RESIDUAL, CONVERGED)} | set(vary)
        for name in self.measure:
            if name in taken:
                raise fail("measure", name, "a name that no other column has")

    def points(self) -> list[dict[str, object]]:
        """The values of every run."""
        return [dict(zip(self.vary, values, strict=True)) for values in itertools.product(*self.vary.values())]

    def shown(self) -> list[dict[str, Value]]:
        """The values of every run, as tables show them."""
        texts = itertools.product(*map(_all_shown, self.vary.values()))
        return [dict(zip(self.vary, row, strict=True)) for row in texts]

    def jobs(self, source: Source) -> tuple[list[Job], list[Built]]:
        """One job per point, and the problem and options of each."""
        measures: dict[str, Measure] = {SIZE.name: largest_control, **self.measure}
        jobs, all_built = [], []
        for point, texts in zip(self.points(), self.shown(), strict=True):
            varied = source
            for name, value in point.items():
                varied = varied.varied(name, value)
            built = varied.build()
            label = ", ".join(f"{k}={v}" for k, v in texts.items())
            identity = {**depended_on(built), "measures": measures}
            jobs.append(Job(solve_run, {"source": varied, "measures": measures}, label, identity))
            all_built.append(built)
        return jobs, all_built


def check_parameter(vary: Mapping[str, Sequence[object]], parameter: str, reference: ReferenceLike) -> None:
    """ArgumentError if errors cannot be computed for the values of the parameter."""
    if list(vary) != [parameter]:
        raise fail("parameter", parameter, "the one argument that varies")
    values = array(parameter, vary[parameter], ndim=1).tolist()
    finer = [-v for v in values] if parameter in GROWING else values
    if isinstance(choice_of_reference(reference), str) and any(b >= a for a, b in itertools.pairwise(finer)):
        raise fail(parameter, values, f"values from coarse to fine, since the errors are measured from {reference!r}")


def choice_of_reference(reference: ReferenceLike) -> Reference | str:
    """The reference of a sweep, which has no particle twins."""
    chosen = as_reference(reference)
    return choice("reference", chosen, ("richardson", "finest")) if isinstance(chosen, str) else chosen


def largest_control(solution: SolutionData) -> float:
    """`max |theta|`; for controls that are polynomials on layers, the maximum over `SEEN` times per layer."""
    curves = solution.numerics.curves
    shares = np.linspace(0.0, 1.0, SEEN if curves.degree else 1, endpoint=False)
    times = curves.on_layers(shares).ravel()
    return float(np.abs(curves.values(solution.control, times)).max())


def _is_list(values: object) -> bool:
    """Whether these are several values, each of any kind: numbers, or the times of layers."""
    if isinstance(values, np.ndarray):
        return values.ndim > 0 and len(values) > 0
    return isinstance(values, Sequence) and not isinstance(values, str | bytes) and len(values) > 0


def _all_shown(values: Sequence[object]) -> list[Value]:
    """Numbers and words unchanged, other arguments as texts; different arguments with equal texts get a number."""
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    texts = [repr(v.tolist() if isinstance(v, np.ndarray) else v) for v in plain if not _shown_as_it_is(v)]
    told = iter(numbered(texts, range(len(texts))))
    return [v if _shown_as_it_is(v) else next(told) for v in plain]


def _shown_as_it_is(value: object) -> TypeGuard[Value]:
    return value is None or isinstance(value, bool | int | float | str)
