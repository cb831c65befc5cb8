"""What `emfc run` runs is the case as it stands, as `python FILE` would run it, and nobody else's files are mixed in."""

import gc
import importlib
import os
import re
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

import eulerian_mfc as emfc
from eulerian_mfc.app.cli import main
from eulerian_mfc.errors import StorageError
from eulerian_mfc.files.locks import WRITING, Claim, alone
from eulerian_mfc.run.case import Case
from eulerian_mfc.studies.study_file import StudyFile

from .conftest import ROOT, toy_line

CASE = """
import numpy as np
import eulerian_mfc as emfc


def problem(target=1.0):
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), [[0.5]])
    return emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), 1.0, 1.0)


def numerics():
    return {"mesh": emfc.CartesianMesh([(-6.0, 6.0)], 24), "layers": 2}
"""


@pytest.fixture(autouse=True)
def path_and_modules(monkeypatch):
    """Cases change what is searched and imported; byte code is written, whatever the environment says."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith(("emfc_t_", "emfc_case_")):
            del sys.modules[name]


def labels_of(case):
    return Case.load(case).build()[0].law.labels


def test_a_case_changed_within_its_old_time_and_size_is_read_anew(tmp_path):
    """As `cp -p`, `rsync -a`, tar and the layers of containers leave it."""
    case, found = tmp_path / "c.py", []
    for label in ("0.5", "2.0"):
        case.write_text(CASE.replace("0.5]]", f"{label}]]"))
        os.utime(case, (1e9, 1e9))
        found.append(float(labels_of(case)[0, 0]))
    assert found == [0.5, 2.0]


def test_no_byte_code_is_left_beside_a_case(tmp_path):
    (tmp_path / "c.py").write_text(CASE)
    labels_of(tmp_path / "c.py")
    assert [f.name for f in tmp_path.iterdir()] == ["c.py"]


def test_cases_are_not_read_with_the_features_of_this_package(tmp_path):
    """Its own modules put off the evaluation of annotations, a case does not unless it says so."""
    (tmp_path / "c.py").write_text(CASE + "\ndef f(x: int):\n    return x\n\nassert f.__annotations__['x'] is int\n")
    labels_of(tmp_path / "c.py")


LATE = {
    "in problem": CASE.replace("    law =", "    import emfc_t_late\n    law =").replace(
        "[[0.5]]", "emfc_t_late.LABEL"
    ),
    "in a label": CASE.replace("[[0.5]]", "label")
    + "\ndef label(x):\n    from emfc_t_late import f\n    return f(x)\n",
    "in numerics": CASE.replace("    return {", "    from emfc_t_late import CELLS\n    return {").replace(
        "24", "CELLS"
    ),
}


@pytest.mark.parametrize("where", LATE)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_modules_beside_a_case_are_found_whenever_they_are_imported(tmp_path, where, elsewhere, monkeypatch):
    (tmp_path / "emfc_t_late.py").write_text("LABEL, CELLS = [[0.5]], 24\n\ndef f(x):\n    return 0.5 * x\n")
    (tmp_path / "c.py").write_text(LATE[where])
    if elsewhere:
        monkeypatch.chdir("/")
    problem, options = Case.load(tmp_path / "c.py").build()
    assert emfc.OptimalitySystem(problem, options["mesh"], 2).cost(0.1).total > 0


def test_a_study_finds_late_modules_in_its_workers(tmp_path):
    (tmp_path / "emfc_t_late.py").write_text("LABEL = [[0.5]]\n")
    (tmp_path / "c.py").write_text(
        LATE["in problem"].replace("(target=1.0)", "(penalty=1.0)").replace("(), 1.0,", "(), penalty,")
    )
    (tmp_path / "s.toml").write_text('kind = "penalty"\ncase = "c.py"\n[vary]\npenalty = [1.0, 2.0]\n')
    study = StudyFile.load(tmp_path / "s.toml").run(workers=2)
    assert not study.failures


def test_two_cases_have_their_own_helpers_in_one_process(tmp_path):
    """A worker of a cluster reads many cases: `import helpers` is each case's own."""
    found = []
    for folder, label in (("a", "0.5"), ("b", "2.0"), ("a", "0.5")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "emfc_t_helpers.py").write_text(f"LABEL = [[{label}]]\n")
        case = CASE.replace("import numpy as np\n", "import emfc_t_helpers\n").replace(
            "[[0.5]]", "emfc_t_helpers.LABEL"
        )
        (tmp_path / folder / "c.py").write_text(case)
        found.append(float(labels_of(tmp_path / folder / "c.py")[0, 0]))
    assert found == [0.5, 2.0, 0.5]


