"""ParaView files of a solution."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import numpy as np

from ..files.atomic import make_folder, together
from ..files.locks import alone
from ..meshes import CartesianMesh
from ..results.solution_data import SolutionData
from ..transport import SemiLagrangian
from ..transport.interpolation import Interpolation
from . import vtk_simplices
from .vtk_pictures import coloured, framed, surfaces, upright, with_control

if TYPE_CHECKING:
    import pyvista


def write(solution: SolutionData, folder: str | os.PathLike[str]) -> None:
    """Write the files for ParaView into `folder`, which is created if it does not exist: either all files, or none.

    * `solution.pvd`: the densities with the real times. Open this file, and ParaView draws them, coloured by `density_total`.
      On the line these are the area under the density (`solution_0000.vtu`, ...; for its heights see `vtk_pictures.upright`), in
      the plane the mesh (`solution_0000.vti`, ...), in space surfaces of equal density (`solution_0000.vtp`, ...).
    * `volume.pvd`, `volume_0000.vti`, ... (in space only): the mesh, to be cut and measured.
    * `trajectories.pvd`, `trajectories_0000.vtp`, ...: the characteristics up to each time, coloured by `label_1`;
      `trajectories.vtp` holds them complete. They have point data `time` and cell data `label_1`, ...; on the line they are
      points (x, t). The last cell of the numbered files is a frame around everything, with label NaN, for ParaView's camera.
    * `spacetime.vti` (on the line only): densities and potentials over (x, t), point data; `spacetime.vtr` if the distances of
      the levels in time differ.

    Cells hold `density_NAME` for every moment or label, `density_total`, `psi_NAME`, and the vectors `grad_psi_NAME` and
    `velocity`; on surfaces all these data are at the points. Files of simplex meshes end in `.vtu` and `.vtr` instead of `.vti`,
    and some of their data are at the vertices; see `vtk_simplices.level`. The files of densities have the control at their time
    as field data `theta_PARAMETER`: where a layer ends and another one begins, the value at the start of the latter. The file of
    space and time has these values at all levels.

    Raises
    ------
    StorageError
        If a file cannot be written, or another program is writing into the folder; earlier files stay intact.
    """
    target = make_folder("folder", folder)
    collections, spacetimes = _collections(solution), _spacetimes(solution)
    levels = range(len(solution.times))
    files = {(name, ending): [f"{name}_{n:04d}.{ending}" for n in levels] for name, (ending, _) in collections.items()}
    with alone(target):
        with together() as put:
            for (name, _), names in files.items():
                for n, file in zip(levels, names, strict=True):
                    put(target / file, encoded(collections[name][1](n)))
                put(target / f"{name}.pvd", collection(solution.times, names))
            put(target / "trajectories.vtp", encoded(polylines(solution, len(solution.times) - 1)))
            for name, make in spacetimes.items():
                put(target / name, encoded(make(solution)))
        written = {f"{name}.pvd" for name in collections} | {*spacetimes}.union(*files.values())
        for pattern in (
            "solution_*.vt[ipu]",
            "volume_*.vt[iu]",
            "volume.pvd",
            "trajectories_*.vtp",
            "spacetime.vt[ir]",
        ):
            for stale in target.glob(pattern):  # files of an earlier run with more layers, or on another mesh
                if stale.name not in written:
                    stale.unlink(missing_ok=True)


def _collections(solution: SolutionData) -> dict[str, tuple[str, Callable[[int], pyvista.DataSet]]]:
    """Per collection, the ending of its files, and the function that makes the data set of a time level."""
    boxes = isinstance(solution.mesh, CartesianMesh)
    whole = partial(level if boxes else vtk_simplices.level, solution)
    mesh = ("vti" if boxes else "vtu", whole)
    paths = ("vtp", partial(growing, solution))
    if solution.mesh.dim == 1:
        largest = float(solution.total_density.max())
        return {"solution": ("vtu", lambda n: upright(whole(n), largest)), "trajectories": paths}
    if solution.mesh.dim == 2:
        return {"solution": mesh, "trajectories": paths}
    return {"solution": ("vtp", lambda n: surfaces(whole(n))), "volume": mesh, "trajectories": paths}


def _spacetimes(solution: SolutionData) -> dict[str, Callable[[SolutionData], pyvista.DataSet]]:
    """Per file over space and time, the function that makes its data set."""
    if solution.mesh.dim > 1:
        return {}
    if not isinstance(solution.mesh, CartesianMesh):
        return {"spacetime.vtr": vtk_simplices.spacetime}
    return {"spacetime.vti": spacetime} if equal_levels(solution) else {"spacetime.vtr": unequal_spacetime}


def encoded(data: pyvista.DataSet) -> bytes:
    """A data set of pyvista as the content of a file; VTK's own writers report no error if the disk is full."""
    import pyvista
    from vtkmodules import vtkIOXML

    writers = {
        pyvista.ImageData: vtkIOXML.vtkXMLImageDataWriter,
        pyvista.PolyData: vtkIOXML.vtkXMLPolyDataWriter,
        pyvista.RectilinearGrid: vtkIOXML.vtkXMLRectilinearGridWriter,
        pyvista.UnstructuredGrid: vtkIOXML.vtkXMLUnstructuredGridWriter,
    }
    writer = writers[type(data)]()
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


