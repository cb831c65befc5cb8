"""The random problems that claims of accuracy are tested on, and the truth by which they are judged."""

import os
from collections import Counter

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

import eulerian_mfc as emfc
from benchmarks.random_problems import drawn
from benchmarks.truth import truth
from benchmarks.truths import COUNT, Kept, find, save, summary, table
from eulerian_mfc.laws import REGISTRY as LAWS
from eulerian_mfc.losses import REGISTRY as LOSSES
from eulerian_mfc.run.case import Case

from .conftest import CONTINUOUS, ROOT
from .test_continuous_time_solvers import bimodal

#: searches that take long run in the nightly environment only
NIGHTLY = pytest.mark.skipif("EMFC_FUZZ" not in os.environ, reason="nightly")


@pytest.fixture(scope="module")
def everything():
    return [drawn(number) for number in range(COUNT)]


def test_problems_are_defined_by_their_numbers(everything):
    for number in (0, 7, 12):
        again, before = drawn(number), everything[number]
        assert again.name == before.name
        costs = [emfc.ParticleSystem(p, 2).cost(0.3).total for p in (again.problem, before.problem)]
        assert costs[0] == costs[1]
    assert len({one.name for one in everything}) == COUNT


def test_problems_are_of_every_kind(everything):
    problems = [one.problem for one in everything]
    dims = Counter(problem.field.dim for problem in problems)
    assert 0.4 <= dims[1] / COUNT <= 0.6
    assert dims[2] > dims[3] >= 0.08 * COUNT
    assert max(problem.parameters for problem in problems) <= 10
    later = {emfc.losses.StateLoss, emfc.losses.CompositeLoss}  # and costs of the density, which particles do not have
    drawn_from = {kind for kind in LOSSES.values() if not issubclass(kind, emfc.losses.DensityCost)} - later
    assert {type(problem.loss) for problem in problems} == drawn_from
    laws = {type(part) for problem in problems for part in _parts(problem.law)}
    assert laws == set(LAWS.values())
    for share in (
        [problem.regulariser.bounded for problem in problems],
        [problem.running is not None for problem in problems],
    ):
        assert 0.15 <= np.mean(share) <= 0.35
    assert not any(problem.regulariser.sparse for problem in problems)
    penalties = np.concatenate([problem.regulariser.penalties for problem in problems])
    assert penalties.min() >= 0.009
    assert penalties.max() <= 2.1


def _parts(law):
    """A law and those that it is made of."""
    if isinstance(law, emfc.laws.Augmented):
        return [law, *_parts(law.base)]
    return [law, law.law] if isinstance(law, emfc.laws.Labelled) else [law]


@pytest.mark.parametrize(
    ("name", "file", "bound"),
    [
        ("bimodal_1d_0.2", None, 1e-12),
        ("truncated_bimodal_1d_0.2", "truncated_bimodal_1d", 1e-12),
        ("truncated_unimodal_1d_0.2", "truncated_unimodal_1d", 1e-12),
        ("toy_line_nobias_1", "toy_line", 1e-12),
        ("bimodal_2d_0.2", "bimodal_2d", 1e-10),
    ],
)
def test_truth_is_that_of_the_public_references(name, file, bound):
    problem = bimodal() if file is None else Case.load(ROOT / "cases" / f"{file}.py").build()[0]
    found, reference = truth(problem, np.full(problem.parameters, 0.5)), CONTINUOUS[name]
    assert abs(found.cost - reference["cost"]) <= found.error + 1e-14
    assert found.error <= bound
    values = found.control(np.linspace(0.0, 1.0, 5))
    assert np.abs(values - reference["control"]).max() <= 2e-6


def plain(bound=None, horizon=2.0):
    """`x' = u`, x(0) = 1, `J = int x^2 + u^2 dt`, possibly with `u >= -bound`."""
    law, field = emfc.laws.Empirical([1.0], [0.0]), emfc.fields.AffineField(1, matrix=False)
    loss, running = (emfc.losses.LabelLoss(lambda x, y, a=a: a * x[:, 0] ** 2, [[0.0]]) for a in (0.0, 1.0))
    bounds = None if bound is None else (-bound, None)
    return emfc.Problem(field, law, loss, 2.0, horizon, running=running, bounds=bounds)


def test_truth_in_closed_form():
    """`J* = tanh T`, `u* = -tanh(T - t) x`."""
    found = truth(plain())
    assert abs(found.cost - np.tanh(2.0)) <= found.error
    assert found.error <= 1e-11
    assert found.control(np.array([0.0]))[0, 0] == pytest.approx(-np.tanh(2.0), abs=1e-5)


