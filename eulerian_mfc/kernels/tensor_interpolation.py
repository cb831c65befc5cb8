"""Compiled kernels of tensor-product interpolation: they take arrays, never a field, a law or a label.

The same loops serve one, two and three dimensions: a missing leading axis has one point and degree 0. The number of basis
functions per axis is the length of a tuple, which is part of its type, so that the compiler knows the extents of every stencil
(see `vector`).

Positions are contiguous rows `(d, n)`. With `clamp`, feet outside the hull of the nodes are moved onto it, axis by axis, and the
derivative across a clamped axis is zero: this is the exact derivative of the clamped map. Without `clamp`, the outermost
polynomial is continued.
"""

import numpy as np

from .compiling import njit
from .fastmath import FAST
from .vector import horner
from .weno import weno5

# Index coordinates beyond this count as infinite. (A comparison, since np.isfinite is compiled away under FAST.)
HUGE = 1e300
# Index coordinates this close to the outermost nodes count as these nodes, since coordinates have round-off.
SLACK = 1e-9


@njit(fastmath=FAST)
def _clamp(s, count):
    """Index coordinate moved into [0, count - 1]."""
    return min(max(s, 0.0), count - 1.0)


@njit(fastmath=FAST, inline="always")
def _index(feet, origin, inverse_widths, p):
    """Index coordinates of point p on the three axes, 0 on missing axes."""
    dim = len(feet)
    s2 = (feet[dim - 1, p] - origin[dim - 1]) * inverse_widths[dim - 1]
    s1 = (feet[dim - 2, p] - origin[dim - 2]) * inverse_widths[dim - 2] if dim > 1 else 0.0
    s0 = (feet[dim - 3, p] - origin[dim - 3]) * inverse_widths[dim - 3] if dim > 2 else 0.0
    return s0, s1, s2


@njit(nogil=True)
def extent(feet, origin, inverse_width, count, degree):
    """The index of the first, and the number, of basis functions that are not zero at some of the coordinates `feet`.

    The number is 0 if a coordinate is not finite.
    """
    least, largest, summed = HUGE, -HUGE, 0.0
    for foot in feet:
        s = (foot - origin) * inverse_width
        least, largest = min(least, s), max(largest, s)
        summed += abs(s)
    if not summed < HUGE:
        return 0, 0
    low = int(min(max(least, 0.0), count - 2.0)) - (degree - 1) // 2
    high = int(min(max(largest, 0.0), count - 2.0)) - (degree - 1) // 2
    low = max(0, min(low, count - degree - 1))
    high = max(0, min(high, count - degree - 1))
    return low, high + degree + 1 - low


