"""Finite lists of labels: their names, and which label is which."""

from __future__ import annotations

import numpy as np

from .._names import label_texts
from .._validate import fail

#: largest difference of the entries of two labels that count as equal, relative to one plus the largest entry
SAME_LABEL = 1e-9


def same_labels(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays of labels `(K, q)` hold the same labels in the same order, up to round-off.

    Examples
    --------
    >>> same_labels(np.array([[1.0]]), np.array([[1.0 + 1e-12]]))
    True
    """
    return bool(np.abs(a - b).max(initial=0.0) <= SAME_LABEL * np.abs(b).max(initial=0.0))


def label_names(labels: np.ndarray) -> tuple[str, ...]:
    """Distinct names of the densities of single labels `(K, q)`, with as many digits as the distinction requires.

    Examples
    --------
    >>> label_names(np.array([[-1.0], [0.5]]))
    ('y=-1', 'y=0.5')
    """
    return tuple(f"y={text}" for text in label_texts(labels))


def label_index(y: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`(n,)`: for each of the labels `y` `(n, q)` its row in `labels`; ArgumentError for a label that is not there.

    Examples
    --------
    >>> label_index(np.array([[1.0], [-1.0], [1.0]]), np.array([[-1.0], [1.0]])).tolist()
    [1, 0, 1]
    """
    index = np.zeros(len(y), dtype=np.int64)
    best = np.full(len(y), np.inf)
    for k, label in enumerate(labels):
        distance = np.abs(y - label).max(axis=1)
        index[distance < best] = k
        best = np.minimum(best, distance)
    if not (best <= SAME_LABEL * np.abs(labels).max()).all():
        raise fail("labels", labels.tolist(), f"a list that holds the law's label {y[best.argmax()].tolist()}")
    return index
