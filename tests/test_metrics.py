"""Wasserstein distances: closed forms, brute force, another program, and the properties of a distance."""

import itertools
import sys

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm, truncnorm, wasserstein_distance

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError, EulerianError
from eulerian_mfc.laws.distance import wasserstein

GAUSSIAN = emfc.laws.Gaussian([0.5], 2.0)
CUT = emfc.laws.Gaussian([0.0], 1.0, truncation=0.2)
MIXTURE = emfc.laws.GaussianMixture([[-1.0], [1.0], [4.0]], [0.2, 0.5, 0.1], weights=[0.5, 0.3, 0.2])
UNIFORM = emfc.laws.Uniform([(-1.0, 3.0)])


@pytest.mark.parametrize("p", [1, 2])
def test_one_sample_of_a_uniform_law(p):
    """To the point a of [0, 1]: `W1 = (a^2 + (1 - a)^2) / 2`, `W2^2 = (a^3 + (1 - a)^3) / 3`."""
    a = 0.3
    exact = {1: (a**2 + (1 - a) ** 2) / 2, 2: np.sqrt((a**3 + (1 - a) ** 3) / 3)}[p]
    assert wasserstein(emfc.laws.Uniform([(0.0, 1.0)]), [a], p).value == pytest.approx(exact, rel=1e-14)


def test_one_sample_of_a_normal_law():
    """To a: `W2^2 = s^2 + (a - m)^2`, and `W1 = s (2 phi(z) + z (2 Phi(z) - 1))`."""
    a, z = 1.7, (1.7 - 0.5) / 2.0
    assert wasserstein(GAUSSIAN, [a], 2).value == pytest.approx(np.hypot(2.0, a - 0.5), rel=1e-14)
    exact = 2.0 * (2 * norm.pdf(z) + z * (2 * norm.cdf(z) - 1))
    assert wasserstein(GAUSSIAN, [a], 1).value == pytest.approx(exact, rel=1e-14)


@pytest.mark.parametrize(
    ("law", "inverse", "cumulative"),
    [
        (GAUSSIAN, norm(0.5, 2.0).ppf, norm(0.5, 2.0).cdf),
        (CUT, truncnorm(-0.2, 0.2).ppf, truncnorm(-0.2, 0.2).cdf),
        (UNIFORM, lambda u: -1 + 4 * u, lambda x: np.clip((x + 1) / 4, 0, 1)),
        (MIXTURE, None, lambda x: 0.5 * norm.cdf(x, -1, 0.2) + 0.3 * norm.cdf(x, 1, 0.5) + 0.2 * norm.cdf(x, 4, 0.1)),
    ],
    ids=["normal", "truncated", "uniform", "mixture"],
)
def test_the_line_against_adaptive_quadrature(law, inverse, cumulative):
    """`W1 = int |F_N - F| dx`, and `W2^2 = int (Q_N - Q)^2 du`, by scipy.integrate and scipy.stats."""
    x = np.sort(law.sample(9, seed=3)[:, 0])
    ends = [law.box(1e-15)[0, 0] - 1, *x, law.box(1e-15)[0, 1] + 1]
    gap = lambda t: abs(np.searchsorted(x, t, side="right") / 9 - cumulative(t))  # noqa: E731
    exact = sum(quad(gap, a, b, limit=500, epsabs=1e-12)[0] for a, b in itertools.pairwise(ends))
    found = wasserstein(law, x, 1)
    assert found.value == pytest.approx(exact, rel=1e-6)
    assert found.tolerance < 1e-12
    if inverse is not None:
        squared = sum(
            quad(lambda u, k=k: (x[k] - inverse(u)) ** 2, k / 9, (k + 1) / 9, epsabs=1e-13)[0] for k in range(9)
        )
        assert wasserstein(law, x, 2).value == pytest.approx(np.sqrt(squared), rel=1e-6)


def test_two_samples_on_the_line_against_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=40), rng.normal(size=17)
    weights = rng.uniform(size=40)
    weights /= weights.sum()
    law = emfc.laws.Empirical(a, np.sign(a), weights)
    assert wasserstein(law, b, 1).value == pytest.approx(wasserstein_distance(a, b, weights), rel=1e-12)


def test_a_symmetry_folds_both_laws():
    """`|X|` of a uniform law on [-1, 1] is uniform on [0, 1]."""
    x = np.array([-0.9, 0.2, 0.5])
    folded = wasserstein(emfc.laws.Uniform([(-1.0, 1.0)]), x, 1, symmetry=np.abs)
    plain = wasserstein(emfc.laws.Uniform([(0.0, 1.0)]), np.abs(x), 1)
    assert folded.value == pytest.approx(plain.value, abs=folded.tolerance)
    assert folded.tolerance < 1e-3
    assert folded.value <= wasserstein(emfc.laws.Uniform([(-1.0, 1.0)]), x, 1).value


def moved(law, scale, shift):
    """The law of `scale X + shift`."""
    if isinstance(law, emfc.laws.Uniform):
        return emfc.laws.Uniform([(scale * a + shift, scale * b + shift) for a, b in law.bounds])
    if isinstance(law, emfc.laws.Empirical):
        return emfc.laws.Empirical(scale * law.x + shift, law.y, law.weights)
    cut = None if law.truncation is None else scale * law.truncation
    return emfc.laws.GaussianMixture(scale * law.means + shift, scale * law.std, law.weights, cut)


