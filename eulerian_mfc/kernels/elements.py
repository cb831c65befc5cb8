"""Compiled kernels of finite-element interpolation on simplices: they take arrays, never a field, a law or a label.

A polynomial on a cell is a sum of monomials of degree p in its barycentric coordinates. The dimension and the degree arrive
as the lengths of tuples, which are part of their types, so that the compiler unrolls the short loops.
"""

import numpy as np

from .compiling import njit


@njit(inline="always")
def _powers(b, powers, size, degree):
    """Fill `powers[i, e] = b_i^e`."""
    for i in range(len(size) + 1):
        powers[i, 0] = 1.0
        for e in range(len(degree)):
            powers[i, e + 1] = powers[i, e] * b[i]


@njit()
def gather(cells, bary, masses, coefficients, frames, exponents, size, degree, values, pull):
    """Values `(R, n)` at points, and `sum_r m_r grad (I psi_r)` `(n, d)`; `coefficients` are `(cells, R, K)`."""
    d = len(size)
    fields, count = coefficients.shape[1], len(exponents)
    powers = np.empty((d + 1, len(degree) + 1))
    monomials = np.empty(count)
    slopes = np.empty((count, d + 1))
    total = np.empty(d + 1)
    for p in range(len(cells)):
        c = cells[p]
        _powers(bary[p], powers, size, degree)
        for k in range(count):
            value = 1.0
            for i in range(d + 1):
                value *= powers[i, exponents[k, i]]
            monomials[k] = value
            for i in range(d + 1):
                e = exponents[k, i]
                slope = 0.0
                if e > 0:
                    slope = e * powers[i, e - 1]
                    for j in range(d + 1):
                        if j != i:
                            slope *= powers[j, exponents[k, j]]
                slopes[k, i] = slope
        for i in range(d + 1):
            total[i] = 0.0
        for r in range(fields):
            value = 0.0
            mass = masses[r, p]
            for k in range(count):
                a = coefficients[c, r, k]
                value += a * monomials[k]
                for i in range(d + 1):
                    total[i] += mass * a * slopes[k, i]
            values[r, p] = value
        for k in range(d):
            slope = 0.0
            for i in range(d):
                slope += (total[i + 1] - total[0]) * frames[c, i + 1, k]
            pull[p, k] = slope


@njit()
def scatter(cells, bary, masses, exponents, size, degree, deposits):
    """Add masses `(R, n)` times the monomials to `deposits` `(cells, R, K)`: the transpose of `gather`."""
    d = len(size)
    fields, count = len(masses), len(exponents)
    powers = np.empty((d + 1, len(degree) + 1))
    for p in range(len(cells)):
        _powers(bary[p], powers, size, degree)
        for k in range(count):
            value = 1.0
            for i in range(d + 1):
                value *= powers[i, exponents[k, i]]
            for r in range(fields):
                deposits[cells[p], r, k] += masses[r, p] * value


@njit()
def assemble(deposits, matrix, dofs, out):
    """Add `C^T deposits` of every cell to its nodes: `(cells, R, K)`, `(K, n)`, `(cells, n)` -> `(R, nodes)`."""
    cells, fields, count = deposits.shape
    for c in range(cells):
        for r in range(fields):
            for j in range(dofs.shape[1]):
                value = 0.0
                for k in range(count):
                    value += matrix[k, j] * deposits[c, r, k]
                out[r, dofs[c, j]] += value
