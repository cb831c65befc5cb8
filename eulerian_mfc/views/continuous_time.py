"""A figure of the control in continuous time: the control, its recovered form, and the residual of the control equation."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ..diagnostics.pointwise import Pointwise
from ..results.solution_data import SolutionData
from .controls import control
from .style import PALETTE, STYLE

#: the recovered control and the residual are drawn at this many times per layer at most, and in all
PER_LAYER, TIMES = 12, 160
#: residuals below this share of the largest one are drawn there: they are zero up to round-off
SMALLEST = 1e-10


def in_time(solution: SolutionData, pointwise: Pointwise) -> Figure:
    """The control with the recovered control (dotted), and below them the residual of the control equation.

    Parameters
    ----------
    solution : the solution.
    pointwise : its control equation in continuous time.
    """
    curves = solution.numerics.curves
    count = int(np.clip(TIMES // curves.layers, 2, PER_LAYER))
    shares = (np.arange(count) + 0.5) / count
    times = curves.on_layers(shares).ravel()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.0, 6.4))
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(3, 2))[:, 0]
        control(above, solution)
        axes = above.axes[0]
        recovered = pointwise.recovered(times)
        for k in range(recovered.shape[1]):
            label = "recovered" if k == 0 else None
            axes.plot(times, recovered[:, k], ":", color="black", lw=1.0, label=label)
        axes.legend(fontsize=9)
        sizes = np.linalg.norm(pointwise.residuals(times), axis=1).reshape(curves.layers, count)
        floor = max(solution.residual, SMALLEST * sizes.max(), np.finfo(float).tiny)
        drawn = below.subplots()
        gap = np.full((curves.layers, 1), np.nan)
        at = np.concatenate([times.reshape(curves.layers, count), gap], axis=1).ravel()
        drawn.semilogy(at, np.concatenate([np.maximum(sizes, floor), gap], axis=1).ravel(), color=PALETTE[1], lw=1.4)
        drawn.axhline(floor, color="0.6", lw=0.9, ls="--")
        drawn.annotate(
            "residual on these layers", (1.0, floor), xycoords=("axes fraction", "data"),
            xytext=(-2, 3), textcoords="offset points", ha="right", fontsize=8, color="0.4",
        )  # fmt: skip
        drawn.set(xlabel="time $t$", ylabel="$|r(t)|$", xlim=(0.0, curves.horizon))
        drawn.set_title("Residual of the control equation in continuous time")
        figure.draw_without_rendering()
    return figure
