"""The user's classes and modules, by everything that they hold."""

from __future__ import annotations

import dataclasses
import functools
import sys
import types
from typing import Any

from .attributes import attributes_of, leads_to
from .names import is_own, write_named, write_package_of
from .origins import INSTALLED, OWN, file_of, module_content, origin_of_module
from .sources import SOURCES
from .writer import Handler, Writer

#: entries of a class that do not affect what it computes, or that change while it is used
NOT_CONTENT = {
    "__abstractmethods__", "__annotate__", "__annotate_func__", "__annotations__", "__annotations_cache__", "__dict__",
    "__doc__", "__firstlineno__", "__module__", "__orig_bases__", "__parameters__", "__slotnames__",
    "__static_attributes__", "__type_params__", "__weakref__", "_abc_impl", "_value2member_map_",
}  # fmt: skip
#: entries of a module that describe its place and how it was loaded
NOT_VALUES = {
    "__annotations__", "__builtins__", "__cached__", "__doc__", "__file__", "__loader__", "__package__", "__path__",
    "__spec__", "__warningregistry__",
}  # fmt: skip
_HEAP = 1 << 9  # the flag of classes that Python code, or C code at run time, has made


def write_class(writer: Writer, kind: type) -> None:
    if write_named(writer, kind, kind.__module__, kind.__qualname__):
        return
    writer.put("class", f"{kind.__module__}.{kind.__qualname__}".encode())
    if origin_of_module(kind.__module__) == INSTALLED:
        write_package_of(writer, kind.__module__, file_of(sys.modules[kind.__module__]))
    if made_in_c(kind) is kind:
        return
    writer.each(type(kind), kind.__bases__)
    for name, member in vars(kind).items():
        if name not in NOT_CONTENT:
            writer.under(name, member)


def write_descriptor(
    writer: Writer,
    value: property | functools.cached_property[object] | classmethod[object, ..., object] | staticmethod[..., object],
) -> None:
    """Write a property, a class method or a similar object, by the functions in it."""
    writer.put("descriptor", type(value).__name__.encode())
    match value:
        case property():
            functions: dict[str, object] = {"fget": value.fget, "fset": value.fset, "fdel": value.fdel}
        case functools.cached_property():
            functions = {"func": value.func}
        case _:
            functions = {"__func__": value.__func__}
    for name, function in functions.items():
        writer.under(name, function)


def write_slot(writer: Writer, value: types.MemberDescriptorType | types.GetSetDescriptorType) -> None:
    writer.put("slot", value.__name__.encode())


def write_field(writer: Writer, value: dataclasses.Field[Any]) -> None:
    """Write a field of a dataclass, without its annotation."""
    held, names = dict(attributes_of(value)), (n for n in value.__slots__ if n not in ("type", "_field_type"))
    writer.under(value.name, {n: held[n] for n in names})


def write_module(writer: Writer, module: types.ModuleType) -> None:
    """Write a whole module; a user's module by its text and the values of all its names, including submodules."""
    writer.put("module", module.__name__.encode())
    if not is_own(module):
        writer.put("computes", SOURCES.of_modules([module.__name__]).encode())
        return write_package_of(writer, module.__name__, file_of(module))
    writer.put("text", module_content(module).encode())
    for name, value in sorted(vars(module).items(), key=lambda item: item[0]):
        if name not in NOT_VALUES:
            writer.under(f"{module.__name__}.{name}", value)
    return None


def own_class(kind: type) -> bool:
    """Whether a class belongs to the user, or was made while the program ran."""
    if made_in_c(kind) is kind:
        return False
    if origin_of_module(kind.__module__) == OWN:
        return True
    return not leads_to(kind.__qualname__, sys.modules[kind.__module__], kind)


def made_in_c(kind: type) -> type:
    """The first base of a class whose objects may hold data that Python cannot see."""
    for base in kind.__mro__:
        if not base.__flags__ & _HEAP or isinstance(vars(base).get("__new__"), types.BuiltinFunctionType):
            return base
    return object


def package_class(kind: type) -> bool:
    """Whether a class is this package's."""
    return kind.__module__.partition(".")[0] == __name__.partition(".")[0]


#: functions that write the entries of a class, by type
MEMBERS: dict[type, Handler] = {
    property: write_descriptor,
    classmethod: write_descriptor,
    staticmethod: write_descriptor,
    functools.cached_property: write_descriptor,
    types.MemberDescriptorType: write_slot,
    types.GetSetDescriptorType: write_slot,
    dataclasses.Field: write_field,
}
