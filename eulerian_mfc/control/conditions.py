"""The conditions of optimality of a control, from the gradient of the cost without the L1 norm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .regulariser import Regulariser

#: share of one term of a sum below which the sum does not determine the other: if |a| < 1e-12 |b|, a is lost in a + b
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

    def residual_vector(self, control: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Coefficients of `r = lambda theta + int D_theta F^T grad psi dmu`.

        They are zero on the entries that a bound holds, so that r vanishes exactly at critical points under bounds too. With an
        L1 norm in the cost, of which the gradient holds nothing, the proximal residual
        `lambda (theta - prox(theta - gradient / (lambda mass)))`: `theta = soft(-int D_theta F^T grad psi dmu) / lambda` there.
        """
        if self.regulariser.sparse:
            penalties = self.regulariser.penalties
            return penalties * (control - self.prox(control - gradient / (self.mass * penalties), 1.0 / penalties))
        return np.where(self.free(control, gradient), gradient / self.mass, 0.0)

    def residual(self, control: np.ndarray, gradient: np.ndarray) -> float:
        """Largest modulus of an entry of `residual_vector` in the penalty's metric.

        That is, times `sqrt(largest lambda / lambda)` of the parameter: no unit of a parameter makes its residual look small.
        """
        return float(np.abs(self.regulariser.comparable * self.residual_vector(control, gradient)).max())

    def slope(self, control: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """The derivative of the cost with its L1 norm; where an entry is zero, the subgradient nearest to zero."""
        if not self.regulariser.sparse:
            return gradient
        size = self.mass * self.regulariser.sparsities
        at_zero = np.sign(gradient) * np.maximum(np.abs(gradient) - size, 0.0)
        return np.where(control == 0, at_zero, gradient + size * np.sign(control))

    def free(self, control: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Booleans: the entries that nothing holds, neither a bound (towards which they are pushed) nor the L1 norm at zero."""
        lower, upper = self.regulariser.lower, self.regulariser.upper
        slope = self.slope(control, gradient)
        held = ((control <= lower) & (slope >= 0)) | ((control >= upper) & (slope <= 0))
        return ~(held | ((self.regulariser.sparsities > 0) & (control == 0) & (slope == 0)))

    def strictly_free(self, control: np.ndarray, gradient: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Booleans: the free entries, and those at a bound whose multiplier is zero (weakly active).

        What counts as zero is relative to the terms, and to the penalty's at the parameters' natural sizes `(m,)`.
        """
        size = self.terms(control, gradient).max() / self.regulariser.comparable
        size += self.regulariser.penalties * (sizes + np.abs(control).max(axis=0))
        small = WEAK * self.mass * size
        weak = np.abs(self.slope(control, gradient)) <= small
        loose = np.abs(gradient) >= self.mass * self.regulariser.sparsities - small  # at zero: as good as pulled off
        return self.free(control, gradient) | (weak & ((control != 0) | loose))

    def terms(self, control: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """The larger modulus of the two terms that cancel in the residual at an optimum, in its metric."""
        penalty = np.abs(self.regulariser.comparable * self.regulariser.penalties * control)
        return np.maximum(penalty, self.drive(control, gradient))

    def drive(self, control: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """`|int D_theta F^T grad psi dmu|` in the residual's metric, the counterpart of the penalty's term.

        It is 0 where it is lost in that term: where it is smaller than the round-off of their sum.
        """
        penalty = self.regulariser.penalties * control
        drive = np.abs(gradient / self.mass - penalty)
        return np.where(drive > ROUND_OFF * np.abs(penalty), self.regulariser.comparable * drive, 0.0)
