"""A control as a network, independent of a library: weights per layer, Runge-Kutta steps, read-out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import NamedTuple

import numpy as np

from .._validate import choice, fail
from ..control.curves import Curves
from ..fields import Field
from ..flow.layer_map import LayerMap
from ..flow.layers import Layer
from ..losses import Readout
from ..results.solution_data import SolutionData
from .fields import Operations, V, at_times, formula


class Step(NamedTuple):
    """A step in time of a layer, as the plain numbers that a library's operations need.

    Attributes
    ----------
    length : the length of each of its substeps.
    times : the times of all stages, substep by substep.
    rows : `(different times, degree + 1)`, the values of the basis at the different times of the stages; None for parameters that
        are constant in time.
    which : per stage, the number of its row.
    """

    length: float
    times: list[float]
    rows: np.ndarray | None
    which: list[int]

    @classmethod
    def of(cls, layer_map: LayerMap, layer: Layer) -> Step:
        """The step in which a layer map moves points through a layer, or through a step of one."""
        length = layer.length / layer_map.substeps
        nodes = layer_map.tableau.nodes.tolist()
        times = [layer.start + k * length + node * length for k in range(layer_map.substeps) for node in nodes]
        if layer.basis is None:
            return cls(length, times, None, [0] * len(times))
        shares, which = np.unique(layer_map.shares, return_inverse=True)
        return cls(length, times, layer.basis(shares), which.tolist())


@dataclass(frozen=True, eq=False)
class Network:
    """`x <- Phi_n(x)` for every layer, where Phi_n is the layer map of `F(t, theta(t), x)`; then, with a read-out, `A x + b`.

    For a control that is constant on layers this is a residual network. For one of degree k >= 1 it is a neural ordinary
    differential equation: a layer has the coefficients of theta as weights, and every stage of the layer map uses
    `theta(t) = sum_i c_i phi_i(t)` at its own time.

    Attributes
    ----------
    field, layer_map : the field and the layer map, which define a layer.
    curves : the layers, the degree and the basis of the control.
    control : the coefficients, `(layers, m)` for degree 0 and `(layers, degree + 1, m)` above it.
    input_dim : number of input coordinates; the remaining coordinates of the states start at zero.
    readout : the affine last layer; None if the outputs are the final states.

    Raises
    ------
    ArgumentError
        From `Network.of`, for fields that cannot be exported, and if there is no read-out.

    References
    ----------
    W. E, J. Han, Q. Li, A mean-field optimal control formulation of deep learning, Res. Math. Sci. 6 (2019), 10,
    doi:10.1007/s40687-018-0172-y (residual networks as controlled flows); R. T. Q. Chen, Y. Rubanova, J. Bettencourt,
    D. Duvenaud, Neural ordinary differential equations, NeurIPS 2018, arXiv:1806.07366.

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
    curves: Curves
    control: np.ndarray
    input_dim: int
    readout: Readout | None = None

    @classmethod
    def of(cls, solution: SolutionData, readout: bool = False) -> Network:
        """The network of a solution; ArgumentError for fields that cannot be exported."""
        choice("readout", readout, (True, False))
        flow, numerics = solution.controlled_flow.flow, solution.numerics
        formula(flow.field)
        if readout and not isinstance(solution.readout, Readout):
            raise fail("readout", readout, "False, since the loss of this solution has no read-out")
        last = solution.readout if readout else None
        found = cls(flow.field, flow.layer_map, numerics.curves, solution.control, numerics.input_dim, last)
        times = [t for layer in found.steps for step in layer for t in step.times]
        return replace(found, field=at_times(flow.field, times))

    @cached_property
    def steps(self) -> list[list[Step]]:
        """Per layer, its steps in time; more than one for a control of degree 1 or more and a running loss."""
        layers = (self.curves.of_layer(n, theta) for n, theta in enumerate(self.control))
        return [[Step.of(self.layer_map, step) for step in layer] for layer in layers]

    @property
    def names(self) -> list[str]:
        """The names of the blocks of a layer's parameters, in order."""
        return list(formula(self.field).blocks(self.field))

    def blocks(self, n: int) -> dict[str, np.ndarray]:
        """The weights of layer n by name: `W (d, d)` and `b (d,)` for a neural field; for other fields see their formula.

        For a control of degree k >= 1 these are the coefficients: `W (k + 1, d, d)` and `b (k + 1, d)`.
        """
        out, at = {}, 0
        for name, shape in formula(self.field).blocks(self.field).items():
            size, theta = int(np.prod(shape)), self.control[n]
            out[name] = theta[..., at : at + size].reshape(*theta.shape[:-1], *shape)
            at += size
        return out

    def layer(self, ops: Operations[V], n: int, weights: dict[str, V], x: V) -> V:
        """Layer n in the operations of a library: the steps of `LayerMap`, stage by stage."""
        for step in self.steps[n]:
            x = self._moved(ops, step, weights, x)
        return x

    def _moved(self, ops: Operations[V], step: Step, weights: dict[str, V], x: V) -> V:
        tableau, value = self.layer_map.tableau, formula(self.field).value
        stages = iter(zip(step.times, step.which, strict=True))
        at = self._at_times(ops, step, weights)
        for _ in range(self.layer_map.substeps):
            parts: list[V] = []
            values: list[V] = []
            for used, weight in zip(tableau.used, tableau.weights, strict=True):
                point = x
                for j, a in used:
                    point = ops.add(point, ops.multiply(values[j], ops.constant(np.array([step.length * a]))))
                time, which = next(stages)
                values.append(value(ops, self.field, at[which], point, time))
                if weight:
                    parts.append(ops.multiply(values[-1], ops.constant(np.array([step.length * weight]))))
            x = ops.add(x, reduce(ops.add, parts))
        return x

    def _at_times(self, ops: Operations[V], step: Step, weights: dict[str, V]) -> list[dict[str, V]]:
        """The parameters by name, at the different times of the stages of a step."""
        if step.rows is None:
            return [weights]
        shapes = formula(self.field).blocks(self.field)
        return [{name: ops.mixed(row, w, len(shapes[name])) for name, w in weights.items()} for row in step.rows]


def joined(names: list[str], layers: list[dict[str, np.ndarray]], degree: int) -> np.ndarray:
    """The control whose layers have blocks with these names, in this order: `(layers, m)`, or `(layers, degree + 1, m)`.

    Parameters
    ----------
    names : the names of the blocks, in the order of the parameters.
    layers : per layer, its blocks by name.
    degree : the degree in time; blocks of degree 1 and more have the coefficients along their first axis.
    """
    lead = (degree + 1,) if degree else ()
    rows = [np.concatenate([layer[name].reshape(*lead, -1) for name in names], axis=-1) for layer in layers]
    return np.array(rows, dtype=np.float64)
