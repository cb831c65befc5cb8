"""Data sets on the line and in space that ParaView draws without a filter when they are opened.

ParaView does not draw images of one dimension, draws lines only a pixel wide, and shows only the outside of a mesh in space,
where there is no mass. Densities on the line are therefore drawn as areas in a plane, and densities in space as surfaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..results.solution_data import SolutionData

if TYPE_CHECKING:
    import pyvista

#: the array that is drawn
DENSITY = "density_total"
#: height of the largest density on the line, as a share of the line's length
HEIGHT = 0.4
#: densities of the surfaces in space, as shares of the largest
SHARES = (0.05, 0.2, 0.5)
#: a path over corners that draws all edges of a rectangle, or of a box; per corner and coordinate, whether it is the high end
RECTANGLE = ((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 0))
BOX = (
    *RECTANGLE, (0, 0, 1), (1, 0, 1), (1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0), (1, 1, 1), (0, 1, 1), (0, 1, 0),
    (0, 1, 1), (0, 0, 1),
)  # fmt: skip
#: VTK's number of the quadrilateral
QUAD = 9


def upright(grid: pyvista.DataSet, largest: float) -> pyvista.UnstructuredGrid:
    """The cells of a line as areas in the plane (x, height), their heights in proportion to `density_total`.

    The area over a cell is a rectangle if densities live in cells, and a trapezium if they live at vertices. The cells, their
    order and their data are those of the line. Every area has four points, two on the line and two above them, with the data
    of the vertices. The field data `height_of_density` is the factor from densities to heights.

    Parameters
    ----------
    grid : a mesh of the line, with `density_total` in its cells or at its points.
    largest : the density whose height is 0.4 of the line's length; it is the same at all times of a collection.
    """
    import pyvista

    line = grid.cast_to_unstructured_grid()
    ends = line.cell_connectivity.reshape(-1, 2)
    corners = ends[:, [0, 1, 1, 0]].ravel()
    points = np.array(line.points[corners], dtype=np.float64)
    factor = HEIGHT * float(np.ptp(points[:, 0])) / max(largest, np.finfo(float).tiny)
    of_points = DENSITY in line.point_data
    density = line.point_data[DENSITY][corners] if of_points else np.repeat(line.cell_data[DENSITY], 4)
    points[:, 1] = factor * density * np.tile([0.0, 0.0, 1.0, 1.0], len(ends))
    cells = np.column_stack([np.full(len(ends), 4), np.arange(len(points)).reshape(-1, 4)])
    out = pyvista.UnstructuredGrid(cells.ravel(), np.full(len(ends), QUAD, dtype=np.uint8), points)
    for name, values in line.point_data.items():
        out.point_data[name] = values[corners]
    for name, values in line.cell_data.items():
        out.cell_data[name] = values
    keep_field_data(grid, out)
    out.field_data["height_of_density"] = [factor]
    coloured(out)
    return out


def surfaces(grid: pyvista.DataSet, largest: float | None = None) -> pyvista.PolyData:
    """The surfaces of a mesh in space on which `density_total` is 5, 20 and 50 % of the largest, with all data at their points.

    Parameters
    ----------
    grid : the mesh, with its data in cells or at points.
    largest : the density to which the shares refer; by default the largest density of the grid, so that surfaces always exist.
    """
    nodes = grid.cell_data_to_point_data()
    top = float(nodes.point_data[DENSITY].max()) if largest is None else largest
    out = nodes.contour([share * top for share in SHARES], scalars=DENSITY)
    keep_field_data(grid, out)
    if out.n_points:
        coloured(out)
    return out


def framed(lines: pyvista.PolyData, low: np.ndarray, high: np.ndarray) -> pyvista.PolyData:
    """Lines and, as the last cell, the edges of the rectangle or box from `low` to `high`, whose cell data are NaN.

    ParaView's camera fits the first data that it shows. With the frame, these cover all later data too.

    Parameters
    ----------
    lines : the lines, with the point data `time`.
    low, high : `(3,)` each; they are equal in coordinates without an extent.
    """
    import pyvista

    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    corners = np.where(np.array(RECTANGLE if low[2] == high[2] else BOX, dtype=bool), high, low)
    count = lines.n_points
    out = pyvista.PolyData()
    out.points = np.concatenate([lines.points, corners])
    out.verts = lines.verts
    path = [len(corners), *range(count, count + len(corners))]
    out.lines = np.concatenate([lines.lines, path]).astype(np.int64)
    out.point_data["time"] = np.append(lines.point_data["time"], np.full(len(corners), lines.point_data["time"].max()))
    for name, values in lines.cell_data.items():
        out.cell_data[name] = np.append(values, np.nan)
    coloured(out, lines.cell_data.active_scalars_name)
    return out


def with_control(data: pyvista.DataSet, solution: SolutionData, times: np.ndarray) -> None:
    """Add the control at times `(n,)` as field data `theta_PARAMETER`, `(n,)` each.

    Parameters
    ----------
    data : a data set.
    solution : the solution.
    times : where a layer ends and another one begins, the value is that at the start of the latter.
    """
    values = solution.numerics.curves.values(solution.control, times)
    for k, name in enumerate(solution.parameter_names):
        data.field_data[f"theta_{name}"] = np.ascontiguousarray(values[:, k])


def keep_field_data(source: pyvista.DataSet, target: pyvista.DataSet) -> None:
    """Copy the field data of a data set to one that was made from it.

    Parameters
    ----------
    source, target : the data sets.
    """
    for name, values in source.field_data.items():
        target.field_data[name] = values


def coloured(data: pyvista.DataSet, name: str = DENSITY) -> None:
    """Make ParaView colour by the array `name`; otherwise it would prefer an array at the points."""
    at = "point" if name in data.point_data else "cell"
    data.point_data.active_scalars_name = data.cell_data.active_scalars_name = None
    data.set_active_scalars(name, preference=at)
