"""The discrete promises of the adjoint pair, on random problems, meshes and controls, to round-off."""

import os
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import eulerian_mfc as emfc

NIGHTLY = "EMFC_FUZZ" in os.environ
PAIRS = [(degree, kind) for degree in (1, 3, 5, 7) for kind in ("spline", "lagrange")]


def rotation(x):
    return np.roll(x, 1, axis=1) * np.array([-1.0] + [1.0] * (x.shape[1] - 1))


def swirl(t, theta, x):
    return theta[0] * np.sin(x + t) + theta[1] * np.cos(2 * x[:, ::-1])


def hills(x):
    return np.cos(x).sum(axis=1) + 0.3 * np.sin(x[:, 0] + x[:, -1])


def slopes_of_hills(x):
    out = -np.sin(x)
    out[:, 0] += 0.3 * np.cos(x[:, 0] + x[:, -1])
    out[:, -1] += 0.3 * np.cos(x[:, 0] + x[:, -1])
    return out


FIELDS = {
    "neural": lambda dim: emfc.fields.NeuralField(dim),
    "neural without bias": lambda dim: emfc.fields.NeuralField(dim, "sigmoid", bias=False),
    "swish": lambda dim: emfc.fields.NeuralField(dim, "swish"),
    "softplus": lambda dim: emfc.fields.NeuralField(dim, "softplus"),
    "sin": lambda dim: emfc.fields.NeuralField(dim, "sin"),
    "relu": lambda dim: emfc.fields.NeuralField(dim, "relu"),
    "affine": lambda dim: emfc.fields.AffineField(dim),
    "agrachev_sarychev": lambda dim: emfc.fields.AgrachevSarychevField(dim),
    "linear_control": lambda dim: emfc.fields.LinearControlField([np.sin, rotation, np.ones_like], dim),
    "custom": lambda dim: emfc.fields.CustomField(swirl, dim, 2),
    "gradient": lambda dim: emfc.fields.GradientField([hills, lambda x: x[:, 0]], dim),
    "potential": lambda dim: emfc.fields.PotentialField(hills, dim, slopes_of_hills) + emfc.fields.AffineField(dim),
    "bottleneck": lambda dim: emfc.fields.BottleneckField(dim, 2),
    "polynomial": lambda dim: emfc.fields.PolynomialField(dim, 1),
    "radial_basis": lambda dim: emfc.fields.RadialBasisField([[-0.5] * dim, [0.8] * dim]),
    "sum": lambda dim: emfc.fields.NeuralField(dim, bias=False) + emfc.fields.RadialBasisField([[0.3] * dim]),
    "scaled": lambda dim: emfc.fields.ScaledField(emfc.fields.NeuralField(dim), np.cos),
}


def test_every_registered_field_is_tested():
    """A new field must come under these properties too."""
    fields = [make(1) for make in FIELDS.values()]
    parts = [part for field in fields if isinstance(field, emfc.fields.SumField) for part in field.fields]
    assert {type(field) for field in (*fields, *parts)} == set(emfc.fields.REGISTRY.values())


def random_system(seed, degree, kind, dim, name, method):
    """A random system with its control: cells, box, law, labels or moments, substeps, penalties and horizon are drawn."""
    rng = np.random.default_rng(seed)
    field = FIELDS[name](dim)
    low, high = rng.uniform(-3.0, -1.5, size=dim), rng.uniform(1.5, 3.0, size=dim)
    cells = rng.integers(degree + 2, {1: 40, 2: 16, 3: 11}[dim], size=dim).tolist()
    x, samples = rng.uniform(-1.2, 1.2, size=(20, dim)), rng.dirichlet(np.ones(20))
    labels = rng.normal(size=(3, dim))
    by_labels = bool(rng.integers(2))
    y = labels[rng.integers(3, size=20)] if by_labels else rng.normal(size=(20, dim))
    problem = emfc.Problem(
        field,
        emfc.laws.Empirical(x, y, samples),
        emfc.losses.SquaredLoss(),
        rng.uniform(0.1, 2.0, field.parameters),
        rng.uniform(0.5, 2.0),
        "labels" if by_labels else "moments",
    )
    layers = int(rng.integers(1, 5))
    system = emfc.OptimalitySystem(
        problem,
        emfc.CartesianMesh(list(zip(low, high, strict=True)), cells),
        layers,
        transport=emfc.transport.SemiLagrangian(degree, kind),
        layer_map=emfc.LayerMap(method, int(rng.integers(1, 3))),
    )
    return system, rng.normal(scale=0.6, size=(layers, field.parameters)), rng


