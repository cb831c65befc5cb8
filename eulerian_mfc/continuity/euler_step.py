"""A forward Euler step of finite volumes on a box: upwind fluxes, and their high-order corrections."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from ..kernels import finite_volume as _kernels
from ..kernels.threads import Workers
from ..meshes.padded import PaddedMesh
from .face_velocities import AxisVelocities
from .limiters import Limiter, limiter_of

#: smallest number of array entries per thread: with fewer, two threads are slower than one
PART = 2**18


def outflow_only(grid: PaddedMesh, flux: np.ndarray, v: np.ndarray, axis: int) -> None:
    """Set a face array to zero on boundary faces where the velocity points inwards: mass may leave, and none enters.

    On no-flux sides it is zero everywhere.

    Parameters
    ----------
    grid : the padded mesh.
    flux : values on the faces of the axis (a flux, or a moment of the velocity), padded; it is changed.
    v : the velocities on these faces, of the same shape.
    axis : the axis to which the faces are orthogonal.
    """
    if grid.periodic(axis):
        return
    faces, velocity = flux.reshape(grid.shape), v.reshape(grid.shape)
    (low, high), (first, last) = grid.kinds[axis], grid.boundary_faces(axis)
    faces[first] *= (velocity[first] < 0.0) & (low == "outflow")
    faces[last] *= (velocity[last] > 0.0) & (high == "outflow")


class EulerStep:
    """One forward Euler step of one field; its work arrays are allocated once.

    Parameters
    ----------
    grid : the padded mesh.
    reconstruction, limiter, positivity : see `FiniteVolume`.
    workers : the threads that compute the step.
    """

    def __init__(
        self, grid: PaddedMesh, reconstruction: str, limiter: str | Limiter, positivity: bool, workers: Workers
    ) -> None:
        self.grid, self._reconstruction, self._limiter, self._positivity = grid, reconstruction, limiter, positivity
        self._legendre = _kernels.legendre_from_averages()
        self._low, self._high, self._face, self._total, self._share = np.zeros((5, grid.size))
        self._flux, self._upwind = np.zeros((2, grid.mesh.dim, grid.size))
        self._workers = workers
        # One part per thread. The value of an entry does not depend on the partition.
        ends = np.linspace(0, grid.size, max(1, min(workers.threads, grid.size // PART)) + 1)
        self._parts = list(pairwise(ends.astype(int).tolist()))

    def __call__(
        self,
        field: np.ndarray,
        factors: np.ndarray,
        velocities: list[AxisVelocities],
        crossed: np.ndarray,
        signed: bool,
    ) -> np.ndarray:
        """A forward Euler step of one field; the mass that leaves each side is added to `crossed` `(d, 2)`."""
        u = self.grid.pad(field)
        linear = self._reconstruction == "upwind"
        limited = not linear and self._positivity and not signed
        new = u.copy()
        for k, (v, s) in enumerate(zip(velocities, self.grid.strides, strict=True)):
            if linear or limited:
                self._each(_kernels.upwind_flux, u, s, v.mean, self._upwind[k])
                outflow_only(self.grid, self._upwind[k], v.mean, k)
            if not linear:
                # With the limiter: the difference of the high-order flux and the upwind flux.
                self._reconstructed_flux(u, k, v, self._upwind[k], float(limited))
                outflow_only(self.grid, self._flux[k], v.mean, k)
            used = self._upwind[k] if linear or limited else self._flux[k]
            self._each(_kernels.divergence, used, s, factors[k], new)
            self._book(used, k, factors[k], crossed)
        if limited:
            self._antidiffusion(new, factors, crossed)
        return self.grid.unpad(new)

    def _each(self, kernel: Callable[..., None], *arguments: object) -> None:
        """Run a kernel on every part of the padded arrays, in the flow's threads."""
        self._workers.run(lambda part: kernel(*arguments, part), self._parts)

    def _reconstructed_flux(self, u: np.ndarray, axis: int, v: AxisVelocities, base: np.ndarray, share: float) -> None:
        """Write the high-order flux minus `share * base` into the flux array of the axis."""
        strides = self.grid.strides
        if self._reconstruction == "muscl":
            limiter = limiter_of(self._limiter)
            edges = _kernels.muscl_edges(limiter.formula, limiter.limited)
            self._each(edges, u, strides[axis], self._low, self._high)
        else:
            self._each(_kernels.weno_edges, u, strides[axis], self._low, self._high)
        sides = self._low, self._high, strides[axis]
        self._each(_kernels.edge_flux, *sides, v.mean, self._face, base, share, self._flux[axis])
        transverse = [s for k, s in enumerate(strides) if k != axis]
        for (a, b), moment in v.moments.items():
            face = self._face
            if a and b:
                face = self._low  # it is free by now: it takes the moment along the second transverse axis
                self._each(_kernels.line_moment, self._face, transverse[1], tuple(self._legendre[b]), face)
            along, degree = (transverse[0], a) if a else (transverse[1], b)
            weights = tuple(self._legendre[degree])
            self._each(_kernels.add_line_moment, face, along, weights, moment, self._flux[axis])

    def _book(self, flux: np.ndarray, axis: int, factor: float, crossed: np.ndarray) -> None:
        """Add the mass that crosses the two sides of an axis to the ledger."""
        if not self.grid.periodic(axis):
            grid = flux.reshape(self.grid.shape)
            first, last = self.grid.boundary_faces(axis)
            crossed[axis, 0] -= factor * grid[first].sum()
            crossed[axis, 1] += factor * grid[last].sum()

    def _antidiffusion(self, new: np.ndarray, factors: np.ndarray, crossed: np.ndarray) -> None:
        """Add the antidiffusive fluxes to the upwind step `new`, each limited by the mass of its donor cell."""
        self._total[:] = 0.0
        for k, s in enumerate(self.grid.strides):
            if not self.grid.periodic(k):
                # Boundary faces keep their upwind flux: there is no cell beyond them.
                for side in self.grid.boundary_faces(k):
                    self._flux[k].reshape(self.grid.shape)[side] = 0.0
            self._each(_kernels.drained, self._flux[k], s, factors[k], self._total)
        self._each(_kernels.shares, new, self._total, self._share)
        share = self._share.reshape(self.grid.shape)
        for k, s in enumerate(self.grid.strides):
            if self.grid.periodic(k):
                self.grid.wrap(share, k)
            self._each(_kernels.limited_divergence, self._flux[k], s, factors[k], self._share, new)
