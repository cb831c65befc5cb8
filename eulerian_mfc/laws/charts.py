"""Components of laws as images of boxes, whose quadrature rules can be refined where a function requires it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import pairwise

import numpy as np
from numpy.polynomial.legendre import leggauss

from .quadrature import composite, panels

#: longest initial cell of a normal law, and end of its cells, both in standard deviations, by dimension
LONGEST = {1: 1.6, 2: 3.0, 3: 3.75}
REACH = {1: 9.0, 2: 9.0, 3: 7.5}
#: smallest number of cells per axis, by dimension
FEWEST = {1: 8, 2: 4, 3: 2}
#: points per axis of the two rules of a cell: the first gives the value, the difference of both gives the error
RULES = {1: (12, 9), 2: (7, 6), 3: (8, 7)}
#: points whose weight is below this share of a component's mass are left out
NEGLIGIBLE = 1e-17
#: number of points that are evaluated at once
BLOCK = 2**15

Values = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Cells:
    """Boxes `[low, low + size]` in the coordinates of a chart; both arrays are `(n, k)`.

    Examples
    --------
    >>> cells = Cells(np.array([[0.0]]), np.array([[1.0]])).halved()
    >>> cells.low.ravel().tolist(), cells.size.ravel().tolist()
    ([0.0, 0.5], [0.5, 0.5])
    """

    low: np.ndarray
    size: np.ndarray

    def __len__(self) -> int:
        return len(self.low)

    def __getitem__(self, rows: np.ndarray | slice) -> Cells:
        return Cells(self.low[rows], self.size[rows])

    def halved(self) -> Cells:
        """The cells that result when every cell is halved along every axis."""
        k = self.low.shape[1]
        corners = np.stack(np.meshgrid(*([np.arange(2)] * k), indexing="ij"), axis=-1).reshape(-1, 1, k)
        low = self.low + corners * self.size / 2
        return Cells(low.reshape(-1, k), np.broadcast_to(self.size / 2, low.shape).reshape(-1, k))

    def blocks(self, points: int) -> Iterator[Cells]:
        """The cells in pieces of about `BLOCK` points, where `points` is the number of points per cell."""
        step = max(1, BLOCK // points)
        for start in range(0, len(self), step):
            yield self[start : start + step]


@dataclass(frozen=True)
class Chart:
    """A component of a law: `E f = w int f(place(u)) density(u) du` over a box of coordinates u.

    Attributes
    ----------
    weight : w, the component's share of the mass.
    edges : per coordinate, the ends of the initial cells, at which integrands may jump.
    place : coordinates `(n, k)` -> points `(n, d)`.
    density : coordinates `(n, k)` -> `(n,)`; it integrates to 1.
    label : points `(n, d)` -> labels `(n, q)`; None if the law has no labels.

    Examples
    --------
    >>> from eulerian_mfc.laws import Uniform
    >>> (chart,) = Uniform([(0.0, 1.0)]).charts()
    >>> integrals, errors = chart.integrals(chart.cells, lambda x, y: x[:, 0])
    >>> round(float(integrals.sum()), 12), bool(errors.sum() < 1e-14)
    (0.5, True)
    """

    weight: float
    edges: tuple[np.ndarray, ...]
    place: Callable[[np.ndarray], np.ndarray]
    density: Callable[[np.ndarray], np.ndarray]
    label: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def cells(self) -> Cells:
        """The initial cells."""
        low = np.stack([g.ravel() for g in np.meshgrid(*(e[:-1] for e in self.edges), indexing="ij")], axis=1)
        size = np.stack([g.ravel() for g in np.meshgrid(*map(np.diff, self.edges), indexing="ij")], axis=1)
        return Cells(low, size)

    @cached_property
    def rules(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Both rules on `[0, 1]^k`: nodes `(p, k)` and weights `(p,)`."""
        k, out = len(self.edges), []
        for count in RULES[k]:
            x, w = leggauss(count)
            nodes = np.stack([g.ravel() for g in np.meshgrid(*([(1 + x) / 2] * k), indexing="ij")], axis=1)
            out.append((nodes, reduce(np.multiply.outer, [w / 2] * k).ravel()))
        return out

    def rule(self, cells: Cells, which: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points `(p, d)`, weights `(p,)` and the cell `(p,)` of each point, without points of negligible weight."""
        nodes, w = self.rules[which]
        u = cells.low[:, None] + cells.size[:, None] * nodes
        u = u.reshape(-1, u.shape[2])
        weights = np.multiply.outer(cells.size.prod(axis=1), w).ravel() * self.density(u)
        kept = np.flatnonzero(weights > NEGLIGIBLE)
        return np.asfortranarray(self.place(u[kept])), self.weight * weights[kept], kept // len(w)

    def integrals(self, cells: Cells, values: Values) -> tuple[np.ndarray, np.ndarray]:
        """`(n,)` the integrals of `values(x, y)` over the cells, and `(n,)` the absolute differences of both rules."""
        found, start = np.zeros((2, len(cells))), 0
        for block in cells.blocks(sum(len(w) for _, w in self.rules)):
            (x, w, cell), (x2, w2, cell2) = self.rule(block), self.rule(block, 1)
            points = np.concatenate([x.T, x2.T], axis=1).T
            if len(points):
                labels = np.zeros((len(points), 0)) if self.label is None else self.label(points)
                parts = np.concatenate([w, w2]) * values(points, labels)
                row = np.concatenate([cell, cell2 + len(block)])
                found[:, start : start + len(block)] = np.bincount(row, parts, 2 * len(block)).reshape(2, -1)
            start += len(block)
        return found[0], np.abs(found[0] - found[1])


def box_chart(
    weight: float,
    bounds: np.ndarray,
    longest: np.ndarray,
    breaks: list[np.ndarray] | None,
    density: Callable[[int, np.ndarray], np.ndarray] = lambda axis, z: np.ones_like(z),
) -> Chart:
    """The chart of a product density on a box `(d, 2)`, with cells no longer than `longest` `(d,)` that end at the breaks.

    `density(k, z)` is its factor along axis k, up to a constant.

    Examples
    --------
    >>> chart = box_chart(1.0, np.array([[0.0, 2.0]]), np.ones(1), None)
    >>> chart.density(np.array([[0.3]])).round(12).tolist()
    [0.5]
    """
    dim = len(bounds)
    longest = np.minimum(longest, np.diff(bounds)[:, 0] / FEWEST[dim])
    edges = tuple(
        panels(low, high, longest[k], None if breaks is None else breaks[k])
        for k, (low, high) in enumerate(bounds.tolist())
    )
    totals = np.empty(dim)
    for k, ends in enumerate(edges):
        nodes, w = composite(np.unique(np.concatenate([np.linspace(a, b, 9) for a, b in pairwise(ends)])), 12)
        totals[k] = w @ density(k, nodes)

    def product(u: np.ndarray) -> np.ndarray:
        return np.asarray(np.prod([density(k, u[:, k]) / totals[k] for k in range(dim)], axis=0))

    return Chart(weight, edges, lambda u: u, product)


def ball_chart(
    weight: float, centre: np.ndarray, radius: float, longest: float, density: Callable[[np.ndarray], np.ndarray]
) -> Chart:
    """The chart, in polar coordinates, of a disc or ball; the density is a function (up to a constant) of the radius.

    The initial cells end on the planes through the centre, at which integrands may jump.

    Examples
    --------
    >>> chart = ball_chart(1.0, np.zeros(2), 1.0, 0.5, np.ones_like)
    >>> chart.place(np.array([[0.5, 0.0]])).tolist()  # radius and angle
    [[0.5, 0.0]]
    """
    dim = len(centre)
    ends = panels(0.0, radius, min(longest, radius / 2), None)
    r, w = composite(np.linspace(0.0, radius, 200), 12)
    total = float(w @ (density(r) * r ** (dim - 1))) * (2 * np.pi if dim == 2 else 4 * np.pi)
    edges = (ends, np.linspace(0.0, 2 * np.pi, 5), *([np.linspace(0.0, np.pi, 3)] if dim == 3 else []))

    def place(u: np.ndarray) -> np.ndarray:
        around = np.stack([np.cos(u[:, 1]), np.sin(u[:, 1])], axis=1)
        if dim == 3:
            around = np.column_stack([np.sin(u[:, 2:]) * around, np.cos(u[:, 2])])
        return centre + u[:, :1] * around

    def polar(u: np.ndarray) -> np.ndarray:
        height = np.sin(u[:, 2]) if dim == 3 else 1.0
        return density(u[:, 0]) * u[:, 0] ** (dim - 1) * height / total

    return Chart(weight, edges, place, polar)
