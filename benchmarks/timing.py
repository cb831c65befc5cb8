"""Medians of wall clock times, taken in turns, so that all functions see the same machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable

import numpy as np

#: numbers copied by `copy_seconds`: beyond the caches, so what memory gives
COPIED = 2**24


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def median_seconds(function: Callable[[], object], repeats: int) -> float:
    return float(np.median([seconds(function) for _ in range(repeats)]))


def in_turns(functions: Iterable[Callable[[], object]], repeats: int = 5) -> list[float]:
    """Median seconds of every function; round by round, each is called once."""
    functions = list(functions)
    return [float(t) for t in np.median([[seconds(f) for f in functions] for _ in range(repeats)], axis=0)]


def copy_seconds(repeats: int = 5) -> float:
    """Median seconds of copying one float64, read and write, from memory to memory."""
    source = np.random.default_rng(0).normal(size=COPIED)
    target = np.empty_like(source)
    return median_seconds(lambda: np.copyto(target, source), repeats) / COPIED


def use_processors(count: int) -> None:
    """Let this process (and the threads that it starts from now on) run on so many processors only."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
