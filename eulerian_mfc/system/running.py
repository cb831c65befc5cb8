"""The running cost on a mesh, by a rule with the levels in time as points."""

from __future__ import annotations

import numpy as np

from ..control.curves import Curves
from ..kernels.sums import paired
from ..problem import Problem
from .pairs import Pair

#: number of scaled running losses that are kept
KEPT = 4


def halves_of(rule: np.ndarray) -> np.ndarray:
    """The rule's weights, halved at inner levels: each of the two steps that meet there counts one half.

    Parameters
    ----------
    rule : `(steps + 1,)`, see `ControlSpace.rule`.
    """
    out = 0.5 * rule
    out[[0, -1]] = rule[[0, -1]]
    return out


class RunningCost:
    """The running cost: a weight times the running loss at each end of every step; zero if the problem has no running loss.

    Parameters
    ----------
    problem : the control problem.
    pair : the schemes.
    curves : the layers, with the levels in time and a rule for them.
    offset : the expectation of the part of the running loss that depends only on the label.
    """

    def __init__(self, problem: Problem, pair: Pair, curves: Curves, offset: float) -> None:
        self._pair, running = pair, problem.separable_running
        self._nodal: np.ndarray | None = None
        self._values: np.ndarray | None = None
        #: `(steps + 1,)`, half the weight of every level, and the whole weight of the first and the last one
        self.halves = halves_of(curves.rule)
        #: `(steps,)`, the weights of the running loss at the start and at the end of every step
        self.before, self.after = curves.step_weights
        self._scaled: dict[float, tuple[np.ndarray, np.ndarray]] = {}
        #: the part of the running cost that does not depend on the control
        self.constant = 0.0
        if running is not None:
            mesh = pair.mesh
            self._nodal = running.terminal(mesh.centres).reshape(-1, *mesh.shape)
            self._values = pair.at_points(self._nodal, running.terminal)
            self.constant = float(problem.horizon) * offset

    def _scaled_by(self, weight: float) -> tuple[np.ndarray, np.ndarray]:
        """The running loss at the nodes and at the points of the masses, times a weight."""
        assert self._nodal is not None
        assert self._values is not None
        if weight not in self._scaled:
            if len(self._scaled) == KEPT:
                self._scaled.clear()
            self._scaled[weight] = weight * self._nodal, weight * self._values
        return self._scaled[weight]

    def at_end(self, n: int, psi: np.ndarray) -> np.ndarray:
        """The potentials `(R, *shape)` at the end of step n, with the running loss at this end added."""
        return psi if self._nodal is None else psi + self._scaled_by(float(self.after[n]))[0]

    def at_start(self, n: int, psi: np.ndarray) -> np.ndarray:
        """The potentials `(R, *shape)` at the start of step n, with the running loss at this start added."""
        return psi if self._nodal is None else psi + self._scaled_by(float(self.before[n]))[0]

    def half(self, masses: np.ndarray, n: int) -> float:
        """`halves_n sum_r int L_r dm_r` for masses `(R, *shape)` at level n; without the constant."""
        if self._nodal is None:
            return 0.0
        return paired(self._scaled_by(float(self.halves[n]))[1], self._pair.measure(masses).weights)
