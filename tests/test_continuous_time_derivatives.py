"""Controls that are polynomials in time: mass, duality, gradients, Hessians and Hamiltonians, for every field and layer map."""

from dataclasses import replace

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.flow import LayerMap, Tableau
from eulerian_mfc.flow.resolution import REFUSED, substeps_for
from eulerian_mfc.system.hamiltonian import SteppedHamiltonian

from .conftest import change_of_basis
from .simplices import box
from .test_adjoint_pair import FIELDS

#: Kutta's 3/8 rule of order 4, as a user writes it
EIGHTHS = Tableau(
    ((0, 0, 0, 0), (1 / 3, 0, 0, 0), (-1 / 3, 1, 0, 0), (1, -1, 1, 0)), (1 / 8, 3 / 8, 3 / 8, 1 / 8), order=4
)
METHODS = ("auto", "rk4", "dop853", EIGHTHS)
#: horizon and unequal layers
HORIZON, GRID = 0.8, [0.0, 0.1, 0.5, 0.8]
DEGREES = (0, 1, 2, 3)
#: every field with every degree; layer maps, running losses and dimensions alternate so that each meets each degree
PAIRWISE = [
    (name, degree, METHODS[(k + 2 * degree + k // 4) % 4], bool((k // 3 + degree) % 2), 1 + ((k + degree) % 4 == 0))
    for k, name in enumerate(FIELDS)
    for degree in DEGREES
]
#: every field with two degrees, and with the two others
HALVES = [[case for k, case in enumerate(PAIRWISE) if (k + k // 4) % 2 == half] for half in (0, 1)]


def map_for(method, degree):
    """The layer map of a method with the fewest substeps that resolve a degree."""
    return method if method == "auto" else LayerMap(method, substeps_for(method, degree, REFUSED))


def parts(name, degree, method, running, dim, seed=0):
    """A problem with few points far from the boundary, the layers' keywords, a control and a direction."""
    rng = np.random.default_rng((seed, degree, dim, len(name)))
    field, x = FIELDS[name](dim), rng.uniform(-0.6, 0.6, size=(12, dim))
    problem = emfc.Problem(
        field,
        emfc.laws.Empirical(x, np.sin(2 * x) + 0.3),
        emfc.losses.SquaredLoss(),
        rng.uniform(0.2, 1.0, field.parameters),
        HORIZON,
        running=emfc.losses.SquaredLoss() if running else None,
    )
    layers = {"layers": GRID, "control_degree": degree, "layer_map": map_for(method, degree)}
    shape = emfc.ParticleSystem(problem, **layers).controls.shape
    return problem, layers, *(0.4 * rng.normal(size=(2, *shape)))


def on_boxes(problem, layers, cells=(40, 24)):
    mesh = emfc.CartesianMesh([(-3.0, 3.0)] * problem.field.dim, cells[problem.field.dim - 1])
    # Masses of splines decay like 0.43^k (degree 5) or 0.27^k (degree 3) over k cells: at the boundary, where J has kinks,
    # there must be next to none.
    transport = emfc.transport.SemiLagrangian(5 if problem.field.dim == 1 else 3)
    return emfc.OptimalitySystem(problem, mesh, transport=transport, **layers)


def on_simplices(problem, layers):
    mesh = box(problem.field.dim, {1: 25, 2: 8}[problem.field.dim], low=-3.0, high=3.0)
    return emfc.OptimalitySystem(problem, mesh, transport=emfc.transport.Elements(2), **layers)


def check_mass_and_duality(system, control):
    """Masses are constant in time, and `<psi^n, m^n>` plus what has been spent before level n is J without the penalty."""
    masses, _ = system.masses(control)
    potentials, cost = system.potentials(control), system.cost(control)
    flat = masses.reshape(*masses.shape[:2], -1)
    scale = np.abs(flat).sum(axis=2).max()
    assert np.abs(flat.sum(axis=2) - flat[0].sum(axis=1)).max() <= 1e-12 * scale
    assert abs(flat[0].sum(axis=1) @ system.problem.separable.total - 1) <= 1e-12 * scale
    pairings = np.array([np.vdot(p, m) for p, m in zip(potentials, masses, strict=True)])
    size = max(np.abs(p * m).sum() for p, m in zip(potentials, masses, strict=True))
    # Before level n: the whole weights of the levels before it, and the part of its own weight that the step before has. At the
    # end of a layer this is the last weight of Lobatto's rule, `length / (k (k + 1))` for k steps; within a layer it is one half.
    losses = np.array([system.running.half(m, n) / system.running.halves[n] for n, m in enumerate(masses)])
    rule, k, lengths = system.controls.rule, system.controls.steps_per_layer, np.diff(GRID)
    own = [0.0, *(rule[n] / 2 if n % k else lengths[n // k - 1] / (k * (k + 1)) for n in range(1, system.steps))]
    spent = np.array([rule[:n] @ losses[:n] + own[n] * losses[n] for n in range(system.steps)])
    whole = cost.terminal - system.offset + cost.running - system.running.constant
    assert np.abs(pairings[:-1] + spent - whole).max() <= 1e-12 * (size + rule @ np.abs(losses))


def check_gradient(system, control, direction):
    """The gradient against central differences at several steps, of which the best counts: J may have kinks."""
    cost, gradient = system.cost_and_gradient(control)
    assert cost == system.cost(control).total
    assert gradient.shape == control.shape
    slope = float(np.vdot(gradient, direction))
    gaps = [
        abs((system.cost(control + s * direction).total - system.cost(control - s * direction).total) / (2 * s) - slope)
        for s in (1e-4, 1e-5, 1e-6)
    ]
    assert min(gaps) <= 1e-8 * np.linalg.norm(gradient) * np.linalg.norm(direction), gaps


def check_taylor(system, control, direction):
    """`J(theta + s d) - J(theta) - s J'(theta) d = O(s^2)`, and not less."""
    cost, gradient = system.cost_and_gradient(control)
    slope, steps = float(np.vdot(gradient, direction)), 2.0 ** -np.arange(5, 9)
    rest = np.array([abs(system.cost(control + s * direction).total - cost - s * slope) for s in steps])
    rates = np.log2(rest[:-1] / rest[1:])
    assert np.abs(rates - 2.0).min() <= 0.05, rates


def check_hessian(system, control, direction, symmetric=1e-10):
    """Products are symmetric, and differences of gradients."""
    hessian, other = system.hessian(control), direction[::-1] + 0.3 * control
    product = hessian.product(direction)
    left, right = np.vdot(product, other), np.vdot(direction, hessian.product(other))
    assert abs(left - right) <= symmetric * np.linalg.norm(product) * np.linalg.norm(other)
    ahead, behind = (system.cost_and_gradient(control + s * 1e-4 * direction)[1] for s in (1, -1))
    gap = np.abs((ahead - behind) / 2e-4 - product).max()
    assert gap <= 3e-6 * np.abs(product).max(), gap


def check_hamiltonians(system, control):
    """The derivative of H_n is row n of the gradient; its derivatives are differences of its values and of its slopes."""
    cost, gradient = system.cost_and_gradient(control)
    again, rows, hamiltonians = system.layer_updates(control)
    assert again == pytest.approx(cost, rel=1e-14)
    np.testing.assert_allclose(rows, gradient, rtol=0, atol=1e-12 * np.abs(gradient).max())
    for h, theta in list(zip(hamiltonians, control, strict=True))[::2]:
        direction = np.random.default_rng(7).normal(size=theta.shape)
        slope, image = np.vdot(h(theta)[1], direction), h.hessian(theta) @ direction.ravel()
        gaps = []
        for step in (1e-4, 1e-5):
            values, slopes = zip(*(h(theta + s * step * direction) for s in (1, -1)), strict=True)
            first, second = (values[0] - values[1]) / (2 * step), (slopes[0] - slopes[1]).ravel() / (2 * step)
            gaps.append((abs(first - slope), np.abs(second - image).max()))
        size = np.linalg.norm(gradient) * np.linalg.norm(direction)
        assert min(gap[0] for gap in gaps) <= 1e-7 * size, gaps
        assert min(gap[1] for gap in gaps) <= 1e-5 * np.abs(image).max(), gaps


def test_layer_maps_meet_every_degree_and_running_loss():
    """The product is pairwise: nothing that this file names is left out."""
    for position, values in ((2, METHODS), (3, (False, True)), (4, (1, 2))):
        assert {(case[1], case[position]) for case in PAIRWISE} == {(d, v) for d in DEGREES for v in values}


@pytest.mark.parametrize(("name", "degree", "method", "running", "dim"), PAIRWISE)
def test_boxes(name, degree, method, running, dim):
    problem, layers, control, direction = parts(name, degree, method, running, dim)
    system = on_boxes(problem, layers)
    assert system.steps == 3 * (degree + 1 if running and degree else 1)
    check_mass_and_duality(system, control)
    check_gradient(system, control, direction)
    if name != "relu":  # the derivative of relu jumps
        check_taylor(system, control, direction)
        check_hamiltonians(system, control)


@pytest.mark.parametrize(("name", "degree", "method", "running", "dim"), HALVES[0])
def test_particles(name, degree, method, running, dim):
    problem, layers, control, direction = parts(name, degree, method, running, dim, seed=1)
    system = emfc.ParticleSystem(problem, **layers)
    check_gradient(system, control, direction)
    if name != "relu":
        check_taylor(system, control, direction)
        check_hessian(system, control, direction, symmetric=1e-6)  # products are differences there


@pytest.mark.parametrize(("name", "degree", "method", "running", "dim"), HALVES[1])
def test_hessians_on_boxes(name, degree, method, running, dim):
    problem, layers, control, direction = parts(name, degree, method, running, 1, seed=2)
    system = on_boxes(problem, layers, cells=(60,))
    assert system.hessian(control).exact
    if name != "relu":
        check_hessian(system, control, direction)


@pytest.mark.parametrize(("name", "degree", "method", "running", "dim"), PAIRWISE[::5])
def test_simplices(name, degree, method, running, dim):
    """Quadratic elements: J has kinks, so that the rates of Taylor's formula are left out."""
    problem, layers, control, direction = parts(name, degree, method, running, dim, seed=3)
    system = on_simplices(problem, layers)
    check_mass_and_duality(system, control)
    check_gradient(system, control, direction)
    _, gradient = system.cost_and_gradient(control)
    _, rows, _ = system.layer_updates(control)
    np.testing.assert_allclose(rows, gradient, rtol=0, atol=1e-12 * np.abs(gradient).max())


def test_a_running_loss_makes_layers_of_several_steps():
    problem, layers, control, _ = parts("neural", 2, "auto", True, 1)
    system = on_boxes(problem, layers)
    hamiltonians = system.layer_updates(control)[2]
    assert all(isinstance(h, SteppedHamiltonian) for h in hamiltonians)


@pytest.mark.parametrize("bounds", [None, (-0.3, 0.5)], ids=["legendre", "bernstein"])
@pytest.mark.parametrize("running", [False, True])
def test_both_bases_are_the_same_functions(bounds, running):
    """Cost and derivatives in the basis of Bernstein, against those in the basis of Legendre of the same functions."""
    problem, layers, control, direction = parts("neural", 3, "auto", running, 1)
    other = emfc.ParticleSystem(replace(problem, bounds=bounds), **layers)
    here = emfc.ParticleSystem(problem, **layers)
    matrix = change_of_basis(here.controls.basis, other.controls.basis)
    moved, along = (np.einsum("ij,ljm->lim", matrix, c) for c in (control, direction))
    times = np.linspace(0.0, HORIZON, 50)
    np.testing.assert_allclose(other.controls.values(moved, times), here.controls.values(control, times), atol=1e-13)
    (cost, gradient), (again, slope) = here.cost_and_gradient(control), other.cost_and_gradient(moved)
    assert again == pytest.approx(cost, rel=1e-13)
    assert np.vdot(slope, along) == pytest.approx(np.vdot(gradient, direction), rel=1e-11)


UPWIND = emfc.continuity.FiniteVolume("upwind")
PAIRS = {
    "lagrange": (on_boxes, {"transport": emfc.transport.SemiLagrangian(3, "lagrange")}),
    "upwind": (on_boxes, {"continuity": UPWIND, "transport": UPWIND.adjoint()}),
    "lines on simplices": (on_simplices, {"transport": emfc.transport.Elements(1)}),
}


@pytest.mark.parametrize("running", [False, True], ids=["", "running"])
@pytest.mark.parametrize("degree", [1, 3])
@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("field", ["neural", "custom"])
def test_other_adjoint_pairs(field, name, degree, running):
    problem, layers, control, direction = parts(field, degree, "auto", running, 1, seed=4)
    make, schemes = PAIRS[name]
    given = make(problem, layers)
    system = emfc.OptimalitySystem(problem, given.mesh.base, **layers, **schemes)
    assert system.adjoint
    check_mass_and_duality(system, control)
    check_gradient(system, control, direction)
    _, gradient = system.cost_and_gradient(control)
    np.testing.assert_allclose(system.layer_updates(control)[1], gradient, rtol=0, atol=1e-12 * np.abs(gradient).max())


@pytest.mark.parametrize("continuity", [emfc.continuity.FiniteVolume("muscl"), emfc.continuity.PushForward()])
def test_pairs_that_are_not_adjoint_approach_the_same_cost(continuity):
    """Their cost is that of particles up to the mesh's error, and the certificate's residual is small at the optimum."""
    problem, layers, control, _ = parts("neural", 2, "auto", False, 1, seed=5)
    exact = emfc.ParticleSystem(problem, **layers).cost(control).total
    errors = []
    for cells in (100, 400):
        mesh = emfc.CartesianMesh([(-3.0, 3.0)], cells)
        system = emfc.OptimalitySystem(problem, mesh, continuity=continuity, **layers)
        errors.append(abs(system.cost(control).total - exact))
    assert errors[1] <= 0.4 * errors[0] <= 0.1
