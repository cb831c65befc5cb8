"""What every law of inputs, and every law of inputs and labels, offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from .._validate import array, integer, mismatch

Lines = Sequence[np.ndarray] | None


class Rule(NamedTuple):
    """A quadrature rule of the inputs: points `(N, d)`, weights `(N,)` that sum to 1, component of each point `(N,)`."""

    x: np.ndarray
    w: np.ndarray
    component: np.ndarray


class LabelledRule(NamedTuple):
    """A quadrature rule of inputs and labels: points `(N, d)`, weights `(N,)` that sum to 1, labels `(N, q)`."""

    x: np.ndarray
    w: np.ndarray
    y: np.ndarray


class Law(ABC):
    """A probability law on R^d, a mixture of one or more components."""

    dim: int
    components: int = 1

    @abstractmethod
    def quadrature(self, lines: Lines = None, breaks: Lines = None) -> Rule:
        """A rule for the law.

        `lines`, one array an axis, are coordinates at which integrands are continuous but not smooth (a mesh's);
        `breaks`, likewise, those at which they jump.
        """

    @abstractmethod
    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """N samples `(n, d)` and the component of each `(n,)`."""

    @abstractmethod
    def box(self, tolerance: float) -> np.ndarray:
        """`(d, 2)` bounds outside which lies at most `tolerance` of the mass."""

    def sample(self, n: int, seed: int | np.random.Generator | None = None) -> np.ndarray:
        """N independent samples `(n, d)`.

        Raises
        ------
        ArgumentError
            If `n` is no positive integer.
        """
        return self.draw(integer("n", n), np.random.default_rng(seed))[0]


class LabelledLaw(ABC):
    """A law of pairs (X, Y), as `Problem` takes it."""

    dim: int
    label_dim: int

    @property
    def input_dim(self) -> int:
        """How many of the coordinates are inputs: the others start at zero."""
        return self.dim

    @abstractmethod
    def quadrature(self, lines: Lines = None) -> LabelledRule:
        """A rule for the law of the pairs; `lines` as for `Law.quadrature`."""

    @abstractmethod
    def sample(self, n: int, seed: int | np.random.Generator | None = None) -> tuple[np.ndarray, np.ndarray]:
        """N independent samples: inputs `(n, d)`, labels `(n, q)`."""

    @abstractmethod
    def box(self, tolerance: float) -> np.ndarray:
        """`(d, 2)` bounds outside which lies at most `tolerance` of the mass of X."""

    @cached_property
    def labels(self) -> np.ndarray | None:
        """`(K, q)` distinct labels in increasing order, or None where there are more than 64."""
        return distinct(self.quadrature().y)


def distinct(y: np.ndarray) -> np.ndarray | None:
    """`(K, q)` distinct labels in increasing order, or None where there are more than 64."""
    if len(np.unique(y[:4096], axis=0)) > 64:
        return None
    found = np.unique(y, axis=0)
    return found if len(found) <= 64 else None


def merged(lines: Lines, breaks: Lines) -> Lines:
    """All the lines of both, axis by axis."""
    if lines is None or breaks is None:
        return breaks if lines is None else lines
    return [np.concatenate(pair) for pair in zip(lines, breaks, strict=True)]


def checked_weights(weights: Any, n: int) -> np.ndarray:
    """`(n,)` weights: equal where none are given."""
    if weights is None:
        return np.full(n, 1.0 / n)
    out = array("weights", weights, ndim=1)
    if len(out) != n or (out < 0).any() or abs(out.sum() - 1) > 1e-9:
        raise mismatch(
            "weights",
            f"{len(out)} numbers with minimum {out.min()} and sum {out.sum()}",
            f"{n} numbers >= 0 that sum to 1",
        )
    return out / out.sum()
