"""The checks of a control: one backward sweep, and what both sweeps conserve."""

from __future__ import annotations

import numpy as np

from ..results.certificate import BOUNDARY_CELLS, Checks
from ..system.boundaries import of_the_problem
from ..system.optimality import OptimalitySystem
from .off_mesh import share_beyond

#: share of mass at the boundary above which particles are asked whose it is
CROSSED = 1e-6


def check(system: OptimalitySystem, control: np.ndarray, masses: np.ndarray, crossed: np.ndarray) -> Checks:
    """The checks of a control whose forward sweep gave `masses` and `crossed`; makes the backward sweep.

    Parameters
    ----------
    system : the discrete problem.
    control : `(layers, m)`.
    masses : `(layers + 1, R, *shape)`, of the forward sweep.
    crossed : `(layers, R)`, what of them left the box.

    Raises
    ------
    NonFiniteError
        If the backward sweep meets NaN or infinity.
    """
    total = np.einsum("r,nr...->n...", system.problem.separable.total, masses)
    mass = total.reshape(len(total), -1).sum(axis=1)
    border = system.mesh.near_boundary(BOUNDARY_CELLS)
    psi = system.terminal(masses[-1]).potentials
    pairings = np.empty(system.layers + 1)
    pairings[-1] = system.pair.pairings(psi, masses[-1]).sum()
    scale = system.terminal.scale(masses[-1])
    gradient = np.empty_like(control)
    densities = system.mesh.density(masses if system.problem.separable.labels is not None else total[:, None])
    peaks = densities.max(axis=tuple(range(2, densities.ndim)))
    peaks = np.where(peaks > 0, peaks, 1.0)  # a label that the law does not have carries no mass
    halves = np.array([system.running.half(m) for m in masses])
    hamiltonians = Energies(system)
    for n in range(system.layers - 1, -1, -1):
        end = masses[n + 1], psi, halves[n + 1]
        psi, gradient[n] = system.step_back_with_slope(n, control[n], psi, masses[n])
        pairings[n] = system.pair.pairings(psi, masses[n]).sum()
        hamiltonians.add(n, control[n], (masses[n], psi, halves[n]), end)
    spent = np.concatenate([[0.0], np.cumsum(halves[:-1] + halves[1:])])
    return Checks(
        residual=system.residual(control, gradient),
        mass_drift=float(np.abs(mass - mass[0]).max()),
        duality_drift=float(np.ptp(pairings + spent) / max(scale, np.finfo(float).tiny)),
        mass_crossed=_crossed(system, control, np.abs(crossed @ system.problem.separable.total)),
        mass_near_boundary=float(np.abs(total[:, border].sum(axis=1)).max()),
        most_negative=float(np.minimum(densities.min(axis=tuple(range(2, densities.ndim))) / peaks, 0.0).min()),
        hamiltonian_drift=hamiltonians.drift(),
        adjoint=system.adjoint,
    )


#: masses and potentials `(R, *shape)` at a time, and half of what the layer there adds to the running cost
State = tuple[np.ndarray, np.ndarray, float]


def _crossed(system: OptimalitySystem, control: np.ndarray, shares: np.ndarray) -> float:
    """The share of mass that left the box, from the shares `(layers,)` that met its boundary."""
    if not system.pair.keeps_mass:
        return float(shares.sum())  # what leaves finite volumes is gone
    # Mass that is moved onto the boundary stays there, and is met again: particles tell which mass it is.
    largest = float(shares.max())
    if largest <= CROSSED or of_the_problem(system) is not None:
        return largest
    return float(np.fmax(largest, share_beyond(system, control)))


class Energies:
    """`h = int <grad psi, F(theta_n)> + L dmu + lambda/2 |theta_n|^2` at both ends of every layer.

    For an autonomous field h is constant within a layer, and from layer to layer at an optimum, up to the layers' order. Both
    ends are looked at, so that one layer alone has a drift, and time that runs backwards has the same one.

    Parameters
    ----------
    system : the discrete problem.
    always : whether fields that depend on time are followed too.
    """

    def __init__(self, system: OptimalitySystem, always: bool = False) -> None:
        self._system = system
        known = (always or system.problem.field.autonomous) and system.pair.interpolates
        self._starts: list[tuple[float, float, float]] | None = [] if known else None
        self._ends: list[tuple[float, float, float]] = []

    def add(self, n: int, theta: np.ndarray, start: State, end: State) -> None:
        """The control `(m,)` of layer n, and at both its ends masses and potentials `(R, *shape)` and half the running cost."""
        if self._starts is not None:
            self._starts.append(self._parts(n, theta, *start))
            if self._system.problem.field.autonomous:
                self._ends.append(self._parts(n, theta, *end))

    def _parts(
        self, n: int, theta: np.ndarray, masses: np.ndarray, psi: np.ndarray, running_half: float
    ) -> tuple[float, float, float]:
        system = self._system
        transported = system.hamiltonian(n, masses, psi, "continuous").integral(theta)[0] / system.dt
        penalty = system.problem.regulariser.rate(theta)
        return transported, penalty, 2 * running_half / system.dt

    def values(self) -> np.ndarray | None:
        """`(layers,)`, at the layers' starts, in the order in which they were added."""
        return None if self._starts is None else np.array(self._starts).reshape(-1, 3).sum(axis=1)

    def drift(self) -> float | None:
        """The largest change, relative to the moduli of the parts."""
        if self._starts is None:
            return None
        parts = np.array(self._starts + self._ends).reshape(-1, 3)
        return float(np.ptp(parts.sum(axis=1)) / max(np.abs(parts).sum(axis=1).max(), np.finfo(float).tiny))
