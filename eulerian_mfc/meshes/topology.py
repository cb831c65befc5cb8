"""Which facets and cells of a simplex mesh belong together, and the names of facets after a refinement."""

from __future__ import annotations

from typing import Any

import numpy as np

from .location import Locator


def opposite_facets(skfem: Any, cells: np.ndarray) -> np.ndarray:
    """`(cells, d + 1)`: scikit-fem's number of the facet opposite to each vertex of the cells `(cells, d + 1)`."""
    facets, around = skfem.facets.T, skfem.t2f.T
    missing = (facets[around][:, :, None, :] != cells[:, None, :, None]).all(axis=3)
    local = missing.argmax(axis=1)
    return np.asarray(np.take_along_axis(around, local, axis=1), dtype=np.int64)


def boundary_cells(cells: np.ndarray, neighbours: np.ndarray, count: int) -> np.ndarray:
    """`(cells,)` booleans: the cells that a chain of `count` touching cells, one or more, joins to the boundary."""
    touched = np.zeros(cells.max() + 1, dtype=bool)
    cell, local = np.nonzero(neighbours < 0)
    for k in range(cells.shape[1]):
        touched[cells[cell[local != k], k]] = True
    for _ in range(count):
        mask = touched[cells].any(axis=1)
        touched[cells[mask]] = True
    return mask


def with_names(fine: Any, coarse: Any, locator: Locator, opposite: np.ndarray) -> Any:
    """The finer mesh of scikit-fem with the named facets of the coarse one, found by where its facets lie.

    `locator` and `opposite` (see `opposite_facets`) are those of the coarse mesh.
    """
    located = locator.locate(fine.p[:, fine.facets].mean(axis=1).T)
    distance = np.abs(located.barycentric)
    nearest = distance.argmin(axis=1)
    # Centres of facets that divide a cell are far from its own: at least an eighth, in barycentric coordinates.
    on = np.flatnonzero(distance.min(axis=1) <= 1e-3)
    parents = opposite[located.cells[on], nearest[on]]
    names = {name: on[np.isin(parents, np.asarray(mine))] for name, mine in coarse.boundaries.items()}
    return fine.with_boundaries(names, boundaries_only=False)