def check_mass_and_duality(system, control):
    """Every moment's mass, and `sum_r <psi_r, m_r>`, are constant in time."""
    masses, _ = system.masses(control)
    potentials = system.potentials(control)
    totals = masses.reshape(*masses.shape[:2], -1).sum(axis=2)
    scale = np.abs(masses).reshape(*masses.shape[:2], -1).sum(axis=2).max()
    assert np.abs(totals - totals[0]).max() <= 1e-12 * scale
    assert abs(totals[0] @ system.problem.separable.total - 1) <= 1e-12 * scale
    pairings = np.array([np.vdot(p, m) for p, m in zip(potentials, masses, strict=True)])
    scale = max(np.abs(p * m).sum() for p, m in zip(potentials, masses, strict=True))
    assert np.ptp(pairings) <= 1e-12 * scale


def check_gradient(system, control, rng):
    """Against central differences in a random direction, relative 1e-6.

    The discrete J has kinks where feet cross from piece to piece (interpolation of class C^0, relu, the clamped box),
    so the best of four steps counts: a wrong gradient fails at all of them. The first step that agrees is enough.
    """
    direction = rng.normal(size=control.shape)
    _, gradient = system.cost_and_gradient(control)
    slope = float(np.vdot(gradient, direction))
    gaps, scale = [], np.linalg.norm(gradient) * np.linalg.norm(direction)
    for step in (1e-5, 1e-6, 1e-4, 1e-7):
        ahead, behind = (system.cost(control + s * step * direction).total for s in (1, -1))
        gaps.append(abs((ahead - behind) / (2 * step) - slope))
        if gaps[-1] <= 1e-6 * scale:
            return
    raise AssertionError((gaps, scale))


METHODS = ("euler", "midpoint", "rk4")


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize(("degree", "kind"), PAIRS)
def test_every_field_dimension_degree_interpolation_and_layer_map(degree, kind, dim):
    """On a random system each. The layer maps take turns, so that each meets every field, degree, interpolation and
    dimension; the nightly environment runs the full product.
    """
    turn = dim + PAIRS.index((degree, kind))
    for number, (name, method) in enumerate(product(sorted(FIELDS), METHODS)):
        if not NIGHTLY and (number + number // 3 + turn) % 3:
            continue
        seed = (degree, len(kind), dim, number)
        system, control, rng = random_system(seed, degree, kind, dim, name, method)
        check_mass_and_duality(system, control)
        check_gradient(system, control, rng)


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1),
    pair=st.sampled_from(PAIRS),
    dim=st.sampled_from([1, 2, 3]),
    name=st.sampled_from(sorted(FIELDS)),
    method=st.sampled_from(["euler", "midpoint", "rk4"]),
)
def test_random_problems_meshes_and_controls(seed, pair, dim, name, method):
    """The same on what hypothesis draws."""
    system, control, rng = random_system(seed, *pair, dim, name, method)
    check_mass_and_duality(system, control)
    check_gradient(system, control, rng)


