"""Optima in closed form, and the oracle of the particles."""

import numpy as np
import pytest
from scipy.optimize import brentq

import eulerian_mfc as emfc

SOLVERS = {
    "lbfgs": emfc.solvers.LBFGS(),
    "shooting": emfc.solvers.Shooting(anderson=3),
    "gradient_flow": emfc.solvers.GradientFlow(),
    "successive_approximations": emfc.solvers.SuccessiveApproximations(),
    "newton_cg": emfc.solvers.NewtonCG(),
    "newton_krylov": emfc.solvers.NewtonKrylov(),
    "direct": emfc.solvers.Direct(tol=1e-8),
    "proximal_gradient": emfc.solvers.ProximalGradient(tol=1e-8),
}


def test_every_registered_solver_is_tested():
    assert set(SOLVERS) == set(emfc.solvers.REGISTRY)


@pytest.mark.parametrize(
    ("dim", "name"),
    [*((d, name) for d in (1, 2) for name in SOLVERS), *((3, n) for n in ("lbfgs", "shooting", "newton_cg"))],
)
def test_constant_field(dim, name):
    """`F = theta`: `theta* = 2 (E y - E x0) / (lambda + 2 T)`, in every dimension."""
    rng = np.random.default_rng(dim)
    x, y = rng.normal(scale=0.3, size=(20, dim)), rng.normal(size=(20, dim))
    penalty, horizon = 0.7, 1.5
    problem = emfc.Problem(
        emfc.fields.AffineField(dim, matrix=False),
        emfc.laws.Empirical(x, y),
        emfc.losses.SquaredLoss(),
        penalty,
        horizon,
    )
    mesh = emfc.CartesianMesh([(-4.0, 4.0)] * dim, {1: 60, 2: 60, 3: 44}[dim])
    transport = emfc.transport.SemiLagrangian(3)  # quadratic potentials are exact for every degree but 1
    solution = emfc.solve(problem, mesh, layers=4, solver=SOLVERS[name], transport=transport)
    exact = 2 * (y.mean(axis=0) - x.mean(axis=0)) / (penalty + 2 * horizon)
    assert solution.converged
    np.testing.assert_allclose(solution.control, np.broadcast_to(exact, (4, dim)), rtol=0, atol=1e-8)
    terminal = ((x + horizon * exact - y) ** 2).sum(axis=1).mean()
    assert abs(solution.terminal_cost - terminal) <= 1e-9
    assert abs(solution.penalty_cost - 0.5 * penalty * horizon * (exact**2).sum()) <= 1e-9


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
def test_linear_field(solver):
    """`F = theta x`: theta* constant, `lambda theta + 2 (e^{2 T theta} E x0^2 - e^{T theta} E[x0 y]) = 0`."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.3], 0.5), label=lambda x: 1.7 * x + 0.1)
    penalty, horizon = 0.5, 1.0
    second, cross = 0.25 + 0.09, 1.7 * 0.34 + 0.1 * 0.3
    exact = brentq(
        lambda v: penalty * v + 2 * (np.exp(2 * horizon * v) * second - np.exp(horizon * v) * cross), -3, 3, xtol=1e-14
    )
    problem = emfc.Problem(emfc.fields.AffineField(1, bias=False), law, emfc.losses.SquaredLoss(), penalty, horizon)
    solution = emfc.solve(
        problem, emfc.CartesianMesh([(-9.0, 9.0)], 180), 20, layer_map=emfc.LayerMap("rk4", 2), solver=solver
    )
    assert solution.converged
    np.testing.assert_allclose(solution.control, exact, rtol=0, atol=1e-8)


def test_euler_layers_are_a_residual_network():
    """`Phi(x) = x + dt sigma(W x + b)` composed: the solution's flow, and the training cost of the network."""
    rng = np.random.default_rng(5)
    x, y = rng.uniform(-1, 1, size=(25, 2)), rng.normal(size=(25, 2))
    problem = emfc.Problem(emfc.fields.NeuralField(2), emfc.laws.Empirical(x, y), emfc.losses.SquaredLoss(), 0.3, 2.0)
    system = emfc.ParticleSystem(problem, 8, layer_map="euler")
    control = rng.normal(scale=0.5, size=(8, 6))
    out = x
    for row in control:
        out = out + 0.25 * np.tanh(out @ row[:4].reshape(2, 2).T + row[4:])
    assert abs(system.cost(control).terminal - ((out - y) ** 2).sum(axis=1).mean()) <= 1e-14
    solution = emfc.solve(problem, emfc.CartesianMesh([(-4, 4)] * 2, 40), 8, layer_map="euler")
    out = x
    for row in solution.control:
        out = out + 0.25 * np.tanh(out @ row[:4].reshape(2, 2).T + row[4:])
    np.testing.assert_allclose(solution.flow(x), out, rtol=0, atol=1e-14)


