"""Finite volumes: conservation with its ledger, positivity, kernels against NumPy, transpose, bad input."""

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.continuity import FiniteVolume
from eulerian_mfc.continuity.gauss import GaussPoints
from eulerian_mfc.continuity.limiters import LIMITERS
from eulerian_mfc.errors import ArgumentError, NonFiniteError
from eulerian_mfc.flow import Flow, Layer
from eulerian_mfc.flow.integrators import INTEGRATORS
from eulerian_mfc.kernels import finite_volume as _kernels
from eulerian_mfc.meshes.padded import BOUNDARIES

SCHEMES = {
    "upwind": FiniteVolume("upwind"),
    **{f"muscl {limiter}": FiniteVolume("muscl", limiter=limiter) for limiter in LIMITERS},
    "weno5": FiniteVolume("weno5"),
}


def operator(scheme, mesh, field, signed=()):
    return scheme.on(mesh, Flow(field, emfc.LayerMap()), signed=signed)


def random_problem(seed, dim):
    """A mesh, an affine field with large velocities across the sides, a layer, and non-negative rough masses."""
    rng = np.random.default_rng((seed, dim))
    cells = rng.integers(6, {1: 40, 2: 14, 3: 9}[dim], size=dim).tolist()
    mesh = emfc.CartesianMesh([(-1.0, 1.0 + 0.3 * k) for k in range(dim)], cells)
    field = emfc.fields.AffineField(dim)
    masses = np.where(rng.uniform(size=(2, *cells)) < 0.4, 0.0, rng.uniform(size=(2, *cells)))
    theta = rng.normal(size=field.parameters)
    theta[: dim * dim : dim + 1] += 2.0  # outwards at least
    return mesh, field, Layer(0.0, 0.3, theta), masses


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_mass_and_positivity(scheme, boundary, dim):
    """Inside plus ledger is constant to round-off, masses stay non-negative, nothing enters; for every boundary kind."""
    mesh, field, layer, masses = random_problem(1, dim)
    chosen = FiniteVolume(scheme.reconstruction, scheme.limiter, boundary=boundary)
    out, ledger = operator(chosen, mesh, field).step_with_ledger(layer, masses)
    totals = masses.reshape(2, -1).sum(axis=1)
    left = ledger.reshape(2, -1).sum(axis=1)
    np.testing.assert_allclose(out.reshape(2, -1).sum(axis=1) + left, totals, rtol=1e-13)
    assert out.min() >= -1e-15
    assert ledger.min() >= 0
    if boundary == "outflow":
        assert left.max() > 0.01
    else:
        assert not ledger.any()


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_each_side_has_its_own_kind_and_entry(scheme):
    """Flow to the upper right: mass leaves through the high side of x alone, y being closed."""
    mesh = emfc.CartesianMesh([(0.0, 1.0), (0.0, 1.0)], 12)
    chosen = FiniteVolume(scheme.reconstruction, scheme.limiter, boundary={"y_low": "no_flux", "y_high": "no_flux"})
    layer = Layer(0.0, 0.25, np.array([1.0, 0.5]))
    masses = np.ones((1, 12, 12))
    out, ledger = operator(chosen, mesh, emfc.fields.AffineField(2, matrix=False)).step_with_ledger(layer, masses)
    assert ledger[0, 0, 1] > 1.0
    assert not ledger[0, [0, 1, 1], [0, 0, 1]].any()
    np.testing.assert_allclose(out.sum() + ledger.sum(), 144.0, rtol=1e-13)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_mirrored_data_give_mirrored_results(scheme):
    """Reversing axis and velocity reverses the result, to round-off."""
    rng = np.random.default_rng(2)
    mesh = emfc.CartesianMesh([(-1.0, 1.0), (-1.0, 1.0)], (13, 11))
    op = operator(scheme, mesh, emfc.fields.AffineField(2, matrix=False))
    masses = rng.uniform(size=(1, 13, 11))
    out, _ = op.step(Layer(0.0, 0.2, np.array([0.8, -0.3])), masses)
    mirrored, _ = op.step(Layer(0.0, 0.2, np.array([-0.8, -0.3])), masses[:, ::-1].copy())
    np.testing.assert_allclose(mirrored[:, ::-1], out, rtol=0, atol=1e-14)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_constants_are_kept_by_periodic_translations(scheme):
    mesh = emfc.CartesianMesh([(0.0, 1.0)] * 2, (9, 12))
    chosen = FiniteVolume(scheme.reconstruction, scheme.limiter, boundary="periodic")
    out, _ = operator(chosen, mesh, emfc.fields.AffineField(2, matrix=False)).step(
        Layer(0.0, 0.7, np.array([1.0, -2.0])), np.full((1, 9, 12), 3.0)
    )
    np.testing.assert_allclose(out, 3.0, rtol=1e-13)


