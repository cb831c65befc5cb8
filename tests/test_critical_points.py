"""Prolongation, continuation and many starts."""

import numpy as np
import pytest
import skfem
from hypothesis import given, settings
from hypothesis import strategies as st

import eulerian_mfc as emfc
from eulerian_mfc.control.prolongation import prolong
from eulerian_mfc.control.regulariser import Regulariser
from eulerian_mfc.control.space import PiecewiseConstant
from eulerian_mfc.errors import ArgumentError, CostErrorWarning, SteepControlWarning
from eulerian_mfc.run.random_controls import random_controls
from eulerian_mfc.run.same_point import same_point
from eulerian_mfc.solvers import Outcome, Status

from .conftest import toy_line, toy_mesh, truncated
from .simplices import box


@settings(max_examples=60, derandomize=True, deadline=None)
@given(old=st.integers(1, 30), new=st.integers(1, 60), seed=st.integers(0, 99))
def test_prolongation_keeps_integrals_and_constants(old, new, seed):
    control = np.random.default_rng(seed).normal(size=(old, 2))
    before, after = np.linspace(0.0, 1.0, old + 1), np.linspace(0.0, 1.0, new + 1)
    out = prolong(control, before, after)
    assert out.shape == (new, 2)
    np.testing.assert_allclose(out.mean(axis=0), control.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(prolong(np.full((old, 1), 0.7), before, after), 0.7, atol=1e-12)
    if old % new == 0:
        np.testing.assert_allclose(out, control.reshape(new, -1, 2).mean(axis=1), atol=1e-12)


def test_prolongation_of_a_smooth_control():
    """Means of sin over layers: from M to 2 M layers, order 3."""
    means = lambda layers: np.diff(-np.cos(np.linspace(0, 3, layers + 1)))[:, None] * layers / 3  # noqa: E731
    ends = lambda layers: np.linspace(0.0, 1.0, layers + 1)  # noqa: E731
    errors = [np.abs(prolong(means(m), ends(m), ends(2 * m)) - means(2 * m)).max() for m in (20, 40)]
    assert np.log2(errors[0] / errors[1]) >= 2.85
    assert errors[1] <= 1e-4


def test_warm_start_from_another_mesh_number_of_layers_and_penalty():
    """A solution on 60 cells, 10 layers and penalty 0.5 starts 160 cells, 25 layers and penalty 0.4."""
    coarse = emfc.solve(toy_line(penalty=0.5), toy_mesh(60), 10)
    warm = emfc.solve(toy_line(penalty=0.4), toy_mesh(), 25, initial=coarse)
    cold = emfc.solve(toy_line(penalty=0.4), toy_mesh(), 25)
    np.testing.assert_allclose(warm.control, cold.control, atol=1e-8)
    assert warm.history[0].residual < 0.2 * cold.history[0].residual
    assert warm.history[-1].sweeps < cold.history[-1].sweeps
    with pytest.raises(ArgumentError, match="initial: got a solution with the parameters W, expected W, b"):
        emfc.solve(toy_line(bias=True), toy_mesh(), 10, initial=coarse)


def test_continuation_follows_one_branch():
    """From 10 to 0.02: the branch of the global minimum for large penalties ends at 0.3671 (40 layers)."""
    found = emfc.continuation(toy_line(), toy_mesh(), 40, penalties=[10, 2, 0.5, 0.1, 0.02])
    assert [p.label for p in found.points] == [f"lambda = {v:g}" for v in (10, 2, 0.5, 0.1, 0.02)]
    assert all(s.converged for s in found)
    assert abs(found[-1].cost - 0.3671) <= 1e-4
    assert all(a.cost > b.cost for a, b in zip(found, list(found)[1:], strict=False))
    assert found[0].system.problem.penalty == 10


def test_many_starts_find_more_than_continuation():
    """Lambda = 0.02, 40 layers: a cost of at most 0.3300, where continuation ends at 0.3671."""
    found = emfc.multistart(toy_line(penalty=0.02), toy_mesh(), 40, starts=8, seed=0)
    costs = [s.cost for s in found]
    assert costs == sorted(costs)
    assert costs[0] <= 0.3300
    assert len(found) >= 5
    assert sum(len(p.starts) for p in found.points) + len(found.failed) == 8
    controls = [s.control for s in found]
    assert all(np.abs(a - b).max() > 1e-4 for k, a in enumerate(controls) for b in controls[:k])
    again = emfc.multistart(toy_line(penalty=0.02), toy_mesh(), 40, starts=2, seed=0)
    assert {s.cost for s in again} <= set(costs)


def test_known_critical_points_and_their_table():
    """Lambda = 0.2, 80 layers: J = 0.37038, and 0.3716 with three layers on the other branch of their Hamiltonians."""
    three = np.full((80, 1), -0.2)
    three[10:13] = 0.78
    progress = []
    found = emfc.multistart(
        toy_line(penalty=0.2),
        toy_mesh(),
        80,
        starts=[0.1, -0.5, three],
        callback=lambda *row: progress.append(row),
    )
    assert len(found) == 2
    assert [len(p.starts) for p in found.points] == [2, 1]
    assert abs(found[0].cost - 0.37038) <= 1e-4
    assert abs(found[1].cost - 0.3716) <= 1e-4
    assert [row[:2] for row in progress] == [(1, 3), (2, 3), (3, 3)]
    table = found.table()
    assert table.count("strict local minimum") == 2
    assert "0.37038" in table
    figure = found.plot()
    assert len(figure.axes) == 2


@pytest.mark.parametrize(
    ("mesh", "solver"),
    [
        (toy_mesh(80), emfc.solvers.LBFGS(tol=1e-3)),
        (toy_mesh(80), emfc.solvers.Shooting(relaxation="auto", tol=1e-3)),
        (box(1, 60, -8.0, 8.0), None),
    ],
    ids=["boxes", "shooting", "simplices"],
)
def test_runs_to_one_point_are_one_point_whatever_the_tolerance(mesh, solver):
    """With this penalty shooting is a contraction, so that there is exactly one critical point."""
    found = emfc.multistart(toy_line(bias=True, penalty=5.0), mesh, 5, starts=10, solver=solver)
    assert [len(p.starts) for p in found.points] == [10], [s.control.ravel() for s in found]


def test_points_of_the_same_look_are_two_points_if_the_solver_tells_them_apart():
    """Lambda = 0.2: two minima, known for boxes, are two points at every tolerance."""
    three = np.full((80, 1), -0.2)
    three[10:13] = 0.78
    for tol in (1e-2, 1e-3):
        solver = emfc.solvers.LBFGS(tol=tol)
        found = emfc.multistart(toy_line(penalty=0.2), toy_mesh(80), 80, starts=[0.1, three], solver=solver)
        assert len(found) == 2


def test_a_minimum_on_a_kink_is_one_point_from_both_sides():
    """The cost is strictly convex and has its minimum on a kink: runs end within 1e-4 of it, on either side."""
    law = emfc.laws.Empirical([[0.0]], [[0.6]])
    problem = emfc.Problem(emfc.fields.AffineField(1, matrix=False), law, emfc.losses.SquaredLoss(), 0.3, 1.0)
    mesh = emfc.SimplexMesh(skfem.MeshLine(np.linspace(-2, 2, 17)))
    found = emfc.multistart(problem, mesh, 1, starts=16, transport=emfc.transport.Elements(1))
    assert len(found) == 1
    assert found[0].kink is not None
    assert not found.failed


class Wells:
    """`J' = kappa (theta - a) (theta - b) (theta - c)`: critical points at a, b and c, on one layer of length 1, lambda = 1."""

    def __init__(self, roots, kappa=1.0):
        self.controls = PiecewiseConstant(Regulariser.of(1.0, 0.0, None, parameters=1), horizon=1.0, layers=1)
        self.resources, self.slope = emfc.system.discretisation.Resources(), kappa * np.poly1d(roots, r=True)

    def hessian(self, control):
        matrix = self.slope.deriv()(control[0, 0])
        return type("Hessian", (), {"product": lambda _, v: matrix * v})()

    def outcome(self, start, tol):
        """A control with `|J'| <= tol` near the start, as far from the critical point as a solver may leave it."""
        root = self.slope.r[np.abs(self.slope.r - start).argmin()]
        control = root + 0.99 * (start - root) / abs(start - root) * tol / abs(self.slope.deriv()(root))
        return Outcome(np.array([[control]]), Status.CONVERGED, "", threshold=tol)


def test_what_is_one_point_is_decided_by_tolerance_and_curvature():
    """Distance 1e-5 between critical points: seen with 1e-9, not with 1e-4; and a flat valley is wider than a steep one."""
    near = Wells([1.0, 1.0 + 1e-5, 2.0], kappa=1e5)  # with the curvatures 1, -1 and 1e5
    ends = [np.array([[theta]]) for theta in (1.0, 1.0 + 1e-5)]
    for tol, same in ((1e-9, False), (1e-7, False), (1e-4, True)):
        pair = [Outcome(theta, Status.CONVERGED, "", threshold=tol) for theta in ends]
        assert same_point(near, *pair, tol) == same
    assert same_point(near, pair[0], pair[0], 1e-9)
    for kappa in (0.1, 1.0, 10.0):
        wells = Wells([0.0, 1.0, 3.0], kappa)
        sides = [wells.outcome(1.0 + side, 1e-6) for side in (-1e-3, 1e-3)]
        assert same_point(wells, *sides, 1e-6)
        wider = Outcome(3.0 * sides[1].control - 2.0, Status.CONVERGED, "", threshold=1e-6)
        assert not same_point(wells, sides[0], wider, 1e-6)


#: 12 cells for a law narrower than a cell: the cost is wrong by 9 % for the penalty 0.1, by 2 % for 0.2
COARSE = emfc.CartesianMesh([(-2.0, 2.0)], 12), 4


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.BoundaryMassWarning")
def test_wrong_costs_are_failed_runs_and_errors_of_costs_are_told():
    """In the same way by continuation and by many starts: a point is converged, and what is not a point has its reason."""
    with pytest.warns(CostErrorWarning, match="without a mesh the same control costs"):
        path = emfc.continuation(truncated(1.0), *COARSE, penalties=[1.0, 0.2, 0.1])
    assert [p.label for p in path.points] == ["lambda = 1", "lambda = 0.2"]
    assert [name for name, _ in path.failed] == ["lambda = 0.1"]
    starts = [0.1, path[-1]]
    with pytest.warns(
        CostErrorWarning, match=r"^point 1: the cost on the mesh is .* without a mesh the same control costs"
    ):
        found = emfc.multistart(truncated(0.2), *COARSE, starts=starts)
    assert [p.starts for p in found.points] == [("start 0", "start 1")]
    nothing = emfc.multistart(truncated(0.1), *COARSE, starts=starts)
    assert len(nothing) == 0
    assert [name for name, _ in nothing.failed] == ["start 0", "start 1"]
    for _, reason in (*path.failed, *nothing.failed):
        assert reason.startswith("not converged: the cost on the mesh is")
    for several in (path, found):
        assert all(s.converged for s in several)
        assert "not converged" not in several.table().split("1 runs")[0]
    assert "2 runs did not converge; the first of them: start 0: not converged: the cost on the mesh" in nothing.table()


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.CostErrorWarning")
def test_a_warning_about_many_points_is_one_warning():
    """Several minima with controls that are too steep for the cells."""
    with pytest.warns(SteepControlWarning) as told:
        found = emfc.multistart(toy_line(penalty=0.02), toy_mesh(40), 6, starts=8)
    steep = [s for s in found if 0.4 * np.abs(s.control).max() > 1]
    assert len(steep) > 2
    messages = [str(w.message) for w in told if w.category is SteepControlWarning]
    assert len(messages) == 1
    assert f" (and {len(steep) - 1} other points): |W| h = " in messages[0]


def test_runs_that_fail_are_listed():
    found = emfc.multistart(toy_line(), toy_mesh(), 10, starts=[0.1, 2.0], solver=emfc.solvers.LBFGS(max_iterations=1))
    assert len(found) == 0
    assert [name for name, _ in found.failed] == ["start 0", "start 1"]
    assert "2 runs did not converge" in found.table()


@pytest.mark.parametrize(
    "penalties", [[], [1.0, 0.0], [-1.0], "1, 2", None, [1.0, np.nan], np.array(1.0), [[1.0, 2.0]]]
)
def test_bad_penalties(penalties):
    with pytest.raises(ArgumentError, match="penalties: got"):
        emfc.continuation(toy_line(), toy_mesh(), 5, penalties=penalties)


@pytest.mark.parametrize("starts", [0, -1, [], None, 1.5, True, np.array(0.1), "0.1"])
def test_bad_starts(starts):
    with pytest.raises(ArgumentError, match="starts: got"):
        emfc.multistart(toy_line(), toy_mesh(), 5, starts=starts)
    with pytest.raises(ArgumentError, match="starts: got an array of shape"):
        emfc.multistart(toy_line(), toy_mesh(), 5, starts=[np.zeros((4, 1))])


def test_a_start_may_be_a_solution_and_one_that_cannot_be_evaluated_fails_alone():
    coarse = emfc.solve(toy_line(), toy_mesh(60), 5)
    found = emfc.multistart(toy_line(), toy_mesh(80), 10, starts=[coarse, 0.1])
    assert len(found) == 1
    field = emfc.fields.CustomField(_undefined_beyond_a_half, 1, 1, _slope, _value)
    law = emfc.laws.Empirical(np.linspace(-0.5, 0.5, 20), np.linspace(-0.6, 0.6, 20))
    problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), 1.0, 1.0)
    mixed = emfc.multistart(problem, emfc.CartesianMesh([(-3, 3)], 60), 4, starts=[5.0, 0.1])
    assert len(mixed) == 1
    assert "characteristics are not finite" in mixed.failed[0][1]
    with pytest.raises(ArgumentError, match="callback: got 3"):
        emfc.multistart(toy_line(), toy_mesh(80), 10, starts=2, callback=3)


