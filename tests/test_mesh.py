"""Cartesian meshes: geometry against hand-made numbers, and boxes that must hold a law moved by the field."""

import numpy as np
import pytest
from scipy import stats

import eulerian_mfc as emfc
from eulerian_mfc import CartesianMesh, Problem
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.fields import AffineField, AgrachevSarychevField, CustomField, NeuralField
from eulerian_mfc.laws import Empirical, Gaussian, GaussianMixture, Labelled, Uniform
from eulerian_mfc.losses import SquaredLoss

BOX = CartesianMesh([(-1.0, 1.0), (0.0, 6.0)], cells=[4, 3])


def test_line():
    """Four cells on [-1, 1]: centres, faces, width."""
    mesh = CartesianMesh([(-1.0, 1.0)], cells=4)
    assert mesh.axis(0).tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert mesh.centres.tolist() == [[-0.75], [-0.25], [0.25], [0.75]]
    assert mesh.faces(0).tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert mesh.widths.tolist() == [0.5]
    assert (mesh.dim, mesh.shape, mesh.size, mesh.volume) == (1, (4,), 4, 0.5)


def test_rectangle():
    """4 x 3 cells of 0.5 x 2: the last axis runs fastest, so that `centres` reshapes to `(*shape, d)`."""
    assert (BOX.dim, BOX.shape, BOX.size, BOX.volume) == (2, (4, 3), 12, 1.0)
    assert BOX.widths.tolist() == [0.5, 2.0]
    expected = [[a, b] for a in (-0.75, -0.25, 0.25, 0.75) for b in (1.0, 3.0, 5.0)]
    assert BOX.centres.tolist() == expected
    assert BOX.faces(1).tolist() == [0.0, 2.0, 4.0, 6.0]
    assert BOX.axis(1).tolist() == [1.0, 3.0, 5.0]


def test_three_axes():
    """One count serves every axis; the index of a cell in `centres` is its place in an array of `shape`."""
    mesh = CartesianMesh(((0, 1), (0, 2), (-3, 3)), cells=5)
    assert mesh.shape == (5, 5, 5)
    assert mesh.size == 125
    assert mesh.volume == pytest.approx(0.2 * 0.4 * 1.2, rel=1e-15)
    for index in ((0, 0, 0), (1, 2, 3), (4, 0, 2), (4, 4, 4)):
        expected = [0.1 + 0.2 * index[0], 0.2 + 0.4 * index[1], -2.4 + 1.2 * index[2]]
        np.testing.assert_allclose(mesh.centres[np.ravel_multi_index(index, mesh.shape)], expected, rtol=0, atol=1e-15)


def test_faces_end_at_the_bounds():
    """The outermost faces are the bounds exactly; every centre lies midway between its faces (1e-14)."""
    mesh = CartesianMesh([(0.1, 0.7)], cells=7)
    faces = mesh.faces(0)
    assert (len(faces), faces[0], faces[-1]) == (8, 0.1, 0.7)
    np.testing.assert_allclose(mesh.axis(0), (faces[1:] + faces[:-1]) / 2, rtol=0, atol=1e-14)


def test_contains():
    """The box is closed; NaN lies nowhere."""
    points = [[-1, 0], [1, 6], [0, 3], [1.0000001, 3], [0, -1e-12], [np.nan, 3]]
    assert BOX.contains(np.array(points)).tolist() == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("cells", "inside"),
    [(0, "all"), (1, [(1, 1), (2, 1)]), (2, []), (5, [])],
)
def test_near_boundary(cells, inside):
    """Cells within `cells` cells of the boundary, of 4 x 3: with 1, all but the two in the middle; with 2, all."""
    expected = np.full((4, 3), cells > 0)
    for index in () if inside == "all" else inside:
        expected[index] = False
    assert np.array_equal(BOX.near_boundary(cells), expected)


def test_near_boundary_counts():
    """A 5 x 6 x 7 mesh has 3 * 4 * 5 cells off its outer layer, and 1 * 2 * 3 off two layers."""
    mesh = CartesianMesh([(0, 1)] * 3, cells=[5, 6, 7])
    assert (~mesh.near_boundary(1)).sum() == 60
    assert (~mesh.near_boundary(2)).sum() == 6


