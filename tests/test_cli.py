"""The command line and the cases: what a newcomer types."""

import csv
import errno
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

import eulerian_mfc as emfc
from eulerian_mfc.app.cli import NOT_CONVERGED, main
from eulerian_mfc.app.command_group import Memory
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.files.locks import WRITING
from eulerian_mfc.run.case import Case

from .conftest import REFERENCE, ROOT

CASES = sorted((ROOT / "cases").glob("*.py"))
FILES = {
    "solution.h5",
    "control.csv",
    "report.html",
    "vtk",
    "density.png",
    "terminal.png",
    "control.png",
    "convergence.png",
}
SMALL = {"cells": "32", "layers": "4", "degree": "3"}
SMALL_SPACE = {"bimodal_3d": {"cells": "16", "layers": "2", "degree": "3"}}
SMALL_DOMAINS = {
    "disc": {"refinements": "3", "layers": "4"},
    "l_shape": {"cells": "12", "layers": "4", "penalty": "1.0"},
    "channel": {"width": "0.2", "layers": "4", "penalty": "1.0"},
}
SMALL_MAPS = {
    "gamma_convergence": {"cells": "32", "layers": "4", "degree": "3", "penalty": "0.1"},
    "not_a_flow": {"cells": "32", "layers": "4", "degree": "3", "penalty": "0.2"},
}
SMALL_DENSITIES = {
    "ornstein_uhlenbeck": {"cells": "32", "layers": "2", "degree": "3", "control_degree": "0"},
    "double_well": {"cells": "40", "layers": "2", "degree": "3", "control_degree": "0", "penalty": "1.0"},
    "pendulum": {"cells": "24", "layers": "2", "degree": "3", "penalty": "5.0"},
    "moons_flow": {"cells": "24", "layers": "2", "degree": "3", "penalty": "1.0", "std": "0.3", "centres": "2"},
}
#: cases that only the nightly environment runs: kernels in space take long to compile, and layers with noise long to evaluate
NIGHTLY = set() if os.environ.get("EMFC_FUZZ") else set(SMALL_SPACE) | set(SMALL_DENSITIES)


@pytest.fixture
def blank(monkeypatch):
    """Empty figures, for tests that are about something else: drawing takes longer than their runs."""
    monkeypatch.setattr("eulerian_mfc.views.figures.styled", lambda draw, size: Figure(figsize=(1.0, 1.0)))


def run(*arguments):
    return CliRunner().invoke(main, ["run", *map(str, arguments)])


def settings(values):
    return [text for name, value in values.items() for text in ("--set", f"{name}={value}")]


RUN = [path for path in CASES if path.stem not in NIGHTLY]


@pytest.mark.parametrize("path", RUN, ids=[p.stem for p in RUN])
def test_every_case_runs_coarse(path, tmp_path):
    small = {**SMALL_DOMAINS, **SMALL_MAPS, **SMALL_SPACE, **SMALL_DENSITIES}.get(path.stem, SMALL)
    result = run(path, "--out", tmp_path / "out", *settings(small))
    assert result.exit_code == 0, result.output
    numerics = emfc.Solution.load(tmp_path / "out" / "solution.h5").numerics
    flow = {"flow.png"} if numerics.input_dim == 2 and path.stem != "pendulum" else set()  # noise: states have no flow
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES | flow
    assert "Converged to a critical point" in result.output
    assert Case.load(path).title in result.output


WITH_REFERENCE = [path for path in CASES if path.stem not in {**SMALL_DOMAINS, **SMALL_MAPS, **SMALL_DENSITIES}]


@pytest.mark.parametrize("path", WITH_REFERENCE, ids=[p.stem for p in WITH_REFERENCE])
def test_the_number_that_a_case_promises(path):
    """The docstring's `J = ...` is the reference's cost, to every digit given."""
    promised = re.search(r"J = ([0-9.]+)", path.read_text()).group(1).rstrip(".")
    costs = [r["cost"] for r in REFERENCE.values()]
    digits = len(promised.split(".")[1])
    assert min(abs(c - float(promised)) for c in costs) <= 0.51 * 10.0**-digits + 1e-8


