"""What shows a control, for controls of any degree on layers of any lengths: warnings, words, tables, figures, ParaView."""

import pickle
from functools import cache

import numpy as np
import pytest
import pyvista
import skfem
from matplotlib.collections import QuadMesh
from PIL import Image

import eulerian_mfc as emfc
from eulerian_mfc.diagnostics import warnings_of
from eulerian_mfc.errors import SteepControlWarning, SymmetricStartWarning
from eulerian_mfc.run.description import describe
from eulerian_mfc.solvers import Outcome, Status
from eulerian_mfc.views import report
from eulerian_mfc.views.animation import render
from eulerian_mfc.views.controls import controls
from eulerian_mfc.views.figures import figures

from .conftest import toy_line, toy_mesh

GRID = [0.0, 0.1, 0.4, 1.0]


def with_control(problem, mesh, layers, degree, control):
    """A solution with a given control, by no solver."""
    system = emfc.OptimalitySystem(problem, mesh, layers, control_degree=degree)
    return emfc.Solution.from_outcome(system, Outcome(np.array(control), Status.UNKNOWN, "a given control"), {})


def test_a_control_that_is_steep_between_the_ends_of_its_layers():
    """`W(t) = 12 s (1 - s)` on one layer is 0 at the ends and 3 in the middle; its coefficients are (2, 0, -2)."""
    mesh = emfc.CartesianMesh([(-10.0, 10.0)], 30)
    solution = with_control(toy_line(), mesh, 1, 2, [[[2.0], [0.0], [-2.0]]])
    told = [w for w in warnings_of.of_the_mesh(solution.system, solution) if isinstance(w, SteepControlWarning)]
    assert len(told) == 1
    assert "|W| h = 2: " in str(told[0])


