"""An error budget: what each source adds to the error of a cost, as a plain record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Contribution(NamedTuple):
    """One source of error.

    Attributes
    ----------
    source : "mesh", "box", "quadrature", "layers", "samples" or "optimisation".
    error : what it adds to the cost, in the cost's units; for samples a size, whose sign is not known.
    how : how it was estimated.
    refine : what makes it smaller.
    """

    source: str
    error: float
    how: str
    refine: str


@dataclass(frozen=True)
class ErrorBudget:
    """Estimated errors of a solution's cost, against the optimal cost of the law with controls of any shape in time.

    Attributes
    ----------
    cost : the solution's.
    contributions : one per source.

    Examples
    --------
    >>> line = Contribution("mesh", 1e-3, "against particles", "more cells")
    >>> ErrorBudget(1.0, (line, Contribution("layers", -2e-3, "against more layers", "more layers"))).refine
    'layers'
    """

    cost: float
    contributions: tuple[Contribution, ...]

    def __getitem__(self, source: str) -> float:
        """The error of one source."""
        return {c.source: c.error for c in self.contributions}[source]

    @property
    def total(self) -> float:
        """What all together may be: the moduli added, for nothing says that signs help."""
        return float(sum(abs(c.error) for c in self.contributions))

    @property
    def refine(self) -> str:
        """The source that adds most: refine this one."""
        return max(self.contributions, key=lambda c: abs(c.error)).source

    def table(self) -> str:
        """For the terminal."""
        rows = [
            f"{c.source:>13}  {'+-' if c.source == 'samples' else '  '}{c.error:10.2e}  {c.how}"
            for c in self.contributions
        ]
        worst = next(c for c in self.contributions if c.source == self.refine)
        advice = f"refine first: {worst.source} ({worst.refine})" if worst.error else "nothing to refine"
        return "\n".join([f"J = {self.cost:.12g}, error at most about {self.total:.1e}", *rows, advice])

    __str__ = table
