"""The main entry: a problem, a mesh and layers in, a certified solution out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Unpack

import numpy as np

from .._validate import fail, mismatch
from ..control.grid import Grid, checked_grid, layer_ends
from ..control.horizon import FreeHorizon
from ..diagnostics import warnings_of
from ..flow.resolution import AUTO, chosen_by_itself
from ..meshes import CartesianMesh, Mesh, Refine
from ..problem import Problem
from ..results.solution_error import Report
from ..solution import Solution
from ..solvers import Solver
from ..solvers.record import Callback
from ..storage.journal import Checkpoint
from ..system.discretisation import Resources
from ..system.optimality import OptimalitySystem
from ..system.options import (
    SOLVE_OPTIONS,
    TOLERANCE_OPTIONS,
    SolveOptions,
    check_keywords,
    resource_options,
    showing_solve_options,
    system_options,
    tolerance_options,
    values_of,
)
from ..tolerance.goal import TOLERANCES, Goal
from ..tolerance.layers import Fixed
from .adaptive import solve_adaptively
from .certify import Certified, Method, certified
from .free_horizon import solve_free_horizon
from .layer_map_choice import solve_with_substeps, with_layer_map_checked
from .starts import Start, default_start, identity_of
from .to_tolerance import solve_to_tolerance
from .tolerance_on_meshes import solve_on_meshes_to_tolerance


@showing_solve_options(Goal)
def solve(
    problem: Problem,
    mesh: Mesh | None = None,
    layers: Grid | None = None,
    *,
    solver: Solver | None = None,
    initial: Start = None,
    callback: Callback | None = None,
    report: Report | None = None,
    adapt: Refine | None = None,
    checkpoint: Checkpoint | str | PathLike[str] | None = None,
    **options: Unpack[SolveOptions],
) -> Solution:
    """Solve the optimality system of a problem: on a mesh and layers that are given, or to a tolerance.

    With a mesh and layers, the discrete problem on them is solved. Without a mesh, without layers, or with `tol`, everything that
    is not given is chosen so that the error of the cost is at most `tol`: box, cells, layers, degree, layer map and the solver's
    tolerance. `solution.error` then has a bracket of the least cost, and says whether the tolerance is met and if not, why.

    Parameters
    ----------
    problem : the control problem.
    mesh : the mesh of the state space; by default box and cells are chosen.
    layers : number of equal layers, or the increasing times at which layers start and end, such as `[0, 0.1, 0.4, 1]` for the
        horizon 1. On each layer the control is a polynomial in time of the degree `control_degree`.
    continuity : forward scheme, such as continuity.FiniteVolume("muscl"); by default the transpose of `transport`.
    transport : backward scheme; by default quintic splines, on simplices quadratic elements.
    layer_map : "auto", "euler", "midpoint", "rk4", "dopri5", "dop853" or a LayerMap, see `Discretisation`. With "auto" and a
        degree above 0, the substeps are doubled until the error of the layer map is below that of the degree, see
        `run.layer_map_choice.solve_with_substeps`. Layer maps whose stages do not resolve the degree are refused.
    control_degree : the degree of the control in time on every layer, from 0 to 10. Degree 0, the default, is a control that is
        constant on layers: a residual network. With degree k, the cost converges with order `2 k + 2` in the layers to that of
        continuous time, if the control is smooth.
    solver : by default LBFGS() on an adjoint pair (with tol=1e-4 on simplices, where J has kinks; ProximalGradient() with
        sparsity). The default on other pairs, and with precision="single", is Shooting(relaxation="auto", tol=1e-8).
    initial : the first control: a number, values `(m,)` at all times, values `(layers, m)` per layer, a function of time such as
        `lambda t: [t, 0.1]` (values `(m,)` at one time, or `(n, m)` at times `(n,)`; it is projected in L2), coefficients
        `(layers, degree + 1, m)`, or a Solution. Coefficients are read in the basis of Legendre, but in that of Bernstein if the
        problem has bounds or an L1 norm, see `control.PiecewisePolynomial`; all others do not depend on the basis. The mesh, the
        layers, the degree and the penalty of a Solution may differ: its control is carried to the new layers, see
        `control.prolongation`. By default `problem.start` in every layer, which the field defines: 0.1 for every parameter, or,
        if the field has hidden units that could be exchanged, values that differ between them and are the same in each run.
    callback : called with an `Iteration` at the end of each iteration.
    report : called with a `ToleranceRound` at the end of each round of a solve to a tolerance.
    adapt : meshes.Refine(target=...) refines the cells of a SimplexMesh that contribute most to the error of the cost, and solves
        again, until the estimated error is at most the target; `solution.rounds` has one row per round.
    checkpoint : a path, or a Checkpoint. The results of evaluations are saved to this file every ten seconds. If the process is
        killed, the same call resumes from the file and ends with the same bits (except the history's seconds), even if `threads`
        and `memory` differ.
    threads, memory, precision : resources of evaluations, see `Resources`. threads: by default `EMFC_NUM_THREADS`, or 1.
        memory: for densities, in bytes or as a share of the machine's memory. precision: "single" halves the memory of densities.
        Only `precision` changes results: the gradient by about 1e-7, relative.

    tol : the largest error of the cost, relative to the size of the losses before anything moves, see `tolerance.goal.scale_of`;
        1e-6 by default. The error is that of the posed problem: continuous time, the law itself, no mesh.
    atol : an error below which no more is asked for, in the cost's units.
    tol_control : the largest error of the control, `(int |theta - theta*|^2 dt)^(1/2)`; by default it does not matter.
    seconds, max_rounds : caps. Where one of them ends the work, the best solution so far is returned and says so. `seconds` is
        looked at after every iteration of a descent and before each mesh that is tried; a gradient that has begun is not cut,
        so that the work may last longer by one gradient, and by the measurement of the result. `memory` caps the cells.
    starts : so many random first controls besides `initial`; of the valleys that they lead to, the one with the least cost is
        taken.

    Returns
    -------
    Solution
        `converged` is True if the optimality residual is below the solver's tolerance and the cost is right: the cost without a
        mesh, at the same control, agrees within 5 % of the sum of the sizes of its terms (`solution.look`). A run that
        is interrupted, diverges or meets NaN returns its best control with `converged=False` and the reason in `message`.

    Raises
    ------
    KeywordError
        If `solve` does not have a keyword; the message names the nearest one that it has.
    ArgumentError, DomainError
        Before any computation, if arguments are wrong or do not fit together.
    NonFiniteError
        If not even the initial control can be evaluated; to a tolerance, the message names the cause and what helps.
    FileFormatError, StorageError
        If the checkpoint is damaged or belongs to another run. If it cannot be written, the last complete one stays intact.

    Warns
    -----
    CostErrorWarning
        If the error of the cost on the mesh is 1 % to 5 % of the sum of the sizes of its terms. (Above 5 %, the solution does
        not count as converged.)
    DensityFloorWarning
        If a cost of the density replaces a logarithm by a polynomial where mass is, see `losses.KullbackLeibler`.
    BoundaryMassWarning
        If mass came near the boundary of the mesh or crossed it.
    LayerMapWarning
        If a layer map is given for a degree above 0, and its error of the cost is larger than that of the degree.
    SymmetricStartWarning
        If the first control has equal hidden units, or another symmetry that the solver cannot break.
    SteepControlWarning
        If the control is too steep for the cells, `|W| h > 1`.

    References
    ----------
    B. Bonnet, C. Cipriani, M. Fornasier, H. Huang, A measure theoretical approach to the mean-field maximum principle
    for training NeurODEs, Nonlinear Analysis 227 (2023) 113161, doi:10.1016/j.na.2022.113161;
    the discrete system: docs/theory/duality.md; controls of any degree in time: docs/continuous_time.md.
    Each method and scheme has its own references.

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> solution = emfc.solve(problem, emfc.CartesianMesh([(-4.0, 4.0)], cells=40), layers=3)
    >>> solution.converged, solution.control.shape
    (True, (3, 2))
    >>> to_tolerance = emfc.solve(problem, tol=1e-8)
    >>> to_tolerance.error.met, to_tolerance.error.cost <= to_tolerance.error.tolerance
    (True, True)
    """
    check_keywords(solve, options, SOLVE_OPTIONS)
    asked = any(name in options for name in TOLERANCES)
    to_tolerance = mesh is None or layers is None or asked
    for name in TOLERANCE_OPTIONS:
        if name in options and not to_tolerance:
            raise mismatch(name, f"{name}= for a mesh and layers that are given", f"tol= too, or no {name}=")
    if solver is not None and not isinstance(solver, Solver):
        raise fail("solver", solver, "a solver, such as solvers.LBFGS()")
    if callback is not None and not callable(callback):
        raise fail("callback", callback, "a function of one Iteration")
    if report is not None and not callable(report):
        raise fail("report", report, "a function of one ToleranceRound")
    if adapt is not None and not isinstance(adapt, Refine):
        raise fail("adapt", adapt, "meshes.Refine(target=..., max_cells=...)")
    if not isinstance(problem, Problem):
        raise fail("problem", problem, "a Problem")
    if isinstance(problem.horizon, FreeHorizon) and not problem.horizon.settled:
        _check_free(layers, checkpoint)

        def settled(fixed: Problem, start: Start) -> Solution:
            given = partial(solve, solver=solver, callback=callback, report=report, adapt=adapt)
            return given(fixed, mesh, layers, initial=start, **options)

        return solve_free_horizon(problem, settled, initial)
    if problem.terminal_constraints:
        _check_constrained(to_tolerance, checkpoint)
    if adapt is not None:
        problem.need_points("adapt=")
    initial = default_start(problem) if initial is None else initial
    if mesh is None or layers is None or to_tolerance:
        for name, value in (("adapt", adapt), ("checkpoint", checkpoint)):
            if value is not None:
                raise mismatch(
                    name, f"{name}= in a solve to a tolerance", f"a mesh and layers without tol=, or no {name}="
                )
        solution, found = _to_tolerance(
            problem, mesh, layers, Method(solver, initial, callback, report=report), options
        )
        warnings_of.tell(found)
        return solution
    discretisation, resources = values_of(solve, mesh, layers, system_options(options))
    journal = None
    if checkpoint is not None:
        run = {"problem": problem, "discretisation": discretisation, "precision": resources.precision}
        run["solver"] = solver
        run["initial"] = identity_of(initial)
        run["adapt"] = None if adapt is None else replace(adapt, report=None)
        journal = Checkpoint.of(checkpoint).journal(**run)
    method = Method(solver, initial, callback, journal)
    curved, automatic = discretisation.control_degree > 0, chosen_by_itself(options.get("layer_map", AUTO))
    if adapt is None and curved and automatic:
        solution, found = solve_with_substeps(problem, discretisation, resources, method)
    elif adapt is None:
        solution, found = certified(OptimalitySystem.of(problem, discretisation, resources), method)
    else:
        solution, found = solve_adaptively(problem, discretisation, resources, method, adapt)
    if curved and not automatic:
        solution, found = with_layer_map_checked(Certified(solution, found))
    warnings_of.tell(found)
    return solution


def _check_free(layers: Grid | None, checkpoint: object) -> None:
    """Raise an ArgumentError for arguments that need a horizon that is known."""
    if layers is not None and not isinstance(layers, int | np.integer):
        raise mismatch(
            "layers", "times of layers for a FreeHorizon", "a number of layers, since the final time is not known"
        )
    if checkpoint is not None:
        raise mismatch("checkpoint", "checkpoint= for a FreeHorizon", "no checkpoint=, or a fixed horizon")


def _check_constrained(to_tolerance: bool, checkpoint: object) -> None:
    """Raise an ArgumentError for arguments that constraints do not allow yet."""
    if to_tolerance:
        raise mismatch(
            "constraints", "constraints in a solve to a tolerance", "a mesh and layers without tol=, or no constraints="
        )
    if checkpoint is not None:
        raise mismatch("checkpoint", "checkpoint= for a problem with constraints", "no checkpoint=, or no constraints=")


def _to_tolerance(
    problem: Problem, mesh: Mesh | None, layers: Grid | None, method: Method, options: SolveOptions
) -> Certified:
    """Check what the user gave, and solve to the tolerance."""
    if mesh is not None or layers is not None:
        tried = CartesianMesh([(0.0, 1.0)], 1) if mesh is None else mesh
        values_of(solve, tried, 1 if layers is None else layers, system_options(options))  # checks them
    if layers is not None:
        layer_ends(checked_grid(layers), problem.horizon)
    goal, resources = Goal(**tolerance_options(options)), Resources(**resource_options(options))
    # Layers without another word are a residual network.
    plain = 0 if layers is not None and not any(name in options for name in TOLERANCES) else None
    fixed = Fixed(layers, options.get("control_degree", plain), options.get("layer_map", "auto"))
    schemes = options.get("transport"), options.get("continuity")
    walls = [f"{scheme.boundary!r}" for scheme in schemes if scheme is not None and scheme.boundary != "outflow"]
    if mesh is None and walls:
        wanted = "a mesh, since a domain with such sides is part of the problem"
        raise mismatch("mesh", f"None, for a scheme with the boundary {walls[0]}", wanted)
    by_rounds = solve_on_meshes_to_tolerance if problem.needs_mesh else solve_to_tolerance
    return by_rounds(problem, mesh, fixed, schemes, resources, method, goal)