def test_helpers_that_were_edited_are_read_anew_and_others_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    case = CASE.replace("import numpy as np\n", "import emfc_t_helpers, emfc_t_more\n").replace(
        "[[0.5]]", "emfc_t_helpers.LABEL"
    )
    (tmp_path / "c.py").write_text(case)
    (tmp_path / "emfc_t_more.py").write_text("")
    found = []
    for label in ("0.5", "0.5", "2.0"):
        (tmp_path / "emfc_t_helpers.py").write_text(f"LABEL = [[{label}]]\n")
        labels = float(labels_of(tmp_path / "c.py")[0, 0])
        found.append((labels, sys.modules["emfc_t_helpers"]))
    assert [label for label, _ in found] == [0.5, 0.5, 2.0]
    assert found[0][1] is not found[2][1]
    kept = sys.modules["emfc_t_helpers"]
    labels_of(tmp_path / "c.py")
    assert sys.modules["emfc_t_helpers"] is kept


def test_modules_that_were_there_before_are_nobody_s_to_forget(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "emfc_t_mine.py").write_text("x = 1\n")
    import emfc_t_mine

    (tmp_path / "c.py").write_text(CASE)
    labels_of(tmp_path / "c.py")
    (tmp_path / "emfc_t_mine.py").write_text("x = 2\n")
    labels_of(tmp_path / "c.py")
    assert sys.modules["emfc_t_mine"] is emfc_t_mine


def test_files_of_some_editors_begin_with_a_mark(tmp_path):
    """Notepad's: the three bytes of U+FEFF before the text."""
    case = CASE.replace("numerics()", "numerics(layers=2)").replace('"layers": 2', '"layers": layers')
    (tmp_path / "c.py").write_text(case, encoding="utf-8-sig")
    (tmp_path / "known.json").write_text('{"cost": 0.25}', encoding="utf-8-sig")
    text = 'kind = "layers"\ncase = "c.py"\n[reference]\nfile = "known.json"\n[vary]\nlayers = [1, 2]\n'
    (tmp_path / "s.toml").write_text(text, encoding="utf-8-sig")
    assert StudyFile.load(tmp_path / "s.toml").run().error_column("error J").against == "the reference"
    assert not StudyFile.load(tmp_path / "s.toml").text.startswith("\ufeff")


