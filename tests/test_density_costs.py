"""Costs of the density: values against closed forms, derivatives against differences, optima, and what is refused."""

import json

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss

import eulerian_mfc as emfc
from eulerian_mfc import CartesianMesh, LayerMap, OptimalitySystem, losses, solvers
from eulerian_mfc.errors import ArgumentError, DensityFloorWarning
from eulerian_mfc.fields import AffineField
from eulerian_mfc.laws import Empirical, Gaussian, GaussianMixture, Labelled, Law, Rule, Uniform, UniformBall
from eulerian_mfc.losses.divergence import entropy
from eulerian_mfc.losses.likelihood import interpolation, logarithm

from .simplices import box


class Cubic(losses.DensityCost):
    """A user's cost, without second derivatives."""

    def cost(self, density):
        return float(density.volumes @ density.values**3)

    def potential(self, density):
        return 3.0 * density.values**2


class Wrong(Cubic):
    def potential(self, density):
        return 3.001 * density.values**2


class WrongTangent(losses.Congestion):
    def tangent(self, density, dmasses):
        return 1.001 * super().tangent(density, dmasses)


class Coin(Law):
    """A user's law, without a density."""

    dim = 1

    def quadrature(self, lines=None, breaks=None):
        return Rule(np.array([[-1.0], [1.0]]), np.full(2, 0.5), np.zeros(2, dtype=int))

    def draw(self, n, rng):
        return rng.choice([-1.0, 1.0], size=(n, 1)), np.zeros(n, dtype=int)

    def box(self, tolerance):
        return np.array([[-1.0, 1.0]])


def wide(dim):
    return Gaussian([0.4] * dim, 1.1)


def pair(dim):
    return GaussianMixture([[0.8] * dim, [-0.9] * dim], 0.6, [0.3, 0.7])


def distance(x):
    """A normal density as a function of points, close to that of a law."""
    return np.exp(-0.5 * (x**2).sum(axis=1)) / (2.0 * np.pi) ** (x.shape[1] / 2)


#: the costs by name, as functions of the dimension
COSTS = {
    "squared distance to a law": lambda dim: losses.SquaredDensityDistance(pair(dim)),
    "squared distance to a function": lambda dim: losses.SquaredDensityDistance(distance),
    "discrepancy to normal laws": lambda dim: losses.MaximumMeanDiscrepancy(pair(dim), 0.7),
    "discrepancy to a law": lambda dim: losses.MaximumMeanDiscrepancy(Uniform([(-1.0, 0.5)] * dim), 0.7),
    "discrepancy to samples": lambda dim: losses.MaximumMeanDiscrepancy(pair(dim).sample(30, seed=0), 0.7),
    "divergence": lambda dim: losses.KullbackLeibler(wide(dim), floor=1e-3),
    "congestion": lambda dim: losses.Congestion(),
    "congestion of power 3": lambda dim: losses.Congestion(3.0),
    "likelihood": lambda dim: losses.LogLikelihood(0.6 * pair(dim).sample(20, seed=0), floor=1e-2),
    "of a user": lambda dim: Cubic(),
    "sum": lambda dim: losses.SquaredLoss() + 0.3 * losses.Congestion() + 2.0 * losses.MaximumMeanDiscrepancy([[0.0] * dim], 0.7),
    "sum with a trained read-out": lambda dim: losses.SquaredLoss(losses.TrainedReadout(0.1)) + 0.3 * losses.Congestion(),
}  # fmt: skip

MESHES = {
    "line": lambda: CartesianMesh([(-6.0, 6.0)], 60),
    "square": lambda: CartesianMesh([(-5.0, 5.0)] * 2, 24),
    "intervals": lambda: box(1, 50, low=-5.0, high=5.0, shake=0.1),
    "triangles": lambda: box(2, 16, low=-5.0, high=5.0, shake=0.1),
}


def problem(loss, dim=1, **changes):
    law = Labelled(GaussianMixture([[0.3] * dim, [-0.5] * dim], 0.6), [[0.5] * dim, [-0.2] * dim])
    return emfc.Problem(AffineField(dim), law, loss, **{"penalty": 0.2, "horizon": 0.5, **changes})


def system(loss, mesh="line", layers=2, running=None, **options):
    domain = MESHES[mesh]()
    return OptimalitySystem(problem(loss, domain.dim, running=running), domain, layers, **options)


def controls(given, seed=0):
    rng = np.random.default_rng(seed)
    shape = given.controls.shape
    return 0.2 * rng.normal(size=shape), rng.normal(size=shape)


