"""The classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from .._validate import choice, fail, mismatch, positive
from ..losses import CrossEntropy, Hinge, Loss, TrainedReadout
from .base import MeanFieldEstimator

LOSSES = {"cross-entropy": CrossEntropy, "hinge": Hinge}


class MeanFieldClassifier(ClassifierMixin, MeanFieldEstimator):
    """A classifier: a flow, and an affine read-out of its final states.

    Parameters
    ----------
    loss : "cross-entropy" (with `predict_proba`) or "hinge" (squared).
    class_weight : None, "balanced", or a dict of weights by class (1 for a class that is not in it), as elsewhere in
        scikit-learn. They multiply the weights of the samples, so that the same weights in `sample_weight` give the same fit.
        A weight of zero leaves the samples of that class out; "balanced" counts samples by their weights.
    layers, horizon, penalty, readout_penalty, augment, width, activation, layer_map : see `MeanFieldEstimator`.
    cells, degree, tol, max_iter, starts, random_state : see `MeanFieldEstimator`.

    Attributes
    ----------
    classes_ : `(K,)`.
    solution_ : the Solution, with its certificate, figures and export; its states are standardised inputs.
    mean_, scale_ : `(features,)`, the mean and the standard deviation by which inputs are standardised.
    varying_ : `(features,)` booleans, the features that vary: only these are coordinates of the states.
    mesh_error_ : relative difference of the cost on the mesh and on the samples themselves.
    n_iter_ : iterations on the mesh; 0 if the run on the mesh could not start.

    Raises
    ------
    ArgumentError
        From `fit`, as for `MeanFieldEstimator`; also for an unknown loss, and for labels of one class only.

    References
    ----------
    See `losses.CrossEntropy`, `losses.Hinge` and `MeanFieldEstimator`.

    Examples
    --------
    >>> from eulerian_mfc.learn import MeanFieldClassifier
    >>> X, y = [[-2.0], [-1.0], [1.0], [2.0]], ["left", "left", "right", "right"]
    >>> model = MeanFieldClassifier(layers=2, cells=40, starts=1).fit(X, y)
    >>> [str(label) for label in model.predict([[-3.0], [3.0]])], model.score(X, y)
    (['left', 'right'], 1.0)
    >>> model.predict_proba([[3.0]]).round(1).tolist()
    [[0.0, 1.0]]
    """

    def __init__(
        self,
        *,
        loss: str = "cross-entropy",
        class_weight: Any = None,
        layers: int = 4,
        horizon: float = 1.0,
        penalty: float = 1e-2,
        readout_penalty: float = 1e-3,
        augment: int = 0,
        width: int | None = None,
        activation: str = "tanh",
        layer_map: Any = "midpoint",
        cells: Any = None,
        degree: int = 3,
        tol: float = 1e-3,
        max_iter: int = 300,
        starts: int = 3,
        random_state: Any = 0,
    ) -> None:
        super().__init__(
            layers=layers,
            horizon=horizon,
            penalty=penalty,
            readout_penalty=readout_penalty,
            augment=augment,
            width=width,
            activation=activation,
            layer_map=layer_map,
            cells=cells,
            degree=degree,
            tol=tol,
            max_iter=max_iter,
            starts=starts,
            random_state=random_state,
        )
        self.loss = loss
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MeanFieldClassifier:
        """Train on inputs `(n, features)` and classes `(n,)`.

        Raises
        ------
        ValueError
            For inputs that are not finite, one class only, or more than three features.

        Warns
        -----
        ConvergenceWarning
            If the optimality residual is above `tol`, or the mesh is too coarse for the flow. If the samples alone then give a
            better control and read-out than the mesh, the fit uses those.
        """
        choice("loss", self.loss, LOSSES)
        X, y, weights = self._samples(X, y, sample_weight)
        check_classification_targets(y)
        self.classes_, index = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise mismatch("y", f"only the class {self.classes_.tolist()}", "labels of at least two classes")
        X, index, weights = self._weighted(X, index, weights * self._class_weights(y, weights)[index])
        loss: Loss = LOSSES[self.loss](np.arange(len(self.classes_)), TrainedReadout(self.readout_penalty))
        self._solve(X, index.astype(np.float64), weights, loss)
        return self

    def _class_weights(self, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """`(K,)`: weights of the classes, the largest being 1, from labels `(n,)` and weights `(n,)` of the samples."""
        given = self.class_weight
        if given is None:
            return np.ones(len(self.classes_))
        counts = np.array([weights[y == label].sum() for label in self.classes_])
        if isinstance(given, str) and given == "balanced":
            # A class whose samples all have the weight zero cannot be balanced: its weight is zero.
            out = np.divide(1.0, counts, out=np.zeros_like(counts), where=counts > 0)
        elif isinstance(given, dict):
            for value in given.values():
                positive("class_weight", value, allow_zero=True)
            out = compute_class_weight(given, classes=self.classes_, y=y)
        else:
            raise fail("class_weight", given, "None, 'balanced' or a dict with one weight per class")
        if not (out * counts).any():
            raise fail("class_weight", given, "a weight above zero for a class that has samples")
        return out / out.max()

    def decision_function(self, X: object) -> np.ndarray:
        """Outputs `(n, K)`, the largest of which decides the class; for two classes their difference `(n,)`."""
        final = self._final(X)
        assert self.solution_.loss is not None
        z = self.solution_.loss.output(final)
        return z[:, 1] - z[:, 0] if z.shape[1] == 2 else z

    def predict(self, X: object) -> np.ndarray:
        """Classes `(n,)`."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]

    @available_if(lambda self: self.loss == "cross-entropy")
    def predict_proba(self, X: object) -> np.ndarray:
        """Probabilities `(n, K)` of the classes."""
        final = self._final(X)
        assert isinstance(self.solution_.loss, CrossEntropy)
        return self.solution_.loss.probabilities(final)
