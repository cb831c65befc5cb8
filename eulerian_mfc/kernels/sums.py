"""Sums over meshes and points.

Not by BLAS: its threads sum otherwise for every number of them, and go on spinning when they are done, on the processors that
this package's own threads are to have (see `parallel`).
"""

import numpy as np


def paired(a: np.ndarray, b: np.ndarray) -> float:
    """`sum_i a_i b_i` of two arrays of one size, added up in pairs."""
    return float(np.add.reduce(np.ravel(a) * np.ravel(b)))


def moments(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`(i, j)`: `sum_n a_in b_jn` of `(i, n)` and `(j, n)`, in one order whatever threads BLAS has."""
    return np.einsum("in,jn->ij", a, b)
