"""Schemes on layers whose parameters are polynomials in time: derivatives and duality."""

import numpy as np
import pytest
import skfem

import eulerian_mfc as emfc
from eulerian_mfc.continuity import FiniteVolume, PushForward
from eulerian_mfc.fields import AffineField, CustomField, NeuralField
from eulerian_mfc.flow import Flow, Layer, LayerMap
from eulerian_mfc.flow.polynomials import KINDS, Basis
from eulerian_mfc.schemes.pairing import PointPairing, SmoothPointPairing
from eulerian_mfc.system.pairs import AdjointPair
from eulerian_mfc.system.scheme_choice import pair_of
from eulerian_mfc.transport import Elements, SemiLagrangian

BASES = pytest.mark.parametrize("basis", [Basis(degree, kind) for kind in KINDS for degree in (0, 1, 3)], ids=str)
#: a field that depends on time, and is not compiled
TIMED = CustomField(
    lambda t, th, x: np.stack([th[0] + np.sin(th[1] * x[:, 1] + t), th[2] * np.cos(x[:, 0] - 2 * t)], axis=1), 2, 3
)


def mesh_of(scheme, cells=12):
    if scheme.mesh_kind == "simplex":
        line = np.linspace(-1.0, 1.0, cells // 2 + 1)
        return emfc.SimplexMesh(skfem.MeshTri.init_tensor(line, line))
    return emfc.CartesianMesh([(-1.0, 1.0)] * 2, cells)


def pair(scheme, field):
    out = pair_of(scheme, scheme.transpose, mesh_of(scheme), Flow(field, LayerMap("rk4", 2)))
    assert isinstance(out, AdjointPair)
    return out


def layer_of(field, basis, size=0.5):
    rng = np.random.default_rng(basis.degree)
    return Layer(0.3, 0.4, size * rng.normal(size=(basis.degree + 1, field.parameters)), basis)


def smooth(mesh, seed):
    """Two fields of masses or potentials without jumps."""
    x, rng = mesh.centres, np.random.default_rng(seed)
    rows = [np.sin(x @ rng.normal(size=x.shape[1]) + rng.normal()) + 1.1 for _ in range(2)]
    return np.stack(rows).reshape(2, *mesh.shape)


@pytest.mark.parametrize(
    "scheme",
    [SemiLagrangian(5), SemiLagrangian(3, outside="periodic"), Elements(2), FiniteVolume("upwind").adjoint()],
    ids=repr,
)
@pytest.mark.parametrize("field", [NeuralField(2), TIMED], ids=["compiled", "timed"])
@BASES
def test_steps_and_their_slopes(scheme, field, basis):
    """`<S psi, m> = <psi, S^T m>`; the slope by central differences in every coefficient, and that of the pairing."""
    two, layer = pair(scheme, field), layer_of(field, basis)
    psi, masses = smooth(two.mesh, 1), smooth(two.mesh, 2)
    before, slope = two.pull(layer, masses, psi)
    assert slope.shape == layer.theta.shape
    np.testing.assert_allclose(before, two.back(layer, psi), rtol=0, atol=1e-12)
    after, _ = two.push(layer, masses)
    assert (before * masses).sum() == pytest.approx((psi * after).sum(), rel=1e-11)
    value, same = two.pairing(psi, masses)(layer)
    assert value == pytest.approx((before * masses).sum(), rel=1e-11)
    np.testing.assert_allclose(same, slope, rtol=0, atol=1e-10 * np.abs(slope).max())
    h = 1e-6
    for i in np.ndindex(slope.shape):
        unit = np.zeros_like(layer.theta)
        unit[i] = h
        ends = [two.back(layer._replace(theta=layer.theta + s * unit), psi) for s in (1, -1)]
        difference = ((ends[0] - ends[1]) * masses).sum() / (2 * h)
        assert slope[i] == pytest.approx(difference, rel=0, abs=2e-6 * np.abs(slope).max())


@pytest.mark.parametrize("field", [NeuralField(2), TIMED], ids=["compiled", "timed"])
@BASES
def test_second_derivatives(field, basis):
    """The Hessian of a pairing, in all coefficients: by differences of the slope, symmetric, and the general one agrees."""
    two, layer = pair(SemiLagrangian(5), field), layer_of(field, basis)
    pairing = two.pairing(smooth(two.mesh, 1), smooth(two.mesh, 2))
    assert isinstance(pairing, SmoothPointPairing)
    hessian, size = pairing.hessian(layer, np.ones(field.parameters)), layer.theta.size
    assert hessian.shape == (size, size)
    np.testing.assert_array_equal(hessian, hessian.T)
    h = 1e-5
    for i, unit in enumerate(h * np.eye(size)):
        e = unit.reshape(layer.theta.shape)
        ahead, behind = (pairing(layer._replace(theta=layer.theta + s * e))[1].ravel() for s in (1, -1))
        np.testing.assert_allclose(hessian[i], (ahead - behind) / (2 * h), rtol=0, atol=1e-5 * np.abs(hessian).max())
    general = super(PointPairing, pairing).hessian(layer, np.ones(field.parameters))
    np.testing.assert_allclose(general, hessian, rtol=0, atol=1e-5 * np.abs(hessian).max())


@BASES
def test_tangents_of_the_steps(basis):
    """`adjoint_step_tangent` and `step_with_slope_tangent` by central differences, and adjoint to each other."""
    field = NeuralField(2)
    two, layer, rng = pair(SemiLagrangian(5), field), layer_of(field, basis), np.random.default_rng(3)
    operator, direction = two.transport, rng.normal(size=layer.theta.shape)
    psi, dpsi, masses, dmasses = (smooth(two.mesh, k) for k in range(4))
    pushed = operator.adjoint_step_tangent(layer, direction, masses, dmasses)
    pulled, change = operator.step_with_slope_tangent(layer, direction, operator.prepared(psi), dpsi, masses, dmasses)
    assert change.shape == layer.theta.shape
    h, ends = 1e-5, []
    for s in (h, -h):
        there = layer._replace(theta=layer.theta + s * direction)
        given = operator.step_with_slope(there, psi + s * dpsi, masses + s * dmasses)
        ends.append((operator.adjoint_step(there, masses + s * dmasses)[0], *given))
    for ours, ahead, behind in zip((pushed, pulled, change), *ends, strict=True):
        expected = (ahead - behind) / (2 * h)
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_the_push_forward_moves_points_along_the_curve():
    """A Dirac's mean follows `int theta dt` exactly for a translation, whatever the basis."""
    mesh, flow = emfc.CartesianMesh([(-1.0, 1.0)], 80), Flow(AffineField(1, matrix=False), LayerMap("rk4"))
    transport = SemiLagrangian(3).on(mesh, flow)
    operator = PushForward().on(mesh, flow, transport)
    masses = np.zeros((1, 80))
    masses[0, 40] = 1.0
    for kind, theta in (("legendre", [0.3, 5.0, -2.0]), ("bernstein", [0.1, 0.5, 0.3])):
        layer = Layer(0.0, 1.0, np.array(theta)[:, None], Basis(2, kind))
        after = operator.step(layer, masses)[0]
        assert after[0] @ mesh.centres[:, 0] == pytest.approx(mesh.centres[40, 0] + 0.3, abs=1e-12)
