"""Levels in time, whose distances may differ, in pictures."""

from __future__ import annotations

import numpy as np

#: two levels are equally near if their distances differ by less than this share of the horizon
SAME = 1e-9


def level_at(times: np.ndarray, t: float) -> int:
    """The level whose time is nearest to t; of two that are equally near, the earlier one.

    Parameters
    ----------
    times : `(steps + 1,)`, the increasing times of the levels.
    t : a time.

    Examples
    --------
    >>> level_at(np.array([0.0, 0.1, 0.6, 1.0]), 0.5), level_at(np.array([0.0, 1.0]), 0.5)
    (2, 0)
    """
    return int(np.argmin(np.round(np.abs(times - t) / (times[-1] - times[0]) / SAME)))


def spread(times: np.ndarray, count: int) -> list[int]:
    """The levels nearest to `count` equally spaced times from the first level to the last one, each of them once.

    Parameters
    ----------
    times : `(steps + 1,)`, the increasing times of the levels.
    count : the number of times.

    Examples
    --------
    >>> spread(np.array([0.0, 0.1, 0.2, 1.0]), 3), spread(np.linspace(0.0, 1.0, 5), 3)
    ([0, 2, 3], [0, 2, 4])
    """
    return sorted({level_at(times, t) for t in np.linspace(times[0], times[-1], count).tolist()})


def edges(times: np.ndarray) -> np.ndarray:
    """`(steps + 2,)`: the times between which a level is the nearest one.

    Parameters
    ----------
    times : `(steps + 1,)`, the increasing times of the levels.

    Examples
    --------
    >>> edges(np.array([0.0, 0.5, 1.0])).tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    return np.concatenate([times[:1], 0.5 * (times[:-1] + times[1:]), times[-1:]])


def durations(times: np.ndarray, mean: int, least: int) -> list[int]:
    """For how long an animation shows every level, in milliseconds: in proportion to the time until the next level.

    Parameters
    ----------
    times : `(steps + 1,)`, the increasing times of the levels.
    mean : the mean duration; the last level has it.
    least : the least duration.

    Examples
    --------
    >>> durations(np.array([0.0, 0.5, 1.0]), 100, 20), durations(np.array([0.0, 0.25, 1.0]), 100, 20)
    ([100, 100, 100], [50, 150, 100])
    """
    gaps = np.diff(times) / (times[-1] - times[0]) * (len(times) - 1)
    return [*np.maximum(np.round(mean * gaps), least).astype(int).tolist(), mean]
