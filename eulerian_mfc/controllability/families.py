"""Families of vector fields and their brackets: expressions, functions, or a field that is linear in its control."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from .._validate import fail, integer, mismatch
from ..fields import Field
from .jets import Jets, jets
from .jets import bracket as jet_bracket
from .lyndon import Bracket, bracket_basis

#: round-off of an expression's value, in units of the last place
EVALUATION = 16.0


@runtime_checkable
class _Expression(Protocol):
    """What SymPy's expressions, matrices and functions have, some of which can be called too."""

    @property
    def free_symbols(self) -> set[Any]: ...


class Values(NamedTuple):
    """B brackets at n points.

    Attributes
    ----------
    values, errors : `(B, n, d)`, the values and bounds of their errors.
    derivatives : `(B, n, d, d)` with entries dF_a/dx_b, if they were asked for.
    """

    values: np.ndarray
    errors: np.ndarray
    derivatives: np.ndarray | None


class Family(ABC):
    """Vector fields `F_1, .., F_m` on R^d.

    Attributes
    ----------
    dim, size : the dimension d and the number m of fields.
    """

    dim: int
    size: int

    @abstractmethod
    def brackets(self, x: np.ndarray, depth: int, derivatives: bool = False) -> Values:
        """All brackets of `basis(depth)` at points `(n, d)`."""

    def basis(self, depth: int) -> list[Bracket]:
        """The brackets up to a depth, see `lyndon.bracket_basis`."""
        return bracket_basis(self.size, integer("depth", depth))


class NumericFamily(Family):
    """NumPy functions `(n, d) -> (n, d)`; brackets by Taylor polynomials, see `jets.jets`."""

    def __init__(self, functions: Sequence[Callable[[np.ndarray], np.ndarray]], dim: int) -> None:
        self.functions, self.dim, self.size = tuple(functions), dim, len(functions)

    def brackets(self, x: np.ndarray, depth: int, derivatives: bool = False) -> Values:
        basis = self.basis(depth)
        order = depth if derivatives else depth - 1
        parts = [jets(f, x, order, f"fields[{i}]") for i, f in enumerate(self.functions)]
        found: list[Jets] = []
        for b in basis:
            if b.left is None or b.right is None:
                found.append(parts[b.word[0]])
            else:
                found.append(jet_bracket(found[b.left], found[b.right]))
        origin: Any = (..., *([0] * self.dim))
        units: list[Any] = [(..., *unit) for unit in np.eye(self.dim, dtype=int).tolist()]
        values, errors = (np.stack([c[k][origin].T for c in found]) for k in (0, 1))
        slopes = None
        if derivatives:
            slopes = np.stack([np.stack([c.coefficients[unit].T for unit in units], axis=-1) for c in found])
        return Values(values, errors, slopes)


class SymbolicFamily(Family):
    """Columns of SymPy expressions in d variables; the brackets are exact."""

    def __init__(self, columns: Sequence[Any], variables: Sequence[Any]) -> None:
        self.columns, self.variables = list(columns), list(variables)
        self.dim, self.size = len(self.variables), len(self.columns)

    def exact(self, depth: int) -> list[Any]:
        """All brackets of `basis(depth)` as columns of expressions."""
        from .symbolic import bracket

        found: list[Any] = []
        for b in self.basis(depth):
            inner = None if b.left is None or b.right is None else (found[b.left], found[b.right])
            found.append(self.columns[b.word[0]] if inner is None else bracket(*inner, self.variables))
        return found

    def brackets(self, x: np.ndarray, depth: int, derivatives: bool = False) -> Values:
        from .symbolic import evaluated

        columns = self.exact(depth)
        values = np.stack([evaluated(c, self.variables, x)[:, :, 0] for c in columns])
        slopes = None
        if derivatives:
            slopes = np.stack([evaluated(c.jacobian(self.variables), self.variables, x) for c in columns])
        return Values(values, EVALUATION * np.finfo(float).eps * np.abs(values), slopes)


def family(fields: Any, dim: int, variables: Any = None) -> Family:
    """The family that an argument `fields` stands for.

    A `Field` that is linear in its control and does not depend on time stands for the fields `F_i = F(e_i, .)`. A list
    holds functions `(n, d) -> (n, d)`, or, if `variables` is passed, columns of d SymPy expressions each.
    """
    if isinstance(fields, Field):
        if not (fields.control_linear and fields.autonomous):
            raise fail(
                "fields",
                fields,
                "a field that is linear in its control and does not depend on time, or a list of functions such as "
                "[lambda x: field(0.0, theta, x)] for chosen parameters theta",
            )
        if fields.dim != dim:
            raise mismatch("fields", f"a field of dimension {fields.dim}", f"the dimension {dim} of the points")
        return NumericFamily([_direction(fields, i) for i in range(fields.parameters)], dim)
    items = list(fields) if isinstance(fields, Iterable) else []
    if not items:
        raise fail(
            "fields",
            fields,
            "a field that is linear in its control, or a non-empty list of functions or of SymPy expressions",
        )
    if all(callable(f) and not isinstance(f, _Expression) for f in items):
        if variables is not None:
            raise fail("variables", variables, "None, since the fields are functions and not expressions")
        return NumericFamily(items, dim)
    if variables is None:
        raise mismatch(
            "variables", "None", "the SymPy symbols x1, .., xd of the expressions; or pass functions as fields"
        )
    from .symbolic import columns

    found = SymbolicFamily(columns(items, variables), variables)
    if found.dim != dim:
        raise mismatch("variables", f"{found.dim} symbols", f"the dimension {dim} of the points")
    return found


def fold(fields: Any, dim: int, copies: int) -> list[Callable[[np.ndarray], np.ndarray]]:
    """The folds `F^(N)(x_1, .., x_N) = (F(x_1), .., F(x_N))`, N = copies: functions `(n, N d) -> (n, N d)`.

    The fold of a field moves N points at once, each by the same field.

    Parameters
    ----------
    fields : functions or a `Field`, as for `bracket_rank`; for SymPy expressions there is `fold_expressions`.
    dim : the dimension d of one point.
    copies : the number N of points.

    Raises
    ------
    ArgumentError
        If the fields are not functions, or `copies` is below 1.

    References
    ----------
    A. A. Agrachev, A. V. Sarychev, Control in the spaces of ensembles of points, SIAM J. Control Optim. 58 (2020),
    1579-1596, doi:10.1137/19M1273049.

    Examples
    --------
    >>> import numpy as np
    >>> from eulerian_mfc.controllability import fold
    >>> (squares,) = fold([lambda x: x**2], dim=1, copies=2)
    >>> squares(np.array([[1.0, 3.0]])).tolist()
    [[1.0, 9.0]]
    """
    generators = family(fields, integer("dim", dim))
    if not isinstance(generators, NumericFamily):
        raise fail("fields", fields, "functions, or a field that is linear in its control")
    integer("copies", copies)

    def folded(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
        if x.ndim != 2 or x.shape[1] != copies * dim:
            raise mismatch(
                "x", f"an array of shape {x.shape}", f"one ensemble per row, an array of shape (n, {copies * dim})"
            )
        return np.asarray(f(x.reshape(-1, dim))).reshape(x.shape)

    return [partial(folded, f) for f in generators.functions]


def _direction(field: Field, i: int) -> Callable[[np.ndarray], np.ndarray]:
    unit = np.eye(field.parameters)[i]
    return lambda x: field(0.0, unit, x)
