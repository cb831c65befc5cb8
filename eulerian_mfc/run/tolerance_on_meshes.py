"""Solve to a tolerance where only meshes give a cost: with noise, points of the law do not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .._validate import mismatch
from ..control.grid import Grid, layer_ends
from ..diagnostics.error_in_time import halved
from ..diagnostics.finer_mesh import finer
from ..errors import ArgumentError, BoundaryMassWarning, CostErrorWarning, LayerMapWarning
from ..flow.layer_map import LayerMap
from ..flow.resolution import REFUSED, as_layer_map, chosen_by_itself, substeps_for
from ..meshes import CartesianMesh, Mesh
from ..problem import Problem
from ..results.solution_error import SolutionError, ToleranceRound
from ..schemes import ContinuityScheme, TransportScheme
from ..solution import Solution
from ..solvers import Status, default_solver
from ..system.boundaries import of_the_problem
from ..system.discretisation import Discretisation, Resources
from ..system.optimality import OptimalitySystem
from ..tolerance.goal import Clock, Goal, descent_tolerance, relative_tolerance, scale_of
from ..tolerance.layers import Fixed, first_layers
from ..tolerance.measure_on_meshes import Measured, longer, measured_on_meshes
from .certify import Certified, Method, certified

#: the parts of the tolerance that the sources may have
SHARES = {"mesh": 0.25, "box": 0.1, "splitting": 0.15, "levels": 0.15, "time": 0.25}
#: the orders by which cells and substeps are refined, and the factors of one round
ORDERS, FACTORS = {"mesh": 5.0, "splitting": 4.0}, (1.2, 2.0)
#: the first box leaves out this share of the law, and is longer by so many standard deviations of the noise
OUTSIDE, DEVIATIONS = 1e-9, 4.0
#: the first mesh has so many cells per standard deviation of the law and the noise, and at least and at most so many per axis
PER_DEVIATION, FEWEST, MOST = 3.0, 16, 64
#: rounds beyond those of `max_rounds`, since the first ones are coarse; the largest degree that is chosen, and number of layers
EXTRA, DEGREE, LAYERS = 6, 3, 64
#: a box is made longer by this share; where more substeps leave more than that share of their error, the cells make it,
#: and where a longer box does, the cost depends on the box
LONGER, STALLED = 0.25, 0.7


@dataclass(frozen=True)
class Choice:
    """What the rounds choose.

    Attributes
    ----------
    mesh : box and cells.
    grid : the layers.
    degree : of the control.
    layer_map : the method, with the substeps of the splitting.
    """

    mesh: CartesianMesh
    grid: Grid
    degree: int
    layer_map: LayerMap


def solve_on_meshes_to_tolerance(
    problem: Problem,
    mesh: Mesh | None,
    fixed: Fixed,
    schemes: tuple[TransportScheme | None, ContinuityScheme | None],
    resources: Resources,
    method: Method,
    goal: Goal,
) -> Certified:
    """A solution whose error is measured on finer meshes, and is at most that of the goal if no cap stops it.

    Every round solves the discrete problem from the control before, measures its error by source, and refines all sources that
    exceed their share.

    Parameters
    ----------
    problem, mesh, fixed, schemes, resources, method, goal : as for `run.to_tolerance.solve_to_tolerance`; the mesh is a box.

    Raises
    ------
    ArgumentError
        If the mesh is not a CartesianMesh, or `starts` is asked for.
    """
    if mesh is not None and not isinstance(mesh, CartesianMesh):
        raise mismatch(
            "mesh", f"a {type(mesh).__name__} for a problem with noise and tol=", "a CartesianMesh, or no tol="
        )
    if goal.starts:
        raise mismatch("starts", "starts= for a problem with noise", "no starts=, or run.multistart on a mesh")
    return _Rounds(problem, mesh, fixed, schemes, resources, method, goal).run()


class _Rounds:
    """The rounds; parameters as for `solve_on_meshes_to_tolerance`."""

    def __init__(
        self,
        problem: Problem,
        mesh: CartesianMesh | None,
        fixed: Fixed,
        schemes: tuple[TransportScheme | None, ContinuityScheme | None],
        resources: Resources,
        method: Method,
        goal: Goal,
    ) -> None:
        self._problem, self._given, self._fixed, self._schemes = problem, mesh, fixed, schemes
        self._resources, self._goal = resources, goal
        self._clock = Clock(goal.seconds, method.callback)
        self._method = replace(method, callback=self._clock)
        self._scale = scale_of(problem)
        self._target = max(goal.tol * self._scale, goal.atol)
        relative = relative_tolerance(problem, self._target, self._scale, goal.tol_control)
        self._tolerance = descent_tolerance(relative)
        self._rows: list[ToleranceRound] = []
        self._before: Measured | None = None

    def run(self) -> Certified:
        """All rounds."""
        choice, control = self._first(), self._method.initial
        last: tuple[Certified, Measured, str] | None = None
        while True:
            try:
                system = self._system(choice)
                solver = self._method.solver or default_solver(system, self._tolerance)
                found = certified(system, replace(self._method, solver=solver, initial=control))
                measured = self._measured(system, found.solution)
            except (ArgumentError, MemoryError):
                if last is None:
                    raise
                return self._ended(*last[:2], "the memory does not suffice for a finer mesh (memory=)")
            except KeyboardInterrupt:
                if last is None:
                    raise
                return self._ended(*last[:2], "it was interrupted")
            if self._reached(measured) and found.solution.converged:
                return self._ended(found, measured, None)
            reason = self._cap(found.solution, measured)
            finer_choice = choice if reason else self._refined(choice, measured)
            if reason is None and finer_choice == choice:
                reason = "what was given cannot be refined"
            if reason is not None:
                return self._ended(found, measured, reason)
            last = found, measured, ""
            choice, control = finer_choice, found.solution

    def _first(self) -> Choice:
        problem, fixed = self._problem, self._fixed
        degree = 1 if fixed.degree is None else fixed.degree
        grid = first_layers(problem) if fixed.layers is None else fixed.layers
        if chosen_by_itself(fixed.layer_map):
            layer_map = LayerMap("rk4", max(2, substeps_for("rk4", degree, REFUSED)))
        else:
            layer_map = as_layer_map(fixed.layer_map, degree)
        if self._given is not None:
            return Choice(self._given, grid, degree, layer_map)
        noise = np.sqrt(problem.diffusion.variance(0.0, problem.horizon))
        sides = problem.law.box(OUTSIDE) + np.array([-1.0, 1.0]) * DEVIATIONS * noise[:, None]
        deviations = np.sqrt(problem.scales.state**2 + noise**2)
        cells = np.ceil(PER_DEVIATION * (sides[:, 1] - sides[:, 0]) / deviations)
        return Choice(
            CartesianMesh(sides.tolist(), np.clip(cells, FEWEST, MOST).astype(int).tolist()), grid, degree, layer_map
        )

    def _system(self, choice: Choice) -> OptimalitySystem:
        transport, continuity = self._schemes
        chosen = Discretisation(choice.mesh, choice.grid, transport, continuity, choice.layer_map, choice.degree)
        return OptimalitySystem.of(self._problem, chosen, self._resources)

    def _measured(self, system: OptimalitySystem, solution: Solution) -> Measured:
        walls = of_the_problem(system) is not None
        measured = measured_on_meshes(system, solution.control, self._tolerance, walls, self._clock.check)
        curves = system.controls
        self._rows.append(
            ToleranceRound(
                "mesh",
                system.mesh.size,
                curves.layers,
                curves.degree,
                solution.cost,
                measured.error,
                self._clock.passed,
            )
        )
        if self._method.report is not None:
            self._method.report(self._rows[-1])
        return measured

    def _reached(self, measured: Measured) -> bool:
        near = self._goal.tol_control is None or 1.4 * measured.distance <= self._goal.tol_control
        return measured.error <= self._target and near

    def _cap(self, solution: Solution, measured: Measured) -> str | None:
        if self._clock.over:
            return self._clock.reason
        if solution.status is Status.INTERRUPTED:
            return "it was interrupted"
        fixed = abs(measured.sources["mesh"]) + abs(measured.sources["box"])
        if self._given is not None and fixed > self._target:
            return "the mesh was given"
        box, before = abs(measured.sources["box"]), self._before
        if before is not None and box > self._target and box > STALLED * abs(before.sources["box"]):
            return "a longer box does not bring the cost closer: the cost depends on the box itself"
        if len(self._rows) >= self._goal.max_rounds + EXTRA:
            return f"the cap of {self._goal.max_rounds} rounds is reached (max_rounds=)"
        if measured.error <= self._target and not solution.solved:
            return f"the solver has not converged: {solution.message}"
        return None

    def _refined(self, choice: Choice, measured: Measured) -> Choice:
        """The choice for the next round: every source that exceeds its share is refined."""
        excess = {name: abs(measured.sources[name]) / (share * self._target) for name, share in SHARES.items()}
        far = self._goal.tol_control is not None and 1.4 * measured.distance > self._goal.tol_control
        if far or max(excess.values()) <= 1.0:
            worst = "time" if far else max(excess, key=lambda name: excess[name])
            excess[worst] = 2.0
        before, self._before = self._before, measured
        if before is not None and abs(measured.sources["splitting"]) > STALLED * abs(before.sources["splitting"]):
            excess["mesh"] = max(excess["mesh"], excess["splitting"])  # every substep interpolates once more
        mesh, layer_map = choice.mesh, choice.layer_map
        if self._given is None and excess["box"] > 1.0:
            mesh = longer(mesh, LONGER)
        if self._given is None and excess["mesh"] > 1.0:
            mesh = finer(mesh, self._factor("mesh", excess["mesh"]))
        if excess["splitting"] > 1.0 and layer_map.refinable:
            factor = self._factor("splitting", excess["splitting"])
            layer_map = layer_map.with_substeps(int(np.ceil(factor * layer_map.substeps)))
        choice = replace(choice, mesh=mesh, layer_map=layer_map)
        return self._in_time(choice) if max(excess["time"], excess["levels"]) > 1.0 else choice

    def _factor(self, name: str, excess: float) -> float:
        return float(np.clip(excess ** (1.0 / ORDERS[name]), *FACTORS))

    def _in_time(self, choice: Choice) -> Choice:
        """A higher degree, or halved layers with substeps of the same length."""
        if self._fixed.degree is None and choice.degree < DEGREE:
            degree = choice.degree + 1
            enough = substeps_for(choice.layer_map.method, degree, REFUSED)
            layer_map = choice.layer_map.with_substeps(max(enough, choice.layer_map.substeps))
            return replace(choice, degree=degree, layer_map=layer_map)
        ends = layer_ends(choice.grid, self._problem.horizon)
        if self._fixed.layers is not None or 2 * (len(ends) - 1) > LAYERS:
            return choice
        enough = substeps_for(choice.layer_map.method, choice.degree, REFUSED)
        layer_map = choice.layer_map.with_substeps(max(enough, -(-choice.layer_map.substeps // 2)))
        return replace(choice, grid=tuple(halved(ends).tolist()), layer_map=layer_map)

    def _ended(self, found: Certified, measured: Measured, reason: str | None) -> Certified:
        solution = found.solution
        met = reason is None
        if not met:
            worst = max(measured.sources, key=lambda name: abs(measured.sources[name]))
            reason = f"{reason}; the largest part is the error of the {worst}"
        error = SolutionError(
            bracket=measured.bracket,
            cost=measured.error,
            control=float(1.4 * measured.distance),
            tolerance=self._target,
            tolerance_control=self._goal.tol_control,
            met=met,
            sources={name: float(value) for name, value in measured.sources.items()},
            stopped_by=reason,
            without_mesh=float(measured.better),
            scale=self._scale,
        )
        told = (BoundaryMassWarning, CostErrorWarning, LayerMapWarning)
        kept = [w for w in found.warnings if not (met and isinstance(w, told))]
        solution = replace(solution, error=error, tolerance_rounds=tuple(self._rows))
        if not met:
            text = f"not converged: {error.shortfall}; the discrete system: {solution.message}"
            solution = solution.judged(Status.TARGET_MISSED, text)
        return Certified(solution, kept)
