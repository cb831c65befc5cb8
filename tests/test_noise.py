"""Noise in the dynamics: exact semigroups, orders of the splitting, adjointness, and optima that are known."""

from __future__ import annotations

import numpy as np
import pytest
import skfem
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.optimize import root
from scipy.stats import norm

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.noise import HeatOnBoxes, HeatOnSimplices, noise_of
from eulerian_mfc.schemes import adjoint_of

LINE = emfc.CartesianMesh([(-4.0, 5.0)], 60)
SQUARE = emfc.CartesianMesh([(-3.0, 3.0)] * 2, [24, 26])
TRIANGLES = emfc.SimplexMesh(skfem.MeshTri.init_tensor(np.linspace(-3, 3, 13), np.linspace(-3, 3, 13)))


def problem(dim=1, noise=0.4, **changes):
    law = emfc.laws.GaussianMixture([[0.3] * dim, [-0.4] * dim], 0.3, [0.4, 0.6])
    labels = [[1.0] + [0.0] * (dim - 1), [-1.0] + [0.0] * (dim - 1)]
    given = {"loss": emfc.losses.SquaredLoss(), "penalty": 0.1, "horizon": 1.0, **changes}
    return emfc.Problem(emfc.fields.NeuralField(dim), emfc.laws.Labelled(law, labels), noise=noise, **given)


