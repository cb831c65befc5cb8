"""Checks of a simplex mesh: each error names the first cell that is wrong."""

from __future__ import annotations

import numpy as np

from .._validate import mismatch


def neighbours_of(points: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """`(cells, d + 1)`: the cell beyond the facet opposite to each vertex, -1 at the boundary.

    Raises
    ------
    ArgumentError
        For cells without volume, duplicated or inverted cells, unused vertices, and hanging nodes.
    """
    check_entries(points, cells)
    out = -np.ones(cells.shape, dtype=np.int64)
    count, corners = cells.shape
    facets = np.sort(np.stack([np.delete(cells, i, axis=1) for i in range(corners)], axis=1), axis=2)
    rows = facets.reshape(count * corners, corners - 1)
    order = np.lexsort(rows.T)
    same = (rows[order[1:]] == rows[order[:-1]]).all(axis=1)
    triple = np.flatnonzero(same[1:] & same[:-1])
    if len(triple):
        shared = np.sort(order[triple[0] : triple[0] + 3] // corners)
        raise mismatch(
            "mesh", f"the facet of cells {shared.tolist()}, which all three share", "at most two cells per facet"
        )
    a, b = order[:-1][same], order[1:][same]
    out[a // corners, a % corners] = b // corners
    out[b // corners, b % corners] = a // corners
    check_sides(points, cells, a, b)
    check_hanging(points, cells, out)
    return out


def check_entries(points: np.ndarray, cells: np.ndarray) -> None:
    """Indices are in range, volumes are positive, no cell is there twice, and every vertex is used."""
    if cells.min() < 0 or cells.max() >= len(points):
        cell = int(np.flatnonzero(((cells < 0) | (cells >= len(points))).any(axis=1))[0])
        raise mismatch("mesh", f"cell {cell} with vertices {cells[cell].tolist()}", f"vertices 0 .. {len(points) - 1}")
    edges = points[cells[:, 1:]] - points[cells[:, :1]]
    longest = np.abs(edges).max(axis=(1, 2))
    flat = np.abs(np.linalg.det(edges)) <= 1e-13 * longest ** points.shape[1]
    if flat.any():
        cell = int(np.flatnonzero(flat)[0])
        raise mismatch(
            "mesh",
            f"cell {cell}, which has no volume: {points[cells[cell]].tolist()}",
            "cells whose volume is not zero",
        )
    rows = np.sort(cells, axis=1)
    order = np.lexsort(rows.T)
    twice = np.flatnonzero((rows[order[1:]] == rows[order[:-1]]).all(axis=1))
    if len(twice):
        pair = sorted(order[twice[0] : twice[0] + 2].tolist())
        raise mismatch("mesh", f"cell {pair[1]}, a duplicate of cell {pair[0]}", "every cell once")
    used = np.zeros(len(points), dtype=bool)
    used[cells] = True
    if not used.all():
        vertex = int(np.flatnonzero(~used)[0])
        advice = (
            "every vertex to belong to a cell: remove the other vertices, for example with "
            "skfem_mesh.remove_unused_nodes()"
        )
        raise mismatch("mesh", f"vertex {vertex} at {points[vertex].tolist()}, which no cell uses", advice)


def check_sides(points: np.ndarray, cells: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """Two cells that share a facet lie on different sides of it.

    The pairs of cells are `a` and `b`, in the numbering of facets `cell * corners + local facet`.
    """
    corners = cells.shape[1]
    # The barycentric coordinate in a's cell of b's opposite vertex: it is negative exactly if b lies beyond the shared facet.
    c, i = a // corners, a % corners
    first, opposite = points[cells[c, 0]], points[cells[b // corners, b % corners]]
    edges = points[cells[c, 1:]] - first[:, None]
    weights = np.linalg.solve(edges.transpose(0, 2, 1), (opposite - first)[:, :, None])[:, :, 0]
    value = np.concatenate([1 - weights.sum(axis=1, keepdims=True), weights], axis=1)[np.arange(len(a)), i]
    wrong = np.flatnonzero(value >= 0)
    if len(wrong):
        pairs = np.sort(np.stack([a[wrong] // corners, b[wrong] // corners], axis=1), axis=1)
        first = pairs[np.lexsort(pairs.T[::-1])[0]].tolist()
        raise mismatch(
            "mesh",
            f"cell {first[1]}, which lies on the same side of a facet as cell {first[0]} (inverted or overlapping)",
            "cells that share only whole facets",
        )


def check_hanging(points: np.ndarray, cells: np.ndarray, neighbours: np.ndarray) -> None:
    """No vertex lies on a boundary facet without being one of its corners."""
    from scipy.spatial import cKDTree

    dim = points.shape[1]
    if dim == 1:
        check_intervals(points[:, 0], cells)
        return
    cell, local = np.nonzero(neighbours < 0)
    others = np.array([np.delete(np.arange(dim + 1), i) for i in range(dim + 1)])
    facets = cells[cell[:, None], others[local]]
    vertices = np.unique(facets)
    corners = points[facets]
    centres = corners.mean(axis=1)
    radii = np.linalg.norm(corners - centres[:, None], axis=2).max(axis=1)
    near = cKDTree(points[vertices]).query_ball_point(centres, radii * (1 + 1e-9))
    counts = np.array([len(n) for n in near])
    facet = np.repeat(np.arange(len(facets)), counts)
    vertex = vertices[np.concatenate([np.array(n, dtype=np.int64) for n in near])]
    mine = (facets[facet] == vertex[:, None]).any(axis=1)
    facet, vertex = facet[~mine], vertex[~mine]
    edges = corners[facet, 1:] - corners[facet, :1]
    offset = points[vertex] - corners[facet, 0]
    gram = np.einsum("nik,njk->nij", edges, edges)
    weights = np.linalg.solve(gram, np.einsum("nik,nk->ni", edges, offset)[:, :, None])[:, :, 0]
    distance = np.linalg.norm(offset - np.einsum("ni,nik->nk", weights, edges), axis=1)
    all_weights = np.concatenate([1 - weights.sum(axis=1, keepdims=True), weights], axis=1)
    hanging = (distance <= 1e-9 * radii[facet]) & (all_weights > -1e-9).all(axis=1)
    if hanging.any():
        first = int(np.flatnonzero(hanging)[cell[facet[hanging]].argmin()])
        raise mismatch(
            "mesh",
            f"vertex {int(vertex[first])} on a facet of cell {int(cell[facet[first]])}, which does not have it as a corner "
            "(a hanging node, or vertices stored twice)",
            "cells that meet in whole facets: refine with SimplexMesh.refined, or merge double vertices",
        )


def check_intervals(points: np.ndarray, cells: np.ndarray) -> None:
    """Intervals do not overlap, and share a vertex where they touch."""
    ends = points[cells]
    order = np.argsort(ends.min(axis=1), kind="stable")
    low, high = ends.min(axis=1)[order], ends.max(axis=1)[order]
    shared = (cells[order][1:, :, None] == cells[order][:-1, None, :]).any(axis=(1, 2))
    wrong = np.flatnonzero((low[1:] < high[:-1]) | ((low[1:] == high[:-1]) & ~shared))
    if len(wrong):
        first, second = int(order[wrong[0]]), int(order[wrong[0] + 1])
        raise mismatch(
            "mesh",
            f"cell {second}, which overlaps cell {first} or touches it without sharing its vertex",
            "intervals that share only vertices: merge double vertices",
        )
