"""Solves to a tolerance that cannot be met: states that blow up, losses without a value, memory and time that do not suffice."""

import os
import re

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc import _validate
from eulerian_mfc.errors import ArgumentError, MemoryNeededError, NonFiniteError
from eulerian_mfc.results.solution_error import SolutionError
from eulerian_mfc.run import to_tolerance
from eulerian_mfc.system import reverse_sweep
from eulerian_mfc.system.optimality import OptimalitySystem
from eulerian_mfc.tolerance import mesh_choice
from eulerian_mfc.tolerance import pilot as pilots
from eulerian_mfc.tolerance.goal import Clock
from eulerian_mfc.tolerance.not_finite import stiff

from .conftest import CONTINUOUS
from .simplices import box
from .test_continuous_time_optima import HAGER, hager
from .test_continuous_time_solvers import bimodal
from .test_one_tolerance import jump

GAUSSIAN = emfc.laws.Gaussian([0.5], 0.3)
SQUARE = emfc.fields.CustomField(lambda t, u, x: u[0] * x**2, dim=1, size=1)


def problem(field=None, loss=None, law=GAUSSIAN, **cost):
    field = emfc.fields.AffineField(1) if field is None else field
    loss = emfc.losses.SquaredLoss() if loss is None else emfc.losses.LabelLoss(loss, labels=[[0.0]])
    return emfc.Problem(field, emfc.laws.Labelled(law, [[0.0]]), loss, **{"penalty": 0.01, "horizon": 1.0, **cost})


def custom(function):
    return emfc.fields.CustomField(function, dim=1, size=1)


def log(x, y):
    return x[:, 0] - np.log(x[:, 0] + 2.0)


def root(x, y):
    return (x[:, 0] - 1.0) ** 2 + 1e-3 * np.sqrt(x[:, 0] - 0.15)


NOT_FINITE = {
    "x^2, a large first control": (lambda: problem(SQUARE), {"initial": 5.0}, "At the control 0 states stay finite"),
    "a polynomial": (lambda: problem(emfc.fields.PolynomialField(1, 3)), {}, "left every bound at the time t = "),
    "a drift": (lambda: problem(custom(lambda t, u, x: 10.0 * x**2 + u[0])), {}, "fields that grow faster than |x|"),
    "a drift, control 0": (
        lambda: problem(custom(lambda t, u, x: 4.0 * x**3 + u[0])),
        {"initial": 0.0},
        "even at the control 0",
    ),
    "exp": (lambda: problem(custom(lambda t, u, x: u[0] * np.exp(2.0 * x))), {"initial": 1.0}, "bounds="),
    "a loss without a value": (lambda: problem(loss=log), {}, "the loss is not finite at the state x = [-2."),
    "a running loss": (
        lambda: problem(running=emfc.losses.LabelLoss(log, labels=[[0.0]])),
        {},
        "the running loss is not finite at the state x = [-2.",
    ),
    "beside the states": (
        lambda: problem(loss=root, law=emfc.laws.Uniform([(0.2, 2.0)]), penalty=1.0),
        {},
        "pass a mesh on which they are finite",
    ),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", NOT_FINITE)
def test_what_is_not_finite_is_named(name):
    make, options, words = NOT_FINITE[name]
    with pytest.raises(NonFiniteError, match=re.escape(words)) as raised:
        emfc.solve(make(), tol=1e-4, **options)
    assert "evaluation 1" not in str(raised.value)


def test_the_time_of_the_blow_up_is_that_of_the_equation():
    """`x' = u x^2` from x leaves every bound at `1 / (u x)`: with u = 5 and x <= 1.5 not before 2 / 15."""
    law = emfc.laws.Empirical([[1.5]], [[0.0]])
    blown = emfc.Problem(SQUARE, law, emfc.losses.SquaredLoss(), penalty=0.01, horizon=1.0)
    with pytest.raises(NonFiniteError, match=r"x = \[1\.5\] has left every bound at the time t = 0\.2:"):
        emfc.solve(blown, tol=1e-4, layers=[0.0, 0.1, 0.2, 1.0], initial=5.0)


def test_layers_that_do_not_resolve_the_field_are_told():
    """`x' = -2000 x`: states are bounded, but those of 100 steps of rk4 are not."""
    stiff = problem(custom(lambda t, u, x: -2e3 * x + u[0]))
    with pytest.raises(NonFiniteError, match=r"layers do not resolve the field; with 16 times as many substeps"):
        emfc.solve(stiff, tol=1e-2, layers=100, layer_map="rk4", control_degree=1, initial=0.0)


def test_rounds_that_are_not_finite_keep_the_round_before(monkeypatch):
    """The second round of the search in time fails: the first one is returned, and nothing is claimed below."""
    usual, calls = pilots.error_in_time, []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) > 1:
            raise NonFiniteError("cost nan")
        return usual(*arguments)

    monkeypatch.setattr(pilots, "error_in_time", failing)
    solution = emfc.solve(hager(), tol=1e-8)
    assert len(calls) == 2
    assert not solution.error.met
    assert "do not stay finite on finer layers (cost nan)" in solution.error.stopped_by
    assert solution.error.cost == np.inf
    assert abs(solution.cost - HAGER) < 1e-2 * HAGER


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.BoundaryMassWarning")
def test_a_control_of_the_mesh_that_particles_cannot_follow(tmp_path):
    """The loss has values on the mesh, but not where particles go: nothing is claimed but the cost of the pilot's control."""
    law, reach = emfc.laws.Empirical([[0.5], [1.0]], [[0.0], [0.0]]), 2.0
    loss = emfc.losses.LabelLoss(lambda x, y: np.where(x[:, 0] < reach, (x[:, 0] - 1.0) ** 2, np.nan), labels=[[0.0]])
    shift = emfc.fields.AffineField(1, matrix=False)
    posed = emfc.Problem(shift, law, loss, penalty=1e-3, horizon=1.0)

    class Lost(emfc.solvers.Solver):
        def iterate(self, recorder, system, initial):
            recorder.evaluate(np.full(initial.shape, 3.0))
            return emfc.solvers.limit_reached(1)

    solution = emfc.solve(posed, emfc.CartesianMesh([(0.0, reach)], 60), tol=1e-2, solver=Lost())
    error = solution.error
    assert not error.met
    assert "do not stay finite at the control that was found on the mesh" in error.stopped_by
    assert error.bracket[0] == -np.inf
    least = 0.5 * 2.0 * 0.25**2  # of samples that are shifted to 1 on average; the penalty adds to it
    assert least < error.bracket[1] < least + 1e-4
    assert error.without_mesh == error.cost == error.control == np.inf
    assert "J* is at most" in str(error)
    solution.save(tmp_path / "s.h5")
    assert emfc.Solution.load(tmp_path / "s.h5").error.stopped_by == error.stopped_by


