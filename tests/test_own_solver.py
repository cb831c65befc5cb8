"""A solver in a user's own file works wherever the package's own do."""

import textwrap

import numpy as np
import pytest
from click.testing import CliRunner

import eulerian_mfc as emfc
from eulerian_mfc.app.cli import main
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.solvers import CONVERGED, DiscreteProblem, LayeredProblem, Status, limit_reached
from eulerian_mfc.solvers.protocol import LayerWise
from eulerian_mfc.storage.journal import Journal
from eulerian_mfc.storage.journalled import Asked

from .conftest import toy_line, toy_mesh

CASE = textwrap.dedent(
    '''
    """A solver of the user's."""
    import numpy as np
    import eulerian_mfc as emfc
    from eulerian_mfc.solvers import CONVERGED, Solver, limit_reached


    class Plain(Solver):
        def iterate(self, recorder, system, initial):
            point = recorder.evaluate(initial)
            recorder.record(point)
            for _ in range(self.max_iterations):
                if recorder.converged(point):
                    return CONVERGED
                space = system.controls
                point = recorder.evaluate(space.project(point.control - 0.4 * point.gradient / space.gram))
                recorder.record(point)
            return limit_reached(self.max_iterations)


    def problem(penalty=1.0):
        law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), np.sign, breaks=[0.0])
        return emfc.Problem(emfc.fields.NeuralField(1, bias=False), law, emfc.losses.SquaredLoss(), penalty, 1.0)


    def numerics(cells=60, tol=1e-8):
        return {"mesh": emfc.CartesianMesh([(-7, 7)], cells), "layers": 4, "solver": Plain(tol=tol)}
    '''
)


@pytest.fixture
def case(tmp_path):
    (tmp_path / "case.py").write_text(CASE)
    return tmp_path / "case.py"


def test_it_works_in_a_case_its_file_and_its_resumed_run(case, tmp_path):
    result = CliRunner().invoke(main, ["run", str(case), "--out", str(tmp_path / "out"), "--checkpoint"])
    assert result.exit_code == 0, result.output
    problem, _ = emfc_case(case)
    loaded = emfc.Solution.load(tmp_path / "out" / "solution.h5", problem)
    assert loaded.status is Status.CONVERGED
    assert "Plain(tol=1e-08" in loaded.description["solver"]
    assert loaded.cost == pytest.approx(emfc.solve(problem, loaded.mesh, 4).cost, rel=1e-12)


def emfc_case(path):
    from eulerian_mfc.run.case import Case

    return Case.load(path).build()


