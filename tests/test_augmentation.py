"""Augmented problems: the extra coordinates start at zero, the loss does not see them, and flows can do more there."""

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc import CartesianMesh, ParticleSystem, Problem
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.fields import AffineField, AgrachevSarychevField, LinearControlField, NeuralField
from eulerian_mfc.laws import Augmented, Empirical, Gaussian, GaussianMixture, Labelled
from eulerian_mfc.losses import FirstCoordinates, LabelLoss, SquaredLoss

LINE = Labelled(Gaussian([0.2], 0.5), label=np.sin)
PLANE = Labelled(Gaussian([0.2, -0.1], 0.3), label=lambda x: x[:, ::-1] ** 2)


def line(**changes):
    return Problem(
        **{"field": NeuralField(1), "law": LINE, "loss": SquaredLoss(), "penalty": 0.5, "horizon": 1.0, **changes}
    )


def test_law():
    """Rules, samples and boxes are the base's with zeros; lines of the larger mesh are handed on axis by axis."""
    law = Augmented(PLANE, 2)
    lines = [np.array([0.1, 0.15]), np.array([-0.3]), np.array([7.0]), np.array([8.0])]
    for given in (None, lines):
        rule, base = law.quadrature(given), PLANE.quadrature(None if given is None else lines[:2])
        assert np.array_equal(rule.x, np.column_stack([base.x, np.zeros((len(base.w), 2))]))
        assert np.array_equal(rule.w, base.w)
        assert np.array_equal(rule.y, base.y)
    x, y = law.sample(5, seed=3)
    assert np.array_equal(x, np.column_stack([PLANE.sample(5, seed=3)[0], np.zeros((5, 2))]))
    assert np.array_equal(y, PLANE.sample(5, seed=3)[1])
    assert law.box(1e-3).tolist() == [*PLANE.box(1e-3).tolist(), [0.0, 0.0], [0.0, 0.0]]
    assert (law.dim, law.input_dim, law.label_dim) == (4, 2, 2)
    assert Augmented(law).input_dim == 2


@pytest.mark.parametrize("form", ["moments", "labels"])
def test_loss_of_the_first_coordinates(form):
    """Value and gradient written out; the separable form agrees with them; nothing depends on the other coordinates."""
    rng = np.random.default_rng(0)
    labels = np.array([[0.5, -1.0], [2.0, 0.3]])
    x, y = rng.normal(size=(6, 3)), labels[[0, 1, 1, 0, 0, 1]]
    loss = FirstCoordinates(SquaredLoss(), 2)
    value = [(a - p) ** 2 + (b - q) ** 2 for (a, b, _), (p, q) in zip(x, y, strict=True)]
    np.testing.assert_allclose(loss.value(x, y), value, rtol=1e-14)
    slope = [[2 * (a - p), 2 * (b - q), 0.0] for (a, b, _), (p, q) in zip(x, y, strict=True)]
    np.testing.assert_allclose(loss.gradient(x, y), slope, rtol=1e-14)
    parts = loss.separate(3, 2, labels, form)
    assert len(parts.names) == {"moments": 3, "labels": 2}[form]
    total = parts.offset(y) + (parts.terminal(x) * parts.moments(y)).sum(axis=0)
    np.testing.assert_allclose(total, value, rtol=1e-13)
    np.testing.assert_allclose(np.einsum("rnd,rn->nd", parts.terminal_gradient(x), parts.moments(y)), slope, rtol=1e-13)


def test_a_control_that_leaves_the_new_coordinate_alone_costs_what_it_did():
    """F(x, z) = (tanh(W x + b), tanh 0): particles to 1e-14; on a mesh with nodes at z = 0 the error of the line's mesh."""
    problem = line()
    larger = problem.augmented(1)
    control = np.array([0.7, -0.4])
    same = np.array([0.7, 0.0, 0.0, 0.0, -0.4, 0.0])
    cost = ParticleSystem(problem, 4).cost(control)
    assert ParticleSystem(larger, 4).cost(same).total == pytest.approx(cost.total, rel=1e-14)
    on_line = emfc.OptimalitySystem(problem, CartesianMesh([(-5, 5)], 60), 4).cost(control)
    on_plane = emfc.OptimalitySystem(larger, CartesianMesh([(-5, 5), (-1.5, 1.5)], (60, 15)), 4).cost(same)
    assert on_plane.total == pytest.approx(on_line.total, rel=1e-12)
    # Between nodes the Dirac masses are spread over the basis; the potential is quadratic in x and constant in z there.
    between = emfc.OptimalitySystem(larger, CartesianMesh([(-5, 5), (-1.4, 1.5)], (60, 15)), 4).cost(same)
    assert between.total == pytest.approx(on_line.total, rel=1e-10)


