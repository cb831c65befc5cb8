"""One layer's Hamiltonian as a function of its control, discrete and in continuous time."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from ..fields.base import Field
from ..fields.points import At, Direction
from ..flow.layers import Layer
from ..kernels.sums import paired
from ..schemes import Pairing


class LayerHamiltonian(ABC):
    """The objective of a layer's update: a function of theta `(m,)`, including the penalty `lambda dt / 2 |theta|^2`."""

    def __init__(self, layer: Layer, weights: np.ndarray) -> None:
        #: the layer, of which only start and length are used, not its theta
        self.layer = layer
        #: dt lambda, the Hessian of the penalty, `(m,)`
        self.weights = weights
        self._known: tuple[np.ndarray, tuple[float, np.ndarray]] | None = None

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The value and its derivative `(m,)`."""
        # The sweep evaluates at the layer's own control, and the update that follows starts there: keep the last value.
        if self._known is None or not np.array_equal(self._known[0], theta):
            value, slope = self.integral(theta)
            weighted = self.weights * theta
            self._known = theta.copy(), (value + 0.5 * float(theta @ weighted), slope + weighted)
        return self._known[1]

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """`(m, m)` second derivatives."""
        return self.integral_hessian(theta) + np.diag(self.weights)

    def minimiser(self) -> np.ndarray | None:
        """The minimiser `(m,)` without bounds if it has an explicit form, else None."""
        return None

    @abstractmethod
    def integral(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The part without the penalty, and its derivative."""

    @abstractmethod
    def integral_hessian(self, theta: np.ndarray) -> np.ndarray:
        """The second derivatives `(m, m)` of the part without the penalty."""


class Hamiltonian(LayerHamiltonian):
    """The discrete Hamiltonian `H_n(theta) = lambda dt / 2 |theta|^2 + sum_r <(I psi_r^{n+1}) o Phi_theta, m_r^n>`.

    On an adjoint pair its derivative at the layer's own control equals that of the discrete cost. A control is therefore a
    critical point of the discrete cost if and only if every layer's control is a stationary point of the layer's Hamiltonian.

    The pairing comes from the pair of schemes. The natural sizes `(m,)` of the parameters set the steps of differences.
    """

    def __init__(self, layer: Layer, weights: np.ndarray, pairing: Pairing, sizes: np.ndarray) -> None:
        super().__init__(layer, weights)
        self._pairing, self._sizes = pairing, sizes

    def integral(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        return self._pairing(self.layer._replace(theta=theta))

    def integral_hessian(self, theta: np.ndarray) -> np.ndarray:
        return self._pairing.hessian(self.layer._replace(theta=theta), self._sizes)


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
        super().__init__(layer, weights)
        self._field, self._points, self._pull = field, points, layer.length * covectors

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
