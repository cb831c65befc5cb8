"""Compiled layer maps of `sigma(W x + b)` and their pull-backs: all stages of a few points at a time, in the first-level cache.

Points are `(d, n)` contiguous rows; a Runge-Kutta method is its numbers of stages and of equal steps, and the length dt of a step
with its `matrix` and `weights`, as in `flow.Tableau`. `trace` and `pull` take pointers (see `pointers`).

What the field is comes as integers and numbers: the addresses of the activation's value and slope and whether the slope reads its
argument (see `activations`), and d; then W `(d, d)` and b `(d,)`. See `integers_of`. If theta varies in time, there are such
numbers for every stage of every step, one set after the other, and the method's stride is the length of a set; otherwise it is 0.
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
    """The numbers of stages and of steps, the stride of theta, the length of a step, matrix `(stages, stages)` and weights."""
    counts = carray(counts_at, 3)
    stages = counts[0]
    tableau = carray(tableau_at, 1 + stages * (stages + 1))
    matrix = tableau[1 : 1 + stages * stages].reshape(stages, stages)
    return stages, counts[1], counts[2], tableau[0], matrix, tableau[1 + stages * stages :]


@njit(nogil=True)
def _sets(steps, stages, stride):
    """How many sets of the field's numbers there are."""
    return steps * stages if stride else 1


@njit(nogil=True)
def _parameters(numbers, at, d):
    """W `(d, d)` and b `(d,)` of the set of numbers that begins at `at`."""
    return numbers[at : at + d * d].reshape(d, d), numbers[at + d * d : at + d * (d + 1)]


@njit(nogil=True)
def _alone(coefficients, i):
    """Whether no stage after the next one uses stage i."""
    alone = True
    for later in range(i + 2, len(coefficients)):
        alone &= coefficients[later, i] == 0.0
    return alone


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _stage_point(dt, row, starts, values, m, begin, point):
    """Write `x + dt sum_j a_ij k_j` into `point` `(d, c)`; `row` is row i of the matrix, up to the stage itself.

    `starts` `(d, c)` are the points x, `values` `(stages, d, ...)` the k_j, whose columns of this chunk start at `begin`.
    """
    first = 0
    while first < row.size and row[first] == 0.0:
        first += 1
    for c in range(len(point)):
        start, at = starts[c], point[c]
        if first == row.size:
            for j in range(m):
                at[j] = start[j]
        else:
            length = dt * row[first]
            before = values[first, c][begin : begin + m]
            for j in range(m):
                at[j] = start[j] + length * before[j]
    for i in range(first + 1, row.size):
        if row[i] != 0.0:
            length = dt * row[i]
            for c in range(len(point)):
                at = point[c]
                before = values[i, c][begin : begin + m]
                for j in range(m):
                    at[j] += length * before[j]


@pointed(*FIELD, *METHOD, COUNT, DOUBLES, COUNT, DOUBLES, fastmath=FAST, error_model="numpy")
def trace(integers_at, numbers_at, counts_at, tableau_at, n, x_at, keep, values_at):
    """Overwrite the points x `(d, n)` by their images; to `keep`, write the field's values `(steps, stages, d, n)` for `pull`."""
    integers = carray(integers_at, INTEGER_COUNT)
    d = integers[DIM]
    stages, steps, stride, dt, coefficients, weights = _method(counts_at, tableau_at)
    numbers, x = carray(numbers_at, d * (d + 1) * _sets(steps, stages, stride)), carray(x_at, (d, n))
    values = carray(values_at, (steps, stages, d, n))
    point, k, total = np.empty((d, CHUNK)), np.empty((stages, d, CHUNK)), np.empty((d, CHUNK))
    work = np.empty(WORK)
    for begin in range(0, n, CHUNK):
        m = min(CHUNK, n - begin)
        for step in range(steps):
            for i in range(stages):
                _stage_point(dt, coefficients[i, :i], x[:, begin : begin + m], k, m, 0, point)
                matrix, shift = _parameters(numbers, (step * stages + i) * stride, d)
                for c in range(d):
                    z = k[i, c][:m]
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
    `d^2` of the `d (d + 1)` slopes of a set of numbers, and the like for b to the others.
    """
    integers = carray(integers_at, INTEGER_COUNT)
    d = integers[DIM]
    stages, steps, stride, dt, coefficients, weights = _method(counts_at, tableau_at)
    size = d * (d + 1) * _sets(steps, stages, stride)
    numbers, x, slopes = carray(numbers_at, size), carray(x_at, (d, n)), carray(slopes_at, size)
    values, p = carray(values_at, (steps, stages, d, n)), carray(p_at, (d, n))
    starts = np.empty((steps, d, CHUNK))
    point, q = np.empty((d, CHUNK)), np.empty((d, CHUNK))
    carried, total, seed = np.empty((stages, d, CHUNK)), np.empty((d, CHUNK)), np.empty(CHUNK)
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
                _stage_point(dt, coefficients[i, :i], starts[step], values[step], m, begin, point)
                at_set = (step * stages + i) * stride
                matrix, shift = _parameters(numbers, at_set, d)
                dmatrix, dshift = _parameters(slopes, at_set, d)
                for c in range(d):
                    slope = q[c][:m]
                    value = values[step, i, c][begin : begin + m]
                    if integers[ARGUMENT]:
                        _argument(matrix, shift, c, point, slope)
                    call(integers[SLOPE], (m, slope, value, work))
                    end = p[c][begin : begin + m]
                    factor = dt * weights[i]
                    if i + 1 < stages:
                        sent = dt * coefficients[i + 1, i]
                        back = carried[i + 1, c][:m]
                        if _alone(coefficients, i):
                            for j in range(m):
                                slope[j] *= factor * end[j] + sent * back[j]
                        else:
                            for j in range(m):
                                seed[j] = factor * end[j] + sent * back[j]
                            for later in range(i + 2, stages):
                                sent = dt * coefficients[later, i]
                                back = carried[later, c][:m]
                                for j in range(m):
                                    seed[j] += sent * back[j]
                            for j in range(m):
                                slope[j] *= seed[j]
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
                    back = carried[i, e][:m]
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
