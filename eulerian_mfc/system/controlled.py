"""What every discrete problem has: layers, the control's shape, the penalty and the conditions of optimality."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._validate import affordable, array, choice, fail, integer, mismatch
from ..errors import NonFiniteError
from ..flow.characteristics import TABLEAUX, Flow, Layer, LayerMap
from ..kernels.threads import Workers
from ..problem import Problem
from .hessian import DifferencedHessian, Hessian

#: controls that a solver keeps: its own, gradients, pairs of directions
VECTORS = 32
#: share of one term of a sum below which the sum does not tell the other
ROUND_OFF = 1e-12


@dataclass(frozen=True)
class Cost:
    """The cost and its parts: `total = terminal + penalty + running`.

    Attributes
    ----------
    terminal : `E[loss(X(T), Y)]`, in units of the loss, as all of them.
    penalty : `1/2 int lambda |theta|^2 dt`, and the L1 norm's part.
    running : `E int running(X, Y) dt`; 0 where there is none.
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

    Every cost of the package is added up here, in one order: the cost alone and the cost with its gradient agree in all bits.

    Parameters
    ----------
    halves : what one end of a layer adds, at every time.
    """
    return 2 * sum(halves) - halves[0] - halves[-1]


def as_layer_map(layer_map: Any) -> LayerMap:
    """A LayerMap, from itself or from a method's name.

    Parameters
    ----------
    layer_map : a LayerMap, or "euler", "midpoint" or "rk4".

    Raises
    ------
    ArgumentError
        For other names.
    """
    if isinstance(layer_map, LayerMap):
        return layer_map
    return LayerMap(choice("layer_map", layer_map, TABLEAUX))


class ControlledSystem(ABC):
    """What the mesh and the particles share: layers, the penalty, and the control's shape `(layers, m)`.

    A solver needs no more than `cost_and_gradient`, `residual`, `hessian` and, layer by layer, `layer_updates` and
    `sequential_update`.

    Parameters
    ----------
    problem : the control problem.
    layers : their number, of equal lengths `dt = T / layers` in units of time.
    layer_map : see `OptimalitySystem`.
    threads : of the layer maps; by default `EMFC_NUM_THREADS`, or 1.

    Raises
    ------
    ArgumentError
        If an argument is of another kind or out of range.
    """

    def __init__(self, problem: Problem, layers: int, layer_map: Any, threads: int | None = None) -> None:
        if not isinstance(problem, Problem):
            raise fail("problem", problem, "a Problem: Problem(field, law, loss, penalty, horizon)")
        self.problem = problem
        self.layers = integer("layers", layers)
        affordable("layers", layers, VECTORS * layers * problem.parameters, "the controls that a solver keeps")
        workers = Workers() if threads is None else Workers(threads)
        self.flow = Flow(problem.field, as_layer_map(layer_map), workers)
        self.dt = problem.horizon / self.layers
        self.times = np.linspace(0.0, problem.horizon, self.layers + 1)
        #: `(m,)`: by what residuals of parameters in different units become comparable, those of the penalty's metric; 1 for
        #: one penalty for all
        self.comparable = np.sqrt(problem.penalties.max() / problem.penalties)

    @property
    def adjoint(self) -> bool:
        """Whether the gradient is that of the cost, so that costs may be compared in a line search."""
        return True

    @property
    def kinks(self) -> bool:
        """Whether the cost is smooth in pieces only, with kinks that solvers must expect at its minima."""
        return False

    def control(self, value: Any, name: str = "control") -> np.ndarray:
        """A control `(layers, m)` from a number, one row `(m,)`, or a whole array; ArgumentError otherwise."""
        out = array(name, value, ndim=(0, 1, 2))
        shape = (self.layers, self.problem.parameters)
        if (out.ndim == 1 and len(out) != shape[1]) or (out.ndim == 2 and out.shape != shape):
            raise mismatch(name, f"an array of shape {out.shape}", f"a number, shape ({shape[1]},) or shape {shape}")
        return np.array(np.broadcast_to(out, shape))

    def layer(self, n: int, theta: np.ndarray) -> Layer:
        """Layer n with the parameters theta `(m,)`."""
        return Layer(float(self.times[n]), self.dt, theta)

    def penalty_cost(self, control: np.ndarray) -> float:
        """`1/2 int lambda |theta|^2 dt` of a control `(layers, m)`, and the L1 norm where there is one."""
        squares = 0.5 * self.dt * float((self.problem.penalties * control**2).sum())
        if not self.problem.sparse:
            return squares
        return squares + self.dt * float((self.problem.sparsities * np.abs(control)).sum())

    def residual_vector(self, control: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """`r = lambda theta + int D_theta F^T grad psi dmu` (layer means) from the gradient of the cost, both `(layers, m)`.

        Zero on the entries that a bound holds, so that it vanishes exactly at critical points under bounds too. With an L1
        norm in the cost, of which the gradient holds nothing, the proximal residual
        `lambda (theta - prox(theta - gradient / (lambda dt)))`: `theta = soft(-int D_theta F^T grad psi dmu) / lambda` there.
        """
        if self.problem.sparse:
            penalties = self.problem.penalties
            target = self.problem.shrunk(control - gradient / (self.dt * penalties), 1.0 / penalties)
            return penalties * (control - target)
        return np.where(self.free(control, gradient), gradient / self.dt, 0.0)

    def residual(self, control: np.ndarray, gradient: np.ndarray) -> float:
        """Largest modulus of an entry of `residual_vector` in the penalty's metric, at a control and its gradient `(layers, m)`.

        That is, times `sqrt(largest lambda / lambda)` of the parameter: no unit of a parameter makes its residual look small.
        """
        return float(np.abs(self.comparable * self.residual_vector(control, gradient)).max())

    def slope(self, control: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """`(layers, m)`: the derivative of the cost with its L1 norm; where an entry is zero, the subgradient nearest to zero."""
        if not self.problem.sparse:
            return gradient
        size = self.dt * self.problem.sparsities
        at_zero = np.sign(gradient) * np.maximum(np.abs(gradient) - size, 0.0)
        return np.where(control == 0, at_zero, gradient + size * np.sign(control))

    def free(self, control: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """`(layers, m)`: the entries that nothing holds: no bound (or pushed off it), and not the L1 norm at zero."""
        lower, upper = self.problem.lower, self.problem.upper
        slope = self.slope(control, gradient)
        held = ((control <= lower) & (slope >= 0)) | ((control >= upper) & (slope <= 0))
        return ~(held | ((self.problem.sparsities > 0) & (control == 0) & (slope == 0)))

    def strictly_free(self, control: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """`(layers, m)` booleans: `free`, and what a multiplier of zero holds: only strict ones decide by themselves."""
        size = self.terms(control, gradient).max() / self.comparable
        size += self.problem.penalties * (self.problem.scales.control + np.abs(control).max(axis=0))
        small = 1e-8 * self.dt * size
        weak = np.abs(self.slope(control, gradient)) <= small
        loose = np.abs(gradient) >= self.dt * self.problem.sparsities - small  # at zero: as good as pulled off
        return self.free(control, gradient) | (weak & ((control != 0) | loose))

    def terms(self, control: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """`(layers, m)`: the larger modulus of the two terms that cancel in the residual at an optimum, in its metric."""
        return np.maximum(np.abs(self.comparable * self.problem.penalties * control), self.drive(control, gradient))

    def drive(self, control: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """`|int D_theta F^T grad psi dmu|`, `(layers, m)`, to which the penalty's term is the counterpart; 0 if lost in it.

        In the metric of `residual`.
        """
        penalty = self.problem.penalties * control
        drive = np.abs(gradient / self.dt - penalty)
        return np.where(drive > ROUND_OFF * np.abs(penalty), self.comparable * drive, 0.0)

    def hessian(self, control: Any) -> Hessian:
        """`J''` at a control: exact where the schemes allow, else by differences of the gradient."""
        return self._differenced(self.control(control))

    def _differenced(self, control: np.ndarray) -> Hessian:
        return DifferencedHessian(lambda at: self.cost_and_gradient(at)[1], control, self.problem.scales.control)

    @abstractmethod
    def cost(self, control: Any) -> Cost:
        """The cost's parts."""

    @abstractmethod
    def cost_and_gradient(self, control: Any) -> tuple[float, np.ndarray]:
        """`J` and `dJ/dcontrol`, `(layers, m)`."""

    def _located(self, n: int, error: NonFiniteError) -> NonFiniteError:
        return type(error)(f"layer {n} of {self.layers} (t = {self.times[n]:g}): {error}")
