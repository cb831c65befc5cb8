"""A grid of bins over the bounding box of a mesh; each bin lists the cells that overlap it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .compiling import njit
from .walk import _barycentric

#: a cell overlaps at most so many bins, on average
OVERLAPS = 64


class Bins(NamedTuple):
    """Bins on a box: `cells[first[b]:first[b + 1]]` are the cells whose bounding boxes overlap bin b."""

    low: np.ndarray
    inverse_width: np.ndarray
    counts: np.ndarray
    first: np.ndarray
    cells: np.ndarray

    @classmethod
    def of(cls, corners: np.ndarray) -> Bins:
        """About one bin per cell, with the proportions of the mean cell; `corners` are `(cells, d + 1, d)`.

        If the cells differ in size so much that they overlap too many bins, the bins become larger. So the memory stays linear
        in the number of cells.
        """
        low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
        least, most = corners.min(axis=1), corners.max(axis=1)
        wanted = (high - low) / (most - least).mean(axis=0)
        wanted *= (len(corners) / np.prod(wanted)) ** (1 / corners.shape[2])
        pad = 1e-9 * (high - low)
        while True:
            counts = np.maximum(np.round(wanted).astype(np.int64), 1)
            inverse = counts / (high - low)
            ranges = [((bound - low) * inverse).astype(np.int64) for bound in (least - pad, most + pad)]
            first_bin, last_bin = (np.clip(r, 0, counts - 1) for r in ranges)
            if np.prod(last_bin - first_bin + 1, axis=1).sum() <= OVERLAPS * len(corners):
                break
            wanted = wanted / 2
        first = np.zeros(int(np.prod(counts)) + 1, dtype=np.int64)
        fill(first_bin, last_bin, counts, first, np.empty(0, dtype=np.int64))
        first = np.cumsum(first)
        cells = np.empty(first[-1], dtype=np.int64)
        fill(first_bin, last_bin, counts, first[:-1].copy(), cells)
        return cls(low, inverse, counts, first, cells)

    def find(self, points: np.ndarray, frames: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
        """`(n,)`: a cell that contains each point, or -1 for a point outside the mesh."""
        out = np.empty(len(points), dtype=np.int64)
        search(np.ascontiguousarray(points.T), *self, frames, size, out)
        return out


@njit()
def fill(first_bin, last_bin, counts, first, cells):
    """If `cells` is empty, count the overlaps of bin b in `first[b + 1]`; otherwise enter the cells, moving `first` on.

    The first call gives the sizes of the lists, the second one fills them (a counting sort by bins).
    """
    d = len(counts)
    at = np.empty(d, dtype=np.int64)
    for c in range(len(first_bin)):
        at[:] = first_bin[c]
        while True:
            index = 0
            for k in range(d):
                index = index * counts[k] + at[k]
            if len(cells):
                cells[first[index]] = c
                first[index] += 1
            else:
                first[index + 1] += 1
            k = d - 1
            while k >= 0 and at[k] == last_bin[c, k]:
                at[k] = first_bin[c, k]
                k -= 1
            if k < 0:
                break
            at[k] += 1


@njit()
def search(points, low, inverse_width, counts, first, cells, frames, size, out):
    """Fill `out` with a cell that contains each of the points `(d, n)`, or -1."""
    d = len(size)
    x = np.empty(d)
    b = np.empty(d + 1)
    for p in range(points.shape[1]):
        out[p] = -1
        index = 0
        beyond = False
        for k in range(d):
            x[k] = points[k, p]
            position = (x[k] - low[k]) * inverse_width[k]
            if not (-1e-6 <= position <= counts[k] + 1e-6):
                beyond = True
                break
            index = index * counts[k] + min(max(int(position), 0), counts[k] - 1)
        if beyond:
            continue
        for j in range(first[index], first[index + 1]):
            c = cells[j]
            _barycentric(frames[c], x, b, size)
            inside = True
            for i in range(d + 1):
                inside = inside and b[i] >= -frames[c, d + 1, 0]
            if inside:
                out[p] = c
                break
