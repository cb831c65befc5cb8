"""A user's own field, from a NumPy function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .._validate import array, fail, integer, mismatch, own, positive, returned, takes
from ..derivatives import differences
from ..derivatives.checks import check_derivative
from ..derivatives.complex_step import COMPLEX_STEP, complex_step_jacobian, complex_value, passed_as
from .base import Field
from .checks import THETA_POINTS
from .points import At, Direction, Pulled, guess

#: the largest number of parameters: each has a name
MOST_PARAMETERS = 1_000_000


@dataclass(frozen=True)
class CustomField(Field):
    """`F(t, theta, x) = function(t, theta, x)`.

    Parameters
    ----------
    function : `(t, theta (m,), x (n, d)) -> (n, d)`.
    dim : the dimension d.
    size : the number m of parameters; 0 for a drift, to which controlled fields are added.
    state_jacobian : `(t, theta, x) -> (n, d, d)`, entries dF_a/dx_b; by default computed by the complex step.
    parameter_jacobian : `(t, theta, x) -> (n, d, m)`, entries dF_a/dtheta_i; by default computed by the complex step.
    speed : a bound of `|F_i|` that holds for every control, in state units per time; None if there is no such bound.
    names : one name per parameter.
    autonomous : True if `function` does not depend on t: finite volumes then compute their face velocities once per layer.

    Derivatives are compared with central differences: once at random points, and again when a `Problem` is made, at points of
    the law and at several times and parameters.

    Raises
    ------
    NotAnalyticError
        If the complex step disagrees with the differences: the function is not analytic there, or computes in single precision.
    ArgumentError
        For passed derivatives that are wrong; arguments that are not functions; functions whose values have other shapes; names
        and numbers that do not fit.

    References
    ----------
    W. Squire, G. Trapp, Using complex variables to estimate derivatives of real functions, SIAM Review 40 (1998), 110-112,
    doi:10.1137/S003614459631241X (the complex step).

    Examples
    --------
    >>> from eulerian_mfc.fields import CustomField
    >>> field = CustomField(lambda t, theta, x: np.sin(theta[0] * x + t), dim=1, size=1, names=["frequency"])
    >>> field(0.0, np.array([0.0]), np.array([[3.0]])).tolist(), field.parameter_names
    ([[0.0]], ('frequency',))
    """

    function: Callable[[float, np.ndarray, np.ndarray], np.ndarray]
    dim: int
    size: int
    state_jacobian: Callable[[float, np.ndarray, np.ndarray], np.ndarray] | None = None
    parameter_jacobian: Callable[[float, np.ndarray, np.ndarray], np.ndarray] | None = None
    speed: float | None = None
    names: Sequence[str] | None = None
    autonomous: bool = False  # type: ignore[misc]

    def __post_init__(self) -> None:
        integer("dim", self.dim)
        integer("size", self.size, minimum=0, maximum=MOST_PARAMETERS)
        if not callable(self.function):
            raise fail("function", self.function, "a function (t, theta, x) -> velocities")
        takes("function", self.function, "t, theta, x")
        given = {"state_jacobian": self.state_jacobian, "parameter_jacobian": self.parameter_jacobian}
        for name, derivative in given.items():
            if derivative is None:
                continue
            if not callable(derivative):
                raise fail(name, derivative, "a function (t, theta, x) -> derivatives, or None")
            takes(name, derivative, "t, theta, x")
        if self.speed is not None:
            positive("speed", self.speed, allow_zero=True)
        if self.names is not None:
            texts = isinstance(self.names, list | tuple) and all(isinstance(n, str) for n in self.names)
            if not texts or len(self.names) != self.size or len(set(self.names)) != self.size:
                raise fail("names", self.names, f"{self.size} names, all different")
        rng = np.random.default_rng(0)
        x, theta, t = rng.normal(size=(5, self.dim)), rng.normal(size=self.size), 0.37
        with np.errstate(all="ignore"):  # it need not be defined at these points: a Problem checks those of its law
            value = array("function", self._value(t, theta, x), finite=False)
        if value.shape != x.shape:
            raise mismatch("function", f"a value of shape {value.shape} at points {x.shape}", f"the shape {x.shape}")
        self.check_derivatives(t, theta, x, np.ones(self.dim))

    def check_derivatives(self, t: float, theta: np.ndarray, x: np.ndarray, scale: np.ndarray) -> None:
        given = self.state_jacobian is not None
        name, at = "state_jacobian" if given else "function (in x)", f", t = {t:.3g}, theta = {theta.tolist()}"
        jacobian = lambda: self._in_state(t, theta, x)  # noqa: E731
        with passed_as("CustomField(..., state_jacobian=...), of (t, theta, x) with values (n, d, d)"):
            check_derivative(name, lambda z: self._value(t, theta, z), jacobian, x, given, scale, at)
        if not self.size:
            return
        # Differences in theta: each row is a parameter vector, evaluated at the same few points.
        few = x[:: max(1, len(x) // THETA_POINTS)]
        in_parameters = lambda: self._in_parameters(t, theta, few).reshape(1, -1, self.size)  # noqa: E731
        rows = lambda thetas: np.stack([self._value(t, row, few).ravel() for row in thetas])  # noqa: E731
        given = self.parameter_jacobian is not None
        name, at = "parameter_jacobian" if given else "function (in theta)", f" of theta, t = {t:.3g}"
        size = np.full(self.size, np.abs(theta).max())
        with passed_as("CustomField(..., parameter_jacobian=...), of (t, theta, x) with values (n, d, m)"):
            check_derivative(name, rows, in_parameters, theta[None], given, size, at, self.dim)

    @property
    def parameters(self) -> int:
        return self.size

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return super().parameter_names if self.names is None else tuple(self.names)

    @property
    def speed_bound(self) -> float | None:  # type: ignore[override]
        return self.speed

    def __call__(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return self._value(t, theta, x).astype(np.float64, copy=False)

    def _value(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return returned("function", self.function(t, own(theta), own(x)))

    def pullback(self, at: At, p: np.ndarray) -> Pulled:
        px = np.einsum("nab,na->nb", self._in_state(at.t, at.theta, at.x), p)
        return px, np.einsum("nai,na->i", self._in_parameters(at.t, at.theta, at.x), p)

    def tangent(self, at: At, along: Direction) -> np.ndarray:
        here = at.t, at.theta, at.x
        in_state, in_parameters = self._in_state(*here), self._in_parameters(*here)
        return np.einsum("nab,nb->na", in_state, along.x) + np.einsum("nai,i->na", in_parameters, along.theta)

    def pullback_tangent(self, at: At, p: np.ndarray, along: Direction, dp: np.ndarray) -> Pulled:
        n = len(at.x)

        def jacobians(s: float) -> Pulled:
            there = at.moved(s, along)
            return self._in_state(*there).reshape(n, -1), self._in_parameters(*there).reshape(n, -1)

        in_state, in_parameters = (
            part.reshape(n, self.dim, -1) for part in differences.along(jacobians, guess(at, along))
        )
        px, ptheta = self.pullback(at, dp)
        return px + np.einsum("nab,na->nb", in_state, p), ptheta + np.einsum("nai,na->i", in_parameters, p)

    def _in_state(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        if self.state_jacobian is not None:
            return returned("state_jacobian", self.state_jacobian(t, own(theta), own(x)), np.float64)
        return complex_step_jacobian(lambda z: self._value(t, theta, z), x, "function (in x)")

    def _in_parameters(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        if self.parameter_jacobian is not None:
            return returned("parameter_jacobian", self.parameter_jacobian(t, own(theta), own(x)), np.float64)
        out = np.empty((*x.shape, self.size))
        for i in range(self.size):
            shifted = theta.astype(np.complex128)
            shifted[i] += 1j * COMPLEX_STEP
            value = complex_value(lambda c: self._value(t, c, x), shifted, "function (in theta)")
            out[:, :, i] = value.imag / COMPLEX_STEP
        return out
