"""The contract of a heat semigroup on the unknowns of a mesh."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np


class HeatSemigroup(ABC):
    """What noise alone does in a piece of time: potentials become expectations over a Gaussian step, and masses spread.

    `potentials` solves `d_t psi + 1/2 sum_a sigma_a^2 d_aa psi = 0` backwards, `masses` is its exact transpose:
    `<potentials(v, psi), m> = <psi, masses(v, m)>` for all variances v, potentials psi and masses m. Constants and the sum of the
    masses stay as they are.

    Variances `(d,)` are those that the piece of time adds along every axis, `int sigma_a^2 dt`, in units of the state squared.
    Potentials are `(R, *shape)`, masses `(R, *mass_shape)`.
    """

    @abstractmethod
    def potentials(self, variances: np.ndarray, psi: np.ndarray) -> np.ndarray:
        """The potentials `(R, *shape)` before the piece of time, from those after it; variances are `(d,)`."""

    @abstractmethod
    def rate(self, rates: np.ndarray, masses: np.ndarray) -> np.ndarray:
        """The change of masses per unit of time, for rates `(d,)` of the variance: the generator of the semigroup."""

    @abstractmethod
    def masses(self, variances: np.ndarray, masses: np.ndarray) -> np.ndarray:
        """The masses `(R, *mass_shape)` after the piece of time, from those before it; variances are `(d,)`."""
