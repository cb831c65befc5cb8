"""Taylor polynomials of NumPy functions at many points, and their algebra."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from .._validate import mismatch
from ..errors import NotAnalyticError
from ..fields.derivatives import complex_value

#: radii of the circles around a point on which functions are evaluated, largest first
RADII = (0.5, 0.25, 0.125, 0.0625)
#: points a circle, by dimension
CIRCLE = {1: 64, 2: 32, 3: 16}
#: size of the Fourier coefficients that an analytic function must not have, relative to the largest
UNRESOLVED = 1e-9
#: size at which they are round-off
ROUND_OFF = 1e-15
#: evaluations that are held in memory at once
BLOCK = 2**19


class Jets(NamedTuple):
    """Taylor coefficients `(..., n, K, .., K)`, d axes of size K = order + 1, at n points; and their relative error."""

    coefficients: np.ndarray
    error: float


def jets(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, order: int, name: str) -> Jets:
    """Taylor coefficients `(d, n, K, .., K)` of a vector field `(n, d) -> (n, d)` at points `(n, d)`, up to an order.

    The complex step for all orders at once: Fourier coefficients of the function on circles around the point, one circle
    a coordinate, are its Taylor coefficients. The radius is the largest for which those are resolved.

    Raises
    ------
    NotAnalyticError
        If the function is not analytic near a point.

    References
    ----------
    B. Fornberg, Numerical differentiation of analytic functions, ACM Trans. Math. Software 7 (1981), 512-526,
    doi:10.1145/355972.355979.
    """
    n, d = x.shape
    if d not in CIRCLE:
        raise mismatch(
            name, f"a field of dimension {d}", "dimension 1, 2 or 3 (fields of SymPy expressions have no limit)"
        )
    if order >= CIRCLE[d] // 2:
        raise mismatch("depth", f"derivatives of order {order}", f"at most {CIRCLE[d] // 2 - 1} in dimension {d}")
    rows = max(1, BLOCK // CIRCLE[d] ** d)
    blocks = [_block(function, x[start : start + rows], order, name) for start in range(0, n, rows)]
    return Jets(np.concatenate([b.coefficients for b in blocks], axis=1), max(b.error for b in blocks))


def _block(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, order: int, name: str) -> Jets:
    n, d = x.shape
    size = CIRCLE[d]
    circle = np.exp(2j * np.pi * np.arange(size) / size)
    offsets = np.stack(np.meshgrid(*([circle] * d), indexing="ij"), axis=-1).reshape(-1, d)
    # The last quarter of the frequencies: negative ones, which no analytic function has, and the highest orders.
    outside = np.ones([size] * d, dtype=bool)
    outside[np.ix_(*([np.arange(3 * size // 4)] * d))] = False
    powers = sum(np.meshgrid(*([np.arange(order + 1)] * d), indexing="ij"))
    rough = np.full(n, np.inf)
    best: Jets | None = None
    for radius in RADII:
        points = (x[:, None, :] + radius * offsets).reshape(-1, d)
        with np.errstate(all="ignore"):
            value = complex_value(function, points, name)
        if value.shape != points.shape:
            raise mismatch(
                name, f"a value of shape {value.shape} at points {points.shape}", f"the shape {points.shape}"
            )
        if not np.isfinite(value).all():
            continue
        spectrum = np.fft.fftn(value.T.reshape(d, n, *([size] * d)), axes=range(2, 2 + d)) / size**d
        kept = spectrum[(slice(None), slice(None), *([slice(order + 1)] * d))]
        scale = max(float(np.abs(spectrum).max()), np.finfo(float).tiny)
        # Of a function that is real at real points the coefficients are real.
        rough = np.maximum(
            np.abs(spectrum[..., outside]).max(axis=(0, 2)), np.abs(kept.imag).reshape(d, n, -1).max(axis=(0, 2))
        )
        unresolved = float(rough.max()) / scale
        error = max(unresolved, np.finfo(float).eps) / radius**order
        if unresolved <= UNRESOLVED and (best is None or error < best.error):
            best = Jets(kept.real / radius**powers, error)
        if unresolved <= ROUND_OFF:
            break
    if best is None:
        raise NotAnalyticError(
            f"{name} is not analytic near the point {x[rough.argmax()].tolist()}, and has no Lie brackets there. Write it "
            "with analytic NumPy functions (no abs, conjugate, real part, sign or comparison of its arguments)"
        )
    return best


def derivative(coefficients: np.ndarray, axis: int, dim: int) -> np.ndarray:
    """Taylor coefficients of the derivative along a coordinate; those of highest order become zero."""
    moved = np.moveaxis(coefficients, coefficients.ndim - dim + axis, -1)
    out = np.zeros_like(moved)
    out[..., :-1] = moved[..., 1:] * np.arange(1, moved.shape[-1])
    return np.moveaxis(out, -1, coefficients.ndim - dim + axis)


def multiply(a: np.ndarray, b: np.ndarray, dim: int) -> np.ndarray:
    """Taylor coefficients of a product, cut off at the order of the factors."""
    size = a.shape[-1]
    out = np.zeros(np.broadcast_shapes(a.shape, b.shape))
    for index in product(range(size), repeat=dim):
        if sum(index) >= size:
            continue
        low: Any = (..., *(slice(0, size - i) for i in index))
        high: Any = (..., *(slice(i, size) for i in index))
        here: Any = (..., *(slice(i, i + 1) for i in index))
        out[high] += a[here] * b[low]
    return out


def bracket(f: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Taylor coefficients of `[F, G] = DG F - DF G`, all `(d, n, K, .., K)`; one order is lost."""
    d = len(f)
    out = np.zeros_like(f)
    for k in range(d):
        for i in range(d):
            out[i] += multiply(derivative(g[i], k, d), f[k], d) - multiply(derivative(f[i], k, d), g[k], d)
    return out
