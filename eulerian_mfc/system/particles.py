"""The Lagrangian twin: the same problem on samples or quadrature points instead of a mesh."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from .._validate import fail, mismatch
from ..flow.layer_map import LayerMap
from ..flow.tableaux import TABLEAUX
from ..kernels.sums import paired
from ..laws import LabelledRule, refined_rule
from ..laws.refined import POINTS
from ..losses import Loss
from ..problem import Problem
from .controlled import ControlledSystem, Cost, trapezoidal

#: where points end that a layer moves from one place to another, and whether they still count
Bound = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
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
    rule : points, weights and labels in the place of samples and of the law's own rule, see `refined`.

    Solvers take it as they take an OptimalitySystem; layer-wise updates (Shooting, SuccessiveApproximations) need a mesh.

    Raises
    ------
    ArgumentError
        For arguments of other kinds or out of range, and a seed without samples.

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

    def __init__(
        self,
        problem: Problem,
        layers: int,
        *,
        layer_map: LayerMap | str = "rk4",
        samples: int | None = None,
        seed: int | np.random.Generator | None = None,
        rule: LabelledRule | None = None,
    ) -> None:
        super().__init__(problem, layers, layer_map)
        if rule is not None:
            if samples is not None or seed is not None:
                raise mismatch("rule", "a rule and samples", "one of them")
            self.rule = rule
        elif samples is None:
            if seed is not None:
                raise fail("seed", seed, "no seed where `samples` is not given: the quadrature rule is not random")
            self.rule = problem.law.quadrature()
        else:
            x, y = problem.law.sample(samples, seed)
            self.rule = LabelledRule(x, np.full(samples, 1.0 / samples), y)
        #: estimated error of the cost by the rule, in the cost's units, where the rule is made for a control; else not known
        self.error: float | None = None
        # Columns contiguous in memory, as everywhere that fields are evaluated.
        self.rule = self.rule._replace(x=np.asfortranarray(self.rule.x))

    @classmethod
    def refined(
        cls,
        problem: Problem,
        layers: int,
        control: ArrayLike,
        *,
        layer_map: LayerMap | str = "rk4",
        tolerance: float = 0.0,
        limit: int = POINTS,
        loss: Loss | None = None,
    ) -> ParticleSystem:
        """The twin on a rule of the law that is refined until the cost at a control is known to the tolerance.

        Its `error` is the estimated error of the cost there, in the cost's units, which is larger than the tolerance where the
        points do not suffice; 0 for a law of samples.

        Parameters
        ----------
        problem, layers, layer_map : as for the class.
        control : at which the rule is refined.
        tolerance : of the cost at the control.
        limit : of the number of points.
        loss : with a read-out that is near the trained one, where the problem's has one to train; by default the one that the
            law's own rule gives.

        Raises
        ------
        NonFiniteError
            If the particles at this control are not finite.
        """
        system = cls(problem, layers, layer_map=layer_map, rule=one_point(problem))
        theta = system.control(control)
        if loss is None and problem.loss.trained:
            system.rule = problem.law.quadrature()
            loss = system.terminal(system.carried(theta, system.rule.x))[0]
        values = partial(system.losses, theta, problem.loss if loss is None else loss)
        system.rule, _, system.error = refined_rule(problem.law, values, tolerance, limit)
        return system

    def carried(self, control: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Points `(n, d)` -> their positions at the final time."""
        for n in range(self.layers):
            x = self.flow(self.layer(n, control[n]), x)
        return x

    def losses(
        self, control: np.ndarray, loss: Loss, x: np.ndarray, y: np.ndarray, bound: Bound | None = None
    ) -> np.ndarray:
        """`(n,)`: what points `(n, d)` with labels `(n, q)` add to the cost: the final loss and the running one, no penalty.

        `bound(before, after)` gives where points end that a layer moves from before to after, `(n, d)` all, and `(n,)` whether
        they still count; without it they move freely.
        """
        running = self.problem.running
        spent, counts = np.zeros(len(x)), np.ones(len(x), dtype=bool)
        for n in range(self.layers):
            if running is not None:
                spent += counts * (0.5 if n == 0 else 1.0) * self.dt * running.value(x, y)
            after = self.flow(self.layer(n, control[n]), x)
            if bound is not None:
                after, still = bound(x, after)
                counts &= still
            x = after
        if running is not None:
            spent += counts * 0.5 * self.dt * running.value(x, y)
        return spent + counts * loss.value(x, y)

    def cost(self, control: ArrayLike) -> Cost:
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

    def states(self, control: ArrayLike) -> np.ndarray:
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

    def cost_and_gradient(self, control: ArrayLike) -> tuple[float, np.ndarray]:
        """`J` and `dJ/dcontrol`, `(layers, m)`, by reverse accumulation through every layer."""
        theta = self.control(control)
        gradient = self.controls.gradient(theta)
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


def one_point(problem: Problem) -> LabelledRule:
    """A rule of one point at zero, for a system that gets its own later.

    Parameters
    ----------
    problem : for the dimensions of states and labels.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> one_point(problem).x.tolist()
    [[0.0]]
    """
    return LabelledRule(np.zeros((1, problem.field.dim)), np.ones(1), np.zeros((1, problem.law.label_dim)))
