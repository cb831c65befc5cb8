"""What a gradient is made of: the kernels of a layer, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .problems import CELLS, a_control, system
from .result import Table
from .timing import in_turns

#: nodes a call: few enough for the second-level cache, enough that the call from Python does not count
BLOCK = 4096
DEGREES = (3, 5)


def for_all(function: Callable[[Any], object], items: Iterable[Any]) -> None:
    """Call the function, and drop at once what it returns, as a layer does."""
    for item in items:
        function(item)


def parts(degree: int) -> dict[str, Callable[[], object]]:
    """Functions that do a part of a layer's work for all nodes of `bimodal_2d`, three moments."""
    optimality = system(degree)
    transport, layer = optimality.transport, optimality.layer(0, a_control()[0])
    interpolation, flow = transport.interpolation, transport.flow
    rows = np.ascontiguousarray(optimality.mesh.centres.T)
    blocks = [rows[:, begin : begin + BLOCK].copy().T for begin in range(0, rows.shape[1], BLOCK)]
    feet, pulls = zip(*[flow.trace(layer, block) for block in blocks], strict=True)
    rng = np.random.default_rng(0)
    fields = rng.normal(size=(3, *interpolation.counts))
    masses, covectors = rng.normal(size=(3, BLOCK)), rng.normal(size=(BLOCK, 2))
    return {
        "layer map, and what the pull-back needs": lambda: for_all(lambda x: flow.trace(layer, x), blocks),
        "pull-back": lambda: for_all(lambda pull: pull(covectors), pulls),
        "potentials and slopes at the feet": lambda: for_all(lambda x: interpolation.gather(x, fields, masses), feet),
        "masses to the stencils": lambda: for_all(lambda x: interpolation.scatter(x, masses), feet),
        "coefficients of the splines": lambda: interpolation.coefficients(fields.reshape(3, CELLS, CELLS)),
    }


def tables() -> list[Table]:
    both = []
    for degree in DEGREES:
        functions = parts(degree)
        for function in functions.values():
            function()
        both.append([1e9 * t / CELLS**2 for t in in_turns(functions.values(), 15)])
    rows = list(zip(functions, *both, strict=True))
    caption = (
        f"The parts of a layer, ns a node: {CELLS}^2 nodes of `bimodal_2d`, three moments, RK4, one thread, each part by "
        f"itself on {BLOCK} nodes a call; medians of 15. The backward layer takes the first, second, third and last, the "
        "forward layer the first, fourth and last, of nodes that carry mass. Made by `tox -e benchmarks`."
    )
    columns = {"part": "", **{f"degree {degree}": ".0f" for degree in DEGREES}}
    return [Table(caption, columns, rows)]
