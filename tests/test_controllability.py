"""Lie brackets against hand computations, ranks at points, strong approximation, steering, maps."""

import math
import re

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

import eulerian_mfc as emfc
from eulerian_mfc.controllability import (
    Dynamics,
    bracket,
    bracket_basis,
    bracket_rank,
    check_orientation,
    fold,
    fold_expressions,
    learn_map,
    steer,
    strong_approximation_error,
    sup_error,
)
from eulerian_mfc.controllability.families import family
from eulerian_mfc.controllability.jets import jets
from eulerian_mfc.controllability.least_squares import Transfer, minimise
from eulerian_mfc.errors import ArgumentError, DiffeotopyWarning, NotAnalyticError
from eulerian_mfc.fields import AffineField, AgrachevSarychevField, NeuralField, PolynomialField, RadialBasisField
from eulerian_mfc.laws import Uniform, UniformBall

X = sp.symbols("x1 x2", real=True)
BUMP = sp.exp(-(X[0] ** 2) - X[1] ** 2)
SYMBOLIC = [sp.Matrix([1, 0]), sp.Matrix([0, 1]), sp.Matrix([BUMP, 0]), sp.Matrix([0, BUMP])]
FAMILY = AgrachevSarychevField(2)
GENERIC = np.random.default_rng(0).uniform(-1.0, 1.0, (3, 2))
DISC = UniformBall([0.0, 0.0], 1.0)


def reflection(x):
    return x * np.array([1.0, -1.0])


# Brackets


def test_brackets_by_hand():
    """`[d_1, exp(-|x|^2) d_2] = -2 x_1 exp(-|x|^2) d_2`; bumps among themselves; linear fields: `[Ax, Bx] = (BA - AB) x`."""
    x1, x2 = X
    assert bracket(SYMBOLIC[0], SYMBOLIC[3], X) == sp.Matrix([0, -2 * x1 * BUMP])
    assert bracket(SYMBOLIC[0], SYMBOLIC[1], X) == sp.zeros(2, 1)
    twice = sp.exp(-2 * x1**2 - 2 * x2**2)
    assert sp.simplify(bracket(SYMBOLIC[2], SYMBOLIC[3], X) - sp.Matrix([2 * x2 * twice, -2 * x1 * twice])) == sp.zeros(
        2, 1
    )
    a, b = sp.Matrix([[1, 2], [0, -1]]), sp.Matrix([[0, 1], [3, 5]])
    x = sp.Matrix(X)
    assert sp.expand(bracket(a * x, b * x, X) - (b * a - a * b) * x) == sp.zeros(2, 1)


def test_the_bracket_of_folds_is_the_fold_of_the_bracket():
    """Two points: brackets taken in R^4 with all eight derivatives equal the folded bracket of R^2."""
    folded, names = fold_expressions(SYMBOLIC, X, 2)
    assert len(names) == 4
    for i, j in ((0, 3), (2, 3), (1, 2)):
        there = bracket(folded[i], folded[j], names)
        (expected,), _ = fold_expressions([bracket(SYMBOLIC[i], SYMBOLIC[j], X)], X, 2)
        assert sp.simplify(there - expected) == sp.zeros(4, 1)


def test_folds_of_functions():
    """Three points of the line: brackets of folds on R^3 at one point have the ranks of brackets on R at three points."""
    fields = [np.ones_like, np.sin, lambda x: x**3]
    (value,) = fold([np.sin], 1, 3)[0](np.array([[0.1, 0.2, 0.3]]))
    assert value.tolist() == [math.sin(0.1), math.sin(0.2), math.sin(0.3)]
    there = bracket_rank(fold(fields, 1, 3), [0.1, -0.4, 0.7], 3)
    here = bracket_rank(fields, [[0.1], [-0.4], [0.7]], 3)
    assert there.ranks == here.ranks
    np.testing.assert_allclose(there.singular_values, here.singular_values, atol=1e-9 * here.singular_values[0])
    pair = np.random.default_rng(0).normal(size=(4, 4))
    np.testing.assert_allclose(fold(FAMILY, 2, 2)[2](pair)[:, 2:], FAMILY(0.0, np.eye(4)[2], pair[:, 2:]), rtol=1e-15)
    with pytest.raises(ArgumentError, match=r"x: got an array of shape \(4, 4\), expected .* \(n, 6\)"):
        fold(FAMILY, 2, 3)[0](pair)


