"""The schema of a solution file, which is checked before any object is made from the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np

from ..constraints import Held
from ..errors import FileFormatError
from ..files.untrusted import check_memory, check_values, dataset_at, nbytes, values
from ..kernels.threads import MOST
from ..solvers import Status
from ..system.discretisation import Resources
from ..system.reverse_sweep import PRECISIONS
from .error_specs import are_rounds, is_error
from .status_in_files import status_of
from .tables import Table

if TYPE_CHECKING:
    import h5py

#: the arrays of every solution; labels are optional, and the arrays of a simplex mesh are below "mesh"
ARRAYS = ("control", "masses", "potentials", "history", "total", "paths/x", "paths/y", "labels")
#: bytes of memory of a simplex mesh per byte of its arrays, by dimension: neighbours, volumes, boxes for point location
PER_BYTE = {1: 9, 2: 16, 3: 25}


def _number(value: object) -> bool:
    """Whether the value is a number in double precision; infinity is allowed, NaN is not."""
    if isinstance(value, float):
        return value == value
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**1000


def _finite(value: object) -> bool:
    return _number(value) and -np.inf < cast(float, value) < np.inf


def _positive(value: object) -> bool:
    return _finite(value) and cast(float, value) > 0


def _natural(value: object) -> bool:
    return type(value) is int and value > 0


def _kind(value: object) -> bool:
    """Whether the value is an object that names a type, or null."""
    return value is None or (isinstance(value, dict) and isinstance(value.get("type"), str))


def _words(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(t, str) for t in value.values())


def _texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _nested(value: object) -> bool:
    return all(map(_nested, value)) if isinstance(value, list) else _number(value)


def _rows(value: object) -> bool:
    """Whether the value is two arrays of numbers of one shape: the lower and the upper bounds."""
    if not (isinstance(value, list) and len(value) == 2 and all(isinstance(r, list) and _nested(r) for r in value)):
        return False
    try:
        return np.ndim(np.array(value, dtype=np.float64)) >= 2
    except ValueError:
        return False


def _numbers(value: object) -> bool:
    return isinstance(value, dict) and all(map(_finite, value.values()))


#: numbers of a certificate that may be unknown
UNKNOWN = ("hamiltonian_drift", "cost_error", "cost_error_tolerance", "residual_in_time", "layer_map_share")


def _checks(value: object) -> bool:
    """Whether the value is a valid certificate; a drift that does not exist is null."""
    return (
        isinstance(value, dict)
        and all(_finite(v) or isinstance(v, bool) for k, v in value.items() if k not in UNKNOWN)
        and all(value.get(k) is None or _finite(value[k]) for k in UNKNOWN)
    )


def _stability(value: object) -> bool:
    return isinstance(value, dict) and all(v is None or isinstance(v, int | float) for v in value.values())


def _kink(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_number(v) and v >= 0 for v in value)


def _constraints(value: object) -> bool:
    """Whether `constraints.Held` can be made from every row: names, relations and numbers."""
    kinds = {f.name: f.type for f in fields(Held)}
    tests = {"str": lambda v: isinstance(v, str), "bool": lambda v: isinstance(v, bool), "float": _finite}
    return isinstance(value, list) and all(
        isinstance(row, dict) and set(row) == set(kinds) and all(tests[str(kinds[k])](v) for k, v in row.items())
        for row in value
    )


def _intensities(value: object) -> bool:
    return isinstance(value, list) and all(_number(v) and _finite(v) and v >= 0 for v in value)


def _status(value: Any) -> bool:
    return isinstance(value, str) and value in {s.value for s in Status}


def _resources(value: Any) -> bool:
    """Whether `Resources` can be made from the value."""
    if not isinstance(value, dict) or set(value) != {f.name for f in fields(Resources)}:
        return False
    threads, memory, precision = value["threads"], value["memory"], value["precision"]
    counted = threads is None or (type(threads) is int and 0 < threads <= MOST)
    return counted and _finite(memory) and memory > 0 and precision in PRECISIONS


#: the allowed values of each key of the metadata, in words and as a test
RULES: dict[str, tuple[str, Callable[[object], bool]]] = {
    "horizon": ("a number > 0", _positive),
    "layers": ("an integer > 0", _natural),
    "control": ("a table, or null", lambda v: v is None or isinstance(v, dict)),
    "input_dim": ("an integer > 0", _natural),
    "loss": ("a table, or null", _kind),
    "converged": ("true or false", lambda v: isinstance(v, bool)),
    "status": ("one of " + ", ".join(s.value for s in Status), lambda v: v is None or _status(v)),
    "resources": ("threads, memory and precision, or null", lambda v: v is None or _resources(v)),
    "message": ("a text", lambda v: isinstance(v, str)),
    "threshold": ("a number >= 0", lambda v: _positive(v) or v == 0),
    "bounds": ("two arrays of numbers", _rows),
    "cost": ("finite numbers by name", _numbers),
    "checks": ("numbers by name", _checks),
    "stability": ("numbers by name, or null", lambda v: v is None or _stability(v)),
    "names": ("a list of texts", _texts),
    "parameter_names": ("a list of texts", _texts),
    "description": ("texts by name", _words),
    "error": ("the bounds of a solve to a tolerance, or null", lambda v: v is None or is_error(v)),
    "tolerance_rounds": ("rows of a solve to a tolerance", are_rounds),
    "kink": ("two numbers, or null", lambda v: v is None or _kink(v)),
    "constraints": ("a list of constraints", _constraints),
    "noise": ('intensities, "varying", or null', lambda v: v is None or v == "varying" or _intensities(v)),
    "field": ("a table, or null", _kind),
}


class Metadata(TypedDict):
    """All of a solution except its arrays, as in JSON; `RULES` define the allowed values."""

    mesh: Table
    transport: Table
    continuity: Table
    layer_map: Table
    field: Table | None
    noise: list[float] | str | None
    constraints: list[Table]
    horizon: float
    layers: int
    control: Table | None
    input_dim: int
    loss: Table | None
    converged: bool
    status: str | None
    resources: Table | None
    message: str
    threshold: float
    kink: list[float] | tuple[float, float] | None
    bounds: list[list[float]]
    cost: dict[str, float]
    checks: Table
    stability: Table | None
    names: list[str]
    parameter_names: list[str]
    description: dict[str, str]
    error: Table | None
    tolerance_rounds: list[list[Any]]


def check_metadata(meta: object) -> Metadata:
    """The metadata of a file, checked.

    Parameters
    ----------
    meta : the parsed JSON of the file.

    Raises
    ------
    FileFormatError
        For the first key that is missing or violates `RULES`.
    """
    if not isinstance(meta, dict):
        raise FileFormatError("the metadata are not a table")
    meta = {
        "kink": None,
        "noise": None,
        "status": None,
        "resources": None,
        "control": None,
        "error": None,
        "tolerance_rounds": [],
        "constraints": [],
        **meta,
    }  # older files do not have these keys
    for key, (wanted, test) in RULES.items():
        if key not in meta or not test(meta[key]):
            raise FileFormatError(f"{key}: got {str(meta.get(key))[:80]!r} in the file, expected {wanted}")
    if status_of(meta["status"], meta["message"], meta["converged"]).converged != meta["converged"]:
        raise FileFormatError(f"status: got {meta['status']!r} in the file, expected one that fits `converged`")
    if np.shape(meta["bounds"])[-1] != len(meta["parameter_names"]):
        raise FileFormatError(f"bounds: got {str(meta['bounds'])[:80]!r}, expected rows of one number per parameter")
    return cast(Metadata, meta)


def resources_of(meta: Metadata) -> Resources:
    """The resources with which the solution was evaluated; files of earlier versions have only the precision.

    Parameters
    ----------
    meta : the metadata.

    Examples
    --------
    >>> resources_of({"description": {"storage": "densities in single precision"}}).precision
    'single'
    """
    if meta.get("resources"):
        return Resources(**(meta["resources"] or {}))
    return Resources(precision="single" if "storage" in meta["description"] else "double")


def boundaries_of(spec: object) -> list[str]:
    """The names of the arrays of a mesh's named boundaries."""
    names = spec.get("boundaries", []) if isinstance(spec, dict) else None
    if names is None or not (names == [] or _texts(names)):
        raise FileFormatError(
            f"mesh: got {str(spec)[:80]!r} in the file, expected a table whose `boundaries` are a list of texts"
        )
    return [f"boundary/{k}" for k in range(len(names))]


