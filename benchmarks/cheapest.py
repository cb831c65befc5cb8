"""`python -m benchmarks.cheapest`: the time of a solve to a tolerance beside that of the cheapest choice by hand.

The choice by hand is found by brute force: on the box that the solve to the tolerance chose, all meshes and control spaces of a
list are tried, and the quickest of those counts whose true error is at most that of the solve to the tolerance. It knows the
truth, the box and a good number of cells beforehand. Times are medians in one process, after a warm-up; the table is written to
`docs/tables/cheapest.md`.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.errors import EulerianError, EulerianWarning

from . import truths
from .random_problems import drawn
from .timing import median_seconds

TABLE = Path(__file__).parents[1] / "docs" / "tables" / "cheapest.md"
#: the problems, of `random_problems`, and the tolerance
NUMBERS, TOLERANCE = (4, 9, 11, 13, 19, 30, 36, 10, 16, 18), 1e-5
#: what is tried: cells per axis as shares of those that were chosen, and layers with degrees
SHARES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0)
SPACES = ((1, 1), (1, 2), (2, 1), (1, 3), (2, 2), (3, 2), (2, 3), (4, 1), (4, 2), (8, 1))
#: times are medians of so many runs
RUNS = 5


def row(number: int) -> str:
    """The row of one problem."""
    problem, name = drawn(number)
    known = truths.table()[number].cost
    assert known is not None
    chosen = emfc.solve(problem, tol=TOLERANCE)
    taken = median_seconds(lambda: emfc.solve(problem, tol=TOLERANCE), RUNS)
    wanted = abs(chosen.cost - known)
    bounds, cells = chosen.mesh.bounds, np.array(chosen.mesh.shape)
    tried: list[tuple[float, Callable[[], emfc.Solution]]] = []
    for layers, degree in SPACES:
        for share in SHARES:
            mesh = emfc.CartesianMesh(bounds, np.ceil(share * cells).astype(int).tolist())

            def run(mesh: emfc.CartesianMesh = mesh, layers: int = layers, degree: int = degree) -> emfc.Solution:
                solver = emfc.solvers.LBFGS(tol=1e-4)
                return emfc.solve(problem, mesh, layers, control_degree=degree, solver=solver)

            begin = time.perf_counter()
            try:
                error = abs(run().cost - known)
            except EulerianError:
                continue
            if error <= wanted:
                tried.append((time.perf_counter() - begin, run))
                break  # finer meshes are slower
    best = min((median_seconds(run, RUNS) for _, run in sorted(tried, key=lambda pair: pair[0])[:3]), default=np.nan)
    size = " x ".join(map(str, cells))
    return (
        f"| {number} | {name[:60]} | {size} | {chosen.layers}, {chosen.numerics.curves.degree} | {wanted:.0e} "
        f"| {taken / best:.1f} |"
    )


def main() -> int:
    rows = ["| number | problem | cells | layers, degree | true error | time / cheapest |", "|---|---|---|---|---|---|"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EulerianWarning)
        for number in NUMBERS:
            rows.append(row(number))
            print(rows[-1], flush=True)
    TABLE.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
