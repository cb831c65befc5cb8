"""Losses: separable forms against direct formulas, the choice between them, gradients against differences."""

import numpy as np
import pytest

from eulerian_mfc import Problem
from eulerian_mfc.errors import ArgumentError, NotAnalyticError
from eulerian_mfc.fields import AffineField
from eulerian_mfc.laws import Empirical
from eulerian_mfc.losses import LabelLoss, SquaredLoss

DIMS = pytest.mark.parametrize("dim", [1, 2, 3])


def squared(x, y):
    """`|x - y|^2`, point by point."""
    return np.array([sum((a - b) ** 2 for a, b in zip(p, q, strict=True)) for p, q in zip(x, y, strict=True)])


def tilted(x, y):
    """A smooth loss of states in the plane and one label of two numbers: `exp(y1 x1) + y2 sin(x1 x2)`."""
    return np.exp(y[0] * x[:, 0]) + y[1] * np.sin(x[:, 0] * x[:, 1])


def tilted_gradient(x, y):
    """Its gradient in the state."""
    a, b = x.T
    return np.stack([y[0] * np.exp(y[0] * a) + y[1] * b * np.cos(a * b), y[1] * a * np.cos(a * b)], axis=1)


TILTED_LABELS = np.array([[0.5, 1.0], [-0.3, 2.0], [1.1, -0.7]])


def summed(form, x, y):
    """`c_0(y) + sum_r a_r(x) c_r(y)`."""
    return form.offset(y) + (form.terminal(x) * form.moments(y)).sum(axis=0)


