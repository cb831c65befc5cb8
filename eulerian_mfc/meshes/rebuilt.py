"""A simplex mesh from what its `spec` and `arrays` say, as files hold them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .simplex import SimplexMesh


def simplex_mesh(spec: dict[str, Any], arrays: dict[str, np.ndarray]) -> SimplexMesh:
    """The mesh that `spec` and `arrays` describe: `points (p, d)`, `cells (n, d + 1)`, facets of named boundaries."""
    import skfem

    points, cells = arrays["points"].T, arrays["cells"].T
    kind = {1: skfem.MeshLine1, 2: skfem.MeshTri1, 3: skfem.MeshTet1}[len(points)]
    mesh = kind(np.ascontiguousarray(points), np.ascontiguousarray(cells))
    names = {name: arrays[f"boundary/{k}"] for k, name in enumerate(spec["boundaries"])}
    return SimplexMesh(mesh.with_boundaries(names, boundaries_only=False) if names else mesh, spec["walls"])
