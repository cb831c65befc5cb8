"""Training a read-out together with the control, by eliminating it.

Beside the control theta there is a second block of unknowns, `B = (A, b)`. The cost is

    J(theta, B) = int loss_B dmu_theta(T) + kappa/2 |B|^2 + penalty of theta,    d_B J = int d_B loss dmu(T) + kappa B.

For fixed theta, the best B solves the small system `d_B J = 0`, by Newton's method on the final masses. The result is a
function of theta alone, `j(theta) = min_B J(theta, B)`, so that solvers need no change. Its critical points are those of J.
Its gradient is `d_theta J(theta, B)` (the envelope theorem): the adjoint starts from `psi(T) = loss_B`. Its Hessian is the
Schur complement `J_tt - J_tB J_BB^{-1} J_Bt`: if the final masses change by `dmu`, B changes by
`dB = -J_BB^{-1} int d_B loss d(dmu)`, and the final potentials change with it.

Reference: G. H. Golub, V. Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems whose
variables separate, SIAM J. Numer. Anal. 10 (1973), 413-432, doi:10.1137/0710036.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import NonFiniteError
from ..kernels.sums import moments, paired
from .readout import Readout

#: largest number of Newton steps; residual, relative to the terms that cancel, at which they stop; largest accepted residual
STEPS, TOLERANCE, ACCEPTED = 100, 1e-14, 1e-9


class Heads(NamedTuple):
    """The separable form as functions of outputs z `(n, p)`: the a_r with `terminal(x) = value(A x + b)`.

    Attributes
    ----------
    value : `(R, n)`.
    slope : derivatives `(R, n, p)`.
    curvature : `(z, masses (R, n)) -> (n, p, p)`, the sum over r of `masses_r` times second derivatives.

    Examples
    --------
    >>> heads = Heads(lambda z: z.T**2, lambda z: 2.0 * z[None], lambda z, masses: 2.0 * masses[0][:, None, None])
    >>> heads.value(np.array([[3.0]])).tolist(), heads.slope(np.array([[3.0]])).tolist()
    ([[9.0]], [[[6.0]]])
    """

    value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    curvature: Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Training:
    """The minimisation over read-outs of `sum_r int a_r(A x + b) dm_r + kappa/2 |(A, b)|^2`, x the first `dim` coordinates.

    Examples
    --------
    >>> from eulerian_mfc.losses import SquaredLoss, TrainedReadout
    >>> training = SquaredLoss(TrainedReadout(1e-12)).separate(1, 1, None, "moments").training
    >>> x, y = np.array([[0.0], [1.0]]), np.array([1.0, 3.0])
    >>> fit = training.fit(x, np.stack([np.ones(2), y]) / 2)  # masses, and those weighted by the label
    >>> fit.readout.matrix.round(6).tolist(), fit.readout.bias.round(6).tolist()  # y = 2 x + 1
    ([[2.0]], [1.0])
    """

    heads: Heads
    outputs: int
    dim: int
    penalty: float

    def fit(self, x: np.ndarray, masses: np.ndarray) -> Fit:
        """The best read-out for masses `(R, n)` at points `(n, d)`, by Newton steps from zero.

        Raises
        ------
        NonFiniteError
            If the residual `int d_B loss dmu + kappa B` does not vanish; usually the masses are too rough for the mesh.
        """
        points = np.concatenate([x[:, : self.dim], np.ones((len(x), 1))], axis=1)
        first = fit = Fit(self, points, masses, np.zeros((self.outputs, points.shape[1])))

        def share(other: Fit, scale: np.ndarray) -> float:
            """The largest entry of a gradient, relative to the terms that cancel in it."""
            return float(
                np.divide(np.abs(other.gradient), scale, out=np.zeros_like(other.gradient), where=scale > 0).max()
            )

        for _ in range(STEPS):
            # If a read-out fits all labels, the terms at B vanish like the gradient; the terms at B = 0 do not.
            scale = np.maximum(fit.scale, first.scale)
            size = share(fit, scale)
            if not np.isfinite(size):
                raise NonFiniteError("the read-out cannot be trained, since its gradient is not finite")
            if size <= TOLERANCE:
                break
            step = -fit.solved(fit.gradient)
            decrease, length = float(np.vdot(fit.gradient, step)), 1.0
            new = fit
            while length > 1e-10:
                new = Fit(self, points, masses, fit.parameters + length * step)
                # Near the minimum, changes of the value are round-off: then a smaller gradient decides.
                if new.value <= fit.value + 1e-4 * length * decrease or share(new, scale) < 0.5 * size:
                    break
                length *= 0.5
            if share(new, scale) >= size and size <= ACCEPTED:
                break
            fit = new
        if share(fit, np.maximum(fit.scale, first.scale)) > ACCEPTED:
            raise NonFiniteError(
                f"the training of the read-out stopped at the residual {np.abs(fit.gradient).max():.1e}; use "
                "a larger penalty of the read-out, or more cells"
            )
        return fit


class Fit:
    """A read-out `B = (A, b)`, `(p, d + 1)`, with its cost for masses `(R, n)` at points `(x, 1)`, `(n, d + 1)`.

    Examples
    --------
    >>> from eulerian_mfc.losses import SquaredLoss, TrainedReadout
    >>> training = SquaredLoss(TrainedReadout(1.0)).separate(1, 1, None, "moments").training
    >>> training.fit(np.array([[1.0]]), np.array([[1.0], [0.0]])).parameters.tolist()  # all labels are zero
    [[0.0, 0.0]]
    """

    def __init__(self, training: Training, points: np.ndarray, masses: np.ndarray, parameters: np.ndarray) -> None:
        self.training, self.points, self.masses, self.parameters = training, points, masses, parameters
        self._outputs = points @ parameters.T
        kappa = training.penalty
        #: the penalty of the read-out, `kappa/2 |B|^2`, a part of the cost
        self.penalty_cost = 0.5 * kappa * float((parameters**2).sum())
        self.value = paired(masses, training.heads.value(self._outputs)) + self.penalty_cost
        self._slope = training.heads.slope(self._outputs)
        terms = self._integral(masses)
        self.gradient = terms + kappa * parameters
        #: `(1, d + 1)`, scale of the gradient: the sum of absolute values of the terms that cancel, largest over the outputs
        moduli = moments(np.einsum("rn,rnp->pn", np.abs(masses), np.abs(self._slope)), np.abs(points).T)
        self.scale = (moduli + kappa * np.abs(parameters)).max(axis=0, keepdims=True)

    @property
    def readout(self) -> Readout:
        """`z = A x + b`."""
        return Readout(self.parameters[:, :-1], self.parameters[:, -1])

    def _integral(self, masses: np.ndarray) -> np.ndarray:
        """`int d_B loss dm`, `(p, d + 1)`, for masses m `(R, n)`."""
        return moments(np.einsum("rn,rnp->pn", masses, self._slope), self.points.T)

    def solved(self, right: np.ndarray) -> np.ndarray:
        """`|J_BB|^-1 right`; |.| takes absolute values of eigenvalues, which are negative if masses of negative sign prevail.

        The eigenvalues are those in dimensionless coordinates: each coordinate is divided by its largest value.
        """
        p, e = self.parameters.shape
        sizes = np.abs(self.points).max(axis=0)
        unit = np.tile(np.where(sizes > 0, sizes, 1.0), p)
        bend = self.training.heads.curvature(self._outputs, self.masses).reshape(-1, p * p)
        pairs = (self.points[:, :, None] * self.points[:, None, :]).reshape(-1, e * e)
        matrix = moments(bend.T, pairs.T).reshape(p, p, e, e).transpose(0, 2, 1, 3).reshape(p * e, p * e)
        whole = (matrix + matrix.T) / 2 + self.training.penalty * np.eye(p * e)
        values, vectors = np.linalg.eigh(whole / np.outer(unit, unit))
        moduli = np.maximum(np.abs(values), 1e-14 * np.abs(values).max())
        return ((vectors @ ((vectors.T @ (right.ravel() / unit)) / moduli)) / unit).reshape(p, e)

    def tangent(self, dmasses: np.ndarray) -> np.ndarray:
        """The change `dB` `(p, d + 1)` if the masses change by `dmasses` `(R, n)`."""
        return -self.solved(self._integral(dmasses))

    def terminal_tangent(self, x: np.ndarray, change: np.ndarray) -> np.ndarray:
        """The change `(R, n)` of the final potentials at points `(n, d)` if B changes by `change`."""
        seen = x[:, : self.training.dim]
        slope = self.training.heads.slope(self.readout(seen))
        return np.einsum("rnp,np->rn", slope, seen @ change[:, :-1].T + change[:, -1])