@DIMS
def test_squared_loss_by_moments(dim):
    """`|y|^2 + |x|^2 1 - 2 x . y = |x - y|^2` at random pairs (1e-13); R = 1 + d, and the first moment is the mass."""
    x, y = np.random.default_rng(dim).normal(size=(2, 40, dim))
    form = SquaredLoss().separate(dim, dim, None, "auto")
    assert len(form.names) == len(set(form.names)) == 1 + dim
    assert form.labels is None
    assert form.terminal(x).shape == form.moments(y).shape == (1 + dim, 40)
    np.testing.assert_allclose(summed(form, x, y), squared(x, y), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(SquaredLoss().value(x, y), squared(x, y), rtol=1e-14, atol=0)
    # the fields themselves, as the theory names them
    assert np.array_equal(form.moments(y), np.vstack([np.ones(40), y.T]))
    np.testing.assert_allclose(form.terminal(x), np.vstack([squared(x, 0 * x), -2 * x.T]), rtol=1e-14, atol=0)
    assert form.total.tolist() == [1.0] + [0.0] * dim


@DIMS
def test_squared_loss_by_labels(dim):
    """With K labels `a_k = |x - y_k|^2` and `c_k = 1{y = y_k}`: the sum is the loss, the c_k add up to the mass."""
    rng = np.random.default_rng(dim)
    labels = rng.normal(size=(4, dim))
    x, index = rng.normal(size=(40, dim)), rng.integers(4, size=40)
    form = SquaredLoss().separate(dim, dim, labels, "labels")
    assert np.array_equal(form.moments(labels[index]), np.eye(4)[index].T)
    for k in range(4):
        expected = squared(x, np.tile(labels[k], (40, 1)))
        np.testing.assert_allclose(form.terminal(x)[k], expected, rtol=1e-14, atol=0)
    np.testing.assert_allclose(summed(form, x, labels[index]), squared(x, labels[index]), rtol=1e-14, atol=0)
    assert form.total.tolist() == [1.0] * 4
    assert np.array_equal(form.labels, labels)
    assert len(set(form.names)) == 4


def test_label_loss():
    """A loss of any form, q different from d or not: values and the separable form are the function's at each label."""
    rng = np.random.default_rng(0)
    x, index = rng.normal(size=(50, 2)), rng.integers(3, size=50)
    y = TILTED_LABELS[index]
    loss = LabelLoss(tilted, TILTED_LABELS)
    expected = np.array([tilted(x[j : j + 1], y[j])[0] for j in range(50)])
    np.testing.assert_allclose(loss.value(x, y), expected, rtol=1e-14, atol=0)
    for form in ("auto", "labels"):
        separable = loss.separate(2, 2, None, form)
        assert np.array_equal(separable.moments(y), np.eye(3)[index].T)
        np.testing.assert_allclose(summed(separable, x, y), expected, rtol=1e-14, atol=0)
        assert separable.total.tolist() == [1.0] * 3

    hinge = LabelLoss(lambda x, y: np.maximum(0.0, 1 - y[0] * x[:, 0]) ** 2, [-1, 1])  # q = 1 on the plane
    form = hinge.separate(2, 1, np.array([[-1.0], [1.0]]), "auto")
    assert form.terminal(np.array([[0.5, 9.0]])).tolist() == [[2.25], [0.25]]
    assert form.moments(np.array([[1.0], [-1.0]])).tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_labels_are_recognised_up_to_round_off():
    """A label off by round-off is still its own; the nearest is meant; one that is 1e-6 away is an error."""
    loss = LabelLoss(lambda x, y: y[0] * x[:, 0], [0.1, 0.3, 1000.0])
    x = np.ones((3, 1))
    assert loss.value(x, np.array([[0.1 + 0.2], [1000.0 + 1e-7], [0.1]])).tolist() == [0.3, 1000.0, 0.1]
    with pytest.raises(ArgumentError, match=r"labels: got \[\[0.1\], \[0.3\], \[1000.0\]\], expected .* \[0.30001\]"):
        loss.value(x, np.array([[0.1], [0.30001], [0.1]]))


@pytest.mark.parametrize(
    ("dim", "count", "fields", "by_label"),
    [(1, 1, 1, True), (1, 2, 2, True), (1, 3, 2, False), (2, 2, 2, True), (2, 3, 3, True), (2, 4, 3, False),
     (3, 4, 4, True), (3, 5, 4, False), (1, None, 2, False), (2, None, 3, False)],
)  # fmt: skip
def test_the_smaller_representation_is_chosen(dim, count, fields, by_label):
    """R = min(K, 1 + q), and labels where both are equal; no list of labels means moments."""
    labels = None if count is None else np.random.default_rng(0).normal(size=(count, dim))
    form = SquaredLoss().separate(dim, dim, labels, "auto")
    assert len(form.names) == len(form.total) == len(form.terminal(np.zeros((2, dim)))) == fields
    assert (form.labels is not None) is by_label


@pytest.mark.parametrize(
    ("representation", "names"),
    [("auto", 2), ("labels", 3), ("moments", 2)],
)
def test_forced_representation(representation, names):
    """Three labels on the line: two moments by default, three densities where labels are asked for."""
    law = Empirical([0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 4.0])
    problem = Problem(AffineField(1), law, SquaredLoss(), 1.0, 1.0, representation=representation)
    assert len(problem.separable.names) == names
    assert (problem.separable.labels is None) is (names == 2)
    x, y = np.array([[0.3], [-1.0]]), np.array([[6.0], [4.0]])
    np.testing.assert_allclose(summed(problem.separable, x, y), squared(x, y), rtol=1e-13, atol=0)


def test_moments_forced_where_labels_are_fewer():
    """Two labels in the plane, moments asked for: three fields, the same loss."""
    labels = np.array([[1.0, 0.0], [0.0, 2.0]])
    form = SquaredLoss().separate(2, 2, labels, "moments")
    assert len(form.names) == 3
    np.testing.assert_allclose(summed(form, labels[::-1], labels), [5.0, 5.0], rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: SquaredLoss().separate(2, 1, None, "auto"), r"law: got labels of dimension 1, .* 2 of the state"),
        (lambda: SquaredLoss().separate(1, 1, None, "labels"), r"representation: got 'labels', .* more than 64"),
        (lambda: LabelLoss(tilted, TILTED_LABELS).separate(2, 2, None, "moments"), r"representation: got 'moments'"),
        (lambda: LabelLoss(tilted, TILTED_LABELS).separate(2, 1, None, "auto"), r"labels: got labels of dimension 2"),
        (lambda: LabelLoss(lambda x, y: x, [0.0]).separate(2, 1, None, "auto"), r"function: got .*\(2, 2\).*\(2,\)"),
        (lambda: LabelLoss(lambda x, y: 1.0, [0.0]).separate(2, 1, None, "auto"), r"function: got .*shape \(\)"),
        (lambda: LabelLoss(0.5, [0.0]), r"function: got 0.5"),
        (lambda: LabelLoss(tilted, [[np.nan, 1.0]]), r"labels: got nan at index \(0, 0\)"),
        (lambda: LabelLoss(tilted, "ab"), r"labels: got 'ab', expected an array of real numbers"),
    ],
)
def test_errors(call, pattern):
    """Forms that do not exist and functions of a wrong shape are refused, naming what came."""
    with pytest.raises(ArgumentError, match=pattern):
        call()


