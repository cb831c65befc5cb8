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
    """What a layer's update minimises: a function of theta `(m,)`, the penalty `lambda length / 2 |theta|^2` included."""

    def __init__(self, layer: Layer, weights: np.ndarray) -> None:
        #: the layer's start and length; its theta is not looked at
        self.layer = layer
        #: dt lambda, the Hessian of the penalty, `(m,)`
        self.weights = weights
        self._known: tuple[np.ndarray, tuple[float, np.ndarray]] | None = None

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The value and its derivative `(m,)`."""
        # The sweep asks at the layer's own control, and so does the update that follows.
        if self._known is None or not np.array_equal(self._known[0], theta):
            value, slope = self.integral(theta)
            weighted = self.weights * theta
            self._known = theta.copy(), (value + 0.5 * float(theta @ weighted), slope + weighted)
        return self._known[1]

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """`(m, m)` second derivatives."""
        return self.integral_hessian(theta) + np.diag(self.weights)

    def minimiser(self) -> np.ndarray | None:
        """The minimiser `(m,)` without bounds where it has an explicit form, else None."""
        return None

    @abstractmethod
    def integral(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The part without the penalty, and its derivative."""

    @abstractmethod
    def integral_hessian(self, theta: np.ndarray) -> np.ndarray:
        """Its second derivatives."""


class Hamiltonian(LayerHamiltonian):
    """The discrete one, `H_n(theta) = lambda dt / 2 |theta|^2 + sum_r <(I psi_r^{n+1}) o Phi_theta, m_r^n>`.

    Its derivative at the layer's own control is that of the discrete cost (on an adjoint pair), so that its stationary
    points are exactly the discrete optimum's; no time quadrature is left inside the layer.

    The pairing is that of the pair of schemes, the sizes `(m,)` are those of a control, for differences.
    """

    def __init__(self, layer: Layer, weights: np.ndarray, pairing: Pairing, sizes: np.ndarray) -> None:
        super().__init__(layer, weights)
        self._pairing, self._sizes = pairing, sizes

    def integral(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        return self._pairing(self.layer._replace(theta=theta))

    def integral_hessian(self, theta: np.ndarray) -> np.ndarray:
        return self._pairing.hessian(self.layer._replace(theta=theta), self._sizes)


class ContinuousHamiltonian(LayerHamiltonian):
    """That of continuous time at the layer's start, `lambda/2 |theta|^2 + sum_r int <F(t_n, theta, x), grad psi_r^n> dm_r^n`.

    Times dt, as the discrete one. Its stationary point is the source's update,
    `lambda theta = - int D_theta F^T grad psi dmu`, explicit where F is linear in theta. Fixed points of shooting differ from
    the discrete optimum by `O(dt)`.

    Points and covectors `sum_r w_r grad psi_r`, both `(n, d)`, are those of the pair of schemes at the layer's start.
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
