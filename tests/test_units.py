"""What is said of a problem does not change with its units: of x, t, the loss and theta.

Units are powers of two, so that every number of a run is multiplied by a power of two as well, exactly: words, counts and
dimensionless numbers must then be the same, and an absolute number anywhere on the way shows.
"""

import os
import re
import warnings
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import skfem

import eulerian_mfc as emfc
from eulerian_mfc import solvers
from eulerian_mfc.control.curves import Curves
from eulerian_mfc.derivatives import differences
from eulerian_mfc.diagnostics import maximum_principle
from eulerian_mfc.diagnostics.stability import analyse
from eulerian_mfc.errors import EulerianWarning, SteepControlWarning
from eulerian_mfc.fields import Direction
from eulerian_mfc.losses.readout_training import Heads, Training
from eulerian_mfc.scales import Scales

from .conftest import toy_line, toy_mesh

#: 1,048,576 and its inverse
MANY, FEW = 2.0**20, 2.0**-20
#: in the nightly environment every unit by itself, else both directions at once
UNITS = (
    [{unit: factor} for unit in ("x", "t", "loss", "theta") for factor in (MANY, FEW)]
    if os.environ.get("EMFC_FUZZ")
    else [{"x": MANY, "t": FEW, "loss": FEW, "theta": FEW}, {"x": FEW, "t": MANY, "loss": MANY, "theta": MANY}]
)
ids = lambda units: ", ".join(f"{name} {factor:.0e}" for name, factor in units.items())  # noqa: E731


@dataclass(frozen=True)
class Line:
    """The docs' line problem in other units: `tanh(theta x)`, N(0, 1), labels sign(x), penalty 0.02."""

    x: float = 1.0
    t: float = 1.0
    loss: float = 1.0
    theta: float = 1.0

    def field(self, t, theta, x):
        return (self.x / self.t) * np.tanh((theta[0] / self.theta) * (x / self.x))

    def label(self, x):
        return self.x * np.sign(x)

    @property
    def problem(self):
        return emfc.Problem(
            emfc.fields.CustomField(self.field, 1, 1, autonomous=True),
            emfc.laws.Labelled(emfc.laws.Gaussian([0.0], self.x), self.label, breaks=[0.0]),
            Times(emfc.losses.SquaredLoss(), self.loss / self.x**2),
            0.02 * self.loss / (self.theta**2 * self.t),
            self.t,
        )

    @property
    def mesh(self):
        return emfc.CartesianMesh([(-8 * self.x, 8 * self.x)], 48)

    def solve(self, solver=None, layers=4, start=-0.2, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EulerianWarning)
            return emfc.solve(self.problem, self.mesh, layers, initial=start * self.theta, solver=solver, **options)


class Times(emfc.losses.Loss):
    """A loss in other units."""

    def __init__(self, loss, factor):
        self.loss, self.factor = loss, factor

    def value(self, x, y):
        return self.factor * self.loss.value(x, y)

    def gradient(self, x, y):
        return self.factor * self.loss.gradient(x, y)

    def separate(self, *given):
        form = self.loss.separate(*given)
        scaled = lambda function: lambda z: self.factor * function(z)  # noqa: E731
        names = ("terminal", "offset", "terminal_gradient")
        return form._replace(**{name: scaled(getattr(form, name)) for name in names})


def words(sentences):
    """The sentences without their numbers."""
    return [re.sub(r"-?\d[\d.e+-]*", "#", sentence) for sentence in sentences]


def of_a_solution(line):
    """Words and dimensionless numbers of a solution and of all that is asked of it."""
    solution = line.solve()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EulerianWarning)
        certificate, principle = solution.certificate, solution.maximum_principle(starts=4)
        told = [*words(solution.verdict()), *words(principle.sentences())]
        checks = [getattr(certificate, name) for name in ("most_negative", "hamiltonian_drift", "mass_near_boundary")]
        facts = [certificate.hessian_smallest, certificate.shooting_eigenvalue, certificate.shooting_largest]
        numbers = {
            "J": solution.cost / line.loss,
            "theta": solution.control.ravel() / line.theta,
            "iterations": len(solution.history),
            "evaluations": solution.history[-1].evaluations,
            "checks": checks,
            "stability": [*facts, certificate.index],
            "maximum": principle.excess * line.t / line.loss,
            "maximiser": principle.maximiser.ravel() / line.theta,
            "drift and gap": [principle.drift, principle.sigma_gap],
            "slope": solution.taylor_slope(),
            "budget": [c.error / line.loss for c in solution.error_budget().contributions],
        }
    return [solution.converged, *told], numbers


