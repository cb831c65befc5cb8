"""Figures, VTK files and reports: read back with VTK always, opened in ParaView where it is installed."""

import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
import pyvista

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError, StorageError
from eulerian_mfc.views import report
from eulerian_mfc.views.animation import render
from eulerian_mfc.views.figures import figures

from .conftest import paraview_sees


@pytest.fixture(scope="module")
def plane_solution():
    """Unequal axes, so that swapped axes or orders show."""
    problem = emfc.Problem(
        emfc.fields.NeuralField(2),
        emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1, -0.5], [1, 0.5]], 0.25), [[-2.0, -1.0], [2.0, 1.0]]),
        emfc.losses.SquaredLoss(),
        0.3,
        1.5,
    )
    return emfc.solve(problem, emfc.CartesianMesh([(-4.5, 4.5), (-3.5, 3.0)], (40, 28)), layers=3)


@pytest.fixture(scope="module")
def space_solution():
    problem = emfc.Problem(
        emfc.fields.AgrachevSarychevField(3),
        emfc.laws.Labelled(emfc.laws.Gaussian([0.0, 0.2, 0.0], 0.3), label=lambda x: x + 0.2),
        emfc.losses.SquaredLoss(),
        0.3,
        1.0,
    )
    mesh = emfc.CartesianMesh([(-3.0, 3.0)] * 3, (24, 26, 28))
    return emfc.solve(problem, mesh, layers=2, transport=emfc.transport.SemiLagrangian(3))


