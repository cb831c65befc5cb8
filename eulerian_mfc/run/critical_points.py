"""Several critical points of one problem: continuation in the penalty, and many starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .._names import apart
from .._validate import array, fail, integer
from ..errors import NonFiniteError
from ..meshes import Mesh
from ..problem import Problem
from ..solution import Solution
from ..solvers import Outcome, Solver, minimiser
from ..system.optimality import OptimalitySystem
from .solve import describe, doubts, solve, starting_control

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: controls of which every parameter differs by less than this share of its size are one critical point
SAME = 1e-4
#: share of the controls' natural size that random ones have at least, where no cost is left to be gained
SMALLEST = 0.01


@dataclass(frozen=True)
class CriticalPoint:
    """A solution and what led to it.

    Attributes
    ----------
    solution : the Solution.
    starts : one name a start that ended here.
    label : under which tables and figures show it.
    """

    solution: Solution
    starts: tuple[str, ...]
    label: str


@dataclass(frozen=True)
class CriticalPoints:
    """Critical points found, in the order of the penalties (`continuation`) or of their costs (`multistart`).

    Attributes
    ----------
    points : the points.
    failed : (start, message) of the runs that did not converge.
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
        """(label, starts, cost, residual, kind, smallest Hessian eigenvalue, shooting eigenvalue), one a point."""
        out = []
        for point in self.points:
            c = point.solution.certificate
            kind = c.kind if point.solution.converged else "not converged"
            numbers = f"{point.solution.cost:.8f}", f"{point.solution.residual:.1e}"
            eigenvalues = f"{c.hessian_smallest:.3f}", f"{c.shooting_eigenvalue:.3f}"
            out.append((point.label, str(len(point.starts)), *numbers, kind, *eigenvalues))
        return out

    def table(self) -> str:
        """A table for the terminal, in Markdown; makes every point's certificate."""
        head = ("point", "runs", "cost", "residual", "kind", "smallest eigenvalue", "shooting eigenvalue")
        lines = ["| " + " | ".join(row) + " |" for row in (head, *self.rows())]
        lines.insert(1, "|" + "---|" * len(head))
        if self.failed:
            lines.append(f"\n{len(self.failed)} runs did not converge, the first: {': '.join(self.failed[0])}")
        return "\n".join(lines)

    def plot(self, limit: int = 9) -> Figure:
        """The controls of the first `limit` points side by side."""
        from ..views.figures import controls

        return controls([(f"{p.label}: J = {p.solution.cost:.5f}", p.solution) for p in self.points[:limit]])


def continuation(
    problem: Problem, mesh: Mesh, layers: int, *, penalties: Sequence[Any], initial: Any = None, **options: Any
) -> CriticalPoints:
    """Solve for every penalty in turn, each from the control of the one before.

    Parameters
    ----------
    problem : its own penalty is not used.
    mesh, layers : as for `solve`.
    penalties : positive numbers, or rows `(m,)`; usually from large to small.
    initial : the first control, as for `solve`.
    options : of `solve`: schemes, layer_map, solver, threads, memory, storage.

    Raises
    ------
    ArgumentError
        If there are no penalties, or one is not positive; and as `solve`.

    References
    ----------
    E. L. Allgower, K. Georg, Introduction to Numerical Continuation Methods, SIAM 2003, doi:10.1137/1.9780898719154; why it is
    needed: docs/theory/penalties.md.
    """
    values = list(penalties) if isinstance(penalties, Sequence | np.ndarray) and np.ndim(penalties) else []
    if not values or isinstance(penalties, str):
        raise fail("penalties", penalties, "a list of positive numbers")
    for value in values:
        row = array("penalties", value, ndim=(0, 1))
        if not (row > 0).all() or row.size not in (1, problem.parameters):
            raise fail("penalties", penalties, f"positive numbers, or rows of {problem.parameters}, one a parameter")
    points, failed = [], []
    texts = iter(apart(v for v in values if np.ndim(v) == 0))
    for value in values:
        solution = solve(replace(problem, penalty=value), mesh, layers, initial=initial, **options)
        label = f"lambda = {next(texts)}" if np.ndim(value) == 0 else f"lambda = {np.asarray(value).tolist()}"
        points.append(CriticalPoint(solution, (label,), label))
        if solution.converged:
            initial = solution  # a control that solves nothing starts no other
        else:
            failed.append((label, solution.message))
    return CriticalPoints(tuple(points), tuple(failed))


