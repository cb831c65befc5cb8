"""ParaView files of a solution."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import numpy as np

from ._claims import alone
from ._files import make_folder, write_whole
from .meshes import CartesianMesh
from .transport import SemiLagrangian
from .transport.interpolation import Interpolation

if TYPE_CHECKING:
    import pyvista

    from .solution import Solution


def write(solution: Solution, folder: str | os.PathLike[str]) -> None:
    """Write everything ParaView needs into `folder`, which is made where it does not exist.

    * `solution.pvd`: the collection, with the real times; open this one.
    * `solution_0000.vti`, ...: one image a time level, cell data: `density_NAME` for every moment or label,
      `density_total`, `psi_NAME`, `grad_psi_NAME` (vector), `velocity` (vector).
    * `trajectories.pvd`, `trajectories_0000.vtp`, ...: the characteristics up to each time; `trajectories.vtp` whole.
      Point data `time`, cell data `label_1`, ...
    * `spacetime.vti` (one dimension only): densities and potentials over (x, t), point data.

    On simplex meshes `.vtu` and `.vtr` instead of `.vti`; see `vtk_simplex.level`.

    Raises
    ------
    StorageError
        If a file cannot be written, or another program is writing into the folder.
    """
    target = make_folder("folder", folder)
    with alone(target):
        _write(solution, target)


def _write(solution: Solution, target: Path) -> None:
    from . import vtk_simplex

    boxes = isinstance(solution.mesh, CartesianMesh)
    make_level, ending = (level, "vti") if boxes else (vtk_simplex.level, "vtu")
    for pattern in ("solution_*.vt[iu]", "trajectories_*.vtp", "spacetime.vt[ir]"):
        for stale in target.glob(pattern):  # of an earlier run with more layers
            stale.unlink()
    names = []
    for n in range(solution.layers + 1):
        names.append(f"solution_{n:04d}.{ending}")
        save(make_level(solution, n), target / names[-1])
    write_collection(target / "solution.pvd", solution.times, names)
    names = []
    for n in range(solution.layers + 1):
        names.append(f"trajectories_{n:04d}.vtp")
        save(polylines(solution, n), target / names[-1])
    write_collection(target / "trajectories.pvd", solution.times, names)
    save(polylines(solution, solution.layers), target / "trajectories.vtp")
    if solution.mesh.dim == 1:
        if boxes:
            save(spacetime(solution), target / "spacetime.vti")
        else:
            save(vtk_simplex.spacetime(solution), target / "spacetime.vtr")


def save(data: Any, path: Path) -> None:
    """Write a data set of pyvista, whole or not at all: VTK's own files are cut off, and said to be written, on a full disk."""
    from vtkmodules import vtkIOXML

    writer = getattr(vtkIOXML, f"vtkXML{type(data).__name__}Writer")()
    writer.SetInputData(data)
    writer.SetDataModeToBinary()
    writer.WriteToOutputStringOn()
    writer.Write()
    write_whole(path, writer.GetOutputString().encode())


def write_collection(path: Path, times: np.ndarray, names: list[str]) -> None:
    """A `.pvd` file: one data set a time."""
    rows = [
        f'    <DataSet timestep="{float(t)!r}" part="0" file={quoteattr(name)}/>'
        for t, name in zip(times, names, strict=True)
    ]
    text = ['<?xml version="1.0"?>', '<VTKFile type="Collection" version="0.1">', "  <Collection>", *rows]
    write_whole(path, "\n".join([*text, "  </Collection>", "</VTKFile>", ""]).encode())


def level(solution: Solution, n: int) -> pyvista.ImageData:
    """The mesh at time level n with all its fields as cell data."""
    import pyvista

    mesh = solution.mesh
    assert isinstance(mesh, CartesianMesh)
    spare = 3 - mesh.dim
    grid = pyvista.ImageData(
        dimensions=[c + 1 for c in mesh.shape] + [1] * spare,
        spacing=[*mesh.widths.tolist()] + [1.0] * spare,
        origin=[low for low, _ in mesh.bounds] + [0.0] * spare,
    )
    interpolation = interpolation_of(solution)
    coefficients = interpolation.coefficients(solution.potentials[n])
    densities = solution.masses[n] / mesh.volume
    for r, name in enumerate(solution.names):
        grid.cell_data[f"density_{name}"] = densities[r].ravel(order="F")
    grid.cell_data["density_total"] = np.einsum("r,r...->...", solution.total, densities).ravel(order="F")
    for r, name in enumerate(solution.names):
        grid.cell_data[f"psi_{name}"] = solution.potentials[n, r].ravel(order="F")
        _, gradient = interpolation.gather(mesh.centres, coefficients[r : r + 1], np.ones((1, mesh.size)))
        grid.cell_data[f"grad_psi_{name}"] = _vectors(gradient, mesh.shape)
    if solution.numerics.flow is not None:
        grid.cell_data["velocity"] = _vectors(solution.velocity(n), mesh.shape)
    grid.set_active_scalars("density_total", preference="cell")
    return grid


def interpolation_of(solution: Solution) -> Interpolation:
    """The interpolation of the transport scheme, or cubic splines where it has none of its own."""
    scheme, mesh = solution.numerics.transport, solution.mesh
    assert isinstance(mesh, CartesianMesh)
    if isinstance(scheme, SemiLagrangian) and scheme.linear:
        return Interpolation(mesh, scheme.degree, scheme.interpolation, scheme.outside)
    return Interpolation(mesh, 3, "spline")


def _vectors(rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`(size, d)` vectors at the cell centres -> `(size, 3)` in VTK's order, the first axis running fastest."""
    out = np.zeros((len(rows), 3))
    for k in range(rows.shape[1]):
        out[:, k] = rows[:, k].reshape(shape).ravel(order="F")
    return out


def polylines(solution: Solution, last: int) -> pyvista.PolyData:
    """The characteristics up to time level `last` as polylines (on a line: as points (x, t))."""
    import pyvista

    x = solution.paths.x[: last + 1]
    levels, count, dim = x.shape
    points = np.zeros((count, levels, 3))
    points[:, :, :dim] = x.transpose(1, 0, 2)
    times = np.broadcast_to(solution.times[:levels], (count, levels))
    if dim == 1:
        points[:, :, 1] = times
    index = np.arange(count * levels).reshape(count, levels)
    sizes = np.full((count, 1), levels)
    lines = pyvista.PolyData()
    lines.points = points.reshape(-1, 3)
    lines.lines = np.concatenate([sizes, index], axis=1).ravel()
    lines.point_data["time"] = times.ravel()
    for k in range(solution.paths.y.shape[1]):
        lines.cell_data[f"label_{k + 1}"] = solution.paths.y[:, k]
    return lines


def spacetime(solution: Solution) -> pyvista.ImageData:
    """One dimension: densities and potentials on the plane (x, t), at the cell centres and the time levels."""
    import pyvista

    mesh = solution.mesh
    assert isinstance(mesh, CartesianMesh)
    grid = pyvista.ImageData(
        dimensions=[mesh.shape[0], solution.layers + 1, 1],
        spacing=[float(mesh.widths[0]), float(solution.times[1]), 1.0],
        origin=[float(mesh.axis(0)[0]), 0.0, 0.0],
    )
    grid.point_data["density_total"] = solution.total_density.ravel()
    for r, name in enumerate(solution.names):
        grid.point_data[f"density_{name}"] = solution.densities[:, r].ravel()
        grid.point_data[f"psi_{name}"] = solution.potentials[:, r].ravel()
    return grid