def _undefined_beyond_a_half(t, theta, x):
    return (theta[0] if theta[0] <= 0.5 else np.nan) * x


def _slope(t, theta, x):
    return np.full((len(x), 1, 1), theta[0])


def _value(t, theta, x):
    return x[:, :, None]


DEGENERATE = {
    "pole at zero": (lambda u, x: np.tanh(x) / u[0], None),
    "logarithm": (lambda u, x: np.log(u[0] ** 2) * np.tanh(x), None),
    "root, infinite slope": (lambda u, x: np.sqrt(u[0]) * np.tanh(x), (0.0, 9.0)),
    "shrinking layer": (lambda u, x: np.tanh(x / u[0]), None),
    "flat beside a bound": (lambda u, x: np.exp(-1 / u[0] ** 2) * np.tanh(x), (0.1, 9.0)),
    "flat, a slope of 1e-54": (lambda u, x: (1e-54 * u[0] + u[0] ** 5) * np.tanh(x), None),
    "singular in one of two": (lambda u, x: u[1] * np.tanh(x) / u[0], None),
}


def degenerate(name, theta=1.0, loss=1.0):
    """A problem whose field is singular or flat at the control nearest to zero, in units of theta and of the loss."""
    function, bounds = DEGENERATE[name]
    weight = emfc.losses.LabelLoss(lambda x, y: loss * ((x - y) ** 2).sum(axis=1), [[-1.0], [1.0]])
    field = emfc.fields.CustomField(
        lambda t, u, x: function(u / theta, x), 1, 2 if "two" in name else 1, autonomous=True
    )
    law = emfc.laws.Empirical([[-0.6], [-0.2], [0.3], [0.5]], [[-1.0], [-1.0], [1.0], [1.0]])
    bounds = None if bounds is None else (theta * bounds[0], theta * bounds[1])
    return emfc.Problem(field, law, weight, 0.5 * loss / theta**2, 1.0, bounds=bounds)


