"""Rules of laws that are refined for a function: integrals known in closed form, and the error that is told."""

import numpy as np
import pytest
from scipy.stats import norm

import eulerian_mfc as emfc
from eulerian_mfc.laws import (
    Augmented,
    Empirical,
    Gaussian,
    GaussianMixture,
    Labelled,
    Uniform,
    UniformBall,
    refined_rule,
)


def first_label(x, y):
    return y[:, 0]


def found(law, tolerance, limit=200_000):
    """The rule for the mean of the first label."""
    return refined_rule(law, first_label, tolerance, limit)


@pytest.mark.parametrize(
    ("law", "exact"),
    [
        (Labelled(Uniform([(0.0, 1.0)]), lambda x: np.sin(60 * x) ** 2), 0.5 - np.sin(120) / 240),
        (Labelled(Gaussian([0.5], 2.0), lambda x: np.cos(3 * x)), np.cos(1.5) * np.exp(-18)),
        (Labelled(Gaussian([0.0, 0.0], [1.0, 0.3]), lambda x: np.exp(x.sum(axis=1))), np.exp(0.5 + 0.045)),
        (Labelled(GaussianMixture([[0.0] * 3, [1.0] * 3], 0.5, [0.3, 0.7]), lambda x: x[:, 0] ** 2), 0.25 + 0.7),
        (Labelled(Gaussian([0.1, 0.0], 0.5, truncation=0.7), lambda x: x[:, 0]), 0.1),
        (Labelled(Gaussian([0.1, 0.0, 0.0], 0.5, truncation=0.7), lambda x: x[:, 0]), 0.1),
        (Labelled(UniformBall([0.0, 1.0], 2.0), lambda x: x[:, 0] ** 2), 1.0),
        (Labelled(UniformBall([0.0, 1.0, 0.0], 2.0), lambda x: x[:, 0] ** 2), 0.8),
        (Labelled(Uniform([(0.0, 1.0)] * 2), lambda x: x[:, 0] * (x[:, 1] > 0.25), [[], [0.25]]), 0.375),
        (Augmented(Labelled(Uniform([(0.0, 1.0)]), lambda x: x**3)), 0.25),
        (
            Labelled(Gaussian([0.0], 1.0, truncation=1.0), np.abs),
            2 * (norm.pdf(0) - norm.pdf(1)) / (norm.cdf(1) - norm.cdf(-1)),
        ),
    ],
)
def test_integrals_are_right_to_the_error_that_is_told(law, exact):
    rule, integral, error = found(law, 1e-4)
    assert error <= 1e-4
    assert abs(integral - exact) <= error + 1e-12
    assert rule.w.sum() == pytest.approx(1.0, abs=1e-13)
    assert integral == pytest.approx(float(rule.w @ rule.y[:, 0]), abs=1e-11)


@pytest.mark.parametrize("place", [0.5685, -0.1234567, 1.9])
def test_jumps_that_nobody_declared_are_found_by_bisection(place):
    """A step of a normal law: to 1e-8 with some hundred points; equal panels would take millions."""
    rule, integral, error = found(Labelled(Gaussian([0.0], 1.0), lambda x: 1.0 * (x > place)), 1e-8)
    assert abs(integral - norm.sf(place)) <= 1e-7
    assert error >= abs(integral - norm.sf(place)) / 8
    assert len(rule.w) <= 2000


@pytest.mark.parametrize("dim", [2, 3])
def test_points_are_capped_and_the_error_says_so(dim):
    """A jump across a diagonal: no rule of few points is right, and the error that is told is that of the integral or larger."""
    law = Labelled(Gaussian([0.0] * dim, 1.0), lambda x: 1.0 * (x.sum(axis=1) > 0.3))
    for limit in (3_000, 30_000):
        rule, integral, error = found(law, 1e-9, limit)
        assert len(rule.w) <= max(1.1 * limit, 50_000)
        assert error > 1e-5
        assert abs(integral - norm.sf(0.3 / np.sqrt(dim))) <= error


def test_laws_of_samples_are_exact():
    law = Empirical([[0.0], [1.0], [5.0]], [[1.0], [2.0], [30.0]], [0.5, 0.25, 0.25])
    for each in (law, Augmented(law)):
        assert each.finite
        rule, integral, error = found(each, 0.0)
        assert (integral, error, len(rule.w)) == (8.5, 0.0, 3)


