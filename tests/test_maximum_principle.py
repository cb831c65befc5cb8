"""The Hamiltonian route: covectors by their own equation, and what the maximum principle says of a control."""

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.diagnostics.maximum_principle import check, covectors

from .conftest import toy_line, toy_mesh


def test_covectors_of_the_linear_field():
    """`F = theta x`, constant theta: `sigma(t) = -2 e^{theta s} (e^{theta s} x - y)`, s = T - t: two fields, for 1 and y."""
    theta, samples = 0.3, np.linspace(-1, 1, 21)
    problem = emfc.Problem(
        emfc.fields.AffineField(1, bias=False), emfc.laws.Empirical(samples, np.sin(7 * samples)),
        emfc.losses.SquaredLoss(), 1.0, 1.0, "moments",
    )  # fmt: skip
    mesh = emfc.CartesianMesh([(-6, 6)], 120)
    system = emfc.OptimalitySystem(problem, mesh, 10, layer_map=emfc.LayerMap("rk4", 4))
    sigma = covectors(system, system.control(theta))
    x = mesh.axis(0)
    near = np.abs(x) < 2
    for n, t in enumerate(system.times):
        grow = np.exp(theta * (1 - t))
        np.testing.assert_allclose(sigma[n, 0, 0][near], -2 * grow**2 * x[near], rtol=0, atol=1e-6)
        np.testing.assert_allclose(sigma[n, 1, 0][near], 2 * grow, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("degree", "order"), [(3, 3.0), (5, 5.0)])
def test_sigma_is_minus_the_gradient_of_psi_to_the_schemes_order(degree, order):
    """The gap, an integral against the masses, at least at the order p of psi's derivative: meshes of 40, 80 cells."""
    gaps = []
    for cells in (60, 120):
        transport = emfc.transport.SemiLagrangian(degree)
        system = emfc.OptimalitySystem(toy_line(bias=True), toy_mesh(cells), 10, transport=transport)
        control = np.stack([np.linspace(0.2, -0.4, 10), np.linspace(0.1, 0.3, 10)], axis=1)
        gaps.append(check(system, control, starts=0).sigma_gap)
    assert np.log2(gaps[0] / gaps[1]) >= order - 0.3
    assert gaps[1] <= {3: 1e-4, 5: 1e-5}[degree]


def test_sigma_in_the_plane_with_labels_and_a_running_cost():
    """Two label densities, two components, a running loss: still minus the gradient of psi."""
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1, 0], [1, 0]], 0.3), [[0.0, -1.0], [0.0, 1.0]])
    loss = emfc.losses.SquaredLoss()
    problem = emfc.Problem(emfc.fields.NeuralField(2), law, loss, 0.3, 1.0, running=loss)
    system = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-4.5, 4.5)] * 2, 72), 5)
    control = np.random.default_rng(0).normal(scale=0.4, size=(5, 6))
    found = check(system, control, starts=0)
    assert found.sigma.shape == (6, 2, 2, 72, 72)
    assert found.sigma_gap <= 1e-4
    # and it is not satisfied by anything: another control's covectors differ
    assert np.abs(covectors(system, 2 * control) - found.sigma).max() > 1e-2


def test_maximum_principle_at_the_optimum(toy_solution):
    """The global minimum maximises every layer's Hamiltonian, whose value does not change over time."""
    found = toy_solution.maximum_principle()
    assert found.excess.max() <= 1e-10
    assert found.drift <= 1e-6
    assert found.drift == toy_solution.checks.hamiltonian_drift
    assert "no layer has a better control" in found.sentences()[0]
    # By hand: int <sigma, F> dmu - lambda/2 theta^2 at the start, psi(0) differentiated by splines.
    system, theta = toy_solution.system, toy_solution.control[0, 0]
    x = system.mesh.axis(0)
    slope = np.gradient(toy_solution.potentials[0], x, axis=1)
    value = -(slope * np.tanh(theta * x) * toy_solution.masses[0]).sum() - 0.5 * theta**2
    np.testing.assert_allclose(found.hamiltonian[0], value, atol=1e-2 * abs(value))


def test_a_critical_point_that_is_no_maximiser_is_told():
    """One layer on the other branch: a strict local minimum of J at which the maximum principle fails on that layer."""
    start = np.full((40, 1), -0.18)
    start[7] = 0.75
    solution = emfc.solve(toy_line(penalty=0.2), toy_mesh(), 40, initial=start)
    assert solution.converged
    assert solution.control[7, 0] > 0.5
    found = solution.maximum_principle()
    assert found.excess.argmax() == 7
    assert found.excess[7] > 1e-3
    assert found.maximiser[7, 0] < 0
    assert "fails: on layer 7" in found.sentences()[0]


@pytest.mark.parametrize("penalty", [1.0, 0.2])
def test_hamiltonian_drift_with_80_layers(penalty):
    """An autonomous field at the optimum: at most 1e-6, relative."""
    assert emfc.solve(toy_line(penalty=penalty), toy_mesh(), 80).checks.hamiltonian_drift <= 1e-6


def test_hamiltonian_drift_is_seen_where_there_is_one(toy_solution):
    """Away from the optimum the Hamiltonian changes."""
    rough = toy_solution.control + 0.3 * np.sin(np.arange(20))[:, None]
    assert check(toy_solution.system, rough, starts=0).drift > 1e-2


def test_random_starts_find_what_no_layer_uses():
    """Lambda = 0.02, the smooth branch: all layers are negative, and a positive control is better on the last ones."""
    solution = emfc.solve(toy_line(penalty=0.02), toy_mesh(80), 10)
    assert (solution.control < 0).all()
    assert solution.maximum_principle(starts=0).excess.max() <= 1e-8
    found = solution.maximum_principle(starts=16)
    assert found.excess[-1] > 0.1
    assert found.maximiser[-1, 0] > 1
