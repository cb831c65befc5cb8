"""One round of adaptive refinement: a plain record."""

from __future__ import annotations

from typing import NamedTuple


class Round(NamedTuple):
    """One round of refinement.

    Attributes
    ----------
    cells : number of cells of the mesh.
    unknowns : number of nodes of the elements.
    cost : J on that mesh.
    error : the estimated error of J.
    """

    cells: int
    unknowns: int
    cost: float
    error: float
