"""One round of adaptive refinement: a plain record."""

from __future__ import annotations

from typing import NamedTuple


class Round(NamedTuple):
    """One round of refinement: cells, nodes, the cost, and its estimated error."""

    cells: int
    unknowns: int
    cost: float
    error: float
