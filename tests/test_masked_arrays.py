"""Masked arrays: numbers under a mask are no data, wherever arrays come in; where nothing is masked they are arrays."""

import numpy as np
import pytest
from scipy.optimize import Bounds

import eulerian_mfc as emfc
from eulerian_mfc import fields, laws, losses
from eulerian_mfc.errors import ArgumentError

X = np.linspace(-1.0, 1.0, 6)
COLUMN = X[:, None]
MESH = emfc.CartesianMesh([(-8.0, 8.0)], 40)
LAW = laws.Empirical(COLUMN, np.sign(X))


def masked(values):
    """The first entry masked."""
    out = np.ma.masked_array(np.asarray(values, dtype=float), np.zeros(np.shape(values), dtype=bool))
    out.mask.flat[0] = True
    return out


def bounds_of_scipy():
    bounds = Bounds([-1.0, -1.0], [1.0, 1.0])
    bounds.lb = masked(bounds.lb)
    return bounds


def problem(**changes):
    given = {"field": fields.NeuralField(1), "law": LAW, "loss": losses.SquaredLoss(), "penalty": 1.0, "horizon": 1.0}
    return emfc.Problem(**{**given, **changes})


def hidden(x):
    """What a user's function returns: masked where x is below zero."""
    return np.ma.masked_where(np.real(x) < 0, x)


SYSTEM = emfc.OptimalitySystem(problem(), MESH, 2)
SOLUTION = emfc.Solution.from_outcome(
    SYSTEM, emfc.solvers.Outcome(SYSTEM.control(0.1), emfc.solvers.Status.UNKNOWN, ""), {}
)
LOSS = losses.LabelLoss(lambda x, y: x[:, 0], [-1.0, 1.0], lambda x, y: masked(np.ones_like(x)))
CALLS = {
    "x": [
        lambda: laws.Empirical(masked(COLUMN), X),
        lambda: SOLUTION.flow(masked(COLUMN)),
        lambda: SOLUTION.predict(masked(COLUMN)),
    ],
    "y": [lambda: laws.Empirical(COLUMN, masked(X))],
    "weights": [lambda: laws.Empirical(COLUMN, X, masked(np.full(6, 1 / 6)))],
    "mean": [lambda: laws.Gaussian(masked([0.0, 1.0]), 1.0)],
    "label": [
        lambda: laws.Labelled(laws.Gaussian([0.0], 1.0), masked([1.0])),
        lambda: laws.Labelled(laws.Gaussian([0.0], 1.0), hidden),
    ],
    "breaks": [lambda: laws.Labelled(laws.Gaussian([0.0], 1.0), np.sign, breaks=masked([0.0, 1.0]))],
    "penalty": [lambda: problem(penalty=masked([1.0, 1.0]))],
    "sparsity": [lambda: problem(sparsity=masked([1.0, 1.0]))],
    "bounds": [
        lambda: problem(bounds=masked([[-1.0, 1.0], [-1.0, 1.0]])),
        lambda: problem(bounds=bounds_of_scipy()),
        lambda: emfc.CartesianMesh(masked([[-1.0, 1.0]]), 4),
    ],
    "control": [lambda: SYSTEM.cost(masked([0.1, 0.1])), lambda: SYSTEM.cost_and_gradient(masked(np.ones((2, 2))))],
    "initial": [lambda: emfc.solve(problem(), MESH, 2, initial=masked([0.1, 0.1]))],
    "centres": [lambda: fields.RadialBasisField(masked(COLUMN), 1.0)],
    "matrix": [lambda: losses.Readout(masked([[1.0]]))],
    "labels": [lambda: losses.CrossEntropy(masked([0.0, 1.0]))],
    "function": [
        lambda: problem(loss=losses.LabelLoss(lambda x, y: hidden(x)[:, 0] ** 2 + hidden(np.arange(len(x)) - 1.0), [-1.0, 1.0])),
        lambda: fields.CustomField(lambda t, theta, x: hidden(theta[0] * x), 1, 1),
    ],
    "state_jacobian": [
        lambda: fields.CustomField(
            lambda t, theta, x: theta[0] * x, 1, 1, state_jacobian=lambda t, theta, x: masked(np.full((len(x), 1, 1), theta[0]))
        )
    ],
    "jacobians[0]": [lambda: fields.LinearControlField([lambda x: x], 1, [lambda x: masked(np.ones((len(x), 1, 1)))])],
    "fields[0]": [lambda: fields.LinearControlField([hidden], 1)],
    "state_gradient": [
        lambda: LOSS.gradient(COLUMN, np.sign(COLUMN))
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "call"), [pytest.param(n, c, id=f"{n}-{k}") for n, calls in CALLS.items() for k, c in enumerate(calls)]
)
def test_masked_entries_are_refused_by_the_name_of_the_argument(name, call):
    with pytest.raises(ArgumentError) as found:
        call()
    assert str(found.value).startswith(f"{name}: got a masked array with ")
    assert "drop their rows, or fill them" in str(found.value)


def test_masked_arrays_without_masked_entries_are_arrays():
    law = laws.Empirical(np.ma.masked_array(COLUMN), np.ma.masked_array(X), np.ma.masked_array(np.full(6, 1 / 6)))
    assert np.array_equal(law.x, COLUMN)
    assert not isinstance(law.x, np.ma.MaskedArray)
