"""Initial laws: quadrature against closed forms and scipy, samples against exact moments, boxes against exact tails."""

import math
import tracemalloc

import numpy as np
import pytest
from scipy import integrate, stats

from eulerian_mfc import CartesianMesh, OptimalitySystem, Problem
from eulerian_mfc.continuity import FiniteVolume, PushForward
from eulerian_mfc.fields import NeuralField
from eulerian_mfc.flow import Flow, LayerMap
from eulerian_mfc.laws import (
    Augmented,
    Empirical,
    Gaussian,
    GaussianMixture,
    Labelled,
    LabelledRule,
    ProductRule,
    Uniform,
)
from eulerian_mfc.laws.quadrature import BLOCK, tensor_blocks
from eulerian_mfc.losses import SquaredLoss
from eulerian_mfc.transport import SemiLagrangian

ROOT_2_PI = math.sqrt(2 / math.pi)
MIXTURE = GaussianMixture([[-1.0, -0.5], [0.7, 1.2]], std=[[0.3, 0.5], [0.4, 0.2]], weights=[0.25, 0.75])
TRUNCATED_1D = GaussianMixture([[-1.0], [1.5]], std=[1.0, 0.5], weights=[0.3, 0.7], truncation=0.6)
LINES = [np.array([-1.13, -0.42, 0.05, 0.31, 0.9]), np.array([-0.77, 0.02, 0.5]), np.array([-0.2, 0.61])]
WITH_LINES = pytest.mark.parametrize("lines", [False, True], ids=["plain", "lines"])

LAWS = {
    "gaussian-1d": Gaussian([0.3], 0.8),
    "gaussian-2d": Gaussian([0.3, -0.2], [0.8, 0.5]),
    "gaussian-3d": Gaussian([0.3, -0.2, 0.1], [0.8, 0.5, 0.3]),
    "mixture-2d": MIXTURE,
    "truncated-1d": TRUNCATED_1D,
    "truncated-2d": GaussianMixture([[-1.0, 0.5], [1.0, 0.2]], std=0.7, truncation=1.1),
    "truncated-3d": Gaussian([0.2, -0.4, 0.1], 1.0, truncation=0.5),
    "uniform-1d": Uniform([(-1.0, 2.0)]),
    "uniform-3d": Uniform([(-1.0, 2.0), (0.0, 0.5), (-0.3, 0.1)]),
}
EACH = pytest.mark.parametrize("name", LAWS)


def axis_moment(law, axis, k):
    """Exact `E X_axis^k`, by frozen scipy laws or, for balls, a radial integral."""
    if isinstance(law, Uniform):
        a, b = law.bounds[axis]
        return (b ** (k + 1) - a ** (k + 1)) / ((k + 1) * (b - a))
    total = 0.0
    for weight, mean, std in zip(law.weights, law.means[:, axis], law.std[:, axis], strict=True):
        if law.truncation is None:
            central = [1.0, 0.0, std**2, 0.0, 3 * std**4]
        else:
            central = [1.0, 0.0, radial(law.dim, std, law.truncation, 2) / law.dim, 0.0]
            central.append(3 * radial(law.dim, std, law.truncation, 4) / (law.dim * (law.dim + 2)))
        total += weight * sum(math.comb(k, i) * mean ** (k - i) * central[i] for i in range(k + 1))
    return total


def radial(dim, std, radius, k):
    """`E |X - mean|^k` of a normal law cut off at a radius, by adaptive quadrature in the radius."""
    weigh = lambda r, p: r ** (p + dim - 1) * math.exp(-0.5 * (r / std) ** 2)  # noqa: E731
    top, bottom = (integrate.quad(weigh, 0, radius, args=(p,), epsabs=0, epsrel=1e-13)[0] for p in (k, 0))
    return top / bottom


