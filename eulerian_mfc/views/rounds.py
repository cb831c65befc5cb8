"""A figure of the rounds of a solve to a tolerance: estimated error against work."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import isfinite

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from ..errors import EulerianError
from ..results.solution_data import SolutionData
from ..results.solution_error import SolutionError, ToleranceRound
from .style import PALETTE

#: colour, marker and name in the legend of each stage
STAGES = {
    "time": (PALETTE[0], "o", "without a mesh: layers and degree"),
    "mesh": (PALETTE[1], "s", "on the mesh: everything"),
}
#: errors below this share of the tolerance are drawn there: they do not matter, and may be zero
SMALLEST = 1e-4
#: places of the text beside a point that are tried, as offsets in points with the alignment of the text
PLACES = (
    ((5, 4), "left", "bottom"),
    ((7, 0), "left", "center"),
    ((0, 7), "center", "bottom"),
    ((0, -7), "center", "top"),
    ((5, -4), "left", "top"),
    ((-7, 0), "right", "center"),
    ((-5, 4), "right", "bottom"),
    ((-5, -4), "right", "top"),
)
#: half of the width of a marker, in pixels of the screen
MARKER = 5.0


def rounds(figure: Figure, solution: SolutionData) -> None:
    """The estimated error of every round against the seconds since the start, with the tolerance as a line.

    Beside each point are the unknowns of the round: those of the control without a mesh, and those of the control and the cells
    on the mesh. Where points are too close for this, some have no text. Errors that are not known are drawn above all others, and
    their texts say so.

    Parameters
    ----------
    figure : the figure to draw into.
    solution : the solution.

    Raises
    ------
    EulerianError
        If the solution has no rounds.
    """
    error, rows = solution.error, solution.tolerance_rounds
    if error is None or not rows:
        raise EulerianError(
            'plot("rounds") shows the rounds of a solve to a tolerance, but this solution has none, since it was solved on a '
            "mesh and layers that were given: call solve(problem, tol=1e-6)"
        )
    axes = figure.subplots()
    floor = SMALLEST * error.tolerance
    seconds = np.maximum([row.seconds for row in rows], 1e-3)
    found = np.array([row.error for row in rows])
    known = found[np.isfinite(found)]
    above = 10.0 * known.max(initial=error.tolerance)
    errors = np.maximum(np.where(np.isfinite(found), found, above), floor)
    axes.set(
        xscale="log", yscale="log", xlabel="work: time since the start [s]", ylabel="estimated error of the cost $J$"
    )
    axes.plot(seconds, errors, "-", color="0.75", lw=1.0, zorder=1)
    for stage, (colour, marker, name) in STAGES.items():
        here = np.array([row.stage == stage for row in rows])
        if here.any():
            axes.plot(seconds[here], errors[here], marker, color=colour, ms=6, label=name)
    axes.axhline(error.tolerance, color="0.3", ls="--", lw=1.2, label=f"tolerance {error.tolerance:.1e}")
    axes.set_title(_title(error))
    _limit(axes, seconds, errors, error.tolerance)
    _floor(axes, errors, floor)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    _write_unknowns(figure, axes, list(zip(seconds, errors, strict=True)), _unknowns(solution, rows), error.tolerance)


def _title(error: SolutionError) -> str:
    verdict = "met" if error.met else "NOT met"
    bound = f"at most {error.cost:.1e}" if isfinite(error.cost) else "not known"
    return f"Rounds: $|J - J^*|$ {bound}, the tolerance is {verdict}"


def _unknowns(solution: SolutionData, rows: Sequence[ToleranceRound]) -> list[str]:
    """The unknowns of each round in words; the first row says what the numbers are."""
    parameters = len(solution.parameter_names)
    told = []
    for k, row in enumerate(rows):
        count = row.layers * (row.degree + 1) * parameters
        words = f"{count} unknowns" if k == 0 else str(count)
        words += f", {row.points} cells" if row.stage == "mesh" else ""
        told.append(words if isfinite(row.error) else f"{words}, error not known")
    return told


def _limit(axes: Axes, seconds: np.ndarray, errors: np.ndarray, tolerance: float) -> None:
    """Limits with room for the texts, and labels at decades and, on short axes, between them."""
    (low, high), least = np.log10([seconds.min(), seconds.max()]), 0.15
    room = max(0.15 * (high - low), least)
    axes.set_xlim(10 ** (low - room), 10 ** (high + 2.5 * room))
    short = high - low + 3.5 * room < 2.5
    values = np.log10([*errors, tolerance])
    room = max(0.12 * np.ptp(values), 2.0 * least)
    axes.set_ylim(10 ** (values.min() - room), 10 ** (values.max() + room))
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if short else (1.0,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())


def _floor(axes: Axes, errors: np.ndarray, floor: float) -> None:
    """Say where errors may be smaller than they are drawn."""
    if (errors <= floor).any():
        axes.axhspan(axes.get_ylim()[0], floor, color="0.95", zorder=0)
        axes.annotate(
            "or smaller", (1.0, floor), xycoords=("axes fraction", "data"), xytext=(-4, -3),
            textcoords="offset points", ha="right", va="top", fontsize=8, color="0.4",
        )  # fmt: skip


def _write_unknowns(
    figure: Figure, axes: Axes, points: list[tuple[float, float]], texts: list[str], tolerance: float
) -> None:
    """Write each text beside its point where it covers no point, no other text, no frame, and if possible no line."""
    figure.draw_without_rendering()  # places in pixels are known after this
    frame, places = axes.get_window_extent(), axes.transData.transform(points)
    taken = [Bbox(np.array([-MARKER, MARKER])[:, None] + place) for place in places]
    height = axes.transData.transform((points[0][0], tolerance))[1]
    lines = [Path(places), Path([(frame.x0, height), (frame.x1, height)])]
    for at, text in reversed(list(zip(points, texts, strict=True))):
        for avoided, (offset, horizontal, vertical) in itertools.product((lines, []), PLACES):
            written = axes.annotate(
                text, at, xytext=offset, textcoords="offset points", ha=horizontal, va=vertical, fontsize=8, color="0.3"
            )
            place = written.get_window_extent()
            inside = frame.containsx(place.x0) and frame.containsx(place.x1) and frame.containsy(place.y0)
            free = inside and frame.containsy(place.y1) and not place.count_overlaps(taken)
            if free and not any(line.intersects_bbox(place, filled=False) for line in avoided):
                taken.append(place)
                break
            written.remove()