def units():
    """Two hidden units, which move a Gaussian to `tanh`."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    return emfc.Problem(emfc.fields.BottleneckField(1, 2), law, emfc.losses.SquaredLoss(), 1.0, 1.0)


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.BoundaryMassWarning")
def test_units_that_are_equal_at_all_times_are_told():
    control = np.random.default_rng(0).normal(size=(2, 2, 7))
    control[1, :, [1, 3, 5]] = control[1, :, [0, 2, 4]]  # the units are equal on the second layer
    with pytest.warns(SymmetricStartWarning, match="W1_1,1, W1_2,1 of layer 2 are equivalent"):
        emfc.solve(units(), toy_mesh(40), [0.0, 0.3, 1.0], control_degree=1, initial=control)


def test_units_that_are_equal_at_one_time_only_are_not_told():
    """At the start of the layer both units are equal, at its end they are not: a solver that stays there is not stuck."""
    control = np.random.default_rng(0).normal(size=(1, 2, 7))
    control[0, 0, [1, 3, 5]] = control[0, 0, [0, 2, 4]] + control[0, 1, [1, 3, 5]] - control[0, 1, [0, 2, 4]]
    stayed = with_control(units(), toy_mesh(40), 1, 1, control)
    np.testing.assert_allclose(stayed.theta(0.0)[[1, 3, 5]], stayed.theta(0.0)[[0, 2, 4]], rtol=1e-12)
    assert warnings_of.of_the_start(stayed.system, control, stayed) == []
    control[0, 1, [1, 3, 5]] = control[0, 1, [0, 2, 4]]
    control[0, 0, [1, 3, 5]] = control[0, 0, [0, 2, 4]]
    assert warnings_of.of_the_start(stayed.system, control, with_control(units(), toy_mesh(40), 1, 1, control))


@pytest.mark.parametrize(
    ("layers", "degree", "words"),
    [
        (3, 0, "3"),
        (3, 2, "3; controls of degree 2 in time (Legendre basis)"),
        (GRID, 0, "3, which start and end at 0, 0.1, 0.4, 1"),
        (GRID, 1, "3, which start and end at 0, 0.1, 0.4, 1; controls of degree 1 in time (Legendre basis)"),
    ],
)
def test_descriptions_say_the_layers_and_the_degree(layers, degree, words):
    system = emfc.OptimalitySystem(toy_line(), toy_mesh(24), layers, control_degree=degree)
    assert describe(system, emfc.solvers.LBFGS())["layers"] == words


#: degrees, and whether there is a running loss: then layers have several steps in time, whose levels are not equally spaced
KINDS = pytest.mark.parametrize(("degree", "running"), [(0, False), (2, False), (2, True)])


@cache
def random_control(dim, degree, running=False, layers=tuple(GRID)):
    """A random control on unequal layers, of the line or the plane, up to the time 2; it jumps at the ends of layers."""
    ends = [2.0 * t for t in layers] if isinstance(layers, tuple) else layers
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1.0] * dim, [1.0] * dim], 0.3), [[-2.0] * dim, [2.0] * dim])
    more = {"running": emfc.losses.SquaredLoss()} if running else {}
    problem = emfc.Problem(emfc.fields.NeuralField(dim), law, emfc.losses.SquaredLoss(), 1.0, 2.0, **more)
    mesh = emfc.CartesianMesh([(-6.0, 6.0)] * dim, 48 if dim == 1 else 20)
    system = emfc.OptimalitySystem(problem, mesh, ends, control_degree=degree)
    control = 0.3 * np.random.default_rng(1).normal(size=system.controls.shape)
    return with_control(problem, mesh, ends, degree, control)


def legendre(solution, layer, t):
    """The control in a layer from its coefficients, by another way than the package: `sum_i c_i P_i`."""
    start, end = (2.0 * GRID[layer], 2.0 * GRID[layer + 1])
    coefficients = solution.control[layer]
    if solution.control.ndim == 2:
        return np.repeat(coefficients[None], len(t), axis=0)
    return np.stack([np.polynomial.legendre.Legendre(c, (start, end))(t) for c in coefficients.T], axis=1)


@KINDS
def test_figures_draw_the_curve_and_break_it_where_layers_end(degree, running):
    solution = random_control(1, degree, running)
    axes = figures(solution)["control"].axes[0]
    assert axes.get_xlim() == (0.0, 2.0)
    if degree == 0:
        assert axes.get_title() == "Control per layer"
        steps = [patch.get_data() for patch in axes.patches]
        assert np.array_equal([s.values for s in steps], solution.control.T)
        assert all(np.array_equal(s.edges, 2.0 * np.array(GRID)) for s in steps)
        return
    assert axes.get_title() == "Control of degree 2 on every layer"
    marks = [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(marks, [0.2, 0.8], rtol=1e-15)
    drawn = [line for line in axes.lines if len(line.get_xdata()) > 2]
    assert len(drawn) == 2
    for k, line in enumerate(drawn):
        times, values = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        pieces = np.split(np.arange(len(times)), np.flatnonzero(np.isnan(times)) + 1)[:-1]
        assert len(pieces) == 3
        for layer, piece in enumerate(pieces):
            t = times[piece[:-1]]
            np.testing.assert_allclose(t[[0, -1]], [2.0 * GRID[layer], 2.0 * GRID[layer + 1]], rtol=1e-15)
            np.testing.assert_allclose(values[piece[:-1]], legendre(solution, layer, t)[:, k], rtol=0, atol=1e-14)


@KINDS
def test_panels_of_controls_draw_steps_or_curves(degree, running):
    axes = controls([("one", random_control(1, degree, running)), ("two", random_control(2, degree, running))]).axes
    counts = [(2, 6), (0, 0)] if degree == 0 else [(0, 0), (2 + 2, 6 + 2)]
    assert [len(a.patches) for a in axes] == list(counts[0])
    assert [len(a.lines) for a in axes] == list(counts[1])


@KINDS
def test_densities_are_drawn_at_their_times(degree, running):
    """Each level reaches to the middle of the next one; the snapshot in the middle is the level nearest to the time 1."""
    solution = random_control(1, degree, running)
    assert len(solution.times) == (10 if running else 4)
    mesh = next(c for c in figures(solution)["density"].axes[0].collections if isinstance(c, QuadMesh))
    columns = mesh.get_coordinates()[0, :, 0]
    middles = 0.5 * (solution.times[1:] + solution.times[:-1])
    np.testing.assert_allclose(columns, [0.0, *middles, 2.0], rtol=1e-15)
    plane = random_control(2, degree, running)
    shown = [axes.get_title() for axes in figures(plane)["density"].axes[:3]]
    nearest = 0.8 + 0.6 * (1 - 1 / np.sqrt(5)) if running else 0.8  # Lobatto's points in the layer from 0.8 to 2
    assert shown == ["t = 0", f"t = {nearest:.4g}", "t = 2"]


def test_the_report_says_what_the_control_is():
    for degree, words in ((0, "The control, constant on every layer."), (2, "a polynomial of degree 2 in time on")):
        page = report.html(random_control(1, degree), {"control": b""}, "A title", analyse=False)
        assert words in page


@pytest.mark.parametrize("dim", [1, 2])
@KINDS
def test_paraview_has_the_control_at_every_level(dim, degree, running, tmp_path):
    solution = random_control(dim, degree, running)
    solution.to_vtk(tmp_path)
    reader = pyvista.get_reader(tmp_path / "solution.pvd")
    np.testing.assert_allclose(reader.time_values, solution.times, rtol=1e-15)
    for n, t in enumerate(solution.times):
        reader.set_active_time_value(reader.time_values[n])
        data = reader.read()[0]
        layer = min(np.searchsorted(2.0 * np.array(GRID), t, side="right") - 1, 2)
        expected = legendre(solution, layer, np.array([t]))[0]
        found = [data.field_data[f"theta_{name}"] for name in solution.parameter_names]
        np.testing.assert_allclose(np.ravel(found), expected, rtol=0, atol=1e-14)
    assert len(list(tmp_path.glob("trajectories_*.vtp"))) == len(solution.times)


@KINDS
def test_space_and_time_on_a_line_have_the_true_times(degree, running, tmp_path):
    """A grid with unequal distances; one of equal distances by the same run's files, when the layers are equal."""
    solution = random_control(1, degree, running)
    solution.to_vtk(tmp_path)
    grid = pyvista.read(tmp_path / "spacetime.vtr")
    assert np.array_equal(grid.y, solution.times)
    assert np.array_equal(grid.x, solution.mesh.axis(0))
    assert np.array_equal(grid.point_data["density_total"], solution.total_density.ravel())
    np.testing.assert_allclose(grid.field_data["theta_b"], solution.theta(solution.times)[:, 1], rtol=0, atol=1e-15)
    equal = random_control(1, degree, running, 3)
    equal.to_vtk(tmp_path)
    if running:  # three steps in a layer, at the points of Lobatto
        assert np.array_equal(pyvista.read(tmp_path / "spacetime.vtr").y, equal.times)
        return
    image = pyvista.read(tmp_path / "spacetime.vti")
    assert not (tmp_path / "spacetime.vtr").exists()
    np.testing.assert_allclose(np.unique(image.points[:, 1]), equal.times, rtol=1e-6)


