"""The results of a study's runs, as records: jobs return them, tables and figures show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from .store import Entries, Result, Value

#: the powers of the Wasserstein distances
POWERS = (1, 2)


def _number(values: Mapping[str, Value], name: str, default: float | None = None) -> float:
    found = values.get(name)
    if isinstance(found, int | float):
        return float(found)
    if default is None:
        raise KeyError(f"a result without the number {name!r}")
    return default


@dataclass(frozen=True)
class Run:
    """A solve, on a mesh or by the particle twin.

    Attributes
    ----------
    cost, terminal_cost, penalty_cost : `J` and its parts.
    residual : the optimality residual.
    control : `(layers, m)`.
    converged : on a mesh, `converged` of the solution; for a twin, whether the solver reached its tolerance.
    solved : whether the solver reached its tolerance; the effect of the mesh on the cost, which studies measure, is ignored.
    message : why the solver stopped.
    left : bound of the distance of the control to the optimum.
    warnings : all warnings, in one text.
    courant : the largest Courant number; None without a mesh.
    quadrature : error of the law's integrals in the twin.
    measures : further numbers and words, by name.
    """

    cost: float
    terminal_cost: float
    penalty_cost: float
    residual: float
    control: np.ndarray
    converged: bool
    solved: bool
    message: str
    left: float
    warnings: str = ""
    courant: float | None = None
    quadrature: float = 0.0
    measures: Mapping[str, Value] = field(default_factory=dict)

    def entries(self) -> Entries:
        """The values and arrays that a job returns."""
        return {
            "cost": self.cost,
            "terminal_cost": self.terminal_cost,
            "penalty_cost": self.penalty_cost,
            "residual": self.residual,
            "left": self.left,
            "converged": self.converged,
            "solved": self.solved,
            "message": self.message,
            "warnings": self.warnings,
            "courant": self.courant,
            "quadrature": self.quadrature,
            "control": self.control,
            **self.measures,
        }

    @classmethod
    def of(cls, result: Result) -> Self:
        """The run of a job's result; entries that a result of an earlier version lacks have their defaults."""
        values = result.values
        known = {"cost", "terminal_cost", "penalty_cost", "residual", "left", "converged", "solved", "message"}
        known |= {"warnings", "courant", "quadrature"}
        courant = values.get("courant")
        return cls(
            cost=_number(values, "cost"),
            terminal_cost=_number(values, "terminal_cost", np.nan),
            penalty_cost=_number(values, "penalty_cost", np.nan),
            residual=_number(values, "residual", np.nan),
            control=result.arrays["control"],
            converged=bool(values["converged"]),
            solved=bool(values.get("solved", values["converged"])),
            message=str(values.get("message", "")),
            left=_number(values, "left", 0.0),
            warnings=str(values.get("warnings", "")),
            courant=None if courant is None else float(courant),
            quadrature=_number(values, "quadrature", 0.0),
            measures={name: value for name, value in values.items() if name not in known},
        )


@dataclass(frozen=True)
class Trained:
    """The control of one sample, by one method.

    Attributes
    ----------
    converged : whether the solver reached its tolerance.
    training : its cost on the sample.
    generalisation : its cost on the true law.
    control : `(layers, m)`; None if only numbers are stored.
    error : its largest difference to the law's control; None if that is not known.
    excess : its generalisation cost minus the law's optimal cost; None if that is not known.
    """

    converged: bool
    training: float
    generalisation: float
    control: np.ndarray | None = None
    error: float = np.nan
    excess: float = np.nan


@dataclass(frozen=True)
class Distance:
    """A Wasserstein distance of a sample to its law.

    Attributes
    ----------
    power : 1 or 2.
    folded : whether it is the distance of the images under a symmetry.
    value, tolerance : in units of the state.
    method : how it was computed.
    """

    power: int
    folded: bool
    value: float
    tolerance: float
    method: str

    @property
    def name(self) -> str:
        """Its name in results: `W1`, `W2_symmetry`."""
        return f"W{self.power}{'_symmetry' if self.folded else ''}"

    @property
    def column(self) -> str:
        """Its name in tables: `W1`, `W2 sym`."""
        return f"W{self.power}{' sym' if self.folded else ''}"