def affine(noise=0.5, penalty=0.1, sigma=0.4):
    """The problem of script 8 of the design: an affine field, a normal law, all states to 1."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.5], sigma), label=[[1.0]])
    return emfc.Problem(emfc.fields.AffineField(1), law, emfc.losses.SquaredLoss(), penalty, 1.0, noise=noise)


def exact_affine(noise=0.5, penalty=0.1, sigma=0.4):
    """J*, and theta* as a function of times `(n,)`: the law stays normal, so mean and variance solve an optimal control problem.

    `m' = w m + b`, `v' = 2 w v + noise^2`, `J = (m(1) - 1)^2 + v(1) + penalty/2 int w^2 + b^2 dt`, by its Hamiltonian system.
    """

    def control(z):
        return -(z[2] * z[0] + 2.0 * z[3] * z[1]) / penalty, -z[2] / penalty

    def rates(t, z):
        w, b = control(z)
        return [w * z[0] + b, 2 * w * z[1] + noise**2, -z[2] * w, -2 * z[3] * w, 0.5 * penalty * (w * w + b * b)]

    def path(costates):
        start = [0.5, sigma**2, *costates, 0.0]
        return solve_ivp(rates, (0.0, 1.0), start, method="DOP853", rtol=1e-12, atol=1e-13, dense_output=True)

    def gap(costates):
        m, _, p, q, _ = path(costates).y[:, -1]
        return [p - 2.0 * (m - 1.0), q - 1.0]

    best = path(root(gap, [-0.1, 0.3], tol=1e-12).x)
    m, v, _, _, spent = best.y[:, -1]
    return (m - 1.0) ** 2 + v + spent, lambda t: np.stack(control(best.sol(t)), axis=1)


# --- semigroups


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("differences", [False, True])
def test_heat_on_boxes_is_the_exponential_of_its_matrix(periodic, differences):
    mesh, rng = emfc.CartesianMesh([(0.0, 2.0), (-1.0, 1.0)], [8, 6]), np.random.default_rng(0)
    heat, values = HeatOnBoxes(mesh, [periodic, False], differences), rng.normal(size=(2, 8, 6))
    width, modes = 0.25, np.arange(8)
    x = (modes + 0.5) * width
    if periodic:
        k = 2 * np.pi * np.fft.fftfreq(8, width)
        matrix = np.real(np.fft.ifft(np.diag(_square(k, width, differences)) @ np.fft.fft(np.eye(8), axis=0), axis=0))
    else:
        k = np.pi * modes / 2.0
        basis = np.cos(np.outer(x, k)) * np.where(modes, np.sqrt(2 / 8), np.sqrt(1 / 8))
        matrix = basis @ np.diag(_square(k, width, differences)) @ basis.T
    eigenvalues, vectors = np.linalg.eigh(matrix)
    exact = np.einsum("ij,rjk->rik", vectors @ np.diag(np.exp(-0.15 * eigenvalues)) @ vectors.T, values)
    np.testing.assert_allclose(heat.potentials(np.array([0.3, 0.0]), values), exact, atol=1e-13)
    np.testing.assert_allclose(
        heat.rate(np.array([0.3, 0.0]), values), np.einsum("ij,rjk->rik", -0.15 * matrix, values), atol=1e-12
    )


def _square(k, width, differences):
    return (2.0 / width * np.sin(0.5 * k * width)) ** 2 if differences else k**2


def test_second_differences_keep_masses_non_negative_at_any_time():
    heat, point = HeatOnBoxes(LINE, [False], differences=True), np.zeros((1, 60))
    point[0, 20] = 1.0
    for variance in (1e-6, 1e-2, 1.0, 1e4):
        assert heat.masses(np.array([variance]), point).min() > -1e-15
    assert HeatOnBoxes(LINE, [False]).masses(np.array([1e-3]), point).min() < -1e-3  # what spectral ones do not claim


@pytest.mark.parametrize("degree", [1, 2])
def test_heat_on_simplices_is_a_semigroup_with_an_exact_transpose(degree):
    nodes, rng = emfc.transport.Elements(degree).nodes(TRIANGLES), np.random.default_rng(0)
    heat, v, w = HeatOnSimplices(nodes), np.array([0.3, 0.1]), np.array([0.15, 0.05])
    psi, masses = rng.normal(size=(2, 2, nodes.size))
    once = heat.potentials(v + w, psi)
    basis = skfem.Basis(TRIANGLES.skfem, nodes.element)
    stiff, mass = (
        skfem.BilinearForm(form).assemble(basis).toarray()
        for form in (
            lambda u, p, _: 0.225 * u.grad[0] * p.grad[0] + 0.075 * u.grad[1] * p.grad[1],
            lambda u, p, _: u * p,
        )
    )
    np.testing.assert_allclose(once, psi @ expm(-np.linalg.solve(mass, stiff)).T, atol=1e-10)
    np.testing.assert_allclose(heat.potentials(v, heat.potentials(w, psi)), once, atol=1e-10)
    paired = (once * masses).sum()
    np.testing.assert_allclose((heat.masses(v + w, masses) * psi).sum(), paired, rtol=1e-12)
    np.testing.assert_allclose(heat.masses(v, masses).sum(axis=1), masses.sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(heat.potentials(v, np.ones((1, nodes.size))), 1.0, rtol=1e-12)


def test_variance_of_noise_that_jumps_in_time():
    noise = noise_of(emfc.Stepwise([0.0, 0.3, 1.0], [1.0, [2.0, 0.0]]), dim=2, horizon=1.0)
    np.testing.assert_allclose(noise.variance(0.1, 0.6), [0.2 + 4 * 0.3, 0.2], rtol=1e-13)


# --- exact pairs


PAIRS = {
    "splines": (1, LINE, {}),
    "splines, order 2, substeps": (1, LINE, {"layer_map": emfc.LayerMap("rk4", 2, splitting=2)}),
    "degree 2 in time": (1, LINE, {"control_degree": 2}),
    "upwind": (1, LINE, {"continuity": emfc.continuity.FiniteVolume("upwind")}),
    "plane": (2, SQUARE, {}),
    "elements": (2, TRIANGLES, {"transport": emfc.transport.Elements(1)}),
}


@pytest.mark.parametrize("name", PAIRS)
def test_mass_duality_and_gradient_are_exact(name):
    dim, mesh, options = PAIRS[name]
    if "continuity" in options:
        options = {**options, "transport": adjoint_of(options["continuity"])}
    sigma = 0.4 if dim == 1 else [0.4, 0.2]
    system = emfc.OptimalitySystem(problem(dim, sigma), mesh, layers=3, **options)
    rng = np.random.default_rng(1)
    theta, v = 0.5 * rng.normal(size=(2, *system.controls.shape))
    masses, crossed = system.masses(theta)
    psi = system.potentials(theta, masses)
    sums = masses.reshape(*masses.shape[:2], -1).sum(axis=2)
    lost = 0.0 if system.pair.keeps_mass else np.cumsum(crossed, axis=0)
    np.testing.assert_allclose(sums[1:] + lost, np.broadcast_to(sums[0], sums[1:].shape), atol=1e-13)
    dual = [system.pair.pairings(psi[n], masses[n]).sum() for n in range(len(masses))]
    np.testing.assert_allclose(dual, dual[0], rtol=1e-12)
    _, gradient = system.cost_and_gradient(theta)
    e = 1e-6 if name == "elements" else 2e-5  # elements have kinks
    costs = [system.cost(theta + k * e * v).total for k in (-2, -1, 1, 2)]
    slope = (8 * (costs[2] - costs[1]) - (costs[3] - costs[0])) / (12 * e)
    np.testing.assert_allclose((gradient * v).sum(), slope, rtol=1e-8 if name != "elements" else 1e-5)
    hessian = system.hessian(theta)
    if hessian.exact:
        ends = [system.cost_and_gradient(theta + k * e * v)[1] for k in (-2, -1, 1, 2)]
        change = (8 * (ends[2] - ends[1]) - (ends[3] - ends[0])) / (12 * e)
        np.testing.assert_allclose(hessian.product(v), change, atol=1e-8 * np.abs(change).max())


@pytest.mark.parametrize("continuity", ["upwind", "muscl"])
def test_positive_schemes_stay_positive(continuity):
    scheme = emfc.continuity.FiniteVolume(continuity)
    system = emfc.OptimalitySystem(problem(), LINE, layers=4, continuity=scheme)
    assert system.masses(system.control(1.5))[0].min() > -1e-15  # round-off of the transforms


def test_without_noise_the_same_bits():
    for noise in (0.0, [0.0]):
        plain, silent = (emfc.OptimalitySystem(p, LINE, layers=3) for p in (problem(noise=0.0), problem(noise=noise)))
        theta = plain.control(0.3)
        assert plain.cost(theta).total == silent.cost(theta).total
        assert (plain.cost_and_gradient(theta)[1] == silent.cost_and_gradient(theta)[1]).all()


def test_small_noise_changes_the_cost_by_the_square_of_it():
    costs = {
        s: emfc.OptimalitySystem(problem(noise=s), LINE, layers=3).cost(0.4).total for s in (0, 1e-4, 0.01, 0.02, 0.04)
    }
    assert (costs[0.04] - costs[0.02]) / (costs[0.02] - costs[0.01]) == pytest.approx(4.0, abs=0.01)
    assert costs[1e-4] == pytest.approx(costs[0], abs=1e-6)  # of the order of the layer map's error


# --- orders, and optima that are known


@pytest.mark.parametrize(("splitting", "order"), [(2, 2), (4, 4)])
def test_order_in_the_layers(splitting, order):
    """The law of an affine field with noise stays normal; its mean and variance are known."""
    w, b, noise = -1.3, 0.7, 0.5
    m = 0.5 * np.exp(w) + b * (np.exp(w) - 1) / w
    v = 0.16 * np.exp(2 * w) + noise**2 * (np.exp(2 * w) - 1) / (2 * w)
    mesh = emfc.CartesianMesh([(-4.0, 5.0)], 100)

    def error(layers):
        layer_map = emfc.LayerMap("dop853", splitting=splitting)
        system = emfc.OptimalitySystem(affine(noise), mesh, layers, layer_map=layer_map)
        return abs(system.cost([w, b]).terminal - ((m - 1) ** 2 + v))

    coarse, fine = error(4), error(8)
    assert np.log2(coarse / fine) == pytest.approx(order, abs=0.3)


def test_optimum_of_an_affine_field():
    """J* to 1e-8 and theta* at five times to 1e-6, with 160 cells and 20 layers."""
    best, theta = exact_affine()
    assert best == pytest.approx(0.2376238951748434, abs=1e-11)  # as an independent computation has it
    mesh = emfc.CartesianMesh([(-4.0, 5.0)], 160)
    solution = emfc.solve(affine(), mesh, layers=20, control_degree=1, layer_map=emfc.LayerMap("rk4", 2))
    assert solution.converged
    assert abs(solution.cost - best) < 1e-8
    times = np.linspace(0.0, 1.0, 5)
    np.testing.assert_allclose(solution.pointwise.recovered(times), theta(times), atol=1e-6)
    assert solution.checks.hamiltonian_drift < 1e-2
    assert solution.checks.residual_in_time is not None


@pytest.mark.parametrize("dim", [1, 2])
def test_stationary_law(dim):
    """A drift towards 0 and noise: after a long time the law is `exp(-2 V / sigma^2)`, here with `V = w |x|^2 / 2`."""
    w, noise = 1.5, 0.8
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0] * dim, 0.5), label=[[0.0] * dim])
    field = emfc.fields.AffineField(dim, bias=False)
    steady = emfc.Problem(field, law, emfc.losses.SquaredLoss(), 1.0, 6.5, noise=noise)
    mesh = emfc.CartesianMesh([(-3.2, 3.2)] * dim, [100] * dim)
    system = emfc.OptimalitySystem(steady, mesh, layers=10, layer_map=emfc.LayerMap("rk4", 40))
    masses = system.final_masses((-w * np.eye(dim)).ravel())
    total = np.einsum("r,r...->...", steady.separable.total, masses)
    deviation = noise / np.sqrt(2 * w)
    density = np.prod(norm.pdf(mesh.centres, scale=deviation), axis=1).reshape(mesh.shape)
    assert np.abs(total - density * mesh.volume).sum() < 1e-8


def test_elements_converge_to_the_known_moments():
    """The square of the distance from 0 after noise alone: the variance grows by sigma^2 T per axis."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0, 0.0], 0.3), label=[[0.0, 0.0]])
    field, loss = emfc.fields.AffineField(2), emfc.losses.SquaredLoss()
    still = emfc.Problem(field, law, loss, 1.0, 1.0, noise=[0.4, 0.2])
    errors = []
    for cells in (12, 24):
        lines = np.linspace(-2.4, 2.4, cells + 1)
        mesh = emfc.SimplexMesh(skfem.MeshTri.init_tensor(lines, lines))
        system = emfc.OptimalitySystem(still, mesh, layers=2, transport=emfc.transport.Elements(2))
        errors.append(abs(system.cost(0.0).terminal - (2 * 0.09 + 0.16 + 0.04)))
    assert errors[1] < 1e-5
    assert errors[1] < errors[0] / 3