class Triangle(emfc.laws.Law):
    """A user's law, of density 2x on [0, 1], which tells nothing of its shape: midpoints between lines."""

    dim = 1

    def quadrature(self, lines=None, breaks=None):
        ends = np.linspace(0.0, 1.0, 5) if lines is None else np.unique(np.clip(lines[0], 0.0, 1.0))
        x = (ends[1:] + ends[:-1]) / 2
        return emfc.laws.Rule(x[:, None], ends[1:] ** 2 - ends[:-1] ** 2, np.zeros(len(x), dtype=int))

    def draw(self, n, rng):
        return np.sqrt(rng.uniform(size=(n, 1))), np.zeros(n, dtype=int)

    def box(self, tolerance):
        return np.array([[0.0, 1.0]])


def test_laws_of_users_are_integrated_on_more_and_more_lines():
    law = Labelled(Triangle(), lambda x: x**2)
    assert law.charts() is None
    _, integral, error = found(law, 1e-6)
    assert abs(integral - 0.5) <= error <= 1e-6


def test_the_twin_on_a_refined_rule_tells_its_error():
    """E (x - sin 60 x)^2 at rest, uniform on [0, 1], and at a control that compresses; the law's own 64 points are wrong."""
    law = Labelled(Uniform([(0.0, 1.0)]), lambda x: np.sin(60 * x))
    problem = emfc.Problem(emfc.fields.AffineField(1), law, emfc.losses.SquaredLoss(), 0.1, 1.0)
    twin = emfc.ParticleSystem.refined(problem, 4, 0.0, tolerance=1e-9)
    mixed = np.sin(60) / 3600 - np.cos(60) / 60  # E x sin 60 x
    exact = 1 / 3 - 2 * mixed + 0.5 - np.sin(120) / 240
    assert abs(twin.cost(0.0).total - exact) <= twin.error <= 1e-9
    assert abs(emfc.ParticleSystem(problem, 4).cost(0.0).total - exact) >= 5e-7
    assert emfc.ParticleSystem(problem, 4).error is None


def test_the_twin_in_a_compressing_flow():
    """`x' = theta tanh(20 x)`-like steep flows gather the points: the cost by 200,000 midpoints, to the error that is told."""
    law = Labelled(Uniform([(-1.0, 1.0)]), lambda x: np.where(x > 0.031, 1.0, -1.0))
    problem = emfc.Problem(emfc.fields.NeuralField(1, bias=False), law, emfc.losses.SquaredLoss(), 0.1, 3.0)
    control = np.full((10, 1), 30.0)
    twin = emfc.ParticleSystem.refined(problem, 10, control, tolerance=1e-5, layer_map=emfc.LayerMap("rk4", 8))
    x = (-1 + 2 * (np.arange(200_000) + 0.5) / 200_000)[:, None]
    dense = emfc.laws.LabelledRule(x, np.full(len(x), 1 / len(x)), np.where(x > 0.031, 1.0, -1.0))
    exact = emfc.ParticleSystem(problem, 10, layer_map=emfc.LayerMap("rk4", 8), rule=dense).cost(control).total
    assert abs(twin.cost(control).total - exact) <= 2e-5
    assert abs(emfc.ParticleSystem(problem, 10, layer_map=emfc.LayerMap("rk4", 8)).cost(control).total - exact) >= 1e-3


def test_the_mean_square_of_a_map_is_by_a_refined_rule():
    """`sup_error` of the identity against a target of short waves on an interval: `E sin^2(60 x)` / 16."""
    found_error = emfc.controllability.sup_error(lambda x: x, lambda x: x + np.sin(60 * x) / 80, [(0.0, 1.0)])
    assert found_error.mean_square == pytest.approx((0.5 - np.sin(120) / 240) / 6400, rel=1e-7)


def test_maps_are_learnt_at_points_that_resolve_them():
    """A target with a wave between the region's own 64 points gets more points; a smooth one keeps them."""
    field = emfc.fields.AffineField(1)
    smooth, wavy = (
        emfc.controllability.learn_map(f, [(0.0, 1.0)], emfc.controllability.Dynamics(field, layers=2), penalties=[1.0])
        for f in (lambda x: x + 0.1, lambda x: x + np.exp(-(((x - 0.3337) / 0.002) ** 2)))
    )
    assert len(smooth.transfer.x) == 64
    assert len(wavy.transfer.x) > 64
