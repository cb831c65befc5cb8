"""Regression."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from ..losses import SquaredLoss, TrainedReadout
from .base import MeanFieldEstimator, standard


class MeanFieldRegressor(RegressorMixin, MeanFieldEstimator):
    """Numbers by a flow and an affine read-out of its final states: the squared loss, of standardised labels.

    Parameters
    ----------
    layers, horizon, penalty, readout_penalty, augment, width, activation, layer_map : see `MeanFieldEstimator`.
    cells, degree, tol, max_iter, starts, random_state : see `MeanFieldEstimator`.

    Attributes
    ----------
    solution_, mean_, scale_, varying_, mesh_error_, n_iter_ : see `MeanFieldClassifier`.
    y_mean_, y_scale_ : `(q,)`, what labels are standardised by.

    Raises
    ------
    ArgumentError
        From `fit`, as `MeanFieldEstimator`.

    References
    ----------
    See `MeanFieldEstimator`.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MeanFieldRegressor:
        """Train on inputs `(n, features)` and labels `(n,)` or `(n, q)`; raises and warns as the classifier does."""
        X, y, weights = self._weighted(*self._samples(X, y, sample_weight, multi_output=True, y_numeric=True))
        labels = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        self._single = np.ndim(y) == 1
        self.y_mean_, self.y_scale_, _ = standard("y", labels, weights)
        loss = SquaredLoss(TrainedReadout(self.readout_penalty))
        self._solve(X, (labels - self.y_mean_) / self.y_scale_, weights, loss)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Labels `(n,)` or `(n, q)`."""
        final = self._final(X)
        assert self.solution_.loss is not None
        out = self.solution_.loss.output(final) * self.y_scale_ + self.y_mean_
        return out[:, 0] if self._single else out

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