@DIMS
def test_gradient_of_the_squared_loss(dim):
    """`2 (x - y)`: central differences of the formula, exact for a quadratic up to round-off (1e-9)."""
    x, y = np.random.default_rng(dim).normal(size=(2, 10, dim))
    gradient, step = SquaredLoss().gradient(x, y), 1e-4
    for k, e in enumerate(step * np.eye(dim)):
        difference = (squared(x + e, y) - squared(x - e, y)) / (2 * step)
        np.testing.assert_allclose(gradient[:, k], difference, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("own", [None, tilted_gradient], ids=["complex-step", "own"])
def test_gradient_of_a_label_loss(own):
    """Each state gets the gradient at its own label, to 1e-13, by the complex step or from the user's function."""
    rng = np.random.default_rng(0)
    x, index = rng.normal(size=(50, 2)), rng.integers(3, size=50)
    y = TILTED_LABELS[index]
    gradient = LabelLoss(tilted, TILTED_LABELS, own).gradient(x, y)
    exact = np.concatenate([tilted_gradient(x[j : j + 1], y[j]) for j in range(50)])
    np.testing.assert_allclose(gradient, exact, rtol=1e-13, atol=1e-13)
    step = 1e-5
    for k, e in enumerate(step * np.eye(2)):
        difference = [
            (tilted(p + e, q)[0] - tilted(p - e, q)[0]) / (2 * step) for p, q in zip(x[:, None], y, strict=True)
        ]
        np.testing.assert_allclose(gradient[:, k], difference, rtol=1e-7, atol=1e-8)


def test_gradient_in_a_dimension_other_than_the_labels():
    """States on the plane, one number a label: the gradient is `(n, 2)`."""
    loss = LabelLoss(lambda x, y: y[0] * x[:, 0] ** 2 * x[:, 1], [2.0])
    assert loss.gradient(np.array([[3.0, 5.0]]), np.array([[2.0]])).tolist() == [[60.0, 18.0]]


@pytest.mark.parametrize(
    ("function", "reason"),
    [(lambda x, y: np.abs(x[:, 0] - y[0]), "differs"), (lambda x, y: np.real(x[:, 0]) ** 2, "differs"),
     (lambda x, y: np.cbrt(x[:, 0]), "refuses complex")],
)  # fmt: skip
def test_gradient_of_a_function_that_is_not_analytic(function, reason):
    """The complex step is checked: NotAnalyticError says to pass derivatives."""
    x, y = np.array([[0.7], [-0.9]]), np.array([[2.0], [2.0]])
    with pytest.raises(NotAnalyticError, match=f"function cannot be differentiated.*{reason}.*pass its derivatives"):
        LabelLoss(function, [2.0]).gradient(x, y)


def test_a_gradient_that_is_passed_is_used_and_checked():
    """`|x - y|` is not analytic; with its gradient it is a loss, with a wrong one it is refused."""
    x, y = np.array([[0.7], [-0.9]]), np.array([[2.0], [2.0]])
    distance = lambda x, y: np.abs(x[:, 0] - y[0])  # noqa: E731
    assert LabelLoss(distance, [2.0], lambda x, y: np.sign(x - y)).gradient(x, y).tolist() == [[-1.0], [-1.0]]
    with pytest.raises(ArgumentError, match="state_gradient: got a derivative that differs"):
        LabelLoss(distance, [2.0], lambda x, y: np.sign(y - x)).gradient(x, y)


def test_gradient_where_a_label_has_no_state():
    """A batch of states need not hold every label."""
    loss = LabelLoss(tilted, TILTED_LABELS)
    x = np.array([[0.2, 0.4]])
    gradient = loss.gradient(x, TILTED_LABELS[:1])
    np.testing.assert_allclose(gradient, tilted_gradient(x, TILTED_LABELS[0]), rtol=1e-13, atol=1e-13)