class Stored:
    """The arrays of a solution file by their paths, each checked before a byte of it is read.

    Only the arrays of a solution are checked; others in the file are ignored.

    Parameters
    ----------
    file : the open HDF5 file.
    size : its size in bytes.
    boundaries : names of the arrays of the mesh's named boundaries.

    Raises
    ------
    FileFormatError
        If an array claims values that are not in the file, or all arrays claim more than the machine's memory.
    """

    def __init__(self, file: h5py.File, size: int, boundaries: Sequence[str]) -> None:
        mesh = [f"mesh/{name}" for name in ("points", "cells", *boundaries)]
        found = {path: dataset_at(file, path) for path in (*ARRAYS, *mesh)}
        self._found, self._size = {path: d for path, d in found.items() if d is not None}, size
        for path, dataset in self._found.items():
            check_values(dataset, path, size)
        columns = self.shape("mesh/points")[-1:] if "mesh/points" in self else ()
        per_byte = PER_BYTE.get(sum(columns), 1)
        check_memory(sum(nbytes(d) * (per_byte if path in mesh else 1) for path, d in self._found.items()))

    def __contains__(self, path: str) -> bool:
        return path in self._found

    def shape(self, path: str) -> tuple[int, ...]:
        """The shape of an array; FileFormatError if there is no such array."""
        if path not in self._found:
            raise FileFormatError(f"{path} is missing: the file was altered")
        return tuple(self._found[path].shape)

    def take(self, shapes: dict[str, tuple[int | None, ...]]) -> dict[str, np.ndarray]:
        """The arrays of these shapes (None for any length); FileFormatError if a shape differs, or a value is not finite."""
        for path, wanted in shapes.items():
            found = self.shape(path)
            if len(found) != len(wanted) or any(n not in (None, m) for n, m in zip(wanted, found, strict=True)):
                raise FileFormatError(f"{path} has shape {found}, expected {wanted}: the file was altered")
        out = {path: values(self._found[path], path, self._size) for path in shapes}
        for path, array in out.items():
            if not np.isfinite(array).all():
                raise FileFormatError(f"{path} has entries that are not finite: the file was altered")
        return out
