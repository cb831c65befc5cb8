"""Weights of the components of a mixture, and of samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._validate import array, mismatch


def checked_weights(weights: ArrayLike | None, n: int) -> np.ndarray:
    """`(n,)` weights after a check; equal weights by default.

    Examples
    --------
    >>> checked_weights(None, 4).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    if weights is None:
        return np.full(n, 1.0 / n)
    out = array("weights", weights, ndim=1, like="weights=[0.25, 0.75]")
    if len(out) != n or (out < 0).any() or abs(out.sum() - 1) > 1e-9:
        raise mismatch(
            "weights",
            f"{len(out)} numbers with minimum {out.min()} and sum {out.sum()}",
            f"{n} numbers >= 0 that sum to 1",
        )
    return out / out.sum()
