"""A backward solve of the transport equation beside general packages: time a cell a step, and errors at equal cells."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

import eulerian_mfc as emfc

from . import swirl
from .forward import CELLS, COLUMNS, LAYERS, flow, layers, measured, mesh, notes
from .pde_peers import PACKAGES, Solve
from .peers import installed
from .result import Table
from .timing import use_processors


def semi_lagrangian(cells: int, degree: int) -> Solve:
    """Splines at the feet of the characteristics; a step is a layer."""
    operator = emfc.transport.SemiLagrangian(degree).on(mesh(cells), flow())
    start = swirl.values(swirl.start, cells)[None]

    def run() -> np.ndarray:
        psi = start
        for layer in reversed(layers()):
            psi = operator.step(layer, psi)
        return psi[0]

    return Solve(run, LAYERS, 1)


def makers(cells: int) -> dict[str, Callable[[], Solve]]:
    """Ours, then those of the packages that are installed."""
    out = {f"splines of degree {degree}": partial(semi_lagrangian, cells, degree) for degree in (3, 5, 7)}
    present = installed([peer for peer, _, _ in PACKAGES.values()])
    return out | {name: partial(make, cells, False) for name, (peer, make, _) in PACKAGES.items() if peer in present}


def tables(cells: int = CELLS, repeats: int = 5) -> list[Table]:
    use_processors(1)
    exact = swirl.values(swirl.potential, cells)
    caption = (
        f"One potential backwards, the flow and the shape of the table above, {cells}^2 cells, one thread; "
        f"medians of {repeats} in turns. Steps: {LAYERS} layers, for the others what their Courant number (1) "
        "asks. Errors: mean, relative, to values by characteristics. Made by `tox -e benchmarks`."
    )
    rows = measured(makers(cells), lambda name: exact, cells, repeats)
    return [Table(caption, COLUMNS, rows, notes(rows))]
