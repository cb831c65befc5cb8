"""Figures of studies: log-log errors with slope triangles, and one figure for each other kind of study."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from .._names import apart, numbered
from ..views.style import PALETTE, STYLE
from .orders import Fit
from .records import SampleRun
from .study_data import GROWING, StudyData, Value

MARKERS = "osD^vP"


def draw(study: StudyData) -> Figure:
    """The figure of a study."""
    kinds: dict[str, Callable[[StudyData], Figure]] = {
        "samples": samples,
        "penalty": penalty,
        "descent": descent,
        "crossover": crossover,
    }
    with mpl.rc_context(STYLE):
        figure = (kinds.get(study.kind) or errors)(study)
        figure.draw_without_rendering()
    return figure


def errors(study: StudyData) -> Figure:
    """Every column of errors over the parameter; for a sweep without errors, lines of the cost."""
    figure = Figure(figsize=(7.0, 4.8))
    axes = figure.subplots()
    if not study.errors:
        return _plain_sweep(figure, axes, study)
    x = study.values(study.parameter)
    for k, column in enumerate(study.errors):
        _error_line(axes, study, column.name, k)
    unit = next(c.unit for c in study.columns if c.name == study.parameter)
    axes.set(xscale="log", yscale="log", xlabel=_labelled(study.parameter, unit), ylabel="error", title=study.title)
    _plain_ticks(axes, x)
    axes.legend(fontsize=9)
    return figure


def _labelled(name: str, unit: str) -> str:
    return f"{name} [{unit}]" if unit else name


def _plain_ticks(axes: Axes, x: np.ndarray) -> None:
    """Put ticks at the parameter values of the runs, as far as there is room."""
    values = sorted(set(x.tolist()))
    kept = [v for k, v in enumerate(values) if k == 0 or np.log(v / values[0]) > 0]
    least = np.log(values[-1] / values[0]) / 8
    shown: list[float] = []
    for v in reversed(kept):
        if not shown or np.log(shown[-1] / v) >= least:
            shown.append(v)
    texts = apart(shown, 3)
    axes.set_xticks(
        shown, [f"{v:.4g}" if v == int(v) and v < 1e4 else text for v, text in zip(shown, texts, strict=True)]
    )
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()


def _error_line(axes: Axes, study: StudyData, name: str, k: int) -> None:
    """The k-th column of errors over the parameter; errors that are not fitted have white markers."""
    colour, marker = PALETTE[k % len(PALETTE)], MARKERS[k % len(MARKERS)]
    x, values, known = study.values(study.parameter), study.values(name), study.usable(name)
    shown = np.isfinite(values) & (values > 0)
    label = name
    if study.fitted_points(name) >= 2:
        fit = study.fit(name)
        label = f"{name}: order {fit.order:.2f}"
        if np.isfinite(fit.low):
            label += f" [{fit.low:.2f}, {fit.high:.2f}]"
        widths = study.widths()[known]
        ends = np.array([widths.min(), widths.max()])
        axes.plot(_on_axis(study, ends), fit.constant * ends**fit.order, color=colour, lw=1)
        _triangle(axes, study, name, fit, k)
    axes.plot(x[shown & known], values[shown & known], marker, color=colour, ms=6, label=label)
    axes.plot(x[shown & ~known], values[shown & ~known], marker, color=colour, ms=6, mfc="white")


def _on_axis(study: StudyData, widths: np.ndarray) -> np.ndarray:
    """The parameter values of these widths: the inverse for parameters that grow as errors fall."""
    return 1 / widths if study.parameter in GROWING else widths


def _triangle(axes: Axes, study: StudyData, name: str, fit: Fit, k: int) -> None:
    """A right triangle under the fitted line, with legs 1 and the order, at the k-th third of the line."""
    widths = np.sort(study.widths()[study.usable(name)])
    span = np.log(widths[-1] / widths[0])
    left = np.exp(np.log(widths[0]) + span * (0.15 + 0.28 * (k % 3)))
    right = left * np.exp(0.22 * span)
    drop = 0.55  # below the line
    low, high = drop * fit.constant * left**fit.order, drop * fit.constant * right**fit.order
    start, end = _on_axis(study, np.array([left, right]))
    colour, grows = PALETTE[k % len(PALETTE)], study.parameter in GROWING
    axes.fill([start, end, end], [low, low, high], facecolor="none", edgecolor=colour, lw=0.9, zorder=1)
    axes.annotate(
        f"{fit.order:.1f}", (end, np.sqrt(low * high)), xytext=(-4 if grows else 4, 0), color=colour,
        textcoords="offset points", fontsize=8, va="center", ha="right" if grows else "left",
    )  # fmt: skip


def _plain_sweep(figure: Figure, axes: Axes, study: StudyData) -> Figure:
    """The cost over the first argument that varies, with one line per combination of the other arguments."""
    first, *others = study.details.get("vary", [study.parameter])
    x = study.values(first)
    keys = [tuple(r[name] for name in others) for r in study.records]
    numbers = x.dtype.kind == "f"
    texts = {n: _shortened([r[n] for r in study.records]) for n in others}
    for k, key in enumerate(dict.fromkeys(keys)):
        rows = np.array([other == key for other in keys])
        label = ", ".join(f"{n}={texts[n][v]}" for n, v in zip(others, key, strict=True))
        axes.plot(
            x[rows], study.values("cost")[rows], f"{MARKERS[k % 6]}-", color=PALETTE[k % 6], ms=5, label=label or None
        )
    if numbers and (x > 0).all() and x.max() > 8 * x.min():
        axes.set_xscale("log")
        _plain_ticks(axes, x)
    axes.set(xlabel=first, ylabel="optimal cost J", title=study.title)
    if others:
        axes.legend(fontsize=8)
    return figure


def _shortened(values: list[Value]) -> dict[Value, str]:
    """The beginnings of the values' texts; equal beginnings are followed by a number."""
    different = list(dict.fromkeys(values))
    return dict(zip(different, numbered([str(v)[:40] for v in different], different), strict=True))


