"""Exact Lie brackets of SymPy expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from .._validate import fail, mismatch
from ..errors import EulerianError, NotAnalyticError

#: an expression, a symbol or a matrix of SymPy, which has no types
Expression: TypeAlias = Any


def _sympy() -> Expression:
    """The module SymPy; EulerianError if it is not installed."""
    try:
        import sympy
    except ImportError:
        raise EulerianError("exact Lie brackets need SymPy: pip install 'eulerian-mfc[symbolic]'") from None
    return sympy


def columns(fields: Sequence[Expression], variables: Sequence[Expression]) -> list[Expression]:
    """Every field as a column of d expressions in the d variables."""
    sympy = _sympy()
    out = []
    for i, field in enumerate(fields):
        try:
            column = sympy.Matrix(field)
        except (TypeError, ValueError):
            raise fail(f"fields[{i}]", field, f"a list of {len(variables)} SymPy expressions") from None
        if column.shape != (len(variables), 1):
            raise mismatch(
                f"fields[{i}]",
                f"an array of expressions of shape {column.shape}",
                f"{len(variables)} expressions, one per variable",
            )
        foreign = column.free_symbols - set(variables)
        if foreign:
            raise mismatch(
                f"fields[{i}]", f"the symbols {sorted(map(str, foreign))}", f"only the variables {list(variables)}"
            )
        out.append(column)
    return out


def bracket(f: Expression, g: Expression, variables: Sequence[Expression]) -> Expression:
    """`[F, G] = DG F - DF G` of columns of d SymPy expressions in d variables, exactly.

    Parameters
    ----------
    f, g : columns of d expressions.
    variables : d SymPy symbols.

    Raises
    ------
    NotAnalyticError
        If a derivative does not exist as a function (of sign, Heaviside and the like).
    ArgumentError
        If a column has another length, or symbols that are not among the variables.
    EulerianError
        If SymPy is not installed.

    References
    ----------
    A. A. Agrachev, A. V. Sarychev, Control in the spaces of ensembles of points, SIAM J. Control Optim. 58 (2020),
    1579-1596, doi:10.1137/19M1273049.

    Examples
    --------
    >>> import sympy
    >>> from eulerian_mfc.controllability import bracket
    >>> x, y = sympy.symbols("x y")
    >>> list(bracket([1, 0], [0, x], [x, y]))
    [0, 1]
    """
    sympy = _sympy()
    first, second = columns([f, g], variables)
    out = second.jacobian(variables) * first - first.jacobian(variables) * second
    rough = out.atoms(sympy.Derivative, sympy.Subs, sympy.DiracDelta)
    if rough or first.has(sympy.Abs, sympy.sign, sympy.Heaviside) or second.has(sympy.Abs, sympy.sign, sympy.Heaviside):
        raise NotAnalyticError(
            "a Lie bracket of expressions that are not smooth (Abs, sign, Heaviside, Max): use smooth expressions"
        )
    return out.applyfunc(sympy.simplify)


def evaluated(matrix: Expression, variables: Sequence[Expression], x: np.ndarray) -> np.ndarray:
    """`(n, rows, columns)`: a matrix of expressions at points `(n, d)`."""
    function = _sympy().lambdify([variables], matrix.tolist(), "numpy", cse=True)
    return np.array([np.array(function(point), dtype=np.float64) for point in x.tolist()])


def fold_expressions(
    fields: Sequence[Expression], variables: Sequence[Expression], copies: int
) -> tuple[list[Expression], list[Expression]]:
    """The folds `F^(N)(x_1, .., x_N) = (F(x_1), .., F(x_N))`, N = copies, as columns, and their N d variables.

    Parameters
    ----------
    fields : columns of d SymPy expressions.
    variables : the d symbols.
    copies : the number N of points.

    Raises
    ------
    ArgumentError
        If a column has another length, or symbols that are not among the variables.
    EulerianError
        If SymPy is not installed.

    References
    ----------
    A. A. Agrachev, A. V. Sarychev, Control in the spaces of ensembles of points, SIAM J. Control Optim. 58 (2020),
    1579-1596, doi:10.1137/19M1273049.

    Examples
    --------
    >>> import sympy
    >>> from eulerian_mfc.controllability import fold_expressions
    >>> x = sympy.Symbol("x")
    >>> (squares,), variables = fold_expressions([[x**2]], [x], copies=2)
    >>> list(squares), variables
    ([x_1**2, x_2**2], [x_1, x_2])
    """
    sympy = _sympy()
    names = [[sympy.Symbol(f"{v}_{j + 1}", real=v.is_real) for v in variables] for j in range(copies)]
    folded = [
        sympy.Matrix.vstack(*(column.subs(dict(zip(variables, row, strict=True)), simultaneous=True) for row in names))
        for column in columns(fields, variables)
    ]
    return folded, [v for row in names for v in row]
