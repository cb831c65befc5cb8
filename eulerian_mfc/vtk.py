"""ParaView files of a solution."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import numpy as np

from ._files import make_folder, together
from .meshes import CartesianMesh
from .transport import SemiLagrangian
from .transport.interpolation import Interpolation

if TYPE_CHECKING:
    import pyvista

    from .solution import Solution


def write(solution: Solution, folder: str | os.PathLike[str]) -> None:
    """Write everything ParaView needs into `folder`, which is made where it does not exist: all files, or none.

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
        If a file cannot be written; those of before are intact.
    """
    from . import vtk_simplex

    boxes = isinstance(solution.mesh, CartesianMesh)
    make_level, ending = (level, "vti") if boxes else (vtk_simplex.level, "vtu")
    target = make_folder("folder", folder)
    levels = {f"solution_{n:04d}.{ending}": n for n in range(solution.layers + 1)}
    paths = {f"trajectories_{n:04d}.vtp": n for n in range(solution.layers + 1)}
    spacetimes: dict[str, Any] = {}
    if solution.mesh.dim == 1:
        spacetimes = {"spacetime.vti": spacetime} if boxes else {"spacetime.vtr": vtk_simplex.spacetime}
    with together() as put:
        for name, n in levels.items():
            put(target / name, encoded(make_level(solution, n)))
        put(target / "solution.pvd", collection(solution.times, list(levels)))
        for name, n in paths.items():
            put(target / name, encoded(polylines(solution, n)))
        put(target / "trajectories.pvd", collection(solution.times, list(paths)))
        put(target / "trajectories.vtp", encoded(polylines(solution, solution.layers)))
        for name, make in spacetimes.items():
            put(target / name, encoded(make(solution)))
    for pattern in ("solution_*.vt[iu]", "trajectories_*.vtp", "spacetime.vt[ir]"):
        for stale in target.glob(pattern):  # of an earlier run with more layers, or on another mesh
            if stale.name not in {*levels, *paths, *spacetimes}:
                stale.unlink(missing_ok=True)


def encoded(data: Any) -> bytes:
    """A data set of pyvista as the content of a file: VTK's own writers call half a file written where the disk is full."""
    from vtkmodules import vtkIOXML

    writer = getattr(vtkIOXML, f"vtkXML{type(data).__name__}Writer")()
    writer.SetInputData(data)
    writer.SetDataModeToBinary()
    writer.WriteToOutputStringOn()
    writer.Write()
    return bytes(writer.GetOutputString().encode())


def collection(times: np.ndarray, names: list[str]) -> bytes:
    """The content of a `.pvd` file: one data set per time."""
    rows = [
        f'    <DataSet timestep="{float(t)!r}" part="0" file={quoteattr(name)}/>'
        for t, name in zip(times, names, strict=True)
    ]
    text = ['<?xml version="1.0"?>', '<VTKFile type="Collection" version="0.1">', "  <Collection>", *rows]
    return "\n".join([*text, "  </Collection>", "</VTKFile>", ""]).encode()


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
