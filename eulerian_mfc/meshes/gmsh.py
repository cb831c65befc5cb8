"""The groups of a Gmsh file, read from the file itself, since meshio drops some of them.

meshio keeps only one group per entity if the groups have no names, and only one of two groups with the same name (one of curves
and one of surfaces, for example). It refuses files in which only some entities are in groups.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class GmshGroups:
    """The groups in the head of a `.msh` file.

    Attributes
    ----------
    names : the name of each group, by (dimension, tag of the group).
    entities : the tags of an entity's groups, by (dimension, tag of the entity); None before MSH 4.1.
    rest : the bytes of the file without the section `$Entities`; None before MSH 4.1.
    """

    names: dict[tuple[int, int], str] = field(default_factory=dict)
    entities: dict[tuple[int, int], list[int]] | None = None
    rest: bytes | None = None

    def name(self, dim: int, tag: int) -> str:
        """The name of a group, made from its tag if it does not have a name."""
        return self.names.get((dim, tag), f"physical_{tag}")


def is_gmsh(data: bytes) -> bool:
    """Whether a file with the ending `.msh` was written by Gmsh (Ansys uses this ending too)."""
    return data.lstrip().startswith((b"$MeshFormat", b"$Comments"))


def read_groups(data: bytes) -> GmshGroups:
    """The groups in the bytes of a Gmsh file. A damaged file raises some exception, such as ValueError."""
    version, binary, size = _section(data, b"MeshFormat")[1].split()[:3]
    names = _names(_section(data, b"PhysicalNames")[1])
    before, middle, after = _section(data, b"Entities")
    if version not in (b"4", b"4.1") or not middle:
        return GmshGroups(names)
    numbers = _Binary(middle, int(size)) if binary == b"1" else _Text(middle)
    return GmshGroups(names, _entities(numbers), before + after)


def _section(data: bytes, name: bytes) -> tuple[bytes, bytes, bytes]:
    """The bytes before, in and after a section; `(data, b"", b"")` if there is no such section."""
    opening, closing = b"$" + name, b"$End" + name
    start = data.find(opening)
    end = data.find(closing, start)
    if start < 0 or end < 0:
        return data, b"", b""
    first = data.index(b"\n", start) + 1
    rest = data[end + len(closing) :]
    return data[:start], data[first:end], rest[rest.find(b"\n") + 1 :]


def _names(text: bytes) -> dict[tuple[int, int], str]:
    """The names in lines `dimension tag "name"`; the first line is their number."""
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
    """Numbers that are written as bytes; a size has `width` bytes."""

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
            numbers.skip_doubles(6 if dim else 3)  # its bounding box
            out[dim, tag] = numbers.integers(numbers.sizes(1)[0])
            if dim:
                numbers.integers(numbers.sizes(1)[0])  # the entities of its boundary
    return out