def along(function, theta, direction, step):
    """The derivative of a function along a direction, by differences of order four."""
    ends = [function(theta + k * step * direction) for k in (1, -1, 2, -2)]
    return (8.0 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / (12.0 * step)


def test_every_cost_is_tested():
    made = {type(cost) for make in COSTS.values() for _, cost in losses.density_costs(make(1))}
    known = {kind for kind in losses.REGISTRY.values() if issubclass(kind, losses.DensityCost)}
    assert made >= known


# --- derivatives


#: what is refused, see below: the likelihood on simplices, read-outs that are trained at all times, targets on coarse cells
GRADIENTS = [
    (name, mesh, where)
    for name in COSTS for mesh in MESHES for where in ("final", "running")
    if not (name == "likelihood" and mesh in ("intervals", "triangles"))
    and not (name == "sum with a trained read-out" and where == "running")
    and not (name.startswith("squared distance") and mesh == "triangles")
]  # fmt: skip


@pytest.mark.parametrize(("name", "mesh", "where"), GRADIENTS)
def test_gradients(name, mesh, where):
    """Of the discrete cost; on simplices J has kinks, so the steps are short there."""
    simplices = mesh in ("intervals", "triangles")
    cost = COSTS[name](MESHES[mesh]().dim)
    given = system(cost, mesh) if where == "final" else system(losses.SquaredLoss(), mesh, running=cost)
    theta, direction = controls(given)
    found = float(np.vdot(given.cost_and_gradient(theta)[1], direction))
    expected = along(lambda control: given.cost(control).total, theta, direction, 1e-5 if simplices else 1e-3)
    assert found == pytest.approx(expected, rel=1e-7 if simplices else 1e-8)


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize(
    "options", [{}, {"control_degree": 1, "layer_map": LayerMap("rk4", 2)}], ids=["steps", "degree 1"]
)
def test_hessian_products(name, options):
    """Final and running costs together, against differences of gradients, and symmetric."""
    cost = COSTS[name](1)
    running = None if name == "sum with a trained read-out" else losses.StateLoss(lambda x: x[:, 0] ** 2) + cost
    given = system(cost, running=running, **options)
    theta, direction = controls(given)
    hessian = given.hessian(theta)
    assert hessian.exact == (name != "of a user")
    found = hessian.product(direction)
    expected = along(lambda control: given.cost_and_gradient(control)[1], theta, direction, 1e-4)
    np.testing.assert_allclose(found, expected, rtol=0, atol=(1e-8 if hessian.exact else 1e-5) * np.abs(found).max())
    other = controls(given, 1)[1]
    if hessian.exact:
        symmetric = np.vdot(other, found) - np.vdot(direction, hessian.product(other))
        assert abs(symmetric) <= 1e-12 * np.abs(found).max() * np.abs(other).sum()


@pytest.mark.parametrize(
    "options", [{}, {"control_degree": 1, "layer_map": LayerMap("rk4", 2)}], ids=["steps", "degree 1"]
)
def test_hamiltonians_of_layers_have_the_gradient_of_the_cost(options):
    given = system(losses.KullbackLeibler(wide(1), floor=1e-3), running=losses.Congestion(), **options)
    theta, _ = controls(given)
    cost, gradient = given.cost_and_gradient(theta)
    again, rows, _ = given.layer_updates(theta)
    assert again == pytest.approx(cost, rel=1e-14)
    np.testing.assert_allclose(rows, gradient, rtol=0, atol=1e-13)


def test_gradients_need_few_states():
    """Checkpoints: the masses at both ends of a step are those of the sweep."""
    full = system(losses.SquaredLoss(), layers=5, running=losses.Congestion())
    theta, _ = controls(full)
    small = system(losses.SquaredLoss(), layers=5, running=losses.Congestion(), memory=1)
    assert small.kept_states == 1
    np.testing.assert_array_equal(small.cost_and_gradient(theta)[1], full.cost_and_gradient(theta)[1])


def test_certificates():
    """Mass and duality to round-off, also for running costs, whose potentials are not the integrand."""
    found = emfc.solve(
        problem(losses.Congestion(), running=losses.SquaredLoss() + 0.5 * losses.Congestion()), MESHES["line"](), 3
    )
    assert found.converged
    assert abs(found.look.share) < 1e-3  # of a finer mesh
    assert found.checks.mass_drift <= 1e-13
    assert found.checks.duality_drift <= 1e-13
    assert abs(found.checks.cost_error) < 1e-3
    assert found.description["loss"] == "Congestion"


# --- closed forms: the law N(0.2, 0.5^2) per axis, moved by X' = a X + b


def moved(loss, dim, cells, a=0.0, b=0.0, law=None, width=6.0, layers=6):
    law = Labelled(Gaussian([0.2] * dim, 0.5) if law is None else law, [[0.0] * dim])
    given = emfc.Problem(AffineField(dim), law, loss, penalty=1.0, horizon=1.0)
    mesh = CartesianMesh([(-width, width)] * dim, cells)
    theta = np.concatenate([a * np.eye(dim).ravel(), np.full(dim, b)])
    system = OptimalitySystem(given, mesh, layers, layer_map=LayerMap("dop853"))
    return system.cost(np.tile(theta, (layers, 1))).terminal


def end(a, b):
    """Mean and deviation of the moved law, per axis."""
    grown = np.exp(a)
    return 0.2 * grown + b * ((grown - 1.0) / a if a else 1.0), 0.5 * grown


#: controls, and for one and two dimensions the cells
MOVES = [(1, 200, 0.0, 0.0), (1, 320, 0.3, -0.4), (2, 180, 0.0, 0.0)]


@pytest.mark.parametrize(("dim", "cells", "a", "b"), MOVES)
def test_divergence_of_normal_laws(dim, cells, a, b):
    mean, std = end(a, b)
    found = moved(losses.KullbackLeibler(Gaussian([0.5] * dim, 0.7), floor=1e-12), dim, cells, a, b)
    one = np.log(0.7 / std) + (std**2 + (mean - 0.5) ** 2) / (2 * 0.49) - 0.5
    assert found == pytest.approx(dim * one, abs=1e-8)


@pytest.mark.parametrize(("dim", "cells", "a", "b"), MOVES)
def test_discrepancy_of_normal_laws(dim, cells, a, b):
    mean, std = end(a, b)
    h = 0.8

    def kernel(gap, variance):
        return (h / np.sqrt(h**2 + variance) * np.exp(-(gap**2) / (2 * (h**2 + variance)))) ** dim

    expected = kernel(0, 2 * std**2) + kernel(0, 2 * 0.49) - 2 * kernel(mean - 0.5, std**2 + 0.49)
    found = moved(losses.MaximumMeanDiscrepancy(Gaussian([0.5] * dim, 0.7), h), dim, cells, a, b)
    assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("dim", "cells", "a", "b"), MOVES)