@WITH_LINES
@EACH
def test_quadrature_moments(name, lines):
    """Weights are positive and sum to 1 (1e-14); `E X_i^k` is exact to 1e-12 for k = 1..4 on every axis.

    With lines a normal law in three dimensions has 4 Gauss points on unequal panels, whose errors do not cancel: 1e-9.
    """
    law = LAWS[name]
    tolerance = 1e-9 if name == "gaussian-3d" and lines else 1e-12
    x, w, component = law.quadrature(LINES[: law.dim] if lines else None)
    assert x.shape == (len(w), law.dim)
    assert abs(math.fsum(w) - 1) < 1e-14
    assert w.min() > 0
    assert set(component.tolist()) == set(range(law.components))
    for axis in range(law.dim):
        for k in range(1, 5):
            assert w @ x[:, axis] ** k == pytest.approx(axis_moment(law, axis, k), rel=0, abs=tolerance)


def test_radial_formula_against_truncnorm():
    """The radial integrals that check balls are scipy.stats.truncnorm's moments on the line."""
    for k in (2, 4):
        law = stats.truncnorm(-0.6, 0.6)
        assert radial(1, 0.5, 0.3, k) == pytest.approx(0.5**k * law.moment(k), rel=1e-12)


@WITH_LINES
def test_quadrature_of_a_mixture_component_by_component(lines):
    """Each component carries its own weight, mean and covariance: `E[1{k} x1 x2]`, `E[1{k} cos(x1)]` to 1e-13."""
    x, w, component = MIXTURE.quadrature(LINES[:2] if lines else None)
    for k, (weight, mean, std) in enumerate(zip(MIXTURE.weights, MIXTURE.means, MIXTURE.std, strict=True)):
        own = w * (component == k)
        assert own.sum() == pytest.approx(weight, abs=1e-14, rel=0)
        assert own @ (x[:, 0] * x[:, 1]) == pytest.approx(weight * mean[0] * mean[1], abs=1e-13, rel=0)
        cosine = weight * math.exp(-(std[0] ** 2) / 2) * math.cos(mean[0])
        assert own @ np.cos(x[:, 0]) == pytest.approx(cosine, abs=1e-13, rel=0)


@pytest.mark.parametrize("dim", [2, 3])
def test_ball_quadrature_of_a_function_without_symmetry(dim):
    """`E exp(a . (X - mean))` on a ball: the mean over spheres is I_0(|a| r), or sinh(|a| r) / (|a| r) (1e-12)."""
    a, std, radius = np.array([1.3, -0.4, 0.8][:dim]), 0.7, 1.1
    size = np.linalg.norm(a)
    mean = (lambda r: np.i0(size * r)) if dim == 2 else (lambda r: np.sinh(size * r) / (size * r))
    weigh = lambda r: r ** (dim - 1) * math.exp(-0.5 * (r / std) ** 2)  # noqa: E731
    top = integrate.quad(lambda r: weigh(r) * mean(r), 0, radius, epsabs=0, epsrel=1e-13)[0]
    x, w, _ = Gaussian([0.5] * dim, std, truncation=radius).quadrature()
    exact = top / integrate.quad(weigh, 0, radius, epsabs=0, epsrel=1e-13)[0]
    assert w @ np.exp((x - 0.5) @ a) == pytest.approx(exact, rel=1e-12)
    assert np.linalg.norm(x - 0.5, axis=1).max() < radius


def expected_distance(mean, std, a):
    """`E |X - a|` of a normal law: the mean of the folded normal law."""
    d = (mean - a) / std
    return std * (ROOT_2_PI * math.exp(-(d**2) / 2) + d * (1 - 2 * stats.norm.cdf(-d)))