def test_an_error_of_memory_is_both_of_this_package_and_of_python(monkeypatch):
    monkeypatch.setattr(_validate, "machine_memory", lambda: 2**20)
    with pytest.raises(MemoryNeededError, match="which is more than this machine's memory") as raised:
        emfc.CartesianMesh([(0.0, 1.0)], 10**6).centres  # noqa: B018
    assert isinstance(raised.value, ArgumentError)
    assert isinstance(raised.value, MemoryError)


@pytest.fixture
def machine(monkeypatch):
    """A function that makes the machine's memory as small as so many bytes."""

    def small(size):
        for module in (_validate, reverse_sweep, to_tolerance):
            monkeypatch.setattr(module, "machine_memory", lambda: size)

    return small


@pytest.mark.parametrize("memory", [0.5, 1.0, 10**15])
def test_a_machine_that_is_too_small_keeps_the_best_so_far(memory, machine):
    """The label's jump asks for ever finer meshes, until one of them does not fit."""
    exact = emfc.solve(jump(breaks=[0.3]), tol=1e-8)
    machine(200_000)
    solution = emfc.solve(jump(), tol=1e-7, memory=memory)
    assert not solution.error.met
    assert "the memory does not suffice for a finer mesh (memory=)" in solution.error.stopped_by
    assert abs(solution.cost - exact.cost) <= solution.error.cost + exact.error.cost


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (MemoryNeededError("mesh: got one that is too large"), "the memory does not suffice for a finer mesh"),
        (MemoryError(), "the memory does not suffice for a finer mesh"),
        (
            NonFiniteError("the loss is not finite on the mesh"),
            "a finer mesh cannot be evaluated: the loss is not finite",
        ),
    ],
    ids=["affordable", "Python", "not finite"],
)
@pytest.mark.parametrize("trials", [mesh_choice.TRIALS, 0], ids=["choice of the mesh", "rounds on meshes"])
@pytest.mark.parametrize("meshes", [1, 2])
def test_a_finer_mesh_that_fails_keeps_the_solution(meshes, trials, raised, words, monkeypatch):
    """Only so many meshes can be built."""
    built, usual = [], OptimalitySystem.of.__func__

    def of(cls, problem, discretisation, resources):
        built.append(discretisation.mesh)
        if len(built) > meshes:
            raise raised
        return usual(cls, problem, discretisation, resources)

    exact = emfc.solve(jump(breaks=[0.3]), tol=1e-9)
    monkeypatch.setattr(OptimalitySystem, "of", classmethod(of))
    monkeypatch.setattr(mesh_choice, "TRIALS", trials)
    solution = emfc.solve(jump(), tol=1e-6)
    assert len(built) == meshes + 1
    assert solution.mesh == built[-2]
    assert not solution.error.met
    assert words in solution.error.stopped_by
    assert abs(solution.cost - exact.cost) <= solution.error.cost + exact.error.cost


