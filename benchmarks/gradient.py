"""One cost and gradient of `bimodal_2d`, against the time of `numpy.tanh` in the same process.

Run with OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 for one thread (`python -m benchmarks` through tox does).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import eulerian_mfc as emfc

CELLS, LAYERS = 256, 20


def median_seconds(function: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def system(degree: int, cells: int = CELLS, layers: int = LAYERS, **options: Any) -> emfc.OptimalitySystem:
    """`bimodal_2d` by its three moments, RK4."""
    problem = emfc.Problem(
        emfc.fields.NeuralField(2),
        emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1, -1], [1, 1]], 0.2), [[-2.0, -2.0], [2.0, 2.0]]),
        emfc.losses.SquaredLoss(),
        penalty=0.2,
        horizon=1.0,
        representation="moments",
    )
    mesh = emfc.CartesianMesh([(-4.0, 4.0)] * 2, cells)
    return emfc.OptimalitySystem(
        problem, mesh, layers, transport=emfc.transport.SemiLagrangian(degree), **{"threads": 1, **options}
    )


def ratio(degree: int, repeats: int = 5) -> float:
    """Time of one cost and gradient, a cell a layer, over the time of one value of `numpy.tanh`."""
    optimality = system(degree)
    control = np.full((LAYERS, 6), 0.3)
    optimality.cost_and_gradient(control)
    values = np.random.default_rng(0).normal(size=CELLS**2)
    out = np.empty_like(values)
    # Interleaved, so that both see the same machine.
    pairs = [
        (
            median_seconds(lambda: optimality.cost_and_gradient(control), 1) / (CELLS**2 * LAYERS),
            median_seconds(lambda: np.tanh(values, out=out), 11) / values.size,
        )
        for _ in range(repeats)
    ]
    gradient, tanh = np.median(pairs, axis=0)
    return float(gradient / tanh)


def ratio_to(options: dict[str, Any], degree: int = 3, repeats: int = 7) -> float:
    """Time of a gradient in one thread with all densities kept, over that with other options; the bits are compared too."""
    control = np.full((LAYERS, 6), 0.3)
    given, other = system(degree), system(degree, **options)
    cost, gradient = given.cost_and_gradient(control)
    again = other.cost_and_gradient(control)
    assert again[0] == cost
    assert np.array_equal(again[1], gradient)
    times = [
        [median_seconds(lambda s=s: s.cost_and_gradient(control), 1) for s in (given, other)] for _ in range(repeats)
    ]
    alone, optional = np.median(times, axis=0)
    return float(alone / optional)


def table() -> str:
    rows = [
        f"One cost and gradient of `bimodal_2d`, {CELLS}^2 cells, three moments, RK4, {LAYERS} layers, one thread;",
        "a cell a layer, in units of one `numpy.tanh` value (same process, medians of 5). Made by `tox -e benchmarks`.",
        "",
        "| degree | ratio |",
        "|---|---|",
    ]
    rows += [f"| {degree} | {ratio(degree):.0f} |" for degree in (1, 3, 5, 7)]
    states = 6 * 3 * CELLS**2 * 8
    rows += [
        "",
        f"Degree 3, same bits: two threads are {ratio_to({'threads': 2}):.2f} times as fast; with 6 of {LAYERS} densities kept",
        f"a gradient takes {1 / ratio_to({'memory': states}):.2f} times as long.",
    ]
    return "\n".join(rows) + "\n"
