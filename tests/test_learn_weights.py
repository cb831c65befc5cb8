"""Estimators: weights of classes and samples, fits that cannot go on, data in any units, features that do not vary."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.learn import MeanFieldClassifier, MeanFieldRegressor

QUICK = {"layers": 2, "cells": 24, "starts": 1, "penalty": 0.1, "readout_penalty": 0.1, "tol": 1e-6}
X, Y = make_moons(60, noise=0.2, random_state=0)
SHARES = np.random.default_rng(1).uniform(0.5, 2.0, size=60)
PETALS, KINDS = load_iris().data[:, 2:], load_iris().target


def flat(loss="cross-entropy", **changes):
    return MeanFieldClassifier(loss=loss, **{**QUICK, **changes})


@pytest.mark.parametrize("loss", ["cross-entropy", "hinge"])
@pytest.mark.parametrize("class_weight", [{1: 5.0}, {0: 3e5, 1: 1e6}, "balanced", {0: 0.0, 1: 1.0}], ids=str)
@pytest.mark.parametrize("sample_weight", [None, SHARES], ids=["equal samples", "weighted samples"])
def test_weights_of_classes_are_weights_of_their_samples(loss, class_weight, sample_weight):
    """The same fit bit by bit but for round-off of the weights' sum; "balanced": both classes weigh the same."""
    x, y = X[:40], np.where(np.arange(40) % 4 == 0, 1, 0)
    shares = np.ones(40) if sample_weight is None else sample_weight[:40]
    balanced = {k: 1.0 / shares[y == k].sum() for k in (0, 1)}
    each = balanced if class_weight == "balanced" else {0: 1.0, 1: 1.0} | class_weight
    settings = {"layers": 1, "max_iter": 20}
    by_class = flat(loss, class_weight=class_weight, **settings).fit(x, y, None if sample_weight is None else shares)
    by_sample = flat(loss, **settings).fit(x, y, shares * np.array([each[k] for k in y]))
    np.testing.assert_allclose(by_class.decision_function(X), by_sample.decision_function(X), rtol=0, atol=1e-9)
    np.testing.assert_allclose(by_class.mean_, np.average(x, axis=0, weights=shares * np.vectorize(each.get)(y)))
    assert by_class.classes_.tolist() == [0, 1]
    if 0.0 in each.values():
        assert set(by_class.predict(X)) == {max(each, key=each.get)}
        assert set(LogisticRegression(class_weight=each).fit(x, y).predict(X)) == {max(each, key=each.get)}


@pytest.mark.parametrize(
    ("class_weight", "pattern"),
    [
        ({0: -1.0, 1: 1.0}, r"class_weight: got -1.0, expected a number >= 0"),
        ({0: np.nan, 1: 1.0}, "class_weight: got nan"),
        (
            {0: 0.0, 1: 0.0},
            r"class_weight: got \{0: 0.0, 1: 0.0\}, expected a weight above zero for a class that has samples",
        ),
        ("equal", "class_weight: got 'equal', expected None, 'balanced' or a dict"),
        ([1.0, 2.0], r"class_weight: got \[1.0, 2.0\], expected None"),
        ({0: 1.0, 7: 1.0}, r"The classes, \[1\], are not in class_weight"),
    ],
)
def test_class_weights_that_are_none_are_refused_by_their_name(class_weight, pattern):
    with pytest.raises(ValueError, match=pattern):
        flat(class_weight=class_weight).fit(X, Y)


@pytest.mark.parametrize("loss", ["hinge", "cross-entropy"])
def test_a_mesh_that_is_too_coarse_gives_a_warning_and_the_best_of_the_samples(loss):
    """Iris on a mesh that does not carry the flow: a warning, not an error; no worse than a linear classifier, and soon."""
    model = MeanFieldClassifier(loss=loss, cells=16, starts=1)
    with pytest.warns(
        ConvergenceWarning,
        match=r"not converged: .*those that fit the samples best without the mesh.*; use a larger `penalty`",
    ):
        model.fit(PETALS, KINDS)
    assert not model.solution_.converged
    assert model.score(PETALS, KINDS) >= 0.95
    assert model.n_iter_ < 50  # the limit is 300, and the mesh's own optimum lies after it
    assert model.solution_.terminal_cost > 0
    # What the samples cost at the answer, by hand: no more than without any flow.
    z = model.decision_function(PETALS)
    own = z[np.arange(150), KINDS][:, None]
    if loss == "hinge":
        cost = (np.maximum(0.0, 1.0 - own + z) ** 2).sum(axis=1).mean() - 1.0
    else:
        cost = -np.log(model.predict_proba(PETALS)[np.arange(150), KINDS]).mean()
    plain = MeanFieldClassifier(loss=loss, penalty=1e6).fit(PETALS, KINDS)  # the read-out alone, which any mesh carries
    assert cost < plain.solution_.cost