def test_squared_distance_of_normal_laws(dim, cells, a, b):
    mean, std = end(a, b)

    def product(gap, variance):
        return (np.exp(-(gap**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)) ** dim

    expected = 0.5 * (product(0, 2 * std**2) + product(0, 2 * 0.49) - 2 * product(mean - 0.5, std**2 + 0.49))
    target = Gaussian([0.5] * dim, 0.7)
    found = moved(losses.SquaredDensityDistance(target), dim, cells, a, b)
    assert found == pytest.approx(expected, abs=1e-8)
    function = moved(losses.SquaredDensityDistance(lambda x: np.exp(target.log_density(x))), dim, cells, a, b)
    assert function == pytest.approx(found, rel=1e-13)


@pytest.mark.parametrize(("dim", "cells", "a", "b"), MOVES)
def test_congestion_and_likelihood_of_normal_laws(dim, cells, a, b):
    """`int rho^p` of a normal law is `(p^(-1/2) (2 pi s^2)^((1 - p)/2))^d`; the mean log-density over the points of a rule."""
    mean, std = end(a, b)
    for power in (2.0, 3.0, 2.5):
        one = (2 * np.pi * std**2) ** ((1 - power) / 2) / np.sqrt(power)
        found = moved(losses.Congestion(power), dim, cells, a, b)
        # |rho|^2.5 has few derivatives where rho changes its sign
        assert found == pytest.approx(one**dim, rel=1e-7)
    line = 0.3 + 0.4 * hermegauss(5)[0]
    samples = np.stack(np.meshgrid(*[line] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
    exact = (0.5 * ((samples - mean) / std) ** 2 + np.log(np.sqrt(2 * np.pi) * std)).sum(axis=1).mean()
    assert moved(losses.LogLikelihood(samples), dim, cells, a, b) == pytest.approx(exact, abs=1e-5)


@pytest.mark.parametrize(
    "target",
    [Uniform([(-1.0, 0.5), (0.0, 1.0)]), UniformBall([0.2, 0.1], 0.7), Gaussian([0.1, 0.3], 0.4, truncation=0.6)],
)
def test_discrepancy_to_other_laws_is_that_to_their_samples(target):
    """The mean over many samples differs by their error, and both use the same sums over the mesh."""
    by_rule = losses.MaximumMeanDiscrepancy(target, 0.5)
    by_samples = losses.MaximumMeanDiscrepancy(target.sample(4000, seed=1), 0.5)
    costs = [moved(cost, 2, 40, law=Gaussian([0.2, 0.2], 0.5)) for cost in (by_rule, by_samples)]
    assert costs[0] == pytest.approx(costs[1], abs=0.03 * abs(costs[0]) + 2e-3)


@pytest.mark.parametrize("dim", [1, 2])
def test_sums_on_boxes_are_those_over_all_pairs_of_nodes(dim):
    grid = MESHES["line" if dim == 1 else "square"]()
    points, rng = grid.centres, np.random.default_rng(0)
    axes = tuple(grid.axis(k) for k in range(dim))
    masses = rng.normal(size=grid.size)
    cost = losses.MaximumMeanDiscrepancy(pair(dim), 0.7)
    both = [
        cost.potential(losses.StateDensity(losses.StateGrid(points, np.ones(grid.size), lines), masses))
        for lines in (axes, ())
    ]
    np.testing.assert_allclose(both[0], both[1], rtol=0, atol=1e-12 * np.abs(both[1]).max())


def test_densities_between_points():
    """The error of interpolation at the six nearest points is at most `h^6 max |f^(6)| 1.875^2 / 6!` within the grid."""
    line = np.linspace(0.0, 10.0, 21)
    x = np.random.default_rng(0).uniform(1.0, 9.0, (400, 2))
    found = interpolation((line, line), x) @ np.multiply.outer(np.sin(line), np.ones(21)).ravel()
    error = np.abs(found - np.sin(x[:, 0])).max()
    assert 0.3 <= error / (0.5**6 * 1.875**2 / 720) <= 1.0
    edge = np.array([[0.1, 9.9]])
    polynomial = np.multiply.outer(line**5, line**4).ravel()
    assert float((interpolation((line, line), edge) @ polynomial)[0]) == pytest.approx(0.1**5 * 9.9**4, abs=1e-8)


def test_expansion_in_one_layer_causes_ripples():
    """Documented: the error of an expansion falls with the layers, of order 12 at degree 5, and hardly with the cells."""
    exact = 1.0 / (2.0 * np.sqrt(np.pi) * 0.5 * np.exp(0.6))
    errors = [
        abs(moved(losses.Congestion(), 1, cells, 0.6, -0.4, width=8.0, layers=layers) - exact)
        for cells, layers in ((160, 2), (320, 2), (320, 4))
    ]
    assert errors[1] >= 0.5 * errors[0]
    assert errors[2] <= 2.0**-10 * errors[1]


@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("dim", [1, 2])
def test_costs_on_simplices(dim, degree):
    """Second order and more in the cells: the integrals of the basis functions, and the error of a congestion."""
    transport = emfc.transport.Elements(degree)
    exact = (0.5 / np.sqrt(np.pi * 0.5)) ** dim
    errors = []
    for cells in (16, 32):
        mesh = box(dim, cells * (4 if dim == 1 else 1), low=-5.0, high=5.0, shake=0.0)
        law = Labelled(Gaussian([0.0] * dim, np.sqrt(0.5)), [[0.0] * dim])
        given = emfc.Problem(AffineField(dim), law, losses.Congestion(), penalty=1.0, horizon=1.0)
        nodes = OptimalitySystem(given, mesh, 1, transport=transport)
        assert nodes.mesh.basis_volumes.sum() == pytest.approx(10.0**dim, rel=1e-12)
        errors.append(abs(nodes.cost(0.0).terminal - exact))
    assert errors[1] <= 0.3 * errors[0]


def test_densities_of_laws():
    """The integrals of the densities over a fine grid are those of the laws' rules."""
    line = (np.arange(1200) + 0.5) / 1200 * 10.0 - 5.0
    points = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    given = (
        Gaussian([0.1, 0.3], [0.4, 0.6]), GaussianMixture([[0.0, 1.0], [-1.0, 0.2]], 0.4, [0.3, 0.7]),
        Gaussian([0.1, 0.3], 0.5, truncation=0.8), Uniform([(-1.0, 0.5), (0.0, 1.0)]), UniformBall([0.2, 0.1], 0.7),
    )  # fmt: skip
    for law in given:
        density = np.exp(law.log_density(points)) * (10.0 / 1200) ** 2
        rule = law.quadrature()
        smooth = isinstance(law, GaussianMixture) and law.truncation is None
        for function in (lambda x: np.ones(len(x)), lambda x: x[:, 0] + x[:, 1] ** 2):
            assert density @ function(points) == pytest.approx(rule.w @ function(rule.x), abs=1e-10 if smooth else 2e-2)
    cut = Gaussian([0.0], 0.5, truncation=0.8)
    assert np.exp(cut.log_density(line[:, None])).sum() * 10.0 / 1200 == pytest.approx(1.0, abs=5e-3)


# --- optima: X' = b moves N(0, s^2), and the divergence to N(m, s^2) is (b - m)^2 / (2 s^2)

SHIFT, STD, PENALTY = 0.9, 0.6, 0.5
BEST = SHIFT / (1.0 + PENALTY * STD**2)


def shifted(loss, **changes):
    law = Labelled(Gaussian([0.0], STD), [[SHIFT]])
    return emfc.Problem(AffineField(1, matrix=False), law, loss, penalty=PENALTY, horizon=1.0, **changes)


@pytest.mark.parametrize(
    "solver",
    [None, solvers.NewtonCG(), solvers.NewtonKrylov(), solvers.Shooting(relaxation="auto"),
     solvers.SuccessiveApproximations(tol=1e-6), solvers.GradientFlow(max_iterations=3000), solvers.ProximalGradient()],
    ids=lambda s: type(s).__name__,
)  # fmt: skip
def test_solvers_find_a_known_optimum(solver):
    cost = losses.KullbackLeibler(Gaussian([SHIFT], STD), floor=1e-9)
    found = emfc.solve(shifted(cost), CartesianMesh([(-5.0, 6.0)], 160), 2, solver=solver)
    assert found.converged, found.message
    np.testing.assert_allclose(found.control, BEST, rtol=0, atol=1e-6)
    least = (BEST - SHIFT) ** 2 / (2 * STD**2) + 0.5 * PENALTY * BEST**2
    assert found.cost == pytest.approx(least, abs=1e-8)


def test_running_cost_has_the_optimum_of_the_means():
    """The running divergence is that of the means: a quadratic problem in the controls, with the rule at the levels."""
    layers, target = 4, Gaussian([SHIFT], STD)
    given = shifted(losses.Congestion(), running=losses.KullbackLeibler(target, floor=1e-9))
    found = emfc.solve(given, CartesianMesh([(-5.0, 6.0)], 160), layers)
    dt = 1.0 / layers
    means = np.tril(np.ones((layers + 1, layers)), -1) * dt
    rule = np.full(layers + 1, dt)
    rule[[0, -1]] /= 2
    matrix = means.T @ (rule[:, None] / STD**2 * means) + PENALTY * dt * np.eye(layers)
    expected = np.linalg.solve(matrix, means.T @ (rule / STD**2 * SHIFT))
    assert found.converged
    np.testing.assert_allclose(found.control[:, 0], expected, rtol=0, atol=1e-6)


def test_controls_of_any_degree_and_the_maximum_principle():
    """The optimum in continuous time: `(b - m)'' = (b - m) / (lambda s^2)` for the mean b, by its closed form.

    The mean starts at 0; at the end `lambda b' + (b - m) / s^2 = 0` with the final divergence. The control that the
    Hamiltonian of continuous time gives, its residual, and the covectors are those of this optimum.
    """
    both = losses.KullbackLeibler(Gaussian([SHIFT], STD), floor=1e-9)
    found = emfc.solve(shifted(both, running=both), CartesianMesh([(-5.0, 6.0)], 160), 3, control_degree=2)
    rate = 1.0 / (STD * np.sqrt(PENALTY))
    # b - m = -m (cosh(r (1 - t)) + q sinh(r (1 - t))) / (cosh r + q sinh r)
    q = 1.0 / (PENALTY * STD**2 * rate)
    times = np.array([0.1, 0.45, 0.8])
    below = SHIFT / (np.cosh(rate) + q * np.sinh(rate))
    expected = below * rate * (np.sinh(rate * (1 - times)) + q * np.cosh(rate * (1 - times)))
    assert found.converged, found.message
    np.testing.assert_allclose(found.theta(times)[:, 0], expected, rtol=0, atol=5e-3)
    np.testing.assert_allclose(found.theta(times, recovered=True)[:, 0], expected, rtol=0, atol=5e-5)
    assert found.maximum_principle(starts=1).sigma_gap <= 1e-10
    # for laws of one width, the divergence is the mean of a function of the state, up to a constant
    linear = losses.StateLoss(lambda x: (x[:, 0] - SHIFT) ** 2 / (2 * STD**2))
    other = emfc.solve(shifted(linear, running=linear), CartesianMesh([(-5.0, 6.0)], 160), 3, control_degree=2)
    np.testing.assert_allclose(found.control, other.control, rtol=0, atol=1e-7)


def test_finite_volumes():
    """Masses in cells with potentials at their centres: first the value, then the optimum up to the error of the scheme."""
    cost = losses.KullbackLeibler(Gaussian([SHIFT], STD), floor=1e-8)
    given = shifted(cost)
    options = {
        "continuity": emfc.continuity.FiniteVolume("muscl", limiter="mc"),
        "transport": emfc.transport.SemiLagrangian(degree=5),
    }
    mesh = CartesianMesh([(-5.0, 6.0)], 320)
    start = OptimalitySystem(given, mesh, 4, **options).cost(0.0).terminal
    assert start == pytest.approx(SHIFT**2 / (2 * STD**2), abs=1e-3)
    found = emfc.solve(given, mesh, 4, **options)
    assert found.converged, found.message
    np.testing.assert_allclose(found.control, BEST, rtol=0, atol=1e-2)


# --- sums


def test_sums_are_sums():
    one, two = losses.SquaredLoss(), losses.Congestion()
    both = 2.0 * (one + 0.5 * two)
    assert both.terms == ((2.0, one), (1.0, two))
    assert (one + two + one).terms == ((1.0, one), (1.0, two), (1.0, one))
    theta = 0.1
    parts = [system(loss).cost(theta).terminal for loss in (one, two, both)]
    assert parts[2] == pytest.approx(2.0 * parts[0] + parts[1], rel=1e-14)
    twice = system(one + losses.StateLoss(lambda x: x[:, 0] ** 2)).cost(theta).terminal
    states = system(losses.StateLoss(lambda x: x[:, 0] ** 2)).cost(theta).terminal
    assert twice == pytest.approx(parts[0] + states, rel=1e-14)


@pytest.mark.parametrize("representation", ["auto", "moments", "labels"])
def test_representations_give_the_same_cost(representation):
    costs = losses.SquaredLoss() + 0.5 * losses.Congestion()
    given = problem(costs, representation=representation, running=losses.StateLoss(lambda x: x[:, 0] ** 2))
    found = OptimalitySystem(given, MESHES["line"](), 2)
    assert found.cost(0.1).total == pytest.approx(system(costs, running=given.running).cost(0.1).total, rel=1e-12)
    expected = 0.5 * found.terminal.density_costs.value(found.final_masses(0.1)) / 0.5
    linear = OptimalitySystem(problem(losses.SquaredLoss(), running=given.running), MESHES["line"](), 2).cost(0.1)
    assert found.cost(0.1).terminal == pytest.approx(linear.terminal + expected, rel=1e-12)


def test_losses_of_the_state_fit_all_others():
    """An obstacle as running cost, beside moments and beside labels, against particles; gradients with and without formula."""
    obstacle = losses.StateLoss(lambda x: np.exp(-((x[:, 0] - 0.3) ** 2) / 0.1))
    slow = losses.StateLoss(obstacle.function, lambda x: -20.0 * (x - 0.3) * obstacle.function(x)[:, None])
    x = np.linspace(-1, 1, 7)[:, None]
    np.testing.assert_allclose(obstacle.gradient(x, x), slow.gradient(x, x), rtol=1e-12)
    labelled = losses.Huber([[0.5], [-0.2]], threshold=2.0)
    for loss in (losses.SquaredLoss(), labelled):
        given = problem(loss, running=obstacle)
        mesh = OptimalitySystem(given, CartesianMesh([(-6.0, 6.0)], 240), 3).cost(0.3).total
        assert mesh == pytest.approx(emfc.ParticleSystem(given, 3).cost(0.3).total, rel=1e-6)


def test_descriptions_rebuild_costs():
    """All but those of users' functions, by their JSON."""
    assert [name for name, make in COSTS.items() if make(1).spec() is None] == [
        "squared distance to a function",
        "of a user",
    ]


@pytest.mark.parametrize("name", [name for name, make in COSTS.items() if make(1).spec() is not None])
def test_descriptions_give_the_same_costs(name):
    cost = COSTS[name](1)
    again = losses.from_spec(json.loads(json.dumps(cost.spec())))
    assert again.spec() == cost.spec()
    assert system(again).cost(0.1).total == system(cost).cost(0.1).total


def test_solutions_are_stored(tmp_path):
    given = problem(losses.SquaredLoss() + 0.5 * losses.KullbackLeibler(wide(1)), running=losses.Congestion())
    found = emfc.solve(given, MESHES["line"](), 2)
    found.save(tmp_path / "one.h5")
    again = emfc.Solution.load(tmp_path / "one.h5", given)
    np.testing.assert_array_equal(again.control, found.control)
    np.testing.assert_array_equal(again.potentials, found.potentials)
    assert again.cost == found.cost
    alone = emfc.Solution.load(tmp_path / "one.h5")
    assert alone.running_cost == found.running_cost
    assert alone.loss.spec() == given.loss.spec()
    assert alone.description["loss"] == "SquaredLoss + 0.5 KullbackLeibler"


# --- the floor


@pytest.mark.parametrize("function", [entropy, logarithm])
def test_floor_is_a_smooth_continuation(function):
    """Value, slope and bend are continuous at the floor, and follow from one another on both sides."""
    near = [np.array(function(np.array([0.1 + shift]), 0.1)) for shift in (-1e-9, 1e-9)]
    np.testing.assert_allclose(near[0], near[1], rtol=1e-6)
    for s in (-0.3, 0.05, 0.4):
        below, at, above = (np.array(function(np.array([s + shift]), 0.1))[:, 0] for shift in (-1e-6, 0.0, 1e-6))
        np.testing.assert_allclose(at[1:], (above - below)[:2] / 2e-6, rtol=1e-7)


def test_empty_regions_have_no_entropy():
    """The continuation vanishes at 0, is convex, and is near to `s log s` where the density is positive."""
    s = np.linspace(-0.3, 0.1, 401)
    value, _, bend = entropy(s, 0.1)
    assert entropy(np.zeros(1), 0.1)[0][0] == 0.0
    assert (bend > 0.0).all()
    positive = s > 1e-12
    assert np.abs(value[positive] - s[positive] * np.log(s[positive])).max() < 0.11 * 0.1


def test_mass_below_the_floor_is_told():
    """On coarse cells masses are negative, and the value counts them openly."""
    cost = losses.KullbackLeibler(wide(1), floor=0.1)
    with pytest.warns(DensityFloorWarning, match="of the mass has a density below the floor 0.1"):
        emfc.solve(problem(cost), MESHES["line"](), 2)
    grid = losses.StateGrid(np.zeros((2, 1)), np.ones(2))
    density = losses.StateDensity(grid, np.array([1.25, -0.25]))
    assert cost.mass_below(density) == 0.25
    target = losses.KullbackLeibler(lambda x: np.full(len(x), 0.5), floor=0.1)
    own = 1.25 * np.log(1.25) - 0.25 * (np.log(0.1) - 1.5) + 2.0 / 0.1 * 0.25**2 + 0.5 / 0.1**2 * 0.25**3
    assert target.cost(density) == pytest.approx(own - np.log(0.5), rel=1e-14)


# --- bad input

line, square = MESHES["line"], MESHES["square"]
REFUSED = {
    "mass of a target": (
        lambda: system(losses.SquaredDensityDistance(lambda x: 0.9 * distance(x))), r"integral over the mesh is 0.9, expected 1 "
    ),
    "target outside": (lambda: system(losses.KullbackLeibler(Gaussian([5.0], 1.0))), r"target: got a density whose integral"),
    "negative target": (lambda: system(losses.SquaredDensityDistance(lambda x: x[:, 0])), r"least value -5.9, expected finite"),
    "target of another shape": (lambda: system(losses.SquaredDensityDistance(lambda x: x)), r"values of shape \(60, 1\)"),
    "target that vanishes": (
        lambda: system(losses.KullbackLeibler(Uniform([(-1.0, 1.0)]))), r"vanishes at 50 points of the mesh.*infinite otherwise"
    ),
    "dimension of a target": (
        lambda: problem(losses.KullbackLeibler(wide(2))), r"target: got a law in dimension 2, expected the dimension 1"
    ),
    "dimension of samples": (lambda: problem(losses.MaximumMeanDiscrepancy([[0.0, 1.0]], 1.0)), r"samples in dimension 2"),
    "dimension in a sum": (
        lambda: problem(losses.SquaredLoss() + losses.LogLikelihood([[0.0, 1.0]])), r"samples in dimension 2"
    ),
    "law without density": (
        lambda: losses.SquaredDensityDistance(Empirical([0.0], [1.0])), r"target: got .*, expected a law with a density"
    ),
    "law of a user": (lambda: losses.KullbackLeibler(Coin()), r"law: got .*Coin.*, expected a law whose density is known"),
    "not a target": (lambda: losses.KullbackLeibler(3.0), r"target: got 3.0, expected a law with a density"),
    "floor": (lambda: losses.KullbackLeibler(wide(1), floor=0.0), r"floor: got 0.0"),
    "bandwidth": (lambda: losses.MaximumMeanDiscrepancy(wide(1), -1.0), r"bandwidth: got -1.0"),
    "power": (lambda: losses.Congestion(1.5), r"power: got 1.5, expected a number >= 2"),
    "samples outside": (lambda: system(losses.LogLikelihood([0.0, 7.0])), r"1 samples outside the mesh, such as \[7.0\]"),
    "likelihood on simplices": (lambda: system(losses.LogLikelihood([0.0]), "intervals"), r"mesh: got .*a CartesianMesh"),
    "no samples": (lambda: losses.LogLikelihood(np.zeros((0, 1))), r"samples: got .*empty"),
    "wrong potential": (lambda: system(Wrong()), r"Wrong.potential: got a derivative that differs"),
    "wrong tangent": (lambda: system(WrongTangent()), r"WrongTangent.tangent: got a derivative that differs"),
    "wrong running potential": (lambda: system(losses.SquaredLoss(), running=Wrong()), r"Wrong.potential"),
    "weight": (lambda: -1.0 * losses.Congestion(), r"weight of a loss: got -1.0"),
    "weight of a read-out": (
        lambda: 2.0 * losses.SquaredLoss(losses.TrainedReadout(0.1)), r"trained read-outs in terms with the weights \[2.0\]"
    ),
    "running read-out": (
        lambda: system(losses.SquaredLoss(), running=losses.SquaredLoss(losses.TrainedReadout(0.1)) + losses.Congestion()),
        r"only the read-out of the final loss can be trained",
    ),
    "first coordinates": (lambda: losses.FirstCoordinates(losses.Congestion(), 1), r"without costs of the density"),
    "augmented": (lambda: problem(losses.SquaredLoss() + losses.Congestion()).augmented(), r"without costs of the density"),
    "particles": (lambda: emfc.ParticleSystem(problem(losses.Congestion()), 2), r"a cost of the density, which a particle"),
    "running particles": (
        lambda: emfc.ParticleSystem(problem(losses.SquaredLoss(), running=losses.Congestion()), 2), r"a cost of the density"
    ),
    "volumes": (lambda: losses.StateGrid(np.zeros((2, 1)), np.ones(3)), r"volumes: got .*\(3,\), expected one number for each"),
    "axes": (lambda: losses.StateGrid(np.zeros((2, 1)), np.ones(2), (np.ones(3),)), r"axes: got a grid of 3 points"),
    "samples": (
        lambda: emfc.studies.sample_convergence(problem(losses.Congestion()), line(), [10], 1, layers=2), r"a study of samples"
    ),
    "local refinement": (
        lambda: emfc.solve(problem(losses.Congestion()), MESHES["intervals"](), 2, adapt=emfc.meshes.Refine(target=1e-3)),
        r"which adapt= cannot",
    ),
    "successive approximations": (
        lambda: emfc.solve(
            problem(losses.SquaredLoss(), running=losses.Congestion()), line(), 2, solver=solvers.SuccessiveApproximations()
        ),
        r"solver: got sequential updates with a running cost of the density",
    ),
    "cells beside nodes": (
        lambda: system(losses.Congestion(), "triangles", continuity=emfc.continuity.SimplexFiniteVolume()),
        r"masses in cells and potentials at nodes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input(name):
    call, words = REFUSED[name]
    with pytest.raises(ArgumentError, match=words):
        call()


def test_what_needs_particles_is_refused_later():
    """The solution exists; its error budget does not."""
    found = emfc.solve(problem(losses.SquaredLoss(), running=losses.Congestion()), line(), 2)
    with pytest.raises(ArgumentError, match="a cost of the density, which an error budget cannot evaluate"):
        found.error_budget()
    assert found.stability.hessian_smallest > 0
