"""Figures of a solution: density with trajectories, control, convergence, terminal density."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import matplotlib as mpl
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from ..results.prediction import predict
from ..results.solution_data import SolutionData
from .controls import control
from .densities import density, terminal
from .grid_sampling import on_boxes
from .rounds import rounds
from .style import PALETTE, STYLE, label_colours, legend

#: costs that differ by less than this share are drawn as a constant
ROUND_OFF = 1e-11


def figures(solution: SolutionData) -> dict[str, Figure]:
    """All figures of a solution, by the names of their files."""
    view = on_boxes(solution)
    line = solution.mesh.dim == 1
    out = {
        "density": styled(partial(density, view=view), (7.0, 4.2) if line else (11.0, 3.8)),
        "control": styled(partial(control, solution=solution), (7.0, 4.2)),
        "convergence": styled(partial(convergence, solution=solution), (7.0, 4.2)),
        "terminal": styled(partial(terminal, view=view), (7.0, 4.2) if line else (5.6, 4.6)),
    }
    if planar(solution):
        out["flow"] = styled(partial(flow, solution=solution), (11.0, 4.6))
    if solution.tolerance_rounds:
        out["rounds"] = of_rounds(solution)
    return out


def of_rounds(solution: SolutionData) -> Figure:
    """The figure of the rounds of a solve to a tolerance; raises an EulerianError for a solution that has no rounds.

    Parameters
    ----------
    solution : the solution.
    """
    return styled(partial(rounds, solution=solution), (7.0, 4.2))


def planar(solution: SolutionData) -> bool:
    """Whether inputs lie in the plane and can be moved, so that their flow and the regions of the labels can be drawn."""
    mover = solution.numerics.flow
    return solution.numerics.input_dim == 2 and mover is not None and not mover.random


def styled(draw: Callable[[Figure], object], size: tuple[float, float]) -> Figure:
    """A figure in the style of the package.

    Parameters
    ----------
    draw : a function that draws into the figure.
    size : width and height, in inches.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size)
        draw(figure)
        figure.draw_without_rendering()  # compute the layout while the style is active
    return figure


def overview(solution: SolutionData) -> Figure:
    """All figures on one page."""
    view = on_boxes(solution)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(13.0, 8.4))
        top, bottom = figure.subfigures(2, 1)
        if solution.mesh.dim == 1:
            left, right = top.subfigures(1, 2)
            density(left, view)
            terminal(right, view)
            low_left, low_right = bottom.subfigures(1, 2)
        else:
            density(top, view)
            low_left, middle, low_right = bottom.subfigures(1, 3)
            terminal(middle, view)
        control(low_left, solution)
        convergence(low_right, solution)
        figure.draw_without_rendering()
    return figure


def convergence(figure: Figure, solution: SolutionData) -> None:
    """Cost and optimality residual over the iterations."""
    left = figure.subplots()
    right = left.twinx()
    right.spines["right"].set_visible(True)
    rows = np.array([(row.iteration, row.cost, row.residual) for row in solution.history]).reshape(-1, 3)
    left.plot(rows[:, 0], rows[:, 1], "o-", color=PALETTE[0], ms=3, label="cost $J$")
    right.semilogy(rows[:, 0], rows[:, 2], "s--", color=PALETTE[1], ms=3, label="optimality residual")
    left.set(xlabel="iteration", ylabel="cost $J$", title="Convergence" if solution.converged else "NOT converged")
    left.xaxis.get_major_locator().set_params(integer=True)
    if len(rows) == 1:
        left.set_xlim(-1.0, 1.0)
    costs = rows[:, 1]
    if len(rows) > 1 and np.ptp(costs) < ROUND_OFF * np.abs(costs).max():
        middle, size = costs.mean(), ROUND_OFF * np.abs(costs).max()
        left.set_ylim(middle - size, middle + size)  # do not magnify round-off
    right.set_ylabel("optimality residual")
    left.legend(
        *(a + b for a, b in zip(left.get_legend_handles_labels(), right.get_legend_handles_labels(), strict=True))
    )


def flow(figure: Figure, solution: SolutionData) -> None:
    """Inputs in the plane: the region of each predicted label, and the image of a grid under the flow (first two axes)."""
    index, names, _ = label_colours(solution)
    start = solution.paths.x[0, :, :2]
    low, high = start.min(axis=0), start.max(axis=0)
    low, high = low - 0.15 * (high - low), high + 0.15 * (high - low)
    left, right = figure.subplots(1, 2)
    axes = [np.linspace(a, b, 161) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    labels = solution.labels
    if labels is not None and 1 < len(labels) <= len(PALETTE) and solution.loss is not None:
        found = predict(solution, grid.reshape(-1, 2))
        region = np.abs(found[:, None] - labels).max(axis=2).argmin(axis=1).reshape(grid.shape[:2])
        colours = ListedColormap(list(PALETTE[: len(labels)]))
        options = {"cmap": colours, "vmin": -0.5, "vmax": len(labels) - 0.5, "alpha": 0.25, "rasterized": True}
        left.pcolormesh(*axes, region.T, shading="nearest", **options)
    for family in (grid[::8, :], grid[:, ::8].swapaxes(0, 1)):
        moved = solution.controlled_flow.end(family.reshape(-1, 2))[:, :2].reshape(family.shape)
        right.add_collection(LineCollection(list(moved), colors="0.6", linewidths=0.6))
    for k, name in enumerate(names):
        chosen = index == k
        left.plot(*start[chosen].T, ".", color=PALETTE[k], ms=4, label=name)
        right.plot(*solution.paths.x[-1, chosen, :2].T, ".", color=PALETTE[k], ms=4, label=name)
    left.set(xlabel="$x_1$", ylabel="$x_2$", title="Inputs, and the regions of the labels", aspect="equal")
    right.set(xlabel="$x_1$", ylabel="$x_2$", title="The flow of a grid at the final time", aspect="equal")
    legend(left, None)
