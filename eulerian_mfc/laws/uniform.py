"""Uniform laws on boxes and balls, the compact sets on which maps are learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .._validate import affordable, array, fail, integer, positive, sides
from .base import Law, Lines, Product, Rule, joined, merged
from .charts import Chart, ball_chart, box_chart
from .gaussian import check_breaks, polar_panel
from .quadrature import PANEL, ball_blocks, box_axes, tensor_blocks


class Uniform(Law):
    """Uniform law on a box, of density `1 / prod_k (high_k - low_k)`.

    Integrals are computed by composite Gauss-Legendre rules with panels of at most an eighth of a side.

    Parameters
    ----------
    bounds : one pair (low, high) per axis, one to three of them, in units of the state.

    Raises
    ------
    ArgumentError
        For other shapes, or if low is not below high.

    References
    ----------
    P. J. Davis, P. Rabinowitz, Methods of Numerical Integration, Academic Press 1984 (composite Gauss-Legendre rules).

    Examples
    --------
    >>> from eulerian_mfc.laws import Uniform
    >>> Uniform([(0.0, 1.0), (0.0, 2.0)]).grid(2).tolist()
    [[0.0, 0.0], [0.0, 2.0], [1.0, 0.0], [1.0, 2.0]]
    """

    def __init__(self, bounds: Sequence[tuple[float, float]]) -> None:
        self.bounds = sides("bounds", bounds)
        self.dim = len(self.bounds)

    def quadrature(self, lines: Lines = None, breaks: Lines = None) -> Rule:
        return joined(self.blocks(lines, breaks))

    def blocks(self, lines: Lines = None, breaks: Lines = None) -> Iterator[Rule]:
        (part,) = self.products(lines, breaks)
        for x, w in tensor_blocks(part.axes):
            yield Rule(x, w, np.zeros(len(w), dtype=np.int64))

    def products(self, lines: Lines = None, breaks: Lines = None, points: int | None = None) -> list[Product]:
        longest = np.diff(self.bounds)[:, 0] / 8
        return [Product(1.0, box_axes(self.bounds, longest, merged(lines, breaks), points=points))]

    def charts(self, breaks: Lines = None) -> list[Chart]:
        return [box_chart(1.0, self.bounds, np.diff(self.bounds)[:, 0], None if breaks is None else list(breaks))]

    def log_density(self, x: np.ndarray) -> np.ndarray:
        inside = ((x >= self.bounds[:, 0]) & (x <= self.bounds[:, 1])).all(axis=1)
        return np.where(inside, -np.log(np.diff(self.bounds)).sum(), -np.inf)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return rng.uniform(self.bounds[:, 0], self.bounds[:, 1], size=(n, self.dim)), np.zeros(n, dtype=np.int64)

    def box(self, tolerance: float) -> np.ndarray:
        return self.bounds.copy()

    def grid(self, count: int) -> np.ndarray:
        """`(count^d, d)`: a grid of the box that contains its boundary."""
        affordable("count", integer("count", count, minimum=2), self.dim * count**self.dim, "this grid")
        axes = [np.linspace(low, high, count) for low, high in self.bounds]
        return np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")]).T


class UniformBall(Law):
    """Uniform law on a disc or a ball, in two or three dimensions.

    Parameters
    ----------
    centre : `(d,)`, d = 2 or 3, in units of the state.
    radius : the radius, in units of the state.

    Raises
    ------
    ArgumentError
        For another dimension, or a radius that is not positive.

    References
    ----------
    P. J. Davis, P. Rabinowitz, Methods of Numerical Integration, Academic Press 1984 (composite Gauss-Legendre rules).

    Examples
    --------
    >>> from eulerian_mfc.laws import UniformBall
    >>> UniformBall([1.0, 0.0], radius=0.5).box(0.0).tolist()
    [[0.5, 1.5], [-0.5, 0.5]]
    """

    def __init__(self, centre: Sequence[float], radius: float = 1.0) -> None:
        self.centre, self.radius = array("centre", centre, ndim=1, like="centre=[0.0, 0.0]"), positive("radius", radius)
        self.dim = len(self.centre)
        if self.dim not in (2, 3):
            raise fail("centre", centre, "two or three coordinates (on the line: laws.Uniform)")

    def quadrature(self, lines: Lines = None, breaks: Lines = None) -> Rule:
        return joined(self.blocks(lines, breaks))

    def blocks(self, lines: Lines = None, breaks: Lines = None) -> Iterator[Rule]:
        check_breaks(self.centre, self.radius, breaks)
        longest = polar_panel(PANEL * self.radius, self.radius, lines)
        for x, w in ball_blocks(self.dim, self.radius, longest, np.ones_like):
            yield Rule(self.centre + x, w, np.zeros(len(w), dtype=np.int64))

    def charts(self, breaks: Lines = None) -> list[Chart]:
        check_breaks(self.centre, self.radius, breaks)
        return [ball_chart(1.0, self.centre, self.radius, self.radius, np.ones_like)]

    def log_density(self, x: np.ndarray) -> np.ndarray:
        volume = {2: np.pi, 3: 4.0 * np.pi / 3.0}[self.dim] * self.radius**self.dim
        return np.where(np.linalg.norm(x - self.centre, axis=1) <= self.radius, -np.log(volume), -np.inf)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        direction = rng.standard_normal((n, self.dim))
        direction /= np.linalg.norm(direction, axis=1)[:, None]
        reach = self.radius * rng.uniform(size=(n, 1)) ** (1 / self.dim)
        return self.centre + reach * direction, np.zeros(n, dtype=np.int64)

    def box(self, tolerance: float) -> np.ndarray:
        return np.stack([self.centre - self.radius, self.centre + self.radius], axis=1)

    def grid(self, count: int) -> np.ndarray:
        """`(n, d)`: the points in the ball of a grid with `count` points per axis; `count` points on each boundary circle."""
        count = integer("count", count, minimum=2)
        affordable("count", count, self.dim * count**self.dim, "this grid")
        axis = np.linspace(-1.0, 1.0, count)
        inside = np.stack([g.ravel() for g in np.meshgrid(*([axis] * self.dim), indexing="ij")]).T
        inside = inside[(inside**2).sum(axis=1) < 1.0]
        angle = np.linspace(0.0, 2 * np.pi, 4 * count, endpoint=False)
        edge = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        if self.dim == 3:
            height = np.linspace(-1.0, 1.0, count)
            ring = np.sqrt(1.0 - height**2)[:, None, None] * edge
            tall = np.broadcast_to(height[:, None, None], (*ring.shape[:2], 1))
            edge = np.concatenate([ring, tall], axis=2).reshape(-1, 3)
        return self.centre + self.radius * np.concatenate([inside, edge])
