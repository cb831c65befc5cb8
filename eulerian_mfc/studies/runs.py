"""The functions that jobs run, in workers: they take sources, numbers and arrays, and return numbers, words and arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, Unpack

import numpy as np

from ..control.coerced import ControlLike
from ..control.grid import Grid
from ..errors import EulerianWarning
from ..laws import Empirical
from ..laws.distance import wasserstein
from ..problem import Problem
from ..run.options import Options, on_the_mesh, without_mesh
from ..run.solve import solve
from ..run.starts import starting_control
from ..solution import Solution
from ..solvers import Outcome, Solver, Status, default_solver
from ..system.controlled import ControlledSystem
from ..system.options import LayerOptions, layer_options
from ..system.particles import ParticleSystem
from .records import POWERS, Descent, Distance, Run, SampleRun, Trained
from .sources import Source
from .store import Entries, Value

#: a function for a further column of a study: solution -> number or word
Measure = Callable[[Solution], Value]
#: a map that is constant on the orbits of a symmetry: points `(n, d)` -> `(n, d)`
Fold = Callable[[np.ndarray], np.ndarray]

#: desired error of the law's integrals in the twin of a study, relative to the cost; largest number of points for it
TWIN_AIM, TWIN_POINTS = 1e-13, 60_000
#: largest number of samples of one size
MOST_REPEATS = 100_000
#: cells with less than this share of the largest mass do not count for the Courant number
NEGLIGIBLE_MASS = 1e-6


class Draw(NamedTuple):
    """One sample of a law.

    Attributes
    ----------
    samples : the sample size.
    repeat : the number of the sample among those of this size.
    seed : an integer >= 0.
    """

    samples: int
    repeat: int
    seed: int

    def of(self, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
        """States and labels. Each sample has its own random stream, independent of the other sizes and repeats of a study."""
        stream = np.random.SeedSequence(self.seed, spawn_key=(self.samples, self.repeat))
        return problem.law.sample(self.samples, np.random.default_rng(stream))

    def problem(self, problem: Problem) -> Problem:
        """The problem whose law is the sample."""
        return replace(problem, law=Empirical(*self.of(problem)))


def solve_run(source: Source, twin: bool = False, measures: Mapping[str, Measure] | None = None) -> Entries:
    """Solve the source's problem on its mesh, or its particle twin; return cost, checks, control and measures."""
    problem, options = source.build()
    return (twin_run(problem, options) if twin else mesh_run(problem, options, measures or {})).entries()


def mesh_run(problem: Problem, options: Options, measures: Mapping[str, Measure]) -> Run:
    """Solve a problem on its mesh.

    Parameters
    ----------
    problem, options : keyword arguments of `solve`, mesh and layers among them.
    measures : further numbers and words of the solution, by name.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EulerianWarning)
        solution = solve(problem, **options)
    _not_interrupted(solution.status)
    told = [str(w.message) for w in caught]
    if solution.look is not None and solution.look.wrong:
        told.append(solution.look.words)
    return Run(
        cost=solution.cost,
        terminal_cost=solution.terminal_cost,
        penalty_cost=solution.penalty_cost,
        residual=solution.residual,
        control=solution.control,
        converged=bool(solution.converged),
        solved=bool(solution.solved),
        message=solution.message,
        left=left_over(solution, problem),
        warnings="; ".join(told),
        courant=largest_courant_number(solution),
        measures={name: measure(solution) for name, measure in measures.items()},
    )


def _not_interrupted(status: Status) -> None:
    """Raise KeyboardInterrupt again: a solver returns its best control on Ctrl-C, which a study must not store as a result."""
    if status is Status.INTERRUPTED:
        raise KeyboardInterrupt


def twin_run(problem: Problem, options: Options) -> Run:
    """Solve the problem without a mesh, on a rule of the law that is refined for its optimal control, or on its samples."""
    system = without_mesh(problem, options)
    outcome, error = _twin_outcome(system, options), 0.0
    if not problem.law.finite and outcome.converged:
        aim = TWIN_AIM * abs(system.cost(outcome.control).total)
        layers = system.layer_options
        system = ParticleSystem.refined(
            problem, system.grid, outcome.control, tolerance=aim, limit=TWIN_POINTS, **layers
        )
        outcome = _twin_outcome(system, {**options, "initial": outcome.control})
        error = float(system.error or 0.0)
    cost, residual = system.cost(outcome.control), outcome.history[-1].residual
    return Run(
        cost=cost.total,
        terminal_cost=cost.terminal,
        penalty_cost=cost.penalty,
        residual=residual,
        control=outcome.control,
        converged=bool(outcome.converged),
        solved=bool(outcome.converged),
        message=outcome.message,
        left=10 * residual / float(problem.regulariser.penalties.min()),
        quadrature=error,
    )


def twin_solver(system: ControlledSystem, options: Options) -> Solver:
    """The solver of the particle twin: that of the options if it is of the twin's default kind, otherwise the default."""
    default, given = default_solver(system), options.get("solver")
    return given if isinstance(given, type(default)) else default


