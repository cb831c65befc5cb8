"""Orders and rough data of every scheme: the functions of docs/schemes.py on meshes small enough for every run."""

import numpy as np
import pytest

import eulerian_mfc as emfc

from .conftest import REFERENCE, script


@pytest.fixture(scope="module")
def study():
    return script("schemes")


ORDERS = {
    "upwind": (0.9, ["tanh, 1D", "rotation, 2D", "swirl, 2D"]),
    "MUSCL none": (1.9, ["tanh, 1D", "rotation, 2D"]),
    "MUSCL minmod": (1.7, ["tanh, 1D", "rotation, 2D"]),
    "MUSCL van_leer": (1.9, ["tanh, 1D", "rotation, 2D"]),
    "MUSCL mc": (1.9, ["tanh, 1D", "rotation, 2D", "swirl, 2D", "rotation, 3D"]),
    "MUSCL superbee": (1.7, ["tanh, 1D"]),
    "MUSCL van_albada": (1.9, ["tanh, 1D", "rotation, 2D"]),
    "WENO5": (4.7, ["tanh, 1D", "rotation, 2D", "swirl, 2D"]),
}


@pytest.mark.parametrize(("label", "flow"), [(label, flow) for label, (_, flows) in ORDERS.items() for flow in flows])
def test_continuity_orders_in_l1(study, label, flow):
    """Smooth exact solutions over three meshes at a fixed Courant number; the docs' table has a fourth."""
    cells, errors, order = study.smooth_orders(study.CONTINUITY[label], flow, meshes=3)
    assert order >= ORDERS[label][0], (cells, errors)


def test_every_reconstruction_and_limiter_is_studied(study):
    from eulerian_mfc.continuity.finite_volume import RECONSTRUCTIONS
    from eulerian_mfc.continuity.limiters import LIMITERS

    assert set(ORDERS) == set(study.CONTINUITY)
    assert {s.reconstruction for s in study.CONTINUITY.values()} == set(RECONSTRUCTIONS)
    assert {s.limiter for s in study.CONTINUITY.values() if s.reconstruction == "muscl"} == set(LIMITERS)


@pytest.mark.parametrize(
    ("label", "least"), [("upwind differences", 0.9), ("WENO5 differences", 4.7), ("limited cubic", 2.7)]
)
def test_transport_orders(study, label, least):
    """Cells and layers doubled together; limited cubic in L1, the others in the maximum."""
    cells, errors, order = study.transport_orders(label)
    assert order >= least, (cells, errors)


def test_shorter_layers_on_the_same_mesh_make_the_error_grow(study):
    """The classical warning about semi-Lagrangian schemes: every layer interpolates once more."""
    for scheme in (emfc.transport.SemiLagrangian(1), emfc.transport.SemiLagrangian(3, "lagrange")):
        errors = [study.transport_errors(scheme, 160, layers, "max") for layers in (2, 10, 50)]
        assert errors[0] < errors[1] < errors[2]


def test_limited_cubic_keeps_bounds_where_cubic_does_not(study):
    """A step carried through forty layers: the limited scheme stays between its values."""
    flow = study.tanh_flow(theta=-0.8, half_width=8.0)
    mesh = flow.mesh(100)
    step = np.where(mesh.axis(0) > 0.3, 1.0, 0.0)[None]
    results = {}
    for kind in ("limited", "lagrange"):
        operator = emfc.transport.SemiLagrangian(3, kind).on(mesh, study.Flow(flow.field, emfc.LayerMap()))
        psi = step
        for layer in study.layers_of(flow, 40):
            psi = operator.step(layer, psi)
        results[kind] = psi
    assert results["limited"].min() >= 0
    assert results["limited"].max() <= 1
    assert results["lagrange"].max() > 1.01


