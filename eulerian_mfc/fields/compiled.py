"""Fields whose layer maps are compiled."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple, TypeGuard

import numpy as np

from .base import Field


class Steps(NamedTuple):
    """Equal steps of a Runge-Kutta method (`reach`, `weights`: see `flow.Tableau`), each of length `dt`.

    Examples
    --------
    >>> Steps(np.zeros(1), np.ones(1), 0.1, 2).pointed  # two Euler steps
    (array([1, 2]), array([0.1, 0. , 1. ]))
    """

    reach: np.ndarray
    weights: np.ndarray
    dt: float
    number: int

    @property
    def pointed(self) -> tuple[np.ndarray, np.ndarray]:
        """As the compiled layer maps take it: the numbers of stages and steps; dt, reach and weights."""
        return np.array([len(self.reach), self.number]), np.concatenate([[self.dt], self.reach, self.weights])


class CompiledField(Field):
    """A field whose layer maps are compiled, so that no interpreter runs between their stages.

    The compiled layers of a mesh see the field through the `addresses` of two functions behind pointers, `trace` and `pull` of
    `kernels.neural_field` for instance, which alone know what the integers and numbers of `kernel_arguments` mean.

    `compiled` tells whether they are those of its `__call__` and `pullback`: not where a subclass has others.

    Examples
    --------
    >>> from eulerian_mfc.fields import NeuralField
    >>> NeuralField(2, "tanh").compiled
    True
    """

    @property
    @abstractmethod
    def compiled(self) -> bool:
        """Whether `trace` and `pull` may stand for `__call__` and `pullback`."""

    @abstractmethod
    def kernel_arguments(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What its compiled functions must know for theta `(m,)`: integers `(k,)`, and numbers `(l,)` that begin with theta.

        They sum up the derivatives in all of these numbers, `(l,)`: the first m are those in theta.
        """

    @property
    @abstractmethod
    def addresses(self) -> tuple[int, int]:
        """Of the compiled layer map and of its pull-back."""

    @abstractmethod
    def trace(self, theta: np.ndarray, steps: Steps, x: np.ndarray, keep: bool) -> tuple[np.ndarray, np.ndarray]:
        """Images `(n, d)` of the points x `(n, d)`, and, to `keep`, what `pull` needs beside x."""

    @abstractmethod
    def pull(
        self, theta: np.ndarray, steps: Steps, x: np.ndarray, kept: np.ndarray, p: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Exact transposed derivatives of `trace` at x: for covectors p `(n, d)` at the end, `(n, d)` and `(m,)`."""


def is_compiled(field: object) -> TypeGuard[CompiledField]:
    """Whether the field's layer maps are to be had compiled.

    Examples
    --------
    >>> from eulerian_mfc.fields import AffineField, NeuralField
    >>> is_compiled(NeuralField(2)), is_compiled(AffineField(2))
    (True, False)
    """
    return isinstance(field, CompiledField) and field.compiled
