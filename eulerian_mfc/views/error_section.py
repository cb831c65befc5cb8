"""The part of a report about the error of a solve to a tolerance."""

from __future__ import annotations

from html import escape
from math import isfinite

from ..results.solution_error import SolutionError

#: what the sources are, in words
SOURCES = {
    "mesh": "cells and schemes, inside the box",
    "box": "mass near the sides of the mesh",
    "quadrature": "the points of the law with which the cost without a mesh is computed",
    "time": "layers and degree of the control",
    "layer map": "the integration of the states over the layers",
    "splitting": "substeps of the layers, between flow and noise",
    "levels": "the times at which a running cost is evaluated",
    "optimisation": "the distance from the optimum of the discrete problem",
    "samples": "standard deviation of J over samples of the law; not part of the bracket",
}


def error_section(error: SolutionError | None) -> str:
    """The verdict, the bracket, the bounds and their sources, as HTML; empty without an error.

    Parameters
    ----------
    error : the error of the solution.

    Examples
    --------
    >>> error_section(None)
    ''
    >>> error = SolutionError((0.99, 1.01), 0.02, 0.1, 0.05, None, True, {"mesh": 0.005}, None, 1.0, 1.0)
    >>> "Tolerance met" in error_section(error)
    True
    """
    if error is None:
        return ""
    low, high = (f"{value:.14g}" for value in error.bracket)
    of_control = "" if error.tolerance_control is None else f"{error.tolerance_control:.1e}"
    bounds = [
        ("|J - J*|", _number(error.cost), f"{error.tolerance:.1e}"),
        ("|θ - θ*| in L2 over time", _number(error.control), of_control),
    ]
    between = f'lies between <span class="number">{low}</span> and' if isfinite(error.bracket[0]) else "is at most"
    sources = [(name, f"{value:+.1e}", SOURCES.get(name, "")) for name, value in error.sources.items()]
    return (
        "<h2>Error</h2>"
        f"{_verdict(error)}"
        f'<p>The least cost J* {between} <span class="number">{high}</span>. '
        f"{escape(' '.join(error.second_opinion))}</p>"
        f"<table>{_row(('error', 'at most', 'asked for'), 'th')}{''.join(map(_row, bounds))}</table>"
        f'<p>The tolerance of J refers to the scale of the data, <span class="number">{error.scale:.6g}</span>.</p>'
        f"<table>{_row(('source', 'part of J - J*', 'what it is'), 'th')}{''.join(map(_row, sources))}</table>"
    )


def _number(bound: float) -> str:
    return f"{bound:.1e}" if isfinite(bound) else "not known"


def _verdict(error: SolutionError) -> str:
    if error.met:
        return '<p class="large met">Tolerance met</p>'
    return f'<p class="large missed">Tolerance NOT met</p><p>{escape(error.shortfall[:1].upper() + error.shortfall[1:])}.</p>'


def _row(entries: tuple[str, str, str], kind: str = "td") -> str:
    name, number, last = map(escape, entries)
    mark = ' class="number"' if kind == "td" else ""
    second = mark if last[:1].isdigit() else ""
    return f"<tr><{kind}>{name}</{kind}><{kind}{mark}>{number}</{kind}><{kind}{second}>{last}</{kind}></tr>"
