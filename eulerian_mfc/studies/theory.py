"""The orders that theory predicts for the runs of a study."""

from __future__ import annotations

from collections.abc import Sequence

from ..continuity import PushForward
from ..run.options import Options
from ..run.solve import solve
from ..system.discretisation import Discretisation
from ..system.options import system_options, values_of
from ..transport import Elements, SemiLagrangian


def order_in_layers(options: Options) -> tuple[str, float]:
    """The order in the length of a layer: in words, and as a number.

    Parameters
    ----------
    options : keyword arguments of `solve`.
    """
    chosen = _discretisation(options)
    degree, limit = chosen.control_degree, chosen.layer_map.order
    if limit < 2 * degree + 2:
        name = "Euler layers" if limit == 1 else f"layer maps of order {limit}"
        return f"{limit} ({name})", float(limit)
    what = "piecewise-constant controls" if degree == 0 else f"controls of degree {degree}, where they are smooth"
    return f"{2 * degree + 2} ({what})", float(2 * degree + 2)


def order_in_cells(options: Options, courant: Sequence[float | None], layers: Sequence[int]) -> tuple[str, float]:
    """The order in the width of the cells: in words, and the highest order that may be observed.

    Parameters
    ----------
    options : keyword arguments of `solve` for the finest run.
    courant : the largest Courant number of each run.
    layers : the number of layers of each run.
    """
    chosen = _discretisation(options)
    continuity, transport = chosen.continuity, chosen.transport
    if not isinstance(continuity, PushForward):
        lower = min(transport.order, continuity.order)
        return f"{lower}, the lower order of both schemes, where the density is smooth", float(lower)
    p = transport.order
    if isinstance(transport, Elements):
        return f"between {p} and {p + 1}, elements", p + 1.0
    known = [c for c in courant if c is not None]
    if not isinstance(transport, SemiLagrangian) or not known:
        return f"{p}", float(p)
    low, high = min(known), max(known)
    seen = f"Courant numbers {low:.2g} to {high:.2g}"
    if len(set(layers)) > 1:
        return f"{p}, cells and layers refined together ({seen})", float(p)
    if low >= 1:
        return f"{p + 1}, fixed layers, feet beyond a cell ({seen})", p + 1.0
    if high < 1:
        return f"between {p} and {p + 1}, fixed layers, feet within a cell ({seen})", p + 1.0
    return f"{p} where Courant numbers are below 1, {p + 1} above ({seen})", p + 1.0


def _discretisation(options: Options) -> Discretisation:
    return values_of(solve, options["mesh"], options["layers"], system_options(options))[0]
