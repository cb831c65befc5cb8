"""Figures of controls over time."""

from __future__ import annotations

from typing import TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..results.sampled_control import SampledControl
from ..results.solution_data import SolutionData
from .style import PALETTE, STYLE, legend, symbol

#: more parameters than these have no legend: it would be longer than the figure
NAMED = 16
#: a style of lines of matplotlib: a name, or an offset with the lengths of dashes and gaps
Dashes: TypeAlias = str | tuple[int, tuple[int, ...]]
#: the styles of the parameters in order
DASHES: tuple[Dashes, ...] = ("-", (0, (5, 3)), (0, (2, 2)), (0, (6, 2, 1, 2)))
#: number of times per layer at which a curve is drawn
TIMES = 65
#: ends of more layers than this are not marked
MARKED = 60


def control(figure: Figure, solution: SolutionData) -> None:
    """Every parameter as a function of time: steps for degree 0, otherwise curves that may jump at the ends of the layers."""
    axes = figure.subplots()
    values = _drawn(solution).values
    for k, name in enumerate(solution.parameter_names):
        # Dashes over wider lines: parameters that coincide, as in symmetric problems, stay visible.
        line = curve(axes, solution, k, PALETTE[k % len(PALETTE)], max(3.0 - 0.4 * k, 1.2), DASHES[k % len(DASHES)])
        line.set_label(symbol(name))
    middle, size = values.mean(), np.abs(values).max()
    if np.ptp(values) < 1e-4 * size:
        axes.set_ylim(middle - 0.5 * size, middle + 0.5 * size)  # do not magnify the round-off of a constant control
    _mark_layers(axes, solution)
    axes.set(xlabel="time $t$", ylabel=r"control $\theta(t)$", xlim=(0, solution.times[-1]), title=title(solution))
    if len(solution.parameter_names) <= NAMED:
        legend(axes, None, outside=len(solution.parameter_names) > 3)


def title(solution: SolutionData) -> str:
    """The title of a figure of a control.

    Parameters
    ----------
    solution : a solution, of which the degree in time is used.
    """
    degree = solution.numerics.curves.degree
    return f"Control of degree {degree} on every layer" if degree else "Control per layer"


def controls(panels: list[tuple[str, SolutionData]]) -> Figure:
    """Controls side by side, one panel per pair (title, solution)."""
    with mpl.rc_context(STYLE):
        columns = min(3, len(panels))
        rows = -(-len(panels) // columns)
        figure = Figure(figsize=(4.2 * columns, 2.9 * rows))
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
        for axes, (name, solution) in zip(grid.flat, panels, strict=False):
            for k, parameter in enumerate(solution.parameter_names):
                curve(axes, solution, k, f"C{k % 10}", 1.5).set_label(symbol(parameter))
            _mark_layers(axes, solution)
            axes.set_title(name, fontsize="small")
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for axes in grid[-1]:
            axes.set_xlabel("time $t$")
        for axes in grid[:, 0]:
            axes.set_ylabel("control")
        if panels and len(panels[0][1].parameter_names) > 1:
            grid[0, 0].legend(ncols=2, fontsize="small")
        figure.draw_without_rendering()
    return figure


def curve(axes: Axes, solution: SolutionData, k: int, colour: str, width: float, dashes: Dashes = "-") -> Artist:
    """Draw parameter k over time: a step function for degree 0, otherwise a curve with gaps at the ends of the layers.

    Parameters
    ----------
    axes : the axes to draw into.
    solution : a solution.
    k : the number of the parameter.
    colour, width, dashes : colour, width in points, and style of the line, as in matplotlib.
    """
    curves = solution.numerics.curves
    if curves.degree == 0:
        values = solution.control[:, k]
        return axes.stairs(values, curves.ends, baseline=None, color=colour, lw=width, ls=dashes)
    found = _drawn(solution)
    gap = np.full((curves.layers, 1), np.nan)
    times, values = (np.concatenate([part, gap], axis=1).ravel() for part in (found.times, found.values[:, :, k]))
    return axes.plot(times, values, color=colour, lw=width, ls=dashes, solid_capstyle="butt")[0]


def _drawn(solution: SolutionData) -> SampledControl:
    """The values of the control that are drawn."""
    curves = solution.numerics.curves
    return SampledControl.on_layers(curves, solution.control, TIMES if curves.degree else 2)


def _mark_layers(axes: Axes, solution: SolutionData) -> None:
    """Mark the times at which layers of curves end; steps show them by themselves."""
    curves = solution.numerics.curves
    if curves.degree and curves.layers <= MARKED:
        for end in curves.ends[1:-1].tolist():
            axes.axvline(end, color="0.8", lw=0.8, zorder=0)
