"""Ghost cells and faces of Cartesian boxes, for schemes with wide stencils.

A padded array has `GHOSTS` ghost cells on both sides of every axis. In the flattened array, the neighbours of cell e along an
axis of stride s are e - s and e + s. A face array has at index e the face between e and e + s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._validate import choice, fail
from .cartesian import CartesianMesh

GHOSTS = 3
BOUNDARIES = ("outflow", "no_flux", "periodic")


def boundary_kinds(boundary: str | Mapping[str, str], dim: int) -> list[tuple[str, str]]:
    """The kinds `(low, high)` of every axis, after a check: opposite a periodic side there must be a periodic side."""
    if isinstance(boundary, str):
        return [(choice("boundary", boundary, BOUNDARIES),) * 2] * dim
    names = [(f"{'xyz'[k]}_low", f"{'xyz'[k]}_high") for k in range(dim)]
    for name, kind in boundary.items():
        choice("boundary", name, [n for pair in names for n in pair])
        choice("boundary", kind, BOUNDARIES)
    kinds = [(boundary.get(low, "outflow"), boundary.get(high, "outflow")) for low, high in names]
    for k, pair in enumerate(kinds):
        if pair.count("periodic") == 1:
            raise fail(
                "boundary", dict(boundary), f"either both sides of axis {'xyz'[k]} to be periodic, or neither of them"
            )
    return kinds


class PaddedMesh:
    """A box with ghost cells, which are filled according to the boundary kinds `(low, high)` of every axis.

    Ghost cells repeat the cell at the side ("outflow"), mirror the cells inside ("no_flux"), or wrap around ("periodic").
    """

    def __init__(self, mesh: CartesianMesh, kinds: list[tuple[str, str]]) -> None:
        self.mesh, self.kinds = mesh, kinds
        self.shape = tuple(n + 2 * GHOSTS for n in mesh.shape)
        self.size = int(np.prod(self.shape))
        self.strides = [int(np.prod(self.shape[k + 1 :])) for k in range(mesh.dim)]
        self.inside = tuple(slice(GHOSTS, -GHOSTS) for _ in mesh.shape)

    def periodic(self, axis: int) -> bool:
        return self.kinds[axis][0] == "periodic"

    def pad(self, field: np.ndarray) -> np.ndarray:
        """One field on the mesh -> flat padded array with its ghost cells filled."""
        out = np.zeros(self.shape)
        out[self.inside] = field
        for k in range(self.mesh.dim):
            self.fill(out, k)
        return out.ravel()

    def unpad(self, padded: np.ndarray) -> np.ndarray:
        """The cells inside, as a view in the mesh's shape."""
        return padded.reshape(self.shape)[self.inside]

    def fill(self, padded: np.ndarray, axis: int) -> None:
        """Fill the ghost cells of one axis of an array of the padded shape."""
        view = np.moveaxis(padded, axis, 0)
        n = self.mesh.shape[axis]
        if self.periodic(axis):
            self.wrap(padded, axis)
            return
        for kind, ghosts, mirror, edge in (
            (self.kinds[axis][0], slice(0, GHOSTS), slice(2 * GHOSTS - 1, GHOSTS - 1, -1), GHOSTS),
            (self.kinds[axis][1], slice(n + GHOSTS, None), slice(n + GHOSTS - 1, n - 1, -1), n + GHOSTS - 1),
        ):
            view[ghosts] = view[mirror] if kind == "no_flux" else view[edge]

    def wrap(self, padded: np.ndarray, axis: int) -> None:
        """Fill the ghost cells of one axis with the cells of the other side."""
        view = np.moveaxis(padded, axis, 0)
        n = self.mesh.shape[axis]
        view[:GHOSTS] = view[n : n + GHOSTS]
        view[n + GHOSTS :] = view[GHOSTS : 2 * GHOSTS]

    def faces(self, axis: int) -> tuple[slice, ...]:
        """The slices of the box's faces across `axis`; the first face lies above the last ghost cell."""
        return tuple(slice(GHOSTS - (k == axis), GHOSTS + n) for k, n in enumerate(self.mesh.shape))

    def boundary_faces(self, axis: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The indices of the faces at the low and at the high side of `axis`."""
        first: list[Any] = list(self.inside)
        last: list[Any] = list(self.inside)
        first[axis], last[axis] = GHOSTS - 1, GHOSTS + self.mesh.shape[axis] - 1
        return tuple(first), tuple(last)

    def face_points(self, axis: int, offsets: Sequence[float] = ()) -> np.ndarray:
        """`(faces, d)`: points of the faces across `axis`, shifted from the centres by `offsets` (in half widths)."""
        grids = []
        others = iter(offsets)
        for k in range(self.mesh.dim):
            if k == axis:
                grids.append(self.mesh.faces(k))
            else:
                grids.append(self.mesh.axis(k) + 0.5 * self.mesh.widths[k] * next(others, 0.0))
        return np.stack([g.ravel() for g in np.meshgrid(*grids, indexing="ij")]).T
