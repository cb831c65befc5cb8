"""Second derivatives: tangents of fields and kernels, Hessian products, and what they say of shooting and of minima."""

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.diagnostics import stability
from eulerian_mfc.fields import ACTIVATIONS, Direction, NeuralField
from eulerian_mfc.flow import Flow, Layer, LayerMap
from eulerian_mfc.solvers.layer_update import minimise_layer

from .conftest import toy_line, toy_mesh, truncated
from .test_adjoint_pair import FIELDS, random_system


def central(function, step=1e-5):
    """Derivative at 0 by central differences."""
    return (np.asarray(function(step)) - np.asarray(function(-step))) / (2 * step)


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("make", [*FIELDS.values(), *(lambda d, a=a: NeuralField(d, a) for a in ACTIVATIONS)])
def test_tangents_of_fields_against_central_differences(make, dim):
    rng = np.random.default_rng(dim)
    field, t = make(dim), 0.3
    theta, dtheta = rng.normal(size=(2, field.parameters))
    x, dx, p, dp = rng.normal(size=(4, 20, dim))
    at = lambda s: (t, theta + s * dtheta, x + s * dx)  # noqa: E731
    here, along = field.at(*at(0.0)), Direction(dtheta, dx)
    tangent = field.tangent(here, along)
    np.testing.assert_allclose(tangent, central(lambda s: field(*at(s))), rtol=0, atol=1e-7)
    moved = field.pullback_tangent(here, p, along, dp)
    for k in range(2):
        difference = central(lambda s, k=k: field.pullback(field.at(*at(s)), p + s * dp)[k])
        np.testing.assert_allclose(moved[k], difference, rtol=0, atol=1e-6)


@pytest.mark.parametrize("make", FIELDS.values(), ids=FIELDS)
def test_control_linear_says_what_it_says(make):
    """`F(a theta + b eta) = a F(theta) + b F(eta)` where the field claims it, and not elsewhere."""
    rng = np.random.default_rng(0)
    field = make(2)
    theta, eta = rng.normal(size=(2, field.parameters))
    x = rng.normal(size=(10, 2))
    gap = field(0.0, 2 * theta - 3 * eta, x) - 2 * field(0.0, theta, x) + 3 * field(0.0, eta, x)
    assert (np.abs(gap).max() < 1e-12) == (field.control_linear or make is FIELDS["custom"])


@pytest.mark.parametrize(("method", "substeps"), [("euler", 1), ("midpoint", 2), ("rk4", 3)])
def test_tangents_of_layer_maps(method, substeps):
    rng = np.random.default_rng(1)
    flow = Flow(NeuralField(2, "swish"), LayerMap(method, substeps))
    theta, dtheta = rng.normal(size=(2, 6))
    x, p, dp = rng.normal(size=(3, 15, 2))
    layer = lambda s: Layer(0.2, 0.7, theta + s * dtheta)  # noqa: E731
    _, stages = flow.with_stages(layer(0), x)
    moved, dstages = flow.tangent(layer(0), stages, dtheta)
    np.testing.assert_allclose(moved, central(lambda s: flow(layer(s), x)), rtol=0, atol=1e-8)
    change = flow.pullback_tangent(layer(0), stages, p, dtheta, dstages, dp)
    difference = central(lambda s: flow.pullback(layer(s), flow.with_stages(layer(s), x)[1], p + s * dp)[1])
    np.testing.assert_allclose(change, difference, rtol=0, atol=1e-7)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("name", FIELDS)
def test_hessian_products_are_symmetric(name, dim, seed):
    """`<J'' v, w> = <v, J'' w>` to 1e-10, on random problems, boxes, degrees and layer maps."""
    rng = np.random.default_rng(seed)
    degree, kind = [(3, "spline"), (5, "lagrange"), (7, "spline")][seed]
    system, control, _ = random_system(seed, degree, kind, dim, name, ["euler", "midpoint", "rk4"][seed])
    hessian = system.hessian(control)
    assert hessian.exact
    v, w = rng.normal(size=(2, *control.shape))
    left, right = np.vdot(hessian.product(v), w), np.vdot(v, hessian.product(w))
    size = np.linalg.norm(hessian.product(v)) * np.linalg.norm(w)
    assert abs(left - right) <= 1e-10 * size


