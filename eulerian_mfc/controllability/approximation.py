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

#: brackets count as linearly dependent where a singular value, relative to the largest, is below this
DEPENDENT = 1e-9


@dataclass(frozen=True)
class StrongApproximation:
    """The best uniform approximation `Y = sum_b c_b B_b` of a vector field X on a box by iterated brackets.

    Attributes
    ----------
    depth : the depth of the deepest brackets.
    bound : the bound of the C^1 norm of Y, `max_x max(|Y_a|, |d_b Y_a|)` over the grid; None if the norm was not bounded.
    error : `max_x max_a |X_a - Y_a|` over the grid on which the linear program was solved.
    checked_error : the same over a grid twice as fine.
    norm : the C^1 norm of Y on the grid.
    coefficients : `(B,)`, the c_b.
    names : the names of the B brackets.

    Examples
    --------
    See `strong_approximation_error`, which makes them.

    >>> import numpy as np
    >>> from eulerian_mfc.controllability import strong_approximation_error
    >>> found = strong_approximation_error([lambda x: np.ones_like(x)], lambda x: 3.0 * np.ones_like(x), [(-1, 1)], depth=1)
    >>> found.names, found.coefficients.round(6).tolist()
    (('F1',), [3.0])
    """

    depth: int
    bound: float | None
    error: float
    checked_error: float
    norm: float
    coefficients: np.ndarray
    names: tuple[str, ...]

    def __str__(self) -> str:
        bound = "no bound on the norm" if self.bound is None else f"norm at most {self.bound:g}"
        return (
            f"{len(self.names)} brackets up to depth {self.depth}, {bound}: sup error "
            f"{self.checked_error:.3e} ({self.error:.3e} on the grid of the linear program), C^1 norm "
            f"{self.norm:.3g}"
        )


def strong_approximation_error(
    fields: object,
    target: Callable[[np.ndarray], np.ndarray],
    box: object,
    depth: int,
    *,
    bound: float | None = None,
    grid: int = 17,
    variables: object = None,
) -> StrongApproximation:
    """The smallest uniform error of a vector field X on a box K by combinations Y of brackets up to a depth.

    The value is `min { max_K |X - Y| : Y in span of the brackets, |Y|_{1,K} <= bound }` in the maximum norm of components.
    It is computed as a linear program (HiGHS) on the points of a grid. A family of fields has the strong approximation
    property if, for some bound, this error falls to zero as the depth grows.

    Parameters
    ----------
    fields, variables : as for `bracket_rank`.
    target : X, a function `(n, d) -> (n, d)`.
    box : d pairs (low, high), in units of the state.
    depth : the depth of the deepest brackets.
    bound : the bound of the C^1 norm of Y, above zero; None leaves the norm free.
    grid : points per axis.

    Returns
    -------
    StrongApproximation
        The best Y, its errors and its norm.

    Raises
    ------
    ArgumentError, NotAnalyticError
        As for `bracket_rank`; also for a box without interior, a bound that is not positive, fewer than two points per axis.

    References
    ----------
    A. A. Agrachev, A. V. Sarychev, Control on the manifolds of mappings with a view to the deep learning,
    J. Dyn. Control Syst. 28 (2022), 989-1008, doi:10.1007/s10883-021-09561-2.

    Examples
    --------
    The fields `(1, 0)` and `(0, x_1)` do not span the field `(0, 1)`, but their bracket is that field.

    >>> import numpy as np
    >>> from eulerian_mfc.controllability import strong_approximation_error
    >>> right = lambda x: np.array([1.0, 0.0]) * np.ones_like(x)
    >>> shear = lambda x: np.array([0.0, 1.0]) * x[:, :1]
    >>> up = lambda x: np.array([0.0, 1.0]) * np.ones_like(x)
    >>> for depth in (1, 2):
    ...     found = strong_approximation_error([right, shear], up, [(-1, 1), (-1, 1)], depth, grid=5)
    ...     print(found.names, round(found.error, 6))
    ('F1', 'F2') 1.0
    ('F1', 'F2', '[F1,F2]') 0.0
    """
    sides = array("box", box, ndim=2)
    if sides.shape[1] != 2 or not len(sides) or not (sides[:, 0] < sides[:, 1]).all():
        raise fail("box", box, "one pair (low, high) per axis, with low < high")
    if bound is not None:
        positive("bound", bound)
    generators = family(fields, len(sides), variables)
    x = _grid(sides, integer("grid", grid, minimum=2))
    wanted = image(target, x)
    found = generators.brackets(x, integer("depth", depth), derivatives=True)
    assert found.derivatives is not None
    count = len(found.values)
    values, slopes = found.values.reshape(count, -1), found.derivatives.reshape(count, -1)
    coefficients = _least_error(values, slopes, wanted, bound)
    return StrongApproximation(
        depth,
        bound,
        float(np.abs(wanted.ravel() - coefficients @ values).max()),
        _error(generators, target, _grid(sides, 2 * grid - 1), depth, coefficients),
        float(max(np.abs(coefficients @ values).max(), np.abs(coefficients @ slopes).max())),
        coefficients,
        tuple(b.name for b in generators.basis(depth)),
    )


def _grid(sides: np.ndarray, count: int) -> np.ndarray:
    axes = [np.linspace(low, high, count) for low, high in sides]
    return np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], axis=1)


def _error(generators: Family, target: Any, x: np.ndarray, depth: int, coefficients: np.ndarray) -> float:
    value = np.einsum("b,bnd->nd", coefficients, generators.brackets(x, depth).values)
    return float(np.abs(image(target, x) - value).max())


def _least_error(values: np.ndarray, slopes: np.ndarray, target: np.ndarray, bound: float | None) -> np.ndarray:
    """`min e` over `(c, e)` with `|X - sum c_b B_b| <= e`, `|sum c_b (B_b, DB_b)| <= bound`; c is `(B,)`.

    Brackets may be linearly dependent, nearly or exactly. So the unknowns of the program are coefficients of an orthonormal
    basis of their span, and c is the vector of least norm that gives the same field.
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
        raise EulerianError(f"the linear program for the best approximation could not be solved: {result.message}")
    return left @ (result.x[:-1] / (tallest * sizes)) / scale
