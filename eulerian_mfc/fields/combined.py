"""Sums of fields, and fields times a number or a function of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._validate import array, fail, mismatch, takes
from .base import Field


@dataclass(frozen=True)
class SumField(Field):
    """`F(t, theta, x) = sum_k F_k(t, theta_k, x)`; theta = (theta_1, theta_2, ..). Also written `a + b`.

    Parameters
    ----------
    fields : the F_k, all of one dimension; sums within are opened.

    Raises
    ------
    ArgumentError
        If there are none, or their dimensions differ.
    """

    fields: Any

    def __post_init__(self) -> None:
        parts = tuple(self.fields) if isinstance(self.fields, Iterable) else ()
        if not parts or not all(isinstance(f, Field) for f in parts):
            raise fail("fields", self.fields, "a non-empty list of fields, such as [fields.NeuralField(1)]")
        if len({f.dim for f in parts}) > 1:
            raise mismatch("fields", f"dimensions {[f.dim for f in parts]}", "fields of one dimension")
        object.__setattr__(self, "fields", parts)

    @property
    def dim(self) -> int:  # type: ignore[override]
        return self.fields[0].dim

    @property
    def parameters(self) -> int:
        return sum(f.parameters for f in self.fields)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(f"{name} ({k + 1})" for k, f in enumerate(self.fields) for name in f.parameter_names)

    @property
    def speed_bound(self) -> float | None:  # type: ignore[override]
        bounds = [f.speed_bound for f in self.fields]
        return None if None in bounds else float(sum(bounds))

    @property
    def autonomous(self) -> bool:  # type: ignore[override]
        return all(f.autonomous for f in self.fields)

    @property
    def control_linear(self) -> bool:  # type: ignore[override]
        return all(f.control_linear for f in self.fields)

    def _parts(self, *thetas: np.ndarray) -> Iterator[tuple[Any, ...]]:
        """Every field with its piece of each of the parameter vectors."""
        ends = np.cumsum([f.parameters for f in self.fields])[:-1]
        return zip(self.fields, *(np.split(theta, ends) for theta in thetas), strict=True)

    def __call__(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return _total(field(t, part, x) for field, part in self._parts(theta))

    def pullback(
        self, t: float, theta: np.ndarray, x: np.ndarray, value: np.ndarray, p: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        pairs = [field.pullback(t, part, x, field(t, part, x), p) for field, part in self._parts(theta)]
        return _total(px for px, _ in pairs), np.concatenate([ptheta for _, ptheta in pairs])

    def tangent(
        self, t: float, theta: np.ndarray, x: np.ndarray, value: np.ndarray, dtheta: np.ndarray, dx: np.ndarray
    ) -> np.ndarray:
        parts = self._parts(theta, dtheta)
        return _total(field.tangent(t, part, x, field(t, part, x), dpart, dx) for field, part, dpart in parts)

    def pullback_tangent(
        self,
        t: float,
        theta: np.ndarray,
        x: np.ndarray,
        value: np.ndarray,
        p: np.ndarray,
        dtheta: np.ndarray,
        dx: np.ndarray,
        dp: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        pairs = [
            field.pullback_tangent(t, part, x, field(t, part, x), p, dpart, dx, dp)
            for field, part, dpart in self._parts(theta, dtheta)
        ]
        return _total(px for px, _ in pairs), np.concatenate([ptheta for _, ptheta in pairs])

    def start(self, centre: np.ndarray, spread: np.ndarray, horizon: float, seed: int = 0) -> np.ndarray:
        # Seeds of their own: equal fields start at different parameters.
        return np.concatenate([f.start(centre, spread, horizon, seed + k) for k, f in enumerate(self.fields)])

    def check_derivatives(self, t: float, theta: np.ndarray, x: np.ndarray, scale: np.ndarray) -> None:
        for field, part in self._parts(theta):
            field.check_derivatives(t, part, x, scale)

    def raised(self, extra: int) -> SumField:
        return SumField([f.raised(extra) for f in self.fields])

    def spec(self) -> dict[str, Any] | None:
        specs = [f.spec() for f in self.fields]
        return None if None in specs else {"type": "sum", "fields": specs}


def _total(arrays: Iterable[np.ndarray]) -> np.ndarray:
    first, *rest = arrays
    for other in rest:
        first = first + other
    return first


@dataclass(frozen=True)
class ScaledField(Field):
    """`F(t, theta, x) = scale(t) G(t, theta, x)`. Also written `scale * field`.

    Parameters
    ----------
    field : the field G.
    scale : a dimensionless number, or a function of t (a file cannot hold one).

    Raises
    ------
    ArgumentError
        If `field` is none, or the scale is no finite number or function.
    """

    field: Field
    scale: float | Callable[[float], float]

    def __post_init__(self) -> None:
        if not isinstance(self.field, Field):
            raise fail("field", self.field, "a field, such as fields.NeuralField(1)")
        if callable(self.scale):
            takes("scale", self.scale, "t")
        value = self.scale(0.37) if callable(self.scale) else self.scale
        number = array("scale", value, ndim=0, like="scale=2.0").item()
        if not callable(self.scale):
            object.__setattr__(self, "scale", number)

    @property
    def dim(self) -> int:  # type: ignore[override]
        return self.field.dim

    @property
    def parameters(self) -> int:
        return self.field.parameters

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return self.field.parameter_names

    @property
    def speed_bound(self) -> float | None:  # type: ignore[override]
        known = self.field.speed_bound
        return None if known is None or callable(self.scale) else abs(self.scale) * known

    @property
    def autonomous(self) -> bool:  # type: ignore[override]
        return not callable(self.scale) and self.field.autonomous

    @property
    def control_linear(self) -> bool:  # type: ignore[override]
        return self.field.control_linear

    def _at(self, t: float) -> float:
        return float(self.scale(t)) if callable(self.scale) else self.scale

    def __call__(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return self._at(t) * self.field(t, theta, x)

    def pullback(
        self, t: float, theta: np.ndarray, x: np.ndarray, value: np.ndarray, p: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        return self.field.pullback(t, theta, x, self.field(t, theta, x), self._at(t) * p)

    def tangent(
        self, t: float, theta: np.ndarray, x: np.ndarray, value: np.ndarray, dtheta: np.ndarray, dx: np.ndarray
    ) -> np.ndarray:
        return self._at(t) * self.field.tangent(t, theta, x, self.field(t, theta, x), dtheta, dx)

    def pullback_tangent(
        self,
        t: float,
        theta: np.ndarray,
        x: np.ndarray,
        value: np.ndarray,
        p: np.ndarray,
        dtheta: np.ndarray,
        dx: np.ndarray,
        dp: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        scale = self._at(t)
        return self.field.pullback_tangent(t, theta, x, self.field(t, theta, x), scale * p, dtheta, dx, scale * dp)

    def start(self, centre: np.ndarray, spread: np.ndarray, horizon: float, seed: int = 0) -> np.ndarray:
        return self.field.start(centre, spread, horizon, seed)

    def check_derivatives(self, t: float, theta: np.ndarray, x: np.ndarray, scale: np.ndarray) -> None:
        self.field.check_derivatives(t, theta, x, scale)

    def raised(self, extra: int) -> ScaledField:
        return ScaledField(self.field.raised(extra), self.scale)

    def spec(self) -> dict[str, Any] | None:
        inner = self.field.spec()
        return (
            None if inner is None or callable(self.scale) else {"type": "scaled", "field": inner, "scale": self.scale}
        )
