"""Compiled kernels that search for pairs of simplices that no plane separates: they take arrays, never a mesh."""

import numpy as np

from .compiling import njit
from .walk import _barycentric

#: overlaps of smaller depth, relative to the cells, are round-off
DEPTH = 1e-9


@njit()
def meet(
    outer, start, corners, neighbours, frames, low, high, low_bin, inverse_width, counts, first, cells, size, others
):
    """Find the first of the `outer` cells, from the `start`-th on, that no plane separates from some other cells.

    Fills `others` with these cells; returns the position at which to continue, and the number of `others`.
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
                    # Skip pairs whose boxes do not meet, and pairs whose first common bin is another one.
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


@njit()
def _bin(x, low, inverse_width, count):
    return min(max(int((x - low) * inverse_width), 0), count - 1)


@njit()
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
                    # Parallel edges do not span a plane.
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
