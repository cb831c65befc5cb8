"""A gradient a cell a layer over the number of cells, on a line, in the plane and in space."""

from __future__ import annotations

from functools import partial

import numpy as np

from .lattice import system
from .result import IMAGES, Table
from .timing import in_turns

LAYERS = 4
#: cells an axis
CELLS = {1: (1_000, 10_000, 100_000, 1_000_000), 2: (64, 128, 256, 512, 1024), 3: (16, 24, 32, 48, 64, 96)}
#: cells from which on a mesh with its moments has left the second-level cache
OUTSIDE = 2**16


def nanoseconds(dim: int, cells: tuple[int, ...], repeats: int = 5) -> list[float]:
    """Of one cost and gradient, a cell a layer, cubic splines, one thread."""
    systems = [system(dim, n, LAYERS) for n in cells]
    control = np.full((LAYERS, systems[0].problem.parameters), 0.2)
    for s in systems:
        s.cost_and_gradient(control)
    times = in_turns([partial(s.cost_and_gradient, control) for s in systems], repeats)
    return [1e9 * t / (LAYERS * s.mesh.size) for s, t in zip(systems, times, strict=True)]


def spread(dim: int, cells: tuple[int, ...], ns: list[float]) -> str:
    """One sentence: how flat the curve is where the mesh is larger than the cache."""
    large = [t for n, t in zip(cells, ns, strict=True) if n**dim >= OUTSIDE]
    middle = (max(large) + min(large)) / 2
    return f"d = {dim}: {min(large):.0f} to {max(large):.0f} ns, +-{100 * (max(large) - middle) / middle:.0f}%"


def draw(measured: dict[int, list[float]]) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for dim, ns in measured.items():
        axes.loglog([n**dim for n in CELLS[dim]], ns, "o-", label=f"d = {dim}, {dim + 1} moments")
    axes.axvline(OUTSIDE, color="0.7", lw=1, ls="--")
    axes.set(xlabel="cells", ylabel="ns a cell a layer", title="One gradient, cubic splines, one thread")
    axes.grid(alpha=0.3, which="both")
    axes.set_ylim(top=2.0 * max(map(max, measured.values())))
    axes.legend(loc="upper center", ncols=3, fontsize=8)
    figure.savefig(IMAGES / "scaling_cells.png", dpi=120)
    plt.close(figure)


def tables() -> list[Table]:
    measured = {dim: nanoseconds(dim, cells) for dim, cells in CELLS.items()}
    draw(measured)
    rows = [
        (f"{n:,}" if dim == 1 else f"{n}^{dim}", dim + 1, n**dim, t, t / (dim + 1))
        for dim, ns in measured.items()
        for n, t in zip(CELLS[dim], ns, strict=True)
    ]
    caption = (
        f"One cost and gradient, cubic splines, RK4, {LAYERS} layers, one thread: ns a cell a layer, medians "
        "of 5 in turns. The mass covers half of every axis on every mesh (points on a lattice). Made by `tox "
        "-e benchmarks`."
    )
    columns = {"mesh": "", "moments": "d", "cells": ",", "ns a cell a layer": ".0f", "a moment": ".0f"}
    notes = f"From {OUTSIDE:,} cells on, {'; '.join(spread(d, CELLS[d], ns) for d, ns in measured.items())}."
    return [Table(caption, columns, rows, notes)]
