"""Compiled layer maps and layers against the same in NumPy, block by block."""

import pickle

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError, NonFiniteError
from eulerian_mfc.fields import ACTIVATIONS, NeuralField
from eulerian_mfc.flow import Flow, Layer, LayerMap
from eulerian_mfc.kernels import neural_layer as _layer_kernels
from eulerian_mfc.kernels import team as _team
from eulerian_mfc.transport import SemiLagrangian, compiled

MAPS = [(1, True, "euler", 1), (2, True, "rk4", 1), (2, False, "rk4", 3), (3, True, "midpoint", 2)]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("dim", "bias", "method", "substeps"), MAPS)
def test_layer_maps_and_their_pull_backs(activation, dim, bias, method, substeps):
    """More points than a chunk, and not a multiple of one."""
    rng = np.random.default_rng(0)
    field, layer_map = NeuralField(dim, activation, bias), LayerMap(method, substeps)
    layer = Layer(0.0, 0.7, rng.normal(size=field.parameters))
    x, p = rng.normal(size=(2, 700, dim))
    end, stages = layer_map.with_stages(field, layer, x)
    px, ptheta = layer_map.pullback(field, layer, stages, p)
    traced, pull = layer_map.trace(field, layer, x)
    np.testing.assert_allclose(traced, end, rtol=0, atol=4e-15 * np.abs(end).max())
    np.testing.assert_array_equal(layer_map(field, layer, x), traced)
    qx, qtheta = pull(p)
    np.testing.assert_allclose(qx, px, rtol=0, atol=1e-14 * np.abs(px).max())
    np.testing.assert_allclose(qtheta, ptheta, rtol=0, atol=1e-13 * np.abs(ptheta).max())


SCHEMES = [
    (1, SemiLagrangian(5), 3000),
    (1, SemiLagrangian(3, outside="periodic"), 90),
    (2, SemiLagrangian(1, outside="extrapolate"), 40),
    (2, SemiLagrangian(3, "lagrange", outside="periodic"), 70),
    (2, SemiLagrangian(5), 96),
    (3, SemiLagrangian(3), 20),
]


def system(dim, scheme, cells, threads=1):
    """Masses in a corner, so that most tasks of nodes carry none; feet that leave the box."""
    problem = emfc.Problem(
        NeuralField(dim),
        emfc.laws.Labelled(emfc.laws.Gaussian([-1.2] * dim, 0.15), [[1.0] * dim]),
        emfc.losses.SquaredLoss(),
        penalty=0.1,
        horizon=1.0,
        representation="moments",
    )
    mesh = emfc.CartesianMesh([(-2.5, 2.5)] * dim, cells)
    return emfc.OptimalitySystem(problem, mesh, 2, transport=scheme, threads=threads)


@pytest.mark.parametrize(("dim", "scheme", "cells"), SCHEMES, ids=lambda v: str(v))
@pytest.mark.parametrize("threads", [1, 3])
def test_layers(dim, scheme, cells, threads):
    given = system(dim, scheme, cells, threads)
    rng = np.random.default_rng(1)
    layer = given.layer(0, rng.normal(size=given.problem.parameters) * 4)
    masses, psi = given.initial_masses, rng.normal(size=given.initial_masses.shape)
    values, slope = given.pair.transport.step_with_slope(layer, psi, masses)
    pushed, clamped = given.pair.transport.adjoint_step(layer, masses)
    alone = given.pair.transport.step(layer, psi)
    np.testing.assert_array_equal(values, alone)
    given.pair.transport._compiled = None
    expected, slope_expected = given.pair.transport.step_with_slope(layer, psi, masses)
    pushed_expected, clamped_expected = given.pair.transport.adjoint_step(layer, masses)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    np.testing.assert_allclose(slope, slope_expected, rtol=0, atol=1e-12 * np.abs(slope_expected).max())
    np.testing.assert_allclose(pushed, pushed_expected, rtol=0, atol=1e-13 * np.abs(masses).max())
    np.testing.assert_allclose(clamped, clamped_expected, rtol=0, atol=1e-14)


def test_a_workspace_that_is_too_short_grows(monkeypatch):
    given = system(2, SemiLagrangian(3), 96, threads=2)
    layer = given.layer(0, np.full(6, 0.5))
    masses, clamped = given.pair.transport.adjoint_step(layer, given.initial_masses)
    monkeypatch.setattr(compiled, "ROOM", 0)
    again, also = given.pair.transport.adjoint_step(layer, given.initial_masses)
    np.testing.assert_array_equal(again, masses)
    np.testing.assert_array_equal(also, clamped)


