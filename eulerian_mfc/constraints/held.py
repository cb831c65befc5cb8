"""What a solution says about a constraint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Held:
    """A constraint at the control of a solution.

    Attributes
    ----------
    name : the name of its function.
    value : `E g(X(T), Y)` on the mesh.
    bound : the number c.
    equality : whether the constraint is `E g = c`; otherwise it is `E g <= c`.
    multiplier : m, of the Lagrangian `J + m (E g - c)`: the least cost changes by `dJ*/dc = -m`, in cost per unit of g.
    stiffness : the weight r of the quadratic term of the augmented Lagrangian, in cost per square of the unit of g.
    allowed : the largest violation that counts as none, in units of g.

    Examples
    --------
    >>> held = Held("energy", 0.4, 0.5, equality=False, multiplier=0.0, stiffness=10.0, allowed=1e-9)
    >>> held.violation, held.active, held.words
    (0.0, False, 'E energy = 0.4 <= 0.5: not active')
    """

    name: str
    value: float
    bound: float
    equality: bool
    multiplier: float
    stiffness: float
    allowed: float

    @property
    def violation(self) -> float:
        """By how much the constraint is violated, in units of g; 0 if it is not."""
        excess = self.value - self.bound
        return abs(excess) if self.equality else max(0.0, excess)

    @property
    def active(self) -> bool:
        """Whether the constraint holds the control: an equality always does, an inequality if its multiplier is above 0."""
        return self.equality or self.multiplier > 0.0

    @property
    def met(self) -> bool:
        """Whether the violation is at most what is allowed."""
        return self.violation <= self.allowed

    @property
    def words(self) -> str:
        """The constraint in words."""
        relation = f"E {self.name} = {self.value:.10g}"
        told = f"{relation} {'for' if self.equality else '<='} {self.bound:.10g}"
        if not self.met:
            return f"{told}: violated by {self.violation:.3g}"
        if not self.active:
            return f"{told}: not active"
        return f"{told}: multiplier {self.multiplier:.6g}, violation {self.violation:.1e}"


def in_words(records: Sequence[Held]) -> list[str]:
    """One sentence per constraint, and one on what the residual and the second order mean with constraints.

    Parameters
    ----------
    records : the constraints of a solution; without any there are no sentences.

    Examples
    --------
    >>> in_words([])
    []
    """
    if not records:
        return []
    meaning = "The optimality residual and the second-order facts are those of the augmented Lagrangian"
    if all(held.met for held in records):
        meaning += "; since the constraints hold, its minima are minima of the cost under the constraints"
    return [*(f"{held.words}." for held in records), f"{meaning}."]