@pytest.mark.parametrize("a", LINES[0])
def test_lines_make_kinks_exact_on_the_line(a):
    """`E|X - a|` with a on one of the lines, to 1e-13: normal, cut-off normal (scipy.integrate) and uniform laws."""
    x, w, _ = Gaussian([0.3], 0.8).quadrature(LINES[:1])
    assert w @ np.abs(x[:, 0] - a) == pytest.approx(expected_distance(0.3, 0.8, a), abs=1e-13, rel=0)

    x, w, _ = Uniform([(-1.0, 2.0)]).quadrature(LINES[:1])
    exact = abs(0.5 - a) if a < -1 else ((a + 1) ** 2 + (2 - a) ** 2) / 6
    assert w @ np.abs(x[:, 0] - a) == pytest.approx(exact, abs=1e-13, rel=0)

    x, w, _ = Gaussian([0.1], 1.0, truncation=1.2).quadrature(LINES[:1])
    law = stats.truncnorm(-1.2, 1.2, loc=0.1)
    parts = [(-1.1, max(a, -1.1)), (max(a, -1.1), 1.3)]
    exact = sum(integrate.quad(lambda z: abs(z - a) * law.pdf(z), *p, epsabs=1e-15, epsrel=5e-14)[0] for p in parts)
    assert w @ np.abs(x[:, 0] - a) == pytest.approx(exact, abs=1e-13, rel=0)


def test_lines_make_kinks_exact_on_every_axis():
    """`E prod_i |X_i - a_i|` is the product of exact values of the axes: normal in two, uniform in three dimensions."""
    x, w, _ = Gaussian([0.3, -0.2], [0.8, 0.5]).quadrature(LINES[:2])
    exact = expected_distance(0.3, 0.8, 0.31) * expected_distance(-0.2, 0.5, 0.5)
    assert w @ np.abs((x[:, 0] - 0.31) * (x[:, 1] - 0.5)) == pytest.approx(exact, abs=1e-12, rel=0)

    x, w, _ = Uniform([(-1.0, 1.0)] * 3).quadrature(LINES)
    exact = math.prod((1 + a**2) / 2 for a in (0.05, -0.77, 0.61))
    assert w @ np.abs((x - [0.05, -0.77, 0.61]).prod(axis=1)) == pytest.approx(exact, abs=1e-13, rel=0)


@WITH_LINES
def test_label_jump_at_a_break(lines):
    """`E[X sign X] = E|X| = sqrt(2/pi)`; a label that jumps at 0.3 has the mean P(X > 0.3) (both to 1e-13)."""
    given = LINES[:1] if lines else None
    rule = Labelled(Gaussian([0.0], 1.0), label=np.sign, breaks=[0.0]).quadrature(given)
    assert rule.w @ (rule.x[:, 0] * rule.y[:, 0]) == pytest.approx(ROOT_2_PI, abs=1e-13, rel=0)
    assert abs(math.fsum(rule.w) - 1) < 1e-14

    step = Labelled(Gaussian([0.0], 1.0), label=lambda x: 1.0 * (x[:, 0] > 0.3), breaks=[[0.3]]).quadrature(given)
    assert step.w @ step.y[:, 0] == pytest.approx(stats.norm.sf(0.3), abs=1e-13, rel=0)


@WITH_LINES
def test_label_jump_on_one_axis_of_two(lines):
    """Breaks of the second axis alone: `E[x2 sign(x2 - 0.1)]` by integration by parts, to 1e-12."""
    law = Labelled(Gaussian([0.4, 0.0], [0.3, 1.0]), lambda x: np.sign(x[:, 1] - 0.1), breaks=[[], [0.1]])
    rule = law.quadrature(LINES[:2] if lines else None)
    exact = 2 * stats.norm.pdf(0.1)
    assert rule.w @ (rule.x[:, 1] * rule.y[:, 0]) == pytest.approx(exact, abs=1e-12, rel=0)


@EACH
def test_sample_moments(name):
    """Sample means of `X_i` and `X_i^2` lie within 5 standard errors of the exact values (fixed seed)."""
    law, n = LAWS[name], 100_000
    x = law.sample(n, seed=11)
    assert x.shape == (n, law.dim)
    for axis in range(law.dim):
        m = [axis_moment(law, axis, k) for k in range(5)]
        for k in (1, 2):
            error = math.sqrt((m[2 * k] - m[k] ** 2) / n)
            assert abs((x[:, axis] ** k).mean() - m[k]) < 5 * error


