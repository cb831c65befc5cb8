"""What every controlled vector field offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple, TypeGuard

import numpy as np

from .._validate import mismatch
from .derivatives import check_derivative
from .differences import along, length

#: every parameter of a first control, where a field has nothing better
START = 0.1
#: points at which derivatives in theta are compared with differences
THETA_POINTS = 6


class Field(ABC):
    """A controlled vector field `F(t, theta, x)` on R^d with parameters `theta` in R^m.

    Points are rows: `x` is `(n, d)` and so is the value, in state units per time; t is in units of time, theta in what F makes of
    it.

    Attributes
    ----------
    dim : the dimension d.
    parameters : the number m.

    Raises
    ------
    ArgumentError
        From `check`, before a problem is solved, if shapes or values are wrong.
    """

    dim: int
    #: a bound of `|F_i|` that holds for every control, or None where there is none
    speed_bound: ClassVar[float | None] = None

    #: whether F does not depend on t
    autonomous: ClassVar[bool] = True
    #: whether F is linear in theta, so that the control equation can be solved for theta explicitly
    control_linear: ClassVar[bool] = False
    #: whether `dim` can be anything, all else the same
    any_dim: ClassVar[bool] = False

    @property
    @abstractmethod
    def parameters(self) -> int:
        """The number m of parameters."""

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """One name a parameter, for tables and figures."""
        return tuple(f"theta{i + 1}" for i in range(self.parameters))

    @abstractmethod
    def __call__(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The velocities `(n, d)` at the points `x` `(n, d)`."""

    @abstractmethod
    def pullback(
        self, t: float, theta: np.ndarray, x: np.ndarray, value: np.ndarray, p: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """`D_x F(x_j)^T p_j` row by row, `(n, d)`, and `sum_j D_theta F(x_j)^T p_j`, `(m,)`, for covectors p `(n, d)`.

        `value` is `F(t, theta, x)`, which the caller has: a field may use it to save work.
        """

    def tangent(
        self, t: float, theta: np.ndarray, x: np.ndarray, value: np.ndarray, dtheta: np.ndarray, dx: np.ndarray
    ) -> np.ndarray:
        """`D_theta F dtheta + D_x F dx`, `(n, d)`: the derivative of F in the direction `(dtheta (m,), dx (n, d))`.

        Here by four-point differences, error about 1e-11; the package's own fields have it exactly.
        """
        (change,) = along(lambda s: (self(t, theta + s * dtheta, x + s * dx),), guess(theta, x, dtheta, dx))
        return change

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
        """The derivative of `pullback` in the direction `(dtheta, dx, dp)`: `(n, d)` and `(m,)`; see `tangent`."""

        def moved(s: float) -> tuple[np.ndarray, np.ndarray]:
            at = theta + s * dtheta, x + s * dx
            px, ptheta = self.pullback(t, *at, self(t, *at), p)
            return px, ptheta[None]

        # What is summed over points may cancel, but hardly so with random signs: the size of its round-off.
        signs = np.random.default_rng(0).choice([-1.0, 1.0], size=p.shape)
        sizes, sums = self.pullback(t, theta, x, value, signs * p)
        changed, (slope,) = along(moved, guess(theta, x, dtheta, dx), (sizes, sums[None]))
        px, ptheta = self.pullback(t, theta, x, value, dp)  # linear in p
        return px + changed, ptheta + slope

    def __add__(self, other: Any) -> Field:
        """`a + b`, with parameters of their own; see `SumField`."""
        from .combined import SumField

        return SumField([self, other]) if isinstance(other, Field) else NotImplemented

    def __rmul__(self, scale: Any) -> Field:
        """`scale * field` for a number or a function of time; see `ScaledField`."""
        from .combined import ScaledField

        return ScaledField(self, scale)

    def start(self, centre: np.ndarray, spread: np.ndarray, horizon: float, seed: int = 0) -> np.ndarray:
        """`(m,)`: parameters for a solver to start from, in every layer.

        The states are around `centre` `(d,)` and vary over `spread` `(d,)`, both in units of the state, for the time `horizon`.
        Here 0.1 everywhere. A field whose parts can be exchanged, such as hidden units, has others for each of them, random with
        the seed: what starts equal stays equal. `Problem.start` tells apart what is equal nevertheless.
        """
        return np.full(self.parameters, START)

    def raised(self, extra: int) -> Field:
        """The field of the same kind on `R^{d + extra}`, for `Problem.augmented`; ArgumentError where there is none."""
        if not self.any_dim:
            raise mismatch(
                "field",
                f"a {type(self).__name__}, which is made for dimension {self.dim}",
                f"field=..., a field of dimension {self.dim + extra}",
            )
        return replace(self, dim=self.dim + extra)  # type: ignore[type-var]

    def spec(self) -> dict[str, Any] | None:
        """JSON-ready arguments that rebuild the field, or None where it holds user functions."""
        return None

    def check(self, x: np.ndarray | None = None, thetas: np.ndarray | None = None) -> None:
        """Evaluate the field once; raise ArgumentError where shapes are wrong, or no value is finite.

        Parameters
        ----------
        x : points `(n, d)` at which the field is defined, such as those of a law; random ones where not given.
        thetas : parameters `(k, m)`, one of which the field is defined for; random ones where not given.
        """
        rng = np.random.default_rng(0)
        points, parameters = rng.normal(size=(5, self.dim)), rng.normal(size=(1, self.parameters))
        where = "random points" if x is None else "points of the law"
        x, thetas = points if x is None else x, parameters if thetas is None else thetas
        theta = thetas[0]
        with np.errstate(all="ignore"):
            for theta in thetas:
                value = np.asarray(self(0.0, theta, x))
                if value.shape != x.shape:
                    got = f"a value of shape {value.shape} at points {x.shape}"
                    raise mismatch("field", got, f"the shape {x.shape} of the points")
                if np.isfinite(value).all(axis=1).any():
                    break
            else:
                raise mismatch(
                    "field",
                    f"values that are not finite, at any of {len(x)} {where} such as x = {x[0].tolist()} (theta = "
                    f"{theta.tolist()}, t = 0)",
                    "finite velocities where the law has its mass: move the law, change the field, or give `bounds` within which "
                    "all parameters are allowed",
                )
            px, ptheta = self.pullback(0.0, theta, x, value, np.ones_like(x))
        if px.shape != x.shape or ptheta.shape != theta.shape:
            got = f"shapes {px.shape} and {ptheta.shape}"
            raise mismatch("field.pullback", got, f"shapes {x.shape} and {theta.shape}")

    def check_derivatives(self, t: float, theta: np.ndarray, x: np.ndarray, scale: np.ndarray) -> None:
        """Compare `pullback` with central differences at a time, parameters `(m,)` and points `(n, d)`.

        `scale` `(d,)` are lengths over which F may vary. Raises ArgumentError, or NotAnalyticError for the complex step. The
        package's own fields are not looked at here: its tests know their derivatives.
        """
        if type(self).__module__.startswith(f"{__package__}."):
            return
        p = np.random.default_rng(0).normal(size=self.dim)
        along = lambda row, z: np.asarray(self(t, row, z) @ p)[:, None]  # noqa: E731
        at = f", t = {t:.3g}, theta = {theta.tolist()}"
        name = "field.pullback (in x)"
        px, _ = self.pullback(t, theta, x, self(t, theta, x), np.tile(p, (len(x), 1)))
        check_derivative(name, lambda z: along(theta, z), px[:, None], x, True, scale, at)
        # In one direction of the parameters, each of its own size.
        few, u = x[:: max(1, len(x) // THETA_POINTS)], theta * np.random.default_rng(1).uniform(0.5, 1.0, len(theta))
        slopes = [self.pullback(t, theta, z, self(t, theta, z), p[None])[1] @ u for z in few[:, None]]
        rows = lambda shares: np.concatenate([along(theta + s * u, few).T for s in shares[:, 0]])  # noqa: E731
        name, at = "field.pullback (in theta)", f" of theta, t = {t:.3g}, theta = {theta.tolist()}"
        check_derivative(name, rows, np.array(slopes)[None, :, None], np.zeros((1, 1)), True, np.ones(1), at, 1)


class Steps(NamedTuple):
    """Equal steps of a Runge-Kutta method (`reach`, `weights`: see `characteristics.Tableau`), each of length `dt`."""

    reach: np.ndarray
    weights: np.ndarray
    dt: float
    number: int

    @property
    def pointed(self) -> tuple[int, np.ndarray, np.ndarray, float, int]:
        """As the compiled layer maps take it."""
        return len(self.reach), self.reach, self.weights, self.dt, self.number


class CompiledField(Field):
    """A field `sigma(W x + b)` whose layer maps are compiled, so that no interpreter runs between their stages.

    `compiled` tells whether they are those of its `__call__` and `pullback`: not where a subclass has others.
    """

    @property
    @abstractmethod
    def compiled(self) -> bool:
        """Whether `trace` and `pull` may stand for `__call__` and `pullback`."""

    @abstractmethod
    def kernel_arguments(self, theta: np.ndarray) -> tuple[int, int, np.ndarray, np.ndarray]:
        """What `_neural_kernels` need to know: the activation's code, d, W `(d, d)` and b `(d,)`."""

    @property
    @abstractmethod
    def addresses(self) -> tuple[int, int]:
        """Of the compiled layer map and of its pull-back."""

    @abstractmethod
    def trace(self, theta: np.ndarray, steps: Steps, x: np.ndarray, keep: bool) -> tuple[np.ndarray, np.ndarray]:
        """Images `(n, d)` of the points x `(n, d)`, and, to `keep`, what `pull` needs beside x."""

    @abstractmethod
    def pull(
        self, theta: np.ndarray, steps: Steps, x: np.ndarray, kept: np.ndarray, p: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Exact transposed derivatives of `trace` at x: for covectors p `(n, d)` at the end, `(n, d)` and `(m,)`."""


def is_compiled(field: Any) -> TypeGuard[CompiledField]:
    """Whether the field's layer maps are to be had compiled."""
    return isinstance(field, CompiledField) and field.compiled


def guess(theta: np.ndarray, x: np.ndarray, dtheta: np.ndarray, dx: np.ndarray) -> float:
    """How far a field is followed along `(dtheta, dx)` until it changes, to begin with: see `differences.along`."""
    spread = np.ptp(x, axis=0) if len(x) else np.zeros(x.shape[1])
    return length((dtheta, np.abs(theta).max(initial=0.0)), (dx, spread))