@njit(fastmath=FAST)
def _weights(s, count, table, kind, weights, slopes, size, clamp):
    """Fill the values and slopes of the basis functions at the coordinate `s`; return the index of the first one."""
    degree = len(size) - 1
    if degree == 0:
        weights[0] = 1.0
        return 0
    inside = _clamp(s, count)
    interval = min(int(inside), count - 2)
    start = max(0, min(interval - (degree - 1) // 2, count - degree - 1))
    u = (inside if clamp else s) - start - 0.5 * degree
    horner(table, kind[interval] * len(size) * len(size), u, weights, slopes, size)
    if clamp and abs(inside - s) > SLACK:
        for j in range(len(size)):
            slopes[j] = 0.0
    return start


@njit(fastmath=FAST)
def _moving_weights(s, ds, count, table, kind, weights, slopes, dweights, dslopes, size, clamp):
    """`_weights`, with the derivatives of values and slopes when the coordinate moves by `ds`; return the first index."""
    degree = len(size) - 1
    if degree == 0:
        weights[0] = 1.0
        dweights[0] = 0.0
        return 0
    inside = _clamp(s, count)
    interval = min(int(inside), count - 2)
    start = max(0, min(interval - (degree - 1) // 2, count - degree - 1))
    if not clamp:
        inside = s
    u = inside - start - 0.5 * degree
    moves = ds if abs(inside - s) <= SLACK else 0.0
    pieces = table[kind[interval]]
    for j in range(len(size)):
        value = pieces[degree, j]
        slope = 0.0
        half_curvature = 0.0
        for power in range(degree - 1, -1, -1):
            half_curvature = half_curvature * u + slope
            slope = slope * u + value
            value = value * u + pieces[power, j]
        weights[j] = value
        slopes[j] = slope if abs(inside - s) <= SLACK else 0.0
        dweights[j] = slope * moves
        dslopes[j] = 2.0 * half_curvature * moves
    return start


@njit(fastmath=FAST, nogil=True)
def scatter_tangent(feet, dfeet, masses, dmasses, origin, inverse_widths, tables, kinds, sizes, clamp, out):
    """The derivative of `scatter` as feet `(d, n)` and masses `(R, n)` move by their tangents."""
    dim, points = feet.shape
    fields, n0, n1, n2 = out.shape
    size0, size1, size2 = sizes
    table0, table1, table2 = tables
    kind0, kind1, kind2 = kinds
    w0, d0, a0, b0 = np.empty(len(size0)), np.empty(len(size0)), np.empty(len(size0)), np.empty(len(size0))
    w1, d1, a1, b1 = np.empty(len(size1)), np.empty(len(size1)), np.empty(len(size1)), np.empty(len(size1))
    w2, d2, a2, b2 = np.empty(len(size2)), np.empty(len(size2)), np.empty(len(size2)), np.empty(len(size2))
    for p in range(points):
        s0, s1, s2 = _index(feet, origin, inverse_widths, p)
        e2 = dfeet[dim - 1, p] * inverse_widths[dim - 1]
        e1 = dfeet[dim - 2, p] * inverse_widths[dim - 2] if dim > 1 else 0.0
        e0 = dfeet[dim - 3, p] * inverse_widths[dim - 3] if dim > 2 else 0.0
        i0 = _moving_weights(s0, e0, n0, table0, kind0, w0, d0, a0, b0, size0, clamp)
        i1 = _moving_weights(s1, e1, n1, table1, kind1, w1, d1, a1, b1, size1, clamp)
        i2 = _moving_weights(s2, e2, n2, table2, kind2, w2, d2, a2, b2, size2, clamp)
        for r in range(fields):
            mass = masses[r, p]
            dmass = dmasses[r, p]
            for j0 in range(len(size0)):
                for j1 in range(len(size1)):
                    share = mass * w0[j0] * w1[j1]
                    moved = dmass * w0[j0] * w1[j1] + mass * (a0[j0] * w1[j1] + w0[j0] * a1[j1])
                    row = out[r, i0 + j0, i1 + j1, i2:]
                    for j2 in range(len(size2)):
                        row[j2] += moved * w2[j2] + share * a2[j2]


@njit(fastmath=FAST, nogil=True)
def gather_tangent(
    feet,
    dfeet,
    masses,
    dmasses,
    coefficients,
    dcoefficients,
    origin,
    inverse_widths,
    tables,
    kinds,
    sizes,
    clamp,
    dvalues,
    pull,
    dpull,
):
    """`gather`'s `pull`, and the derivatives of its values and pull as feet, masses and coefficients move."""
    dim, points = feet.shape
    fields, n0, n1, n2 = coefficients.shape
    size0, size1, size2 = sizes
    table0, table1, table2 = tables
    kind0, kind1, kind2 = kinds
    w0, d0, tw0, td0 = np.empty(len(size0)), np.empty(len(size0)), np.empty(len(size0)), np.empty(len(size0))
    w1, d1, tw1, td1 = np.empty(len(size1)), np.empty(len(size1)), np.empty(len(size1)), np.empty(len(size1))
    w2, d2, tw2, td2 = np.empty(len(size2)), np.empty(len(size2)), np.empty(len(size2)), np.empty(len(size2))
    for p in range(points):
        s0, s1, s2 = _index(feet, origin, inverse_widths, p)
        e2 = dfeet[dim - 1, p] * inverse_widths[dim - 1]
        e1 = dfeet[dim - 2, p] * inverse_widths[dim - 2] if dim > 1 else 0.0
        e0 = dfeet[dim - 3, p] * inverse_widths[dim - 3] if dim > 2 else 0.0
        i0 = _moving_weights(s0, e0, n0, table0, kind0, w0, d0, tw0, td0, size0, clamp)
        i1 = _moving_weights(s1, e1, n1, table1, kind1, w1, d1, tw1, td1, size1, clamp)
        i2 = _moving_weights(s2, e2, n2, table2, kind2, w2, d2, tw2, td2, size2, clamp)
        g0 = 0.0
        g1 = 0.0
        g2 = 0.0
        t0 = 0.0
        t1 = 0.0
        t2 = 0.0
        for r in range(fields):
            v0 = 0.0
            v1 = 0.0
            v2 = 0.0
            tv = 0.0
            tv0 = 0.0
            tv1 = 0.0
            tv2 = 0.0
            for j0 in range(len(size0)):
                a = 0.0
                a1 = 0.0
                a2 = 0.0
                ta = 0.0
                ta1 = 0.0
                ta2 = 0.0
                for j1 in range(len(size1)):
                    b = 0.0
                    b2 = 0.0
                    tb = 0.0
                    tb2 = 0.0
                    row = coefficients[r, i0 + j0, i1 + j1, i2:]
                    drow = dcoefficients[r, i0 + j0, i1 + j1, i2:]
                    for j2 in range(len(size2)):
                        c = row[j2]
                        dc = drow[j2]
                        b += w2[j2] * c
                        b2 += d2[j2] * c
                        tb += tw2[j2] * c + w2[j2] * dc
                        tb2 += td2[j2] * c + d2[j2] * dc
                    a += w1[j1] * b
                    a2 += w1[j1] * b2
                    ta += tw1[j1] * b + w1[j1] * tb
                    ta2 += tw1[j1] * b2 + w1[j1] * tb2
                    if len(size1) > 1:
                        a1 += d1[j1] * b
                        ta1 += td1[j1] * b + d1[j1] * tb
                v2 += w0[j0] * a2
                tv += tw0[j0] * a + w0[j0] * ta
                tv2 += tw0[j0] * a2 + w0[j0] * ta2
                if len(size1) > 1:
                    v1 += w0[j0] * a1
                    tv1 += tw0[j0] * a1 + w0[j0] * ta1
                if len(size0) > 1:
                    v0 += d0[j0] * a
                    tv0 += td0[j0] * a + d0[j0] * ta
            dvalues[r, p] = tv
            mass = masses[r, p]
            dmass = dmasses[r, p]
            g0 += mass * v0
            g1 += mass * v1
            g2 += mass * v2
            t0 += dmass * v0 + mass * tv0
            t1 += dmass * v1 + mass * tv1
            t2 += dmass * v2 + mass * tv2
        pull[dim - 1, p] = g2 * inverse_widths[dim - 1]
        dpull[dim - 1, p] = t2 * inverse_widths[dim - 1]
        if dim > 1:
            pull[dim - 2, p] = g1 * inverse_widths[dim - 2]
            dpull[dim - 2, p] = t1 * inverse_widths[dim - 2]
        if dim > 2:
            pull[dim - 3, p] = g0 * inverse_widths[dim - 3]
            dpull[dim - 3, p] = t0 * inverse_widths[dim - 3]


@njit()
def _bends_one_way(row, first, stride, count):
    """Whether the second differences at both ends of an interval have the same sign and similar sizes.

    If so, an extremum in the interval is smooth.
    """
    if first < 1 or first > count - 3:
        return False
    left = row[(first - 1) * stride] - 2.0 * row[first * stride] + row[(first + 1) * stride]
    right = row[first * stride] - 2.0 * row[(first + 1) * stride] + row[(first + 2) * stride]
    return left * right > 0.0 and 0.5 * abs(left) <= abs(right) <= 2.0 * abs(left)


@njit(nogil=True)
def bound_by_cell(feet, nodal, origin, inverse_widths, values):
    """Bound interpolated `values` `(R, n)` by the nodal values of the cell around each foot.

    Where psi bends in one direction only, the bounds are the extrema of all nodal values instead: bounds by the cell would cut
    off smooth extrema, which reduces the order.
    """
    dim, points = feet.shape
    fields, n0, n1, n2 = nodal.shape
    counts = (n0, n1, n2)
    strides = (n1 * n2, n2, 1)
    first = np.zeros(3, np.int64)
    least = np.empty(fields)
    largest = np.empty(fields)
    for r in range(fields):
        least[r] = nodal[r].min()
        largest[r] = nodal[r].max()
    for p in range(points):
        for k in range(dim):
            s = (feet[k, p] - origin[k]) * inverse_widths[k]
            count = counts[3 - dim + k]
            first[3 - dim + k] = min(int(_clamp(s, count)), count - 2)
        for r in range(fields):
            flat = nodal[r].reshape(-1)
            base = first[0] * strides[0] + first[1] * strides[1] + first[2] * strides[2]
            smooth = True
            for k in range(3 - dim, 3):
                smooth &= _bends_one_way(flat[base - first[k] * strides[k] :], first[k], strides[k], counts[k])
            low, high = least[r], largest[r]
            if not smooth:
                low, high = np.inf, -np.inf
                for j0 in range(first[0], min(first[0] + 2, n0)):
                    for j1 in range(first[1], min(first[1] + 2, n1)):
                        for j2 in range(first[2], min(first[2] + 2, n2)):
                            low = min(low, nodal[r, j0, j1, j2])
                            high = max(high, nodal[r, j0, j1, j2])
            values[r, p] = min(max(values[r, p], low), high)


@njit(nogil=True)
def largest_moduli(weights):
    """`max_r |w_rj|` for every column of weights `(R, n)`; NaN counts as zero."""
    out = np.zeros(weights.shape[1])
    for row in weights:
        for j in range(len(out)):
            out[j] = max(out[j], abs(row[j]))
    return out


@njit(fastmath=FAST, error_model="numpy")
def upwind_difference(psi, s, v, factor, out):
    """Add `factor v` times the one-sided difference of psi in the direction of v: first order."""
    n = psi.size - 2 * s
    before, here, after = psi[:n], psi[s : s + n], psi[2 * s :]
    speed, inner = v[s : s + n], out[s : s + n]
    for i in range(n):
        inner[i] += factor * speed[i] * (after[i] - here[i] if speed[i] > 0.0 else here[i] - before[i])


@njit(fastmath=FAST, error_model="numpy")
def weno_difference(psi, s, v, factor, out):
    """The same by WENO-Z on the differences: fifth order. The stencil has one more point in the direction of v."""
    n = psi.size - 6 * s
    a, b, c, d = psi[:n], psi[s : s + n], psi[2 * s : 2 * s + n], psi[3 * s : 3 * s + n]
    e, f, g = psi[4 * s : 4 * s + n], psi[5 * s : 5 * s + n], psi[6 * s :]
    speed, inner = v[3 * s : 3 * s + n], out[3 * s : 3 * s + n]
    for i in range(n):
        d1, d2, d3, d4 = b[i] - a[i], c[i] - b[i], d[i] - c[i], e[i] - d[i]
        d5, d6 = f[i] - e[i], g[i] - f[i]
        ahead = weno5(d6, d5, d4, d3, d2)
        behind = weno5(d1, d2, d3, d4, d5)
        inner[i] += factor * speed[i] * (ahead if speed[i] > 0.0 else behind)


@njit(fastmath=FAST, nogil=True)
def _solve_panel(lower, upper, first, last, x, begin, end, transposed):
    """Solve L U c = x, or its transpose, in place along the first axis of `x` `(n, inner)`, for a range of columns."""
    n = len(x)
    if transposed:
        for i in range(n):
            factor = upper[i, 0]
            for q in range(begin, end):
                x[i, q] *= factor
            for j in range(i + 1, last[i] + 1):
                factor = upper[i, j - i]
                for q in range(begin, end):
                    x[j, q] -= factor * x[i, q]
        for i in range(n - 1, -1, -1):
            for j in range(first[i], i):
                factor = lower[i, j - first[i]]
                for q in range(begin, end):
                    x[j, q] -= factor * x[i, q]
    else:
        for i in range(n):
            for j in range(first[i], i):
                factor = lower[i, j - first[i]]
                for q in range(begin, end):
                    x[i, q] -= factor * x[j, q]
        for i in range(n - 1, -1, -1):
            for j in range(i + 1, last[i] + 1):
                factor = upper[i, j - i]
                for q in range(begin, end):
                    x[i, q] -= factor * x[j, q]
            factor = upper[i, 0]
            for q in range(begin, end):
                x[i, q] *= factor
