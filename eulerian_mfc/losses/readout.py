"""Affine read-outs, fixed or trained: maps from the final state to the argument of the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._frozen import frozen
from .._validate import array, mismatch, positive

#: a kind and arguments, JSON-ready
Spec = dict[str, object]


@dataclass(frozen=True, eq=False)
class Readout:
    """`z = A x + b`, the last, linear layer of a network.

    Parameters
    ----------
    matrix : `(p, d)`, one row per output (for classes: one row per label), one column per coordinate of the state.
    bias : `(p,)`; zero by default.

    Raises
    ------
    ArgumentError
        If an array has another shape, or entries that are not finite.

    Examples
    --------
    >>> from eulerian_mfc.losses import Readout
    >>> Readout([[1.0, 2.0]], [0.5])(np.array([[3.0, 4.0]])).tolist()
    [[11.5]]
    """

    matrix: Any
    bias: Any = None

    def __post_init__(self) -> None:
        matrix = array("matrix", self.matrix, ndim=2, like="matrix=[[1.0]]")
        zeros = np.zeros(len(matrix))
        bias = zeros if self.bias is None else array("bias", self.bias, ndim=1, like=f"bias={zeros.tolist()}")
        if len(bias) != len(matrix):
            raise mismatch("bias", f"{len(bias)} numbers", f"{len(matrix)} numbers, one per row of the matrix")
        self.__setstate__({"matrix": matrix, "bias": bias})

    def __setstate__(self, state: dict[str, np.ndarray]) -> None:
        """Set the arrays, here and from pickles, so that nobody can write into them."""
        self.__dict__.update({name: frozen(value) for name, value in state.items()})

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """`(n, d)` states -> `(n, p)` outputs."""
        return x @ self.matrix.T + self.bias

    def check(self, outputs: int, dim: int) -> None:
        """ArgumentError unless the read-out maps states of dimension `dim` to `outputs` outputs."""
        if self.matrix.shape != (outputs, dim):
            raise mismatch(
                "readout",
                f"a matrix of shape {self.matrix.shape}",
                f"the shape ({outputs}, {dim}), with one row per output and one column per coordinate of the state",
            )

    def spec(self) -> Spec:
        """JSON-ready arguments."""
        return {"matrix": self.matrix.tolist(), "bias": self.bias.tolist()}


@dataclass(frozen=True)
class TrainedReadout:
    """A read-out `(A, b)` trained together with the control: `G(mu) = min_{A, b} E[loss] + penalty / 2 |(A, b)|^2`.

    Parameters
    ----------
    penalty : kappa > 0, so that the minimiser is unique for a convex loss.

    Raises
    ------
    ArgumentError
        If the penalty is not positive.
    NonFiniteError
        During a solve, if Newton's method for the read-out does not end at a minimum.

    References
    ----------
    G. H. Golub, V. Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems whose variables separate,
    SIAM J. Numer. Anal. 10 (1973), 413-432, doi:10.1137/0710036.

    Examples
    --------
    >>> from eulerian_mfc.losses import SquaredLoss, TrainedReadout
    >>> SquaredLoss(TrainedReadout(penalty=0.1)).trained
    True
    """

    penalty: float = 1e-3

    def __post_init__(self) -> None:
        object.__setattr__(self, "penalty", positive("penalty", self.penalty))

    def spec(self) -> Spec:
        """JSON-ready arguments."""
        return {"penalty": self.penalty}
