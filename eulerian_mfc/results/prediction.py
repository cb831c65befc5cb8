"""Predictions of a solution for new points."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._validate import array
from ..errors import EulerianError
from .solution_data import SolutionData


def predict(solution: SolutionData, x: ArrayLike, labels: ArrayLike | None = None) -> np.ndarray:
    """Labels `(n, q)` predicted for points; see `Solution.predict`.

    Parameters
    ----------
    solution : a solution with its field.
    x : `(n, d)` points at time 0.
    labels : `(K, q)`; the label with the least loss is chosen. By default the labels of the solution, if it has any.

    Raises
    ------
    EulerianError
        If the field or the loss is not in the file that the solution was loaded from.
    """
    final = solution.controlled_flow.end(x)
    if labels is None and solution.labels is None:
        return final if solution.loss is None else solution.loss.output(final)
    known = solution.labels if labels is None else array("labels", labels, ndim=(1, 2)).reshape(np.shape(labels)[0], -1)
    assert known is not None
    if solution.loss is None:
        raise EulerianError(
            "predictions are not available, since this solution was loaded without its problem: use "
            "Solution.load(path, problem)"
        )
    return known[solution.loss.misfit(final, known).argmin(axis=1)]
