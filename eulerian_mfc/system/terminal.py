"""The terminal cost as a function of the final masses: read-outs are trained here, and costs of the density are added."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..constraints import Held
from ..errors import NonFiniteError
from ..kernels.sums import paired
from ..losses import Readout, Separable
from ..losses.readout_training import Fit
from ..problem import Problem
from .constraint_terms import ConstraintTerms
from .density_costs import DensityCosts
from .pairs import Pair


@dataclass(frozen=True)
class Terminal:
    """The terminal cost at final masses, `<values, m> + offset + density_cost`, with the final potentials of the backward sweep.

    Attributes
    ----------
    separable : the separable form of the loss, with the terms of constraints; a trained read-out is the best one for these
        masses.
    potentials : `(R, *shape)`, the values of a_r at the nodes, plus the derivatives of the costs of the density and of
        the terms of constraints.
    values : `(R, N)`, the values of a_r at the points of the pair's measure; on an adjoint pair these are the nodes.
    offset : the constant part: E[c_0(Y)], plus the penalty of a trained read-out.
    fit : the trained read-out, or None.
    density_cost : the value of the costs of the density.

    References
    ----------
    docs/theory/duality.md; the read-out: `losses.TrainedReadout`.
    """

    separable: Separable
    potentials: np.ndarray
    values: np.ndarray
    offset: float
    fit: Fit | None = None
    density_cost: float = 0.0

    @property
    def readout(self) -> Readout | None:
        """The trained read-out; None if none is trained."""
        return None if self.fit is None else self.fit.readout


class TerminalCost:
    """The map from final masses to `Terminal`; its potentials are the same for all masses if the cost is linear in them.

    Parameters
    ----------
    problem : the control problem.
    pair : the schemes.
    offset : the constant part of the cost, E[c_0(Y)].
    first : masses `(R, *mass_shape)` at time 0, at which costs of the density are checked.

    Raises
    ------
    NonFiniteError
        If the loss is not finite on the mesh.
    ArgumentError
        If a cost of the density is not defined on the mesh, or its derivatives are wrong.
    """

    def __init__(self, problem: Problem, pair: Pair, offset: float, first: np.ndarray) -> None:
        self._problem, self._pair, self._offset = problem, pair, offset
        self._known: tuple[np.ndarray, Terminal] | None = None
        trained = problem.separable.training is not None
        #: the part that is linear in the masses; None if a read-out is trained
        self._linear = None if trained else self._terminal(problem.separable, offset)
        #: the costs of the density among the terms of the loss, or None
        self.density_costs = DensityCosts.of(problem.loss, problem, pair.mesh, first)
        #: the constraints, or None
        self.constraints = ConstraintTerms(problem, pair) if problem.terminal_constraints else None
        #: the terminal cost for all masses; None if it is not linear in them
        self.fixed = self._linear if self.density_costs is None and self._settled is None else None

    def _terminal(self, separable: Separable, offset: float, fit: Fit | None = None) -> Terminal:
        mesh = self._pair.mesh
        potentials = separable.terminal(mesh.centres).reshape(-1, *mesh.shape)
        if not np.isfinite(potentials).all():
            raise NonFiniteError("the loss is not finite on the mesh")
        values = self._pair.at_points(potentials, separable.terminal)
        return Terminal(separable, potentials, values, offset, fit)

    def __call__(self, masses: np.ndarray) -> Terminal:
        """The terminal cost at final masses `(R, *shape)`; a trained read-out is the best one for these masses."""
        if self.fixed is not None:
            return self.fixed
        if self._known is None or not np.array_equal(self._known[0], masses):
            linear = self._trained(masses) if self._linear is None else self._linear
            self._known = masses.copy(), self._with_constraints(self._with_density_costs(linear, masses), masses)
        return self._known[1]

    @property
    def _settled(self) -> ConstraintTerms | None:
        """The constraints, if their terms are part of the cost."""
        return self.constraints if self.constraints is not None and self.constraints.known.settled else None

    def _with_constraints(self, end: Terminal, masses: np.ndarray) -> Terminal:
        terms = self._settled
        if terms is None:
            return end
        slopes = terms.known.slopes(terms.excess(masses))
        potentials = end.potentials + terms.potentials(slopes)
        return replace(end, potentials=potentials, separable=terms.added(end.separable, slopes))

    def _with_density_costs(self, linear: Terminal, masses: np.ndarray) -> Terminal:
        if self.density_costs is None:
            return linear
        potentials = linear.potentials + self.density_costs.potentials(masses)
        return replace(linear, potentials=potentials, density_cost=self.density_costs.value(masses))

    def _trained(self, masses: np.ndarray) -> Terminal:
        training = self._problem.separable.training
        assert training is not None
        measure = self._pair.measure(masses)
        fit = training.fit(measure.points, measure.weights)
        law, loss = self._problem.law, self._problem.loss.with_readout(fit.readout)
        form = loss.separate(law.dim, law.label_dim, law.labels, self._problem.representation)
        return self._terminal(form, self._offset + fit.penalty_cost, fit)

    def value(self, masses: np.ndarray) -> float:
        """`G(m)` for final masses `(R, *shape)`."""
        end = self(masses)
        return end.offset + paired(end.values, self._pair.measure(masses).weights) + end.density_cost

    def scale(self, masses: np.ndarray) -> float:
        """The sum of the moduli of the terms of `value`, without the constant, at final masses `(R, *shape)`."""
        of_density = 0.0 if self.density_costs is None else self.density_costs.scale(masses)
        of_constraints = 0.0 if self._settled is None else self._settled.scale(masses)
        own = float(np.abs(self(masses).values * self._pair.measure(masses).weights).sum())
        return own + of_density + of_constraints

    def constraint_cost(self, masses: np.ndarray) -> float:
        """The terms of the augmented Lagrangian at final masses; 0 without constraints whose multipliers are settled."""
        return 0.0 if self._settled is None else self._settled.cost(masses)

    def held(self, masses: np.ndarray) -> tuple[Held, ...]:
        """The records of the constraints at final masses."""
        return () if self.constraints is None else self.constraints.held(masses)

    @property
    def smooth(self) -> bool:
        """Whether the potentials are differentiable in the masses, by `tangent`."""
        return self.density_costs is None or self.density_costs.smooth

    def tangent(self, masses: np.ndarray, dmasses: np.ndarray) -> np.ndarray:
        """The change of the final potentials `(R, *shape)` for a change of the final masses.

        Trained read-outs, costs of the density and constraints cause it.
        """
        fit, mesh = self(masses).fit, self._pair.mesh
        costs = self.density_costs
        of_density = np.zeros_like(dmasses) if costs is None else costs.tangent(masses, dmasses)
        if self._settled is not None:
            of_density = of_density + self._settled.tangent(masses, dmasses)
        if fit is None:
            return of_density
        change = fit.tangent(dmasses.reshape(len(dmasses), -1))
        return fit.terminal_tangent(mesh.centres, change).reshape(-1, *mesh.shape) + of_density
