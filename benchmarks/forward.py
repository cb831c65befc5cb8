"""A forward solve of the continuity equation beside general packages: time a cell a step, and errors at equal cells."""

from __future__ import annotations

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.characteristics import Flow, Layer
from eulerian_mfc.integrators import INTEGRATORS

from . import swirl
from .pde_peers import PACKAGES, Solve
from .peers import installed, left_out
from .result import Table
from .timing import in_turns

CELLS, LAYERS = 128, 20
TOLERANCE = 0.2  # of the relative error in the mean: all must compute the same density


def layers() -> list[Layer]:
    dt = swirl.HORIZON / LAYERS
    return [Layer(n * dt, dt, swirl.THETA) for n in range(LAYERS)]


def mesh(cells: int) -> emfc.CartesianMesh:
    return emfc.CartesianMesh([(-swirl.HALF, swirl.HALF)] * 2, cells)


def flow() -> Flow:
    return Flow(emfc.fields.NeuralField(2), emfc.LayerMap())


def push_forward(cells: int, degree: int) -> Solve:
    """The transpose of semi-Lagrangian transport; a step is a layer. Nodal masses over the cells' area."""
    transport = emfc.transport.SemiLagrangian(degree).on(mesh(cells), flow())
    operator = emfc.continuity.PushForward().on(mesh(cells), flow(), transport)
    area = (2 * swirl.HALF / cells) ** 2
    start = area * swirl.values(swirl.start, cells)[None]

    def run() -> np.ndarray:
        masses = start
        for layer in layers():
            masses, _ = operator.step(layer, masses)
        return masses[0] / area

    return Solve(run, LAYERS, 1)


def finite_volumes(cells: int, reconstruction: str) -> Solve:
    """Cell averages, substeps by the scheme's Courant number; a step is one of them."""
    scheme = emfc.continuity.FiniteVolume(reconstruction)
    operator = scheme.on(mesh(cells), flow())
    area = (2 * swirl.HALF / cells) ** 2
    start = area * swirl.averages(swirl.start, cells)[None]

    def run() -> np.ndarray:
        masses = start
        for layer in layers():
            masses, _ = operator.step(layer, masses)
        return masses[0] / area

    steps = sum(operator.substeps(layer) for layer in layers())
    return Solve(run, steps, INTEGRATORS[str(scheme.integrator)].stages)


def solves(cells: int) -> dict[str, Solve]:
    """Ours, then those of the packages that are installed."""
    out = {
        "push-forward, degree 3": push_forward(cells, 3),
        "push-forward, degree 5": push_forward(cells, 5),
        "MUSCL (MC)": finite_volumes(cells, "muscl"),
        "WENO5": finite_volumes(cells, "weno5"),
    }
    present = installed([peer for peer, _, _ in PACKAGES.values()])
    return out | {
        name: make(cells, True) for name, (peer, make, able) in PACKAGES.items() if able and peer in present
    }


def measured(functions: dict[str, Solve], exact: np.ndarray, cells: int, repeats: int) -> list[tuple]:
    """Rows: name, steps, ns a cell a step, ns a cell a stage, milliseconds a solve, error relative to the exact values."""
    errors = {}
    for name, solve in functions.items():
        errors[name] = float(np.abs(solve.run() - exact).mean() / np.abs(exact).mean())
        assert errors[name] <= TOLERANCE, f"{name} computes something else: error {errors[name]:.1e}"
    times = in_turns([solve.run for solve in functions.values()], repeats)
    return [
        (
            name,
            solve.steps,
            1e9 * seconds / (cells**2 * solve.steps),
            1e9 * seconds / (cells**2 * solve.steps * solve.stages),
            1e3 * seconds,
            errors[name],
        )
        for (name, solve), seconds in zip(functions.items(), times, strict=True)
    ]


COLUMNS = {
    "method": "",
    "steps": "d",
    "ns a cell a step": ".0f",
    "ns a cell a stage": ".0f",
    "ms a solve": ".0f",
    "error": ".1e",
}


def tables(cells: int = CELLS, repeats: int = 5) -> list[Table]:
    exact = swirl.averages(swirl.density, cells)
    caption = (
        f"One density forwards, `v = tanh(W x + b)` on [-4, 4]^2, {cells}^2 cells, to time 1, one thread; medians of {repeats} in\n"
        f"turns. Steps: {LAYERS} layers of the push-forward, for the others what their Courant numbers ask (0.4 MUSCL, 1 the\n"
        "rest). Errors: mean, relative, to cell averages by characteristics. Made by `tox -e benchmarks`."
    )
    notes = "The push-forward's nodal masses integrate smooth functions; read as densities they are good to order 2."
    skipped = left_out([peer for peer, _, _ in PACKAGES.values()])
    return [Table(caption, COLUMNS, measured(solves(cells), exact, cells, repeats), "\n".join([notes, skipped]).strip())]
