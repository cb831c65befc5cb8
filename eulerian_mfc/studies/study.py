"""A study: a table of runs with units and meanings, errors against a stated value, and observed orders."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .._validate import choice, mismatch
from ..errors import FileFormatError
from ..files.atomic import existing, read_whole, write_whole
from ..storage.environment import versions
from . import orders
from .orders import Fit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record = dict[str, Any]
FORMAT = "eulerian_mfc.study"
SCHEMA = 2
#: earlier schemas that are read too: 1 had neither checksum nor provenance
READABLE = (1, SCHEMA)


def provenance() -> dict[str, Any]:
    """What a study that is made now records of where it was made."""
    return {"versions": versions()}


@dataclass(frozen=True)
class Column:
    """A column of a study.

    Attributes
    ----------
    name : key of the records.
    meaning : what it is, in words.
    unit : "" for numbers without one.
    digits : significant digits in tables (files have all).
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
    against : the value that the errors are differences to, in words.
    theory : the order that theory expects of these runs, in words.
    floor : errors up to here are round-off, or the other value's own error: no order is read from them.
    spent : degrees of freedom of the errors that went into the value they are against.
    """

    name: str
    against: str
    theory: str = ""
    floor: float = 0.0
    spent: int = 0


@dataclass(frozen=True)
class Study:
    """What a study found. Made by the functions of this module and by `Study.load`.

    Attributes
    ----------
    kind : "mesh", "layers", "samples", "penalty" or "sweep".
    title : one line.
    parameter : the column that errors are powers of (`h`, `dt`, `N`).
    columns, errors : what the columns are; errors are columns too.
    records : one dict a row, a key a column.
    notes : what a reader must know.
    failures : `label` and `error` of every job that failed.
    details : what figures need beside the table.
    provenance : `versions` of the package, of Python and of what computes; of study files also their text, the case's
        text, its settings and the seed.

    Raises
    ------
    MissingFileError, FileFormatError
        From `load`, if there is no file, or it is no study, was altered, or has a schema that is not read.
    ArgumentError
        From methods, for columns that there are not.
    """

    kind: str
    title: str
    parameter: str
    columns: tuple[Column, ...]
    records: tuple[Record, ...]
    errors: tuple[ErrorColumn, ...] = ()
    notes: tuple[str, ...] = ()
    failures: tuple[dict[str, str], ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=provenance)

    def __repr__(self) -> str:
        fits = ", ".join(f"{e.name} {self.fit(e.name)}" for e in self.errors if self.fitted_points(e.name) >= 2)
        return f"<Study {self.kind}: {len(self.records)} rows, orders: {fits or 'none'}, {len(self.failures)} failed>"

    def values(self, name: str) -> np.ndarray:
        """A column `(rows,)`; NaN where there is no value.

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
        """What the column of errors of that name is."""
        return self.errors[[e.name for e in self.errors].index(choice("name", name, [e.name for e in self.errors]))]

    def widths(self) -> np.ndarray:
        """`(n,)` the parameter so that errors fall with it: of growing ones, such as N, the inverse."""
        x = self.values(self.parameter)
        return 1.0 / x if self.parameter in GROWING else x

    def usable(self, name: str) -> np.ndarray:
        """`(n,)` booleans: the rows whose error says something of the order: converged, positive, above the floor."""
        converged = np.array([record.get("converged", True) is not False for record in self.records], dtype=bool)
        errors = self.values(name)
        return converged & (errors > self.error_column(name).floor) & np.isfinite(errors) & (self.widths() > 0)

    def fitted_points(self, name: str) -> int:
        """How many rows `fit` uses; 0 where their widths do not differ."""
        widths = self.widths()[self.usable(name)]
        return len(widths) if len(np.unique(widths)) > 1 else 0

    def orders(self, name: str) -> list[float | None]:
        """The order between each row and the one above; None for the first, and at the floor."""
        known = self.usable(name)
        pairs = orders.pairwise(self.widths().tolist(), self.values(name).tolist())
        return [p if k and known[k] and known[k - 1] else None for k, p in enumerate(pairs)]

    def fit(self, name: str, level: float = 0.95) -> Fit:
        """The order over all rows above the floor, by least squares, with its confidence interval."""
        known = self.usable(name)
        spent = sum(e.spent for e in self.errors if e.name == name)
        return orders.fit(self.widths()[known].tolist(), self.values(name)[known].tolist(), level, spent)

    def table(self) -> str:
        """For the terminal."""
        from .render import terminal

        return terminal(self)

    def legend(self) -> str:
        """What every column is, with its unit: one line a column."""
        from .render import legend

        return "\n".join(legend(self))

    def to_markdown(self, path: str | os.PathLike[str] | None = None) -> str:
        """A table in GitHub's Markdown; written to `path` too, if given."""
        from .render import markdown

        return _written(markdown(self), path)

    def to_latex(self, path: str | os.PathLike[str] | None = None) -> str:
        """A `tabular` with booktabs rules; written to `path` too, if given."""
        from .render import latex

        return _written(latex(self), path)

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """Every column with all digits, the orders beside the errors; written to `path` too, if given."""
        from .render import comma_separated

        return _written(comma_separated(self), path)

    def plot(self) -> Figure:
        """Errors over the parameter, log-log, with fitted lines and slope triangles; see `figures` for the others."""
        from .figures import draw

        return draw(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a JSON file with its checksum, whole or not at all; equal studies give equal bytes.

        Raises
        ------
        StorageError
            If the file cannot be written; the old one is intact.
        """
        write_whole(path, self.encoded())

    def encoded(self) -> bytes:
        """What `save` writes."""
        content = json.loads(json.dumps(asdict(self), default=_plain))
        text = json.dumps({"format": FORMAT, "schema": SCHEMA, "sha256": _checksum(content), **content}, indent=1)
        return (text + "\n").encode()

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Study:
        """Read a file written by `save`.

        Raises
        ------
        MissingFileError, FileFormatError
            If there is no file, or it is not a study, was altered, or has a schema that is not read.
        StorageError
            If the system does not let it be read.
        """
        data = read_whole(existing("path", path, "study file"))
        try:
            found = json.loads(data.decode())
            if found.pop("format") != FORMAT:
                raise FileFormatError(f"{path} is not a study of eulerian_mfc")
            if (schema := found.pop("schema")) not in READABLE:
                known = " and ".join(map(str, READABLE))
                raise FileFormatError(
                    f"{path} has schema {schema}, this version reads {known}: load it with the version of the package that "
                    "wrote it, or run the study again"
                )
            if schema == 1:
                found = {"provenance": {}, **found}
            elif found.pop("sha256") != _checksum(found):
                raise FileFormatError(f"{path} is damaged: it was altered, its checksum is wrong")
            return Study(
                **{
                    **found,
                    "columns": tuple(Column(**c) for c in found["columns"]),
                    "errors": tuple(ErrorColumn(**e) for e in found["errors"]),
                    **{k: tuple(found[k]) for k in ("records", "notes", "failures")},
                }
            )
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            if isinstance(error, FileFormatError):
                raise
            raise FileFormatError(f"{path} is damaged or not a study file: {error}") from error


#: parameters that grow as errors fall
GROWING = ("N", "cells", "layers")


def checked(kind: str, records: Sequence[Record], failures: Sequence[dict[str, str]]) -> None:
    """A study of nothing is an error."""
    if not records:
        first = failures[0]["error"].splitlines()[0] if failures else "no jobs"
        raise mismatch(kind, f"no run that succeeded (the first: {first})", "at least one")


def _checksum(content: dict[str, Any]) -> str:
    """Of what a file holds, however it is indented."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _written(text: str, path: str | os.PathLike[str] | None) -> str:
    if path is not None:
        write_whole(path, text.encode())
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} in a study")