def test_hamiltonian_is_constant_in_time_at_the_optimum():
    """F autonomous: `int <grad psi, F> dmu + lambda/2 |theta|^2` is constant, up to the layers' O(dt^2)."""
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1.0], [1.0]], 0.2), [-2.0, 2.0])
    problem = emfc.Problem(emfc.fields.NeuralField(1, bias=False), law, emfc.losses.SquaredLoss(), 0.2, 1.0)
    drifts = []
    for layers in (20, 40):
        solution = emfc.solve(problem, emfc.CartesianMesh([(-4.0, 4.0)], 160), layers)
        interpolation = solution.system.pair.transport.interpolation
        values = []
        for n, theta in enumerate(solution.control):
            coefficients = interpolation.coefficients(solution.potentials[n])
            _, pull = interpolation.gather(solution.mesh.centres, coefficients, solution.masses[n])
            values.append((pull * np.tanh(theta * solution.mesh.centres)).sum() + 0.1 * theta[0] ** 2)
        drifts.append(np.ptp(values))
    assert drifts[1] <= 1e-5 * abs(np.mean(values))
    assert drifts[0] / drifts[1] >= 3.5


@pytest.mark.parametrize(
    ("field", "dim", "cells"),
    [
        (emfc.fields.NeuralField(1), 1, 200),
        (emfc.fields.NeuralField(2), 2, 200),
        (emfc.fields.AgrachevSarychevField(2), 2, 200),
    ],
    ids=["line", "plane", "control-linear plane"],
)
def test_grid_and_particles_agree_on_samples(field, dim, cells):
    """200 samples: the same cost, gradient and optimum to 1e-7, with degree 5 and 200 cells a side."""
    rng = np.random.default_rng(7)
    x = rng.normal(scale=0.5, size=(200, dim))
    problem = emfc.Problem(
        field, emfc.laws.Empirical(x, np.sin(x) + 0.5 * x[:, ::-1]), emfc.losses.SquaredLoss(), 0.3, 1.0
    )
    grid = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-3.5, 3.5)] * dim, cells), 5)
    particles = emfc.ParticleSystem(problem, 5)
    control = rng.normal(scale=0.4, size=(5, field.parameters))
    cost, gradient = grid.cost_and_gradient(control)
    other_cost, other_gradient = particles.cost_and_gradient(control)
    assert abs(cost - other_cost) <= 1e-7
    np.testing.assert_allclose(gradient, other_gradient, rtol=0, atol=1e-7)
    solver = emfc.solvers.LBFGS()
    best = solver.solve(grid, grid.control(0.1))
    other = solver.solve(particles, particles.control(0.1))
    assert best.converged
    assert other.converged
    np.testing.assert_allclose(best.control, other.control, rtol=0, atol=1e-7)
    assert abs(grid.cost(best.control).total - particles.cost(other.control).total) <= 1e-7


def test_particle_gradient_against_central_differences():
    rng = np.random.default_rng(8)
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1, 0], [1, 0]], 0.3), [[0.0], [1.0]])
    loss = emfc.losses.LabelLoss(lambda x, y: np.log(1 + np.exp((1 - 2 * y[0]) * x[:, 0])), [0.0, 1.0])
    problem = emfc.Problem(emfc.fields.NeuralField(2, "swish"), law, loss, rng.uniform(0.1, 1, 6), 1.0)
    system = emfc.ParticleSystem(problem, 5, samples=100, seed=0, layer_map=emfc.LayerMap("midpoint", 2))
    control, direction = rng.normal(size=(5, 6)), rng.normal(size=(5, 6))
    _, gradient = system.cost_and_gradient(control)
    difference = (system.cost(control + 1e-5 * direction).total - system.cost(control - 1e-5 * direction).total) / 2e-5
    assert abs(difference - np.vdot(gradient, direction)) <= 1e-8 * np.linalg.norm(gradient) * np.linalg.norm(direction)


def test_random_particles_are_reproducible_and_approach_the_mean_field():
    """The error of N samples falls about like N^(-1/2): 100 times the samples, at least 4 times closer."""
    from .conftest import REFERENCE, toy_line

    reference = np.array(REFERENCE["toy_line_nobias_1"]["control"])
    errors = []
    for samples in (400, 40_000):
        gaps = []
        for seed in range(4):
            system = emfc.ParticleSystem(toy_line(), 20, samples=samples, seed=seed)
            outcome = emfc.solvers.LBFGS(tol=1e-7).solve(system, system.control(0.1))
            gaps.append(np.abs(outcome.control - reference).max())
        errors.append(np.mean(gaps))
    assert errors[1] <= errors[0] / 4
    again = emfc.ParticleSystem(toy_line(), 20, samples=40_000, seed=3)
    assert np.array_equal(again.rule.x, system.rule.x)
