"""Runs to a tolerance on the command line, and cases that have one."""

import csv
import re

import numpy as np
import pytest
from matplotlib.figure import Figure

import eulerian_mfc as emfc
from eulerian_mfc.app.cli import NOT_CONVERGED
from eulerian_mfc.app.ignored_settings import ignored_settings
from eulerian_mfc.app.run_folder import RunFolder
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.results.solution_error import ToleranceRound
from eulerian_mfc.run.case import Case
from eulerian_mfc.run.options import solved_to
from eulerian_mfc.tolerance.goal import scale_of

from .conftest import CONTINUOUS, ROOT
from .simplices import box
from .test_cli import MINIMAL, run

TOY = ROOT / "cases" / "toy_line.py"
EXACT = CONTINUOUS["toy_line_nobias_1"]["cost"]


@pytest.fixture
def quick(monkeypatch):
    """Empty figures and no files for ParaView: these tests are about something else."""
    monkeypatch.setattr("eulerian_mfc.views.figures.styled", lambda draw, size: Figure(figsize=(1.0, 1.0)))
    monkeypatch.setattr(emfc.Solution, "to_vtk", lambda self, folder: folder.mkdir(exist_ok=True))


def case_that(folder, returned, problem=MINIMAL, arguments=""):
    """A case whose `numerics` returns a text."""
    path = folder / "case.py"
    path.write_text(f"{problem}\n\ndef numerics({arguments}):\n    return {returned}\n")
    return path


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def solution_in(folder):
    return emfc.Solution.load(folder / "solution.h5")


@pytest.mark.usefixtures("quick")
def test_a_case_is_solved_to_the_tolerance_of_the_command(tmp_path):
    result = run(TOY, "--out", tmp_path, "--tol", "1e-6", "--no-second-order")
    assert result.exit_code == 0, result.output
    solution, scale = solution_in(tmp_path), scale_of(Case.load(TOY).build()[0])
    assert solution.error.tolerance == pytest.approx(1e-6 * scale)
    assert abs(solution.cost - EXACT) <= solution.error.cost <= solution.error.tolerance
    # Nothing of the case's mesh and layers is left, but its scheme is used; the output says so.
    assert solution.mesh.shape != (160,)
    assert solution.layers != 20
    assert solution.numerics.discretisation.transport == emfc.transport.SemiLagrangian(5)
    assert "left out, since they are chosen to reach the tolerance: mesh, layers, control_degree.\n" in result.output
    assert (
        f"The error of the cost is to be at most {1e-6 * scale:.1e} (1e-06 of the size of the losses).\n"
        in result.output
    )
    assert "this is met" in result.output


@pytest.mark.usefixtures("quick")
def test_the_output_has_a_row_per_round(tmp_path):
    result = run(TOY, "--out", tmp_path, "--tol", "1e-4", "--no-second-order")
    rounds = solution_in(tmp_path).tolerance_rounds
    lines = re.findall(r"^ *(time|mesh) .*$", result.output, flags=re.MULTILINE)
    assert lines == [row.stage for row in rounds]
    for row in rounds:
        size = f"{row.points} {'cells' if row.stage == 'mesh' else 'points'}"
        shown = f"{size}  {row.layers:6d}  {row.degree:6d}  {row.cost:18.12f}  {row.error:8.1e}  {row.seconds:8.2f}\n"
        assert shown in result.output
    assert result.output.index("the size of the losses") < result.output.index(f"{rounds[0].points} points")


@pytest.mark.usefixtures("quick")
def test_the_tables_of_error_and_rounds(tmp_path):
    folder = RunFolder(tmp_path)
    run(TOY, "--out", tmp_path, "--tol", "1e-4", "--tol-control", "1e-2", "--no-second-order")
    solution = solution_in(tmp_path)
    kinds = (str, int, int, int, float, float, float)
    written = (zip(kinds, (row[n] for n in ToleranceRound._fields), strict=True) for row in rows_of(folder.rounds))
    rounds = [ToleranceRound(*(kind(text) for kind, text in row)) for row in written]
    assert tuple(rounds) == solution.tolerance_rounds
    error, words = solution.error, {r["quantity"]: r["value"] for r in rows_of(folder.error)}
    assert words.pop("stopped by") == ""
    written = {quantity: float(value) for quantity, value in words.items()}
    assert written["J"] == solution.cost
    assert written["scale of the data"] == error.scale == scale_of(Case.load(TOY).build()[0])
    assert (written["J* low"], written["J* high"]) == error.bracket
    assert written["bound of |J - J*|"] == error.cost
    assert written["bound of the control in L2"] == error.control
    assert (written["tolerance of J"], written["tolerance of the control in L2"]) == (error.tolerance, 1e-2)
    assert written["met"] == 1.0
    assert {k.removeprefix("source: "): v for k, v in written.items() if k.startswith("source")} == error.sources
    # A run without a tolerance in the same folder has none, so that no old tables stay.
    run(TOY, "--out", tmp_path, "--set", "cells=32", "--set", "layers=4", "--no-second-order")
    assert not folder.rounds.exists()
    assert not folder.error.exists()


