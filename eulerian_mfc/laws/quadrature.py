"""Composite Gauss-Legendre rules on boxes, and rules on balls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.polynomial.legendre import leggauss

#: Gauss points per panel, by dimension; panels are at most `PANEL` times the law's length scale
POINTS = {1: 8, 2: 5, 3: 4}
PANEL = 0.4
#: weights below this are left out: their sum is less than round-off
NEGLIGIBLE = 1e-22
#: number of points that are computed at once
BLOCK = 2**18

#: nodes `(n,)` and weights `(n,)` of a rule on a line
Line = tuple[np.ndarray, np.ndarray]


def panels(low: float, high: float, longest: float, lines: np.ndarray | None) -> np.ndarray:
    """Panel ends on [low, high]: none longer than `longest`, and one at each of the `lines` inside.

    Examples
    --------
    >>> panels(0.0, 1.0, 0.5, np.array([0.25])).tolist()
    [0.0, 0.25, 0.625, 1.0]
    """
    ends = np.array([low, high])
    if lines is not None:
        inside = lines[(lines > low) & (lines < high)]
        ends = np.unique(np.concatenate([ends, inside]))
        ends = ends[np.concatenate([[True], np.diff(ends) > 1e-13 * (high - low)])]
        ends[-1] = high
    counts = np.maximum(np.ceil(np.diff(ends) / longest - 1e-9).astype(int), 1)
    pieces = [np.linspace(a, b, n, endpoint=False) for a, b, n in zip(ends[:-1], ends[1:], counts, strict=True)]
    return np.concatenate([*pieces, [high]])


def composite(ends: np.ndarray, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on every panel between `ends`.

    Examples
    --------
    >>> nodes, weights = composite(np.array([0.0, 1.0, 2.0]), 3)
    >>> round(float(weights @ nodes**2), 12)  # 8 / 3
    2.666666666667
    """
    nodes, weights = leggauss(points)
    half = np.diff(ends)[:, None] / 2
    return (ends[:-1, None] + half * (1 + nodes)).ravel(), (half * weights).ravel()


def box_axes(
    bounds: np.ndarray,
    longest: np.ndarray,
    lines: Sequence[np.ndarray] | None,
    density: Callable[[int, np.ndarray], np.ndarray] | None = None,
    points: int | None = None,
) -> list[Line]:
    """One composite rule per axis, whose tensor product is a rule on a box; the weights of each rule sum to 1.

    `density(k, x)` is the factor of a product density along axis k (1 by default); `points` is the number of points per panel,
    by default `POINTS` for the dimension.

    Examples
    --------
    >>> ((nodes, weights),) = box_axes(np.array([[0.0, 2.0]]), np.ones(1), None)
    >>> round(float(weights @ nodes), 12)
    1.0
    """
    out = []
    for k, (low, high) in enumerate(bounds.tolist()):
        ends = panels(low, high, longest[k], None if lines is None else lines[k])
        nodes, w = composite(ends, points or POINTS[len(bounds)])
        w = w if density is None else w * density(k, nodes)
        out.append((nodes, w / w.sum()))
    return out


def tensor_blocks(axes: Sequence[Line]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The tensor product of rules: `(n, d)` points and `(n,)` weights that sum to 1 over all blocks of about `BLOCK` points.

    Points whose weights are below `NEGLIGIBLE` are left out before they take memory: in three dimensions most points are.

    Examples
    --------
    >>> line = np.array([0.0, 1.0]), np.array([0.5, 0.5])
    >>> [(x.tolist(), w.tolist()) for x, w in tensor_blocks([line, line])]
    [([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0.25, 0.25, 0.25, 0.25])]
    """
    points, weights = np.zeros((0, 1)), np.ones(1)
    for line in axes[:-1]:
        pieces = list(_products(points, weights, line))
        points = np.concatenate([p for p, _ in pieces], axis=1)
        weights = np.concatenate([v for _, v in pieces])
    for block, v in _products(points, weights, axes[-1]):
        yield block.T, v


def _products(points: np.ndarray, weights: np.ndarray, line: Line) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The product of a rule with columns `(k, n)` and the rule of one more axis: columns `(k + 1, n')`, in blocks."""
    nodes, w = line
    step = max(1, BLOCK // len(nodes))
    for start in range(0, len(weights), step):
        block = slice(start, start + step)
        joint = np.multiply.outer(weights[block], w)
        i, j = np.nonzero(joint > NEGLIGIBLE)
        yield np.concatenate([points[:, block][:, i], nodes[None, j]]), joint[i, j]


def ball_blocks(
    dim: int, radius: float, longest: float, density: Callable[[np.ndarray], np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rule on a ball about the origin in two or three dimensions against a density of |x|, in blocks as `tensor_blocks`.

    It is a polar product rule with panel ends on the coordinate planes, at which integrands may jump.

    Examples
    --------
    >>> round(sum(float(w @ (x**2).sum(axis=1)) for x, w in ball_blocks(2, 1.0, 0.4, np.ones_like)), 12)  # E |X|^2
    0.5
    """
    r, wr = composite(panels(0.0, radius, longest, None), POINTS[1])
    wr = wr * density(r) * r ** (dim - 1)
    quarter = max(2, int(np.ceil(0.5 * np.pi * radius / longest / 2)))
    angle, wd = composite(np.linspace(0.0, 2 * np.pi, 4 * quarter + 1), POINTS[1])
    directions = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if dim == 3:
        polar, wp = composite(np.linspace(0.0, np.pi, 2 * quarter + 1), POINTS[1])
        ring = np.sin(polar)[:, None, None] * directions
        height = np.broadcast_to(np.cos(polar)[:, None, None], (*ring.shape[:2], 1))
        directions = np.concatenate([ring, height], axis=2).reshape(-1, 3)
        wd = np.multiply.outer(wp * np.sin(polar), wd).ravel()
    wr, wd = wr / wr.sum(), wd / wd.sum()
    step = max(1, BLOCK // len(wd))
    for start in range(0, len(r), step):
        block = slice(start, start + step)
        points = (r[block, None, None] * directions).reshape(-1, dim)
        yield points, np.multiply.outer(wr[block], wd).ravel()
