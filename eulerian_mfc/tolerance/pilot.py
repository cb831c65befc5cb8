"""The run before the mesh: layers, degree and layer map that the tolerance needs, chosen on points of the law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..control.curves import Curves
from ..control.grid import Grid
from ..diagnostics.error_budget import step_off
from ..diagnostics.error_in_time import ErrorInTime, error_in_time
from ..errors import NonFiniteError
from ..flow.layer_map import LayerMap
from ..flow.resolution import chosen_by_itself
from ..problem import Problem
from ..results.solution_error import Report, ToleranceRound
from ..solvers import default_solver
from ..system.particles import ParticleSystem
from .goal import Clock, descent_tolerance, relative_tolerance, richer_tolerance
from .layers import Fixed, Places, admissible, first_degree, first_layers, resolved
from .not_finite import not_finite, stiff

#: the error in time may be this share of the tolerance
SHARE = 0.3
#: the points of the law: J is known to this factor times the geometric mean of tolerance and scale, because what is asked of them
#: are differences of costs, of which the relative error is that of J
ACCURACY, POINTS = 0.02, 20_000
#: layers whose contributions make up this share of the error are halved; the largest number of layers and of rounds
MARKED, MOST, ROUNDS = 0.8, 128, 24
#: jumps are moved if this saves that share of the error in time
MOVED = 0.2
#: after two rounds that moved jumps and left more than this share of the error, the space is refined instead
STUCK = 0.7
#: if the cost changes by more than this many errors in time from one round to the next, it is that of another valley
BEYOND = 1.5
#: the search ends if so many rounds have not halved the error
STALLED = 6
#: substeps are multiplied by this where states are not finite, at most so often: explicit layer maps of a stiff field need it
STIFF, REFINEMENTS = 4, 3
#: why the search ends if finer layers cannot be evaluated
DIVERGED = "states or losses do not stay finite on finer layers"


@dataclass(frozen=True)
class Pilot:
    """The best control without a mesh, in a control space that the tolerance needs.

    Parameters
    ----------
    twin : the problem on points of the law, with the layers, the degree and the layer map that were chosen.
    control : the best control there.
    least : its cost.
    time : the error in time at this control, and the richer space in which it was found.
    target : the tolerance of J, in the cost's units.
    scale : the scale of the data.
    relative : the relative tolerance of J that the tolerances of J and of the control imply.
    automatic : whether the layer map was chosen, so that it may have more substeps.
    valley : words if a round found a cost that the round before excludes: it went to another valley; None otherwise.
    cut_off : whether the search ended before the best control was found, so that nothing is known of the error in time.
    stopped_by : why the error in time is not below its share of the tolerance; None if it is.
    """

    twin: ParticleSystem
    control: np.ndarray
    least: float
    time: ErrorInTime
    target: float
    scale: float
    relative: float
    automatic: bool = True
    valley: str | None = None
    cut_off: bool = False
    stopped_by: str | None = None

    @property
    def curves(self) -> Curves:
        """The layers and the degree."""
        return self.twin.controls

    def with_more_substeps(self) -> Pilot:
        """The same control with more substeps per layer, for meshes on which states move faster than those of the law."""
        twin = self.twin.with_layer_map(self.twin.flow.layer_map.refined(STIFF))
        return replace(self, twin=twin, least=twin.cost(self.control).total)

    def left_by(self, least: float, accuracy: float) -> str | None:
        """Words if the least cost of a richer space is not one that the bounds of this one allow; None if it is.

        Parameters
        ----------
        least : the cost that the next round found.
        accuracy : the error of the law's rules, in the cost's units.
        """
        here = self.least
        slack = accuracy + BEYOND * self.time.total
        if here - slack <= least <= here + slack:
            return None
        return (
            f"in a round of the search in time the cost went from {here:.6g} to {least:.6g}, further than the error of "
            f"{self.time.total:.1e} allows: this is another valley of the cost, and there may be better ones (starts=)"
        )

    def descended(self, control: np.ndarray) -> Pilot:
        """The pilot of the valley in which another control lies: the best control from there, and its error in time."""
        best = default_solver(self.twin, descent_tolerance(self.relative)).solve(self.twin, control).control
        least = self.twin.cost(best).total
        return replace(
            self,
            control=best,
            least=least,
            time=error_in_time(self.twin, best, best, least, tolerance=richer_tolerance(self.relative)),
        )


def pilot_of(
    problem: Problem,
    start: Callable[[ParticleSystem], np.ndarray],
    *,
    target: float,
    scale: float,
    tol_control: float | None,
    fixed: Fixed,
    clock: Clock,
    report: Report | None = None,
) -> tuple[Pilot, list[ToleranceRound]]:
    """Choose layers, degree and layer map so that the error in time is a share of the tolerance.

    Parameters
    ----------
    problem : the control problem.
    start : the first control, in the space of a system.
    target : the tolerance of J, in the cost's units.
    scale : the scale of the data.
    tol_control : the tolerance of the control in L2, or None.
    fixed : what is not to be chosen.
    clock : the cap of seconds.
    report : called with each round.

    Returns
    -------
    Pilot
        The control space and the best control.
    list of ToleranceRound
        One row per space that was tried.

    Raises
    ------
    NonFiniteError
        If states or losses are not finite in the first space; the message names the cause and what helps.
    """
    relative = relative_tolerance(problem, target, scale, tol_control)
    degrees = resolved(fixed.layer_map)
    degree = fixed.degree if fixed.degree is not None else min(first_degree(relative), degrees[-1])
    grid: Grid = fixed.layers if fixed.layers is not None else first_layers(problem)
    layer_map: LayerMap | str = fixed.layer_map
    nearest: tuple[np.ndarray, Curves] | None = None
    places, found, placed, aside, refinements = Places(), None, 0, False, REFINEMENTS
    rounds: list[ToleranceRound] = []
    tolerance = descent_tolerance(relative)
    accuracy = ACCURACY * np.sqrt(relative) * scale
    while True:
        plain, grid = admissible(problem, grid, layer_map, degree, fixed)
        first = start(plain) if nearest is None else plain.controls.carried(*nearest)
        twin, best = plain, first
        try:
            twin, best = _settled(plain, first, accuracy, tolerance, clock)
            least = twin.cost(best).total
            time = places.seen(
                twin, error_in_time(twin, best, best, least, nearest, clock.check, richer_tolerance(relative))
            )
        except KeyboardInterrupt:
            if found is None:
                raise
            clock.interrupt()
            return replace(found, stopped_by=clock.reason, cut_off=True), rounds
        except NonFiniteError as failure:
            if twin is plain and refinements and chosen_by_itself(fixed.layer_map) and stiff(plain, first):
                refinements, layer_map = refinements - 1, plain.flow.layer_map.refined(STIFF)
                continue
            if found is None:
                which = "the first control" if twin is plain else "the best control that was found on the first layers"
                raise not_finite(twin, best, which, failure) from failure
            return replace(found, stopped_by=f"{DIVERGED} ({failure})", cut_off=True), rounds
        error = float(time.total)
        rounds.append(ToleranceRound("time", len(twin.rule.w), twin.layers, degree, least, error, clock.passed))
        if report is not None:
            report(rounds[-1])
        valley = None if found is None else found.left_by(least, accuracy) or found.valley
        found = Pilot(twin, best, least, time, target, scale, relative, chosen_by_itself(fixed.layer_map), valley)
        wanted = tol_control is None or time.control <= SHARE * tol_control
        if error <= SHARE * target and wanted and not clock.over:
            lower = None if aside else _beside(found, tolerance, clock)
            if lower is None:
                return found, rounds
            # The control was a saddle point, or nearly one.
            aside, nearest = True, (lower, twin.controls)
            continue
        reason = _cap(found, fixed, degrees, rounds, clock)
        if reason is not None:
            return replace(found, stopped_by=reason, cut_off=clock.over), rounds
        nearest = time.richest, time.richer.controls
        stuck = placed >= 2 and error > STUCK * rounds[-3].error
        placed += 1
        if time.moves * time.moved.saved > MOVED * error and fixed.layers is None and not stuck:
            grid, control = places.moved(twin, best)
            nearest = control, Curves(problem.horizon, grid, degree, twin.controls.basis.kind)
            continue
        placed = 0
        if abs(time.layer_map) > 0.5 * error and chosen_by_itself(fixed.layer_map):
            layer_map = twin.flow.layer_map.refined(2)
        elif fixed.degree is None and degree < degrees[-1]:
            degree, layer_map = degree + 1, fixed.layer_map
        else:
            grid = tuple(halved_where(found).tolist())


def _beside(found: Pilot, tolerance: float, clock: Clock) -> np.ndarray | None:
    """A control of lower cost that a descent from beside the pilot's control finds; None if there is none."""
    twin = found.twin
    start = found.control + step_off(twin, found.control)
    try:
        other = clock.saw(default_solver(twin, tolerance).solve(twin, start, clock.check)).control
    except NonFiniteError:
        return None
    return other if twin.cost(other).total < found.least - SHARE * found.target else None


