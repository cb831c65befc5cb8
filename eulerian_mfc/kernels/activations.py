"""Compiled activations, each two functions behind pointers, so that the layer maps are compiled once for all of them.

`value(n, z, work)` overwrites n numbers z by sigma(z). `slope(n, z, value, work)` overwrites z by sigma'(z), where `value` is
sigma(z); z holds the arguments only where `ActivationKernel.argument` says so. `work` has `WORK` numbers that both may use. An
activation of your own is the same: two functions with the decorators `value_kernel` and `slope_kernel`.
"""

import math
from typing import NamedTuple

from numba import carray

from .compiling import njit
from .fastmath import FAST
from .pointers import COUNT, DOUBLES, Pointed, pointed
from .tanh import tanh_chunk

#: points whose stages stay in the first-level cache, and the numbers of the work array
CHUNK = 256
WORK = 3 * CHUNK

value_kernel = pointed(COUNT, DOUBLES, DOUBLES, fastmath=FAST, error_model="numpy")
slope_kernel = pointed(COUNT, DOUBLES, DOUBLES, DOUBLES, fastmath=FAST, error_model="numpy")


class ActivationKernel(NamedTuple):
    """An activation in compiled code.

    Attributes
    ----------
    value, slope : see the module.
    argument : whether `slope` reads its argument: it is computed anew then.
    """

    value: Pointed
    slope: Pointed
    argument: bool = False


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _sigmoid(z, copy, scale, remainder):
    """Overwrite z by `1 / (1 + exp(-z)) = (1 + tanh(z / 2)) / 2`; z itself goes to `copy`."""
    for j in range(z.size):
        copy[j] = z[j]
        z[j] *= 0.5
    tanh_chunk(z, scale, remainder)
    for j in range(z.size):
        z[j] = 0.5 + 0.5 * z[j]


@value_kernel
def _tanh_value(n, z_at, work_at):
    work = carray(work_at, WORK)
    tanh_chunk(carray(z_at, n), work[:CHUNK], work[CHUNK : 2 * CHUNK])
    return 0


@slope_kernel
def _tanh_slope(n, z_at, value_at, work_at):
    z, value = carray(z_at, n), carray(value_at, n)
    for j in range(n):
        z[j] = 1.0 - value[j] * value[j]
    return 0


@value_kernel
def _sigmoid_value(n, z_at, work_at):
    work = carray(work_at, WORK)
    _sigmoid(carray(z_at, n), work[2 * CHUNK :], work[:CHUNK], work[CHUNK : 2 * CHUNK])
    return 0


@slope_kernel
def _sigmoid_slope(n, z_at, value_at, work_at):
    z, value = carray(z_at, n), carray(value_at, n)
    for j in range(n):
        z[j] = value[j] * (1.0 - value[j])
    return 0


@value_kernel
def _relu_value(n, z_at, work_at):
    z = carray(z_at, n)
    for j in range(n):
        z[j] = 0.0 if z[j] < 0.0 else z[j]
    return 0


@slope_kernel
def _relu_slope(n, z_at, value_at, work_at):
    z, value = carray(z_at, n), carray(value_at, n)
    for j in range(n):
        z[j] = 1.0 if value[j] > 0.0 else 0.0
    return 0


@value_kernel
def _softplus_value(n, z_at, work_at):
    z = carray(z_at, n)
    for j in range(n):
        z[j] = (0.0 if z[j] < 0.0 else z[j]) + math.log1p(math.exp(-abs(z[j])))
    return 0


@slope_kernel
def _softplus_slope(n, z_at, value_at, work_at):
    z, value = carray(z_at, n), carray(value_at, n)
    for j in range(n):
        z[j] = -math.expm1(-value[j])
    return 0


@value_kernel
def _swish_value(n, z_at, work_at):
    z, work = carray(z_at, n), carray(work_at, WORK)
    copy = work[2 * CHUNK :]
    _sigmoid(z, copy, work[:CHUNK], work[CHUNK : 2 * CHUNK])
    for j in range(n):
        z[j] *= copy[j]
    return 0


@slope_kernel
def _swish_slope(n, z_at, value_at, work_at):
    z, value, work = carray(z_at, n), carray(value_at, n), carray(work_at, WORK)
    _sigmoid(z, work[2 * CHUNK :], work[:CHUNK], work[CHUNK : 2 * CHUNK])
    for j in range(n):
        z[j] = z[j] + value[j] * (1.0 - z[j])
    return 0


@value_kernel
def _sin_value(n, z_at, work_at):
    z = carray(z_at, n)
    for j in range(n):
        z[j] = math.sin(z[j])
    return 0


@slope_kernel
def _sin_slope(n, z_at, value_at, work_at):
    z = carray(z_at, n)
    for j in range(n):
        z[j] = math.cos(z[j])
    return 0


TANH = ActivationKernel(_tanh_value, _tanh_slope)
SIGMOID = ActivationKernel(_sigmoid_value, _sigmoid_slope)
RELU = ActivationKernel(_relu_value, _relu_slope)
SOFTPLUS = ActivationKernel(_softplus_value, _softplus_slope)
SWISH = ActivationKernel(_swish_value, _swish_slope, argument=True)
SIN = ActivationKernel(_sin_value, _sin_slope, argument=True)
