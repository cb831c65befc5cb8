"""What all spaces of unknowns on a simplex mesh have from their mesh."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..meshes import Mesh, SimplexMesh


class SpaceOnMesh(Mesh):
    """A space of unknowns on a simplex mesh: its domain and its description are those of the mesh.

    A subclass sets `mesh` and adds `shape`, `centres`, `near_boundary` and `density`.

    Attributes
    ----------
    mesh : the SimplexMesh.
    """

    kind: ClassVar[str] = "simplex"
    mesh: SimplexMesh

    @property
    def base(self) -> SimplexMesh:
        return self.mesh

    @property
    def dim(self) -> int:
        return self.mesh.dim

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        return self.mesh.bounds

    @property
    def title(self) -> str:
        return self.mesh.title

    def contains(self, points: np.ndarray) -> np.ndarray:
        return self.mesh.contains(points)

    def spec(self) -> dict[str, object]:
        return self.mesh.spec()
