"""The last digits: truncated Newton steps near a minimum, where line searches drown in the cost's round-off."""

from __future__ import annotations

import numpy as np

from .base import Point, Recorder


def hessian_product(recorder: Recorder, point: Point, direction: np.ndarray) -> np.ndarray:
    """`J''(theta) v` by central differences of the gradient, error `O(step^2)`."""
    step = 1e-4 * (1.0 + np.abs(point.control).max()) / np.abs(direction).max()
    system = recorder.system
    ahead = system.cost_and_gradient(point.control + step * direction)[1]
    behind = system.cost_and_gradient(point.control - step * direction)[1]
    recorder.evaluations += 2
    return (ahead - behind) / (2 * step)


def newton_step(recorder: Recorder, point: Point, forcing: float, max_products: int) -> np.ndarray | None:
    """Conjugate gradients for `J'' s = -J'` to the relative residual `forcing`; None where J'' is not positive."""
    scale = 1.0 / np.sqrt(recorder.system.problem.penalties)  # the penalty's own metric preconditions
    step = np.zeros_like(point.gradient)
    rest = -point.gradient * scale
    direction = rest.copy()
    squared = float(np.vdot(rest, rest))
    goal = forcing**2 * squared
    for _ in range(max_products):
        image = hessian_product(recorder, point, direction * scale) * scale
        curvature = float(np.vdot(direction, image))
        if curvature <= 0.0:
            return None
        length = squared / curvature
        step += length * direction
        rest -= length * image
        previous, squared = squared, float(np.vdot(rest, rest))
        if squared <= goal:
            break
        direction = rest + squared / previous * direction
    return step * scale


def polish(recorder: Recorder, point: Point, max_steps: int = 12) -> tuple[Point, str]:
    """Newton steps, each kept only where the residual falls; returns the last point and why it stopped."""
    for _ in range(max_steps):
        if recorder.converged(point):
            return point, "residual below the tolerance"
        forcing = min(1e-2, 0.05 * recorder.threshold(point) / point.residual)
        step = newton_step(recorder, point, max(forcing, 1e-6), max_products=50)
        if step is None:
            return point, "negative curvature of the cost: not near a minimum"
        new = recorder.evaluate(point.control + step)
        if new.residual >= 0.9 * point.residual:
            return point, "no further decrease of the residual (round-off, kinks of the cost, or mass at the boundary)"
        point = new
        recorder.record(point)
    return point, "the limit of Newton steps is reached"
