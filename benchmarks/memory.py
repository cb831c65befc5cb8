"""The most memory that a process has used after one gradient, 256^2 cells beside 256^2 particles; a process each."""

from __future__ import annotations

import resource
import sys
from typing import Any

from .gradient_functions import FUNCTIONS
from .peers import installed, left_out
from .problems import CELLS, LAYERS, a_control, bimodal, system
from .result import Table
from .session import fresh

#: bytes of a density's moments
STATE = 3 * CELLS**2 * 8
OURS: dict[str, dict[str, Any]] = {
    "mesh, degree 3": {"degree": 3},
    "mesh, degree 5": {"degree": 5},
    "mesh, degree 5, single-precision storage": {"degree": 5, "precision": "single"},
    f"mesh, degree 5, 6 of {LAYERS} densities kept": {"degree": 5, "memory": 6 * STATE},
}


def most() -> float:
    """The most megabytes that this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def peak(name: str, cells: int = CELLS) -> list[float]:
    """Megabytes: at most after a small gradient (imports, compiled code), and after the gradient on `cells^2`."""
    control = a_control()

    def evaluate(size: int) -> None:
        if name in OURS:
            system(cells=size, **OURS[name]).cost_and_gradient(control)
        else:
            FUNCTIONS[name][1](*bimodal().law.sample(size**2, seed=0))(control)

    evaluate(16)
    before = most()
    evaluate(cells)
    return [before, most()]


def tables() -> list[Table]:
    present = installed([peer for peer, _ in FUNCTIONS.values()])
    names = [*OURS, *(name for name, (peer, _) in FUNCTIONS.items() if peer in present)]
    rows = []
    for name in names:
        before, after = fresh(f"memory.peak({name!r})")
        rows.append((name, after, before, after - before, (after - before) * 2**20 / CELLS**2))
    caption = (
        f"The most memory that a process holds (`ru_maxrss`) for one gradient of `bimodal_2d`, {CELLS}^2 cells "
        f"(three moments) or {CELLS}^2 particles, {LAYERS} layers, one process each. The start: imports and "
        "compiled code, after a gradient on 16^2. Made by `tox -e benchmarks`."
    )
    columns = {
        "method": "",
        "MB": ".0f",
        "MB at the start": ".0f",
        "MB beyond": ".0f",
        "bytes a cell or particle": ".0f",
    }
    return [Table(caption, columns, rows, left_out(["PyTorch", "torchdiffeq", "JAX", "diffrax"]))]