@pytest.mark.parametrize("meshes", [1, 2])
def test_no_further_mesh_is_tried_when_the_time_is_over(meshes, monkeypatch):
    """The time is over while the mesh is chosen."""
    built, usual = [], OptimalitySystem.of.__func__

    def of(cls, problem, discretisation, resources):
        built.append(discretisation.mesh)
        return usual(cls, problem, discretisation, resources)

    monkeypatch.setattr(OptimalitySystem, "of", classmethod(of))
    monkeypatch.setattr(Clock, "over", property(lambda clock: len(built) >= meshes))
    solution = emfc.solve(jump(), tol=1e-6, seconds=1e3)
    assert len(built) == meshes
    assert solution.mesh == built[-1]
    assert "the time was over (seconds=)" in solution.error.stopped_by


def test_memory_caps_the_refinement_of_simplices():
    exact = emfc.solve(jump(breaks=[0.3]), tol=1e-9)
    free, capped = (emfc.solve(jump(), box(1, 30, -7.0, 7.0), tol=1e-5, max_rounds=4, memory=m) for m in (0.5, 5_000))
    assert "max_rounds=" in free.error.stopped_by
    assert "memory=" in capped.error.stopped_by
    assert capped.mesh.size < free.mesh.size
    for solution in (free, capped):
        assert not solution.error.met
        assert abs(solution.cost - exact.cost) <= solution.error.cost + exact.error.cost


def test_it_is_said_when_the_cost_without_a_mesh_is_better():
    """The error of the mesh is known, and much larger than what is not known of J*."""
    solution, exact = emfc.solve(bimodal(), tol=1e-2), CONTINUOUS["bimodal_1d_0.2"]["cost"]
    error = solution.error
    assert solution.cost < error.bracket[0] <= exact <= error.bracket[1]
    assert abs(error.without_mesh - exact) < 0.1 * abs(solution.cost - exact)
    told = str(error).splitlines()[-1]
    assert told.startswith(
        f"This is a better estimate of J* than J = {solution.cost:.12g}, which lies outside the bracket"
    )


@pytest.mark.parametrize(
    ("bracket", "mesh", "better"),
    [
        ((0.99, 1.01), 0.005, False),  # J inside
        ((0.995, 1.005), 0.02, True),  # J = 1.02
        ((0.995, 1.005), -0.02, True),
        ((0.99, 1.01), 0.015, False),  # the error of the mesh is not larger than the bracket is wide
        ((1.03, 1.04), 0.02, False),  # J is nearer than the cost without a mesh
        ((1.01, 1.012), 0.03, True),
        ((-np.inf, 1.01), 0.02, False),  # how far J* lies below is not known
    ],
)
def test_when_the_cost_without_a_mesh_is_better(bracket, mesh, better):
    cost = np.inf if np.isinf(bracket[0]) else max(abs(1.0 + mesh - end) for end in bracket)
    error = SolutionError(bracket, cost, 0.1, 0.05, None, False, {"mesh": mesh - 0.001, "box": 0.001}, "-", 1.0, 1.0)
    assert ("better estimate" in str(error)) is better


@pytest.mark.parametrize(("speed", "found"), [(1.0, False), (2e3, True)])
def test_stiff_fields_are_told_from_those_that_blow_up(speed, found):
    """`x' = -speed x`: a hundred steps of rk4 follow the speed 1, and blow up with 2000, but not with 16 times as many."""
    slow = emfc.ParticleSystem(problem(custom(lambda t, u, x: -speed * x + u[0])), 100, layer_map="rk4")
    assert stiff(slow, slow.control(0.0)) is found
    blown = emfc.ParticleSystem(problem(custom(lambda t, u, x: 4.0 * x**3 + u[0])), 100, layer_map="rk4")
    assert not stiff(blown, blown.control(0.0))


@pytest.mark.skipif("EMFC_FUZZ" not in os.environ, reason="ten seconds; in the nightly run")
def test_a_stiff_drift_gets_substeps():
    """`x' = x - x^3 + u`: on the cells beside the states a few explicit steps per layer do not follow the drift."""
    wells = emfc.fields.PotentialField(lambda x: ((x**2 - 1.0) ** 2).sum(axis=1) / 4.0, 1, lambda x: x**3 - x)
    law = emfc.laws.Empirical([[-4.0], [-0.5], [0.5]], [[1.0], [1.0], [1.0]])
    posed = emfc.Problem(
        wells + emfc.fields.AffineField(1, matrix=False), law, emfc.losses.SquaredLoss(), penalty=0.1, horizon=1.0
    )
    twin = emfc.ParticleSystem(posed, 3, control_degree=2, layer_map=emfc.LayerMap("rk4", 16))
    with pytest.raises(NonFiniteError):
        emfc.solvers.LBFGS().solve(emfc.ParticleSystem(posed, 2, control_degree=1), 0.1)
    exact = twin.cost(emfc.solvers.LBFGS().solve(twin, 0.1).control).total
    solution = emfc.solve(posed, tol=1e-2)
    assert solution.error.met
    assert abs(solution.cost - exact) <= solution.error.cost
