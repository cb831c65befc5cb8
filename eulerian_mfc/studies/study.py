"""A study: its data, with tables, figures and files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ..files.atomic import write_whole
from . import render, study_json
from .study_data import StudyData

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Study(StudyData):
    """The result of a study: a table with errors against a stated value and observed orders.

    Made by the functions of `studies` and by `Study.load`.

    Attributes
    ----------
    kind, title, parameter, columns, records, errors, notes, failures, details, provenance : see `StudyData`.

    Raises
    ------
    MissingFileError, FileFormatError
        From `load`, if there is no file, or it is not a study, was altered, or has an unknown schema.
    ArgumentError
        From methods, for columns that do not exist.

    Examples
    --------
    >>> from eulerian_mfc.studies.study_data import Column, ErrorColumn
    >>> rows = tuple({"h": h, "error": 3 * h**2} for h in (0.5, 0.25, 0.125))
    >>> columns = (Column("h", "width"), Column("error", "distance to the exact value"))
    >>> study = Study("mesh", "An example", "h", columns, rows, (ErrorColumn("error", "the exact value"),))
    >>> round(study.fit("error").order, 6)
    2.0
    """

    def table(self) -> str:
        """The table as text for the terminal."""
        return render.terminal(self)

    def legend(self) -> str:
        """The meaning and the unit of every column, one line per column."""
        return "\n".join(render.legend(self))

    def to_markdown(self, path: str | os.PathLike[str] | None = None) -> str:
        """A table in GitHub's Markdown; with `path`, also written to this file."""
        return _written(render.markdown(self), path)

    def to_latex(self, path: str | os.PathLike[str] | None = None) -> str:
        """A `tabular` with booktabs rules; with `path`, also written to this file."""
        return _written(render.latex(self), path)

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """Every column with all digits, and the orders of the errors; with `path`, also written to this file."""
        return _written(render.comma_separated(self), path)

    def plot(self) -> Figure:
        """Errors over the parameter, log-log, with fitted lines and slope triangles; for other kinds see `figures`."""
        from .figures import draw

        return draw(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a JSON file with its checksum, completely or not at all; equal studies give equal bytes.

        Raises
        ------
        StorageError
            If the file cannot be written; an old file stays intact.
        """
        write_whole(path, self.encoded())

    def encoded(self) -> bytes:
        """The bytes that `save` writes."""
        return study_json.encoded(self)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file written by `save`.

        Raises
        ------
        MissingFileError, FileFormatError
            If there is no file, or it is not a study, was altered, or has an unknown schema.
        StorageError
            If the system does not allow reading it.
        """
        return study_json.load(cls, path)


def _written(text: str, path: str | os.PathLike[str] | None) -> str:
    if path is not None:
        write_whole(path, text.encode())
    return text
