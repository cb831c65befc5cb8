"""Second derivatives of the discrete cost, as products with directions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from ..control.space import ControlSpace
from ..flow.layers import Layer
from .pairs import LayerTangents
from .running import RunningCost


class Hessian(ABC):
    """`J''` at a control: a linear map of controls, `(layers, m)` or `(layers, degree + 1, m)`."""

    #: whether products are exact to round-off for the discrete cost
    exact: bool

    @abstractmethod
    def product(self, direction: np.ndarray) -> np.ndarray:
        """`J'' v` for a direction v of the control's shape, `(layers, m)` or `(layers, degree + 1, m)`."""


class DifferencedHessian(Hessian):
    """`(J'(theta + s v) - J'(theta - s v)) / 2s`, error `O(s^2)`; two gradients per product.

    Parameters
    ----------
    gradient : a control, `(layers, m)` or `(layers, degree + 1, m)` -> the gradient there, of the same shape.
    control : `(layers, m)` or `(layers, degree + 1, m)`, where the second derivatives are taken.
    sizes : `(m,)`, the natural sizes of the parameters, which set the step s.
    """

    exact = False

    def __init__(self, gradient: Callable[[np.ndarray], np.ndarray], control: np.ndarray, sizes: np.ndarray) -> None:
        self._gradient, self._control, self._natural = gradient, control, sizes

    def product(self, direction: np.ndarray) -> np.ndarray:
        sizes = self._natural + np.abs(self._control).max(axis=tuple(range(self._control.ndim - 1)))
        size = (np.abs(direction) / sizes).max()
        if size == 0.0:
            return np.zeros_like(direction)
        step = 1e-4 / size
        ahead = self._gradient(self._control + step * direction)
        behind = self._gradient(self._control - step * direction)
        return (ahead - behind) / (2 * step)


class ExactHessian(Hessian):
    """The tangent of both sweeps of an adjoint pair with masses at the nodes.

    With `m^{n+1} = S_n^T m^n`, `psi^n = S_n psi^{n+1}` and the gradient
    `g_n = lambda dt theta_n + d/dtheta sum_r <S_theta psi_r^{n+1}, m_r^n>`, the product with v is

        dm^{n+1} = S_n^T dm^n + (dS_n v_n)^T m^n,   dm^0 = 0        (forwards)
        dpsi^n   = S_n dpsi^{n+1} + (dS_n v_n) psi^{n+1},   dpsi^M = 0        (backwards)

    and `dg_n`, the tangent of g_n in theta_n, psi and m. If the final potentials depend on the final masses, dpsi^M is their
    derivative applied to dm^M; in the same way a running cost of the density adds to dpsi at every level.
    Products are exact, and symmetric to round-off since g is a gradient. Second derivatives jump where those of the
    interpolation do (degree 1, Lagrange). A product costs about three gradients.

    Parameters
    ----------
    tangents : the derivatives of the pair's layers.
    layers : all steps in time, with their coefficients.
    masses : `(steps + 1, R, *shape)`, of the forward sweep.
    prepared : per step, the potentials at its end as `LayerTangents.prepared` returns them.
    controls : the space of controls, with the Hessian of the penalty.
    follow : maps a change of the final masses to that of the final potentials; None if these do not depend on the masses.
    running : the running cost.
    """

    exact = True

    def __init__(
        self,
        tangents: LayerTangents,
        layers: Sequence[Layer],
        masses: np.ndarray,
        prepared: Sequence[np.ndarray],
        controls: ControlSpace,
        follow: Callable[[np.ndarray], np.ndarray] | None,
        running: RunningCost,
    ) -> None:
        self._tangents, self._layers, self._masses, self._prepared = tangents, layers, masses, prepared
        self._controls, self._follow, self._running = controls, follow, running

    def product(self, direction: np.ndarray) -> np.ndarray:
        moved = [np.zeros_like(self._masses[0])]
        # The change of the final masses matters only if potentials depend on them: else the last layer is left out.
        count, sources = self._controls.steps_per_layer, self._running.density_costs
        whole = self._follow is not None or sources is not None
        for n, layer in enumerate(self._layers if whole else self._layers[:-1]):
            moved.append(self._tangents.push(layer, direction[n // count], self._masses[n], moved[n]))
        out = self._controls.penalty_slope(direction)
        dpsi = np.zeros_like(moved[0]) if self._follow is None else self._follow(moved[-1])
        for n in range(len(self._layers) - 1, -1, -1):
            if sources is not None:
                dpsi = dpsi + float(self._running.after[n]) * sources.tangent(self._masses[n + 1], moved[n + 1])
            arguments = self._masses[n], moved[n], self._prepared[n], dpsi
            dpsi, change = self._tangents.pull(self._layers[n], direction[n // count], *arguments)
            if sources is not None:
                dpsi = dpsi + float(self._running.before[n]) * sources.tangent(self._masses[n], moved[n])
            out[n // count] += change
        return out
