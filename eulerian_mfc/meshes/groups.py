"""Named groups of cells and of facets in the content that meshio has read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

from .gmsh import GmshGroups

#: kinds of members of groups, and their dimensions
DIMENSIONS = {"vertex": 0, "line": 1, "triangle": 2, "tetra": 3}
#: names of the cell data that hold numbers of groups, by format; a group without a name is called after its number and this
#: word. The number 0 means that a cell is not in a group
NUMBERED = {
    "gmsh:physical": "physical",
    "medit:ref": "ref",
    "nastran:ref": "ref",
    "ugrid:ref": "ref",
    "su2:tag": "tag",
    "cell_tags": "family",
}


def encoded(name: str) -> str:
    """A name that every format can hold: characters that meshio does not escape (`&`, blanks, ...) are percent-encoded."""
    return quote(name, safe="")


def decoded(name: str) -> str:
    """The name before `encoded`; a name that this package did not encode stays as it is."""
    plain = unquote(name)
    return plain if encoded(plain) == name else name


def members(content: Any, gmsh: GmshGroups | None, markers: dict[int, str]) -> Iterator[tuple[str, int, np.ndarray]]:
    """`(name, block, members)` of every group, the members being indices into the block of cells.

    `markers` are the names of the numbers in an SU2 file.
    """
    for name, sets in content.cell_sets.items():
        if not name.startswith("gmsh:"):
            for block, chosen in enumerate(sets):
                if chosen is not None and len(chosen):
                    yield name, block, np.asarray(chosen, dtype=np.int64)
    if gmsh is not None and gmsh.entities is not None:
        yield from _of_entities(content, gmsh, gmsh.entities)
        return
    families = vars(content).get("cell_tags") or {}
    for key, label in NUMBERED.items():
        for block, tags in enumerate(content.cell_data.get(key, [])):
            numbers = np.asarray(tags)
            if numbers.dtype.kind not in "iu" or numbers.ndim != 1:
                continue
            dim = DIMENSIONS.get(content.cells[block].type, -1)
            for tag in np.unique(numbers[numbers != 0]).tolist():
                names = [f"{label}_{tag}"]
                if key == "gmsh:physical" and gmsh is not None:
                    names = [gmsh.name(dim, abs(tag))]
                elif key == "cell_tags":
                    names = families.get(tag, [])
                elif key == "su2:tag":
                    names = [markers.get(tag, names[0])]
                for name in names:
                    yield name, block, np.flatnonzero(numbers == tag)


def _of_entities(
    content: Any, gmsh: GmshGroups, entities: dict[tuple[int, int], list[int]]
) -> Iterator[tuple[str, int, np.ndarray]]:
    """The groups of MSH 4.1, where the cells of a block belong to entities, and an entity may be in several groups."""
    for block, geometrical in enumerate(content.cell_data.get("gmsh:geometrical", [])):
        dim = DIMENSIONS.get(content.cells[block].type, -1)
        for tag in np.unique(geometrical).tolist():
            for group in entities.get((dim, tag), []):
                yield gmsh.name(dim, abs(group)), block, np.flatnonzero(geometrical == tag)


def positions(table: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The position of each of the `rows` in `table`, or -1; the order within a row does not matter."""
    if not len(rows):
        return np.zeros(0, dtype=np.int64)
    both = np.sort(np.concatenate([table, rows]), axis=1)
    _, number = np.unique(both, axis=0, return_inverse=True)
    number = number.ravel()
    place = np.full(len(both), -1, dtype=np.int64)
    place[number[: len(table)]] = np.arange(len(table))
    return place[number[len(table) :]]
