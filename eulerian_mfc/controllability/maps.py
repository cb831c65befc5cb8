"""How far a flow is from a map on a compact set, and whether the map can be a flow at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._callers import warn
from .._validate import array, fail, integer, mismatch
from ..errors import DiffeotopyWarning
from ..laws import Labelled, Uniform, UniformBall, refined_rule

#: error of the mean square that is aimed at, relative to it, and points that may be spent on it
SQUARE, SQUARE_POINTS = 1e-8, 50_000

Map = Callable[[np.ndarray], np.ndarray]


class SupError(NamedTuple):
    """The largest distance between a flow and a map on a grid.

    Attributes
    ----------
    value : `max_x |Phi(x) - Psi(x)|`, in units of the state.
    at : `(d,)`, where.
    points : number of points of the grid.
    mean_square : the mean of the squared distance over the region, by a rule that is refined for it.
    """

    value: float
    at: np.ndarray
    points: int
    mean_square: float


def sup_error(solution: Any, target: Map, region: Any, grid: int = 101) -> SupError:
    """The error `max_x |Phi(x) - Psi(x)|` of a flow as an approximation of a map on a compact set, in the maximum norm on a grid.

    Parameters
    ----------
    solution : anything with a method `flow`: a Solution, or what `steer` and `learn_map` return; or a function.
    target : the map Psi, a function `(n, d) -> (n, d)`.
    region : `laws.UniformBall(centre, radius)`, `laws.Uniform(bounds)`, or the bounds alone.
    grid : points an axis; the boundary of the region is always on it.

    Warns
    -----
    DiffeotopyWarning
        If the target is not diffeotopic to the identity, see `check_orientation`.

    Raises
    ------
    ArgumentError
        If the target is not finite, or of another dimension, on the region.
    """
    compact = as_region(region)
    x = compact.grid(integer("grid", grid, minimum=2))
    flow = getattr(solution, "flow", solution)
    if not callable(flow):
        raise fail("solution", solution, "a Solution, or a function (n, d) -> (n, d)")
    check_orientation(target, compact)
    distance = np.linalg.norm(flow(x) - image(target, x), axis=1)

    def gap(points: np.ndarray, goals: np.ndarray) -> np.ndarray:
        return np.asarray(((flow(points) - goals) ** 2).sum(axis=1))

    law = Labelled(compact, lambda points: image(target, points))
    aim = SQUARE * float((distance**2).mean())
    square = refined_rule(law, gap, aim, SQUARE_POINTS).integral
    return SupError(float(distance.max()), x[distance.argmax()], len(x), square)


def check_orientation(target: Map, region: Any, grid: int = 41) -> float:
    """The smallest determinant of the map's derivative (by central differences) on a grid of the region.

    Flows preserve orientation. On a box or a ball a diffeomorphism onto its image is diffeotopic to the identity exactly if it
    does, so that approximation by flows is possible; elsewhere controls blow up as they come closer to the map.

    Parameters
    ----------
    target : the map, a function `(n, d) -> (n, d)`.
    region : as for `sup_error`.
    grid : points an axis, 2 or more.

    Warns
    -----
    DiffeotopyWarning
        If the determinant is not positive somewhere.

    Raises
    ------
    ArgumentError
        If the target is not finite, or of another dimension, on the region.
    """
    compact = as_region(region)
    x = compact.grid(integer("grid", grid, minimum=2))
    step = 1e-5 * float(np.ptp(compact.box(0.0)))
    shifts = step * np.eye(compact.dim)
    slopes = np.stack([(image(target, x + e) - image(target, x - e)) / (2 * step) for e in shifts], axis=2)
    determinants = np.linalg.det(slopes)
    least = int(determinants.argmin())
    if determinants[least] <= 0.0:
        everywhere = "reverses orientation" if determinants.max() <= 0.0 else "folds"
        warn(
            f"the target {everywhere}: its Jacobian determinant is {determinants[least]:.3g} at {x[least].round(3).tolist()}, "
            "so that it is not diffeotopic to the identity and no flow: expect errors that do not vanish, and controls that "
            "grow as the penalty falls. One more coordinate can help: Problem.augmented(1)",
            DiffeotopyWarning,
        )
    return float(determinants[least])


def as_region(region: Any) -> Uniform | UniformBall:
    """The uniform law on a compact set, from itself or the bounds of a box."""
    if isinstance(region, Uniform | UniformBall):
        return region
    if isinstance(region, list | tuple | np.ndarray):
        return Uniform(region)  # type: ignore[arg-type]
    raise fail(
        "region", region, "laws.UniformBall(centre, radius), laws.Uniform(bounds) or a list of pairs (low, high)"
    )


def image(target: Map, x: np.ndarray) -> np.ndarray:
    """The target at points `(n, d)`, checked."""
    if not callable(target):
        raise fail("target", target, "a function (n, d) -> (n, d)")
    value = array("target", target(x), ndim=(1, 2)).reshape(len(x), -1)
    if value.shape != x.shape:
        raise mismatch("target", f"a value of shape {value.shape} at points {x.shape}", f"the shape {x.shape}")
    return value