@pytest.mark.parametrize("degree", [3, 5, 7])
@pytest.mark.parametrize("name", sorted(set(FIELDS) - {"relu"}))
def test_taylor_remainder_has_slope_two(degree, name):
    """`|J(theta + s v) - J(theta) - s <g, v>| = O(s^2)` for smooth fields and splines, in two dimensions."""
    field = FIELDS[name](2)
    rng = np.random.default_rng(11)
    law = emfc.laws.Empirical(rng.uniform(-1, 1, size=(30, 2)), rng.normal(size=(30, 2)))
    problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), 0.3, 1.0)
    system = emfc.OptimalitySystem(
        problem, emfc.CartesianMesh([(-4, 4)] * 2, 24), 4, transport=emfc.transport.SemiLagrangian(degree)
    )
    control = rng.normal(scale=0.4, size=(4, field.parameters))
    direction = rng.normal(size=control.shape)
    cost, gradient = system.cost_and_gradient(control)
    steps = np.array([4e-2, 2e-2, 1e-2, 5e-3])
    remainders = [
        abs(system.cost(control + s * direction).total - cost - s * np.vdot(gradient, direction)) for s in steps
    ]
    slope = np.polyfit(np.log(steps), np.log(remainders), 1)[0]
    assert abs(slope - 2) <= 0.15, (slope, remainders)


@pytest.mark.parametrize("seed", range(3))
def test_moments_and_labels_are_the_same_problem(seed):
    """Section 2 of the design: both reductions give the same cost and gradient, for any joint law."""
    rng = np.random.default_rng(seed)
    labels = rng.normal(size=(3, 2))
    law = emfc.laws.Empirical(rng.uniform(-1, 1, size=(40, 2)), labels[rng.integers(3, size=40)])
    mesh = emfc.CartesianMesh([(-3, 3)] * 2, 20)
    control = rng.normal(scale=0.5, size=(5, 6))
    results = []
    for representation in ("moments", "labels"):
        problem = emfc.Problem(emfc.fields.NeuralField(2), law, emfc.losses.SquaredLoss(), 0.2, 1.0, representation)
        assert len(problem.separable.names) == 3
        results.append(emfc.OptimalitySystem(problem, mesh, 5).cost_and_gradient(control))
    assert abs(results[0][0] - results[1][0]) <= 1e-12 * abs(results[0][0])
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=0, atol=1e-12)


def test_masses_of_degree_one_stay_non_negative():
    rng = np.random.default_rng(3)
    law = emfc.laws.Empirical(rng.uniform(-1, 1, size=(50, 2)), rng.integers(2, size=(50, 1)))
    loss = emfc.losses.LabelLoss(lambda x, y: (x[:, 0] - y[0]) ** 2, [0.0, 1.0])
    problem = emfc.Problem(emfc.fields.NeuralField(2), law, loss, 0.2, 1.0)
    system = emfc.OptimalitySystem(
        problem, emfc.CartesianMesh([(-2, 2)] * 2, 20), 6, transport=emfc.transport.SemiLagrangian(1)
    )
    masses, _ = system.masses(rng.normal(size=(6, 6)))
    assert masses.min() >= 0


def test_hamiltonian_derivatives_at_the_own_control_are_the_gradient():
    """Layer-wise H_n: its slope at theta_n is dJ/dtheta_n, and matches differences of H_n itself."""
    rng = np.random.default_rng(4)
    law = emfc.laws.Empirical(rng.uniform(-1, 1, size=(30, 2)), rng.normal(size=(30, 2)))
    problem = emfc.Problem(emfc.fields.NeuralField(2), law, emfc.losses.SquaredLoss(), rng.uniform(0.1, 1, 6), 1.0)
    system = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-3, 3)] * 2, 24), 4)
    control = rng.normal(scale=0.4, size=(4, 6))
    cost, gradient = system.cost_and_gradient(control)
    other_cost, other_gradient, hamiltonians = system.layer_updates(control)
    assert abs(cost - other_cost) <= 1e-13
    np.testing.assert_allclose(other_gradient, gradient, rtol=0, atol=1e-13)
    direction = rng.normal(size=6)
    for h, row in zip(hamiltonians, control, strict=True):
        difference = (h(row + 1e-5 * direction)[0] - h(row - 1e-5 * direction)[0]) / 2e-5
        assert abs(difference - h(row)[1] @ direction) <= 1e-7 * np.linalg.norm(direction)
