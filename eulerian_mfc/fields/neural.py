"""The layer of a residual network as a vector field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._validate import choice, fail, integer, mismatch
from ..kernels import neural_field as kernels
from ..kernels.sums import moments
from .activations import Activation, activation_of, resolved, stored_name
from .base import Spec
from .compiled import CompiledField, Steps
from .points import At, Direction, Pulled


def split_matrix_bias(theta: np.ndarray, dim: int, bias: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Split theta = (W row by row, b) into W `(d, d)` and b `(d, 1)`; b is None without a bias.

    Examples
    --------
    >>> matrix, shift = split_matrix_bias(np.arange(6.0), 2, True)
    >>> matrix.tolist(), shift.ravel().tolist()
    ([[0.0, 1.0], [2.0, 3.0]], [4.0, 5.0])
    """
    matrix = theta[: dim * dim].reshape(dim, dim)
    return matrix, theta[dim * dim :, None] if bias else None


def matrix_bias_names(dim: int, bias: bool) -> tuple[str, ...]:
    """The names of the entries of W row by row, and of b.

    Examples
    --------
    >>> matrix_bias_names(2, False)
    ('W11', 'W12', 'W21', 'W22')
    """
    single = dim == 1
    matrix = ["W" if single else f"W{i + 1}{j + 1}" for i in range(dim) for j in range(dim)]
    return tuple(matrix + (["b" if single else f"b{i + 1}" for i in range(dim)] if bias else []))


