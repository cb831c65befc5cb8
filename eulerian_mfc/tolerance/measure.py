"""The bracket of a solution on a mesh, from the cost of its control without a mesh and the pilot's optimum."""

from __future__ import annotations

import numpy as np

from ..diagnostics.cross_validation import deviation_of_the_mean
from ..diagnostics.error_budget import at_the_control, box_contribution
from ..diagnostics.error_in_time import SAFETY, squared_distance
from ..diagnostics.error_in_time import SHARE as STEPS
from ..losses import Loss
from ..results.solution_error import SolutionError
from ..solution import Solution
from ..system.boundaries import of_the_problem
from ..system.particles import ParticleSystem
from .goal import Goal
from .pilot import Pilot

#: the law's integrals may have this share of the tolerance as an error, and the largest number of points for it
QUADRATURE, POINTS = 0.05, 200_000
#: walls matter if what the box makes is more than this share of the tolerance
RELATIVE = 0.1
#: round-off of a cost, relative to the terms that add up to it
ROUND_OFF = 2e-13


def cost_without_mesh(pilot: Pilot, control: np.ndarray) -> float:
    """The cost of a control on a rule of the law that is refined for it.

    Parameters
    ----------
    pilot : the layers, and the tolerance.
    control : the control.
    """
    return _finer(pilot, control).cost(control).total


def _finer(pilot: Pilot, control: np.ndarray, loss: Loss | None = None) -> ParticleSystem:
    """Particles with the pilot's layers, on a rule of the law that is refined for a control (and a read-out that is known)."""
    twin, tolerance = pilot.twin, QUADRATURE * pilot.target
    return ParticleSystem.refined(
        twin.problem, twin.grid, control, tolerance=tolerance, limit=POINTS, loss=loss, **twin.layer_options
    )


def measured(solution: Solution, pilot: Pilot, goal: Goal) -> SolutionError:
    """The bracket of a solution.

    `J - J* = (J_h(theta) - J(theta)) + (J(theta) - J*)`. The first difference is that of the costs of one control with a mesh and
    without. The second one is measured by the pilot, on its rule of the law, against the best control of the richer space. What
    that space leaves is bounded by `ErrorInTime.left`.

    Parameters
    ----------
    solution : the solution of the discrete problem, with its problem.
    pilot : in the same control space.
    goal : the tolerance.
    """
    system, theta, twin, time = solution.system, solution.control, pilot.twin, pilot.time
    assert system is not None
    fine = _finer(pilot, theta, solution.loss)
    accuracy = float(fine.error or 0.0)
    # A trained read-out is the best one for the points, as J(theta) asks for; walls are known to the mesh only.
    free = of_the_problem(system) is None
    without = fine.cost(theta).total if free else at_the_control(system, solution, fine, fine.rule)
    if not np.isfinite(without):
        return _not_measured(pilot, goal)
    box = box_contribution(system, solution, fine).error
    here, least = twin.cost(theta).total, pilot.least
    richest = time.richer.cost(time.richest).total
    above, saved = here - richest, least - richest
    sizes = abs(solution.terminal_cost) + solution.penalty_cost + abs(solution.running_cost) + abs(system.offset)
    # The pilot's rule has another optimum than the law: what is found on the finer rule differs by what that costs.
    richer = ParticleSystem(time.richer.problem, time.richer.grid, rule=fine.rule, **time.richer.layer_options)
    by_law = without - richer.cost(time.richest).total if free and not system.problem.law.finite else above
    above, differs = max(above, by_law), abs(above - by_law)
    # The layer map of the richer space has an error too, see `error_in_time.SHARE`.
    # What a descent leaves is of the order of the square of its tolerance.
    rest = accuracy + STEPS * abs(saved) + (ROUND_OFF + time.tolerance**2) * sizes
    known = rest + differs
    low = without - above - max((SAFETY - 1.0) * abs(saved - time.layer_map), time.left) - known
    high = without - by_law + rest
    if pilot.cut_off:
        # The descents ended early: the cost of a control is known, but not how much a better one would save.
        low = -np.inf
    cost = max(abs(solution.cost - low), abs(solution.cost - high))
    size = np.sqrt(squared_distance(time.richer, np.zeros(time.richer.controls.shape), twin, theta))
    away = np.sqrt(squared_distance(time.richer, time.richest, twin, theta))
    distance = np.inf if pilot.cut_off else float(SAFETY * away + time.tolerance * size)
    sources = {
        "mesh": solution.cost - without - box,
        "box": box,
        "quadrature": accuracy,
    }
    if not pilot.cut_off:
        sources |= {
            "time": saved - time.layer_map,
            "layer map": time.layer_map,
            "optimisation": here - least,
        }
    if system.problem.law.finite:
        (x, w, y), loss = fine.rule, solution.loss
        assert loss is not None
        sources["samples"] = deviation_of_the_mean(fine.losses(theta, loss, np.asfortranarray(x), y), w)
    held = of_the_problem(system) is not None and abs(box) > RELATIVE * pilot.target
    reached = cost <= pilot.target and (goal.tol_control is None or distance <= goal.tol_control)
    stopped = None if reached else pilot.stopped_by if pilot.cut_off else _largest(sources)
    if reached and not solution.converged:
        stopped = f"the solver has not converged: {solution.message}"
    if reached and pilot.valley is not None:
        stopped = pilot.valley
    if held:
        stopped = "states meet walls of the domain: bounds without a mesh do not hold there"
    return SolutionError(
        bracket=(float(low), float(high)),
        cost=float(cost),
        control=distance,
        tolerance=pilot.target,
        tolerance_control=goal.tol_control,
        met=stopped is None,
        sources={name: float(value) for name, value in sources.items()},
        stopped_by=stopped,
        without_mesh=float(without),
        scale=pilot.scale,
        valley=pilot.valley,
    )


def _not_measured(pilot: Pilot, goal: Goal) -> SolutionError:
    """What is known if particles cannot follow the control of the mesh: the cost of the pilot's control is an upper bound."""
    return SolutionError(
        bracket=(-np.inf, pilot.least + float(pilot.twin.error or 0.0)),
        cost=np.inf,
        control=np.inf,
        tolerance=pilot.target,
        tolerance_control=goal.tol_control,
        met=False,
        sources={},
        stopped_by="without a mesh, states or losses do not stay finite at the control that was found on the mesh",
        without_mesh=np.inf,
        scale=pilot.scale,
        valley=pilot.valley,
    )


def _largest(sources: dict[str, float]) -> str:
    of_bracket = {name: abs(value) for name, value in sources.items() if name != "samples"}
    worst = max(of_bracket, key=lambda name: of_bracket[name])
    return f"the error of the {worst}"
