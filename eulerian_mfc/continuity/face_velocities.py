"""Velocities across the faces of a mesh, with their moments over the faces, which high-order fluxes need."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from ..errors import NonFiniteError
from ..flow.flow_of_field import Flow
from ..meshes.padded import PaddedMesh


class AxisVelocities(NamedTuple):
    """Velocities v across the faces of one axis, flat and padded: the means of v and of `v P_a P_b` over each face.

    P are the Legendre polynomials. If `u = sum u_ab P_a P_b` on a face, the flux is the sum of `mean(v P_a P_b) u_ab`.
    """

    mean: np.ndarray
    moments: dict[tuple[int, int], np.ndarray]


class FaceVelocities:
    """The face velocities of a flow on a padded mesh, as functions of time and control.

    Without moments they are point values at the face centres. They are kept until the control changes, or the time if the
    field is not autonomous.
    """

    def __init__(self, grid: PaddedMesh, flow: Flow, moments: bool) -> None:
        self._grid, self._flow = grid, flow
        self._moments = moments and grid.mesh.dim > 1
        self._key: tuple[float, bytes] | None = None
        self._kept: list[AxisVelocities] = []

    def __call__(self, t: float, theta: np.ndarray) -> list[AxisVelocities]:
        """One entry per axis; NonFiniteError if a velocity is not finite."""
        key = (0.0 if self._flow.field.autonomous else t, theta.tobytes())
        if key != self._key:
            self._kept = [self._axis(t, theta, k) for k in range(self._grid.mesh.dim)]
            self._key = key
        return self._kept

    def rate(self, t: float, theta: np.ndarray) -> float:
        """Largest `sum_k |v_k| / h_k` of a cell; if both faces of an axis are outflow faces, their speeds are added."""
        rate = np.zeros(self._grid.size)
        for v, s, h in zip(self(t, theta), self._grid.strides, self._grid.mesh.widths, strict=True):
            above, below = v.mean[s:], v.mean[:-s]
            leaving = np.maximum(above, 0.0) - np.minimum(below, 0.0)
            rate[s:] += np.maximum(leaving, np.maximum(np.abs(above), np.abs(below))) / h
        return float(self._grid.unpad(rate).max())

    def _axis(self, t: float, theta: np.ndarray, axis: int) -> AxisVelocities:
        if not self._moments:
            return AxisVelocities(self._component(t, theta, axis), {})
        transverse = self._grid.mesh.dim - 1
        nodes, weights = np.polynomial.legendre.leggauss(3)
        basis = np.stack([np.ones(3), nodes, 1.5 * nodes**2 - 0.5])
        # Products of moments of total order above 2 are no larger than the error of the scheme, and are left out.
        orders = [(a, b) for a, b in product(range(3), repeat=2) if a + b <= 2 and (transverse == 2 or b == 0)]
        moments = {order: np.zeros(self._grid.size) for order in orders}
        for points in product(range(3), repeat=transverse):
            value = self._component(t, theta, axis, nodes[list(points)].tolist())
            weight = np.prod(weights[list(points)]) / 2**transverse
            for a, b in orders:
                factor = basis[a, points[0]] * (basis[b, points[1]] if transverse == 2 else 1.0)
                moments[a, b] += weight * factor * value
        return AxisVelocities(moments.pop((0, 0)), moments)

    def _component(self, t: float, theta: np.ndarray, axis: int, offsets: Sequence[float] = ()) -> np.ndarray:
        """Point values of the velocity across the faces of `axis`, flat and padded."""
        grid, mesh = self._grid, self._grid.mesh
        value = self._flow.field(t, theta, grid.face_points(axis, offsets))[:, axis]
        if not np.isfinite(value).all():
            raise NonFiniteError(f"the velocity across the faces of axis {axis} is not finite")
        out = np.zeros(grid.shape)
        out[grid.faces(axis)] = value.reshape([n + (k == axis) for k, n in enumerate(mesh.shape)])
        for kind, side in zip(grid.kinds[axis], grid.boundary_faces(axis), strict=True):
            if kind == "no_flux":
                out[side] = 0.0
        for k in range(mesh.dim):
            if k != axis:
                grid.fill(out, k)
            elif grid.periodic(k):
                grid.wrap(out, k)
        return out.ravel()