@pytest.mark.usefixtures("quick")
def test_a_tolerance_that_is_not_met_has_its_exit_status(tmp_path):
    result = run(TOY, "--out", tmp_path, "--tol", "1e-9", "--seconds", "1e-3", "--no-second-order")
    assert result.exit_code == NOT_CONVERGED, result.output
    assert "this is NOT met: the time was over (seconds=)" in result.output
    assert not solution_in(tmp_path).error.met
    rows = {r["quantity"]: r["value"] for r in rows_of(RunFolder(tmp_path).error)}
    assert (rows["met"], rows["stopped by"]) == ("0", "the time was over (seconds=)")


@pytest.mark.usefixtures("quick")
def test_a_case_may_have_a_tolerance(tmp_path):
    case = case_that(tmp_path, "{'tol': tol, 'initial': 0.2}", arguments="tol=1e-4")
    assert Case.load(case).build()[1] == {"tol": 1e-4, "initial": 0.2}  # no default mesh and layers
    result = run(case, "--out", tmp_path / "a", "--no-second-order", "--set", "tol=1e-3")
    assert result.exit_code == 0, result.output
    problem = Case.load(case).build()[0]
    assert solution_in(tmp_path / "a").error.tolerance == pytest.approx(1e-3 * scale_of(problem))
    assert "left out" not in result.output.split("The second-order")[0]
    # The command replaces it, and may add a cap.
    result = run(case, "--out", tmp_path / "b", "--no-second-order", "--tol", "1e-2")
    assert solution_in(tmp_path / "b").error.tolerance == pytest.approx(1e-2 * scale_of(problem))
    result = run(case, "--out", tmp_path / "c", "--no-second-order", "--seconds", "1e-3")
    assert result.exit_code == NOT_CONVERGED
    assert "seconds=" in solution_in(tmp_path / "c").error.stopped_by


@pytest.mark.usefixtures("quick")
def test_the_mesh_of_a_case_with_a_tolerance_is_kept(tmp_path):
    case = case_that(tmp_path, "{'tol': 1e-3, 'mesh': emfc.CartesianMesh([(-5.0, 5.0)], 60), 'layers': 6}")
    result = run(case, "--out", tmp_path / "out", "--no-second-order")
    assert "60 cells, 6 layers, to a tolerance" in result.output.replace("\n", " ")
    solution = solution_in(tmp_path / "out")
    assert (solution.mesh.shape, solution.layers) == ((60,), 6)
    assert solution.error is not None