def level(solution: SolutionData, n: int) -> pyvista.ImageData:
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
        grid.cell_data["velocity"] = _vectors(solution.controlled_flow.velocity(n, mesh.centres), mesh.shape)
    with_control(grid, solution, solution.times[n : n + 1])
    coloured(grid)
    return grid


def interpolation_of(solution: SolutionData) -> Interpolation:
    """The interpolation of the transport scheme; cubic splines if it has none."""
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


def polylines(solution: SolutionData, last: int, heads: bool = False) -> pyvista.PolyData:
    """The characteristics up to time level `last` as polylines (on a line: as points (x, t)).

    Parameters
    ----------
    solution : a solution with its characteristics.
    last : the last time level.
    heads : whether to add a point at the end of every line; the cells of the points precede those of the lines. Lines without
        length, such as all lines at level 0, would be invisible.
    """
    import pyvista

    x = solution.paths.x[: last + 1]
    levels, count, dim = x.shape
    points = np.zeros((count, levels, 3))
    points[:, :, :dim] = x.transpose(1, 0, 2)
    times = np.broadcast_to(solution.times[:levels], (count, levels))
    if dim == 1:
        points[:, :, 1] = times
    index = np.arange(count * levels).reshape(count, levels)
    lines = pyvista.PolyData()
    lines.points = points.reshape(-1, 3)
    if heads:
        lines.verts = np.column_stack([np.full(count, 1), index[:, -1]]).ravel()
    lines.lines = np.column_stack([np.full(count, levels), index]).ravel()
    lines.point_data["time"] = times.ravel()
    for k in range(solution.paths.y.shape[1]):
        lines.cell_data[f"label_{k + 1}"] = np.tile(solution.paths.y[:, k], 2 if heads else 1)
    # If ParaView coloured by time, it would use the colour range of the first level, where the time is 0, for all levels.
    coloured(lines, "label_1")
    return lines


def growing(solution: SolutionData, last: int) -> pyvista.PolyData:
    """`polylines` with heads, for the collection, with a frame around the complete lines, whose label is NaN.

    At time 0 the lines are the points of the law. Without a frame, ParaView's camera would fit these points, and would not
    follow when they move.
    """
    lines, x = polylines(solution, last, heads=True), solution.paths.x
    low, high = np.zeros(3), np.zeros(3)
    low[: x.shape[2]], high[: x.shape[2]] = x.min(axis=(0, 1)), x.max(axis=(0, 1))
    if solution.mesh.dim == 1:
        high[1] = solution.times[-1]
    return framed(lines, low, high)


def equal_levels(solution: SolutionData) -> bool:
    """Whether all levels in time have the same distance."""
    curves = solution.numerics.curves
    return curves.equal and curves.steps_per_layer <= 2  # Lobatto's rules of two and three points are equally spaced


def spacetime(solution: SolutionData) -> pyvista.ImageData:
    """In one dimension: densities and potentials on the plane (x, t), at the cell centres and the levels in time."""
    import pyvista

    mesh = solution.mesh
    assert isinstance(mesh, CartesianMesh)
    grid = pyvista.ImageData(
        dimensions=[mesh.shape[0], len(solution.times), 1],
        spacing=[float(mesh.widths[0]), float(solution.times[1]), 1.0],
        origin=[float(mesh.axis(0)[0]), 0.0, 0.0],
    )
    _over_time(grid, solution)
    return grid


def unequal_spacetime(solution: SolutionData) -> pyvista.RectilinearGrid:
    """The same as `spacetime` where the distances of the levels in time differ."""
    import pyvista

    mesh = solution.mesh
    assert isinstance(mesh, CartesianMesh)
    grid = pyvista.RectilinearGrid(mesh.axis(0), np.array(solution.times), np.zeros(1))
    _over_time(grid, solution)
    return grid


def _over_time(grid: pyvista.DataSet, solution: SolutionData) -> None:
    """Add densities and potentials at all levels, and the control, to a grid of the plane (x, t)."""
    grid.point_data["density_total"] = solution.total_density.ravel()
    for r, name in enumerate(solution.names):
        grid.point_data[f"density_{name}"] = solution.densities[:, r].ravel()
        grid.point_data[f"psi_{name}"] = solution.potentials[:, r].ravel()
    with_control(grid, solution, solution.times)
