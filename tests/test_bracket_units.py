"""Ranks of brackets have no units: fields, coordinates and lengths may be scaled, and round-off is no direction."""

import numpy as np
import pytest

from eulerian_mfc.controllability import bracket_rank
from eulerian_mfc.controllability.jets import jets
from eulerian_mfc.errors import NotAnalyticError
from eulerian_mfc.fields import RadialBasisField

POINTS = np.random.default_rng(0).uniform(-1.0, 1.0, (5, 2))
UNITS = [1e-9, 1e-6, 1e-2, 1.0, 1e6, 1e9]


def family(width, scales=(1.0, 1.0, 1.0, 1.0)):
    """Constant fields, and bumps of a width, each times a number."""

    def field(axis, bump, scale):
        def function(x):
            value = np.exp(-((x / width) ** 2).sum(axis=1)) if bump else 0.0 * x[:, 0] + 1.0
            return scale * np.stack([value, 0.0 * value][:: 1 if axis == 0 else -1], axis=1)

        return function

    return [field(axis, bump, s) for (axis, bump), s in zip([(0, 0), (1, 0), (0, 1), (1, 1)], scales, strict=True)]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(("count", "depth", "ranks"), [(2, 1, (4,)), (3, 2, (4, 6)), (5, 3, (4, 9, 10))])
def test_the_unit_of_length_does_not_change_ranks(unit, count, depth, ranks):
    """Bumps of width w at points of size w, w from 1e-9 to 1e9: the ranks of w = 1, which the folds of four fields must have."""
    found = bracket_rank(family(unit), unit * POINTS[:count], depth)
    assert found.ranks == ranks
    assert found.generating


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_affine_fields_keep_their_rank_in_every_unit(unit):
    """Six dimensions of affine fields: rank 6 on three points and on more, not 8 or 10 by round-off."""
    fields = [lambda x, a=a, b=b: unit * (x / unit @ a + b) for a, b in zip(*AFFINE, strict=True)]
    assert [bracket_rank(fields, unit * POINTS[:n], 3).rank for n in (2, 3, 4)] == [4, 6, 6]


E = np.eye(2)
AFFINE = [np.zeros((2, 2))] * 2 + [np.outer(a, b) for a in E for b in E], [*E, *[np.zeros(2)] * 4]


@pytest.mark.parametrize("scale", [1e-200, 1e-11, 1e11, 1e200])
def test_a_small_field_spans_its_direction_too(scale):
    """`d_1` and `s d_2` span the plane for every s but zero; so do `d_1 + s d_2` and `d_1 - s d_2`."""
    straight = [lambda x: np.tile([1.0, 0.0], (len(x), 1)), lambda x: np.tile([0.0, scale], (len(x), 1))]
    assert bracket_rank(straight, [0.3, 0.4], 1).generating
    assert not bracket_rank([straight[0], lambda x: 0.0 * straight[1](x)], [0.3, 0.4], 1).generating
    skew = [lambda x: np.tile([1.0, scale], (len(x), 1)), lambda x: np.tile([1.0, -scale], (len(x), 1))]
    assert bracket_rank(skew, [0.3, 0.4], 1).generating


def test_the_brackets_of_small_fields_count():
    """Brockett's `d_1 - y d_3` and `1e-9 (d_2 + x d_3)`: rank 3 by their bracket `2e-9 d_3`."""
    fields = [
        lambda x: np.stack([np.ones_like(x[:, 0]), 0 * x[:, 0], -x[:, 1]], axis=1),
        lambda x: 1e-9 * np.stack([0 * x[:, 0], np.ones_like(x[:, 0]), x[:, 0]], axis=1),
    ]
    found = bracket_rank(fields, [0.1, -0.2, 0.3], 2)
    assert found.ranks == (2, 3)
    np.testing.assert_allclose(found.singular_values[-1], 1e-9, rtol=0.5)
    assert (found.errors < 1e-10).all()


NEAR_ZEROS = {
    "squares": lambda x: np.stack([x[:, 0] ** 2, x[:, 0] * x[:, 1]], axis=1),
    "fourth powers": lambda x: np.stack([x[:, 0] ** 4 + x[:, 1] ** 4, x[:, 0] * x[:, 1] ** 3], axis=1),
    "cosine": lambda x: np.stack([1.0 - np.cos(x[:, 0]), np.sin(x[:, 1]) ** 2], axis=1),
    "bump": lambda x: (1.0 - np.exp(-(x**2).sum(axis=1)))[:, None] * np.stack([np.ones_like(x[:, 0]), x[:, 1] - x[:, 0]], axis=1),
}  # fmt: skip