@pytest.mark.parametrize("limiter", [name for name in LIMITERS if name != "none"])
def test_limited_schemes_make_no_new_extrema(limiter):
    """A box and a ramp translated around a period: between their bounds, and the total variation does not grow."""
    mesh = emfc.CartesianMesh([(0.0, 1.0)], 80)
    x = mesh.axis(0)
    masses = (np.where((x > 0.2) & (x < 0.5), 1.0, 0.0) + np.where(x > 0.7, x - 0.7, 0.0) + 0.5)[None]
    op = operator(FiniteVolume("muscl", limiter, boundary="periodic"), mesh, emfc.fields.AffineField(1, matrix=False))
    out = masses
    for n in range(10):
        out, _ = op.step(Layer(n / 10, 0.1, np.array([1.0])), out)
        assert masses.min() - 1e-14 <= out.min()
        assert out.max() <= masses.max() + 1e-14
    variation = lambda u: np.abs(np.diff(u, append=u[..., :1])).sum()  # noqa: E731
    assert variation(out) <= variation(masses) + 1e-12


def test_unlimited_reconstruction_does_make_new_extrema():
    """The test above can fail: without a limiter the box overshoots."""
    mesh = emfc.CartesianMesh([(0.0, 1.0)], 80)
    masses = np.where((mesh.axis(0) > 0.2) & (mesh.axis(0) < 0.5), 1.0, 0.0)[None]
    op = operator(FiniteVolume("muscl", "none", boundary="periodic"), mesh, emfc.fields.AffineField(1, matrix=False))
    assert op.step(Layer(0.0, 0.3, np.array([1.0])), masses)[0].max() > 1.01


def test_signed_moments_are_neither_limited_nor_refused():
    """The positivity limiter would change a signed field: flagged, the scheme is odd, S(-m) = -S(m)."""
    rng = np.random.default_rng(3)
    mesh = emfc.CartesianMesh([(-1.0, 1.0)], 40)
    field, layer = emfc.fields.NeuralField(1, bias=False), Layer(0.0, 0.5, np.array([1.5]))
    masses = rng.normal(size=(1, 40))
    op = operator(FiniteVolume("weno5"), mesh, field, signed=(True,))
    np.testing.assert_allclose(op.step(layer, -masses)[0], -op.step(layer, masses)[0], rtol=0, atol=1e-13)


def numpy_edges(reconstruction, u, limiter):
    """Both edge values of the inner cells, written with whole-array NumPy."""
    c = u[2:-2]
    a, b = c - u[1:-3], u[3:-1] - c
    if reconstruction == "muscl":
        same = a * b > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = {
                "none": (a + b) / 2,
                "minmod": np.where(same, np.sign(a) * np.minimum(abs(a), abs(b)), 0),
                "van_leer": np.where(same, 2 * a * b / (a + b), 0),
                "mc": np.where(same, np.sign(a) * np.minimum.reduce([2 * abs(a), 2 * abs(b), abs(a + b) / 2]), 0),
                "superbee": np.where(
                    same,
                    np.sign(a)
                    * np.maximum(np.minimum(2 * abs(a), abs(b)), np.minimum(abs(a), 2 * abs(b))),
                    0,
                ),
                "van_albada": np.where(same, a * b * (a + b) / (a**2 + b**2), 0),
            }[limiter]  # fmt: skip
        return c - slope / 2, c + slope / 2

    def upper(v, w, x, y, z):
        beta = np.stack([
            13 / 12 * (v - 2 * w + x) ** 2 + (v - 4 * w + 3 * x) ** 2 / 4,
            13 / 12 * (w - 2 * x + y) ** 2 + (w - y) ** 2 / 4,
            13 / 12 * (x - 2 * y + z) ** 2 + (3 * x - 4 * y + z) ** 2 / 4,
        ])  # fmt: skip
        weights = np.array([0.1, 0.6, 0.3])[:, None] * (1 + (abs(beta[0] - beta[2]) / (beta + 1e-40)) ** 2)
        values = np.stack([2 * v - 7 * w + 11 * x, -w + 5 * x + 2 * y, 2 * x + 5 * y - z]) / 6
        return (weights * values).sum(axis=0) / weights.sum(axis=0)

    return upper(u[4:], u[3:-1], c, u[1:-3], u[:-4]), upper(u[:-4], u[1:-3], c, u[3:-1], u[4:])


