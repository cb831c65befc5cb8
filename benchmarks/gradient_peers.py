"""One cost and gradient: a cell on a mesh beside a particle in the packages for neural ODEs, as many of one as of the other.

Every number of threads has a process of its own, in which all are timed in turns.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import eulerian_mfc as emfc

from .gradient_functions import FUNCTIONS, ours
from .peers import installed, left_out
from .problems import CELLS, LAYERS, a_control, bimodal, system
from .result import Table
from .session import fresh
from .timing import in_turns, use_processors

DEGREES = (3, 5)
TWIN = "this package's particles"


def mean_field() -> tuple[float, np.ndarray]:
    """The cost and gradient of the mean-field problem: quadrature of the law, no mesh and no samples."""
    return emfc.ParticleSystem(bimodal(), LAYERS).cost_and_gradient(a_control())


def compared(threads: int, cells: int = CELLS, repeats: int = 5, packages: Any = FUNCTIONS) -> list[dict[str, Any]]:
    """Seconds of a gradient and its largest errors: to the twin on the same samples, and to the mean-field problem."""
    use_processors(threads)
    control = a_control()
    x, y = bimodal().law.sample(cells**2, seed=0)
    twin = ours(x, y)
    same, exact = twin(control), mean_field()
    functions: dict[str, Any] = {
        f"mesh, degree {k}": system(k, cells=cells, threads=threads).cost_and_gradient for k in DEGREES
    }
    present = installed([peer for peer, _ in packages.values()])
    functions |= {n: make(x, y, threads) for n, (peer, make) in packages.items() if peer in present} | {TWIN: twin}
    out = []
    for name, evaluate in functions.items():
        cost, gradient = evaluate(control)
        out.append({"name": name, "to_mean_field": float(np.abs(gradient - exact[1]).max()), "to_twin": None})
        if not name.startswith("mesh"):
            out[-1]["to_twin"] = float(np.abs(gradient - same[1]).max())
            # torchdiffeq's rule differs from the classical one by O(dt^5) a step.
            assert abs(cost - same[0]) <= 1e-7 * abs(same[0]), f"{name}: another cost, {cost} and not {same[0]}"
            assert out[-1]["to_twin"] <= 1e-7 * np.abs(same[1]).max(), f"{name}: another gradient"
    for entry, seconds in zip(out, in_turns([partial(f, control) for f in functions.values()], repeats), strict=True):
        entry["ns"] = 1e9 * seconds / (cells**2 * LAYERS)
    return out


def tables() -> list[Table]:
    one, two = (fresh(f"gradient_peers.compared({threads})") for threads in (1, 2))
    cubic = one[0]["ns"], two[0]["ns"]
    rows = [
        (a["name"], a["ns"], a["ns"] / cubic[0], b["ns"], b["ns"] / cubic[1], a["to_twin"], a["to_mean_field"])
        for a, b in zip(one, two, strict=True)
    ]
    caption = (
        f"One cost and gradient of `bimodal_2d_0.2`, {LAYERS} layers, RK4, double precision: ns a cell a layer "
        f"({CELLS}^2 cells, three moments), ns a particle a layer ({CELLS}^2 random particles). Ratios to the "
        "mesh of degree 3; each number of threads in a process of its own, medians of 5 in turns. Errors of "
        "the gradient (maximum): to this package's particles on the same samples, and to the mean-field "
        "problem. Made by `tox -e benchmarks`."
    )
    columns = {
        "method": "",
        "ns, 1 thread": ".0f",
        "ratio": ".1f",
        "ns, 2 threads": ".0f",
        "ratio, 2": ".1f",
        "to the same particles": ".0e",
        "to the mean field": ".1e",
    }
    return [Table(caption, columns, rows, left_out(["PyTorch", "torchdiffeq", "JAX", "diffrax"]))]