def test_meshes_compare_by_value():
    """Equal bounds and cells are equal meshes, however they were written; arguments are kept as plain tuples."""
    mesh = CartesianMesh(np.array([[-1.0, 1.0], [0.0, 6.0]]), np.array([4, 3]))
    assert mesh == BOX
    assert hash(mesh) == hash(BOX)
    assert mesh.bounds == ((-1.0, 1.0), (0.0, 6.0))
    assert CartesianMesh([(0, 1)]).shape == (100,)


def problem(field, law=None, horizon=1.0):
    law = Gaussian([0.0] * field.dim, 1.0) if law is None else law
    labelled = law if isinstance(law, Empirical) else Labelled(law, lambda x: x)
    return Problem(field, labelled, SquaredLoss(), 1.0, horizon)


TANH = NeuralField(2, "tanh")
#: laws and the smallest boxes that hold them
LAWS = {
    "balls": (GaussianMixture([[-1.0, -1.0], [1.0, 3.0]], std=1.0, truncation=0.2), [[-1.2, 1.2], [-1.2, 3.2]]),
    "uniform": (Uniform([(-1.0, 2.0), (0.0, 0.5)]), [[-1.0, 2.0], [0.0, 0.5]]),
    "samples": (Empirical([[0.0, 3.0], [1.0, -2.0]], [[0.0, 1.0], [1.0, 0.0]]), [[0.0, 1.0], [-2.0, 3.0]]),
}