@pytest.mark.parametrize(
    "scheme",
    [s for s in SCHEMES.values() if s.reconstruction != "upwind"],
    ids=lambda s: f"{s.reconstruction} {s.limiter}",
)
def test_kernels_against_numpy(scheme):
    u = np.random.default_rng(4).normal(size=60)
    low, high = np.zeros(60), np.zeros(60)
    if scheme.reconstruction == "muscl":
        limiter = LIMITERS[scheme.limiter]
        _kernels.muscl_edges(limiter.formula, limiter.limited)(u, 1, low, high, (0, u.size))
    else:
        _kernels.weno_edges(u, 1, low, high, (0, u.size))
    expected = numpy_edges(scheme.reconstruction, u, scheme.limiter)
    np.testing.assert_allclose(low[2:-2], expected[0], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(high[2:-2], expected[1], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", INTEGRATORS)
def test_integrators_have_their_order_and_time_is_carried_along(name):
    """`u' = cos(t) u` against exp(sin t); the state's last entry is the time."""
    method = INTEGRATORS[name]
    steps, errors = (10, 20, 40), []
    for count in steps:
        state = (np.ones(1), np.zeros(()))
        for _ in range(count):
            state = method.step(lambda s, tau: (s[0] + tau * np.cos(s[1]) * s[0], s[1] + tau), state, 1.0 / count)
        assert abs(state[1] - 1.0) <= 1e-13
        errors.append(abs(state[0][0] - np.exp(np.sin(1.0))))
    assert abs(-np.polyfit(np.log(steps), np.log(errors), 1)[0] - method.order) <= 0.15


def test_gauss_points_carry_the_cells_masses_and_quartics_exactly():
    """Averages of a quartic give its point values; the points of a cell carry its mass, also of rough data."""
    mesh = emfc.CartesianMesh([(0.0, 2.0)], 12)
    gauss = GaussPoints(mesh, [False])
    rng = np.random.default_rng(5)
    rough = rng.uniform(size=(2, 12))
    np.testing.assert_allclose(gauss.weights(rough).reshape(2, 12, 3).sum(axis=2), rough, rtol=1e-13)
    plane = emfc.CartesianMesh([(0.0, 2.0), (-1.0, 1.0)], (8, 9))
    rough = rng.uniform(size=(1, 8, 9))
    weights = GaussPoints(plane, [False, True]).weights(rough).reshape(1, 8, 3, 9, 3)
    np.testing.assert_allclose(weights.sum(axis=(2, 4)), rough, rtol=0, atol=1e-14)
    # Smooth data: the integral of cos against a quadratic density, order 5 or better.
    errors = []
    for n in (20, 40, 80):
        line = emfc.CartesianMesh([(0.0, 2.0)], n)
        faces = line.faces(0)
        masses = np.diff(-np.exp(-faces))[None]
        points = GaussPoints(line, [False])
        inside = slice(15, -15)
        exact = np.exp(-points.points[:, 0]) * np.tile(np.array([5, 8, 5]) / 18 * line.widths[0], n)
        errors.append(np.abs(points.weights(masses)[0] / exact - 1)[inside].max())
    assert np.log2(errors[0] / errors[1]) >= 4.7
    assert np.log2(errors[1] / errors[2]) >= 4.7


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_upwind_and_its_adjoint_are_transposes(dim, boundary):
    """Duality over a layer to round-off for every boundary kind, and the slope in theta against central differences."""
    mesh, field, layer, masses = random_problem(6, dim)
    scheme = FiniteVolume("upwind", boundary=boundary, substeps=40)
    forward = operator(scheme, mesh, field)
    back = scheme.adjoint().on(mesh, Flow(field, emfc.LayerMap()))
    rng = np.random.default_rng(7)
    psi = rng.normal(size=masses.shape)
    out, _ = forward.step(layer, masses)
    before, slope = back.step_with_slope(layer, psi, masses)
    assert abs(np.vdot(psi, out) - np.vdot(before, masses)) <= 1e-13 * np.abs(psi * out).sum()
    np.testing.assert_allclose(back.step(layer, psi), before, rtol=0, atol=1e-14)
    direction = rng.normal(size=field.parameters)
    pairing = back.nodal_pairing(psi, masses)
    ahead, behind = (pairing(layer._replace(theta=layer.theta + s * 1e-6 * direction))[0] for s in (1, -1))
    assert abs((ahead - behind) / 2e-6 - slope @ direction) <= 1e-6 * np.linalg.norm(slope) * np.linalg.norm(direction)


def samples_problem(field=None):
    rng = np.random.default_rng(8)
    x = rng.normal(scale=0.4, size=(100, 2))
    chosen = emfc.fields.NeuralField(2) if field is None else field
    return emfc.Problem(chosen, emfc.laws.Empirical(x, np.sin(x) + 0.3), emfc.losses.SquaredLoss(), 0.3, 1.0)


def test_upwind_pair_has_duality_and_the_exact_gradient():
    """The same promises as the default pair: `adjoint` is true, L-BFGS takes it, the gradient is that of the cost."""
    scheme = FiniteVolume("upwind", substeps=20)
    system = emfc.OptimalitySystem(
        samples_problem(), emfc.CartesianMesh([(-3, 3)] * 2, 30), 4, continuity=scheme, transport=scheme.adjoint()
    )
    assert system.adjoint
    rng = np.random.default_rng(9)
    control, direction = rng.normal(scale=0.4, size=(4, 6)), rng.normal(size=(4, 6))
    masses, potentials = system.masses(control)[0], system.potentials(control)
    pairings = [np.vdot(p, m) for p, m in zip(potentials, masses, strict=True)]
    assert np.ptp(pairings) <= 1e-12 * np.abs(potentials[-1] * masses[-1]).sum()
    cost, gradient = system.cost_and_gradient(control)
    difference = (system.cost(control + 1e-6 * direction).total - system.cost(control - 1e-6 * direction).total) / 2e-6
    assert abs(difference - np.vdot(gradient, direction)) <= 1e-6 * np.linalg.norm(gradient) * np.linalg.norm(direction)
    steps = np.array([4e-2, 2e-2, 1e-2])
    remainders = [
        abs(system.cost(control + s * direction).total - cost - s * np.vdot(gradient, direction)) for s in steps
    ]
    assert abs(np.polyfit(np.log(steps), np.log(remainders), 1)[0] - 2) <= 0.3
    # Where no face velocity changes its sign the cost is smooth, and L-BFGS goes to round-off.
    translation = samples_problem(emfc.fields.AffineField(2, matrix=False))
    solution = emfc.solve(translation, system.mesh, 4, continuity=scheme, transport=scheme.adjoint())
    assert solution.solved  # and J is off by more than 5 %, for upwind differences spread the mass
    assert solution.checks.adjoint
    assert solution.checks.duality_drift <= 1e-12


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.CostErrorWarning")  # schemes of low order on few cells
def test_pairs_that_are_not_adjoint_say_so_and_refuse_line_searches():
    """`adjoint=False`, the drift of the pairing is reported, falls with the mesh, and LBFGS names what to use."""
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1.0], [1.0]], 0.3), [-2.0, 2.0])
    problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), 0.3, 1.0)
    drifts = []
    for cells in (60, 120):
        solution = emfc.solve(problem, emfc.CartesianMesh([(-5, 5)], cells), 8, continuity=FiniteVolume("muscl"))
        assert not solution.checks.adjoint
        assert "Shooting" in solution.description["solver"]
        drifts.append(solution.checks.duality_drift)
    assert 1e-6 < drifts[1] < drifts[0] / 2
    with pytest.raises(
        ArgumentError, match=r"solver: got LBFGS.*not adjoint, expected the solver solvers.Shooting\(relaxation=0.5\)"
    ):
        emfc.solve(
            problem, emfc.CartesianMesh([(-5, 5)], 60), 8, continuity=FiniteVolume("muscl"), solver=emfc.solvers.LBFGS()
        )


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.CostErrorWarning")  # schemes of low order on few cells
@pytest.mark.parametrize(
    "transport",
    [
        emfc.transport.FiniteVolume("weno5"),
        emfc.transport.SemiLagrangian(3, "limited"),
        emfc.transport.SemiLagrangian(5),
    ],
)
@pytest.mark.parametrize("reconstruction", ["muscl", "weno5"])
def test_any_continuity_scheme_meets_any_transport_scheme(reconstruction, transport, tmp_path):
    """Every pair solves the plane's problem near the default pair's answer, and survives a file."""
    mesh = emfc.CartesianMesh([(-2.5, 2.5)] * 2, 20)
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.2, 0.0], 0.4), lambda x: 0.5 * x + 0.3)
    problem = emfc.Problem(emfc.fields.NeuralField(2), law, emfc.losses.SquaredLoss(), 0.5, 1.0)
    exact = emfc.solve(problem, mesh, 4)
    scheme = FiniteVolume(reconstruction, boundary={"x_low": "no_flux"})
    solver = emfc.solvers.Shooting(relaxation=0.5, tol=1e-4)
    solution = emfc.solve(problem, mesh, 4, continuity=scheme, transport=transport, solver=solver)
    assert np.abs(solution.control - exact.control).max() <= 0.02
    solution.save(tmp_path / "pair.h5")
    loaded = emfc.Solution.load(tmp_path / "pair.h5", problem)
    assert loaded.system.continuity_scheme == scheme
    assert loaded.system.transport_scheme == transport
    solution.to_vtk(tmp_path / "vtk")


