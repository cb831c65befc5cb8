"""Objects that have a name in code that is not the user's, written by that name."""

from __future__ import annotations

import sys
import types

from .attributes import attribute, leads_to
from .origins import INSTALLED, OWN, PACKAGE, file_of, module_content, origin, package_content
from .sources import SOURCES
from .writer import Writer


def write_named(writer: Writer, value: object, module: str | None, name: str) -> bool:
    """Write an object by its name in code that is not the user's; return False if the name does not lead to it."""
    found = sys.modules.get(module or "")
    if found is None:
        return False
    whose = origin(found.__name__, file := file_of(found))
    if whose == OWN and str(file).endswith(".py"):
        return False
    if not leads_to(name, found, value):
        return False
    if whose == PACKAGE:  # by what it computes, wherever its file is
        writer.put("ours", SOURCES.of_definition(found.__name__, name).encode())
        writer.put("computes", SOURCES.of_modules([_module_of(value, found)]).encode())
        return True
    writer.put("named", f"{module}.{name}".encode())
    write_package_of(writer, found.__name__, file)
    if whose == OWN:  # a compiled module of the user's
        writer.put("file", module_content(found).encode())
    return True


def _module_of(value: object, found: types.ModuleType) -> str:
    """The module of this package that defines a function or a class; for other values the module that exports them."""
    module = attribute(value, "__module__", None)
    return module if isinstance(module, str) and module.startswith(f"{SOURCES.root.name}.") else found.__name__


def write_package_of(writer: Writer, name: str, file: object) -> None:
    if origin(name, file) != INSTALLED:
        return
    top = name.partition(".")[0]
    if top not in writer.packages:
        writer.packages[top] = package_content(name, file)
    writer.put("package", writer.packages[top].encode())


def is_own(module: types.ModuleType) -> bool:
    return origin(module.__name__, file_of(module)) == OWN
