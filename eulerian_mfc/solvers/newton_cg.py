"""Newton's method for minima of the discrete cost: truncated conjugate gradients with Hessian products, in a trust region."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .base import Solver, need_adjoint
from .protocol import DiscreteProblem
from .record import Point
from .recorder import Recorder
from .status import CONVERGED, Ending, limit_reached, stalled

#: the largest number of conjugate gradient steps per Newton step
PRODUCTS = 200
#: a linear map of controls
Map = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class NewtonCG(Solver):
    """Truncated Newton steps `J'' s = -J'` in the penalty's metric, within a trust region and the bounds.

    Hessian products are exact if the pair has tangents (see `hessian.ExactHessian`), otherwise differences of gradients.
    A direction of negative curvature is followed to the edge of the region, so that the method leaves saddles. Entries that
    a bound holds are left out of the step.

    Parameters
    ----------
    tol, max_iterations : see `Solver`; 1e-11 and 200 by default.

    Raises
    ------
    ArgumentError
        As `Solver`.

    References
    ----------
    T. Steihaug, The conjugate gradient method and trust regions in large scale optimization, SIAM J. Numer. Anal. 20
    (1983), 626-637, doi:10.1137/0720042.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> system = emfc.ParticleSystem(problem, layers=2)
    >>> emfc.solvers.NewtonCG().solve(system, initial=0.1).status.value
    'converged'
    """

    tol: float = 1e-11
    max_iterations: int = 200

    def iterate(self, recorder: Recorder, system: DiscreteProblem, initial: np.ndarray) -> Ending:
        need_adjoint(system, "NewtonCG")
        point = recorder.evaluate(initial)
        recorder.record(point)
        return newton_steps(recorder, point, self.max_iterations)[1]


def newton_steps(recorder: Recorder, point: Point, max_steps: int) -> tuple[Point, Ending]:
    """Trust-region Newton steps from a point; returns the last accepted point, and why the steps stopped."""
    space = recorder.system.controls
    metric = np.sqrt(space.gram)  # z = metric * theta has the penalty |z|^2 / 2
    natural = space.length_of(recorder.system.natural_sizes)
    radius = max(natural, float(np.linalg.norm(metric * point.control)))
    for _ in range(max_steps):
        if recorder.converged(point):
            return point, CONVERGED
        free = space.conditions.free(point.control, point.gradient)
        product = recorder.hessian(point)
        slope = np.where(free, point.gradient / metric, 0.0)

        def image(z: np.ndarray, product: Map = product, free: np.ndarray = free) -> np.ndarray:
            return np.where(free, product(z / metric) / metric, 0.0)

        forcing = max(min(0.1, 0.05 * recorder.threshold(point) / point.residual), 1e-8)
        forcing = max(forcing, min(0.1, point.residual / recorder.scale(point)))
        new: Point | None = None
        for _ in range(40):
            step = steihaug(image, slope, radius, forcing)
            trial = space.project(point.control + step / metric)
            moved = (trial - point.control) * metric
            predicted = -float(np.vdot(slope, moved) + 0.5 * np.vdot(moved, image(moved)))
            candidate = recorder.evaluate(trial)
            actual = point.cost - candidate.cost
            if abs(predicted) <= 1e-11 * (abs(point.cost) + abs(candidate.cost)):
                # The predicted change of the cost is below round-off, so the ratio means nothing: the residual must fall instead.
                if candidate.residual < 0.9 * point.residual:
                    new = candidate
                break
            ratio = actual / predicted if predicted > 0 else -1.0
            if ratio < 0.25 and confirmed(point, candidate, predicted):
                ratio = 1.0
            if ratio > 0.75 and np.linalg.norm(moved) > 0.9 * radius:
                radius *= 2.0
            elif ratio < 0.25:
                radius = 0.25 * float(np.linalg.norm(moved))
            if ratio > 1e-4:
                new = candidate
                break
            if radius < 1e-14 * (natural + float(np.linalg.norm(metric * point.control))):
                break
        if new is None:
            return point, stalled(
                "no further decrease of the cost or the residual is possible (because of round-off, or of kinks "
                "of the cost)"
            )
        point = new
        recorder.record(point)
    return point, CONVERGED if recorder.converged(point) else limit_reached(max_steps)


def confirmed(point: Point, candidate: Point, predicted: float) -> bool:
    """Whether the gradients at both ends of a step confirm the decrease `predicted`, and the residual fell.

    Near an optimum the change of the cost is smaller than the round-off of the terms that cancel in it, and the order of
    summation decides its sign. The gradients are still accurate there. The trapezoidal rule for the gradient along the step
    gives the change of the cost exactly if the cost is quadratic on the step. If it agrees with the quadratic model, the
    predicted decrease is accepted.
    """
    by_gradients = -0.5 * float(np.vdot(point.gradient + candidate.gradient, candidate.control - point.control))
    return abs(by_gradients - predicted) <= 0.1 * predicted and candidate.residual < 0.9 * point.residual


def steihaug(image: Map, slope: np.ndarray, radius: float, forcing: float) -> np.ndarray:
    """Minimise `<slope, s> + <s, H s> / 2` over `|s| <= radius` by conjugate gradients, to the relative residual `forcing`.

    If the curvature is negative, or the step would leave the region, the last direction is followed to the edge.
    """
    step = np.zeros_like(slope)
    rest = -slope
    direction = rest.copy()
    squared = float(np.vdot(rest, rest))
    goal = forcing**2 * squared
    for _ in range(PRODUCTS):
        bent = image(direction)
        curvature = float(np.vdot(direction, bent))
        length = squared / curvature if curvature > 0 else np.inf
        inside, along, across = np.vdot(step, step), np.vdot(step, direction), np.vdot(direction, direction)
        edge = float((-along + np.sqrt(along**2 + across * max(radius**2 - inside, 0.0))) / across)
        if length >= edge:
            return step + edge * direction
        step = step + length * direction
        rest = rest - length * bent
        previous, squared = squared, float(np.vdot(rest, rest))
        if squared <= goal:
            break
        direction = rest + squared / previous * direction
    return step