def penalty(study: StudyData) -> Figure:
    """Cost and its parts, and the size of the control, over the penalty."""
    figure = Figure(figsize=(10.0, 4.2))
    left, right = figure.subplots(1, 2)
    x = study.values("penalty")
    for k, (name, label) in enumerate(
        {"cost": "cost $J$", "terminal_cost": "terminal cost", "penalty_cost": "penalty's share"}.items()
    ):
        left.plot(x, study.values(name), f"{MARKERS[k]}-", color=PALETTE[k], ms=4, label=label)
    right.plot(x, study.values("largest theta"), "o-", color=PALETTE[3], ms=4)
    for axes, label in ((left, "cost"), (right, r"largest $|\theta|$")):
        axes.set(xscale="log", xlabel=r"penalty $\lambda$", ylabel=label, ylim=(0, None))
        _plain_ticks(axes, x)
    left.legend(fontsize=9)
    figure.suptitle(study.title)
    return figure


def samples(study: StudyData) -> Figure:
    """Four panels: errors and distances over N; errors over W1 with the bound; their ratio; training and generalisation cost."""
    figure = Figure(figsize=(11.0, 8.4))
    (rates, bound), (ratio, costs) = figure.subplots(2, 2)
    methods = study.details["methods"]
    runs = [SampleRun.of(row, methods) for row in study.details["runs"]]
    _rates(rates, study, methods[0])
    _bound_and_ratio(bound, ratio, study, runs)
    _costs(costs, study, runs)
    for axes in (rates, ratio, costs):
        _plain_ticks(axes, study.values("N"))
    figure.suptitle(study.title)
    return figure


def _rates(axes: Axes, study: StudyData, method: str) -> None:
    named = [e.name for e in study.errors]
    chosen = [name for name in ("W1", "W1 sym", f"error {method}", "excess") if name in named]
    for k, name in enumerate(chosen):
        _error_line(axes, study, name, k)
    axes.set(xscale="log", yscale="log", xlabel="samples N", ylabel="root mean squares, means", title="Rates")
    axes.legend(fontsize=8)


def _bound_and_ratio(bound: Axes, ratio: Axes, study: StudyData, runs: list[SampleRun]) -> None:
    """The control's error over the distance of each sample to its law, and their ratio over N."""
    folded = any(d.folded for d in runs[0].distances)
    column = "W1 sym" if folded else "W1"
    x = np.array([run.distance(column).value for run in runs])
    y = np.array([run.main.error for run in runs])
    for k, size in enumerate(dict.fromkeys(run.size for run in runs)):
        rows = np.array([run.size == size for run in runs])
        style = {"color": PALETTE[k % 6], "ms": 4, "label": f"N = {size}"}
        bound.plot(x[rows], y[rows], MARKERS[k % 6], **style)
        ratio.plot(np.full(rows.sum(), size), y[rows] / x[rows], MARKERS[k % 6], **{**style, "alpha": 0.6})
    largest = float((y / x).max())
    ends = np.array([x.min(), x.max()])
    bound.plot(ends, largest * ends, "k--", lw=1, label=rf"$|\theta_N-\theta|\leq {largest:.3g}\,W_1$")
    bound.set(
        xscale="log",
        yscale="log",
        xlabel=f"$W_1${' of the images under the symmetry' if folded else ''}",
        ylabel=r"$\max|\theta_N-\theta|$",
        title="The bound of the theory",
    )
    bound.legend(fontsize=8)
    bound.xaxis.set_major_formatter(ScalarFormatter())
    bound.xaxis.set_minor_formatter(NullFormatter())
    ratio.plot(study.values("N"), study.values(f"ratio {column}"), "ks-", ms=5, label="root mean squares")
    ratio.set(xscale="log", xlabel="samples N", ylabel=r"$|\theta_N-\theta|\,/\,W_1$", ylim=(0, None), title="Ratio")
    ratio.legend(handles=ratio.lines[-1:], fontsize=8)


