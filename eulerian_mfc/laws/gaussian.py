"""Normal laws and their mixtures, with an optional cut-off around their means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from .._validate import array, fail, mismatch, positive
from ..kernels.special import gammainc, gammaincinv, ndtri
from .base import Law, Lines, Product, Rule, joined, merged
from .charts import LONGEST, Chart, ball_chart, box_chart
from .charts import REACH as CELLS_END
from .quadrature import PANEL, Line, ball_blocks, box_axes, tensor_blocks
from .weights import checked_weights

#: the forms in which means may be passed
MEANS = "means=[[-1.0], [1.0]], one row per component"
#: standard deviations at which the rules of normal laws end: the mass beyond is round-off
REACH = {1: 9.0, 2: 9.0, 3: 8.6}


def check_breaks(centre: np.ndarray, radius: float, breaks: Lines) -> None:
    """ArgumentError for breaks on other planes than those through the centre: the polar rule has panel ends only there.

    Examples
    --------
    >>> check_breaks(np.zeros(2), 1.0, [np.array([0.0]), np.array([])])  # through the centre
    """
    for axis, values in enumerate(breaks or []):
        offset = np.abs(values - centre[axis])
        off_centre = (offset < radius) & (offset > 1e-12 * radius)
        if off_centre.any():
            raise mismatch(
                "breaks",
                f"{values[off_centre][0]:g} on axis {axis}, which cuts a ball of radius {radius:g} "
                f"off its centre {centre[axis]:g}",
                "breaks through the centres of balls, or no breaks (jumps are then integrated with low order)",
            )


def polar_panel(longest: float, radius: float, lines: Lines) -> float:
    """The longest panel of a polar rule: at most the distance of the mesh's lines, with a bound from below.

    Examples
    --------
    >>> polar_panel(0.4, 1.0, None)
    0.4
    """
    if lines is None:
        return longest
    gaps = [float(np.median(np.diff(np.unique(line)))) for line in lines if len(line) > 1]
    return max(min([longest, *gaps]), radius / 500)


class GaussianMixture(Law):
    """Mixture of normal laws with independent coordinates, each with an optional cut-off at a radius around its mean.

    Parameters
    ----------
    means : `(K, d)`, in units of the state.
    std : standard deviation: one number, one per component `(K,)`, or one per component and axis `(K, d)`.
    weights : `(K,)`, summing to 1; equal by default.
    truncation : radius, in units of the state; each component is conditioned on `|x - mean| < truncation`, and must have the
        same std on all axes.

    Raises
    ------
    ArgumentError
        For shapes that do not fit, deviations or a radius that are not positive, weights that are negative or do not sum to 1, or
        d > 3.

    References
    ----------
    P. J. Davis, P. Rabinowitz, Methods of Numerical Integration, Academic Press 1984 (composite Gauss-Legendre rules).

    Examples
    --------
    >>> from eulerian_mfc.laws import GaussianMixture
    >>> law = GaussianMixture(means=[[-1.0], [1.0]], std=0.5, weights=[0.25, 0.75])
    >>> rule = law.quadrature()
    >>> round(float(rule.w @ rule.x[:, 0]), 12)
    0.5
    """

    def __init__(
        self, means: ArrayLike, std: ArrayLike, weights: Sequence[float] | None = None, truncation: float | None = None
    ) -> None:
        self.means = array("means", means, ndim=2, like=MEANS)
        self.components, self.dim = self.means.shape
        if not self.components:
            raise mismatch("means", "an empty list of means", "at least one mean")
        if not 1 <= self.dim <= 3:
            raise mismatch("means", f"dimension {self.dim}", "dimension 1, 2 or 3, with one mean per row")
        spread = array("std", std, ndim=(0, 1, 2), like="std=1.0")
        spread = spread[:, None] if spread.ndim == 1 else spread
        try:
            self.std = np.broadcast_to(spread, self.means.shape)
        except ValueError:
            raise fail(
                "std", std, f"a number, {self.components} numbers, or an array of shape {self.means.shape}"
            ) from None
        if not (self.std > 0).all():
            raise fail("std", std, "positive numbers")
        self.weights = checked_weights(weights, self.components)
        self.truncation = None if truncation is None else positive("truncation", truncation)
        if self.truncation is not None and not (self.std == self.std[:, :1]).all():
            raise fail("std", std, "one number for all axes, since truncation is given")

    def quadrature(self, lines: Lines = None, breaks: Lines = None) -> Rule:
        return joined(self.blocks(lines, breaks))

    def blocks(self, lines: Lines = None, breaks: Lines = None) -> Iterator[Rule]:
        parts = self.products(lines, breaks)
        for k, weight in enumerate(self.weights):
            rules = self._ball_blocks(k, lines, breaks) if parts is None else tensor_blocks(parts[k].axes)
            for x, w in rules:
                yield Rule(x, weight * w, np.full(len(w), k))

    def products(self, lines: Lines = None, breaks: Lines = None, points: int | None = None) -> list[Product] | None:
        if self.truncation is not None and self.dim > 1:
            return None
        every = merged(lines, breaks)
        return [Product(float(w), self._axes(k, every, points)) for k, w in enumerate(self.weights)]

    def _axes(self, k: int, lines: Lines, points: int | None) -> list[Line]:
        """The rules of the axes of component k."""
        mean, std = self.means[k], self.std[k]
        reach = REACH[self.dim] * std
        if self.truncation is not None:
            reach = np.minimum(reach, self.truncation)
        bounds = np.stack([mean - reach, mean + reach], axis=1)
        density = lambda axis, z: np.exp(-0.5 * ((z - mean[axis]) / std[axis]) ** 2)  # noqa: E731
        return box_axes(bounds, PANEL * np.minimum(std, reach), lines, density, points)

    def charts(self, breaks: Lines = None) -> list[Chart]:
        return [self._chart(k, None if breaks is None else list(breaks)) for k in range(self.components)]

    def _chart(self, k: int, breaks: list[np.ndarray] | None) -> Chart:
        mean, std, weight = self.means[k], self.std[k], float(self.weights[k])
        reach = np.minimum(CELLS_END[self.dim] * std, self.truncation or np.inf)
        if self.truncation is not None and self.dim > 1:
            check_breaks(mean, float(reach[0]), breaks)
            longest = LONGEST[self.dim] * float(std[0])
            density = lambda r: np.exp(-0.5 * (r / std[0]) ** 2)  # noqa: E731
            return ball_chart(weight, mean, float(reach[0]), longest, density)
        bounds = np.stack([mean - reach, mean + reach], axis=1)
        factor = lambda axis, z: np.exp(-0.5 * ((z - mean[axis]) / std[axis]) ** 2)  # noqa: E731
        return box_chart(weight, bounds, LONGEST[self.dim] * std, breaks, factor)

    def _ball_blocks(self, k: int, lines: Lines, breaks: Lines) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The polar rule of component k, with the cut-off."""
        mean, std = self.means[k], float(self.std[k, 0])
        radius = min(REACH[self.dim] * std, float(self.truncation or np.inf))
        check_breaks(mean, radius, breaks)
        longest = polar_panel(PANEL * min(std, radius), radius, lines)
        for x, w in ball_blocks(self.dim, radius, longest, lambda r: np.exp(-0.5 * (r / std) ** 2)):
            yield mean + x, w

    def log_density(self, x: np.ndarray) -> np.ndarray:
        parts = []
        for weight, mean, std in zip(self.weights, self.means, self.std, strict=True):
            share = np.log(weight) if weight > 0 else -np.inf
            part = share - (0.5 * ((x - mean) / std) ** 2 + np.log(np.sqrt(2.0 * np.pi) * std)).sum(axis=1)
            if self.truncation is not None:
                part -= np.log(gammainc(self.dim / 2, (self.truncation / std[0]) ** 2 / 2))
                part[np.linalg.norm(x - mean, axis=1) >= self.truncation] = -np.inf
            parts.append(part)
        return np.asarray(np.logaddexp.reduce(parts, axis=0))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        component = rng.choice(self.components, size=n, p=self.weights)
        offset = rng.standard_normal((n, self.dim))
        if self.truncation is not None:
            # The radius is drawn by the inverse of the truncated chi law; the direction is uniform.
            half, cut = self.dim / 2, self.truncation / self.std[component, 0]
            radius = np.sqrt(2 * gammaincinv(half, rng.uniform(size=n) * gammainc(half, cut**2 / 2)))
            offset *= (radius / np.linalg.norm(offset, axis=1))[:, None]
        return self.means[component] + self.std[component] * offset, component

    def box(self, tolerance: float) -> np.ndarray:
        reach = -ndtri(tolerance / (2 * self.dim)) * self.std
        if self.truncation is not None:
            reach = np.minimum(reach, self.truncation)
        return np.stack([(self.means - reach).min(axis=0), (self.means + reach).max(axis=0)], axis=1)