def test_simplices_and_surfaces_have_the_control_too(tmp_path):
    """On intervals, whose densities are drawn upright, and in space, whose densities are drawn as surfaces."""
    intervals = emfc.SimplexMesh(skfem.MeshLine(np.linspace(-6.0, 6.0, 41)))
    line = with_control(toy_line(bias=True), intervals, GRID, 1, np.ones((3, 2, 2)))
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0] * 3, 0.4), [[0.1, 0.0, 0.0]])
    problem = emfc.Problem(emfc.fields.AffineField(3, matrix=False), law, emfc.losses.SquaredLoss(), 1.0, 1.0)
    space = with_control(problem, emfc.CartesianMesh([(-3.0, 3.0)] * 3, 10), GRID, 1, 0.1 * np.ones((3, 2, 3)))
    for name, solution in (("line", line), ("space", space)):
        solution.to_vtk(tmp_path / name)
        data = pyvista.get_reader(tmp_path / name / "solution.pvd").read()[0]
        found = [float(data.field_data[f"theta_{p}"][0]) for p in solution.parameter_names]
        np.testing.assert_allclose(found, 0.0, atol=1e-15)  # P_0 + P_1 is zero at the start
    grid = pyvista.read(tmp_path / "line" / "spacetime.vtr")
    np.testing.assert_allclose(grid.field_data["theta_W"], [0.0, 0.0, 0.0, 2.0], atol=1e-14)


def test_animations_show_every_level_in_proportion_to_its_time(tmp_path):
    solution = random_control(1, 2, True)
    files = render(solution, tmp_path, stills=3)
    middle = int(np.abs(solution.times - 1.0).argmin())
    assert [f.name for f in files[1:]] == ["still_0000.png", f"still_{middle:04d}.png", "still_0009.png"]
    with Image.open(files[0]) as film:
        assert film.n_frames == 10
        shown = []
        for k in range(film.n_frames):
            film.seek(k)
            shown.append(film.info["duration"])
    gaps = np.diff(solution.times) / 2.0 * 9 * 125
    np.testing.assert_allclose(shown[:-1], np.maximum(gaps, 20), atol=10)  # the format counts in hundredths of a second


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("degree", [0, 1, 3])
@pytest.mark.parametrize("bounds", [None, (-2.0, 2.0)])
def test_files_and_pickles_keep_the_space_of_the_control(degree, bounds, running, tmp_path):
    """Layers, degree, basis and levels in time; what is computed from them has the same bits."""
    more = {"running": emfc.losses.SquaredLoss()} if running else {}
    problem = toy_line(bias=True, bounds=bounds, horizon=2.0, **more)
    control = 0.3 * np.random.default_rng(3).normal(size=(3, 2) if degree == 0 else (3, degree + 1, 2))
    solution = with_control(problem, toy_mesh(40), [0.0, 0.2, 0.8, 2.0], degree, control)
    solution.save(tmp_path / "solution.h5")
    times, x = np.linspace(0.0, 2.0, 41), np.linspace(-1.0, 1.0, 5)[:, None]
    loaded = emfc.Solution.load(tmp_path / "solution.h5")
    again = emfc.Solution.load(tmp_path / "solution.h5", problem)
    for other in (loaded, again, pickle.loads(pickle.dumps(solution)), pickle.loads(pickle.dumps(loaded))):
        curves = other.numerics.curves
        assert curves.basis == solution.numerics.curves.basis
        assert curves.basis.kind == ("bernstein" if bounds and degree else "legendre")
        assert curves.ends.tolist() == [0.0, 0.2, 0.8, 2.0]
        assert np.array_equal(other.control, control)
        assert np.array_equal(other.times, solution.times)
        assert len(other.times) == (3 * (degree + 1) + 1 if running and degree else 4)
        assert np.array_equal(other.theta(times), solution.theta(times))
        assert np.array_equal(other.flow(x), solution.flow(x))
        assert np.array_equal(other.masses, solution.masses)
        assert other.numerics.discretisation.control_degree == degree
    assert np.array_equal(again.potentials, solution.potentials)
    assert again.system.cost(again.control).total == solution.cost
