"""How near the kernels are to what the machine can do: bytes and operations a cell beside copying and multiply-adding."""

from __future__ import annotations

from functools import partial

import numpy as np
from numba import njit

import eulerian_mfc as emfc
from eulerian_mfc.flow import Flow, Layer
from eulerian_mfc.flow.integrators import INTEGRATORS

from . import counts
from .lattice import HALF, system
from .result import IMAGES, Table
from .timing import copy_seconds, in_turns

VOLUMES = 1024
#: a mesh larger than the caches
CELLS, LAYERS = 512, 4
SWEEPS = 2000


@njit(inline="always", fastmath={"contract"})
def _eight(a, x):
    for c in (0.5, 0.25, 0.125, 0.5, 0.25, 0.125, 0.5, 0.25):
        a = a * x + c
    return a


@njit(fastmath={"contract"})
def _polynomials(x, out):
    """Eight polynomials of degree 8 at every value, vectorised over the values, all in the first-level cache."""
    for _ in range(SWEEPS):
        for i in range(x.size):
            v = x[i]
            a, b, c, d = _eight(1.0 + v, v), _eight(2.0 + v, v), _eight(3.0 + v, v), _eight(4.0 + v, v)
            e, f, g, h = _eight(5.0 + v, v), _eight(6.0 + v, v), _eight(7.0 + v, v), _eight(8.0 + v, v)
            out[i] = ((a + b) + (c + d)) + ((e + f) + (g + h))


def peak_operations() -> float:
    """Operations a second of multiply-adds that wait for nothing but the processor."""
    x, out = np.full(1024, 0.5), np.empty(1024)
    _polynomials(x, out)
    operations = 8 * (2 * 8 + 1) + 7
    return operations * SWEEPS * x.size / in_turns([lambda: _polynomials(x, out)])[0]


def volumes(reconstruction: str) -> tuple[float, counts.Count]:
    """Seconds a cell a stage, and its counts."""
    scheme = emfc.continuity.FiniteVolume(reconstruction, substeps=4)
    operator = scheme.on(
        emfc.CartesianMesh([(-2.0, 2.0)] * 2, VOLUMES), Flow(emfc.fields.NeuralField(2), emfc.LayerMap())
    )
    x = operator.mesh.centres
    masses = np.exp(-4 * (x**2).sum(axis=1)).reshape(1, VOLUMES, VOLUMES)
    layer = Layer(0.0, 0.005, np.array([0.5, 0.2, -0.3, 0.4, 0.1, 0.0]))
    operator.step(layer, masses)
    stages = 4 * INTEGRATORS[str(scheme.integrator)].stages
    seconds = in_turns([partial(operator.step, layer, masses)])[0]
    return seconds / (stages * VOLUMES**2), counts.finite_volumes(2, reconstruction)


def gradient(degree: int) -> tuple[float, counts.Count]:
    """Seconds a cell a layer where all nodes carry mass, and its counts."""
    given, control = system(2, CELLS, LAYERS, degree, reach=0.98 * HALF), np.full((LAYERS, 6), 0.2)
    given.cost_and_gradient(control)
    seconds = in_turns([partial(given.cost_and_gradient, control)])[0]
    return seconds / (LAYERS * CELLS**2), counts.gradient(2, degree, 3)


def draw(rows: list[tuple], bandwidth: float, peak: float) -> None:
    """Gigaoperations a second over operations a byte, below the machine's two roofs."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
    x = np.logspace(-1.5, 2, 100)
    axes.loglog(x, np.minimum(bandwidth * x, peak) / 1e9, "k-", lw=1)
    axes.text(0.05, 0.12 * bandwidth / 1e9, f"copy: {bandwidth / 1e9:.1f} GB/s", fontsize=8)
    axes.text(8, 0.8 * peak / 1e9, f"multiply-add: {peak / 1e9:.0f} Gop/s", fontsize=8)
    for name, seconds, moved, operations, *_ in rows:
        axes.plot(operations / moved, operations / seconds, "s" if name.startswith("gradient") else "o", label=name)
    axes.set(xlabel="operations a byte", ylabel="Gop/s", title="One thread, double precision")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(IMAGES / "roofline.png", dpi=120)
    plt.close(figure)


def tables() -> list[Table]:
    copy, peak = copy_seconds(), peak_operations()
    bandwidth = 16.0 / copy
    rows = []
    measured = {f"finite volumes, {name}, a stage": volumes(name) for name in ("upwind", "muscl", "weno5")}
    measured |= {f"gradient, degree {degree}, a layer": gradient(degree) for degree in (1, 3, 5, 7)}
    for name, (seconds, count) in measured.items():
        least = max(count.bytes / bandwidth, count.operations / peak)
        bound = "memory" if count.bytes / bandwidth > count.operations / peak else "processor"
        rows.append((name, 1e9 * seconds, count.bytes, count.operations, 1e9 * least, bound, seconds / least))
    draw(rows, bandwidth, peak)
    caption = (
        f"A cell, one thread: finite volumes on {VOLUMES}^2 cells, one density; the gradient on {CELLS}^2 cells, all with "
        f"mass, three moments, RK4. In the same process copying moves {bandwidth / 1e9:.1f} GB/s (read and write), "
        f"multiply-adds run at {peak / 1e9:.1f} Gop/s; the least time is what the slower of the two allows. "
        "Medians of 5. Made by `tox -e benchmarks`."
    )
    columns = {
        "kernel": "",
        "ns": ".0f",
        "bytes": ".0f",
        "operations": ".0f",
        "least ns": ".0f",
        "bound by": "",
        "measured / least": ".1f",
    }
    notes = (
        "Counted in `benchmarks/counts.py`: passes over arrays of the mesh's size, arithmetic, `tanh` as 30 operations."
    )
    return [Table(caption, columns, rows, notes)]