@pytest.mark.usefixtures("blank")
def test_run_writes_the_solution_it_reports(tmp_path):
    result = run(ROOT / "cases" / "toy_line.py", "--out", tmp_path, "--set", "bias=True", "--set", "layers=5")
    assert result.exit_code == 0, result.output
    solution = emfc.Solution.load(tmp_path / "solution.h5")
    assert solution.control.shape == (5, 2)
    assert f"J = {solution.cost:.12g}" in result.output
    with open(tmp_path / "control.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["t_start", "t_end", "W", "b"]
    assert np.array_equal(np.array(rows[1:], dtype=float)[:, 2:], solution.control)
    assert np.array_equal(np.array(rows[1:], dtype=float)[:, 0], solution.times[:-1])
    lines = re.findall(r"^ +\d+ +\d\.\d{12} +\d\.\d\de-?\+?\d\d ", result.output, flags=re.MULTILINE)
    assert len(lines) == len(solution.history)


@pytest.mark.usefixtures("blank")
def test_second_order_is_left_out_where_that_is_asked_for(tmp_path, monkeypatch):
    """The same bits, without one Hessian product; verdict and report say what is not known, the file can be analysed later."""
    case = ROOT / "cases" / "toy_line.py"
    whole = run(case, "--out", tmp_path / "whole", *settings(SMALL))
    steps = ("second-order analysis, which", "writing files for ParaView", "drawing figures, writing the report")
    assert [whole.output.index(text) for text in steps] == sorted(whole.output.index(text) for text in steps)
    with monkeypatch.context() as broken:
        broken.setattr("eulerian_mfc.diagnostics.second_order.analyse", None)
        result = run(case, "--out", tmp_path / "out", "--no-second-order", *settings(SMALL))
    assert result.exit_code == 0, result.output
    assert "second-order analysis, which" not in result.output
    page = (tmp_path / "out" / "report.html").read_text()
    for text in (result.output, page):
        assert "The second-order analysis was left out" in text
        assert "Solution.load(path, problem).verdict()" in text
        assert "strict local minimum" not in text
    assert "was left out" not in (tmp_path / "whole" / "report.html").read_text()
    problem = Case.load(case).with_settings(SMALL).build()[0]
    first, second = (emfc.Solution.load(tmp_path / f / "solution.h5", problem) for f in ("whole", "out"))
    assert np.array_equal(first.control, second.control)
    assert (first.cost, first.residual) == (second.cost, second.residual)
    assert (first.analysed, second.analysed) == (True, False)
    assert second.verdict() == first.verdict()
    assert second.certificate == first.certificate


def test_python_on_the_case_does_the_same(tmp_path):
    command = [sys.executable, str(ROOT / "cases" / "toy_line.py"), *settings(SMALL)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Converged to a critical point" in done.stdout
    assert (tmp_path / "results" / "toy_line" / "report.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "penalty=-1"], "penalty: got -1, expected positive numbers"),
        (["--set", "penalty=abc"], "--set penalty: got 'abc'"),
        (["--set", "cells=12.5"], "--set cells: got '12.5'"),
        (["--set", "speed=1"], "a setting of this case"),
        (["--set", "penalty"], "expected NAME=VALUE"),
        (["--set", "cells=4"], "cells: got (4,), expected at least 6 cells"),
        (["--set", "half_width=2.0"], "of the law's mass lies outside the box"),
    ],
)
def test_wrong_settings_are_told(arguments, message, tmp_path):
    result = run(ROOT / "cases" / "toy_line.py", "--out", tmp_path / "out", *arguments)
    assert result.exit_code in (1, 2)
    assert message in result.output.replace("\n", " ")
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_case_files_that_are_not_cases(tmp_path):
    with pytest.raises(ArgumentError, match="an existing Python file"):
        Case.load(tmp_path / "none.py")
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n")
    with pytest.raises(ArgumentError, match="a file without a function `problem`"):
        Case.load(empty)
    no_default = tmp_path / "no_default.py"
    no_default.write_text("def problem(penalty):\n    return penalty\n")
    with pytest.raises(ArgumentError, match="'penalty' of problem has no default"):
        Case.load(no_default)
    not_a_problem = tmp_path / "not_a_problem.py"
    not_a_problem.write_text("def problem(penalty=1.0):\n    return penalty\n")
    with pytest.raises(ArgumentError, match=r"returned float, expected a Problem"):
        Case.load(not_a_problem).build()


MINIMAL = """
import eulerian_mfc as emfc
from eulerian_mfc.files.locks import WRITING


def problem(penalty=1.0):
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1.0], [1.0]], 0.2), [-2.0, 2.0])
    return emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty, 1.0)
"""


def test_a_case_needs_no_more_than_a_problem(tmp_path):
    """Mesh and layers have defaults: a covering box, 20 layers."""
    (tmp_path / "minimal.py").write_text(MINIMAL)
    result = run(tmp_path / "minimal.py", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    solution = emfc.Solution.load(tmp_path / "out" / "solution.h5")
    assert solution.layers == 20
    assert solution.mesh.bounds[0][0] < -1 - 0.2 * 7 - 1


@pytest.mark.usefixtures("blank")
def test_unconverged_runs_write_their_results_and_say_so(tmp_path):
    text = (
        MINIMAL
        + "\n\ndef numerics(layers=5):\n    return {'layers': layers, 'solver': emfc.solvers.LBFGS(max_iterations=1)}\n"
    )
    (tmp_path / "short.py").write_text(text)
    result = run(tmp_path / "short.py", "--out", tmp_path / "out")
    assert result.exit_code == NOT_CONVERGED
    assert "Not converged: the limit of 1 iterations is reached" in result.output.replace("\n", " ")
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES


SLOW = (
    MINIMAL.replace("import eulerian_mfc as emfc\n", "import os\nimport time\n\nimport eulerian_mfc as emfc\n")
    + """

class Slow(emfc.solvers.LBFGS):
    def iterate(self, recorder, system, initial):
        record = recorder.record

        def slowly(point):
            record(point)
            time.sleep(float(os.environ.get("SECONDS_AN_ITERATION", "0")))

        recorder.record = slowly
        return super().iterate(recorder, system, initial)


def numerics(layers=5, control_degree=0):
    return {"layers": layers, "control_degree": control_degree, "solver": Slow()}
"""
)


def slowly():
    """The environment of a process whose iterations take so long that it can be interrupted between two of them."""
    return {**os.environ, "SECONDS_AN_ITERATION": "0.5"}


def test_control_c_keeps_and_saves_the_best_control(tmp_path):
    """SIGINT to the real command in the middle of its iterations."""
    (tmp_path / "slow.py").write_text(SLOW)
    code = "from eulerian_mfc.app.cli import main; main()"
    command = [sys.executable, "-u", "-c", code, "run", str(tmp_path / "slow.py"), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=slowly())
    seen = ""
    deadline = time.monotonic() + 120
    while not re.search(r"^ +2 ", seen, flags=re.MULTILINE) and time.monotonic() < deadline:
        seen += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=120)
    assert process.returncode == NOT_CONVERGED, seen + rest
    assert "interrupted" in rest
    solution = emfc.Solution.load(tmp_path / "out" / "solution.h5")
    assert not solution.converged
    assert len(solution.history) >= 3
    assert solution.cost < solution.history[0].cost


def test_a_second_control_c_does_not_lose_the_control(tmp_path):
    """SIGINT while solving, and again while certifying and writing: the solution is still there."""
    (tmp_path / "slow.py").write_text(SLOW)
    code = "from eulerian_mfc.app.cli import main; main()"
    command = [sys.executable, "-u", "-c", code, "run", str(tmp_path / "slow.py"), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=slowly())
    seen = ""
    while not re.search(r"^ +2 ", seen, flags=re.MULTILINE):
        seen += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 60
    while not (tmp_path / "out" / "solution.h5").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert not emfc.Solution.load(tmp_path / "out" / "solution.h5").converged


CASE_WITH_NEIGHBOUR = """
from __future__ import annotations

from dataclasses import dataclass

from neighbour import STD

import eulerian_mfc as emfc
from eulerian_mfc.files.locks import WRITING


@dataclass
class Choice:
    std: float = STD


def problem(penalty=1.0):
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1.0], [1.0]], Choice().std), [-2.0, 2.0])
    return emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty, 1.0)
"""


def test_a_case_may_import_its_neighbours_and_use_dataclasses(tmp_path):
    (tmp_path / "neighbour.py").write_text("STD = 0.25\n")
    (tmp_path / "case.py").write_text(CASE_WITH_NEIGHBOUR)
    problem, options = Case.load(tmp_path / "case.py").build()
    assert problem.law.law.std[0, 0] == 0.25
    assert options["layers"] == 20


def numerics_that(text):
    return f"{MINIMAL}\n\ndef numerics(n=3):\n    {text}\n"


DICT = "a dict of keyword arguments of solve"
EXIT = "    import sys\n    sys.exit(0)\n"
MISTAKES = {
    "syntax": ("def problem(:\n", "invalid syntax"),
    "exit at the top": ("raise SystemExit(5)\n", "the case ended Python (exit status 5) while it was read"),
    "latin-1": ("# \u00e9\n", "a file that is not a text in UTF-8"),
    "keyword": (
        numerics_that("return {'cells': n}"),
        "numerics: got the keyword 'cells', expected one of mesh",
    ),
    "default": (
        f"{MINIMAL}\n\ndef numerics(penalty=3.0):\n    return {{}}\n",
        "have different defaults for 'penalty'",
    ),
    "None": (numerics_that("return None"), f"numerics(...) returned NoneType, expected {DICT}"),
    "list": (numerics_that("return [1, 2]"), f"numerics(...) returned list, expected {DICT}"),
    "async": (
        f"{MINIMAL}\n\nasync def numerics():\n    return {{}}\n",
        "numerics is an async function, expected a function",
    ),
    "no function": (
        MINIMAL + "\n\nnumerics = {'layers': 3}\n",
        f"numerics is a dict, expected a function that returns {DICT}",
    ),
    "no problem": ("problem = 3\n", "problem is a int, expected a function that returns a Problem"),
    "no names": ("def problem(penalty=1.0, /):\n    return 3\n", "'penalty' of problem is positional-only"),
    "mesh": (numerics_that("return {'mesh': 3}"), "numerics: mesh: got 3, expected a mesh, such as CartesianMesh"),
    "layers": (numerics_that("return {'layers': 'a'}"), "numerics: layers: got 'a', expected an integer >= 1"),
    "times of layers": (
        numerics_that("return {'layers': [0.0, 0.5, 0.4, 1.0]}"),
        "numerics: layers: got [0.0, 0.5, 0.4, 1.0], expected a number of layers, or increasing times that begin with 0",
    ),
    "last time": (
        numerics_that("return {'layers': [0, 0.5]}"),
        "numerics: layers: got (0.0, 0.5), expected times that end at the problem's horizon, 1",
    ),
    "exit": (f"def problem():\n{EXIT}", "problem(...) ended Python (exit status 0) instead of returning"),
    "exit of numerics": (
        f"{MINIMAL}\n\ndef numerics():\n{EXIT}",
        "numerics(...) ended Python (exit status 0) instead of",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_in_case_files_are_told(name, tmp_path):
    """Each by the file, the function and what is expected, before anything is printed or written."""
    text, message = MISTAKES[name]
    (tmp_path / "case.py").write_text(text, encoding="latin-1")
    result = run(tmp_path / "case.py", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {tmp_path / 'case.py'}: ")
    assert message in result.output.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_an_exit_while_solving_is_an_error(tmp_path):
    text = MINIMAL.replace("class", "").replace("[-2.0, 2.0]", "leave, breaks=[0.0]")
    (tmp_path / "case.py").write_text(text + f"\n\ndef leave(x):\n{EXIT}")
    result = run(tmp_path / "case.py", "--out", tmp_path / "out")
    assert (result.exit_code, "ended Python (exit status 0)" in result.output) == (1, True)


def test_docstrings_may_be_blank(tmp_path):
    (tmp_path / "case.py").write_text(f'"""  """\n{MINIMAL}')
    assert Case.load(tmp_path / "case.py").title == "case"


def test_defaults_may_be_arrays(tmp_path):
    """The same in both functions, where `==` has no truth value."""
    text = MINIMAL.replace("penalty=1.0", "penalty=1.0, grid=np.arange(3)")
    text += "\n\ndef numerics(grid=np.arange(3), layers=4):\n    return {'layers': layers}\n"
    (tmp_path / "case.py").write_text("import numpy as np\n" + text)
    assert Case.load(tmp_path / "case.py").build()[1]["layers"] == 4
    (tmp_path / "case.py").write_text(
        "import numpy as np\n" + text.replace("np.arange(3), layers", "np.ones(3), layers")
    )
    with pytest.raises(ArgumentError, match="have different defaults for 'grid'"):
        Case.load(tmp_path / "case.py")


def test_errors_come_before_the_heading(tmp_path):
    """What only `solve` sees, too: the first line that is printed is the error."""
    result = run(ROOT / "cases" / "toy_line.py", "--out", tmp_path / "out", "--set", "cells=4")
    assert result.output.startswith("Error: cells: got (4,)")


@pytest.mark.usefixtures("blank")
def test_only_the_packages_warnings_are_listed(tmp_path):
    text = numerics_that("return {'layers': n, 'solver': Warns()}")
    text += """

class Warns(emfc.solvers.LBFGS):
    def iterate(self, *arguments):
        import warnings

        warnings.warn("of somebody else", RuntimeWarning)
        warnings.warn("our own", emfc.errors.EulerianWarning)
        return super().iterate(*arguments)
"""
    (tmp_path / "case.py").write_text(text)
    with pytest.warns(RuntimeWarning, match="of somebody else"):
        result = run(tmp_path / "case.py", "--out", tmp_path / "out")
    assert "warning: our own" in result.output
    assert "of somebody else" not in result.output


def test_full_disks_are_told(monkeypatch, tmp_path):
    """What libraries say of a disk that takes no more is one sentence, not the package's own mistake."""

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "there")

    monkeypatch.setattr("eulerian_mfc.app.cli.write_whole", full)
    told = CliRunner().invoke(main, ["new", str(tmp_path / "x.py")])
    assert told.exit_code == 1
    assert (
        told.output
        == "Error: cannot write there: No space left on device; free some disk space, or choose another folder\n"
    )


def test_lists_and_none_can_be_set(tmp_path):
    text = MINIMAL + "\n\ndef numerics(cells=40, note=None):\n    return {'layers': 2}\n"
    (tmp_path / "case.py").write_text(text)
    case = Case.load(tmp_path / "case.py").with_settings({"cells": "[32, 40]", "note": "hello", "penalty": "[1.0, 2]"})
    assert case.settings["cells"] == [32, 40]
    assert case.settings["note"] == "hello"
    assert case.build()[0].regulariser.penalties.tolist() == [1.0, 2.0]


CURVED = (
    MINIMAL.replace("1.0)\n", "2.0)\n")
    + """

def numerics(layers=3, control_degree=0):
    return {"mesh": emfc.CartesianMesh([(-6.0, 6.0)], 48), "layers": layers, "control_degree": control_degree}
"""
)


def table(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def test_a_control_of_higher_degree_is_a_table_of_samples_and_one_of_coefficients(tmp_path):
    """33 times per layer with both ends, so that jumps show; the coefficients are all of the control. The horizon is 2."""
    (tmp_path / "curved.py").write_text(CURVED)
    changed = {"layers": "[0, 0.2, 0.8, 2]", "control_degree": "2"}
    result = run(tmp_path / "curved.py", "--out", tmp_path / "out", "--no-second-order", *settings(changed))
    assert result.exit_code == 0, result.output
    assert "48 cells, 3 layers, controls of degree 2" in result.output.replace("\n", " ")
    solution = emfc.Solution.load(tmp_path / "out" / "solution.h5")
    assert solution.control.shape == (3, 3, 2)
    assert solution.times.tolist() == [0.0, 0.2, 0.8, 2.0]
    assert (
        solution.description["layers"]
        == "3, which start and end at 0, 0.2, 0.8, 2; controls of degree 2 in time (Legendre basis)"
    )
    head, *rows = table(tmp_path / "out" / "control.csv")
    assert head == ["t", "W", "b"]
    samples = np.array(rows, dtype=float).reshape(3, 33, 3)
    assert samples[:, [0, -1], 0].tolist() == [[0.0, 0.2], [0.2, 0.8], [0.8, 2.0]]
    np.testing.assert_allclose(np.diff(samples[:, :, 0]), np.repeat([[0.2], [0.6], [1.2]], 32, axis=1) / 32)
    for (start, end), layer, found in zip(
        solution.times[[[0, 1], [1, 2], [2, 3]]], solution.control, samples, strict=True
    ):
        for k in range(2):
            expected = np.polynomial.legendre.Legendre(layer[:, k], (start, end))(found[:, 0])
            np.testing.assert_allclose(found[:, 1 + k], expected, rtol=0, atol=1e-14)
    head, *rows = table(tmp_path / "out" / "control_coefficients.csv")
    assert head == ["t_start", "t_end", "basis", "coefficient", "W", "b"]
    assert [row[:4] for row in rows[:4]] == [["0.0", "0.2", "legendre", str(i)] for i in range(3)] + [
        ["0.2", "0.8", "legendre", "0"]
    ]
    assert np.array_equal(np.array([row[4:] for row in rows], dtype=float).reshape(3, 3, 2), solution.control)
    again = run(tmp_path / "curved.py", "--out", tmp_path / "out")
    assert again.exit_code == 0, again.output
    assert not (tmp_path / "out" / "control_coefficients.csv").exists()
    assert table(tmp_path / "out" / "control.csv")[0] == ["t_start", "t_end", "W", "b"]


def test_bounds_are_in_the_table_of_coefficients(tmp_path):
    """With bounds the basis is that of Bernstein, whose coefficients lie within them."""
    (tmp_path / "curved.py").write_text(CURVED.replace("penalty, 2.0", "penalty, 2.0, bounds=(-0.1, 0.3)"))
    result = run(
        tmp_path / "curved.py", "--out", tmp_path / "out", "--no-second-order", *settings({"control_degree": "1"})
    )
    assert result.exit_code == 0, result.output
    rows = table(tmp_path / "out" / "control_coefficients.csv")[1:]
    assert {row[2] for row in rows} == {"bernstein"}
    values = np.array([row[4:] for row in rows], dtype=float)
    assert (values >= -0.1).all()
    assert (values <= 0.3).all()
    samples = np.array(table(tmp_path / "out" / "control.csv")[1:], dtype=float).reshape(3, 33, 3)
    np.testing.assert_allclose(samples[:, [0, -1], 1:].reshape(-1, 2), values, rtol=0, atol=1e-15)


def test_layers_may_be_times_on_the_command_line(tmp_path):
    """Also if the default is their number, and the number if the default is times; other settings keep their types."""
    (tmp_path / "curved.py").write_text(CURVED)
    case = Case.load(tmp_path / "curved.py")
    assert case.with_settings({"layers": "[0, 0.25, 2]"}).build()[1]["layers"] == (0.0, 0.25, 2.0)
    for text in ("[0, 'a', 2]", "0.5", "[0, True]"):
        with pytest.raises(ArgumentError, match="--set layers: got"):
            case.with_settings({"layers": text})
    with pytest.raises(ArgumentError, match=r"--set control_degree: got '\[0, 0.5\]'"):
        case.with_settings({"control_degree": "[0, 0.5]"})
    (tmp_path / "curved.py").write_text(CURVED.replace("layers=3", "layers=(0, 1, 2)"))
    case = Case.load(tmp_path / "curved.py")
    assert case.with_settings({"layers": "4"}).build()[1]["layers"] == 4
    assert case.with_settings({"layers": "[0, 0.25, 2]"}).build()[1]["layers"] == (0.0, 0.25, 2.0)


@pytest.mark.usefixtures("blank")
def test_running_again_with_fewer_layers_leaves_no_stale_files(tmp_path):
    for layers in (6, 3):
        run(ROOT / "cases" / "toy_line.py", "--out", tmp_path, "--set", f"layers={layers}", "--set", "cells=40")
    assert len(list((tmp_path / "vtk").glob("solution_*.vtu"))) == 4
    assert len(list((tmp_path / "vtk").glob("trajectories_*.vtp"))) == 4


def test_help_and_version():
    assert "--set NAME=VALUE" in CliRunner().invoke(main, ["run", "--help"]).output
    assert emfc.__version__ in CliRunner().invoke(main, ["--version"]).output


def killed_run(tmp_path, *more):
    """`emfc run --checkpoint`, killed after its second iteration."""
    (tmp_path / "slow.py").write_text(SLOW)
    code = "from eulerian_mfc.app.cli import main; main()"
    arguments = ["run", str(tmp_path / "slow.py"), "--out", str(tmp_path / "out"), "--checkpoint", *more]
    command = [sys.executable, "-u", "-c", code, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=slowly())
    seen = ""
    while not re.search(r"^ +2 ", seen, flags=re.MULTILINE) and process.poll() is None:
        seen += process.stdout.readline()
    process.kill()
    process.wait(timeout=60)
    process.stdout.close()


def test_a_killed_run_is_resumed_without_second_order(tmp_path):
    killed_run(tmp_path)
    resumed = CliRunner().invoke(main, ["resume", str(tmp_path / "out"), "--no-second-order"])
    assert resumed.exit_code == 0, resumed.output
    assert "The second-order analysis was left out" in resumed.output
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES
    assert not emfc.Solution.load(tmp_path / "out" / "solution.h5").analysed


@pytest.mark.usefixtures("blank")
def test_a_killed_run_is_resumed(tmp_path):
    """With its settings, to the bits of a run that nothing interrupted; then nothing is left to resume."""
    killed_run(tmp_path, "--set", "penalty=0.7")
    assert {p.name for p in (tmp_path / "out").iterdir()} - {WRITING} == {"run.json", "checkpoint"}
    (tmp_path / "slow.py").write_text(SLOW + "# changed\n")
    changed = CliRunner().invoke(main, ["resume", str(tmp_path / "out")])
    assert changed.exit_code == 1
    assert "has changed since the run" in changed.output
    (tmp_path / "slow.py").write_text(SLOW)
    resumed = CliRunner().invoke(main, ["resume", str(tmp_path / "out")])
    assert resumed.exit_code == 0, resumed.output
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES
    whole = run(tmp_path / "slow.py", "--out", tmp_path / "whole", "--set", "penalty=0.7")
    assert whole.exit_code == 0
    for folder in ("out", "whole"):
        solution = emfc.Solution.load(tmp_path / folder / "solution.h5")
        assert solution.description["case"] == SLOW
        assert '"penalty": 0.7' in solution.description["settings"]
    first, second = (emfc.Solution.load(tmp_path / f / "solution.h5") for f in ("out", "whole"))
    assert np.array_equal(first.masses, second.masses)
    assert np.array_equal(first.control, second.control)
    again = CliRunner().invoke(main, ["resume", str(tmp_path / "out")])
    assert again.exit_code == 1
    assert "the run in this folder has finished" in again.output
    nothing = CliRunner().invoke(main, ["resume", str(tmp_path)])
    assert "no run was started there with --checkpoint" in nothing.output.replace("\n", " ")


def test_a_killed_run_with_curves_on_unequal_layers_is_resumed(tmp_path):
    changed = settings({"layers": "[0, 0.1, 0.4, 1]", "control_degree": "2"})
    killed_run(tmp_path, *changed)
    other = run(tmp_path / "slow.py", "--out", tmp_path / "out", "--checkpoint", *settings({"layers": "[0, 0.2, 1]"}))
    assert other.exit_code == 1
    assert "--set layers=[0, 0.1, 0.4, 1] --set control_degree=2" in other.output.replace("\n", " ")
    resumed = CliRunner().invoke(main, ["resume", str(tmp_path / "out"), "--no-second-order"])
    assert resumed.exit_code == 0, resumed.output
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES | {"control_coefficients.csv"}
    whole = run(tmp_path / "slow.py", "--out", tmp_path / "whole", "--no-second-order", *changed)
    assert whole.exit_code == 0, whole.output
    first, second = (emfc.Solution.load(tmp_path / f / "solution.h5") for f in ("out", "whole"))
    assert first.control.shape == (3, 3, 2)
    assert np.array_equal(first.control, second.control)
    assert np.array_equal(first.masses, second.masses)


def left(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.mark.usefixtures("blank")
def test_an_unfinished_run_is_not_lost(tmp_path):
    """Other runs into its folder are refused and leave it as it was; the same one goes on."""
    killed_run(tmp_path, "--set", "penalty=0.9")
    case, out = tmp_path / "slow.py", tmp_path / "out"
    kept = left(out)
    assert set(kept) - {WRITING} == {"run.json", "checkpoint"}
    for arguments in (["--checkpoint", "--set", "penalty=0.5"], ["--checkpoint"], [], ["--set", "penalty=0.9"]):
        result = run(case, "--out", out, *arguments)
        assert result.exit_code == 1
        assert f"Continue this run with `emfc resume {out}`" in result.output.replace("\n", " ")
        assert left(out) == kept
    result = run(case, "--out", out, "--checkpoint", "--set", "penalty=0.90")
    assert result.exit_code == 0, result.output
    assert set(left_names := {p.name for p in out.iterdir()}) == FILES, left_names


def test_a_refused_run_leaves_no_record(tmp_path):
    """Nor a changed one: by what `solve` refuses, and by a checkpoint that is another run's."""
    case, out = ROOT / "cases" / "toy_line.py", tmp_path / "out"
    for wrong in ("cells=4", "half_width=2.0"):
        assert run(case, "--out", out, "--checkpoint", "--set", wrong).exit_code == 1
        assert left(out) == {}
    emfc.solve(*Case.load(case).build()[:1], emfc.CartesianMesh([(-8.0, 8.0)], 32), 3, checkpoint=out / "checkpoint")
    kept = left(out)
    assert "belongs to another run" in run(case, "--out", out, "--checkpoint").output
    assert left(out) == kept
    (out / "checkpoint").unlink()
    (out / "checkpoint").mkdir()
    assert "checkpoint', expected a file, not a folder" in run(case, "--out", out, "--checkpoint").output
    assert [p.name for p in out.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"format": "other", "schema": 1}',
            "got the format 'other', expected the record of a run of eulerian_mfc: delete this file",
        ),
        (
            '{"format": "eulerian_mfc.run", "schema": 7}',
            "has schema 7, but this version reads schema 1: delete this file",
        ),
        ("{", "is damaged"),
    ],
)
def test_records_that_are_none_are_told(content, message, tmp_path):
    (tmp_path / "run.json").write_text(content)
    result = CliRunner().invoke(main, ["resume", str(tmp_path)])
    assert result.exit_code == 1
    assert message in result.output


def test_errors_are_one_block_and_debug_shows_the_traceback(tmp_path):
    (tmp_path / "case.py").write_text("def problem(penalty=1.0):\n    return 1 / 0\n")
    result = run(tmp_path / "case.py", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.output.startswith("Error: ZeroDivisionError: division by zero\n  in problem, line 2 of ")
    assert "Traceback" not in result.output
    arguments = ["--debug", "run", str(tmp_path / "case.py"), "--out", str(tmp_path / "out")]
    for ordered in (arguments, [*arguments[1:], "--debug"]):
        assert isinstance(CliRunner().invoke(main, ordered).exception, ZeroDivisionError)


def test_a_new_case_runs_and_is_viewed(tmp_path):
    """The starting case converges; its densities are drawn without a window, in a GIF of all levels and in stills."""
    from imageio_ffmpeg import get_ffmpeg_exe
    from PIL import Image

    path = tmp_path / "mine.py"
    made = CliRunner().invoke(main, ["new", str(path)])
    assert made.exit_code == 0, made.output
    result = run(path, "--out", tmp_path / "out", "--set", "layers=3", "--set", "cells=60")
    assert result.exit_code == 0, result.output
    drawn = CliRunner().invoke(main, ["view", str(tmp_path / "out"), "--stills", "2"])
    assert drawn.exit_code == 0, drawn.output
    assert {p.name for p in (tmp_path / "out" / "view").iterdir()} == {
        "density.gif",
        "still_0000.png",
        "still_0003.png",
    }
    with Image.open(tmp_path / "out" / "view" / "density.gif") as film:
        assert film.n_frames == 4
    first, last = (np.asarray(Image.open(tmp_path / "out" / "view" / f"still_{n:04d}.png")) for n in (0, 3))
    assert first.std() > 5  # something is drawn
    assert (first != last).any()
    drawn = CliRunner().invoke(main, ["view", str(tmp_path / "out"), "--mp4", "--out", str(tmp_path / "film")])
    assert drawn.exit_code == 0, drawn.output
    decode = [
        get_ffmpeg_exe(),
        "-i",
        str(tmp_path / "film" / "density.mp4"),
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    ]
    raw = subprocess.run(decode, capture_output=True, check=True).stdout
    pictures = np.frombuffer(raw, np.uint8).reshape(-1, *last.shape[:2], 3)
    assert len(pictures) == 4
    assert np.abs(pictures[-1].astype(float) - last[:, :, :3]).mean() < 5  # of 255: what the coding loses
    again = CliRunner().invoke(main, ["new", str(path)])
    assert "expected a file that does not exist yet" in again.output
    assert "ends in" in CliRunner().invoke(main, ["new", str(tmp_path / "x.txt")]).output
    for wrong in (path / "x", "/proc/x"):
        refused = CliRunner().invoke(main, ["view", str(tmp_path / "out"), "--out", str(wrong)])
        assert f"cannot make the folder {wrong}" in refused.output
    assert "a folder that `emfc run` has written" in CliRunner().invoke(main, ["view", str(tmp_path)]).output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell, monkeypatch):
    """The script that `eval` gets names the command; what it then asks for are the commands and the options."""
    script = CliRunner().invoke(main, env={"_EMFC_COMPLETE": f"{shell}_source"}, prog_name="emfc").output
    assert "_EMFC_COMPLETE" in script
    for words, expected in {"emfc re": "resume", "emfc run --ch": "--checkpoint"}.items():
        last, asked = words.split()[-1], str(len(words.split()) - 1)
        env = {
            "_EMFC_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": last if shell == "fish" else asked,
        }
        assert expected in CliRunner().invoke(main, env=env, prog_name="emfc").output


def test_info_tells_versions_and_extras():
    output = CliRunner().invoke(main, ["info"]).output
    for name in (
        "eulerian_mfc",
        "numpy",
        "numba",
        "threads",
        "kernel cache",
        "extra transport",
        "extra learn",
        "extra film",
        "extra torch",
    ):
        assert re.search(rf"^{name} +\S", output, flags=re.MULTILINE), name
    assert np.__version__ in output


@pytest.mark.parametrize("own", [True, False])
def test_info_tells_where_all_kernels_are(own, tmp_path):
    """In `NUMBA_CACHE_DIR` if that is set, else beside the sources."""
    code = """
import os
from pathlib import Path
from eulerian_mfc.kernels import team, tensor_interpolation
from eulerian_mfc.storage.environment import kernel_cache
told = kernel_cache()
for module in (team, tensor_interpolation):
    kernels = [v for v in vars(module).values() if hasattr(v, "stats")]
    assert kernels
    for kernel in kernels:
        folder = Path(kernel.stats.cache_path)
        head, _, tail = told.partition("/**")
        assert folder.is_relative_to(head) and str(folder).endswith(tail), (folder, told)
print(told)
"""
    env = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"} | {"PYTHONPATH": str(ROOT)}
    env |= {"NUMBA_CACHE_DIR": str(tmp_path)} if own else {}
    told = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    assert told.strip() == str(tmp_path if own else ROOT / "eulerian_mfc" / "**" / "__pycache__")


@pytest.mark.parametrize("command", ["run", "resume", "study", "new", "view"])
def test_help_has_examples(command):
    assert f"emfc {command} " in CliRunner().invoke(main, [command, "--help"]).output.split("Example")[1]


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.25", 0.25), ("1", 1.0), ("2e9", 2 * 10**9), ("500MB", 5 * 10**8), ("4GiB", 2**32), ("1.5 k", 1500)],
)
def test_memory_is_read_with_its_unit(text, value):
    found = Memory().convert(text, None, None)
    assert found == value
    assert type(found) is type(value)


def test_threads_and_memory_reach_the_solver(tmp_path, monkeypatch):
    """They take the place of the case's own, and a wrong one is told."""
    seen = {}

    def stop(problem, mesh, layers, **options):
        seen.update(options)
        raise ArgumentError("seen")

    monkeypatch.setattr("eulerian_mfc.app.run_case.solve", stop)
    case = tmp_path / "case.py"
    text = (ROOT / "cases" / "bimodal_1d.py").read_text()
    case.write_text(text.replace('"layers": layers,', '"layers": layers, "threads": 3, "precision": "single",'))
    result = run(case, "--out", tmp_path / "out", "--threads", "2", "--memory", "1GB")
    assert "seen" in result.output
    assert (seen["threads"], seen["memory"], seen["precision"]) == (2, 10**9, "single")
    for wrong in ("-1", "0", "many", "2.5.1", "1e400", "1e300T"):
        result = run(case, "--out", tmp_path / "out", f"--memory={wrong}")
        assert result.exit_code == 2
        assert f"got '{wrong}', expected a number of bytes such as 2e9" in result.output
