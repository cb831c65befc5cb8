"""Finite volumes take as many substeps as a control needs, up to one that no answer needs."""

import time

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError, NonFiniteError, SubstepError
from eulerian_mfc.flow import Flow, Layer
from eulerian_mfc.flow.integrators import MOST_CROSSINGS

from .simplices import box


def shift(dim):
    return Flow(emfc.fields.AffineField(dim, matrix=False), emfc.LayerMap())


def steppers(dim, substeps=None, size=1.0):
    """The step of every scheme with substeps, on the box of the size about the origin."""
    boxes, flow = emfc.CartesianMesh([(-size, size)] * dim, 8), shift(dim)
    masses, psi = np.full((1, *boxes.shape), 1.0 / boxes.size), np.ones((1, *boxes.shape))
    upwind = emfc.continuity.FiniteVolume("upwind", substeps=substeps)
    yield lambda layer: upwind.on(boxes, flow).step(layer, masses)
    yield lambda layer: upwind.adjoint().on(boxes, flow).step(layer, psi)
    if substeps is None:
        yield lambda layer: emfc.transport.FiniteVolume("upwind").on(boxes, flow).step(layer, psi)
    simplices = box(dim, 4, -size, size)
    scheme = emfc.continuity.SimplexFiniteVolume("upwind", substeps=substeps)
    mass = np.full((1, simplices.size), 1.0 / simplices.size)
    yield lambda layer: scheme.on(simplices, flow).step(layer, mass)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("dim", [1, 2])
def test_controls_that_cross_the_mesh_too_often_in_a_layer_are_refused(dim, size):
    """Along the diagonal, with layers of any length: what counts is how often the mesh is crossed."""
    for step in steppers(dim, size=size):
        for length in (1e-3, 1.0):
            speed = 2 * size / length * np.ones(dim)
            step(Layer(0.0, length, 0.9 * MOST_CROSSINGS * speed))
            with pytest.raises(
                SubstepError, match=r" 11 times across the mesh in one layer, in \d+ substeps, expected"
            ):
                step(Layer(0.0, length, 1.1 * MOST_CROSSINGS * speed))


def test_the_users_own_number_of_substeps_is_taken():
    """As many as asked for, however often the mesh is crossed; too few are an argument's fault and a diverged step at once."""
    layer = Layer(0.0, 1.0, np.array([3 * 2 * MOST_CROSSINGS]))
    for step in steppers(1, substeps=2000):
        step(layer)
    for step in steppers(1, substeps=2):
        for kind in (ArgumentError, NonFiniteError):
            with pytest.raises(
                kind,
                match=r"substeps: got 2, which gives the Courant number .*, .* at most 1: use substeps >= \d+",
            ):
                step(layer)


def line(penalty):
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1.0], [1.0]], 0.2), [-2.0, 2.0])
    return emfc.Problem(emfc.fields.AffineField(1), law, emfc.losses.SquaredLoss(), penalty, 1.0)


@pytest.mark.parametrize(("mesh", "scheme"), [
    (emfc.CartesianMesh([(-4.0, 4.0)], 32), emfc.continuity.FiniteVolume()),
    (box(1, 32, -4.0, 4.0), emfc.continuity.SimplexFiniteVolume()),
], ids=["boxes", "simplices"])  # fmt: skip
def test_shooting_ends_where_its_first_step_is_wild(mesh, scheme):
    """Penalty 1e-6: the update is a million times the drive, and would take a thousand million substeps."""
    start = time.perf_counter()
    solution = emfc.solve(
        line(1e-6), mesh, 5, continuity=scheme, solver=emfc.solvers.Shooting(update="continuous", max_iterations=3)
    )
    assert time.perf_counter() - start < 20
    assert not solution.converged
    assert "times across the mesh in one layer" in solution.message
    assert "layer " in solution.message
    np.testing.assert_array_equal(solution.control, solution.control[0, 0])  # the start, which is the best so far


def test_a_solver_with_too_few_substeps_keeps_its_best_control():
    """Two substeps a layer do for the first control, and not for the first trial."""
    problem = line(1e-4)
    scheme = emfc.continuity.FiniteVolume("upwind", substeps=1)
    options = {"continuity": scheme, "transport": scheme.adjoint(), "solver": emfc.solvers.LBFGS(max_iterations=20)}
    solution = emfc.solve(problem, emfc.CartesianMesh([(-4.0, 4.0)], 32), 5, initial=0.01, **options)
    assert not solution.converged
    assert "substeps: got 1, which gives the Courant number" in solution.message
    with pytest.raises(ArgumentError, match=r"layer 0 of 5 .*: substeps: got 1, which gives the Courant number"):
        emfc.solve(problem, emfc.CartesianMesh([(-4.0, 4.0)], 32), 5, initial=10.0, **options)
