"""Compiled layer maps of `sigma(W x + b)` and their pull-backs: all stages of a few points at a time, in the first-level cache.

Points are `(d, n)` contiguous rows; a Runge-Kutta method is its numbers of stages and of equal steps, and the length dt of a step
with its `reach` and `weights`, as in `flow.Tableau`. `trace` and `pull` take pointers (see `pointers`).

What the field is comes as integers and numbers: the addresses of the activation's value and slope and whether the slope reads its
argument (see `activations`), and d; then W `(d, d)` and b `(d,)`. See `integers_of`.
"""

from functools import lru_cache

import numpy as np
from numba import carray

from .activations import CHUNK, WORK, ActivationKernel
from .compiling import njit
from .fastmath import FAST
from .pointers import COUNT, DOUBLES, INTEGERS, call, pointed

FIELD = INTEGERS, DOUBLES
METHOD = INTEGERS, DOUBLES
#: the field's integers
VALUE, SLOPE, ARGUMENT, DIM, INTEGER_COUNT = range(5)


@lru_cache
def integers_of(kernel: ActivationKernel, dim: int) -> np.ndarray:
    """The integers of `sigma(W x + b)` in dimension d; addresses are those of this process."""
    return np.array([kernel.value.address, kernel.slope.address, kernel.argument, dim], np.int64)


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _argument(matrix, shift, row, point, z):
    """`z = (W x + b)_row` at the points `(d, c)`."""
    for j in range(z.size):
        z[j] = shift[row]
    for k in range(len(point)):
        entry = matrix[row, k]
        x = point[k]
        for j in range(z.size):
            z[j] += entry * x[j]


@njit(nogil=True)
def _method(counts_at, tableau_at):
    """The numbers of stages and of steps, the length of a step, reach and weights `(stages,)`."""
    counts = carray(counts_at, 2)
    tableau = carray(tableau_at, 1 + 2 * counts[0])
    return counts[0], counts[1], tableau[0], tableau[1 : 1 + counts[0]], tableau[1 + counts[0] :]


@pointed(*FIELD, *METHOD, COUNT, DOUBLES, COUNT, DOUBLES, fastmath=FAST, error_model="numpy")
def trace(integers_at, numbers_at, counts_at, tableau_at, n, x_at, keep, values_at):
    """Overwrite the points x `(d, n)` by their images; to `keep`, write the field's values `(steps, stages, d, n)` for `pull`."""
    integers = carray(integers_at, INTEGER_COUNT)
    d = integers[DIM]
    numbers, x = carray(numbers_at, d * (d + 1)), carray(x_at, (d, n))
    matrix, shift = numbers[: d * d].reshape(d, d), numbers[d * d :]
    stages, steps, dt, reach, weights = _method(counts_at, tableau_at)
    values = carray(values_at, (steps, stages, d, n))
    point, k, total = np.empty((d, CHUNK)), np.empty((d, CHUNK)), np.empty((d, CHUNK))
    work = np.empty(WORK)
    for begin in range(0, n, CHUNK):
        m = min(CHUNK, n - begin)
        for step in range(steps):
            for i in range(stages):
                for c in range(d):
                    start = x[c][begin : begin + m]
                    at = point[c][:m]
                    if reach[i] == 0.0:
                        for j in range(m):
                            at[j] = start[j]
                    else:
                        before = k[c][:m]
                        length = dt * reach[i]
                        for j in range(m):
                            at[j] = start[j] + length * before[j]
                for c in range(d):
                    z = k[c][:m]
                    _argument(matrix, shift, c, point, z)
                    call(integers[VALUE], (m, z, work))
                    if keep:
                        kept = values[step, i, c][begin : begin + m]
                        for j in range(m):
                            kept[j] = z[j]
                    add = total[c][:m]
                    if i == 0:
                        for j in range(m):
                            add[j] = weights[i] * z[j]
                    else:
                        for j in range(m):
                            add[j] += weights[i] * z[j]
            for c in range(d):
                end = x[c][begin : begin + m]
                add = total[c][:m]
                for j in range(m):
                    end[j] += dt * add[j]

    return 0


