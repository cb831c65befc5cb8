"""Stored results of studies are those of the problem that is asked for, and workers that die or cannot import are told."""

import subprocess
import sys
import textwrap
import types

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.interpolate import CubicSpline

import eulerian_mfc as emfc
from eulerian_mfc.app.cli import main
from eulerian_mfc.errors import ArgumentError, EulerianError, StoredResultWarning
from eulerian_mfc.studies.jobs import Job, run_jobs
from eulerian_mfc.studies.looks import doubt
from eulerian_mfc.studies.runs import solve_run
from eulerian_mfc.studies.sources import given
from eulerian_mfc.studies.store import Result, Store

from . import study_problems as sp
from .conftest import ROOT, toy_line, truncated

MESH = emfc.CartesianMesh([(-6.0, 6.0)], 32)
studies = emfc.studies


def problem(label, **changes):
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label)
    return emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), 1.0, 1.0, **changes)


def test_a_study_of_another_spline_has_another_result(tmp_path):
    """The example that was wrong by a factor of 13: data in the slots of a base class."""

    def study(scale, folder):
        z = np.linspace(-6, 6, 50)
        spline = CubicSpline(z, scale * np.sin(z))
        return studies.penalty_sweep(problem(lambda x: spline(x)), MESH, 2, [0.5, 2.0], folder=folder)

    first = study(0.5, tmp_path / "jobs")
    second = study(1.0, tmp_path / "jobs")
    assert first.values("cost")[0] != pytest.approx(second.values("cost")[0], rel=0.1)
    assert second == study(1.0, tmp_path / "another folder")


def from_a_file(path):
    """A label whose data no fingerprint sees: read at every call."""
    return lambda x: float(path.read_text()) * np.sin(x)


STUDIES = {
    "sweep": lambda p, **run: studies.penalty_sweep(p, MESH, 2, [0.5, 2.0], **run),
    "mesh against particles": lambda p, **run: studies.mesh_convergence(
        p, [24, 32], 2, [(-6.0, 6.0)], reference="particles", **run
    ),
    "layers without a mesh": lambda p, **run: studies.layer_convergence(p, MESH, [1, 2], twin=True, **run),
    "samples": lambda p, **run: studies.sample_convergence(p, MESH, [4], 1, 2, methods=["particles"], **run),
    "descent": lambda p, **run: studies.coupled_descent(p, MESH, [4], 2, repeats=1, **run),
}


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.EulerianWarning")
def test_what_no_address_sees_is_noticed_when_a_stored_result_is_used(tmp_path, name):
    data = tmp_path / "data.txt"
    data.write_text("0.5")
    p, study = problem(from_a_file(data)), STUDIES[name]
    first = study(p, folder=tmp_path / "jobs")
    kept = {f.name: f.read_bytes() for f in (tmp_path / "jobs").iterdir()}
    assert study(p, folder=tmp_path / "jobs") == first
    data.write_text("1.0")
    match = r"belongs to another computation: its cost is .*all results are computed again"
    with pytest.warns(StoredResultWarning, match=match) as told:
        second = study(p, folder=tmp_path / "jobs")
    assert {w.filename for w in told} == {__file__}  # the user's line, not the package's
    assert second == study(p)
    assert second != first
    # What was computed again has taken the place of the old results.
    again = {f.name: f.read_bytes() for f in (tmp_path / "jobs").iterdir()}
    replaced = [again[key] != old for key, old in kept.items()]
    assert (
        any(replaced) if name == "samples" else all(replaced)
    )  # samples start at the law's control, which is another now
    assert study(p, folder=tmp_path / "jobs") == second


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.CostErrorWarning")
def test_a_descent_from_a_fields_own_start_is_believed(tmp_path):
    """The second look starts where the job did."""
    p = emfc.Problem(emfc.fields.BottleneckField(1, 2), toy_line().law, emfc.losses.SquaredLoss(), 0.5, 1.0)
    first = studies.coupled_descent(p, MESH, [8], 2, repeats=1, folder=tmp_path / "jobs")
    assert studies.coupled_descent(p, MESH, [8], 2, repeats=1, folder=tmp_path / "jobs") == first


