"""The Kullback-Leibler divergence, with a smooth continuation of the logarithm where masses are negative."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._validate import mismatch, positive
from .density_cost import SmoothDensityCost, StateDensity
from .readout import Spec
from .targets import Target, check_target_dim, check_target_mass, checked_target, log_density_at, target_spec

#: the default floor of a density, in units of one over the volume of the state
FLOOR = 1e-6
#: if more than this mass lies below the floor, the cost says so
NOTED = 1e-3


def entropy(s: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`s log s` with its first and second derivative, each `(n,)`; below the floor f a cubic polynomial that vanishes at 0.

    The polynomial `(log f - 3/2) s + 2 s^2 / f - s^3 / (2 f^2)` has the value and both derivatives of `s log s` at the floor, is
    convex below it, and differs from `s log s` by at most `0.11 f` between 0 and f.

    Parameters
    ----------
    s : `(n,)`, a density.
    floor : a positive density.

    Examples
    --------
    >>> [round(float(part[0]), 12) for part in entropy(np.array([1.0]), 0.5)]
    [0.0, 1.0, 1.0]
    """
    above, share, log = np.maximum(s, floor), np.minimum(s / floor, 1.0), np.log(floor)
    small = s < floor
    value = np.where(small, s * (log - 1.5 + 2.0 * share - 0.5 * share**2), above * np.log(above))
    slope = np.where(small, log - 1.5 + 4.0 * share - 1.5 * share**2, np.log(above) + 1.0)
    return value, slope, np.where(small, (4.0 - 3.0 * share) / floor, 1.0 / above)


@dataclass(frozen=True, eq=False)
class KullbackLeibler(SmoothDensityCost):
    """`G(mu) = int rho log(rho / rho_target) dx`, without a unit; zero only at the target.

    Schemes of high degree have masses that are negative, of the size of their error, where the density nearly vanishes. There
    the logarithm does not exist. Below the floor, G therefore has a cubic polynomial in place of `s log s`, see `entropy`. G is
    defined for all masses, is convex, and has two continuous derivatives; no mass is clipped, and empty regions cost nothing. G
    changes by at most 0.11 times the floor times the volume where the density lies between 0 and the floor. `notes` says how much
    mass is below the floor if this is more than 1e-3. A floor that is small compared with the negative densities makes them
    expensive.

    Parameters
    ----------
    target : a law with a density, or the density as a function `x (n, d) -> (n,)`; it must be positive on the whole mesh.
    floor : the density below which `s log s` is continued, in units of one over the volume of the state.

    Raises
    ------
    ArgumentError
        If the target is not a law or a function, or the floor is not positive; when a system is built, if the target's integral
        over the mesh is not 1, or it vanishes at a point of the mesh.

    References
    ----------
    S. Kullback, R. A. Leibler, On information and sufficiency, Ann. Math. Statist. 22 (1951), 79-86, doi:10.1214/aoms/1177729694.

    Examples
    --------
    >>> from eulerian_mfc.laws import Gaussian
    >>> from eulerian_mfc.losses import KullbackLeibler, StateDensity, StateGrid
    >>> x = np.linspace(-8.0, 8.0, 161)
    >>> law = StateDensity(StateGrid(x[:, None], np.full(161, 0.1)), 0.1 * np.exp(-x**2 / 2) / np.sqrt(2 * np.pi))
    >>> round(KullbackLeibler(Gaussian([1.0], 1.0), floor=1e-12).cost(law), 9)
    0.5
    """

    target: Target
    floor: float = FLOOR

    def __post_init__(self) -> None:
        checked_target(self.target)
        positive("floor", self.floor)

    def check_dim(self, dim: int) -> None:
        check_target_dim(self.target, dim)

    def check(self, density: StateDensity) -> None:
        check_target_mass(self.target, density)
        absent = ~np.isfinite(log_density_at(self.target, density.grid))
        if absent.any():
            where = density.points[absent][0].tolist()
            raise mismatch(
                "target",
                f"a density that vanishes at {int(absent.sum())} points of the mesh, such as {where}",
                "a positive density on the whole mesh, since the divergence is infinite otherwise: add a wide law to the target "
                "(laws.GaussianMixture), or use a smaller mesh",
            )

    def mass_below(self, density: StateDensity) -> float:
        """The sum of the moduli of the masses whose density is below the floor."""
        return float(np.abs(density.masses[density.values < self.floor]).sum())

    def notes(self, density: StateDensity) -> tuple[str, ...]:
        below = self.mass_below(density)
        if below <= NOTED:
            return ()
        return (
            f"KullbackLeibler: {below:.1e} of the mass has a density below the floor {self.floor:g}, where s log s is replaced "
            "by a polynomial; use more cells, or a scheme without negative masses",
        )

    def cost(self, density: StateDensity) -> float:
        own = entropy(density.values, self.floor)[0]
        return float(density.volumes @ own - density.masses @ log_density_at(self.target, density.grid))

    def potential(self, density: StateDensity) -> np.ndarray:
        return entropy(density.values, self.floor)[1] - log_density_at(self.target, density.grid)

    def tangent(self, density: StateDensity, dmasses: np.ndarray) -> np.ndarray:
        return entropy(density.values, self.floor)[2] * dmasses / density.volumes

    def spec(self) -> Spec | None:
        target = target_spec(self.target)
        return None if target is None else {"type": "kullback_leibler", "target": target, "floor": self.floor}
