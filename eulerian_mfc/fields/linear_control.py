"""Fields that are linear in the control."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from .._validate import array, fail, integer, mismatch, own, returned, takes
from ..derivatives import differences
from ..derivatives.checks import check_derivative
from ..derivatives.complex_step import complex_step_jacobian, passed_as
from ..kernels.sums import paired
from .base import Field
from .points import At, Direction, Pulled, guess

VectorField = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class LinearControlField(Field):
    """`F(u, x) = sum_i u_i F_i(x)`.

    Parameters
    ----------
    fields : the vector fields F_i, functions `(n, d) -> (n, d)`.
    dim : the dimension d.
    jacobians : their derivatives, functions `(n, d) -> (n, d, d)` with entries dF_a/dx_b. By default the complex step is
        used, and checked against finite differences as in CustomField.

    Raises
    ------
    NotAnalyticError
        If a field has no usable complex-step derivative.
    ArgumentError
        If there are no functions, or their values have other shapes.

    References
    ----------
    A. A. Agrachev, A. V. Sarychev, Control in the spaces of ensembles of points, SIAM J. Control Optim. 58 (2020),
    1579-1596, doi:10.1137/19M1273049.
    W. Squire, G. Trapp, Using complex variables to estimate derivatives of real functions, SIAM Review 40 (1998), 110-112,
    doi:10.1137/S003614459631241X (the complex step).

    Examples
    --------
    >>> from eulerian_mfc.fields import LinearControlField
    >>> field = LinearControlField([lambda x: x, lambda x: x**2], dim=1)
    >>> field(0.0, np.array([1.0, 10.0]), np.array([[2.0]])).tolist()  # x + 10 x^2
    [[42.0]]
    """

    fields: Sequence[VectorField]
    dim: int
    jacobians: Sequence[VectorField] | None = None

    control_linear: ClassVar[bool] = True

    def __post_init__(self) -> None:
        integer("dim", self.dim)
        fields = tuple(self.fields) if isinstance(self.fields, Iterable) else ()
        if not fields or not all(callable(f) for f in fields):
            raise fail("fields", self.fields, "a non-empty sequence of functions (n, d) -> (n, d), such as [numpy.sin]")
        object.__setattr__(self, "fields", fields)
        if self.jacobians is not None and not all(callable(j) for j in self.jacobians):
            raise fail("jacobians", self.jacobians, "functions (n, d) -> (n, d, d)")
        if self.jacobians is not None and len(tuple(self.jacobians)) != len(fields):
            raise mismatch(
                "jacobians", f"{len(tuple(self.jacobians))} functions", f"one function per field, {len(fields)} in all"
            )
        x = np.random.default_rng(0).normal(size=(5, self.dim))
        for i, f in enumerate(fields):
            takes(f"fields[{i}]", f, "x")
            with np.errstate(all="ignore"):  # it need not be defined at these points: a Problem checks those of its law
                value = array(f"fields[{i}]", f(own(x)), finite=False)
            if value.shape != x.shape:
                raise mismatch(
                    f"fields[{i}]", f"a value of shape {value.shape} at points {x.shape}", f"the shape {x.shape}"
                )
        self.check_derivatives(0.0, np.ones(len(fields)), x, np.ones(self.dim))

    def check_derivatives(self, t: float, theta: np.ndarray, x: np.ndarray, scale: np.ndarray) -> None:
        given = self.jacobians is not None
        for i, f in enumerate(self.fields):
            name = f"jacobians[{i}]" if given else f"fields[{i}]"
            with passed_as(
                "LinearControlField(fields, dim, jacobians=[...]), with one function per field, of x with "
                "values (n, d, d)"
            ):
                check_derivative(name, f, partial(self._jacobian, i, x), x, given, scale)

    def _jacobian(self, i: int, x: np.ndarray) -> np.ndarray:
        if self.jacobians is not None:
            return returned(f"jacobians[{i}]", self.jacobians[i](own(x)))
        return complex_step_jacobian(self.fields[i], x, f"fields[{i}]")

    @property
    def parameters(self) -> int:
        return len(self.fields)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(f"u{i + 1}" for i in range(len(self.fields)))

    def __call__(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        out = theta[0] * self.fields[0](own(x))
        for u, f in zip(theta[1:], self.fields[1:], strict=True):
            out = out + u * f(own(x))
        return returned("fields", out)

    def pullback(self, at: At, p: np.ndarray) -> Pulled:
        px = np.zeros_like(p)
        for i, u in enumerate(at.theta):
            px += u * np.einsum("nab,na->nb", self._jacobian(i, at.x), p)
        return px, np.array([paired(f(own(at.x)), p) for f in self.fields])

    def tangent(self, at: At, along: Direction) -> np.ndarray:
        out = self(at.t, along.theta, at.x)  # linear in theta
        for i, u in enumerate(at.theta):
            out = out + u * np.einsum("nab,nb->na", self._jacobian(i, at.x), along.x)
        return out

    def pullback_tangent(self, at: At, p: np.ndarray, along: Direction, dp: np.ndarray) -> Pulled:
        n, x, fields = len(at.x), at.x, range(len(self.fields))
        still = along._replace(theta=np.zeros_like(along.theta))
        bends = differences.along(
            lambda s: tuple(self._jacobian(i, x + s * along.x).reshape(n, -1) for i in fields), guess(at, still)
        )
        px = self.pullback(at, dp)[0] + self.pullback(at._replace(theta=along.theta), p)[0]
        ptheta = np.empty(len(self.fields))
        for i, (u, bend) in enumerate(zip(at.theta, bends, strict=True)):
            px = px + u * np.einsum("nab,na->nb", bend.reshape(n, self.dim, self.dim), p)
            moved = np.einsum("nab,nb->na", self._jacobian(i, x), along.x)
            ptheta[i] = paired(moved, p) + paired(self.fields[i](own(x)), dp)
        return px, ptheta
