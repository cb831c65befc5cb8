"""Finite volumes on layers whose parameters are polynomials in time: orders in time, Courant numbers, and mass."""

import dataclasses

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.continuity import FiniteVolume, SimplexFiniteVolume
from eulerian_mfc.fields import AffineField, CustomField, NeuralField
from eulerian_mfc.flow import Flow, Layer, LayerMap
from eulerian_mfc.flow.polynomials import KINDS, Basis
from eulerian_mfc.transport import FiniteVolume as Upwind

from .conftest import change_of_basis
from .test_time_varying_schemes import BASES, TIMED, layer_of, mesh_of


def line_mesh(cells=40):
    return emfc.CartesianMesh([(-1.0, 1.0)], cells)


def bump(mesh):
    return np.exp(-(((mesh.centres[:, 0] + 0.1) / 0.25) ** 2)).reshape(1, *mesh.shape)


#: the schemes that are linear in the masses once the sign of the velocity is fixed, with the order of their integrator
IN_TIME = [
    (FiniteVolume("upwind"), 1),
    (FiniteVolume("upwind", integrator="ssprk2"), 2),
    (FiniteVolume("muscl", limiter="none", positivity=False), 3),
    (FiniteVolume("muscl", limiter="none", positivity=False, integrator="ssprk104"), 4),
    (SimplexFiniteVolume("upwind"), 1),
    (SimplexFiniteVolume("muscl", limiter="none"), 3),
]


def slope(counts, errors):
    return -np.polyfit(np.log(counts), np.log(errors), 1)[0]


@pytest.mark.parametrize(("scheme", "order"), IN_TIME, ids=lambda v: repr(v))
@pytest.mark.parametrize("kind", KINDS)
def test_finite_volumes_have_their_order_in_time(scheme, order, kind):
    """`F = theta(t) v` with theta > 0: the semi-discrete masses depend on `int theta` alone, so a constant is the reference."""
    if scheme.mesh_kind == "simplex":
        mesh, field = mesh_of(scheme, 16), CustomField(lambda t, th, x: th[0] * np.tile([1.0, 0.4], (len(x), 1)), 2, 1)
        masses = np.random.default_rng(0).random((1, mesh.size))
    else:
        mesh, field = line_mesh(), AffineField(1, matrix=False)
        masses = bump(mesh)
    basis = Basis(3, kind)
    curve = change_of_basis(basis, Basis(3, "legendre"))
    theta = np.linalg.solve(curve, np.array([[0.5], [0.25], [-0.1], [0.06]]))  # the mean is 0.5, in both bases
    layer = Layer(0.2, 0.3, theta, basis)
    assert layer.rows(np.linspace(0, 1, 50)).min() > 0
    flow = Flow(field, LayerMap())

    def end(at, count, integrator):
        settings = dataclasses.replace(scheme, substeps=count, integrator=integrator)
        return settings.on(mesh, flow).step(at, masses)[0]

    exact = end(Layer(0.2, 0.3, np.array([0.5])), 400, "ssprk104")
    counts = [12, 18, 24, 36]
    errors = [np.abs(end(layer, n, scheme.integrator) - exact).max() for n in counts]
    assert errors[-1] > 1e-11  # above round-off
    assert slope(counts, errors) == pytest.approx(order, abs=0.2)


@pytest.mark.parametrize(("integrator", "order"), [("euler", 1), ("ssprk2", 2), ("ssprk3", 3), ("ssprk104", 4)])
@pytest.mark.parametrize("kind", KINDS)
def test_upwind_transport_has_its_order_in_time(integrator, order, kind):
    """The same backwards in time; the largest speed is at the layer's start, and `cfl` sets the number of substeps."""
    mesh, theta = line_mesh(), np.array([[1.5], [-0.5]]) if kind == "legendre" else np.array([[2.0], [1.0]])
    layer, flow, psi = (
        Layer(0.2, 0.1, theta, Basis(1, kind)),
        Flow(AffineField(1, matrix=False), LayerMap()),
        bump(line_mesh()),
    )
    courant = layer.length * 2.0 / mesh.widths[0]
    counts = [6, 9, 12, 18]
    errors = []
    exact = (
        Upwind("upwind", "ssprk104", cfl=0.01)
        .on(mesh, flow)
        .step(layer._replace(theta=np.array([1.5]), basis=None), psi)
    )
    for count in counts:
        scheme = Upwind("upwind", integrator, cfl=courant / count * (1 + 1e-9))
        errors.append(np.abs(scheme.on(mesh, flow).step(layer, psi) - exact).max())
    assert slope(counts, errors) == pytest.approx(order, abs=0.2)


SCHEMES = [
    FiniteVolume("upwind"), FiniteVolume("muscl"), FiniteVolume("weno5"), SimplexFiniteVolume("upwind"),
    SimplexFiniteVolume("muscl"), Upwind("upwind"), Upwind("weno5"), FiniteVolume("upwind").adjoint(),
]  # fmt: skip


BOTH = pytest.mark.parametrize("field", [NeuralField(2), TIMED], ids=["autonomous", "timed"])


def cell_values(mesh):
    """A smooth function in the cells."""
    x = mesh.points[mesh.cells].mean(axis=1) if mesh.kind == "simplex" else mesh.centres
    values = 1.5 + np.sin(3 * x[:, 0]) * np.cos(2 * x[:, 1])
    return values.reshape(1, mesh.size) if mesh.kind == "simplex" else values.reshape(1, *mesh.shape)


