"""A control as a residual network, independent of a library: weights per layer, Runge-Kutta steps, read-out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from .._validate import choice, fail
from ..fields import Field
from ..flow.layer_map import LayerMap
from ..losses import Readout
from ..results.solution_data import SolutionData
from .fields import Operations, V, at_times, formula


@dataclass(frozen=True, eq=False)
class Network:
    """`x <- Phi_n(x)` for every layer, where Phi_n is the layer map of `F(theta_n, x)`; then, with a read-out, `A x + b`.

    Attributes
    ----------
    field, layer_map : the field and the layer map, which define a layer.
    control : `(layers, m)`.
    dt : length of a layer, in units of time.
    input_dim : number of input coordinates; the remaining coordinates of the states start at zero.
    readout : the affine last layer; None if the outputs are the final states.

    Raises
    ------
    ArgumentError
        From `Network.of`, for fields that cannot be exported, and if there is no read-out.

    References
    ----------
    W. E, J. Han, Q. Li, A mean-field optimal control formulation of deep learning, Res. Math. Sci. 6 (2019), 10,
    doi:10.1007/s40687-018-0172-y (residual networks as controlled flows).

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.2), [[1.0]])
    >>> field = emfc.fields.AffineField(1, matrix=False)
    >>> problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), penalty=2.0, horizon=1.0)
    >>> solution = emfc.solve(problem, emfc.CartesianMesh([(-2.0, 3.0)], 60), layers=3)
    >>> network = Network.of(solution)
    >>> network.names, network.blocks(0)["b"].round(6).tolist()
    (['b'], [0.5])
    """

    field: Field
    layer_map: LayerMap
    control: np.ndarray
    dt: float
    input_dim: int
    readout: Readout | None = None

    @classmethod
    def of(cls, solution: SolutionData, readout: bool = False) -> Network:
        """The network of a solution; ArgumentError for fields that cannot be exported."""
        choice("readout", readout, (True, False))
        flow = solution.controlled_flow.flow
        formula(flow.field)
        numerics = solution.numerics
        dt = numerics.horizon / numerics.layers
        times = stage_times(flow.layer_map, dt, numerics.layers)
        if readout and not isinstance(solution.readout, Readout):
            raise fail("readout", readout, "False, since the loss of this solution has no read-out")
        return cls(
            at_times(flow.field, times),
            flow.layer_map,
            solution.control,
            dt,
            numerics.input_dim,
            solution.readout if readout else None,
        )

    @property
    def names(self) -> list[str]:
        """The names of the blocks of a layer's parameters, in order."""
        return list(formula(self.field).blocks(self.field))

    def blocks(self, n: int) -> dict[str, np.ndarray]:
        """The weights of layer n by name: `W (d, d)` and `b (d,)` for a neural field; for other fields see their formula."""
        out, at = {}, 0
        for name, shape in formula(self.field).blocks(self.field).items():
            size = int(np.prod(shape))
            out[name] = self.control[n, at : at + size].reshape(shape)
            at += size
        return out

    def layer(self, ops: Operations[V], n: int, weights: dict[str, V], x: V) -> V:
        """Layer n in the operations of a library: the steps of `LayerMap`, stage by stage."""
        tableau = self.layer_map.tableau
        dt = self.dt / self.layer_map.substeps
        value = formula(self.field).value
        times = iter(stage_times(self.layer_map, self.dt, 1, n))
        for _ in range(self.layer_map.substeps):
            parts: list[V] = []
            values: list[V] = []
            for used, weight in zip(tableau.used, tableau.weights, strict=True):
                point = x
                for j, a in used:
                    point = ops.add(point, ops.multiply(values[j], ops.constant(np.array([dt * a]))))
                values.append(value(ops, self.field, weights, point, next(times)))
                if weight:
                    parts.append(ops.multiply(values[-1], ops.constant(np.array([dt * weight]))))
            x = ops.add(x, reduce(ops.add, parts))
        return x


def stage_times(layer_map: LayerMap, dt: float, layers: int, first: int = 0) -> list[float]:
    """The times at which `layers` layers of length dt evaluate the field, in the order of the stages."""
    step = dt / layer_map.substeps
    return [
        n * dt + k * step + node * step
        for n in range(first, first + layers)
        for k in range(layer_map.substeps)
        for node in layer_map.tableau.nodes.tolist()
    ]


def joined(names: list[str], layers: list[dict[str, np.ndarray]]) -> np.ndarray:
    """`(layers, m)`: the control whose layers have blocks with these names, in this order."""
    return np.array([np.concatenate([np.ravel(layer[name]) for name in names]) for layer in layers], dtype=np.float64)