def test_it_works_in_a_study_and_its_options_belong_to_stored_results(case, tmp_path):
    text = f'kind = "penalty"\ncase = "{case.name}"\n[vary]\npenalty = [1.0, 2.0]\n'
    (tmp_path / "study.toml").write_text(text)
    result = CliRunner().invoke(main, ["study", str(tmp_path / "study.toml"), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    first = set((tmp_path / "out" / "jobs").iterdir())
    (tmp_path / "case.py").write_text(CASE.replace("0.4 *", "0.3 *"))
    CliRunner().invoke(main, ["study", str(tmp_path / "study.toml"), "--out", str(tmp_path / "out")])
    assert len(set((tmp_path / "out" / "jobs").iterdir()) - first) == 2  # another method has other results


class Steps(emfc.solvers.Solver):
    """Projected steps, asking only what the protocol has."""

    def iterate(self, recorder, system, initial):
        point = recorder.evaluate(initial)
        recorder.record(point)
        for _ in range(self.max_iterations):
            if recorder.converged(point):
                return CONVERGED
            step = -0.4 * point.gradient / system.controls.gram
            recorder.hessian(point)(step)
            point = recorder.evaluate(system.controls.project(point.control + step))
            recorder.record(point)
        return limit_reached(self.max_iterations)


def test_it_goes_on_from_a_checkpoint_without_computing(tmp_path, monkeypatch):
    path, solver = tmp_path / "run.checkpoint", Steps(max_iterations=4)
    first = emfc.solve(toy_line(), toy_mesh(40), 3, solver=solver, checkpoint=path)
    calls = []
    for name in ("cost_and_gradient", "hessian"):
        own = getattr(emfc.OptimalitySystem, name)
        monkeypatch.setattr(
            emfc.OptimalitySystem, name, lambda self, *a, own=own, name=name: calls.append(name) or own(self, *a)
        )
    again = emfc.solve(toy_line(), toy_mesh(40), 3, solver=solver, checkpoint=path)
    assert np.array_equal(first.control, again.control)
    assert not calls


class Asks(emfc.solvers.Solver):
    """Ends with something that is no Ending."""

    def iterate(self, recorder, system, initial):
        recorder.record(recorder.evaluate(initial))
        return "done"


def test_a_method_that_returns_a_sentence_is_told_what_to_return():
    with pytest.raises(
        ArgumentError, match=r"'done' as the return value of the method `iterate` of Asks, expected an Ending"
    ):
        emfc.solve(toy_line(), toy_mesh(40), 2, solver=Asks())


class Idle(emfc.solvers.Solver):
    """Returns before it evaluates anything."""

    def iterate(self, recorder, system, initial):
        return CONVERGED


def test_a_method_that_evaluates_nothing_is_not_believed():
    with pytest.raises(emfc.errors.NonFiniteError, match="before it evaluated a control"):
        emfc.solve(toy_line(), toy_mesh(40), 2, solver=Idle())


def members(protocol):
    return {
        n
        for base in protocol.__mro__
        for n in vars(base)
        if not n.startswith("_") and base.__module__.startswith("eulerian")
    }


def test_the_systems_and_their_journal_answer_all_that_the_protocol_asks(tmp_path):
    mesh, particles = emfc.OptimalitySystem(toy_line(), toy_mesh(40), 2), emfc.ParticleSystem(toy_line(), 2)
    for k, (system, protocol) in enumerate(((mesh, LayeredProblem), (particles, DiscreteProblem))):
        kept = Journal(tmp_path / f"{k}.checkpoint", 10.0, "run").watching(system)
        assert len(members(protocol)) >= 7
        for one in (system, kept):
            assert not [name for name in members(protocol) if not hasattr(one, name)]
            assert isinstance(one, LayerWise) == (system is mesh)
        assert members(protocol) <= set(dir(type(kept)))  # made from the protocol, not handed on


def test_a_new_question_needs_no_new_code(tmp_path):
    """A protocol with a question of its own: numbers and arrays are kept, objects asked in turn, densities deferred."""
    from typing import Annotated, Protocol

    from eulerian_mfc.solvers.protocol import DEFERRED
    from eulerian_mfc.storage import journalled

    class Part(Protocol):
        def square(self, x: float) -> float: ...

    class Question(Protocol):
        @property
        def size(self) -> int: ...
        def both(self, x: np.ndarray) -> tuple[float, np.ndarray | None, list[Part]]: ...
        def large(self, x: np.ndarray) -> Annotated[np.ndarray, DEFERRED]: ...
        def of_large(self, y: Annotated[np.ndarray, DEFERRED]) -> float: ...

    count = []

    class Real:
        size = 7

        def both(self, x):
            count.append("both")
            return float(x.sum()), None, [RealPart(), RealPart()]

        def large(self, x):
            count.append("large")
            return np.ones(5) * x[0]

        def of_large(self, y):
            count.append("of_large")
            return float(y.sum())

    class RealPart:
        def square(self, x):
            count.append("square")
            return x * x

    kind = journalled._class_for(Question, present=True)
    for expected in (["both", "square", "large", "of_large"], []):
        count.clear()
        journal = Journal(tmp_path / "a.checkpoint", 0.0, "run")
        asked = kind(journal, b"1", Real)
        total, nothing, parts = asked.both(np.array([1.0, 2.0]))
        assert (asked.size, total, nothing, len(parts)) == (7, 3.0, None, 2)
        assert isinstance(parts[1], Asked)
        assert parts[1].square(3.0) == 9.0
        assert asked.of_large(asked.large(np.array([2.0]))) == 10.0
        assert count == expected
        journal.write()
        assert asked.large(np.array([3.0]))[0] == 3.0  # not kept: computed in both runs
        assert count == [*expected, "large"]
