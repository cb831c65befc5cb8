"""An error budget: the contribution of each source to the error of a cost, as a plain record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Contribution(NamedTuple):
    """One source of error.

    Attributes
    ----------
    source : "mesh", "box", "quadrature", "layers", "layer map", "samples" or "optimisation".
    error : its contribution to the cost, in the cost's units; for samples only the size, because the sign is not known.
    how : how it was estimated.
    refine : how it can be reduced.
    """

    source: str
    error: float
    how: str
    refine: str


@dataclass(frozen=True)
class ErrorBudget:
    """Estimated errors of a solution's cost, relative to the optimal cost over all controls in continuous time, for the law.

    Attributes
    ----------
    cost : the solution's cost.
    contributions : one per source.
    control : a bound of the distance `(int |theta - theta*|^2 dt)^(1/2)` of the control from the optimal one in continuous time.

    Examples
    --------
    >>> line = Contribution("mesh", 1e-3, "against particles", "more cells")
    >>> ErrorBudget(1.0, (line, Contribution("layers", -2e-3, "against more layers", "more layers"))).refine
    'layers'
    """

    cost: float
    contributions: tuple[Contribution, ...]
    control: float | None = None

    def __getitem__(self, source: str) -> float:
        """The error of one source."""
        return {c.source: c.error for c in self.contributions}[source]

    @property
    def total(self) -> float:
        """A bound of the total error: the sum of the moduli, because errors of opposite signs may cancel only by chance."""
        return float(sum(abs(c.error) for c in self.contributions))

    @property
    def refine(self) -> str:
        """The source with the largest contribution, which should be refined first."""
        return max(self.contributions, key=lambda c: abs(c.error)).source

    def table(self) -> str:
        """A table for the terminal."""
        rows = [
            f"{c.source:>13}  {'+-' if c.source == 'samples' else '  '}{c.error:10.2e}  {c.how}"
            for c in self.contributions
        ]
        worst = next(c for c in self.contributions if c.source == self.refine)
        advice = f"refine first: {worst.source} ({worst.refine})" if worst.error else "there is nothing to refine"
        head = [f"J = {self.cost:.12g}, error at most about {self.total:.1e}"]
        if self.control is not None:
            head.append(
                f"the control is at most about {self.control:.1e} from the optimal one in continuous time, in L2"
            )
        return "\n".join([*head, *rows, advice])

    __str__ = table
