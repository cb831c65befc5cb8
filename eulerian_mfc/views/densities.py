"""Figures of densities: over time with characteristics, and at the final time against the labels."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from .grid_sampling import BoxView
from .levels import edges, level_at
from .style import DENSITY_MAP, PALETTE, label_colours, legend, texts_of

#: number of characteristics that are drawn: on a line evenly spaced by their order, in the plane the first ones
DRAWN = {1: 24, 2: 60, 3: 60}


def density(figure: Figure, view: BoxView) -> None:
    """Density of X over time, with characteristics: over (t, x) on a line, otherwise at the start, the middle and the end."""
    (_over_time if view.mesh.dim == 1 else _at_three_times)(figure, view)


def _over_time(figure: Figure, view: BoxView) -> None:
    solution = view.solution
    index, names, _ = label_colours(solution)
    paths = solution.paths.x
    axes = figure.subplots()
    low, high = _window(view, 0)
    cells = view.mesh.axis(0)
    inside = (cells > low) & (cells < high)
    faces = view.mesh.faces(0)[np.flatnonzero(inside)[0] : np.flatnonzero(inside)[-1] + 2]
    values = view.total_density[:, inside].T
    options = {"cmap": DENSITY_MAP, "vmin": 0.0, "vmax": _ceiling(values), "rasterized": True}
    image = axes.pcolormesh(edges(solution.times), faces, values, **options)
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
    legend(axes, "labels of the trajectories")
    axes.set_title("Density and trajectories")


def _at_three_times(figure: Figure, view: BoxView) -> None:
    solution = view.solution
    index, names, _ = label_colours(solution)
    paths = solution.paths.x
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    windows = [_window(view, k) for k in (0, 1)]
    levels = [0, level_at(solution.times, 0.5 * solution.times[-1]), len(solution.times) - 1]
    slices = [_marginal(view, n) for n in levels]
    top = max(_ceiling(s) for s in slices)
    for axes, n, values in zip(panels, levels, slices, strict=True):
        image = axes.pcolormesh(*_faces(view), values.T, cmap=DENSITY_MAP, vmin=0.0, vmax=top, rasterized=True)
        _outline(axes, view)
        for k in range(len(names)):
            chosen = np.flatnonzero(index == k)[: DRAWN[2] // len(names)]
            axes.plot(paths[: n + 1, chosen, 0], paths[: n + 1, chosen, 1], color=PALETTE[k], lw=0.6, alpha=0.8)
            axes.plot(*paths[n, chosen, :2].T, ".", color=PALETTE[k], ms=3, label=names[k])
        axes.set(title=f"t = {solution.times[n]:.4g}", xlabel="$x_1$", xlim=windows[0], ylim=windows[1], aspect="equal")
    panels[0].set_ylabel("$x_2$")
    legend(panels[0], None)
    what = r"density of $\mu(t)$" if view.mesh.dim == 2 else r"density of $\mu(t)$, integrated over $x_3$"
    figure.colorbar(image, ax=panels, label=what, shrink=0.85)


def terminal(figure: Figure, view: BoxView) -> None:
    """Density at the final time against the labels."""
    (_terminal_line if view.mesh.dim == 1 else _terminal_plane)(figure.subplots(), view, figure)


def _terminal_plane(axes: Axes, view: BoxView, figure: Figure) -> None:
    solution = view.solution
    _, _, labels = label_colours(solution)
    values = _marginal(view, -1)
    image = axes.pcolormesh(*_faces(view), values.T, cmap=DENSITY_MAP, vmin=0.0, vmax=_ceiling(values), rasterized=True)
    _outline(axes, view)
    axes.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal", title="Terminal density and labels")
    if len(labels) and labels.shape[1] == view.mesh.dim:
        for k, (label, text) in enumerate(zip(labels, texts_of(labels), strict=True)):
            axes.plot(*label[:2], "*", color=PALETTE[k], ms=13, mec="white", label=f"label {text}")
    elif solution.paths.y.shape[1] == view.mesh.dim:
        final, target = solution.paths.x[-1, : 2 * DRAWN[2], :2], solution.paths.y[: 2 * DRAWN[2], :2]
        axes.plot(*np.stack([final, target], axis=2).transpose(1, 2, 0), color=PALETTE[1], lw=0.8)
        axes.plot(*target.T, ".", ms=4, color=PALETTE[1], label="labels $y$ of samples")
        axes.plot(*final.T, ".", ms=4, color=PALETTE[0], label="their $X(T)$")
    axes.set(xlim=_window(view, 0, labels), ylim=_window(view, 1, labels))
    figure.colorbar(image, ax=axes, label=r"density of $\mu(T)$")
    if axes.get_legend_handles_labels()[0]:  # class numbers are not points of the plane
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize=9)


def _terminal_line(axes: Axes, view: BoxView, figure: Figure) -> None:
    solution = view.solution
    _, _, labels = label_colours(solution)
    cells = view.mesh.axis(0)
    axes.plot(cells, view.total_density[0], color="0.6", lw=1.5, label="t = 0, all")
    if solution.labels is not None:
        for k, text in enumerate(texts_of(solution.labels)):
            shade = PALETTE[k % len(PALETTE)]
            axes.plot(cells, view.densities[-1, k], color=shade, lw=1.8, label=f"t = T, y = {text}")
    else:
        axes.plot(cells, view.total_density[-1], color=PALETTE[0], lw=1.8, label="t = T, all")
    if len(labels) and labels.shape[1] == 1:
        for k, (label, text) in enumerate(zip(labels, texts_of(labels), strict=True)):
            axes.axvline(float(label[0]), color=PALETTE[k], ls="--", lw=1.2, label=f"label {text}")
    axes.set(xlabel="state $x$", ylabel="density", title="Terminal density and labels", xlim=_window(view, 0, labels))
    legend(axes, None, outside=True)


def _marginal(view: BoxView, n: int) -> np.ndarray:
    """Density over the first two axes at time level n, integrated over a third axis if there is one."""
    values = view.total_density[n]
    return values if view.mesh.dim == 2 else values.sum(axis=2) * view.mesh.widths[2]


def _outline(axes: Axes, view: BoxView) -> None:
    """The boundary of a simplex mesh of the plane."""
    if view.outline is not None:
        axes.add_collection(LineCollection(view.outline, colors="0.4", linewidths=0.8))


def _faces(view: BoxView) -> tuple[np.ndarray, np.ndarray]:
    return view.mesh.faces(0), view.mesh.faces(1)


def _window(view: BoxView, axis: int, labels: np.ndarray | None = None) -> tuple[float, float]:
    """The part of an axis that is shown: the range of trajectories (and labels) with a margin, inside the box."""
    x = view.solution.paths.x[:, :, axis]
    low, high = float(np.quantile(x, 0.005, axis=1).min()), float(np.quantile(x, 0.995, axis=1).max())
    if labels is not None and len(labels) and labels.shape[1] == view.mesh.dim:
        low, high = min(low, labels[:, axis].min()), max(high, labels[:, axis].max())
    spare = 0.15 * (high - low) + float(view.mesh.widths[axis])
    box = view.mesh.bounds[axis]
    return max(low - spare, box[0]), min(high + spare, box[1])


def _ceiling(values: np.ndarray) -> float:
    """Top of the colour scale, chosen so that a few cells with a large density do not hide the rest."""
    positive = values[values > 1e-3 * values.max()]
    return float(max(np.quantile(positive, 0.99), 0.3 * values.max()))


def _extend(values: np.ndarray) -> str:
    return "max" if values.max() > _ceiling(values) else "neither"