def _settled(
    system: ParticleSystem, control: np.ndarray, accuracy: float, tolerance: float, clock: Clock
) -> tuple[ParticleSystem, np.ndarray]:
    """The system on a rule of the law that is refined for its best control, and this control."""
    solver = default_solver(system, tolerance)
    for _ in range(2):
        twin = ParticleSystem.refined(
            system.problem, system.grid, control, tolerance=accuracy, limit=POINTS, **system.layer_options
        )
        before, control = control, clock.saw(solver.solve(twin, control, clock)).control
        if clock.over or system.problem.law.finite:
            break
        # The rule was refined for the control before: it is kept if it is as good for the new one.
        moved = twin.controls.square(control - before)
        if moved <= 1e-2 * twin.controls.square(control):
            break
    return twin, control


def _cap(found: Pilot, fixed: Fixed, degrees: list[int], rounds: list[ToleranceRound], clock: Clock) -> str | None:
    """Why the space is not refined; None if it is."""
    if clock.over:
        return clock.reason
    if fixed.layers is not None and (fixed.degree is not None or found.curves.degree >= degrees[-1]):
        return "the layers were given: the control cannot be refined in time"
    few = [row for row in rounds if row.degree == found.curves.degree][-STALLED - 1 :]
    if len(few) > STALLED and few[-1].error > 0.5 * few[0].error:
        return f"finer layers do not reduce the error in time (it is {few[-1].error:.1e} with {few[-1].layers} layers)"
    if found.curves.layers >= MOST or len(rounds) >= ROUNDS:
        return f"the control is not resolved in time by {found.curves.layers} layers: it may jump or chatter"
    return None


def halved_where(pilot: Pilot) -> np.ndarray:
    """The ends of layers, where those that carry most of the error in time are halved.

    The contribution of a layer is `int lambda |theta - theta'|^2 dt` there, theta' being the best control of the richer space.

    Parameters
    ----------
    pilot : the layers and the two controls.
    """
    curves, richer = pilot.curves, pilot.time.richer.controls
    times, weights = richer.quadrature(richer.degree + 1)
    gap = curves.values(pilot.control, times) - richer.values(pilot.time.richest, times)
    penalties = pilot.twin.problem.regulariser.at(times).penalties
    shares = np.bincount(curves.layer_at(times), weights * (penalties * gap**2).sum(axis=1), curves.layers)
    order = np.argsort(-shares)
    count = int(np.searchsorted(np.cumsum(shares[order]), MARKED * shares.sum())) + 1
    marked = np.sort(order[:count])
    middles = 0.5 * (curves.ends[marked] + curves.ends[marked + 1])
    return np.sort(np.concatenate([curves.ends, middles]))
