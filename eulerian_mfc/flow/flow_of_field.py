"""The flow of a controlled field over layers: a field, the layer map that integrates it, and the threads that compute it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from ..fields import Field
from ..kernels.threads import ONE, Workers
from .layer_map import LayerMap, Pull
from .layers import Layer, Stage


class Mover(Protocol):
    """What moves points through layers: a `Flow`, or one with noise."""

    @property
    def field(self) -> Field:
        """The field F."""

    @property
    def layer_map(self) -> LayerMap:
        """How a layer moves points."""

    @property
    def random(self) -> bool:
        """Whether points move at random."""

    def seeded(self, seed: int) -> Mover:
        """The same, with random numbers of a seed if points move at random."""

    def __call__(self, layer: Layer, x: np.ndarray) -> np.ndarray:
        """Points `(n, d)` at the layer's start -> points at its end."""

    def trace(self, layer: Layer, x: np.ndarray) -> tuple[np.ndarray, Pull]:
        """`(n, d)` end points, and the transposed derivatives there; see `LayerMap.trace`."""


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

    @property
    def random(self) -> bool:
        """Whether points move at random: they do not."""
        return False

    def seeded(self, seed: int) -> Flow:
        """The flow itself, since nothing is random."""
        return self

    def __call__(self, layer: Layer, x: np.ndarray) -> np.ndarray:
        return self.layer_map(self.field, layer, x)

    def trace(self, layer: Layer, x: np.ndarray) -> tuple[np.ndarray, Pull]:
        """`(n, d)` end points, and the transposed derivatives there; see `LayerMap.trace`."""
        return self.layer_map.trace(self.field, layer, x)

    def with_stages(self, layer: Layer, x: np.ndarray) -> tuple[np.ndarray, list[list[Stage]]]:
        """`(n, d)` end points and the stages of every substep; see `LayerMap.with_stages`."""
        return self.layer_map.with_stages(self.field, layer, x)

    def pullback(self, layer: Layer, stages: list[list[Stage]], p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Covectors `(n, d)` at the start and the derivative in theta, of its shape; see `LayerMap.pullback`."""
        return self.layer_map.pullback(self.field, layer, stages, p)

    def tangent(
        self, layer: Layer, stages: list[list[Stage]], dtheta: np.ndarray
    ) -> tuple[np.ndarray, list[list[Stage]]]:
        """`(n, d)`: how end points move with `dtheta`, of theta's shape, and the stages with them; see `LayerMap.tangent`."""
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
        """The derivative, of theta's shape, of `pullback` along `(dtheta, dstages, dp)`; see `LayerMap.pullback_tangent`."""
        return self.layer_map.pullback_tangent(self.field, layer, stages, p, dtheta, dstages, dp)
