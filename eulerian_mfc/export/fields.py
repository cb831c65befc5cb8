"""Fields as formulas over a few operations that PyTorch and ONNX have. An exportable field needs one entry here.

An entry names the blocks of theta, in order, and gives the formula of the value, with points as rows. The time is a number, so
that functions of time become constants of the layers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from .._validate import mismatch
from ..fields import (
    Activation,
    AffineField,
    AgrachevSarychevField,
    BottleneckField,
    Field,
    NeuralField,
    PolynomialField,
    RadialBasisField,
    ScaledField,
    SumField,
)

#: the values of a library's operations: a tensor, or the name of a node
V = TypeVar("V")
Form = TypeVar("Form")


class Operations(ABC, Generic[V]):
    """The operations in formulas; their values `(n, k)` are of the library's type."""

    @abstractmethod
    def constant(self, value: np.ndarray) -> V:
        """An array that is not a weight."""

    @abstractmethod
    def matmul(self, a: V, b: V) -> V: ...

    @abstractmethod
    def transposed(self, a: V) -> V: ...

    @abstractmethod
    def add(self, a: V, b: V) -> V: ...

    @abstractmethod
    def multiply(self, a: V, b: V) -> V: ...

    @abstractmethod
    def columns(self, parts: list[V]) -> V:
        """Columns `(n, 1)` side by side."""

    @abstractmethod
    def column(self, a: V, k: int) -> V:
        """`(n, 1)`: column k."""

    @abstractmethod
    def exp(self, a: V) -> V: ...

    @abstractmethod
    def activation(self, activation: Activation, a: V) -> V: ...

    @abstractmethod
    def mixed(self, row: np.ndarray, a: V, ndim: int) -> V:
        """`sum_i row_i a_i` over the first axis of a weight that has `ndim` axes more."""

    def linear(self, x: V, matrix: V, shift: V | None = None) -> V:
        """`x W^T + b`."""
        out = self.matmul(x, self.transposed(matrix))
        return out if shift is None else self.add(out, shift)


Blocks = dict[str, tuple[int, ...]]
FieldKind = TypeVar("FieldKind", bound=Field, contravariant=True)


class ValueOf(Protocol[FieldKind]):
    """A function that gives a field's value in the operations of a library."""

    def __call__(self, ops: Operations[V], field: FieldKind, w: dict[str, V], x: V, t: float, /) -> V: ...


@dataclass(frozen=True)
class Formula(Generic[FieldKind]):
    """`blocks(field)`: names and shapes; `value(ops, field, weights, x, t)`; `parts(field)`: the fields inside the field."""

    blocks: Callable[[FieldKind], Blocks]
    value: ValueOf[FieldKind]
    parts: Callable[[FieldKind], list[Field]] = lambda field: []


def _matrix_bias(field: NeuralField | AffineField) -> Blocks:
    d = field.dim
    matrix: Blocks = {"W": (d, d)} if isinstance(field, NeuralField) or field.matrix else {}
    return matrix | ({"b": (d,)} if field.bias else {})


def _neural(ops: Operations[V], field: NeuralField, w: dict[str, V], x: V, t: float) -> V:
    return ops.activation(field.sigma, ops.linear(x, w["W"], w.get("b")))


def _affine(ops: Operations[V], field: AffineField, w: dict[str, V], x: V, t: float) -> V:
    if not field.matrix:
        return ops.add(ops.multiply(x, ops.constant(np.zeros(1))), w["b"])
    return ops.linear(x, w["W"], w.get("b"))


def _bottleneck(ops: Operations[V], field: BottleneckField, w: dict[str, V], x: V, t: float) -> V:
    return ops.linear(ops.activation(field.sigma, ops.linear(x, w["W1"], w["b1"])), w["W2"], w["b2"])


def _bump(ops: Operations[V], x: V, centre: np.ndarray, width: float) -> V:
    """`(n, 1)`: `exp(-|x - centre|^2 / width^2)`."""
    z = ops.multiply(ops.add(x, ops.constant(-centre)), ops.constant(np.array([1.0 / width])))
    return ops.exp(ops.matmul(ops.multiply(z, z), ops.constant(-np.ones((len(centre), 1)))))


def _agrachev_sarychev(ops: Operations[V], field: AgrachevSarychevField, w: dict[str, V], x: V, t: float) -> V:
    return ops.add(ops.multiply(_bump(ops, x, np.zeros(field.dim), 1.0), w["bump"]), w["shift"])


