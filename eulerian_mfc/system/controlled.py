"""The part that all discrete problems share: layers, the control's shape, the penalty and the conditions of optimality."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .._validate import affordable, fail, integer
from ..control.space import PiecewiseConstant
from ..errors import NonFiniteError
from ..flow.flow_of_field import Flow
from ..flow.layer_map import LayerMap
from ..flow.layers import Layer
from ..kernels.threads import Workers
from ..problem import Problem
from ..scales import sizes_around
from .discretisation import as_layer_map
from .hessian import DifferencedHessian, Hessian
from .options import LayerOptions

#: estimate of the number of arrays of a control's shape that a solver keeps: controls, gradients, pairs of directions
VECTORS = 32


@dataclass(frozen=True)
class Cost:
    """The cost and its parts: `total = terminal + penalty + running`.

    Attributes
    ----------
    terminal : `E[loss(X(T), Y)]`, in units of the loss, as all parts.
    penalty : `1/2 int lambda |theta|^2 dt`, plus the part of the L1 norm.
    running : `E int running(X, Y) dt`; 0 without a running loss.

    Examples
    --------
    >>> Cost(terminal=0.25, penalty=0.5).total
    0.75
    """

    terminal: float
    penalty: float
    running: float = 0.0

    @property
    def total(self) -> float:
        """`J`, the sum of the parts."""
        return self.terminal + self.penalty + self.running


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
    """The common base of the systems on meshes and of particles: layers, the penalty, and the control's shape `(layers, m)`.

    A solver needs no more than `cost_and_gradient`, `residual`, `hessian` and, for layer-wise updates, `layer_updates` and
    `sequential_update`.

    Parameters
    ----------
    problem : the control problem.
    layers : the number of layers, which have equal lengths `dt = T / layers` in units of time.
    layer_map : see `OptimalitySystem`.
    threads : number of threads of the layer maps; by default `EMFC_NUM_THREADS`, or 1.

    Raises
    ------
    ArgumentError
        If an argument has a wrong type or is out of range.
    """

    def __init__(self, problem: Problem, layers: int, layer_map: LayerMap | str, threads: int | None = None) -> None:
        if not isinstance(problem, Problem):
            raise fail("problem", problem, "a Problem: Problem(field, law, loss, penalty, horizon)")
        self.problem = problem
        count = integer("layers", layers)
        affordable("layers", count, VECTORS * count * problem.parameters, "the controls that a solver keeps")
        #: the space of controls: penalty, bounds, residuals
        self.controls = PiecewiseConstant(problem.regulariser, problem.horizon, count)
        self.layers, self.dt, self.times = self.controls.layers, self.controls.dt, self.controls.times
        workers = Workers() if threads is None else Workers(threads)
        self.flow = Flow(problem.field, as_layer_map(layer_map), workers)

    @property
    def adjoint(self) -> bool:
        """Whether the gradient is exactly that of the cost, so that a line search may compare costs."""
        return True

    @property
    def kinks(self) -> bool:
        """Whether the cost is only piecewise smooth, so that its minima may lie on kinks."""
        return False

    @property
    def layer_options(self) -> LayerOptions:
        """The keywords with which another system has the same layers."""
        return {"layer_map": self.flow.layer_map}

    @property
    def natural_sizes(self) -> np.ndarray:
        """`(m,)`: the natural sizes of the parameters in this problem, see `scales`."""
        return self.problem.scales.control

    def sizes_around(self, theta: np.ndarray) -> np.ndarray:
        """`(m,)`: the change of each parameter from theta `(m,)` that moves points by the size of the law, see `scales`."""
        return sizes_around(self.problem, theta)

    def control(self, value: ArrayLike, name: str = "control") -> np.ndarray:
        """A control `(layers, m)` from a number, one row `(m,)`, or a whole array; ArgumentError otherwise."""
        return self.controls.coerce(value, name)

    def layer(self, n: int, theta: np.ndarray) -> Layer:
        """Layer n with the parameters theta `(m,)`."""
        return Layer(float(self.times[n]), self.dt, theta)

    def penalty_cost(self, control: np.ndarray) -> float:
        """`1/2 int lambda |theta|^2 dt` of a control `(layers, m)`, plus the L1 norm if the cost has one."""
        return self.controls.cost(control)

    def residual(self, control: np.ndarray, gradient: np.ndarray) -> float:
        """The optimality residual of a control from the gradient there, both `(layers, m)`; see `OptimalityConditions`."""
        return self.controls.conditions.residual(control, gradient)

    def hessian(self, control: ArrayLike) -> Hessian:
        """`J''` at a control: exact if the schemes have exact derivatives, else by differences of the gradient."""
        return self._differenced(self.control(control))

    def _differenced(self, control: np.ndarray) -> Hessian:
        return DifferencedHessian(lambda at: self.cost_and_gradient(at)[1], control, self.problem.scales.control)

    @abstractmethod
    def cost(self, control: ArrayLike) -> Cost:
        """The cost's parts."""

    @abstractmethod
    def cost_and_gradient(self, control: ArrayLike) -> tuple[float, np.ndarray]:
        """`J` and `dJ/dcontrol`, `(layers, m)`."""

    def _located(self, n: int, error: NonFiniteError) -> NonFiniteError:
        return type(error)(f"layer {n} of {self.layers} (t = {self.times[n]:g}): {error}")


class LayeredSystem(ControlledSystem):
    """A system with densities and potentials, whose layers can be updated one by one: see `solvers.LayeredProblem`.

    Parameters
    ----------
    problem, layers, layer_map, threads : as for `ControlledSystem`.

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