@EACH
def test_sample_seeds(name):
    """The same seed gives the same samples, another seed others; a Generator is drawn from and moves on."""
    law, rng = LAWS[name], np.random.default_rng(3)
    first = law.sample(50, seed=3)
    assert np.array_equal(first, law.sample(50, seed=3))
    assert not np.array_equal(first, law.sample(50, seed=4))
    assert np.array_equal(first, law.sample(50, rng))
    assert not np.array_equal(first, law.sample(50, rng))


@pytest.mark.parametrize("name", ["truncated-1d", "truncated-2d", "truncated-3d"])
def test_truncated_samples(name):
    """Samples lie inside their component's radius and |X - mean| has the cut-off chi law (Kolmogorov, fixed seed)."""
    law = LAWS[name]
    x, component = law.draw(20_000, np.random.default_rng(5))
    distance = np.linalg.norm(x - law.means[component], axis=1)
    assert distance.max() < law.truncation
    for k in range(law.components):
        shares = stats.binomtest(int((component == k).sum()), len(x), law.weights[k])
        assert shares.pvalue > 1e-4
        chi, std = stats.chi(law.dim), law.std[k, 0]
        cut = lambda r: chi.cdf(r / std) / chi.cdf(law.truncation / std)  # noqa: B023, E731
        assert stats.kstest(distance[component == k], cut).pvalue > 1e-4


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6, 1e-14])
@pytest.mark.parametrize("name", ["gaussian-1d", "gaussian-2d", "gaussian-3d", "mixture-2d"])
def test_box_of_normal_laws(name, tolerance):
    """At most `tolerance` of the mass lies outside the box, by exact tails; a single normal law leaves 0.9 of it."""
    law, outside = LAWS[name], 0.0
    box = law.box(tolerance)
    assert box.shape == (law.dim, 2)
    for weight, mean, std in zip(law.weights, law.means, law.std, strict=True):
        tails = stats.norm.cdf((box[:, 0] - mean) / std) + stats.norm.sf((box[:, 1] - mean) / std)
        outside += weight * -math.expm1(np.log1p(-tails).sum())
    assert outside <= tolerance * (1 + 1e-9)
    assert law.components > 1 or outside > 0.9 * tolerance


def test_box_of_bounded_laws():
    """Balls are held by a box no larger than they are; uniform and empirical boxes are the bounds."""
    assert LAWS["truncated-2d"].box(1e-14) == pytest.approx(np.array([[-2.1, 2.1], [-0.9, 1.6]]), abs=1e-14)
    low, high = Gaussian([0.0], 1.0, truncation=3.0).box(0.1)[0]
    law = stats.truncnorm(-3, 3)
    assert 0.05 < law.cdf(low) + law.sf(high) <= 0.1
    assert Uniform([(-1.0, 2.0), (0.0, 0.5)]).box(0.5).tolist() == [[-1.0, 2.0], [0.0, 0.5]]
    assert Empirical([[0.0, 3.0], [1.0, -2.0]], [0, 1]).box(1e-3).tolist() == [[0.0, 1.0], [-2.0, 3.0]]


def test_empirical():
    """The rule is the samples with their weights, columns on a line; draws follow the weights (5 standard errors)."""
    law = Empirical([0.5, -1.0, 2.0], [7.0, 8.0, 7.0], weights=[0.2, 0.5, 0.3])
    rule = law.quadrature(LINES[:1])
    assert rule.x.tolist() == [[0.5], [-1.0], [2.0]]
    assert rule.y.tolist() == [[7.0], [8.0], [7.0]]
    assert rule.w == pytest.approx([0.2, 0.5, 0.3], abs=1e-15)
    assert Empirical(np.eye(3), np.zeros((3, 2))).quadrature().w == pytest.approx([1 / 3] * 3, abs=1e-15)
    assert Empirical([0.0, 1.0], [0, 1], [0.4, 0.6 + 5e-10]).quadrature().w.sum() == pytest.approx(1, abs=1e-15)
    x, y = law.sample(40_000, seed=1)
    for value, label, p in ((0.5, 7.0, 0.2), (-1.0, 8.0, 0.5), (2.0, 7.0, 0.3)):
        found = x[:, 0] == value
        assert abs(found.mean() - p) < 5 * math.sqrt(p * (1 - p) / 40_000)
        assert (y[found, 0] == label).all()
    assert law.labels.tolist() == [[7.0], [8.0]]


