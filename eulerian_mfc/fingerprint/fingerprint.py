"""Fingerprints of computations: hashes of everything on which a result depends.

Two calls have the same fingerprint only if they describe the same computation. The hash covers

* the user's objects: their classes (with all that these hold), and all their attributes and slots;
* arrays: their types, shapes and bytes;
* functions: their code, defaults, closures, and everything that they can see of the user's modules;
* objects of libraries: what `pickle` would store of them, and the content of the libraries' files;
* this package: the sources that compute the result, see `sources`.

A value that cannot be identified in these ways raises an error.
Annotations, the places of functions in their files and cached values of this package do not count; nor do the process,
memory addresss and the order of sets.
"""

from __future__ import annotations

import sys

from .._validate import mismatch
from .values import new_writer
from .writer import UntoldError


def fingerprint(*things: object) -> str:
    """64 hexadecimal digits that name the computation on `things`.

    Raises
    ------
    ArgumentError
        If the value of something cannot be identified, such as that of a random generator or an open file.
    """
    return Fingerprints().of(*things)


class Fingerprints:
    """Fingerprints of many computations, between which nothing changes: shared values are hashed once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, bytes]] = {}
        self._packages: dict[str, str] = {}

    def of(self, *things: object) -> str:
        """The fingerprint of `things`, as `fingerprint` computes it."""
        writer = new_writer(self._known, self._packages)
        writer.each(sys.implementation.name, sys.version_info[:2])
        try:
            for thing in things:
                writer.write(thing)
        except UntoldError as error:
            kind, where = type(error.value), ".".join(reversed(error.path))
            raise mismatch(
                "arguments",
                f"an argument that holds {kind.__module__}.{kind.__qualname__}, whose value cannot be "
                f"determined{f' (at {where})' if where else ''}: {error.reason}",
                "numbers, texts, arrays, functions, dataclasses, objects with attributes, and other objects "
                "that pickle can store: pass a seed instead of a random generator, and the content of a file "
                "instead of an open file. Results in a folder or a checkpoint are found again by these "
                "values; without a folder and a checkpoint, every argument is allowed",
            ) from None
        except RecursionError:
            raise mismatch(
                "arguments",
                "an argument that is nested too deeply",
                "a less deeply nested argument, whose values Python can visit",
            ) from None
        return writer.hash.hexdigest()
