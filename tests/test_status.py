"""Verdicts are values: which status each ending has, and that files of before are read as what they say."""

import json

import h5py
import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.errors import FileFormatError, NonFiniteError
from eulerian_mfc.solvers import Status
from eulerian_mfc.storage import solution_file
from eulerian_mfc.storage.status_in_files import status_of

from .conftest import ROOT, toy_line, toy_mesh
from .test_look import steep

solvers = emfc.solvers


def interrupt(row):
    if row.iteration == 1:
        raise KeyboardInterrupt


def overflow(row):
    if row.iteration == 1:
        raise NonFiniteError("a value of the callback is not finite")


def test_each_ending_has_its_status():
    def status(**options):
        return emfc.solve(toy_line(), toy_mesh(60), 4, **options).status

    assert status() is Status.CONVERGED
    assert status(solver=solvers.GradientFlow(max_iterations=2)) is Status.ITERATION_LIMIT
    assert status(solver=solvers.Shooting(max_iterations=2)) is Status.ITERATION_LIMIT
    assert status(callback=interrupt) is Status.INTERRUPTED
    assert status(solver=solvers.GradientFlow(), callback=overflow) is Status.NOT_FINITE
    assert status(solver=solvers.NewtonKrylov(tol=1e-300)) is Status.STALLED


def test_divergence_is_a_status():
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0, truncation=0.2), np.sign, breaks=[0.0])
    problem = emfc.Problem(emfc.fields.NeuralField(1, bias=False), law, emfc.losses.SquaredLoss(), 0.002, 1.0)
    mesh = emfc.CartesianMesh([(-2.5, 2.5)], 200)
    solution = emfc.solve(problem, mesh, 10, solver=solvers.Shooting(max_iterations=200), initial=1.0)
    assert solution.status is Status.DIVERGED
    assert "shooting diverges" in solution.message


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.EulerianWarning")
def test_a_wrong_cost_is_solved_but_not_converged():
    solution = steep(emfc.losses.SquaredLoss())
    assert solution.status is Status.COST_WRONG
    assert (solution.converged, solution.solved) == (False, True)


SENTENCES = {
    "converged to a critical point; optimality residual 1e-12 <= 1e-10": (True, Status.CONVERGED),
    "converged to a critical point at a kink of the cost; the shortest": (True, Status.CONVERGED_AT_KINK),
    "not converged: interrupted; optimality residual 1 > 1e-9": (False, Status.INTERRUPTED),
    "not converged: the limit of 5 iterations is reached; o": (False, Status.ITERATION_LIMIT),
    "not converged: L-BFGS-B stopped (ABNORMAL), then no further decrease": (False, Status.STALLED),
    "not converged: shooting diverges (relaxation 1; reduce it); o": (False, Status.DIVERGED),
    "not converged: layer 3 of 20 (t = 0.2): the gradient is not finite; o": (False, Status.NOT_FINITE),
    "not converged: the cost on the mesh is -0.98; the discrete system: converged to a critical point; o": (
        False,
        Status.COST_WRONG,
    ),
    "not converged: the cost on the mesh is -0.98; the discrete system: not converged: the limit of 3 iterations is": (
        False,
        Status.ITERATION_LIMIT,
    ),
    "not converged: the cost's estimated error 1 exceeds the target 0.1 and 2 rounds are made; the discrete system: "
    "converged to a critical point": (False, Status.TARGET_MISSED),
    "something else": (False, Status.UNKNOWN),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentences_of_before_are_read_once(sentence):
    converged, status = SENTENCES[sentence]
    assert status_of(None, sentence, converged) is status


def changed(path, target, change):
    """The file with other metadata."""
    with h5py.File(path) as file:
        meta = json.loads(file["metadata"][()])
    change(meta)
    target.write_bytes(path.read_bytes())
    with h5py.File(target, "r+") as file:
        del file["metadata"]
        file["metadata"] = json.dumps(meta)
    content = target.read_bytes()[solution_file.HEAD :]
    target.write_bytes(solution_file.head(content) + content)
    return target


def test_files_keep_the_status_and_those_without_one_load(tmp_path):
    solution = emfc.solve(toy_line(), toy_mesh(60), 4, callback=interrupt)
    solution.save(tmp_path / "new.h5")
    assert emfc.Solution.load(tmp_path / "new.h5").status is Status.INTERRUPTED

    # As an earlier version wrote it: no status, no resources, and another name of the precision.
    def older(meta):
        del meta["status"], meta["resources"]
        meta["description"]["storage"] = "densities in single precision"

    old = emfc.Solution.load(changed(tmp_path / "new.h5", tmp_path / "old.h5", older), toy_line())
    assert old.status is Status.INTERRUPTED
    assert old.system.resources.precision == "single"

    with pytest.raises(FileFormatError, match="status"):
        emfc.Solution.load(changed(tmp_path / "new.h5", tmp_path / "bad.h5", lambda m: m.update(status="converged")))
    with pytest.raises(FileFormatError, match="status"):
        emfc.Solution.load(changed(tmp_path / "new.h5", tmp_path / "bad.h5", lambda m: m.update(status="magic")))
    for wrong in ({"threads": 10**9}, {"memory": -1}, {"precision": "half"}, {"more": 1}):
        spoiled = changed(tmp_path / "new.h5", tmp_path / "bad.h5", lambda m, wrong=wrong: m["resources"].update(wrong))
        with pytest.raises(FileFormatError, match="resources"):
            emfc.Solution.load(spoiled)


def test_nothing_reads_a_verdict_from_a_sentence():
    """But for the reader of files that have nothing else."""
    for path in (ROOT / "eulerian_mfc").rglob("*.py"):
        if path.name != "solution_schema.py":
            assert "message.startswith" not in path.read_text(), path


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.EulerianWarning")
@pytest.mark.parametrize("precision", ["single", "double"])
def test_a_loaded_solution_is_evaluated_with_what_it_was_solved_with(tmp_path, precision):
    options = {"precision": precision, "threads": 2, "memory": 12_000}
    solution = emfc.solve(toy_line(), toy_mesh(200), 12, **options)
    solution.save(tmp_path / "s.h5")
    back = emfc.Solution.load(tmp_path / "s.h5", toy_line()).system
    assert back.resources == solution.system.resources
    assert back.resources.precision == precision
    assert back.kept_states == solution.system.kept_states < 12  # so that densities are rounded at all
    theta = np.linspace(0.1, 1.0, 12)[:, None]
    assert np.array_equal(back.cost_and_gradient(theta)[1], solution.system.cost_and_gradient(theta)[1])
    double = emfc.OptimalitySystem(toy_line(), toy_mesh(200), 12)
    assert np.array_equal(back.cost_and_gradient(theta)[1], double.cost_and_gradient(theta)[1]) == (
        precision == "double"
    )
