"""A layer with several steps in time: the sweeps forwards and backwards through its steps."""

from __future__ import annotations

import numpy as np

from ..control.space import ControlSpace
from .pairs import Pair
from .running import RunningCost


class LayerSweep:
    """The discrete Hamiltonian of layer n without the penalty, as a function of the layer's coefficients theta.

    `sum_r <psi_r, m_r>` at the layer's end for the masses that the layer has moved, plus the running cost at the levels within
    the layer and its part at the end.

    Parameters
    ----------
    pair : the schemes.
    running : the running cost.
    controls : the space of controls.
    n : the number of the layer.
    masses : `(R, *mass_shape)` at the layer's start.
    end : potentials `(R, *shape)` at the layer's end, with the running loss there added.
    """

    def __init__(
        self, pair: Pair, running: RunningCost, controls: ControlSpace, n: int, masses: np.ndarray, end: np.ndarray
    ) -> None:
        self._pair, self._running, self._controls, self._n = pair, running, controls, n
        self._masses, self._end = masses, end

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The value and its derivative, of theta's shape."""
        steps, first = self._controls.of_layer(self._n, theta), self._n * self._controls.steps_per_layer
        states, value, level = [self._masses], 0.0, first
        for step in steps[:-1]:
            level += 1
            states.append(self._pair.push(step, states[-1])[0])
            value += 2.0 * self._running.half(states[-1], level)
        value += self._pair.pairing(self._end, states[-1])(steps[-1])[0]
        slope, psi = np.zeros_like(theta), self._end
        for k in range(len(steps) - 1, -1, -1):
            psi, part = self._pair.pull(steps[k], states[k], psi)
            slope += part
            if k:
                psi = self._running.at_start(first + k, psi, states[k])
                psi = self._running.at_end(first + k - 1, psi, states[k])
        return value, slope
