"""A hash of values, whose encoding is different for different values."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

#: the types of plain values
_PLAIN: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda v: b"",
    type(Ellipsis): lambda v: b"",
    type(NotImplemented): lambda v: b"",
    bool: lambda v: b"%d" % v,
    int: lambda v: b"%x" % v,
    float: lambda v: repr(v).encode(),
    complex: lambda v: repr(v).encode(),
    str: lambda v: v.encode("utf-8", "surrogatepass"),
    bytes: lambda v: v,
    bytearray: bytes,
}


class UntoldError(Exception):
    """A value that cannot be identified; `path` leads to it from the argument that holds it."""

    def __init__(self, value: object, reason: str) -> None:
        super().__init__(reason)
        self.value, self.reason = value, reason
        self.path: list[str] = []


class Writer:
    """Feeds a hash with tagged, length-prefixed pieces.

    Values that can change, or refer to themselves, are written once; when they occur again, only their number is written.
    Functions, classes and modules are written into a separate hash, which is the same wherever they occur.

    Parameters
    ----------
    known : hashes of code and of large arrays, by id, together with the objects, since an id is valid only while its object
        lives.
    packages : hashes of the installed packages that occurred, by name.
    at_once : the function that writes a value without a number; None for other values.
    describe : writes all other values.
    """

    def __init__(
        self,
        known: dict[int, tuple[object, bytes]],
        packages: dict[str, str],
        at_once: Callable[[object], Handler | None],
        describe: Handler,
    ) -> None:
        self.hash = hashlib.sha256()
        self.packages = packages
        self._known, self._at_once, self._describe = known, at_once, describe
        self._seen: dict[int, int] = {}
        self._alive: list[object] = []
        self._in_code = False
        #: number of library objects inside which the current value is
        self.library = 0

    def put(self, tag: str, data: bytes = b"") -> None:
        """Write bytes, with a tag and their length."""
        self.hash.update(b"%s:%d:%s" % (tag.encode(), len(data), data))

    def under(self, name: str, value: object) -> None:
        """Write a value with its name, which messages use to describe its place."""
        self.put("name", name.encode("utf-8", "surrogatepass"))
        try:
            self.write(value)
        except UntoldError as error:
            error.path.append(name)
            raise

    def each(self, *values: object) -> None:
        """Write values, one after the other."""
        for value in values:
            self.write(value)

    def write(self, value: object) -> None:
        """Write a value of any kind; UntoldError if it cannot be identified."""
        kind = type(value)
        if (plain := _PLAIN.get(kind)) is not None:
            self.put(kind.__name__, plain(value))
        elif (handler := self._at_once(value)) is not None:
            handler(self, value)
        elif not self._again(value):
            self._describe(self, value)

    def _again(self, value: object) -> bool:
        """Write the number of a value that occurred before, and return True; otherwise give it a number."""
        if id(value) in self._seen:
            self.put("again", b"%d" % self._seen[id(value)])
            return True
        self._seen[id(value)] = len(self._seen)
        self._alive.append(value)
        return False

    def shared(self, value: object, write: Handler, code: bool = True) -> None:
        """Write a value that others may share by a hash of its own, computed once; code inside code is written directly.

        Parameters
        ----------
        value : the value.
        write : the function that writes it.
        code : whether it is a function, a class or a module.
        """
        if self._in_code and code:
            if not self._again(value):
                write(self, value)
            return
        if id(value) not in self._known:
            own = Writer(self._known, self.packages, self._at_once, self._describe)
            own._in_code = True
            own._seen[id(value)] = 0
            write(own, value)
            self._known[id(value)] = value, own.hash.digest()
        self.put("hash", self._known[id(value)][1])

    def part(self, value: object) -> bytes:
        """The hash of one value, by which sets are sorted."""
        part = Writer(self._known, self.packages, self._at_once, self._describe)
        part._in_code, part.library = self._in_code, self.library
        part._seen = {} if type(value) in _PLAIN else dict(self._seen)
        part.write(value)
        self._alive += part._alive
        return part.hash.digest()

    @staticmethod
    def plain(value: object) -> bool:
        """Whether a value is a plain number, text or the like."""
        return type(value) in _PLAIN


#: a function that writes a value of some kind
Handler = Callable[[Writer, Any], None]
