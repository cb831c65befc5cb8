"""Import, compilation and first results, in fresh processes: with no compiled kernel on disk, and with all of them."""

from __future__ import annotations

import tempfile
import time
from typing import Any

import numpy as np

from .gradient_functions import FUNCTIONS
from .importing import IMPORTS
from .peers import installed, left_out
from .result import Table
from .session import fresh

SAMPLES = 1000


def twice(function: Any) -> list[float]:
    """Seconds of the first and of the second call."""
    out = []
    for _ in range(2):
        start = time.perf_counter()
        function()
        out.append(time.perf_counter() - start)
    return out


def solving(case: str) -> list[float]:
    """The first and the second solve: the toy line (160 cells), or `bimodal_2d` (64^2 cells)."""
    import eulerian_mfc as emfc

    from .problems import bimodal

    if case == "line":
        law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), np.sign, breaks=[0.0])
        problem = emfc.Problem(emfc.fields.NeuralField(1, bias=False), law, emfc.losses.SquaredLoss(), 1.0, 1.0)
        return twice(lambda: emfc.solve(problem, emfc.CartesianMesh([(-8.0, 8.0)], 160), layers=20))
    return twice(lambda: emfc.solve(bimodal(), emfc.CartesianMesh([(-4.0, 4.0)] * 2, 64), layers=20))


def evaluating(name: str) -> list[float]:
    """The first and the second gradient on few samples; a solve on 64^2 cells for packages for differential equations."""
    from .pde_peers import PACKAGES
    from .problems import a_control, bimodal

    if name in FUNCTIONS:
        x, y = bimodal().law.sample(SAMPLES, seed=0)
        made: list[Any] = []

        def gradient() -> None:
            if not made:
                made.append(FUNCTIONS[name][1](x, y))
            made[0](a_control())

        return twice(gradient)
    kept: list[Any] = []

    def solve() -> None:
        if not kept:
            kept.append(PACKAGES[name][1](64, False))
        kept[0].run()

    return twice(solve)


def ours(repeats: int = 5) -> list[tuple[Any, ...]]:
    """Rows: what, import, cold first and second solve, warm first and second solve."""
    imports = float(np.median([fresh("importing.seconds('this package')") for _ in range(repeats)]))
    rows = []
    for case, title in (("line", "toy line, 160 cells"), ("plane", "bimodal_2d, 64^2 cells")):
        with tempfile.TemporaryDirectory() as folder:
            cache = {"NUMBA_CACHE_DIR": folder}
            cold = fresh(f"start.solving({case!r})", environment=cache)
            warm = np.median([fresh(f"start.solving({case!r})", environment=cache) for _ in range(repeats)], axis=0)
        rows.append((title, imports, cold[0], float(warm[0]), float(warm[1]), float(warm[0] - warm[1])))
    return rows


def theirs(repeats: int = 3) -> list[tuple[Any, ...]]:
    from .pde_peers import PACKAGES

    rows = []
    made = {name: peer for name, (peer, _) in FUNCTIONS.items()} | {n: p for n, (p, _, _) in PACKAGES.items()}
    present = installed(sorted(set(made.values())))
    for name, peer in made.items():
        if peer in present and peer in IMPORTS:
            imports = float(np.median([fresh(f"importing.seconds({peer!r})") for _ in range(repeats)]))
            first, second = fresh(f"start.evaluating({name!r})")
            rows.append((name, imports, first, second, first - second))
    return rows


def tables() -> list[Table]:
    caption = (
        "Seconds of the import and of a first `emfc.solve`, in fresh processes: with an empty folder of "
        "compiled kernels (cold), and with all of them (warm, medians of 5). Made by `tox -e benchmarks`."
    )
    columns = {
        "solve": "",
        "import": ".2f",
        "cold first": ".1f",
        "warm first": ".2f",
        "second": ".2f",
        "warm first beyond the second": ".2f",
    }
    peers = (
        f"The same of the packages: the first gradient on {SAMPLES:,} samples, or the first solve on 64^2 "
        "cells (backwards); they compile in every process again. The import is the package's own (median of "
        "3)."
    )
    theirs_columns = {"package": "", "import": ".2f", "first": ".2f", "second": ".3f", "compilation": ".2f"}
    return [
        Table(caption, columns, ours()),
        Table(peers, theirs_columns, theirs(), left_out(list(IMPORTS)[1:])),
    ]
