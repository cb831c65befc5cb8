"""How a problem is discretised, and what evaluations may use, each as one value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import continuity as continuity_schemes
from .. import transport as transport_schemes
from .._validate import choice, fail, integer, mismatch
from ..continuity import FiniteVolumeTranspose, PushForward
from ..flow.characteristics import TABLEAUX, LayerMap
from ..meshes import Mesh, SimplexMesh
from ..transport import Elements, SemiLagrangian
from .reverse_sweep import PRECISIONS

#: a scheme of transport or continuity, see the contracts there
Scheme = Any
TRANSPORT = (*transport_schemes.REGISTRY.values(), FiniteVolumeTranspose)
CONTINUITY = tuple(continuity_schemes.REGISTRY.values())
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


@dataclass(frozen=True)
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
    transport: Scheme = None
    continuity: Scheme = None
    layer_map: LayerMap = RK4

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", integer("layers", self.layers))
        object.__setattr__(self, "layer_map", as_layer_map(self.layer_map))
        if not isinstance(self.mesh, Mesh):
            raise fail("mesh", self.mesh, "a CartesianMesh or a SimplexMesh")
        object.__setattr__(self, "mesh", self.mesh.base)
        transport, continuity = default_schemes(self.mesh)
        object.__setattr__(self, "transport", transport if self.transport is None else self.transport)
        object.__setattr__(self, "continuity", continuity if self.continuity is None else self.continuity)
        for name, scheme, kinds, example in (
            ("transport", self.transport, TRANSPORT, "transport.SemiLagrangian()"),
            ("continuity", self.continuity, CONTINUITY, "continuity.FiniteVolume()"),
        ):
            if not isinstance(scheme, kinds):
                raise fail(name, scheme, f"a scheme of the module {name}, such as {example}")
            if getattr(scheme, "mesh_kind", "cartesian") not in ("any", self.mesh.kind):
                suits = {"transport": "transport.Elements()", "continuity": "continuity.SimplexFiniteVolume()"}[name]
                suits = suits if self.mesh.kind == "simplex" else example
                raise mismatch(name, f"{scheme!r} on a {type(self.mesh).__name__}", f"a scheme for that mesh: {suits}")

    def on(self, mesh: Mesh) -> Discretisation:
        """The same on another mesh."""
        return replace(self, mesh=mesh)


def default_schemes(mesh: Mesh) -> tuple[Scheme, Scheme]:
    """Transport and continuity where the user names none: an adjoint pair, decided here for every entry of the package.

    Parameters
    ----------
    mesh : of the state space.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> transport, continuity = default_schemes(emfc.CartesianMesh([(-1.0, 1.0)], cells=10))
    >>> type(transport).__name__, transport.degree, continuity
    ('SemiLagrangian', 5, PushForward())
    """
    return Elements() if isinstance(mesh, SimplexMesh) else SemiLagrangian(), PushForward()


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