@dataclass(frozen=True)
class SampleRun:
    """The results of one sample.

    Attributes
    ----------
    trained : the trained controls by method, in the requested order; the first method is the main one.
    distances : the distances of the sample to its law.
    warnings : all warnings, in one text.
    size, repeat : the sample size, and the number of the sample among those of this size.
    difference : largest difference of the controls of two methods; None if there is one method.
    """

    trained: Mapping[str, Trained]
    distances: tuple[Distance, ...]
    warnings: str = ""
    size: int = 0
    repeat: int = 0
    difference: float | None = None

    @property
    def converged(self) -> bool:
        """Whether all methods reached their tolerance."""
        return all(t.converged for t in self.trained.values())

    @property
    def solved(self) -> bool:
        """The same as `converged`: the effect of the mesh on the cost is ignored here."""
        return self.converged

    @property
    def main(self) -> Trained:
        """The control trained by the first method."""
        return next(iter(self.trained.values()))

    def distance(self, column: str) -> Distance:
        """The distance with this name in tables; KeyError if it was not computed."""
        return {d.column: d for d in self.distances}[column]

    def entries(self) -> Entries:
        """The values and arrays that a job returns."""
        out: Entries = {"converged": self.converged, "warnings": self.warnings}
        for name, t in self.trained.items():
            out |= {f"converged_{name}": t.converged, f"training_{name}": t.training}
            out[f"generalisation_{name}"] = t.generalisation
            if t.control is not None:
                out[f"control_{name}"] = t.control
        for d in self.distances:
            out |= {d.name: d.value, f"{d.name}_tolerance": d.tolerance, f"{d.name}_method": d.method}
        return out

    def row(self) -> dict[str, Value]:
        """The entry of the run in the study's details, as JSON."""
        out: dict[str, Value] = {"N": self.size, "repeat": self.repeat}
        out |= {k: v for k, v in self.entries().items() if k != "warnings" and not isinstance(v, np.ndarray)}
        for name, t in self.trained.items():
            out |= {f"error_{name}": t.error, f"excess_{name}": t.excess}
        return out if self.difference is None else {**out, "difference": self.difference}

    @classmethod
    def of(
        cls, values: Mapping[str, Value], methods: Sequence[str], arrays: Mapping[str, np.ndarray] | None = None
    ) -> Self:
        """The run from the values of `entries` (with the arrays) or of `row`."""
        trained = {
            name: Trained(
                bool(values[f"converged_{name}"]),
                _number(values, f"training_{name}"),
                _number(values, f"generalisation_{name}"),
                None if arrays is None else arrays[f"control_{name}"],
                _number(values, f"error_{name}", np.nan),
                _number(values, f"excess_{name}", np.nan),
            )
            for name in methods
        }
        possible = [Distance(p, folded, 0.0, 0.0, "") for folded in (False, True) for p in POWERS]
        distances = tuple(
            Distance(
                d.power,
                d.folded,
                _number(values, d.name),
                _number(values, f"{d.name}_tolerance", 0.0),
                str(values.get(f"{d.name}_method", "")),
            )
            for d in possible
            if d.name in values
        )
        difference = _number(values, "difference") if "difference" in values else None
        size, repeat = (int(_number(values, name, 0.0)) for name in ("N", "repeat"))
        return cls(trained, distances, str(values.get("warnings", "")), size, repeat, difference)


@dataclass(frozen=True)
class Descent:
    """The iterates of a training on one sample.

    Attributes
    ----------
    converged : whether the solver reached its tolerance.
    training, generalisation : `(iterations + 1,)` their costs on the sample and on the true law.
    """

    converged: bool
    training: np.ndarray
    generalisation: np.ndarray

    def entries(self) -> Entries:
        """The values and arrays that a job returns."""
        return {"converged": self.converged, "training": self.training, "generalisation": self.generalisation}

    @classmethod
    def of(cls, result: Result) -> Self:
        """The descent from the result of its job."""
        arrays = result.arrays
        return cls(bool(result.values["converged"]), arrays["training"], arrays["generalisation"])
