"""Warnings: one category each, that users can filter, each with what to do."""

import runpy
import warnings

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc import errors
from eulerian_mfc.diagnostics import warnings_of
from eulerian_mfc.results.stability import Stability

from .conftest import ROOT, toy_line, toy_mesh


def test_mass_near_the_boundary():
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5, truncation=1.0), [5.0])
    problem = emfc.Problem(emfc.fields.AffineField(1), law, emfc.losses.SquaredLoss(), 0.1, 1.0)
    with pytest.warns(errors.BoundaryMassWarning, match="use a larger box"):
        emfc.solve(problem, emfc.CartesianMesh([(-2.0, 2.0)], 40), 4)


def boundary_warning(law, mesh, label=0.0, **options):
    """The text of the one warning about the boundary, "" where there is none."""
    problem = emfc.Problem(
        emfc.fields.AffineField(1), emfc.laws.Labelled(law, [label]), emfc.losses.SquaredLoss(), 0.1, 1.0
    )
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("ignore", errors.CostErrorWarning)
        warnings.simplefilter("always", errors.BoundaryMassWarning)
        emfc.solve(problem, mesh, 4, **options)
    texts = [str(w.message) for w in told if w.category is errors.BoundaryMassWarning]
    assert len(texts) <= 1
    return "".join(texts)


def test_ripples_on_coarse_cells_are_told_from_mass_at_the_wall():
    """A law of deviation 0.1 in [-4, 4] is 39 deviations from the walls: the splines made what is found there."""
    narrow = emfc.laws.Gaussian([0.0], 0.1)
    for half, cells in ((4.0, 12), (4.0, 24), (8.0, 24)):
        text = boundary_warning(narrow, emfc.CartesianMesh([(-half, half)], cells))
        assert "Use more cells; a larger box alone does not help" in text, (half, cells)
    assert not boundary_warning(narrow, emfc.CartesianMesh([(-4.0, 4.0)], 96))
    # The same cells around a law that is smooth on them, sent to the wall: cells do not help.
    wide = emfc.laws.Gaussian([0.0], 0.3, truncation=1.0)
    for cells in (40, 80):
        text = boundary_warning(wide, emfc.CartesianMesh([(-2.0, 2.0)], cells), label=3.0)
        assert "use a larger box" in text, cells
        assert "more cells" not in text, cells


