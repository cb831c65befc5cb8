"""Functions, classes and modules of the user's, written into a hash: by their code, and by all that it can see.

Code of Python, of this package and of installed packages is named, where the name leads to it; installed packages are told
by what their files hold.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import importlib.util
import itertools
import sys
import types
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any

from .origins import INSTALLED, OWN, PACKAGE, module_content, origin, origin_of_module, package_content
from .sources import SOURCES

#: entries of a class that say nothing of what it computes, or change while it is used
NOT_CONTENT = {
    "__abstractmethods__", "__annotate__", "__annotate_func__", "__annotations__", "__annotations_cache__", "__dict__",
    "__doc__", "__firstlineno__", "__module__", "__orig_bases__", "__parameters__", "__slotnames__",
    "__static_attributes__", "__type_params__", "__weakref__", "_abc_impl", "_value2member_map_",
}  # fmt: skip
#: entries of a module that say where it is and how it was loaded
NOT_VALUES = {
    "__annotations__", "__builtins__", "__cached__", "__doc__", "__file__", "__loader__", "__package__", "__path__",
    "__spec__", "__warningregistry__",
}  # fmt: skip
_HEAP = 1 << 9  # the flag of classes that Python code, or C code at run time, has made
_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")
#: instructions whose argument is no variable from outside the function
_NO_VARIABLE = (*_ATTRIBUTE, "LOAD_CONST", "LOAD_FAST", "LOAD_CLOSURE", "LOAD_SUPER")


class UntoldError(Exception):
    """Something whose value cannot be told; `path` leads to it from the argument that holds it."""

    def __init__(self, value: Any, reason: str) -> None:
        super().__init__(reason)
        self.value, self.reason = value, reason
        self.path: list[str] = []


class CodeWriter:
    """The part of a writer that is about code."""

    #: what the installed packages hold that were met, by name
    packages: dict[str, str]

    def _put(self, tag: str, data: bytes = b"") -> None:
        raise NotImplementedError

    def _under(self, name: str, value: Any) -> None:
        raise NotImplementedError

    def write(self, value: Any) -> None:
        raise NotImplementedError

    def each(self, *values: Any) -> None:
        raise NotImplementedError

    # --- names

    def named(self, value: Any, module: str | None, name: str) -> bool:
        """Write what has a name in code that is not the user's by that name; False where the name does not lead to it."""
        found = sys.modules.get(module or "")
        if found is None:
            return False
        whose = origin(found.__name__, file := getattr(found, "__file__", None))
        if whose == OWN and str(file).endswith(".py"):
            return False
        try:
            if attrgetter(name)(found) is not value:
                return False
        except AttributeError:
            return False
        if whose == PACKAGE:  # what it computes, wherever its file is
            self._put("ours", SOURCES.of_definition(found.__name__, name).encode())
            self._put("computes", SOURCES.of_modules([_module_of(value, found)]).encode())
            return True
        self._put("named", f"{module}.{name}".encode())
        self._package_of(found.__name__, file)
        if whose == OWN:  # a compiled module of the user's
            self._put("file", module_content(found).encode())
        return True

    # --- functions

    def function(self, function: types.FunctionType) -> None:
        names = function.__globals__
        whose = origin(str(names.get("__name__")), names.get("__file__"))
        if whose != OWN and self.named(function, names.get("__name__"), function.__qualname__):
            return
        self._put("function", function.__qualname__.encode())
        self.code(function.__code__)
        for name, value in (
            ("defaults", function.__defaults__),
            ("keyword defaults", function.__kwdefaults__),
            ("attributes", function.__dict__),
        ):
            self._under(name, value)
        enclosed = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        variables = {name: cell.cell_contents for name, cell in enclosed if _filled(cell)}
        if whose == OWN:
            # What an installed function finds in its own module is told by the module's name and content.
            used = _names(function.__code__)
            variables = {**{name: names[name] for name in sorted(used) if name in names}, **variables}
        else:
            self._package_of(str(names.get("__name__")), names.get("__file__"))
        modules = {n: v for n, v in variables.items() if isinstance(v, types.ModuleType) and _own(v)}
        uses = uses_of(function.__code__, modules) if modules else {}
        for name, value in variables.items():
            if name in modules and () not in uses[name]:
                self._put("variable", name.encode())
                for chain in sorted(uses[name]):
                    self._attribute(value, chain)
            else:
                self._under(name, value)
        if whose == OWN:
            for name, level in sorted(_imported(function.__code__)):
                self._late_import(function, name, level)

    def code(self, code: types.CodeType) -> None:
        # Addresses must not depend on where a function stands: no lines, no file names.
        self._put("code", code.co_code)
        self._put("handlers", getattr(code, "co_exceptiontable", b""))
        self.each(code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags)
        self.each(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_consts)

    def _attribute(self, module: types.ModuleType, chain: tuple[str, ...]) -> None:
        """What code sees that looks at attributes of the user's modules, one after the other."""
        value: Any = module
        self._put("module", module.__name__.encode())
        for k, name in enumerate(chain):
            self._put("text", module_content(value).encode())
            self._put("attribute", name.encode())
            if not hasattr(value, name):
                return self._put("missing")
            value = getattr(value, name)
            if not (isinstance(value, types.ModuleType) and _own(value)) or k == len(chain) - 1:
                return self._under(".".join((module.__name__, *chain[: k + 1])), value)
        return None

    def _late_import(self, function: types.FunctionType, name: str, level: int) -> None:
        """A module that a function imports when it is called: what the function names of it."""
        self._put("import", f"{level}{name}".encode())
        try:
            top = importlib.util.find_spec(name.partition(".")[0]) if level == 0 else None
            if top is not None and origin(top.name, top.origin) != OWN:
                return self._package_of(top.name, top.origin)  # not imported: that may take long
            package = function.__globals__.get("__package__")
            module = importlib.import_module("." * level + name, package)
        except Exception:  # a module that is not there: the function may have an answer to that
            return self._put("missing")
        bound = [module] if top is None else [module, sys.modules[top.name]]
        for one in dict.fromkeys(bound):
            self._named_in(one, _names(function.__code__))
        return None

    def _named_in(self, module: types.ModuleType, names: set[str]) -> None:
        """What a module of the user's has of some names, and its submodules of the same names."""
        self._put("text", module_content(module).encode())
        for name in sorted(names & vars(module).keys()):
            value = vars(module)[name]
            if isinstance(value, types.ModuleType) and _own(value) and value.__name__.startswith(f"{module.__name__}."):
                self._put("module", name.encode())
                self._named_in(value, names)
            else:
                self._under(f"{module.__name__}.{name}", value)

    # --- classes

    def type_(self, kind: type) -> None:
        if self.named(kind, kind.__module__, kind.__qualname__):
            return
        self._put("class", f"{kind.__module__}.{kind.__qualname__}".encode())
        if origin_of_module(kind.__module__) == INSTALLED:
            self._package_of(kind.__module__, getattr(sys.modules[kind.__module__], "__file__", None))
        if made_in_c(kind) is kind:
            return
        self.each(type(kind), kind.__bases__)
        for name, member in vars(kind).items():
            if name not in NOT_CONTENT:
                self._under(name, member)

    def descriptor(self, value: Any) -> None:
        """A property, a class method and their like: by the functions in them."""
        self._put("descriptor", type(value).__name__.encode())
        for name in ("fget", "fset", "fdel", "func", "__func__"):
            if hasattr(value, name):
                self._under(name, getattr(value, name))

    def slot(self, value: Any) -> None:
        self._put("slot", value.__name__.encode())

    def field(self, value: dataclasses.Field[Any]) -> None:
        """A field of a dataclass, without its annotation."""
        names = (n for n in value.__slots__ if n not in ("type", "_field_type"))
        self._under(value.name, {n: getattr(value, n) for n in names})

    # --- modules

    def module(self, module: types.ModuleType) -> None:
        """A module as a whole: the user's by its text and the values of all its names, the submodules among them."""
        self._put("module", module.__name__.encode())
        if not _own(module):
            self._put("computes", SOURCES.of_modules([module.__name__]).encode())
            return self._package_of(module.__name__, getattr(module, "__file__", None))
        self._put("text", module_content(module).encode())
        for name, value in sorted(vars(module).items(), key=lambda item: item[0]):
            if name not in NOT_VALUES:
                self._under(f"{module.__name__}.{name}", value)
        return None

    def _package_of(self, name: str, file: Any) -> None:
        if origin(name, file) != INSTALLED:
            return
        top = name.partition(".")[0]
        if top not in self.packages:
            self.packages[top] = package_content(name, file)
        self._put("package", self.packages[top].encode())


