"""A field under a control: where it carries points, whatever the mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .._validate import array, integer, mismatch
from ..flow.flow_of_field import Mover
from .curves import Curves


@dataclass(frozen=True, eq=False)
class ControlledFlow:
    """`x <- Phi_n(x)` for every step n in time, Phi_n the layer map of `F(t, theta(t), x)`.

    Parameters
    ----------
    flow : the field F with its layer map, and with noise if there is any.
    curves : the functions of time that the control is one of.
    control : its coefficients, `(layers, m)` or `(layers, degree + 1, m)`.
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
    >>> ControlledFlow(moved, Curves(0.5, layers=4), np.full((4, 1), 2.0), 1).end([[0.0], [1.0]]).tolist()
    [[1.0], [2.0]]
    """

    flow: Mover
    curves: Curves
    control: np.ndarray
    input_dim: int

    def trajectories(self, x: ArrayLike, seed: int = 0) -> np.ndarray:
        """Positions `(steps + 1, n, d)` of points `(n, d)` that start at time 0, by the layer maps.

        With noise they are samples, of which the seed decides. Of an augmented problem points may be given without the
        coordinates that start at zero.
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
        out = np.empty((self.curves.steps + 1, *points.shape))
        out[0] = points
        moved = self.flow.seeded(integer("seed", seed, minimum=0))
        for n, step in enumerate(self.curves.path(self.control)):
            out[n + 1] = moved(step, out[n])
        return out

    def end(self, x: ArrayLike) -> np.ndarray:
        """The flow map at the final time: points `(n, d)` -> X(T) `(n, d)`.

        With noise there is none: an ArgumentError says so.
        """
        if self.flow.random:
            wanted = "a problem without noise: with noise X(T) is random; trajectories(x, seed) samples it"
            raise mismatch("flow", "the flow map of a problem with noise", wanted)
        return self.trajectories(x)[-1]

    def velocity(self, n: int, points: np.ndarray) -> np.ndarray:
        """`(n, d)`: the field at points at time level n (at the final time with the control at its end).

        Parameters
        ----------
        n : from 0 to the number of steps.
        points : `(n, d)`.

        Raises
        ------
        ArgumentError
            If there is no such level.
        """
        n = integer("n", n, minimum=0, maximum=self.curves.steps, instead="the number of steps in time")
        time = self.curves.times[n : n + 1]
        return self.flow.field(float(time[0]), self.curves.values(self.control, time)[0], points)
