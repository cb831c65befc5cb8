"""The layer of a residual network as a vector field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from .._validate import choice, integer, mismatch
from ..kernels import neural_field as _neural_kernels
from ..kernels.special import expit
from ..kernels.sums import moments
from ..kernels.tanh import tanh
from .base import Spec
from .compiled import CompiledField, Steps
from .points import At, Direction, Pulled


class Activation(NamedTuple):
    """A scalar function, its first and second derivative, and a bound of its modulus.

    `value(z)` may overwrite z. `slope(argument, value)` and `curvature` get a function that computes z where they need it.
    """

    value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[Callable[[], np.ndarray], np.ndarray], np.ndarray]
    curvature: Callable[[Callable[[], np.ndarray], np.ndarray], np.ndarray]
    bound: float | None


def _tanh(z: np.ndarray) -> np.ndarray:
    out = np.ascontiguousarray(z)
    tanh(out.reshape(-1))
    return out


def _tanh_slope(argument: Callable[[], np.ndarray], value: np.ndarray) -> np.ndarray:
    out = np.multiply(value, value)
    return np.subtract(1.0, out, out=out)


def _swish_slope(argument: Callable[[], np.ndarray], value: np.ndarray) -> np.ndarray:
    s = expit(argument())
    return s + value * (1.0 - s)


def _tanh_curvature(argument: Callable[[], np.ndarray], value: np.ndarray) -> np.ndarray:
    out = _tanh_slope(argument, value)
    out *= value
    return np.multiply(out, -2.0, out=out)


def _swish_curvature(argument: Callable[[], np.ndarray], value: np.ndarray) -> np.ndarray:
    z = argument()
    s = expit(z)
    return s * (1.0 - s) * (2.0 + z * (1.0 - 2.0 * s))


ACTIVATIONS = {
    "tanh": Activation(_tanh, _tanh_slope, _tanh_curvature, 1.0),
    "sigmoid": Activation(
        expit,
        lambda argument, value: value * (1.0 - value),
        lambda argument, value: value * (1.0 - value) * (1.0 - 2.0 * value),
        1.0,
    ),
    "relu": Activation(
        lambda z: np.maximum(z, 0.0),
        lambda argument, value: (value > 0.0).astype(np.float64),
        lambda argument, value: np.zeros_like(value),
        None,
    ),
    "softplus": Activation(
        lambda z: np.logaddexp(0.0, z),
        lambda argument, value: -np.expm1(-value),
        lambda argument, value: -np.expm1(-value) * np.exp(-value),
        None,
    ),
    "swish": Activation(lambda z: z * expit(z), _swish_slope, _swish_curvature, None),
    "sin": Activation(np.sin, lambda argument, value: np.cos(argument()), lambda argument, value: -value, 1.0),
}


def split_matrix_bias(theta: np.ndarray, dim: int, bias: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Theta = (W row by row, b) -> W `(d, d)` and b `(d, 1)` or None."""
    matrix = theta[: dim * dim].reshape(dim, dim)
    return matrix, theta[dim * dim :, None] if bias else None


def matrix_bias_names(dim: int, bias: bool) -> tuple[str, ...]:
    single = dim == 1
    matrix = ["W" if single else f"W{i + 1}{j + 1}" for i in range(dim) for j in range(dim)]
    return tuple(matrix + (["b" if single else f"b{i + 1}" for i in range(dim)] if bias else []))


