"""The kernels in which a layer spends its time, behind pointers (see `pointers`): evaluate, deposit, solve for coefficients.

`gather`, `gather_values` and `scatter` are built per number of basis functions on the axes. These numbers are the lengths of
tuples, which are part of their types, so that the compiler knows the extents of every stencil (see `vector`). Feet are
contiguous rows `(d, n)`, see `tensor_interpolation`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import carray

from .compiling import njit
from .pointers import COUNT, DOUBLES, INTEGERS, Pointed, pointed
from .tensor_interpolation import FAST, HUGE, SLACK, _clamp, _index, _solve_panel, _weights
from .vector import stencil_add, stencil_sums, stencil_value

#: number of lines that are solved side by side along the contiguous axis. One line alone is a chain of dependent operations; with
#: several, the processor works on one while it waits for another
LINES = 16

#: the types of the arguments that describe the mesh and the basis: d, origin, inverse widths, whether feet are clamped; then per
#: axis: the numbers of nodes, of intervals and of kinds of intervals, the kind of each interval, the polynomials of each kind
PLACE = (COUNT, DOUBLES, DOUBLES, COUNT, *((COUNT, COUNT, COUNT, INTEGERS, DOUBLES) * 3))
Sizes = tuple[tuple[int, ...], ...]


@pointed(*[COUNT] * 3, DOUBLES, *[COUNT] * 2, *[DOUBLES] * 2, *[INTEGERS] * 2, *[COUNT] * 2, INTEGERS, fastmath=FAST)
def solve(outer, n, inner, at, below, above, lower_at, upper_at, first_at, last_at, transposed, groups, lines_at):
    """Solve L U c = f, or (L U)^T m = b, in place along the middle axis of x `(outer, n, inner)`, for some of the lines.

    The lines are in groups `(k, 3)`. A group `(o, begin, end)` is the columns from `begin` to `end` of the outer index o; if
    there is only one column, it is the outer indices from `begin` to `end`. `lower[i, :]` is row i of L (unit diagonal) from
    column `first[i]` on; `upper[i, :]` is row i of U from the diagonal to column `last[i]`, with the diagonal entry inverted.
    """
    lower, upper, first, last = (
        carray(lower_at, (n, below)),
        carray(upper_at, (n, above)),
        carray(first_at, n),
        carray(last_at, n),
    )
    x, lines = carray(at, (outer, n, inner)), carray(lines_at, (groups, 3))
    # The value of a literal 0 would be part of its type, and `_solve_panel` would be compiled once per such type.
    none = width = np.int64(0)
    if inner == 1:
        for group in range(groups):
            width = max(width, min(LINES, lines[group, 2] - lines[group, 1]))
    panel = np.zeros((n, width))
    for group in range(groups):
        o, begin, end = lines[group]
        if inner > 1:  # neighbouring lines are contiguous already
            _solve_panel(lower, upper, first, last, x[o], begin, end, transposed != 0)
            continue
        # Lines that are contiguous themselves are transposed into a panel, solved side by side there, and copied back.
        for line in range(begin, end, width):
            count = min(width, end - line)
            for q in range(count):
                for i in range(n):
                    panel[i, q] = x[line + q, i, 0]
            _solve_panel(lower, upper, first, last, panel, none, width, transposed != 0)
            for q in range(count):
                for i in range(n):
                    x[line + q, i, 0] = panel[i, q]
    return 0


@njit()
def _axis(intervals, kinds, kind, table, size):
    """The kinds of the intervals of one axis, its polynomials, and work arrays for values and slopes of its basis functions."""
    count = len(size)
    return carray(kind, intervals), carray(table, (kinds, count, count)), np.empty(count), np.empty(count)


@lru_cache
def gather(sizes: Sizes) -> Pointed:
    """The kernel that evaluates R fields psi_r at n feet, values `(R, n)`, and `sum_r m_r grad psi_r`, pull `(d, n)`.

    Its arguments are `(*PLACE, n, feet, masses (R, n), R, coefficients, values, pull)`. It returns the number of feet that are
    not finite.
    """
    size0, size1, size2 = sizes

    @pointed(*PLACE, COUNT, DOUBLES, DOUBLES, COUNT, DOUBLES, DOUBLES, DOUBLES, fastmath=FAST)
    def gather_at(
        d, origin_at, inverse_at, clamp, n0, i0, k0, kind0_at, table0_at, n1, i1, k1, kind1_at, table1_at,
        n2, i2, k2, kind2_at, table2_at, n, feet_at, masses_at, fields, coefficients_at, values_at, pull_at,
    ):  # fmt: skip
        kind0, table0, w0, d0 = _axis(i0, k0, kind0_at, table0_at, size0)
        kind1, table1, w1, d1 = _axis(i1, k1, kind1_at, table1_at, size1)
        kind2, table2, w2, d2 = _axis(i2, k2, kind2_at, table2_at, size2)
        origin, inverse_widths, feet = carray(origin_at, d), carray(inverse_at, d), carray(feet_at, (d, n))
        masses, values, pull = carray(masses_at, (fields, n)), carray(values_at, (fields, n)), carray(pull_at, (d, n))
        flat = carray(coefficients_at, fields * n0 * n1 * n2)
        bad = 0
        for p in range(n):
            s0, s1, s2 = _index(feet, origin, inverse_widths, p)
            if not abs(s0) + abs(s1) + abs(s2) < HUGE:
                bad += 1
                continue
            j0 = _weights(s0, n0, table0, kind0, w0, d0, size0, clamp != 0)
            j1 = _weights(s1, n1, table1, kind1, w1, d1, size1, clamp != 0)
            j2 = _weights(s2, n2, table2, kind2, w2, d2, size2, clamp != 0)
            g0 = 0.0
            g1 = 0.0
            g2 = 0.0
            at = (j0 * n1 + j1) * n2 + j2
            for r in range(fields):
                sums = stencil_sums(flat, at, n1 * n2, n2, w0, w1, w2, d0, d1, d2, size0, size1, size2)
                at += n0 * n1 * n2
                values[r, p] = sums[0]
                g0 += masses[r, p] * sums[1]
                g1 += masses[r, p] * sums[2]
                g2 += masses[r, p] * sums[3]
            pull[d - 1, p] = g2 * inverse_widths[d - 1]
            if d > 1:
                pull[d - 2, p] = g1 * inverse_widths[d - 2]
            if d > 2:
                pull[d - 3, p] = g0 * inverse_widths[d - 3]
        return bad

    return gather_at


@lru_cache
def gather_values(sizes: Sizes) -> Pointed:
    """The kernel that computes the values of `gather` alone; its arguments are `(*PLACE, n, feet, R, coefficients, values)`."""
    size0, size1, size2 = sizes

    @pointed(*PLACE, COUNT, DOUBLES, COUNT, DOUBLES, DOUBLES, fastmath=FAST)
    def gather_values_at(
        d, origin_at, inverse_at, clamp, n0, i0, k0, kind0_at, table0_at, n1, i1, k1, kind1_at, table1_at,
        n2, i2, k2, kind2_at, table2_at, n, feet_at, fields, coefficients_at, values_at,
    ):  # fmt: skip
        kind0, table0, w0, d0 = _axis(i0, k0, kind0_at, table0_at, size0)
        kind1, table1, w1, d1 = _axis(i1, k1, kind1_at, table1_at, size1)
        kind2, table2, w2, d2 = _axis(i2, k2, kind2_at, table2_at, size2)
        origin, inverse_widths, feet = carray(origin_at, d), carray(inverse_at, d), carray(feet_at, (d, n))
        flat, values = carray(coefficients_at, fields * n0 * n1 * n2), carray(values_at, (fields, n))
        bad = 0
        for p in range(n):
            s0, s1, s2 = _index(feet, origin, inverse_widths, p)
            if not abs(s0) + abs(s1) + abs(s2) < HUGE:
                bad += 1
                continue
            j0 = _weights(s0, n0, table0, kind0, w0, d0, size0, clamp != 0)
            j1 = _weights(s1, n1, table1, kind1, w1, d1, size1, clamp != 0)
            j2 = _weights(s2, n2, table2, kind2, w2, d2, size2, clamp != 0)
            at = (j0 * n1 + j1) * n2 + j2
            for r in range(fields):
                values[r, p] = stencil_value(flat, at, n1 * n2, n2, w0, w1, w2, size0, size1, size2)
                at += n0 * n1 * n2
        return bad

    return gather_values_at


@lru_cache
def scatter(sizes: Sizes) -> Pointed:
    """The kernel that adds masses `(R, n)` at n feet to their sums against the basis functions: the transpose of `gather`.

    Its arguments are `(*PLACE, n, feet, masses, R, slab (6,), sums, clamped)`. The sums `(R, c0, c1, c2)` are those of a slab of
    the basis functions that contains all stencils; `slab` holds the first index on each axis, and the shape. The masses whose
    feet lie outside the hull of the nodes are added to clamped `(R,)`.
    """
    size0, size1, size2 = sizes

    @pointed(*PLACE, COUNT, DOUBLES, DOUBLES, COUNT, INTEGERS, DOUBLES, DOUBLES, fastmath=FAST)
    def scatter_at(
        d, origin_at, inverse_at, clamp, n0, i0, k0, kind0_at, table0_at, n1, i1, k1, kind1_at, table1_at,
        n2, i2, k2, kind2_at, table2_at, n, feet_at, masses_at, fields, slab_at, sums_at, clamped_at,
    ):  # fmt: skip
        kind0, table0, w0, d0 = _axis(i0, k0, kind0_at, table0_at, size0)
        kind1, table1, w1, d1 = _axis(i1, k1, kind1_at, table1_at, size1)
        kind2, table2, w2, d2 = _axis(i2, k2, kind2_at, table2_at, size2)
        origin, inverse_widths, feet = carray(origin_at, d), carray(inverse_at, d), carray(feet_at, (d, n))
        slab, masses, clamped = carray(slab_at, 6), carray(masses_at, (fields, n)), carray(clamped_at, fields)
        first0, first1, first2, c0, c1, c2 = slab[0], slab[1], slab[2], slab[3], slab[4], slab[5]
        flat = carray(sums_at, fields * c0 * c1 * c2)
        for p in range(n):
            s0, s1, s2 = _index(feet, origin, inverse_widths, p)
            if abs(_clamp(s0, n0) - s0) + abs(_clamp(s1, n1) - s1) + abs(_clamp(s2, n2) - s2) > SLACK:
                for r in range(fields):
                    clamped[r] += masses[r, p]
            j0 = _weights(s0, n0, table0, kind0, w0, d0, size0, clamp != 0) - first0
            j1 = _weights(s1, n1, table1, kind1, w1, d1, size1, clamp != 0) - first1
            j2 = _weights(s2, n2, table2, kind2, w2, d2, size2, clamp != 0) - first2
            at = (j0 * c1 + j1) * c2 + j2
            for r in range(fields):
                stencil_add(flat, at, c1 * c2, c2, masses[r, p], w0, w1, w2, size0, size1, size2)
                at += c0 * c1 * c2
        return 0

    return scatter_at
