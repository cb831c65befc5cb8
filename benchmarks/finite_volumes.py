"""Finite volumes in two dimensions, a cell a stage, against the time of copying one float64 in the same process."""

from __future__ import annotations

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.flow import Flow, Layer
from eulerian_mfc.flow.integrators import INTEGRATORS
from eulerian_mfc.kernels.threads import Workers

from .result import Table
from .timing import median_seconds

CELLS = 512
SUBSTEPS = 4


def measure(reconstruction: str, threads: int = 1, cells: int = CELLS, repeats: int = 5) -> tuple[float, float]:
    """Seconds of a stage, a cell, and of copying one float64 (read and write)."""
    scheme = emfc.continuity.FiniteVolume(reconstruction, substeps=SUBSTEPS)
    mesh = emfc.CartesianMesh([(-2.0, 2.0)] * 2, cells)
    field = emfc.fields.NeuralField(2)
    operator = scheme.on(mesh, Flow(field, emfc.LayerMap(), Workers(threads)))
    x = mesh.centres
    masses = np.exp(-4 * (x**2).sum(axis=1)).reshape(1, cells, cells)
    layer = Layer(0.0, 0.005, np.array([0.5, 0.2, -0.3, 0.4, 0.1, 0.0]))
    operator.step(layer, masses)
    stages = SUBSTEPS * INTEGRATORS[str(scheme.integrator)].stages
    source = np.random.default_rng(0).normal(size=2**24)  # beyond the caches: what memory gives
    target = np.empty_like(source)
    # Interleaved, so that both see the same machine.
    pairs = [
        (
            median_seconds(lambda: operator.step(layer, masses), 1) / (stages * cells**2),
            median_seconds(lambda: np.copyto(target, source), 11) / source.size,
        )
        for _ in range(repeats)
    ]
    stage, copy = np.median(pairs, axis=0)
    return float(stage), float(copy)


def ratio(reconstruction: str) -> float:
    """Time of a stage, a cell, over the time of copying one float64, one thread."""
    stage, copy = measure(reconstruction)
    return stage / copy


def tables() -> list[Table]:
    caption = (
        f"Finite volumes, {CELLS}^2 cells, one density; a cell a stage, in nanoseconds and in units of copying one float64 "
        "(read and write, same process, medians of 5). Made by `tox -e benchmarks`."
    )
    large = f"{2 * CELLS}^2"
    columns = {
        "reconstruction": "",
        "ns": ".0f",
        "copies": ".0f",
        f"{large}, one thread: ns": ".0f",
        "two threads: ns": ".0f",
    }
    rows = []
    for name in ("upwind", "muscl", "weno5"):
        stage, copy = measure(name)
        rows.append((name, 1e9 * stage, stage / copy, *(1e9 * measure(name, n, 2 * CELLS, 3)[0] for n in (1, 2))))
    return [Table(caption, columns, rows)]
