"""Schemes as names and arguments, for files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from typing import Any

from .. import continuity, transport
from ..errors import FileFormatError

#: every scheme by the name of its class and module, for files
_SCHEMES = {
    f"{kind.__module__.split('.')[1]}.{kind.__name__}": kind
    for kind in (*transport.REGISTRY.values(), *continuity.REGISTRY.values(), continuity.FiniteVolumeTranspose)
}


def scheme_spec(scheme: Any) -> dict[str, Any]:
    """JSON-ready name and arguments of a scheme.

    Parameters
    ----------
    scheme : of transport or continuity.
    """
    name = next(name for name, kind in _SCHEMES.items() if type(scheme) is kind)
    arguments = {f.name: getattr(scheme, f.name) for f in fields_of(scheme)}
    return {
        "type": name,
        **{
            k: scheme_spec(v) if is_dataclass(v) else dict(v) if isinstance(v, Mapping) else v
            for k, v in arguments.items()
        },
    }


def scheme_of(spec: dict[str, Any]) -> Any:
    """The scheme that `scheme_spec` described.

    Parameters
    ----------
    spec : a name and arguments.

    Raises
    ------
    FileFormatError
        For a name that is not registered.
    """
    arguments = {k: scheme_of(v) if isinstance(v, dict) and "type" in v else v for k, v in spec.items() if k != "type"}
    if spec["type"] not in _SCHEMES:
        raise FileFormatError(f"unknown scheme {spec['type']!r}")
    return _SCHEMES[spec["type"]](**arguments)