@dataclass(frozen=True)
class NeuralField(CompiledField):
    """`F(theta, x) = sigma(W x + b)`, sigma applied to each component; theta = (W row by row, b).

    Parameters
    ----------
    dim : the dimension d of the state.
    activation : "tanh", "sigmoid", "relu", "softplus", "swish", "sin", a name that you registered, or an `Activation`.
    bias : whether there is a b (dimensionless, as sigma's argument); m = d^2 + d with b, m = d^2 without.

    Raises
    ------
    ArgumentError
        For a dimension that is not a positive integer, an unknown activation, or a flag that is not a boolean.

    References
    ----------
    B. Bonnet, C. Cipriani, M. Fornasier, H. Huang, A measure theoretical approach to the mean-field maximum principle
    for training NeurODEs, Nonlinear Analysis 227 (2023) 113161, doi:10.1016/j.na.2022.113161.

    Examples
    --------
    >>> from eulerian_mfc.fields import NeuralField
    >>> field = NeuralField(dim=2, activation="relu")
    >>> theta = np.array([1.0, 0.0, 0.0, -1.0, 0.5, 0.0])  # W = ((1, 0), (0, -1)), b = (0.5, 0)
    >>> field(0.0, theta, np.array([[2.0, 3.0]])).tolist()
    [[2.5, 0.0]]
    """

    dim: int = 1
    activation: str | Activation = "tanh"
    bias: bool = True

    any_dim: ClassVar[bool] = True

    def __post_init__(self) -> None:
        integer("dim", self.dim)
        object.__setattr__(self, "activation", resolved(self.activation))
        choice("bias", self.bias, (True, False))

    @property
    def parameters(self) -> int:
        return self.dim * (self.dim + int(self.bias))

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return matrix_bias_names(self.dim, self.bias)

    @property
    def speed_bound(self) -> float | None:  # type: ignore[override]
        return self.sigma.bound

    @property
    def sigma(self) -> Activation:
        """The activation's record."""
        return activation_of(self.activation)

    def _argument(self, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        matrix, shift = split_matrix_bias(theta, self.dim, self.bias)
        z = matrix @ x.T
        if shift is not None:
            z += shift
        return z

    def __call__(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return self.sigma.value(self._argument(theta, x)).T

    def pullback(self, at: At, p: np.ndarray) -> Pulled:
        activation = self.sigma
        q = activation.slope(lambda: self._argument(at.theta, at.x), at.value.T)
        q *= p.T
        matrix, _ = split_matrix_bias(at.theta, self.dim, self.bias)
        slope = moments(q, at.x.T).ravel()
        return (matrix.T @ q).T, np.concatenate([slope, q.sum(axis=1)]) if self.bias else slope

    def kernel_arguments(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `kernels.neural_field.integers_of`, and W `(d, d)` and b `(d,)` one after the other, per row of theta."""
        if theta.shape[-1:] != (self.parameters,) or theta.ndim > 2:
            raise mismatch("theta", f"an array of shape {theta.shape}", f"the shape ({self.parameters},)")
        kernel = self.sigma.kernel
        if kernel is None:
            raise fail("activation", self.activation, "an activation with a compiled kernel, such as 'tanh'")
        if self.bias:
            return kernels.integers_of(kernel, self.dim), np.ascontiguousarray(theta, dtype=np.float64)
        numbers = np.zeros((*theta.shape[:-1], self.dim * (self.dim + 1)))  # without a bias, b is zero
        numbers[..., : self.parameters] = theta
        return kernels.integers_of(kernel, self.dim), numbers

    @property
    def compiled(self) -> bool:
        own, base = type(self), NeuralField
        inherited = own.__call__ is base.__call__ and own.pullback is base.pullback and own._argument is base._argument
        return inherited and self.sigma.kernel is not None

    @property
    def addresses(self) -> tuple[int, int]:
        return kernels.trace.address, kernels.pull.address

    def _rows(self, x: np.ndarray, name: str) -> np.ndarray:
        """Points or covectors `(n, d)` as rows `(d, n)`, checked."""
        if x.ndim != 2 or x.shape[1] != self.dim or np.iscomplexobj(x):
            raise mismatch(name, f"{x.dtype} numbers of shape {x.shape}", f"real numbers of shape (n, {self.dim})")
        return x.T

    def trace(self, theta: np.ndarray, steps: Steps, x: np.ndarray, keep: bool) -> tuple[np.ndarray, np.ndarray]:
        rows = np.array(self._rows(x, "x"), dtype=np.float64, order="C")
        values = np.empty((steps.number, steps.stages, *rows.shape) if keep else 0)
        integers, numbers = self.kernel_arguments(theta)
        kernels.trace(integers, numbers, *steps.pointed(numbers), rows.shape[1], rows, keep, values)
        return rows.T, values

    def pull(
        self, theta: np.ndarray, steps: Steps, x: np.ndarray, kept: np.ndarray, p: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        rows = np.ascontiguousarray(self._rows(x, "x"), dtype=np.float64)
        covectors = np.array(self._rows(p, "p"), dtype=np.float64, order="C")
        if covectors.shape != rows.shape:
            raise mismatch("p", f"an array of shape {p.shape}", f"the shape {x.shape}, one covector per point")
        integers, numbers = self.kernel_arguments(theta)
        slopes = np.zeros(numbers.shape)
        kernels.pull(integers, numbers, *steps.pointed(numbers), rows.shape[1], rows, kept, covectors, slopes)
        return covectors.T, slopes[..., : self.parameters]

    def _argument_tangent(self, at: At, along: Direction) -> np.ndarray:
        matrix, _ = split_matrix_bias(at.theta, self.dim, self.bias)
        return self._argument(along.theta, at.x) + matrix @ along.x.T

    def tangent(self, at: At, along: Direction) -> np.ndarray:
        slope = self.sigma.slope(lambda: self._argument(at.theta, at.x), at.value.T)
        slope *= self._argument_tangent(at, along)
        return slope.T

    def pullback_tangent(self, at: At, p: np.ndarray, along: Direction, dp: np.ndarray) -> Pulled:
        activation, argument = self.sigma, lambda: self._argument(at.theta, at.x)
        slope = activation.slope(argument, at.value.T)
        dq = activation.curvature(argument, at.value.T)
        dq *= self._argument_tangent(at, along)
        dq *= p.T
        dq += slope * dp.T
        slope *= p.T
        matrix, _ = split_matrix_bias(at.theta, self.dim, self.bias)
        dmatrix, _ = split_matrix_bias(along.theta, self.dim, self.bias)
        change = (moments(dq, at.x.T) + moments(slope, along.x.T)).ravel()
        return (matrix.T @ dq + dmatrix.T @ slope).T, np.concatenate([change, dq.sum(axis=1)]) if self.bias else change

    def spec(self) -> Spec | None:
        name = stored_name(self.activation)
        return None if name is None else {"type": "neural", "dim": self.dim, "activation": name, "bias": self.bias}
