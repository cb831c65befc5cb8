"""Addresses of computations: a hash of everything that a result depends on.

Two calls have one address if and only if they describe the same computation: classes by their names and fields, arrays
by their bytes, functions by their code, defaults, closures and the names of their module that they use, and the sources
of this package. Nothing here depends on the process, on memory addresses or on the order of dictionaries.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ._validate import mismatch


def address(*things: Any) -> str:
    """64 hexadecimal digits that name the computation on `things`.

    Raises
    ------
    ArgumentError
        If something is of a kind whose value cannot be told, such as a random generator or an open file.
    """
    writer = _Writer()
    writer.write(package_sources())
    for thing in things:
        writer.write(thing)
    return writer.hash.hexdigest()


@functools.cache
def package_sources() -> str:
    """A hash of the package's own sources: results of other code are other results."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        first, *rest = path.relative_to(root).parts
        if first in _VIEWS or (first == "studies" and rest != ["runs.py"]):
            continue  # what only shows, stores or orders results does not change them
        digest.update(str(path.relative_to(root).as_posix()).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


_VIEWS = {
    "_files.py", "address.py", "checkpoint.py", "cli.py", "environment.py", "error_budget.py", "plotting.py", "report.py",
    "rerun.py", "storage.py", "stored.py", "view.py", "vtk.py",
}  # fmt: skip


class _Writer:
    """Feeds a hash with tagged, length-prefixed pieces, so that different values cannot read the same."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self._seen: dict[int, int] = {}
        self._alive: list[Any] = []  # ids are unique among living objects only

    def _put(self, tag: str, data: bytes = b"") -> None:
        self.hash.update(f"{tag}:{len(data)}:".encode() + data)

    def write(self, value: Any) -> None:
        if value is None or isinstance(value, bool | int | float | complex | str | bytes | np.generic):
            item = value.item() if isinstance(value, np.generic) else value
            self._put(type(item).__name__, item if isinstance(item, bytes) else repr(item).encode())
        elif isinstance(value, np.ndarray) and value.dtype.kind in "biufcSU":
            self._put("array", f"{value.dtype.str}{value.shape}".encode())
            self._put("bytes", np.ascontiguousarray(value).tobytes())
        elif isinstance(value, list | tuple):
            self._put("sequence", str(len(value)).encode())
            for item in value:
                self.write(item)
        elif isinstance(value, set | frozenset):
            self._put("set", "".join(sorted(address_of_part(item) for item in value)).encode())
        elif isinstance(value, Mapping):
            self._put("mapping", str(len(value)).encode())
            for key in sorted(value, key=repr):
                self.write(key)
                self.write(value[key])
        elif isinstance(value, np.ufunc):
            self._put("ufunc", value.__name__.encode())
        elif isinstance(value, types.ModuleType) and _own_module(value):
            # A user's helper module: by its text.
            self._put("module", value.__name__.encode())
            self._put("text", Path(str(value.__file__)).read_bytes())
        elif isinstance(value, types.ModuleType | types.BuiltinFunctionType) or _installed(value):
            owner = getattr(value, "__module__", None)
            self._put("named", f"{owner}.{getattr(value, '__qualname__', value.__name__)}".encode())
        elif id(value) in self._seen:
            self._put("again", str(self._seen[id(value)]).encode())
        else:
            self._seen[id(value)] = len(self._seen)
            self._alive.append(value)
            self._compound(value)

    def _compound(self, value: Any) -> None:
        if isinstance(value, type):
            self._put("class", f"{value.__module__}.{value.__qualname__}".encode())
            self._own_code(value)
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, types.MethodType):
            self._put("method")
            self.write([value.__self__, value.__func__])
        elif isinstance(value, functools.partial):
            self._put("partial")
            self.write([value.func, value.args, value.keywords])
        elif isinstance(getattr(value, "py_func", None), types.FunctionType):  # compiled by Numba
            self._put("compiled")
            self.write(value.py_func)
        elif is_dataclass(value):
            self._put("dataclass", _name(value))
            self.write({f.name: getattr(value, f.name) for f in fields(value)})
            self._own_code(type(value))
        elif hasattr(value, "__dict__") and not isinstance(value, np.random.Generator):
            caches = {
                n for c in type(value).__mro__ for n, v in vars(c).items() if isinstance(v, functools.cached_property)
            }
            self._put("object", _name(value))
            self.write({k: v for k, v in vars(value).items() if k not in caches})
            self._own_code(type(value))
        else:
            raise mismatch(
                "arguments",
                f"an argument that holds {type(value).__module__}.{type(value).__qualname__}, whose value cannot be told",
                "numbers, texts, arrays, functions, dataclasses, objects with attributes (seeds, not random generators)",
            )

    def _own_code(self, kind: type) -> None:
        """The methods of classes that are not this package's: a user's field may change while its arguments do not."""
        for base in kind.__mro__:
            if _installed(base):
                continue
            for name, member in sorted(vars(base).items(), key=lambda item: item[0]):
                if isinstance(member, bool | int | float | str | np.ndarray) and not name.startswith("__"):
                    self._put("attribute", name.encode())
                    self.write(member)
                    continue
                function = getattr(member, "fget", getattr(member, "__func__", getattr(member, "func", member)))
                if isinstance(function, types.FunctionType):
                    self._put("member", name.encode())
                    self.write(function)

    def _function(self, function: types.FunctionType) -> None:
        self._put("function", function.__qualname__.encode())
        self._code(function.__code__)
        self.write([function.__defaults__, function.__kwdefaults__])
        self.write([cell.cell_contents for cell in function.__closure__ or () if _filled(cell)])
        for name in sorted(_names(function.__code__)):
            if name in function.__globals__:
                self._put("global", name.encode())
                self.write(function.__globals__[name])

    def _code(self, code: types.CodeType) -> None:
        self._put("code", code.co_code)
        self.write([code.co_names, code.co_varnames, code.co_freevars, code.co_flags])
        # Addresses must not depend on where a function stands: no lines, no file names.
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._code(constant)
            else:
                self._constant(constant)

    def _constant(self, constant: Any) -> None:
        if constant is Ellipsis:
            self._put("ellipsis")
        else:
            self.write(constant)


def address_of_part(value: Any) -> str:
    """The hash of one value, to sort sets by."""
    writer = _Writer()
    writer.write(value)
    return writer.hash.hexdigest()


@functools.cache
def _installed_module(name: str) -> bool:
    """Whether a module belongs to this package, to Python, or to an installed one: then its name says what it is."""
    if (
        name.split(".")[0] in ("eulerian_mfc", *sys.builtin_module_names, *sys.stdlib_module_names)
        and name != "__main__"
    ):
        return True
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is not None and not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)


def _own_module(module: types.ModuleType) -> bool:
    """Whether a module is the user's: its text may change while its name does not."""
    file = getattr(module, "__file__", None)
    return file is not None and str(file).endswith(".py") and not _installed_module(module.__name__)


def _installed(value: Any) -> bool:
    return isinstance(value, type | types.FunctionType) and _installed_module(str(value.__module__))


def _names(code: types.CodeType) -> set[str]:
    nested = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*(_names(c) for c in nested))


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _name(value: Any) -> bytes:
    return f"{type(value).__module__}.{type(value).__qualname__}".encode()
