"""What ParaView draws of the files that are written, as it opens them: pictures of its own, and colours counted in them."""

import contextlib
import json
import os
import shutil
import subprocess

import numpy as np
import pytest
import pyvista
import skfem
from PIL import Image
from scipy import ndimage

import eulerian_mfc as emfc
from eulerian_mfc.views.vtk_pictures import framed

pytestmark = [
    pytest.mark.skipif(shutil.which("pvpython") is None, reason="ParaView (pvpython) is not installed"),
    pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.BoundaryMassWarning"),  # tetrahedra are few on purpose
]

# `Show` chooses representation and colours as the window does when "Apply" is clicked.
DRAW = """
import json, sys
from paraview.simple import *
shown = {}
for path in sys.argv[1:]:
    reader = OpenDataFile(path)
    view = CreateView("RenderView")
    view.ViewSize, view.OrientationAxesVisibility = [320, 240], 0
    view.UseColorPaletteForBackground, view.Background = 0, [1, 1, 1]
    display = Show(reader, view)
    ResetCamera(view)
    times = list(reader.TimestepValues)
    for name, time in (("first", times[0]), ("last", times[-1])):
        view.ViewTime = time
        Render(view)
        SaveScreenshot(f"{path}.{name}.png", view)
    shown[path] = [str(display.Representation).strip("'"), str(display.ColorArrayName[1]), times]
    ResetSession()  # colour maps too: they are shared by name
print("RESULT" + json.dumps(shown))
"""


def bumps(dim):
    """Two of them, so that a picture of the density shows two bodies and nothing between."""
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-0.9] * dim, [0.9] * dim], 0.25), [[-1.0] * dim, [1.0] * dim])
    if dim == 3:  # quadrature of laws on tetrahedra is slow
        law = emfc.laws.Empirical(*law.sample(500, seed=0))
    field = emfc.fields.AgrachevSarychevField(dim) if dim == 3 else emfc.fields.NeuralField(dim)
    return emfc.Problem(field, law, emfc.losses.SquaredLoss(), 3.0, 1.0)


def box(dim, cells):
    return emfc.CartesianMesh([(-4.0, 4.0)] * dim, cells)


def simplices(dim, cells):
    line = np.linspace(-4.0, 4.0, cells + 1)
    kinds = {1: skfem.MeshLine, 2: skfem.MeshTri.init_tensor, 3: skfem.MeshTet.init_tensor}
    return emfc.SimplexMesh(kinds[dim](*[line] * dim))


CUBIC = {"transport": emfc.transport.SemiLagrangian(3)}
VOLUMES = {"continuity": emfc.continuity.SimplexFiniteVolume(), "transport": emfc.transport.Elements(1)}
KINDS = {
    "box-1": (1, box(1, 48), {}),
    "box-2": (2, box(2, 32), {}),
    "box-3": (3, box(3, 24), CUBIC),
    "simplices-1": (1, simplices(1, 40), {}),
    "simplices-2": (2, simplices(2, 20), {}),
    "simplices-3": (3, simplices(3, 16), {}),
    "volumes-1": (1, simplices(1, 40), VOLUMES),
    "volumes-2": (2, simplices(2, 32), VOLUMES),
}


def unfinished(dim, mesh, schemes):
    """The solution that the initial control is: there are densities to look at."""
    return emfc.solve(bumps(dim), mesh, 2, solver=emfc.solvers.Shooting(max_iterations=1), **schemes)


def sent(dim):
    """A small cloud that ends in a corner of the box."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0] * dim, 0.2), [[2.5] * dim])
    law = emfc.laws.Empirical(*law.sample(200, seed=0))
    problem = emfc.Problem(emfc.fields.AffineField(dim), law, emfc.losses.SquaredLoss(), 0.05, 1.0)
    shooting = emfc.solvers.Shooting(max_iterations=1)
    initial = [0.0] * dim**2 + [2.5] * dim
    return emfc.solve(problem, box(dim, 24), 2, initial=initial, solver=shooting)


@contextlib.contextmanager
def screen():
    """The environment of a process that draws: with a screen in memory, where there is a server of such screens."""
    if shutil.which("Xvfb") is None:
        yield dict(os.environ)
        return
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield {**os.environ, "DISPLAY": f":{server.stdout.readline().strip()}"}
    finally:
        server.terminate()
        server.communicate(timeout=30)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """All kinds in one run of ParaView: what it printed, how it showed each file, and where."""
    folder = tmp_path_factory.mktemp("paraview")
    for name, (dim, mesh, schemes) in KINDS.items():
        unfinished(dim, mesh, schemes).to_vtk(folder / name)
    for dim in (2, 3):
        sent(dim).to_vtk(folder / f"moved-{dim}")
    script = folder / "draw.py"
    script.write_text(DRAW)
    paths = [str(folder / name / f"{what}.pvd") for name in KINDS for what in ("solution", "trajectories")]
    paths += [str(folder / f"moved-{dim}" / "trajectories.pvd") for dim in (2, 3)]
    with screen() as environment:
        command = ["pvpython", "--force-offscreen-rendering", str(script), *paths]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout.split("RESULT")[1]), done.stderr


def colours(path, time):
    """Red, green and blue `(3, height, width)` of a picture."""
    return np.asarray(Image.open(f"{path}.{time}.png").convert("RGB"), dtype=int).transpose(2, 0, 1)


def coloured(picture):
    """Where there is a colour, not the background's white nor the grey of outlines."""
    return np.ptp(picture, axis=0) > 40


