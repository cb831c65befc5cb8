"""Checks of a user's own field: its shapes, and its pull-back, which is compared with differences."""

from __future__ import annotations

import numpy as np

from .._validate import mismatch
from ..derivatives.checks import check_derivative
from .differentiable import DifferentiableField
from .points import At

#: points at which derivatives in theta are compared with differences
THETA_POINTS = 6


def check_shapes(field: DifferentiableField, x: np.ndarray | None = None, thetas: np.ndarray | None = None) -> None:
    """Evaluate a field once; ArgumentError where shapes are wrong, or no value is finite.

    Parameters
    ----------
    field : the user's field.
    x : points `(n, d)` at which the field is defined, such as those of a law. By default they are random.
    thetas : parameters `(k, m)`; the field must be defined for at least one of them. By default they are random.

    Examples
    --------
    >>> from eulerian_mfc.fields import AffineField
    >>> check_shapes(AffineField(2))
    """
    rng = np.random.default_rng(0)
    points, parameters = rng.normal(size=(5, field.dim)), rng.normal(size=(1, field.parameters))
    where = "random points" if x is None else "points of the law"
    x, thetas = points if x is None else x, parameters if thetas is None else thetas
    theta = thetas[0]
    with np.errstate(all="ignore"):
        for theta in thetas:
            value = np.asarray(field(0.0, theta, x))
            if value.shape != x.shape:
                got = f"a value of shape {value.shape} at points {x.shape}"
                raise mismatch("field", got, f"the shape {x.shape} of the points")
            if np.isfinite(value).all(axis=1).any():
                break
        else:
            raise mismatch(
                "field",
                f"values that are not finite at all {len(x)} {where}, such as x = {x[0].tolist()} (theta = "
                f"{theta.tolist()}, t = 0)",
                "finite velocities where the law has its mass: move the law, change the field, or give `bounds` within which "
                "all parameters are allowed",
            )
        px, ptheta = field.pullback(At(0.0, theta, x, value), np.ones_like(x))
    if px.shape != x.shape or ptheta.shape != theta.shape:
        got = f"shapes {px.shape} and {ptheta.shape}"
        raise mismatch("field.pullback", got, f"shapes {x.shape} and {theta.shape}")


def check_pullback(field: DifferentiableField, t: float, theta: np.ndarray, x: np.ndarray, scale: np.ndarray) -> None:
    """Compare a pull-back with central differences at parameters `(m,)` and points `(n, d)`; see `Field.check_derivatives`.

    Examples
    --------
    >>> from eulerian_mfc.fields import NeuralField
    >>> check_pullback(NeuralField(1), 0.0, np.array([0.7, 0.2]), np.linspace(-1.0, 1.1, 8)[:, None], np.ones(1))
    """
    p = np.random.default_rng(0).normal(size=field.dim)
    along = lambda row, z: np.asarray(field(t, row, z) @ p)[:, None]  # noqa: E731
    at = f", t = {t:.3g}, theta = {theta.tolist()}"
    name = "field.pullback (in x)"
    px, _ = field.pullback(field.at(t, theta, x), np.tile(p, (len(x), 1)))
    check_derivative(name, lambda z: along(theta, z), px[:, None], x, True, scale, at)
    # Along one direction of the parameters, in which each parameter moves in proportion to its size.
    few, u = x[:: max(1, len(x) // THETA_POINTS)], theta * np.random.default_rng(1).uniform(0.5, 1.0, len(theta))
    slopes = [field.pullback(field.at(t, theta, z), p[None])[1] @ u for z in few[:, None]]
    rows = lambda shares: np.concatenate([along(theta + s * u, few).T for s in shares[:, 0]])  # noqa: E731
    name, at = "field.pullback (in theta)", f" of theta, t = {t:.3g}, theta = {theta.tolist()}"
    check_derivative(name, rows, np.array(slopes)[None, :, None], np.zeros((1, 1)), True, np.ones(1), at, 1)
