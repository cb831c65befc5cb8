"""A forward solve of the continuity equation beside general packages: time a cell a step, and errors at equal cells."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.flow import Flow, Layer
from eulerian_mfc.flow.integrators import INTEGRATORS

from . import swirl
from .pde_peers import PACKAGES, Solve
from .peers import installed, left_out
from .result import Table
from .timing import in_turns, use_processors

CELLS, LAYERS = 128, 20
TOLERANCE = 0.2  # of the relative error in the mean: all must compute the same density


def layers() -> list[Layer]:
    dt = swirl.HORIZON / LAYERS
    return [Layer(n * dt, dt, swirl.THETA) for n in range(LAYERS)]


def mesh(cells: int) -> emfc.CartesianMesh:
    return emfc.CartesianMesh([(-swirl.HALF, swirl.HALF)] * 2, cells)


def flow() -> Flow:
    return Flow(emfc.fields.NeuralField(2), emfc.LayerMap())


def densities(operator: Any, masses: np.ndarray, area: float) -> np.ndarray:
    """The masses `(1, n, n)` at the end over the cells' area."""
    for layer in layers():
        masses, _ = operator.step(layer, masses)
    return masses[0] / area


def push_forward(cells: int, degree: int) -> Solve:
    """The transpose of semi-Lagrangian transport; a step is a layer. Nodal masses over the cells' area are point values."""
    transport = emfc.transport.SemiLagrangian(degree).on(mesh(cells), flow())
    operator = emfc.continuity.PushForward().on(mesh(cells), flow(), transport)
    area = (2 * swirl.HALF / cells) ** 2
    start = area * swirl.values(swirl.start, cells)[None]
    return Solve(partial(densities, operator, start, area), LAYERS, 1)


def finite_volumes(cells: int, reconstruction: str) -> Solve:
    """Cell averages, substeps by the scheme's Courant number; a step is one of them."""
    scheme = emfc.continuity.FiniteVolume(reconstruction)
    operator = scheme.on(mesh(cells), flow())
    area = (2 * swirl.HALF / cells) ** 2
    start = area * swirl.averages(swirl.start, cells)[None]
    steps = sum(operator.substeps(layer) for layer in layers())
    return Solve(partial(densities, operator, start, area), steps, INTEGRATORS[str(scheme.integrator)].stages)


def makers(cells: int) -> dict[str, Callable[[], Solve]]:
    """Ours, then those of the packages that are installed."""
    out = {
        "push-forward, degree 3": partial(push_forward, cells, 3),
        "push-forward, degree 5": partial(push_forward, cells, 5),
        "MUSCL (MC)": partial(finite_volumes, cells, "muscl"),
        "WENO5": partial(finite_volumes, cells, "weno5"),
    }
    present = installed([peer for peer, _, _ in PACKAGES.values()])
    theirs = {n: partial(make, cells, True) for n, (peer, make, able) in PACKAGES.items() if able and peer in present}
    return out | theirs


def measured(
    makers: dict[str, Callable[[], Solve]], exact: Callable[[str], np.ndarray], cells: int, repeats: int
) -> list[tuple]:
    """Rows of `COLUMNS`: first all are made and compared with the exact values, then timed in turns."""
    made, errors, first = {}, {}, {}
    for name, make in makers.items():
        start = time.perf_counter()
        made[name] = make()
        out = made[name].run()
        first[name] = time.perf_counter() - start
        errors[name] = float(np.abs(out - exact(name)).mean() / np.abs(exact(name)).mean())
        assert errors[name] <= TOLERANCE, f"{name} computes something else: error {errors[name]:.1e}"
    times = in_turns([solve.run for solve in made.values()], repeats)
    rows = []
    for (name, solve), seconds in zip(made.items(), times, strict=True):
        step = 1e9 * seconds / (cells**2 * solve.steps)
        rows.append((name, solve.steps, step, step / solve.stages, 1e3 * seconds, first[name], errors[name]))
    return rows


COLUMNS = {
    "method": "",
    "steps": "d",
    "ns a cell a step": ".0f",
    "ns a cell a stage": ".0f",
    "ms a solve": ".0f",
    "s, the first": ".1f",
    "error": ".1e",
}


def notes(rows: list[tuple]) -> str:
    """What a peer of order 2 would need for the error of the first row, and the peers that are left out."""
    (_, *_, target) = rows[0]
    finer = {name: (row[-1] / target) ** 0.5 for name, *row in rows if name.startswith("py-pde")}
    solve = {name: row[3] for name, *row in rows}
    out = [
        f"To the error of the first row, at order 2 {name.split(',')[0]} needs {factor:.1f} times the cells an axis: "
        f"{1e-3 * solve[name] * factor**3:.3g} s."
        for name, factor in finer.items()
        if factor > 1
    ]
    return "\n".join([*out, left_out([peer for peer, _, _ in PACKAGES.values()])]).strip()


def tables(cells: int = CELLS, repeats: int = 5) -> list[Table]:
    use_processors(1)
    nodal, means = (kind(swirl.density, cells) for kind in (swirl.values, swirl.averages))
    caption = (
        f"One density forwards, `v = tanh(W x + b)` on [-4, 4]^2, {cells}^2 cells, to time 1, one thread; "
        f"medians of {repeats} in turns. Steps: {LAYERS} layers of the push-forward, for the others what their "
        "Courant numbers ask (0.4 MUSCL, 1 the rest). The first solve makes the solver and compiles. Errors: "
        "mean, relative, to cell averages by characteristics, of the push-forward to values at the nodes, "
        "which its masses over the cells' area are. Made by `tox -e benchmarks`."
    )
    rows = measured(makers(cells), lambda name: nodal if name.startswith("push") else means, cells, repeats)
    return [Table(caption, COLUMNS, rows, notes(rows))]
