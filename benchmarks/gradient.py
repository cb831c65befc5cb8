"""One cost and gradient of `bimodal_2d`, against the time of `numpy.tanh` in the same process.

Run with OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 for one thread (`python -m benchmarks` does).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .problems import CELLS, LAYERS, a_control, system
from .result import Table
from .timing import median_seconds

DEGREES = (1, 3, 5, 7)


def prices(degree: int, repeats: int = 5) -> tuple[float, float]:
    """Seconds of one cost and gradient, a cell a layer, and of one value of `numpy.tanh`."""
    optimality, control = system(degree), a_control()
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
    return float(gradient), float(tanh)


def ratio(degree: int, repeats: int = 5) -> float:
    """Time of one cost and gradient, a cell a layer, over the time of one value of `numpy.tanh`."""
    gradient, tanh = prices(degree, repeats)
    return gradient / tanh


def ratio_to(options: dict[str, Any], degree: int = 3, repeats: int = 7) -> float:
    """Time of a gradient in one thread with all densities kept, over that with other options; the bits are compared too."""
    control = a_control()
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


def tables() -> list[Table]:
    rows, tanh = [], []
    for degree in DEGREES:
        gradient, unit = prices(degree)
        tanh.append(unit)
        rows.append((degree, 1e9 * gradient, gradient / unit, ratio_to({"threads": 2}, degree, 5)))
    states = 6 * 3 * CELLS**2 * 8
    caption = (
        f"One cost and gradient of `bimodal_2d`, {CELLS}^2 cells, three moments, RK4, {LAYERS} layers, one "
        f"thread; a cell a layer. One `numpy.tanh` value takes {1e9 * np.median(tanh):.1f} ns in the same "
        "process. Medians of 5. Made by `tox -e benchmarks`."
    )
    notes = (
        f"With 6 of {LAYERS} densities kept a gradient of degree 3 takes "
        f"{1 / ratio_to({'memory': states}):.2f} times as long. Threads and memory do not change the bits."
    )
    columns = {"degree": "d", "ns": ".0f", "in values of tanh": ".0f", "two threads: times as fast": ".2f"}
    return [Table(caption, columns, rows, notes)]
