"""Mesh files, through meshio."""

from __future__ import annotations

import contextlib
import io
import os
from typing import Any

import numpy as np

from .._files import as_path, existing, writing
from .._validate import fail
from ..errors import FileFormatError

#: some of the formats that meshio reads and writes; `.vtu` keeps the names of boundaries both ways
FORMATS = (".vtu", ".msh", ".vtk", ".xdmf", ".med", ".inp", ".mesh", ".bdf")
SIMPLICES = {"line": 1, "triangle": 2, "tetra": 3}


def read(path: str | os.PathLike[str]) -> Any:
    """The scikit-fem mesh in a file: its simplices of the highest dimension, with the named boundaries."""
    import meshio
    from skfem.io.meshio import from_meshio

    file = existing("path", path, "mesh file")
    said = io.StringIO()
    try:
        # meshio prints what is wrong and leaves by SystemExit where no reader takes the file.
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            content = meshio.read(file)
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error if not isinstance(error, SystemExit) else said.getvalue()).split())
        raise FileFormatError(
            f"{path}: meshio cannot read it ({reason}); formats that work: {', '.join(FORMATS)}"
        ) from error
    kinds = {block.type for block in content.cells}
    dims = [SIMPLICES[kind] for kind in kinds if kind in SIMPLICES]
    others = sorted(kinds - set(SIMPLICES) - {"vertex"})
    if others or not dims:
        raise FileFormatError(
            f"{path}: got cells of type {', '.join(others) or 'none'}, expected line, triangle or tetra: have the "
            "generator make linear simplices"
        )
    spare = np.asarray(content.points)[:, max(dims) :]
    if np.ptp(spare, axis=0).max(initial=0.0) > 0:
        raise FileFormatError(
            f"{path}: got {max(kinds, key=lambda k: SIMPLICES.get(k, 0))} cells that do not lie in a plane (or on a line) of "
            f"constant last coordinates, expected a mesh of dimension {max(dims)}"
        )
    return from_meshio(content)


def write(mesh: Any, path: str | os.PathLike[str]) -> None:
    """Write a scikit-fem mesh; the ending of the path says the format. `.vtu` keeps the named boundaries."""
    import meshio
    from skfem.io.meshio import to_meshio

    file = as_path("path", path)
    if file.suffix not in meshio.extension_to_filetypes:
        raise fail("path", str(path), f"a file ending such as {', '.join(FORMATS)}")
    content = to_meshio(mesh)
    content.points = np.pad(content.points, ((0, 0), (0, 3 - content.points.shape[1])))  # as most formats want them
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        # Two formats share this ending; Gmsh's is the one that generators and ParaView read.
        content.write(file, "gmsh" if file.suffix == ".msh" else None)
