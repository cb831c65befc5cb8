"""The published problem of the first source: a discrete one of 200 samples and 9 Euler layers, solved to its optimum.

Standard normals cut off at 0.2 about -1 and 1, labels -2 and 2, `F = tanh(theta x)`, steps of 0.1, `Lambda = 0.1`: lambda = 0.2.
The published code takes 11.0 s for its 8 iterations and then is 1.2e-3 above the optimum of this problem (relatively). That
time was measured once, beside this package's first prototypes, on two cores of this kind, Python 3.11, one process: the
function that trains, without imports and plots; the code needs an old NumPy, and is not part of this repository.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import eulerian_mfc as emfc

from .result import Table

SAMPLES, LAYERS, STEP, PENALTY = 200, 9, 0.1, 0.2
#: seconds that the published code takes, see above
PUBLISHED = 11.0
CELLS = 80


def data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Samples `(200, 1)` and labels `(200, 1)`, as many about -1 as about 1 and drawn as the source draws them."""
    rng, x = np.random.default_rng(seed), np.empty(0)
    while len(x) < SAMPLES:
        drawn = rng.standard_normal(64 * SAMPLES)
        x = np.append(x, drawn[np.abs(drawn) < 0.2])
    label = np.repeat([-2.0, 2.0], SAMPLES // 2)
    return (x[:SAMPLES] + label / 2)[:, None], label[:, None]


def optimum(x: np.ndarray, y: np.ndarray, starts: int = 15) -> float:
    """The least cost, by its own NumPy code and SciPy: L-BFGS-B from random starts, a written-out chain rule."""
    from scipy.optimize import minimize

    points, labels = x.ravel(), y.ravel()

    def evaluate(theta: np.ndarray) -> tuple[float, np.ndarray]:
        states, values = [points], []
        for a in theta:
            values.append(np.tanh(a * states[-1]))
            states.append(states[-1] + STEP * values[-1])
        rest = states[-1] - labels
        p, slope = 2 * rest / SAMPLES, np.empty_like(theta)
        for n in range(LAYERS - 1, -1, -1):
            q = STEP * (1 - values[n] ** 2) * p
            slope[n] = q @ states[n]
            p = p + theta[n] * q
        return float(rest @ rest) / SAMPLES + 0.5 * PENALTY * STEP * float(
            theta @ theta
        ), slope + PENALTY * STEP * theta

    rng = np.random.default_rng(1)
    options = {"ftol": 1e-16, "gtol": 1e-12, "maxiter": 1000}
    return min(
        minimize(evaluate, rng.uniform(-2, 2, LAYERS), jac=True, method="L-BFGS-B", options=options).fun
        for _ in range(starts)
    )


def problem(x: np.ndarray, y: np.ndarray) -> emfc.Problem:
    law = emfc.laws.Empirical(x, y)
    return emfc.Problem(emfc.fields.NeuralField(1, bias=False), law, emfc.losses.SquaredLoss(), PENALTY, LAYERS * STEP)


def on_particles(x: np.ndarray, y: np.ndarray, solver: Any) -> np.ndarray:
    """The control `(9, 1)` by this package's particles; all from the samples on."""
    return solver.solve(emfc.ParticleSystem(problem(x, y), LAYERS, layer_map="euler"), 0.1).control


def on_mesh(x: np.ndarray, y: np.ndarray, solver: Any) -> np.ndarray:
    """The same problem on a mesh, to which the samples are atoms."""
    mesh = emfc.CartesianMesh([(-3.0, 3.0)], CELLS)
    system = emfc.OptimalitySystem(
        problem(x, y), mesh, LAYERS, layer_map="euler", transport=emfc.transport.SemiLagrangian(7)
    )
    return solver.solve(system, 0.1).control


ROUTES: dict[str, tuple[Callable[..., np.ndarray], Any]] = {
    "particles, L-BFGS, tolerance 1e-4": (on_particles, emfc.solvers.LBFGS(tol=1e-4)),
    "particles, L-BFGS, its own tolerance": (on_particles, emfc.solvers.LBFGS()),
    f"{CELLS} cells of degree 7, L-BFGS": (on_mesh, emfc.solvers.LBFGS()),
    f"{CELLS} cells of degree 7, shooting with Anderson's mixing": (on_mesh, emfc.solvers.Shooting(anderson=3)),
}


def solved(repeats: int = 15) -> list[tuple[str, float, float]]:
    """Of every route: its name, median seconds, and how far its control's cost is above the optimum, relatively."""
    x, y = data()
    least = optimum(x, y)
    twin = emfc.ParticleSystem(problem(x, y), LAYERS, layer_map="euler")
    gaps, times = {}, []
    for name, (route, solver) in ROUTES.items():
        gaps[name] = twin.cost(route(x, y, solver)).total / least - 1
    for _ in range(repeats):
        times.append([])
        for route, solver in ROUTES.values():
            start = time.perf_counter()
            route(x, y, solver)
            times[-1].append(time.perf_counter() - start)
    return [(n, float(t), float(gaps[n])) for n, t in zip(ROUTES, np.median(times, axis=0), strict=True)]


def tables(repeats: int = 15) -> list[Table]:
    rows: list[tuple[Any, ...]] = [
        (name, 1e3 * seconds, PUBLISHED / seconds, gap) for name, seconds, gap in solved(repeats)
    ]
    rows.append(("the published code, 8 iterations (not run here)", 1e3 * PUBLISHED, 1.0, 1.2e-3))
    caption = (
        f"The published problem: {SAMPLES} samples, {LAYERS} Euler layers. Milliseconds from the samples to "
        f"the control, the making of the system included, one thread, medians of {repeats}; and the relative "
        "distance of its discrete cost from the optimum, which independent code finds (15 starts of "
        "L-BFGS-B). Made by `tox -e benchmarks`."
    )
    notes = (
        "The published code's time was measured once on two cores of this kind (Python 3.11 and an old NumPy, "
        "without imports and plots); its gap is that of its own samples, with optimum 0.166667."
    )
    columns = {"method": "", "ms": ".1f", "times as fast": ".0f", "above the optimum": ".0e"}
    return [Table(caption, columns, rows, notes)]
