"""Constraints on the final law, on a mesh: expectations of final masses, and the terms of the augmented Lagrangian."""

from __future__ import annotations

import numpy as np

from ..constraints import Held
from ..errors import NonFiniteError
from ..kernels.sums import paired
from ..losses import Separable
from ..problem import Problem
from .pairs import Pair

#: the natural size of g is at least this share of the distance of its mean under the initial law from c
SHARE = 0.1


class ConstraintTerms:
    """The expectations `E g_k` as linear functions of the final masses, with what the augmented Lagrangian adds to the cost.

    Parameters
    ----------
    problem : a problem with constraints.
    pair : the schemes.

    Raises
    ------
    NonFiniteError
        If a g is not finite on the mesh or at the law's labels.
    """

    def __init__(self, problem: Problem, pair: Pair) -> None:
        #: the constraints with their multipliers
        self.known = problem.terminal_constraints
        self._pair, self._forms, mesh = pair, problem.separable_constraints, pair.mesh
        nodal = [form.terminal(mesh.centres).reshape(-1, *mesh.shape) for form in self._forms]
        #: `(K, R, *shape)`, at the nodes, and `(K, R, N)` at the points of the pair's measure
        self._nodal = np.stack(nodal)
        self._values = np.stack(
            [pair.at_points(one, form.terminal) for one, form in zip(nodal, self._forms, strict=True)]
        )
        self._offsets = np.zeros(len(nodal))
        for rule in problem.law.pieces(pair.lines, products=pair.continuity.products):
            self._offsets += [float(rule.w @ form.offset(rule.y)) for form in self._forms]
        for row, one, offset in zip(self.known.rows, nodal, self._offsets, strict=True):
            if not (np.isfinite(one).all() and np.isfinite(offset)):
                raise NonFiniteError(f"the function {row.called} of a constraint is not finite on the mesh")
        #: `(K,)`, the natural sizes of the g
        self.sizes = np.array([_size(problem, k) for k in range(len(nodal))])

    def expectations(self, masses: np.ndarray) -> np.ndarray:
        """`(K,)`: the E g at final masses `(R, *shape)`."""
        weights = self._pair.measure(masses).weights
        return self._offsets + [paired(values, weights) for values in self._values]

    def excess(self, masses: np.ndarray) -> np.ndarray:
        """`(K,)`: `E g - c` at final masses."""
        return np.asarray(self.expectations(masses) - self.known.bounds)

    def cost(self, masses: np.ndarray) -> float:
        """What the augmented Lagrangian adds to J."""
        return self.known.cost(self.excess(masses))

    def potentials(self, slopes: np.ndarray) -> np.ndarray:
        """`(R, *shape)`: the sum of the g at the nodes, times slopes `(K,)`."""
        return np.asarray(np.tensordot(slopes, self._nodal, 1))

    def tangent(self, masses: np.ndarray, dmasses: np.ndarray) -> np.ndarray:
        """`(R, *shape)`: the change of the potentials for a change of the final masses."""
        changes = np.array([float((one * dmasses).sum()) for one in self._nodal])
        return self.potentials(self.known.bends(self.excess(masses)) * changes)

    def scale(self, masses: np.ndarray) -> float:
        """The sum of the moduli of the terms whose derivative the potentials are, at final masses."""
        weights = self._pair.measure(masses).weights
        slopes = np.abs(self.known.slopes(self.excess(masses)))
        return float(slopes @ [np.abs(values * weights).sum() for values in self._values])

    def added(self, form: Separable, slopes: np.ndarray) -> Separable:
        """A separable form plus the sum of the g times slopes `(K,)`."""
        pairs = list(zip(slopes.tolist(), self._forms, strict=True))
        return form._replace(
            terminal=lambda x: form.terminal(x) + sum(s * g.terminal(x) for s, g in pairs),
            terminal_gradient=lambda x: form.terminal_gradient(x) + sum(s * g.terminal_gradient(x) for s, g in pairs),
        )

    @property
    def allowed(self) -> np.ndarray:
        """`(K,)`: the largest violations that count as none."""
        return np.array([row.tolerance for row in self.known.rows]) * self.sizes

    def held(self, masses: np.ndarray) -> tuple[Held, ...]:
        """The records of the constraints at final masses."""
        return self.known.held(self.expectations(masses), self.allowed)


def _size(problem: Problem, k: int) -> float:
    """The natural size of g_k: its deviation under the initial law, or a tenth of the distance of its mean from c if larger."""
    x, w, y = problem.few_points
    row = problem.terminal_constraints.rows[k]
    values = row.loss.value(x, y)
    mean = float(np.average(values, weights=w))
    deviation = float(np.sqrt(np.average((values - mean) ** 2, weights=w)))
    return max(deviation, SHARE * abs(mean - row.bound)) or abs(row.bound) or 1.0
