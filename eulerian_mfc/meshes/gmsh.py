"""The groups of a Gmsh file, read from the file itself: meshio drops some of them.

meshio keeps one group of each entity where groups have no names, one of two groups of the same name (on curves and on
surfaces, say), and refuses files in which only some entities are in groups.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class GmshGroups:
    """What the head of a `.msh` file says.

    Attributes
    ----------
    names : of (dimension, tag of the group).
    entities : the groups' tags, of (dimension, tag of the entity); of MSH 4.1 only.
    rest : the file without its `$Entities`, where those are read.
    """

    names: dict[tuple[int, int], str] = field(default_factory=dict)
    entities: dict[tuple[int, int], list[int]] | None = None
    rest: bytes | None = None

    def name(self, dim: int, tag: int) -> str:
        """The group's name; one made of its tag where it has none."""
        return self.names.get((dim, tag), f"physical_{tag}")


def is_gmsh(data: bytes) -> bool:
    """Whether a file with the ending `.msh` is one of Gmsh (there is another format of that ending)."""
    return data.lstrip().startswith((b"$MeshFormat", b"$Comments"))


def read_groups(data: bytes) -> GmshGroups:
    """The groups in the bytes of a Gmsh file; an exception of Python where it is damaged."""
    version, binary, size = _section(data, b"MeshFormat")[1].split()[:3]
    names = _names(_section(data, b"PhysicalNames")[1])
    before, middle, after = _section(data, b"Entities")
    if version not in (b"4", b"4.1") or not middle:
        return GmshGroups(names)
    numbers = _Binary(middle, int(size)) if binary == b"1" else _Text(middle)
    return GmshGroups(names, _entities(numbers), before + after)


def _section(data: bytes, name: bytes) -> tuple[bytes, bytes, bytes]:
    """What stands before, in and after a section; `(data, b"", b"")` where there is none."""
    opening, closing = b"$" + name, b"$End" + name
    start = data.find(opening)
    end = data.find(closing, start)
    if start < 0 or end < 0:
        return data, b"", b""
    first = data.index(b"\n", start) + 1
    rest = data[end + len(closing) :]
    return data[:start], data[first:end], rest[rest.find(b"\n") + 1 :]


def _names(text: bytes) -> dict[tuple[int, int], str]:
    """Lines `dimension tag "name"`, after one with their number."""
    out = {}
    for line in text.decode("utf-8", errors="replace").splitlines()[1:]:
        if line.strip():
            dim, tag, name = line.split(None, 2)
            out[int(dim), int(tag)] = name.strip().removeprefix('"').removesuffix('"')
    return out


class _Text:
    """Numbers that are written as text."""

    def __init__(self, data: bytes) -> None:
        self._words, self._at = data.split(), 0

    def integers(self, count: int) -> list[int]:
        self._at += count
        if self._at > len(self._words):
            raise ValueError("the section $Entities ends too early")
        return [int(word) for word in self._words[self._at - count : self._at]]

    sizes = integers

    def skip_doubles(self, count: int) -> None:
        self._at += count


class _Binary:
    """Numbers that are written as bytes, sizes with `width` of them."""

    def __init__(self, data: bytes, width: int) -> None:
        self._data, self._at, self._size = data, 0, np.dtype(f"u{width}")

    def _take(self, kind: np.dtype, count: int) -> list[int]:
        chunk = self._data[self._at : self._at + count * kind.itemsize]
        if len(chunk) < count * kind.itemsize:
            raise ValueError("the section $Entities ends too early")
        self._at += len(chunk)
        return [int(value) for value in np.frombuffer(chunk, kind)]

    def sizes(self, count: int) -> list[int]:
        return self._take(self._size, count)

    def integers(self, count: int) -> list[int]:
        return self._take(np.dtype("i4"), count)

    def skip_doubles(self, count: int) -> None:
        self._at += 8 * count


def _entities(numbers: _Text | _Binary) -> dict[tuple[int, int], list[int]]:
    """The groups of every point, curve, surface and volume."""
    out = {}
    for dim, count in enumerate(numbers.sizes(4)):
        for _ in range(count):
            (tag,) = numbers.integers(1)
            numbers.skip_doubles(6 if dim else 3)  # the box about it
            out[dim, tag] = numbers.integers(numbers.sizes(1)[0])
            if dim:
                numbers.integers(numbers.sizes(1)[0])  # what bounds it
    return out