class Gaussian(GaussianMixture):
    """Normal law with independent coordinates, with an optional cut-off at a radius around its mean.

    Parameters
    ----------
    mean : `(d,)`, in units of the state.
    std : standard deviation, in units of the state: one number, or one per axis `(d,)`.
    truncation : radius, in units of the state; the law is conditioned on `|x - mean| < truncation`.

    Raises
    ------
    ArgumentError
        For shapes that do not fit, deviations or a radius that are not positive, or d > 3.

    References
    ----------
    P. J. Davis, P. Rabinowitz, Methods of Numerical Integration, Academic Press 1984 (composite Gauss-Legendre rules).

    Examples
    --------
    >>> from eulerian_mfc.laws import Gaussian
    >>> rule = Gaussian(mean=[0.0], std=2.0).quadrature()
    >>> round(float(rule.w @ rule.x[:, 0] ** 2), 12)
    4.0
    """

    def __init__(self, mean: ArrayLike, std: ArrayLike, truncation: float | None = None) -> None:
        spread = array("std", std, ndim=(0, 1), like="std=1.0")
        centre = array("mean", mean, ndim=1, like=f"mean=[{mean!r}]" if np.ndim(mean) == 0 else "mean=[0.0]")
        if spread.ndim and len(spread) != len(centre):
            raise fail("std", std, f"one number, or {len(centre)} numbers, one per axis")
        super().__init__(centre[None], spread if spread.ndim == 0 else spread[None], None, truncation)