def test_at_most_64_labels_are_listed():
    """64 distinct labels are listed in increasing order, 65 are not."""
    numbers = np.arange(65.0)[::-1]
    assert Empirical(numbers[1:], numbers[1:]).labels[:, 0].tolist() == list(range(64))
    assert Empirical(numbers, numbers).labels is None


@pytest.mark.parametrize(
    ("law", "label", "expected"),
    [
        (Gaussian([0.0], 1.0), np.sign, lambda x, k: np.sign(x)),
        (Gaussian([0.0, 1.0], 1.0), lambda x: x[:, 0] * x[:, 1], lambda x, k: x[:, :1] * x[:, 1:]),
        (Gaussian([0.0, 1.0], 1.0), lambda x: x @ np.ones((2, 3)), lambda x, k: x.sum(axis=1)[:, None] * [1, 1, 1]),
        (TRUNCATED_1D, [-2, 3], lambda x, k: np.where(k, 3.0, -2.0)[:, None]),
        (TRUNCATED_1D, [[-2.0, 5.0], [3.0, 6.0]], lambda x, k: np.where(k[:, None], [3.0, 6.0], [-2.0, 5.0])),
    ],
    ids=["ufunc", "(n,)", "(n, q)", "numbers", "lists"],
)
def test_label_kinds(law, label, expected):
    """Labels of the rule and of samples are the function's, or the constant of the component that drew the point."""
    labelled = Labelled(law, label)
    x, w, component = law.quadrature()
    rule = labelled.quadrature()
    assert np.array_equal(rule.x, x)
    assert np.array_equal(rule.w, w)
    assert labelled.label_dim == rule.y.shape[1]
    np.testing.assert_allclose(rule.y, expected(x, component), rtol=1e-14)
    x, y = labelled.sample(200, seed=2)
    # the two components lie on either side of 0
    np.testing.assert_allclose(y, expected(x, (x[:, 0] > 0) if law is TRUNCATED_1D else None), rtol=1e-14)


def test_labels_of_a_mixture():
    """Constant labels are listed sorted, each once; label functions with many values are not listed."""
    mixture = GaussianMixture([[-1.0], [0.0], [1.0]], std=0.1)
    assert Labelled(mixture, [4.0, -1.0, 4.0]).labels.tolist() == [[-1.0], [4.0]]
    assert Labelled(mixture, np.sin).labels is None


def test_no_breaks():
    """An empty list of breaks is the same as none."""
    x, y = Labelled(Gaussian([0.0], 1.0), np.sin, breaks=[]).sample(5, seed=0)
    assert np.array_equal(y, np.sin(x))


def test_lines_that_nearly_coincide():
    """Two lines that differ by round-off cost a ball rule no more than one, and no less accuracy (1e-12)."""
    x, w, _ = Gaussian([0.0, 0.0], 1.0, truncation=0.5).quadrature([np.array([-0.4, 0.0, 1e-16])] * 2)
    assert w @ x[:, 0] ** 2 == pytest.approx(radial(2, 1.0, 0.5, 2) / 2, abs=1e-12, rel=0)


def test_label_jump_at_a_break_of_a_ball():
    """`E[x1 sign x1] = E|x - mean| 2 / pi` on a disc cut by the break through its centre (1e-10)."""
    rule = Labelled(Gaussian([0.0, 0.0], 1.0, truncation=1.0), np.sign, breaks=[[0.0], [0.0]]).quadrature()
    exact = radial(2, 1.0, 1.0, 1) * 2 / math.pi
    assert rule.w @ (rule.x[:, 0] * rule.y[:, 0]) == pytest.approx(exact, abs=1e-10, rel=0)