def test_points_of_the_line_change_places_in_the_plane_only():
    """-1 -> 1 and 1 -> -1: on the line flows are increasing, so the mean squared error is at least 1 (at x1 = x2 = 0)."""
    law = Empirical([-1.0, 1.0], [1.0, -1.0])
    problem = line(field=AffineField(1), law=law, penalty=1e-2)
    larger = problem.augmented(1)
    solver = emfc.solvers.LBFGS(tol=1e-6)
    best = []
    for p in (problem, larger):
        system = ParticleSystem(p, 10)
        outcome = solver.solve(system, np.linspace(0.3, 1.0, p.parameters))
        assert outcome.converged
        best.append(system.cost(outcome.control).terminal)
    assert best[0] >= 1.0
    assert best[1] < 1e-4


def test_solution_takes_points_and_labels_of_the_original_problem(tmp_path):
    """`flow` fills in the zeros, `predict` returns what the loss sees, before and after a file."""
    law = Labelled(GaussianMixture([[-0.4], [0.3]], 0.2), [-1.0, 0.5])
    problem = line(law=law).augmented(1, penalty=0.3)
    solution = emfc.solve(problem, CartesianMesh([(-4, 4), (-3, 3)], (40, 45)), 3, solver=emfc.solvers.LBFGS(tol=1e-3))
    solution.save(tmp_path / "a.h5")
    points = np.array([[-0.2], [0.6]])
    for s in (solution, emfc.Solution.load(tmp_path / "a.h5")):
        final = s.flow(points)
        assert final.shape == (2, 2)
        assert np.array_equal(final, s.flow(np.column_stack([points, [0.0, 0.0]])))
        assert np.array_equal(final, s.flow(points[:, 0]))
        nearest = [[-1.0] if abs(v + 1.0) < abs(v - 0.5) else [0.5] for v in final[:, 0]]
        assert s.predict(points, labels=[-1.0, 0.5]).tolist() == nearest
        with pytest.raises(ArgumentError, match=r"points as rows, an array of shape \(n, 1\) or \(n, 2\)"):
            s.flow(np.zeros((2, 3)))
    regression = line().augmented(1)
    solution = emfc.solve(
        regression, CartesianMesh([(-6, 6), (-4, 4)], (24, 45)), 2, solver=emfc.solvers.LBFGS(tol=1.0, max_iterations=1)
    )
    assert np.array_equal(solution.predict(points), solution.flow(points)[:, :1])


def test_what_is_replaced():
    """Fields of the same kind in the larger space; losses see the first coordinates unless another is given."""
    running = LabelLoss(lambda x, y: x[:, 0] ** 2 * y[0], [1.0, 2.0])
    law = Empirical([0.1, 0.2], [1.0, 2.0])
    problem = line(law=law, running=running, representation="labels").augmented(2)
    assert problem.field == NeuralField(3)
    assert problem.loss == FirstCoordinates(SquaredLoss(), 1)
    assert problem.running == FirstCoordinates(running, 1)
    assert problem.law.extra == 2
    whole = LabelLoss(lambda x, y: (x[:, 1] - y[0]) ** 2, [1.0, 2.0])
    assert line(law=law).augmented(1, loss=whole, field=AffineField(2)).loss is whole
    assert AgrachevSarychevField(2).raised(1) == AgrachevSarychevField(3)
    twice = line().augmented(1).augmented(1)
    assert (twice.field.dim, twice.law.input_dim) == (3, 1)
    assert emfc.losses.seen(twice.loss, 3) == (SquaredLoss(), 1)


@pytest.mark.parametrize(
    ("build", "pattern"),
    [
        (lambda: line().augmented(0), "extra: got 0"),
        (lambda: line(penalty=[1.0, 2.0]).augmented(1), r"penalty: got \[1.0, 2.0\].*6 numbers"),
        (lambda: line(field=LinearControlField([np.sin], 1)).augmented(1), r"field: .*expected field=\.\.\., .* 2"),
        (lambda: line().augmented(1, field=NeuralField(3)), "law: got a law in dimension 2, expected the field's"),
        (lambda: Augmented(Gaussian([0.0], 1.0)), "base: got .*laws.Labelled"),
        (lambda: FirstCoordinates(SquaredLoss(), 3).separate(2, 3, None, "auto"), "loss: got a loss of 3 coordinates"),
        (lambda: FirstCoordinates("squared", 2), "loss: got 'squared'"),
    ],
)  # fmt: skip
def test_bad_input(build, pattern):
    with pytest.raises(ArgumentError, match=pattern):
        build()
