"""One cost and gradient of `bimodal_2d`, against the time of `numpy.tanh` in the same process.

Run with OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 for one thread (`python -m benchmarks` does).
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .problems import CELLS, LAYERS, a_control, system
from .result import Table
from .session import fresh
from .timing import median_seconds

DEGREES = (1, 3, 5, 7)
#: seconds for processes to start in, and in which their gradients are counted
STARTING, COUNTED = 6.0, 4.0


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


def rate(degree: int, begin: float) -> float:
    """Gradients a second of one thread, from the time `begin` on."""
    optimality, control = system(degree), a_control()
    optimality.cost_and_gradient(control)
    time.sleep(max(0.0, begin - time.time()))
    count, start = 0, time.perf_counter()
    while time.perf_counter() < start + COUNTED:
        optimality.cost_and_gradient(control)
        count += 1
    return count / (time.perf_counter() - start)


def side_by_side(degree: int) -> float:
    """What two processes compute at the same time, over what one does: what a second processor can add at most."""

    def rates(processes: int) -> float:
        expression = f"gradient.rate({degree}, {time.time() + STARTING})"
        with ThreadPoolExecutor(processes) as pool:
            return sum(pool.map(fresh, [expression] * processes))

    return rates(2) / rates(1)


def tables() -> list[Table]:
    rows, tanh = [], []
    for degree in DEGREES:
        gradient, unit = prices(degree)
        tanh.append(unit)
        threads = ratio_to({"threads": 2}, degree, 5)
        rows.append((degree, 1e9 * gradient, gradient / unit, threads, side_by_side(degree)))
    states = 6 * 3 * CELLS**2 * 8
    caption = (
        f"One cost and gradient of `bimodal_2d`, {CELLS}^2 cells, three moments, RK4, {LAYERS} layers, one "
        f"thread; a cell a layer. One `numpy.tanh` value takes {1e9 * np.median(tanh):.1f} ns in the same "
        "process. Medians of 5. Two processes: gradients a second of two that run side by side, to those of one. "
        "Made by `tox -e benchmarks`."
    )
    notes = (
        f"With 6 of {LAYERS} densities kept a gradient of degree 3 takes "
        f"{1 / ratio_to({'memory': states}):.2f} times as long. Threads and memory do not change the bits."
    )
    columns = {
        "degree": "d",
        "ns": ".0f",
        "in values of tanh": ".0f",
        "two threads: times as fast": ".2f",
        "two processes": ".2f",
    }
    return [Table(caption, columns, rows, notes)]
