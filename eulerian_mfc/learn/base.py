"""The base class of both estimators: it makes a problem on a mesh from samples, and solves it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .._callers import warn
from .._validate import fail, integer, mismatch, unmasked
from ..fields import BottleneckField, NeuralField
from ..laws import Augmented, Empirical
from ..losses import Loss
from ..meshes import CartesianMesh
from ..problem import Problem
from ..solution import Solution
from ..solvers import LBFGS
from ..system.particles import ParticleSystem
from ..transport import SemiLagrangian
from .fitting import best_on_samples, on_mesh

#: default number of cells per axis, by the dimension of the states
CELLS = {1: 160, 2: 48, 3: 24}
#: MARGIN cells lie between the boundary and the widened box of the samples' trajectories. The box is widened by the share ROOM
#: of its longest side, since the trajectories change when the control is improved on the mesh
MARGIN, ROOM = 3, 0.1

_WIDE = "its data have four or more features, but states live on a mesh in at most three dimensions"
#: checks of scikit-learn's `check_estimator` that do not apply, and why, for its argument `expected_failed_checks`
EXCLUDED_CHECKS = dict.fromkeys(
    (
        "check_n_features_in_after_fitting",
        "check_positive_only_tag_during_fit",
        "check_classifiers_one_label_sample_weights",
        "check_estimators_dtypes",
        "check_sample_weight_equivalence_on_dense_data",
        "check_dtype_object",
        "check_non_transformer_estimators_n_iter",
        "check_regressors_train",
        "check_regressor_data_not_an_array",
        "check_regressor_multioutput",
        "check_regressors_no_decision_function",
        "check_regressors_int",
    ),
    _WIDE,
)


class MeanFieldEstimator(BaseEstimator):
    """A residual network of width d, trained as a mean-field control problem on a mesh.

    Inputs are standardised, and `augment` coordinates that start at zero are added. The flow of `sigma(W x + b)` (or, if
    `width` is set, of `W2 sigma(W1 x + b1) + b2`) moves their empirical law. An affine read-out, which is trained together
    with the control, makes the outputs. The fit has two steps. First, L-BFGS starts from random controls on the samples alone,
    without a mesh; the trajectories of the best control show where the mesh must be. Then L-BFGS continues on the mesh from
    that control.

    Parameters
    ----------
    layers, horizon : number of layers and final time T (in units of time) of the flow. With tanh, a state moves by at most T
        in every coordinate. Every layer interpolates once, so that few layers need fewer cells.
    penalty : lambda of `1/2 int lambda |theta|^2 dt`. A larger one makes the flow smoother, so that fewer cells resolve it.
    readout_penalty : kappa of `kappa/2 |(A, b)|^2`. A larger one makes the loss flatter as a function of the final states.
    augment : number of extra coordinates; there are at most three coordinates in all.
    width : hidden units per layer, for fields.BottleneckField; None for fields.NeuralField, with one unit per coordinate.
    activation, layer_map : those of the network, see the fields and `LayerMap`.
    cells : cells per axis; by default 160, 48 or 24 in one, two or three dimensions.
    degree : the degree of the splines on the mesh.
    tol, max_iter : (relative) tolerance and largest number of iterations of L-BFGS, in both steps; see `solvers.Solver`.
    starts : number of random first controls; the cheapest result of the first step goes on to the mesh.
    random_state : seed of the first controls, which are normal with standard deviation 0.5.

    Raises
    ------
    ArgumentError
        From `fit`, for parameters out of range, more than three coordinates, numbers too large to standardise, masked entries.
    NonFiniteError
        From `fit`, if the cost on the samples is not finite, neither from any of the starts nor for the control zero.
    ValueError
        From `fit`, by scikit-learn, for arrays that it refuses.

    References
    ----------
    W. E, J. Han, Q. Li, A mean-field optimal control formulation of deep learning, Res. Math. Sci. 6 (2019), 10,
    doi:10.1007/s40687-018-0172-y; the extra coordinates: E. Dupont, A. Doucet, Y. W. Teh, Augmented neural ODEs, NeurIPS 32
    (2019), arXiv:1904.01681.
    """

    def __init__(
        self,
        *,
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
        self.layers = layers
        self.horizon = horizon
        self.penalty = penalty
        self.readout_penalty = readout_penalty
        self.augment = augment
        self.width = width
        self.activation = activation
        self.layer_map = layer_map
        self.cells = cells
        self.degree = degree
        self.tol = tol
        self.max_iter = max_iter
        self.starts = starts
        self.random_state = random_state

    def _samples(self, X: Any, y: Any, sample_weight: Any, **checks: Any) -> tuple[np.ndarray, Any, np.ndarray]:
        """Inputs, labels and weights after checks; the largest weight is 1."""
        for name, values in (("X", X), ("y", y), ("sample_weight", sample_weight)):
            unmasked(name, values)
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2, **checks)
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not weights.any():
            raise fail("sample_weight", sample_weight, "weights of which at least one is above zero")
        return X, y, weights / weights.max()

    @staticmethod
    def _weighted(X: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs, labels and weights `(n,)` without the samples of weight 0; the weights sum to 1."""
        kept = weights > 0
        return X[kept], y[kept], weights[kept] / weights[kept].sum()

    def _solve(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray, loss: Loss) -> None:
        """Standardise the inputs, solve the problem, and set `solution_` and the attributes that belong to it."""
        augment = integer("augment", self.augment, minimum=0)
        self.mean_, self.scale_, self.varying_ = standard("X", X, weights)
        if not self.varying_.any():
            self.varying_[0] = True  # the states need one coordinate
        if self.varying_.sum() + augment > 3:
            raise mismatch(
                "X",
                f"{self.varying_.sum()} features and {augment} extra coordinates",
                "at most 3 together, since states live on a mesh: choose features, or project them first, as "
                "in make_pipeline(PCA(2), ...); features that do not vary do not count",
            )
        base = Empirical(self._standardised(X), y, weights)
        law = Augmented(base, self.augment) if self.augment else base
        field = (
            NeuralField(law.dim, self.activation)
            if self.width is None
            else BottleneckField(law.dim, self.width, self.activation)
        )
        problem = Problem(field, law, loss, self.penalty, self.horizon)
        samples = ParticleSystem(problem, self.layers, layer_map=self.layer_map)
        solver = LBFGS(tol=self.tol, max_iterations=self.max_iter, last_steps=2)
        rng = check_random_state(self.random_state)
        shape = samples.layers, problem.parameters
        starts = (rng.normal(scale=0.5, size=shape) for _ in range(integer("starts", self.starts)))
        start, cost = best_on_samples(samples, solver, starts)
        schemes = {"transport": SemiLagrangian(self.degree), "layer_map": self.layer_map}
        fitted = on_mesh(samples, start, cost, self._mesh, solver, schemes)
        self.solution_: Solution = fitted.solution
        self.n_iter_ = max(len(self.solution_.history) - 1, 0)
        #: the cost on the mesh minus that on the samples themselves, relative to the latter
        self.mesh_error_ = fitted.mesh_error
        if fitted.doubts:
            warn("; ".join(fitted.doubts), ConvergenceWarning)

    def _mesh(self, states: np.ndarray) -> CartesianMesh:
        """The box of states `(layers + 1, n, d)` with room on every side, and a margin of cells."""
        low, high = states.min(axis=(0, 1)), states.max(axis=(0, 1))
        room = ROOM * max(float((high - low).max()), 1.0)
        box = np.stack([low - room, high + room], axis=1)
        cells = CELLS[len(box)] if self.cells is None else self.cells
        if np.size(cells) and np.min(cells) <= 2 * MARGIN:
            raise fail(
                "cells", self.cells, f"more than {2 * MARGIN} per axis, since {MARGIN} cells at each end are a margin"
            )
        return CartesianMesh.with_margin(box, cells, MARGIN)

    def _standardised(self, X: np.ndarray) -> np.ndarray:
        """States `(n, d)` of inputs `(n, features)`, without the features that did not vary."""
        return ((X - self.mean_) / self.scale_)[:, self.varying_]

    def _final(self, X: Any) -> np.ndarray:
        """`(n, d)` final states of inputs `(n, features)`."""
        check_is_fitted(self, "solution_")
        unmasked("X", X)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return self.solution_.flow(self._standardised(X))


def standard(name: str, values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each column of `(n, q)`: its mean, its standard deviation (1 if it does not vary), and whether it varies.

    Parameters
    ----------
    name : the name of the argument, for messages.
    values : `(n, q)`.
    weights : `(n,)`, summing to 1.

    Raises
    ------
    ArgumentError
        If a value is too large for a mean and a deviation.
    """
    largest = np.abs(values).max()
    if largest > np.sqrt(np.finfo(np.float64).max):
        raise mismatch(name, f"values up to {largest:.1e}", "numbers whose squares are finite: rescale them")
    mean = weights @ values
    # Squares of very small numbers are zero in floating point, so that the columns are divided by their sizes first.
    size = np.abs(values - mean).max(axis=0)
    unit = np.where(size > 0, size, 1.0)
    deviation = size * np.sqrt(weights @ ((values - mean) / unit) ** 2)
    # A deviation that is round-off of the mean counts as zero, as in scikit-learn's StandardScaler.
    varying = deviation > len(values) * np.finfo(np.float64).eps * np.abs(mean)
    return mean, np.where(varying, deviation, 1.0), varying