def constant_parts(layer, count, share):
    """Sub-layers with the constant parameters that hold after a share of each."""
    dt = layer.length / count
    return [Layer(layer.start + k * dt, dt, layer.at((k + share) / count)) for k in range(count)]


@pytest.mark.parametrize("scheme", [FiniteVolume("upwind"), SimplexFiniteVolume("upwind")], ids=repr)
@BOTH
@BASES
def test_euler_steps_use_the_parameters_at_their_starts(scheme, field, basis):
    """Twenty Euler steps are twenty layers with constant parameters, and so is the transpose, with its slopes."""
    mesh, flow, layer = mesh_of(scheme), Flow(field, LayerMap()), layer_of(field, basis)
    parts, masses = constant_parts(layer, 20, 0.0), cell_values(mesh_of(scheme))
    small = dataclasses.replace(scheme, substeps=1).on(mesh, flow)
    many = [masses]
    for part in parts:
        many.append(small.step(part, many[-1])[0])
    whole = dataclasses.replace(scheme, substeps=20)
    np.testing.assert_allclose(whole.on(mesh, flow).step(layer, masses)[0], many[-1], rtol=0, atol=1e-13)
    if scheme.mesh_kind == "simplex":
        return
    back, psi, slopes = small.scheme.adjoint().on(mesh, flow), cell_values(mesh)[:, ::-1], []
    before, slope = whole.adjoint().on(mesh, flow).step_with_slope(layer, psi, masses)
    for part, state in zip(reversed(parts), reversed(many[:-1]), strict=True):
        psi, part_slope = back.step_with_slope(part, psi, state)
        slopes.append(part_slope)
    np.testing.assert_allclose(before, psi, rtol=0, atol=1e-13)
    expected = layer.basis(np.arange(20) / 20).T @ np.stack(slopes[::-1])
    np.testing.assert_allclose(slope, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize(
    "scheme",
    [
        FiniteVolume("muscl", limiter="none", positivity=False, boundary="periodic", cfl=0.2),
        FiniteVolume("muscl", boundary="periodic", cfl=0.2),
        FiniteVolume("weno5", boundary="periodic", cfl=0.4),
        SimplexFiniteVolume("muscl", cfl=0.2),
        Upwind("upwind", "ssprk3", cfl=0.2),
        Upwind("weno5", cfl=0.4),
    ],
    ids=repr,
)
@BOTH
def test_many_constant_layers_converge_to_a_layer(scheme, field):
    """Sub-layers with the constant parameters of their middles: order 2 in L1, since velocities change their signs."""
    mesh, flow, layer = mesh_of(scheme), Flow(field, LayerMap()), layer_of(field, Basis(2, "bernstein"), 0.8)
    operator, backwards = scheme.on(mesh, flow), isinstance(scheme, Upwind)

    def end(parts):
        value = cell_values(mesh)
        for part in reversed(parts) if backwards else parts:
            out = operator.step(part, value)
            value = out if backwards else out[0]
        return value

    exact, counts = end([layer]), [8, 16, 32]
    errors = [np.abs(end(constant_parts(layer, n, 0.5)) - exact).mean() for n in counts]
    assert slope(counts, errors) == pytest.approx(2, abs=0.2)
    assert errors[-1] < 3e-4


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
def test_parameters_within_the_layer_are_seen_by_courant_numbers(scheme):
    """Theta is zero at both ends and at the middle sample: substeps are those of the largest speed in between."""
    if isinstance(scheme, Upwind | emfc.continuity.FiniteVolumeTranspose):
        field = AffineField(2, matrix=False)
        masses = np.ones((1, 12, 12))
        masses[0, 4:8, 4:8] = 2.0
        layer = Layer(0.0, 1.0, np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 0.0]]), Basis(2, "bernstein"))
        out = scheme.on(mesh_of(scheme), Flow(field, LayerMap())).step(layer, masses)
        assert np.abs(out).max() < 2.3  # an unstable step has values far beyond
        if scheme.positive:
            assert out.max() <= 2.0 + 1e-12
        return
    operator = scheme.on(mesh_of(scheme), Flow(AffineField(2, matrix=False), LayerMap()))
    count = operator.substeps_of if scheme.mesh_kind == "simplex" else operator.substeps
    layer = Layer(0.0, 1.0, np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 0.0]]), Basis(2, "bernstein"))  # at most 1.5
    still, most = Layer(0.0, 1.0, np.zeros(2)), Layer(0.0, 1.0, np.array([1.5, 0.0]))
    assert count(still) == 1
    assert count(layer) == count(most) > 3


@pytest.mark.parametrize("scheme", SCHEMES[:5], ids=repr)
@BASES
def test_mass_is_kept_with_what_left(scheme, basis):
    mesh, field = mesh_of(scheme), NeuralField(2)
    operator = scheme.on(mesh, Flow(field, LayerMap()))
    masses = np.random.default_rng(0).random((2, *(mesh.shape if scheme.mesh_kind != "simplex" else (mesh.size,))))
    after, left = operator.step(layer_of(field, basis, 2.0), masses)
    before, total = (m.reshape(2, -1).sum(axis=1) for m in (masses, after))
    np.testing.assert_allclose(total + left, before, rtol=1e-12)
    assert (left > 0).all()
    assert after.min() >= -1e-14
