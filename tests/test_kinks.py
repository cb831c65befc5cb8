"""Costs with kinks: solvers find minima on them and say so."""

import numpy as np
import pytest
import skfem

import eulerian_mfc as emfc
from eulerian_mfc.solvers.base import Point
from eulerian_mfc.solvers.kinks import Gradients


def one_particle(penalty):
    """A particle at 0, moved by theta, label 0.6: linear elements on [-2, 2] with vertices 0.25 apart."""
    law = emfc.laws.Empirical([[0.0]], [[0.6]])
    return emfc.Problem(emfc.fields.AffineField(1, matrix=False), law, emfc.losses.SquaredLoss(), penalty, 1.0)


@pytest.mark.parametrize("penalty", [0.3, 0.4])
@pytest.mark.parametrize("solver", [None, emfc.solvers.NewtonCG(tol=1e-4)], ids=repr)
def test_a_minimum_on_a_kink_is_known_for_one(penalty, solver):
    """The interpolated loss has the slopes -0.45 and 0.05 about the vertex at 0.5: with `lambda theta` the derivative jumps
    from below zero to above it there, whatever the penalty between.
    """
    mesh = emfc.SimplexMesh(skfem.MeshLine(np.linspace(-2, 2, 17)))
    transport = emfc.transport.Elements(1)
    solution = emfc.solve(one_particle(penalty), mesh, 1, transport=transport, solver=solver)
    assert solution.converged, solution.message
    assert "at a kink of the cost" in solution.message
    assert abs(solution.control[0, 0] - 0.5) <= 1e-4 * 0.5
    slopes = np.array([0.45 - 0.5 * penalty, 0.05 + 0.5 * penalty])  # moduli of the derivative, left and right
    assert np.abs(slopes - solution.residual).min() <= 1e-4
    assert solution.threshold == solution.residual


def test_no_kink_is_claimed_where_there_is_none():
    """Where the minimum lies inside a cell the residual itself is small; away from a minimum nothing converges."""
    mesh = emfc.SimplexMesh(skfem.MeshLine(np.linspace(-2, 2, 17)))
    transport = emfc.transport.Elements(1)
    smooth = emfc.solve(one_particle(1.5), mesh, 1, transport=transport)  # theta = 0.45 / 1.5
    assert smooth.converged
    assert "kink" not in smooth.message
    assert abs(smooth.control[0, 0] - 0.3) <= 1e-4
    short = emfc.solve(
        one_particle(0.4), mesh, 1, transport=transport, solver=emfc.solvers.LBFGS(tol=1e-4, max_iterations=1)
    )
    assert not short.converged, short.message


@pytest.mark.parametrize(
    ("gradients", "expected"),
    [
        ([[1.0, 0.0], [-1.0, 0.0]], [0.0, 0.0]),
        ([[1.0, 1.0], [-1.0, 1.0]], [0.0, 1.0]),
        ([[2.0, 0.0], [0.0, 1.0]], [0.4, 0.8]),
        ([[1.0, 2.0], [3.0, 1.0], [5.0, 5.0]], [1.0, 2.0]),
        ([[3.0, 1.0], [-1.0, 2.0], [-1.0, -4.0]], [0.0, 0.0]),
    ],
)
def test_the_shortest_vector_of_the_hull(gradients, expected):
    """Known by hand; gradients of points too far away do not count."""
    kept = Gradients(np.ones(2))
    points = [Point(np.array([[0.1 * k, 0.0]]), 0.0, np.array([g]), 1.0) for k, g in enumerate(gradients)]
    for point in points:
        kept.add(point)
    np.testing.assert_allclose(kept.shortest(points[0], 1.0), [expected], atol=1e-6)
    assert kept.shortest(points[0], 0.05) is None
    weighted = Gradients(np.array([1.0, 10.0]))
    for point in points[:2]:
        weighted.add(point)
    ends = np.array(gradients[:2]) / [1.0, 10.0]
    share = np.clip(ends[0] @ (ends[0] - ends[1]) / ((ends[0] - ends[1]) ** 2).sum(), 0.0, 1.0)
    nearest = (1 - share) * np.array(gradients[0]) + share * np.array(gradients[1])
    np.testing.assert_allclose(weighted.shortest(points[0], 1.0), [nearest], atol=1e-6)