def test_boxes_that_cover_the_law_are_not_called_too_small():
    """`covering` leaves less than three of few cells on a side; points of the law do not touch the boundary."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), np.tanh)
    problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), 1.0, 1.0)
    for cells in (8, 10, 12, 16, 24, 40):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("ignore", errors.SteepControlWarning)
            warnings.simplefilter("ignore", errors.CostErrorWarning)
            warnings.simplefilter("always", errors.BoundaryMassWarning)
            emfc.solve(problem, emfc.CartesianMesh.covering(problem, cells), 4)
        assert not any("use a larger box" in str(w.message) for w in told), cells
        assert cells < 40 or not told, [str(w.message) for w in told]


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.CostErrorWarning")  # 1.2 % on the coarse mesh
def test_a_control_too_steep_for_the_cells():
    """`theta h` of the control that is found, above 1 on the coarse mesh and below on the fine one."""
    fixed = {"bounds": (3.0, 3.0)}
    with pytest.warns(errors.SteepControlWarning, match=r"\|W\| h = 2: tanh.* use about 8 times as many cells"):
        coarse = emfc.solve(toy_line(**fixed), emfc.CartesianMesh([(-10.0, 10.0)], 30), 2)
    assert coarse.control.max() * 20 / 30 == pytest.approx(2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", errors.SteepControlWarning)
        emfc.solve(toy_line(**fixed), emfc.CartesianMesh([(-10.0, 10.0)], 120), 2)


def test_penalties_below_the_threshold_of_shooting():
    """Undamped shooting converges for the penalty 5, and not for 0.2 (docs/tables/shooting_eigenvalues.md)."""
    with pytest.warns(errors.ShootingThresholdWarning, match=r"use multistart") as told:
        small = emfc.solve(toy_line(penalty=0.2), toy_mesh(80), 10).stability
    assert small.shooting_eigenvalue <= -1
    assert not any(name in str(w.message) for w in told for name in ("LBFGS", "Shooting("))  # of no use to her
    assert all(w.filename == __file__ for w in told)  # the user's line, not the package's
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert emfc.solve(toy_line(penalty=5.0), toy_mesh(80), 10).stability.shooting_eigenvalue > -1


@pytest.mark.parametrize(
    ("solver", "adjoint", "advised"),
    [
        (emfc.solvers.Shooting(), True, ("auto", "LBFGS")),
        (emfc.solvers.Shooting(), False, ("auto",)),
        (emfc.solvers.Shooting(relaxation="auto"), True, ()),
        (emfc.solvers.Shooting(anderson=3), True, ()),
        (emfc.solvers.LBFGS(), True, ()),
        (emfc.solvers.NewtonKrylov(), False, ()),
    ],
)
def test_nobody_is_told_to_use_what_she_uses_or_cannot_use(solver, adjoint, advised):
    below = Stability(0.8, 0, -1.5, 0.2, True, True)
    (warning,) = warnings_of.of_second_order(below, repr(solver), adjoint)
    assert tuple(name for name in ("auto", "LBFGS") if name in str(warning)) == advised
    assert "multistart" in str(warning)


@pytest.mark.parametrize(
    ("options", "advised"),
    [
        ({}, {"reduce", "auto", "anderson", "LBFGS"}),
        ({"relaxation": "auto"}, {"anderson", "LBFGS"}),
        ({"anderson": 2}, {"reduce", "auto", "LBFGS"}),
    ],
)
def test_shooting_that_stops_advises_what_is_not_there_already(options, advised):
    ways = {"reduce", "auto", "anderson=", "LBFGS"}
    for continuity in (None, emfc.continuity.FiniteVolume("upwind")):
        stopped = emfc.solve(
            toy_line(),
            toy_mesh(40),
            4,
            solver=emfc.solvers.Shooting(max_iterations=1, **options),
            continuity=continuity,
        )
        told = {way.rstrip("=") for way in ways if way in stopped.message}
        assert told == (advised if continuity is None else advised - {"LBFGS"})


def test_saddles_have_others_beside_them():
    """A Hessian with a negative eigenvalue warns, a strict minimum does not."""
    saddle = Stability(-0.5, 1, -0.3, 0.9, True, True)
    (warning,) = warnings_of.of_second_order(saddle)
    assert isinstance(warning, errors.SeveralCriticalPointsWarning)
    assert "multistart" in str(warning)
    assert not warnings_of.of_second_order(Stability(0.8, 0, -0.3, 0.2, True, True))


def test_every_category_is_on_the_page_and_filtered_by_itself():
    page = (ROOT / "docs" / "howto" / "warnings.md").read_text()
    categories = errors.EulerianWarning.__subclasses__()
    assert len(categories) >= 5
    for category in categories:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{category.__name__}`"))
        assert all(cell.strip() for cell in row.strip("|").split("|"))  # when, and what to do
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            warnings.filterwarnings("ignore", category=category)
            for other in categories:
                warnings.warn("x", other, stacklevel=1)
        assert [w.category for w in told] == [other for other in categories if other is not category]


HEAD = """
import numpy as np
import eulerian_mfc as emfc
from eulerian_mfc import controllability, learn, losses, laws, fields
line = emfc.CartesianMesh([(-8.0, 8.0)], 64)
def gaussian(penalty, mean=0.0, scale=1.0, **changes):
    law = laws.Labelled(laws.Gaussian([mean], scale), np.sign)
    return emfc.Problem(fields.NeuralField(1, bias=False), law, losses.SquaredLoss(), penalty, 1.0, **changes)
def squares(cells):
    import skfem
    corners = np.linspace(-2.0, 2.0, cells + 1)
    mesh = skfem.MeshTri.init_tensor(corners, corners)
    return emfc.SimplexMesh(mesh.with_boundaries({"a & b": lambda x: x[0] < -1.99}))