def test_a_study_file_notices_it_too(tmp_path):
    (tmp_path / "case.py").write_text(
        "import pathlib\nimport numpy as np\nimport eulerian_mfc as emfc\n\n"
        "DATA = pathlib.Path(__file__).with_name('data.txt')\n\n"
        "def label(x):\n    return float(DATA.read_text()) * np.sin(x)\n\n"
        "def problem(penalty=1.0):\n"
        "    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label)\n"
        "    return emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty, 1.0)\n\n"
        "def numerics(cells=24):\n    return {'mesh': emfc.CartesianMesh([(-6, 6)], cells), 'layers': 2}\n"
    )
    (tmp_path / "study.toml").write_text('kind = "penalty"\ncase = "case.py"\n[vary]\npenalty = [0.5, 2.0]\n')
    tables = []
    for value, warns in (("0.5", False), ("1.0", True)):
        (tmp_path / "data.txt").write_text(value)
        command = ["study", str(tmp_path / "study.toml"), "--out", str(tmp_path / "out")]
        if warns:
            with pytest.warns(StoredResultWarning, match="all results are computed again"):
                CliRunner().invoke(main, command, catch_exceptions=False)
        else:
            CliRunner().invoke(main, command, catch_exceptions=False)
        tables.append(studies.Study.load(tmp_path / "out" / "study.json").values("cost"))
    assert tables[0][0] != pytest.approx(tables[1][0], rel=0.1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"continuity": emfc.continuity.FiniteVolume("upwind"), "solver": emfc.solvers.Shooting(max_iterations=3)},
        {"layer_map": "euler", "initial": 0.3},
        {"precision": "single"},
        {"transport": emfc.transport.SemiLagrangian(1)},
        {"twin": True},
        {"sparsity": 0.01},
        {"symmetric": True},
    ],
)
@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.EulerianWarning")
def test_a_result_just_computed_is_believed(options):
    options = dict(options)
    p = truncated(1.0) if options.pop("symmetric", False) else toy_line(sparsity=options.pop("sparsity", 0.0))
    twin = options.pop("twin", False)
    arguments = {"source": given(p, emfc.CartesianMesh([(-8.0, 8.0)], 32), 2, options), "twin": twin}
    (result,) = run_jobs([Job(solve_run, arguments, "one")])
    assert result.error is None
    assert doubt(solve_run, arguments, result) is None
    for wrong in (1.0 + 1e-8, -1.0):
        values = {**result.values, "cost": result.values["cost"] * wrong}
        assert "when the same control is evaluated again" in doubt(solve_run, arguments, Result(values, result.arrays))
    assert "cannot be evaluated again" in doubt(solve_run, arguments, Result(result.values, {}))


def test_a_cost_that_is_zero_but_for_round_off_is_believed():
    """The optimum of a problem whose labels are where the points are: zero, whatever the last bits say."""
    arguments = {"source": given(problem(lambda x: x), MESH, 2, {"initial": 0.0}), "twin": True}
    (result,) = run_jobs([Job(solve_run, arguments, "one")])
    assert abs(result.values["cost"]) < 1e-12
    values = {**result.values, "cost": result.values["cost"] + 1e-16}
    moved = given(problem(lambda x: x + 1e-3), MESH, 2, {"initial": 0.0})
    assert doubt(solve_run, {**arguments, "source": moved}, Result(values, result.arrays)) is not None


def test_a_job_without_an_address_runs_where_nothing_is_kept(tmp_path):
    rng = np.random.default_rng(0)
    work = [Job(sp.square, {"x": k, "unused": rng}, "") for k in (1, 2)]
    with pytest.raises(ArgumentError, match="whose value cannot be determined"):
        run_jobs(work, folder=tmp_path)
    work = [Job(lambda x, rng: {"y": x + rng.integers(1)}, {"x": k, "rng": rng}, "") for k in (1, 2)]
    assert [r.values["y"] for r in run_jobs(work)] == [1, 2]


def test_a_job_is_told_by_the_code_of_its_function():
    one, two = (Job(lambda x, k=k: {"y": k * x}, {"x": 1}, "") for k in (1, 2))
    assert one.fingerprint != two.fingerprint


