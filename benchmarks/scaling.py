"""A gradient over the number of layers, of moments, of threads, and over the degree of the splines."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .lattice import system
from .result import IMAGES, Table
from .timing import in_turns

CELLS, LAYERS = 192, 8
BASE: dict[str, Any] = {"cells": CELLS, "layers": LAYERS, "degree": 3, "labels": 3, "threads": 1}
#: what is varied
CURVES = {"layers": (2, 4, 8, 16, 32, 64), "labels": (1, 2, 4, 8, 16), "degree": (1, 3, 5, 7), "threads": (1, 2)}
TITLES = {"layers": "layers", "labels": "fields R", "degree": "degree of the splines", "threads": "threads"}


def nanoseconds(name: str, values: tuple[int, ...], repeats: int = 5) -> list[float]:
    """Of one cost and gradient, a cell a layer, in the plane."""
    systems = [system(2, **{**BASE, name: value}) for value in values]
    calls = []
    for s in systems:
        control = np.full((s.layers, s.problem.parameters), 0.2)
        s.cost_and_gradient(control)
        calls.append(partial(s.cost_and_gradient, control))
    times = in_turns(calls, repeats)
    return [1e9 * t / (s.layers * s.mesh.size) for s, t in zip(systems, times, strict=True)]


def draw(measured: dict[str, list[float]]) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(measured), figsize=(11, 3), layout="constrained", sharey=True)
    for axes, (name, ns) in zip(panels, measured.items(), strict=True):
        axes.plot(CURVES[name], ns, "o-")
        axes.set_xlabel(TITLES[name])
        axes.set_xticks(CURVES[name])
        axes.grid(alpha=0.3)
        if name in ("layers", "labels"):
            axes.set_xscale("log", base=2)
            axes.set_xticks(CURVES[name], [str(v) for v in CURVES[name]])
    panels[0].set(ylabel="ns a cell a layer", ylim=(0, 1.05 * max(map(max, measured.values()))))
    figure.savefig(IMAGES / "scaling.png", dpi=120)
    plt.close(figure)


def tables() -> list[Table]:
    measured = {name: nanoseconds(name, values) for name, values in CURVES.items()}
    draw(measured)
    rows = [
        (TITLES[name], value, ns, ns / curve[0])
        for name, curve in measured.items()
        for value, ns in zip(CURVES[name], curve, strict=True)
    ]
    caption = (
        f"One cost and gradient in the plane, {CELLS}^2 cells, RK4: ns a cell a layer as one number varies, "
        f"medians of 5 in turns; else {LAYERS} layers, 3 fields, cubic splines, one thread. Made by `tox -e "
        "benchmarks`."
    )
    columns = {"what varies": "", "its value": "d", "ns a cell a layer": ".0f", "to the first": ".2f"}
    base, many = (measured["labels"][CURVES["labels"].index(r)] for r in (1, 16))
    notes = f"A further field costs {(many - base) / 15:.0f} ns, the first {base:.0f} ns: the layer map is shared."
    return [Table(caption, columns, rows, notes)]
