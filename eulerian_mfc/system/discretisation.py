"""How a problem is discretised, and what evaluations may use, each as one value."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from .._validate import choice, fail, integer
from ..flow.layer_map import LayerMap
from ..flow.tableaux import TABLEAUX
from ..meshes import Mesh
from ..schemes import ContinuityScheme, TransportScheme
from .reverse_sweep import PRECISIONS
from .scheme_choice import chosen

#: the layer map that is taken where the user names none
RK4 = LayerMap("rk4")
#: resources on which no result depends: the bits are the same for all threads and any memory
WITHOUT_EFFECT = ("threads", "memory")


def as_layer_map(layer_map: LayerMap | str) -> LayerMap:
    """A LayerMap, from itself or from a method's name.

    Parameters
    ----------
    layer_map : a LayerMap, or "euler", "midpoint" or "rk4".

    Raises
    ------
    ArgumentError
        For other names.

    Examples
    --------
    >>> as_layer_map("euler").order
    1
    """
    return layer_map if isinstance(layer_map, LayerMap) else LayerMap(choice("layer_map", layer_map, TABLEAUX))


@dataclass(frozen=True, init=False)
class Discretisation:
    """Mesh, layers, schemes and layer map: with a problem, an OptimalitySystem.

    Parameters
    ----------
    mesh : of the state space.
    layers : number M of layers, on each of which the control is constant.
    transport : backward scheme; by default quintic splines, on simplices quadratic elements.
    continuity : forward scheme; by default the exact transpose of `transport`, which makes the gradient exact.
    layer_map : "euler" (a residual network), "midpoint", "rk4", or a LayerMap with substeps.

    Raises
    ------
    ArgumentError
        For arguments that are of other kinds, out of range, or do not fit together.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> coarse = Discretisation(emfc.CartesianMesh([(-1.0, 1.0)], cells=10), layers=4)
    >>> coarse.transport.degree, coarse.layer_map.order, coarse.on(emfc.CartesianMesh([(-1.0, 1.0)], cells=20)).layers
    (5, 4, 4)
    """

    mesh: Mesh
    layers: int
    transport: TransportScheme
    continuity: ContinuityScheme
    layer_map: LayerMap

    def __init__(
        self,
        mesh: Mesh,
        layers: int,
        transport: TransportScheme | None = None,
        continuity: ContinuityScheme | None = None,
        layer_map: LayerMap | str = RK4,
    ) -> None:
        if not isinstance(mesh, Mesh):
            raise fail("mesh", mesh, "a CartesianMesh or a SimplexMesh, such as CartesianMesh([(-8.0, 8.0)], 160)")
        schemes = chosen(mesh.base, transport, continuity)
        values = (mesh.base, integer("layers", layers), *schemes, as_layer_map(layer_map))
        for field, value in zip(fields(self), values, strict=True):
            object.__setattr__(self, field.name, value)

    def on(self, mesh: Mesh) -> Discretisation:
        """The same on another mesh."""
        return replace(self, mesh=mesh)


@dataclass(frozen=True)
class Resources:
    """What evaluations may use.

    Parameters
    ----------
    threads : of semi-Lagrangian steps; by default `EMFC_NUM_THREADS`, or 1. Results are the same bits for any number.
    memory : what a gradient may use for the densities of the forward sweep: bytes (an integer), or a fraction of the machine's
        memory (a float in (0, 1]). What does not fit is computed again: same bits, see `reverse_sweep`.
    precision : "double", or "single" for densities rounded to single precision where a gradient waits for them: half the
        memory, relative errors of the gradient of about 1e-7 (costs are not touched).

    Raises
    ------
    ArgumentError
        For another precision; for threads and memory out of range where they are used.

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
        """Of a density that waits for its gradient."""
        return int(np.dtype(PRECISIONS[self.precision]).itemsize)
