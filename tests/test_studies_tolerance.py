"""Studies whose problems are solved to a tolerance, and those that refuse one."""

import re
import textwrap

import numpy as np
import pytest
from click.testing import CliRunner

import eulerian_mfc as emfc
from eulerian_mfc.app.cli import main
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.studies.study_file import StudyFile

from .conftest import CONTINUOUS, ROOT, toy_line, toy_mesh
from .test_cli import MINIMAL

TOY = str(ROOT / "cases" / "toy_line.py")
EXACT = CONTINUOUS["toy_line_nobias_1"]["cost"]


def bound(solution):
    return solution.error.cost


def cells(solution):
    return solution.mesh.size


def study_file(folder, text):
    path = folder / "study.toml"
    path.write_text(textwrap.dedent(text).replace("TOY", TOY))
    return path


def test_a_sweep_solves_each_problem_to_the_tolerance():
    measures = {"bound": bound, "cells": cells}
    study = emfc.studies.sweep(toy_line(), None, None, {"penalty": [1.0, 3.0]}, measure=measures, tol=1e-5)
    single = emfc.solve(toy_line(), tol=1e-5)
    assert abs(study.values("cost")[0] - EXACT) <= study.values("bound")[0] <= single.error.tolerance
    assert study.values("cost")[0] == single.cost
    assert study.values("converged").all()
    # The mesh that is given is kept, and the tolerance itself may vary.
    study = emfc.studies.sweep(toy_line(), toy_mesh(60), None, {"tol": [1e-2, 1e-5]}, measure=measures)
    assert study.values("cells").tolist() == [60, 60]
    assert np.all(np.abs(study.values("cost") - EXACT) <= study.values("bound"))
    study = emfc.studies.penalty_sweep(toy_line(), None, None, [1.0, 2.0], measure=measures)
    assert study.kind == "penalty"
    assert np.all(study.values("bound") <= 2e-6 * 1.01)  # the default of `solve`


def test_a_run_that_misses_its_tolerance_is_not_converged():
    study = emfc.studies.sweep(toy_line(), toy_mesh(20), None, {"penalty": [1.0]}, tol=1e-11)
    assert study.values("converged").tolist() == [False]
    told = "1 run(s) did not meet the tolerance; the first of them: not converged: the error of the cost is"
    assert any(told in note and "the mesh was given" in note for note in study.notes)


@pytest.mark.parametrize(
    ("study", "arguments"),
    [
        (emfc.studies.mesh_convergence, ([20, 40], 4)),
        (emfc.studies.layer_convergence, (toy_mesh(40), [2, 4])),
        (emfc.studies.sample_convergence, (toy_mesh(40), [10], 2, 4)),
        (emfc.studies.coupled_descent, (toy_mesh(40), [10], 4)),
        (emfc.studies.crossover, ([10], [20, 40], 4)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_studies_of_meshes_and_layers_refuse_a_tolerance(study, arguments):
    told = f"{study.__name__}: tol: got a solve to a tolerance, expected a mesh and layers that are given"
    with pytest.raises(ArgumentError, match=re.escape(told)):
        study(toy_line(), *arguments, tol=1e-3)


def test_a_tolerance_and_a_parameter_do_not_go_together():
    with pytest.raises(ArgumentError, match="parameter: got 'cells' in a study that solves to a tolerance"):
        emfc.studies.sweep(toy_line(), toy_mesh(40), 4, {"cells": [20, 40]}, parameter="cells", tol=1e-3)
    with pytest.raises(ArgumentError, match="vary: got cells without a mesh"):
        emfc.studies.sweep(toy_line(), None, 4, {"cells": [20, 40]})


def test_a_study_file_with_a_tolerance(tmp_path):
    path = study_file(
        tmp_path,
        """
        kind = "penalty"
        case = "TOY"
        tol = 1e-5
        measure = ["error_bound", "iterations"]
        [vary]
        penalty = [1.0, 3.0]
        """,
    )
    result = CliRunner().invoke(main, ["study", str(path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    study = emfc.studies.Study.load(tmp_path / "out" / "study.json")
    assert abs(study.values("cost")[0] - EXACT) <= study.values("error_bound")[0] <= 2.1e-5
    # The case's own 160 cells and quintic splines reach 1e-10 or so: its mesh was not used.
    assert study.values("error_bound")[0] > 1e-12
    text = path.read_text().replace("tol = 1e-5\n", "").replace('"error_bound", ', "")
    other = StudyFile.load(study_file(tmp_path, text)).run()
    assert other.values("cost")[0] != study.values("cost")[0]


def test_a_case_with_a_tolerance_can_be_swept(tmp_path):
    (tmp_path / "case.py").write_text(MINIMAL + "\n\ndef numerics(tol=1e-4):\n    return {'tol': tol}\n")
    path = study_file(
        tmp_path, 'kind = "sweep"\ncase = "case.py"\nmeasure = ["error_bound"]\n[vary]\ntol = [1e-2, 1e-5]\n'
    )
    study = StudyFile.load(path).run()
    assert study.values("error_bound")[1] < 1e-4
    assert study.values("converged").all()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('kind = "mesh"\ncase = "TOY"\ntol = 1e-3\n[vary]\ncells = [20, 40]', 3, "tol: got a key that a study of the kind mesh"),
        ('kind = "layers"\ncase = "TOY"\ntol = 1e-3\n[vary]\nlayers = [2, 4]', 3, "it has a mesh and layers that are given"),
        ('kind = "mesh"\ncase = "case.py"\n[vary]\nn = [20, 40]', 2, "got a study of the kind mesh with a tolerance"),
        ('kind = "samples"\ncase = "case.py"\n[vary]\nsamples = [20]', 2, "got a study of the kind samples with a tolerance"),
        ('kind = "sweep"\ncase = "TOY"\nparameter = "cells"\ntol = 1e-3\n[vary]\ncells = [20, 40]', 3, "a parameter with a tol"),
        ('kind = "sweep"\ncase = "TOY"\ntol = 0.0\n[vary]\npenalty = [1.0]', 3, "tol: got 0.0"),
        ('kind = "sweep"\ncase = "TOY"\ntol_control = "a"\n[vary]\npenalty = [1.0]', 3, "tol_control: got 'a'"),
    ],
)  # fmt: skip
def test_wrong_study_files_show_the_line(text, line, message, tmp_path):
    (tmp_path / "case.py").write_text(MINIMAL + "\n\ndef numerics(n=5):\n    return {'tol': 1e-3 / n}\n")
    with pytest.raises(ArgumentError, match=rf"line {line}: (.|\n)*{re.escape(message)}"):
        StudyFile.load(study_file(tmp_path, text))