# --- what else sees noise


def test_particles_sample_the_same_equation():
    system = emfc.OptimalitySystem(affine(), LINE, layers=10)
    theta = np.array([-0.8, 0.9])
    expected = system.cost(theta).total
    particles = emfc.ParticleSystem(affine(), layers=10, samples=40_000, seed=3)
    cost, gradient = particles.cost_and_gradient(theta)
    assert cost == particles.cost(theta).total  # the same paths again
    assert cost == pytest.approx(expected, abs=0.01)
    step = 1e-6 * np.array([1.0, -2.0])
    quotient = (particles.cost(theta + step).total - particles.cost(theta - step).total) / 2e-6
    assert gradient.sum(axis=0) @ [1.0, -2.0] == pytest.approx(quotient, rel=1e-6)
    with pytest.raises(ArgumentError, match="samples=10_000"):
        emfc.ParticleSystem.refined(affine(), 10, theta)


@pytest.fixture(scope="module")
def solved():
    return emfc.solve(affine(), LINE, layers=5)


def test_trajectories_are_samples_and_there_is_no_flow(solved):
    x = np.full((20_000, 1), 0.5)
    paths = solved.trajectories(x, seed=1)
    assert (paths == solved.trajectories(x, seed=1)).all()
    assert (paths != solved.trajectories(x, seed=2)).any()
    w, b = solved.control.T  # of a law at 0.5: the exact mean and variance, layer by layer
    mean, variance, h = 0.5, 0.0, 0.2
    for wn, bn in zip(w, b, strict=True):
        mean = mean * np.exp(wn * h) + bn * np.expm1(wn * h) / wn
        variance = variance * np.exp(2 * wn * h) + 0.25 * np.expm1(2 * wn * h) / (2 * wn)
    assert paths[-1].mean() == pytest.approx(mean, abs=0.01)
    assert paths[-1].var() == pytest.approx(variance, abs=0.01)
    for use in (solved.flow, solved.predict):
        with pytest.raises(ArgumentError, match="noise"):
            use([[0.5]])


