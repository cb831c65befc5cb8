"""Layer maps: an explicit Runge-Kutta method traces characteristics through one layer; with its exact derivatives.

`Phi_theta(x)` is the numerical flow of `dX/dt = F(t, theta(t), X)` over one layer, on which theta is constant or a polynomial in
time. With one Euler step and constant theta it is the layer of a residual network, `Phi(x) = x + dt F(t, theta, x)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from .._validate import choice
from ..fields import Field
from ..fields.compiled import CompiledField, Steps, is_compiled
from ..fields.points import At, Direction
from .integrators import MOST_SUBSTEPS, checked_substeps
from .layers import Layer, Stage
from .tableaux import METHODS, Tableau, method_of, tableau_of

#: orders of a substep with noise, see `noise.Splitting`
SPLITTINGS = (2, 4)
#: a function of covectors p `(n, d)` at a layer's end; it returns `(dPhi/dx)^T p` `(n, d)` and
#: `sum_j (dPhi/dtheta)(x_j)^T p_j`, of theta's shape
Pull = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class LayerMap:
    """How a layer moves points: a Runge-Kutta method with equal substeps.

    Parameters
    ----------
    method : "euler" (order 1), "midpoint" (order 2), "rk4" (order 4, the classical method), "dopri5" or "dop853" (order 5 and 8,
        by Dormand and Prince), or a `Tableau` of your own.
    substeps : steps per layer.
    splitting : with noise, the order of a substep in its length, 2 or 4; by default 4, and 2 for schemes that keep masses
        non-negative, which order 4 does not. It has no effect without noise.

    Raises
    ------
    ArgumentError
        For another method or order, or if the number of substeps is not a positive integer.

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

    method: str | Tableau = "rk4"
    substeps: int = 1
    splitting: int | None = None

    def __post_init__(self) -> None:
        tableau_of(self.method) if isinstance(self.method, Tableau) else choice("method", self.method, METHODS)
        checked_substeps(self.substeps)
        choice("splitting", self.splitting, (None, *SPLITTINGS))

    def __repr__(self) -> str:
        split = "" if self.splitting is None else f", splitting={self.splitting}"
        return f"LayerMap(method={self.method!r}, substeps={self.substeps}{split})"

    @property
    def order(self) -> int:
        """Order in the length of a substep."""
        return self.tableau.order

    def __call__(self, field: Field, layer: Layer, x: np.ndarray) -> np.ndarray:
        """`Phi_theta(x)`: `(n, d)` points -> `(n, d)` points at the layer's end."""
        if is_compiled(field):
            return field.trace(self.parameters(layer), self.steps(layer), x, False)[0]
        theta = self._stage_parameters(layer)
        for step in range(self.substeps):
            x, _ = self._step(field, layer, step, theta[step], x)
        return x

    def trace(self, field: Field, layer: Layer, x: np.ndarray) -> tuple[np.ndarray, Pull]:
        """`Phi_theta(x)`, and a function that applies the transposed derivatives of the layer map at x; see `Pull`."""
        if is_compiled(field):
            steps, theta = self.steps(layer), self.parameters(layer)
            end, values = field.trace(theta, steps, x, True)
            return end, partial(self._pulled, field, layer, theta, steps, x, values)
        end, stages = self.with_stages(field, layer, x)
        return end, partial(self.pullback, field, layer, stages)

    def _pulled(
        self,
        field: CompiledField,
        layer: Layer,
        theta: np.ndarray,
        steps: Steps,
        x: np.ndarray,
        values: np.ndarray,
        p: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        back, slopes = field.pull(theta, steps, x, values, p)
        return back, layer.gathered(self.shares, slopes)

    @property
    def tableau(self) -> Tableau:
        """The coefficients of the method."""
        return tableau_of(self.method)

    def steps(self, layer: Layer) -> Steps:
        """The method as arrays, for compiled fields."""
        return Steps(*method_of(self.method), layer.length / self.substeps, self.substeps)

    @property
    def refinable(self) -> bool:
        """Whether the same method may have twice as many substeps."""
        return 2 * self.substeps <= MOST_SUBSTEPS

    def refined(self, factor: int) -> LayerMap:
        """The same method with `factor` times as many substeps."""
        return self.with_substeps(factor * self.substeps)

    def with_substeps(self, substeps: int) -> LayerMap:
        """The same method with a number of substeps."""
        return replace(self, substeps=substeps)

    @property
    def shares(self) -> np.ndarray:
        """`(substeps stages,)`: the shares of a layer after which the field is evaluated, substep by substep."""
        return _shares(self)

    def parameters(self, layer: Layer) -> np.ndarray:
        """The parameters at all evaluations of the field, `(substeps stages, m)`; `(m,)` if they are constant in time."""
        return layer.theta if layer.basis is None else layer.rows(self.shares)

    def _stage_parameters(self, layer: Layer) -> np.ndarray:
        """`(substeps, stages, m)`, the parameters of every stage."""
        count = self.tableau.stages
        rows = self.parameters(layer)
        return (
            np.broadcast_to(rows, (self.substeps, count, rows.shape[-1]))
            if rows.ndim == 1
            else rows.reshape(self.substeps, count, -1)
        )

    def with_stages(self, field: Field, layer: Layer, x: np.ndarray) -> tuple[np.ndarray, list[list[Stage]]]:
        """`Phi_theta(x)` with the stage points of every substep, for `pullback` and the tangents; never compiled."""
        stages = []
        theta = self._stage_parameters(layer)
        for step in range(self.substeps):
            x, substep = self._step(field, layer, step, theta[step], x)
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
        `((dPhi/dx)^T p` row by row, `(n, d)`; `sum_j (dPhi/dtheta)(x_j)^T p_j`, of theta's shape).
        """
        tableau, dt = self.tableau, layer.length / self.substeps
        theta, slopes = self._stage_parameters(layer), _Slopes(self, layer)
        carried = [p] * tableau.stages  # the covectors that the stages pass back
        for step in range(self.substeps - 1, -1, -1):
            start, total = layer.start + step * dt, p
            for i in range(tableau.stages - 1, -1, -1):
                seed = dt * tableau.weights[i] * p if tableau.weights[i] else np.zeros_like(p)
                for j, a in tableau.users[i]:
                    seed = seed + dt * a * carried[j]
                at = At(start + tableau.nodes[i] * dt, theta[step, i], *stages[step][i])
                carried[i], part = field.pullback(at, seed)
                total = total + carried[i]
                slopes.add(step, i, part)
            p = total
        return p, slopes.gathered()

    def tangent(
        self, field: Field, layer: Layer, stages: list[list[Stage]], dtheta: np.ndarray
    ) -> tuple[np.ndarray, list[list[Stage]]]:
        """The derivative `(n, d)` of `Phi_theta(x)` in the direction `dtheta`, and the derivatives of all stages."""
        tableau, dt = self.tableau, layer.length / self.substeps
        theta, dthetas = self._stage_parameters(layer), self._stage_parameters(layer._replace(theta=dtheta))
        dx = np.zeros_like(stages[0][0].x)
        out = []
        for step in range(self.substeps):
            moved: list[Stage] = []
            start, total = layer.start + step * dt, np.zeros(1)
            for i, stage in enumerate(stages[step]):
                dpoint = dx
                for j, a in tableau.used[i]:
                    dpoint = dpoint + (dt * a) * moved[j].value
                at = At(start + tableau.nodes[i] * dt, theta[step, i], *stage)
                dk = field.tangent(at, Direction(dthetas[step, i], dpoint))
                moved.append(Stage(dpoint, dk))
                if tableau.weights[i]:
                    total = total + tableau.weights[i] * dk
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
        """The derivative of `pullback`'s second result when theta, the stages and p move along tangents.

        It has the shape of the layer's theta: `(m,)`, or `(degree + 1, m)` for coefficients in time.
        """
        tableau, dt = self.tableau, layer.length / self.substeps
        theta, dthetas = self._stage_parameters(layer), self._stage_parameters(layer._replace(theta=dtheta))
        change = _Slopes(self, layer)
        carried, dcarried = [p] * tableau.stages, [dp] * tableau.stages
        for step in range(self.substeps - 1, -1, -1):
            start, total, dtotal = layer.start + step * dt, p, dp
            for i in range(tableau.stages - 1, -1, -1):
                seed, dseed = tableau.weights[i] * p, tableau.weights[i] * dp
                for j, a in tableau.users[i]:
                    seed, dseed = seed + a * carried[j], dseed + a * dcarried[j]
                seed, dseed = dt * seed, dt * dseed
                at = At(start + tableau.nodes[i] * dt, theta[step, i], *stages[step][i])
                carried[i], _ = field.pullback(at, seed)
                along = Direction(dthetas[step, i], dstages[step][i].x)
                dcarried[i], part = field.pullback_tangent(at, seed, along, dseed)
                total, dtotal = total + carried[i], dtotal + dcarried[i]
                change.add(step, i, part)
            p, dp = total, dtotal
        return change.gathered()

    def _step(
        self, field: Field, layer: Layer, step: int, theta: np.ndarray, x: np.ndarray
    ) -> tuple[np.ndarray, list[Stage]]:
        tableau, dt = self.tableau, layer.length / self.substeps
        start = layer.start + step * dt
        stages: list[Stage] = []
        total = np.zeros(1)
        for i, weight in enumerate(tableau.weights):
            point = x
            for j, a in tableau.used[i]:
                point = point + (dt * a) * stages[j].value
            k = field(start + tableau.nodes[i] * dt, theta[i], point)
            stages.append(Stage(point, k))
            if weight:
                total = total + weight * k
        return x + dt * total, stages


@lru_cache
def _shares(layer_map: LayerMap) -> np.ndarray:
    out = ((np.arange(layer_map.substeps)[:, None] + layer_map.tableau.nodes) / layer_map.substeps).ravel()
    out.flags.writeable = False
    return out


class _Slopes:
    """The derivatives of a layer in its parameters, added up stage by stage."""

    def __init__(self, layer_map: LayerMap, layer: Layer) -> None:
        self._layer_map, self._layer = layer_map, layer
        self._stages = layer_map.tableau.stages
        constant, m = layer.basis is None, layer.theta.shape[-1]
        self._sum = np.zeros(m) if constant else np.zeros((layer_map.substeps * self._stages, m))

    def add(self, step: int, stage: int, part: np.ndarray) -> None:
        """Add the derivative `(m,)` in the parameters of a stage."""
        if self._layer.basis is None:
            self._sum += part
        else:
            self._sum[step * self._stages + stage] += part

    def gathered(self) -> np.ndarray:
        """The derivative in the layer's theta, of its shape."""
        return self._layer.gathered(self._layer_map.shares, self._sum)
