"""The error of a solution and its rounds in a solution file."""

from __future__ import annotations

from dataclasses import fields
from typing import cast

from ..results.solution_error import SolutionError, ToleranceRound
from .tables import Table


def error_spec(error: SolutionError) -> dict[str, object]:
    """The table of a file for an error.

    Parameters
    ----------
    error : the error.
    """
    values = {f.name: vars(error)[f.name] for f in fields(error)}
    return {**values, "bracket": list(error.bracket), "sources": dict(error.sources)}


def error_of(spec: Table) -> SolutionError:
    """The error of a table that `is_error` accepts.

    Parameters
    ----------
    spec : the table.
    """
    return SolutionError(**{**spec, "bracket": tuple(spec["bracket"])})


def is_error(value: object) -> bool:
    """Whether a value of a file is the table of an error.

    Parameters
    ----------
    value : the value.

    Examples
    --------
    >>> is_error({"met": True})
    False
    """
    if not isinstance(value, dict) or set(value) != {f.name for f in fields(SolutionError)}:
        return False
    numbers = [value[name] for name in ("cost", "control", "tolerance", "without_mesh", "scale")]
    bracket, sources, asked = value["bracket"], value["sources"], value["tolerance_control"]
    if not isinstance(bracket, list) or len(bracket) != 2 or not isinstance(sources, dict):
        return False
    numbers += [*bracket, *sources.values(), *([] if asked is None else [asked])]
    stopped = value["stopped_by"]
    valley = value["valley"] is None or isinstance(value["valley"], str)
    words = (
        valley and isinstance(value["met"], bool) and (stopped is None if value["met"] else isinstance(stopped, str))
    )
    return words and all(map(_number, numbers))


def are_rounds(value: object) -> bool:
    """Whether a value of a file is a list of rounds.

    Parameters
    ----------
    value : the value.

    Examples
    --------
    >>> are_rounds([["mesh", 160, 2, 3, 0.5, 1e-9, 0.1]]), are_rounds([["mesh"]])
    (True, False)
    """
    return isinstance(value, list) and all(
        isinstance(row, list)
        and len(row) == len(ToleranceRound._fields)
        and row[0] in ("time", "mesh")
        and all(map(_number, row[1:]))
        for row in cast("list[list[object]]", value)
    )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
