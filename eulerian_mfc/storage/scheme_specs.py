"""Schemes in files: the name of the class, and its arguments. A file cannot cause an import, or run code."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from .. import continuity, transport
from .._validate import mismatch
from ..continuity.limiters import Limiter, SimplexLimiter, stored_name
from ..errors import ArgumentError, FileFormatError
from ..fingerprint.attributes import attributes_of
from ..schemes import Scheme

#: how the names of the modules begin that case files are run as
CASE_PREFIX = "emfc_case_"
#: the package's own schemes, by their names in files
OWN: dict[str, type[Scheme]] = {
    **{f"transport.{kind.__name__}": kind for kind in transport.REGISTRY.values()},
    **{f"continuity.{kind.__name__}": kind for kind in continuity.REGISTRY.values()},
    "continuity.FiniteVolumeTranspose": continuity.FiniteVolumeTranspose,
}


def scheme_spec(scheme: Scheme) -> dict[str, object]:
    """JSON-ready name and arguments of a scheme of the package or of a user.

    Parameters
    ----------
    scheme : a transport or continuity scheme: a dataclass whose fields are numbers, texts, mappings of texts, or schemes.

    Raises
    ------
    ArgumentError
        For a scheme that is not such a dataclass, and for a user's limiter that is not registered.
    """
    kind = type(scheme)
    name = next((name for name, known in OWN.items() if kind is known), _name(kind))
    wanted = (
        "a scheme that can be stored in a file, which is a dataclass whose fields are numbers, texts, mappings "
        "of texts, or schemes"
    )
    if not is_dataclass(scheme):
        raise mismatch("scheme", f"a {kind.__qualname__} that is not a dataclass", wanted)
    out: dict[str, Any] = {"type": name}
    held = dict(attributes_of(scheme))
    for field in fields_of(scheme):
        value = held.get(field.name, field.default)
        if isinstance(value, Scheme):
            out[field.name] = scheme_spec(value)
        elif isinstance(value, Mapping):
            out[field.name] = dict(value)
        elif isinstance(value, Limiter | SimplexLimiter):
            out[field.name] = stored_name(value)
        elif value is None or isinstance(value, bool | int | float | str):
            out[field.name] = value
        else:
            raise mismatch("scheme", f"{kind.__qualname__}.{field.name} = {value!r}", wanted)
    return out


def _name(kind: type[Scheme]) -> str:
    """Module and name of a user's class; of a case file or a script, the name under which its file can be imported."""
    module = kind.__module__.removeprefix(CASE_PREFIX)
    if module == "__main__":
        module = Path(str(vars(sys.modules[module]).get("__file__", module))).stem
    return f"{module}:{kind.__qualname__}"


def scheme_of(spec: dict[str, Any]) -> Any:
    """The scheme that `scheme_spec` described; a user's own class is found if its module has been imported.

    Parameters
    ----------
    spec : a name and arguments.

    Raises
    ------
    FileFormatError
        For a name of an unknown class.
    """
    arguments = {k: scheme_of(v) if isinstance(v, dict) and "type" in v else v for k, v in spec.items() if k != "type"}
    name = spec["type"]
    kind = OWN.get(name) or {_name(k): k for k in _subclasses(Scheme.__subclasses__())}.get(name)
    if kind is not None:
        try:
            return kind(**arguments)
        except ArgumentError as error:  # such as a limiter that is not registered here
            raise FileFormatError(
                f"the problem was solved with the scheme {name}, which cannot be made in this program: {error}"
            ) from None
    module, _, own = str(name).partition(":")
    if not own:
        raise FileFormatError(f"unknown scheme {name!r}")
    raise FileFormatError(
        f"the problem was solved with the scheme {own} of the module {module}, which this program has not "
        "imported: import this module, then load the file again"
    )


def _subclasses(kinds: Iterable[type[Scheme]]) -> Iterator[type[Scheme]]:
    """All subclasses of the classes in `kinds`; those defined last come last."""
    for kind in kinds:
        yield kind
        yield from _subclasses(kind.__subclasses__())
