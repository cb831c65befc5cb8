"""Controls as functions of time: layers, polynomials on them, and the levels in time at which densities are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from .._frozen import frozen
from .._validate import array, mismatch
from ..flow.layers import Layer
from ..flow.polynomials import Basis, checked_degree, gauss, lobatto
from .grid import Grid, checked_grid, layer_ends, layer_lengths

#: times may be after the horizon by this share of it, because of round-off
ROUND_OFF = 1e-12


def checked_times(times: ArrayLike, horizon: float) -> np.ndarray:
    """Times within the horizon: a number, or `(n,)`.

    Parameters
    ----------
    times : one time, or a list of times.
    horizon : the final time.

    Raises
    ------
    ArgumentError
        If they are not numbers from 0 to the horizon.

    Examples
    --------
    >>> checked_times([0.0, 0.5], horizon=1.0).tolist()
    [0.0, 0.5]
    """
    expected = f"one time, or a list of times, from 0 to {horizon:g}, such as {0.5 * horizon:g} or [0, {horizon:g}]"
    found = array("times", times, finite=False, like=f"{0.5 * horizon:g} or [0, {horizon:g}]")
    if found.ndim > 1:
        raise mismatch("times", f"an array of shape {found.shape}", expected)
    outside = found[~((found >= 0.0) & (found <= horizon * (1 + ROUND_OFF)))]
    if outside.size:
        raise mismatch("times", f"{outside.flat[0]:g}", expected)
    return np.minimum(found, horizon)


class Curves:
    """Functions of time `theta(t) = sum_i c_i phi_i(t)` that are polynomials on every layer, without continuity between layers.

    The coefficients c are arrays `(layers, m)` for degree 0, and `(layers, degree + 1, m)` above it, in a basis on each layer:

    * "legendre": `P_i(2 s - 1)`, where s is the share of the layer that has passed; the first coefficient is the mean over the
      layer;
    * "bernstein": `C(k, i) s^i (1 - s)^(k - i)`; the first and last coefficients are the values at the layer's ends, and the
      function stays within the range of its coefficients.

    Parameters
    ----------
    horizon : the final time T, in units of time.
    layers : the number of equal layers, or the increasing times at which layers start and end, from 0 to T.
    degree : the degree of the polynomials, from 0 to `flow.polynomials.HIGHEST`.
    kind : the name of the basis.
    levels : the number of levels in time of a layer: 2 for its ends; more are the points of a Lobatto rule.

    Attributes
    ----------
    ends : `(layers + 1,)`, the times at which layers start and end.
    lengths : `(layers,)`, the lengths of the layers.
    times : `(steps + 1,)`, the levels in time: the ends of the layers, and of the steps within layers if there are any.
    rule : `(steps + 1,)`, weights at the levels: `int f dt = sum_n rule_n f(times_n)`, of order `2 levels - 2` in the layers.

    Raises
    ------
    ArgumentError
        If `layers` or `degree` is out of range.

    Examples
    --------
    >>> curves = Curves(1.0, layers=[0.0, 0.2, 1.0], degree=1, kind="bernstein")
    >>> curves.values(np.array([[[1.0], [2.0]], [[3.0], [3.0]]]), np.array([0.0, 0.1, 0.5, 1.0])).ravel().tolist()
    [1.0, 1.5, 3.0, 3.0]
    """

    def __init__(self, horizon: float, layers: Grid, degree: int = 0, kind: str = "legendre", levels: int = 2) -> None:
        degree = checked_degree(degree)
        self.horizon, self.grid, self.degree, self.levels = horizon, checked_grid(layers), degree, levels
        self.basis = Basis(degree, kind)
        self.ends, self.lengths = layer_ends(self.grid, horizon), layer_lengths(self.grid, horizon)
        self._nodes, self._weights = lobatto(levels)
        self.times = np.append(self.on_layers(self._nodes[:-1]).ravel(), self.ends[-1])
        self.rule = np.zeros(len(self.times))
        for n, length in enumerate(self.lengths):
            self.rule[n * (levels - 1) : n * (levels - 1) + levels] += length * self._weights
        for values in (self.ends, self.lengths, self.times, self.rule):
            values.flags.writeable = False

    def __setstate__(self, state: dict[str, object]) -> None:
        """Copies and unpickled objects have read-only arrays too."""
        vars(self).update({name: frozen(value) for name, value in state.items()})

    @property
    def plain(self) -> Curves:
        """The same functions, without what a subclass adds."""
        return (
            self if type(self) is Curves else Curves(self.horizon, self.grid, self.degree, self.basis.kind, self.levels)
        )

    @property
    def layers(self) -> int:
        """The number of layers."""
        return len(self.lengths)

    @property
    def equal(self) -> bool:
        """Whether all layers have the same length, because their number was given."""
        return isinstance(self.grid, int)

    @property
    def steps_per_layer(self) -> int:
        """The number of steps in time of a layer."""
        return self.levels - 1

    @property
    def steps(self) -> int:
        """The number of steps in time, of all layers."""
        return len(self.times) - 1

    @property
    def step_weights(self) -> tuple[np.ndarray, np.ndarray]:
        """`(steps,)` and `(steps,)`: the parts of the rule's weights that the start and the end of every step have.

        At the end of a layer these are the weights of the layer's own rule; at a level within a layer, each of the two steps that
        meet there has one half.
        """
        halves = 0.5 * self._weights
        halves[[0, -1]] = self._weights[[0, -1]]
        starts, ends = (np.outer(self.lengths, part).ravel() for part in (halves[:-1], halves[1:]))
        return frozen(starts), frozen(ends)

    def of_layer(self, n: int, theta: np.ndarray) -> list[Layer]:
        """The steps of layer n, in the order of time, with the layer's coefficients theta."""
        if self.levels == 2:
            return [Layer(float(self.ends[n]), float(self.lengths[n]), theta, self.basis if self.degree else None)]
        return [self.part(n, theta, a, b) for a, b in pairwise(self._nodes.tolist())]

    def part(self, n: int, theta: np.ndarray, begin: float, end: float) -> Layer:
        """The part of layer n from a share of the layer to another one."""
        start, length, share = float(self.ends[n]), float(self.lengths[n]), end - begin
        basis = self.basis.part(begin, share) if self.degree else None
        return Layer(start + length * begin, length * share, theta, basis)

    def path(self, control: np.ndarray) -> list[Layer]:
        """All steps in the order of time, with their coefficients."""
        return [step for n, theta in enumerate(control) for step in self.of_layer(n, theta)]

    def gathered(self, slopes: Sequence[np.ndarray]) -> np.ndarray:
        """The derivative in the coefficients, from those of all steps, each in the coefficients of its layer."""
        whole = np.stack(slopes)
        return whole if self.levels == 2 else whole.reshape(self.layers, self.levels - 1, *whole.shape[1:]).sum(axis=1)

    def on_layers(self, shares: np.ndarray) -> np.ndarray:
        """`(layers, n)`: the times after shares `(n,)` of every layer."""
        return self.ends[:-1, None] + self.lengths[:, None] * shares

    def quadrature(self, points: int) -> tuple[np.ndarray, np.ndarray]:
        """Times and weights, `(layers points,)`, of the rule of Gauss and Legendre with a number of points on every layer."""
        nodes, weights = gauss(points)
        return self.on_layers(nodes).ravel(), np.outer(self.lengths, weights).ravel()

    def layer_at(self, times: np.ndarray | float) -> np.ndarray:
        """The numbers of the layers at times; where a layer ends and another one begins, that of the latter."""
        return np.clip(np.searchsorted(self.ends, times, side="right") - 1, 0, self.layers - 1)

    def values(self, control: np.ndarray, times: np.ndarray) -> np.ndarray:
        """`(n, m)`: theta at times `(n,)`; where a layer ends and another one begins, the value at the start of the latter."""
        n = self.layer_at(times)
        if self.degree == 0:
            return control[n]
        return np.einsum("nk,nkm->nm", self.basis((times - self.ends[n]) / self.lengths[n]), control[n])

    def fitted(self, values: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The L2 projection of a function, from its values `(layers, n, m)` at n shares of every layer with weights `(n,)`."""
        right = np.einsum("nk,n,lnm->lkm", self.basis(shares), weights, values)
        found = np.linalg.solve(self.basis.mass, right)
        return found if self.degree else found[:, 0]

    def means(self, control: np.ndarray) -> np.ndarray:
        """`(layers, m)`: the means of theta over the layers."""
        if self.degree == 0:
            return control
        return control[:, 0] if self.basis.kind == "legendre" else control.mean(axis=1)

    def at_shares(self, control: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Theta as a function of shares of the horizon `(n,)`, with values `(n, m)`."""
        return lambda shares: self.values(control, shares * self.horizon)

    def same(self, other: Curves) -> bool:
        """Whether coefficients here and there are of the same functions, up to the unit of time."""
        ends = np.array_equal(self.ends / self.horizon, other.ends / other.horizon)
        return ends and self.basis == other.basis
