"""Study files and `emfc study`."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import eulerian_mfc as emfc
from eulerian_mfc.app.cli import NOT_CONVERGED, main
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.storage.environment import versions
from eulerian_mfc.studies.study_file import StudyFile

from .conftest import ROOT

FILES = {"study.json", "study.toml", "study.png", "table.txt", "table.md", "table.tex", "table.csv", "jobs"}
TOY = str(ROOT / "cases" / "toy_line.py")


def write(folder, text, name="study.toml"):
    path = folder / name
    path.write_text(textwrap.dedent(text).replace("TOY", TOY))
    return path


def emfc_study(*arguments):
    return CliRunner().invoke(main, ["study", *map(str, arguments)])


MESH = """
    kind = "mesh"
    case = "TOY"
    measure = ["cost"]
    [settings]
    layers = 4
    degree = 3
    [vary]
    cells = [32, 48, 64]
"""


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.toml")), ids=lambda p: p.stem)
def test_every_study_file_is_right(path):
    """Checked without running: the files are run by docs/studies.py."""
    assert StudyFile.load(path).kind in ("mesh", "layers", "samples", "penalty", "sweep")


def test_a_study_file_is_the_call_from_python(tmp_path):
    result = emfc_study(write(tmp_path, MESH), "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES
    study = emfc.studies.Study.load(tmp_path / "out" / "study.json")
    assert [e.name for e in study.errors] == ["error J"]
    from .conftest import toy_line

    direct = emfc.studies.mesh_convergence(
        toy_line(), [32, 48, 64], 4, [(-8.0, 8.0)], transport=emfc.transport.SemiLagrangian(3)
    )
    assert study.values("cost").tolist() == direct.values("cost").tolist()
    assert str(study.fit("error J")) == str(direct.fit("error J"))
    assert study.table() in result.output.replace("\r", "")
    assert (tmp_path / "out" / "table.txt").read_text() == study.table() + "\n"
    # What it takes to run it again.
    assert study.provenance["versions"] == versions()
    assert study.provenance["case"] == (ROOT / "cases" / "toy_line.py").read_text()
    assert study.provenance["study file"] == (tmp_path / "study.toml").read_text()
    assert study.provenance["settings"]["degree"] == 3
    assert direct.provenance == {"versions": versions()}


KINDS = {
    "layers": "[settings]\ncells = 40\n[vary]\nlayers = [2, 4, 8]",
    "samples": 'repeats = 2\nseed = 3\nsymmetry = "abs"\n[settings]\ncells = 40\nlayers = 3\n[vary]\nsamples = [10, 20]',
    "penalty": 'measure = ["iterations"]\n[settings]\ncells = 40\nlayers = 3\n[vary]\npenalty = [1, 2.0]',
    "sweep": 'measure = ["duality_drift"]\n[settings]\nlayers = 3\n[vary]\ndegree = [3, 5]\ncells = [40, 48]',
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_runs(kind, tmp_path):
    path = write(tmp_path, f'kind = "{kind}"\ncase = "TOY"\n{KINDS[kind]}\n')
    result = emfc_study(path, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    study = emfc.studies.Study.load(tmp_path / "out" / "study.json")
    assert study.kind == kind
    assert study.provenance.get("seed") == (3 if kind == "samples" else None)
    assert len(study.records) == {"layers": 3, "samples": 2, "penalty": 2, "sweep": 4}[kind]


SIMPLEX_KINDS = {
    "mesh": "[settings]\nlayers = 2\n[vary]\nrefinements = [1, 2, 3]",
    "layers": "[settings]\nrefinements = 2\n[vary]\nlayers = [1, 2]",
    "samples": 'methods = ["mesh"]\nrepeats = 1\natoms = 200\n[settings]\nrefinements = 2\nlayers = 1\n[vary]\nsamples = [20]',
    "sweep": "[settings]\nlayers = 1\nrefinements = 2\n[vary]\ndegree = [2, 3]",
}


@pytest.mark.parametrize("kind", SIMPLEX_KINDS)
def test_studies_of_a_case_on_triangles(kind, tmp_path):
    """The disc, whose mesh has no `cells` an axis: refined by its own setting, with Courant numbers and widths."""
    path = write(tmp_path, f'kind = "{kind}"\ncase = "{ROOT / "cases" / "disc.py"}"\n{SIMPLEX_KINDS[kind]}\n')
    result = emfc_study(path, "--out", tmp_path / "out")
    assert result.exit_code in (0, NOT_CONVERGED), result.output
    study = emfc.studies.Study.load(tmp_path / "out" / "study.json")
    assert (study.kind, study.failures) == (kind, ())
    assert len(study.records) == {"mesh": 3, "layers": 2, "samples": 1, "sweep": 2}[kind]
    if kind == "mesh":
        assert study.values("cells").tolist() == [16, 64, 256]
        assert (np.diff(study.values("h")) < 0).all()
        assert (np.diff(study.values("courant")) > 0).all()
        assert study.values("error J")[1] <= 1e-3


def test_a_mesh_study_needs_something_that_refines(tmp_path):
    path = write(tmp_path, f'kind = "mesh"\ncase = "{ROOT / "cases" / "disc.py"}"\n[vary]\nlayers = [2, 3]\n')
    with pytest.raises(ArgumentError, match="a setting that refines the mesh: penalty, std, refinements"):
        StudyFile.load(path)
    path = write(tmp_path, f'kind = "mesh"\ncase = "{ROOT / "cases" / "disc.py"}"\n[vary]\nrefinements = [3, 2]\n')
    with pytest.raises(ArgumentError, match="expected runs from coarse to fine"):
        StudyFile.load(path).run()


def test_workers_give_the_same_files(tmp_path):
    path = write(tmp_path, MESH)
    for name, more in (("a", []), ("b", ["--workers", 2])):
        result = emfc_study(path, "--out", tmp_path / name, *more)
        assert result.exit_code == 0, result.output
    names = {p.name for p in (tmp_path / "a" / "jobs").iterdir()}
    assert len(names) == 3
    for name in ["study.json", "table.csv", *(f"jobs/{n}" for n in names)]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


WRONG = [
    ('kind = "mesh"\ncase = "TOY"\n[vary]\ncells = [32, 48', "line 4: cells = [32, 48", "Unclosed array"),
    ('kind = "mash"\ncase = "TOY"\n[vary]\ncells = [32, 48]', 'line 1: kind = "mash"', "one of mesh, layers"),
    ('kind = "mesh"\ncase = "no.py"\n[vary]\ncells = [32, 48]', 'line 2: case = "no.py"', "an existing Python file"),
    ('kind = "mesh"\ncase = "TOY"\n[vary]\nlayers = [3, 4]', "line 3: [vary]", "a list `cells = [...]`"),
    ('kind = "mesh"\ncase = "TOY"\n[vary]\ncells = 40', "line 4: cells = 40", "a list of 2 or more"),
    ('kind = "mesh"\ncase = "TOY"\n[vary]\n\ncells = [40, 2.5]', "line 5: cells = [40, 2.5]", "cells: got '2.5'"),
    ('kind = "mesh"\ncase = "TOY"\n[vary]\ncells = [40, "x"]', "line 4:", "cells: got 'x', expected a value like 160"),
    (
        'kind = "mesh"\ncase = "TOY"\n[settings]\nspeed = 1\n[vary]\ncells = [32, 48]',
        "line 4: speed = 1",
        "settings: got 'speed', expected a setting of this case (penalty=1.0",
    ),
    ('kind = "mesh"\ncase = "TOY"\nvary.cells = [4, "x"]', "line 3: vary.cells", "cells: got 'x'"),
    ('kind = "mesh"\ncase = "TOY"\nseed = 1\n[vary]\ncells = [32, 48]', "line 3: seed = 1", "does not have"),
    ('kind = "mesh"\ncase = "TOY"\n[vary]\ncells = [32, 48]\nlayers = [1]', "line 5: layers = [1]", "2 or more"),
    (
        'kind = "mesh"\ncase = "TOY"\n[vary]\ncells = [32, 48]\nlayers = [1, 2, 3]',
        "line 5:",
        "their values vary together",
    ),
    ('kind = "mesh"\ncase = "TOY"\nreference = "best"\n[vary]\ncells = [32, 48]', "line 3:", "'richardson', 'finest'"),
    ('kind = "mesh"\ncase = "TOY"\nmeasure = ["time"]\n[vary]\ncells = [32, 48]', "line 3:", "'cost', 'control'"),
    (
        'kind = "mesh"\ncase = "TOY"\n[vary]\ncells = [32, 48]\n[reference]\nfile = "no.json"',
        'line 6: file = "no.json"',
        "a JSON file",
    ),
    ('kind = "samples"\ncase = "TOY"\nrepeats = 0\n[vary]\nsamples = [1]', "line 3: repeats = 0", "an integer >= 1"),
    ('kind = "samples"\ncase = "TOY"\n[vary]\nsamples = [1.5]', "line 4: samples = [1.5]", "integers >= 1"),
    ('case = "TOY"\n[vary]\ncells = [32, 48]', "line 1:", "expected a line `kind = ...`"),
    *(
        (f'kind = "{kind}"\ncase = "TOY"\n{line}\n[vary]\n{vary}', f"line 3: {line}", message)
        for kind, line, vary, message in (
            ("mesh", "settings = 3", "cells = [32, 48]", "settings: got 3, expected a table"),
            ("mesh", "settings = [1]", "cells = [32, 48]", "settings: got [1], expected a table"),
            ("mesh", "title = 3", "cells = [32, 48]", "title: got 3, expected a text"),
            ("mesh", "title = []", "cells = [32, 48]", "title: got [], expected a text"),
            ("mesh", "settings.penalty = -1", "cells = [32, 48]", "penalty: got -1, expected positive numbers"),
            ("samples", "methods = []", "samples = [10]", "expected one or both of 'mesh', 'particles'"),
            ("samples", 'methods = ["mesh", "mesh"]', "samples = [10]", "expected a list of 'mesh', 'particles'"),
            ("samples", 'reference = "finest"', "samples = [10]", "expected a table [reference]"),
            ("samples", "reference.cost = 1.0", "samples = [10]", "expected the law's control"),
            ("sweep", 'parameter = "penalty"', "penalty = [1]\ncells = [40]", "the only argument in the table `vary`"),
        )
    ),
    *(
        (f'kind = "{kind}"\ncase = "TOY"\n{more}[vary]\n{line}', f"line {4 + bool(more)}: {line}", message)
        for kind, more, line, message in (
            ("mesh", "", "cells = [80, 40, 20]", "expected runs from coarse to fine"),
            ("mesh", "", "cells = [20, 20, 20]", "expected runs from coarse to fine"),
            ("mesh", "", "cells = [20, -40]", "cells: got -40"),
            ("mesh", "", "cells = [20, 40, [80]]", "only lists, or only single values"),
            ("layers", "", "layers = [8, 4]", "expected runs from coarse to fine"),
            ("layers", "", "layers = [4, 0]", "layers: got 0, expected an integer >= 1"),
            ("penalty", "", "penalty = [1.0, -1.0]", "penalty: got -1.0, expected positive numbers"),
            ("sweep", 'parameter = "cells"\n', "cells = [40, 20]", "values from coarse to fine"),
        )
    ),
    *(
        (
            f'kind = "mesh"\ncase = "TOY"\n[vary]\ncells = [32, 48]\n[reference]\n{line}',
            f"line 6: {line.splitlines()[0]}",
            message,
        )
        for line, message in (
            ("file = 3", "file: got 3, expected a text"),
            ("entry = [1]", "entry: got [1], expected a text"),
            ('entry = "a"', "a JSON file that has this entry"),
            ('cost = "x"', "reference.cost: got 'x', expected a real number"),
            ("cost_floor = -1\ncost = 1.0", "reference.cost_floor: got -1, expected a number >= 0"),
            ("source = 3\ncost = 1.0", "reference.source: got 3, expected a text"),
            ("control = [[1.0, 2.0]]", "2 parameters per layer, expected the problem's 1"),
        )
    ),
]


@pytest.mark.parametrize(("text", "line", "message"), WRONG)
def test_mistakes_are_shown_with_their_line(text, line, message, tmp_path):
    path = write(tmp_path, text + "\n")
    with pytest.raises(ArgumentError) as caught:
        StudyFile.load(path)
    assert f"{path}, {line.replace('TOY', TOY)}" in str(caught.value)
    assert message in str(caught.value)
    result = emfc_study(path, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "entry", "message"),
    [
        ("[1, 2]", False, 'line 6: file = "r.json"\nfile: got [1, 2] in it, expected an object'),
        ("3", True, 'line 6: file = "r.json"\nfile: got 3 in it, expected an object'),
        ('{"a": 3}', True, 'line 7: entry = "a"\nentry: got 3 in the file, expected an object'),
        ('{"a": {"cost": "x"}}', True, "line 6: file = \"r.json\"\nreference.cost: got 'x'"),
    ],
)
def test_reference_files_that_hold_none(content, entry, message, tmp_path):
    (tmp_path / "r.json").write_text(content)
    text = 'kind = "mesh"\ncase = "TOY"\n[vary]\ncells = [32, 48]\n[reference]\nfile = "r.json"\n'
    path = write(tmp_path, text + 'entry = "a"\n' * entry)
    with pytest.raises(ArgumentError) as caught:
        StudyFile.load(path)
    assert message in str(caught.value)


def test_a_case_that_fails_is_told_with_the_line(tmp_path):
    """While it is read, and while it is built with one of the values."""
    path = write(tmp_path, 'kind = "penalty"\ncase = "case.py"\n[vary]\npenalty = [1.0, 2.0]\n')
    for text, line in (
        ("1 / 0\n", '2: case = "case.py"'),
        ("def problem(penalty=1.0):\n    return 1 / 0\n", "4: penalty = [1.0, 2.0]"),
    ):
        (tmp_path / "case.py").write_text(text)
        with pytest.raises(ArgumentError) as caught:
            StudyFile.load(path)
        assert f"{path}, line {line}\nZeroDivisionError: division by zero, in " in str(caught.value)


def test_other_files_and_clusters_are_refused(tmp_path):
    assert "ends in .toml" in emfc_study(tmp_path / "no.toml", "--out", tmp_path).output
    (tmp_path / "latin.toml").write_bytes(b"# \xe9")
    assert "a file that is not a text in UTF-8" in emfc_study(tmp_path / "latin.toml", "--out", tmp_path).output
    path = write(tmp_path, MESH)
    assert (
        "no --workers together with --scheduler"
        in emfc_study(path, "--out", tmp_path, "--workers", 2, "--scheduler", "x").output
    )


def test_failures_and_unconverged_runs_end_with_status_3(tmp_path):
    """One mesh is too coarse for its splines; the others are done."""
    path = write(tmp_path, MESH.replace("[32, 48, 64]", "[3, 48, 64]"))
    result = emfc_study(path, "--out", tmp_path / "out")
    assert result.exit_code == NOT_CONVERGED, result.output
    assert "failed: 3 cells, 4 layers: ArgumentError: cells: got (3,)" in result.output
    assert len(emfc.studies.Study.load(tmp_path / "out" / "study.json").records) == 2
    assert len(list((tmp_path / "out" / "jobs").glob("*.failed.txt"))) == 1


SLOW_CASE = """
    import os
    import time

    import eulerian_mfc as emfc


    class Slow(emfc.solvers.LBFGS):
        def iterate(self, recorder, system, initial):
            with open(os.environ["RUNS"], "a") as file:
                file.write(f"{system.mesh.shape[0]}\\n")
            time.sleep(float(os.environ.get("SECONDS_A_RUN", "0")))
            return super().iterate(recorder, system, initial)


    def problem(penalty=1.0):
        law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1.0], [1.0]], 0.2), [-2.0, 2.0])
        return emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty, 1.0)


    def numerics(cells=40, layers=4):
        return {"mesh": emfc.CartesianMesh([(-4.0, 4.0)], cells), "layers": layers, "solver": Slow()}
