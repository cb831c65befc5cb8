"""The conditions of optimality of a control, from the gradient of the cost without the L1 norm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .regulariser import Regulariser

#: if |a| < ROUND_OFF |b|, a cannot be recovered from a + b in floating point
ROUND_OFF = 1e-12
#: multipliers of bounds below this share of the terms that cancel count as zero
WEAK = 1e-8


@dataclass(frozen=True)
class OptimalityConditions:
    """The residual of the control equation, and which entries of a control bounds or the L1 norm hold.

    All methods take a control and a gradient, arrays of coefficients of the shape of a `ControlSpace`; the gradient is that of
    the cost without its L1 norm.

    Parameters
    ----------
    regulariser : what a control costs at one time, and its bounds.
    mass : the squared norms of the basis; it broadcasts against a control's coefficients.
    prox : `(control, step) -> argmin |v - control|^2 / 2 + step sparsity |v|_1` within the bounds; see `ControlSpace.prox`.
    penalty_term : the penalty's part of the residual, `lambda theta`, in coefficients; see `ControlSpace.penalty_term`.

    References
    ----------
    docs/theory/duality.md; residuals under bounds and with an L1 norm: N. Parikh, S. Boyd, Proximal algorithms, Found.
    Trends Optim. 1 (2014), 127-239, doi:10.1561/2400000003.

    Examples
    --------
    `J(theta) = theta^2 - theta` on one layer, with its minimum at 1/2.

    >>> from eulerian_mfc.control.regulariser import Regulariser
    >>> from eulerian_mfc.control.space import PiecewiseConstant
    >>> space = PiecewiseConstant(Regulariser.of(2.0, 0.0, None, parameters=1), horizon=1.0, layers=1)
    >>> [space.conditions.residual(theta, 2.0 * theta - 1.0) for theta in (np.zeros((1, 1)), np.full((1, 1), 0.5))]
    [1.0, 0.0]
    """

    regulariser: Regulariser
    mass: np.ndarray
    prox: Callable[[np.ndarray, np.ndarray], np.ndarray]
    penalty_term: Callable[[np.ndarray], np.ndarray]

    def residual_vector(self, control: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """The coefficients of `r = lambda theta + int D_theta F^T grad psi dmu`.

        They are zero on the entries that a bound holds, so that r vanishes at critical points under bounds too. If the cost
        contains the L1 norm (which the gradient leaves out), the result is the proximal residual
        `lambda (theta - prox(theta - gradient / (lambda mass)))`. Without bounds it vanishes if and only if
        `theta = soft(-int D_theta F^T grad psi dmu) / lambda`, where soft is the soft thresholding.
        """
        if self.regulariser.sparse:
            penalties = self.regulariser.penalties
            return penalties * (control - self.prox(control - gradient / (self.mass * penalties), 1.0 / penalties))
        return np.where(self.free(control, gradient), gradient / self.mass, 0.0)

    def residual(self, control: np.ndarray, gradient: np.ndarray) -> float:
        """The largest modulus of an entry of `residual_vector` in the penalty's metric.

        Each entry is multiplied by `sqrt(largest lambda / lambda)` of its parameter, so that residuals of parameters in different
        units are comparable.
        """
        return float(np.abs(self.regulariser.comparable * self.residual_vector(control, gradient)).max())

    def slope(self, control: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """The derivative of the cost with its L1 norm; for an entry that is zero, the smallest subgradient."""
        if not self.regulariser.sparse:
            return gradient
        size = self.mass * self.regulariser.sparsities
        at_zero = np.sign(gradient) * np.maximum(np.abs(gradient) - size, 0.0)
        return np.where(control == 0, at_zero, gradient + size * np.sign(control))

    def free(self, control: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Booleans: the free entries. Other entries are pushed against their bound, or the L1 norm keeps them at zero."""
        lower, upper = self.regulariser.lower, self.regulariser.upper
        slope = self.slope(control, gradient)
        held = ((control <= lower) & (slope >= 0)) | ((control >= upper) & (slope <= 0))
        return ~(held | ((self.regulariser.sparsities > 0) & (control == 0) & (slope == 0)))

    def strictly_free(self, control: np.ndarray, gradient: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Booleans: the free entries, and those at a bound whose multiplier is zero (weakly active).

        A multiplier counts as zero relative to the terms of the residual, and to the penalty's term at the natural sizes `(m,)`.
        """
        size = self.terms(control, gradient).max() / self.regulariser.comparable
        size += self.regulariser.penalties * (sizes + np.abs(control).max(axis=tuple(range(control.ndim - 1))))
        small = WEAK * self.mass * size
        weak = np.abs(self.slope(control, gradient)) <= small
        loose = np.abs(gradient) >= self.mass * self.regulariser.sparsities - small  # at zero: as good as pulled off
        return self.free(control, gradient) | (weak & ((control != 0) | loose))

    def terms(self, control: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Per entry, the larger modulus of the two terms that cancel in the residual at an optimum, in the residual's metric."""
        penalty = np.abs(self.regulariser.comparable * self.penalty_term(control))
        return np.maximum(penalty, self.drive(control, gradient))

    def drive(self, control: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """`|int D_theta F^T grad psi dmu|` in the residual's metric, which cancels the penalty's term at an optimum.

        It is computed as a difference, gradient minus penalty, and set to 0 if it is smaller than the round-off of this
        difference.
        """
        penalty = self.penalty_term(control)
        drive = np.abs(gradient / self.mass - penalty)
        return np.where(drive > ROUND_OFF * np.abs(penalty), self.regulariser.comparable * drive, 0.0)
