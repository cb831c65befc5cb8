"""The main entry: a problem, a mesh and layers in, a certified solution out."""

from __future__ import annotations

import platform
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from .._names import apart
from .._validate import affordable, fail, mismatch
from ..control.prolongation import prolong
from ..diagnostics import warnings_of as cautions
from ..fields.base import START
from ..meshes import Mesh, Refine
from ..problem import Problem
from ..solution import Solution
from ..solvers import Shooting, Solver, minimiser
from ..solvers.base import Callback
from ..storage.environment import versions
from ..storage.journal import Checkpoint, Journal
from ..system.optimality import OptimalitySystem

#: how far the gradients of a solver and of the certificate may differ, relative to the terms that cancel in them
SLACK = 1e-11
#: arguments of `solve` that its results do not depend on
RESOURCES = ("threads", "memory")
#: tolerance of the default solver on simplices, where the cost has kinks as feet cross facets
ELEMENT_TOLERANCE = 1e-4


def solve(
    problem: Problem,
    mesh: Mesh,
    layers: int,
    *,
    continuity: Any = None,
    transport: Any = None,
    layer_map: Any = "rk4",
    solver: Solver | None = None,
    initial: Any = None,
    callback: Callback | None = None,
    adapt: Refine | None = None,
    checkpoint: Any = None,
    threads: int | None = None,
    memory: float = 0.5,
    storage: str = "double",
) -> Solution:
    """Solve the optimality system of a problem on a mesh.

    Parameters
    ----------
    problem : the control problem.
    mesh : the mesh of the state space.
    layers : number of layers, on each of which the control is constant.
    continuity : forward scheme, such as continuity.FiniteVolume("muscl"); by default the transpose of `transport`.
    transport : backward scheme; by default quintic splines, on simplices quadratic elements.
    layer_map : "euler", "midpoint", "rk4" or a LayerMap.
    solver : by default LBFGS() on an adjoint pair (to 1e-4 on simplices, where J has kinks; ProximalGradient() with sparsity),
        Shooting(relaxation="auto", tol=1e-8) on another, and with storage="single".
    initial : the first control: a number, `(m,)`, `(layers, m)`, or a Solution, on whatever mesh, with whatever number of
        layers and penalty (its control is carried to the new layers, see `prolongation.prolong`). By default `problem.start` in
        every layer: what the field says, which is 0.1 for every parameter where the field has no hidden units that could be
        exchanged, and otherwise different for each of them, the same in every run.
    callback : called with an `Iteration` at the end of each.
    adapt : meshes.Refine(target=...) to refine a SimplexMesh where the cost's error comes from and solve again, until the
        estimated error of the cost is at most the target; `solution.rounds` has a row a round.
    checkpoint : a path, or a Checkpoint: what is evaluated is kept in that file every ten seconds, and the same call goes on
        from there after it was killed, and ends with the same bits (but for the history's seconds), whatever `threads` and
        `memory` then are.
    threads, memory, storage : what evaluations may use, see `OptimalitySystem`: threads (by default `EMFC_NUM_THREADS`, or 1),
        bytes or a share of the machine's memory for densities, "single" to keep these in half of it. Only `storage` changes
        results, by about 1e-7 of the gradient.

    Returns
    -------
    Solution
        `converged` says whether the optimality residual is below the solver's tolerance and the cost is right: one look
        without a mesh, at the same control, finds it within 5 % of the moduli of its terms (`solution.look`). A run that is
        interrupted, diverges or meets NaN returns its best control with `converged=False` and the reason in `message`.

    Raises
    ------
    ArgumentError, DomainError
        Before any work, for arguments that are wrong or do not fit together.
    NonFiniteError
        If not even the initial control can be evaluated.
    FileFormatError, StorageError
        If the checkpoint is damaged or belongs to another run; if it cannot be written, the last good one is intact.

    Warns
    -----
    CostErrorWarning
        If the cost on the mesh is off by 1 % to 5 % of the moduli of its terms (above, the answer is not called converged).
    BoundaryMassWarning
        If mass came near the boundary of the mesh or crossed it.
    SymmetricStartWarning
        If the first control has equal hidden units, or another symmetry that the solver could not leave.
    SteepControlWarning
        If the control is too steep for the cells, `|W| h > 1`.

    References
    ----------
    B. Bonnet, C. Cipriani, M. Fornasier, H. Huang, A measure theoretical approach to the mean-field maximum principle
    for training NeurODEs, Nonlinear Analysis 227 (2023) 113161, doi:10.1016/j.na.2022.113161;
    the discrete system: docs/theory/duality.md; each method and scheme: see there.
    """
    if solver is not None and not isinstance(solver, Solver):
        raise fail("solver", solver, "a solver, such as solvers.LBFGS()")
    if callback is not None and not callable(callback):
        raise fail("callback", callback, "a function of one Iteration")
    if initial is None and isinstance(problem, Problem):
        initial = default_start(problem)
    if checkpoint is not None and not isinstance(checkpoint, Journal):
        options = {"problem": problem, "mesh": mesh, "layers": layers, "continuity": continuity, "transport": transport}
        options |= {"layer_map": layer_map, "solver": solver, "initial": getattr(initial, "control", initial)}
        options |= {"storage": storage}
        options |= {"adapt": replace(adapt, report=None) if isinstance(adapt, Refine) else adapt}
        checkpoint = Checkpoint.of(checkpoint).journal(**options)
    if adapt is not None:
        from .adaptive import solve_adaptively

        options = {"continuity": continuity, "transport": transport, "layer_map": layer_map, "solver": solver}
        options |= {"initial": initial, "callback": callback, "checkpoint": checkpoint}
        options |= {"threads": threads, "memory": memory, "storage": storage}
        return solve_adaptively(solve, problem, mesh, layers, adapt, options)
    schemes = {"continuity": continuity, "transport": transport, "layer_map": layer_map}
    system = OptimalitySystem(problem, mesh, layers, **schemes, threads=threads, memory=memory, storage=storage)
    densities = (layers + 1) * (system.initial_masses.size + 2 * system.mesh.size)
    affordable("layers", layers, densities, "the densities of all layers")
    direct = minimiser(problem)
    if mesh.kind != "cartesian":
        direct = replace(direct, tol=ELEMENT_TOLERANCE)
    # Rounded densities give gradients that are not quite the cost's, at which line searches fail.
    exact = system.adjoint and (storage == "double" or problem.sparse)
    chosen = solver or (direct if exact else Shooting(relaxation="auto", tol=1e-8))
    start = starting_control(system, initial)
    if checkpoint is None:
        outcome = chosen.solve(system, start, callback)
    else:
        with checkpoint as journal:
            outcome = chosen.solve(journal.watching(system), start, callback)
    with uninterrupted():
        solution = Solution.from_outcome(system, outcome, describe(system, chosen))
    slack = SLACK * outcome.threshold / chosen.tol if chosen.discrete and storage == "double" else np.inf
    others = _other_values(solution, slack)
    for doubt in [*others, *doubts(solution)]:
        message = f"not converged: {doubt}; the discrete system: {outcome.message}"
        solution = solution.judged(message, solved=solution.solved and not others)
    cautions.warn([*cautions.of_the_mesh(system, solution), *cautions.of_the_start(system, start, solution)], 2)
    return solution


