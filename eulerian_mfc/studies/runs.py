"""What jobs do. These functions run in workers: they take sources, numbers and arrays, and return the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import EulerianWarning
from ..laws import Empirical
from ..laws.distance import wasserstein
from ..problem import Problem
from ..run.options import on_the_mesh
from ..run.solve import solve
from ..run.starts import starting_control
from ..solution import Solution
from ..solvers import Outcome, Solver, Status, default_solver
from ..system.controlled import ControlledSystem
from ..system.particles import ParticleSystem

#: error of the law's integrals that the twin of a study aims at, relative to the cost, and points that it may take for it
TWIN_AIM, TWIN_POINTS = 1e-13, 60_000
#: cells with less than this share of the largest mass do not count for the Courant number
NEGLIGIBLE_MASS = 1e-6


def solve_run(source: Any, twin: bool = False, measures: Mapping[str, Callable[[Solution], Any]] | None = None) -> Any:
    """Solve the source's problem on its mesh, or its particle twin; cost, checks, control, and the measures."""
    problem, options = source.build()
    if twin:
        return twin_run(problem, options)
    solution, told = _solved(problem, dict(options))
    return {
        "cost": solution.cost,
        "terminal_cost": solution.terminal_cost,
        "penalty_cost": solution.penalty_cost,
        "residual": solution.residual,
        "left": left_over(solution, problem),
        "converged": bool(solution.converged),
        "solved": bool(solution.solved),
        "message": solution.message,
        "warnings": "; ".join(told),
        "courant": largest_courant_number(solution),
        "control": solution.control,
        **{name: measure(solution) for name, measure in (measures or {}).items()},
    }


def _solved(problem: Problem, options: dict[str, Any]) -> tuple[Solution, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EulerianWarning)
        solution = solve(problem, options.pop("mesh"), options.pop("layers"), **options)
    _not_interrupted(solution.status)
    told = [str(w.message) for w in caught]
    if solution.look is not None and solution.look.wrong:
        told.append(solution.look.words)
    return solution, told


def solved(values: Mapping[str, Any]) -> bool:
    """Whether a run's solver reached its tolerance, whatever the mesh does to the cost, which studies of meshes measure."""
    return bool(values.get("solved", values["converged"]))  # older results have one of them only


def _not_interrupted(status: Status) -> None:
    """Solvers keep their best control on Ctrl-C; a study must not keep it as a result."""
    if status is Status.INTERRUPTED:
        raise KeyboardInterrupt


def twin_run(problem: Problem, options: Mapping[str, Any]) -> dict[str, Any]:
    """The problem with no mesh, on a rule of the law that is refined for its optimal control, or on its samples."""
    layers, layer_map = options["layers"], options.get("layer_map", "rk4")
    system = ParticleSystem(problem, layers, layer_map=layer_map)
    outcome, error = _twin_outcome(system, options), 0.0
    if not problem.law.finite and outcome.converged:
        aim = TWIN_AIM * abs(system.cost(outcome.control).total)
        refine = {"layer_map": layer_map, "tolerance": aim, "limit": TWIN_POINTS}
        system = ParticleSystem.refined(problem, layers, outcome.control, **refine)
        outcome = _twin_outcome(system, {**options, "initial": outcome.control})
        error = float(system.error or 0.0)
    cost, residual = system.cost(outcome.control), outcome.history[-1].residual
    return {
        "quadrature": error,
        "left": 10 * residual / float(problem.regulariser.penalties.min()),
        "cost": cost.total,
        "terminal_cost": cost.terminal,
        "penalty_cost": cost.penalty,
        "residual": residual,
        "converged": bool(outcome.converged),
        "message": outcome.message,
        "control": outcome.control,
    }


def twin_solver(system: ControlledSystem, options: Mapping[str, Any]) -> Solver:
    """The solver of the particle twin: the one that was given, if it is of the kind that the problem needs without a mesh."""
    default, given = default_solver(system), options.get("solver")
    return given if isinstance(given, type(default)) else default


def _twin_outcome(system: ControlledSystem, options: Mapping[str, Any]) -> Outcome:
    outcome = twin_solver(system, options).solve(system, _start(system, options))
    _not_interrupted(outcome.status)
    return outcome


def _start(system: ControlledSystem, options: Mapping[str, Any]) -> np.ndarray:
    """The first control `(layers, m)` of a twin: that of the mesh."""
    return starting_control(system, options.get("initial"))


def left_over(solution: Solution, problem: Problem) -> float:
    """How far a converged control may be from the optimum, by the penalty's curvature; at a kink by the gradients nearby."""
    residual, distance = (solution.residual, 0.0) if solution.kink is None else solution.kink
    return distance + 10 * residual / float(problem.regulariser.penalties.min())


