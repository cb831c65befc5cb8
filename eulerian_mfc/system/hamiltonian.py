"""One layer's Hamiltonian as a function of its control, discrete and in continuous time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from ..fields.base import Field
from ..fields.points import At, Direction
from ..flow.layers import Layer
from ..kernels.sums import paired
from ..schemes import Pairing
from ..schemes.pairing import differenced


class LayerHamiltonian(ABC):
    """The objective of a layer's update: a function of the layer's coefficients theta, including the penalty.

    Coefficients and derivatives have the shape `(m,)` for a control that is constant on the layer, otherwise
    `(degree + 1, m)`, or are flat; second derivatives are matrices in the flat coefficients.

    Parameters
    ----------
    weights : the metric of the coefficients, in which solvers take lengths: the diagonal of the penalty's Hessian.
    block : the penalty's Hessian, a matrix in the flat coefficients; None if it is diagonal.
    """

    def __init__(self, weights: np.ndarray, block: np.ndarray | None = None) -> None:
        #: the metric, flat
        self.weights = weights.ravel()
        self._shape, self._block = weights.shape, block
        self._known: tuple[np.ndarray, tuple[float, np.ndarray]] | None = None

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The value and its derivative, of theta's shape."""
        # The sweep evaluates at the layer's own control, and the update that follows starts there: keep the last value.
        flat = theta.ravel()
        if self._known is None or not np.array_equal(self._known[0], flat):
            value, slope = self.integral(theta.reshape(self._shape))
            weighted = self.weights * flat if self._block is None else self._block @ flat
            self._known = flat.copy(), (value + 0.5 * float(flat @ weighted), slope.ravel() + weighted)
        value, slope = self._known[1]
        return value, slope.reshape(theta.shape)

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """The matrix of second derivatives."""
        penalty = np.diag(self.weights) if self._block is None else self._block
        return self.integral_hessian(theta.reshape(self._shape)) + penalty

    def minimiser(self) -> np.ndarray | None:
        """The minimiser without bounds if it has an explicit form, else None."""
        return None

    @abstractmethod
    def integral(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The part without the penalty, and its derivative."""

    @abstractmethod
    def integral_hessian(self, theta: np.ndarray) -> np.ndarray:
        """The matrix of second derivatives of the part without the penalty."""


class Hamiltonian(LayerHamiltonian):
    """The discrete Hamiltonian `H_n(theta) = lambda/2 int_n |theta|^2 dt + sum_r <(I psi_r^{n+1}) o Phi_theta, m_r^n>`.

    On an adjoint pair its derivative at the layer's own control equals that of the discrete cost. A control is therefore a
    critical point of the discrete cost if and only if every layer's control is a stationary point of the layer's Hamiltonian.

    Parameters
    ----------
    weights, block : see `LayerHamiltonian`.
    layer : the layer with coefficients theta, as a function of theta.
    pairing : of the potentials at the layer's end with the masses at its start, from the pair of schemes.
    sizes : `(m,)`, the natural sizes of the parameters, which set the steps of differences.
    """

    def __init__(
        self,
        weights: np.ndarray,
        block: np.ndarray | None,
        layer: Callable[[np.ndarray], Layer],
        pairing: Pairing,
        sizes: np.ndarray,
    ) -> None:
        super().__init__(weights, block)
        self._layer, self._pairing, self._sizes = layer, pairing, sizes

    def integral(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        return self._pairing(self._layer(theta))

    def integral_hessian(self, theta: np.ndarray) -> np.ndarray:
        return self._pairing.hessian(self._layer(theta), self._sizes)


class SteppedHamiltonian(LayerHamiltonian):
    """The discrete Hamiltonian of a layer with several steps in time: a small sweep forwards and backwards through them.

    Parameters
    ----------
    weights, block : see `LayerHamiltonian`.
    sweep : coefficients theta -> the value without the penalty and its derivative, of theta's shape.
    sizes : `(m,)`, the natural sizes of the parameters, which set the steps of differences.
    """

    def __init__(
        self,
        weights: np.ndarray,
        block: np.ndarray | None,
        sweep: Callable[[np.ndarray], tuple[float, np.ndarray]],
        sizes: np.ndarray,
    ) -> None:
        super().__init__(weights, block)
        self._sweep, self._sizes = sweep, sizes

    def integral(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        return self._sweep(theta)

    def integral_hessian(self, theta: np.ndarray) -> np.ndarray:
        return differenced(lambda at: self._sweep(at)[1], theta, self._sizes)


class ContinuousHamiltonian(LayerHamiltonian):
    """The Hamiltonian of continuous time at a layer's start: dt times
    `lambda/2 |theta|^2 + sum_r int <F(t_n, theta, x), grad psi_r^n> dm_r^n`.

    Its stationary point is the update of the source, `lambda theta = - int D_theta F^T grad psi dmu`, which is explicit if F is
    linear in theta. Fixed points of shooting with it differ from the discrete optimum by `O(dt)`.

    The points and the covectors `sum_r w_r grad psi_r`, both `(n, d)`, come from the pair of schemes at the layer's start.
    """

    def __init__(
        self, layer: Layer, weights: np.ndarray, field: Field, points: np.ndarray, covectors: np.ndarray
    ) -> None:
        super().__init__(weights)
        self.layer, self._field, self._points, self._pull = layer, field, points, layer.length * covectors

    def _value(self, theta: np.ndarray) -> np.ndarray:
        return self._field(self.layer.start, theta, self._points)

    def integral(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        value = self._value(theta)
        slope = self._field.pullback(At(self.layer.start, theta, self._points, value), self._pull)[1]
        return paired(value, self._pull), slope

    def integral_hessian(self, theta: np.ndarray) -> np.ndarray:
        field, t = self._field, self.layer.start
        if field.control_linear:
            return np.zeros((len(theta), len(theta)))
        value, still = self._value(theta), np.zeros_like(self._points)
        rows = [
            field.pullback_tangent(At(t, theta, self._points, value), self._pull, Direction(e, still), still)[1]
            for e in np.eye(len(theta))
        ]
        return np.stack(rows)

    def minimiser(self) -> np.ndarray | None:
        if not self._field.control_linear:
            return None
        return -self.integral(np.zeros_like(self.weights))[1] / self.weights
