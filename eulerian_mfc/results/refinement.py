"""One round of adaptive refinement: a plain record."""

from __future__ import annotations

from typing import NamedTuple


class Round(NamedTuple):
    """One round of refinement.

    Attributes
    ----------
    cells : of the mesh.
    unknowns : nodes of the elements.
    cost : J on that mesh.
    error : its estimated error.
    """

    cells: int
    unknowns: int
    cost: float
    error: float