def test_the_basis_has_witts_dimensions():
    """`1/n sum_{d | n} mu(d) m^(n/d)` brackets of length n: Witt's formula, m = 2, 3, 4."""
    moebius = {1: 1, 2: -1, 3: -1, 4: 0, 5: -1, 6: 1}
    for m in (2, 3, 4):
        words = bracket_basis(m, 6)
        for n in range(1, 7):
            witt = sum(moebius[d] * m ** (n // d) for d in moebius if n % d == 0) // n
            assert sum(b.depth == n for b in words) == witt
    assert [b.name for b in bracket_basis(2, 3)] == ["F1", "F2", "[F1,F2]", "[F1,[F1,F2]]", "[[F1,F2],F2]"]


def test_taylor_coefficients_of_functions():
    """`exp(x1 x2)` and `1/(2 - x1)` at a point: closed forms to the error that is told."""
    x = np.array([[0.3, -0.4], [0.1, 0.2]])
    found = jets(lambda z: np.stack([np.exp(z[:, 0] * z[:, 1]), 1 / (2 - z[:, 0])], axis=1), x, 4, "f")
    assert found.error < 1e-8
    for j, (a, b) in enumerate(x):
        e = math.exp(a * b)
        assert found.coefficients[0, j, 2, 0] == pytest.approx(b**2 * e / 2, abs=found.error)
        assert found.coefficients[0, j, 1, 1] == pytest.approx((1 + a * b) * e, abs=found.error)
        series = [(2 - a) ** -(k + 1) for k in range(5)]
        np.testing.assert_allclose(found.coefficients[1, j, :, 0], series, atol=found.error)


@pytest.mark.parametrize("depth", [1, 3])
def test_numbers_agree_with_expressions(depth):
    """Brackets and their derivatives at three points: Taylor polynomials against SymPy (1e-11)."""
    numeric, exact = family(FAMILY, 2), family(SYMBOLIC, 2, X)
    a, b = (f.brackets(GENERIC, depth, derivatives=True) for f in (numeric, exact))
    np.testing.assert_allclose(a.values, b.values, atol=1e-11 * np.abs(b.values).max())
    np.testing.assert_allclose(a.derivatives, b.derivatives, atol=1e-11 * np.abs(b.derivatives).max())


# Ranks


@pytest.mark.parametrize(("count", "depth", "ranks"), [(1, 1, (2,)), (2, 1, (4,)), (3, 2, (4, 6)), (5, 3, (4, 9, 10))])
def test_the_family_generates_at_generic_points(count, depth, ranks):
    """Folds on N generic points: at depth 1 the rank is at most 4 = the number of fields; full at the depth given."""
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (count, 2))
    found = bracket_rank(FAMILY, points, depth)
    assert found.generating
    assert (found.ranks, found.first_depth, found.dimension) == (ranks, depth, 2 * count)
    assert "bracket generating at " in str(found)
    assert f"to depth {depth} (rank {2 * count} of {2 * count}" in str(found)
    assert found.singular_values[-1] > 1e5 * found.tolerance


def test_two_points_at_equal_distance_need_brackets():
    """`|x| = |y|`: the four fields have rank 2 on the pair; `[d_1, bump d_i]` differ there where the x_1 do."""
    pair = [[0.6, 0.8], [-1.0, 0.0]]
    assert bracket_rank(FAMILY, pair, 1).rank == 2
    assert bracket_rank(FAMILY, pair, 2).generating


def test_constants_and_affine_fields_do_not_generate():
    """Constants: rank 2 whatever the depth. Affine fields on the plane: a six-dimensional algebra, rank 6 for N >= 3."""
    constants = bracket_rank(AffineField(2, matrix=False), GENERIC[:2], 4)
    assert (constants.rank, constants.generating, constants.first_depth) == (2, False, None)
    assert "not shown to be bracket generating at these 2 points: rank 2 of 4" in str(constants)
    assert "the rank does not increase after depth 1" in str(constants)
    affine = AffineField(2)
    points = np.random.default_rng(1).uniform(-1.0, 1.0, (5, 2))
    assert [bracket_rank(affine, points[:n], 3).rank for n in (1, 2, 3, 4, 5)] == [2, 4, 6, 6, 6]
    assert bracket_rank(PolynomialField(2, 2), points, 2).generating


def test_rank_of_expressions_and_of_functions():
    """The same singular values from SymPy and from the field, and from functions in space."""
    a, b = bracket_rank(SYMBOLIC, GENERIC, 2, variables=X), bracket_rank(FAMILY, GENERIC, 2)
    np.testing.assert_allclose(a.singular_values, b.singular_values, atol=1e-12)
    # Brockett: d_1 - y d_3 and d_2 + x d_3 have the bracket 2 d_3.
    heisenberg = [
        lambda x: np.stack([np.ones_like(x[:, 0]), 0 * x[:, 0], -x[:, 1]], axis=1),
        lambda x: np.stack([0 * x[:, 0], np.ones_like(x[:, 0]), x[:, 0]], axis=1),
    ]
    found = bracket_rank(heisenberg, [0.0, 0.0, 0.0], 2)
    assert found.ranks == (2, 3)
    np.testing.assert_allclose(found.singular_values, [2.0, 1.0, 1.0], atol=1e-12)


@pytest.mark.parametrize(
    ("fields", "pattern"),
    [
        ([np.abs], r"fields\[0\] is not analytic near the point"),
        ([np.ones_like, lambda x: np.maximum(x, 0.001)], r"fields\[1\] is not analytic near the point \[0.001, 0.3\]"),
        ([np.conj], r"fields\[0\] is not analytic"),
        ([np.cbrt], r"fields\[0\].*refuses complex"),
        ([lambda x: 1j * x], r"fields\[0\] is not analytic"),
    ],
)
def test_fields_that_are_not_smooth(fields, pattern):
    with pytest.raises(NotAnalyticError, match=pattern):
        bracket_rank(fields, [[0.001, 0.3]], 2)


def test_expressions_that_are_not_smooth():
    with pytest.raises(NotAnalyticError, match="not smooth"):
        bracket_rank([[sp.Abs(X[0]), 0], [1, X[0]]], [[0.1, 0.3]], 2, variables=X)


@pytest.mark.parametrize(
    ("build", "pattern"),
    [
        (lambda: bracket_rank(FAMILY, [[0.0, 0.0], [0.0, 0.0]], 2), "points: got 2 points, some of them equal"),
        (lambda: bracket_rank(FAMILY, [[0.0], [1.0]], 2), "fields: got a field of dimension 2, expected the dimension 1"),
        (lambda: bracket_rank(FAMILY, GENERIC, 0), "depth: got 0"),
        (lambda: bracket_rank(FAMILY, GENERIC, 12), "depth: got depth 12 with 4 fields, which gives more than 20000 brackets"),
        (lambda: bracket_rank(NeuralField(2), GENERIC, 2), "fields: got Neural.*linear in its control"),
        (lambda: bracket_rank([lambda x: x[:, :1]], GENERIC, 2), r"fields\[0\]: got a value of shape"),
        (lambda: bracket_rank([], GENERIC, 2), r"fields: got \[\]"),
        (lambda: bracket_rank(SYMBOLIC, GENERIC, 2), "variables: got None, expected the SymPy symbols"),
        (lambda: bracket_rank([[1, 0, 0]], GENERIC, 2, variables=X), r"fields\[0\]: got an array of .* shape \(3, 1\)"),
        (lambda: bracket_rank([[1, sp.Symbol("a")]], GENERIC, 2, variables=X), r"fields\[0\]: got the symbols \['a'\]"),
        (lambda: strong_approximation_error(FAMILY, np.sin, [(1, 0), (0, 1)], 2), "box: got"),
        (lambda: strong_approximation_error(FAMILY, np.sin, [(0, 1)] * 2, 2, bound=-1.0), "bound: got -1.0"),
        (lambda: strong_approximation_error(FAMILY, lambda x: x[:, 0], [(0, 1)] * 2, 1), "target: got"),
        (lambda: steer(GENERIC, GENERIC[:2]), r"targets: got an array of shape \(2, 2\), expected .*\(3, 2\)"),
        (lambda: steer(GENERIC, GENERIC, NeuralField(2)), r"dynamics: got .*, expected controllability.Dynamics\(field"),
        (lambda: steer([[0.0, 0.0]] * 2, GENERIC[:2]), "points: got two equal rows"),
        (lambda: steer(GENERIC, GENERIC, penalties=[1e-3, 1e-2]), "penalties: got .*each smaller"),
        (lambda: steer(GENERIC, GENERIC, Dynamics(NeuralField(1))), "field: got a field of dimension 1, expected .* 2"),
        (lambda: sup_error(lambda x: x, np.sin, "disc"), "region: got 'disc'"),
        (lambda: sup_error(lambda x: x, lambda x: x[:, 0], DISC), r"target: got a value of shape"),
        (lambda: learn_map(np.sin, DISC, initial=np.zeros((3, 3))), r"initial: got .*expected the shape \(20, 4\)"),
        (lambda: UniformBall([0.0], 1.0), r"centre: got \[0.0\]"),
    ],
)  # fmt: skip
def test_bad_input(build, pattern):
    with pytest.raises(ArgumentError, match=pattern):
        build()


# Strong approximation


def test_what_is_in_the_span_has_no_error():
    """A bracket itself is found, with its coefficient; without brackets no odd field is approached at all."""
    target = lambda x: np.stack([0 * x[:, 0], -2 * x[:, 0] * np.exp(-(x**2).sum(axis=1))], axis=1)  # noqa: E731
    found = strong_approximation_error(FAMILY, target, [(-1, 1)] * 2, 2, grid=7)
    assert found.checked_error < 1e-7
    expected = np.zeros(len(found.names))
    expected[found.names.index("[F1,F4]")] = 1.0
    np.testing.assert_allclose(found.coefficients, expected, atol=1e-5)
    rotation = lambda x: x[:, ::-1] * np.array([-1.0, 1.0])  # noqa: E731
    alone = strong_approximation_error(FAMILY, rotation, [(-1, 1)] * 2, 1, grid=7)
    assert alone.error == pytest.approx(1.0, abs=1e-9)  # the fields are even, the target is odd: zero is best


def test_depth_and_bound_both_count():
    """The rotation by odd Hermite functions: less error with depth, more with a smaller bound, which is kept."""
    rotation = lambda x: x[:, ::-1] * np.array([-1.0, 1.0])  # noqa: E731
    error = {
        (depth, bound): strong_approximation_error(FAMILY, rotation, [(-1, 1)] * 2, depth, bound=bound, grid=7)
        for depth, bound in ((2, None), (4, None), (2, 1.0), (2, 2.0))
    }
    assert error[4, None].checked_error < 0.02 * error[2, None].checked_error
    assert error[2, None].error < error[2, 2.0].error < error[2, 1.0].error
    assert error[2, 1.0].norm <= 1.0 + 1e-6
    assert "norm at most 1" in str(error[2, 1.0])


# Steering


def test_jacobian_of_end_points():
    """The forward Jacobian against central differences of the end points (1e-7)."""
    rng = np.random.default_rng(3)
    flow = emfc.flow.Flow(RadialBasisField([[0.0, 0.0], [0.5, -0.5]]), emfc.LayerMap("rk4", 2))
    transfer = Transfer(flow, 0.8, 3, rng.normal(size=(4, 2)), rng.normal(size=(4, 2)), np.full(4, 0.25))
    theta = rng.normal(size=(3, 4))
    gap, jacobian = transfer.gap_and_jacobian(theta)
    assert np.array_equal(gap, transfer.gap(theta))
    for k in range(12):
        shift = 1e-6 * np.eye(12)[k].reshape(3, 4)
        difference = (transfer.gap(theta + shift) - transfer.gap(theta - shift)) / 2e-6
        np.testing.assert_allclose(jacobian[:, :, k], difference, atol=1e-7)


def test_gauss_newton_finds_the_minimum_of_the_particle_system():
    """`F = u`: `u* = 2 (E y - E x) / (lambda + 2 T)` exactly; and a critical point of the same J as ParticleSystem's."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 6, 2))
    flow = emfc.flow.Flow(AffineField(2, matrix=False), emfc.LayerMap())
    transfer = Transfer(flow, 1.5, 4, x, y, np.full(6, 1 / 6))
    control, solved = minimise(transfer, np.zeros((4, 2)), 0.3)
    assert solved
    np.testing.assert_allclose(control, np.tile(2 * (y - x).mean(axis=0) / (0.3 + 3.0), (4, 1)), rtol=1e-10)
    problem = emfc.Problem(FAMILY, emfc.laws.Empirical(x, y), emfc.losses.SquaredLoss(), 0.3, 1.0)
    system = emfc.ParticleSystem(problem, 4)
    transfer = Transfer(system.flow, 1.0, 4, x, y, np.full(6, 1 / 6))
    control, solved = minimise(transfer, 0.1 * rng.normal(size=(4, 4)), 0.3)
    assert solved
    cost, gradient = system.cost_and_gradient(control)
    assert cost == pytest.approx(transfer.cost(control, 0.3), rel=1e-13)
    assert system.residual(control, gradient) <= 1e-7 * np.abs(control).max()


def test_five_points_to_five_points():
    """Random points of the plane to random targets within 1e-6; another integrator agrees to the error that is told."""
    points, targets = np.random.default_rng(7).uniform(-1.0, 1.0, (2, 5, 2))
    found = steer(points, targets, Dynamics(layers=15))
    assert found.reached
    assert np.abs(found.flow(points) - targets).max() == found.error <= 1e-6
    assert found.norm == pytest.approx(np.sqrt((found.control**2).sum() / 15), rel=1e-12)
    assert "5 targets reached" in str(found)
    assert all(a.penalty > b.penalty for a, b in zip(found.path, found.path[1:], strict=False))
    x = points.ravel()
    for u in found.control:  # the flow itself, by another integrator

        def speed(t, z, u=u):
            z = z.reshape(-1, 2)
            return (u[:2] + np.outer(np.exp(-(z**2).sum(axis=1)), u[2:])).ravel()

        x = solve_ivp(speed, (0.0, 1 / 15), x, method="DOP853", rtol=1e-11, atol=1e-12).y[:, -1]
    assert np.abs(x.reshape(-1, 2) - found.flow(points)).max() == pytest.approx(found.flow_error, rel=0.1)


def test_targets_that_cannot_be_reached():
    """Constants move all points alike: the error stays, and the answer says so."""
    found = steer(
        [[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [2.0, 0.0]], Dynamics(AffineField(2, matrix=False), layers=3), starts=1
    )
    assert not found.reached
    assert found.error == pytest.approx(0.5, abs=1e-3)
    assert "2 targets not reached" in str(found)


def test_order_on_the_line():
    with pytest.warns(DiffeotopyWarning, match="another order"):
        steer([[0.0], [1.0]], [[1.0], [0.0]], Dynamics(layers=2), starts=1, penalties=[1e-1])


# Maps


def made_by(control):
    """The flow of the family under a control, accurately."""
    flow = emfc.flow.Flow(FAMILY, emfc.LayerMap("rk4", 20))

    def target(x):
        for n, u in enumerate(control):
            x = flow(emfc.flow.Layer(n / len(control), 1 / len(control), u), x)
        return x

    return target


def test_a_flow_of_the_family_is_learnt():
    """Sup error below 1e-3 on the unit disc, on a grid that was not trained on."""
    target = made_by(np.random.default_rng(1).normal(size=(4, 4)))
    found = learn_map(target, DISC, Dynamics(layers=8), samples=150, penalties=[1e-2, 1e-4, 1e-6, 1e-8])
    error = sup_error(found, target, DISC)
    assert error.value < 1e-3
    assert error.points > 7000
    assert error.mean_square <= error.value**2
    assert found.reached
    assert found.message == ""


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.DiffeotopyWarning")
def test_a_map_that_cannot_be_followed_ends_the_continuation():
    """The reflection is no flow: the penalties end early, and the answer says at which one; a flow's are all solved."""
    found = learn_map(reflection, DISC, Dynamics(layers=4), samples=40)
    assert not found.reached
    assert len(found.path) < 6
    assert not found.path[-1].solved
    assert re.search(
        r"stopped at the penalty 1e-0\d, for which 60 Levenberg-Marquardt steps did not converge: .* hardly reach this target",
        str(found),
    )


def test_sup_error_by_hand():
    """The identity against a shift by (3, 4) / 10 is off by 1/2 everywhere; against a stretch most at the far corner."""
    shift = lambda x: x + np.array([0.3, 0.4])  # noqa: E731
    error = sup_error(lambda x: x, shift, DISC, grid=11)
    assert (error.value, error.mean_square) == pytest.approx((0.5, 0.25), rel=1e-12)
    stretch = lambda x: x * [2.0, 3.0]  # noqa: E731
    error = sup_error(lambda x: x, stretch, [(0, 1), (-1, 2)], grid=5)
    assert error.value == pytest.approx(math.hypot(1.0, 4.0), rel=1e-12)
    assert error.at.tolist() == [1.0, 2.0]
    assert error.points == 25


def test_orientation():
    """Determinants of affine maps and their warnings; `x -> x^2` folds."""
    assert check_orientation(lambda x: x @ np.array([[2.0, 1.0], [0.0, 3.0]]), DISC) == pytest.approx(6.0, rel=1e-6)
    with pytest.warns(DiffeotopyWarning, match="reverses orientation.*-1"):
        assert check_orientation(reflection, DISC) == pytest.approx(-1.0, rel=1e-6)
    with pytest.warns(DiffeotopyWarning, match="folds"):
        check_orientation(lambda x: x**2, [(-1.0, 1.0)])
    with pytest.warns(DiffeotopyWarning, match="reverses"):
        sup_error(lambda x: x, reflection, DISC, grid=5)


def test_solutions_have_sup_errors():
    """A Solution on a mesh: `sup_error` is that of its flow."""
    law = emfc.laws.Labelled(DISC, label=lambda x: x + np.array([0.2, -0.1]))
    problem = emfc.Problem(AffineField(2, matrix=False), law, emfc.losses.SquaredLoss(), 1e-6, 1.0)
    solution = emfc.solve(problem, emfc.CartesianMesh([(-3, 3)] * 2, 48), 2)
    assert sup_error(solution, law.label, DISC, grid=11).value < 1e-6


# Regions


@pytest.mark.parametrize("dim", [2, 3])
def test_uniform_ball(dim):
    """Moments in closed form: `E x_i^2 = r^2 / (d + 2)`; samples to five standard errors; grids lie in the ball."""
    centre, radius = np.arange(dim) - 0.5, 0.8
    law = UniformBall(centre, radius)
    rule = law.quadrature()
    assert rule.w.sum() == pytest.approx(1.0, abs=1e-13)
    offset = rule.x - centre
    np.testing.assert_allclose(rule.w @ offset, 0.0, atol=1e-12)
    np.testing.assert_allclose((offset.T * rule.w) @ offset, np.eye(dim) * radius**2 / (dim + 2), atol=1e-12)
    samples = law.sample(4000, seed=0) - centre
    assert (np.linalg.norm(samples, axis=1) <= radius).all()
    np.testing.assert_allclose((samples**2).mean(axis=0), radius**2 / (dim + 2), atol=5 * radius**2 / 60)
    np.testing.assert_allclose(law.box(0.0), np.stack([centre - radius, centre + radius], axis=1))
    far = np.linalg.norm(law.grid(9) - centre, axis=1)
    assert far.max() == pytest.approx(radius, rel=1e-12)
    assert (far > radius * (1 - 1e-9)).sum() >= 36
    assert Uniform([(0, 1)] * dim).grid(3).shape == (3**dim, dim)
    with pytest.raises(ArgumentError, match="breaks: got"):
        law.quadrature(breaks=[np.array([0.1]), *([np.zeros(0)] * (dim - 1))])
