"""How fingerprints look into objects of any class. Here alone attributes are read by names that the program does not know."""

from __future__ import annotations

import types
from collections.abc import Iterator
from operator import attrgetter


def attribute(value: object, name: str, default: object) -> object:
    """The attribute of an object of any class; the default if it has none of this name.

    Parameters
    ----------
    value : the object.
    name : the name of the attribute.
    default : the value for an object without it.
    """
    return getattr(value, name, default)


def attributes_of(value: object) -> Iterator[tuple[str, object]]:
    """Names and values of all attributes of an object: its dictionary, and the slots of all its classes.

    Parameters
    ----------
    value : the object.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(slots=True)
    ... class Point:
    ...     x: float
    >>> list(attributes_of(Point(2.0)))
    [('x', 2.0)]
    """
    for kind in type(value).__mro__:
        if "__slots__" not in vars(kind):
            continue
        for name, member in vars(kind).items():
            if isinstance(member, types.MemberDescriptorType):
                try:
                    yield name, member.__get__(value)
                except AttributeError:  # a slot without a value
                    continue
    held = attribute(value, "__dict__", {})
    if isinstance(held, dict):
        yield from held.items()


def leads_to(name: str, module: types.ModuleType, value: object) -> bool:
    """Whether a qualified name in a module is the name of a value.

    Parameters
    ----------
    name : the qualified name, such as "Class.method".
    module : the module.
    value : the value.

    Examples
    --------
    >>> import string
    >>> leads_to("Template.substitute", string, string.Template.substitute), leads_to("f.<locals>.g", string, 1)
    (True, False)
    """
    try:
        return attrgetter(name)(module) is value
    except AttributeError:
        return False