def of_solvers(line):
    out, numbers = [], {}
    for solver in (
        solvers.Shooting(),
        solvers.Shooting(relaxation="auto"),
        solvers.Shooting(anderson=3),
        solvers.NewtonKrylov(),
        solvers.NewtonCG(),
        solvers.GradientFlow(),
        solvers.GradientFlow(rule="armijo"),
        solvers.ProximalGradient(),
        solvers.SuccessiveApproximations(),
        solvers.Direct(),
        solvers.Direct(method="SLSQP"),
    ):
        solution = line.solve(solver, layers=2)
        out.append((repr(solver), solution.converged, *words([solution.message])))
        numbers[repr(solver)] = [solution.cost / line.loss, len(solution.history), solution.history[-1].evaluations]
    return out, numbers


def of_another_pair(line):
    """Finite volumes beside splines: no adjoint pair, so that gradients are differenced."""
    solution = line.solve(continuity=emfc.continuity.FiniteVolume("muscl"))
    stability = solution.stability
    told = [solution.converged, solution.certificate.kind, *words([solution.message])]
    numbers = [solution.cost / line.loss, stability.hessian_smallest, stability.shooting_eigenvalue]
    return told, {"muscl": numbers}


def of_many_starts(line):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = emfc.multistart(line.problem, line.mesh, 4, starts=5)
    costs = [solution.cost / line.loss for solution in found]
    sentences = words(str(warning.message) for warning in told)
    return [len(found), [p.starts for p in found.points], len(found.failed), *sentences], {"costs": costs}


@pytest.fixture(scope="module")
def reference():
    """What is said of the problem in its own units, by question."""
    return {}


@pytest.mark.parametrize("question", [of_a_solution, of_solvers, of_another_pair, of_many_starts])
@pytest.mark.parametrize("units", UNITS, ids=ids)
def test_words_and_dimensionless_numbers_are_the_same_in_all_units(units, question, reference):
    if question not in reference:
        reference[question] = question(Line())
    told, numbers = question(Line(**units))
    expected, known = reference[question]
    assert told == expected
    for name, value in numbers.items():
        np.testing.assert_allclose(value, known[name], rtol=1e-9, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("s", [1e-6, 1e-3, 1e3, 1e6])
def test_the_package_s_own_field_in_other_units_of_x(s):
    """A field `s tanh(theta x)`, law and labels times s, penalty times s^4, start over s: J / s^2, and words, as for s = 1."""
    told = []
    for unit in (1.0, s):
        law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], unit), lambda x, unit=unit: unit * np.sign(x), breaks=[0.0])
        field = unit * emfc.fields.NeuralField(1, bias=False)
        problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), 0.02 * unit**4, 1.0)
        solution = emfc.solve(problem, emfc.CartesianMesh([(-8 * unit, 8 * unit)], 60), 10, initial=-0.2 / unit)
        assert solution.converged
        principle = solution.maximum_principle(starts=8)
        told.append((solution.cost / unit**2, *words(principle.sentences()[:1]), principle.excess.max() / unit**2))
        assert 1.97 <= solution.taylor_slope() <= 2.03
    assert told[1][1] == told[0][1]
    np.testing.assert_allclose(told[1][::2], told[0][::2], rtol=1e-8)