def multistart(
    problem: Problem,
    mesh: Mesh,
    layers: int,
    *,
    starts: Any = 30,
    seed: int = 0,
    solver: Solver | None = None,
    callback: Callable[[int, int, float], Any] | None = None,
    **schemes: Any,
) -> CriticalPoints:
    """Solve from many controls; the distinct critical points, cheapest first.

    Parameters
    ----------
    problem, mesh, layers : as for `solve`.
    starts : a number of random controls (see `random_controls`), or a list of controls, each as `initial` of `solve`.
    seed : of the random controls, an integer >= 0.
    solver : LBFGS() by default, which finds minima; NewtonKrylov(first_step=numpy.inf) finds saddles too.
    callback : called after each run with (runs done, runs in all, cost found).
    schemes : `continuity`, `transport`, `layer_map`, `threads`, `memory`, `storage`, as for `solve`.

    A critical point counts as found before if no parameter of its control differs by more than 1e-4 of its largest value (or
    by 1e-7 of its natural size, where that is more; see `scales`).

    Raises
    ------
    ArgumentError
        For starts, a solver or a callback of other kinds, and as `solve`.

    References
    ----------
    Own construction; why there are several: docs/theory/penalties.md.
    """
    chosen = minimiser(problem) if solver is None else solver
    if not isinstance(chosen, Solver):
        raise fail("solver", solver, "a solver, such as solvers.LBFGS()")
    if callback is not None and not callable(callback):
        raise fail("callback", callback, "a function of (runs done, runs in all, cost)")
    system = OptimalitySystem(problem, mesh, layers, **schemes)
    if isinstance(starts, int | np.integer):
        named = [(f"random {k}", c) for k, c in enumerate(random_controls(system, integer("starts", starts), seed))]
    elif (isinstance(starts, list | tuple) or (isinstance(starts, np.ndarray) and starts.ndim)) and len(starts):
        named = [(f"start {k}", starting_control(system, c, "starts")) for k, c in enumerate(starts)]
    else:
        raise fail("starts", starts, "a number of random starts, or a non-empty list of controls")
    found: list[tuple[Any, list[str]]] = []
    failed = []
    for k, (name, control) in enumerate(named):
        try:
            outcome = chosen.solve(system, control)
        except NonFiniteError as error:
            outcome = Outcome(control, False, str(error))
        if outcome.converged:
            sizes = SAME * (1e-3 * problem.scales.control + np.abs(outcome.control).max(axis=0))
            known = [names for o, names in found if (np.abs(o.control - outcome.control) <= sizes).all()]
            if known:
                known[0].append(name)
            else:
                found.append((outcome, [name]))
        else:
            failed.append((name, outcome.message))
        if callback is not None:
            callback(k + 1, len(named), system.cost(outcome.control).total if outcome.history else np.nan)
    points = []
    for outcome, names in found:
        solution = Solution.from_outcome(system, outcome, describe(system, chosen))
        for doubt in doubts(solution):
            solution = solution.judged(f"not converged: {doubt}; {outcome.message}")
        points.append((solution, tuple(names)))
    points.sort(key=lambda pair: pair[0].cost)
    return CriticalPoints(
        tuple(CriticalPoint(s, names, f"point {k + 1}") for k, (s, names) in enumerate(points)), tuple(failed)
    )


def random_controls(system: OptimalitySystem, count: int, seed: int = 0) -> list[np.ndarray]:
    """Random controls `(layers, m)`: every second independent from layer to layer, the others constant or smooth in time.

    A minimiser has `lambda/2 int |theta|^2 dt <= J(0) - inf J`; root mean squares are uniform up to twice that bound with
    the infimum taken for zero (or up to a hundredth of the parameters' natural sizes, where that is more; see `scales`).

    Parameters
    ----------
    system : for its layers, parameters and bound.
    count : how many.
    seed : an integer >= 0.

    Raises
    ------
    ArgumentError
        For counts or seeds that are no such integers.

    References
    ----------
    The bound: docs/theory/penalties.md.
    """
    problem, layers = system.problem, system.layers
    rng = np.random.default_rng(integer("seed", seed, minimum=0))
    available = abs(system.cost(np.zeros((layers, problem.parameters))).total)
    bounds = 2.0 * np.sqrt(2.0 * available / (problem.penalties * problem.horizon))
    bounds = np.maximum(bounds, SMALLEST * problem.scales.control)
    middles = (np.arange(layers) + 0.5) / layers
    modes = np.cos(np.pi * np.outer(middles, np.arange(5))) / (1.0 + np.arange(5))
    out = []
    for k in range(count):
        if k % 2:
            shape = rng.normal(size=(layers, problem.parameters))
        elif k % 4:
            shape = modes @ rng.normal(size=(5, problem.parameters))
        else:
            shape = np.repeat(rng.normal(size=(1, problem.parameters)), layers, axis=0)
        shape *= np.sqrt(layers * problem.parameters) / np.linalg.norm(shape)
        out.append(problem.project(rng.uniform() * bounds * shape))
    return out