@pytest.mark.parametrize("threads", [1, 2])
def test_feet_that_are_not_finite_are_named(threads):
    given = system(2, SemiLagrangian(3), 40, threads)
    layer = given.layer(0, np.array([1.0, 0.0, 0.0, 1.0, np.nan, 0.0]))
    for step in (given.pair.transport.step, given.pair.transport.adjoint_step):
        with pytest.raises(NonFiniteError, match="characteristics are not finite"):
            step(layer, given.initial_masses)


class Halved(NeuralField):
    """A user's field, whose values are not those of its parent."""

    def __call__(self, t, theta, x):
        return 0.5 * super().__call__(t, theta, x)


def test_a_subclass_with_values_of_its_own_is_not_compiled():
    x, layer = np.random.default_rng(0).normal(size=(5, 2)), Layer(0.0, 1.0, np.full(6, 0.3))
    field, layer_map = Halved(2), LayerMap("euler")
    np.testing.assert_array_equal(layer_map(field, layer, x), x + field(0.0, layer.theta, x))
    given = system(2, SemiLagrangian(3), 12)
    assert SemiLagrangian(3).on(given.mesh, Flow(field, layer_map))._compiled is None
    assert SemiLagrangian(3).on(given.mesh, Flow(NeuralField(2), layer_map))._compiled is not None


def test_wrong_shapes_are_told_and_reach_no_pointer():
    field, layer_map, layer = NeuralField(2), LayerMap(), Layer(0.0, 1.0, np.full(6, 0.3))
    x = np.zeros((4, 2))
    for points in (np.zeros((4, 1)), np.zeros((4, 3)), np.zeros(4), x + 0j):
        with pytest.raises(ArgumentError, match="x: got"):
            layer_map(field, layer, points)
    with pytest.raises(ArgumentError, match="theta"):
        layer_map(field, layer._replace(theta=np.zeros(4)), x)
    with pytest.raises(ArgumentError, match="covector per point"):
        layer_map.trace(field, layer, x)[1](np.zeros((3, 2)))
    with pytest.raises(ArgumentError, match="dimension 2"):
        SemiLagrangian(3).on(emfc.CartesianMesh([(-1.0, 1.0)], 10), Flow(field, layer_map)).step(
            layer, np.zeros((1, 10))
        )
    given = system(2, SemiLagrangian(3), 12)
    psi = given.initial_masses
    with pytest.raises(ArgumentError, match="one per node"):
        given.pair.transport.adjoint_step(layer, psi[:, :5])
    with pytest.raises(ArgumentError, match="one per potential"):
        given.pair.transport.step_with_slope(layer, psi, psi[:1])


@pytest.mark.parametrize("value", [0.0, 5e-324, -7.0, 1e308, np.inf, -np.inf, np.nan, -np.nan])
def test_round_off_is_a_share_of_the_largest_mass(value):
    masses, sync = np.random.default_rng(0).uniform(-1.0, 1.0, size=(3, 1001)), np.zeros(_team.SIZE + 1, np.int64)
    masses[1, 600] = value
    threshold = _layer_kernels._threshold(0, 1, sync, masses, np.empty(1))
    finite = np.isfinite(value)
    assert threshold == (_layer_kernels.SHARE * np.abs(masses).max() if finite else np.inf)
    assert sync[_team.FAILED] == (not finite)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_masses_that_are_not_finite_are_told(value):
    given = system(2, SemiLagrangian(3), 12)
    masses = given.initial_masses.copy()
    masses[0, 3, 4] = value
    with pytest.raises(NonFiniteError, match="masses"):
        given.pair.transport.adjoint_step(given.layer(0, np.full(6, 0.3)), masses)


def test_operators_can_be_sent_after_use():
    given = system(2, SemiLagrangian(3), 24)
    layer, masses = given.layer(0, np.full(6, 0.3)), given.initial_masses
    expected = given.pair.transport.adjoint_step(layer, masses)[0]
    again = pickle.loads(pickle.dumps(given.pair.transport))
    np.testing.assert_array_equal(again.adjoint_step(layer, masses)[0], expected)