MESH = emfc.CartesianMesh([(-1.0, 1.0)], 20)
LINE = emfc.fields.AffineField(1)


@pytest.mark.parametrize(
    ("build", "pattern"),
    [
        (lambda: FiniteVolume("lax"), r"reconstruction: got 'lax', expected one of 'upwind', 'muscl', 'weno5'"),
        (lambda: FiniteVolume(limiter="koren"), r"limiter: got 'koren', expected one of .*'van_leer'"),
        (lambda: FiniteVolume(integrator="rk4"), r"integrator: got 'rk4'"),
        (lambda: FiniteVolume("upwind", cfl=1.7), r"cfl: got 1.7, expected at most 1 .*use cfl <= 1, or set a larger"),
        (lambda: FiniteVolume("weno5", cfl=7.0), r"cfl: got 7.0, expected at most 6"),
        (lambda: FiniteVolume(cfl=0.0), r"cfl: got 0.0"),
        (lambda: FiniteVolume(boundary="wall"), r"boundary: got 'wall', expected one of 'outflow', 'no_flux', 'periodic'"),
        (lambda: FiniteVolume(boundary={"x_low": "wall"}), r"boundary: got 'wall'"),
        (lambda: operator(FiniteVolume(boundary={"y_low": "no_flux"}), MESH, LINE), r"boundary: got 'y_low'"),
        (lambda: operator(FiniteVolume(boundary={"x_low": "periodic"}), MESH, LINE), r"boundary: got .*both sides of axis x"),
        (lambda: operator(FiniteVolume("weno5"), emfc.CartesianMesh([(0, 1)], 4), LINE), r"cells: got \(4,\).* 5 cells"),
        (lambda: FiniteVolume("muscl").adjoint(), r"adjoint: got muscl with ssprk3, which is not linear"),
        (lambda: emfc.transport.SemiLagrangian(3, "limited").adjoint(), r"interpolation: got 'limited'"),
        (lambda: emfc.transport.SemiLagrangian(5, "limited"), r"degree: got 5, expected 3 for limited"),
        (lambda: emfc.transport.SemiLagrangian(5, outside="mirror"), r"outside: got 'mirror'"),
        (lambda: emfc.transport.FiniteVolume("weno5").adjoint(), r"adjoint: got FiniteVolume"),
        (lambda: emfc.transport.FiniteVolume("upwind", cfl=2.0), r"cfl: got 2.0"),
        (
            lambda: operator(FiniteVolume("upwind", substeps=1), MESH, LINE).step(
                Layer(0.0, 1.0, np.array([0.0, 3.0])), np.ones((1, 20))
            ),
            r"substeps: got 1, which gives the Courant number 30, expected a Courant number of at most 1: use substeps >= 30",
        ),
        (
            lambda: emfc.OptimalitySystem(
                samples_problem(), emfc.CartesianMesh([(-3, 3)] * 2, 20), 2, transport=emfc.transport.FiniteVolume()
            ),
            r"continuity: got PushForward together with FiniteVolume",
        ),
    ],
)  # fmt: skip
def test_bad_input(build, pattern):
    with pytest.raises(ArgumentError, match=pattern):
        build()


def test_velocities_that_are_not_finite_are_refused():
    with pytest.raises(NonFiniteError, match="velocity across the faces of axis 0"):
        operator(FiniteVolume(), MESH, LINE).step(Layer(0.0, 1.0, np.array([np.nan, 0.0])), np.ones((1, 20)))


def test_negative_densities_are_refused():
    """Weights are checked at the edge, so a law cannot be negative; a moment that is flagged as a density cannot either."""
    from eulerian_mfc.laws import LabelledRule

    rule = LabelledRule(np.array([[0.1], [0.3]]), np.array([0.5, 0.5]), np.zeros((2, 1)))
    moments = np.array([[1.0, -1.0]])
    with pytest.raises(ArgumentError, match="negative mass"):
        operator(FiniteVolume(), MESH, LINE).initial(rule, moments)
    assert operator(FiniteVolume(), MESH, LINE, signed=(True,)).initial(rule, moments).sum() == 0.0
