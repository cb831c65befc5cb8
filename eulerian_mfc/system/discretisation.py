"""Two plain values: the discretisation of a problem, and the resources of its evaluations."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from .._validate import choice, fail
from ..control.grid import Grid, checked_grid, count_of
from ..flow.layer_map import LayerMap
from ..flow.resolution import AUTO, as_layer_map
from ..meshes import Mesh
from ..schemes import ContinuityScheme, TransportScheme
from .reverse_sweep import PRECISIONS
from .scheme_choice import chosen

#: resources that do not change results: all bits are the same for any number of threads and any memory
WITHOUT_EFFECT = ("threads", "memory")


@dataclass(frozen=True, init=False)
class Discretisation:
    """Mesh, layers, degree of the control, schemes and layer map: with a problem, an OptimalitySystem.

    Parameters
    ----------
    mesh : the mesh of the state space.
    layers : number M of equal layers, or the increasing times at which layers start and end, such as `[0, 0.1, 0.4, 1]`.
    transport : backward scheme; by default quintic splines on boxes, quadratic elements on simplices.
    continuity : forward scheme; by default the exact transpose of `transport`, which makes the gradient exact.
    layer_map : "euler" (a residual network), "midpoint", "rk4", "dopri5", "dop853", or a LayerMap with substeps. "auto" is "rk4"
        for controls that are constant on layers, and a method of higher order otherwise, see `flow.resolution.as_layer_map`.
    control_degree : degree of the control in time on every layer. Degree 0, a control that is constant on layers, is a residual
        network; with degree k, the cost converges with order `2 k + 2` in the layers.

    Raises
    ------
    ArgumentError
        If arguments have wrong types, are out of range, or do not fit together.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> coarse = Discretisation(emfc.CartesianMesh([(-1.0, 1.0)], cells=10), layers=4)
    >>> coarse.transport.degree, coarse.layer_map.order, coarse.on(emfc.CartesianMesh([(-1.0, 1.0)], cells=20)).layers
    (5, 4, 4)
    >>> Discretisation(coarse.mesh, layers=[0.0, 0.1, 1.0], control_degree=2).layer_map.method
    'dop853'
    """

    mesh: Mesh
    layers: int | tuple[float, ...]
    transport: TransportScheme
    continuity: ContinuityScheme
    layer_map: LayerMap
    control_degree: int

    def __init__(
        self,
        mesh: Mesh,
        layers: Grid,
        transport: TransportScheme | None = None,
        continuity: ContinuityScheme | None = None,
        layer_map: LayerMap | str = AUTO,
        control_degree: int = 0,
    ) -> None:
        if not isinstance(mesh, Mesh):
            raise fail("mesh", mesh, "a CartesianMesh or a SimplexMesh, such as CartesianMesh([(-8.0, 8.0)], 160)")
        schemes = chosen(mesh.base, transport, continuity)
        steps = as_layer_map(layer_map, control_degree)
        values = (mesh.base, checked_grid(layers), *schemes, steps, control_degree)
        for field, value in zip(fields(self), values, strict=True):
            object.__setattr__(self, field.name, value)

    @property
    def layer_count(self) -> int:
        """The number of layers."""
        return count_of(self.layers)

    def on(self, mesh: Mesh) -> Discretisation:
        """The same discretisation on another mesh."""
        return replace(self, mesh=mesh)


@dataclass(frozen=True)
class Resources:
    """The resources that evaluations may use.

    Parameters
    ----------
    threads : number of threads of semi-Lagrangian steps; by default `EMFC_NUM_THREADS`, or 1. It does not change any bit of the
        results.
    memory : memory for the densities of the forward sweep that a gradient stores: bytes (an integer), or a fraction of the
        machine's memory (a float in (0, 1]). Densities that do not fit are computed again, with the same bits, see
        `reverse_sweep`.
    precision : "double", or "single" to store these densities in single precision. This halves the memory and causes relative
        errors of the gradient of about 1e-7; costs do not change.

    Raises
    ------
    ArgumentError
        If the precision is unknown. Threads and memory out of range raise the error when they are used.

    Examples
    --------
    >>> Resources(precision="single").rounded
    True
    """

    threads: int | None = None
    memory: float = 0.5
    precision: str = "double"

    def __post_init__(self) -> None:
        choice("precision", self.precision, PRECISIONS)

    @property
    def rounded(self) -> bool:
        """Whether gradients are rounded."""
        return self.precision != "double"

    @property
    def bytes_per_value(self) -> int:
        """Bytes per value of a stored density."""
        return int(np.dtype(PRECISIONS[self.precision]).itemsize)
