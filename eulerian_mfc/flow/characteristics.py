"""Layer maps: an explicit Runge-Kutta method traces characteristics through one layer; with its exact derivatives.

`Phi_theta(x)` is the numerical flow of `dX/dt = F(t, theta, X)` over one layer, on which theta is constant. With one Euler
step it is the layer of a residual network, `Phi(x) = x + dt F(t, theta, x)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from .._validate import choice, fail, integer
from ..fields import Field
from ..fields.compiled import Steps, is_compiled
from ..fields.points import At, Direction
from ..kernels.threads import ONE, Workers

#: a function of covectors p `(n, d)` at a layer's end; it returns `(dPhi/dx)^T p` `(n, d)` and
#: `sum_j (dPhi/dtheta)(x_j)^T p_j` `(m,)`
Pull = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Layer(NamedTuple):
    """One layer: its start time, its length and its parameters.

    Attributes
    ----------
    start, length : in units of time.
    theta : `(m,)`.

    Examples
    --------
    >>> import numpy as np
    >>> from eulerian_mfc.flow import Layer
    >>> layer = Layer(start=0.0, length=0.25, theta=np.zeros(2))
    >>> layer.start + layer.length
    0.25
    """

    start: float
    length: float
    theta: np.ndarray


class Stage(NamedTuple):
    """A stage of a Runge-Kutta step.

    Attributes
    ----------
    x : `(n, d)` points.
    value : `(n, d)`, the field's values there, in state units per time.

    Examples
    --------
    The stages of an Euler step are the points where it starts.

    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> from eulerian_mfc.flow import Flow, Layer, LayerMap
    >>> flow = Flow(emfc.fields.AffineField(1), LayerMap("euler"))
    >>> _, stages = flow.with_stages(Layer(0.0, 0.5, np.array([2.0, 0.0])), np.array([[1.0]]))
    >>> stages[0][0].x.tolist(), stages[0][0].value.tolist()
    ([[1.0]], [[2.0]])
    """

    x: np.ndarray
    value: np.ndarray


class Tableau(NamedTuple):
    """An explicit Runge-Kutta method whose stage i uses stage i - 1 alone: `k_i = F(t + c_i dt, x + c_i dt k_{i-1})`.

    Attributes
    ----------
    reach : the `c_i`, as shares of the step.
    weights : the weights of the stages; they sum to 1.
    order : the order in the length of a step.

    References
    ----------
    E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, Springer 1993, section II.1.

    Examples
    --------
    >>> from eulerian_mfc.flow import Tableau
    >>> midpoint = Tableau(reach=(0.0, 0.5), weights=(0.0, 1.0), order=2)
    >>> sum(midpoint.weights)
    1.0
    """

    reach: tuple[float, ...]
    weights: tuple[float, ...]
    order: int


MOST_SUBSTEPS = 10_000
TABLEAUX = {
    "euler": Tableau((0.0,), (1.0,), 1),
    "midpoint": Tableau((0.0, 0.5), (0.0, 1.0), 2),
    "rk4": Tableau((0.0, 0.5, 0.5, 1.0), (1 / 6, 1 / 3, 1 / 3, 1 / 6), 4),
}


@lru_cache
def _arrays(method: str) -> tuple[np.ndarray, np.ndarray]:
    tableau = TABLEAUX[method]
    return np.array(tableau.reach), np.array(tableau.weights)


@dataclass(frozen=True)
class LayerMap:
    """How a layer moves points: a Runge-Kutta method with equal substeps.

    Parameters
    ----------
    method : "euler" (order 1), "midpoint" (order 2) or "rk4" (order 4, the classical method).
    substeps : steps per layer.

    Raises
    ------
    ArgumentError
        For another method, or if the number of substeps is not a positive integer.

    References
    ----------
    E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, Springer 1993, section II.1;
    the pull-back is reverse accumulation through the same stages, e.g. E. Hairer, C. Lubich, G. Wanner, Geometric
    Numerical Integration, Springer 2006, section VI.10.

    Examples
    --------
    Three methods for `dX/dt = X`, X(0) = 1, up to t = 1; the exact value is 2.71828...

    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> from eulerian_mfc.flow import Layer, LayerMap
    >>> field = emfc.fields.AffineField(1)
    >>> layer = Layer(0.0, 1.0, np.array([1.0, 0.0]))
    >>> for layer_map in (LayerMap("euler"), LayerMap("midpoint"), LayerMap("rk4", substeps=4)):
    ...     print(layer_map.method, layer_map.order, round(float(layer_map(field, layer, np.array([[1.0]]))[0, 0]), 4))
    euler 1 2.0
    midpoint 2 2.5
    rk4 4 2.7182
    """

    method: str = "rk4"
    substeps: int = 1

    def __post_init__(self) -> None:
        choice("method", self.method, TABLEAUX)
        if integer("substeps", self.substeps) > MOST_SUBSTEPS:
            raise fail("substeps", self.substeps, f"at most {MOST_SUBSTEPS}: use more layers")

    @property
    def order(self) -> int:
        """Order in the length of a substep."""
        return TABLEAUX[self.method].order

    def __call__(self, field: Field, layer: Layer, x: np.ndarray) -> np.ndarray:
        """`Phi_theta(x)`: `(n, d)` points -> `(n, d)` points at the layer's end."""
        if is_compiled(field):
            return field.trace(layer.theta, self.steps(layer), x, False)[0]
        for step in range(self.substeps):
            x, _ = self._step(field, layer, step, x)
        return x

    def trace(self, field: Field, layer: Layer, x: np.ndarray) -> tuple[np.ndarray, Pull]:
        """`Phi_theta(x)`, and a function that applies the transposed derivatives of the layer map at x; see `Pull`."""
        if is_compiled(field):
            steps = self.steps(layer)
            end, values = field.trace(layer.theta, steps, x, True)
            return end, partial(field.pull, layer.theta, steps, x, values)
        end, stages = self.with_stages(field, layer, x)
        return end, partial(self.pullback, field, layer, stages)

    def steps(self, layer: Layer) -> Steps:
        """The method as arrays, for compiled fields."""
        return Steps(*_arrays(self.method), layer.length / self.substeps, self.substeps)

    def with_stages(self, field: Field, layer: Layer, x: np.ndarray) -> tuple[np.ndarray, list[list[Stage]]]:
        """`Phi_theta(x)` with the stage points of every substep, for `pullback` and the tangents; never compiled."""
        stages = []
        for step in range(self.substeps):
            x, substep = self._step(field, layer, step, x)
            stages.append(substep)
        return x, stages

    def pullback(
        self, field: Field, layer: Layer, stages: list[list[Stage]], p: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Exact transposed derivatives of the layer map.

        Parameters
        ----------
        stages : from `with_stages`.
        p : `(n, d)` covectors at the layer's end.

        Returns
        -------
        `((dPhi/dx)^T p` row by row, `(n, d)`; `sum_j (dPhi/dtheta)(x_j)^T p_j`, `(m,)`).
        """
        tableau = TABLEAUX[self.method]
        dt = layer.length / self.substeps
        slope = np.zeros_like(layer.theta)
        for step in range(self.substeps - 1, -1, -1):
            start = layer.start + step * dt
            total = p
            carried: np.ndarray | None = None  # the covector that the next stage passes back to this one
            for i in range(len(tableau.weights) - 1, -1, -1):
                seed = dt * tableau.weights[i] * p if tableau.weights[i] else np.zeros_like(p)
                if carried is not None:
                    seed = seed + dt * tableau.reach[i + 1] * carried
                carried, part = field.pullback(At(start + tableau.reach[i] * dt, layer.theta, *stages[step][i]), seed)
                total = total + carried
                slope += part
            p = total
        return p, slope

    def tangent(
        self, field: Field, layer: Layer, stages: list[list[Stage]], dtheta: np.ndarray
    ) -> tuple[np.ndarray, list[list[Stage]]]:
        """The derivative `(n, d)` of `Phi_theta(x)` in the direction `dtheta` `(m,)`, and the derivatives of all stages."""
        tableau = TABLEAUX[self.method]
        dt = layer.length / self.substeps
        dx = np.zeros_like(stages[0][0].x)
        out = []
        for step in range(self.substeps):
            start, moved, total, dk = layer.start + step * dt, [], np.zeros(1), dx
            for reach, weight, stage in zip(tableau.reach, tableau.weights, stages[step], strict=True):
                dpoint = dx + (dt * reach) * dk if reach else dx
                dk = field.tangent(At(start + reach * dt, layer.theta, *stage), Direction(dtheta, dpoint))
                moved.append(Stage(dpoint, dk))
                if weight:
                    total = total + weight * dk
            dx = dx + dt * total
            out.append(moved)
        return dx, out

    def pullback_tangent(
        self,
        field: Field,
        layer: Layer,
        stages: list[list[Stage]],
        p: np.ndarray,
        dtheta: np.ndarray,
        dstages: list[list[Stage]],
        dp: np.ndarray,
    ) -> np.ndarray:
        """The derivative `(m,)` of `pullback`'s second result when theta, the stages and p `(n, d)` move along their tangents."""
        tableau = TABLEAUX[self.method]
        dt = layer.length / self.substeps
        change = np.zeros_like(layer.theta)
        nothing = np.zeros_like(p)
        for step in range(self.substeps - 1, -1, -1):
            start, total, dtotal = layer.start + step * dt, p, dp
            carried, dcarried = nothing, nothing
            for i in range(len(tableau.weights) - 1, -1, -1):
                sent = tableau.reach[i + 1] if i + 1 < len(tableau.reach) else 0.0
                seed = dt * (tableau.weights[i] * p + sent * carried)
                dseed = dt * (tableau.weights[i] * dp + sent * dcarried)
                at = At(start + tableau.reach[i] * dt, layer.theta, *stages[step][i])
                carried, _ = field.pullback(at, seed)
                dcarried, part = field.pullback_tangent(at, seed, Direction(dtheta, dstages[step][i].x), dseed)
                total, dtotal = total + carried, dtotal + dcarried
                change += part
            p, dp = total, dtotal
        return change

    def _step(self, field: Field, layer: Layer, step: int, x: np.ndarray) -> tuple[np.ndarray, list[Stage]]:
        tableau = TABLEAUX[self.method]
        dt = layer.length / self.substeps
        start = layer.start + step * dt
        stages: list[Stage] = []
        total = np.zeros(1)
        k = x
        for reach, weight in zip(tableau.reach, tableau.weights, strict=True):
            point = x + (dt * reach) * k if reach else x
            k = field(start + reach * dt, layer.theta, point)
            stages.append(Stage(point, k))
            if weight:
                total = total + weight * k
        return x + dt * total, stages


