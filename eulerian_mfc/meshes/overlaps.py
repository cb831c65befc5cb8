"""Search for cells of a simplex mesh that overlap without sharing a facet, as in meshes that fold over themselves."""

from __future__ import annotations

import numpy as np

from .._validate import mismatch
from ..kernels.bins import Bins
from ..kernels.overlaps import DEPTH, meet


def check_overlaps(
    points: np.ndarray, cells: np.ndarray, neighbours: np.ndarray, frames: np.ndarray, bins: Bins
) -> None:
    """Raise an error if two cells have inner points in common.

    The number of cells over a point changes only across facets of the boundary. So it is enough to check the cells at the
    boundary: if none of them overlaps another cell, no cells do. Each is compared with the cells whose boxes meet its box, by
    separating planes.

    Raises
    ------
    ArgumentError
        Naming the first cell at the boundary that overlaps another, and a point in both.
    """
    corners = points[cells]
    low, high = corners.min(axis=1), corners.max(axis=1)
    outer = np.flatnonzero((neighbours < 0).any(axis=1))
    others, start = np.empty(len(cells), dtype=np.int64), 0
    while start < len(outer):
        start, count = meet(outer, start, corners, neighbours, frames, low, high, *bins, (0,) * points.shape[1], others)
        first = int(outer[start - 1])
        for other in np.sort(others[:count]).tolist():
            common = common_point(frames, first, other)
            if common is not None:
                pair = sorted((first, other))
                raise mismatch(
                    "mesh",
                    f"cell {pair[1]}, which overlaps cell {pair[0]}: both contain the point {common.round(6).tolist()}",
                    "cells that share only whole facets: remove the parts of the mesh that lie on other parts",
                )


def common_point(frames: np.ndarray, first: int, second: int) -> np.ndarray | None:
    """The point deepest inside both cells, by a linear programme; None if they do not have an inner point in common."""
    from scipy.optimize import linprog

    dim = frames.shape[2]
    # All barycentric coordinates in both cells are at least the depth t: `g_i . (x - v) >= t`, `1 - sum g_i . (x - v) >= t`.
    # The unknowns are x and t, and t is maximised. Lengths are in units of the first cell.
    origin, scale = frames[first, 0], 1.0 / np.abs(frames[first, 1 : dim + 1]).max()
    rows, right = [], []
    for cell in (first, second):
        gradients = scale * frames[cell, 1 : dim + 1]
        gradients = np.concatenate([-gradients.sum(axis=0, keepdims=True), gradients])
        at_origin = gradients @ ((origin - frames[cell, 0]) / scale)
        at_origin[0] += 1.0
        rows.append(np.concatenate([-gradients, np.ones((dim + 1, 1))], axis=1))
        right.append(at_origin)
    found = linprog(
        [0.0] * dim + [-1.0], np.concatenate(rows), np.concatenate(right), bounds=[(None, None)] * dim + [(None, 1.0)]
    )
    least = DEPTH + 10 * max(frames[first, dim + 1, 0], frames[second, dim + 1, 0])
    return origin + scale * found.x[:dim] if found.status == 0 and found.x[-1] > least else None
