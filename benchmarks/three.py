"""`bimodal_3d`, quintic splines, against the mean-field optimum: errors, seconds and memory, a process a run.

The optimum comes from `reference`: particles at the points of a Gauss-Hermite rule, RK4 with 4 substeps. It is the entry
`bimodal_3d_0.5` of `tests/reference.json`.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.run.case import Case

from .result import Table

ROOT = Path(__file__).parents[1]
CELLS, LAYERS, THREADS = (24, 32, 48, 64), 20, 2
TOLERANCE = 1e-6


def problem() -> emfc.Problem:
    return Case.load(ROOT / "cases" / "bimodal_3d.py").build()[0]


def reference(points: int = 16) -> tuple[float, np.ndarray]:
    """Cost and control `(layers, 12)` by particles at `points` Gauss-Hermite points an axis and component."""
    given = problem()
    nodes, weights = np.polynomial.hermite_e.hermegauss(points)
    x = 0.3 * np.stack([g.ravel() for g in np.meshgrid(nodes, nodes, nodes, indexing="ij")]).T
    w = np.einsum("i,j,k->ijk", *[weights / weights.sum()] * 3).ravel()
    x, w = x[w > 1e-16], w[w > 1e-16] / w[w > 1e-16].sum()
    y = np.full(x.shape, 1.6)
    law = emfc.laws.Empirical(np.concatenate([x - 1, x + 1]), np.concatenate([-y, y]), np.concatenate([w, w]) / 2)
    changed = emfc.Problem(given.field, law, given.loss, given.penalty, given.horizon)
    system = emfc.ParticleSystem(changed, LAYERS, layer_map=emfc.LayerMap("rk4", 4))
    outcome = emfc.solvers.LBFGS(tol=1e-9).solve(system, system.control(0.1))
    assert outcome.converged, outcome.message
    return system.cost(outcome.control).total, outcome.control


def run(cells: int) -> dict[str, float]:
    """A solve from a constant control in this process: cost, errors, seconds from the import on, largest memory."""
    known = json.loads((ROOT / "tests" / "reference.json").read_text())["bimodal_3d_0.5"]
    start = time.perf_counter()
    given, options = Case.load(ROOT / "cases" / "bimodal_3d.py").with_settings({"cells": cells}).build()
    mesh, layers = options.pop("mesh"), options.pop("layers")
    solution = emfc.solve(given, mesh, layers, **options, threads=THREADS, solver=emfc.solvers.LBFGS(tol=TOLERANCE))
    seconds = time.perf_counter() - start
    assert solution.converged, solution.message
    return {
        "cells": cells,
        "cost": solution.cost,
        "cost_error": abs(solution.cost - known["cost"]),
        "control_error": float(np.abs(solution.control - known["control"]).max()),
        "gradients": solution.history[-1].evaluations,
        "seconds": seconds,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def measured(cells: int) -> dict[str, float]:
    """`run` in a process of its own."""
    code = f"import json; from benchmarks.three import run; print(json.dumps(run({cells})))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return json.loads(out.stdout)


def tables() -> list[Table]:
    caption = (
        f"`bimodal_3d`, splines of degree 5, RK4, {LAYERS} layers, L-BFGS from 0.1 to a relative residual of {TOLERANCE:g}, "
        f"{THREADS} threads; errors against the mean-field optimum (cost 0.40533480). A process a run: its seconds (kernels "
        "compiled before) and the most memory that it held. Made by `tox -e benchmarks`."
    )
    columns = {
        "cells": "",
        "error of the cost": ".1e",
        "error of the control": ".1e",
        "gradients": "d",
        "seconds": ".0f",
        "GB": ".2f",
    }
    keys = "cost_error", "control_error", "gradients", "seconds", "gigabytes"
    results = [measured(cells) for cells in CELLS]
    return [Table(caption, columns, [(f"{r['cells']}^3", *(r[key] for key in keys)) for r in results])]
