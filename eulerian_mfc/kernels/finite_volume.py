"""Compiled kernels of finite volumes: flat loops over padded arrays, one stride an axis.

Arrays are those of `meshes.padded`: the neighbours of cell e along an axis are e - s and e + s, s the axis's stride, so
that one loop over contiguous memory serves every axis and dimension. What such a loop computes beside the ends of a
line is never used. A face array has at e the face between e and e + s.

Neighbours are taken as shifted views, so that every loop index is a plain non-negative counter: such loops vectorise.

Kernels with an argument `part` write the entries from `part[0]` to `part[1]` only, as far as these have the neighbours that
are needed: threads may do parts at the same time, since what a kernel writes it reads nowhere but there.
"""

from functools import lru_cache

import numpy as np

from .compiling import WithFormula, njit
from .weno import FAST, weno5


@lru_cache
def muscl_edges(formula, limited):
    """The kernel `(u, s, low, high, part)` of a limiter: values at both ends of every cell along the axis of stride s.

    `formula(a, b)` is the slope for the differences to the left and to the right, numbers; of `limited` ones only positive
    differences are asked for. One kernel is compiled for each formula.
    """

    def make(slope):
        def edges(u, s, low, high, part):
            begin, end = max(part[0], s), min(part[1], u.size - s)
            left, mid, right = u[begin - s : end - s], u[begin:end], u[begin + s : end + s]
            lo, hi = low[begin:end], high[begin:end]
            for i in range(mid.size):
                a, b = mid[i] - left[i], right[i] - mid[i]
                if limited:
                    # Selections, no branches; y > 0 where the differences have one sign.
                    sign = 1.0 if a > 0.0 else -1.0
                    x, y = sign * a, sign * b
                    size = sign * max(slope(x, y), 0.0) if y > 0.0 else 0.0
                else:
                    size = slope(a, b)
                half = 0.5 * size
                lo[i] = mid[i] - half
                hi[i] = mid[i] + half

        return edges

    return WithFormula(make, formula, nogil=True, fastmath=FAST, error_model="numpy")


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def weno_edges(u, s, low, high, part):
    """WENO-Z values at both ends of every cell along the axis of stride s."""
    begin, end = max(part[0], 2 * s), min(part[1], u.size - 2 * s)
    a, b, c = u[begin - 2 * s : end - 2 * s], u[begin - s : end - s], u[begin:end]
    d, e = u[begin + s : end + s], u[begin + 2 * s : end + 2 * s]
    lo, hi = low[begin:end], high[begin:end]
    for i in range(lo.size):
        hi[i] = weno5(a[i], b[i], c[i], d[i], e[i])
    for i in range(lo.size):
        lo[i] = weno5(e[i], d[i], c[i], b[i], a[i])


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def upwind_flux(u, s, v, flux, part):
    """First-order upwind flux at every face."""
    begin, end = part[0], min(part[1], u.size - s)
    below, above, speed, out = u[begin:end], u[begin + s : end + s], v[begin:end], flux[begin:end]
    for i in range(out.size):
        out[i] = speed[i] * (below[i] if speed[i] > 0.0 else above[i])


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def edge_flux(low, high, s, v, face, base, share, flux, part):
    """The edge value on the upwind side of every face, and its product with the velocity less `share * base`."""
    begin, end = part[0], min(part[1], low.size - s)
    below, above, speed = high[begin:end], low[begin + s : end + s], v[begin:end]
    less, edge, out = base[begin:end], face[begin:end], flux[begin:end]
    for i in range(out.size):
        value = below[i] if speed[i] > 0.0 else above[i]
        edge[i] = value
        out[i] = speed[i] * value - share * less[i]


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def add_line_moment(face, s, weights, v, flux, part):
    """Add the product of transverse Legendre moments of velocity and density, the latter from 5 neighbours along s."""
    begin, end = max(part[0], 2 * s), min(part[1], face.size - 2 * s)
    a, b, c = face[begin - 2 * s : end - 2 * s], face[begin - s : end - s], face[begin:end]
    d, e = face[begin + s : end + s], face[begin + 2 * s : end + 2 * s]
    speed, out = v[begin:end], flux[begin:end]
    w0, w1, w2, w3, w4 = weights
    for i in range(out.size):
        out[i] += speed[i] * (w0 * a[i] + w1 * b[i] + w2 * c[i] + w3 * d[i] + w4 * e[i])


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def line_moment(face, s, weights, out, part):
    """A Legendre moment along s from 5 neighbours, as a face array."""
    begin, end = max(part[0], 2 * s), min(part[1], face.size - 2 * s)
    a, b, c = face[begin - 2 * s : end - 2 * s], face[begin - s : end - s], face[begin:end]
    d, e = face[begin + s : end + s], face[begin + 2 * s : end + 2 * s]
    inner = out[begin:end]
    w0, w1, w2, w3, w4 = weights
    for i in range(inner.size):
        inner[i] = w0 * a[i] + w1 * b[i] + w2 * c[i] + w3 * d[i] + w4 * e[i]


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def divergence(flux, s, factor, out, part):
    """`out -= factor * (flux - flux one face before)`: a forward Euler step along one axis."""
    begin, end = max(part[0], s), part[1]
    below, above, inner = flux[begin - s : end - s], flux[begin:end], out[begin:end]
    for i in range(inner.size):
        inner[i] -= factor * (above[i] - below[i])


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def drained(antiflux, s, factor, total, part):
    """Add to `total` what the antidiffusive fluxes along one axis take out of every cell."""
    begin, end = max(part[0], s), part[1]
    below, above, inner = antiflux[begin - s : end - s], antiflux[begin:end], total[begin:end]
    for i in range(inner.size):
        inner[i] += factor * (max(above[i], 0.0) - min(below[i], 0.0))


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def limited_divergence(antiflux, s, factor, share, out, part):
    """`divergence` of the antidiffusive fluxes, each times the share that its donor cell can give."""
    begin, end = max(part[0], s), min(part[1], out.size - s)
    below, above, inner = antiflux[begin - s : end - s], antiflux[begin:end], out[begin:end]
    before, here, after = share[begin - s : end - s], share[begin:end], share[begin + s : end + s]
    for i in range(inner.size):
        up = above[i] * (here[i] if above[i] > 0.0 else after[i])
        down = below[i] * (before[i] if below[i] > 0.0 else here[i])
        inner[i] -= factor * (up - down)


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def shares(available, total, share, part):
    """What every cell can give of `total` without becoming negative: at most 1."""
    begin, end = part
    has, wanted, out = available[begin:end], total[begin:end], share[begin:end]
    for i in range(out.size):
        give = max(has[i], 0.0)
        out[i] = 1.0 if wanted[i] <= give else give / wanted[i]


@njit(fastmath=FAST, error_model="numpy")
def upwind_transpose(psi, s, v, factor, out):
    """Add one axis of the transpose of an upwind Euler step: differences of psi towards where mass goes."""
    n = psi.size - 2 * s
    before, here, after = psi[:n], psi[s : s + n], psi[2 * s :]
    below, above, inner = v[:n], v[s : s + n], out[s : s + n]
    for i in range(n):
        inner[i] += factor * (max(above[i], 0.0) * (after[i] - here[i]) + min(below[i], 0.0) * (here[i] - before[i]))


@njit(fastmath=FAST, error_model="numpy")
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
