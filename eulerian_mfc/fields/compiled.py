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
        """The arguments of the compiled layer maps: the numbers of stages and steps; dt, reach and weights."""
        return np.array([len(self.reach), self.number]), np.concatenate([[self.dt], self.reach, self.weights])


class CompiledField(Field):
    """A field whose layer maps are compiled, so that no interpreter runs between their stages.

    The compiled layers of a mesh call the field through the `addresses` of two functions, for example `trace` and `pull` of
    `kernels.neural_field`. Only these functions interpret the integers and numbers of `kernel_arguments`.

    `compiled` says whether they compute the same as `__call__` and `pullback`; they do not if a subclass overrides these.

    Examples
    --------
    >>> from eulerian_mfc.fields import NeuralField
    >>> NeuralField(2, "tanh").compiled
    True
    """

    @property
    @abstractmethod
    def compiled(self) -> bool:
        """Whether `trace` and `pull` may replace `__call__` and `pullback`."""

    @abstractmethod
    def kernel_arguments(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The arguments of the compiled functions for theta `(m,)`: integers `(k,)`, and numbers `(l,)` that begin with theta.

        The functions add up the derivatives in all of these numbers, `(l,)`: the first m are the derivatives in theta.
        """

    @property
    @abstractmethod
    def addresses(self) -> tuple[int, int]:
        """The addresses of the compiled layer map and of its pull-back."""

    @abstractmethod
    def trace(self, theta: np.ndarray, steps: Steps, x: np.ndarray, keep: bool) -> tuple[np.ndarray, np.ndarray]:
        """Images `(n, d)` of the points x `(n, d)`, and, if `keep`, the data that `pull` needs beside x."""

    @abstractmethod
    def pull(
        self, theta: np.ndarray, steps: Steps, x: np.ndarray, kept: np.ndarray, p: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Exact transposed derivative of `trace` at x, applied to covectors p `(n, d)` at the end: `(n, d)` and `(m,)`."""


def is_compiled(field: object) -> TypeGuard[CompiledField]:
    """Whether compiled layer maps can be used for the field.

    Examples
    --------
    >>> from eulerian_mfc.fields import AffineField, NeuralField
    >>> is_compiled(NeuralField(2)), is_compiled(AffineField(2))
    (True, False)
    """
    return isinstance(field, CompiledField) and field.compiled
