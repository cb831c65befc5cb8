"""All constraints of a problem with their multipliers: the terms of the augmented Lagrangian."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from .._names import numbered
from .._validate import fail
from ..losses import FirstCoordinates
from .expectation import Constraint, Expectation
from .held import Held


@dataclass(frozen=True, eq=False)
class TerminalConstraints:
    """The expectations of a problem's constraints, with the multipliers and weights of an augmented Lagrangian.

    With the excess `v_k = E g_k - c_k`, an equality adds `m v + r/2 v^2` to the cost, and an inequality
    `(max(0, m + r v)^2 - m^2) / (2 r)`. Before `solve` has settled them, all m and r are 0, and nothing is added.

    Parameters
    ----------
    rows : the K expectations.
    multipliers : `(K,)`, the m.
    stiffness : `(K,)`, the r.

    References
    ----------
    M. J. D. Powell, A method for nonlinear constraints in minimization problems, in: R. Fletcher (ed.), Optimization, Academic
    Press 1969, 283-298; R. T. Rockafellar, The multiplier method of Hestenes and Powell applied to convex programming, J. Optim.
    Theory Appl. 12 (1973), 555-562, doi:10.1007/BF00934777.

    Examples
    --------
    >>> from eulerian_mfc.constraints import Expectation, terminal_constraints
    >>> held = terminal_constraints([Expectation(lambda x: x[:, 0], at_most=1.0)], 1).at(np.array([2.0]), np.array([4.0]))
    >>> held.cost(np.array([0.5])), held.slopes(np.array([0.5])).tolist(), held.slopes(np.array([-1.0])).tolist()
    (1.5, [4.0], [0.0])
    """

    rows: tuple[Expectation, ...]
    multipliers: np.ndarray
    stiffness: np.ndarray

    def __bool__(self) -> bool:
        return bool(self.rows)

    @property
    def settled(self) -> bool:
        """Whether multipliers and weights are known, so that the terms of the Lagrangian are part of the cost."""
        return bool((self.stiffness > 0).any())

    @property
    def bounds(self) -> np.ndarray:
        """`(K,)`: the numbers c."""
        return np.array([row.bound for row in self.rows], dtype=np.float64)

    @property
    def equalities(self) -> np.ndarray:
        """`(K,)`: whether each constraint is an equality."""
        return np.array([row.equality for row in self.rows], dtype=bool)

    def at(self, multipliers: np.ndarray, stiffness: np.ndarray) -> TerminalConstraints:
        """The same constraints with other multipliers and weights `(K,)`."""
        return replace(self, multipliers=multipliers, stiffness=stiffness)

    def slopes(self, excess: np.ndarray) -> np.ndarray:
        """`(K,)`: the derivatives of the terms in the expectations, which are the next multipliers."""
        moved = self.multipliers + self.stiffness * excess
        return np.where(self.equalities, moved, np.maximum(moved, 0.0))

    def bends(self, excess: np.ndarray) -> np.ndarray:
        """`(K,)`: the second derivatives of the terms."""
        return np.where(self.equalities | (self.slopes(excess) > 0.0), self.stiffness, 0.0)

    def cost(self, excess: np.ndarray) -> float:
        """The sum of the terms for excesses `(K,)`; 0 before the multipliers are settled."""
        if not self.settled:
            return 0.0
        m, r = self.multipliers, self.stiffness
        active = self.bends(excess) > 0.0
        return float(np.where(active, excess * (m + 0.5 * r * excess), -(m**2) / (2.0 * r)).sum())

    def unmet(self, excess: np.ndarray) -> np.ndarray:
        """`(K,)`: how far each constraint is from being met with a multiplier that fits; 0 at a solution.

        For an inequality it is `max(v, -m / r)`, which is 0 if v = 0, or if v < 0 and m = 0.
        """
        fitting = -self.multipliers / np.where(self.stiffness > 0.0, self.stiffness, 1.0)
        return np.where(self.equalities, np.abs(excess), np.abs(np.maximum(excess, fitting)))

    def held(self, values: np.ndarray, allowed: np.ndarray) -> tuple[Held, ...]:
        """The records for expectations `(K,)`, and violations `(K,)` that are allowed."""
        slopes = self.slopes(values - self.bounds)
        numbers = zip(values, self.bounds, self.equalities, slopes, self.stiffness, allowed, strict=True)
        return tuple(
            Held(row.called, float(v), float(c), bool(e), float(m), float(r), float(a))
            for row, (v, c, e, m, r, a) in zip(self.rows, numbers, strict=True)
        )

    def settled_as(self, records: Sequence[Held]) -> TerminalConstraints:
        """The same constraints with the multipliers and weights of a solution's records."""
        m = [h.multiplier - h.stiffness * (h.value - h.bound) if h.active else 0.0 for h in records]
        return self.at(np.array(m, dtype=np.float64), np.array([h.stiffness for h in records], dtype=np.float64))

    def of_first_coordinates(self, dim: int) -> list[Constraint]:
        """The constraints as functions of the first coordinates of larger states, without multipliers."""
        return [replace(row, g=FirstCoordinates(row.loss, dim), gradient=None) for row in self.rows]

    def fits(self, records: Sequence[Held]) -> bool:
        """Whether records are those of constraints with the same names, relations and order."""
        own = [(row.called, row.equality) for row in self.rows]
        return own == [(h.name, h.equality) for h in records]


ConstraintsLike: TypeAlias = TerminalConstraints | Sequence[Constraint] | Constraint


def terminal_constraints(value: ConstraintsLike, dim: int) -> TerminalConstraints:
    """The constraints of a problem as expectations, without multipliers.

    Parameters
    ----------
    value : one constraint or a list of constraints; what is made of expectations already is returned as it is.
    dim : the dimension of the state.

    Raises
    ------
    ArgumentError
        If there is something that is not a constraint, or has another dimension.

    Examples
    --------
    >>> from eulerian_mfc.constraints import MeanAndCovariance
    >>> len(terminal_constraints(MeanAndCovariance([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]), 2).rows)
    5
    """
    if isinstance(value, TerminalConstraints):
        return value
    given = (value,) if isinstance(value, Constraint) else value
    if not isinstance(given, list | tuple) or not all(isinstance(one, Constraint) for one in given):
        raise fail("constraints", value, "a list of constraints, such as [constraints.Expectation(g, at_most=0.5)]")
    found = [row for one in given for row in one.expectations(dim)]
    names = numbered([row.called for row in found], range(len(found)))
    rows = tuple(replace(row, name=name) for row, name in zip(found, names, strict=True))
    return TerminalConstraints(rows, np.zeros(len(rows)), np.zeros(len(rows)))
