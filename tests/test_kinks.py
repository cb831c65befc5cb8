"""Costs with kinks: solvers find minima on them and say so."""

import numpy as np
import pytest
import skfem

import eulerian_mfc as emfc
from eulerian_mfc.solvers import Recorder
from eulerian_mfc.solvers.kinks import Gradients
from eulerian_mfc.solvers.record import Point


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
    assert solution.kink.residual <= solution.threshold < solution.residual
    assert 0 < solution.kink.distance <= 1e-4 * 0.51


def test_the_verdict_at_a_kink_reads_no_hessian(tmp_path, monkeypatch):
    """Nor does a file's, with its problem or without; reports show no eigenvalues."""
    mesh, problem = emfc.SimplexMesh(skfem.MeshLine(np.linspace(-2, 2, 17))), one_particle(0.3)
    solution = emfc.solve(problem, mesh, 1, transport=emfc.transport.Elements(1))
    monkeypatch.setattr("eulerian_mfc.diagnostics.second_order.analyse", None)
    sentences = solution.verdict()
    assert sentences[0].startswith("Converged to a critical point at a kink of the cost; the shortest combination")
    assert f"the control itself {solution.residual:.2e}" in sentences[0]
    assert sentences[-1].startswith("Second-order information does not exist at a kink")
    told = " ".join(sentences)
    assert "igenvalue" not in told
    assert "mass and duality hold" in told
    assert solution.certificate.kind == "critical point at a kink"
    shown = {name: value for name, value, _ in solution.certificate.rows()}
    assert shown["hessian_smallest"] == shown["index"] == shown["layers_convex"] == "-"
    assert shown["residual"] != "-"
    for name, first in (
        ("before.h5", emfc.solve(problem, mesh, 1, transport=emfc.transport.Elements(1))),
        ("after.h5", solution),
    ):
        first.save(tmp_path / name)
        for known in (None, problem):
            loaded = emfc.Solution.load(tmp_path / name, known)
            assert loaded.verdict() == sentences
            assert loaded.kink == solution.kink


def test_gradient_steps_that_end_on_a_kink_do_not_claim_more():
    """From one side the gradients of the other side are too far away for the test: the run is not called converged."""
    mesh = emfc.SimplexMesh(skfem.MeshLine(np.linspace(-2, 2, 17)))
    solver = emfc.solvers.GradientFlow(tol=1e-4)
    solution = emfc.solve(one_particle(0.4), mesh, 1, transport=emfc.transport.Elements(1), solver=solver)
    assert solution.converged == (solution.kink.residual <= solution.threshold)
    assert not solution.converged, solution.message
    assert solution.message.startswith("not converged: ")
    assert f"optimality residual {solution.residual:.2e} >" in solution.message
    *_, last = solution.verdict()
    assert last.startswith("The control is not known to be a critical point")


def recorded(controls, gradients, tol):
    """A recorder of a system with kinks that has seen these points."""
    mesh = emfc.SimplexMesh(skfem.MeshLine(np.linspace(-2, 2, 17)))
    system = emfc.OptimalitySystem(one_particle(0.3), mesh, 1, transport=emfc.transport.Elements(1))
    recorder = Recorder(system, tol, None)
    for control, gradient in zip(controls, gradients, strict=True):
        recorder.note(np.array([[control]]), 0.0, np.array([[gradient]]))
    return recorder


@pytest.mark.parametrize(
    ("controls", "gradients", "tol", "converged"),
    [
        ([1.0, 1.00005], [-1.0, 1.0], 1e-4, True),  # a valley's floor
        ([1.0, 1.00005], [1.0, -1.0], 1e-4, False),  # a ridge
        ([1.0, 1.0002], [-1.0, 1.0], 1e-4, False),  # too far away
        ([1.0, 1.00005, 1.00006], [1.0, 1.0, 1.0], 1e-4, False),  # tiny steps
        ([1.0, 1.4], [-1.0, 1.0], 0.5, False),  # a lax tolerance does not widen the distance
        ([1e-9, 1e-4], [-1.0, 1.0], 1e-4, False),  # a control of nearly nothing
    ],
)
def test_what_the_test_at_a_kink_takes_for_critical(controls, gradients, tol, converged):
    recorder = recorded(controls, gradients, tol)
    point = Point(np.array([controls[:1]]), 0.0, np.array([gradients[:1]]), abs(gradients[0]))
    assert (recorder.judge.at_kink(point).residual <= tol * abs(gradients[0])) == converged
    assert recorder.judge.at_kink(point).distance == pytest.approx(min(tol, 0.01) * controls[0])


def test_no_kink_is_claimed_where_there_is_none():
    """Where the minimum lies inside a cell the residual itself is small; away from a minimum nothing converges."""
    mesh = emfc.SimplexMesh(skfem.MeshLine(np.linspace(-2, 2, 17)))
    transport = emfc.transport.Elements(1)
    smooth = emfc.solve(one_particle(1.5), mesh, 1, transport=transport)  # theta = 0.45 / 1.5
    assert smooth.solved  # the point between two nodes costs a quarter too much: not called converged
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
    away = np.array(gradients) - gradients[0]  # the cost bends upwards between the points
    points = [Point(0.1 * a[None], 0.0, np.array([g]), 1.0) for a, g in zip(away, gradients, strict=True)]
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
