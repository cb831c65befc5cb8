"""Laws of inputs with labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import ArrayLike

from .._validate import affordable, array, fail, generator, integer, mismatch, own, takes, unmasked
from .base import LabelledLaw, LabelledRule, Law, Lines, ProductRule, distinct
from .charts import Chart
from .quadrature import POINTS


class Labelled(LabelledLaw):
    """A law of inputs with labels.

    Parameters
    ----------
    law : law of the inputs.
    label : a function `(N, d) -> (N, q)` or `(N,)`, or one constant label per component of the law.
    breaks : coordinates, in units of the state, at which a label function jumps, one list per axis (one flat list on a line):
        the quadrature is split there. Jumps across other surfaces are integrated with low order. Truncated laws in two and
        three dimensions can be split only at the coordinates of their centres.

    Raises
    ------
    ArgumentError
        If `law` is not a law, the label does not fit its components, or the breaks are not lists of coordinates. The values of a
        label function are checked when the law is first integrated or sampled.

    Examples
    --------
    >>> from eulerian_mfc.laws import Gaussian, GaussianMixture, Labelled
    >>> signs = Labelled(Gaussian([0.0], 1.0), label=np.sign, breaks=[0.0])
    >>> signs.labels.ravel().tolist()
    [-1.0, 1.0]
    >>> Labelled(GaussianMixture([[-1.0], [1.0]], 0.3), label=[[0.0], [5.0]]).labels.ravel().tolist()  # one per component
    [0.0, 5.0]
    """

    def __init__(
        self, law: Law, label: ArrayLike | Callable[[np.ndarray], np.ndarray], breaks: Sequence[ArrayLike] | None = None
    ) -> None:
        if not isinstance(law, Law):
            raise fail("law", law, "a law of the inputs, without labels, such as laws.Gaussian([0.0], 1.0)")
        self.law, self.label, self.dim = law, label, law.dim
        if callable(label):
            takes("label", label, "x")
            self._function, self._constants = label, None
        else:
            one = label if np.ndim(label) == 0 and not isinstance(label, str) else 0.0
            like = f"label={[[one]] * min(law.components, 3)}, or label=numpy.sign"
            constants = array("label", label, ndim=(1, 2), like=like)
            self._constants = constants.reshape(len(constants), -1)
            if len(self._constants) != law.components:
                raise fail("label", label, f"a function, or one label for each of the {law.components} component(s)")
        unmasked("breaks", breaks)
        try:
            lists: list[object] = [] if breaks is None else list(breaks)
        except TypeError:
            raise fail("breaks", breaks, "a list of coordinates, such as breaks=[0.0]") from None
        if lists and self.dim == 1 and np.asarray(lists[0]).ndim == 0:
            lists = [lists]
        if lists and len(lists) != self.dim:
            raise fail("breaks", breaks, f"{self.dim} lists of coordinates, one per axis")
        self.breaks = [array("breaks", b, ndim=1) for b in lists]
        self.label_dim = self._labels(*law.draw(5, np.random.default_rng(0))).shape[1]

    @cached_property
    def labels(self) -> np.ndarray | None:
        return super().labels if self._constants is None else distinct([self._constants])

    def _labels(self, x: np.ndarray, component: np.ndarray) -> np.ndarray:
        if self._constants is not None:
            return self._constants[component]
        y = array("label", self._function(own(x)), finite=False)
        y = y[:, None] if y.ndim == 1 else y
        if y.ndim != 2 or len(y) != len(x):
            raise mismatch(
                "label",
                f"a function whose value has shape {y.shape} at points {x.shape}",
                f"a value of shape ({len(x)}, q) or ({len(x)},)",
            )
        if not np.isfinite(y).all():
            raise mismatch(
                "label", f"a label that is not finite at x = {x[~np.isfinite(y).all(axis=1)][0]}", "finite labels"
            )
        return y

    def charts(self) -> list[Chart] | None:
        found = self.law.charts(self.breaks or None)
        if found is None:
            return None
        labels = [partial(self._labels_of, k) for k in range(len(found))]
        return [replace(chart, label=label) for chart, label in zip(found, labels, strict=True)]

    def _labels_of(self, component: int, x: np.ndarray) -> np.ndarray:
        return self._labels(x, np.full(len(x), component))

    def quadrature(self, lines: Lines = None) -> LabelledRule:
        rule = self.law.quadrature(lines, self.breaks or None)
        return LabelledRule(rule.x, rule.w, self._labels(rule.x, rule.component))

    def pieces(self, lines: Lines = None, products: bool = False) -> Iterator[LabelledRule | ProductRule]:
        breaks = self.breaks or None
        found = self.law.products(lines, breaks, POINTS[1]) if products and self._constants is not None else None
        if found is None:
            for rule in self.law.blocks(lines, breaks):
                yield LabelledRule(rule.x, rule.w, self._labels(rule.x, rule.component))
        else:
            assert self._constants is not None
            for part, label in zip(found, self._constants, strict=True):
                yield ProductRule(part.axes, np.array([part.weight]), label[None])

    def sample(self, n: int, seed: int | np.random.Generator | None = None) -> tuple[np.ndarray, np.ndarray]:
        affordable("n", integer("n", n), n * (self.dim + self.label_dim), "this many samples")
        x, component = self.law.draw(n, generator(seed))
        return x, self._labels(x, component)

    def box(self, tolerance: float) -> np.ndarray:
        return self.law.box(tolerance)