def bodies(mask):
    """How many connected bodies of more than ten pixels there are."""
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    return int((np.bincount(parts.ravel(), minlength=count + 1)[1:] > 10).sum())


def test_paraview_has_no_error_to_tell(drawn):
    assert "ERR" not in drawn[2], drawn[2]


@pytest.mark.parametrize("name", KINDS)
def test_densities_are_drawn_as_the_file_is_opened(name, drawn):
    """Two bumps are seen, by the default representation, coloured by the density: the largest in red, or (in space) surfaces."""
    folder, shown, _ = drawn
    path = str(folder / name / "solution.pvd")
    representation, array, times = shown[path]
    assert (representation, array) == ("Slice" if name == "box-2" else "Surface", "density_total")
    assert times == [0.0, 0.5, 1.0]
    for time in ("first", "last"):
        picture = colours(path, time)
        assert coloured(picture).mean() > 0.02, time
        many = picture[0] > picture[2] + 60  # the red end of the colour map
        assert bodies(coloured(picture) if name.endswith("3") else many) == 2, time


@pytest.mark.parametrize("name", KINDS)
def test_trajectories_are_drawn_as_the_file_is_opened(name, drawn):
    """At time 0 points, later lines, in the colours of both labels."""
    folder, shown, _ = drawn
    path = str(folder / name / "trajectories.pvd")
    assert shown[path] == ["Surface", "label_1", [0.0, 0.5, 1.0]]
    for time in ("first", "last"):
        red, _, blue = colours(path, time)
        assert (red > blue + 60).sum() > 50, time
        assert (blue > red + 60).sum() > 50, time


@pytest.mark.parametrize("name", ["moved-2", "moved-3"])
def test_the_camera_fits_where_trajectories_go(name, drawn):
    """A law that is sent into a corner: at the last time nothing is cut off, and no colour is at the picture's border."""
    folder, _, _ = drawn
    for time in ("first", "last"):
        drawn_there = coloured(colours(str(folder / name / "trajectories.pvd"), time))
        border = np.concatenate([drawn_there[[0, -1]].ravel(), drawn_there[:, [0, -1]].ravel()])
        assert drawn_there.sum() > 100, time
        assert not border.any(), time


def test_frames_have_all_edges_of_a_box():
    """Twelve edges of the cube, each of length 1, with no diagonal between."""
    lines = pyvista.PolyData(np.array([[0.2, 0.2, 0.2], [0.3, 0.3, 0.3]]), lines=[2, 0, 1])
    lines.point_data["time"], lines.cell_data["label_1"] = [0.0, 1.0], [1.0]
    lines.set_active_scalars("label_1", preference="cell")
    out = framed(lines, np.zeros(3), np.ones(3))
    path = out.points[out.lines[4:]]
    steps = {tuple(sorted(map(tuple, pair))) for pair in zip(path[:-1].tolist(), path[1:].tolist(), strict=True)}
    assert len(steps) == 12
    assert all(np.abs(np.subtract(*pair)).sum() == 1 for pair in steps)


def test_areas_over_the_line_are_as_high_as_the_density(tmp_path):
    """Over every cell, on boxes and for finite volumes a rectangle, for elements a trapezium; all heights by one factor."""
    for name in ("box-1", "simplices-1", "volumes-1"):
        solution = unfinished(*KINDS[name])
        solution.to_vtk(tmp_path / name)
        largest = solution.total_density.max()
        for n in (0, 2):
            grid = pyvista.read(tmp_path / name / f"solution_{n:04d}.vtu")
            corners = grid.points.reshape(-1, 4, 3)
            assert len(corners) == solution.mesh.size
            factor = float(grid.field_data["height_of_density"][0])
            assert factor * largest == pytest.approx(0.4 * 8.0, rel=1e-12)
            density, x = solution.total_density[n], corners[:, :2, 0]
            expected = np.interp(x, solution.mesh.points[:, 0], density) if name == "simplices-1" else density[:, None]
            np.testing.assert_allclose(corners[:, :2, 1:], 0.0, atol=0)
            np.testing.assert_allclose(corners[:, :1:-1, 1], factor * np.broadcast_to(expected, x.shape), atol=1e-12)
            np.testing.assert_allclose(corners[:, :1:-1, 0], x, rtol=1e-15)