def largest_courant_number(solution: Solution) -> float:
    """Cells crossed in a layer, at most, over the layers and the cells that hold mass: `max |F_i| dt / h_i` on boxes."""
    masses = np.abs(solution.masses[:-1]).sum(axis=1).reshape(solution.layers, -1)
    largest = 0.0
    for n in range(solution.layers):
        held = solution.unknowns.cells_of(masses[n] > NEGLIGIBLE_MASS * masses[n].max())
        largest = max(largest, float(solution.mesh.crossing_rates(solution.velocity(n))[held].max()))
    return largest * solution.numerics.horizon / solution.layers


def sample_of(problem: Problem, samples: int, repeat: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sample `repeat` of its size: a stream of its own, the same whatever other sizes and repeats a study has."""
    stream = np.random.SeedSequence(seed, spawn_key=(samples, repeat))
    return problem.law.sample(samples, np.random.default_rng(stream))


def sample_run(
    source: Any,
    samples: int,
    repeat: int,
    seed: int,
    initial: np.ndarray,
    methods: tuple[str, ...],
    symmetry: Callable[[np.ndarray], np.ndarray] | None,
    atoms: int,
) -> dict[str, Any]:
    """Train on one sample, on the mesh and by the particle twin, and cost the control on the true law."""
    problem, options = source.build()
    x, y = sample_of(problem, samples, repeat, seed)
    empirical = replace(problem, law=Empirical(x, y))
    options = {**options, "initial": initial}
    out: dict[str, Any] = {"converged": True, "warnings": ""}
    true_law = on_the_mesh(problem, options)
    for method in methods:
        if method == "mesh":
            run = solve_run(_Built(empirical, options))
            out["warnings"] = run["warnings"]
        else:
            run = twin_run(empirical, options)
        out[f"converged_{method}"] = run["converged"]
        out["converged"] &= run["converged"]
        out[f"control_{method}"] = run["control"]
        out[f"training_{method}"] = run["cost"]
        out[f"generalisation_{method}"] = true_law.cost(run["control"]).total
    for p in (1, 2):
        for name, fold in {"": None, "_symmetry": symmetry}.items():
            if name and fold is None:
                continue
            distance = wasserstein(problem.law, x, p, symmetry=fold, atoms=atoms)
            out[f"W{p}{name}"], out[f"W{p}{name}_tolerance"] = distance.value, distance.tolerance
            out[f"W{p}{name}_method"] = distance.method
    return out


class _Built:
    """A source that is built already."""

    def __init__(self, problem: Problem, options: dict[str, Any]) -> None:
        self._both = problem, options

    def build(self) -> tuple[Problem, dict[str, Any]]:
        return self._both


def sample_control_run(
    source: Any, samples: int, repeat: int, seed: int, initial: np.ndarray, twin: bool
) -> dict[str, Any]:
    """The control of one sample, on the source's mesh or by the particle twin, and no more."""
    problem, options = source.build()
    x, y = sample_of(problem, samples, repeat, seed)
    empirical = _Built(replace(problem, law=Empirical(x, y)), {**options, "initial": initial})
    run = solve_run(empirical, twin)
    return {k: run[k] for k in ("cost", "converged", "control")}


def descent_run(source: Any, samples: int, repeat: int, seed: int) -> dict[str, Any]:
    """Train on one sample by its particle twin, and cost every iterate on the sample and on the true law."""
    problem, options = source.build()
    x, y = sample_of(problem, samples, repeat, seed)
    system = _Watched(
        replace(problem, law=Empirical(x, y)), options["layers"], layer_map=options.get("layer_map", "rk4")
    )
    controls: list[np.ndarray] = []
    outcome = twin_solver(system, options).solve(
        system, _start(system, options), lambda row: controls.append(system.seen.get(row.cost, system.latest))
    )
    _not_interrupted(outcome.status)
    true_law = on_the_mesh(problem, options)
    return {
        "converged": bool(outcome.converged),
        "training": np.array([row.cost for row in outcome.history]),
        "generalisation": np.array([true_law.cost(c).total for c in controls]),
    }


class _Watched(ParticleSystem):
    """Remembers which control had which cost: callbacks of solvers get the costs of their iterates alone."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.seen: dict[float, np.ndarray] = {}
        self.latest = np.zeros(0)

    def cost_and_gradient(self, control: Any) -> tuple[float, np.ndarray]:
        cost, gradient = super().cost_and_gradient(control)
        self.latest = np.array(control)
        self.seen[cost] = self.latest
        return cost, gradient
