"""A user's own field, from a NumPy function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .._validate import array, fail, integer, mismatch, own, positive, returned, takes
from .base import THETA_POINTS, Field, guess
from .derivatives import COMPLEX_STEP, check_derivative, complex_step_jacobian, complex_value, passed_as
from .differences import along


@dataclass(frozen=True)
class CustomField(Field):
    """`F(t, theta, x) = function(t, theta, x)`.

    Parameters
    ----------
    function : `(t, theta (m,), x (n, d)) -> (n, d)`.
    dim : the dimension d.
    size : the number m of parameters.
    state_jacobian : `(t, theta, x) -> (n, d, d)`, entries dF_a/dx_b; by the complex step where not given.
    parameter_jacobian : `(t, theta, x) -> (n, d, m)`, entries dF_a/dtheta_i; by the complex step where not given.
    speed : a bound of `|F_i|` for every control, in state units per time, where there is one.
    names : one name a parameter.
    autonomous : say so where `function` does not depend on t: finite volumes then keep their face velocities in a layer.

    Derivatives are compared with central differences: once at random points, and at points of the law, at several times and
    parameters, where a `Problem` is made.

    Raises
    ------
    NotAnalyticError
        If the complex step disagrees with them: the function is not analytic there, or computes in single precision.
    ArgumentError
        For derivatives that were passed and are wrong; functions that are none, or whose values have other shapes; names and
        numbers that do not fit.

    References
    ----------
    W. Squire, G. Trapp, Using complex variables to estimate derivatives of real functions, SIAM Review 40 (1998), 110-112,
    doi:10.1137/S003614459631241X (the complex step).
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
        integer("size", self.size)
        if not callable(self.function):
            raise fail("function", self.function, "a function (t, theta, x) -> velocities")
        takes("function", self.function, "t, theta, x")
        for name in ("state_jacobian", "parameter_jacobian"):
            derivative = getattr(self, name)
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
        with np.errstate(all="ignore"):  # it need not be defined at these points: a Problem looks at those of its law
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
        # Differences in theta: the same few points for every row, so that rows stand for parameter vectors.
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

    def pullback(
        self, t: float, theta: np.ndarray, x: np.ndarray, value: np.ndarray, p: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        px = np.einsum("nab,na->nb", self._in_state(t, theta, x), p)
        return px, np.einsum("nai,na->i", self._in_parameters(t, theta, x), p)

    def tangent(
        self, t: float, theta: np.ndarray, x: np.ndarray, value: np.ndarray, dtheta: np.ndarray, dx: np.ndarray
    ) -> np.ndarray:
        in_state, in_parameters = self._in_state(t, theta, x), self._in_parameters(t, theta, x)
        return np.einsum("nab,nb->na", in_state, dx) + np.einsum("nai,i->na", in_parameters, dtheta)

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
        n = len(x)

        def jacobians(s: float) -> tuple[np.ndarray, np.ndarray]:
            at = t, theta + s * dtheta, x + s * dx
            return self._in_state(*at).reshape(n, -1), self._in_parameters(*at).reshape(n, -1)

        in_state, in_parameters = (
            part.reshape(n, self.dim, -1) for part in along(jacobians, guess(theta, x, dtheta, dx))
        )
        px, ptheta = self.pullback(t, theta, x, value, dp)
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
