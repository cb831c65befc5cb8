"""Compiled kernels of finite volumes: flat loops over padded arrays, one stride an axis.

Arrays are those of `meshes.padded`: the neighbours of cell e along an axis are e - s and e + s, s the axis's stride, so
that one loop over contiguous memory serves every axis and dimension. What such a loop computes beside the ends of a
line is never used. A face array has at e the face between e and e + s.

Neighbours are taken as shifted views, so that every loop index is a plain non-negative counter: such loops vectorise.
"""

import numpy as np
from numba import njit

from .._weno import FAST, weno5

LIMITERS = ("none", "minmod", "van_leer", "mc", "superbee", "van_albada")


@njit(cache=True, inline="always", fastmath=FAST, error_model="numpy")
def _slope(a, b, limiter):
    """Limited slope from the differences to the left and to the right; selections, no branches."""
    if limiter == 0:
        return 0.5 * (a + b)
    sign = 1.0 if a > 0.0 else -1.0
    x, y = sign * a, sign * b  # y > 0 where the differences have one sign
    if limiter == 1:
        size = min(x, y)
    elif limiter == 2:
        size = 2.0 * x * y / (x + abs(y) + 1e-300)
    elif limiter == 3:
        size = min(2.0 * x, 2.0 * y, 0.5 * (x + y))
    elif limiter == 4:
        size = max(min(2.0 * x, y), min(x, 2.0 * y))
    else:
        size = x * y * (x + y) / (x * x + y * y + 1e-300)
    return sign * max(size, 0.0) if y > 0.0 else 0.0


@njit(cache=True, inline="always", fastmath=FAST, error_model="numpy")
def _muscl_loop(left, mid, right, low, high, limiter):
    for i in range(mid.size):
        half = 0.5 * _slope(mid[i] - left[i], right[i] - mid[i], limiter)
        low[i] = mid[i] - half
        high[i] = mid[i] + half


@njit(cache=True, fastmath=FAST, error_model="numpy")
def muscl_edges(u, s, limiter, low, high):
    """Values of the limited linear reconstruction at both ends of every cell along the axis of stride s."""
    n = u.size - 2 * s
    left, mid, right = u[:n], u[s : s + n], u[2 * s :]
    lo, hi = low[s : s + n], high[s : s + n]
    # One loop a limiter, each with a constant that the compiler folds.
    if limiter == 0:
        _muscl_loop(left, mid, right, lo, hi, 0)
    elif limiter == 1:
        _muscl_loop(left, mid, right, lo, hi, 1)
    elif limiter == 2:
        _muscl_loop(left, mid, right, lo, hi, 2)
    elif limiter == 3:
        _muscl_loop(left, mid, right, lo, hi, 3)
    elif limiter == 4:
        _muscl_loop(left, mid, right, lo, hi, 4)
    else:
        _muscl_loop(left, mid, right, lo, hi, 5)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def weno_edges(u, s, low, high):
    """WENO-Z values at both ends of every cell along the axis of stride s."""
    n = u.size - 4 * s
    a, b, c, d, e = u[:n], u[s : s + n], u[2 * s : 2 * s + n], u[3 * s : 3 * s + n], u[4 * s :]
    lo, hi = low[2 * s : 2 * s + n], high[2 * s : 2 * s + n]
    for i in range(n):
        hi[i] = weno5(a[i], b[i], c[i], d[i], e[i])
    for i in range(n):
        lo[i] = weno5(e[i], d[i], c[i], b[i], a[i])


@njit(cache=True, fastmath=FAST, error_model="numpy")
def upwind_flux(u, s, v, flux):
    """First-order upwind flux at every face."""
    n = u.size - s
    below, above = u[:n], u[s:]
    for i in range(n):
        flux[i] = v[i] * (below[i] if v[i] > 0.0 else above[i])


@njit(cache=True, fastmath=FAST, error_model="numpy")
def edge_flux(low, high, s, v, face, base, share, flux):
    """The edge value on the upwind side of every face, and its product with the velocity less `share * base`."""
    n = low.size - s
    above = low[s:]
    for i in range(n):
        value = high[i] if v[i] > 0.0 else above[i]
        face[i] = value
        flux[i] = v[i] * value - share * base[i]


@njit(cache=True, fastmath=FAST, error_model="numpy")
def add_line_moment(face, s, weights, v, flux):
    """Add the product of transverse Legendre moments of velocity and density, the latter from 5 neighbours along s."""
    n = face.size - 4 * s
    a, b, c = face[:n], face[s : s + n], face[2 * s : 2 * s + n]
    d, e = face[3 * s : 3 * s + n], face[4 * s :]
    speed, out = v[2 * s : 2 * s + n], flux[2 * s : 2 * s + n]
    w0, w1, w2, w3, w4 = weights
    for i in range(n):
        out[i] += speed[i] * (w0 * a[i] + w1 * b[i] + w2 * c[i] + w3 * d[i] + w4 * e[i])


