"""Objects by their attributes, and by what pickle stores of them."""

from __future__ import annotations

import functools
from copyreg import dispatch_table
from pickle import whichmodule  # type: ignore[attr-defined]

from .attributes import attributes_of
from .classes import package_class
from .names import write_named
from .writer import UntoldError, Writer


def write_attributes(writer: Writer, value: object) -> None:
    # Cached properties of this package are functions of the other attributes.
    derived = {
        name
        for c in type(value).__mro__
        if package_class(c)
        for name, member in vars(c).items()
        if isinstance(member, functools.cached_property)
    }
    for name, item in attributes_of(value):
        if name not in derived:
            writer.under(name, item)


def write_reduced(writer: Writer, value: object) -> None:
    """Write an object by what pickle stores: a function with its arguments, a state, items; or a name."""
    kind = type(value)
    try:
        reduce = dispatch_table.get(kind)
        found = value.__reduce_ex__(4) if reduce is None else reduce(value)
    except Exception as error:
        raise UntoldError(value, str(error) or type(error).__name__) from None
    if isinstance(found, str):
        if not write_named(writer, value, whichmodule(value, found), found):
            raise UntoldError(value, f"its name is {found}, but this name does not refer to this object")
        return
    function, arguments, state, items, pairs, setter = (*found, None, None, None, None)[:6]
    writer.put("reduced")
    writer.write(function)
    writer.write(arguments)
    writer.under(kind.__name__, state)
    writer.each(None if items is None else list(items), None if pairs is None else list(pairs), setter)