def test_files_keep_the_noise(solved, tmp_path):
    solved.save(tmp_path / "noisy.h5")
    loaded = emfc.Solution.load(tmp_path / "noisy.h5")
    assert (loaded.trajectories([[0.5]], seed=4) == solved.trajectories([[0.5]], seed=4)).all()
    with pytest.raises(ArgumentError, match="noise"):
        loaded.flow([[0.5]])
    assert "noise" in loaded.description
    with pytest.raises(ArgumentError, match="cost"):
        emfc.Solution.load(tmp_path / "noisy.h5", affine(noise=0.4))


def test_a_box_that_is_too_small_is_noticed():
    with pytest.warns(emfc.errors.BoundaryMassWarning):
        found = emfc.solve(affine(noise=1.5, sigma=0.2), emfc.CartesianMesh([(-1.5, 2.5)], 60), layers=5)
    assert not found.converged
    assert "mesh" in found.message


@pytest.mark.parametrize(
    ("noise", "words"),
    [
        (-0.1, "sigma >= 0"),
        (np.nan, "finite"),
        ([0.1, 0.2], "one number"),
        ("loud", "noise"),
        (lambda t: -t, "sigma >= 0"),
        (emfc.Stepwise([0.0, 2.0], [0.1]), "horizon"),
    ],
)
def test_bad_noise_is_refused(noise, words):
    with pytest.raises(ArgumentError, match=words):
        affine(noise=noise)


