"""Figures of a solution: density with trajectories, control, convergence, terminal density."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from .._names import label_texts
from ..results.prediction import predict
from ..results.solution_data import SolutionData
from .grid_sampling import rastered

#: M. Okabe and K. Ito's palette, which colour-blind readers can tell apart; black and yellow left out
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
#: white to middle grey, so that coloured lines stay visible where the density is largest
DENSITY_MAP = ListedColormap(mpl.colormaps["Greys"](np.linspace(0.0, 0.7, 256)))
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 150,
}
#: characteristics drawn: on a line evenly by their order, in the plane the first ones
DRAWN = {1: 24, 2: 60, 3: 60}


def figures(solution: SolutionData) -> dict[str, Figure]:
    """Every figure of a solution by the name of its file."""
    solution = rastered(solution)
    line = solution.mesh.dim == 1
    plane = {"flow": _figure(flow, solution, (11.0, 4.6))} if planar(solution) else {}
    return {
        "density": _figure(density, solution, (7.0, 4.2) if line else (11.0, 3.8)),
        "control": _figure(control, solution, (7.0, 4.2)),
        "convergence": _figure(convergence, solution, (7.0, 4.2)),
        "terminal": _figure(terminal, solution, (7.0, 4.2) if line else (5.6, 4.6)),
        **plane,
    }


def planar(solution: SolutionData) -> bool:
    """Whether inputs lie in the plane and can be moved: their flow and the regions of the labels can be drawn."""
    return solution.numerics.input_dim == 2 and solution.numerics.flow is not None


def _figure(draw: Callable[[Figure, SolutionData], None], solution: SolutionData, size: tuple[float, float]) -> Figure:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size)
        draw(figure, solution)
        figure.draw_without_rendering()  # lay out under the style
    return figure


def overview(solution: SolutionData) -> Figure:
    """All figures on one page."""
    solution = rastered(solution)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(13.0, 8.4))
        top, bottom = figure.subfigures(2, 1)
        if solution.mesh.dim == 1:
            left, right = top.subfigures(1, 2)
            density(left, solution)
            terminal(right, solution)
            low_left, low_right = bottom.subfigures(1, 2)
        else:
            density(top, solution)
            low_left, middle, low_right = bottom.subfigures(1, 3)
            terminal(middle, solution)
        control(low_left, solution)
        convergence(low_right, solution)
        figure.draw_without_rendering()
    return figure


def controls(panels: list[tuple[str, SolutionData]]) -> Figure:
    """Controls side by side, one panel a (title, solution)."""
    with mpl.rc_context(STYLE):
        columns = min(3, len(panels))
        rows = -(-len(panels) // columns)
        figure = Figure(figsize=(4.2 * columns, 2.9 * rows))
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
        for axes, (title, solution) in zip(grid.flat, panels, strict=False):
            for values, name in zip(solution.control.T, solution.parameter_names, strict=True):
                axes.stairs(values, solution.times, baseline=None, label=_symbol(name), lw=1.5)
            axes.set_title(title, fontsize="small")
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


def label_colours(solution: SolutionData) -> tuple[np.ndarray, list[str], np.ndarray]:
    """`(index of the colour of every path, legend of each colour, the labels)`: at most as many as the palette holds."""
    y = solution.paths.y
    found = np.unique(y, axis=0) if solution.labels is None else solution.labels
    if len(found) > len(PALETTE):
        return np.zeros(len(y), dtype=int), ["trajectories"], found[:0]
    index = np.abs(y[:, None, :] - found).max(axis=2).argmin(axis=1)
    return index, [f"y = {text}" for text in _texts(found)], found


def _texts(labels: np.ndarray) -> list[str]:
    """Labels `(K, q)` in legends: numbers, or rows of numbers."""
    texts = [text.replace(",", ", ") for text in label_texts(labels)]
    return texts if labels.shape[1] == 1 else [f"({text})" for text in texts]


def density(figure: Figure, solution: SolutionData) -> None:
    """Density of X over time, with characteristics: over (t, x) on a line, else at the start, the middle and the end."""
    index, names, _ = label_colours(solution)
    paths = solution.paths.x
    if solution.mesh.dim == 1:
        axes = figure.subplots()
        low, high = _window(solution, 0)
        cells = solution.mesh.axis(0)
        inside = (cells > low) & (cells < high)
        steps = np.linspace(-0.5, solution.layers + 0.5, solution.layers + 2) * solution.times[1]
        faces = solution.mesh.faces(0)[np.flatnonzero(inside)[0] : np.flatnonzero(inside)[-1] + 2]
        values = solution.total_density[:, inside].T
        image = axes.pcolormesh(
            steps, faces, values, cmap=DENSITY_MAP, vmin=0.0, vmax=_ceiling(values), rasterized=True
        )
        axes.set(xlim=(0, solution.times[-1]), ylim=(low, high), xlabel="time $t$", ylabel="state $x$")
        for k, name in enumerate(names):
            chosen = np.flatnonzero(index == k)
            chosen = chosen[np.argsort(paths[0, chosen, 0])]
            count = min(DRAWN[1] // len(names), len(chosen))
            chosen = chosen[((np.arange(count) + 0.5) / max(count, 1) * len(chosen)).astype(int)]
            lines = axes.plot(solution.times, paths[:, chosen, 0], color=PALETTE[k], lw=0.9)
            if lines:
                lines[0].set_label(name)
        figure.colorbar(image, ax=axes, label=r"density of $\mu(t)$", extend=_extend(values))
        _legend(axes, "labels of trajectories")
        axes.set_title("Density and trajectories")
        return
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    windows = [_window(solution, k) for k in (0, 1)]
    levels = [0, solution.layers // 2, solution.layers]
    slices = [_marginal(solution, n) for n in levels]
    top = max(_ceiling(s) for s in slices)
    for axes, n, values in zip(panels, levels, slices, strict=True):
        image = axes.pcolormesh(*_faces(solution), values.T, cmap=DENSITY_MAP, vmin=0.0, vmax=top, rasterized=True)
        _outline(axes, solution)
        for k in range(len(names)):
            chosen = np.flatnonzero(index == k)[: DRAWN[2] // len(names)]
            axes.plot(paths[: n + 1, chosen, 0], paths[: n + 1, chosen, 1], color=PALETTE[k], lw=0.6, alpha=0.8)
            axes.plot(*paths[n, chosen, :2].T, ".", color=PALETTE[k], ms=3, label=names[k])
        axes.set(title=f"t = {solution.times[n]:g}", xlabel="$x_1$", xlim=windows[0], ylim=windows[1], aspect="equal")
    panels[0].set_ylabel("$x_2$")
    _legend(panels[0], None)
    what = r"density of $\mu(t)$" if solution.mesh.dim == 2 else r"density of $\mu(t)$, integrated over $x_3$"
    figure.colorbar(image, ax=panels, label=what, shrink=0.85)


def control(figure: Figure, solution: SolutionData) -> None:
    """Every parameter as a step function of time."""
    axes = figure.subplots()
    styles = ("-", (0, (5, 3)), (0, (2, 2)), (0, (6, 2, 1, 2)))
    for k, name in enumerate(solution.parameter_names):
        # Dashes over wider lines: parameters that coincide, as symmetric problems have them, stay visible.
        style = {"color": PALETTE[k % len(PALETTE)], "ls": styles[k % len(styles)], "lw": max(3.0 - 0.4 * k, 1.2)}
        axes.stairs(solution.control[:, k], solution.times, baseline=None, label=_symbol(name), **style)
    middle, size = solution.control.mean(), np.abs(solution.control).max()
    if np.ptp(solution.control) < 1e-4 * size:
        axes.set_ylim(middle - 0.5 * size, middle + 0.5 * size)  # a constant control, not its round-off
    axes.set(xlabel="time $t$", ylabel=r"control $\theta(t)$", xlim=(0, solution.times[-1]), title="Control per layer")
    _legend(axes, None, outside=len(solution.parameter_names) > 3)


def _symbol(name: str) -> str:
    """`W12` as a mathematical symbol; other names as they are."""
    if name == "W" or name == "b":
        return f"${name}$"
    stem, digits = name.rstrip("0123456789"), name[len(name.rstrip("0123456789")) :]
    symbols = {"W": "W", "b": "b", "u": "u", "theta": r"\theta"}
    return f"${symbols[stem]}_{{{digits}}}$" if stem in symbols and digits else name


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
    right.set_ylabel("optimality residual")
    left.legend(
        *(a + b for a, b in zip(left.get_legend_handles_labels(), right.get_legend_handles_labels(), strict=True))
    )


def terminal(figure: Figure, solution: SolutionData) -> None:
    """Density at the final time against the labels."""
    axes = figure.subplots()
    _, _, labels = label_colours(solution)
    if solution.mesh.dim > 1:
        values = _marginal(solution, -1)
        image = axes.pcolormesh(
            *_faces(solution), values.T, cmap=DENSITY_MAP, vmin=0.0, vmax=_ceiling(values), rasterized=True
        )
        _outline(axes, solution)
        axes.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal", title="Terminal density and labels")
        if len(labels) and labels.shape[1] == solution.mesh.dim:
            for k, (label, text) in enumerate(zip(labels, _texts(labels), strict=True)):
                axes.plot(*label[:2], "*", color=PALETTE[k], ms=13, mec="white", label=f"label {text}")
        elif solution.paths.y.shape[1] == solution.mesh.dim:
            final, target = solution.paths.x[-1, : 2 * DRAWN[2], :2], solution.paths.y[: 2 * DRAWN[2], :2]
            axes.plot(*np.stack([final, target], axis=2).transpose(1, 2, 0), color=PALETTE[1], lw=0.8)
            axes.plot(*target.T, ".", ms=4, color=PALETTE[1], label="labels $y$ of samples")
            axes.plot(*final.T, ".", ms=4, color=PALETTE[0], label="their $X(T)$")
        axes.set(xlim=_window(solution, 0, labels), ylim=_window(solution, 1, labels))
        figure.colorbar(image, ax=axes, label=r"density of $\mu(T)$")
        if axes.get_legend_handles_labels()[0]:  # class numbers are no places in the plane
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize=9)
        return
    cells = solution.mesh.axis(0)
    axes.plot(cells, solution.total_density[0], color="0.6", lw=1.5, label="t = 0, all")
    if solution.labels is not None:
        for k, text in enumerate(_texts(solution.labels)):
            shade = PALETTE[k % len(PALETTE)]
            axes.plot(cells, solution.densities[-1, k], color=shade, lw=1.8, label=f"t = T, y = {text}")
    else:
        axes.plot(cells, solution.total_density[-1], color=PALETTE[0], lw=1.8, label="t = T, all")
    if len(labels) and labels.shape[1] == 1:
        for k, (label, text) in enumerate(zip(labels, _texts(labels), strict=True)):
            axes.axvline(float(label[0]), color=PALETTE[k], ls="--", lw=1.2, label=f"label {text}")
    axes.set(
        xlabel="state $x$", ylabel="density", title="Terminal density and labels", xlim=_window(solution, 0, labels)
    )
    _legend(axes, None, outside=True)


def flow(figure: Figure, solution: SolutionData) -> None:
    """Inputs in the plane: the regions that are given each label, and what the flow makes of a grid (its first two axes)."""
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
    _legend(left, None)


def _marginal(solution: SolutionData, n: int) -> np.ndarray:
    """Density over the first two axes at time level n, integrated over the third where there is one."""
    values = solution.total_density[n]
    return values if solution.mesh.dim == 2 else values.sum(axis=2) * solution.mesh.widths[2]


def _outline(axes: Axes, solution: SolutionData) -> None:
    """The boundary of a simplex mesh of the plane."""
    segments = getattr(solution, "outline", None)
    if segments is not None:
        axes.add_collection(LineCollection(segments, colors="0.4", linewidths=0.8))


def _faces(solution: SolutionData) -> tuple[np.ndarray, np.ndarray]:
    return solution.mesh.faces(0), solution.mesh.faces(1)


def _window(solution: SolutionData, axis: int, labels: np.ndarray | None = None) -> tuple[float, float]:
    """The part of an axis worth showing: where trajectories (and labels) are, with a margin, inside the box."""
    x = solution.paths.x[:, :, axis]
    low, high = float(np.quantile(x, 0.005, axis=1).min()), float(np.quantile(x, 0.995, axis=1).max())
    if labels is not None and len(labels) and labels.shape[1] == solution.mesh.dim:
        low, high = min(low, labels[:, axis].min()), max(high, labels[:, axis].max())
    spare = 0.15 * (high - low) + float(solution.mesh.widths[axis])
    box = solution.mesh.bounds[axis]
    return max(low - spare, box[0]), min(high + spare, box[1])


def _ceiling(values: np.ndarray) -> float:
    """Top of the colour scale: a few cells of a concentrated density must not hide the rest."""
    positive = values[values > 1e-3 * values.max()]
    return float(max(np.quantile(positive, 0.99), 0.3 * values.max()))


def _extend(values: np.ndarray) -> str:
    return "max" if values.max() > _ceiling(values) else "neither"


def _legend(axes: Axes, title: str | None, outside: bool = False) -> None:
    if axes.get_legend_handles_labels()[0]:
        place = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)} if outside else {"loc": "best"}
        frame = {"frameon": not outside, "framealpha": 0.85, "edgecolor": "none"}
        axes.legend(title=title, fontsize=9, **place, **frame)