@njit(cache=True, fastmath=FAST, error_model="numpy")
def line_moment(face, s, weights, out):
    """A Legendre moment along s from 5 neighbours, as a face array."""
    n = face.size - 4 * s
    a, b, c = face[:n], face[s : s + n], face[2 * s : 2 * s + n]
    d, e = face[3 * s : 3 * s + n], face[4 * s :]
    inner = out[2 * s : 2 * s + n]
    w0, w1, w2, w3, w4 = weights
    for i in range(n):
        inner[i] = w0 * a[i] + w1 * b[i] + w2 * c[i] + w3 * d[i] + w4 * e[i]


@njit(cache=True, fastmath=FAST, error_model="numpy")
def divergence(flux, s, factor, out):
    """`out -= factor * (flux - flux one face before)`: a forward Euler step along one axis."""
    n = out.size - s
    above, inner = flux[s:], out[s:]
    for i in range(n):
        inner[i] -= factor * (above[i] - flux[i])


@njit(cache=True, fastmath=FAST, error_model="numpy")
def drained(antiflux, s, factor, total):
    """Add to `total` what the antidiffusive fluxes along one axis take out of every cell."""
    n = total.size - s
    above, inner = antiflux[s:], total[s:]
    for i in range(n):
        inner[i] += factor * (max(above[i], 0.0) - min(antiflux[i], 0.0))


@njit(cache=True, fastmath=FAST, error_model="numpy")
def limited_divergence(antiflux, s, factor, share, out):
    """`divergence` of the antidiffusive fluxes, each times the share that its donor cell can give."""
    n = out.size - 2 * s
    below, above = antiflux[:n], antiflux[s : s + n]
    before, here, after = share[:n], share[s : s + n], share[2 * s :]
    inner = out[s : s + n]
    for i in range(n):
        up = above[i] * (here[i] if above[i] > 0.0 else after[i])
        down = below[i] * (before[i] if below[i] > 0.0 else here[i])
        inner[i] -= factor * (up - down)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def shares(available, total, share):
    """What every cell can give of `total` without becoming negative: at most 1."""
    for i in range(available.size):
        give = max(available[i], 0.0)
        share[i] = 1.0 if total[i] <= give else give / total[i]


@njit(cache=True, fastmath=FAST, error_model="numpy")
def upwind_transpose(psi, s, v, factor, out):
    """Add one axis of the transpose of an upwind Euler step: differences of psi towards where mass goes."""
    n = psi.size - 2 * s
    before, here, after = psi[:n], psi[s : s + n], psi[2 * s :]
    below, above, inner = v[:n], v[s : s + n], out[s : s + n]
    for i in range(n):
        inner[i] += factor * (max(above[i], 0.0) * (after[i] - here[i]) + min(below[i], 0.0) * (here[i] - before[i]))


@njit(cache=True, fastmath=FAST, error_model="numpy")
def upwind_slope(psi, u, s, v, factor, out):
    """Derivative of `<psi, upwind Euler step u>` in the face velocities, added to `out`."""
    n = psi.size - s
    after, above = psi[s:], u[s:]
    for i in range(n):
        donor = u[i] if v[i] > 0.0 else above[i]
        out[i] += factor * donor * (after[i] - psi[i])


def legendre_from_averages() -> np.ndarray:
    """`(3, 5)`: the Legendre moments 0, 1, 2 on [-1, 1] of the quartic with given averages on five cells of width 2.

    The moment of order a is `(2a + 1)/2 int_{-1}^{1} p P_a`; exact for polynomials of degree 4.
    """
    averages = np.empty((5, 5))  # averages[l, k]: of x^k over cell l
    for cell in range(5):
        low, high = 2.0 * (cell - 2) - 1.0, 2.0 * (cell - 2) + 1.0
        averages[cell] = [(high ** (k + 1) - low ** (k + 1)) / (k + 1) / 2.0 for k in range(5)]
    coefficients = np.linalg.inv(averages)  # rows: powers, columns: cells
    integrals = np.array([2.0, 0.0, 2.0 / 3.0, 0.0, 2.0 / 5.0, 0.0, 2.0 / 7.0])
    first = 3.0 / 2.0 * integrals[1:6]
    second = 5.0 / 2.0 * (1.5 * integrals[2:7] - 0.5 * integrals[0:5])
    moments = np.stack([0.5 * integrals[0:5], first, second]) @ coefficients
    moments[0] = [0.0, 0.0, 1.0, 0.0, 0.0]  # the average itself, exactly
    return moments