ATOMS = np.random.default_rng(5).integers(-64, 64, size=(2, 30)) / 16.0
LAWS = {
    "normal": GAUSSIAN, "cut": CUT, "mixture": MIXTURE, "uniform": UNIFORM,
    "samples": emfc.laws.Empirical(ATOMS[0], np.sign(ATOMS[0])),
    "plane": emfc.laws.Uniform([(-1.0, 1.0), (0.0, 2.0)]),
    "samples of the plane": emfc.laws.Empirical(ATOMS.T, np.sign(ATOMS[0])),
}  # fmt: skip


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize(("scale", "shift"), [(2.0**-100, 0.0), (2.0**100, 0.0), (1.0, 2.0**20), (2.0**-10, 2.0**10)])
def test_distances_do_not_change_with_the_origin_and_grow_with_the_unit(p, name, scale, shift):
    """`W_p(s X + c, s Y + c) = s W_p(X, Y)`, to the round-off of the coordinates; s and c are exact in binary."""
    law = LAWS[name]
    x = np.random.default_rng(1).integers(-64, 64, size=(7, law.dim)) / 32.0
    options = {} if law.dim == 1 else {"atoms": 100}
    exact = wasserstein(law, x, p, **options).value
    found = wasserstein(moved(law, scale, shift), scale * x + shift, p, **options)
    assert found.value == pytest.approx(scale * exact, rel=1e-11, abs=4e-15 * shift)
    if law.dim == 1:
        assert found.tolerance <= 1e-13 * (8 * scale + shift)


@pytest.mark.parametrize("cut", [1e-3, 1e-6, 1e-9, 1e-12])
def test_normal_laws_cut_off_so_narrowly_that_they_are_uniform(cut):
    """To its centre a uniform law of half-width c has `W1 = c / 2` and `W2 = c / sqrt(3)`, to about `c^2`."""
    law = emfc.laws.Gaussian([0.0], 1.0, truncation=cut)
    near = {"rel": max(cut**2, 1e-14)}
    assert wasserstein(law, [0.0], 1).value == pytest.approx(cut / 2, **near)
    assert wasserstein(law, [0.0], 2).value == pytest.approx(cut / np.sqrt(3), **near)
    quarters = cut * np.array([-0.75, -0.25, 0.25, 0.75])
    assert wasserstein(law, quarters, 1).value == pytest.approx(cut / 16 * 2, **near)


def test_components_of_very_different_widths():
    """Half of the mass within 1e-9 of 0, half around 1: to the samples 0 and 1, `W1 = (1e-9 + 1e-3) sqrt(2 / pi) / 2`."""
    law = emfc.laws.GaussianMixture([[0.0], [1.0]], [1e-9, 1e-3])
    exact = (1e-9 + 1e-3) * np.sqrt(2 / np.pi) / 2
    assert wasserstein(law, [0.0, 1.0], 1).value == pytest.approx(exact, rel=1e-12)


def test_labels_do_not_count():
    law = emfc.laws.Labelled(GAUSSIAN, np.sign)
    assert wasserstein(law, [0.1, 2.0]).value == wasserstein(GAUSSIAN, [0.1, 2.0]).value


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("p", [1, 2])
def test_samples_against_permutations(dim, p):
    """Five samples to five: the best of all 120 permutations."""
    rng = np.random.default_rng(dim)
    a, b = rng.normal(size=(2, 5, dim))
    lengths = np.linalg.norm(a[:, None] - b, axis=2) ** p
    best = min(lengths[np.arange(5), list(order)].mean() for order in itertools.permutations(range(5)))
    found = wasserstein(emfc.laws.Empirical(a, a), b, p)
    assert found.value == pytest.approx(best ** (1 / p), rel=1e-12)
    assert found.tolerance < 1e-12


@pytest.mark.parametrize("p", [1, 2])
def test_the_stated_tolerance_in_the_plane_holds(p):
    """One sample: `W_2^2 = sum s^2 + |a - m|^2`, `W_1 = E|X - a|`; atoms stand for the law, and say by how much."""
    law = emfc.laws.Gaussian([0.0, 0.0], [0.5, 0.8])
    a = np.array([[0.3, -0.2]])
    if p == 2:
        exact = np.sqrt(0.25 + 0.64 + 0.13)
    else:
        rule = law.quadrature()
        exact = float(rule.w @ np.linalg.norm(rule.x - a, axis=1))
    errors = []
    for atoms in (100, 2500):
        found = wasserstein(law, a, p, atoms=atoms)
        errors.append(found.tolerance)
        assert abs(found.value - exact) <= found.tolerance
    assert errors[1] < 0.3 * errors[0]


def test_what_is_refused(monkeypatch):
    with pytest.raises(ArgumentError, match="one of 1, 2"):
        wasserstein(GAUSSIAN, [0.0], 3)
    with pytest.raises(ArgumentError, match=r"points as rows, an array of shape \(n, 1\)"):
        wasserstein(GAUSSIAN, np.zeros((3, 2)))
    monkeypatch.setitem(sys.modules, "ot", None)
    with pytest.raises(EulerianError, match=r"eulerian-mfc\[transport\]"):
        wasserstein(emfc.laws.Gaussian([0.0, 0.0], 1.0), np.zeros((3, 2)))
