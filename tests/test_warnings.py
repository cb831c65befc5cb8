"""Warnings: one category each, that users can filter, each with what to do."""

import warnings

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc import errors
from eulerian_mfc.diagnostics import warnings_of as cautions
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
        assert "use more cells; a larger box alone does not help" in text, (half, cells)
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
    (warning,) = cautions.of_second_order(below, repr(solver), adjoint)
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
    (warning,) = cautions.of_second_order(saddle)
    assert isinstance(warning, errors.SeveralCriticalPointsWarning)
    assert "multistart" in str(warning)
    assert not cautions.of_second_order(Stability(0.8, 0, -0.3, 0.2, True, True))


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