def _radial_basis(ops: Operations[V], field: RadialBasisField, w: dict[str, V], x: V, t: float) -> V:
    bumps = ops.columns([_bump(ops, x, np.array(c), field.width) for c in field.centres])
    return ops.matmul(bumps, w["u"])


def _polynomial(ops: Operations[V], field: PolynomialField, w: dict[str, V], x: V, t: float) -> V:
    one = ops.exp(ops.multiply(ops.column(x, 0), ops.constant(np.zeros(1))))
    monomials = []
    for row in field.exponents:
        factors = [ops.column(x, i) for i, power in enumerate(row) for _ in range(power)]
        product = factors[0] if factors else one
        for factor in factors[1:]:
            product = ops.multiply(product, factor)
        monomials.append(product)
    return ops.matmul(ops.columns(monomials), w["u"])


def _sum_blocks(field: SumField) -> Blocks:
    """The blocks of the summands, numbered: `W_1`, `b_1`, `W_2`."""
    parts = enumerate(field.fields, 1)
    return {f"{name}_{i}": shape for i, part in parts for name, shape in formula(part).blocks(part).items()}


def _sum(ops: Operations[V], field: SumField, w: dict[str, V], x: V, t: float) -> V:
    values = []
    for i, part in enumerate(field.fields, 1):
        of_part = formula(part)
        values.append(of_part.value(ops, part, {name: w[f"{name}_{i}"] for name in of_part.blocks(part)}, x, t))
    return reduce(ops.add, values)


def _scaled(ops: Operations[V], field: ScaledField, w: dict[str, V], x: V, t: float) -> V:
    scale = field.scale(t) if callable(field.scale) else field.scale
    value = formula(field.field).value(ops, field.field, w, x, t)
    return ops.multiply(value, ops.constant(np.reshape(np.asarray(scale, dtype=np.float64), 1)))


FORMULAS: dict[type[Field], Formula[Any]] = {
    NeuralField: Formula(_matrix_bias, _neural),
    AffineField: Formula(_matrix_bias, _affine),
    BottleneckField: Formula(
        lambda f: {"W1": (f.width, f.dim), "b1": (f.width,), "W2": (f.dim, f.width), "b2": (f.dim,)}, _bottleneck
    ),
    AgrachevSarychevField: Formula(lambda f: {"shift": (f.dim,), "bump": (f.dim,)}, _agrachev_sarychev),
    RadialBasisField: Formula(lambda f: {"u": (len(f.centres), f.dim)}, _radial_basis),
    PolynomialField: Formula(lambda f: {"u": (len(f.exponents), f.dim)}, _polynomial),
    SumField: Formula(_sum_blocks, _sum, lambda f: list(f.fields)),
    ScaledField: Formula(lambda f: formula(f.field).blocks(f.field), _scaled, lambda f: [f.field]),
}


def at_times(field: Field, times: list[float]) -> Field:
    """The same field at these times, with functions of time replaced by their values, so that it can be pickled."""
    if isinstance(field, SumField):
        return SumField([at_times(part, times) for part in field.fields])
    if not isinstance(field, ScaledField):
        return field
    scale = field.scale
    if callable(scale):
        known = np.unique(times)
        scale = partial(np.interp, xp=known, fp=np.array([float(scale(float(t))) for t in known]))
    return ScaledField(at_times(field.field, times), scale)


def activations(field: Field) -> list[Activation]:
    """The activations of a field, and of the fields inside it."""
    own = [field.sigma] if isinstance(field, NeuralField | BottleneckField) else []
    return own + [a for part in formula(field).parts(field) for a in activations(part)]


def need_form(activation: Activation, form: Form | None, argument: str) -> Form:
    """The activation's form for a library (`argument` is its name in `Activation`); ArgumentError if there is none."""
    if form is None:
        raise mismatch(
            "field",
            f"the activation {activation.name!r}, which this export cannot write",
            f"fields.Activation({activation.name!r}, ..., {argument}=...)",
        )
    return form


def formula(field: Field) -> Formula[Any]:
    """The formula of a field; ArgumentError if it has none."""
    if type(field) not in FORMULAS:
        known = ", ".join(kind.__name__ for kind in FORMULAS)
        raise mismatch("field", f"a {type(field).__name__}", f"a field that can be exported: {known}")
    found = FORMULAS[type(field)]
    for part in found.parts(field):
        formula(part)
    return found
