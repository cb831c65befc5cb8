"""Initial laws of inputs and labels (X, Y).

Every law gives a quadrature rule for `int f dmu0`, which may be refined to have panel ends on given grid lines (where
a mesh's basis functions are not smooth), draws samples, and says in which box its mass lies.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.special import gammainc, gammaincinv, ndtri

from ._validate import array, fail, integer, mismatch, positive
from .quadrature import PANEL, ball_rule, box_rule

Lines = Sequence[np.ndarray] | None

#: standard deviations at which the rules of normal laws end: what lies beyond is round-off
REACH = {1: 9.0, 2: 9.0, 3: 8.6}


class Rule(NamedTuple):
    """A quadrature rule of the inputs: points `(N, d)`, weights `(N,)` that sum to 1, component of each point `(N,)`."""

    x: np.ndarray
    w: np.ndarray
    component: np.ndarray


class LabelledRule(NamedTuple):
    """A quadrature rule of inputs and labels: points `(N, d)`, weights `(N,)` that sum to 1, labels `(N, q)`."""

    x: np.ndarray
    w: np.ndarray
    y: np.ndarray


class Law(ABC):
    """A probability law on R^d, a mixture of one or more components."""

    dim: int
    components: int = 1

    @abstractmethod
    def quadrature(self, lines: Lines = None, breaks: Lines = None) -> Rule:
        """A rule for the law.

        `lines`, one array an axis, are coordinates at which integrands are continuous but not smooth (a mesh's);
        `breaks`, likewise, those at which they jump.
        """

    @abstractmethod
    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """N samples `(n, d)` and the component of each `(n,)`."""

    @abstractmethod
    def box(self, tolerance: float) -> np.ndarray:
        """`(d, 2)` bounds outside which lies at most `tolerance` of the mass."""

    def sample(self, n: int, seed: int | np.random.Generator | None = None) -> np.ndarray:
        """N independent samples `(n, d)`."""
        return self.draw(integer("n", n), np.random.default_rng(seed))[0]


class GaussianMixture(Law):
    """Mixture of normal laws with independent coordinates, each cut off at a radius around its mean if asked.

    Parameters
    ----------
    means : `(K, d)`.
    std : standard deviation: one number, one a component `(K,)`, or one a component and axis `(K, d)`.
    weights : `(K,)`, summing to 1; equal by default.
    truncation : radius; each component is conditioned on `|x - mean| < truncation` (one std for all axes).
    """

    def __init__(
        self, means: Any, std: Any, weights: Sequence[float] | None = None, truncation: float | None = None
    ) -> None:
        self.means = array("means", means, ndim=2)
        self.components, self.dim = self.means.shape
        if not self.components:
            raise mismatch("means", "no means", "at least one")
        if not 1 <= self.dim <= 3:
            raise mismatch("means", f"dimension {self.dim}", "dimension 1, 2 or 3: rows are means")
        spread = array("std", std, ndim=(0, 1, 2))
        spread = spread[:, None] if spread.ndim == 1 else spread
        try:
            self.std = np.broadcast_to(spread, self.means.shape)
        except ValueError:
            raise fail("std", std, f"a number, {self.components} numbers, or an array {self.means.shape}") from None
        if not (self.std > 0).all():
            raise fail("std", std, "positive numbers")
        self.weights = _weights(weights, self.components)
        self.truncation = None if truncation is None else positive("truncation", truncation)
        if self.truncation is not None and not (self.std == self.std[:, :1]).all():
            raise fail("std", std, "one number for all axes where truncation is given")

    def quadrature(self, lines: Lines = None, breaks: Lines = None) -> Rule:
        rules = [self._component_rule(k, lines, breaks) for k in range(self.components)]
        x = np.concatenate([x.T for x, _ in rules], axis=1).T
        w = np.concatenate([weight * w for weight, (_, w) in zip(self.weights, rules, strict=True)])
        return Rule(x, w, np.repeat(np.arange(self.components), [len(w) for _, w in rules]))

    def _component_rule(self, k: int, lines: Lines, breaks: Lines) -> tuple[np.ndarray, np.ndarray]:
        mean, std = self.means[k], self.std[k]
        reach = REACH[self.dim] * std
        if self.truncation is not None:
            reach = np.minimum(reach, self.truncation)
        if self.truncation is not None and self.dim > 1:
            radius = float(reach[0])
            self._check_breaks(mean, radius, breaks)
            longest = PANEL * min(std[0], radius)
            if lines is not None:
                gaps = [float(np.median(np.diff(np.unique(line)))) for line in lines if len(line) > 1]
                longest = max(min([longest, *gaps]), radius / 500)
            x, w = ball_rule(self.dim, radius, longest, lambda r: np.exp(-0.5 * (r / std[0]) ** 2))
            x = mean + x
        else:
            bounds = np.stack([mean - reach, mean + reach], axis=1)
            x, w = box_rule(bounds, PANEL * np.minimum(std, reach), _merged(lines, breaks))
            w = w * np.exp(-0.5 * (((x - mean) / std) ** 2).sum(axis=1))
        w /= w.sum()
        keep = w > 1e-22  # what is left out sums to less than round-off
        return x[keep], w[keep] / w[keep].sum()

    def _check_breaks(self, mean: np.ndarray, radius: float, breaks: Lines) -> None:
        """The polar rule has panel ends on the planes through the centre, and on no others."""
        for axis, values in enumerate(breaks or []):
            offset = np.abs(values - mean[axis])
            off_centre = (offset < radius) & (offset > 1e-12 * radius)
            if off_centre.any():
                raise mismatch(
                    "breaks",
                    f"{values[off_centre][0]:g} on axis {axis}, which cuts a ball of radius {radius:g} "
                    f"off its centre {mean[axis]:g}",
                    "breaks through the centres of truncated components, or none (jumps are then integrated to low order)",
                )

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        component = rng.choice(self.components, size=n, p=self.weights)
        offset = rng.standard_normal((n, self.dim))
        if self.truncation is not None:
            # Radius by the inverse of the cut-off chi law, direction uniform.
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
    """Normal law with independent coordinates, cut off at a radius around its mean if asked.

    Parameters
    ----------
    mean : `(d,)`.
    std : one number, or one an axis `(d,)`.
    truncation : radius; the law is conditioned on `|x - mean| < truncation`.
    """

    def __init__(self, mean: Any, std: Any, truncation: float | None = None) -> None:
        spread = array("std", std, ndim=(0, 1))
        super().__init__(
            array("mean", mean, ndim=1)[None], spread if spread.ndim == 0 else spread[None], None, truncation
        )


class Uniform(Law):
    """Uniform law on a box; `bounds` holds one pair (low, high) an axis."""

    def __init__(self, bounds: Sequence[tuple[float, float]]) -> None:
        self.bounds = array("bounds", bounds, ndim=2)
        if (
            self.bounds.shape[1] != 2
            or not 1 <= len(self.bounds) <= 3
            or not (self.bounds[:, 0] < self.bounds[:, 1]).all()
        ):
            raise fail("bounds", bounds, "one to three pairs (low, high) with low < high")
        self.dim = len(self.bounds)

    def quadrature(self, lines: Lines = None, breaks: Lines = None) -> Rule:
        x, w = box_rule(self.bounds, np.diff(self.bounds)[:, 0] / 8, _merged(lines, breaks))
        return Rule(x, w / w.sum(), np.zeros(len(w), dtype=np.int64))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return rng.uniform(self.bounds[:, 0], self.bounds[:, 1], size=(n, self.dim)), np.zeros(n, dtype=np.int64)

    def box(self, tolerance: float) -> np.ndarray:
        return self.bounds.copy()


class LabelledLaw(ABC):
    """A law of pairs (X, Y), as `Problem` takes it."""

    dim: int
    label_dim: int

    @abstractmethod
    def quadrature(self, lines: Lines = None) -> LabelledRule:
        """A rule for the law of the pairs; `lines` as for `Law.quadrature`."""

    @abstractmethod
    def sample(self, n: int, seed: int | np.random.Generator | None = None) -> tuple[np.ndarray, np.ndarray]:
        """N independent samples: inputs `(n, d)`, labels `(n, q)`."""

    @abstractmethod
    def box(self, tolerance: float) -> np.ndarray:
        """`(d, 2)` bounds outside which lies at most `tolerance` of the mass of X."""

    @cached_property
    def labels(self) -> np.ndarray | None:
        """`(K, q)` distinct labels in increasing order, or None where there are more than 64."""
        y = self.quadrature().y
        found = np.unique(y[: 64 * 1024], axis=0)
        found = found if len(found) > 64 else np.unique(y, axis=0)
        return found if len(found) <= 64 else None


class Labelled(LabelledLaw):
    """A law of inputs with labels.

    Parameters
    ----------
    law : law of the inputs.
    label : a function `(N, d) -> (N, q)` or `(N,)`, or one constant label a component of the law.
    breaks : coordinates at which a label function jumps, one list an axis (one flat list on a line): the quadrature
        is split there. Jumps across other surfaces are integrated to low order. Truncated laws in two and three
        dimensions can be split through their centres only.
    """

    def __init__(self, law: Law, label: Any, breaks: Sequence[Any] | None = None) -> None:
        if not isinstance(law, Law):
            raise fail("law", law, "a law of the inputs, such as laws.Gaussian")
        self.law, self.label, self.dim = law, label, law.dim
        if callable(label):
            self._constants = None
        else:
            constants = array("label", label, ndim=(1, 2))
            self._constants = constants.reshape(len(constants), -1)
            if len(self._constants) != law.components:
                raise fail("label", label, f"a function, or one label for each of the {law.components} component(s)")
        try:
            lists = [] if breaks is None else list(breaks)
        except TypeError:
            raise fail("breaks", breaks, "a list of coordinates") from None
        if lists and self.dim == 1 and np.ndim(lists[0]) == 0:
            lists = [lists]
        if lists and len(lists) != self.dim:
            raise fail("breaks", breaks, f"{self.dim} lists of coordinates, one an axis")
        self.breaks = [array("breaks", b, ndim=1) for b in lists]
        self.label_dim = self._labels(*law.draw(5, np.random.default_rng(0))).shape[1]

    def _labels(self, x: np.ndarray, component: np.ndarray) -> np.ndarray:
        if self._constants is not None:
            return self._constants[component]
        y = np.asarray(self.label(x), dtype=np.float64)
        y = y[:, None] if y.ndim == 1 else y
        if y.ndim != 2 or len(y) != len(x):
            raise mismatch(
                "label",
                f"a function whose value has shape {y.shape} at points {x.shape}",
                f"({len(x)}, q) or ({len(x)},)",
            )
        if not np.isfinite(y).all():
            raise mismatch(
                "label", f"a label that is not finite at x = {x[~np.isfinite(y).all(axis=1)][0]}", "finite labels"
            )
        return y

    def quadrature(self, lines: Lines = None) -> LabelledRule:
        rule = self.law.quadrature(lines, self.breaks or None)
        return LabelledRule(rule.x, rule.w, self._labels(rule.x, rule.component))

    def sample(self, n: int, seed: int | np.random.Generator | None = None) -> tuple[np.ndarray, np.ndarray]:
        x, component = self.law.draw(integer("n", n), np.random.default_rng(seed))
        return x, self._labels(x, component)

    def box(self, tolerance: float) -> np.ndarray:
        return self.law.box(tolerance)


class Empirical(LabelledLaw):
    """The empirical law of N samples.

    Parameters
    ----------
    x : `(N, d)` inputs, or `(N,)` on a line.
    y : `(N, q)` labels, or `(N,)`.
    weights : `(N,)` non-negative, summing to 1; equal by default.
    """

    def __init__(self, x: Any, y: Any, weights: Sequence[float] | None = None) -> None:
        self.x, self.y = (
            a[:, None] if a.ndim == 1 else a for a in (array("x", x, ndim=(1, 2)), array("y", y, ndim=(1, 2)))
        )
        if not len(self.x) or len(self.x) != len(self.y):
            raise mismatch(
                "y", f"{len(self.y)} labels", f"one label for each of the {len(self.x)} samples, at least one"
            )
        self.dim, self.label_dim = self.x.shape[1], self.y.shape[1]
        if not 1 <= self.dim <= 3:
            raise mismatch("x", f"samples of dimension {self.dim}", "dimension 1, 2 or 3: samples are rows")
        self.weights = _weights(weights, len(self.x))

    def quadrature(self, lines: Lines = None) -> LabelledRule:
        return LabelledRule(self.x, self.weights, self.y)

    def sample(self, n: int, seed: int | np.random.Generator | None = None) -> tuple[np.ndarray, np.ndarray]:
        rows = np.random.default_rng(seed).choice(len(self.x), size=integer("n", n), p=self.weights)
        return self.x[rows], self.y[rows]

    def box(self, tolerance: float) -> np.ndarray:
        return np.stack([self.x.min(axis=0), self.x.max(axis=0)], axis=1)


def _merged(lines: Lines, breaks: Lines) -> Lines:
    """All the lines of both, axis by axis."""
    if lines is None or breaks is None:
        return breaks if lines is None else lines
    return [np.concatenate(pair) for pair in zip(lines, breaks, strict=True)]


def _weights(weights: Any, n: int) -> np.ndarray:
    if weights is None:
        return np.full(n, 1.0 / n)
    out = array("weights", weights, ndim=1)
    if len(out) != n or (out < 0).any() or abs(out.sum() - 1) > 1e-9:
        raise mismatch(
            "weights",
            f"{len(out)} numbers with minimum {out.min()} and sum {out.sum()}",
            f"{n} numbers >= 0 that sum to 1",
        )
    return out / out.sum()
