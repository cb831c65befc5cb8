"""The part that all discrete problems share: layers, the control's shape, the penalty and the conditions of optimality."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from .._validate import affordable, fail
from ..control.coerced import ControlLike, coerced
from ..control.grid import Grid, count_of
from ..control.horizon import price_of
from ..control.spaces import control_space
from ..errors import NonFiniteError
from ..flow.flow_of_field import Flow, Mover
from ..flow.layer_map import LayerMap
from ..flow.layers import Layer
from ..flow.resolution import AUTO, as_layer_map
from ..kernels.threads import Workers
from ..noise import SampledFlow
from ..problem import Problem
from ..scales import sizes_around
from .hessian import DifferencedHessian, Hessian
from .options import LayerOptions

#: estimate of the number of arrays of a control's shape that a solver keeps: controls, gradients, pairs of directions
VECTORS = 32


@dataclass(frozen=True)
class Cost:
    """The cost and its parts: `total = terminal + penalty + running + constraints`.

    Attributes
    ----------
    terminal : `E[loss(X(T), Y)]`, in units of the loss, as all parts.
    penalty : `1/2 int lambda |theta|^2 dt`, plus the part of the L1 norm, and `weight T` of a FreeHorizon.
    running : `E int running(X, Y) dt`; 0 without a running loss.
    constraints : the terms of the augmented Lagrangian, which solvers descend, see `constraints.TerminalConstraints`; 0 without
        constraints, and before their multipliers are settled.

    Examples
    --------
    >>> Cost(terminal=0.25, penalty=0.5).total
    0.75
    """

    terminal: float
    penalty: float
    running: float = 0.0
    constraints: float = 0.0

    @property
    def objective(self) -> float:
        """`J`, without the terms of constraints."""
        return self.terminal + self.penalty + self.running

    @property
    def total(self) -> float:
        """What is descended: J, with constraints the augmented Lagrangian."""
        return self.objective + self.constraints


def trapezoidal(halves: list[float]) -> float:
    """The running cost by the composite trapezoidal rule: inner times end one layer and begin another, so they count twice.

    All running costs of the package are summed here, in one order, so that the cost alone and the cost with its gradient agree
    in all bits.

    Parameters
    ----------
    halves : per time, the contribution of one end of a layer.

    Examples
    --------
    >>> trapezoidal([0.5, 0.5, 0.5])  # of the number 1 on two layers of length 1
    2.0
    """
    return 2 * sum(halves) - halves[0] - halves[-1]


class ControlledSystem(ABC):
    """The common base of the systems on meshes and of particles: layers, the penalty, and the space of controls.

    A solver needs no more than `cost_and_gradient`, `residual`, `hessian` and, for layer-wise updates, `layer_updates` and
    `sequential_update`.

    Parameters
    ----------
    problem : the control problem.
    layers : the number of equal layers, or the increasing times at which layers start and end.
    threads : number of threads of the layer maps; by default `EMFC_NUM_THREADS`, or 1.
    layer_map, control_degree : see `Discretisation`.

    Attributes
    ----------
    controls : the space of controls: penalty, bounds, residuals.
    layers : the number of layers.
    times : `(steps + 1,)`, the levels in time: the ends of the layers, and of the steps within layers if there are any.
    steps : the number of steps in time.
    flow : the field with its layer map.
    mover : the same, with noise if the problem has any.

    Raises
    ------
    ArgumentError
        If an argument has a wrong type or is out of range.
    """

    def __init__(
        self,
        problem: Problem,
        layers: Grid,
        threads: int | None = None,
        *,
        layer_map: LayerMap | str = AUTO,
        control_degree: int = 0,
    ) -> None:
        if not isinstance(problem, Problem):
            raise fail("problem", problem, "a Problem: Problem(field, law, loss, penalty, horizon)")
        self.problem = problem
        workers = Workers() if threads is None else Workers(threads)
        self.flow = Flow(problem.field, as_layer_map(layer_map, control_degree), workers)
        self.mover: Mover = SampledFlow(self.flow, problem.diffusion) if problem.diffusion else self.flow
        coefficients = count_of(layers) * (control_degree + 1)
        affordable(
            "layers", coefficients, VECTORS * coefficients * problem.parameters, "the controls that a solver keeps"
        )
        running = problem.running is not None
        self.controls = control_space(problem.regulariser, problem.horizon, layers, control_degree, running)
        self.layers, self.steps, self.times = self.controls.layers, self.controls.steps, self.controls.times

    @property
    def adjoint(self) -> bool:
        """Whether the gradient is exactly that of the cost, so that a line search may compare costs."""
        return True

    @property
    def kinks(self) -> bool:
        """Whether the cost is only piecewise smooth, so that its minima may lie on kinks."""
        return False

    @property
    def grid(self) -> int | tuple[float, ...]:
        """The number of layers or their times, as for the constructor."""
        return self.controls.grid

    @property
    def layer_options(self) -> LayerOptions:
        """The keywords with which another system has the same layers."""
        return {"layer_map": self.flow.layer_map, "control_degree": self.controls.degree}

    @property
    def natural_sizes(self) -> np.ndarray:
        """`(m,)`: the natural sizes of the parameters in this problem, see `scales`."""
        return self.problem.scales.control

    def sizes_around(self, theta: np.ndarray) -> np.ndarray:
        """`(m,)`: the change of each parameter from theta `(m,)` that moves points by the size of the law, see `scales`."""
        return sizes_around(self.problem, theta)

    def control(self, value: ControlLike, name: str = "control") -> np.ndarray:
        """The coefficients of a control, `(layers, m)` or `(layers, degree + 1, m)`, from what `control.coerced` takes.

        It raises an ArgumentError for anything else.
        """
        return coerced(self.controls, value, name)

    def layer(self, n: int, theta: np.ndarray) -> Layer:
        """Layer n with its coefficients theta, `(m,)` for a constant; the first step of the layer if it has several."""
        return self.controls.of_layer(n, theta)[0]

    def penalty_cost(self, control: np.ndarray) -> float:
        """`1/2 int lambda |theta|^2 dt` of a control `(layers, ...)`, plus the L1 norm and the cost of time if there are any."""
        return self.controls.cost(control) + price_of(self.problem.horizon)

    def residual(self, control: np.ndarray, gradient: np.ndarray) -> float:
        """The optimality residual of a control `(layers, ...)` from the gradient there; see `OptimalityConditions`."""
        return self.controls.conditions.residual(control, gradient)

    def hessian(self, control: ControlLike) -> Hessian:
        """`J''` at a control: exact if the schemes have exact derivatives, else by differences of the gradient."""
        return self._differenced(self.control(control))

    def _differenced(self, control: np.ndarray) -> Hessian:
        return DifferencedHessian(lambda at: self.cost_and_gradient(at)[1], control, self.problem.scales.control)

    @abstractmethod
    def cost(self, control: ControlLike) -> Cost:
        """The cost's parts."""

    @abstractmethod
    def cost_and_gradient(self, control: ControlLike) -> tuple[float, np.ndarray]:
        """`J` and `dJ/dcontrol`, of the control's shape: `(layers, m)`, or `(layers, degree + 1, m)` for coefficients."""

    def _located(self, n: int, error: NonFiniteError) -> NonFiniteError:
        layer = n // self.controls.steps_per_layer
        return type(error)(f"layer {layer} of {self.layers} (t = {self.times[n]:g}): {error}")


class LayeredSystem(ControlledSystem):
    """A system with densities and potentials, whose layers can be updated one by one: see `solvers.LayeredProblem`.

    Parameters
    ----------
    problem, layers, threads, layer_map, control_degree : as for `ControlledSystem`.

    Raises
    ------
    ArgumentError
        As `ControlledSystem`.
    """

    #: `(R, *shape)`: masses at time 0
    initial_masses: np.ndarray

    @abstractmethod
    def cancelling(self) -> float:
        """The sum of the moduli of the terms that cancel in the cost at the initial law. Costs have errors of 1e-16 times it."""
