"""What a solution file says, checked before anything is made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import FileFormatError


def _number(value: Any) -> bool:
    """A number in double precision; infinity is one, NaN is none."""
    whole = type(value) is int and abs(value) < 2**1000
    return whole or (isinstance(value, float) and value == value)


def _finite(value: Any) -> bool:
    return _number(value) and abs(value) < np.inf


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _rows(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and all(isinstance(r, list) and all(map(_number, r)) for r in value)
    )


def _numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_finite, value.values()))


#: numbers of a certificate that may not be known
UNKNOWN = ("hamiltonian_drift", "cost_error", "cost_error_tolerance")


def _checks(value: Any) -> bool:
    """What a certificate may say: a drift that there is none of is null."""
    return (
        isinstance(value, dict)
        and all(_finite(v) or isinstance(v, bool) for k, v in value.items() if k not in UNKNOWN)
        and all(value.get(k) is None or _finite(value[k]) for k in UNKNOWN)
    )


def _stability(value: Any) -> bool:
    return isinstance(value, dict) and all(v is None or isinstance(v, int | float) for v in value.values())


def _kink(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_number(v) and v >= 0 for v in value)


#: what each key of the metadata may be, in words and as a test
RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "horizon": ("a number > 0", lambda v: _number(v) and 0 < v < np.inf),
    "layers": ("an integer > 0", lambda v: type(v) is int and v > 0),
    "input_dim": ("an integer > 0", lambda v: type(v) is int and v > 0),
    "loss": ("a table, or null", lambda v: v is None or (isinstance(v, dict) and isinstance(v.get("type"), str))),
    "converged": ("true or false", lambda v: isinstance(v, bool)),
    "message": ("a text", lambda v: isinstance(v, str)),
    "threshold": ("a number >= 0", lambda v: _number(v) and 0 <= v < np.inf),
    "bounds": ("two rows of numbers", _rows),
    "cost": ("finite numbers by name", _numbers),
    "checks": ("numbers by name", _checks),
    "stability": ("numbers by name, or null", lambda v: v is None or _stability(v)),
    "names": ("a list of texts", _texts),
    "parameter_names": ("a list of texts", _texts),
    "description": (
        "texts by name",
        lambda v: isinstance(v, dict) and all(isinstance(t, str) for t in v.values()),
    ),
    "kink": ("two numbers, or null", lambda v: v is None or _kink(v)),
    "field": ("a table, or null", lambda v: v is None or (isinstance(v, dict) and isinstance(v.get("type"), str))),
}


def check_metadata(meta: Any) -> None:
    """FileFormatError for the first key that is missing or is not what `RULES` says."""
    if not isinstance(meta, dict):
        raise FileFormatError("the metadata is no table")
    meta = {"kink": None, **meta}  # which older files do not have
    for key, (wanted, test) in RULES.items():
        if key not in meta or not test(meta[key]):
            raise FileFormatError(f"{key}: got {str(meta.get(key))[:80]!r} in the file, expected {wanted}")
    if any(len(row) != len(meta["parameter_names"]) for row in meta["bounds"]):
        raise FileFormatError(f"bounds: got {meta['bounds']!r}, expected one number a parameter in each row")


def check_arrays(arrays: dict[str, np.ndarray], shapes: dict[str, tuple[int | None, ...]]) -> None:
    """FileFormatError for the first array whose shape is not the expected one (None: any), or that is not finite."""
    for key, shape in shapes.items():
        found = arrays[key]
        fits = isinstance(found, np.ndarray) and found.dtype.kind in "fiub" and found.ndim == len(shape)
        if not fits or any(n is not None and n != m for n, m in zip(shape, found.shape, strict=True)):
            raise FileFormatError(f"{key} has shape {np.shape(found)}, the file says {shape}: it was altered")
        if not np.isfinite(found).all():
            raise FileFormatError(f"{key} has entries that are not finite: the file was altered")
