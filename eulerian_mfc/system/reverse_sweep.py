"""The states of a forward sweep in reverse order, within a bound of memory: binomial checkpointing.

With s stored states, one of them the first, the l states before the end cost `r l - C(s + r, s + 1)` steps, where r is the
smallest number with `l <= C(s + r, s)`. This is the least possible number of steps, and no step is repeated more than r times.
For `l <= (s + 1)(s + 2) / 2`, r is at most 2.

Reference: A. Griewank, A. Walther, Algorithm 799: Revolve, ACM Trans. Math. Software 26 (2000), 19-45,
doi:10.1145/347837.347846.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import comb

import numpy as np

from .._validate import fail, machine_memory

#: number types of the stored states
PRECISIONS = {"double": np.float64, "single": np.float32}


def states_within(memory: float, size: int) -> int:
    """How many states of `size` bytes fit into `memory`, at least 1; see `bytes_of`."""
    return max(1, bytes_of(memory) // size)


def bytes_of(memory: float) -> int:
    """The bytes of `memory`: a number of bytes (an integer), or a fraction of the machine's memory (a float)."""
    whole = isinstance(memory, int | np.integer) and not isinstance(memory, bool) and memory > 0
    part = isinstance(memory, float | np.floating) and 0.0 < memory <= 1.0
    if not (whole or part):
        raise fail("memory", memory, "a number of bytes, or a fraction in (0, 1] of the machine's memory")
    return int(memory if whole else memory * machine_memory())


def split(layers: int, states: int) -> int:
    """The number of steps from a stored state to the next stored one that minimises the total number of steps.

    `states` more states may be stored; `layers` is the number of states to be produced, including the stored one.
    """
    # With s = states + 1 and r repetitions, C(s + r, r) layers can be reversed: the part behind the next stored state has one
    # state less to store, the part before it one repetition less, and C(s + r, r) = C(s + r - 1, r) + C(s + r - 1, r - 1).
    repeats = 1
    while comb(states + 1 + repeats, repeats) < layers:
        repeats += 1
    # The first part has at most C(s + r - 1, r - 1) layers, and the second at least C(s + r - 2, r - 1): with these, fewer layers
    # than the maximum still need the least number of steps.
    return min(comb(states + repeats, repeats - 1), layers - comb(states + repeats - 1, repeats - 1))


def backwards(
    advance: Callable[[int, np.ndarray], np.ndarray], first: np.ndarray, layers: int, states: int, precision: str
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield `(n, state n)` for n from `layers - 1` down to 0, where `state n + 1 = advance(n, state n)` and `first` is state 0.

    At most `states` states are stored besides the first, in single or double `precision`; the state in use has double precision.
    """
    kind = PRECISIONS[precision]

    def advanced(begin: int, end: int, state: np.ndarray) -> np.ndarray:
        state = state.astype(np.float64, copy=False)
        for n in range(begin, end):
            state = advance(n, state)
        return state

    # States in double precision are not bound to a local name here: a suspended generator would keep them in memory.
    def reverse(begin: int, end: int, state: np.ndarray, free: int) -> Iterator[tuple[int, np.ndarray]]:
        while end - begin > 1:
            if not free:  # every state is computed from the beginning
                yield end - 1, advanced(begin, end - 1, state)
                end -= 1
                continue
            # The later part comes first, with the state at the middle stored; its memory is then free for the earlier part.
            middle = begin + split(end - begin, free)
            yield from reverse(middle, end, advanced(begin, middle, state).astype(kind, copy=False), free - 1)
            end = middle
        yield begin, state.astype(np.float64, copy=False)

    return reverse(0, layers, first, min(states, layers - 1))