SMOOTH = [
    ("neural", 1, 5, 120),
    ("swish", 1, 7, 120),
    ("neural", 2, 5, 60),
    ("agrachev_sarychev", 2, 3, 60),
    ("linear_control", 2, 5, 60),
    ("affine", 2, 5, 60),
    ("custom", 1, 3, 120),
    ("neural", 3, 3, 30),
]


@pytest.mark.parametrize("running", [False, True], ids=["", "running"])
@pytest.mark.parametrize(("name", "dim", "degree", "cells"), SMOOTH)
def test_hessian_products_against_differences_of_gradients(name, dim, degree, cells, running):
    """Mass far from the boundary, where the rule for clamped feet has kinks; error of the differences: O(step^2)."""
    rng = np.random.default_rng(4)
    x = rng.uniform(-0.6, 0.6, size=(30, dim))
    loss = emfc.losses.SquaredLoss()
    problem = emfc.Problem(
        FIELDS[name](dim),
        emfc.laws.Empirical(x, np.sin(2 * x)),
        loss,
        0.3,
        0.6,
        running=loss if running else None,
    )
    system = emfc.OptimalitySystem(
        problem, emfc.CartesianMesh([(-5, 5)] * dim, cells), 4, transport=emfc.transport.SemiLagrangian(degree)
    )
    control, direction = 0.4 * rng.normal(size=(2, 4, problem.parameters))
    product = system.hessian(control).product(direction)
    difference = central(lambda s: system.cost_and_gradient(control + s * direction)[1], 1e-4)
    np.testing.assert_allclose(product, difference, rtol=0, atol=2e-6 * np.abs(product).max())


def test_hessian_of_the_constant_field_in_closed_form():
    """`F = theta`: `J'' = lambda dt 1 + 2 dt^2 (all ones)` in time, for every coordinate."""
    rng = np.random.default_rng(0)
    problem = emfc.Problem(
        emfc.fields.AffineField(2, matrix=False),
        emfc.laws.Empirical(rng.normal(scale=0.3, size=(20, 2)), rng.normal(size=(20, 2))),
        emfc.losses.SquaredLoss(),
        [0.7, 0.4],
        1.5,
    )
    system = emfc.OptimalitySystem(
        problem, emfc.CartesianMesh([(-5, 5)] * 2, 60), 3, transport=emfc.transport.SemiLagrangian(3)
    )
    hessian = system.hessian(0.2)
    for k in range(6):
        unit = np.eye(6)[k].reshape(3, 2)
        exact = 0.5 * np.array([0.7, 0.4]) * unit + 2 * 0.5**2 * unit.sum(axis=0)
        np.testing.assert_allclose(hessian.product(unit), exact, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", ["adjoint", "finite volumes"])
def test_hessians_of_layer_hamiltonians(kind):
    """Exact second derivatives of H_n, discrete and continuous, against differences of its derivative; blocks of J''."""
    schemes = {} if kind == "adjoint" else {"continuity": emfc.continuity.FiniteVolume("weno5")}
    problem = toy_line(bias=True)
    system = emfc.OptimalitySystem(problem, toy_mesh(80), 4, **schemes)
    control = np.random.default_rng(2).normal(size=(4, 2))
    for form in ("discrete", "continuous"):
        _, _, hamiltonians = system.layer_updates(control, form)
        for n, h in enumerate(hamiltonians):
            matrix = h.hessian(control[n])
            difference = [central(lambda s, e=e, h=h, n=n: h(control[n] + s * e)[1], 1e-4) for e in np.eye(2)]
            np.testing.assert_allclose(matrix, np.stack(difference), rtol=0, atol=1e-7)
            np.testing.assert_allclose(matrix, matrix.T, rtol=0, atol=1e-14)
            if kind == "adjoint" and form == "discrete":
                np.testing.assert_allclose(h(control[n])[1], system.cost_and_gradient(control)[1][n], atol=1e-14)
                product = system.hessian(control).product(np.eye(8).reshape(4, 2, 4, 2)[n, 0])
                np.testing.assert_allclose(product[n], matrix[0], rtol=0, atol=1e-14)


def test_differenced_products_approach_the_exact_ones():
    """Where a pair has no exact products (particles): the same Hessian by differences, to their accuracy."""
    rng = np.random.default_rng(3)
    x = rng.normal(scale=0.5, size=(100, 1))
    problem = emfc.Problem(
        emfc.fields.NeuralField(1), emfc.laws.Empirical(x, np.sin(x)), emfc.losses.SquaredLoss(), 0.3, 1.0
    )
    grid = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-4, 4)], 200), 5)
    particles = emfc.ParticleSystem(problem, 5)
    control, direction = rng.normal(size=(2, 5, 2))
    assert not particles.hessian(control).exact
    expected = grid.hessian(control).product(direction)
    np.testing.assert_allclose(particles.hessian(control).product(direction), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("problem", "box", "expected"),
    [
        (truncated(0.2), 2.0, -0.310),
        (truncated(0.1), 2.0, -0.934),
        (truncated(0.05), 2.0, -1.35),
        (toy_line(penalty=1.0), 8.0, -1.10),
        (toy_line(penalty=0.2), 8.0, -2.01),
    ],
    ids=["unimodal 0.2", "unimodal 0.1", "unimodal 0.05", "toy 1", "toy 0.2"],
)
def test_eigenvalues_of_shooting_in_continuous_time(problem, box, expected):
    """The dominant eigenvalue of undamped shooting, +-0.03, extrapolated in the layer length from 20 and 40 layers.

    The values were computed for the continuous-time map. The power method on the map itself must agree with 1 - D^-1 J''.
    """
    values = []
    for layers in (20, 40):
        solution = emfc.solve(problem, emfc.CartesianMesh([(-box, box)], 200), layers)
        values.append(solution.stability.shooting_eigenvalue)
        assert solution.certificate.kind == "strict local minimum"
        assert solution.certificate.index == 0
    assert abs(2 * values[1] - values[0] - expected) <= 0.03
    system, control = solution.system, solution.control
    shot = lambda c: np.stack(  # noqa: E731
        [minimise_layer(h, row, reduction=1e-12) for h, row in zip(system.layer_updates(c)[2], c, strict=True)]
    )
    direction = np.ones_like(control)
    for _ in range(6):
        direction = central(lambda s, d=direction: shot(control + s * d), 1e-4 / np.abs(direction).max())
        factor, direction = np.abs(direction).max(), direction / np.abs(direction).max()
    assert abs(factor - abs(values[1])) <= 0.01