def _twin_outcome(system: ControlledSystem, options: Options) -> Outcome:
    outcome = twin_solver(system, options).solve(system, first_control(system, options))
    _not_interrupted(outcome.status)
    return outcome


def first_control(system: ControlledSystem, options: Options) -> np.ndarray:
    """The first control `(layers, m)` of a twin: the same as on the mesh.

    Parameters
    ----------
    system : the system, which determines the shape.
    options : keyword arguments of `solve`.
    """
    return starting_control(system, options.get("initial"))


def left_over(solution: Solution, problem: Problem) -> float:
    """Bound of a converged control's distance to the optimum, by the penalty's curvature; at a kink by nearby gradients."""
    residual, distance = (solution.residual, 0.0) if solution.kink is None else solution.kink
    return distance + 10 * residual / float(problem.regulariser.penalties.min())


def largest_courant_number(solution: Solution) -> float:
    """Largest number of cells crossed in one step, over steps and cells with mass: `max |F_i| dt / h_i` on boxes."""
    masses, lengths = np.abs(solution.masses[:-1]).sum(axis=1), np.diff(solution.times)
    largest = 0.0
    for n, length in enumerate(lengths):
        held = solution.unknowns.cells_of(masses[n].ravel() > NEGLIGIBLE_MASS * masses[n].max())
        largest = max(largest, float(length * solution.mesh.crossing_rates(solution.velocity(n))[held].max()))
    return largest


def sample_run(
    source: Source,
    samples: int,
    repeat: int,
    seed: int,
    initial: np.ndarray,
    methods: tuple[str, ...],
    symmetry: Fold | None,
    atoms: int,
) -> Entries:
    """Train on one sample, on the mesh and by the particle twin, and evaluate the cost of the control on the true law."""
    problem, options = source.build()
    draw = Draw(samples, repeat, seed)
    empirical, options = draw.problem(problem), {**options, "initial": initial}
    true_law = on_the_mesh(problem, options)
    trained: dict[str, Trained] = {}
    told = ""
    for method in methods:
        if method == "mesh":
            run = mesh_run(empirical, options, {})
            told = run.warnings
        else:
            run = twin_run(empirical, options)
        trained[method] = Trained(run.converged, run.cost, true_law.cost(run.control).total, run.control)
    distances: list[Distance] = []
    for p in POWERS:
        for fold in (None, symmetry):
            if fold is None and any(d.power == p for d in distances):
                continue  # there is no symmetry
            found = wasserstein(problem.law, draw.of(problem)[0], p, symmetry=fold, atoms=atoms)
            distances.append(Distance(p, fold is not None, found.value, found.tolerance, found.method))
    return SampleRun(trained, tuple(distances), told).entries()


def sample_control_run(
    source: Source, samples: int, repeat: int, seed: int, initial: np.ndarray, twin: bool
) -> Entries:
    """Only the control of one sample, on the source's mesh or by the particle twin."""
    problem, options = source.build()
    empirical, options = Draw(samples, repeat, seed).problem(problem), {**options, "initial": initial}
    run = twin_run(empirical, options) if twin else mesh_run(empirical, options, {})
    return {"cost": run.cost, "converged": run.converged, "control": run.control}


def descent_run(source: Source, samples: int, repeat: int, seed: int) -> Entries:
    """Train on one sample by its particle twin, and evaluate the cost of every iterate on the sample and on the true law."""
    problem, options = source.build()
    empirical = Draw(samples, repeat, seed).problem(problem)
    system = _Watched(empirical, options["layers"], **layer_options(options))
    controls: list[np.ndarray] = []
    outcome = twin_solver(system, options).solve(
        system, first_control(system, options), lambda row: controls.append(system.seen.get(row.cost, system.latest))
    )
    _not_interrupted(outcome.status)
    true_law = on_the_mesh(problem, options)
    costs = np.array([row.cost for row in outcome.history])
    return Descent(bool(outcome.converged), costs, np.array([true_law.cost(c).total for c in controls])).entries()


class _Watched(ParticleSystem):
    """Stores the control of every cost: callbacks of solvers receive only the costs of their iterates."""

    def __init__(self, problem: Problem, layers: Grid, **options: Unpack[LayerOptions]) -> None:
        super().__init__(problem, layers, **options)
        self.seen: dict[float, np.ndarray] = {}
        self.latest = np.zeros(0)

    def cost_and_gradient(self, control: ControlLike) -> tuple[float, np.ndarray]:
        cost, gradient = super().cost_and_gradient(control)
        self.latest = self.control(control)
        self.seen[cost] = self.latest
        return cost, gradient
