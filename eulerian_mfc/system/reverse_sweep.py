"""States of a forward sweep in reverse order within a bound of memory: binomial checkpointing.

With s states kept, the first among them, the l states before the end take `r l - C(s + r, s + 1)` steps, r the least number
with `l <= C(s + r, s)`, which is the least possible; no step is made more than r times. With `l <= (s + 1)(s + 2) / 2` no
layer is stepped through more than twice.

Reference: A. Griewank, A. Walther, Algorithm 799: Revolve, ACM Trans. Math. Software 26 (2000), 19-45,
doi:10.1145/347837.347846.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import comb

import numpy as np

from .._validate import fail, machine_memory

#: number types of the states that are kept
PRECISIONS = {"double": np.float64, "single": np.float32}


def states_within(memory: float, size: int) -> int:
    """States of `size` bytes in `memory`: bytes (an integer) or a fraction of the machine's (a float); 1 at least."""
    whole = isinstance(memory, int | np.integer) and not isinstance(memory, bool) and memory > 0
    part = isinstance(memory, float | np.floating) and 0.0 < memory <= 1.0
    if not (whole or part):
        raise fail("memory", memory, "a number of bytes, or a fraction in (0, 1] of the machine's memory")
    return max(1, int(memory if whole else memory * machine_memory()) // size)


def split(layers: int, states: int) -> int:
    """How far to step from a kept state before the next is kept, `states` more of which may be, for the fewest steps."""
    repeats = 1
    while comb(states + 1 + repeats, repeats) < layers:
        repeats += 1
    return min(comb(states + repeats, repeats - 1), layers - comb(states + repeats - 1, repeats - 1))


def backwards(
    advance: Callable[[int, np.ndarray], np.ndarray], first: np.ndarray, layers: int, states: int, precision: str
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield `(n, state n)` for n from `layers - 1` down to 0, from `state n + 1 = advance(n, state n)` and state 0.

    At most `states` states are kept beside the first, in single or double `precision`; the one in use is in double precision.
    """
    kind = PRECISIONS[precision]

    def advanced(begin: int, end: int, state: np.ndarray) -> np.ndarray:
        state = state.astype(np.float64, copy=False)
        for n in range(begin, end):
            state = advance(n, state)
        return state

    # No frame has a name for a state in double precision: it would be kept as long as the frame waits.
    def reverse(begin: int, end: int, state: np.ndarray, free: int) -> Iterator[tuple[int, np.ndarray]]:
        while end - begin > 1:
            if not free:
                yield end - 1, advanced(begin, end - 1, state)
                end -= 1
                continue
            middle = begin + split(end - begin, free)
            yield from reverse(middle, end, advanced(begin, middle, state).astype(kind, copy=False), free - 1)
            end = middle
        yield begin, state.astype(np.float64, copy=False)

    return reverse(0, layers, first, min(states, layers - 1))