@pytest.mark.parametrize("name", NEAR_ZEROS)
@pytest.mark.parametrize("distance", [1e-1, 1e-3, 1e-5, 1e-8])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_parallel_fields_near_a_degenerate_zero_have_rank_one(name, distance, depth):
    """F and `pi F` are parallel, and all of their brackets are zero: what is left beside rank 1 is round-off."""
    f = NEAR_ZEROS[name]
    point = distance * np.array([1.0, 0.7])
    assert bracket_rank([f, lambda x: np.pi * f(x)], point, depth).rank <= 1
    third = lambda x: f(x) / 3.0 + 0.1 * f(x)  # noqa: E731
    assert bracket_rank([f, third, lambda x: np.sqrt(2.0) * f(x)], point, depth).rank <= 1


@pytest.mark.parametrize("width", [1e-6, 1e-2, 1.0, 1e4])
def test_narrow_bumps_are_analytic(width):
    """The Taylor coefficients of a bump of any width, at its centre and beside it, by their closed forms."""
    field = RadialBasisField([[0.0]], width)
    x = width * np.array([[0.0], [0.5], [-1.3]])
    found = jets(lambda z: field(0.0, np.ones(1), z), x, 2, "f")
    z = x[:, 0] / width
    exact = np.exp(-(z**2)) * np.stack([np.ones(3), -2 * z / width, (2 * z**2 - 1) / width**2])
    np.testing.assert_allclose(
        found.coefficients[0].T * width ** np.arange(3)[:, None], exact * width ** np.arange(3)[:, None], atol=1e-12
    )
    assert (np.abs(found.coefficients[0].T - exact) <= found.errors[0].T + 1e-15 * np.abs(exact)).all()
    assert bracket_rank(RadialBasisField(width * POINTS[:3], width), width * POINTS[2:], 2).generating


def test_errors_of_taylor_coefficients_are_bounds():
    """`1 / (1 + x^2 / w^2)` has `sum (-1)^k (x / w)^2k`; with an offset that hides it the errors say so."""
    for width in (1e-3, 1.0, 1e3):
        for offset in (0.0, 1e6):
            found = jets(lambda z, w=width, c=offset: c + 1 / (1 + (z / w) ** 2), np.zeros((1, 1)), 6, "f")
            exact = np.array([1.0 + offset, 0, -1, 0, 1, 0, -1]) / width ** np.arange(7)
            assert (np.abs(found.coefficients[0, 0] - exact) <= found.errors[0, 0]).all()


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("name", ["abs", "conj", "real", "square of abs"])
def test_what_is_not_analytic_is_refused_in_every_unit(unit, name):
    rough = {"abs": np.abs, "conj": np.conj, "real": np.real, "square of abs": lambda z: np.abs(z) ** 2}[name]
    with pytest.raises(NotAnalyticError, match=r"fields\[1\] is not analytic near the point"):
        bracket_rank([np.ones_like, lambda x: 1.0 + rough(x / unit)], unit * POINTS[:2], 2)


def test_beside_a_kink_a_function_is_what_it_is_there():
    """`max(x, 0)` is x at 0.001, in units of metres and of millimetres alike."""
    for unit in (1.0, 1e-3):
        fields = [np.ones_like, lambda x: np.stack([np.maximum(x[:, 0], 0.0), np.zeros_like(x[:, 0])], axis=1)]
        assert bracket_rank(fields, [unit * 1e-3, unit * 0.3], 2).ranks == (2, 2)


def test_single_precision_is_named_as_a_reason():
    with pytest.raises(NotAnalyticError, match="single precision is not accurate enough"):
        bracket_rank([np.ones_like, lambda x: np.sin(x.astype(np.complex64))], POINTS[:2], 2)


@pytest.mark.parametrize("width", [0.05, 0.03, 0.01])
def test_bumps_that_vanish_at_the_point_are_analytic_too(width):
    """Centres far away in widths: `exp(-|x - c|^2 / w^2)` is zero in double precision on every small circle."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        centres, point = rng.uniform(-0.3, 0.3, size=(2, 2)), rng.uniform(-0.3, 0.3, size=(1, 2))
        bracket_rank(RadialBasisField(centres.tolist(), width=width), point, 2)
    near = bracket_rank(RadialBasisField([[0.0, 0.0], [0.3, 0.2]], width=width), [[0.3, 0.2]], 2)
    assert near.rank == 2
