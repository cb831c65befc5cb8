"""The distance between a flow and a map on a compact set, and whether a flow can approximate the map at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from .._callers import warn
from .._validate import array, fail, integer, mismatch
from ..errors import DiffeotopyWarning
from ..laws import Labelled, Uniform, UniformBall, refined_rule

#: aimed relative error of the mean square, and the largest number of points for it
SQUARE, SQUARE_POINTS = 1e-8, 50_000

Map = Callable[[np.ndarray], np.ndarray]


@runtime_checkable
class WithFlow(Protocol):
    """What has a flow, such as a Solution or a Steering."""

    def flow(self, x: np.ndarray) -> np.ndarray:
        """The end points `(n, d)` of points `(n, d)`."""
        ...


class SupError(NamedTuple):
    """The largest distance between a flow and a map on a grid.

    Attributes
    ----------
    value : `max_x |Phi(x) - Psi(x)|`, in units of the state.
    at : `(d,)`, a point where the distance is largest.
    points : number of points of the grid.
    mean_square : the mean of the squared distance over the region, by a rule that is refined for it.

    Examples
    --------
    >>> from eulerian_mfc.controllability import sup_error
    >>> found = sup_error(lambda x: x, lambda x: x + [0.3, 0.4], [(-1, 1), (-1, 1)], grid=3)
    >>> round(found.value, 12), round(float(found.mean_square), 6), found.points
    (0.5, 0.25, 9)
    """

    value: float
    at: np.ndarray
    points: int
    mean_square: float


def sup_error(solution: WithFlow | Map, target: Map, region: object, grid: int = 101) -> SupError:
    """The largest error `max_x |Phi(x) - Psi(x)|` of a flow Phi that approximates a map Psi, on a grid of a compact set.

    Parameters
    ----------
    solution : an object with a method `flow` (a Solution, or a Steering from `steer` and `learn_map`), or a function.
    target : the map Psi, a function `(n, d) -> (n, d)`.
    region : `laws.UniformBall(centre, radius)`, `laws.Uniform(bounds)`, or the bounds alone.
    grid : points per axis; the grid always contains points of the boundary.

    Warns
    -----
    DiffeotopyWarning
        If the target is not diffeotopic to the identity, see `check_orientation`.

    Raises
    ------
    ArgumentError
        If the target is not finite on the region, or its values have another dimension.

    Examples
    --------
    The identity, as a flow that does not move, against a shift by 0.25.

    >>> from eulerian_mfc.controllability import sup_error
    >>> sup_error(lambda x: x, lambda x: x + 0.25, [(-1, 1)]).value
    0.25
    """
    compact = as_region(region)
    x = compact.grid(integer("grid", grid, minimum=2))
    flow = solution.flow if isinstance(solution, WithFlow) else solution
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


def check_orientation(target: Map, region: object, grid: int = 41) -> float:
    """The smallest determinant of the map's derivative (by central differences) on a grid of the region.

    Flows preserve orientation. On a box or a ball, a diffeomorphism onto its image is diffeotopic to the identity exactly if
    it preserves orientation; then flows can approximate it. If it does not, the controls blow up as the flow comes closer to
    the map.

    Parameters
    ----------
    target : the map, a function `(n, d) -> (n, d)`.
    region : as for `sup_error`.
    grid : points per axis, 2 or more.

    Warns
    -----
    DiffeotopyWarning
        If the determinant is not positive somewhere.

    Raises
    ------
    ArgumentError
        If the target is not finite on the region, or its values have another dimension.

    Examples
    --------
    >>> from eulerian_mfc.controllability import check_orientation
    >>> round(check_orientation(lambda x: 2.0 * x, [(-1, 1), (-1, 1)]), 6)
    4.0
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
            f"the target {everywhere}: its Jacobian determinant is {determinants[least]:.3g} at "
            f"{x[least].round(3).tolist()}, so that the target is not diffeotopic to the identity, and no "
            "flow is equal to it. The errors will not tend to zero, and the controls will grow as the "
            "penalty decreases. One more coordinate can help: use Problem.augmented(1)",
            DiffeotopyWarning,
        )
    return float(determinants[least])


def as_region(region: object) -> Uniform | UniformBall:
    """The uniform law on a compact set: `region` itself, or that of the box with these bounds."""
    if isinstance(region, Uniform | UniformBall):
        return region
    if isinstance(region, list | tuple | np.ndarray):
        return Uniform(region)  # type: ignore[arg-type]
    raise fail(
        "region", region, "laws.UniformBall(centre, radius), laws.Uniform(bounds) or a list of pairs (low, high)"
    )


def image(target: Map, x: np.ndarray) -> np.ndarray:
    """The target at points `(n, d)`, after a check of its shape."""
    if not callable(target):
        raise fail("target", target, "a function (n, d) -> (n, d)")
    value = array("target", target(x), ndim=(1, 2)).reshape(len(x), -1)
    if value.shape != x.shape:
        raise mismatch("target", f"a value of shape {value.shape} at points {x.shape}", f"the shape {x.shape}")
    return value
