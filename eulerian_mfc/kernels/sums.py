"""Sums over meshes and points, without BLAS.

The order of BLAS's sums depends on its number of threads. Its threads also keep their processors busy for a while after a sum,
and the threads of this package (see `threads`) need these processors.
"""

import numpy as np


def paired(a: np.ndarray, b: np.ndarray) -> float:
    """`sum_i a_i b_i` of two arrays of the same size, by NumPy's pairwise summation."""
    return float(np.add.reduce(np.ravel(a) * np.ravel(b)))


def moments(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`(i, j)`: `sum_n a_in b_jn` of `(i, n)` and `(j, n)`, in an order that does not depend on the threads of BLAS."""
    return np.einsum("in,jn->ij", a, b)