@pytest.mark.parametrize(("theta", "x"), [(1e-6, 1.0), (1e12, 1.0), (1.0, 1e-6), (1.0, 1e12), (1e-6, 1e6)])
@pytest.mark.parametrize("at", [0.0, 1e-9, 0.3, 20.0])
def test_second_derivatives_of_a_users_field_are_those_of_the_compiled_one(at, theta, x):
    """`tanh(theta x)` from a function, in units, against the package's own, whose derivatives are written out."""
    exact, line = emfc.fields.NeuralField(1, bias=False), Line(x=x, theta=theta)
    own = emfc.fields.CustomField(
        line.field, 1, 1,
        lambda t, c, z: ((c[0] / theta) * (1 - np.tanh(c[0] / theta * z / x) ** 2))[:, :, None],
        lambda t, c, z: (z / theta * (1 - np.tanh(c[0] / theta * z / x) ** 2))[:, :, None],
    )  # fmt: skip
    rng = np.random.default_rng(0)
    points, covectors, dx, dp = rng.normal(size=(4, 50, 1))
    here, by = np.array([at]), np.array([0.7])
    exact_at, along = exact.at(0.0, here, points), Direction(by, dx)
    expected = exact.pullback_tangent(exact_at, covectors, along, dp)
    own_at, moves = own.at(0.0, here * theta, points * x), Direction(by * theta, dx * x)
    found = own.pullback_tangent(own_at, covectors / x, moves, dp / x)
    for mine, truth, unit in zip(found, expected, (x, theta), strict=True):
        np.testing.assert_allclose(mine * unit, truth, rtol=0, atol=1e-9 * np.abs(truth).max())
    moved = own.tangent(own_at, moves)
    known = exact.tangent(exact_at, along)
    np.testing.assert_allclose(moved / x, known, rtol=0, atol=1e-14 * np.abs(known).max())


class Plain(emfc.fields.Field):
    """Another field's values and pull-back, and nothing else."""

    def __init__(self, field):
        self.field, self.dim = field, field.dim

    @property
    def parameters(self):
        return self.field.parameters

    def __call__(self, t, theta, x):
        return self.field(t, theta, x)

    def pullback(self, at, p):
        return self.field.pullback(at, p)


def hidden(t, c, x):
    return c[2] * np.tanh(c[0] * x + c[1]) + c[3]


@pytest.mark.parametrize("own", [Plain(emfc.fields.BottleneckField(1, 1)), emfc.fields.CustomField(hidden, 1, 4)])
@pytest.mark.parametrize("at", [[0.3, 1e-17, 0.2, -2e-17], [1e-15, 0.0, 0.0, 0.0], [0.3, 0.1, -0.2, 0.4]])
def test_round_off_in_what_cancels_does_not_choose_the_step(own, at):
    """At symmetric optima sums over points vanish but for round-off, in some parameters: those must not be followed."""
    exact, theta = emfc.fields.BottleneckField(1, 1), np.array(at)
    half = np.random.default_rng(0).normal(size=(100, 1))
    x, p = np.concatenate([half, -half]), np.concatenate([half**2, -(half**2)])
    dx, dp, still = 0.3 * np.concatenate([half, -half]), np.zeros((200, 1)), np.zeros((200, 1))
    for direction in (*np.eye(4), np.array([1.0, -2.0, 0.5, 0.3])):
        for move in (still, dx):
            along = Direction(direction, move)
            expected = exact.pullback_tangent(exact.at(0.0, theta, x), p, along, dp)
            found = own.pullback_tangent(own.at(0.0, theta, x), p, along, dp)
            for mine, truth in zip(found, expected, strict=True):
                np.testing.assert_allclose(mine, truth, rtol=0, atol=1e-8)


def test_linear_controls_have_their_second_derivatives_at_any_width():
    """Bumps of width 0.01 among points of size 1, and polynomials, against the package's own fields."""
    rng = np.random.default_rng(0)
    width, centre = 0.01, 0.2
    bump = emfc.fields.RadialBasisField([(centre,)], width)
    own = emfc.fields.LinearControlField(
        [lambda x: np.exp(-(((x - centre) / width) ** 2))], 1,
        [lambda x: (-2 * (x - centre) / width**2 * np.exp(-(((x - centre) / width) ** 2)))[:, :, None]],
    )  # fmt: skip
    x = np.concatenate([rng.normal(size=(40, 1)), centre + width * rng.normal(size=(40, 1))])
    p, dx, dp = rng.normal(size=(3, 80, 1))
    theta, by = np.array([0.7]), np.array([-0.4])
    bump_at, own_at, along = bump.at(0.0, theta, x), own.at(0.0, theta, x), Direction(by, dx)
    expected = bump.pullback_tangent(bump_at, p, along, dp)
    found = own.pullback_tangent(own_at, p, along, dp)
    for mine, truth in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, truth, rtol=0, atol=1e-8 * np.abs(truth).max())
    np.testing.assert_allclose(own.tangent(own_at, along), bump.tangent(bump_at, along), rtol=1e-12)


