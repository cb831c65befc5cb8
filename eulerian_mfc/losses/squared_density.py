"""Integrals of powers of the density: the squared distance to a target, and congestion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._validate import fail, positive
from .density_cost import SmoothDensityCost, StateDensity
from .readout import Spec
from .targets import Target, check_target_dim, check_target_mass, checked_target, density_at, target_spec


@dataclass(frozen=True, eq=False)
class SquaredDensityDistance(SmoothDensityCost):
    """`G(mu) = 1/2 int (rho - rho_target)^2 dx`, in units of one over the volume of the state.

    The integral is a sum over the points of the mesh.

    Parameters
    ----------
    target : a law with a density, or the density as a function `x (n, d) -> (n,)`.

    Raises
    ------
    ArgumentError
        If the target is neither; when a system is built, if its integral over the mesh is not 1.

    Examples
    --------
    >>> from eulerian_mfc.laws import Gaussian
    >>> from eulerian_mfc.losses import SquaredDensityDistance, StateDensity, StateGrid
    >>> x = np.linspace(-8.0, 8.0, 161)
    >>> grid = StateGrid(x[:, None], np.full(161, 0.1), (x,))
    >>> cost = SquaredDensityDistance(Gaussian([0.0], 1.0))
    >>> law = StateDensity(grid, 0.1 * np.exp(-x**2 / 2) / np.sqrt(2 * np.pi))
    >>> cost.cost(law) < 1e-30
    True
    """

    target: Target

    def __post_init__(self) -> None:
        checked_target(self.target)

    def check_dim(self, dim: int) -> None:
        check_target_dim(self.target, dim)

    def check(self, density: StateDensity) -> None:
        check_target_mass(self.target, density)

    def cost(self, density: StateDensity) -> float:
        return 0.5 * float(density.volumes @ self.potential(density) ** 2)

    def potential(self, density: StateDensity) -> np.ndarray:
        return density.values - density_at(self.target, density.grid)

    def tangent(self, density: StateDensity, dmasses: np.ndarray) -> np.ndarray:
        return dmasses / density.volumes

    def spec(self) -> Spec | None:
        target = target_spec(self.target)
        return None if target is None else {"type": "squared_density_distance", "target": target}


@dataclass(frozen=True, eq=False)
class Congestion(SmoothDensityCost):
    """`G(mu) = int |rho|^p dx`: as a running cost, crowds avoid places where the density is large.

    The modulus matters only where masses of high-degree schemes are negative; there it keeps G convex and smooth.

    Parameters
    ----------
    power : p >= 2.

    Raises
    ------
    ArgumentError
        If the power is less than 2.

    References
    ----------
    M. Burger, M. Di Francesco, P. A. Markowich, M.-T. Wolfram, Mean field games with nonlinear mobilities in pedestrian dynamics,
    Discrete Contin. Dyn. Syst. B 19 (2014), 1311-1333, doi:10.3934/dcdsb.2014.19.1311.

    Examples
    --------
    >>> from eulerian_mfc.losses import Congestion, StateDensity, StateGrid
    >>> Congestion(2).cost(StateDensity(StateGrid(np.zeros((1, 1)), np.array([0.5])), np.ones(1)))
    2.0
    """

    power: float = 2.0

    def __post_init__(self) -> None:
        if positive("power", self.power) < 2:
            raise fail("power", self.power, "a number >= 2, so that the cost has second derivatives")

    def cost(self, density: StateDensity) -> float:
        return float(density.volumes @ np.abs(density.values) ** self.power)

    def potential(self, density: StateDensity) -> np.ndarray:
        rho = density.values
        return self.power * np.sign(rho) * np.abs(rho) ** (self.power - 1.0)

    def tangent(self, density: StateDensity, dmasses: np.ndarray) -> np.ndarray:
        bend = self.power * (self.power - 1.0) * np.abs(density.values) ** (self.power - 2.0)
        return bend * dmasses / density.volumes

    def spec(self) -> Spec:
        return {"type": "congestion", "power": self.power}
