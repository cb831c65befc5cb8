"""Figures of studies: log-log errors with slope triangles, and one for each other kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from .._names import apart, numbered
from ..views.figures import PALETTE, STYLE

if TYPE_CHECKING:
    from .study import Study

MARKERS = "osD^vP"


def draw(study: Study) -> Figure:
    """The figure of a study."""
    kinds: dict[str, Callable[[Study], Figure]] = {
        "samples": samples,
        "penalty": penalty,
        "descent": descent,
        "crossover": crossover,
    }
    with mpl.rc_context(STYLE):
        figure = (kinds.get(study.kind) or errors)(study)
        figure.draw_without_rendering()
    return figure


def errors(study: Study) -> Figure:
    """Every column of errors over the parameter; a sweep without errors as lines of the cost."""
    figure = Figure(figsize=(7.0, 4.8))
    axes = figure.subplots()
    if not study.errors:
        return _plain_sweep(figure, axes, study)
    x = study.values(study.parameter)
    for k, column in enumerate(study.errors):
        _error_line(axes, study, column.name, x, k)
    unit = next(c.unit for c in study.columns if c.name == study.parameter)
    axes.set(xscale="log", yscale="log", xlabel=_labelled(study.parameter, unit), ylabel="error", title=study.title)
    _plain_ticks(axes, x)
    axes.legend(fontsize=9)
    return figure


def _labelled(name: str, unit: str) -> str:
    return f"{name} [{unit}]" if unit else name


def _plain_ticks(axes: Axes, x: np.ndarray) -> None:
    """The runs' own values on the axis, as far as they have room."""
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


def _error_line(axes: Axes, study: Study, name: str, x: np.ndarray, k: int, scale: float = 1.0) -> None:
    colour = PALETTE[k % len(PALETTE)]
    values, known = study.values(name), study.usable(name)
    shown = np.isfinite(values) & (values > 0)
    label = name
    if study.fitted_points(name) >= 2:
        fit = study.fit(name)
        label = f"{name}: order {fit.order:.2f}"
        if np.isfinite(fit.low):
            label += f" [{fit.low:.2f}, {fit.high:.2f}]"
        widths = study.widths()[known]
        ends = np.array([widths.min(), widths.max()])
        axes.plot(
            1 / ends if study.widths()[0] != x[0] else ends, scale * fit.constant * ends**fit.order, color=colour, lw=1
        )
        _triangle(axes, study, name, fit.order, fit.constant * scale, colour, k)
    axes.plot(
        x[shown & known], scale * values[shown & known], MARKERS[k % len(MARKERS)], color=colour, ms=6, label=label
    )
    axes.plot(
        x[shown & ~known], scale * values[shown & ~known], MARKERS[k % len(MARKERS)], color=colour, ms=6, mfc="white"
    )


def _triangle(axes: Axes, study: Study, name: str, order: float, constant: float, colour: str, k: int) -> None:
    """A right triangle under the fitted line, its legs 1 and the order, at the k-th third of the line."""
    widths = np.sort(study.widths()[study.usable(name)])
    span = np.log(widths[-1] / widths[0])
    left = np.exp(np.log(widths[0]) + span * (0.15 + 0.28 * (k % 3)))
    right = left * np.exp(0.22 * span)
    drop = 0.55  # below the line
    low, high = drop * constant * left**order, drop * constant * right**order
    to_x = (lambda w: 1 / w) if study.widths()[0] != study.values(study.parameter)[0] else (lambda w: w)
    axes.fill(
        [to_x(left), to_x(right), to_x(right)], [low, low, high], facecolor="none", edgecolor=colour, lw=0.9, zorder=1
    )
    axes.annotate(
        f"{order:.1f}", (to_x(right), np.sqrt(low * high)), xytext=(4 if to_x(2.0) > 1 else -4, 0), color=colour,
        textcoords="offset points", fontsize=8, va="center", ha="left" if to_x(2.0) > 1 else "right",
    )  # fmt: skip


def _plain_sweep(figure: Figure, axes: Axes, study: Study) -> Figure:
    """The cost over the first argument that varies, one line a combination of the others."""
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


def _shortened(values: list[Any]) -> dict[Any, str]:
    """The beginnings of the values' texts, with numbers behind those that begin alike."""
    different = list(dict.fromkeys(values))
    return dict(zip(different, numbered([str(v)[:40] for v in different], different), strict=True))


def penalty(study: Study) -> Figure:
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


