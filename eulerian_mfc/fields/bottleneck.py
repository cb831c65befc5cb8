"""A layer with a hidden width of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from .._validate import integer
from ..kernels.sums import moments
from .activations import Activation, activation_of, resolved, stored_name
from .base import START, Field, Spec
from .points import At, Direction, Pulled

#: first control with several units, for states of spread 1: the slope of a unit's argument, and the size of the sum of all
#: units. With flatter or smaller units, the penalty drives some units to zero before they are of use.
STEEPNESS, OUTER = 3.0, 0.3


class Weights(NamedTuple):
    """The parts of theta: `(w, d)`, `(w, 1)`, `(d, w)`, `(d, 1)`.

    Examples
    --------
    >>> weights = BottleneckField(1, 2)._split(np.arange(7.0))
    >>> weights.inner.tolist(), weights.outer.tolist()
    ([[0.0], [1.0]], [[4.0, 5.0]])
    """

    inner: np.ndarray
    inner_shift: np.ndarray
    outer: np.ndarray
    outer_shift: np.ndarray


@dataclass(frozen=True)
class BottleneckField(Field):
    """`F(theta, x) = W2 sigma(W1 x + b1) + b2`; theta = (W1 row by row, b1, W2 row by row, b2).

    Parameters
    ----------
    dim : the dimension d of the state.
    width : the number w of hidden units, smaller or larger than d; m = 2 w d + w + d.
    activation : as for NeuralField.

    Raises
    ------
    ArgumentError
        For numbers that are not positive integers, or an unknown activation.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, Deep residual learning for image recognition, CVPR 2016, doi:10.1109/CVPR.2016.90.

    Examples
    --------
    >>> from eulerian_mfc.fields import BottleneckField
    >>> field = BottleneckField(dim=2, width=5, activation="relu")
    >>> field.parameters, field(0.0, np.ones(27), np.array([[1.0, 2.0]])).tolist()
    (27, [[21.0, 21.0]])
    """

    dim: int = 2
    width: int = 4
    activation: str | Activation = "tanh"

    any_dim: ClassVar[bool] = True

    def __post_init__(self) -> None:
        integer("dim", self.dim)
        integer("width", self.width)
        object.__setattr__(self, "activation", resolved(self.activation))

    @property
    def parameters(self) -> int:
        return 2 * self.width * self.dim + self.width + self.dim

    @property
    def parameter_names(self) -> tuple[str, ...]:
        hidden, state = range(1, self.width + 1), range(1, self.dim + 1)
        inner = [f"W1_{k},{i}" for k in hidden for i in state] + [f"b1_{k}" for k in hidden]
        return tuple(inner + [f"W2_{i},{k}" for i in state for k in hidden] + [f"b2_{i}" for i in state])

    @property
    def sigma(self) -> Activation:
        """The activation's record."""
        return activation_of(self.activation)

    def _split(self, theta: np.ndarray) -> Weights:
        w, d = self.width, self.dim
        inner, inner_shift, outer, outer_shift = np.split(theta, [w * d, w * d + w, 2 * w * d + w])
        return Weights(inner.reshape(w, d), inner_shift[:, None], outer.reshape(d, w), outer_shift[:, None])

    def start(self, centre: np.ndarray, spread: np.ndarray, horizon: float, seed: int = 0) -> np.ndarray:
        """`(m,)`: parameters from which a solver starts; a single unit starts as other fields do.

        Each of several units is steep along its own direction, and their middles are spread over the states. Their outputs are so
        small that the states move by a fraction of their spread.
        """
        if self.width == 1:
            return super().start(centre, spread, horizon, seed)
        rng = np.random.default_rng(seed)
        directions = rng.normal(size=(self.width, self.dim))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        middles = 2.0 * (np.arange(self.width) + 0.5) / self.width - 1.0
        inner = STEEPNESS * directions / spread
        outer = OUTER / np.sqrt(self.width) * rng.normal(size=(self.dim, self.width)) * spread[:, None] / horizon
        shift = START * spread / horizon
        parts = inner, -STEEPNESS * middles - inner @ centre, outer, shift
        return np.concatenate([part.ravel() for part in parts])

    def __call__(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        at = self._split(theta)
        hidden = self.sigma.value(at.inner @ x.T + at.inner_shift)
        return (at.outer @ hidden + at.outer_shift).T

    def _hidden(self, at: Weights, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`sigma(z)` and `sigma'(z)`, `(w, n)`, at `z = W1 x + b1`."""
        activation, argument = self.sigma, lambda: at.inner @ x.T + at.inner_shift
        hidden = activation.value(argument())
        return hidden, activation.slope(argument, hidden)

    def pullback(self, at: At, p: np.ndarray) -> Pulled:
        here = self._split(at.theta)
        hidden, slope = self._hidden(here, at.x)
        q = slope * (here.outer.T @ p.T)
        parts = (moments(q, at.x.T), q.sum(axis=1), moments(p.T, hidden), p.sum(axis=0))
        return (here.inner.T @ q).T, np.concatenate([part.ravel() for part in parts])

    def tangent(self, at: At, along: Direction) -> np.ndarray:
        here, by = self._split(at.theta), self._split(along.theta)
        hidden, slope = self._hidden(here, at.x)
        dhidden = slope * (by.inner @ at.x.T + by.inner_shift + here.inner @ along.x.T)
        return (by.outer @ hidden + here.outer @ dhidden + by.outer_shift).T

    def pullback_tangent(self, at: At, p: np.ndarray, along: Direction, dp: np.ndarray) -> Pulled:
        here, by = self._split(at.theta), self._split(along.theta)
        hidden, slope = self._hidden(here, at.x)
        curvature = self.sigma.curvature(lambda: here.inner @ at.x.T + here.inner_shift, hidden)
        dz = by.inner @ at.x.T + by.inner_shift + here.inner @ along.x.T
        back = here.outer.T @ p.T
        q, dq = slope * back, curvature * dz * back + slope * (by.outer.T @ p.T + here.outer.T @ dp.T)
        inner = moments(dq, at.x.T) + moments(q, along.x.T)
        outer = moments(dp.T, hidden) + moments(p.T, slope * dz)
        parts = (inner, dq.sum(axis=1), outer, dp.sum(axis=0))
        return (here.inner.T @ dq + by.inner.T @ q).T, np.concatenate([part.ravel() for part in parts])

    def spec(self) -> Spec | None:
        name = stored_name(self.activation)
        arguments = {"dim": self.dim, "width": self.width, "activation": name}
        return None if name is None else {"type": "bottleneck", **arguments}
