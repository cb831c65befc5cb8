"""The contracts of laws of inputs, and of laws of inputs and labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, reduce
from typing import NamedTuple

import numpy as np

from .._validate import affordable, fail, generator, integer
from .charts import Chart
from .quadrature import Line

Lines = Sequence[np.ndarray] | None


class Rule(NamedTuple):
    """A quadrature rule of the inputs, `int f dmu = sum_i w_i f(x_i)`.

    Attributes
    ----------
    x : `(N, d)` points.
    w : `(N,)` weights, shares that sum to 1.
    component : `(N,)`, the component of the law that each point belongs to.

    Examples
    --------
    >>> from eulerian_mfc.laws import Uniform
    >>> rule = Uniform([(0.0, 1.0)]).quadrature()
    >>> round(float(rule.w @ rule.x[:, 0] ** 2), 12)
    0.333333333333
    """

    x: np.ndarray
    w: np.ndarray
    component: np.ndarray


class LabelledRule(NamedTuple):
    """A quadrature rule of inputs and labels, `E f(X, Y) = sum_i w_i f(x_i, y_i)`.

    Attributes
    ----------
    x : `(N, d)` points.
    w : `(N,)` weights, shares that sum to 1.
    y : `(N, q)` labels.

    Examples
    --------
    >>> from eulerian_mfc.laws import Labelled, Uniform
    >>> rule = Labelled(Uniform([(-1.0, 1.0)]), np.sign, breaks=[0.0]).quadrature()
    >>> round(float(rule.w @ (rule.x * rule.y)[:, 0]), 12)  # E |X|
    0.5
    """

    x: np.ndarray
    w: np.ndarray
    y: np.ndarray


class ProductRule(NamedTuple):
    """Tensor-product rule for a component with independent coordinates and a single label.

    Attributes
    ----------
    axes : per axis, nodes `(n_k,)` and weights `(n_k,)` that sum to 1.
    w : `(1,)`, the weight of the component.
    y : `(1, q)`, its label.

    Examples
    --------
    >>> half = np.array([0.0, 1.0]), np.array([0.5, 0.5])
    >>> rule = ProductRule([half, half], np.ones(1), np.array([[3.0]]))
    >>> rule.masses([half[1], half[1]], np.array([[2.0]])).tolist()  # one field, of twice the mass
    [[[0.5, 0.5], [0.5, 0.5]]]
    """

    axes: list[Line]
    w: np.ndarray
    y: np.ndarray

    def masses(self, lines: Sequence[np.ndarray], moments: np.ndarray) -> np.ndarray:
        """`(R, *shape)`: weight times `moments` `(R, 1)`, the c_r of the label, times the product of `lines`, masses per axis."""
        return np.multiply.outer(moments @ self.w, reduce(np.multiply.outer, lines))


class Product(NamedTuple):
    """A component with independent coordinates: its weight, and one rule per axis, as in `ProductRule`.

    Examples
    --------
    >>> from eulerian_mfc.laws import Gaussian
    >>> (part,) = Gaussian([0.0, 0.0], 1.0).products()
    >>> part.weight, len(part.axes)
    (1.0, 2)
    """

    weight: float
    axes: list[Line]


class Law(ABC):
    """A probability law on R^d, a mixture of one or more components; lengths are in units of the state.

    Attributes
    ----------
    dim : the dimension d.
    components : the number of components; 1 if the law is not a mixture.

    Raises
    ------
    ArgumentError
        From `sample`, if the number of samples is not a positive integer.

    Examples
    --------
    >>> from eulerian_mfc.laws import Law, Rule
    >>> class Coin(Law):
    ...     dim = 1
    ...     def quadrature(self, lines=None, breaks=None):
    ...         return Rule(np.array([[-1.0], [1.0]]), np.full(2, 0.5), np.zeros(2, dtype=int))
    ...     def draw(self, n, rng):
    ...         return rng.choice([-1.0, 1.0], size=(n, 1)), np.zeros(n, dtype=int)
    ...     def box(self, tolerance):
    ...         return np.array([[-1.0, 1.0]])
    >>> Coin().sample(3, seed=0).ravel().tolist()
    [1.0, 1.0, 1.0]
    """

    dim: int
    components: int = 1

    @abstractmethod
    def quadrature(self, lines: Lines = None, breaks: Lines = None) -> Rule:
        """A rule for the law.

        `lines`, one array per axis, are coordinates at which integrands are continuous but not smooth (grid lines of a mesh).
        `breaks`, one array per axis, are coordinates at which integrands jump.
        """

    def blocks(self, lines: Lines = None, breaks: Lines = None) -> Iterator[Rule]:
        """`quadrature` in pieces, so that a rule of many points is never in memory as a whole."""
        yield self.quadrature(lines, breaks)

    def products(self, lines: Lines = None, breaks: Lines = None, points: int | None = None) -> list[Product] | None:
        """The components as one rule per axis, with `points` per panel; None if coordinates are not independent."""
        return None

    def charts(self, breaks: Lines = None) -> list[Chart] | None:
        """One chart (image of a box) per component, with cells that end at the breaks; None if only `quadrature` is known."""
        return None

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """`(n,)`: the logarithm of the law's density at points `(n, d)`; minus infinity where it vanishes.

        Raises
        ------
        ArgumentError
            If the density of laws of this class is not known.
        """
        raise fail("law", self, "a law whose density is known, such as laws.Gaussian or laws.Uniform")

    @abstractmethod
    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """`n` samples `(n, d)`, and the component of each `(n,)`."""

    @abstractmethod
    def box(self, tolerance: float) -> np.ndarray:
        """`(d, 2)` bounds; at most the share `tolerance` of the mass lies outside."""

    def sample(self, n: int, seed: int | np.random.Generator | None = None) -> np.ndarray:
        """`n` independent samples `(n, d)`.

        Raises
        ------
        ArgumentError
            If `n` is not a positive integer, or more than memory holds, or if `seed` is not a valid seed.
        """
        affordable("n", integer("n", n), n * self.dim, "this many samples")
        return self.draw(n, generator(seed))[0]


class LabelledLaw(ABC):
    """A law of pairs (X, Y), as `Problem` takes it.

    Attributes
    ----------
    dim : the dimension d of the state.
    label_dim : the dimension q of the label.

    Raises
    ------
    ArgumentError
        From `sample`, if the number of samples is not a positive integer.

    Examples
    --------
    >>> from eulerian_mfc.laws import Empirical, LabelledLaw
    >>> law: LabelledLaw = Empirical([0.0, 1.0], [-1.0, 1.0])
    >>> law.labels.ravel().tolist(), law.box(0.0).tolist()
    ([-1.0, 1.0], [[0.0, 1.0]])
    """

    dim: int
    label_dim: int

    @property
    def finite(self) -> bool:
        """Whether the law is a finite sum of point masses, so that the rule of `quadrature` is exact."""
        return False

    def charts(self) -> list[Chart] | None:
        """One chart (image of a box) per component, with labels, see `laws.refined`; None if only `quadrature` is known."""
        return None

    @property
    def input_dim(self) -> int:
        """The number of coordinates that are inputs; the others start at zero."""
        return self.dim

    @abstractmethod
    def quadrature(self, lines: Lines = None) -> LabelledRule:
        """A rule for the law of the pairs; `lines` as for `Law.quadrature`."""

    def pieces(self, lines: Lines = None, products: bool = False) -> Iterator[LabelledRule | ProductRule]:
        """A rule for the law in pieces whose memory is bounded.

        With `products`, a component with independent coordinates and one label is a `ProductRule`. On tensor-product meshes
        integrals against basis functions are then products of integrals on lines.
        """
        yield self.quadrature(lines)

    @abstractmethod
    def sample(self, n: int, seed: int | np.random.Generator | None = None) -> tuple[np.ndarray, np.ndarray]:
        """`n` independent samples: inputs `(n, d)`, labels `(n, q)`."""

    @abstractmethod
    def box(self, tolerance: float) -> np.ndarray:
        """`(d, 2)` bounds; at most the share `tolerance` of the mass of X lies outside."""

    @cached_property
    def labels(self) -> np.ndarray | None:
        """`(K, q)` distinct labels in increasing order; None if there are more than 64."""
        return distinct(piece.y for piece in self.pieces())


def distinct(labels: Iterable[np.ndarray]) -> np.ndarray | None:
    """`(K, q)` distinct rows of arrays `(n, q)` in increasing order; None if there are more than 64.

    Examples
    --------
    >>> distinct([np.array([[1.0], [0.0]]), np.array([[1.0]])]).ravel().tolist()
    [0.0, 1.0]
    """
    known: list[np.ndarray] = []
    for y in labels:
        for part in (y[:4096], y[4096:]):
            known = [np.unique(np.concatenate([*known, part]), axis=0)]
            if len(known[0]) > 64:
                return None
    return known[0]


def joined(rules: Iterable[Rule]) -> Rule:
    """All blocks of a rule joined to one rule; the columns of its points are contiguous in memory.

    Examples
    --------
    >>> one = Rule(np.array([[1.0]]), np.array([0.5]), np.array([0]))
    >>> joined([one, one]).w.tolist()
    [0.5, 0.5]
    """
    x, w, component = zip(*rules, strict=True)
    return Rule(np.concatenate([p.T for p in x], axis=1).T, np.concatenate(w), np.concatenate(component))


def merged(lines: Lines, breaks: Lines) -> Lines:
    """The union of both sets of coordinates, axis by axis.

    Examples
    --------
    >>> [line.tolist() for line in merged([np.array([0.0])], [np.array([1.0])])]
    [[0.0, 1.0]]
    """
    if lines is None or breaks is None:
        return breaks if lines is None else lines
    return [np.concatenate(pair) for pair in zip(lines, breaks, strict=True)]