@dataclass(frozen=True)
class NeuralField(CompiledField):
    """`F(theta, x) = sigma(W x + b)`, sigma applied to each component; theta = (W row by row, b).

    Parameters
    ----------
    dim : the dimension d of the state.
    activation : "tanh", "sigmoid", "relu", "softplus", "swish" or "sin".
    bias : whether there is a b (dimensionless, as sigma's argument); m = d^2 + d with it, d^2 without.

    Raises
    ------
    ArgumentError
        For a dimension that is no positive integer, an unknown activation, a flag that is none.

    References
    ----------
    B. Bonnet, C. Cipriani, M. Fornasier, H. Huang, A measure theoretical approach to the mean-field maximum principle
    for training NeurODEs, Nonlinear Analysis 227 (2023) 113161, doi:10.1016/j.na.2022.113161.
    """

    dim: int = 1
    activation: str = "tanh"
    bias: bool = True

    any_dim: ClassVar[bool] = True

    def __post_init__(self) -> None:
        integer("dim", self.dim)
        choice("activation", self.activation, ACTIVATIONS)
        choice("bias", self.bias, (True, False))

    @property
    def parameters(self) -> int:
        return self.dim * (self.dim + int(self.bias))

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return matrix_bias_names(self.dim, self.bias)

    @property
    def speed_bound(self) -> float | None:  # type: ignore[override]
        return ACTIVATIONS[self.activation].bound

    def _argument(self, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        matrix, shift = split_matrix_bias(theta, self.dim, self.bias)
        z = matrix @ x.T
        if shift is not None:
            z += shift
        return z

    def __call__(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return ACTIVATIONS[self.activation].value(self._argument(theta, x)).T

    def pullback(self, at: At, p: np.ndarray) -> Pulled:
        activation = ACTIVATIONS[self.activation]
        q = activation.slope(lambda: self._argument(at.theta, at.x), at.value.T)
        q *= p.T
        matrix, _ = split_matrix_bias(at.theta, self.dim, self.bias)
        slope = moments(q, at.x.T).ravel()
        return (matrix.T @ q).T, np.concatenate([slope, q.sum(axis=1)]) if self.bias else slope

    def kernel_arguments(self, theta: np.ndarray) -> tuple[int, int, np.ndarray, np.ndarray]:
        if theta.shape != (self.parameters,):
            raise mismatch("theta", f"an array of shape {theta.shape}", f"shape ({self.parameters},)")
        matrix = np.array(theta[: self.dim**2], dtype=np.float64).reshape(self.dim, self.dim)
        shift = np.array(theta[self.dim**2 :], dtype=np.float64) if self.bias else np.zeros(self.dim)
        return _neural_kernels.CODES[self.activation], self.dim, matrix, shift

    @property
    def compiled(self) -> bool:
        own = type(self)
        return all(getattr(own, name) is getattr(NeuralField, name) for name in ("__call__", "pullback", "_argument"))

    @property
    def addresses(self) -> tuple[int, int]:
        return _neural_kernels.trace.address, _neural_kernels.pull.address

    def _rows(self, x: np.ndarray, name: str) -> np.ndarray:
        """Points or covectors `(n, d)` as rows `(d, n)`, checked."""
        if x.ndim != 2 or x.shape[1] != self.dim or np.iscomplexobj(x):
            raise mismatch(name, f"{x.dtype} numbers of shape {x.shape}", f"real ones of shape (n, {self.dim})")
        return x.T

    def trace(self, theta: np.ndarray, steps: Steps, x: np.ndarray, keep: bool) -> tuple[np.ndarray, np.ndarray]:
        rows = np.array(self._rows(x, "x"), dtype=np.float64, order="C")
        values = np.empty((steps.number, len(steps.reach), *rows.shape) if keep else 0)
        _neural_kernels.trace(*self.kernel_arguments(theta), *steps.pointed, rows.shape[1], rows, keep, values)
        return rows.T, values

    def pull(
        self, theta: np.ndarray, steps: Steps, x: np.ndarray, kept: np.ndarray, p: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        rows = np.ascontiguousarray(self._rows(x, "x"), dtype=np.float64)
        covectors = np.array(self._rows(p, "p"), dtype=np.float64, order="C")
        if covectors.shape != rows.shape:
            raise mismatch("p", f"an array of shape {p.shape}", f"shape {x.shape}, a covector a point")
        slope = np.zeros(self.dim * (self.dim + 1))
        parts = slope[: self.dim**2].reshape(self.dim, self.dim), slope[self.dim**2 :]
        arguments = *self.kernel_arguments(theta), *steps.pointed, rows.shape[1]
        _neural_kernels.pull(*arguments, rows, kept, covectors, *parts)
        return covectors.T, slope[: self.parameters]

    def _argument_tangent(self, at: At, along: Direction) -> np.ndarray:
        matrix, _ = split_matrix_bias(at.theta, self.dim, self.bias)
        return self._argument(along.theta, at.x) + matrix @ along.x.T

    def tangent(self, at: At, along: Direction) -> np.ndarray:
        slope = ACTIVATIONS[self.activation].slope(lambda: self._argument(at.theta, at.x), at.value.T)
        slope *= self._argument_tangent(at, along)
        return slope.T

    def pullback_tangent(self, at: At, p: np.ndarray, along: Direction, dp: np.ndarray) -> Pulled:
        activation, argument = ACTIVATIONS[self.activation], lambda: self._argument(at.theta, at.x)
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

    def spec(self) -> Spec:
        return {"type": "neural", **asdict(self)}
