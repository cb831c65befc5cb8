"""The Lagrangian twin: the same problem on samples or quadrature points instead of a mesh."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Unpack

import numpy as np

from .._validate import fail, mismatch
from ..control.coerced import ControlLike
from ..control.grid import Grid
from ..flow.layer_map import LayerMap
from ..kernels.sums import paired
from ..laws import LabelledRule, refined_rule
from ..laws.refined import POINTS
from ..losses import Loss
from ..problem import Problem
from .controlled import ControlledSystem, Cost, trapezoidal
from .options import LayerOptions, check_keywords, showing_layer_options
from .running import halves_of

#: (positions before a layer, positions after it) -> (positions after the boundary has acted, whether each point still counts)
Bound = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
#: a gradient keeps the Runge-Kutta stages if they need at most this many bytes; otherwise it computes them again per layer
STAGES = 2**26


class ParticleSystem(ControlledSystem):
    """`J(theta) = sum_i w_i loss(X_i(T), y_i) + penalty`, each X_i moved by the layer maps; exact gradient.

    Parameters
    ----------
    problem : the control problem.
    layers : the number of layers, or their times.
    layer_map, control_degree : as for OptimalitySystem.
    samples : number of random samples of the law. By default the law's own quadrature rule is used (for an Empirical law its
        samples): this is the mean-field problem without any mesh.
    seed : seed of the samples, and of the Brownian paths if the problem has noise: these are the same for all controls.
    rule : points, weights and labels that replace samples and the law's own rule, see `refined`.

    Solvers accept it like an OptimalitySystem, except those with layer-wise updates (Shooting, SuccessiveApproximations), which
    need a mesh.

    Raises
    ------
    ArgumentError
        If arguments have wrong types or are out of range, or there is a seed without samples.

    References
    ----------
    W. E, J. Han, Q. Li, A mean-field optimal control formulation of deep learning, Res. Math. Sci. 6 (2019), 10,
    doi:10.1007/s40687-018-0172-y; the gradient is reverse accumulation through the layer maps, see `LayerMap`.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> system = emfc.ParticleSystem(problem, layers=4)
    >>> cost, gradient = system.cost_and_gradient(0.1)
    >>> gradient.shape, system.cost(0.0).penalty
    ((4, 2), 0.0)
    """

    @showing_layer_options
    def __init__(
        self,
        problem: Problem,
        layers: Grid,
        *,
        samples: int | None = None,
        seed: int | np.random.Generator | None = None,
        rule: LabelledRule | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        check_keywords(ParticleSystem, options, LayerOptions.__annotations__)
        problem.need_points("a particle system", noise=True)
        super().__init__(problem, layers, **options)
        self._halves = halves_of(self.controls.rule)
        if rule is not None:
            if samples is not None or seed is not None:
                raise mismatch("rule", "both a rule and samples", "only one of them")
            self.rule = rule
        elif samples is None:
            if seed is not None:
                raise fail("seed", seed, "None, since `samples` is not given and the quadrature rule is not random")
            self.rule = problem.law.quadrature()
        else:
            x, y = problem.law.sample(samples, seed)
            if isinstance(seed, int | np.integer):
                self.mover = self.mover.seeded(int(seed))
            self.rule = LabelledRule(x, np.full(samples, 1.0 / samples), y)
        #: estimated quadrature error of the cost, in the cost's units, if the rule was refined for a control; else None
        self.error: float | None = None
        # Fields evaluate coordinate by coordinate, so columns are contiguous in memory.
        self.rule = self.rule._replace(x=np.asfortranarray(self.rule.x))

    @classmethod
    @showing_layer_options
    def refined(
        cls,
        problem: Problem,
        layers: Grid,
        control: ControlLike,
        *,
        tolerance: float = 0.0,
        limit: int = POINTS,
        loss: Loss | None = None,
        **options: Unpack[LayerOptions],
    ) -> ParticleSystem:
        """The particle twin on a rule of the law that is refined until the cost at a control is known within the tolerance.

        Its `error` is the estimated error of this cost, in the cost's units. It is larger than the tolerance if the limit of
        points does not suffice, and 0 for a law of samples.

        Parameters
        ----------
        problem, layers, layer_map, control_degree : as for the class.
        control : the control for which the rule is refined.
        tolerance : the tolerance of the cost at the control.
        limit : the largest number of points.
        loss : only for a problem that trains a read-out: the loss with a read-out close to the trained one. By default the
            read-out is fitted with the law's own rule.

        Raises
        ------
        NonFiniteError
            If the particles at this control are not finite.
        """
        if problem.diffusion:
            wanted = "a problem without noise; with noise take samples: ParticleSystem(problem, layers, samples=10_000, seed=0)"
            raise mismatch("problem", "a problem with noise, whose paths are random on every rule of the law", wanted)
        system = cls(problem, layers, rule=one_point(problem), **options)
        theta = system.control(control)
        if loss is None and problem.loss.trained:
            system.rule = problem.law.quadrature()
            loss = system.terminal(system.carried(theta, system.rule.x))[0]
        values = partial(system.losses, theta, problem.loss if loss is None else loss)
        system.rule, _, system.error = refined_rule(problem.law, values, tolerance, limit)
        return system

    def with_layer_map(self, layer_map: LayerMap) -> ParticleSystem:
        """The same particles, layers and degree of the control with another layer map."""
        options: LayerOptions = {"layer_map": layer_map, "control_degree": self.controls.degree}
        return ParticleSystem(self.problem, self.grid, rule=self.rule, **options)

    def carried(self, control: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Map points `(n, d)` at time 0 to their positions at the final time."""
        for step in self.controls.path(control):
            x = self.mover(step, x)
        return x

    def losses(
        self, control: np.ndarray, loss: Loss, x: np.ndarray, y: np.ndarray, bound: Bound | None = None
    ) -> np.ndarray:
        """`(n,)`: the final and running loss of each point, for points `(n, d)` at time 0 with labels `(n, q)`.

        `bound(before, after)` is called per layer with the positions `(n, d)` before and after it. It returns the positions
        `(n, d)` after the boundary has acted, and booleans `(n,)`: whether each point still counts. By default points move
        freely.
        """
        running, rule = self.problem.running, self.controls.rule
        spent, counts = np.zeros(len(x)), np.ones(len(x), dtype=bool)
        for n, step in enumerate(self.controls.path(control)):
            if running is not None:
                spent += counts * rule[n] * running.value(x, y)
            after = self.mover(step, x)
            if bound is not None:
                after, still = bound(x, after)
                counts &= still
            x = after
        if running is not None:
            spent += counts * rule[-1] * running.value(x, y)
        return spent + counts * loss.value(x, y)

    def cost(self, control: ControlLike) -> Cost:
        theta = self.control(control)
        x = self.rule.x
        halves = [self._running_half(x, 0)]
        for n, step in enumerate(self.controls.path(theta), start=1):
            x = self.mover(step, x)
            halves.append(self._running_half(x, n))
        return self._cost(theta, x, trapezoidal(halves), self.terminal(x))

    def cost_at_rest(self, control: np.ndarray) -> Cost:
        """The cost of a control `(layers, ...)` if states did not move."""
        x = self.rule.x
        halves = [self._running_half(x, n) for n in range(self.steps + 1)]
        return self._cost(control, x, trapezoidal(halves), self.terminal(x))

    @property
    def _stage_bytes(self) -> int:
        """The bytes of the Runge-Kutta stages of all layers: points and values."""
        layer_map = self.flow.layer_map
        stages = len(layer_map.shares)
        return 2 * self.steps * stages * self.rule.x.nbytes

    def states(self, control: ControlLike) -> np.ndarray:
        """`(steps + 1, n, d)`: the positions at all levels in time."""
        out = [self.rule.x]
        for step in self.controls.path(self.control(control)):
            out.append(self.mover(step, out[-1]))
        return np.stack(out)

    def _running_half(self, x: np.ndarray, n: int) -> float:
        """`h_n E[running(x, Y)]`: the contribution of one end of a step to the running cost, for the positions at level n."""
        loss = self.problem.running
        return 0.0 if loss is None else float(self._halves[n]) * paired(self.rule.w, loss.value(x, self.rule.y))

    def _running_slope(self, x: np.ndarray, n: int) -> np.ndarray:
        """The derivative of the running cost in the positions at level n, `(n, d)`."""
        loss = self.problem.running
        if loss is None:
            return np.zeros(x.shape)
        return float(self.controls.rule[n]) * (self.rule.w * loss.gradient(x, self.rule.y).T).T

    def terminal(self, x: np.ndarray) -> tuple[Loss, float]:
        """The loss, and its constant part, for final positions `(n, d)`; a trained read-out is the best one for them."""
        loss, training = self.problem.loss, self.problem.separable.training
        if training is None:
            return loss, 0.0
        fit = training.fit(x, self.rule.w * self.problem.separable.moments(self.rule.y))
        return loss.with_readout(fit.readout), fit.penalty_cost

    def _cost(self, theta: np.ndarray, x: np.ndarray, running: float, end: tuple[Loss, float]) -> Cost:
        terminal = end[1] + paired(self.rule.w, end[0].value(x, self.rule.y))
        return Cost(terminal, self.penalty_cost(theta), running)

    def cost_and_gradient(self, control: ControlLike) -> tuple[float, np.ndarray]:
        """`J` and `dJ/dcontrol`, of the control's shape `(layers, ...)`, by reverse accumulation through every step."""
        theta = self.control(control)
        starts, kept, x = [], [], self.rule.x
        path, keep = self.controls.path(theta), self._stage_bytes <= STAGES
        for step in path:
            starts.append(x)
            if keep:
                x, pull = self.mover.trace(step, x)
                kept.append(pull)
            else:
                x = self.mover(step, x)
        running = trapezoidal([self._running_half(position, n) for n, position in enumerate((*starts, x))])
        end = self.terminal(x)
        p = (self.rule.w * end[0].gradient(x, self.rule.y).T).T + self._running_slope(x, self.steps)
        slopes = [np.empty(0)] * self.steps
        for n in range(self.steps - 1, -1, -1):
            pull = kept[n] if keep else self.mover.trace(path[n], starts[n])[1]
            p, slopes[n] = pull(p)
            p = p + self._running_slope(starts[n], n)
        gradient = self.controls.penalty_slope(theta) + self.controls.gathered(slopes)
        return self._cost(theta, x, running, end).total, gradient


def one_point(problem: Problem) -> LabelledRule:
    """A placeholder rule of one point at zero, for a system whose rule is set later.

    Parameters
    ----------
    problem : the control problem, which defines the dimensions of states and labels.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> one_point(problem).x.tolist()
    [[0.0]]
    """
    return LabelledRule(np.zeros((1, problem.field.dim)), np.ones(1), np.zeros((1, problem.law.label_dim)))