def test_what_is_left_out_of_the_options():
    line, plane = emfc.CartesianMesh([(-1.0, 1.0)], 9), box(2, 3, -1.0, 1.0)
    options = {"mesh": line, "layers": 4, "control_degree": 2, "layer_map": "rk4", "solver": None, "adapt": None}
    kept = {"initial": 0.3, "threads": 2, "memory": 0.1, "precision": "single", "starts": 3}
    found, left_out = solved_to({**options, **kept}, {"tol": 1e-3, "seconds": 9.0})
    assert found == {**kept, "tol": 1e-3, "seconds": 9.0}
    assert left_out == list(options)
    # A mesh that is the domain stays.
    assert solved_to({"mesh": plane, "layers": 4}, {"tol": 1e-3}) == ({"mesh": plane, "tol": 1e-3}, ["layers"])
    for name, scheme in (
        ("continuity", emfc.continuity.FiniteVolume("muscl", boundary={"x_low": "no_flux"})),
        ("transport", emfc.transport.SemiLagrangian(3, outside="periodic")),
    ):
        found, left_out = solved_to({"mesh": line, name: scheme, "layers": 4}, {"tol_control": 1e-3})
        assert found == {"mesh": line, name: scheme, "tol_control": 1e-3}
        assert left_out == ["layers"]
    assert solved_to(options, {}) == (options, [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tol", "0"], "tol: got 0.0"),
        (["--tol", "1e-16"], "double precision"),
        (["--tol", "small"], "'small' is not a valid float"),
        (["--tol-control=-1"], "tol_control: got -1.0"),
        (["--tol", "1e-3", "--seconds", "0"], "seconds: got 0.0"),
        (["--seconds", "9"], "seconds: got a cap without a tolerance, expected a tolerance too, such as tol=1e-6"),
        (["--tol", "1e-3", "--checkpoint"], "--checkpoint: got a run to a tolerance"),
    ],
)
def test_wrong_tolerances_are_told(arguments, message, tmp_path):
    result = run(TOY, "--out", tmp_path / "out", *arguments)
    assert result.exit_code in (1, 2)
    assert message in result.output.replace("\n", " ")
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("{'tol': 0.0}", "numerics: tol: got 0.0"),
        ("{'tol': 1e-3, 'layers': 0}", "numerics: layers"),
        ("{'tol': 1e-3, 'mesh': 7}", "numerics: mesh: got 7"),
        ("{'tolerance': 1e-3}", "numerics: got the keyword 'tolerance'"),
        ("{'tol': 1e-3, 'report': print}", "numerics: got the keyword 'report'"),
    ],
)
def test_wrong_tolerances_of_cases_are_told(returned, message, tmp_path):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        Case.load(case_that(tmp_path, returned)).build()


def test_a_case_with_a_tolerance_refuses_a_checkpoint(tmp_path):
    result = run(case_that(tmp_path, "{'tol': 1e-3}"), "--out", tmp_path / "out", "--checkpoint")
    assert result.exit_code == 1
    assert "--checkpoint: got a run to a tolerance" in result.output
    assert not (tmp_path / "out").exists()


def test_the_hook_is_called_with_every_round():
    problem, seen = Case.load(TOY).build()[0], []
    solution = emfc.solve(problem, tol=1e-4, report=seen.append)
    assert tuple(seen) == solution.tolerance_rounds
    assert {row.stage for row in seen} == {"time", "mesh"}
    with pytest.raises(ArgumentError, match="report: got 3, expected a function of one ToleranceRound"):
        emfc.solve(problem, tol=1e-4, report=3)


def test_rounds_are_plain_numbers():
    solution = emfc.solve(Case.load(TOY).build()[0], tol=1e-2)
    for row in solution.tolerance_rounds:
        assert [type(v) for v in row] == [str, int, int, int, float, float, float], row
    assert all(np.isfinite(row[4:]).all() for row in solution.tolerance_rounds)


@pytest.mark.usefixtures("quick")
def test_settings_without_effect_are_told(tmp_path):
    result = run(
        TOY, "--out", tmp_path, "--tol", "1e-2", "--set", "cells=64", "--set", "penalty=2.0", "--no-second-order"
    )
    assert result.exit_code == 0
    assert (
        "warning: the setting cells=64 has no effect on a run to a tolerance, which chooses the mesh" in result.output
    )
    assert "the setting penalty" not in result.output
    result = run(TOY, "--out", tmp_path, "--set", "cells=64", "--set", "layers=4", "--no-second-order")
    assert "has no effect" not in result.output


@pytest.mark.parametrize(
    ("returned", "asked", "ignored"),
    [
        ("{'mesh': emfc.CartesianMesh([(-5.0, 5.0)], cells), 'layers': 4}", {"tol": 1e-3}, ["cells"]),
        ("{'mesh': emfc.CartesianMesh([(-5.0, 5.0)], cells), 'layers': 4, 'initial': 1.0 / cells}", {"tol": 1e-3}, []),
        ("{'mesh': emfc.CartesianMesh([(-5.0, 5.0)], cells), 'tol': 1e-3}", {}, []),
        ("{'mesh': emfc.CartesianMesh([(-5.0, 5.0)], cells), 'tol': 1e-3}", {"tol": 1e-2}, ["cells"]),
        ("{'initial': [1.0 / cells] * 2, 'layers': 4}", {"tol": 1e-2}, []),
    ],
)
def test_which_settings_have_no_effect(returned, asked, ignored, tmp_path):
    case = Case.load(case_that(tmp_path, returned, arguments="cells=60, other=1"))
    assert ignored_settings(case.with_settings({"cells": 70}), asked) == ignored
    assert ignored_settings(case, asked) == []
