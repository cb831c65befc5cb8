"""The control equation in continuous time, at any time: its residual, and the control that solves it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..control.bounds import put_on
from ..control.conditions import OptimalityConditions
from ..control.curves import checked_times
from ..control.regulariser import Regulariser
from ..control.space import bound_values
from ..flow.polynomials import gauss
from ..solvers.layer_update import minimise_layer
from ..system.hamiltonian import ContinuousHamiltonian
from ..system.optimality import OptimalitySystem

#: points of the Gauss rule for the running loss between a time and the end of its layer
RUNNING = 5
#: values of the control that differ by this much from a bound, relative to their size, are on it
ROUND_OFF = 1e-13
#: the proximal iteration for the L1 norm ends if no entry moves by more than this share of the control, or after so many steps
SETTLED, MOST = 1e-13, 1000


def pointwise_conditions(regulariser: Regulariser) -> OptimalityConditions:
    """The conditions of optimality of values of the control at single times, arrays `(n, m)`.

    Parameters
    ----------
    regulariser : penalty, bounds and L1 norm at these times.
    """
    return OptimalityConditions(regulariser, np.ones(1), regulariser.prox, lambda theta: regulariser.penalties * theta)


class Pointwise:
    """The Hamiltonian of continuous time at any time, for the densities and potentials of a control.

    `h(t, theta) = int <grad psi(t), F(t, theta)> dmu(t) + lambda/2 |theta|^2`. The masses come from those at the start of the
    layer, and the potentials from those at its end, by one step each.

    Parameters
    ----------
    system : the discrete problem.
    control : the control, of its space's shape.
    masses : `(steps + 1, R, *shape)`, the masses of the forward sweep.

    Raises
    ------
    ArgumentError
        If the transport scheme has no gradients between the nodes.

    References
    ----------
    L. S. Pontryagin, V. G. Boltyanskii, R. V. Gamkrelidze, E. F. Mishchenko, The Mathematical Theory of Optimal Processes, Wiley
    1962; controls that are recovered from states and costates: M. Hinze, A variational discretization concept in control
    constrained optimization, Comput. Optim. Appl. 30 (2005), 45-61, doi:10.1007/s10589-005-4559-5.

    Examples
    --------
    Every state is to move from 0 to 1, and half of the way is best; the optimal velocity is the same at all times:

    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.2), [[1.0]])
    >>> field = emfc.fields.AffineField(1, matrix=False)
    >>> problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), penalty=2.0, horizon=1.0)
    >>> solution = emfc.solve(problem, emfc.CartesianMesh([(-2.0, 3.0)], 60), layers=3)
    >>> conditions = Pointwise(solution.system, solution.control, solution.masses)
    >>> conditions.recovered(np.array([0.0, 0.4, 1.0])).round(6).ravel().tolist()
    [0.5, 0.5, 0.5]
    """

    def __init__(self, system: OptimalitySystem, control: np.ndarray, masses: np.ndarray) -> None:
        system.pair.between_nodes()
        self._system, self._control, self._curves = system, control, system.controls
        self._masses = masses[:: system.controls.steps_per_layer]
        psi = system.terminal(masses[-1]).potentials
        self._potentials = [psi]
        for n in range(system.layers - 1, -1, -1):
            psi = self._back(n, 0.0, psi)
            self._potentials.insert(0, psi)

    def _back(self, n: int, share: float, psi: np.ndarray) -> np.ndarray:
        """The potentials after a share of layer n, from those at its end."""
        system, theta = self._system, self._control[n]
        rest = self._curves.part(n, theta, share, 1.0)
        out = system.pair.back(rest, psi)
        running = system.problem.separable_running
        if running is None:
            return out
        nodes, costs, interpolation = system.mesh.centres, system.running.density_costs, system.pair.between_nodes()
        for s, w in zip(*gauss(RUNNING), strict=True):
            until = share + (1.0 - share) * float(s)
            part = self._curves.part(n, theta, share, until)
            masses = self._masses[n]
            if costs is not None:
                masses, _ = system.pair.push(self._curves.part(n, theta, 0.0, until), masses)
            if system.problem.diffusion:
                nodal = running.terminal(nodes).reshape(out.shape)
                spent = system.pair.back(part, nodal if costs is None else nodal + costs.potentials(masses))
            else:
                there = system.flow(part, nodes)
                spent = running.terminal(there)
                if costs is not None:
                    spent = spent + interpolation.gather(there, interpolation.coefficients(costs.potentials(masses)))[0]
            out = out + w * rest.length * spent.reshape(out.shape)
        return out

    def hamiltonian(self, t: float) -> ContinuousHamiltonian:
        """The Hamiltonian at time t, a function of theta `(m,)`."""
        curves, system = self._curves, self._system
        n = int(curves.layer_at(t))
        share = min(max((t - curves.ends[n]) / curves.lengths[n], 0.0), 1.0)
        if share == 0.0:
            return system.at_time(t, self._masses[n], self._potentials[n])
        if share == 1.0:
            return system.at_time(t, self._masses[n + 1], self._potentials[n + 1])
        masses, _ = system.pair.push(curves.part(n, self._control[n], 0.0, share), self._masses[n])
        return system.at_time(t, masses, self._back(n, share, self._potentials[n + 1]))

    def residuals(self, times: ArrayLike) -> np.ndarray:
        """`(n, m)`: `lambda theta + int D_theta F^T grad psi dmu` at times `(n,)`, zero on entries that a bound holds."""
        times = np.atleast_1d(checked_times(times, self._curves.horizon))
        if not times.size:
            return np.zeros((0, self._curves.parameters))
        theta = self._on_bounds(times)
        slopes = np.stack([self.hamiltonian(float(t))(row)[1] for t, row in zip(times, theta, strict=True)])
        return pointwise_conditions(self._curves.posed.at(times)).residual_vector(theta, slopes)

    def _on_bounds(self, times: np.ndarray) -> np.ndarray:
        """`(n, m)`: values of the control; those that differ from the space's bound by round-off are put on the bound."""
        curves, posed = self._curves, self._curves.posed.at(times)
        theta = curves.values(self._control, times)
        if not curves.posed.bounded:
            return theta
        for own, bound in ((curves.regulariser.lower, posed.lower), (curves.regulariser.upper, posed.upper)):
            own = own if own.ndim == 1 else bound_values(lambda c: curves.values(c, times), own)
            theta = put_on(theta, own, bound, ROUND_OFF, np.abs(theta))
        return theta

    def recovered(self, times: ArrayLike) -> np.ndarray:
        """`(n, m)`: the minimiser of the Hamiltonian at times `(n,)`, found from the control's value there.

        It is of higher order in the layers than the control itself.
        """
        times = np.atleast_1d(checked_times(times, self._curves.horizon))
        if not times.size:
            return np.zeros((0, self._curves.parameters))
        theta = self._curves.values(self._control, times)
        return np.stack([self._minimiser(self.hamiltonian(float(t)), row) for t, row in zip(times, theta, strict=True)])

    def _minimiser(self, h: ContinuousHamiltonian, theta: np.ndarray) -> np.ndarray:
        regulariser = self._curves.posed.at(h.layer.start)
        if not regulariser.sparse:
            return minimise_layer(h, theta, regulariser.lower, regulariser.upper, reduction=1e-12)
        # Proximal steps: the first one is exact if the field is linear in the control.
        bend = np.abs(np.linalg.eigvalsh(h.integral_hessian(theta))).max()
        step = 1.0 / (regulariser.penalties + bend)
        for _ in range(MOST):
            new = regulariser.prox(theta - step * h(theta)[1], step)
            moved, theta = np.abs(new - theta).max(), new
            if moved <= SETTLED * np.abs(theta).max():
                break
        return theta