"""
#: the warning, what is prepared, and the one line that it must name
LINES = {
    "stability": ("ShootingThreshold", "s = emfc.solve(gaussian(0.02), line, 10)", "s.stability"),
    "certificate": ("ShootingThreshold", "s = emfc.solve(gaussian(0.02), line, 10)", "s.certificate"),
    "analyse": ("ShootingThreshold", "s = emfc.solve(gaussian(0.02), line, 10)", "s.analyse()"),
    "verdict": ("ShootingThreshold", "s = emfc.solve(gaussian(0.02), line, 10)", "s.verdict()"),
    "table": (
        "ShootingThreshold",
        "found = emfc.multistart(gaussian(0.02), line, 10, starts=[0.1])",
        "found.table()",
    ),
    "a wrapper of the standard library": (
        "ShootingThreshold",
        "from functools import cached_property\ns = emfc.solve(gaussian(0.02), line, 10)\n"
        "class Mine:\n    @cached_property\n    def eigenvalue(self):\n        return self.s.certificate  # HERE\n"
        "mine = Mine(); mine.s = s",
        "mine.eigenvalue",
    ),
    "solve": ("BoundaryMass", "", "emfc.solve(gaussian(1.0, 7.0, scale=0.1), line, 2)"),
    "continuation": ("BoundaryMass", "", "emfc.continuation(gaussian(1.0, 7.0, scale=0.1), line, 2, penalties=[1.0])"),
    "steep": ("SteepControl", "", "emfc.solve(gaussian(1.0, bounds=(6.0, 6.0)), line, 2)"),
    "start": (
        "SymmetricStart",
        "law = gaussian(1.0).law\np = emfc.Problem(fields.BottleneckField(1, 2), law, losses.SquaredLoss(), 0.01, 1.0)",
        "emfc.solve(p, line, 2, initial=0.1)",
    ),
    "adaptive": (
        "BoundaryMass",
        "law = laws.Labelled(laws.Gaussian([1.5, 0.0], 0.08), lambda x: x)\n"
        "p = emfc.Problem(fields.AffineField(2), law, losses.SquaredLoss(), 1.0, 1.0)\n"
        "refine = emfc.meshes.Refine(1e3)",
        "emfc.solve(p, squares(8), 2, adapt=refine)",
    ),
    "layer map": (
        "LayerMap", "", "emfc.solve(gaussian(1.0), line, 1, control_degree=1, layer_map=emfc.LayerMap('euler', 90), initial=0.3)",
    ),
    "written mesh": ("MeshFile", "mesh = squares(2)", "mesh.write('mesh.off')"),
    "steering": (
        "Diffeotopy",
        "",
        "controllability.steer([[0.0], [1.0]], [[1.0], [0.0]], controllability.Dynamics(layers=2), starts=1, penalties=[1e-1])",
    ),
    "orientation": ("Diffeotopy", "", "controllability.maps.check_orientation(lambda x: -x, [(0.0, 1.0)], 5)"),
    "learn": (
        "Convergence",
        "r = learn.MeanFieldRegressor(max_iter=1, starts=1, layers=2)\n"
        "x = np.linspace(-1, 1, 12)[:, None]",
        "r.fit(x, np.sin(3 * x[:, 0]))",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_warnings_name_the_line_of_the_user(name, tmp_path, monkeypatch):
    """Not one of the package, nor of the standard library: it is where there is something to change."""
    category, before, line = LINES[name]
    text = f"{HEAD}\n{before}\n{line}  # {'there' if 'HERE' in before else 'HERE'}\n"
    (tmp_path / "script.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        runpy.run_path("script.py")
    found = [w for w in told if w.category.__name__ == f"{category}Warning"]
    assert found, [str(w.message) for w in told]
    number = next(k for k, row in enumerate(text.splitlines(), 1) if "HERE" in row)
    assert {(w.filename, w.lineno) for w in found} == {("script.py", number)}


def test_no_module_counts_the_calls_up_to_the_user():
    """A number is right for one way into the package only; `_callers.warn` looks for the user's line itself."""
    for path in (ROOT / "eulerian_mfc").rglob("*.py"):
        assert "stacklevel" not in path.read_text(), path
