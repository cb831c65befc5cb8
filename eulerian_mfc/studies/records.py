"""What a run of a study gave, as records: what jobs return, what studies measure, what figures draw."""

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
    converged : as of a solution: of a twin, whether the solver reached its tolerance.
    solved : whether the solver reached its tolerance, whatever the mesh does to the cost, which studies of meshes measure.
    message : why the solver stopped.
    left : how far the control may be from the optimum.
    warnings : what was warned of, in one text.
    courant : the largest Courant number; None without a mesh.
    quadrature : error of the twin's own integrals.
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
        """What a job returns."""
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
        """The run whose job gave this result, perhaps stored by an earlier version: then some entries have their defaults."""
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
    control : `(layers, m)`; None where only numbers are kept.
    error : its largest difference to the law's control, where that is known.
    excess : its generalisation cost minus the law's optimal cost, where that is known.
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
    folded : whether it is that of the images under a symmetry.
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
        """As it is called in results: `W1`, `W2_symmetry`."""
        return f"W{self.power}{'_symmetry' if self.folded else ''}"

    @property
    def column(self) -> str:
        """As it is called in tables: `W1`, `W2 sym`."""
        return f"W{self.power}{' sym' if self.folded else ''}"


@dataclass(frozen=True)
class SampleRun:
    """What one sample gave.

    Attributes
    ----------
    trained : by method, in the order in which they were asked for: the first is the main one.
    distances : of the sample to its law.
    warnings : what was warned of.
    size, repeat : samples, and the number of the sample among those of its size.
    difference : largest difference of the controls of two methods; None of one method.
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
        """The same: what the mesh does to the cost is no matter here."""
        return self.converged

    @property
    def main(self) -> Trained:
        """By the first method."""
        return next(iter(self.trained.values()))

    def distance(self, column: str) -> Distance:
        """The distance with that name in tables; KeyError where it was not computed."""
        return {d.column: d for d in self.distances}[column]

    def entries(self) -> Entries:
        """What a job returns."""
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
        """What a study keeps of the run in its details, as JSON."""
        out: dict[str, Value] = {"N": self.size, "repeat": self.repeat}
        out |= {k: v for k, v in self.entries().items() if k != "warnings" and not isinstance(v, np.ndarray)}
        for name, t in self.trained.items():
            out |= {f"error_{name}": t.error, f"excess_{name}": t.excess}
        return out if self.difference is None else {**out, "difference": self.difference}

    @classmethod
    def of(
        cls, values: Mapping[str, Value], methods: Sequence[str], arrays: Mapping[str, np.ndarray] | None = None
    ) -> Self:
        """The run of which `entries` (with the arrays), or `row`, gave these values."""
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
        """What a job returns."""
        return {"converged": self.converged, "training": self.training, "generalisation": self.generalisation}

    @classmethod
    def of(cls, result: Result) -> Self:
        """The descent whose job gave this result."""
        arrays = result.arrays
        return cls(bool(result.values["converged"]), arrays["training"], arrays["generalisation"])
