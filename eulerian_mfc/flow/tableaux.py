"""Explicit Runge-Kutta methods, as tables of their coefficients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import factorial

import numpy as np

from .._validate import array, choice, fail, integer, mismatch

#: the conditions of a method (its row sums and its quadrature) must hold up to this error
EXACT = 1e-12


@dataclass(frozen=True)
class Tableau:
    """An explicit Runge-Kutta method: `k_i = F(t + c_i dt, x + dt sum_j a_ij k_j)`, then `x <- x + dt sum_i b_i k_i`.

    Parameters
    ----------
    matrix : the coefficients `a_ij`, `(stages, stages)`, not zero only for j < i. The `c_i` are the sums of the rows.
    weights : the weights `b_i`, `(stages,)`; they sum to 1.
    order : the order in the length of a step. Up to order 4 all of its conditions are checked. Above it they are checked for
        fields that depend on time alone, `sum_i b_i c_i^(q-1) = 1/q`, and for linear ones, `b^T A^(q-1) (1, ..., 1) = 1/q!`.

    Raises
    ------
    ArgumentError
        If the shapes do not fit together, a stage uses itself or a later one, or a condition of the order does not hold.

    References
    ----------
    E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, Springer 1993, section II.1.

    Examples
    --------
    >>> from eulerian_mfc.flow import Tableau
    >>> midpoint = Tableau(matrix=((0.0, 0.0), (0.5, 0.0)), weights=(0.0, 1.0), order=2)
    >>> midpoint.nodes.tolist(), midpoint.stages
    ([0.0, 0.5], 2)
    """

    matrix: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    order: int

    def __post_init__(self) -> None:
        a, b = array("matrix", self.matrix, ndim=(2,)), array("weights", self.weights, ndim=(1,))
        if a.shape != (len(b), len(b)):
            raise mismatch(
                "matrix", f"an array of shape {a.shape}", f"{len(b)} rows of {len(b)} numbers, as many as weights"
            )
        if np.triu(a).any():
            raise fail("matrix", self.matrix, "an explicit method: a_ij = 0 for j >= i")
        order = integer("order", self.order)
        for condition, value, exact in _conditions(a, b, order):
            if not abs(value - exact) <= EXACT:
                raise mismatch(
                    "order", f"{order}, but {condition} is {value:.15g}", f"{exact:.15g}: correct the coefficients"
                )
        object.__setattr__(self, "matrix", tuple(map(tuple, a.tolist())))
        object.__setattr__(self, "weights", tuple(b.tolist()))

    def __getstate__(self) -> dict[str, object]:
        """Pickle the arguments only, without cached values."""
        return {"matrix": self.matrix, "weights": self.weights, "order": self.order}

    @property
    def stages(self) -> int:
        """The number of stages."""
        return len(self.weights)

    @cached_property
    def nodes(self) -> np.ndarray:
        """`(stages,)`: the `c_i`, as shares of the step."""
        return np.array(self.matrix).sum(axis=1)

    @cached_property
    def used(self) -> tuple[tuple[tuple[int, float], ...], ...]:
        """Per stage, the earlier stages that it uses, with their coefficients `(j, a_ij)`."""
        return tuple(tuple((j, a) for j, a in enumerate(row) if a) for row in self.matrix)

    @cached_property
    def users(self) -> tuple[tuple[tuple[int, float], ...], ...]:
        """Per stage, the later stages that use it, with their coefficients `(j, a_ji)`."""
        return tuple(tuple((j, row[i]) for j, row in enumerate(self.matrix) if row[i]) for i in range(self.stages))


def _of_arrays(matrix: np.ndarray, weights: Sequence[float] | np.ndarray, order: int) -> Tableau:
    return Tableau(tuple(map(tuple, matrix.tolist())), tuple(weights), order)


def _conditions(a: np.ndarray, b: np.ndarray, order: int) -> Iterator[tuple[str, float, float]]:
    """Conditions of an order: what it is, its value, and the value that it must have."""
    c = a.sum(axis=1)
    times, linear = np.ones(len(b)), np.ones(len(b))
    for q in range(1, order + 1):
        yield f"sum_i b_i c_i^{q - 1}", float(b @ times), 1 / q
        if q > 2:
            yield f"b^T A^{q - 2} c", float(b @ linear), 1 / factorial(q)
        if q == 4:
            yield "sum_ij b_i c_i a_ij c_j", float(b @ (c * (a @ c))), 1 / 8
            yield "sum_ij b_i a_ij c_j^2", float(b @ (a @ c**2)), 1 / 12
        times, linear = times * c, a @ linear


def _chain(reach: Sequence[float], weights: Sequence[float], order: int) -> Tableau:
    """A method whose stage i uses stage i - 1 alone."""
    return _of_arrays(np.diag(reach[1:], -1), weights, order)


def _dormand_prince5() -> Tableau:
    from scipy.integrate import RK45  # slow to import

    return _of_arrays(np.pad(RK45.A, ((0, 0), (0, 1))), RK45.B, 5)


def _dormand_prince8() -> Tableau:
    from scipy.integrate import DOP853  # slow to import

    stages = len(DOP853.B)
    return _of_arrays(np.array(DOP853.A)[:stages, :stages], DOP853.B, 8)


#: the methods of a `LayerMap`, by name
METHODS: dict[str, Callable[[], Tableau]] = {
    "euler": lambda: _chain((0.0,), (1.0,), 1),
    "midpoint": lambda: _chain((0.0, 0.5), (0.0, 1.0), 2),
    "rk4": lambda: _chain((0.0, 0.5, 0.5, 1.0), (1 / 6, 1 / 3, 1 / 3, 1 / 6), 4),
    "dopri5": _dormand_prince5,
    "dop853": _dormand_prince8,
}


@lru_cache
def tableau_of(method: str | Tableau) -> Tableau:
    """The method of a name; a Tableau is returned as it is.

    "dopri5" and "dop853" are the methods of order 5 and 8 of Dormand and Prince, with the coefficients that SciPy has.

    Parameters
    ----------
    method : "euler", "midpoint", "rk4", "dopri5", "dop853", or a Tableau.

    Raises
    ------
    ArgumentError
        If there is no method of this name.

    References
    ----------
    J. R. Dormand, P. J. Prince, A family of embedded Runge-Kutta formulae, J. Comput. Appl. Math. 6 (1980), 19-26,
    doi:10.1016/0771-050X(80)90013-3; order 8: E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential
    Equations I, Springer 1993, section II.5.

    Examples
    --------
    >>> [tableau_of(name).stages for name in METHODS]
    [1, 2, 4, 6, 12]
    """
    return method if isinstance(method, Tableau) else METHODS[choice("method", method, METHODS)]()


@lru_cache
def method_of(method: str | Tableau) -> tuple[int, np.ndarray]:
    """The number of stages, and the coefficients of a method as `fields.compiled.Steps` takes them.

    Parameters
    ----------
    method : see `tableau_of`.

    Examples
    --------
    >>> method_of("euler")
    (1, array([0., 0., 1.]))
    """
    tableau = tableau_of(method)
    return tableau.stages, np.concatenate([[0.0], np.ravel(tableau.matrix), tableau.weights])
