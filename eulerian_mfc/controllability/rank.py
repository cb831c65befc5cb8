"""Which directions the iterated brackets of folds span at N points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._validate import array, integer, mismatch, positive
from .families import family

#: singular values below this share of the largest count as zero
TOLERANCE = 1e-10
#: and those that are not so many times their own error
SAFETY = 10.0
#: largest relative errors of the brackets that are taken: those that are known well may show what others hide
SHARES = (1e-1, 1e-4, 1e-8, 1e-12)
#: passes in which brackets and coordinates are brought to one size
PASSES = 3


@dataclass(frozen=True)
class BracketRank:
    """The rank of the iterated brackets of the folds `F_i^(N)` at `(x_1, .., x_N)`.

    Attributes
    ----------
    points : `(N, d)`.
    depth : of the deepest brackets.
    ranks : of the brackets up to depth 1, 2, .., depth.
    brackets : how many there are up to each of these depths.
    singular_values : of the matrix of all of them, decreasing.
    scaled_values : of that matrix after every bracket and every coordinate was brought to one size, decreasing: the rank is their
        number above the tolerance, since ranks have no units.
    errors : a bound of the error of each of these.
    tolerance : the scaled singular value below which they count as zero, at full depth; each of them must also be 10 times
        its own error.
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
        """N d, the rank that is needed."""
        return self.points.size

    @property
    def generating(self) -> bool:
        """Whether the brackets span everything at these points."""
        return self.rank == self.dimension

    @property
    def first_depth(self) -> int | None:
        """The smallest depth that is enough, or None."""
        return next((k + 1 for k, r in enumerate(self.ranks) if r == self.dimension), None)

    def __str__(self) -> str:
        where = f"at {'this point' if len(self.points) == 1 else f'these {len(self.points)} points'}"
        size = f"rank {self.rank} of {self.dimension}"
        if self.generating:
            smallest = f"smallest scaled singular value {self.scaled_values[self.dimension - 1]:.2e}"
            return f"bracket generating {where} to depth {self.first_depth} ({size}; {smallest}, tolerance {self.tolerance:.1e})"
        grown = next((k + 1 for k, r in enumerate(self.ranks) if r == self.rank), 1)
        more = f"nothing new after depth {grown}" if grown < self.depth else "deeper brackets may add to it"
        return f"not shown to be bracket generating {where}: {size} with brackets to depth {self.depth} ({more})"


def bracket_rank(
    fields: Any, points: Any, depth: int, *, variables: Any = None, tolerance: float | None = None
) -> BracketRank:
    """Rank of the folds' iterated brackets at N points: full rank there makes the ensemble controllable around them.

    A bracket of folds is the fold of the bracket, so that only brackets of fields on R^d are taken. By Chow and
    Rashevsky, full rank at all ensembles of N points lets the controls move each of these to every other (d >= 2).

    Parameters
    ----------
    fields : a field that is linear in its control, such as `fields.AgrachevSarychevField`; a list of functions
        `(n, d) -> (n, d)`, analytic; or a list of columns of SymPy expressions, with `variables`.
    points : `(N, d)`, pairwise distinct; one point may be `(d,)`.
    depth : of the deepest brackets; 1 takes the fields alone.
    variables : d SymPy symbols.
    tolerance : singular values below this share of the largest count as zero; 1e-10 by default. They are those of the brackets
        and coordinates brought to one size, and each must also be 10 times its own error.

    Raises
    ------
    ArgumentError
        For wrong shapes, points that coincide, and more brackets than 20,000.
    NotAnalyticError
        If a function is not analytic near a point.
    EulerianError
        For expressions, without SymPy.

    References
    ----------
    A. A. Agrachev, A. V. Sarychev, Control in the spaces of ensembles of points, SIAM J. Control Optim. 58 (2020),
    1579-1596, doi:10.1137/19M1273049.
    """
    x = array("points", points, ndim=(1, 2))
    x = x[None] if x.ndim == 1 else x
    if not x.size or len(np.unique(x, axis=0)) < len(x):
        raise mismatch("points", f"{len(x)} points, none or some of them equal", "points as rows (N, d), all distinct")
    given = family(fields, x.shape[1], variables)
    found = given.brackets(x, integer("depth", depth))
    basis = given.basis(depth)
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
    """The rank of a matrix `(B, k)` with entries known to errors; its scaled singular values, and bounds of their errors."""
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
    # What may be zero, is; or the columns of round-off would be brought to size one too.
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
