"""scikit-fem's meshes from the content that meshio has read."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..errors import FileFormatError
from ._quiet import quiet
from .gmsh import GmshGroups
from .groups import DIMENSIONS, decoded, members, positions

#: a mesh of meshio or scikit-fem, which have no types
MeshData: TypeAlias = Any

#: differences of coordinates below this share of the mesh's size are round-off
ROUND_OFF = 1e-12


class Cells(NamedTuple):
    """The cells of a file.

    Attributes
    ----------
    kind : meshio's name of their type.
    corners : `(cells, dim + 1)`, rows of the file's points.
    place : for every cell in the file, in the order of the blocks, its row in `corners`.
    first : for every row of `corners`, the first position of that cell in the file.
    starts : by the number of each block of this kind, the position at which the block starts.
    """

    kind: str
    corners: np.ndarray
    place: np.ndarray
    first: np.ndarray
    starts: dict[int, int]


def to_skfem(content: MeshData, gmsh: GmshGroups | None, markers: dict[int, str]) -> tuple[MeshData, list[str]]:
    """The scikit-fem mesh of the simplices of the highest dimension, and notes for the user.

    Points that no cell uses are dropped. `gmsh` are the groups of a Gmsh file, `markers` the names of the markers of an SU2
    file.

    Raises
    ------
    FileFormatError
        For cells that are not linear simplices, or do not lie in a plane.
    """
    import meshio
    from skfem.io.meshio import from_meshio

    cells = _cells(content, _kind(content), merge=gmsh is not None)
    dim = DIMENSIONS[cells.kind]
    points = np.asarray(content.points, dtype=np.float64)
    used, corners = np.unique(cells.corners, return_inverse=True)
    _check(points, used, cells.kind)
    number = np.full(len(points), -1, dtype=np.int64)
    number[used] = np.arange(len(used))
    named = {
        key: [np.concatenate([data[k] for k in cells.starts])[cells.first]]
        for key, data in content.cell_data.items()
        if key.startswith("skfem:")
    }
    flat = meshio.Mesh(points[used, :dim], [(cells.kind, corners.reshape(cells.corners.shape))], cell_data=named)
    with quiet():
        mesh = from_meshio(flat)
        facets, regions, notes = _groups(content, gmsh, markers, mesh, cells, number)
        boundaries = {decoded(name): chosen for name, chosen in (mesh.boundaries or {}).items()} | facets
        subdomains = {decoded(name): chosen for name, chosen in (mesh.subdomains or {}).items()} | regions
        return type(mesh)(mesh.p, mesh.t, boundaries or None, subdomains or None), notes


def _kind(content: MeshData) -> str:
    """The type of the cells of the highest dimension."""
    kinds = {block.type for block in content.cells if len(block.data)}
    others = sorted(kinds - set(DIMENSIONS))
    simplices = sorted((k for k in kinds if DIMENSIONS.get(k, 0) > 0), key=DIMENSIONS.__getitem__)
    if others or not simplices:
        raise FileFormatError(
            f"got {'cells of type ' + ', '.join(others) if others else 'no cells'}, expected line, triangle "
            "or tetra: let the mesh generator write linear simplices (not quadrilaterals, hexahedra or "
            "curved cells)"
        )
    return str(simplices[-1])


def _cells(content: MeshData, kind: str, merge: bool) -> Cells:
    """The cells of one kind. With `merge`, repeated cells become one: MSH 2.2 writes a cell once per group."""
    starts, parts, count = {}, [], 0
    for k, block in enumerate(content.cells):
        if block.type == kind:
            starts[k] = count
            parts.append(np.asarray(block.data, dtype=np.int64))
            count += len(block.data)
    stacked = np.concatenate(parts)
    first = place = np.arange(count)
    if merge:
        _, earliest, number = np.unique(np.sort(stacked, axis=1), axis=0, return_index=True, return_inverse=True)
        first = np.sort(earliest)
        place = np.searchsorted(first, earliest[number.ravel()])
    return Cells(kind, stacked[first], place, first, starts)


def _check(points: np.ndarray, used: np.ndarray, kind: str) -> None:
    """Raises FileFormatError for cells whose points do not exist or leave the plane of the first coordinates."""
    dim = DIMENSIONS[kind]
    if points.ndim != 2 or points.shape[1] < dim:
        raise FileFormatError(
            f"got points of shape {points.shape} for {kind} cells, expected {dim} coordinates or more"
        )
    if used[0] < 0 or used[-1] >= len(points):
        wrong = used[0] if used[0] < 0 else used[-1]
        raise FileFormatError(
            f"got a cell with point {wrong}, expected points 0 .. {len(points) - 1}: the file is damaged"
        )
    spread = np.ptp(points[used], axis=0)
    if spread[dim:].max(initial=0.0) > ROUND_OFF * spread.max():
        raise FileFormatError(
            f"got {kind} cells that do not lie in a plane (or on a line) of constant last coordinates, which "
            f"differ by {spread[dim:].max():.2e}, expected a mesh of dimension {dim}: rotate the mesh into "
            "the plane of the first coordinates"
        )


def _groups(
    content: MeshData,
    gmsh: GmshGroups | None,
    markers: dict[int, str],
    mesh: MeshData,
    cells: Cells,
    number: np.ndarray,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], list[str]]:
    """The facets and the cells of every group, and notes for the user; `number` is the row of each point in the mesh."""
    dim = DIMENSIONS[cells.kind]
    rows: dict[str, list[np.ndarray]] = {}
    regions: dict[str, list[np.ndarray]] = {}
    for name, block, chosen in members(content, gmsh, markers):
        kind = content.cells[block].type
        if kind == cells.kind:
            regions.setdefault(name, []).append(cells.place[cells.starts[block] + chosen])
        elif DIMENSIONS.get(kind) == dim - 1:
            rows.setdefault(name, []).append(number[np.asarray(content.cells[block].data)[chosen]])
    table = np.asarray(mesh.facets, dtype=np.int64).T
    facets, notes = {}, []
    for name, parts in rows.items():
        where = positions(table, np.concatenate(parts))
        facets[name] = np.unique(where[where >= 0]).astype(np.int32)
        if lost := int((where < 0).sum()):
            notes.append(
                f"{lost} of {len(where)} facets of the group {name!r} belong to no {cells.kind} and are left out"
            )
    for (d, _), name in () if gmsh is None else gmsh.names.items():
        if d == dim - 1 and name not in rows:
            notes.append(
                f"the group {name!r} has no members in the file (Gmsh's Mesh.SaveAll leaves groups out of MSH 2.2: save as 4.1)"
            )
    return facets, {name: np.unique(np.concatenate(parts)).astype(np.int32) for name, parts in regions.items()}, notes
