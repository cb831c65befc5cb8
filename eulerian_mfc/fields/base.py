"""Controlled vector fields, their sums, and fields times a number or a function of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from .._validate import array, fail, mismatch, takes
from .checks import check_pullback, check_shapes
from .differentiable import DifferentiableField
from .parts import joined, pieces, total
from .points import At, Direction, Pulled

#: the value of every parameter of the first control, unless a field has a better choice
START = 0.1
#: a field's kind and arguments, JSON-ready
Spec = dict[str, object]


class Field(DifferentiableField):
    """A controlled vector field `F(t, theta, x)` on R^d with parameters `theta` in R^m.

    Points are rows: `x` is `(n, d)` and so is the value, in state units per time. t is in units of time; the units of theta are
    those that make F a velocity.

    Attributes
    ----------
    dim : the dimension d.
    parameters : the number m.

    Raises
    ------
    ArgumentError
        From `check`, before a problem is solved, if shapes or values are wrong.

    Examples
    --------
    >>> from eulerian_mfc.fields import Field
    >>> class Spring(Field):
    ...     dim, parameters = 1, 1
    ...     def __call__(self, t, theta, x):
    ...         return -theta[0] * x
    ...     def pullback(self, at, p):
    ...         return -at.theta[0] * p, -np.array([(at.x * p).sum()])
    >>> Spring().check()  # shapes; derivatives are compared with differences where a Problem is made
    >>> Spring()(0.0, np.array([2.0]), np.array([[3.0]])).tolist()
    [[-6.0]]
    """

    #: a bound of `|F_i|` that holds for every control; None if there is no such bound
    speed_bound: ClassVar[float | None] = None

    #: whether F does not depend on t
    autonomous: ClassVar[bool] = True
    #: whether F is linear in theta, so that the control equation can be solved for theta explicitly
    control_linear: ClassVar[bool] = False
    #: whether `dim` can be changed to any value while all other arguments stay the same
    any_dim: ClassVar[bool] = False

    def __add__(self, other: Field) -> Field:
        """`a + b`, where each summand keeps its own parameters; see `SumField`."""
        return SumField([self, other]) if isinstance(other, Field) else NotImplemented

    def __rmul__(self, scale: float | Callable[[float], float]) -> Field:
        """`scale * field` for a number or a function of time; see `ScaledField`."""
        return ScaledField(self, scale)

    def start(self, centre: np.ndarray, spread: np.ndarray, horizon: float, seed: int = 0) -> np.ndarray:
        """`(m,)`: parameters from which a solver starts, the same in every layer.

        The states lie around `centre` `(d,)` and vary over `spread` `(d,)`, both in units of the state, for the time `horizon`.
        Here every parameter is 0.1. A field with parts that can be exchanged, such as hidden units, draws different parameters
        for each part with the seed, since parts that start equal stay equal. If parameters are equal nevertheless,
        `Problem.start` makes them different.
        """
        return np.full(self.parameters, START)

    def raised(self, extra: int) -> Field:
        """The field of the same kind on `R^{d + extra}`, for `Problem.augmented`; ArgumentError if there is no such field."""
        if not self.any_dim:
            raise mismatch(
                "field",
                f"a {type(self).__name__}, which is made for dimension {self.dim}",
                f"field=..., a field of dimension {self.dim + extra}",
            )
        return replace(self, dim=self.dim + extra)  # type: ignore[type-var]

    def spec(self) -> Spec | None:
        """JSON-ready arguments that rebuild the field; None if it holds user functions."""
        return None

    def check(self, x: np.ndarray | None = None, thetas: np.ndarray | None = None) -> None:
        """Evaluate the field once; raise ArgumentError if shapes are wrong, or no value is finite.

        Parameters
        ----------
        x : points `(n, d)` at which the field is defined, such as those of a law. By default they are random.
        thetas : parameters `(k, m)`; the field must be defined for at least one of them. By default they are random.
        """
        check_shapes(self, x, thetas)

    def check_derivatives(self, t: float, theta: np.ndarray, x: np.ndarray, scale: np.ndarray) -> None:
        """Compare `pullback` with central differences at a time, parameters `(m,)` and points `(n, d)`.

        `scale` `(d,)` are lengths over which F may vary. Raises ArgumentError for a derivative of the user's, NotAnalyticError
        for the complex step. The package's own fields are not checked here: its tests check their derivatives.
        """
        if not type(self).__module__.startswith(f"{__package__}."):
            check_pullback(self, t, theta, x, scale)


@dataclass(frozen=True)
class SumField(Field):
    """`F(t, theta, x) = sum_k F_k(t, theta_k, x)`; theta = (theta_1, theta_2, ..). Also written `a + b`.

    Parameters
    ----------
    fields : the F_k, all of one dimension; a sum among them is replaced by its summands.

    Raises
    ------
    ArgumentError
        If there are no fields, or their dimensions differ.

    Examples
    --------
    >>> from eulerian_mfc.fields import AffineField, NeuralField
    >>> (NeuralField(1) + AffineField(1)).parameter_names
    ('W (1)', 'b (1)', 'W (2)', 'b (2)')
    """

    fields: Sequence[Field]

    def __post_init__(self) -> None:
        parts = tuple(self.fields) if isinstance(self.fields, Iterable) else ()
        if not parts or not all(isinstance(f, Field) for f in parts):
            raise fail("fields", self.fields, "a non-empty list of fields, such as [fields.NeuralField(1)]")
        if len({f.dim for f in parts}) > 1:
            raise mismatch("fields", f"dimensions {[f.dim for f in parts]}", "fields of the same dimension")
        object.__setattr__(self, "fields", parts)

    @property
    def dim(self) -> int:  # type: ignore[override]
        return self.fields[0].dim

    @property
    def parameters(self) -> int:
        return sum(f.parameters for f in self.fields)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        names = [(name, k) for k, f in enumerate(self.fields) for name in f.parameter_names]
        if len({name for name, _ in names}) == len(names):
            return tuple(name for name, _ in names)
        return tuple(
            f"{name} ({k + 1})" for name, k in names
        )  # names of several fields are told apart by their numbers

    @property
    def speed_bound(self) -> float | None:  # type: ignore[override]
        bounds = [f.speed_bound for f in self.fields if f.speed_bound is not None]
        return None if len(bounds) < len(self.fields) else float(sum(bounds))

    @property
    def autonomous(self) -> bool:  # type: ignore[override]
        return all(f.autonomous for f in self.fields)

    @property
    def control_linear(self) -> bool:  # type: ignore[override]
        return all(f.control_linear for f in self.fields)

    def _parts(self, theta: np.ndarray) -> Iterator[tuple[Field, np.ndarray]]:
        """Every field with its part of the parameters `(m,)`."""
        return zip(self.fields, pieces(theta, [f.parameters for f in self.fields]), strict=True)

    def _moved(self, at: At, along: Direction) -> Iterator[tuple[Field, At, Direction]]:
        """Every field with its own `At` and its own direction."""
        for (field, part), (_, dpart) in zip(self._parts(at.theta), self._parts(along.theta), strict=True):
            yield field, field.at(at.t, part, at.x), Direction(dpart, along.x)

    def __call__(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return total(field(t, part, x) for field, part in self._parts(theta))

    def pullback(self, at: At, p: np.ndarray) -> Pulled:
        return joined(field.pullback(field.at(at.t, part, at.x), p) for field, part in self._parts(at.theta))

    def tangent(self, at: At, along: Direction) -> np.ndarray:
        return total(f.tangent(here, move) for f, here, move in self._moved(at, along))

    def pullback_tangent(self, at: At, p: np.ndarray, along: Direction, dp: np.ndarray) -> Pulled:
        return joined(f.pullback_tangent(here, p, move, dp) for f, here, move in self._moved(at, along))

    def start(self, centre: np.ndarray, spread: np.ndarray, horizon: float, seed: int = 0) -> np.ndarray:
        # Each field has its own seed: equal fields start at different parameters.
        return np.concatenate([f.start(centre, spread, horizon, seed + k) for k, f in enumerate(self.fields)])

    def check_derivatives(self, t: float, theta: np.ndarray, x: np.ndarray, scale: np.ndarray) -> None:
        for field, part in self._parts(theta):
            field.check_derivatives(t, part, x, scale)

    def raised(self, extra: int) -> SumField:
        return SumField([f.raised(extra) for f in self.fields])

    def spec(self) -> Spec | None:
        specs = [f.spec() for f in self.fields]
        return None if None in specs else {"type": "sum", "fields": specs}


@dataclass(frozen=True)
class ScaledField(Field):
    """`F(t, theta, x) = scale(t) G(t, theta, x)`. Also written `scale * field`.

    Parameters
    ----------
    field : the field G.
    scale : a dimensionless number, or a function of t (which a file cannot hold).

    Raises
    ------
    ArgumentError
        If `field` is not a field, or the scale is neither a finite number nor a function.

    Examples
    --------
    >>> from eulerian_mfc.fields import AffineField, ScaledField
    >>> field = ScaledField(AffineField(1, matrix=False), np.cos)
    >>> field(0.0, np.array([2.0]), np.array([[1.0]])).tolist(), field.autonomous
    ([[2.0]], False)
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

    def _inner(self, at: At) -> At:
        """The same place, with the value of G."""
        return self.field.at(at.t, at.theta, at.x)

    def __call__(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return self._at(t) * self.field(t, theta, x)

    def pullback(self, at: At, p: np.ndarray) -> Pulled:
        return self.field.pullback(self._inner(at), self._at(at.t) * p)

    def tangent(self, at: At, along: Direction) -> np.ndarray:
        return self._at(at.t) * self.field.tangent(self._inner(at), along)

    def pullback_tangent(self, at: At, p: np.ndarray, along: Direction, dp: np.ndarray) -> Pulled:
        scale = self._at(at.t)
        return self.field.pullback_tangent(self._inner(at), scale * p, along, scale * dp)

    def start(self, centre: np.ndarray, spread: np.ndarray, horizon: float, seed: int = 0) -> np.ndarray:
        return self.field.start(centre, spread, horizon, seed)

    def check_derivatives(self, t: float, theta: np.ndarray, x: np.ndarray, scale: np.ndarray) -> None:
        self.field.check_derivatives(t, theta, x, scale)

    def raised(self, extra: int) -> ScaledField:
        return ScaledField(self.field.raised(extra), self.scale)

    def spec(self) -> Spec | None:
        inner = self.field.spec()
        return (
            None if inner is None or callable(self.scale) else {"type": "scaled", "field": inner, "scale": self.scale}
        )
