"""Losses of read-outs, fixed and trained: closed forms, another minimiser, differences, the particle twin; L1 penalties."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

import eulerian_mfc as emfc
from eulerian_mfc import losses
from eulerian_mfc.errors import ArgumentError

from .conftest import toy_line, toy_mesh

LABELS = [0.0, 1.0, 2.0]
CUBIC = emfc.transport.SemiLagrangian(3)
TRAINED = losses.TrainedReadout(1e-2)
TRAINED_LOSSES = {
    "cross-entropy": losses.CrossEntropy(LABELS, TRAINED, weights=[1.0, 2.0, 0.5]),
    "hinge": losses.Hinge(LABELS, TRAINED),
    "huber": losses.Huber(LABELS, TRAINED, threshold=0.5),
    "squared": losses.SquaredLoss(TRAINED),
}


def classes(n=40, seed=0):
    """Three overlapping clouds of the plane."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    x = 0.5 * rng.normal(size=(n, 2)) + np.array([[1.0, 0.0], [-1.0, 0.5], [0.0, -1.0]])[y]
    return x, y.astype(float)


def problem_of(loss, **changes):
    law = emfc.laws.Empirical(*classes())
    return emfc.Problem(emfc.fields.NeuralField(2), law, loss, **{"penalty": 0.1, "horizon": 1.0, **changes})


def test_values_written_out():
    """One state, three outputs: every loss by its formula."""
    matrix, bias = np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]]), np.array([0.1, 0.2, -0.3])
    x, y = np.array([[0.4, -0.7]]), np.array([[1.0]])
    z = [0.4 - 1.4 + 0.1, 0.7 + 0.2, 1.2 - 0.35 - 0.3]
    readout = losses.Readout(matrix, bias)
    weights = [5.0, 2.0, 7.0]
    entropy = -2.0 * np.log(np.exp(z[1]) / np.exp(z).sum())
    assert losses.CrossEntropy(LABELS, readout, weights).value(x, y)[0] == pytest.approx(entropy, rel=1e-14)
    margins = [max(0.0, 1 - z[1] + z[0]), max(0.0, 1 - z[1] + z[2])]
    for power in (1, 2):
        expected = 2.0 * sum(m**power for m in margins)
        found = losses.Hinge(LABELS, readout, weights, power).value(x, y)[0]
        assert found == pytest.approx(expected, rel=1e-14)
    one = losses.Readout([[1.0, 2.0]], [0.1])  # z = -0.9, at distance 1.9 of the label 1
    assert losses.Huber(LABELS, one, threshold=1.5).value(x, y)[0] == pytest.approx(1.5 * (2 * 1.9 - 1.5), rel=1e-14)
    assert losses.Huber(LABELS, one, threshold=2.0).value(x, y)[0] == pytest.approx(1.9**2, rel=1e-14)
    assert losses.SquaredLoss(one).value(x, y)[0] == pytest.approx(1.9**2, rel=1e-14)
    np.testing.assert_allclose(losses.CrossEntropy(LABELS, readout).probabilities(x)[0], softmax(z), rtol=1e-14)


