"""Optima of continuous time: in closed form, as public references, and the orders in which controls of a degree approach them."""

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.flow import Flow, Layer, LayerMap
from eulerian_mfc.flow.polynomials import Basis
from eulerian_mfc.run.case import Case

from .conftest import CONTINUOUS, ROOT, toy_line, toy_mesh
from .test_continuous_time_solvers import bimodal

#: the least `1/2 int u^2 + 2 x^2` over `x' = x/2 + u`, x(0) = 1, T = 1
HAGER = (np.e**3 - 1) / (np.e**3 + 2)
GRID = [0.0, 0.2, 0.45, 0.7, 1.0]


def hager(horizon=1.0):
    """Hager's problem, in units of time in which it lasts `horizon`: rates are divided by it, and the penalty keeps J."""
    nothing = emfc.losses.LabelLoss(lambda x, y: 0.0 * x[:, 0], labels=[0.0])
    square = emfc.losses.LabelLoss(lambda x, y: x[:, 0] ** 2 / horizon, labels=[0.0])
    field = emfc.fields.CustomField(lambda t, u, x: 0.5 * x / horizon + u[0], dim=1, size=1)
    law = emfc.laws.Empirical([[1.0]], [[0.0]])
    return emfc.Problem(field, law, nothing, penalty=horizon, horizon=horizon, running=square)


def hagers_control(t):
    """`u* = 2 (e^{3t} - e^3) / (e^{3t/2} (2 + e^3))`."""
    return 2 * (np.exp(3 * t) - np.e**3) / (np.exp(1.5 * t) * (2 + np.e**3))


@pytest.mark.parametrize("layers", [4, GRID], ids=["equal", "unequal"])
def test_hagers_problem_without_a_mesh(layers):
    times = np.linspace(0.0, 1.0, 100)
    for degree, in_cost, in_control in ((0, 2e-2, 0.4), (1, 5e-5, 0.03), (2, 5e-8, 2e-3), (3, 1e-10, 1e-4)):
        system = emfc.ParticleSystem(hager(), layers, control_degree=degree)
        outcome = emfc.solvers.LBFGS().solve(system, 0.1)
        assert outcome.converged, outcome.message
        assert abs(system.cost(outcome.control).total - HAGER) <= in_cost
        values = system.controls.values(outcome.control, times)[:, 0]
        assert np.abs(values - hagers_control(times)).max() <= in_control


def test_hagers_problem_on_a_mesh():
    """Potentials are squares, which splines hold exactly."""
    solution = emfc.solve(hager(), emfc.CartesianMesh([(-3.0, 3.0)], 120), 4, control_degree=3)
    assert solution.converged, solution.message
    assert abs(solution.cost - HAGER) <= 1e-10
    assert (
        np.abs(solution.theta(np.linspace(0.0, 1.0, 50))[:, 0] - hagers_control(np.linspace(0.0, 1.0, 50))).max()
        <= 1e-4
    )


def test_the_unit_of_time_changes_nothing():
    costs, controls = [], []
    for horizon in (1.0, 7.0):
        layers = [horizon * t for t in GRID]
        system = emfc.ParticleSystem(hager(horizon), layers, control_degree=2)
        outcome = emfc.solvers.LBFGS(tol=1e-11).solve(system, 0.0)
        costs.append(system.cost(outcome.control).total)
        controls.append(horizon * system.controls.values(outcome.control, horizon * np.linspace(0.0, 1.0, 9)))
    assert costs[1] == pytest.approx(costs[0], rel=1e-13)
    np.testing.assert_allclose(controls[1], controls[0], rtol=0, atol=1e-9)


# --- orders in the layers

LAW = emfc.laws.Empirical(
    np.linspace(-1.0, 1.0, 7)[:, None], 1.5 * np.sin(2 * np.linspace(-1.0, 1.0, 7)[:, None]) + 0.2
)
SQUARES = emfc.losses.SquaredLoss()


def moving(t, u, x):
    return np.cos(2 * t) * np.sin(x) * u[0] + np.tanh(u[1] * x + t)


PROBLEMS = {
    "autonomous": emfc.Problem(emfc.fields.NeuralField(1), LAW, SQUARES, 1.0, 1.0),
    "field that depends on time": emfc.Problem(emfc.fields.CustomField(moving, 1, 2), LAW, SQUARES, 1.0, 1.0),
    "running loss": emfc.Problem(emfc.fields.NeuralField(1), LAW, SQUARES, 1.0, 1.0, running=SQUARES),
}


def optimum(problem, layers, degree, substeps):
    """The least cost, with characteristics that are far more accurate than the control."""
    system = emfc.ParticleSystem(problem, layers, control_degree=degree, layer_map=LayerMap("dop853", substeps))
    outcome = emfc.solvers.LBFGS(tol=1e-10).solve(system, 0.1)
    assert outcome.converged, outcome.message
    return system.cost(outcome.control).total


