"""Compiled kernels of finite volumes: flat loops over padded arrays, one stride an axis.

Arrays are those of `meshes.padded`: the neighbours of cell e along an axis are e - s and e + s, s the axis's stride, so
that one loop over contiguous memory serves every axis and dimension. What such a loop computes beside the ends of a
line is never used. A face array has at e the face between e and e + s.
"""

import numpy as np
from numba import njit

from .._weno import weno5

LIMITERS = ("none", "minmod", "van_leer", "mc", "superbee", "van_albada")


@njit(cache=True, inline="always")
def _slope(a, b, limiter):
    """Limited slope from the differences to the left and to the right."""
    if limiter == 0:
        return 0.5 * (a + b)
    if a * b <= 0.0:
        return 0.0
    sign = 1.0 if a > 0.0 else -1.0
    x, y = abs(a), abs(b)
    if limiter == 1:
        return sign * min(x, y)
    if limiter == 2:
        return sign * 2.0 * x * y / (x + y)
    if limiter == 3:
        return sign * min(2.0 * x, 2.0 * y, 0.5 * (x + y))
    if limiter == 4:
        return sign * max(min(2.0 * x, y), min(x, 2.0 * y))
    return sign * x * y * (x + y) / (x * x + y * y)


@njit(cache=True)
def muscl_edges(u, s, limiter, low, high):
    """Values of the limited linear reconstruction at both ends of every cell along the axis of stride s."""
    for e in range(s, u.size - s):
        half = 0.5 * _slope(u[e] - u[e - s], u[e + s] - u[e], limiter)
        low[e] = u[e] - half
        high[e] = u[e] + half


@njit(cache=True)
def weno_edges(u, s, low, high):
    """WENO-Z values at both ends of every cell along the axis of stride s."""
    for e in range(2 * s, u.size - 2 * s):
        high[e] = weno5(u[e - 2 * s], u[e - s], u[e], u[e + s], u[e + 2 * s])
        low[e] = weno5(u[e + 2 * s], u[e + s], u[e], u[e - s], u[e - 2 * s])


@njit(cache=True)
def upwind_flux(u, s, v, flux):
    """First-order upwind flux at every face."""
    for e in range(u.size - s):
        flux[e] = v[e] * (u[e] if v[e] > 0.0 else u[e + s])


@njit(cache=True)
def face_values(low, high, s, v, out):
    """The edge value on the upwind side of every face."""
    for e in range(low.size - s):
        out[e] = high[e] if v[e] > 0.0 else low[e + s]


@njit(cache=True)
def add_moment(face, strides, weights, v, flux):
    """Add the product of the transverse Legendre moments of velocity and density, the latter from 5 x 5 neighbours.

    `strides` are those of two transverse axes, `weights` `(5, 5)` (a single column 2 where one axis does not matter).
    """
    s, t = strides
    reach = 2 * (s + t)
    for e in range(reach, face.size - reach):
        moment = 0.0
        for i in range(5):
            for j in range(5):
                if weights[i, j] != 0.0:
                    moment += weights[i, j] * face[e + (i - 2) * s + (j - 2) * t]
        flux[e] += v[e] * moment


@njit(cache=True)
def divergence(flux, s, factor, out):
    """`out -= factor * (flux - flux one face before)`: a forward Euler step along one axis."""
    for e in range(s, out.size):
        out[e] -= factor * (flux[e] - flux[e - s])


@njit(cache=True)
def drained(antiflux, s, factor, total):
    """Add to `total` what the antidiffusive fluxes along one axis take out of every cell."""
    for e in range(s, total.size):
        total[e] += factor * (max(antiflux[e], 0.0) + max(-antiflux[e - s], 0.0))


@njit(cache=True)
def limited_divergence(antiflux, s, factor, share, out):
    """`divergence` of the antidiffusive fluxes, each times the share that its donor cell can give."""
    for e in range(s, out.size - s):
        above, below = antiflux[e], antiflux[e - s]
        above *= share[e] if above > 0.0 else share[e + s]
        below *= share[e - s] if below > 0.0 else share[e]
        out[e] -= factor * (above - below)


@njit(cache=True)
def shares(available, total, share):
    """What every cell can give of `total` without becoming negative: at most 1."""
    for e in range(available.size):
        give = max(available[e], 0.0)
        share[e] = 1.0 if total[e] <= give else give / total[e]


@njit(cache=True)
def upwind_transpose(psi, s, v, factor, out):
    """Add one axis of the transpose of an upwind Euler step: differences of psi towards where mass goes."""
    for e in range(s, psi.size - s):
        out[e] += factor * (max(v[e], 0.0) * (psi[e + s] - psi[e]) + min(v[e - s], 0.0) * (psi[e] - psi[e - s]))


@njit(cache=True)
def upwind_slope(psi, u, s, v, factor, out):
    """Derivative of `<psi, upwind Euler step u>` in the face velocities, added to `out`."""
    for e in range(psi.size - s):
        donor = u[e] if v[e] > 0.0 else u[e + s]
        out[e] += factor * donor * (psi[e + s] - psi[e])


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
