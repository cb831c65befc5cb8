"""The cost of a control at one time, and its admissible values: quadratic penalty, L1 norm and bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from .._validate import array, fail
from .bounds import Bounds, box
from .curves import Curves

#: penalties must lie between the inverse of this number and this number
LARGEST = 1e100


@dataclass(frozen=True, eq=False)
class Regulariser:
    """`1/2 sum_j lambda_j theta_j^2 + sum_j sparsity_j |theta_j|` over `low <= theta <= high`.

    Parameters
    ----------
    penalties : `(m,)`, lambda > 0 of every parameter, in cost / (theta^2 time).
    sparsities : `(m,)`, the weight >= 0 of the L1 norm of every parameter, in cost / (|theta| time).
    lower, upper : `(m,)` bounds; infinite for parameters without a bound.
    largest : the penalty to which the metric of residuals refers; by default the largest of `penalties`.

    For several times, or for coefficients of a control, the arrays have further axes before that of the parameters, see
    `VaryingRegulariser`.

    Examples
    --------
    >>> r = Regulariser.of(2.0, sparsity=1.0, bounds=(None, 3.0), parameters=2)
    >>> float(r.rate(np.array([1.0, -1.0])))
    4.0
    >>> r.prox(np.array([5.0, 0.5]), 1.0).tolist()
    [3.0, 0.0]
    """

    penalties: np.ndarray
    sparsities: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    largest: float | None = field(default=None, kw_only=True)

    @classmethod
    def of(cls, penalty: ArrayLike, sparsity: ArrayLike, bounds: Bounds, parameters: int) -> Regulariser:
        """The regulariser from the arguments of `Problem`.

        Parameters
        ----------
        penalty, sparsity : one number, or one per parameter.
        bounds : see `control.bounds.box`.
        parameters : the number m of parameters.

        Raises
        ------
        ArgumentError
            If numbers are out of range, if their count is neither 1 nor m, or if the bounds admit no control.

        Examples
        --------
        >>> Regulariser.of([1.0, 4.0], 0.0, None, 2).sparse
        False
        """
        rows = penalties_of(penalty, parameters), sparsities_of(sparsity, parameters)
        return cls(*rows, *box(bounds, parameters))

    @staticmethod
    def stacked(rows: Sequence[Regulariser]) -> Regulariser:
        """The regularisers of several times as one, with arrays `(n, m)`; the same one n times is returned as it is."""
        if all(row is rows[0] for row in rows):
            return rows[0]
        parts = zip(*((row.penalties, row.sparsities, row.lower, row.upper) for row in rows), strict=True)
        return Regulariser(*map(np.stack, parts), largest=rows[0].largest)

    def __getstate__(self) -> dict[str, np.ndarray]:
        """Pickle the arguments only, without cached values."""
        return {f.name: self.__dict__[f.name] for f in fields(self)}

    @cached_property
    def sparse(self) -> bool:
        """Whether the L1 norm of the control is in the cost."""
        return bool((self.sparsities > 0).any())

    @cached_property
    def bounded(self) -> bool:
        """Whether any parameter has a bound."""
        return bool(np.isfinite(self.lower).any() or np.isfinite(self.upper).any())

    @cached_property
    def comparable(self) -> np.ndarray:
        """`(m,)`: factors that make residuals of parameters in different units comparable, `sqrt(max lambda / lambda)`.

        These are the factors of the penalty's metric; they are 1 if all parameters have the same penalty.
        """
        return np.sqrt((self.penalties.max() if self.largest is None else self.largest) / self.penalties)

    @property
    def varies(self) -> bool:
        """Whether any number depends on time."""
        return False

    @property
    def breaks(self) -> np.ndarray:
        """`(n,)`: the times at which numbers jump, as far as they are declared."""
        return np.zeros(0)

    def at(self, times: np.ndarray | float) -> Regulariser:
        """The regulariser at one time, or at times `(n,)`: its arrays broadcast against values `(n, m)`."""
        return self

    def on(self, curves: Curves) -> Regulariser:
        """The regulariser of the coefficients of curves: its arrays broadcast against them."""
        return self

    def blocks(self, curves: Curves) -> np.ndarray | None:
        """`(layers, degree + 1, degree + 1, m)`: `int lambda phi_i phi_j dt`; None if lambda does not depend on time."""
        return None

    def rate(self, theta: np.ndarray) -> float:
        """The cost per unit of time of the parameters theta `(m,)`."""
        return 0.5 * float(self.penalties @ theta**2) + float(self.sparsities @ np.abs(theta))

    def project(self, theta: np.ndarray) -> np.ndarray:
        """The nearest parameters within the bounds; `(..., m)`."""
        return np.clip(theta, self.lower, self.upper)

    def prox(self, theta: np.ndarray, step: float | np.ndarray) -> np.ndarray:
        """The proximal map `argmin |v - theta|^2 / 2 + step sparsity |v|_1` within the bounds; `(..., m)`."""
        return self.project(np.sign(theta) * np.maximum(np.abs(theta) - step * self.sparsities, 0.0))


def penalties_of(penalty: ArrayLike, parameters: int, name: str = "penalty") -> np.ndarray:
    """`(m,)`: lambda of every parameter.

    Parameters
    ----------
    penalty : one number, or one per parameter.
    parameters : the number m of parameters.
    name : the name of the argument, for messages.

    Raises
    ------
    ArgumentError
        If numbers are out of range, or if their count is neither 1 nor m.

    Examples
    --------
    >>> penalties_of(2.0, 3).tolist()
    [2.0, 2.0, 2.0]
    """
    weights = array(name, penalty, ndim=(0, 1), like="penalty=0.1")
    if not (weights > 0).all():
        raise fail(name, penalty, "positive numbers")
    if not ((weights >= 1 / LARGEST) & (weights <= LARGEST)).all():
        wanted = f"numbers from {1 / LARGEST:g} to {LARGEST:g}: the squares of other numbers overflow or underflow"
        raise fail(name, penalty, wanted)
    if weights.ndim == 1 and len(weights) != parameters:
        raise fail(name, penalty, f"one number, or {parameters} numbers, one per parameter")
    return np.broadcast_to(weights, parameters)


def sparsities_of(sparsity: ArrayLike, parameters: int, name: str = "sparsity") -> np.ndarray:
    """`(m,)`: the weight of the L1 norm of every parameter.

    Parameters
    ----------
    sparsity : one number, or one per parameter.
    parameters : the number m of parameters.
    name : the name of the argument, for messages.

    Raises
    ------
    ArgumentError
        If numbers are negative, or if their count is neither 1 nor m.

    Examples
    --------
    >>> sparsities_of([0.0, 1.0], 2).tolist()
    [0.0, 1.0]
    """
    weights = array(name, sparsity, ndim=(0, 1), like="sparsity=0.1")
    if not (weights >= 0).all() or (weights.ndim == 1 and len(weights) != parameters):
        raise fail(name, sparsity, f"one number >= 0, or {parameters} numbers >= 0, one per parameter")
    return np.broadcast_to(weights, parameters)
