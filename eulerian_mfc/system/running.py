"""The running cost on a mesh, by a rule with the levels in time as points."""

from __future__ import annotations

import numpy as np

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
    rule : `(steps + 1,)`, the weights of a rule with the levels in time as points, see `ControlSpace.rule`.
    offset : the expectation of the part of the running loss that depends only on the label.
    """

    def __init__(self, problem: Problem, pair: Pair, rule: np.ndarray, offset: float) -> None:
        self._pair, running = pair, problem.separable_running
        self._nodal: np.ndarray | None = None
        self._values: np.ndarray | None = None
        #: `(steps + 1,)`: the weight of the running loss at the end of a step, per level
        self.halves = halves_of(rule)
        self._scaled: dict[float, tuple[np.ndarray, np.ndarray]] = {}
        #: the part of the running cost that does not depend on the control
        self.constant = 0.0
        if running is not None:
            mesh = pair.mesh
            self._nodal = running.terminal(mesh.centres).reshape(-1, *mesh.shape)
            self._values = pair.at_points(self._nodal, running.terminal)
            self.constant = problem.horizon * offset

    def _at(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The running loss at the nodes and at the points of the masses, times the weight at level n."""
        assert self._nodal is not None
        assert self._values is not None
        weight = float(self.halves[n])
        if weight not in self._scaled:
            if len(self._scaled) == KEPT:
                self._scaled.clear()
            self._scaled[weight] = weight * self._nodal, weight * self._values
        return self._scaled[weight]

    def added_to(self, psi: np.ndarray, n: int) -> np.ndarray:
        """`psi + h_n L` for potentials psi `(R, *shape)` at level n, the end of a step, where L is the running loss."""
        return psi if self._nodal is None else psi + self._at(n)[0]

    def half(self, masses: np.ndarray, n: int) -> float:
        """`h_n sum_r int L_r dm_r` for masses `(R, *shape)` at level n, one end of a step; without the constant."""
        return 0.0 if self._nodal is None else paired(self._at(n)[1], self._pair.measure(masses).weights)
