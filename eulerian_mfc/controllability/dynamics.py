"""The controlled dynamics of steering: a field, and the layers by which its flow is followed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._validate import fail, integer, mismatch, positive
from ..control.grid import MOST_LAYERS
from ..fields import AgrachevSarychevField, Field
from ..flow.flow_of_field import Flow
from ..flow.layer_map import LayerMap
from ..flow.resolution import as_layer_map
from .least_squares import Transfer

#: the default layer map
LAYER_MAP = LayerMap("rk4", 2)


@dataclass(frozen=True)
class Dynamics:
    """The dynamics `x' = F(u, x)` whose control `steer` and `learn_map` look for, with its layers.

    Parameters
    ----------
    field : by default AgrachevSarychevField(d), which moves any N points to any others for d >= 2.
    layers : number of layers, on each of which the control is constant.
    horizon : the final time T.
    layer_map : "euler", "midpoint", "rk4" or a LayerMap.

    Examples
    --------
    >>> from eulerian_mfc.controllability import Dynamics, steer
    >>> steer([[0.0, 0.0]], [[0.5, 0.0]], Dynamics(layers=2, horizon=2.0)).control.shape[0]
    2
    """

    field: Field | None = None
    layers: int = 20
    horizon: float = 1.0
    layer_map: LayerMap | str = LAYER_MAP


#: the dynamics with all defaults
DYNAMICS = Dynamics()


def transfer_of(x: np.ndarray, y: np.ndarray, w: np.ndarray, dynamics: Dynamics) -> Transfer:
    """Points `(n, d)`, their targets `(n, d)` and weights `(n,)`, with the field and the layers."""
    if not isinstance(dynamics, Dynamics):
        raise fail("dynamics", dynamics, "controllability.Dynamics(field, layers=20, horizon=1.0)")
    dim, field = x.shape[1], dynamics.field
    chosen = AgrachevSarychevField(dim) if field is None else field
    if not isinstance(chosen, Field):
        raise fail("field", field, "a field, such as fields.AgrachevSarychevField(2)")
    if chosen.dim != dim:
        raise mismatch("field", f"a field of dimension {chosen.dim}", f"the dimension {dim} of the points")
    flow = Flow(chosen, as_layer_map(dynamics.layer_map))
    return Transfer(
        flow, positive("horizon", dynamics.horizon), integer("layers", dynamics.layers, maximum=MOST_LAYERS), x, y, w
    )