def _own(module: types.ModuleType) -> bool:
    return origin(module.__name__, getattr(module, "__file__", None)) == OWN


def _module_of(value: Any, found: types.ModuleType) -> str:
    """The module of this package whose code a function or a class is; where it was found, for other values."""
    module = getattr(value, "__module__", None)
    return module if isinstance(module, str) and module.startswith(f"{SOURCES.root.name}.") else found.__name__


def own_class(kind: type) -> bool:
    """Whether a class is the user's, or made while the program ran."""
    if made_in_c(kind) is kind:
        return False
    if origin_of_module(kind.__module__) == OWN:
        return True
    found: Any = sys.modules[kind.__module__]
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is not kind


def made_in_c(kind: type) -> type:
    """The first of a class's bases whose objects may hold what Python does not see."""
    for base in kind.__mro__:
        if not base.__flags__ & _HEAP or isinstance(vars(base).get("__new__"), types.BuiltinFunctionType):
            return base
    return object


def package_class(kind: type) -> bool:
    """Whether a class is this package's."""
    return kind.__module__.partition(".")[0] == __name__.partition(".")[0]


def uses_of(code: types.CodeType, names: Iterable[str]) -> dict[str, set[tuple[str, ...]]]:
    """By variable, the chains of attributes that code looks up on it; `()` where it uses the variable as a whole."""
    chains: dict[str, set[tuple[str, ...]]] = {name: set() for name in names}
    for part in _parts(code):
        steps = [i for i in dis.get_instructions(part) if i.opname != "EXTENDED_ARG"]
        for k, step in enumerate(steps):
            loads = step.opname.startswith("LOAD_") and not step.opname.startswith(_NO_VARIABLE)
            if not (loads and isinstance(step.argval, str) and step.argval in chains):
                continue
            chain = itertools.takewhile(lambda after: after.opname in _ATTRIBUTE, steps[k + 1 :])
            chains[step.argval].add(tuple(after.argval for after in chain))
    return chains


def _parts(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _parts(constant)


def _names(code: types.CodeType) -> set[str]:
    return set().union(*(part.co_names for part in _parts(code)))


_IMPORT = dis.opmap["IMPORT_NAME"]


def _imported(code: types.CodeType) -> set[tuple[str, int]]:
    """Names and levels of the modules that code imports when it runs."""
    found = set()
    for part in _parts(code):
        if _IMPORT not in part.co_code[::2]:
            continue
        steps = [i for i in dis.get_instructions(part) if i.opname != "EXTENDED_ARG"]
        for k, step in enumerate(steps):
            if step.opname == "IMPORT_NAME":
                level = steps[k - 2].argval
                found.add((step.argval, level if isinstance(level, int) else 0))
    return found


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


#: how what a class holds is written, by its type
MEMBERS = {
    property: CodeWriter.descriptor,
    classmethod: CodeWriter.descriptor,
    staticmethod: CodeWriter.descriptor,
    functools.cached_property: CodeWriter.descriptor,
    types.MemberDescriptorType: CodeWriter.slot,
    types.GetSetDescriptorType: CodeWriter.slot,
    dataclasses.Field: CodeWriter.field,
}
