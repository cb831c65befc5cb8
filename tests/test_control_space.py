"""The space of controls against formulas written out by hand, and against another basis of the same functions."""

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.control.regulariser import Regulariser
from eulerian_mfc.control.space import PiecewiseConstant
from eulerian_mfc.errors import ArgumentError

LAMBDA, L1 = np.array([2.0, 0.5]), np.array([0.3, 0.0])


def space(sparsity=0.0, bounds=None, layers=4, horizon=2.0):
    return PiecewiseConstant(Regulariser.of(LAMBDA, sparsity, bounds, 2), horizon, layers)


def test_the_gram_matrix_is_the_second_derivative_of_the_penalty():
    s, rng = space(), np.random.default_rng(0)
    theta, v = rng.normal(size=(2, 4, 2))
    assert s.cost(theta) == pytest.approx(0.5 * 0.5 * (LAMBDA * theta**2).sum(), rel=1e-14)
    second = s.cost(theta + v) - 2 * s.cost(theta) + s.cost(theta - v)
    assert second == pytest.approx((v * s.gram * v).sum(), rel=1e-12)
    slope = (s.cost(theta + 1e-6 * v) - s.cost(theta - 1e-6 * v)) / 2e-6
    assert slope == pytest.approx((s.penalty_slope(theta) * v).sum(), rel=1e-8)


def test_the_l1_norm_is_integrated():
    s = space(L1)
    theta = np.array([[1.0, 5.0], [-2.0, 0.0], [0.0, 1.0], [0.5, -1.0]])
    assert s.cost(theta) - space().cost(theta) == pytest.approx(0.5 * 0.3 * 3.5, rel=1e-14)


def test_prox_minimises_what_it_says():
    s, target, step = space(L1, (-1.0, 1.5)), np.array([[2.0, -3.0]]), 0.7
    found = s.prox(target, step)[0]
    grid = np.linspace(-1.0, 1.5, 250_001)
    for j in range(2):
        values = 0.5 * (grid - target[0, j]) ** 2 + step * L1[j] * np.abs(grid)
        assert found[j] == pytest.approx(grid[values.argmin()], abs=1e-5)


@pytest.mark.parametrize("sparsity", [0.0, L1])
def test_the_residual_vanishes_exactly_at_the_optimum_of_a_quadratic(sparsity):
    """`J = 1/2 <theta, gram theta> + <b, theta>` within bounds, solved entry by entry."""
    s, rng = space(sparsity, (-0.4, 0.6)), np.random.default_rng(1)
    b = rng.normal(size=(4, 2))
    pull = np.sign(-b) * np.maximum(np.abs(b) - s.mass * sparsity, 0.0)  # soft threshold of the linear part
    optimum = np.clip(pull / s.gram, -0.4, 0.6)
    gradient = s.gram * optimum + b
    assert s.conditions.residual(optimum, gradient) <= 1e-14
    other = optimum + 0.05 * (optimum < 0.5)
    assert s.conditions.residual(other, s.gram * other + b) > 1e-3


def test_the_slope_is_the_one_sided_derivative_of_cost_and_l1_norm():
    """At zero the subgradient nearest to zero: the steepest descent, or none."""
    s, b = space(L1, layers=1), np.array([[0.5, 0.2]])
    for theta, expected in ((0.7, [0.5 + 0.6, 0.2]), (-0.7, [0.5 - 0.6, 0.2])):
        np.testing.assert_allclose(s.conditions.slope(np.full((1, 2), theta), b), [expected], rtol=1e-14)
    assert s.mass.tolist() == [[2.0]]  # so that the norm's weight is 2 * 0.3
    np.testing.assert_allclose(s.conditions.slope(np.zeros((1, 2)), b), [[0.0, 0.2]], atol=1e-15)
    np.testing.assert_allclose(s.conditions.slope(np.zeros((1, 2)), -4 * b), [[-1.4, -0.8]], rtol=1e-14)
    assert s.conditions.free(np.zeros((1, 2)), b).tolist() == [[False, True]]


def test_entries_that_a_bound_holds_are_not_free():
    s = space(bounds=(0.0, 1.0), layers=1)
    control = np.array([[0.0, 0.0]])
    assert s.conditions.free(control, np.array([[1.0, -1.0]])).tolist() == [[False, True]]
    assert s.conditions.free(np.array([[1.0, 1.0]]), np.array([[1.0, -1.0]])).tolist() == [[True, False]]
    weak = np.array([[1e-16, 1.0]])
    assert s.conditions.strictly_free(control, weak, np.ones(2)).tolist() == [[True, False]]


def test_residuals_do_not_depend_on_the_units_of_a_parameter():
    rng = np.random.default_rng(2)
    theta, gradient = rng.normal(size=(2, 4, 2))
    units = np.array([1.0, 1e5])
    scaled = PiecewiseConstant(Regulariser.of(LAMBDA / units**2, 0.0, None, 2), 2.0, 4)
    ratio = scaled.conditions.residual(theta * units, gradient / units) / space().conditions.residual(theta, gradient)
    # The metric's own unit is that of the largest penalty.
    assert ratio == pytest.approx(np.sqrt((LAMBDA / units**2).max() / LAMBDA.max()), rel=1e-12)


def test_values_in_time_and_users_forms():
    s = space(layers=2)
    control = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert s.values(control, np.array([0.0, 0.99, 1.0, 2.0])).tolist() == [[1, 2], [1, 2], [3, 4], [3, 4]]
    assert s.coerce(7.0).tolist() == [[7, 7], [7, 7]]
    assert s.coerce([1.0, 2.0]).tolist() == [[1, 2], [1, 2]]
    with pytest.raises(ArgumentError, match=r"control: got an array of shape \(3, 2\), expected"):
        s.coerce(np.ones((3, 2)))


def test_a_control_carried_to_other_layers_keeps_its_integral():
    control = np.random.default_rng(3).normal(size=(6, 2))
    for layers in (3, 9):
        carried = space(layers=layers).carried(control, space(layers=6))
        np.testing.assert_allclose(carried.mean(axis=0), control.mean(axis=0), atol=1e-14)


def test_random_controls_keep_to_bounds_and_sizes():
    s = space(bounds=(-0.5, None), layers=50)
    for control in s.random(8, seed=1, largest=np.array([1.0, 10.0])):
        assert control.shape == s.shape
        assert (control >= -0.5).all()
    with pytest.raises(ArgumentError, match="seed"):
        s.random(2, seed=-1, largest=np.ones(2))


def test_parameters_that_are_worth_a_cost_cost_it():
    s = space(horizon=3.0)
    for j, size in enumerate(s.largest_worth(0.7)):
        theta = np.zeros((4, 2))
        theta[:, j] = size
        assert s.cost(theta) == pytest.approx(0.7, rel=1e-13)
        assert s.length_of(theta[0]) ** 2 / 2 == pytest.approx(0.7, rel=1e-13)


def test_systems_share_the_space_of_their_problem():
    problem = emfc.Problem(
        emfc.fields.NeuralField(1),
        emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), np.tanh),
        emfc.losses.SquaredLoss(),
        penalty=LAMBDA,
        horizon=2.0,
        sparsity=L1,
    )
    mesh = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-7.0, 7.0)], 40), 4)
    twin = emfc.ParticleSystem(problem, 4)
    for system in (mesh, twin):
        assert np.array_equal(system.controls.gram, space().gram)
        assert system.cost(0.3).penalty == pytest.approx(0.5 * 2.0 * 0.09 * 2.5 + 2.0 * 0.3 * 0.3, rel=1e-14)