PRODUCTS = {
    "mixture-2d": Labelled(MIXTURE, label=[[-2.0, 0.5], [1.0, 3.0]]),
    "truncated-1d": Labelled(TRUNCATED_1D, label=[2.0, -1.0]),
    "uniform-3d": Labelled(LAWS["uniform-3d"], label=[[0.5, 2.0]]),
    "augmented-3d": Augmented(Labelled(MIXTURE, label=[[-2.0, 0.5], [1.0, 3.0]])),
}


@pytest.mark.parametrize("scheme", [PushForward(), FiniteVolume()], ids=["push-forward", "finite-volume"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_masses_of_products_are_those_of_the_tensor_rule(name, scheme):
    """Products of integrals on lines against the same rules as points of the box, all moments: 1e-13 of the whole."""
    law = PRODUCTS[name]
    d = law.dim
    mesh = CartesianMesh([(-4.0, 4.5), (-4.5, 4.0), (-4.2, 4.1)][:d], [12, 11, 9][:d])
    flow, transport = Flow(NeuralField(dim=d), LayerMap("euler")), SemiLagrangian(5)
    operator = scheme.on(mesh, flow, transport.on(mesh, flow), [True] * 3)
    pieces = list(law.pieces(operator.lines, products=True))
    assert len(pieces) == len(law.labels)
    for piece in pieces:
        assert isinstance(piece, ProductRule)
        c = np.array([1.0, *piece.y[0]])[:, None]
        found = operator.initial(piece, c)
        points = [LabelledRule(x, piece.w[0] * w, piece.y) for x, w in tensor_blocks(piece.axes)]
        expected = sum(operator.initial(rule, np.repeat(c, len(rule.w), axis=1)) for rule in points)
        assert found.shape == (len(c), *mesh.shape)
        assert np.abs(found - expected).max() < 1e-13 * np.abs(c).max()


def test_masses_of_a_product_have_the_law_s_moments():
    """`sum_j m_rj x_j^a z_j^b = E[c_r(Y) X^a Z^b]`: quintic splines hold the polynomials; closed form, to 1e-12."""
    inputs = GaussianMixture([[-1.0, 0.2, 0.4], [0.5, 0.3, -0.6]], 0.3, [0.25, 0.75])
    law = Labelled(inputs, label=[[-2.0, 0.0, 1.0], [3.0, 1.0, 0.5]])
    problem = Problem(NeuralField(dim=3), law, SquaredLoss(), 1.0, 1.0, representation="moments")
    system = OptimalitySystem(problem, CartesianMesh([(-5.0, 5.0)] * 3, 20), 1)
    x = system.mesh.centres
    for r, c in enumerate([(1.0, 1.0), (-2.0, 3.0), (0.0, 1.0), (1.0, 0.5)]):
        m = system.initial_masses[r].ravel()
        for a, b in [(0, 0), (1, 1), (2, 1), (0, 3)]:
            powers = [
                np.prod(
                    [stats.norm(inputs.means[k, axis], 0.3).moment(n) if n else 1.0 for axis, n in ((0, a), (2, b))]
                )
                for k in (0, 1)
            ]
            exact = 0.25 * c[0] * powers[0] + 0.75 * c[1] * powers[1]
            assert m @ (x[:, 0] ** a * x[:, 2] ** b) == pytest.approx(exact, abs=1e-12, rel=0)


def test_memory_of_a_law_in_three_dimensions_is_bounded():
    """Building a 40^3 system holds a few fields, not the points of a tensor rule (1.5 GB); other laws come in blocks."""
    law = GaussianMixture([[-1.0] * 3, [1.0] * 3], 0.3)
    problem = Problem(NeuralField(dim=3), Labelled(law, [[-2.0] * 3, [2.0] * 3]), SquaredLoss(), 1.0, 1.0)
    mesh = CartesianMesh([(-4.0, 4.0)] * 3, 40)
    tracemalloc.start()
    try:
        system = OptimalitySystem(problem, mesh, 1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * system.initial_masses.nbytes
    blocks = Labelled(Gaussian([0.0] * 3, 1.0), label=np.sign).pieces([np.linspace(-4, 4, 9)] * 3)
    assert max(len(block.w) for block in blocks) <= BLOCK
