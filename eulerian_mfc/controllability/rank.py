"""The rank of the iterated brackets of folds at N points: which directions they span."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._validate import array, integer, mismatch, positive
from .families import family

#: singular values below this share of the largest count as zero
TOLERANCE = 1e-10
#: singular values below this multiple of their own error count as zero too
SAFETY = 10.0
#: brackets with a larger relative error are left out, for each of these: accurate ones alone may show a rank that others hide
SHARES = (1e-1, 1e-4, 1e-8, 1e-12)
#: how often brackets and coordinates are scaled in turn, so that all have the same size
PASSES = 3


@dataclass(frozen=True)
class BracketRank:
    """The rank of the iterated brackets of the folds `F_i^(N)` at `(x_1, .., x_N)`.

    Attributes
    ----------
    points : `(N, d)`.
    depth : the depth of the deepest brackets.
    ranks : the ranks of the brackets up to depth 1, 2, .., depth.
    brackets : the number of brackets up to each of these depths.
    singular_values : those of the matrix of all brackets, decreasing.
    scaled_values : the singular values, decreasing, of that matrix after every bracket and every coordinate was scaled to the
        same size. The rank is the number of those above the tolerance; the scaling makes it independent of units.
    errors : a bound of the error of each scaled value.
    tolerance : scaled values below it count as zero, at full depth. A value must also be 10 times its own error to count.

    Examples
    --------
    >>> import numpy as np
    >>> from eulerian_mfc.controllability import bracket_rank
    >>> found = bracket_rank([lambda x: np.ones_like(x), lambda x: x], [[0.0], [1.0]], depth=2)
    >>> found.ranks, found.dimension, found.generating, found.first_depth
    ((2, 2), 2, True, 1)
    """

    points: np.ndarray
    depth: int
    ranks: tuple[int, ...]
    brackets: tuple[int, ...]
    singular_values: np.ndarray
    scaled_values: np.ndarray
    errors: np.ndarray
    tolerance: float

    @property
    def rank(self) -> int:
        """The rank at the largest depth."""
        return self.ranks[-1]

    @property
    def dimension(self) -> int:
        """N d, the rank that is needed for controllability."""
        return self.points.size

    @property
    def generating(self) -> bool:
        """Whether the brackets span all directions at these points."""
        return self.rank == self.dimension

    @property
    def first_depth(self) -> int | None:
        """The smallest depth at which the brackets span all directions; None if they do not up to `depth`."""
        return next((k + 1 for k, r in enumerate(self.ranks) if r == self.dimension), None)

    def __str__(self) -> str:
        where = f"at {'this point' if len(self.points) == 1 else f'these {len(self.points)} points'}"
        size = f"rank {self.rank} of {self.dimension}"
        if self.generating:
            smallest = f"smallest scaled singular value {self.scaled_values[self.dimension - 1]:.2e}"
            return (
                f"bracket generating {where} with brackets up to depth {self.first_depth} ({size}; {smallest}, "
                f"tolerance {self.tolerance:.1e})"
            )
        grown = next((k + 1 for k, r in enumerate(self.ranks) if r == self.rank), 1)
        more = (
            f"the rank does not increase after depth {grown}"
            if grown < self.depth
            else "deeper brackets may increase the rank"
        )
        return f"not shown to be bracket generating {where}: {size} with brackets up to depth {self.depth} ({more})"


def bracket_rank(
    fields: object, points: object, depth: int, *, variables: object = None, tolerance: float | None = None
) -> BracketRank:
    """Rank of the folds' iterated brackets at N points; if it is N d, the ensemble is controllable near these points.

    A bracket of folds is the fold of the bracket, so that only brackets of fields on R^d are computed. If the rank is full at
    all ensembles of N points, the controls can move each ensemble to every other one (theorem of Chow and Rashevsky, d >= 2).

    Parameters
    ----------
    fields : a field that is linear in its control, such as `fields.AgrachevSarychevField`; a list of functions
        `(n, d) -> (n, d)`, analytic; or a list of columns of SymPy expressions, with `variables`.
    points : `(N, d)`, pairwise distinct; one point may be `(d,)`.
    depth : the depth of the deepest brackets; 1 takes the fields alone.
    variables : the d SymPy symbols, if the fields are expressions.
    tolerance : scaled singular values below this share of the largest count as zero; 1e-10 by default. See
        `BracketRank.scaled_values`.

    Raises
    ------
    ArgumentError
        For wrong shapes, points that coincide, and more than 20,000 brackets.
    NotAnalyticError
        If a function is not analytic near a point.
    EulerianError
        If the fields are expressions and SymPy is not installed.

    References
    ----------
    A. A. Agrachev, A. V. Sarychev, Control in the spaces of ensembles of points, SIAM J. Control Optim. 58 (2020),
    1579-1596, doi:10.1137/19M1273049.

    Examples
    --------
    The fields `(1, 0)` and `(0, x_1)` are parallel where `x_1 = 0`; their bracket `(0, 1)` adds the second direction.

    >>> import numpy as np
    >>> from eulerian_mfc.controllability import bracket_rank
    >>> right = lambda x: np.array([1.0, 0.0]) * np.ones_like(x)
    >>> shear = lambda x: np.array([0.0, 1.0]) * x[:, :1]
    >>> bracket_rank([right, shear], [0.0, 0.0], depth=2).ranks
    (1, 2)
    """
    x = array("points", points, ndim=(1, 2))
    x = x[None] if x.ndim == 1 else x
    if not x.size or len(np.unique(x, axis=0)) < len(x):
        got = f"{len(x)} points, some of them equal" if x.size else "no points"
        raise mismatch("points", got, "points as rows (N, d), all distinct")
    generators = family(fields, x.shape[1], variables)
    found = generators.brackets(x, integer("depth", depth))
    basis = generators.basis(depth)
    rows = found.values.reshape(len(basis), -1)
    share = TOLERANCE if tolerance is None else positive("tolerance", tolerance)
    counts = tuple(sum(b.depth <= k for b in basis) for k in range(1, depth + 1))
    errors = found.errors.reshape(rows.shape)
    judged = [_judged(rows[:count], errors[:count], share) for count in counts]
    ranks = tuple(int(r) for r in np.maximum.accumulate([rank for rank, *_ in judged]))
    _, scaled, uncertain = judged[-1]
    values = np.linalg.svd(rows, compute_uv=False)
    return BracketRank(x, depth, ranks, counts, values, scaled, uncertain, share * float(scaled[0]))


def _judged(rows: np.ndarray, errors: np.ndarray, share: float) -> tuple[int, np.ndarray, np.ndarray]:
    """The rank of a matrix `(B, k)` whose entries have `errors`; its scaled singular values, and bounds of their errors."""
    size, error = np.abs(rows).max(axis=1), errors.max(axis=1)
    best: tuple[int, np.ndarray, np.ndarray] | None = None
    for largest in SHARES:
        known = error <= largest * size
        rank, values, off = _scaled_rank(rows * known[:, None], errors * known[:, None], share)
        if best is None or rank > best[0]:
            best = rank, values, off
    assert best is not None
    return best


def _scaled_rank(rows: np.ndarray, errors: np.ndarray, share: float) -> tuple[int, np.ndarray, np.ndarray]:
    # Entries that may be zero are set to zero: otherwise the scaling would blow up columns of pure round-off.
    matrix, off = np.where(np.abs(rows) > errors, rows, 0.0), errors.copy()
    for _ in range(PASSES):
        for axis in (1, 0):
            size = np.abs(matrix).max(axis=axis, keepdims=True)
            size[size == 0.0] = 1.0
            matrix, off = matrix / size, off / size
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    # To first order a singular value moves by u^T E v.
    moved = np.einsum("bi,bk,ik->i", np.abs(left), off, np.abs(right))
    rank = int(((values > share * values[0]) & (values > SAFETY * moved)).sum())
    return rank if values[0] > 0 else 0, values, moved
