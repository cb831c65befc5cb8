"""Taylor polynomials of NumPy functions at many points, and their algebra."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from .._validate import mismatch
from ..derivatives.complex_step import complex_value
from ..errors import NotAnalyticError

#: radius of the first circles around a point, on which a function is evaluated
RADIUS = 0.5
#: the radius is halved, or doubled, at most so many times: it stays between 1e-15 and 1e14
HALVINGS = 48
#: a change of `visible` below GAIN counts as no change; a radius is doubled, or halved, at most STRIDE times at once
GAIN, STRIDE = 1e-3, 8.0
#: points per circle, by dimension
CIRCLE = {1: 64, 2: 32, 3: 16}
#: an analytic function has no negative frequencies: the largest such coefficient that is accepted, relative to those that vary
UNRESOLVED = 1e-9
#: round-off of a Fourier coefficient, relative to the largest
ROUND_OFF = 4.0 * np.finfo(float).eps
#: on circles smaller than the first, a part that varies by less than this share of the constant is hidden by round-off
HIDDEN = 1e2 * ROUND_OFF
#: a term is seen well if it is larger than this share of the largest term on the circle
SEEN = 1e-4
#: largest number of evaluations that are held in memory at once
BLOCK = 2**19


class Jets(NamedTuple):
    """Taylor coefficients `(..., n, K, .., K)` at n points, with d axes of size K = order + 1, and bounds of their errors."""

    coefficients: np.ndarray
    errors: np.ndarray

    @property
    def error(self) -> float:
        """The largest of the errors."""
        return float(self.errors.max())


class _Circles(NamedTuple):
    """The Taylor coefficients that are seen on circles around n points, and how well they are seen.

    Attributes
    ----------
    coefficients, errors : `(n, d, K, .., K)` Taylor coefficients, and bounds of their errors.
    good : `(n,)`, whether the points of the circle resolve the function.
    settled : `(n,)`, whether no other radius is needed: the terms of all orders are seen well, or the function is constant.
    visible : `(n,)`, the sum over the orders of the logarithms of each order's share on the circle. It is largest if the
        radius is the length over which the function varies.
    """

    coefficients: np.ndarray
    errors: np.ndarray
    good: np.ndarray
    settled: np.ndarray
    visible: np.ndarray

    def put(self, rows: np.ndarray, other: _Circles, chosen: np.ndarray) -> None:
        """Overwrite the points `rows` by the `chosen` points of `other`."""
        for mine, theirs in zip(self, other, strict=True):
            mine[rows] = theirs[chosen]


def jets(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, order: int, name: str) -> Jets:
    """Taylor coefficients `(d, n, K, .., K)` of a vector field `(n, d) -> (n, d)` at points `(n, d)`, up to an order.

    This is the complex step for all orders at once. The Fourier coefficients of the function on circles around the point, one
    circle per coordinate, are its Taylor coefficients times powers of the radius. Every point gets its own radius: the one for
    which the terms of all orders are as equal in size as they can be. Round-off then hides none of them, and the result does
    not depend on the unit of length.

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
            name,
            f"a field of dimension {d}",
            "dimension 1, 2 or 3: for higher dimensions, pass the fields as SymPy expressions",
        )
    if order >= CIRCLE[d] // 2:
        raise mismatch(
            "depth",
            f"derivatives of order {order}",
            f"derivatives of order at most {CIRCLE[d] // 2 - 1} in dimension {d}: use a smaller depth",
        )
    rows = max(1, BLOCK // CIRCLE[d] ** d)
    blocks = [_block(function, x[start : start + rows], order, name) for start in range(0, n, rows)]
    return Jets(*(np.concatenate(parts, axis=1) for parts in zip(*blocks, strict=True)))


def _block(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, order: int, name: str) -> Jets:
    radius = np.full(len(x), RADIUS)
    found = _circles(function, x, radius, order, name)
    for _ in range(HALVINGS):
        bad = np.flatnonzero(~found.good)
        if not len(bad):
            break
        radius[bad] /= 2.0
        found.put(bad, _circles(function, x[bad], radius[bad], order, name), np.ones(len(bad), dtype=bool))
    if not found.good.all():
        raise NotAnalyticError(
            f"{name} is not analytic near the point {x[int(found.good.argmin())].tolist()}, and has no Lie "
            "brackets there. Write it with analytic NumPy functions (no abs, conjugate, real part, sign or "
            "comparison of its arguments), and compute in double precision: single precision is not accurate "
            "enough for this test"
        )
    for factor in (2.0, 0.5):
        base, active, stride = radius.copy(), np.flatnonzero(~found.settled), np.ones(len(x))
        while len(active):
            tried = base[active] * factor ** stride[active]
            within = np.abs(np.log2(tried / RADIUS)) <= HALVINGS
            other = _circles(function, x[active], tried, order, name)
            gain = other.visible - found.visible[active]
            better = within & other.good & (gain > GAIN)
            # Terms below round-off do not grow visibly at first: the search goes on as long as nothing is lost.
            onward = within & other.good & (gain >= -GAIN)
            found.put(active[better], other, better)
            base[active] = np.where(onward, tried, base[active])
            # Strides grow while they succeed; where a long stride went too far, single steps follow.
            single = stride[active] == 1.0
            stride[active] = np.where(onward, np.minimum(2.0 * stride[active], STRIDE), 1.0)
            active = active[onward | ~single]
    return Jets(*(np.moveaxis(part, 1, 0) for part in found[:2]))


def _circles(
    function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, radius: np.ndarray, order: int, name: str
) -> _Circles:
    n, d = x.shape
    size = CIRCLE[d]
    circle = np.exp(2j * np.pi * np.arange(size) / size)
    offsets = np.stack(np.meshgrid(*([circle] * d), indexing="ij"), axis=-1).reshape(-1, d)
    points = (x[:, None, :] + radius[:, None, None] * offsets).reshape(-1, d)
    with np.errstate(all="ignore"):
        value = complex_value(function, points, name)
        if value.shape != points.shape:
            raise mismatch(
                name, f"a value of shape {value.shape} at points {points.shape}", f"the shape {points.shape}"
            )
        finite = np.isfinite(value).reshape(n, -1).all(axis=1)
        values = np.where(finite[:, None, None], value.reshape(n, -1, d), 0.0)
        spectrum = np.fft.fftn(np.swapaxes(values, 1, 2).reshape(n, d, *([size] * d)), axes=range(2, 2 + d)) / size**d
    # The last quarter of the frequencies holds negative ones, which an analytic function does not have, and the highest orders.
    outside = np.ones([size] * d, dtype=bool)
    outside[np.ix_(*([np.arange(3 * size // 4)] * d))] = False
    kept = spectrum[(slice(None), slice(None), *([slice(order + 1)] * d))]
    # A function that is real at real points has real coefficients: an imaginary part shows that it is not analytic.
    rough = np.maximum(
        np.abs(spectrum[..., outside]).max(axis=2), np.abs(kept.imag).reshape(n, d, -1).max(axis=2)
    )  # one per component
    largest = np.abs(spectrum).reshape(n, d, -1).max(axis=2)
    noise = np.maximum(rough, ROUND_OFF * largest)
    powers = sum(np.meshgrid(*([np.arange(order + 1)] * d), indexing="ij"))
    lengths = radius.reshape(n, *([1] * (d + 1))) ** powers
    # On a circle that is too small, the constant hides the rest, and with it a kink: such a circle decides nothing.
    varying = np.abs(spectrum).reshape(n, d, -1)[:, :, 1:].max(axis=(1, 2))
    # Values that are exactly zero hide nothing, such as those of a bump far away.
    decides = (varying > HIDDEN * largest.max(axis=1)) | (values == 0).all(axis=(1, 2))
    unresolved = rough.max(axis=1) > np.maximum(UNRESOLVED * varying, ROUND_OFF * largest.max(axis=1))
    good = finite & ~unresolved & (decides | (radius >= RADIUS))
    shares = np.stack([np.maximum(np.abs(kept[..., powers == k]).max(axis=2), noise) for k in range(order + 1)])
    with np.errstate(all="ignore"):
        shares = np.where(largest > 0, shares / largest, 1.0)
    constant = (values == values[:, :1]).all(axis=1)
    settled = good & (constant | (shares > SEEN).all(axis=0)).all(axis=1)
    visible = np.where(good, np.log(shares).sum(axis=(0, 2)), -np.inf)
    errors = noise.reshape(n, d, *([1] * d)) / lengths
    return _Circles(kept.real / lengths, errors, good, settled, visible)


def derivative(coefficients: np.ndarray, axis: int, dim: int) -> np.ndarray:
    """Taylor coefficients of the derivative along a coordinate; the coefficients of highest order become zero."""
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


def bracket(f: Jets, g: Jets) -> Jets:
    """`[F, G] = DG F - DF G`, all `(d, n, K, .., K)`; one order is lost.

    The bounds of the errors add up, and the round-off of every product is added.
    """
    out, errors = np.zeros_like(f.coefficients), np.zeros_like(f.coefficients)
    d = len(out)
    for sign, a, b in ((1.0, g, f), (-1.0, f, g)):
        for i in range(d):
            for k in range(d):
                slope, off = (derivative(part[i], k, d) for part in (a.coefficients, a.errors))
                out[i] += sign * multiply(slope, b.coefficients[k], d)
                slope, along = np.abs(slope), np.abs(b.coefficients[k])
                errors[i] += multiply(slope, b.errors[k] + ROUND_OFF * along, d)
                errors[i] += multiply(off, along + b.errors[k], d)
    return Jets(out, errors)
