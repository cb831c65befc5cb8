"""Several critical points of one problem: continuation in the penalty, and many starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from .._names import apart
from .._validate import array, fail, integer
from ..errors import NonFiniteError
from ..meshes import Mesh
from ..problem import Problem
from ..solution import Solution
from ..solvers import Outcome, Solver, Status, default_solver
from ..system.optimality import OptimalitySystem
from .certify import believed
from .description import describe
from .options import SolveOptions, SystemOptions
from .solve import solve
from .starts import Start, starting_control

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: two controls count as the same critical point if every parameter differs by less than this share of its size
SAME = 1e-4
#: lower limit of the size of random controls, relative to the natural size: the bound by the cost may be zero
SMALLEST = 0.01


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
    points : the points.
    failed : (start, message) per run that did not converge.
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
            kind = c.kind if point.solution.converged else "not converged"
            numbers = f"{point.solution.cost:.8f}", f"{point.solution.residual:.1e}"
            eigenvalues = f"{c.hessian_smallest:.3f}", f"{c.shooting_eigenvalue:.3f}"
            out.append((point.label, str(len(point.starts)), *numbers, kind, *eigenvalues))
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
        from ..views.figures import controls

        return controls([(f"{p.label}: J = {p.solution.cost:.5f}", p.solution) for p in self.points[:limit]])


def continuation(
    problem: Problem, mesh: Mesh, layers: int, *, penalties: Sequence[Any], **options: Unpack[SolveOptions]
) -> CriticalPoints:
    """Solve for every penalty in turn; each solve starts from the control of the penalty before.

    Parameters
    ----------
    problem : its own penalty is not used.
    mesh, layers : as for `solve`.
    penalties : positive numbers, or rows `(m,)`; usually from large to small.
    options : options of `solve`: schemes, layer_map, solver, initial, threads, memory, precision.

    Raises
    ------
    ArgumentError
        If there are no penalties, or one is not positive; also as `solve`.

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
        points.append(CriticalPoint(solution, (label,), label))
        if solution.converged:
            initial = solution  # only a converged control is a good start for the next penalty
        else:
            failed.append((label, solution.message))
    return CriticalPoints(tuple(points), tuple(failed))


def multistart(
    problem: Problem,
    mesh: Mesh,
    layers: int,
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
    options : `continuity`, `transport`, `layer_map`, `threads`, `memory`, `precision`, as for `solve`.

    A critical point counts as already known if no parameter of its control differs by more than 1e-4 of the parameter's largest
    value, plus 1e-7 of its natural size (see `scales`).

    Raises
    ------
    ArgumentError
        If starts, solver or callback have a wrong type; also as `solve`.

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
    if solver is not None and not isinstance(solver, Solver):
        raise fail("solver", solver, "a solver, such as solvers.LBFGS()")
    if callback is not None and not callable(callback):
        raise fail("callback", callback, "a function of (number of finished runs, number of all runs, cost)")
    system = OptimalitySystem(problem, mesh, layers, **options)
    chosen = default_solver(system) if solver is None else solver
    if isinstance(starts, int | np.integer):
        named = [(f"random {k}", c) for k, c in enumerate(random_controls(system, integer("starts", starts), seed))]
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
        solution = believed(solution, outcome)
        points.append((solution, tuple(names)))
    points.sort(key=lambda pair: pair[0].cost)
    return CriticalPoints(
        tuple(CriticalPoint(s, names, f"point {k + 1}") for k, (s, names) in enumerate(points)), tuple(failed)
    )


def _available(system: OptimalitySystem) -> float:
    """An upper bound of `J(0) - inf J`: the modulus of the cost at the control nearest to zero (`inf J` is taken as zero).

    If the field is singular at this control, it is the cost of states that do not move.
    """
    zero = system.controls.project(system.controls.coerce(0.0))
    try:
        with np.errstate(all="ignore"):
            return abs(system.cost(zero).total)
    except NonFiniteError:
        still = np.broadcast_to(system.initial_masses, (system.layers + 1, *system.initial_masses.shape))
        return abs(system.cost_of_sweep(zero, still).total)


def random_controls(system: OptimalitySystem, count: int, seed: int = 0) -> list[np.ndarray]:
    """Random controls `(layers, m)`: every second is independent from layer to layer, the others are constant or smooth in time.

    A minimiser has `lambda/2 int |theta|^2 dt <= J(0) - inf J`, which bounds the root mean square of each parameter. The root
    mean squares of the random controls are uniform up to twice this bound, with `inf J` taken as zero (or up to a hundredth of
    the natural sizes, if these are larger; see `scales`). If bounds exclude the control 0, the nearest control replaces it. If
    the field is singular there, J(0) is the cost of states that do not move.

    Parameters
    ----------
    system : the discrete problem, which defines the layers, the parameters and the bound.
    count : number of controls.
    seed : an integer >= 0.

    Raises
    ------
    ArgumentError
        If `count` or `seed` is not such an integer.

    References
    ----------
    The bound: docs/theory/penalties.md.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> mesh = emfc.CartesianMesh([(-4.0, 4.0)], cells=40)
    >>> [c.shape for c in random_controls(emfc.OptimalitySystem(problem, mesh, layers=3), 2)]
    [(3, 2), (3, 2)]
    """
    integer("seed", seed, minimum=0)
    largest = np.maximum(2.0 * system.controls.largest_worth(_available(system)), SMALLEST * system.natural_sizes)
    return system.controls.random(count, seed, largest)
