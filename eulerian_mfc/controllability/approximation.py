"""The strong approximation property: vector fields approximated by brackets of bounded norm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog

from .._validate import array, fail, integer, positive
from ..errors import EulerianError
from .families import Family, family
from .maps import image

#: singular values, relative to the largest, below which brackets count as dependent
DEPENDENT = 1e-9


@dataclass(frozen=True)
class StrongApproximation:
    """The best uniform approximation `Y = sum_b c_b B_b` of a vector field X on a box by iterated brackets.

    Attributes
    ----------
    depth : of the deepest brackets.
    bound : of the C^1 norm of Y, `max_x max(|Y_a|, |d_b Y_a|)` over the grid; None where there was none.
    error : `max_x max_a |X_a - Y_a|` over the grid on which the linear program was solved.
    checked_error : the same over a grid twice as fine.
    norm : the C^1 norm of Y on the grid.
    coefficients : `(B,)`.
    names : of the B brackets.
    """

    depth: int
    bound: float | None
    error: float
    checked_error: float
    norm: float
    coefficients: np.ndarray
    names: tuple[str, ...]

    def __str__(self) -> str:
        bound = "no bound of the norm" if self.bound is None else f"norm at most {self.bound:g}"
        return (
            f"{len(self.names)} brackets to depth {self.depth}, {bound}: sup error {self.checked_error:.3e} "
            f"({self.error:.3e} on the grid of the program), C^1 norm {self.norm:.3g}"
        )


def strong_approximation_error(
    fields: Any,
    target: Callable[[np.ndarray], np.ndarray],
    box: Any,
    depth: int,
    *,
    bound: float | None = None,
    grid: int = 17,
    variables: Any = None,
) -> StrongApproximation:
    """How closely brackets up to a depth, with a bound of the norm of their combination, approach a vector field on a box.

    `min { max_K |X - Y| : Y in span of the brackets, |Y|_{1,K} <= bound }`, as a linear program (HiGHS) on the points of a
    grid, in the maximum norm of components. A family has the strong approximation property if, for some bound, this falls
    to zero as the depth grows.

    Parameters
    ----------
    fields, variables : as for `bracket_rank`.
    target : X, a function `(n, d) -> (n, d)`.
    box : d pairs (low, high), in units of the state.
    depth : of the deepest brackets.
    bound : of the C^1 norm of Y, above zero; None for none.
    grid : points an axis.

    Raises
    ------
    ArgumentError, NotAnalyticError
        As `bracket_rank`; for a box without an inside, a bound that is not positive, fewer than two points an axis.

    References
    ----------
    A. A. Agrachev, A. V. Sarychev, Control on the manifolds of mappings with a view to the deep learning,
    J. Dyn. Control Syst. 28 (2022), 989-1008, doi:10.1007/s10883-021-09561-2.
    """
    sides = array("box", box, ndim=2)
    if sides.shape[1] != 2 or not len(sides) or not (sides[:, 0] < sides[:, 1]).all():
        raise fail("box", box, "one pair (low, high) an axis, low < high")
    if bound is not None:
        positive("bound", bound)
    given = family(fields, len(sides), variables)
    x = _grid(sides, integer("grid", grid, minimum=2))
    wanted = image(target, x)
    found = given.brackets(x, integer("depth", depth), derivatives=True)
    assert found.derivatives is not None
    count = len(found.values)
    values, slopes = found.values.reshape(count, -1), found.derivatives.reshape(count, -1)
    coefficients = _least_error(values, slopes, wanted, bound)
    return StrongApproximation(
        depth,
        bound,
        float(np.abs(wanted.ravel() - coefficients @ values).max()),
        _error(given, target, _grid(sides, 2 * grid - 1), depth, coefficients),
        float(max(np.abs(coefficients @ values).max(), np.abs(coefficients @ slopes).max())),
        coefficients,
        tuple(b.name for b in given.basis(depth)),
    )


def _grid(sides: np.ndarray, count: int) -> np.ndarray:
    axes = [np.linspace(low, high, count) for low, high in sides]
    return np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], axis=1)


def _error(given: Family, target: Any, x: np.ndarray, depth: int, coefficients: np.ndarray) -> float:
    value = np.einsum("b,bnd->nd", coefficients, given.brackets(x, depth).values)
    return float(np.abs(image(target, x) - value).max())


def _least_error(values: np.ndarray, slopes: np.ndarray, target: np.ndarray, bound: float | None) -> np.ndarray:
    """`min e` over `(c, e)` with `|X - sum c_b B_b| <= e`, `|sum c_b (B_b, DB_b)| <= bound`; c is `(B,)`.

    Brackets depend on each other, nearly or exactly: the program's unknowns are coefficients of an orthonormal basis of their
    span, and c is the shortest that gives the same field.
    """
    wanted = target.ravel()
    both = np.concatenate([values, slopes], axis=1)
    scale = np.abs(both).max(axis=1)
    scale[scale == 0.0] = 1.0
    left, sizes, basis = np.linalg.svd(both / scale[:, None], full_matrices=False)
    kept = sizes > DEPENDENT * sizes[0]
    left, sizes, basis = left[:, kept], sizes[kept], basis[kept]
    tallest = np.abs(basis).max(axis=1)
    sized = (basis / tallest[:, None]).T
    near = sized[: len(wanted)]
    one, none = np.ones((len(wanted), 1)), np.zeros((len(sized), 1))
    rows = [np.hstack([near, -one]), np.hstack([-near, -one])]
    limits = [wanted, -wanted]
    if bound is not None:
        rows += [np.hstack([sized, none]), np.hstack([-sized, none])]
        limits += [np.full(2 * len(sized), float(bound))]
    unknowns = near.shape[1]
    result = linprog(
        np.append(np.zeros(unknowns), 1.0),
        A_ub=np.concatenate(rows),
        b_ub=np.concatenate(limits),
        bounds=[(None, None)] * unknowns + [(0.0, None)],
        method="highs",
    )
    if result.x is None:
        raise EulerianError(f"the linear program of the best approximation was not solved: {result.message}")
    return left @ (result.x[:-1] / (tallest * sizes)) / scale