def test_lanczos_agrees_with_the_dense_hessian(monkeypatch):
    solution = emfc.solve(truncated(0.05), emfc.CartesianMesh([(-2, 2)], 160), 30)
    dense = stability.analyse(solution.system, solution.control)
    monkeypatch.setattr(stability, "DENSE", 0)
    krylov = stability.analyse(solution.system, solution.control)
    assert dense.index == krylov.index == 0
    np.testing.assert_allclose(krylov.hessian_smallest, dense.hessian_smallest, rtol=1e-2)
    np.testing.assert_allclose(krylov.shooting_eigenvalue, dense.shooting_eigenvalue, rtol=1e-3)


def valley(depth):
    """`F = theta`, one point at 0, loss `depth/2 cos(2 pi x) `: J'' known in closed form at the critical point 0."""
    loss = emfc.losses.LabelLoss(lambda x, y: depth * np.cos(2 * np.pi * x[:, 0]), [0.0])
    return emfc.Problem(emfc.fields.AffineField(1, matrix=False), emfc.laws.Empirical([0.0], [0.0]), loss, 1.0, 1.0)


@pytest.mark.parametrize(
    ("depth", "kind"), [(-0.1, "strict local minimum"), (0.1, "saddle point of index 1"), (0.0, "strict local minimum")]
)
@pytest.mark.parametrize("dense", [True, False])
def test_kinds_of_critical_points(depth, kind, dense, monkeypatch):
    """At 0 the reduced Hessian is `1 + c dt 11^T`, `c = -4 pi^2 depth`: eigenvalues 1 and `1 + c`."""
    if not dense:
        monkeypatch.setattr(stability, "DENSE", 0)
    system = emfc.OptimalitySystem(valley(depth), emfc.CartesianMesh([(-3, 3)], 240), 20)
    found = stability.analyse(system, np.zeros((20, 1)))
    c = -4 * np.pi**2 * depth
    assert found.kind == kind
    assert found.index == int(1 + c < 0)
    np.testing.assert_allclose(found.hessian_smallest, min(1.0, 1 + c), atol=1e-5)
    # eigenvalues of G': -c dt (M - 1) / (1 + c dt) on constants, c dt / (1 + c dt) on what has no mean
    eigenvalues = np.array([-c * 0.05 * 19, c * 0.05]) / (1 + c * 0.05)
    np.testing.assert_allclose(found.shooting_eigenvalue, eigenvalues[np.abs(eigenvalues).argmax()], atol=1e-4)