def samples(study: Study) -> Figure:
    """Errors and distances over N; errors over W1 with the bound; the ratio; training and generalisation cost."""
    figure = Figure(figsize=(11.0, 8.4))
    (rates, bound), (ratio, costs) = figure.subplots(2, 2)
    n, runs, main = study.values("N"), study.details["runs"], study.details["methods"][0]
    distance = "W1_symmetry" if "W1_symmetry" in runs[0] else "W1"
    folded = " of the images under the symmetry" if distance != "W1" else ""
    chosen = [name for name in ("W1", "W1 sym", f"error {main}", "excess") if name in [e.name for e in study.errors]]
    for k, name in enumerate(chosen):
        _error_line(rates, study, name, n, k)
    rates.set(xscale="log", yscale="log", xlabel="samples N", ylabel="root mean squares, means", title="Rates")
    rates.legend(fontsize=8)
    x = np.array([r[distance] for r in runs])
    y = np.array([r[f"error_{main}"] for r in runs])
    for k, size in enumerate(dict.fromkeys(r["N"] for r in runs)):
        rows = np.array([r["N"] == size for r in runs])
        style = {"color": PALETTE[k % 6], "ms": 4, "label": f"N = {size}"}
        bound.plot(x[rows], y[rows], MARKERS[k % 6], **style)
        ratio.plot(np.full(rows.sum(), size), y[rows] / x[rows], MARKERS[k % 6], **{**style, "alpha": 0.6})
    largest = float((y / x).max())
    ends = np.array([x.min(), x.max()])
    bound.plot(ends, largest * ends, "k--", lw=1, label=rf"$|\theta_N-\theta|\leq {largest:.3g}\,W_1$")
    bound.set(
        xscale="log",
        yscale="log",
        xlabel=f"$W_1${folded}",
        ylabel=r"$\max|\theta_N-\theta|$",
        title="The bound of the theory",
    )
    bound.legend(fontsize=8)
    column = "ratio W1 sym" if distance != "W1" else "ratio W1"
    ratio.plot(n, study.values(column), "ks-", ms=5, label="root mean squares")
    ratio.set(xscale="log", xlabel="samples N", ylabel=r"$|\theta_N-\theta|\,/\,W_1$", ylim=(0, None), title="Ratio")
    ratio.legend(handles=ratio.lines[-1:], fontsize=8)
    for k, (name, label) in enumerate(
        {
            f"training_{main}": r"training $J_N(\theta_N)$",
            f"generalisation_{main}": r"generalisation $J(\theta_N)$",
        }.items()
    ):
        values = np.array([r[name] for r in runs])
        sizes = np.array([r["N"] for r in runs]) * (0.94 if k == 0 else 1.06)
        costs.plot(sizes, values, MARKERS[k], color=PALETTE[k], ms=3, alpha=0.5)
        costs.plot(n, study.values(name.split("_")[0]), "-", color=PALETTE[k], lw=1.5, label=f"{label}, mean")
    costs.axhline(study.details["cost"], color="k", lw=1, ls="--", label=r"the law's $J(\theta)$")
    costs.set(xscale="log", xlabel="samples N", ylabel="cost", title="Training and generalisation")
    costs.legend(fontsize=8)
    for axes in (rates, ratio, costs):
        _plain_ticks(axes, n)
    bound.xaxis.set_major_formatter(ScalarFormatter())
    bound.xaxis.set_minor_formatter(NullFormatter())
    figure.suptitle(study.title)
    return figure


def descent(study: Study) -> Figure:
    """Training cost above its own minimum, and generalisation cost above the law's, over iterations."""
    figure = Figure(figsize=(11.0, 4.2))
    left, right = figure.subplots(1, 2, sharex=True)
    for k, size in enumerate(dict.fromkeys(r["N"] for r in study.records)):
        rows = [r for r in study.records if r["N"] == size]
        for axes, name in ((left, "training error"), (right, "generalisation error")):
            shown = [(r["iteration"], r[name]) for r in rows if r[name] > 1e-15]
            axes.semilogy(
                *zip(*shown, strict=True), f"{MARKERS[k % 6]}-", color=PALETTE[k % 6], ms=4, label=f"N = {size}"
            )
    left.set(xlabel="iteration", ylabel=r"mean of $J_N(\theta_k) - \min J_N$", title="Training error")
    right.set(xlabel="iteration", ylabel=r"mean of $J(\theta_k) - \min J$", title="Generalisation error")
    right.legend(fontsize=9)
    figure.suptitle(study.title)
    return figure


def crossover(study: Study) -> Figure:
    """Error of each sample's control over the mesh width, the fitted sum of both parts, and where the parts are equal."""
    figure = Figure(figsize=(7.6, 5.2))
    axes = figure.subplots()
    h, rms = np.array(study.details["h"]), np.array(study.details["rms"])
    order, constant = study.details["mesh fit"][:2]
    stars = study.values("h*")
    fine = np.geomspace(min(h.min(), stars.min()) * 0.8, max(h.max(), stars.max()) * 1.1, 200)
    axes.loglog(fine, constant * fine**order, "k--", lw=1, label=f"mesh error, fitted order {order:.2f}")
    axes.plot(h, study.details["mesh errors"], "kx", ms=6, label="mesh error, measured")
    for k, (record, row) in enumerate(zip(study.records, rms, strict=True)):
        colour, sampling = PALETTE[k % 6], record["sampling error"]
        axes.plot(h, row, MARKERS[k % 6], color=colour, ms=5, label=f"N = {record['N']}")
        axes.plot(fine, np.hypot(_fitted(study, record["N"]), constant * fine**order), "-", color=colour, lw=1)
        axes.plot(record["h*"], constant * record["h*"] ** order, "*", color=colour, ms=14, mec="black", zorder=5)
        axes.axhline(sampling, color=colour, lw=0.6, ls=":")
    axes.plot([], [], "*", color="white", ms=12, mec="black", label="h*: both parts equal")
    axes.set(xlabel="mesh width h [state]", ylabel=r"rms $\max|\theta_N^h - \theta|$", title=study.title)
    _plain_ticks(axes, np.concatenate([h, stars]))
    axes.legend(fontsize=8)
    return figure


def _fitted(study: Study, n: float) -> float:
    order, constant = study.details["sample fit"][:2]
    return float(constant * n**-order)
