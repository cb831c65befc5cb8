"""Fields whose layer maps are compiled."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple, TypeGuard

import numpy as np

from .._validate import mismatch
from .base import Field


class Steps(NamedTuple):
    """Equal steps of a Runge-Kutta method, each of length `dt`.

    Attributes
    ----------
    stages : the number of stages.
    method : `(1 + stages (stages + 1),)`: a place for dt, then matrix row by row and weights, see `flow.Tableau`.
    dt, number : length and number of the steps.

    Examples
    --------
    >>> Steps(1, np.array([0.0, 0.0, 1.0]), 0.1, 2).pointed(np.zeros(3))  # two Euler steps
    (array([1, 2, 0]), array([0.1, 0. , 1. ]))
    """

    stages: int
    method: np.ndarray
    dt: float
    number: int

    def pointed(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The arguments of the compiled layer maps: numbers of stages and steps, and the stride; dt, matrix and weights.

        The stride is the length of the field's `numbers` of one stage, or 0 if all stages have the same numbers.
        """
        stride = 0
        if numbers.ndim == 2:
            stride = numbers.shape[1]
            wanted = self.stages * self.number
            if len(numbers) != wanted:
                expected = f"{wanted}, one per stage; or one set for all of them, (m,)"
                raise mismatch("theta", f"{len(numbers)} rows of parameters", expected)
        method = self.method.copy()
        method[0] = self.dt
        return np.array((self.stages, self.number, stride)), method


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

        For theta `(n, m)`, one row per stage of a layer, the numbers are `(n, l)`. The functions add up the derivatives in all of
        these numbers: the first m of a row are the derivatives in theta.
        """

    @property
    @abstractmethod
    def addresses(self) -> tuple[int, int]:
        """The addresses of the compiled layer map and of its pull-back."""

    @abstractmethod
    def trace(self, theta: np.ndarray, steps: Steps, x: np.ndarray, keep: bool) -> tuple[np.ndarray, np.ndarray]:
        """Images `(n, d)` of the points x `(n, d)`, and, if `keep`, the data that `pull` needs beside x.

        theta is `(m,)`, or has one row per stage of all steps.
        """

    @abstractmethod
    def pull(
        self, theta: np.ndarray, steps: Steps, x: np.ndarray, kept: np.ndarray, p: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Exact transposed derivative of `trace` at x, applied to covectors p `(n, d)` at the end: `(n, d)` and theta's shape."""


def is_compiled(field: object) -> TypeGuard[CompiledField]:
    """Whether compiled layer maps can be used for the field.

    Examples
    --------
    >>> from eulerian_mfc.fields import AffineField, NeuralField
    >>> is_compiled(NeuralField(2)), is_compiled(AffineField(2))
    (True, False)
    """
    return isinstance(field, CompiledField) and field.compiled