@pytest.mark.parametrize("name", [*TRAINED_LOSSES, "hinge of power 1", "none"])
def test_derivatives_by_differences(name):
    """Gradient in the state and second derivatives in the outputs by central differences, away from kinks."""
    rng = np.random.default_rng(1)
    rows = 1 if name in ("huber", "squared") else 3
    readout = losses.Readout(rng.normal(size=(rows, 2)), rng.normal(size=rows))
    if name == "none":
        loss, readout = losses.CrossEntropy(LABELS[:2]), None
    elif name == "hinge of power 1":
        loss = losses.Hinge(LABELS, readout, power=1)
    else:
        loss = TRAINED_LOSSES[name].with_readout(readout)
    x, y = rng.normal(size=(20, 2)), np.tile(LABELS[:2], 10)[:, None]
    step = 1e-6
    for k, e in enumerate(step * np.eye(2)):
        difference = (loss.value(x + e, y) - loss.value(x - e, y)) / (2 * step)
        np.testing.assert_allclose(loss.gradient(x, y)[:, k], difference, rtol=0, atol=2e-8)
    z = loss.output(x)
    for k, e in enumerate(step * np.eye(z.shape[1])):
        difference = (loss.slope(z + e, y) - loss.slope(z - e, y)) / (2 * step)
        np.testing.assert_allclose(loss.bend(z, y)[:, :, k], difference, rtol=0, atol=2e-8)
    form = loss.separate(2, 1, None, "auto")
    summed = form.offset(y) + (form.terminal(x) * form.moments(y)).sum(axis=0)
    np.testing.assert_allclose(summed, loss.value(x, y), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", TRAINED_LOSSES)
def test_the_trained_read_out_is_the_minimiser(name):
    """Against SciPy's BFGS on `E[loss] + kappa/2 |B|^2` written out, over the samples: value to 1e-9, read-out to 1e-4."""
    x, y = classes()
    loss = TRAINED_LOSSES[name]
    system = emfc.ParticleSystem(problem_of(loss), 2)
    fitted, penalty_cost = system.terminal(x)
    rows = len(fitted.readout.matrix)

    def objective(flat):
        b = flat.reshape(rows, 3)
        values = loss.with_readout(losses.Readout(b[:, :2], b[:, 2])).value(x, y[:, None])
        return values.mean() + 0.005 * (b**2).sum()

    best = minimize(objective, np.zeros(3 * rows), options={"gtol": 1e-8})
    found = np.column_stack([fitted.readout.matrix, fitted.readout.bias])
    assert fitted.value(x, y[:, None]).mean() + penalty_cost == pytest.approx(best.fun, rel=1e-9)
    np.testing.assert_allclose(found, best.x.reshape(rows, 3), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", TRAINED_LOSSES)
def test_gradient_and_hessian_with_the_read_out_eliminated(name):
    """The envelope theorem and the Schur complement, by differences of the cost and of the gradient."""
    system = emfc.OptimalitySystem(problem_of(TRAINED_LOSSES[name]), emfc.CartesianMesh([(-5, 5)] * 2, 32), 3)
    rng = np.random.default_rng(2)
    theta, v = 0.4 * rng.normal(size=(2, 3, 6))
    gradient, step = system.cost_and_gradient(theta)[1], 1e-4
    near, far = (system.cost(theta + s * v).total - system.cost(theta - s * v).total for s in (step, 2 * step))
    assert np.vdot(gradient, v) == pytest.approx((8 * near - far) / (12 * step), rel=1e-8, abs=1e-10)
    after, before = (system.cost_and_gradient(theta + s * v)[1] for s in (step, -step))
    product = system.hessian(theta).product(v)
    np.testing.assert_allclose(product, (after - before) / (2 * step), rtol=0, atol=1e-5 * np.abs(product).max())


def test_solution_with_a_trained_read_out(tmp_path):
    """Mesh and particles agree; the file holds the read-out; predictions use it, whatever the classes' weights."""
    problem = problem_of(TRAINED_LOSSES["cross-entropy"], penalty=0.05)
    solution = emfc.solve(problem, emfc.CartesianMesh([(-4.5, 4.5)] * 2, 48), 3, solver=emfc.solvers.LBFGS(1e-7))
    assert solution.converged
    assert solution.certificate.duality_drift < 1e-12
    twin = emfc.ParticleSystem(problem, 3)
    assert twin.cost(solution.control).total == pytest.approx(solution.cost, rel=1e-4)
    x, y = classes(200, seed=3)
    assert (solution.predict(x)[:, 0] == y).mean() > 0.85
    scores = solution.flow(x) @ solution.readout.matrix.T + solution.readout.bias
    assert np.array_equal(solution.predict(x)[:, 0], scores.argmax(axis=1).astype(float))
    solution.save(tmp_path / "a.h5")
    for loaded in (emfc.Solution.load(tmp_path / "a.h5"), emfc.Solution.load(tmp_path / "a.h5", problem)):
        assert np.array_equal(loaded.predict(x), solution.predict(x))
        assert np.array_equal(loaded.readout.matrix, solution.readout.matrix)


def test_running_loss_of_a_read_out():
    """A running cross-entropy beside a final one: the particle twin has the same cost and gradient."""
    readout = losses.Readout([[1.0, 0.0], [-1.0, 1.0], [0.0, -1.0]])
    loss = losses.CrossEntropy(LABELS, readout)
    problem = problem_of(losses.CrossEntropy(LABELS, TRAINED), running=loss)
    system = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-4.5, 4.5)] * 2, 64), 3)
    theta = 0.4 * np.random.default_rng(0).normal(size=(3, 6))
    cost, gradient = system.cost_and_gradient(theta)
    twin = emfc.ParticleSystem(problem, 3)
    exact, slope = twin.cost_and_gradient(theta)
    assert twin.cost(theta).total == pytest.approx(exact, rel=1e-13)
    assert cost == pytest.approx(exact, rel=1e-6)
    np.testing.assert_allclose(gradient, slope, rtol=0, atol=1e-5)
    with pytest.raises(ArgumentError, match=r"(?s)running: got .*a loss with a fixed read-out"):
        problem_of(loss, running=TRAINED_LOSSES["cross-entropy"])


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (
            lambda: problem_of(losses.CrossEntropy(LABELS)),
            "readout: got no read-out, for states of dimension 2, expected",
        ),
        (
            lambda: problem_of(losses.CrossEntropy(LABELS, losses.Readout(np.ones((2, 2))))),
            r"readout: got a matrix of shape \(2, 2\), expected the shape \(3, 2\), with one row per output",
        ),
        (lambda: losses.Readout(np.ones((2, 2)), [1.0]), "bias: got 1 numbers, expected 2"),
        (lambda: losses.CrossEntropy([1.0]), r"labels: got \[1.0\], expected two or more"),
        (lambda: losses.CrossEntropy([1.0, np.nan]), r"labels: got nan at index \(1,\)"),
        (lambda: losses.CrossEntropy(LABELS, weights=[1, 2]), "weights: got .*3 numbers > 0"),
        (lambda: losses.CrossEntropy(LABELS, "linear"), "readout: got 'linear', expected losses.Readout"),
        (lambda: losses.Hinge(LABELS, TRAINED, power=1), "power: got 1, expected 2 for a trained read-out"),
        (lambda: losses.Huber(LABELS, threshold=0.0), "threshold: got 0.0"),
        (lambda: losses.TrainedReadout(0.0), "penalty: got 0.0, expected a number > 0"),
        (lambda: TRAINED_LOSSES["squared"].value(np.ones((1, 2)), np.ones((1, 1))), "readout: got Trained"),
        (lambda: toy_line(sparsity=-1.0), "sparsity: got -1.0"),
        (lambda: toy_line(sparsity=[1.0, 2.0]), "sparsity: got .* expected one number >= 0, or 1"),
    ],
)
def test_what_is_refused(call, pattern):
    with pytest.raises(ArgumentError, match=pattern):
        call()


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.8, [0.3, 0.1], 9.0])
@pytest.mark.parametrize("bounds", [None, (-1.0, 0.1)])
def test_l1_norm_in_closed_form(sparsity, bounds):
    """`F = theta`: `theta = clip(soft(2 (E y - E x), sparsity) / (lambda + 2 T))`, exact zeros included."""
    rng = np.random.default_rng(2)
    x, y = 0.3 * rng.normal(size=(20, 2)), 0.3 * rng.normal(size=(20, 2)) + [0.8, -0.1]
    problem = emfc.Problem(
        emfc.fields.AffineField(2, matrix=False), emfc.laws.Empirical(x, y), losses.SquaredLoss(), 0.7, 1.5,
        sparsity=sparsity, bounds=bounds,
    )  # fmt: skip
    solver = emfc.solvers.ProximalGradient()
    solution = emfc.solve(problem, emfc.CartesianMesh([(-4.0, 4.0)] * 2, 48), 4, transport=CUBIC, solver=solver)
    pull = 2 * (y.mean(axis=0) - x.mean(axis=0))
    exact = np.sign(pull) * np.maximum(np.abs(pull) - sparsity, 0.0) / 3.7
    exact = np.clip(exact, *bounds) if bounds else exact
    assert solution.converged
    np.testing.assert_allclose(solution.control, np.tile(exact, (4, 1)), rtol=0, atol=1e-8)
    assert np.array_equal(solution.control == 0, np.tile(exact == 0, (4, 1)))
    assert solution.certificate.kind == "strict local minimum"
    l1 = 1.5 * (np.asarray(sparsity) * np.abs(exact)).sum()
    assert solution.penalty_cost == pytest.approx(1.5 * 0.35 * (exact**2).sum() + l1, abs=1e-8)