@pytest.mark.parametrize("width", [1e-8, 1e-2, 1.0, 1e8])
@pytest.mark.parametrize("guess", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (np.sin, 1.0),
        (np.cos, 0.0),
        (np.exp, 1.0),
        (lambda s: 1e-3 + np.tanh(s), 1.0),
        (lambda s: 5.0 + 3.0 * s, 3.0),
        (lambda s: s**2 - s, -1.0),
        (lambda s: np.exp(-((s - 0.5) ** 2)), np.exp(-0.25)),
        (lambda s: 0.0 * s + 7.0, 0.0),
    ],
)
def test_differences_find_their_step(function, derivative, width, guess):
    """Derivatives at zero of functions of `s / width`, the guess wrong by up to 20 powers of ten."""
    (found,) = differences.along(lambda s: (np.array([[function(s / width)]]),), guess)
    assert found[0, 0] * width == pytest.approx(derivative, abs=2e-10)


def test_hessians_of_linear_controls_in_units_of_x():
    """`u sin x`: the smallest eigenvalue of the reduced Hessian has no unit."""
    found = []
    for unit in (1.0, 1e3, 1e8):
        field = emfc.fields.LinearControlField([lambda x, s=unit: s * np.sin(2 * x / s)], 1)
        law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], unit), lambda x, s=unit: s * np.sign(x), breaks=[0.0])
        problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), 0.005 * unit**2, 1.0)
        system = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-8 * unit, 8 * unit)], 48), 3)
        assert system.hessian(1.5).exact
        found.append(analyse(system, system.control(1.5)).hessian_smallest)
    assert found[0] < -5
    np.testing.assert_allclose(found, found[0], rtol=1e-8)


def test_scales_are_those_of_the_law_and_of_the_field():
    """N(0, 2), T = 4: `theta x` moves by the law's size for theta = 1/4, and so does each of two factors of one (1/2)."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([3.0, 0.0], [2.0, 2.0]), lambda x: x)

    def scales(function, size, penalty=1.0):
        field = emfc.fields.CustomField(function, 2, size)
        return emfc.Problem(field, law, emfc.losses.SquaredLoss(), penalty, 4.0).scales

    centred = np.array([3.0, 0.0])
    assert isinstance(scales(lambda t, c, x: c[0] * x, 1), Scales)
    np.testing.assert_allclose(scales(lambda t, c, x: c[0] * x, 1).state, 2.0, rtol=0.25)
    np.testing.assert_allclose(scales(lambda t, c, x: c[0] * (x - centred), 1).control, 0.25, rtol=0.25)
    assert 0.05 <= scales(lambda t, c, x: c[0] * c[1] * (x - centred), 2).control.prod() <= 1.25
    two = scales(lambda t, c, x: c[0] * c[1] * (x - centred), 2, [1.0, 1e-8]).control
    assert two[1] / two[0] == pytest.approx(1e4)  # dear ones are smaller
    # A field that saturates bends long before it moves points by their size.
    assert 0.3 <= scales(lambda t, c, x: 1e-6 * np.tanh(c[0] * (x - centred)), 1).control[0] <= 3
    # One that does nothing has the size that costs 1.
    np.testing.assert_allclose(scales(lambda t, c, x: 0 * x, 1, 4.0).control, 0.5)


def test_parameters_in_different_units_are_found_to_the_same_accuracy():
    """Two independent coordinates, x1 in units of 1e-10: neither hides the other's residual, in a warm start either."""
    unit = np.array([1e10, 1.0])  # sizes of x1 and x2, in their own units
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0, 0.0], 0.3 * unit), np.array([[0.5, 0.5]]) * unit)
    loss = emfc.losses.LabelLoss(lambda x, y: (((x - y) / unit) ** 2).sum(axis=1), np.array([[0.5, 0.5]]) * unit)
    problem = emfc.Problem(emfc.fields.AffineField(2, matrix=False), law, loss, 0.5 / unit**2, 1.0)
    mesh = emfc.CartesianMesh([(-3 * u, 3 * u) for u in unit], 48)
    exact = 2 * 0.5 / (2 + 0.5) * unit  # of `|theta - 1/2|^2 + |theta|^2 / 4`
    for solver in (
        None,
        solvers.NewtonKrylov(),
        solvers.Direct(),
        solvers.GradientFlow(),
        solvers.Shooting(relaxation=0.3),
    ):
        for first in ([0.0, 0.0], exact * [1.0, 0.94], exact * [0.94, 1.0]):
            solution = emfc.solve(problem, mesh, 2, initial=first, solver=solver)
            assert solution.converged, solution.message
            np.testing.assert_allclose(solution.control / unit, exact / unit * np.ones((2, 2)), rtol=2e-6)