@pointed(*FIELD, *METHOD, COUNT, *[DOUBLES] * 4, fastmath=FAST, error_model="numpy")
def pull(
    integers_at,
    numbers_at,
    counts_at,
    tableau_at,
    n,
    x_at,
    values_at,
    p_at,
    slopes_at,
):
    """The transpose of `trace`'s derivative: overwrite covectors p `(d, n)` at the end by those at the start.

    x are the points at the start, `values` what `trace` kept. Adds `sum_j (dPhi/dW)^T p_j` to the first
    `d^2` of the `d (d + 1)` slopes, and the like for b to the others.
    """
    integers = carray(integers_at, INTEGER_COUNT)
    d = integers[DIM]
    numbers, x = carray(numbers_at, d * (d + 1)), carray(x_at, (d, n))
    matrix, shift = numbers[: d * d].reshape(d, d), numbers[d * d :]
    stages, steps, dt, reach, weights = _method(counts_at, tableau_at)
    values, p = carray(values_at, (steps, stages, d, n)), carray(p_at, (d, n))
    slopes = carray(slopes_at, d * (d + 1))
    dmatrix, dshift = slopes[: d * d].reshape(d, d), slopes[d * d :]
    starts = np.empty((steps, d, CHUNK))
    point, q = np.empty((d, CHUNK)), np.empty((d, CHUNK))
    carried, total = np.empty((d, CHUNK)), np.empty((d, CHUNK))
    work = np.empty(WORK)
    for begin in range(0, n, CHUNK):
        m = min(CHUNK, n - begin)
        for c in range(d):
            start = starts[0, c][:m]
            given = x[c][begin : begin + m]
            for j in range(m):
                start[j] = given[j]
            for step in range(1, steps):
                before = starts[step - 1, c][:m]
                start = starts[step, c][:m]
                for j in range(m):
                    start[j] = before[j]
                for i in range(stages):
                    value = values[step - 1, i, c][begin : begin + m]
                    for j in range(m):
                        start[j] += dt * weights[i] * value[j]
        for step in range(steps - 1, -1, -1):
            for c in range(d):
                end = p[c][begin : begin + m]
                add = total[c][:m]
                for j in range(m):
                    add[j] = end[j]
            for i in range(stages - 1, -1, -1):
                for c in range(d):
                    at = point[c][:m]
                    start = starts[step, c][:m]
                    if reach[i] == 0.0:
                        for j in range(m):
                            at[j] = start[j]
                    else:
                        before = values[step, i - 1, c][begin : begin + m]
                        length = dt * reach[i]
                        for j in range(m):
                            at[j] = start[j] + length * before[j]
                for c in range(d):
                    slope = q[c][:m]
                    value = values[step, i, c][begin : begin + m]
                    if integers[ARGUMENT]:
                        _argument(matrix, shift, c, point, slope)
                    call(integers[SLOPE], (m, slope, value, work))
                    end = p[c][begin : begin + m]
                    factor = dt * weights[i]
                    if i + 1 < stages:
                        sent = dt * reach[i + 1]
                        back = carried[c][:m]
                        for j in range(m):
                            slope[j] *= factor * end[j] + sent * back[j]
                    else:
                        for j in range(m):
                            slope[j] *= factor * end[j]
                    summed = 0.0
                    for j in range(m):
                        summed += slope[j]
                    dshift[c] += summed
                    for e in range(d):
                        at = point[e][:m]
                        summed = 0.0
                        for j in range(m):
                            summed += slope[j] * at[j]
                        dmatrix[c, e] += summed
                for e in range(d):
                    back = carried[e][:m]
                    for j in range(m):
                        back[j] = 0.0
                    for c in range(d):
                        entry = matrix[c, e]
                        slope = q[c][:m]
                        for j in range(m):
                            back[j] += entry * slope[j]
                    add = total[e][:m]
                    for j in range(m):
                        add[j] += back[j]
            for c in range(d):
                end = p[c][begin : begin + m]
                add = total[c][:m]
                for j in range(m):
                    end[j] = add[j]
    return 0
