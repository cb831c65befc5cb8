"""The terminal cost as a function of the final masses; if the loss has a read-out to train, it is trained here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import NonFiniteError
from ..kernels.sums import paired
from ..losses import Readout, Separable
from ..losses.readout_training import Fit
from ..problem import Problem
from .pairs import Pair


@dataclass(frozen=True)
class Terminal:
    """The terminal cost at final masses, `G(m) = <potentials, m> + offset`, with the final potentials of the backward sweep.

    Attributes
    ----------
    separable : the separable form of the loss; a trained read-out is the best one for these masses.
    potentials : `(R, *shape)`, the values of a_r at the nodes.
    values : `(R, N)`, the values of a_r at the points of the pair's measure; on an adjoint pair these are the nodes.
    offset : the constant part: E[c_0(Y)], plus the penalty of a trained read-out.
    fit : the trained read-out, or None.

    References
    ----------
    docs/theory/duality.md; the read-out: `losses.TrainedReadout`.
    """

    separable: Separable
    potentials: np.ndarray
    values: np.ndarray
    offset: float
    fit: Fit | None = None

    @property
    def readout(self) -> Readout | None:
        """The trained read-out; None if none is trained."""
        return None if self.fit is None else self.fit.readout


class TerminalCost:
    """The map from final masses to `Terminal`; without a trained read-out the result is the same for all masses.

    Parameters
    ----------
    problem : the control problem.
    pair : the schemes.
    offset : the constant part of the cost, E[c_0(Y)].

    Raises
    ------
    NonFiniteError
        If the loss is not finite on the mesh.
    """

    def __init__(self, problem: Problem, pair: Pair, offset: float) -> None:
        self._problem, self._pair, self._offset = problem, pair, offset
        self._known: tuple[np.ndarray, Terminal] | None = None
        trained = problem.separable.training is not None
        #: the terminal cost for all masses; None if a read-out is trained
        self.fixed = None if trained else self._terminal(problem.separable, offset)

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
            self._known = masses.copy(), self._trained(masses)
        return self._known[1]

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
        return end.offset + paired(end.values, self._pair.measure(masses).weights)

    def scale(self, masses: np.ndarray) -> float:
        """The sum of the moduli of the terms of `value`, without the constant, at final masses `(R, *shape)`."""
        return float(np.abs(self(masses).values * self._pair.measure(masses).weights).sum())

    def tangent(self, masses: np.ndarray, dmasses: np.ndarray) -> np.ndarray:
        """The change of the final potentials `(R, *shape)` for a change of the final masses, which a trained read-out causes."""
        fit, mesh = self(masses).fit, self._pair.mesh
        if fit is None:
            return np.zeros_like(dmasses)
        change = fit.tangent(dmasses.reshape(len(dmasses), -1))
        return fit.terminal_tangent(mesh.centres, change).reshape(-1, *mesh.shape)
