"""The Lagrangian twin: the same problem on samples or quadrature points instead of a mesh."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._sums import paired
from ._validate import fail
from .characteristics import TABLEAUX
from .laws import LabelledRule
from .losses import Loss
from .optimality import ControlledSystem, Cost, trapezoidal
from .problem import Problem

#: bytes of Runge-Kutta stages that a gradient keeps; beyond, they are computed again from the layers' starts
STAGES = 2**26


class ParticleSystem(ControlledSystem):
    """`J(theta) = sum_i w_i loss(X_i(T), y_i) + penalty`, each X_i moved by the layer maps; exact gradient.

    Parameters
    ----------
    problem : the control problem.
    layers : number of layers.
    layer_map : as for OptimalitySystem.
    samples : number of random samples of the law; without it, the law's own quadrature rule (for an Empirical law
        its samples), which gives the mean-field problem with no mesh at all.
    seed : seed of the samples.

    Solvers take it as they take an OptimalitySystem; layer-wise updates (Shooting, SuccessiveApproximations) need a mesh.

    Raises
    ------
    ArgumentError
        For arguments of other kinds or out of range, and a seed without samples.

    References
    ----------
    W. E, J. Han, Q. Li, A mean-field optimal control formulation of deep learning, Res. Math. Sci. 6 (2019), 10,
    doi:10.1007/s40687-018-0172-y; the gradient is reverse accumulation through the layer maps, see `LayerMap`.
    """

    def __init__(
        self,
        problem: Problem,
        layers: int,
        *,
        layer_map: Any = "rk4",
        samples: int | None = None,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        super().__init__(problem, layers, layer_map)
        if samples is None:
            if seed is not None:
                raise fail("seed", seed, "no seed where `samples` is not given: the quadrature rule is not random")
            self.rule = problem.law.quadrature()
        else:
            x, y = problem.law.sample(samples, seed)
            self.rule = LabelledRule(x, np.full(samples, 1.0 / samples), y)
        # Columns contiguous in memory, as everywhere that fields are evaluated.
        self.rule = self.rule._replace(x=np.asfortranarray(self.rule.x))

    def cost(self, control: Any) -> Cost:
        theta = self.control(control)
        x = self.rule.x
        halves = [self._running_half(x)]
        for n in range(self.layers):
            x = self.flow(self.layer(n, theta[n]), x)
            halves.append(self._running_half(x))
        return self._cost(theta, x, trapezoidal(halves), self.terminal(x))

    @property
    def _stage_bytes(self) -> int:
        """What the Runge-Kutta stages of all layers take: points and values."""
        layer_map = self.flow.layer_map
        stages = layer_map.substeps * len(TABLEAUX[layer_map.method].weights)
        return 2 * self.layers * stages * self.rule.x.nbytes

    def states(self, control: Any) -> np.ndarray:
        """`(layers + 1, n, d)`: the positions at the ends of the layers."""
        theta, out = self.control(control), [self.rule.x]
        for n in range(self.layers):
            out.append(self.flow(self.layer(n, theta[n]), out[-1]))
        return np.stack(out)

    def _running_half(self, x: np.ndarray) -> float:
        """`dt/2 E[running(x, Y)]` at one time: what one end of a layer adds to the running cost."""
        loss = self.problem.running
        return 0.0 if loss is None else 0.5 * self.dt * paired(self.rule.w, loss.value(x, self.rule.y))

    def _running_slope(self, x: np.ndarray) -> np.ndarray:
        """Its derivative in the positions, `(n, d)`."""
        loss = self.problem.running
        return np.zeros(x.shape) if loss is None else self.dt * (self.rule.w * loss.gradient(x, self.rule.y).T).T

    def terminal(self, x: np.ndarray) -> tuple[Loss, float]:
        """The loss, and its constant part, for final positions `(n, d)`: with the best read-out where one is trained."""
        loss, training = self.problem.loss, self.problem.separable.training
        if training is None:
            return loss, 0.0
        fit = training.fit(x, self.rule.w * self.problem.separable.moments(self.rule.y))
        return loss.with_readout(fit.readout), fit.penalty_cost

    def _cost(self, theta: np.ndarray, x: np.ndarray, running: float, end: tuple[Loss, float]) -> Cost:
        terminal = end[1] + paired(self.rule.w, end[0].value(x, self.rule.y))
        return Cost(terminal, self.penalty_cost(theta), running)

    def cost_and_gradient(self, control: Any) -> tuple[float, np.ndarray]:
        """`J` and `dJ/dcontrol`, `(layers, m)`, by reverse accumulation through every layer."""
        theta = self.control(control)
        gradient = self.dt * self.problem.penalties * theta
        starts, kept, x = [], [], self.rule.x
        keep = self._stage_bytes <= STAGES
        for n in range(self.layers):
            starts.append(x)
            if keep:
                x, pull = self.flow.trace(self.layer(n, theta[n]), x)
                kept.append(pull)
            else:
                x = self.flow(self.layer(n, theta[n]), x)
        running = trapezoidal([self._running_half(position) for position in (*starts, x)])
        end = self.terminal(x)
        p = (self.rule.w * end[0].gradient(x, self.rule.y).T).T + 0.5 * self._running_slope(x)
        for n in range(self.layers - 1, -1, -1):
            layer = self.layer(n, theta[n])
            pull = kept[n] if keep else self.flow.trace(layer, starts[n])[1]
            p, slope = pull(p)
            gradient[n] += slope
            p = p + self._running_slope(starts[n])
        return self._cost(theta, x, running, end).total, gradient
