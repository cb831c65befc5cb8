"""Import, compilation and first results, in fresh processes: with no compiled kernel on disk, and with all of them."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np

from .gradient_functions import FUNCTIONS
from .importing import IMPORTS
from .peers import installed, left_out
from .result import Table
from .session import fresh
from .timing import seconds

SAMPLES = 1000


def twice(function: Any) -> list[float]:
    """Seconds of the first call, and the median of those of the next three."""
    first, *later = [seconds(function) for _ in range(4)]
    return [first, float(np.median(later))]


def solving(case: str) -> list[float]:
    """The first and later solve: the toy line (160 cells), or `bimodal_2d` (48^2 cells)."""
    import eulerian_mfc as emfc

    from .problems import bimodal

    if case == "line":
        law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), np.sign, breaks=[0.0])
        problem = emfc.Problem(emfc.fields.NeuralField(1, bias=False), law, emfc.losses.SquaredLoss(), 1.0, 1.0)
        return twice(lambda: emfc.solve(problem, emfc.CartesianMesh([(-8.0, 8.0)], 160), layers=20))
    return twice(lambda: emfc.solve(bimodal(), emfc.CartesianMesh([(-4.0, 4.0)] * 2, 48), layers=20))


def evaluating(name: str) -> list[float]:
    """The first and later gradient on few samples."""
    from .problems import a_control, bimodal

    x, y = bimodal().law.sample(SAMPLES, seed=0)
    made: list[Any] = []

    def gradient() -> None:
        if not made:
            made.append(FUNCTIONS[name][1](x, y))
        made[0](a_control())

    return twice(gradient)


def ours(repeats: int = 5) -> list[tuple[Any, ...]]:
    """Rows: what, import, cold first and second solve, warm first and second solve."""
    imports = float(np.median([fresh("importing.seconds('this package')") for _ in range(repeats)]))
    rows = []
    for case, title in (("line", "toy line, 160 cells"), ("plane", "bimodal_2d, 48^2 cells")):
        with tempfile.TemporaryDirectory() as folder:
            cache = {"NUMBA_CACHE_DIR": folder}
            cold = fresh(f"start.solving({case!r})", environment=cache)
            warm = np.median([fresh(f"start.solving({case!r})", environment=cache) for _ in range(repeats)], axis=0)
        rows.append((title, imports, cold[0], float(warm[0]), float(warm[1]), float(warm[0] - warm[1])))
    return rows


def theirs(repeats: int = 5) -> list[tuple[Any, ...]]:
    rows = []
    for name, (peer, _) in FUNCTIONS.items():
        if installed([peer]):
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
        "later": ".2f",
        "warm first beyond later ones": ".2f",
    }
    peers = (
        f"The same of the packages for neural ODEs: the first gradient on {SAMPLES:,} samples; they compile in every process "
        "again. The import is the package's own (median of 5)."
    )
    theirs_columns = {"package": "", "import": ".2f", "first": ".2f", "later": ".3f", "compilation": ".2f"}
    return [
        Table(caption, columns, ours()),
        Table(peers, theirs_columns, theirs(), left_out(list(IMPORTS)[1:])),
    ]
