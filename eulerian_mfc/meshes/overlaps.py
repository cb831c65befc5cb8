"""Cells of a simplex mesh that overlap without sharing a facet: parts that lie on each other, meshes that fold over."""

from __future__ import annotations

import numpy as np
from numba import njit

from .._validate import mismatch
from ._bins import Bins
from ._walk import _barycentric

#: depth of an overlap, relative to the cells, from which on it is one
DEPTH = 1e-9


def check_overlaps(points: np.ndarray, cells: np.ndarray, neighbours: np.ndarray, frames: np.ndarray, bins: Bins) -> None:
    """No two cells have inner points in common.

    The number of cells over a point changes across the boundary's facets only, so that a mesh without a double point at
    its boundary cells has none at all: those are compared with the cells whose boxes meet theirs, by separating planes.

    Raises
    ------
    ArgumentError
        With the first cell at the boundary that overlaps another.
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
                    f"cell {pair[1]}, which overlaps cell {pair[0]}: both hold {common.round(6).tolist()}",
                    "cells that share facets and nothing else: remove parts that lie on others",
                )


def common_point(frames: np.ndarray, first: int, second: int) -> np.ndarray | None:
    """The point deepest inside both cells, by a linear programme; None where they have no inner point in common."""
    from scipy.optimize import linprog

    dim = frames.shape[2]
    # Barycentric coordinates, each at least the depth: `g_i . (x - v) >= t` and `1 - sum g_i . (x - v) >= t`. Lengths are
    # in units of the first cell.
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


@njit(cache=True)
def meet(
    outer, start, corners, neighbours, frames, low, high, low_bin, inverse_width, counts, first, cells, size, others
):
    """From the `start`-th of the `outer` cells on, the first that no plane separates from some others.

    Fills `others` with those; returns where to go on, and how many there are.
    """
    d = len(size)
    count = 0
    begin, end, at = np.empty(d, np.int64), np.empty(d, np.int64), np.empty(d, np.int64)
    for o in range(start, len(outer)):
        c = outer[o]
        for k in range(d):
            begin[k] = _bin(low[c, k], low_bin[k], inverse_width[k], counts[k])
            end[k] = _bin(high[c, k], low_bin[k], inverse_width[k], counts[k])
            at[k] = begin[k]
        while True:
            index = 0
            for k in range(d):
                index = index * counts[k] + at[k]
            for j in range(first[index], first[index + 1]):
                other = cells[j]
                if other == c:
                    continue
                apart = False
                for k in range(d):
                    # Boxes that do not meet, and pairs that another bin of theirs compares.
                    meets = low[other, k] < high[c, k] and low[c, k] < high[other, k]
                    here = max(begin[k], _bin(low[other, k], low_bin[k], inverse_width[k], counts[k])) == at[k]
                    apart = apart or not meets or not here
                for i in range(d + 1):
                    apart = apart or neighbours[c, i] == other
                if not apart and not _separated(c, other, corners, frames, size):
                    others[count] = other
                    count += 1
            k = d - 1
            while k >= 0 and at[k] == end[k]:
                at[k] = begin[k]
                k -= 1
            if k < 0:
                break
            at[k] += 1
        if count:
            return o + 1, count
    return len(outer), 0


@njit(cache=True)
def _bin(x, low, inverse_width, count):
    return min(max(int((x - low) * inverse_width), 0), count - 1)


@njit(cache=True)
def _separated(c, other, corners, frames, size):
    """Whether a plane parallel to a facet of one of the cells, or to an edge of each, separates them."""
    d = len(size)
    b, most = np.empty(d + 1), np.empty(d + 1)
    for a, k in ((c, other), (other, c)):
        most[:] = -1.0
        for j in range(d + 1):
            _barycentric(frames[a], corners[k, j], b, size)
            most = np.maximum(most, b)
        if most.min() <= DEPTH:
            return True
    if d < 3:
        return False
    n = np.empty(d)
    for i in range(d + 1):
        for j in range(i):
            e = corners[c, i] - corners[c, j]
            for k in range(d + 1):
                for m in range(k):
                    f = corners[other, k] - corners[other, m]
                    n[0] = e[1] * f[2] - e[2] * f[1]
                    n[1] = e[2] * f[0] - e[0] * f[2]
                    n[2] = e[0] * f[1] - e[1] * f[0]
                    # Parallel edges span no plane.
                    if (n * n).sum() <= 1e-24 * (e * e).sum() * (f * f).sum():
                        continue
                    low_c, high_c, low_o, high_o = 1e300, -1e300, 1e300, -1e300
                    for v in range(d + 1):
                        s, t = 0.0, 0.0
                        for w in range(d):
                            s += n[w] * (corners[c, v, w] - corners[c, j, w])
                            t += n[w] * (corners[other, v, w] - corners[c, j, w])
                        low_c, high_c = min(low_c, s), max(high_c, s)
                        low_o, high_o = min(low_o, t), max(high_o, t)
                    if min(high_c - low_o, high_o - low_c) <= DEPTH * min(high_c - low_c, high_o - low_o):
                        return True
    return False
