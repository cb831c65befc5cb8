"""The running cost on a mesh, by the trapezoidal rule per layer."""

from __future__ import annotations

import numpy as np

from ..kernels.sums import paired
from ..problem import Problem
from .pairs import Pair


class RunningCost:
    """The running cost: dt/2 times the running loss at each end of every layer; zero if the problem has no running loss.

    Parameters
    ----------
    problem : the control problem.
    pair : the schemes.
    dt : the length of a layer.
    offset : the expectation of the part of the running loss that depends only on the label.
    """

    def __init__(self, problem: Problem, pair: Pair, dt: float, offset: float) -> None:
        self._pair, running = pair, problem.separable_running
        self._nodal: np.ndarray | None = None
        #: the part of the running cost that does not depend on the control
        self.constant = 0.0
        if running is not None:
            mesh = pair.mesh
            self._nodal = 0.5 * dt * running.terminal(mesh.centres).reshape(-1, *mesh.shape)
            self._values = pair.at_points(self._nodal, lambda points: 0.5 * dt * running.terminal(points))
            self.constant = problem.horizon * offset

    def added_to(self, psi: np.ndarray) -> np.ndarray:
        """`psi + dt/2 L` for potentials psi `(R, *shape)` at one end of a layer, where L is the running loss."""
        return psi if self._nodal is None else psi + self._nodal

    def half(self, masses: np.ndarray) -> float:
        """`dt/2 sum_r int L_r dm_r` for masses `(R, *shape)` at one end of a layer: its running cost, without the constant."""
        return 0.0 if self._nodal is None else paired(self._values, self._pair.measure(masses).weights)