@pytest.mark.parametrize("unit", [1e-10, 1.0, 1e10])
def test_a_control_held_by_its_bound_is_a_minimum_in_all_units(unit):
    """A particle pushed towards its label, the control's bound half way: strictly held, no saddle."""
    law = emfc.laws.Empirical([[0.0], [0.1 * unit]], [[unit], [unit]])
    field = emfc.fields.AffineField(1, matrix=False)
    problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), 0.3, 1.0, bounds=(-0.5 * unit, 0.5 * unit))
    solution = emfc.solve(problem, emfc.CartesianMesh([(-4 * unit, 4 * unit)], 40), 2, initial=0.1 * unit)
    assert solution.converged, solution.message
    np.testing.assert_allclose(solution.control, 0.5 * unit)
    assert solution.certificate.kind == "strict local minimum"
    assert np.isinf(solution.stability.hessian_smallest)


@pytest.mark.parametrize("unit", [1e-16, 1e-11, 1.0, 1e11])
@pytest.mark.parametrize("length", [1e-8, 1.0, 1e8])
def test_a_read_out_is_trained_in_all_units(unit, length):
    """Ridge regression by its normal equations, in units of the loss and of x (with the penalty's too small to be felt)."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 1)), rng.normal(size=40)
    heads = Heads(
        lambda z: unit * np.stack([z[:, 0] ** 2, -2 * z[:, 0]]),
        lambda z: unit * np.stack([2 * z, np.full_like(z, -2)]),
        lambda z, m: 2 * unit * m[0][:, None, None],
    )
    masses = np.stack([np.full(40, 1 / 40), y / 40])
    fit = Training(heads, 1, 1, 1e-30 * unit).fit(length * x, masses)
    exact = np.linalg.lstsq(np.concatenate([x, np.ones((40, 1))], axis=1), y, rcond=None)[0]
    np.testing.assert_allclose(fit.parameters[0] * [length, 1.0], exact, rtol=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f,
        lambda f: 1.0 * f,
        lambda f: f + emfc.fields.AffineField(1),
        lambda f: emfc.fields.AffineField(1) + 2.0 * f,
        lambda f: 0.5 * (1.0 * f + f),
    ],
)
def test_sums_and_scalings_keep_the_warning_of_steep_controls(change):
    """A control of 30 on cells of 0.2 is steep, whatever the field is a part of; parameters beside the weights are not."""
    field = change(emfc.fields.NeuralField(1))
    names = [re.sub(r" \(\d\)", "", name) for name in field.parameter_names]
    control = np.array([[30.0 if name == "W" else 0.1 for name in names]])
    from eulerian_mfc.diagnostics.warnings_of import of_the_mesh

    mesh, law = toy_mesh(80), toy_line().law
    checks = SimpleNamespace(mass_crossed=0.0, mass_near_boundary=0.0)
    system = SimpleNamespace(problem=SimpleNamespace(law=law, field=field))
    known = {"mesh": mesh, "numerics": SimpleNamespace(curves=Curves(1.0, 1)), "checks": checks, "solved": False}
    found = of_the_mesh(system, SimpleNamespace(control=control, **known))
    assert [type(warning) for warning in found] == [SteepControlWarning]
    assert "|W| h = 6" in str(found[0])
    others = SimpleNamespace(control=40.1 - control, **known)
    steep = [name for name in names if name == "W"]
    assert len(of_the_mesh(system, others)) == (1 if 10.1 * 0.2 > 1 and steep else 0)


@pytest.mark.parametrize(
    "transport", [emfc.transport.SemiLagrangian(1), emfc.transport.SemiLagrangian(3, "lagrange"), None], ids=repr
)
def test_a_mirrored_problem_has_the_same_drift(transport):
    """`x -> -x`: the Hamiltonian is the same, also where gradients jump at the nodes."""
    drifts = []
    for sign in (1.0, -1.0):
        law = emfc.laws.Labelled(emfc.laws.Gaussian([0.7 * sign], 0.6), lambda x, s=sign: s * np.sin(2 * s * x))
        problem = emfc.Problem(emfc.fields.AffineField(1), law, emfc.losses.SquaredLoss(), 0.3, 1.0)
        system = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-6.0, 6.0)], 40), 4, transport=transport)
        control = np.stack([np.linspace(0.2, -0.4, 4), sign * np.linspace(0.1, 0.5, 4)], axis=1)
        found = maximum_principle.check(system, control, starts=0)
        drifts.append([found.drift, found.sigma_gap])
    np.testing.assert_allclose(drifts[1], drifts[0], rtol=1e-6, atol=1e-13)


def test_one_layer_has_a_drift_too():
    """A layer so coarse that its two ends disagree: one layer is no proof of a Hamiltonian that does not change."""
    solution = emfc.solve(toy_line(penalty=0.3), emfc.CartesianMesh([(-10.0, 10.0)], 20), 1)
    fine = emfc.solve(toy_line(penalty=0.3), toy_mesh(), 1)
    assert solution.checks.hamiltonian_drift > 1e-4
    assert fine.checks.hamiltonian_drift < 0.1 * solution.checks.hamiltonian_drift


@pytest.mark.parametrize(
    ("scheme", "kinks"),
    [
        (emfc.transport.SemiLagrangian(1), True),
        (emfc.transport.SemiLagrangian(3, "lagrange"), True),
        (emfc.transport.SemiLagrangian(5, "lagrange"), True),
        (emfc.transport.SemiLagrangian(3), False),
        (emfc.transport.SemiLagrangian(5), False),
        (emfc.transport.Elements(2), True),
    ],
    ids=repr,
)
def test_schemes_tell_whether_the_cost_has_kinks(scheme, kinks):
    """One particle at a node, with a field that shifts it: slopes of J left and right of the control zero."""
    problem = emfc.Problem(
        emfc.fields.AffineField(1, matrix=False), emfc.laws.Empirical([[0.0]], [[1.3]]),
        emfc.losses.LabelLoss(lambda x, y: np.cos(3 * x[:, 0] - y[0]), [1.3]), 1.0, 1.0,
    )  # fmt: skip
    nodes = np.linspace(-2.0, 2.0, 21)
    mesh = (
        emfc.SimplexMesh(skfem.MeshLine(nodes))
        if isinstance(scheme, emfc.transport.Elements)
        else emfc.CartesianMesh([(-2.1, 2.1)], 21)
    )
    system = emfc.OptimalitySystem(problem, mesh, 1, transport=scheme)
    right, left = (system.cost_and_gradient(np.array([[side]]))[1][0, 0] for side in (1e-7, -1e-7))
    assert system.kinks == kinks == (abs(right - left) > 1e-4)


def test_no_second_order_facts_at_a_kink_of_linear_interpolation():
    """Labels x: the optimum is zero, where all feet are at nodes: a kink, at which no Hessian is right."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.3], 1.0), lambda x: x)
    problem = emfc.Problem(emfc.fields.AffineField(1, matrix=False), law, emfc.losses.SquaredLoss(), 0.2, 1.0)
    solution = emfc.solve(problem, emfc.CartesianMesh([(-8.0, 8.0)], 40), 4, transport=emfc.transport.SemiLagrangian(1))
    np.testing.assert_allclose(solution.control, 0.0, atol=1e-9)
    assert not solution.stability.known
    assert not any("igenvalue" in sentence for sentence in solution.verdict())


def test_labels_are_told_apart_in_their_own_units():
    """A label that is not in the list is refused, however small labels are."""
    loss = emfc.losses.LabelLoss(lambda x, y: (x[:, 0] - y[0]) ** 2, [-1e-12, 1e-12])
    with pytest.raises(emfc.errors.ArgumentError, match="labels"):
        loss.value(np.zeros((1, 1)), np.array([[0.5e-12]]))
    assert loss.value(np.zeros((1, 1)), np.array([[1e-12]]))[0] == pytest.approx(1e-24)


def test_replacing_a_field_of_a_problem_makes_new_scales():
    """Scales are known once for a problem, not for its copies with other arguments."""
    problem = Line().problem
    longer = replace(problem, horizon=2.0)
    np.testing.assert_allclose(longer.scales.control, problem.scales.control / 2, rtol=1e-12)