@pytest.mark.parametrize("name", DEGENERATE)
def test_random_starts_of_fields_that_are_singular_or_flat_at_zero(name):
    """Finite, of the size that a penalty of 1/2 lets them have, not all on bounds; the same in other units."""
    mesh = emfc.CartesianMesh([(-4.0, 4.0)], 24)

    def controls(**units):
        problem = degenerate(name, **units)
        system = emfc.OptimalitySystem(problem, mesh, 3)
        return np.array(random_controls(system, 8)), problem

    starts, problem = controls()
    assert np.isfinite(starts).all()
    assert 0.05 <= np.abs(starts).max() <= 20
    assert ((starts > problem.regulariser.lower) & (starts < problem.regulariser.upper)).mean() > 0.2
    assert ((problem.scales.control >= 1e-2) & (problem.scales.control <= 1e2)).all()
    for units in ({"theta": 2.0**20, "loss": 2.0**-20}, {"theta": 2.0**-20}, {"loss": 2.0**20}):
        if "two" in name and "loss" in units:
            continue  # `theta2 / theta1` has no length of its own: only what it costs has
        others, other = controls(**units)
        np.testing.assert_allclose(others, units.get("theta", 1.0) * starts, rtol=1e-9)
        np.testing.assert_allclose(other.scales.control, units.get("theta", 1.0) * problem.scales.control, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.EulerianWarning", "ignore::RuntimeWarning")
def test_many_starts_of_a_field_with_a_pole_at_zero():
    """`tanh(x) / theta` was evaluated at zero, and no start was made."""
    found = emfc.multistart(degenerate("pole at zero"), emfc.CartesianMesh([(-4.0, 4.0)], 24), 2, starts=4)
    assert len(found)
    assert all(np.isfinite(s.control).all() for s in found)
