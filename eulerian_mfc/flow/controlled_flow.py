"""A field under a control that is constant on layers: where it carries points, whatever the mesh."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from .._frozen import frozen
from .._validate import array, mismatch
from .flow_of_field import Flow
from .layers import Layer


@dataclass(frozen=True, eq=False)
class ControlledFlow:
    """`x <- Phi_n(x)` for every layer n, Phi_n the layer map of `F(t, theta_n, x)`.

    Parameters
    ----------
    flow : the field F with its layer map.
    horizon : the final time, in units of time.
    control : `(layers, m)`, constant on layers of equal length.
    input_dim : coordinates of the inputs; those of the states that follow start at zero.

    Raises
    ------
    ArgumentError
        From methods, for points of another shape.

    References
    ----------
    W. E, J. Han, Q. Li, A mean-field optimal control formulation of deep learning, Res. Math. Sci. 6 (2019), 10,
    doi:10.1007/s40687-018-0172-y (residual networks as controlled flows).

    Examples
    --------
    A translation with velocity 2 for half a unit of time:

    >>> import numpy as np, eulerian_mfc as emfc
    >>> moved = emfc.flow.Flow(emfc.fields.AffineField(1, matrix=False), emfc.LayerMap("euler"))
    >>> ControlledFlow(moved, 0.5, np.full((4, 1), 2.0), 1).end([[0.0], [1.0]]).tolist()
    [[1.0], [2.0]]
    """

    flow: Flow
    horizon: float
    control: np.ndarray
    input_dim: int

    @property
    def layers(self) -> int:
        """The number of layers."""
        return len(self.control)

    @cached_property
    def times(self) -> np.ndarray:
        """`(layers + 1,)` ends of the layers."""
        return frozen(np.linspace(0.0, self.horizon, self.layers + 1))

    def layer(self, n: int) -> Layer:
        """Layer n with its control."""
        return Layer(float(self.times[n]), self.horizon / self.layers, self.control[n])

    def trajectories(self, x: ArrayLike) -> np.ndarray:
        """Positions `(layers + 1, n, d)` of points `(n, d)` that start at time 0, by the layer maps.

        Of an augmented problem points may be given without the coordinates that start at zero.
        """
        dim = self.flow.field.dim
        points = array("x", x, ndim=(1, 2))
        points = points[:, None] if points.ndim == 1 and self.input_dim == 1 else points
        allowed = sorted({self.input_dim, dim})
        if points.ndim != 2 or points.shape[1] not in allowed:
            shapes = " or ".join(f"(n, {k})" for k in allowed)
            raise mismatch("x", f"an array of shape {np.shape(x)}", f"points as rows, an array of shape {shapes}")
        if points.shape[1] < dim:
            extra = np.zeros((dim - points.shape[1], len(points)))
            points = np.concatenate([points.T, extra]).T  # columns contiguous in memory
        out = np.empty((self.layers + 1, *points.shape))
        out[0] = points
        for n in range(self.layers):
            out[n + 1] = self.flow(self.layer(n), out[n])
        return out

    def end(self, x: ArrayLike) -> np.ndarray:
        """The flow map at the final time: points `(n, d)` -> X(T) `(n, d)`."""
        return self.trajectories(x)[-1]

    def velocity(self, n: int, points: np.ndarray) -> np.ndarray:
        """`(n, d)`: the field at points at time level n (at the final time with the last layer's control).

        Parameters
        ----------
        n : from 0 to the number of layers.
        points : `(n, d)`.
        """
        theta = self.control[min(n, self.layers - 1)]
        return self.flow.field(float(self.times[n]), theta, points)
