"""The regressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from ..losses import SquaredLoss, TrainedReadout
from .base import MeanFieldEstimator, standard


class MeanFieldRegressor(RegressorMixin, MeanFieldEstimator):
    """A regressor: a flow, an affine read-out of its final states, and the squared loss of standardised labels.

    Parameters
    ----------
    layers, horizon, penalty, readout_penalty, augment, width, activation, layer_map : see `MeanFieldEstimator`.
    cells, degree, tol, max_iter, starts, random_state : see `MeanFieldEstimator`.

    Attributes
    ----------
    solution_, mean_, scale_, varying_, mesh_error_, n_iter_ : see `MeanFieldClassifier`.
    y_mean_, y_scale_ : `(q,)`, the mean and the standard deviation by which labels are standardised.

    Raises
    ------
    ArgumentError
        From `fit`, as for `MeanFieldEstimator`.

    References
    ----------
    See `MeanFieldEstimator`.

    Examples
    --------
    >>> import numpy as np
    >>> from eulerian_mfc.learn import MeanFieldRegressor
    >>> x = np.linspace(-2.0, 2.0, 9)
    >>> model = MeanFieldRegressor(layers=2, penalty=0.1, readout_penalty=0.1, cells=60, starts=1).fit(x[:, None], np.sin(x))
    >>> model.score(x[:, None], np.sin(x)) > 0.9
    True
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

    def predict(self, X: object) -> np.ndarray:
        """Labels `(n,)` or `(n, q)`."""
        final = self._final(X)
        assert self.solution_.loss is not None
        out = self.solution_.loss.output(final) * self.y_scale_ + self.y_mean_
        return out[:, 0] if self._single else out

    def __sklearn_tags__(self) -> object:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
