"""Layer maps: an explicit Runge-Kutta method traces characteristics through one layer; with its exact derivatives.

`Phi_theta(x)` is the numerical flow of `dX/dt = F(t, theta, X)` over one layer, on which theta is constant. With one Euler
step it is the layer of a residual network, `Phi(x) = x + dt F(t, theta, x)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from .._validate import choice, fail, integer
from ..fields import Field
from ..fields.compiled import Steps, is_compiled
from ..fields.points import At, Direction
from .layers import Layer, Stage
from .tableaux import TABLEAUX, tableau_arrays

#: a function of covectors p `(n, d)` at a layer's end; it returns `(dPhi/dx)^T p` `(n, d)` and
#: `sum_j (dPhi/dtheta)(x_j)^T p_j` `(m,)`
Pull = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

MOST_SUBSTEPS = 10_000


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
        return Steps(*tableau_arrays(self.method), layer.length / self.substeps, self.substeps)

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