@NIGHTLY
def test_truth_with_a_kink_where_a_bound_ends():
    """The bound holds until `b = tanh(T - s) x(s)`, x(s) = 1 - b s; afterwards the feedback is that of the free problem."""
    bound, horizon = 0.4, 2.0
    until = brentq(lambda s: np.tanh(horizon - s) * (1 - bound * s) - bound, 0.0, horizon, xtol=1e-15)
    exact = quad(lambda t: (1 - bound * t) ** 2 + bound**2, 0.0, until)[0]
    exact += np.tanh(horizon - until) * (1 - bound * until) ** 2
    found = truth(plain(bound), seconds=200.0)
    assert abs(found.cost - exact) <= found.error
    assert found.error <= 1e-7


def test_truth_where_a_field_turns_in_a_short_time():
    """`x' = v(t) u`, v = tanh(40 (t - 1/3)): `u* = c v(t)` with `J = (c E - 1)^2 + c^2 E / 4`, `E = int v^2 dt`."""
    turn = emfc.fields.ScaledField(emfc.fields.AffineField(1, matrix=False), lambda t: float(np.tanh(40 * (t - 1 / 3))))
    problem = emfc.Problem(turn, emfc.laws.Empirical([0.0], [1.0]), emfc.losses.SquaredLoss(), 0.5, 1.0)
    energy = quad(lambda t: np.tanh(40 * (t - 1 / 3)) ** 2, 0.0, 1.0, points=[1 / 3], epsabs=1e-14)[0]
    c = 1 / (energy + 0.25)
    found = truth(problem)
    assert abs(found.cost - ((c * energy - 1) ** 2 + 0.25 * c**2 * energy)) <= found.error
    assert found.error <= 1e-9


@NIGHTLY
def test_truth_where_the_control_jumps():
    """`x' = t u^3 / (1 + u^4)`: with `p = 2 (1 - x(T))`, u*(t) minimises `lambda u^2 / 2 - p t u^3 / (1 + u^4)`.

    It is zero as long as `p t <= lambda / 2 min (1 + u^4) / u = lambda / 2 4 / 3 3^(1/4)`, and then jumps to `u >= 3^(-1/4)`.
    """
    penalty = 0.2
    rate = lambda u: u**3 / (1 + u**4)  # noqa: E731

    def best(drive):
        """The root of the derivative beside the minimum, by Newton's method from above."""
        return brentq(
            lambda u: penalty * u - drive * (3 * u**2 - u**6) / (1 + u**4) ** 2, 3**-0.25 - 0.05, 3**0.25, xtol=1e-15
        )

    def at(p):
        jump = penalty / 2 * 4 / 3 * 3**0.25 / p
        return jump, quad(lambda t: t * rate(best(p * t)), jump, 1.0, epsabs=1e-14, epsrel=1e-13)[0]

    p = brentq(lambda p: p - 2 * (1 - at(p)[1]), 0.5, 2.0, xtol=1e-14)
    jump, end = at(p)
    exact = (1 - end) ** 2 + quad(lambda t: penalty / 2 * best(p * t) ** 2, jump, 1.0, epsabs=1e-14, epsrel=1e-13)[0]
    field = emfc.fields.CustomField(lambda t, u, x: t * u[0] ** 3 / (1 + u[0] ** 4) + 0.0 * x, 1, 1)
    problem = emfc.Problem(field, emfc.laws.Empirical([0.0], [1.0]), emfc.losses.SquaredLoss(), penalty, 1.0)
    found = truth(problem, np.array([0.8]))
    assert abs(found.cost - exact) <= found.error
    assert found.error <= 1e-8
    values = found.control(np.array([jump - 1e-3, jump + 1e-3]))[:, 0]
    assert abs(values[0]) <= 1e-6
    assert values[1] > 0.7


def test_the_start_chooses_the_branch():
    """A symmetric problem: both signs of the control are optimal, and the truth is the one beside the start."""
    field = emfc.fields.CustomField(lambda t, u, x: u[0] ** 2 + 0.0 * x, 1, 1)
    problem = emfc.Problem(field, emfc.laws.Empirical([0.0], [1.0]), emfc.losses.SquaredLoss(), 0.1, 1.0)
    for sign in (1.0, -1.0):
        found = truth(problem, lambda t, sign=sign: np.full((len(t), 1), sign * 0.8))
        assert np.sign(found.control(np.array([0.5]))[0, 0]) == sign


def test_kept_truths_are_those_of_the_numbers(everything):
    rows = table()
    assert len(rows) >= 100
    for number, row in rows.items():
        assert row.name == everything[number].name
    for number in [n for n, row in rows.items() if row.seconds < 0.5 and row.error is not None][:5]:
        again = find(number)
        assert abs(again.cost - rows[number].cost) <= again.error + rows[number].error


def test_kept_truths_come_back(tmp_path):
    rows = {1: Kept("1D; a", 1.5, 1e-12, [[0.5]], 0.1, "how"), 0: Kept("2D; b", None, None, [], 60.0, "why")}
    save(rows, tmp_path / "truths.json")
    assert table(tmp_path / "truths.json") == rows
    assert "1D: 1 problems; relative errors 1 to 1e-11" in summary(rows)