def test_what_cannot_have_noise_says_so():
    finite = emfc.continuity.SimplexFiniteVolume()
    with pytest.raises(ArgumentError, match="schemes that can have noise"):
        emfc.OptimalitySystem(problem(2), TRIANGLES, layers=2, continuity=finite)
    with pytest.raises(ArgumentError, match="adapt"):
        emfc.solve(problem(2), TRIANGLES, 2, adapt=emfc.meshes.Refine(target=1e-3))


def test_the_maximum_principle_holds():
    """The covectors of their own equation are the gradients of the potentials, and the Hamiltonian is conserved."""
    coarse = emfc.solve(affine(), LINE, layers=2, layer_map=emfc.LayerMap("rk4", splitting=2))
    found = coarse.maximum_principle(starts=1)
    assert found.sigma_gap < 1e-3
    assert found.excess.max() < 1e-6
    linear = emfc.solve(affine(), LINE, layers=4, control_degree=1, layer_map=emfc.LayerMap("rk4", 4))
    assert linear.checks.hamiltonian_drift < 1e-3


def test_running_losses_are_seen_between_levels():
    """J* with `x^2 + u^2` as the running cost and noise: the Riccati equation of the problem without noise, plus its trace."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.5], 0.4), label=[[0.0]])
    zero = emfc.losses.LabelLoss(lambda x, y: 0.0 * x[:, 0], [[0.0]])
    running = emfc.losses.LabelLoss(lambda x, y: x[:, 0] ** 2, [[0.0]])
    p = emfc.Problem(emfc.fields.AffineField(1, matrix=False), law, zero, 2.0, 1.0, running=running, noise=0.5)
    solution = emfc.solve(p, emfc.CartesianMesh([(-4.0, 5.0)], 100), layers=2, control_degree=2, layer_map="dop853")
    # A control that does not see the state: the mean follows x' = u, and the variance is 0.16 + 0.25 t at every control.
    exact = 0.25 * np.tanh(1.0) + 0.16 + 0.125
    assert solution.cost == pytest.approx(exact, abs=1e-7)
    times = np.array([0.0, 0.3, 1.0])
    np.testing.assert_allclose(
        solution.pointwise.recovered(times)[:, 0], -0.5 * np.sinh(1.0 - times) / np.cosh(1.0), atol=1e-5
    )


def test_words_name_the_finer_mesh(solved):
    words = " ".join(solved.verdict(analyse=False))
    assert "the same on a finer mesh of a larger box" in words
    assert "without a mesh" not in words
    error = emfc.solve(affine(), tol=1e-3).error
    assert "Extrapolated from finer meshes, the cost of this control is" in str(error)
    assert "ithout a mesh" not in str(error)
