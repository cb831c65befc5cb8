"""Whole trainings of `bimodal_2d_0.2` to a given error of the control: meshes beside particles in PyTorch and JAX.

Errors are against the mean-field optimum of the same 20 layers. Random particles miss it by `C N^-1/2`: `C` is fitted to
trainings on few samples, and the `N` that a target asks is trained where that takes no longer than `LIMIT`, else extrapolated.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import eulerian_mfc as emfc

from .gradient_functions import FUNCTIONS
from .peers import installed, left_out
from .problems import LAYERS, bimodal, system
from .result import Table
from .timing import seconds as seconds_of

TARGETS = (1e-2, 1e-3, 1e-4, 1e-6)
#: cells an axis, degree, from cheap to dear
MESHES = ((16, 3), (20, 3), (24, 3), (32, 5), (40, 5), (52, 5), (56, 5))
#: samples and seeds to which `C` is fitted
FITTED = {1_000: (0, 1, 2, 3, 4), 4_000: (0, 1, 2, 3), 16_000: (0, 1, 2)}
METHODS = {"PyTorch": "PyTorch, RK4 written out", "JAX": "JAX, RK4 written out"}
#: seconds that a training of particles may be expected to take to be run at all
LIMIT = 100.0
START = 0.1


class Trained(NamedTuple):
    """What trains, its unknowns, the error of its control and its seconds."""

    name: str
    unknowns: int
    error: float
    seconds: float


def mean_field_control() -> np.ndarray:
    """The optimum of the mean-field problem with these layers: on the law's quadrature rule."""
    return emfc.solvers.LBFGS().solve(emfc.ParticleSystem(bimodal(), LAYERS), START).control


def on_mesh(cells: int, degree: int) -> np.ndarray:
    """The making of the system included."""
    return emfc.solvers.LBFGS().solve(system(degree, cells=cells), START).control


def on_samples(method: str, samples: int, seed: int) -> tuple[float, np.ndarray]:
    """Seconds and control of SciPy's L-BFGS-B, which is ours too; what is compiled is compiled before."""
    from scipy.optimize import minimize

    evaluate = FUNCTIONS[METHODS[method]][1](*bimodal().law.sample(samples, seed=seed))
    start = np.full((LAYERS, 6), START)
    evaluate(start)

    def flat(v: np.ndarray) -> tuple[float, np.ndarray]:
        cost, gradient = evaluate(v.reshape(LAYERS, 6))
        return cost, gradient.ravel()

    begin = time.perf_counter()
    options = {"ftol": 1e-14, "gtol": 1e-7, "maxcor": 20}
    found = minimize(flat, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    return time.perf_counter() - begin, found.x.reshape(LAYERS, 6)


def meshes(exact: np.ndarray, candidates: Any = MESHES, repeats: int = 5) -> list[Trained]:
    """All meshes."""
    out = []
    for cells, degree in candidates:
        make = partial(on_mesh, cells, degree)
        error = float(np.abs(make() - exact).max())
        times = [seconds_of(make) for _ in range(repeats)]
        out.append(Trained(f"mesh, {cells}^2, degree {degree}", 3 * cells**2, error, float(np.median(times))))
    return out


def samples(method: str, count: int, seeds: Any, exact: np.ndarray) -> Trained:
    """Mean error and median seconds over the seeds."""
    runs = [on_samples(method, count, seed) for seed in seeds]
    error = float(np.mean([np.abs(control - exact).max() for _, control in runs]))
    return Trained(f"{method}, {count:,} samples", 2 * count, error, float(np.median([t for t, _ in runs])))


def to_targets(fitted: list[Trained], train: Callable[[int], Trained], name: str) -> list[tuple[float, Trained, str]]:
    """What every target takes: trained where `LIMIT` allows, else extrapolated from the fit."""
    counts = np.array([f.unknowns / 2 for f in fitted])
    constant = float(np.exp(np.mean(np.log([f.error for f in fitted]) + 0.5 * np.log(counts))))
    rate = fitted[-1].seconds / counts[-1]  # of the most samples: the least overhead
    out = []
    for target in TARGETS:
        needed = int((constant / target) ** 2)
        if rate * needed <= LIMIT:
            out.append((target, train(needed), "measured"))
        else:
            out.append(
                (target, Trained(f"{name}, {needed:.0e} samples", 2 * needed, target, rate * needed), "extrapolated")
            )
    return out


def tables() -> list[Table]:
    begin = time.perf_counter()
    exact = mean_field_control()
    twin = time.perf_counter() - begin
    ours = meshes(exact)
    rows: list[tuple[Any, ...]] = []
    best: dict[float, float] = {}
    for target in TARGETS:
        found = min((m for m in ours if m.error <= target), key=lambda m: m.seconds)
        best[target] = found.seconds
        rows.append((f"{target:.0e}", found.name, found.unknowns, found.error, found.seconds, 1.0, "measured"))
    for method in installed(list(METHODS)):
        fitted = [samples(method, count, seeds, exact) for count, seeds in FITTED.items()]
        for target, one, how in to_targets(fitted, lambda n, m=method: samples(m, n, (0,), exact), method):
            ratio = one.seconds / best[target]
            rows.append((f"{target:.0e}", one.name, one.unknowns, one.error, one.seconds, ratio, how))
    points = emfc.ParticleSystem(bimodal(), LAYERS).rule.x.size
    rows.append(("0", "this package's particles, the law's quadrature", points, None, twin, None, "the reference"))
    caption = (
        f"Whole trainings of `bimodal_2d_0.2` by L-BFGS from {START}, {LAYERS} layers, RK4, double precision, "
        "one thread: to an error of the control (maximum, against the mean-field optimum of these layers), "
        f"the cheapest of {len(MESHES)} meshes (the making of the system included, medians of 5) and random "
        "samples. Errors of samples are `C N^-1/2`, C fitted to trainings on "
        f"{', '.join(f'{n:,}' for n in FITTED)} samples (3 to 5 seeds); a target's N is trained once, or "
        f"extrapolated beyond {LIMIT:.0f} s: seconds go with N. Without compilation. Made by `tox -e benchmarks`."
    )
    columns = {
        "target": "",
        "method": "",
        "unknowns": ".2g",
        "error": ".1e",
        "seconds": ".3g",
        "times the mesh's": ".2g",
        "how": "",
    }
    notes = (
        "Where the law has a smooth density, quadrature points instead of samples have no sampling error "
        "either; they are the reference here. They need the density."
    )
    return [Table(caption, columns, rows, "\n".join([notes, left_out(list(METHODS))]).strip())]
