"""The basis of one axis of tensor-product interpolation: not-a-knot splines, or local Lagrange polynomials.

On nodes 0..n-1 (index coordinates) the interpolant is `(I psi)(s) = sum_j c_j B_j(s)` with `A c = psi`, `A_ij = B_j(i)`. For
splines `B_j` are the B-splines of degree p on the not-a-knot knots and A is banded; for local Lagrange interpolation A is the
identity. In both cases p + 1 basis functions are non-zero on an interval, and each is a polynomial there. The first of
them has the index `clip(floor(s) - (p - 1)/2, 0, n - p - 1)`.

On the outermost (p - 1)/2 intervals I is linear between the nodes. One-sided pieces of degree 5 and 7 there amplify:
with an outward velocity the step `psi -> (I psi)(x + v dt)`, clamped to the nodes, has a spectral radius up to 1.55 and
3.53 for splines (40 nodes, Courant numbers to 8); with linear ends it is 1 and the powers stay bounded. Both are measured
by `docs/boundary_stability.py`. Accuracy is lost only near the boundary, where there should be no mass.

Reference: C. de Boor, A Practical Guide to Splines, Springer 2001, chapters IX and XIII. The collocation matrix is
totally positive, so Gaussian elimination without pivoting is stable: C. de Boor and A. Pinkus, Backward error
analysis for totally positive linear systems, Numer. Math. 27 (1977), 485-490, doi:10.1007/BF01399609.
"""

from __future__ import annotations

from functools import lru_cache
from math import factorial
from typing import NamedTuple

import numpy as np


class Axis(NamedTuple):
    """The basis of one axis.

    `pieces[kind[i], power, j]` are the polynomial coefficients, about `start + p/2`, of basis function `start + j` on
    interval i. `lower`, `upper`, `first`, `last` are the factors of A (empty for A = 1).
    """

    pieces: np.ndarray
    kind: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @property
    def cardinal(self) -> bool:
        """Whether the coefficients are the nodal values, so that no linear system has to be solved."""
        return self.lower.size == 0


def _starts(count: int, degree: int) -> np.ndarray:
    """`(count - 1,)`: the first basis function that is not zero on each interval between nodes."""
    return np.clip(np.arange(count - 1) - (degree - 1) // 2, 0, count - degree - 1)


def _lagrange_pieces(count: int, degree: int) -> np.ndarray:
    """Polynomial pieces of local Lagrange interpolation on every interval; all intervals have the same ones."""
    nodes = np.arange(degree + 1) - degree / 2
    return np.repeat(np.linalg.inv(np.vander(nodes, increasing=True))[None], count - 1, axis=0)


def _spline_pieces(count: int, degree: int) -> np.ndarray:
    """Polynomial pieces of the not-a-knot B-splines on every interval."""
    from scipy.interpolate import BSpline  # this import takes as long as that of the whole package

    half = (degree + 1) // 2
    knots = np.concatenate([np.zeros(degree + 1), np.arange(half, count - half), np.full(degree + 1, count - 1.0)])
    basis = BSpline(knots, np.eye(count), degree)
    starts = _starts(count, degree)
    centres = starts + degree / 2
    derivatives = np.stack([basis(centres, nu=k) / factorial(k) for k in range(degree + 1)], axis=1)
    columns = starts[:, None, None] + np.arange(degree + 1)
    return np.take_along_axis(derivatives, columns, axis=2)


def _values(pieces: np.ndarray, start: int, s: float) -> np.ndarray:
    """The values of the p + 1 basis functions of an interval at index coordinate s, from their polynomials `pieces`."""
    degree = len(pieces) - 1
    return (s - start - degree / 2) ** np.arange(degree + 1) @ pieces


def _linear_piece(pieces: np.ndarray, start: int, interval: int) -> np.ndarray:
    """The polynomials that interpolate linearly between the two ends of an interval."""
    degree = len(pieces) - 1
    left, right = _values(pieces, start, interval), _values(pieces, start, interval + 1)
    out = np.zeros_like(pieces)
    out[1] = right - left
    out[0] = left - (interval - start - degree / 2) * out[1]
    return out


def _factorise(matrix_rows: np.ndarray, starts: np.ndarray, degree: int) -> tuple[np.ndarray, ...]:
    """Band LU factors, without pivoting, of the collocation matrix with these rows; zeros outside the profile are dropped."""
    n = len(starts)
    band = np.zeros((n, 2 * degree + 1))  # band[i, degree + j - i] = A[i, j]
    for i in range(n):
        offset = degree + starts[i] - i
        band[i, offset : offset + degree + 1] = matrix_rows[i]
    band[np.abs(band) < 1e-14] = 0.0
    for i in range(n):
        for k in range(max(0, i - degree), i):
            factor = band[i, degree + k - i] / band[k, degree]
            band[i, degree + k - i] = factor
            if factor != 0.0:
                width = min(degree, n - 1 - k)
                band[i, degree + k - i + 1 : degree + k - i + 1 + width] -= (
                    factor * band[k, degree + 1 : degree + 1 + width]
                )
    nonzero = band != 0.0
    first = np.arange(n) - degree + nonzero.argmax(axis=1)
    last = np.arange(n) + degree - nonzero[:, ::-1].argmax(axis=1)
    rows = np.arange(n)
    lower = np.zeros((n, max(int((rows - first).max()), 1)))
    upper = np.zeros((n, int((last - rows).max()) + 1))
    for i in range(n):
        lower[i, : i - first[i]] = band[i, degree + first[i] - i : degree]
        upper[i, : last[i] - i + 1] = band[i, degree : degree + last[i] - i + 1]
    upper[:, 0] = 1.0 / upper[:, 0]
    return lower, upper, first, last


@lru_cache(maxsize=64)
def axis_basis(count: int, degree: int, interpolation: str) -> Axis:
    """The basis of one axis of `count` nodes; degree 0 stands for an axis beyond the dimension."""
    cardinal = np.empty((0, 0)), np.empty((0, 0)), np.empty(0, np.int64), np.empty(0, np.int64)
    if degree == 0:
        return Axis(np.ones((1, 1, 1)), np.zeros(1, dtype=np.int64), *cardinal)
    # The boundary changes fewer than `ends` intervals on each side; all intervals between share one set of pieces.
    ends = 2 * degree
    short = min(count, 2 * ends + 3)
    splines = interpolation == "spline" and degree > 1
    pieces, starts = (_spline_pieces if splines else _lagrange_pieces)(short, degree), _starts(short, degree)
    interval = np.arange(count - 1)
    kind = np.where(interval < ends, interval, np.maximum(ends, interval - (count - short)))
    factors: tuple[np.ndarray, ...] = cardinal
    if splines:
        first = _starts(count, degree)
        within = np.minimum(
            np.arange(count), count - 2
        )  # node i is the left end of interval i; the last is a right end
        rows = np.stack([_values(pieces[kind[c]], first[c], i) for i, c in enumerate(within)])
        factors = _factorise(rows, first[within], degree)
    zone = (degree - 1) // 2
    for c in [*range(zone), *range(short - 1 - zone, short - 1)]:
        pieces[c] = _linear_piece(pieces[c], starts[c], c)
    return Axis(pieces, kind.astype(np.int64), *factors)
