"""A hash that is fed with values, so that different values cannot read the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

#: plain values, by their exact types
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
    """Something whose value cannot be told; `path` leads to it from the argument that holds it."""

    def __init__(self, value: object, reason: str) -> None:
        super().__init__(reason)
        self.value, self.reason = value, reason
        self.path: list[str] = []


class Writer:
    """Feeds a hash with tagged, length-prefixed pieces.

    What can change, or refer to itself, is written once, and by its number where it is met again. Functions, classes and
    modules are written into a hash of their own, the same wherever they are met.

    Parameters
    ----------
    known : hashes of code and of large arrays, by the ids of these; the values too, for ids are those of living objects only.
    packages : what the installed packages hold that were met, by name.
    at_once : how values are written that are not numbered; None for others.
    describe : how all others are written.
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
        #: how many objects of libraries we are in
        self.library = 0

    def put(self, tag: str, data: bytes = b"") -> None:
        """Write a piece of bytes, with its tag and its length."""
        self.hash.update(b"%s:%d:%s" % (tag.encode(), len(data), data))

    def under(self, name: str, value: object) -> None:
        """Write a value with its name, which leads to it in messages."""
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
        """Write a value of any kind; UntoldError where its value cannot be told."""
        kind = type(value)
        if (plain := _PLAIN.get(kind)) is not None:
            self.put(kind.__name__, plain(value))
        elif (handler := self._at_once(value)) is not None:
            handler(self, value)
        elif not self._again(value):
            self._describe(self, value)

    def _again(self, value: object) -> bool:
        """Write the number of a value that was met before, or give it one."""
        if id(value) in self._seen:
            self.put("again", b"%d" % self._seen[id(value)])
            return True
        self._seen[id(value)] = len(self._seen)
        self._alive.append(value)
        return False

    def shared(self, value: object, write: Handler, code: bool = True) -> None:
        """Write what many may share: by a hash of its own, computed once; code within code, where all may refer to all, in turn.

        Parameters
        ----------
        value : the value.
        write : what writes it.
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
        """The hash of one value, to sort sets by."""
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


#: what writes a value of some kind
Handler = Callable[[Writer, Any], None]
