"""Fields that are gradients of functions: a drift down a potential, and controls that are combinations of gradients."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from .._validate import array, fail, integer, mismatch, own, returned, takes
from ..derivatives import differences
from ..derivatives.checks import check_derivative
from ..derivatives.complex_step import COMPLEX_STEP, complex_step_jacobian, complex_value, passed_as
from ..kernels.sums import paired
from .base import Field
from .points import At, Direction, Pulled, guess

#: a function of points `(n, d)` with values `(n,)`
Potential = Callable[[np.ndarray], np.ndarray]
#: its gradient, a function of points `(n, d)` with values `(n, d)`
Gradient = Callable[[np.ndarray], np.ndarray]


class GradientsField(Field):
    """`F(theta, x) = sum_k c_k(theta) grad alpha_k(x)` for coefficients that are constant or linear in theta: a common base.

    A gradient that is not given is computed by the complex step; its derivatives then are four-point differences of it, with an
    error of about 1e-11. The derivatives of a gradient that is given are computed by the complex step, exactly.
    """

    @property
    @abstractmethod
    def named(self) -> Sequence[tuple[str, Potential, str, Gradient | None]]:
        """For every function its name in messages and itself, and for its gradient the same; None if that is not given."""

    @abstractmethod
    def coefficients(self, theta: np.ndarray) -> np.ndarray:
        """`(K,)`: the c_k."""

    @abstractmethod
    def change(self, theta: np.ndarray) -> np.ndarray:
        """`(K,)`: how the c_k change if parameters change by theta `(m,)`."""

    @abstractmethod
    def of_parameters(self, slopes: np.ndarray) -> np.ndarray:
        """`(m,)`: derivatives in the parameters from those in the c_k `(K,)`."""

    def checked(self) -> None:
        """Raise an ArgumentError unless every function has values `(n,)` and every gradient `(n, d)`; and check derivatives."""
        integer("dim", self.dim)
        x = np.random.default_rng(0).normal(size=(5, self.dim))
        for name, potential, of_gradient, gradient in self.named:
            for label, function, kind, shape in (
                (name, potential, "(n,)", (len(x),)),
                (of_gradient, gradient, "(n, d)", x.shape),
            ):
                if function is None:
                    continue
                if not callable(function):
                    raise fail(label, function, f"a function of points (n, d) with values {kind}")
                takes(label, function, "x")
                with np.errstate(
                    all="ignore"
                ):  # it need not be defined at these points: a Problem checks those of its law
                    value = array(label, function(own(x)), finite=False)
                if value.shape != shape:
                    raise mismatch(label, f"a value of shape {value.shape} at points {x.shape}", f"the shape {shape}")
        self.check_derivatives(0.0, np.ones(self.parameters), x, np.ones(self.dim))

    def check_derivatives(self, t: float, theta: np.ndarray, x: np.ndarray, scale: np.ndarray) -> None:
        for k, (name, potential, of_gradient, given) in enumerate(self.named):
            column = lambda z, f=potential, n=name: returned(n, f(own(z)))[:, None]  # noqa: E731
            label, gradient = name if given is None else of_gradient, self._gradient(k, x)[:, None]
            with passed_as(f"{type(self).__name__}(...) with the gradient, a function of x with values (n, d)"):
                check_derivative(label, column, gradient, x, given is not None, scale)
            if given is not None:
                with passed_as("leave out the gradient, which is then computed"):
                    check_derivative(
                        of_gradient, partial(self._gradient, k), partial(self._hessian, k, x), x, False, scale
                    )

    def _gradient(self, k: int, x: np.ndarray) -> np.ndarray:
        """`(n, d)`: the gradient of function k."""
        name, potential, of_gradient, given = self.named[k]
        if given is not None:
            return returned(of_gradient, given(own(x)), np.float64)
        out = np.empty(x.shape)
        for axis in range(self.dim):
            z = x.astype(np.complex128)
            z[:, axis] += 1j * COMPLEX_STEP
            out[:, axis] = complex_value(lambda z: returned(name, potential(z)), z, name).imag / COMPLEX_STEP
        return out

    def _hessian(self, k: int, x: np.ndarray) -> np.ndarray:
        """`(n, d, d)`: the second derivatives of function k."""
        _, _, of_gradient, given = self.named[k]
        if given is not None:
            return complex_step_jacobian(lambda z: returned(of_gradient, given(z)), x, of_gradient)
        columns = []
        for axis in np.eye(self.dim):
            along = Direction(np.empty(0), np.tile(axis, (len(x), 1)))
            far = guess(At(0.0, np.empty(0), x, x), along)
            columns.append(differences.along(lambda s, a=axis: (self._gradient(k, x + s * a),), far)[0])  # type: ignore[misc]
        hessian = np.stack(columns, axis=2)
        return 0.5 * (hessian + hessian.transpose(0, 2, 1))

    def _all_gradients(self, x: np.ndarray) -> np.ndarray:
        """`(K, n, d)`."""
        return np.stack([self._gradient(k, x) for k in range(len(self.named))])

    def _bent(self, coefficients: np.ndarray, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        """`sum_k c_k H_k v`, `(n, d)`, for vectors v `(n, d)`."""
        out = np.zeros_like(v)
        for k, c in enumerate(coefficients):
            out += c * np.einsum("nab,nb->na", self._hessian(k, x), v)
        return out

    def __call__(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.einsum("k,kna->na", self.coefficients(theta), self._all_gradients(x))

    def pullback(self, at: At, p: np.ndarray) -> Pulled:
        slopes = np.array([paired(gradient, p) for gradient in self._all_gradients(at.x)])
        return self._bent(self.coefficients(at.theta), at.x, p), self.of_parameters(slopes)

    def tangent(self, at: At, along: Direction) -> np.ndarray:
        moved = np.einsum("k,kna->na", self.change(along.theta), self._all_gradients(at.x))
        return moved + self._bent(self.coefficients(at.theta), at.x, along.x)

    def pullback_tangent(self, at: At, p: np.ndarray, along: Direction, dp: np.ndarray) -> Pulled:
        x, c, still = at.x, self.coefficients(at.theta), along._replace(theta=np.zeros_like(along.theta))
        (third,) = differences.along(lambda s: (self._bent(c, x + s * along.x, p),), guess(at, still))
        px = third + self._bent(c, x, dp) + self._bent(self.change(along.theta), x, p)
        moved = [np.einsum("nab,nb->na", self._hessian(k, x), along.x) for k in range(len(self.named))]
        pairs = zip(moved, self._all_gradients(x), strict=True)
        return px, self.of_parameters(np.array([paired(m, p) + paired(g, dp) for m, g in pairs]))


@dataclass(frozen=True)
class PotentialField(GradientsField):
    """`F(x) = -strength grad V(x)`: a drift down a potential, without parameters; a summand of a controlled field.

    Written as in papers, the drift and what is controlled are added: `PotentialField(V, dim=2) + AffineField(2, matrix=False)`
    is `-grad V(x) + u`. Alone it has nothing to control, and a `Problem` refuses it. `scale * PotentialField(V, dim)`, with a
    function `scale` of time, is a potential whose strength depends on time.

    Parameters
    ----------
    potential : V, a function of points `(n, d)` with values `(n,)`, in units of state squared per time.
    dim : the dimension d.
    gradient : grad V, a function of points with values `(n, d)`. By default it is computed by the complex step, and its
        derivatives by differences of it, with an error of about 1e-11.
    strength : a number that multiplies V.

    Raises
    ------
    NotAnalyticError
        If V, or the gradient that is given, has no usable complex-step derivative.
    ArgumentError
        If V or the gradient is not a function, has values of another shape, or the gradient is not that of V.

    References
    ----------
    W. Squire, G. Trapp, Using complex variables to estimate derivatives of real functions, SIAM Review 40 (1998), 110-112,
    doi:10.1137/S003614459631241X (the complex step).

    Examples
    --------
    >>> from eulerian_mfc.fields import AffineField, PotentialField
    >>> wells = PotentialField(lambda x: ((x**2 - 1.0) ** 2).sum(axis=1) / 4.0, dim=1)  # F = x - x^3
    >>> wells(0.0, np.empty(0), np.array([[2.0]])).tolist(), wells.parameters
    ([[-6.0]], 0)
    >>> (wells + AffineField(1, matrix=False))(0.0, np.array([5.0]), np.array([[2.0]])).tolist()
    [[-1.0]]
    """

    potential: Potential
    dim: int
    gradient: Gradient | None = None
    strength: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", array("strength", self.strength, ndim=0, like="strength=1.0").item())
        self.checked()

    @property
    def named(self) -> Sequence[tuple[str, Potential, str, Gradient | None]]:
        return [("potential", self.potential, "gradient", self.gradient)]

    @property
    def parameters(self) -> int:
        return 0

    def coefficients(self, theta: np.ndarray) -> np.ndarray:
        return np.array([-self.strength])

    def change(self, theta: np.ndarray) -> np.ndarray:
        return np.zeros(1)

    def of_parameters(self, slopes: np.ndarray) -> np.ndarray:
        return np.empty(0)


@dataclass(frozen=True)
class GradientField(GradientsField):
    """`F(u, x) = sum_k u_k grad alpha_k(x)`: controlled gradients.

    Parameters
    ----------
    potentials : the alpha_k, functions of points `(n, d)` with values `(n,)`.
    dim : the dimension d.
    gradients : the grad alpha_k, one function per potential, of points with values `(n, d)`. By default they are computed by the
        complex step, and their derivatives by differences, with an error of about 1e-11.

    Raises
    ------
    NotAnalyticError
        If a potential, or a gradient that is given, has no usable complex-step derivative.
    ArgumentError
        If there are no functions, their values have other shapes, or a gradient is not that of its potential.

    References
    ----------
    W. Squire, G. Trapp, Using complex variables to estimate derivatives of real functions, SIAM Review 40 (1998), 110-112,
    doi:10.1137/S003614459631241X (the complex step).

    Examples
    --------
    >>> from eulerian_mfc.fields import GradientField
    >>> field = GradientField([lambda x: x[:, 0], lambda x: np.cos(x[:, 1])], dim=2)
    >>> field(0.0, np.array([3.0, 1.0]), np.array([[0.0, np.pi / 2.0]])).tolist()
    [[3.0, -1.0]]
    """

    potentials: Sequence[Potential]
    dim: int
    gradients: Sequence[Gradient] | None = None

    control_linear: ClassVar[bool] = True

    def __post_init__(self) -> None:
        potentials = tuple(self.potentials) if isinstance(self.potentials, Iterable) else ()
        if not potentials:
            raise fail("potentials", self.potentials, "a non-empty sequence of functions (n, d) -> (n,)")
        object.__setattr__(self, "potentials", potentials)
        if self.gradients is not None:
            gradients = tuple(self.gradients) if isinstance(self.gradients, Iterable) else ()
            if len(gradients) != len(potentials):
                expected = f"one function per potential, {len(potentials)} in all"
                raise mismatch("gradients", f"{len(gradients)} functions", expected)
            object.__setattr__(self, "gradients", gradients)
        self.checked()

    @property
    def named(self) -> Sequence[tuple[str, Potential, str, Gradient | None]]:
        gradients = [None] * len(self.potentials) if self.gradients is None else self.gradients
        pairs = enumerate(zip(self.potentials, gradients, strict=True))
        return [(f"potentials[{k}]", potential, f"gradients[{k}]", gradient) for k, (potential, gradient) in pairs]

    @property
    def parameters(self) -> int:
        return len(self.potentials)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(f"u{k + 1}" for k in range(len(self.potentials)))

    def coefficients(self, theta: np.ndarray) -> np.ndarray:
        return theta

    def change(self, theta: np.ndarray) -> np.ndarray:
        return theta

    def of_parameters(self, slopes: np.ndarray) -> np.ndarray:
        return slopes
