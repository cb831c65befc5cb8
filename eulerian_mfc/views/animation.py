"""Animations of the densities over time, drawn by VTK without a window."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._validate import integer
from ..errors import EulerianError
from ..files.atomic import make_folder, together, writing
from ..files.locks import alone
from ..meshes import CartesianMesh
from ..results.solution_data import SolutionData
from . import vtk, vtk_simplices
from .levels import durations, spread
from .vtk_pictures import surfaces

if TYPE_CHECKING:
    import pyvista

#: pixels of a picture, and the mean number of pictures per second
SIZE, RATE = (960, 720), 8
#: the least time for which a picture is shown, in milliseconds
LEAST = 20


def render(solution: SolutionData, folder: str | Path, stills: int = 4, mp4: bool = False) -> list[Path]:
    """Write `density.gif` (or `density.mp4`) and `still_NNNN.png`, with the time level `NNNN`; return the paths.

    The density is shown by its graph on a line, by colours in the plane, and by isosurfaces in space. All times have the same
    scale of colours and heights. A level is shown for longer if the next one is farther in time; the mean is an eighth of a
    second.

    Parameters
    ----------
    solution : a solution with its densities.
    folder : the folder of the files; it is created if it does not exist.
    stills : number of stills, at the levels nearest to equally spaced times.
    mp4 : whether to write a film instead of a GIF.

    Raises
    ------
    ArgumentError
        If `stills` is not an integer of at least 1.
    StorageError
        If a file cannot be written.
    EulerianError
        For a film without `imageio` and `imageio-ffmpeg`.
    """
    integer("stills", stills)
    target = make_folder("folder", folder)
    from vtkmodules.vtkCommonCore import vtkLogger

    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)  # no warning that there is no screen: none is wanted
    frames = [_frame(solution, n) for n in range(len(solution.times))]
    shown = durations(solution.times, 1000 // RATE, LEAST)
    film = target / ("density.mp4" if mp4 else "density.gif")
    with writing(film):
        stilled = {target / f"still_{n:04d}.png": _still(frames[n]) for n in spread(solution.times, stills)}
        files = {film: _film(frames, shown, mp4), **stilled}
    with alone(target), together() as put:
        for path, content in files.items():
            put(path, content)
    return list(files)


def _film(frames: list[np.ndarray], shown: list[int], mp4: bool) -> bytes:
    """The content of the animation's file, from its pictures in order and for how long each is shown, in milliseconds."""
    if mp4:
        try:
            import imageio.v2
            import imageio_ffmpeg  # noqa: F401
        except ImportError:
            raise EulerianError(
                "--mp4 needs the packages of the extra `film`: pip install 'eulerian-mfc[film]'"
            ) from None
        rate = RATE if len(set(shown)) == 1 else 1000 // LEAST  # pictures of different durations are repeated
        film = [f for f, duration in zip(frames, shown, strict=True) for _ in range(max(1, rate * duration // 1000))]
        return bytes(imageio.v2.mimwrite(imageio.v2.RETURN_BYTES, film, format=".mp4", fps=rate))
    from PIL import Image

    # The palette keeps colours of few pixels, such as those of the colour bar.
    pictures = [Image.fromarray(f).quantize(256, method=Image.Quantize.MAXCOVERAGE) for f in frames]
    content = io.BytesIO()
    more = {"save_all": True, "append_images": pictures[1:], "duration": shown, "loop": 0}
    pictures[0].save(content, format="GIF", **more)
    return content.getvalue()


def _still(frame: np.ndarray) -> bytes:
    """The content of a PNG file of a picture."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(frame).save(content, format="PNG")
    return content.getvalue()


def _frame(solution: SolutionData, n: int) -> np.ndarray:
    """The picture `(height, width, 3)` of time level n."""
    import pyvista

    plotter = pyvista.Plotter(off_screen=True, window_size=list(SIZE))
    plotter.set_background("white")
    {1: _line, 2: _plane, 3: _space}[solution.mesh.dim](plotter, solution, n)
    corner = "upper_right" if solution.mesh.dim == 1 else "upper_left"
    plotter.add_text(f"t = {solution.times[n]:.3g}", position=corner, color="black", font_size=14)
    picture = plotter.screenshot(return_img=True)
    plotter.close()
    return np.ascontiguousarray(picture[:, :, :3])


def _largest(solution: SolutionData) -> float:
    return float(solution.total_density.max())


def _line(plotter: pyvista.Plotter, solution: SolutionData, n: int) -> None:
    import pyvista

    x, density = solution.unknowns.centres[:, 0], solution.total_density[n]
    if len(density) != len(x):  # cell averages of finite volumes on intervals
        low, high = solution.mesh.bounds[0]
        x = np.linspace(low, high, len(density))
    order = np.argsort(x)
    chart = pyvista.Chart2D()
    chart.line(x[order], density[order], color="tab:blue", width=3.0)
    chart.x_label, chart.y_label = "x", "density"
    # The part of the domain in which the density is visible at some time.
    seen = x[(solution.total_density > 1e-4 * _largest(solution)).any(axis=0)]
    margin = 0.05 * (seen.max() - seen.min()) + solution.mesh.width
    low, high = solution.mesh.bounds[0]
    chart.x_range = [max(low, seen.min() - margin), min(high, seen.max() + margin)]
    chart.y_range = [min(0.0, float(density.min())), 1.05 * _largest(solution)]
    for axis in (chart.x_axis, chart.y_axis):
        axis.label_size, axis.tick_label_size = 24, 18
    plotter.add_chart(chart)


def _grid(solution: SolutionData, n: int) -> pyvista.DataSet:
    return (vtk.level if isinstance(solution.mesh, CartesianMesh) else vtk_simplices.level)(solution, n)


def _bar() -> dict[str, object]:
    return {"title": "density\n", "color": "black", "vertical": True, "position_x": 0.85, "position_y": 0.2}


def _plane(plotter: pyvista.Plotter, solution: SolutionData, n: int) -> None:
    plotter.add_mesh(
        _grid(solution, n),
        scalars="density_total",
        clim=[0.0, _largest(solution)],
        cmap="viridis",
        scalar_bar_args=_bar(),
    )
    plotter.show_bounds(color="black", xtitle="x1", ytitle="x2", font_size=8)
    plotter.view_xy()
    # The domain fills the picture, except for the axes and the colour bar.
    (west, east), (south, north) = solution.mesh.bounds
    half = max((north - south) / 1.4, (east - west) / 1.6)
    centre = ((west + east) / 2 + 0.04 * half, (south + north) / 2 - 0.18 * half)
    plotter.enable_parallel_projection()
    plotter.camera.focal_point, plotter.camera.position = (*centre, 0.0), (*centre, 10 * half)
    plotter.camera.parallel_scale = half


def _space(plotter: pyvista.Plotter, solution: SolutionData, n: int) -> None:
    grid, largest = _grid(solution, n), _largest(solution)
    drawn = surfaces(grid, largest)
    plotter.add_mesh(grid.outline(), color="black")
    if drawn.n_points:
        plotter.add_mesh(
            drawn, scalars="density_total", clim=[0.0, largest], cmap="viridis", opacity=0.5, scalar_bar_args=_bar()
        )
    plotter.show_bounds(color="black", xtitle="x1", ytitle="x2", ztitle="x3", font_size=10)