def check_levels(solution, folder):
    """Every cell of the mesh with its fields, in the collection that holds the mesh."""
    reader = pyvista.get_reader(folder / ("volume.pvd" if solution.mesh.dim == 3 else "solution.pvd"))
    np.testing.assert_allclose(reader.time_values, solution.times, rtol=1e-15, atol=0)
    for n in (0, solution.layers):
        reader.set_active_time_value(reader.time_values[n])
        grid = reader.read()[0]
        assert grid.n_cells == solution.mesh.size
        low = np.array([b for b, _ in solution.mesh.bounds])
        np.testing.assert_allclose(np.array(grid.bounds).reshape(3, 2)[: solution.mesh.dim, 0], low, atol=1e-12)
        centres = grid.cell_centers().points[:, : solution.mesh.dim]
        # The value at a cell's centre, wherever VTK has put that cell.
        rows = [np.abs(solution.mesh.centres - c).sum(axis=1).argmin() for c in centres[:: max(grid.n_cells // 97, 1)]]
        picked = slice(None, None, max(grid.n_cells // 97, 1))
        for r, name in enumerate(solution.names):
            density = solution.densities[n, r].ravel()[rows]
            assert np.array_equal(grid.cell_data[f"density_{name}"][picked], density)
            assert np.array_equal(grid.cell_data[f"psi_{name}"][picked], solution.potentials[n, r].ravel()[rows])
        total = solution.total_density[n].ravel()[rows]
        np.testing.assert_allclose(grid.cell_data["density_total"][picked], total, rtol=1e-13, atol=1e-16)
        velocity = grid.cell_data["velocity"]
        assert velocity.shape == (grid.n_cells, 3)
        layer = min(n, solution.layers - 1)
        field = solution.system.problem.field
        expected = field(solution.times[n], solution.control[layer], np.asarray(centres[picked], dtype=np.float64))
        np.testing.assert_allclose(velocity[picked][:, : solution.mesh.dim], expected, rtol=0, atol=1e-6)
        assert not velocity[:, solution.mesh.dim :].any()


def test_line_files(tmp_path, toy_solution):
    toy_solution.to_vtk(tmp_path)
    check_levels(toy_solution, tmp_path)
    image = pyvista.read(tmp_path / "spacetime.vti")
    assert image.dimensions == (160, 21, 1)
    np.testing.assert_allclose(image.bounds[2:4], [0.0, 1.0])
    assert np.array_equal(image.point_data["density_total"], toy_solution.total_density.ravel())
    # Of the line, trajectories grow within a frame, so that the view is upright from time 0 on.
    early, x = pyvista.read(tmp_path / "trajectories_0000.vtp"), toy_solution.paths.x
    np.testing.assert_allclose(early.bounds, [x.min(), x.max(), 0.0, 1.0, 0.0, 0.0], rtol=1e-6)
    labels = early.cell_data["label_1"]
    assert np.array_equal(labels[:-1], np.tile(toy_solution.paths.y[:, 0], 2))
    assert np.isnan(labels[-1])
    assert pyvista.read(tmp_path / "trajectories.vtp").n_cells == 300


def test_plane_and_space_files(tmp_path, plane_solution, space_solution):
    for name, solution in {"plane": plane_solution, "space": space_solution}.items():
        solution.to_vtk(tmp_path / name)
        check_levels(solution, tmp_path / name)
        assert not (tmp_path / name / "spacetime.vti").exists()


def test_surfaces_in_space_have_the_density_that_they_are_named_after(tmp_path, space_solution):
    """5, 20 and 50 % of the largest, and for a normal law they are spheres."""
    space_solution.to_vtk(tmp_path)
    reader = pyvista.get_reader(tmp_path / "solution.pvd")
    np.testing.assert_allclose(reader.time_values, space_solution.times, rtol=1e-15, atol=0)
    surfaces = reader.read()[0]
    nodes = pyvista.read(tmp_path / "volume_0000.vti").cell_data_to_point_data()
    levels = np.array([0.05, 0.2, 0.5]) * nodes.point_data["density_total"].max()
    density = surfaces.point_data["density_total"]
    np.testing.assert_allclose(np.abs(density[:, None] - levels).min(axis=1), 0.0, atol=1e-6)
    assert (np.abs(density[:, None] - levels) < 1e-6).any(axis=0).all()
    # A normal law of deviation 0.3 around (0, 0.2, 0): its surfaces are spheres, on cells of 0.25.
    outer = surfaces.points[np.abs(density - levels[0]) < 1e-6].astype(float) - [0.0, 0.2, 0.0]
    radius = 0.3 * np.sqrt(2 * np.log(1 / 0.05))
    np.testing.assert_allclose(np.linalg.norm(outer, axis=1), radius, atol=0.15)


def test_another_dimension_leaves_no_files_of_the_former(tmp_path, space_solution, plane_solution, toy_solution):
    for solution, ending in ((space_solution, "vtp"), (plane_solution, "vti"), (toy_solution, "vtu")):
        solution.to_vtk(tmp_path)
        assert {p.suffix for p in tmp_path.glob("solution_*")} == {f".{ending}"}
        assert bool(list(tmp_path.glob("volume*"))) == (solution is space_solution)


def test_gradient_of_the_final_potential_is_exact(tmp_path, plane_solution):
    """psi_y(T) = |x - y|^2, so its gradient is 2 (x - y): at every cell away from the linear ends."""
    plane_solution.to_vtk(tmp_path)
    grid = pyvista.read(tmp_path / "solution_0003.vti")
    centres = grid.cell_centers().points[:, :2].astype(np.float64)
    inside = (np.abs(centres[:, 0]) < 3.0) & (np.abs(centres[:, 1] + 0.25) < 2.0)
    for name, label in zip(plane_solution.names, plane_solution.labels, strict=True):
        gradient = grid.cell_data[f"grad_psi_{name}"][inside]
        np.testing.assert_allclose(gradient[:, :2], 2 * (centres[inside] - label), rtol=0, atol=1e-5)


def test_trajectories(tmp_path, plane_solution):
    plane_solution.to_vtk(tmp_path)
    lines = pyvista.read(tmp_path / "trajectories.vtp")
    assert lines.n_lines == 300
    assert lines.n_points == 300 * 4
    points = lines.points.reshape(300, 4, 3)
    np.testing.assert_allclose(points[:, :, :2], plane_solution.paths.x.transpose(1, 0, 2), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(lines.point_data["time"].reshape(300, 4)[7], plane_solution.times)
    assert np.array_equal(lines.cell_data["label_2"], plane_solution.paths.y[:, 1])
    early = pyvista.get_reader(tmp_path / "trajectories.pvd")
    early.set_active_time_value(early.time_values[1])
    growing = early.read()[0]
    assert growing.n_points == 300 * 2 + 5
    # A point in front of every line, so that something is seen at time 0: cells of points come first.
    assert (growing.n_verts, growing.n_lines) == (300, 300 + 1)
    # The frame around all that there will be is the last cell.
    x = plane_solution.paths.x
    exact = [x[..., 0].min(), x[..., 0].max(), x[..., 1].min(), x[..., 1].max(), 0.0, 0.0]
    np.testing.assert_allclose(growing.bounds, exact, rtol=1e-6, atol=1e-6)
    heads = growing.verts.reshape(300, 2)[:, 1]
    np.testing.assert_allclose(growing.points[heads][:, :2], plane_solution.paths.x[1], rtol=1e-6, atol=1e-6)
    assert np.array_equal(growing.cell_data["label_2"][:-1], np.tile(plane_solution.paths.y[:, 1], 2))
    assert np.isnan(growing.cell_data["label_2"][-1])


@pytest.mark.skipif(shutil.which("pvpython") is None, reason="ParaView (pvpython) is not installed")
def test_paraview_opens_the_collection(tmp_path, plane_solution):
    """Times, arrays and ranges as ParaView itself reports them."""
    plane_solution.to_vtk(tmp_path)
    seen = paraview_sees(tmp_path / "solution.pvd")
    np.testing.assert_allclose(seen["times"], plane_solution.times, rtol=1e-12)
    np.testing.assert_allclose(seen["bounds"], [-4.5, 4.5, -3.5, 3.0, 0, 0], atol=1e-12)
    density = plane_solution.total_density[-1]
    np.testing.assert_allclose(
        seen["ranges"]["density_total"], [density.min(), density.max(), 1], rtol=1e-12, atol=1e-15
    )
    assert seen["ranges"]["velocity"][2] == 3
    psi = plane_solution.potentials[-1, 0]
    name = plane_solution.names[0]
    np.testing.assert_allclose(seen["ranges"][f"psi_{name}"], [psi.min(), psi.max(), 1], rtol=1e-12)
    assert set(seen["ranges"]) == {
        "density_total", "velocity", *(f"{kind}_{n}" for kind in ("density", "psi", "grad_psi") for n in plane_solution.names)
    }  # fmt: skip


class Images(HTMLParser):
    def __init__(self):
        super().__init__()
        self.sources, self.links = [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "img":
            self.sources.append(attributes["src"])
        if tag in ("link", "script", "a"):
            self.links.append(attributes)


def test_report_is_self_contained(tmp_path, toy_solution):
    report.write(toy_solution, tmp_path, "A <title>", "def problem(): pass  # <b>")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    parser = Images()
    parser.feed(text)
    assert len(parser.sources) == 4
    assert all(s.startswith("data:image/png;base64,") for s in parser.sources)
    assert not parser.links
    assert "A &lt;title&gt;" in text
    assert "# &lt;b&gt;" in text
    assert f"{toy_solution.cost:.12g}" in text
    assert "converged" in text
    for name in ("density", "terminal", "control", "convergence"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_unconverged_is_written_in_large_letters(tmp_path, toy_solution):
    solution = emfc.solve(
        toy_solution.system.problem, toy_solution.mesh, 20, solver=emfc.solvers.LBFGS(max_iterations=1)
    )
    report.write(solution, tmp_path, "stopped")
    assert "NOT converged" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert figures(solution)["convergence"].axes[0].get_title() == "NOT converged"


def test_figures_have_labelled_axes_and_legends(toy_solution, plane_solution, space_solution):
    for solution in (toy_solution, plane_solution, space_solution):
        drawn = figures(solution)
        plane = {"flow"} if solution is plane_solution else set()
        assert set(drawn) == {"density", "terminal", "control", "convergence", *plane}
        for name, figure in drawn.items():
            axes = figure.axes[0]
            assert axes.get_xlabel(), name
            assert axes.get_ylabel(), name
            assert any(a.get_legend() is not None for a in figure.axes), name
    control = figures(toy_solution)["control"].axes[0]
    assert np.array_equal(control.patches[0].get_data().values, toy_solution.control[:, 0])


def test_plot_returns_one_figure(toy_solution, plane_solution, tmp_path):
    for solution in (toy_solution, plane_solution):
        figure = solution.plot()
        figure.savefig(tmp_path / "plot.png", dpi=40)
        assert (tmp_path / "plot.png").stat().st_size > 10_000


@pytest.mark.parametrize("stills", [0, "a", 1.5])
def test_pictures_that_cannot_be_drawn(stills, tmp_path, toy_solution):
    with pytest.raises(ArgumentError, match=r"stills: got .*, expected an integer >= 1"):
        render(toy_solution, tmp_path, stills)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"folder: cannot make the folder .*file: File exists"):
        render(toy_solution, tmp_path / "file")
