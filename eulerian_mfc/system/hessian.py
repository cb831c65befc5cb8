"""Second derivatives of the discrete cost: products with directions, and the blocks of single layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .controlled import ControlledSystem
    from .optimality import OptimalitySystem


class Hessian(ABC):
    """`J''` at a control: a linear map of controls `(layers, m)`."""

    #: whether products are those of the discrete cost to round-off
    exact: bool

    @abstractmethod
    def product(self, direction: np.ndarray) -> np.ndarray:
        """`J'' v` for a direction v `(layers, m)`."""


class DifferencedHessian(Hessian):
    """`(J'(theta + s v) - J'(theta - s v)) / 2s`, error `O(s^2)`; two gradients a product."""

    exact = False

    def __init__(self, system: ControlledSystem, control: np.ndarray) -> None:
        self._system, self._control = system, control

    def product(self, direction: np.ndarray) -> np.ndarray:
        sizes = self._system.problem.scales.control + np.abs(self._control).max(axis=0)
        size = (np.abs(direction) / sizes).max()
        if size == 0.0:
            return np.zeros_like(direction)
        step = 1e-4 / size
        ahead = self._system.cost_and_gradient(self._control + step * direction)[1]
        behind = self._system.cost_and_gradient(self._control - step * direction)[1]
        return (ahead - behind) / (2 * step)


class ExactHessian(Hessian):
    """The tangent of both sweeps of an adjoint pair with masses at the nodes.

    With `m^{n+1} = S_n^T m^n`, `psi^n = S_n psi^{n+1}` and the gradient
    `g_n = lambda dt theta_n + d/dtheta sum_r <S_theta psi_r^{n+1}, m_r^n>`, the product with v is

        dm^{n+1} = S_n^T dm^n + (dS_n v_n)^T m^n,   dm^0 = 0        (forwards)
        dpsi^n   = S_n dpsi^{n+1} + (dS_n v_n) psi^{n+1},   dpsi^M = 0        (backwards; where a read-out is trained,
                                                                           what dm^M makes of it)

    and `dg_n`, the tangent of g_n as theta_n, psi and m move: exact, and symmetric to round-off since g is a gradient.
    Second derivatives jump where those of the interpolation do (degree 1, Lagrange). A product costs about three gradients.
    """

    exact = True

    def __init__(self, system: OptimalitySystem, control: np.ndarray) -> None:
        self._system, self._control = system, control
        self._masses, _ = system.masses(control)
        potentials = system.potentials(control, self._masses[-1])
        interpolation = system.transport.interpolation
        self._coefficients = [interpolation.coefficients(system.with_running(psi)) for psi in potentials[1:]]

    def product(self, direction: np.ndarray) -> np.ndarray:
        system = self._system
        transport = system.transport
        moved = [np.zeros_like(self._masses[0])]
        trained = system.problem.loss.trained  # else nobody asks how the final masses move
        for n in range(system.layers if trained else system.layers - 1):
            layer = system.layer(n, self._control[n])
            moved.append(transport.adjoint_step_tangent(layer, direction[n], self._masses[n], moved[n]))
        out = np.empty_like(direction)
        dpsi = np.zeros_like(moved[0])
        if trained:
            dpsi = system.terminal_tangent(self._masses[-1], moved[-1])
        for n in range(system.layers - 1, -1, -1):
            layer = system.layer(n, self._control[n])
            dpsi, change = transport.step_with_slope_tangent(
                layer, direction[n], self._coefficients[n], dpsi, self._masses[n], moved[n]
            )
            out[n] = system.controls.gram[n] * direction[n] + change
        return out
