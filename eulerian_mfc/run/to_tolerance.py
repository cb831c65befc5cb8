"""Solve to a tolerance: a pilot without a mesh chooses the time, forward sweeps choose the mesh, and the result is measured."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np

from .._validate import machine_memory
from ..errors import BoundaryMassWarning, CostErrorWarning, NonFiniteError
from ..meshes import CartesianMesh, Mesh, Refine, SimplexMesh
from ..problem import Problem
from ..results.solution_error import SolutionError, ToleranceRound
from ..schemes import ContinuityScheme, TransportScheme
from ..solution import Solution
from ..solvers import Status, default_solver
from ..system.discretisation import Discretisation, Resources
from ..system.optimality import OptimalitySystem
from ..system.particles import ParticleSystem
from ..system.reverse_sweep import bytes_of
from ..tolerance.goal import Clock, Goal, descent_tolerance, scale_of
from ..tolerance.layers import Fixed
from ..tolerance.measure import cost_without_mesh, measured
from ..tolerance.mesh_choice import FULL, Box, MeshChoice, first_cells, most_cells, no_finer
from ..tolerance.pilot import REFINEMENTS, Pilot, pilot_of
from .adaptive import solve_adaptively
from .certify import Certified, Method, certified
from .random_controls import random_controls
from .starts import Start, starting_control

#: transport and continuity schemes; None for the defaults
Schemes = tuple[TransportScheme | None, ContinuityScheme | None]
#: a mesh whose errors are above their share is refined by at least this factor per axis, and at most by the next one
FINER, FINEST = 1.2, 2.0
#: verdicts of a descent that could go no further, and the factor by which its tolerance is then above its residual
SHORT, ENOUGH = (Status.STALLED, Status.ITERATION_LIMIT), 2.0
#: the tolerance of the descents from many starts
ROUGH = 1e-3
#: if the control moves by this share of its length away from the pilot's, it is looked whether it lies in another valley
AWAY = 0.1
#: why the rounds end if there are too many
TOO_MANY = "the cap of {} rounds is reached (max_rounds=)"
#: what helps where field or loss have no values on the cells beside the states
BESIDE = "define field and loss there too, or pass a mesh on which they are finite"


def solve_to_tolerance(
    problem: Problem,
    mesh: Mesh | None,
    fixed: Fixed,
    schemes: Schemes,
    resources: Resources,
    method: Method,
    goal: Goal,
) -> Certified:
    """A solution whose error is measured, and is at most that of the goal if no cap stops it.

    Parameters
    ----------
    problem : the control problem.
    mesh : the mesh, or None: then box and cells are chosen too.
    fixed : what the user chose of the time.
    schemes : transport and continuity, None for the defaults.
    resources : the resources of each solve.
    method : the solver, if the user chose one, the first control, the callback.
    goal : tolerance and caps.
    """
    clock = Clock(goal.seconds, method.callback)
    scale = scale_of(problem)
    target = max(goal.tol * scale, goal.atol)
    with np.errstate(all="ignore"):  # costs that are not finite are noticed
        pilot, rounds = pilot_of(
            problem,
            partial(_first_control, initial=method.initial, goal=goal, clock=clock),
            target=target,
            scale=scale,
            tol_control=goal.tol_control,
            fixed=fixed,
            clock=clock,
            report=method.report,
        )
    run = _Run(problem, schemes, resources, replace(method, callback=clock), goal, pilot, rounds, clock)
    return run.on_simplices(mesh) if isinstance(mesh, SimplexMesh) else run.on_boxes(mesh)


class _Run:
    """The solves on meshes, after the pilot.

    Parameters
    ----------
    problem, schemes, resources, method, goal : see `solve_to_tolerance`.
    pilot, rounds : the result of the pilot.
    clock : the cap of seconds.
    """

    def __init__(
        self,
        problem: Problem,
        schemes: Schemes,
        resources: Resources,
        method: Method,
        goal: Goal,
        pilot: Pilot,
        rounds: list[ToleranceRound],
        clock: Clock,
    ) -> None:
        self._problem, self._schemes, self._resources, self._method = problem, schemes, resources, method
        self._goal, self._pilot, self._rounds, self._clock = goal, pilot, rounds, clock
        self._tolerance = descent_tolerance(pilot.relative)
        self._cap = pilot.stopped_by
        self._refinements = REFINEMENTS
        self._memory = min(bytes_of(resources.memory), machine_memory())

    def on_boxes(self, mesh: Mesh | None) -> Certified:
        """Solve on a box that is given, or on boxes that are chosen."""
        system = self._build(mesh) if mesh is not None else self._first()
        control = self._pilot.control
        last: tuple[Certified, SolutionError] | None = None
        while True:
            try:
                found, error = last = self._solved(system, control)
            except KeyboardInterrupt:
                if last is None:
                    raise
                self._cap = "it was interrupted"
                return self._ended(*last)
            except (MemoryError, NonFiniteError) as failure:
                if last is not None:
                    self._cap = no_finer(failure)
                    return self._ended(*last)
                if not self._has_more_substeps(failure):
                    raise
                system = self._build(system.mesh)
                continue
            if not np.isfinite(error.without_mesh):
                return self._ended(found, error)
            solution = found.solution
            if error.met or self._stopped(solution, mesh is not None):
                return self._ended(found, error)
            control = solution.control
            if error.cost <= error.tolerance and solution.status in SHORT and self._method.solver is None:
                # The descent went as far as it could, which is far enough: its tolerance was too small for this mesh.
                self._tolerance *= ENOUGH * solution.residual / solution.threshold
                continue
            if abs(error.sources["optimisation"]) > 0.5 * error.cost and self._method.solver is None:
                self._tolerance *= 0.1
                continue
            cells = np.array(system.mesh.shape)
            excess = max(error.cost / error.tolerance, error.control / (error.tolerance_control or np.inf))
            factor = float(np.clip((2.0 * excess) ** (1.0 / 6.0), FINER, FINEST))
            finer = np.ceil(factor * cells).astype(int)
            if np.prod(finer, dtype=float) > most_cells(system, self._memory):
                self._cap = FULL
                return self._ended(found, error)
            try:
                system = self._build(CartesianMesh(system.mesh.bounds, finer.tolist()))
            except (MemoryError, NonFiniteError) as failure:
                self._cap = no_finer(failure)
                return self._ended(found, error)

    def on_simplices(self, mesh: SimplexMesh) -> Certified:
        """Refine the cells of a simplex mesh that contribute most."""
        rounds, cells = max(self._goal.max_rounds, 2), max(most_cells(self._pilot.twin, self._memory), mesh.size)
        refine = Refine(target=0.5 * self._pilot.target, max_cells=cells, max_rounds=rounds, report=None)
        method = replace(self._method, initial=self._pilot.control)
        found = solve_adaptively(self._problem, self._discretisation(mesh), self._resources, method, refine)
        measured = self._measured(found)
        if self._clock.over:
            self._cap = self._clock.reason
        elif found.solution.status is Status.TARGET_MISSED:
            self._cap = FULL if len(found.solution.rounds) < rounds else TOO_MANY.format(rounds)
        return self._ended(*measured)

    def _first(self) -> OptimalitySystem:
        pilot = self._pilot
        relative = pilot.target / pilot.scale
        exact = cost_without_mesh(pilot, pilot.control)
        box = Box(pilot, relative)
        choose = MeshChoice(self._build, box, pilot.control, exact, pilot.target, self._memory, self._clock)
        while True:
            try:
                with np.errstate(all="ignore"):  # costs that are not finite are noticed
                    system = choose(first_cells(self._problem.scales.state, box.sides))
            except NonFiniteError as failure:
                if self._has_more_substeps(failure):
                    continue
                sides = ", ".join(f"[{low:.4g}, {high:.4g}]" for low, high in box.sides)
                told = f"{failure}, on the box {sides} of the states and some cells beside it: {BESIDE}"
                raise NonFiniteError(told) from failure
            break
        self._cap = self._cap or choose.stopped_by
        return system

    def _has_more_substeps(self, failure: Exception) -> bool:
        """Take more substeps per layer, if that may help: the field may be stiff on cells beside the states."""
        if not (isinstance(failure, NonFiniteError) and self._pilot.automatic and self._refinements):
            return False
        self._refinements -= 1
        self._pilot = self._pilot.with_more_substeps()
        return True

    def _discretisation(self, mesh: Mesh) -> Discretisation:
        twin, (transport, continuity) = self._pilot.twin, self._schemes
        return Discretisation(mesh, twin.grid, transport, continuity, **twin.layer_options)

    def _build(self, mesh: Mesh) -> OptimalitySystem:
        return OptimalitySystem.of(self._problem, self._discretisation(mesh), self._resources)

    def _solved(self, system: OptimalitySystem, control: np.ndarray) -> tuple[Certified, SolutionError]:
        solver = self._method.solver or default_solver(system, self._tolerance)
        return self._measured(certified(system, replace(self._method, solver=solver, initial=control)))

    def _measured(self, found: Certified) -> tuple[Certified, SolutionError]:
        solution, pilot = found.solution, self._pilot
        moved = pilot.twin.controls.square(solution.control - pilot.control)
        if moved > AWAY**2 * pilot.twin.controls.square(pilot.control):
            # A control of the mesh that particles cannot follow is measured as it is.
            with suppress(NonFiniteError):
                far = pilot.descended(solution.control)
                self._pilot = replace(far, valley=pilot.valley or pilot.left_by(far.least, 0.0))
        error = measured(solution, self._pilot, self._goal)
        curves = self._pilot.curves
        row = ToleranceRound(
            "mesh", solution.mesh.size, curves.layers, curves.degree, solution.cost, error.cost, self._clock.passed
        )
        self._rounds.append(row)
        if self._method.report is not None:
            self._method.report(row)
        return found, error

    def _stopped(self, solution: Solution, given: bool) -> bool:
        """Whether a cap ends the rounds."""
        if self._clock.over:
            self._cap = self._clock.reason
        elif solution.status is Status.INTERRUPTED:
            self._cap = "it was interrupted"
        elif given:
            self._cap = self._cap or "the mesh was given"
        elif sum(row.stage == "mesh" for row in self._rounds) >= self._goal.max_rounds:
            self._cap = TOO_MANY.format(self._goal.max_rounds)
        return self._cap is not None

    def _ended(self, found: Certified, error: SolutionError) -> Certified:
        if not error.met and self._cap is not None and not self._pilot.cut_off:
            error = replace(error, stopped_by=f"{self._cap}; the largest part is {error.stopped_by}")
        # What the warnings about the mesh suspect is measured: it is part of the error.
        kept = [w for w in found.warnings if not (error.met and isinstance(w, BoundaryMassWarning | CostErrorWarning))]
        solution = replace(found.solution, error=error, tolerance_rounds=tuple(self._rounds))
        if not error.met:
            told = f"not converged: {error.shortfall}; the discrete system: {solution.message}"
            solution = solution.judged(Status.TARGET_MISSED, told)
        return Certified(solution, kept)


def _first_control(system: ParticleSystem, initial: Start, goal: Goal, clock: Clock) -> np.ndarray:
    """The first control; with `starts`, that of the valley with the least cost."""
    first = starting_control(system, initial)
    if not goal.starts:
        return first
    solver, best, least = default_solver(system, ROUGH), first, np.inf
    for control in [first, *random_controls(system, goal.starts)]:
        if clock.over:
            break
        try:
            found = solver.solve(system, control, clock.check).control
            cost = system.cost(found).total
        except NonFiniteError:
            continue
        if cost < least:
            best, least = found, cost
    return best
