"""Controls that the layers do not resolve in time are told; others are not."""

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.control.curves import Curves
from eulerian_mfc.results.time_resolution import bound_within_a_layer, largest_jump, penalty_term, unresolved_in_time

from .conftest import toy_line, toy_mesh

SENTENCE = "the layers do not resolve the control in time"


def told(solution):
    return any(SENTENCE in sentence for sentence in solution.verdict(analyse=False))


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("kind", ["legendre", "bernstein"])
def test_the_largest_jump_of_two_lines(degree, kind):
    """Theta = t on the first half, t + c on the second: the jump c relative to the range 1 + c."""
    curves = Curves(1.0, 2, degree, kind)
    line = np.zeros((2, degree + 1, 1))
    if kind == "legendre":
        line[:, 0, 0], line[:, 1, 0] = (0.25, 0.75), 0.25
    else:
        line[:, :, 0] = [np.linspace(0.0, 0.5, degree + 1), np.linspace(0.5, 1.0, degree + 1)]
    assert largest_jump(curves, line) <= 1e-14
    for c in (0.05, 0.5):
        moved = line.copy()
        moved[1, 0 if kind == "legendre" else slice(None), 0] += c
        assert largest_jump(curves, moved) == pytest.approx(c / (1 + c), rel=1e-12)
        assert (unresolved_in_time(curves, moved) is not None) == (c == 0.5)


def test_constant_controls_that_alternate():
    curves = Curves(1.0, 8)
    assert unresolved_in_time(curves, np.linspace(0.0, 1.0, 8)[:, None]) is None
    assert "changes from layer to layer by up to 200 %" in unresolved_in_time(curves, np.tile([[0.0], [1.0]], (4, 1)))
    assert unresolved_in_time(Curves(1.0, 4), np.tile([[0.0], [1.0]], (2, 1))) is None  # too few layers to tell


def test_a_control_without_movement_has_no_jumps():
    """Round-off of a constant control is not a range."""
    noise = 1e-15 * np.random.default_rng(0).normal(size=(6, 3, 1))
    curves = Curves(1.0, 6, 2, "bernstein")
    assert largest_jump(curves, 0.3 + noise) == 0.0
    line = np.linspace(0.0, 1.0, 6)[:, None, None] + np.zeros((6, 3, 1))
    beside = largest_jump(curves, line)
    assert largest_jump(curves, np.concatenate([line, noise], axis=2)) == pytest.approx(
        beside
    )  # zero but for round-off, beside another one


@pytest.mark.parametrize("degree", [0, 2])
def test_the_size_of_the_penalty_term(degree):
    """Lambda = 3, theta = 2 at all times: lambda theta = 6."""
    curves = Curves(2.0, [0.0, 0.5, 2.0], degree, "bernstein")
    control = np.full((2, 1) if degree == 0 else (2, 3, 1), 2.0)
    assert penalty_term(curves, control, 0.5 * 3.0 * 4.0 * 2.0) == pytest.approx(6.0)
    assert penalty_term(curves, 0.0 * control, 0.0) == 0.0


def test_smooth_optima_are_not_suspected():
    mesh = toy_mesh(40)
    for layers, degree in ((20, 0), (4, 1), (2, 2)):
        assert not told(emfc.solve(toy_line(), mesh, layers=layers, control_degree=degree))


def steered(bounds):
    """`F = (1 - t) theta`, every point from 0 to 1: without bounds, the optimum is c (1 - t)."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.3), [[1.0]])
    field = emfc.fields.CustomField(lambda t, theta, x: (1.0 - t) * theta + 0.0 * x, 1, 1)
    return emfc.Problem(field, law, emfc.losses.SquaredLoss(), 0.5, 1.0, bounds=bounds)


def test_a_bound_that_becomes_active_within_a_layer_is_told():
    """`F = (1 - t) theta`: the optimum is min(c (1 - t), 1/2), with a kink within the only layer; without bounds it is a line."""
    mesh = emfc.CartesianMesh([(-2.5, 3.0)], 60)
    free = emfc.solve(steered(None), mesh, layers=1, control_degree=1)
    assert not told(free)
    c = free.theta(0.0)[0]
    np.testing.assert_allclose(free.theta([0.25, 0.5, 1.0])[:, 0], [0.75 * c, 0.5 * c, 0.0], rtol=0, atol=1e-7 * c)
    held = emfc.solve(steered((None, 0.5)), mesh, layers=1, control_degree=2)
    assert held.converged
    assert told(held)  # the bound holds the whole layer, but not the control equation at its end
    assert held.theta(np.linspace(0.0, 1.0, 1000)).max() <= 0.5 + 1e-12


@pytest.mark.parametrize(("layers", "degree"), [(3, 2), (3, 3)])
def test_a_bound_that_becomes_active_within_a_layer_is_named(layers, degree):
    """Also where the error is small; if a layer ends where the bound becomes active, nothing is told."""
    mesh = emfc.CartesianMesh([(-2.5, 3.0)], 60)
    held = emfc.solve(steered((None, 0.5)), mesh, layers=layers, control_degree=degree)
    assert any("A bound of theta1 becomes active within a layer" in s for s in held.verdict(analyse=False))


def test_bounds_of_whole_layers_are_not_told():
    curves, bounds = Curves(1.0, 2, 1, "bernstein"), np.array([[-np.inf], [1.0]])
    assert bound_within_a_layer(curves, np.array([[[1.0], [1.0]], [[0.9], [0.5]]]), bounds, ("u",)) is None
    assert "bound of u" in bound_within_a_layer(curves, np.array([[[1.0], [0.9]], [[0.9], [0.5]]]), bounds, ("u",))
