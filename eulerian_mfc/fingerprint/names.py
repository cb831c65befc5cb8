"""What has a name in code that is not the user's, written by that name."""

from __future__ import annotations

import sys
import types
from operator import attrgetter

from .origins import INSTALLED, OWN, file_of, module_content, origin, package_content
from .writer import Writer


def write_named(writer: Writer, value: object, module: str | None, name: str) -> bool:
    """Write what has a name in code that is not the user's by that name; False where the name does not lead to it."""
    found = sys.modules.get(module or "")
    if found is None:
        return False
    whose = origin(found.__name__, file := file_of(found))
    if whose == OWN and str(file).endswith(".py"):
        return False
    try:
        if attrgetter(name)(found) is not value:
            return False
    except AttributeError:
        return False
    writer.put("named", f"{module}.{name}".encode())
    write_package_of(writer, found.__name__, file)
    if whose == OWN:  # a compiled module of the user's
        writer.put("file", module_content(found).encode())
    return True


def write_package_of(writer: Writer, name: str, file: object) -> None:
    if origin(name, file) != INSTALLED:
        return
    top = name.partition(".")[0]
    if top not in writer.packages:
        writer.packages[top] = package_content(name, file)
    writer.put("package", writer.packages[top].encode())


def is_own(module: types.ModuleType) -> bool:
    return origin(module.__name__, file_of(module)) == OWN
