"""Sums over meshes.

Not by BLAS: its threads sum otherwise for every number of them, and go on spinning when they are done, on the processors that
this package's own threads are to have (see `parallel`).
"""

import numpy as np


def paired(a: np.ndarray, b: np.ndarray) -> float:
    """`sum_i a_i b_i` of two arrays of one size, added up in pairs."""
    return float(np.add.reduce(np.ravel(a) * np.ravel(b)))