class Flow(NamedTuple):
    """A field with its layer map: all that a scheme uses of the dynamics, with the threads that compute it.

    Attributes
    ----------
    field : the controlled vector field F.
    layer_map : how a layer moves points.
    workers : the threads; one by default.

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> from eulerian_mfc.flow import Flow, Layer, LayerMap
    >>> flow = Flow(emfc.fields.AffineField(1), LayerMap("euler"))
    >>> end, pull = flow.trace(Layer(0.0, 0.5, np.array([2.0, 0.0])), np.array([[1.0]]))
    >>> covectors, slope = pull(np.ones((1, 1)))
    >>> end.tolist(), covectors.tolist(), slope.tolist()
    ([[2.0]], [[2.0]], [0.5, 0.5])
    """

    field: Field
    layer_map: LayerMap
    workers: Workers = ONE

    def __call__(self, layer: Layer, x: np.ndarray) -> np.ndarray:
        return self.layer_map(self.field, layer, x)

    def trace(self, layer: Layer, x: np.ndarray) -> tuple[np.ndarray, Pull]:
        """`(n, d)` end points, and the transposed derivatives there; see `LayerMap.trace`."""
        return self.layer_map.trace(self.field, layer, x)

    def with_stages(self, layer: Layer, x: np.ndarray) -> tuple[np.ndarray, list[list[Stage]]]:
        """`(n, d)` end points and the stages of every substep; see `LayerMap.with_stages`."""
        return self.layer_map.with_stages(self.field, layer, x)

    def pullback(self, layer: Layer, stages: list[list[Stage]], p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Covectors `(n, d)` at the start and the derivative `(m,)` in theta; see `LayerMap.pullback`."""
        return self.layer_map.pullback(self.field, layer, stages, p)

    def tangent(
        self, layer: Layer, stages: list[list[Stage]], dtheta: np.ndarray
    ) -> tuple[np.ndarray, list[list[Stage]]]:
        """`(n, d)`: how end points move with `dtheta` `(m,)`, and the stages with them; see `LayerMap.tangent`."""
        return self.layer_map.tangent(self.field, layer, stages, dtheta)

    def pullback_tangent(
        self,
        layer: Layer,
        stages: list[list[Stage]],
        p: np.ndarray,
        dtheta: np.ndarray,
        dstages: list[list[Stage]],
        dp: np.ndarray,
    ) -> np.ndarray:
        """`(m,)`: the derivative of `pullback` along `(dtheta, dstages, dp)`; see `LayerMap.pullback_tangent`."""
        return self.layer_map.pullback_tangent(self.field, layer, stages, p, dtheta, dstages, dp)