def test_the_order_of_options_and_what_a_start_holds_do_not_count(tmp_path):
    study = lambda p, **options: studies.penalty_sweep(p, MESH, 2, [0.5, 2.0], folder=tmp_path, **options)  # noqa: E731
    solution = emfc.solve(problem(np.sign), MESH, 2)
    study(problem(np.sign), initial=solution, layer_map="rk4")
    before = sorted(f.name for f in tmp_path.iterdir())
    solution.masses, solution.stability  # noqa: B018
    study(problem(np.sign), layer_map="rk4", initial=solution)
    assert sorted(f.name for f in tmp_path.iterdir()) == before


# --- workers


def test_one_killed_worker_costs_its_own_job(tmp_path):
    """Killed by the system, as where memory runs out, among six: the five others are done, and stored."""
    work = [Job(sp.dies, {"x": k}, f"x = {k}") for k in range(6)]
    found = run_jobs(work, folder=tmp_path, workers=2)
    assert [r.values.get("value") for r in found] == [0.0, 1.0, None, 3.0, 4.0, 5.0]
    assert "a worker process died" in found[2].error
    assert len(list(tmp_path.glob("*.npz"))) == 5
    (record,) = tmp_path.glob("*.failed.txt")
    assert record.read_text().startswith("x = 2\n")


def test_what_a_worker_cannot_import_is_its_job_s_failure(monkeypatch):
    module = types.ModuleType("emfc_only_here")
    exec("def f(x):\n    return {'y': x}", vars(module))
    monkeypatch.setitem(sys.modules, "emfc_only_here", module)
    found = run_jobs([Job(module.f, {"x": 1}, "one"), Job(sp.square, {"x": 2}, "two")], workers=2)
    assert "No module named 'emfc_only_here'" in found[0].error
    assert found[1].values["square"] == 4


def from_stdin(text, *arguments, tmp_path):
    code = textwrap.dedent(text)
    run = subprocess.run(
        [sys.executable, *arguments],
        input=code,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )
    return run.stdout + run.stderr


def test_functions_that_were_typed_in_are_refused_and_others_run(tmp_path):
    """A script read from the standard input, like a notebook, has no file that workers could read."""
    out = from_stdin(
        """
        import numpy as np
        from eulerian_mfc.studies.jobs import Job, run_jobs
        from tests import study_problems as sp
        def typed(x):
            return {"y": x}
        try:
            run_jobs([Job(typed, {"x": 1}, "one")], workers=2)
        except ValueError as error:
            print(error)
        print([r.values["word"] for r in run_jobs([Job(sp.square, {"x": k}, "") for k in (1, 2)], workers=2)])
        """,
        tmp_path=tmp_path,
    )
    assert "cannot be sent to another process (the job holds a function or class that was typed in" in out
    assert "top level of a module" in out
    assert "['yes', 'yes']" in out


def test_a_script_that_every_worker_runs_again_is_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from eulerian_mfc.studies.jobs import Job, run_jobs\nfrom tests import study_problems as sp\n"
        "print(run_jobs([Job(sp.square, {'x': k}, '') for k in range(3)], workers=2)[2].error)\n"
    )
    out = from_stdin("", str(script), tmp_path=tmp_path)
    assert "the worker processes died before they began" in out
    assert "if __name__ == '__main__':" in out


def test_workers_that_compute_something_else_are_noticed(tmp_path, monkeypatch):
    """A module that was edited after this process read it: the workers read it as it is now."""
    (tmp_path / "emfc_edited.py").write_text("import numpy as np\n\ndef label(x):\n    return np.sin(x)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import emfc_edited

    try:
        (tmp_path / "emfc_edited.py").write_text("import numpy as np\n\ndef label(x):\n    return 2 * np.sin(x)\n")
        with pytest.raises(
            EulerianError,
            match=r"another process computes something else.*edited.*start this program and the workers again",
        ):
            studies.penalty_sweep(problem(emfc_edited.label), MESH, 2, [0.5, 2.0], folder=tmp_path / "jobs", workers=2)
    finally:
        del sys.modules["emfc_edited"]
    assert not list((tmp_path / "jobs").glob("*.npz"))


def test_damaged_results_are_told_before_anything_is_looked_at(tmp_path):
    (job,) = jobs = [Job(sp.square, {"x": 1}, "one")]
    run_jobs(jobs, folder=tmp_path)
    Store(tmp_path).path(job.fingerprint).write_bytes(b"")
    with pytest.raises(ValueError, match="is damaged"):
        run_jobs(jobs, folder=tmp_path)
