"""Addresses of computations: a hash of everything that a result depends on.

Two calls have one address only if they describe the same computation. The user's objects are told by their classes (all
that these hold) and by all their attributes and slots; arrays by their types, shapes and bytes; functions by their code,
defaults, closures and all that they can see of the user's modules; objects of libraries by what `pickle` would keep of
them, and libraries by what their files hold; what this package computes by the sources that compute it, see
`sources`. What cannot be told in these ways is refused.
Annotations, the places of functions in their files and what this package has cached do not count, nor do the process,
memory addresses and the order of sets.
"""

from __future__ import annotations

import sys

from .._validate import mismatch
from .values import new_writer
from .writer import UntoldError


def address(*things: object) -> str:
    """64 hexadecimal digits that name the computation on `things`.

    Raises
    ------
    ArgumentError
        If something is of a kind whose value cannot be told, such as a random generator or an open file.
    """
    return Addresses().of(*things)


class Addresses:
    """Addresses of many computations at once, between which nothing changes: what they share is looked at once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, bytes]] = {}
        self._packages: dict[str, str] = {}

    def of(self, *things: object) -> str:
        """As `address`."""
        writer = new_writer(self._known, self._packages)
        writer.each(sys.implementation.name, sys.version_info[:2])
        try:
            for thing in things:
                writer.write(thing)
        except UntoldError as error:
            kind, where = type(error.value), ".".join(reversed(error.path))
            raise mismatch(
                "arguments",
                f"an argument that holds {kind.__module__}.{kind.__qualname__}, whose value cannot be told"
                f"{f' (at {where})' if where else ''}: {error.reason}",
                "numbers, texts, arrays, functions, dataclasses, objects with attributes, and what pickle can keep (seeds, "
                "not random generators; what a file holds, not the open file). Without a folder or a checkpoint, in which "
                "results are found again by these values, everything can be run",
            ) from None
        except RecursionError:
            raise mismatch("arguments", "something nested too deeply", "values that Python can go through") from None
        return writer.hash.hexdigest()
