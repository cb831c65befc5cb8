"""Point location on simplices: seconds a point, for displacements of a few cells."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.spaces import element_nodes

from .result import Table

#: intervals an axis: 32,768 triangles and 41,154 tetrahedra
CELLS = {2: 128, 3: 19}


def best(function: Callable[[], object], repeats: int) -> float:
    """Least processor time of a call: what others do on the machine does not count."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def microseconds(dim: int, displacement: float, repeats: int = 15) -> float:
    """Best time a point of `Locator.trace` from the nodes of degree 2, by `displacement` widths in random directions."""
    import skfem

    line = np.linspace(-1.0, 1.0, CELLS[dim] + 1)
    kind = {2: skfem.MeshTri, 3: skfem.MeshTet}[dim]
    mesh = emfc.SimplexMesh(kind.init_tensor(*[line] * dim))
    nodes = element_nodes(mesh, 2)
    rng = np.random.default_rng(0)
    inner = np.flatnonzero(np.abs(nodes.centres).max(axis=1) < 1 - displacement * 2 / CELLS[dim] - 1e-9)
    x = np.asfortranarray(nodes.centres[inner])
    way = rng.normal(size=x.shape)
    way *= displacement * (2 / CELLS[dim]) / np.linalg.norm(way, axis=1)[:, None]
    targets, cells = np.asfortranarray(x + way), nodes.cell_of_node[inner]
    mesh.locator.trace(cells, x, targets)
    return 1e6 * best(lambda: mesh.locator.trace(cells, x, targets), repeats) / len(x)


def find_microseconds(dim: int, repeats: int = 15) -> float:
    """Best time a point of `Locator.find`, random points without a hint."""
    import skfem

    line = np.linspace(-1.0, 1.0, CELLS[dim] + 1)
    kind = {2: skfem.MeshTri, 3: skfem.MeshTet}[dim]
    mesh = emfc.SimplexMesh(kind.init_tensor(*[line] * dim))
    x = np.asfortranarray(np.random.default_rng(0).uniform(-1, 1, (100_000, dim)))
    mesh.locator.find(x)
    return 1e6 * best(lambda: mesh.locator.find(x), repeats) / len(x)


def tables() -> list[Table]:
    caption = (
        "Microseconds of processor time a point, best of 15; from the nodes of degree 2, random directions. "
        "Made by `tox -e benchmarks`."
    )
    columns = {"mesh": "", "1 width": ".2f", "3 widths": ".2f", "5 widths": ".2f", "any point, no hint": ".2f"}
    rows = [
        (name, *(microseconds(dim, k) for k in (1.0, 3.0, 5.0)), find_microseconds(dim))
        for dim, name in ((2, "32,768 triangles"), (3, "41,154 tetrahedra"))
    ]
    return [Table(caption, columns, rows)]