def default_start(problem: Problem) -> Any:
    """`problem.start`, as the number 0.1 where all of it is: so checkpoints of solutions without `initial` have always named it.

    Parameters
    ----------
    problem : for its field and its law.

    Raises
    ------
    ArgumentError
        If the field's own start has another shape than `(m,)`, or is not finite.
    """
    return START if (problem.start == START).all() else problem.start


def starting_control(system: OptimalitySystem, initial: Any, name: str = "initial") -> np.ndarray:
    """`(layers, m)` from what `solve` takes as `initial`.

    Parameters
    ----------
    system : for the shape, and the layers' times.
    initial : what `solve` takes.
    name : of the argument, for messages.

    Raises
    ------
    ArgumentError
        For other shapes, or the solution of a problem with other parameters.
    """
    if initial is None:
        initial = default_start(system.problem)
    if not isinstance(initial, Solution):
        return system.control(initial, name)
    if initial.parameter_names != system.problem.field.parameter_names:
        names = ", ".join(system.problem.field.parameter_names)
        raise mismatch(name, f"a solution with the parameters {', '.join(initial.parameter_names)}", names)
    return prolong(initial.control, system.layers)


def _other_values(solution: Solution, slack: float) -> list[str]:
    """Why the solver's residual is not believed: the certificate, which computes it anew, has one larger by more than slack."""
    if not solution.converged or solution.kink is not None or solution.residual <= solution.threshold + slack:
        return []
    return [
        f"the same control evaluated again has the optimality residual {solution.residual:.2e}: the problem's functions do not "
        "give the same values at every call, or a checkpoint holds those of other functions"
    ]


def doubts(solution: Solution) -> list[str]:
    """Why the discrete optimum is no answer, where it is none.

    Parameters
    ----------
    solution : that was found.
    """
    found = solution.look
    # Who asks whether a run was interrupted reads it in the message: there this is said by the certificate alone.
    interrupted = solution.message.startswith("not converged: interrupt")
    return [found.words] if found is not None and found.wrong and not interrupted else []


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back while work that must not be lost is certified or written (in the main thread)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Let the first Ctrl-C through (a solver keeps its best control) and ignore the others until the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def first(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def describe(system: OptimalitySystem, solver: Solver) -> dict[str, str]:
    """What was solved and how, in words, for reports and files.

    Parameters
    ----------
    system : the discrete problem.
    solver : the method.
    """
    problem = system.problem
    penalty = np.unique(problem.penalties)
    bounds = np.unique(np.stack([problem.lower, problem.upper], axis=1), axis=0).tolist()
    extra = {"running loss": type(problem.running).__name__} if problem.running is not None else {}
    if problem.sparse:
        extra["sparsity"] = ", ".join(apart(np.unique(problem.sparsities)))
    if system.resources["storage"] != "double":
        extra["storage"] = f"densities in {system.resources['storage']} precision"
    extra |= {"bounds": ", ".join(map(str, bounds))} if problem.bounded else {}
    return {
        "field": repr(problem.field),
        "law": type(getattr(problem.law, "law", problem.law)).__name__,
        "loss": type(problem.loss).__name__,
        "fields on the mesh": ", ".join(problem.separable.names),
        "penalty": ", ".join(apart(penalty)),
        **extra,
        "horizon": f"{problem.horizon:g}",
        "mesh": system.mesh.title,
        "layers": str(system.layers),
        "layer map": repr(system.flow.layer_map),
        "transport": repr(system.transport_scheme),
        "continuity": repr(system.continuity_scheme),
        "solver": repr(solver),
        "versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
        "platform": f"{platform.system()} {platform.machine()}",
        "seeds": "none in the solution itself; 0 for the trajectories shown and for the second-order analysis",
    }