def test_degenerate_critical_point():
    """The same with `1 + c = 0`: the minimum's and the saddle's boundary."""
    depth = 1 / (4 * np.pi**2)
    system = emfc.OptimalitySystem(valley(depth), emfc.CartesianMesh([(-3, 3)], 600), 10)
    found = stability.analyse(system, np.zeros((10, 1)))
    assert abs(found.hessian_smallest) <= 1e-6
    assert found.kind == "degenerate critical point"


def test_newton_krylov_finds_the_saddle_that_others_leave():
    problem, mesh = valley(0.1), emfc.CartesianMesh([(-3, 3)], 240)
    saddle = emfc.solve(problem, mesh, 10, solver=emfc.solvers.NewtonKrylov(tol=1e-9, first_step=np.inf), initial=0.01)
    assert saddle.converged
    assert np.abs(saddle.control).max() <= 1e-8
    assert saddle.certificate.kind == "saddle point of index 1"
    assert "saddle point of index 1" in " ".join(saddle.verdict())
    for solver in (emfc.solvers.LBFGS(), emfc.solvers.NewtonCG()):
        minimum = emfc.solve(problem, mesh, 10, solver=solver, initial=0.01)
        assert minimum.certificate.kind == "strict local minimum"
        assert minimum.cost < saddle.cost - 1e-3


def test_taylor_slope(toy_solution):
    """2 at the solution of an adjoint pair, and 1 where the gradient is not that of the cost."""
    assert abs(toy_solution.taylor_slope() - 2.0) <= 0.05
    system = toy_solution.system
    wrong = lambda c: (system.cost(c).total, system.cost_and_gradient(c)[1] + 1e-1)  # noqa: E731
    broken = emfc.solve(toy_line(), toy_mesh(), 20, initial=toy_solution)
    broken.system.cost_and_gradient = wrong
    assert broken.taylor_slope() < 1.3


@pytest.mark.parametrize("dense", [True, False])
def test_a_saddle_of_index_two(dense, monkeypatch):
    """Two hills, one a coordinate: index 2, by both ways of counting; shooting leaves it."""
    if not dense:
        monkeypatch.setattr(stability, "DENSE", 0)
    hills = lambda x, y: 0.1 * np.cos(2 * np.pi * x[:, 0]) + 0.2 * np.cos(2 * np.pi * x[:, 1])  # noqa: E731
    problem = emfc.Problem(
        emfc.fields.AffineField(2, matrix=False),
        emfc.laws.Empirical([[0.0, 0.0]], [0.0]),
        emfc.losses.LabelLoss(hills, [0.0]),
        1.0,
        1.0,
    )
    saddle = emfc.solve(
        problem,
        emfc.CartesianMesh([(-2, 2)] * 2, 80),
        8,
        initial=0.01,
        solver=emfc.solvers.NewtonKrylov(tol=1e-8, first_step=np.inf),
    )
    assert saddle.certificate.index == 2
    np.testing.assert_allclose(saddle.certificate.hessian_smallest, 1 - 0.8 * np.pi**2, rtol=1e-3)
    # c = -4 pi^2 depth < 0: constants have the eigenvalue -c dt 7 / (1 + c dt) of G', larger than 1
    assert saddle.certificate.shooting_largest > 1
    assert any("Shooting moves away from this control" in sentence for sentence in saddle.verdict())


def test_almost_degenerate_is_not_degenerate():
    """A smallest eigenvalue of 1e-3: a strict minimum where products are exact."""
    depth = (1 - 1e-3) / (4 * np.pi**2)
    system = emfc.OptimalitySystem(valley(depth), emfc.CartesianMesh([(-3, 3)], 600), 10)
    assert stability.analyse(system, np.zeros((10, 1))).kind == "strict local minimum"
