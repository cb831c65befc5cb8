"""Directional derivatives by differences, with a step that is found from the function's values.

No absolute step suits all units of states and parameters, and all length scales of a field. The length L on which a function
changes is estimated from the values that the difference uses: to leading order the two central differences with the steps s
and 2s differ by `(s / L)^2` relative to their size, and so does the mean of both sides from the middle value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

#: desired step as a share of the length L, and the smallest and largest share with which a step is accepted: the error of the
#: difference is then about 1e-11, mostly round-off
AIM, NARROW, WIDE = 2e-4, 3e-5, 5e-4
#: largest factor between the steps of two trials; number of trials; longer steps after which an unchanged part is constant
LARGEST_CHANGE, TRIALS, CONSTANT = 1e4, 8, 3
#: round-off relative to the values; round-off relative to their change below which it does not matter
ROUND_OFF, CLEAN = 1e-15, 1e-11

#: arrays `(n, k)`, whose columns may have different units
Parts = tuple[np.ndarray, ...]


def along(function: Callable[[float], Parts], guess: float, sizes: Parts = ()) -> Parts:
    """Derivatives at s = 0 of the parts of `function(s)`, by central differences of order 4.

    Parameters
    ----------
    function : a function of s.
    guess : a guess of the length L. It may be wrong by many powers of ten, which costs evaluations; 0 if nothing moves.
    sizes : `(n, k)` arrays like the parts: the size of the terms of which the values are sums, if these terms may cancel.
    """
    middle, step, longer = function(0.0), AIM * guess, 0
    if guess == 0.0:
        return tuple(np.zeros_like(part) for part in middle)
    sizes = tuple(np.abs(part).max(axis=0, initial=0.0) for part in sizes or middle)
    first: tuple[float, list[Parts]] | None = None
    for _ in range(TRIALS):
        with np.errstate(all="ignore"):
            values = [function(k * step) for k in (-2, -1, 1, 2)]
            if not all(np.isfinite(part).all() for parts in values for part in parts):
                if first is not None:
                    break
                step /= LARGEST_CHANGE
                continue
            share, clean, constant = _judged(middle, values, sizes)
        first = first or (step, values)
        if share <= WIDE and (share >= NARROW or (clean and (longer >= CONSTANT or not constant))):
            first = step, values
            break
        longer += share < NARROW
        step *= float(np.clip(AIM / max(share, 1e-300), 1 / LARGEST_CHANGE, LARGEST_CHANGE))
    # If no step is accepted, the first one with finite values is used; if there is none, the result is not finite either.
    step, (far_back, back, ahead, far_ahead) = first or (step, values)
    return tuple(
        (8.0 * (a - b) - (fa - fb)) / (12.0 * step)
        for fb, b, a, fa in zip(far_back, back, ahead, far_ahead, strict=True)
    )


def _judged(middle: Parts, values: Sequence[Parts], sizes: Parts) -> tuple[float, bool, bool]:
    """The step relative to L, 0 if round-off hides it; whether all changes are far above round-off; and whether any part
    does not change.
    """
    share, clean, constant = 0.0, True, False
    for here, size, far_back, back, ahead, far_ahead in zip(middle, sizes, *values, strict=True):
        if not here.size:
            continue
        odd = (ahead - back) / 2
        even = np.abs((ahead - here) + (back - here)).max(axis=0) / 2
        bent = np.abs((far_ahead - far_back) / 4 - odd).max(axis=0)
        moved = np.abs(odd).max(axis=0)
        noise = ROUND_OFF * np.maximum(size, moved)
        by_odd = np.where(bent > 10 * noise, np.sqrt(bent / moved), 0.0)
        by_even = np.where(even > 10 * noise, np.minimum(np.sqrt(even / size), even / moved), 0.0)
        still = (moved <= 10 * noise) & (even <= 10 * noise)
        share = max(share, float(by_odd.max()), float(by_even.max()))
        clean &= bool((still | (noise <= CLEAN * moved)).all())
        constant |= bool(still.any())
    return share, clean, constant


def length(*moves: tuple[np.ndarray, np.ndarray | float]) -> float:
    """A guess of how far to move until a function changes: until one argument has moved by its size; 0 if nothing moves.

    Parameters
    ----------
    moves : pairs (direction, size), arrays or numbers that broadcast. Sizes of zero are ignored.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = [np.where(size > 0, np.abs(move) / size, 0.0).max(initial=0.0) for move, size in moves]
    # If a control is zero, no argument has a size: then any guess is equally good.
    largest = max(shares) or max(float(np.abs(move).max(initial=0.0)) for move, _ in moves)
    return 1.0 / float(largest) if largest > 0.0 else 0.0
