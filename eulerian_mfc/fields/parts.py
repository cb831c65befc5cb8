"""Sums of arrays, and of pulled-back covectors, over the parts of a field whose parameters stand one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from .points import Pulled


def pieces(theta: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    """The parameters `(m,)` in pieces of the given sizes, which sum to m."""
    return np.split(theta, np.cumsum(sizes)[:-1])


def total(arrays: Iterable[np.ndarray]) -> np.ndarray:
    """The sum of one or more arrays of one shape, added in their order."""
    first, *rest = arrays
    for other in rest:
        first = first + other
    return first


def joined(pulled: Iterable[Pulled]) -> Pulled:
    """What the parts pull back: the sum of the covectors at the points, and those of the parameters one after the other."""
    pairs = list(pulled)
    return total(px for px, _ in pairs), np.concatenate([ptheta for _, ptheta in pairs])
