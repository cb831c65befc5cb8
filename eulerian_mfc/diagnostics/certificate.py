"""The checks of a control: the residual from one backward sweep, and the quantities that both sweeps conserve."""

from __future__ import annotations

import numpy as np

from ..control.regulariser import Regulariser
from ..flow.layers import Layer
from ..results.certificate import BOUNDARY_CELLS, Checks
from ..system.boundaries import of_the_problem
from ..system.optimality import OptimalitySystem
from .off_mesh import share_beyond
from .pointwise import pointwise_conditions

#: if more than this share of the mass met the boundary, particles measure the share that leaves the mesh
CROSSED = 1e-6


def check(system: OptimalitySystem, control: np.ndarray, masses: np.ndarray, crossed: np.ndarray) -> Checks:
    """The checks of a control, from its forward sweep (`masses` and `crossed`) and a backward sweep, which is made here.

    Parameters
    ----------
    system : the discrete problem.
    control : the control, of its space's shape.
    masses : `(steps + 1, R, *shape)`, the masses of the forward sweep.
    crossed : `(steps, R)`, the masses that met the boundary.

    Raises
    ------
    NonFiniteError
        If the backward sweep meets NaN or infinity.
    """
    total = np.einsum("r,nr...->n...", system.problem.separable.total, masses)
    mass = total.reshape(len(total), -1).sum(axis=1)
    border = system.mesh.near_boundary(BOUNDARY_CELLS)
    psi = system.terminal(masses[-1]).potentials
    pairings = np.empty(system.steps + 1)
    pairings[-1] = system.pair.pairings(psi, masses[-1]).sum()
    scale = system.terminal.scale(masses[-1])
    slopes = [np.empty(0)] * system.steps
    densities = system.mesh.density(masses if system.problem.separable.labels is not None else total[:, None])
    peaks = densities.max(axis=tuple(range(2, densities.ndim)))
    peaks = np.where(peaks > 0, peaks, 1.0)  # a label that the law does not have carries no mass
    rates = np.array([system.running.half(m, n) for n, m in enumerate(masses)]) / system.running.halves
    moved = np.array([system.running.paired_half(m, n) for n, m in enumerate(masses)]) / system.running.halves
    path = system.controls.path(control)
    hamiltonians = Energies(system)
    for n in range(system.steps - 1, -1, -1):
        end = masses[n + 1], psi, rates[n + 1]
        psi, slopes[n] = system.step_back_with_slope(n, path[n], psi, masses[n], masses[n + 1])
        pairings[n] = system.pair.pairings(psi, masses[n]).sum()
        hamiltonians.add(n, path[n], (masses[n], psi, rates[n]), end)
    gradient = system.controls.gathered(slopes) + system.controls.penalty_slope(control)
    steps = system.running.before * moved[:-1] + system.running.after * moved[1:]
    spent = np.concatenate([[0.0], np.cumsum(steps)])
    return Checks(
        residual=system.residual(control, gradient),
        mass_drift=float(np.abs(mass - mass[0]).max()),
        duality_drift=float(np.ptp(pairings + spent) / max(scale, np.finfo(float).tiny)),
        mass_crossed=_crossed(system, control, np.abs(crossed @ system.problem.separable.total)),
        mass_near_boundary=float(np.abs(total[:, border].sum(axis=1)).max()),
        most_negative=float(np.minimum(densities.min(axis=tuple(range(2, densities.ndim))) / peaks, 0.0).min()),
        hamiltonian_drift=hamiltonians.drift(),
        residual_in_time=hamiltonians.residual(),
        adjoint=system.adjoint,
    )


#: masses and potentials `(R, *shape)` at one end of a step, and the running loss per unit of time there
State = tuple[np.ndarray, np.ndarray, float]


def _crossed(system: OptimalitySystem, control: np.ndarray, shares: np.ndarray) -> float:
    """The share of the mass that left the box, from the shares `(steps,)` that met its boundary."""
    if not system.pair.keeps_mass:
        return float(shares.sum())  # finite volumes lose mass at the boundary, so no mass is counted twice
    # Push-forward keeps clamped mass on the boundary and counts it again in every layer, so the maximum is a lower bound.
    # Particles measure the share itself.
    largest = float(shares.max())
    if largest <= CROSSED or of_the_problem(system) is not None:
        return largest
    return float(np.fmax(largest, share_beyond(system, control)))


class Energies:
    """`h = int <grad psi, F(theta)> + L dmu + lambda/2 |theta|^2` at both ends of every step.

    For an autonomous field and a control that is constant on layers, h is constant within a layer. At an optimum it is also the
    same in all layers, up to the order of the layers. h is evaluated at both ends of each step, so that a single layer has a
    drift as well, and the drift does not change if time is reversed.

    Parameters
    ----------
    system : the discrete problem.
    always : whether h is also evaluated for fields that depend on time.
    """

    def __init__(self, system: OptimalitySystem, always: bool = False) -> None:
        self._system = system
        self._wanted = always or system.problem.autonomous
        self._starts: list[tuple[float, float, float]] | None = [] if system.pair.interpolates else None
        self._ends: list[tuple[float, float, float]] = []
        self._allowed: list[Regulariser] = []
        self._controls: list[np.ndarray] = []
        self._slopes: list[np.ndarray] = []

    def add(self, n: int, step: Layer, start: State, end: State) -> None:
        """Add step n with its control, from the states at its two ends (see `State`)."""
        if self._starts is not None:
            self._starts.append(self._parts(n, step, 0.0, *start))
            self._ends.append(self._parts(n, step, 1.0, *end))

    def _parts(
        self, n: int, step: Layer, share: float, masses: np.ndarray, psi: np.ndarray, running: float
    ) -> tuple[float, float, float]:
        system, count, theta = self._system, self._system.controls.steps_per_layer, step.at(share)
        level = n + int(share)
        t = float(system.times[level])
        transported, slope = system.at_time(t, masses, psi).integral(theta)
        regulariser = system.controls.at_end_of(n // count, step, share)
        if level % count == 0:
            self._allowed.append(regulariser)
            self._controls.append(theta)
            self._slopes.append(slope + regulariser.penalties * theta)
        return transported + system.pair.noise_rate(t, psi, masses), regulariser.rate(theta), running

    def residual(self) -> float | None:
        """`max |lambda theta + int D_theta F^T grad psi dmu|` at both ends of every layer; None if the schemes do not have it."""
        if self._starts is None:
            return None
        conditions = pointwise_conditions(Regulariser.stacked(self._allowed))
        return conditions.residual(np.array(self._controls), np.array(self._slopes))

    def values(self) -> np.ndarray | None:
        """`(steps,)`: h at the starts of the steps, in the order in which they were added; None if h is not evaluated."""
        return None if self._starts is None or not self._wanted else np.array(self._starts).reshape(-1, 3).sum(axis=1)

    def drift(self) -> float | None:
        """The largest change of h, relative to the sum of the moduli of its parts; None if h is not evaluated."""
        if self._starts is None or not self._system.problem.autonomous:
            return None
        parts = np.array(self._starts + self._ends).reshape(-1, 3)
        return float(np.ptp(parts.sum(axis=1)) / max(np.abs(parts).sum(axis=1).max(), np.finfo(float).tiny))