@pytest.mark.parametrize("degree", [1, 3, 5, 7])
@pytest.mark.parametrize("kind", ["spline", "lagrange"])
def test_periodic_transport_comes_round(study, degree, kind):
    """A translation by one period in ten layers, off the nodes: back at the start, mass and duality to round-off."""
    mesh = emfc.CartesianMesh([(0.0, 1.0)], 37)
    flow = study.Flow(emfc.fields.AffineField(1, matrix=False), emfc.LayerMap())
    operator = emfc.transport.SemiLagrangian(degree, kind, outside="periodic").on(mesh, flow)
    x = mesh.axis(0)
    psi = start = np.exp(np.sin(2 * np.pi * x))[None]
    masses = np.random.default_rng(0).uniform(size=(1, 37))
    mass, pairing = masses.sum(), None
    layer = study.Layer(0.0, 0.1, np.array([1.0]))
    moved = masses
    for _ in range(10):
        psi = operator.step(layer, psi)
        moved, outside = operator.adjoint_step(layer, moved)
        assert outside[0] == 0
    pairing = np.vdot(start, moved)
    assert abs(moved.sum() - mass) <= 1e-12 * mass
    assert abs(pairing - np.vdot(psi, masses)) <= 1e-12 * abs(pairing)
    bound = {1: 0.2, 3: 3e-3, 5: 1e-4, 7: 1e-5}[degree]
    assert np.abs(psi - start).max() <= bound


def test_extrapolation_is_linear(study):
    """`outside="extrapolate"`: a linear potential is exact wherever the feet land."""
    mesh = emfc.CartesianMesh([(-1.0, 1.0)], 20)
    flow = study.Flow(emfc.fields.AffineField(1), emfc.LayerMap("euler"))
    operator = emfc.transport.SemiLagrangian(5, outside="extrapolate").on(mesh, flow)
    x = mesh.axis(0)
    out = operator.step(study.Layer(0.0, 0.5, np.array([2.0, 0.3])), (3 * x + 1)[None])
    np.testing.assert_allclose(out[0], 3 * (x + 0.5 * (2 * x + 0.3)) + 1, rtol=1e-12)


@pytest.mark.parametrize("name", ["box", "half Gaussian"])
@pytest.mark.parametrize("label", list(ORDERS))
def test_rough_densities(study, label, name):
    """No new extrema for limited schemes, no negative masses, and Wasserstein-1 errors that fall."""
    runs = [study.rough_run(study.CONTINUITY[label], name, n) for n in (100, 200, 400)]
    errors = [study.w1(masses, exact, mesh) for masses, exact, mesh, _ in runs]
    assert study.order((100, 200, 400), errors) >= 0.9
    for masses, exact, _, start in runs:
        assert masses.min() >= -1e-15
        if label not in ("MUSCL none", "WENO5"):
            assert masses.max() <= max(start.max(), exact.max()) + 1e-14


#: problem, continuity, degree, least order, largest error at 320 cells: limited by the weaker member of the pair
OPTIMA = [
    ("bimodal_1d_0.2", "upwind", 3, 0.9, None),
    ("bimodal_1d_0.2", "muscl", 3, 1.8, 3e-4),
    ("bimodal_1d_0.2", "weno5", 5, 3.0, 2e-6),
    ("bimodal_1d_0.2", "weno5", 1, 0.9, None),
    ("toy_line_nobias_1", "upwind", 5, 0.9, None),
    ("toy_line_nobias_1", "muscl", 5, 1.8, None),
    ("toy_line_nobias_1", "weno5", 3, 3.0, None),
]


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.CostErrorWarning")  # schemes of low order on few cells
@pytest.mark.parametrize(("name", "reconstruction", "degree", "least", "bound"), OPTIMA)
def test_the_optimum_by_shooting(study, name, reconstruction, degree, least, bound):
    """Errors of the control against the reference at 80, 160 and 320 cells; all nine pairs are in the docs' table.

    The runs start from the reference, and move away from it by what the mesh changes.
    """
    cells = (80, 160, 320)
    errors = study.optimum_errors(name, reconstruction, degree, cells, np.array(REFERENCE[name]["control"]))
    assert study.order(cells, errors) >= least, errors
    if bound is not None:
        assert errors[-1] <= bound


@pytest.mark.parametrize("name", ["zalesak", "swirl"])
def test_bodies_keep_their_mass(study, name):
    """Zalesak's disk and the deformational flow, 50^2 cells: mass plus what left is exact, limited schemes keep bounds."""
    for label, scheme in study.SHOWN.items():
        masses, exact, mass_error, _ = study.body(scheme, name, 50, layers=20)
        assert mass_error <= 1e-12, label
        if "adjoint" not in label or "degree 1" in label:
            assert masses.min() >= -1e-15, label
        assert np.abs(masses - exact).sum() / exact.sum() < 1.5
