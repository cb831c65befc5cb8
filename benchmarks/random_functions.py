"""Functions of random problems, as values that can be compared and pickled: labels, factors in time, fields and losses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Label:
    """A smooth label function with values `(n, q)`: `size f(slope x_k + shift)` per label, of coordinates k in turn."""

    kind: str
    size: float
    slope: float
    shift: float
    outputs: int

    def __call__(self, x: np.ndarray) -> np.ndarray:
        z = self.slope * np.stack([x[:, (k + 1) % x.shape[1]] for k in range(self.outputs)], axis=1) + self.shift
        kinds = {"linear": z, "tanh": np.tanh(z), "sin": np.sin(z), "square": z**2 / 2 - 0.5}
        return self.size * kinds[self.kind]


@dataclass(frozen=True)
class Sides:
    """The label of one side of a plane `x_0 = at`, or that of the other side; `(n, q)`."""

    at: float
    labels: tuple[tuple[float, ...], tuple[float, ...]]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.array(self.labels)[(x[:, 0] > self.at).astype(int)]


@dataclass(frozen=True)
class Wave:
    """`1 + size sin(rate t)`, by which a field is multiplied."""

    size: float
    rate: float

    def __call__(self, t: float) -> float:
        return float(1.0 + self.size * np.sin(self.rate * t))


@dataclass(frozen=True)
class Moving:
    """`sin(x + rate t) u_k + tanh(v x_k)` per coordinate: a field that depends on time; theta = (u, v)."""

    rate: float

    def __call__(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.sin(x + self.rate * t) * theta[: x.shape[1]] + np.tanh(theta[-1] * x)


@dataclass(frozen=True)
class Distance:
    """`weight (sqrt(1 + |x - y|^2) - 1)`, or `weight |x - y|^2`, of states and one label of their dimension, or of one number."""

    weight: float
    squared: bool

    def __call__(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        square = ((x - y) ** 2).sum(axis=1)
        return self.weight * (square if self.squared else np.sqrt(1.0 + square) - 1.0)