def test_proximal_gradient_and_the_verdict(toy_solution):
    """Without sparsity the optimum is LBFGS's; with it the default solver is chosen; stopped early it says so."""
    solution = emfc.solve(toy_line(), toy_mesh(), 20, solver=emfc.solvers.ProximalGradient(tol=1e-8))
    assert solution.converged
    np.testing.assert_allclose(solution.control, toy_solution.control, rtol=0, atol=1e-7)
    sparse = toy_line(sparsity=0.05)
    early = emfc.solve(sparse, toy_mesh(), 20, solver=emfc.solvers.ProximalGradient(max_iterations=2))
    assert not early.converged
    assert "the limit of 2 iterations" in early.message
    found = emfc.solve(sparse, toy_mesh(), 20)
    assert found.converged
    # the control equation, lambda theta = soft(-int D_theta F^T grad psi dmu), from the gradient of the smooth part
    gradient = found.system.cost_and_gradient(found.control)[1]
    pull = -(20 * gradient - found.control)
    soft = np.sign(pull) * np.maximum(np.abs(pull) - 0.05, 0.0)
    np.testing.assert_allclose(found.control, soft, rtol=0, atol=1e-8)
    assert found.cost > toy_solution.cost
    with pytest.raises(ArgumentError, match=r"solver: got LBFGS, .* expected solvers.ProximalGradient\(\)"):
        emfc.solve(sparse, toy_mesh(), 20, solver=emfc.solvers.LBFGS())
    with pytest.raises(ArgumentError, match="problem: got 'a problem with sparsity'"):
        found.maximum_principle()