def test_a_title_that_the_terminal_cannot_show_ends_no_run(tmp_path):
    (tmp_path / "c.py").write_text('"""F\u00fc\u00dfe \u03b8"""\n' + CASE, encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONPATH": str(ROOT)}
    code = (
        "import sys; from eulerian_mfc.app.cli import main; import eulerian_mfc.solution as s, eulerian_mfc.app.run_case as c\n"
        "c.write_control = lambda *a: sys.exit(7)\ns.Solution.to_vtk = lambda *a: None\nmain()"
    )
    command = [sys.executable, "-c", code, "run", str(tmp_path / "c.py"), "--out", str(tmp_path / "o")]
    run = subprocess.run(command, capture_output=True, env=environment)
    assert run.returncode == 7, run.stderr
    assert b"F\xfc\xdfe ?" in run.stdout
    assert (tmp_path / "o" / "solution.h5").is_file()


# --- two at once


@pytest.fixture
def held(tmp_path):
    """A folder that another process is writing into."""
    folder = tmp_path / "out"
    folder.mkdir()
    code = (
        "import sys, pathlib\nfrom eulerian_mfc.files.locks import alone\n"
        "with alone(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    input()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout.readline() == b"held\n"
    yield folder, process
    process.kill()
    process.communicate()


def test_a_folder_that_another_program_writes_into_is_refused(held, tmp_path):
    folder, process = held
    (tmp_path / "c.py").write_text(CASE)
    result = CliRunner().invoke(main, ["run", str(tmp_path / "c.py"), "--out", str(folder)])
    assert result.exit_code == 1
    assert "another program is writing into this folder" in result.output
    assert [f.name for f in folder.iterdir()] == [WRITING]
    with pytest.raises(StorageError, match=re.escape(str(folder))), alone(folder):
        pass
    process.kill()  # its right goes with it
    process.wait()
    with alone(folder):
        pass
    assert not list(folder.iterdir())


def test_two_to_vtk_into_one_folder_do_not_mix(tmp_path, monkeypatch):
    """One in each of two threads, with other layers: one of them is refused, and all files are the other's."""
    from eulerian_mfc.views import vtk

    mesh = emfc.CartesianMesh([(-8.0, 8.0)], 32)
    one, two = (emfc.solve(toy_line(), mesh, layers) for layers in (1, 2))
    begun, go_on = threading.Event(), threading.Event()
    encoded = vtk.encoded

    def slow(data):
        begun.set()
        assert go_on.wait(30)
        return encoded(data)

    monkeypatch.setattr(vtk, "encoded", slow)
    thread = threading.Thread(target=two.to_vtk, args=(tmp_path,))
    thread.start()
    assert begun.wait(30)
    with pytest.raises(StorageError, match="another program is writing"):
        one.to_vtk(tmp_path)
    go_on.set()
    thread.join()
    assert len(list(tmp_path.glob("solution_*.vtu"))) == 3
    assert not (tmp_path / WRITING).exists()
    one.to_vtk(tmp_path)
    assert len(list(tmp_path.glob("solution_*.vtu"))) == 2


def test_a_patient_writer_waits(tmp_path):
    claim, order = Claim.of(tmp_path / WRITING), []

    def write():
        with alone(tmp_path, patient=True):
            order.append("second")

    thread = threading.Thread(target=write)
    thread.start()
    thread.join(0.2)
    order.append("first")
    claim.release()
    thread.join(10)
    assert order == ["first", "second"]


SCHEME = """
from dataclasses import dataclass


@dataclass(frozen=True)
class Mine(emfc.continuity.FiniteVolume):
    \"\"\"Finite volumes under a name of the user's.\"\"\"

    table: tuple | None = None


def numerics():
    mesh = emfc.CartesianMesh([(-4.0, 4.0)], 160)
    return {"mesh": mesh, "layers": 2, "continuity": Mine("muscl", table=TABLE)}
"""


def with_scheme(tmp_path, table):
    """A case with a scheme of its own, whose setting is `table`."""
    case = tmp_path / "emfc_t_scheme.py"
    case.write_text(CASE.partition("def numerics")[0] + SCHEME.replace("TABLE", table))
    return CliRunner().invoke(main, ["run", str(case), "--out", str(tmp_path / "out")])


def test_a_scheme_of_a_case_is_found_when_the_case_is_imported(tmp_path, monkeypatch):
    """The command runs a case under a name of its own, which nobody can import: its file has the case's name."""
    result = with_scheme(tmp_path, "None")
    assert result.exit_code == 0, result.output
    for name in [name for name in sys.modules if name.startswith("emfc_case_")]:
        del sys.modules[name]
    gc.collect()
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("emfc_t_scheme")
    solution = emfc.Solution.load(tmp_path / "out" / "solution.h5", module.problem())
    assert type(solution.numerics.continuity).__name__ == "Mine"


def test_what_no_file_can_hold_is_refused_before_the_work(tmp_path):
    result = with_scheme(tmp_path, "(1.0,)")
    assert result.exit_code != 0
    assert "Mine.table = (1.0,), expected a scheme that can be stored in a file" in result.output
    assert "iteration" not in result.output
