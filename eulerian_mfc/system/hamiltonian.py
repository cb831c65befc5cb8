"""One layer's Hamiltonian as a function of its control, discrete and in continuous time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from .._validate import fail
from ..fields.points import At, Direction
from ..kernels.sums import paired
from ..transport.pairing import carrying

if TYPE_CHECKING:
    from .optimality import OptimalitySystem


class LayerHamiltonian(ABC):
    """What a layer's update minimises: a function of theta `(m,)`, the penalty `lambda length / 2 |theta|^2` included."""

    def __init__(self, system: OptimalitySystem, n: int) -> None:
        self._system, self._n = system, n
        #: dt lambda, the Hessian of the penalty, `(m,)`
        self.weights = system.dt * system.problem.penalties
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
    """

    def __init__(self, system: OptimalitySystem, n: int, masses: np.ndarray, psi: np.ndarray) -> None:
        super().__init__(system, n)
        self._pairing = system.transport.pairing(system.with_running(psi), system.continuity, masses)

    def integral(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        return self._pairing(self._system.layer(self._n, theta))

    def integral_hessian(self, theta: np.ndarray) -> np.ndarray:
        return self._pairing.hessian(self._system.layer(self._n, theta), self._system.problem.scales.control)


class ContinuousHamiltonian(LayerHamiltonian):
    """That of continuous time at the layer's start, `lambda/2 |theta|^2 + sum_r int <F(t_n, theta, x), grad psi_r^n> dm_r^n`.

    Times dt, as the discrete one. Its stationary point is the source's update,
    `lambda theta = - int D_theta F^T grad psi dmu`, explicit where F is linear in theta. Fixed points of shooting differ from
    the discrete optimum by `O(dt)`.
    """

    def __init__(self, system: OptimalitySystem, n: int, masses: np.ndarray, psi: np.ndarray) -> None:
        super().__init__(system, n)
        interpolation = getattr(system.transport, "interpolation", None)
        if interpolation is None:
            raise fail(
                "transport", system.transport_scheme, "a scheme whose potentials have gradients between the nodes"
            )
        points, weights = system.continuity.measure(masses)
        kept = carrying(weights)
        self._points = np.asfortranarray(points[kept])
        self._pull = system.dt * interpolation.gradients(
            self._points, interpolation.coefficients(psi), weights[:, kept]
        )

    def _value(self, theta: np.ndarray) -> np.ndarray:
        return self._system.problem.field(float(self._system.times[self._n]), theta, self._points)

    def integral(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, t = self._value(theta), float(self._system.times[self._n])
        slope = self._system.problem.field.pullback(At(t, theta, self._points, value), self._pull)[1]
        return paired(value, self._pull), slope

    def integral_hessian(self, theta: np.ndarray) -> np.ndarray:
        field, t = self._system.problem.field, float(self._system.times[self._n])
        if field.control_linear:
            return np.zeros((len(theta), len(theta)))
        value, still = self._value(theta), np.zeros_like(self._points)
        rows = [
            field.pullback_tangent(At(t, theta, self._points, value), self._pull, Direction(e, still), still)[1]
            for e in np.eye(len(theta))
        ]
        return np.stack(rows)

    def minimiser(self) -> np.ndarray | None:
        if not self._system.problem.field.control_linear:
            return None
        return -self.integral(np.zeros_like(self.weights))[1] / self.weights
