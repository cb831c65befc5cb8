"""A study as plain data: a table of runs with units and meanings, errors against a stated value, and observed orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._validate import choice, mismatch
from ..storage.environment import versions
from . import orders
from .orders import Fit
from .store import Value

#: a row of a study, with one key per column
Record = dict[str, Value]
#: an object of JSON: values by name
Json = dict[str, Any]
#: parameters that grow as errors fall
GROWING = ("N", "cells", "layers")


def provenance() -> Json:
    """The record of the software with which a study is made."""
    return {"versions": versions()}


@dataclass(frozen=True)
class Column:
    """A column of a study.

    Attributes
    ----------
    name : key of the records.
    meaning : its meaning, in words.
    unit : "" for numbers without one.
    digits : significant digits in tables (files have all digits).
    """

    name: str
    meaning: str
    unit: str = ""
    digits: int = 4


@dataclass(frozen=True)
class ErrorColumn:
    """A column of errors.

    Attributes
    ----------
    name : key of the records.
    against : the value from which the errors are measured, in words.
    theory : the order that theory predicts for these runs, in words.
    floor : errors up to this size are round-off, or the reference's own error: no order is read from them.
    spent : degrees of freedom of the errors that were used for the reference value.
    """

    name: str
    against: str
    theory: str = ""
    floor: float = 0.0
    spent: int = 0


@dataclass(frozen=True)
class StudyData:
    """The result of a study, as plain data.

    Attributes
    ----------
    kind : "mesh", "layers", "samples", "penalty" or "sweep".
    title : one line.
    parameter : the column in powers of which errors fall (`h`, `dt`, `N`).
    columns, errors : descriptions of the columns, and of those that are errors.
    records : one dict per row, with one key per column.
    notes : notes for the reader.
    failures : `label` and `error` of every job that failed.
    details : data that figures need beside the table.
    provenance : `versions` of the package, of Python and of the numerical libraries; for study files also their text, the
        case's text, its settings and the seed.

    Raises
    ------
    ArgumentError
        From methods, for columns that do not exist.
    """

    kind: str
    title: str
    parameter: str
    columns: tuple[Column, ...]
    records: tuple[Record, ...]
    errors: tuple[ErrorColumn, ...] = ()
    notes: tuple[str, ...] = ()
    failures: tuple[dict[str, str], ...] = ()
    details: Json = field(default_factory=dict)
    provenance: Json = field(default_factory=provenance)

    def __repr__(self) -> str:
        fits = ", ".join(f"{e.name} {self.fit(e.name)}" for e in self.errors if self.fitted_points(e.name) >= 2)
        counts = f"{len(self.records)} rows, orders: {fits or 'none'}, {len(self.failures)} failed"
        return f"<{type(self).__name__} {self.kind}: {counts}>"

    def values(self, name: str) -> np.ndarray:
        """A column `(rows,)`; NaN in rows without a value.

        Raises
        ------
        ArgumentError
            If there is no such column.
        """
        choice("name", name, [c.name for c in self.columns])
        found = [record.get(name) for record in self.records]
        if any(isinstance(v, str) for v in found):
            return np.array(found)
        return np.array([np.nan if v is None else v for v in found], dtype=float)

    def error_column(self, name: str) -> ErrorColumn:
        """The description of the column of errors with this name."""
        return self.errors[[e.name for e in self.errors].index(choice("name", name, [e.name for e in self.errors]))]

    def widths(self) -> np.ndarray:
        """`(n,)`: the parameter with which errors fall; for growing parameters, such as N, the inverse."""
        x = self.values(self.parameter)
        return 1.0 / x if self.parameter in GROWING else x

    def usable(self, name: str) -> np.ndarray:
        """`(n,)` booleans: the rows from which the order can be read: converged, error positive and above the floor."""
        converged = np.array([record.get("converged", True) is not False for record in self.records], dtype=bool)
        errors = self.values(name)
        return converged & (errors > self.error_column(name).floor) & np.isfinite(errors) & (self.widths() > 0)

    def fitted_points(self, name: str) -> int:
        """The number of rows that `fit` uses; 0 if their widths do not differ."""
        widths = self.widths()[self.usable(name)]
        return len(widths) if len(np.unique(widths)) > 1 else 0

    def orders(self, name: str) -> list[float | None]:
        """The order between each row and the row above; None for the first row, and at the floor."""
        known = self.usable(name)
        pairs = orders.pairwise(self.widths().tolist(), self.values(name).tolist())
        return [p if k and known[k] and known[k - 1] else None for k, p in enumerate(pairs)]

    def fit(self, name: str, level: float = 0.95) -> Fit:
        """The order over all rows above the floor, by least squares, with its confidence interval."""
        known = self.usable(name)
        spent = sum(e.spent for e in self.errors if e.name == name)
        return orders.fit(self.widths()[known].tolist(), self.values(name)[known].tolist(), level, spent)


def checked(kind: str, records: Sequence[Record], failures: Sequence[dict[str, str]]) -> None:
    """ArgumentError for a study without records."""
    if not records:
        first = failures[0]["error"].splitlines()[0] if failures else "no jobs"
        raise mismatch(kind, f"no run that succeeded (the first one failed: {first})", "at least one run that succeeds")