def test_a_search_over_settings_that_fail_ends_with_a_choice():
    settings = {"loss": ["hinge", "cross-entropy"], "cells": [8, 24], "horizon": [1.0, 50.0]}
    search = GridSearchCV(MeanFieldClassifier(starts=1, max_iter=3, layers=2), settings, cv=2, error_score="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_score_ > 0.8


@pytest.mark.parametrize("power", [-900, -20, 20, 400])
def test_units_of_the_data_do_not_matter(power):
    """Powers of two: the standardised data are the same bits, and so are predictions, in their units."""
    scale = 2.0**power
    x, y = X[:, :1], np.sin(3.0 * X[:, 0])
    settings = {**QUICK, "layers": 1, "max_iter": 10, "tol": 1e-3}
    expected = MeanFieldRegressor(**settings).fit(x, y).predict(x)
    assert np.array_equal(MeanFieldRegressor(**settings).fit(x * scale, y).predict(x * scale), expected)
    assert np.array_equal(MeanFieldRegressor(**settings).fit(x, y * scale).predict(x), expected * scale)


def test_features_that_do_not_vary_are_no_coordinates_of_the_states():
    """The same fit as without them, and not a word of four features; other values in new data change nothing."""
    settings = {**QUICK, "layers": 1, "max_iter": 10, "tol": 1e-3}
    plain = MeanFieldClassifier(**settings).fit(X, Y)
    x = np.column_stack([np.full(60, 7.1), X[:, 0], np.full(60, 0.1) + 0.2, X[:, 1], np.zeros(60)])
    more = MeanFieldClassifier(**settings).fit(x, Y)
    assert more.solution_.mesh.dim == 2
    assert more.varying_.tolist() == [False, True, False, True, False]
    np.testing.assert_allclose(more.decision_function(x), plain.decision_function(X), rtol=0, atol=1e-9)
    expected = more.decision_function(x)
    x[:, [0, 2, 4]] = 3.0
    assert np.array_equal(more.decision_function(x), expected)
    nothing = MeanFieldRegressor(**settings).fit(np.ones((6, 4)), np.arange(6.0))
    np.testing.assert_allclose(nothing.predict(np.ones((2, 4))), 2.5, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [1e8, 1e11])
def test_features_that_vary_little_beside_their_size_are_seen(size):
    """A feature of 1e11 that moves by 0.1 has six digits in double precision; it counted as constant beyond 1e-12."""
    x = X[:, :1].round(2)
    settings = {**QUICK, "layers": 1, "max_iter": 5, "tol": 1e-3}
    model = MeanFieldClassifier(**settings).fit(size + 0.01 * x, Y)
    assert model.varying_.all()
    assert model.scale_[0] == pytest.approx(0.01 * x.std(), rel=1e-2)


@pytest.mark.parametrize("which", ["X", "y", "sample_weight"])
def test_masked_entries_are_refused(which):
    given = {"X": X, "y": Y, "sample_weight": SHARES}
    masked = np.ma.masked_less(given[which], 0.6)
    with pytest.raises(ArgumentError, match=rf"{which}: got a masked array with {masked.mask.sum()} masked entries"):
        flat(layers=1).fit(**{**given, which: masked})
    model = flat(layers=1, max_iter=3, tol=0.1).fit(np.ma.masked_array(X), Y)  # nothing is masked in it
    with pytest.raises(ArgumentError, match="X: got a masked array with 2 masked entries"):
        model.predict(np.ma.masked_array(X[:2], [[True, False], [False, True]]))
