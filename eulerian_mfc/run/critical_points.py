"""Several critical points of one problem: continuation in the penalty, and many starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from .._names import apart
from .._validate import array, fail, integer, mismatch
from ..control.grid import Grid
from ..diagnostics import warnings_of
from ..errors import EulerianWarning, NonFiniteError
from ..meshes import Mesh
from ..problem import Problem
from ..solution import Solution
from ..solvers import Outcome, Solver, Status, default_solver
from ..system.optimality import OptimalitySystem
from ..system.options import SystemOptions, check_keywords, showing_system_options, values_of
from .certify import believed
from .description import describe
from .options import SolveOptions
from .random_controls import random_controls
from .same_point import same_point
from .solve import solve
from .starts import Start, starting_control

#: the largest number of random starts
MOST_STARTS = 100_000

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class CriticalPoint:
    """A critical point, and the starts that led to it.

    Attributes
    ----------
    solution : the Solution.
    starts : the name of every start that ended here.
    label : its name in tables and figures.
    """

    solution: Solution
    starts: tuple[str, ...]
    label: str


@dataclass(frozen=True)
class CriticalPoints:
    """Critical points found, in the order of the penalties (`continuation`) or of their costs (`multistart`).

    Attributes
    ----------
    points : the points; all of them are converged.
    failed : (start or penalty, reason) per run without a converged solution, in the order of the runs: the solver did not
        converge, or the cost on the mesh is wrong.
    """

    points: tuple[CriticalPoint, ...]
    failed: tuple[tuple[str, str], ...] = ()

    def __iter__(self) -> Iterator[Solution]:
        return (point.solution for point in self.points)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, k: int) -> Solution:
        return self.points[k].solution

    def rows(self) -> list[tuple[str, str, str, str, str, str, str]]:
        """(label, starts, cost, residual, kind, smallest Hessian eigenvalue, shooting eigenvalue), one row per point."""
        out = []
        for point in self.points:
            c = point.solution.certificate
            numbers = f"{point.solution.cost:.8f}", f"{point.solution.residual:.1e}"
            eigenvalues = f"{c.hessian_smallest:.3f}", f"{c.shooting_eigenvalue:.3f}"
            out.append((point.label, str(len(point.starts)), *numbers, c.kind, *eigenvalues))
        return out

    def table(self) -> str:
        """A table for the terminal, in Markdown; it computes the certificate of every point."""
        head = ("point", "runs", "cost", "residual", "kind", "smallest eigenvalue", "shooting eigenvalue")
        lines = ["| " + " | ".join(row) + " |" for row in (head, *self.rows())]
        lines.insert(1, "|" + "---|" * len(head))
        if self.failed:
            lines.append(f"\n{len(self.failed)} runs did not converge; the first of them: {': '.join(self.failed[0])}")
        return "\n".join(lines)

    def plot(self, limit: int = 9) -> Figure:
        """A figure of the controls of the first `limit` points, side by side."""
        from ..views.controls import controls

        return controls([(f"{p.label}: J = {p.solution.cost:.5f}", p.solution) for p in self.points[:limit]])


def continuation(
    problem: Problem, mesh: Mesh, layers: Grid, *, penalties: Sequence[Any], **options: Unpack[SolveOptions]
) -> CriticalPoints:
    """Solve for every penalty in turn; each solve starts from the control of the last penalty that converged.

    Penalties without a converged solution are not among the points: they are in `failed`, with the reason.

    Parameters
    ----------
    problem : its own penalty is not used.
    mesh, layers : as for `solve`.
    penalties : positive numbers, or rows `(m,)`; usually from large to small.
    options : keywords of `solve`.

    Raises
    ------
    KeywordError
        If `solve` does not have one of the keywords.
    ArgumentError
        If there are no penalties, or one is not positive; also as `solve`.

    Warns
    -----
    CostErrorWarning, BoundaryMassWarning, SymmetricStartWarning, SteepControlWarning
        As `solve`, for every penalty.

    References
    ----------
    E. L. Allgower, K. Georg, Introduction to Numerical Continuation Methods, SIAM 2003, doi:10.1137/1.9780898719154; why it is
    needed: docs/theory/penalties.md.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> mesh = emfc.CartesianMesh([(-4.0, 4.0)], cells=40)
    >>> found = emfc.continuation(problem, mesh, 3, penalties=[2.0, 1.0])
    >>> [point.label for point in found.points], found[0].cost > found[1].cost
    (['lambda = 2', 'lambda = 1'], True)
    """
    check_keywords(continuation, options, SolveOptions.__annotations__)
    initial = options.get("initial")
    values = list(penalties) if isinstance(penalties, Sequence | np.ndarray) and np.ndim(penalties) else []
    if not values or isinstance(penalties, str):
        raise fail("penalties", penalties, "a list of positive numbers")
    for value in values:
        row = array("penalties", value, ndim=(0, 1))
        if not (row > 0).all() or row.size not in (1, problem.parameters):
            raise fail(
                "penalties",
                penalties,
                f"positive numbers, or rows of {problem.parameters} positive numbers, one per parameter",
            )
    points, failed = [], []
    texts = iter(apart(v for v in values if np.ndim(v) == 0))
    for value in values:
        chosen: SolveOptions = {**options, "initial": initial}
        solution = solve(replace(problem, penalty=value), mesh, layers, **chosen)
        label = f"lambda = {next(texts)}" if np.ndim(value) == 0 else f"lambda = {np.asarray(value).tolist()}"
        if solution.converged:
            points.append(CriticalPoint(solution, (label,), label))
            initial = solution  # only a converged control is a good start for the next penalty
        else:
            failed.append((label, solution.message))
    return CriticalPoints(tuple(points), tuple(failed))


@showing_system_options
def multistart(
    problem: Problem,
    mesh: Mesh,
    layers: Grid,
    *,
    starts: int | Sequence[Start] | np.ndarray = 30,
    seed: int = 0,
    solver: Solver | None = None,
    callback: Callable[[int, int, float], object] | None = None,
    **options: Unpack[SystemOptions],
) -> CriticalPoints:
    """Solve from many controls; returns the distinct critical points, in the order of their costs.

    Parameters
    ----------
    problem, mesh, layers : as for `solve`.
    starts : a number of random controls (see `random_controls`), or a list of controls, each as `initial` of `solve`.
    seed : the seed of the random controls, an integer >= 0.
    solver : by default the solver of `solve`: LBFGS() on an adjoint pair, which finds minima.
        NewtonKrylov(first_step=numpy.inf) finds saddles too.
    callback : called after each run with (number of finished runs, number of all runs, cost found).
    continuity, transport, layer_map, control_degree, threads, memory, precision : as for `solve`.

    A critical point counts as already known if its control differs from a known one by no more than the errors of both, which
    follow from the solver's tolerance and from the curvature of the cost between them, see `run.same_point`. Runs that did not
    converge, and solutions whose cost on the mesh is wrong, are not points: they are in `failed`, with the reason.

    Raises
    ------
    KeywordError
        If there is no such keyword.
    ArgumentError
        If starts, solver or callback have a wrong type; also as `solve`.

    Warns
    -----
    CostErrorWarning, BoundaryMassWarning, SteepControlWarning
        As `solve`, about the points: one warning per category, with the first point of which it is true.

    References
    ----------
    Own construction; why there are several critical points: docs/theory/penalties.md.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> mesh = emfc.CartesianMesh([(-4.0, 4.0)], cells=40)
    >>> found = emfc.multistart(problem, mesh, 3, starts=[0.1, 0.5])
    >>> len(found), found.points[0].starts
    (1, ('start 0', 'start 1'))
    """
    values = values_of(multistart, mesh, layers, options)
    if solver is not None and not isinstance(solver, Solver):
        raise fail("solver", solver, "a solver, such as solvers.LBFGS()")
    if callback is not None and not callable(callback):
        raise fail("callback", callback, "a function of (number of finished runs, number of all runs, cost)")
    if problem.terminal_constraints:
        raise mismatch("constraints", "constraints, which multistart would not keep", "solve, or no constraints=")
    system = OptimalitySystem.of(problem, *values)
    chosen = default_solver(system) if solver is None else solver
    if isinstance(starts, int | np.integer):
        named = [
            (f"random {k}", c)
            for k, c in enumerate(random_controls(system, integer("starts", starts, maximum=MOST_STARTS), seed))
        ]
    elif (isinstance(starts, list | tuple) or (isinstance(starts, np.ndarray) and starts.ndim)) and len(starts):
        named = [(f"start {k}", starting_control(system, c, "starts")) for k, c in enumerate(starts)]
    else:
        raise fail("starts", starts, "a number of random starts, or a non-empty list of controls")
    found: list[tuple[Outcome, list[str]]] = []
    failed = []
    for k, (name, control) in enumerate(named):
        try:
            outcome = chosen.solve(system, control)
        except NonFiniteError as error:
            outcome = Outcome(control, Status.NOT_FINITE, str(error))
        if outcome.converged:
            known = next((names for o, names in found if same_point(system, o, outcome, chosen.tol)), None)
            if known is None:
                found.append((outcome, [name]))
            else:
                known.append(name)
        else:
            failed.append((name, outcome.message))
        if callback is not None:
            callback(k + 1, len(named), system.cost(outcome.control).total if outcome.history else np.nan)
    solved = []
    for outcome, names in found:
        solution = believed(Solution.from_outcome(system, outcome, describe(system, chosen)), outcome)
        if solution.converged:
            solved.append((solution, tuple(names)))
        else:
            failed += [(name, solution.message) for name in names]
    solved.sort(key=lambda pair: pair[0].cost)
    points = tuple(CriticalPoint(s, names, f"point {k + 1}") for k, (s, names) in enumerate(solved))
    order = {name: k for k, (name, _) in enumerate(named)}
    _tell(system, points)
    return CriticalPoints(points, tuple(sorted(failed, key=lambda row: order[row[0]])))


def _tell(system: OptimalitySystem, points: Sequence[CriticalPoint]) -> None:
    """Issue the warnings about the mesh that `solve` issues: one per category, which names the first point and their number."""
    found: dict[type[EulerianWarning], list[tuple[str, EulerianWarning]]] = {}
    for point in points:
        for warning in warnings_of.of_the_mesh(system, point.solution):
            found.setdefault(type(warning), []).append((point.label, warning))
    for kind, rows in found.items():
        label, first = rows[0]
        others = f" (and {len(rows) - 1} other points)" if len(rows) > 1 else ""
        warnings_of.tell([kind(f"{label}{others}: {first}")])
