"""The backward sweep: the potentials at all levels in time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..flow.layers import Layer
from .pairs import Pair
from .running import RunningCost


def backward_sweep(
    pair: Pair, running: RunningCost, path: Sequence[Layer], final: np.ndarray, masses: np.ndarray | None = None
) -> np.ndarray:
    """Potentials `(steps + 1, R, *shape)`, in the order of time, from those at the end.

    On each step `psi^n = S (psi^{n+1} + b_n L^{n+1}) + a_n L^n`, where `L^n` is the running loss, plus the derivatives of
    running costs of the density at `m^n`, and a, b are the weights of the step's start and end in the rule in time (dt/2 for
    controls that are constant on layers).

    Parameters
    ----------
    pair : the schemes.
    running : the running cost.
    path : the steps in time.
    final : `(R, *shape)`, the final potentials.
    masses : `(steps + 1, R, *shape)` of a forward sweep, needed only for running costs of the density.
    """
    steps = len(path)
    levels: Sequence[np.ndarray | None] = [None] * (steps + 1) if masses is None else list(masses)
    out = np.empty((steps + 1, *final.shape))
    out[-1] = final
    for n in range(steps - 1, -1, -1):
        ahead = pair.back(path[n], running.at_end(n, out[n + 1], levels[n + 1]))
        out[n] = running.at_start(n, ahead, levels[n])
    return out