@pytest.mark.parametrize("name", PROBLEMS)
def test_orders_in_the_layers(name):
    """J of controls of degree k approaches that of continuous time with order 2 k + 2."""
    problem = PROBLEMS[name]
    reference, other = optimum(problem, 4, 5, 3), optimum(problem, 5, 4, 3)
    assert abs(reference - other) <= 1e-13  # two spaces of far higher order agree
    for degree, layers in ((0, (4, 8)), (1, (4, 8)), (2, (2, 4))):
        costs = np.array([optimum(problem, n, degree, max(1, 4 // n)) for n in layers])
        errors = np.abs(costs - reference)
        rate = np.log2(errors[0] / errors[1])
        assert abs(rate - (2 * degree + 2)) <= 0.2, (degree, errors, rate)


# --- the origin of time


@pytest.mark.parametrize("method", ["rk4", "dop853"])
def test_the_origin_of_time_changes_no_layer(method):
    """A layer from s with F(t - s) is the layer from 0 with F(t): its end points, and both transposed derivatives."""
    rng, shift = np.random.default_rng(0), 0.75  # a power of two, so that t - s is exact
    x, p, theta = rng.normal(size=(5, 1)), rng.normal(size=(5, 1)), rng.normal(size=(4, 2))
    late = emfc.fields.CustomField(lambda t, u, x: moving(t - shift, u, x), 1, 2)
    results = []
    for field, start in ((emfc.fields.CustomField(moving, 1, 2), 0.0), (late, shift)):
        flow = Flow(field, LayerMap(method, 4))
        end, pull = flow.trace(Layer(start, 0.5, theta, Basis(3)), x)
        results.append(np.concatenate([part.ravel() for part in (end, *pull(p))]))
    np.testing.assert_allclose(results[1], results[0], rtol=0, atol=1e-14)


@pytest.mark.parametrize("degree", [0, 2])
def test_waiting_before_the_start_changes_nothing(degree):
    """A field that begins to act at t = s, on layers that begin there: J is the same, and so is the control, later."""

    def field(shift):
        """`sin(t - s) tanh(u x + t - s) + u (t - s)` after s, zero before; it is continuous."""
        return emfc.fields.CustomField(
            lambda t, u, x: max(0.0, np.sin(t - shift)) * (np.tanh(u[0] * x + (t - shift)) + u[1]), 1, 2
        )

    found = []
    for shift in (0.0, 0.5):
        layers = [*([0.0] if shift else []), *(shift + np.array([0.0, 0.25, 0.5, 1.0]))]
        problem = emfc.Problem(field(shift), LAW, SQUARES, 0.5, 1.0 + shift)
        system = emfc.ParticleSystem(problem, layers, control_degree=degree)
        outcome = emfc.solvers.LBFGS(tol=1e-11).solve(system, 0.1)
        assert outcome.converged, outcome.message
        if shift:
            assert np.abs(outcome.control[0]).max() <= 1e-9
        found.append((system.cost(outcome.control).total, outcome.control[-3:]))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-12)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=0, atol=1e-8)


# --- public references

CASES = {
    "toy_line_nobias_1": (lambda: (toy_line(), toy_mesh(160)), 1e-11),
    "bimodal_1d_0.2": (lambda: (bimodal(), emfc.CartesianMesh([(-4.0, 4.0)], 160)), 2e-10),
    "truncated_bimodal_1d_0.2": (lambda: built("truncated_bimodal_1d"), 2e-10),
    "truncated_unimodal_1d_0.2": (lambda: built("truncated_unimodal_1d"), 2e-9),
}


def built(name):
    problem, options = Case.load(ROOT / "cases" / f"{name}.py").build()
    return problem, options["mesh"]


@pytest.mark.parametrize(("layers", "degree"), [(4, 2), (2, 3)])
@pytest.mark.parametrize("name", CASES)
def test_references_of_continuous_time(name, layers, degree):
    """160 cells on a line: few layers of a high degree are as accurate as the mesh."""
    make, error = CASES[name]
    problem, mesh = make()
    assert mesh.shape == (160,)
    solution = emfc.solve(problem, mesh, layers, control_degree=degree)
    assert solution.converged, solution.message
    assert abs(solution.cost - CONTINUOUS[name]["cost"]) <= error
    values = solution.theta(np.array([0.0, 0.25, 0.5, 0.75, 1.0]))
    assert np.abs(values - CONTINUOUS[name]["control"]).max() <= 2e-4
    assert solution.checks.mass_drift <= 1e-12
    assert solution.checks.duality_drift <= 1e-12
