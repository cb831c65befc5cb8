"""Compiled layer maps of `sigma(W x + b)` and their pull-backs: all stages of a few points at a time, in the first-level cache.

Points are `(d, n)` contiguous rows; a Runge-Kutta method is its `reach` and `weights`, as in `characteristics.Tableau`, each of
`stages` numbers, in `steps` equal steps of length dt. `trace` and `pull` take pointers (see `_pointers`).
"""

import math

import numpy as np
from numba import carray

from .compiling import njit
from .fastmath import FAST
from .pointers import COUNT, DOUBLES, NUMBER, pointed
from .tanh import tanh_chunk

TANH, SIGMOID, RELU, SOFTPLUS, SWISH, SIN = range(6)
CODES = {"tanh": TANH, "sigmoid": SIGMOID, "relu": RELU, "softplus": SOFTPLUS, "swish": SWISH, "sin": SIN}
CHUNK = 256
FIELD = COUNT, COUNT, DOUBLES, DOUBLES
METHOD = COUNT, DOUBLES, DOUBLES, NUMBER, COUNT


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _value(code, z, scale, remainder, copy):
    """Overwrite z by sigma(z)."""
    if code in (SIGMOID, SWISH):  # 1 / (1 + exp(-z)) = (1 + tanh(z / 2)) / 2
        for j in range(z.size):
            copy[j] = z[j]
            z[j] *= 0.5
    if code in (TANH, SIGMOID, SWISH):
        tanh_chunk(z, scale, remainder)
    if code in (SIGMOID, SWISH):
        for j in range(z.size):
            z[j] = (0.5 + 0.5 * z[j]) * (copy[j] if code == SWISH else 1.0)
    elif code == RELU:
        for j in range(z.size):
            z[j] = 0.0 if z[j] < 0.0 else z[j]
    elif code == SOFTPLUS:
        for j in range(z.size):
            z[j] = (0.0 if z[j] < 0.0 else z[j]) + math.log1p(math.exp(-abs(z[j])))
    elif code == SIN:
        for j in range(z.size):
            z[j] = math.sin(z[j])


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _slope(code, z, value, scale, remainder, copy):
    """Overwrite z by sigma'(z), where sigma(z) is `value`; only swish and sin read z."""
    if code == TANH:
        for j in range(z.size):
            z[j] = 1.0 - value[j] * value[j]
    elif code == SIGMOID:
        for j in range(z.size):
            z[j] = value[j] * (1.0 - value[j])
    elif code == RELU:
        for j in range(z.size):
            z[j] = 1.0 if value[j] > 0.0 else 0.0
    elif code == SOFTPLUS:
        for j in range(z.size):
            z[j] = -math.expm1(-value[j])
    elif code == SWISH:
        _value(np.int64(SIGMOID), z, scale, remainder, copy)
        for j in range(z.size):
            z[j] = z[j] + value[j] * (1.0 - z[j])
    else:
        for j in range(z.size):
            z[j] = math.cos(z[j])


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


@pointed(*FIELD, *METHOD, COUNT, DOUBLES, COUNT, DOUBLES, fastmath=FAST, error_model="numpy")
def trace(code, d, matrix_at, shift_at, stages, reach_at, weights_at, dt, steps, n, x_at, keep, values_at):
    """Overwrite the points x `(d, n)` by their images; to `keep`, write the field's values `(steps, stages, d, n)` for `pull`."""
    matrix, shift, x = carray(matrix_at, (d, d)), carray(shift_at, d), carray(x_at, (d, n))
    reach, weights = carray(reach_at, stages), carray(weights_at, stages)
    values = carray(values_at, (steps, stages, d, n))
    point, k, total = np.empty((d, CHUNK)), np.empty((d, CHUNK)), np.empty((d, CHUNK))
    scale, remainder, copy = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
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
                    _value(code, z, scale, remainder, copy)
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


@pointed(*FIELD, *METHOD, COUNT, *[DOUBLES] * 5, fastmath=FAST, error_model="numpy")
def pull(
    code,
    d,
    matrix_at,
    shift_at,
    stages,
    reach_at,
    weights_at,
    dt,
    steps,
    n,
    x_at,
    values_at,
    p_at,
    dmatrix_at,
    dshift_at,
):
    """The transpose of `trace`'s derivative: overwrite covectors p `(d, n)` at the end by those at the start.

    x are the points at the start, `values` what `trace` kept. Adds `sum_j (dPhi/dW)^T p_j` to `dmatrix` and the like to `dshift`.
    """
    matrix, shift, x = carray(matrix_at, (d, d)), carray(shift_at, d), carray(x_at, (d, n))
    reach, weights = carray(reach_at, stages), carray(weights_at, stages)
    values, p = carray(values_at, (steps, stages, d, n)), carray(p_at, (d, n))
    dmatrix, dshift = carray(dmatrix_at, (d, d)), carray(dshift_at, d)
    starts = np.empty((steps, d, CHUNK))
    point, q = np.empty((d, CHUNK)), np.empty((d, CHUNK))
    carried, total = np.empty((d, CHUNK)), np.empty((d, CHUNK))
    scale, remainder, copy = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
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
                    if code >= SWISH:
                        _argument(matrix, shift, c, point, slope)
                    _slope(code, slope, value, scale, remainder, copy)
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