def core(mesh, axis):
    """The ends of the part of an axis that a covering box does not spare."""
    margin = min(20, mesh.shape[axis] // 5)
    return mesh.faces(axis)[[margin, mesh.shape[axis] - margin]]


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("cells", [20, [10, 31], 2])
def test_covering_holds_the_moved_law(name, cells):
    """The faces a fifth of the cells (at most 20) inwards are the ends of the law's box moved by T sup|F| = 1.5 (1e-12)."""
    law, box = LAWS[name]
    mesh = CartesianMesh.covering(problem(TANH, law, horizon=1.5), cells)
    assert mesh.shape == tuple(np.broadcast_to(cells, 2))
    for k, (low, high) in enumerate(box):
        np.testing.assert_allclose(core(mesh, k), [low - 1.5, high + 1.5], rtol=0, atol=1e-12)


def test_covering_holds_normal_laws():
    """Exact tails beyond the margin, less the way T sup|F| = 1.5, sum to the default tolerance 1e-14."""
    mesh = CartesianMesh.covering(problem(TANH, Gaussian([0.3, -2.0], [0.5, 2.0]), horizon=1.5), 20)
    outside = 0.0
    for k, (mean, std) in enumerate([(0.3, 0.5), (-2.0, 2.0)]):
        low, high = core(mesh, k)
        outside += stats.norm.cdf((low + 1.5 - mean) / std) + stats.norm.sf((high - 1.5 - mean) / std)
    assert 0.999e-14 < outside < 1.001e-14


def test_covering_numbers():
    """Uniform on [-1, 2] moved by 2 * 3 fills [-7, 8]: 6 of 10 cells of width 2.5, and 120 of 160 of width 1/8."""
    line = problem(AffineField(1), Uniform([(-1.0, 2.0)]), horizon=2.0)
    mesh = CartesianMesh.covering(line, 10, speed=3.0)
    np.testing.assert_allclose(mesh.bounds, [(-12.0, 13.0)], rtol=0, atol=1e-13)
    mesh = CartesianMesh.covering(line, 160, speed=3.0)
    np.testing.assert_allclose(mesh.bounds, [(-9.5, 10.5)], rtol=0, atol=1e-13)


def test_covering_holds_trajectories():
    """Points of the law traced by the fastest controls (200 Euler steps) never leave the mesh."""
    law = Uniform([(-1.0, 1.0), (-1.0, 1.0)])
    mesh = CartesianMesh.covering(problem(TANH, law, horizon=1.2), 30)
    for theta in (np.array([50, 0, 0, 50, 0, 0]), np.array([0, 0, 0, 0, 50, -50]), np.array([0, 9, -9, 0, 1, 1])):
        x = law.sample(200, seed=0)
        for _ in range(200):
            x = x + 1.2 / 200 * np.tanh(x @ theta[:4].reshape(2, 2).T + theta[4:])
        assert mesh.contains(x).all()


def test_covering_tolerance():
    """The tolerance is the share of mass outside before the motion: 2 % of a normal law lies beyond 2.3263."""
    mesh = CartesianMesh.covering(problem(NeuralField(1, "sin")), 11, tolerance=0.02)
    np.testing.assert_allclose(core(mesh, 0), [-3.32634787, 3.32634787], rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    "field",
    [
        NeuralField(2, "relu"),
        NeuralField(2, "softplus"),
        NeuralField(2, "swish"),
        AffineField(2),
        AgrachevSarychevField(2),
        CustomField(lambda t, theta, x: theta[0] * x, 2, 1),
    ],
    ids=lambda field: type(field).__name__,
)
def test_covering_needs_a_speed_for_unbounded_fields(field):
    """Fields without a bound are refused by name; a given speed, one number or one an axis, sizes the box."""
    unbounded = problem(field, Uniform([(0.0, 1.0), (0.0, 1.0)]), horizon=2.0)
    with pytest.raises(ArgumentError, match=rf"speed: got None, .*{type(field).__name__}"):
        CartesianMesh.covering(unbounded, 20)
    mesh = CartesianMesh.covering(unbounded, 20, speed=[0.5, 3.0])
    np.testing.assert_allclose(core(mesh, 0), [-1.0, 2.0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(core(mesh, 1), [-6.0, 7.0], rtol=0, atol=1e-12)


def test_covering_takes_the_users_bound():
    """A CustomField's own `speed` is used, and `speed` given to covering goes before the field's."""
    field = CustomField(lambda t, theta, x: np.sin(theta[0] * x), 2, 1, speed=1.0)
    law = Uniform([(0.0, 1.0), (0.0, 1.0)])
    own = CartesianMesh.covering(problem(field, law), 20)
    np.testing.assert_allclose(core(own, 0), [-1.0, 2.0], rtol=0, atol=1e-12)
    slower = CartesianMesh.covering(problem(field, law), 20, speed=0.0)
    np.testing.assert_allclose(core(slower, 0), [0.0, 1.0], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("bounds", "cells", "pattern"),
    [
        ([(1.0, 1.0)], 4, r"bounds: got \[\(1.0, 1.0\)\], expected low < high"),
        ([(0.0, 1.0), (2.0, -2.0)], 4, r"bounds: got .*\(2.0, -2.0\).*low < high"),
        ([(0.0, np.inf)], 4, r"bounds: got inf at index \(0, 1\)"),
        ([(0.0, 1.0)] * 4, 4, r"bounds: got .*one to three pairs"),
        ([(0.0, 1.0, 2.0)], 4, r"bounds: got \[\(0.0, 1.0, 2.0\)\], expected one to three pairs"),
        ((0.0, 1.0), 4, r"bounds: got an array of shape \(2,\): \(0.0, 1.0\), expected 2 dimension"),
        ([(0.0, 1.0)], 0, r"cells: got 0, expected an integer >= 1"),
        ([(0.0, 1.0)], -3, r"cells: got -3"),
        ([(0.0, 1.0)], 4.0, r"cells: got 4.0"),
        ([(0.0, 1.0)], True, r"cells: got True"),
        ([(0.0, 1.0)], None, r"cells: got None"),
        ([(0.0, 1.0)], "4", r"cells: got '4'"),
        ([(0.0, 1.0)], [4, 4], r"cells: got \[4, 4\], expected one number, or 1 numbers for 1 axes"),
        ([(0.0, 1.0)] * 2, [4, 2.5], r"cells: got 2.5"),
    ],
)
def test_bad_arguments(bounds, cells, pattern):
    """Each bad argument is named, shown, and told what is allowed."""
    with pytest.raises(ArgumentError, match=pattern):
        CartesianMesh(bounds, cells)


def test_covering_with_a_margin_of_the_users():
    """The law of two samples on [-1, 1], moved by at most T = 1, and three of 23 cells on each side: width 4 / 17."""
    law = emfc.laws.Empirical(np.array([[-1.0], [1.0]]), np.array([0.0, 1.0]))
    problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), 1.0, 1.0)
    mesh = emfc.CartesianMesh.covering(problem, 23, margin=3)
    np.testing.assert_allclose(mesh.bounds, [(-2 - 12 / 17, 2 + 12 / 17)], rtol=1e-14)
    for wrong in (12, -1, 0.5):
        with pytest.raises(emfc.errors.ArgumentError, match="margin"):
            emfc.CartesianMesh.covering(problem, 23, margin=wrong)