"""
CELLS = [32, 36, 40, 44, 48, 52]


def processes_with(text):
    """Numbers of the processes whose environment holds the text."""
    out = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (folder / "environ").read_bytes() and (folder / "cmdline").read_bytes():
                out.append(int(folder.name))
        except OSError:
            continue  # it ended meanwhile, or is not ours
    return out


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs a /proc file system")
def test_a_killed_study_leaves_no_workers_behind(tmp_path):
    write(tmp_path, SLOW_CASE, "slow.py")
    path = write(tmp_path, f'kind = "mesh"\ncase = "slow.py"\n[vary]\ncells = {CELLS}\n')
    code = "from eulerian_mfc.app.cli import main; main()"
    command = [sys.executable, "-c", code, "study", str(path), "--workers", "2", "--out", str(tmp_path / "out")]
    mark = f"STUDY_OF_THIS_TEST={tmp_path}"
    environment = {**os.environ, "RUNS": str(tmp_path / "runs.txt"), "STUDY_OF_THIS_TEST": str(tmp_path)}
    environment["SECONDS_A_RUN"] = "0.5"
    study = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(processes_with(mark)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(processes_with(mark)) >= 3
    study.kill()
    study.wait()
    deadline = time.monotonic() + 20
    while processes_with(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not processes_with(mark)


@pytest.fixture(scope="module")
def slow_study(tmp_path_factory):
    """A study of slow runs, and the folder of what it gives where nothing interrupts it."""
    folder = tmp_path_factory.mktemp("slow")
    write(folder, SLOW_CASE, "slow.py")
    path = write(folder, f'kind = "mesh"\ncase = "slow.py"\n[vary]\ncells = {CELLS}\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNS", str(folder / "whole.txt"))
        assert emfc_study(path, "--out", folder / "whole").exit_code == 0
    return path, folder / "whole"


@pytest.mark.parametrize(("how", "workers"), [(signal.SIGKILL, 1), (signal.SIGINT, 2)])
def test_a_study_killed_half_way_goes_on_bit_for_bit(how, workers, slow_study, tmp_path):
    """The command is killed after two results and started again: the files of an uninterrupted study, no run made twice."""
    path, whole = slow_study
    # A shell's background processes ignore SIGINT, and so would theirs.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    code += "from eulerian_mfc.app.cli import main; main()"
    command = [sys.executable, "-c", code, "study", str(path), "--workers", str(workers), "--out"]
    runs = {name: tmp_path / f"{name}.txt" for name in ("killed", "again")}
    environments = {name: {**os.environ, "RUNS": str(file)} for name, file in runs.items()}
    serial = [*command[:-3], "--out"]
    killed = subprocess.Popen(
        [*command, str(tmp_path / "half")],
        env=environments["killed"] | {"SECONDS_A_RUN": "0.5"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    jobs = tmp_path / "half" / "jobs"
    deadline = time.monotonic() + 60
    while len(list(jobs.glob("*.npz"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.send_signal(how)
    _, told = killed.communicate(timeout=60)
    assert killed.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    if how == signal.SIGINT:
        assert b"the same command continues from them" in told
    done = {p.name: p.stat().st_mtime_ns for p in jobs.glob("*.npz")}
    assert 2 <= len(done) < len(CELLS)
    subprocess.run([*serial, str(tmp_path / "half")], check=True, env=environments["again"], stdout=subprocess.DEVNULL)
    assert len(runs["again"].read_text().split()) == len(CELLS) - len(done)
    assert all((jobs / name).stat().st_mtime_ns == then for name, then in done.items())
    for file in ("study.json", "table.txt", "table.csv", "table.tex", "table.md"):
        assert (tmp_path / "half" / file).read_bytes() == (whole / file).read_bytes()
    for file in (whole / "jobs").iterdir():
        assert (jobs / file.name).read_bytes() == file.read_bytes()


def test_help_says_what_it_takes():
    text = CliRunner().invoke(main, ["study", "--help"]).output
    assert "--workers" in text
    assert "--scheduler ADDRESS" in text
