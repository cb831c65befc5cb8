"""The space of controls: functions of time with their penalty, bounds and L1 norm, and all arithmetic that depends on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from .._validate import array, integer, mismatch
from ..flow.layers import Layer
from ..flow.polynomials import Basis
from .conditions import OptimalityConditions
from .curves import Curves
from .grid import Grid
from .prolongation import projected, prolong
from .regulariser import Regulariser

#: number of cosine modes of smooth random controls
MODES = 5


class ControlSpace(Curves, ABC):
    """Curves with a penalty, bounds and an L1 norm.

    A control is the array of its coefficients, which has the space's `shape`; the last axis is that of the m parameters. Lengths
    and residuals are taken in a diagonal metric of the coefficients, with entries `mass`. In a basis that is orthogonal in
    `L2(0, T)` these are `int phi_i^2 dt`, so that the metric is that of the penalty; in another basis they sum to the same.

    Parameters
    ----------
    regulariser : the cost of a control at one time, and its bounds, which may depend on time.
    curves : the functions of time.
    mass : the metric, of the space's shape with a last axis of length 1.

    Attributes
    ----------
    posed : the cost of a control at one time, and its bounds, which may depend on time.
    regulariser : the same for the coefficients: its arrays broadcast against them. It is `posed` if nothing depends on time.
    shape : the shape of a control's coefficients.
    gram : `mass lambda`, of that shape.
    root : `sqrt(lambda)` times `sqrt(mass / max mass)`, of that shape: the Euclidean length of coefficients multiplied by it is
        their length in the penalty's metric, up to a constant factor.

    References
    ----------
    docs/theory/duality.md; residuals under bounds and with an L1 norm: N. Parikh, S. Boyd, Proximal algorithms, Found.
    Trends Optim. 1 (2014), 127-239, doi:10.1561/2400000003.
    """

    def __init__(self, regulariser: Regulariser, curves: Curves, mass: np.ndarray) -> None:
        super().__init__(curves.horizon, curves.grid, curves.degree, curves.basis.kind, curves.levels)
        self.posed, self.mass = regulariser, mass
        self.regulariser = regulariser.on(curves)
        self.gram = mass * self.regulariser.penalties
        self.root = np.sqrt(self.regulariser.penalties * (mass / mass.max()))
        self.shape = self.gram.shape

    @property
    def parameters(self) -> int:
        """The number m of parameters."""
        return int(self.shape[-1])

    @property
    def diagonal(self) -> bool:
        """Whether the penalty's Hessian is diagonal, `gram`."""
        return True

    @property
    def conditions(self) -> OptimalityConditions:
        """The conditions of optimality of a control."""
        return OptimalityConditions(self.regulariser, self.mass, self.prox, self.penalty_term)

    def limits(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of the coefficients of layer n; they broadcast against them."""
        sides = self.regulariser.lower, self.regulariser.upper
        lower, upper = (side if side.ndim == 1 else side[n] for side in sides)
        return lower, upper

    def at_end_of(self, n: int, step: Layer, share: float) -> Regulariser:
        """The regulariser at the start (share 0) or the end (share 1) of a step of layer n, with the bounds of this space there.

        At the end it is the limit from within the step.
        """
        if self.posed is self.regulariser:
            return self.posed
        start, end = step.start, step.start + step.length
        there = self.posed.at(float(start if share == 0.0 else np.nextafter(end, start)))
        if not self.posed.bounded:
            return there
        lower, upper = (bound_values(lambda c: step._replace(theta=c).at(share), side) for side in self.limits(n))
        return replace(there, lower=lower, upper=upper)

    # --- coefficients

    @abstractmethod
    def coerce(self, value: ArrayLike, name: str = "control") -> np.ndarray:
        """The control from a number, one row `(m,)` or a whole array; raises an ArgumentError for other shapes."""

    @abstractmethod
    def constant(self, rows: np.ndarray) -> np.ndarray:
        """Coefficients of layers that are constant in time, with the values `(n, m)`, one row per layer."""

    def project(self, control: np.ndarray) -> np.ndarray:
        """The control whose coefficients are the nearest within the bounds: its values are then within them at every time."""
        return self.regulariser.project(control)

    def prox(self, control: np.ndarray, step: float | np.ndarray) -> np.ndarray:
        """`argmin |v - control|^2 / 2 + step sparsity |v|_1` within the bounds, in coefficients."""
        return self.regulariser.prox(control, step)

    @abstractmethod
    def carried(self, control: np.ndarray, source: Curves) -> np.ndarray:
        """The control of this space from one of another space, whose horizon may differ: time is scaled to the horizon here."""

    @abstractmethod
    def random(self, count: int, seed: int, largest: np.ndarray) -> list[np.ndarray]:
        """Random controls within the bounds whose root mean squares are uniform up to `largest` `(m,)`."""

    # --- the cost of a control

    @abstractmethod
    def square(self, control: np.ndarray) -> float:
        """`int lambda |theta|^2 dt`."""

    @abstractmethod
    def absolute(self, control: np.ndarray) -> float:
        """`int sparsity |theta|_1 dt`."""

    @abstractmethod
    def penalty_slope(self, control: np.ndarray) -> np.ndarray:
        """The derivative of `1/2 int lambda |theta|^2 dt` in the coefficients; a linear map."""

    @abstractmethod
    def penalty_block(self, n: int) -> np.ndarray:
        """The matrix of `penalty_slope` in the flattened coefficients of layer n."""

    def penalty_term(self, control: np.ndarray) -> np.ndarray:
        """`lambda theta` in coefficients: `penalty_slope` divided by the metric."""
        return self.regulariser.penalties * control

    def cost(self, control: np.ndarray) -> float:
        """`1/2 int lambda |theta|^2 dt`, plus the L1 norm if the cost has one."""
        squares = 0.5 * self.square(control)
        return squares + self.absolute(control) if self.regulariser.sparse else squares

    def length_of(self, sizes: np.ndarray) -> float:
        """`sqrt(int lambda |theta|^2 dt)` for the control that equals `sizes` `(m,)` at all times."""
        return float(np.sqrt(self.horizon * (self.posed.penalties * sizes**2).sum()))

    def largest_worth(self, available: float) -> np.ndarray:
        """`(m,)`: the constant parameter whose penalty equals the cost `available`, `sqrt(2 available / (lambda T))`."""
        return np.sqrt(2.0 * available / (self.posed.penalties * self.horizon))


def bound_values(values: Callable[[np.ndarray], np.ndarray], bound: np.ndarray) -> np.ndarray:
    """Values of a bound that has coefficients, of which some may be infinite.

    Parameters
    ----------
    values : coefficients -> values; it maps coefficients that are all one to one.
    bound : coefficients of a lower or of an upper bound.

    Examples
    --------
    >>> bound_values(lambda c: c.mean(axis=0), np.array([[1.0, np.inf], [3.0, np.inf]])).tolist()
    [2.0, inf]
    """
    infinite = np.isinf(bound)
    found = values(np.where(infinite, 0.0, bound))
    if not infinite.any():
        return found
    side = np.sign(bound[infinite][0]) * np.inf
    return np.where(values(infinite.astype(np.float64)) > 0.5, side, found)


class PiecewiseConstant(ControlSpace):
    """Controls `(layers, m)` that are constant on every layer: the weights of a residual network.

    Parameters
    ----------
    regulariser : the cost of a control at one time, and its bounds.
    horizon : the final time T, in units of time.
    layers : the number of equal layers, or the increasing times at which layers start and end, from 0 to T.

    Raises
    ------
    ArgumentError
        If `layers` is neither an integer above zero nor such times.

    Examples
    --------
    >>> space = PiecewiseConstant(Regulariser.of(3.0, 0.0, (0.0, 1.0), parameters=1), horizon=2.0, layers=4)
    >>> space.cost(space.coerce(1.0))
    3.0
    >>> space.gram[0].tolist(), space.project(np.array([-1.0, 0.5])).tolist()
    ([1.5], [0.0, 0.5])
    >>> PiecewiseConstant(space.regulariser, horizon=2.0, layers=[0.0, 0.5, 2.0]).lengths.tolist()
    [0.5, 1.5]
    """

    def __init__(self, regulariser: Regulariser, horizon: float, layers: Grid) -> None:
        curves = Curves(horizon, layers)
        super().__init__(regulariser, curves, curves.lengths[:, None])

    def _integral(self, values: np.ndarray) -> float:
        if self.equal:
            return float(self.lengths[0]) * float(values.sum())
        return float((self.mass * values).sum())

    def square(self, control: np.ndarray) -> float:
        return self._integral(self.regulariser.penalties * control**2)

    def absolute(self, control: np.ndarray) -> float:
        return self._integral(self.regulariser.sparsities * np.abs(control))

    def penalty_slope(self, control: np.ndarray) -> np.ndarray:
        return self.gram * control

    def penalty_block(self, n: int) -> np.ndarray:
        return np.diag(self.gram[n])

    def coerce(self, value: ArrayLike, name: str = "control") -> np.ndarray:
        shape = self.shape
        if isinstance(value, np.ndarray) and value.ndim > 2:
            raise mismatch(
                name,
                f"an array of shape {value.shape}",
                f"a number, an array of shape ({shape[1]},), or an array of shape {shape}, since the control is constant on "
                "layers; coefficients of polynomials in time need control_degree >= 1",
            )
        out = array(name, value, ndim=(0, 1, 2))
        if (out.ndim == 1 and len(out) != shape[1]) or (out.ndim == 2 and out.shape != shape):
            raise mismatch(
                name,
                f"an array of shape {out.shape}",
                f"a number, an array of shape ({shape[1]},), or an array of shape {shape}",
            )
        return np.array(np.broadcast_to(out, shape))

    def constant(self, rows: np.ndarray) -> np.ndarray:
        return np.array(rows)

    def carried(self, control: np.ndarray, source: Curves) -> np.ndarray:
        ends, target = source.ends / source.horizon, self.ends / self.horizon
        if source.degree == 0:
            return self.project(prolong(control, ends, target))
        means = projected(source.at_shares(control), ends, source.degree, target, Basis(0))
        return self.project(means[:, 0])

    def random(self, count: int, seed: int, largest: np.ndarray) -> list[np.ndarray]:
        """Random controls within the bounds: every second is independent per layer, the others are constant or smooth in time.

        Raises
        ------
        ArgumentError
            If the seed is not an integer >= 0.
        """
        rng = np.random.default_rng(integer("seed", seed, minimum=0))
        middles = (np.arange(self.layers) + 0.5) / self.layers
        modes = np.cos(np.pi * np.outer(middles, np.arange(MODES))) / (1.0 + np.arange(MODES))
        out = []
        for k in range(count):
            if k % 2:
                profile = rng.normal(size=self.shape)
            elif k % 4:
                profile = modes @ rng.normal(size=(MODES, self.parameters))
            else:
                profile = np.repeat(rng.normal(size=(1, self.parameters)), self.layers, axis=0)
            profile *= np.sqrt(profile.size) / np.linalg.norm(profile)
            out.append(self.project(rng.uniform() * largest * profile))
        return out
