"""The user's functions, classes and modules, written into a hash by their code and by everything that the code can see.

Code of Python, of this package and of installed packages is written by its name, if the name leads to it; installed packages
are identified by the content of their files.
"""

from __future__ import annotations

import dis
import importlib.util
import itertools
import sys
import types
from collections.abc import Iterable, Iterator

from .attributes import attribute
from .names import is_own, write_named, write_package_of
from .origins import OWN, module_content, origin
from .writer import Writer

_MISSING = object()
_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")
#: instructions whose argument is not a variable from outside the function
_NO_VARIABLE = (*_ATTRIBUTE, "LOAD_CONST", "LOAD_FAST", "LOAD_CLOSURE", "LOAD_SUPER")


def write_function(writer: Writer, function: types.FunctionType) -> None:
    names = function.__globals__
    whose = origin(str(names.get("__name__")), names.get("__file__"))
    if whose != OWN and write_named(writer, function, names.get("__name__"), function.__qualname__):
        return
    writer.put("function", function.__qualname__.encode())
    write_code(writer, function.__code__)
    for name, value in (
        ("defaults", function.__defaults__),
        ("keyword defaults", function.__kwdefaults__),
        ("attributes", function.__dict__),
    ):
        writer.under(name, value)
    enclosed = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    variables = {name: cell.cell_contents for name, cell in enclosed if _filled(cell)}
    if whose == OWN:
        # Names that an installed function uses in its own module are covered by the module's name and content.
        used = _names(function.__code__)
        variables = {**{name: names[name] for name in sorted(used) if name in names}, **variables}
    else:
        write_package_of(writer, str(names.get("__name__")), names.get("__file__"))
    modules = {n: v for n, v in variables.items() if isinstance(v, types.ModuleType) and is_own(v)}
    uses = uses_of(function.__code__, modules) if modules else {}
    for name, value in variables.items():
        if name in modules and () not in uses[name]:
            writer.put("variable", name.encode())
            for chain in sorted(uses[name]):
                _write_attribute(writer, value, chain)
        else:
            writer.under(name, value)
    if whose == OWN:
        for name, level in sorted(_imported(function.__code__)):
            _write_late_import(writer, function, name, level)


def write_code(writer: Writer, code: types.CodeType) -> None:
    # Fingerprints must not depend on the place of a function: line numbers and file names are left out.
    writer.put("code", code.co_code)
    writer.put("handlers", code.co_exceptiontable)
    writer.each(code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags)
    writer.each(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_consts)


def _write_attribute(writer: Writer, module: types.ModuleType, chain: tuple[str, ...]) -> None:
    """Write the value that code reaches by a chain of attributes of the user's modules."""
    value: object = module
    writer.put("module", module.__name__.encode())
    for k, name in enumerate(chain):
        assert isinstance(value, types.ModuleType)  # the loop ends at anything else
        writer.put("text", module_content(value).encode())
        writer.put("attribute", name.encode())
        value = attribute(value, name, _MISSING)
        if value is _MISSING:
            return writer.put("missing")
        if not (isinstance(value, types.ModuleType) and is_own(value)) or k == len(chain) - 1:
            return writer.under(".".join((module.__name__, *chain[: k + 1])), value)
    return None


def _write_late_import(writer: Writer, function: types.FunctionType, name: str, level: int) -> None:
    """Write the names that a function uses of a module that it imports when it is called."""
    writer.put("import", f"{level}{name}".encode())
    try:
        top = importlib.util.find_spec(name.partition(".")[0]) if level == 0 else None
        if top is not None and origin(top.name, top.origin) != OWN:
            return write_package_of(
                writer, top.name, top.origin
            )  # the package is not imported, since that may take long
        package = function.__globals__.get("__package__")
        module = importlib.import_module("." * level + name, package)
    except Exception:  # the module does not exist: the function may handle this
        return writer.put("missing")
    bound = [module] if top is None else [module, sys.modules[top.name]]
    for one in dict.fromkeys(bound):
        _write_named_in(writer, one, _names(function.__code__))
    return None


def _write_named_in(writer: Writer, module: types.ModuleType, names: set[str]) -> None:
    """Write the values of some names in a user's module, and its submodules with these names."""
    writer.put("text", module_content(module).encode())
    for name in sorted(names & vars(module).keys()):
        value = vars(module)[name]
        if isinstance(value, types.ModuleType) and is_own(value) and value.__name__.startswith(f"{module.__name__}."):
            writer.put("module", name.encode())
            _write_named_in(writer, value, names)
        else:
            writer.under(f"{module.__name__}.{name}", value)


def uses_of(code: types.CodeType, names: Iterable[str]) -> dict[str, set[tuple[str, ...]]]:
    """Per variable, the chains of attributes that code looks up on it; `()` if it uses the variable as a whole."""
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
