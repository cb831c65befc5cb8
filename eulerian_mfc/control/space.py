"""The space of controls: functions of time with their penalty, bounds and L1 norm, and all arithmetic that depends on them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike

from .._validate import array, integer, mismatch
from .conditions import OptimalityConditions
from .prolongation import prolong
from .regulariser import Regulariser

#: number of cosine modes of smooth random controls
MODES = 5


class ControlSpace(ABC):
    """Controls `theta(t) = sum_i c_i phi_i(t)` in a basis that is orthogonal in `L2(0, T)`.

    A control is the array of its coefficients, which has the space's `shape`; the last axis is that of the m parameters. Let
    `mass_i = int phi_i^2 dt`. The Gram matrix of the penalty, `int lambda theta_a theta_b dt`, is then diagonal with the entries
    `gram = mass lambda`, and the coefficients of the control equation's residual are `gradient / mass`. Another space (such
    as piecewise polynomials in a Legendre basis, `mass = dt / (2 k + 1)`) is another subclass.

    Parameters
    ----------
    regulariser : the cost of a control at one time, and its bounds.
    times : `(layers + 1,)`, the times at which layers start and end, in units of time.
    mass : the squared norms of the basis, of the space's shape with a last axis of length 1.

    Attributes
    ----------
    shape : the shape of a control's coefficients.
    gram : `mass lambda`, of that shape.
    root : `sqrt(lambda)` times `sqrt(mass / max mass)`, of that shape: the Euclidean length of coefficients multiplied by it is
        their length in the penalty's metric, up to a constant factor.

    References
    ----------
    docs/theory/duality.md; residuals under bounds and with an L1 norm: N. Parikh, S. Boyd, Proximal algorithms, Found.
    Trends Optim. 1 (2014), 127-239, doi:10.1561/2400000003.
    """

    def __init__(self, regulariser: Regulariser, times: np.ndarray, mass: np.ndarray) -> None:
        self.regulariser, self.times, self.mass = regulariser, times, mass
        self.gram = mass * regulariser.penalties
        self.root = np.sqrt(regulariser.penalties * (mass / mass.max()))
        self.shape = self.gram.shape

    @property
    def layers(self) -> int:
        """The number of layers."""
        return len(self.times) - 1

    @property
    def parameters(self) -> int:
        """The number m of parameters."""
        return int(self.shape[-1])

    @property
    def horizon(self) -> float:
        """The final time T."""
        return float(self.times[-1])

    @property
    def conditions(self) -> OptimalityConditions:
        """The conditions of optimality of a control."""
        return OptimalityConditions(self.regulariser, self.mass, self.prox)

    @abstractmethod
    def integral(self, coefficients: np.ndarray) -> float:
        """`sum_i mass_i q_i`, with which `int |theta|^2 dt` is `integral(theta**2)`."""

    @abstractmethod
    def coerce(self, value: ArrayLike, name: str = "control") -> np.ndarray:
        """The control from a number, one row `(m,)` or a whole array; raises an ArgumentError for other shapes."""

    @abstractmethod
    def values(self, control: np.ndarray, times: np.ndarray) -> np.ndarray:
        """`(n, m)`: theta at times `(n,)`."""

    @abstractmethod
    def project(self, control: np.ndarray) -> np.ndarray:
        """The nearest control whose values are within the bounds at every time."""

    @abstractmethod
    def prox(self, control: np.ndarray, step: float | np.ndarray) -> np.ndarray:
        """`argmin |v - control|^2 / 2 + step sparsity |v|_1` within the bounds, in coefficients."""

    @abstractmethod
    def absolute(self, control: np.ndarray) -> float:
        """`int sparsity |theta|_1 dt`."""

    @abstractmethod
    def carried(self, control: np.ndarray) -> np.ndarray:
        """The control of this space from one that is constant on M equal layers, `(M, m)`; see `prolongation.prolong`."""

    @abstractmethod
    def random(self, count: int, seed: int, largest: np.ndarray) -> list[np.ndarray]:
        """Random controls within the bounds whose root mean squares are uniform up to `largest` `(m,)`."""

    # --- the cost of a control

    def square(self, control: np.ndarray) -> float:
        """`int lambda |theta|^2 dt`."""
        return self.integral(self.regulariser.penalties * control**2)

    def cost(self, control: np.ndarray) -> float:
        """`1/2 int lambda |theta|^2 dt`, plus the L1 norm if the cost has one."""
        squares = 0.5 * self.square(control)
        return squares + self.absolute(control) if self.regulariser.sparse else squares

    def gradient(self, control: np.ndarray) -> np.ndarray:
        """The derivative of `1/2 int lambda |theta|^2 dt` in the coefficients."""
        return self.gram * control

    def length_of(self, sizes: np.ndarray) -> float:
        """`sqrt(int lambda |theta|^2 dt)` for the control that equals `sizes` `(m,)` at all times."""
        return float(np.sqrt(self.horizon * (self.regulariser.penalties * sizes**2).sum()))

    def largest_worth(self, available: float) -> np.ndarray:
        """`(m,)`: the constant parameter whose penalty equals the cost `available`, `sqrt(2 available / (lambda T))`."""
        return np.sqrt(2.0 * available / (self.regulariser.penalties * self.horizon))


class PiecewiseConstant(ControlSpace):
    """Controls `(layers, m)` that are constant on equal layers: the weights of a residual network.

    Parameters
    ----------
    regulariser : the cost of a control at one time, and its bounds.
    horizon : the final time T, in units of time.
    layers : the number of layers.

    Attributes
    ----------
    dt : the length of a layer, `T / layers`.

    Raises
    ------
    ArgumentError
        If `layers` is not an integer above zero.

    Examples
    --------
    >>> space = PiecewiseConstant(Regulariser.of(3.0, 0.0, (0.0, 1.0), parameters=1), horizon=2.0, layers=4)
    >>> space.cost(space.coerce(1.0))
    3.0
    >>> space.gram[0].tolist(), space.project(np.array([-1.0, 0.5])).tolist()
    ([1.5], [0.0, 0.5])
    """

    def __init__(self, regulariser: Regulariser, horizon: float, layers: int) -> None:
        count = integer("layers", layers)
        self.dt = horizon / count
        super().__init__(regulariser, np.linspace(0.0, horizon, count + 1), np.full((count, 1), self.dt))

    def integral(self, coefficients: np.ndarray) -> float:
        return self.dt * float(coefficients.sum())

    def coerce(self, value: ArrayLike, name: str = "control") -> np.ndarray:
        out, shape = array(name, value, ndim=(0, 1, 2)), self.shape
        if (out.ndim == 1 and len(out) != shape[1]) or (out.ndim == 2 and out.shape != shape):
            raise mismatch(
                name,
                f"an array of shape {out.shape}",
                f"a number, an array of shape ({shape[1]},), or an array of shape {shape}",
            )
        return np.array(np.broadcast_to(out, shape))

    def values(self, control: np.ndarray, times: np.ndarray) -> np.ndarray:
        layer = np.searchsorted(self.times, times, side="right") - 1
        return control[np.clip(layer, 0, self.layers - 1)]

    def project(self, control: np.ndarray) -> np.ndarray:
        return self.regulariser.project(control)

    def prox(self, control: np.ndarray, step: float | np.ndarray) -> np.ndarray:
        return self.regulariser.prox(control, step)

    def absolute(self, control: np.ndarray) -> float:
        return self.integral(self.regulariser.sparsities * np.abs(control))

    def carried(self, control: np.ndarray) -> np.ndarray:
        return prolong(control, self.layers)

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