def _costs(axes: Axes, study: StudyData, runs: list[SampleRun]) -> None:
    """The cost of every sample's control on the sample and on the law."""
    lines = (
        ("training", r"training $J_N(\theta_N)$", 0.94, [run.main.training for run in runs]),
        ("generalisation", r"generalisation $J(\theta_N)$", 1.06, [run.main.generalisation for run in runs]),
    )
    for k, (column, label, aside, values) in enumerate(lines):
        sizes = np.array([run.size for run in runs]) * aside
        axes.plot(sizes, values, MARKERS[k], color=PALETTE[k], ms=3, alpha=0.5)
        axes.plot(study.values("N"), study.values(column), "-", color=PALETTE[k], lw=1.5, label=f"{label}, mean")
    axes.axhline(study.details["cost"], color="k", lw=1, ls="--", label=r"the law's $J(\theta)$")
    axes.set(xscale="log", xlabel="samples N", ylabel="cost", title="Training and generalisation")
    axes.legend(fontsize=8)


def descent(study: StudyData) -> Figure:
    """Training cost above its own minimum, and generalisation cost above the law's, over iterations."""
    figure = Figure(figsize=(11.0, 4.2))
    left, right = figure.subplots(1, 2, sharex=True)
    sizes, iterations = study.values("N"), study.values("iteration")
    for k, size in enumerate(dict.fromkeys(sizes.tolist())):
        for axes, name in ((left, "training error"), (right, "generalisation error")):
            errors = study.values(name)
            rows = (sizes == size) & (errors > 1e-15)
            style = {"color": PALETTE[k % 6], "ms": 4, "label": f"N = {size:.0f}"}
            axes.semilogy(iterations[rows], errors[rows], f"{MARKERS[k % 6]}-", **style)
    left.set(xlabel="iteration", ylabel=r"mean of $J_N(\theta_k) - \min J_N$", title="Training error")
    right.set(xlabel="iteration", ylabel=r"mean of $J(\theta_k) - \min J$", title="Generalisation error")
    right.legend(fontsize=9)
    figure.suptitle(study.title)
    return figure


def crossover(study: StudyData) -> Figure:
    """Error of each sample's control over the mesh width, the fitted sum of both parts, and where the parts are equal."""
    figure = Figure(figsize=(7.6, 5.2))
    axes = figure.subplots()
    h, rms = np.array(study.details["h"]), np.array(study.details["rms"])
    of_mesh, of_sample = Fit(*study.details["mesh fit"]), Fit(*study.details["sample fit"])
    sizes, samplings, stars = (study.values(name) for name in ("N", "sampling error", "h*"))
    fine = np.geomspace(min(h.min(), stars.min()) * 0.8, max(h.max(), stars.max()) * 1.1, 200)
    label = f"mesh error, fitted order {of_mesh.order:.2f}"
    axes.loglog(fine, of_mesh.constant * fine**of_mesh.order, "k--", lw=1, label=label)
    axes.plot(h, study.details["mesh errors"], "kx", ms=6, label="mesh error, measured")
    for k, (n, row) in enumerate(zip(sizes, rms, strict=True)):
        colour, star = PALETTE[k % 6], stars[k]
        fitted = of_sample.constant * n**-of_sample.order
        axes.plot(h, row, MARKERS[k % 6], color=colour, ms=5, label=f"N = {n:.0f}")
        axes.plot(fine, np.hypot(fitted, of_mesh.constant * fine**of_mesh.order), "-", color=colour, lw=1)
        axes.plot(star, of_mesh.constant * star**of_mesh.order, "*", color=colour, ms=14, mec="black", zorder=5)
        axes.axhline(samplings[k], color=colour, lw=0.6, ls=":")
    axes.plot([], [], "*", color="white", ms=12, mec="black", label="h*: both parts equal")
    axes.set(xlabel="mesh width h [state]", ylabel=r"rms $\max|\theta_N^h - \theta|$", title=study.title)
    _plain_ticks(axes, np.concatenate([h, stars]))
    axes.legend(fontsize=8)
    return figure
