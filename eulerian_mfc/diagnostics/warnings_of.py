"""Warnings about a solution, one category per problem, each with advice."""

from __future__ import annotations

from functools import reduce

import numpy as np

from .._callers import warn
from ..errors import (
    BoundaryMassWarning,
    CostErrorWarning,
    DensityFloorWarning,
    EulerianWarning,
    LayerMapWarning,
    SeveralCriticalPointsWarning,
    ShootingThresholdWarning,
    SteepControlWarning,
    SymmetricStartWarning,
)
from ..fields import BottleneckField, Field, NeuralField, ScaledField, SumField
from ..fields.twins import silent, twins
from ..meshes import CartesianMesh, Mesh, SimplexMesh
from ..results.certificate import BOUNDARY_CELLS
from ..results.sampled_control import SampledControl
from ..results.solution_data import SolutionData
from ..results.stability import Stability
from ..system.optimality import OptimalitySystem
from .off_mesh import at_any_time
from .stability import analyse

#: a larger share of mass near the boundary, or across it, causes a warning
BOUNDARY_TOLERANCE = 1e-4
#: number of points of the law that are moved without a mesh, to find out whether its mass comes near the boundary
SAMPLES = 20_000
#: a larger `|W| h` causes a warning: tanh then passes through half of its range within a cell
STEEPNESS = 1.0
#: number of times per layer and degree at which the size of a control that is a polynomial in time is checked
PER_DEGREE = 4
#: number of layers of the first control that are checked
LOOKED_AT = 3
#: a larger share of parameters without influence in a layer causes a warning
SILENT = 0.5
#: entries of a control up to this size count as zero, because of round-off
AT_ZERO = 1e-9


def of_the_mesh(system: OptimalitySystem, solution: SolutionData) -> list[EulerianWarning]:
    """Warnings about the mesh for a fresh solution: the cost's error, mass near the boundary, a control too steep for the cells.

    Parameters
    ----------
    system : the discrete problem.
    solution : its solution.

    Returns
    -------
    list of EulerianWarning
        CostErrorWarning if the error of the cost is larger than 1 %. BoundaryMassWarning if more than 1e-4 of the mass is near
        the boundary, with advice: a larger box, or more cells. SteepControlWarning if `|W| h > 1` (dimensionless).
    """
    out: list[EulerianWarning] = []
    if solution.solved and solution.look is not None and solution.look.told and not solution.look.wrong:
        out.append(CostErrorWarning(solution.look.words))
    mesh, field = solution.mesh, system.problem.field
    touched = max(solution.checks.mass_crossed, solution.checks.mass_near_boundary)
    if touched > BOUNDARY_TOLERANCE:
        told = f"{touched:.1e} of the mass came within {BOUNDARY_CELLS} cells of the boundary of {mesh.bounds} or crossed it"
        out.append(BoundaryMassWarning(f"{told}: {_advice_at_boundary(system, solution)}"))
    # On simplices the longest edge may be far from the cells that carry mass, so `|W| h` is not checked there.
    if mesh.kind == "cartesian":
        steep, activation = _steepest(field, _rows(solution))
        steepness = steep * mesh.width
        if steepness > STEEPNESS:
            out.append(
                SteepControlWarning(
                    f"|W| h = {steepness:.2g}: {activation}(W x + b) changes within a cell of width h = "
                    f"{mesh.width:.2g}, which is too fast for the mesh to resolve; use about "
                    f"{int(np.ceil(4 * steepness))} times as many cells per axis, or a larger penalty"
                )
            )
    return out


def of_the_densities(system: OptimalitySystem, solution: SolutionData) -> list[EulerianWarning]:
    """A DensityFloorWarning for each cost of the density that replaces a logarithm where mass is at the final time.

    Parameters
    ----------
    system : the discrete problem.
    solution : its solution.
    """
    costs = system.terminal.density_costs, system.running.density_costs
    notes = [note for one in costs if one is not None for note in one.notes(solution.masses[-1])]
    return [DensityFloorWarning(note) for note in dict.fromkeys(notes)]


def _advice_at_boundary(system: OptimalitySystem, solution: SolutionData) -> str:
    """Advice about mass at the boundary. It may belong to the law, or to oscillations of the densities on coarse cells.

    Points of the law, which the layers move without a mesh, distinguish the two: if they do not come near the boundary, the mass
    there comes from oscillations.
    """
    mesh, law = solution.mesh, system.problem.law
    if isinstance(mesh, SimplexMesh) and mesh.walls:
        return "refine the mesh there, or use a field that is tangential to the walls"
    what = "box" if mesh.kind == "cartesian" else "domain"
    try:
        points = law.sample(SAMPLES, seed=0)[0]
        cells = (1, BOUNDARY_CELLS)
        reached = at_any_time(
            system, solution.control, points, lambda x: np.stack([_at_boundary(mesh, x, width) for width in cells])
        )
        touching, near = reached.mean(axis=1).tolist()
    except MemoryError:
        raise
    except Exception:  # the user's field may raise an error outside the mesh, which must not lose the solution
        return f"use a larger {what}, or more cells"
    if touching > BOUNDARY_TOLERANCE:
        needed = law.box(BOUNDARY_TOLERANCE).round(3).tolist()
        return f"use a larger {what} (the law at time zero alone needs {needed}, and the flow moves it)"
    if near > BOUNDARY_TOLERANCE:
        return (
            "the mass did not touch the boundary, and three smaller cells are less wide: use more cells, or "
            f"a larger {what}"
        )
    return (
        f"{round(near * SAMPLES)} of {SAMPLES} points of the law came there. The mass is thus not the law's "
        "own: the scheme produces it as an error, since the densities are narrow or rough on cells of width "
        f"{mesh.width:.2g}. Use more cells; a larger {what} alone does not help"
    )


def _at_boundary(mesh: Mesh, points: np.ndarray, cells: int) -> np.ndarray:
    """`(n,)` booleans: whether a point lies within `cells` cells of the boundary, or outside of the mesh."""
    if isinstance(mesh, CartesianMesh):
        low, high = np.transpose(mesh.bounds)
        return np.asarray(((points < low + cells * mesh.widths) | (points > high - cells * mesh.widths)).any(axis=1))
    assert isinstance(mesh, SimplexMesh)
    return np.asarray(mesh.near_boundary(cells)[mesh.locator.locate(points).cells])


def _rows(solution: SolutionData) -> np.ndarray:
    """`(n, m)`: the parameters at the ends of all layers, and for a control that is a polynomial at times between them."""
    curves, control = solution.numerics.curves, solution.control
    if curves.degree == 0:
        return control
    values = SampledControl.on_layers(curves, control, 1 + PER_DEGREE * curves.degree).values
    return values.reshape(-1, values.shape[-1])


def _steepest(field: Field, control: np.ndarray) -> tuple[float, str]:
    """The largest norm `|W|` of a row of weights inside a curved activation, and the activation's name; 0 if there is none."""
    if isinstance(field, ScaledField):
        return _steepest(field.field, control)
    if isinstance(field, SumField):
        ends = np.cumsum([part.parameters for part in field.fields])[:-1]
        pieces = np.split(control, ends, axis=1)
        return max(_steepest(part, piece) for part, piece in zip(field.fields, pieces, strict=True))
    if isinstance(field, BottleneckField) and field.sigma.curved:
        rows = control[:, : field.width * field.dim].reshape(-1, field.dim)
    elif isinstance(field, NeuralField) and field.sigma.curved:
        rows = control[:, : field.dim**2].reshape(-1, field.dim)
    else:
        return 0.0, ""
    return float(np.linalg.norm(rows, axis=1).max()), field.sigma.name


def of_the_layer_map(solution: SolutionData) -> list[EulerianWarning]:
    """A LayerMapWarning if the layer map that was given causes a larger error of the cost than the control's degree.

    Parameters
    ----------
    solution : the solution, whose `checks.layer_map_share` is known if a layer map was given.
    """
    words = solution.checks.layer_map_words
    return [LayerMapWarning(words)] if words else []


def of_the_start(system: OptimalitySystem, start: np.ndarray, solution: SolutionData) -> list[EulerianWarning]:
    """Warnings about a first control with a symmetry that the solver did not break.

    Parameters
    ----------
    system : the discrete problem.
    start : the coefficients of the first control, `(layers, m)` or `(layers, degree + 1, m)`.
    solution : the solution from this start.

    Returns
    -------
    list of EulerianWarning
        SymmetricStartWarning in three cases: parameters of a layer that are equivalent at the start (exchanging them changes
        nothing) are still equivalent at the solution; at least half of the parameters of a layer have no influence at the start
        and at the solution; the solver stayed at the control zero, and it is not a minimum.

    Raises
    ------
    NonFiniteError
        If a Hessian product at the control zero meets NaN or infinity.
    """
    problem, names = system.problem, solution.parameter_names
    start, advice = (
        system.controls.project(start),
        "start from another control: pass random numbers as `initial`, or leave out `initial` if you have passed it",
    )
    sampled = [SampledControl.determining(system.controls, control) for control in (start, solution.control)]
    for n in np.unique(np.linspace(0, len(start) - 1, min(len(start), LOOKED_AT)).round().astype(int)).tolist():
        times, rows = sampled[0].times[n], [found.values[n] for found in sampled]
        before, after = (_groups(problem.field, theta, problem.probes[0], times) for theta in rows)
        alike = max((np.intersect1d(a, b) for a in before for b in after), key=len, default=np.empty(0, dtype=int))
        told = (
            "are equivalent at the first control and still equivalent at the control found: parameters that are "
            "equivalent at the start stay so"
        )
        if len(alike) < 2:
            before, after = ([_silent(problem.field, theta, problem.probes[0], times)] for theta in rows)
            alike = np.intersect1d(before[0], after[0])
            told = "have no influence at the first control and none at the control found: their gradient is zero"
            if len(alike) < SILENT * problem.parameters:
                continue
        shown = ", ".join(names[i] for i in alike[:4]) + (", .." if len(alike) > 4 else "")
        return [SymmetricStartWarning(f"the parameters {shown} of layer {n + 1} {told}; {advice}")]
    stayed = not start.any() and float(np.abs(solution.control).max()) <= AT_ZERO
    if stayed and solution.converged and solution.kink is None:
        kind = analyse(system, solution.control).kind
        if kind != "strict local minimum":
            return [
                SymmetricStartWarning(
                    "the first control is zero, where the gradient vanishes, and the solver stayed there. "
                    f"This control is a {kind}, and other controls may be better; {advice}"
                )
            ]
    return []


def _groups(field: Field, rows: np.ndarray, x: np.ndarray, times: np.ndarray) -> list[np.ndarray]:
    """Groups of parameters that are equivalent, see `fields.twins`, at every time `(n,)` of a layer with parameters `(n, m)`."""
    first, *others = (twins(field, theta, x, times[k : k + 1]) for k, theta in enumerate(rows))
    for found in others:
        first = [both for a in first for b in found if len(both := np.intersect1d(a, b)) > 1]
    return first


def _silent(field: Field, rows: np.ndarray, x: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The parameters without influence, see `fields.twins`, at every time `(n,)` of a layer with parameters `(n, m)`."""
    return reduce(np.intersect1d, (silent(field, theta, x, times[k : k + 1]) for k, theta in enumerate(rows)))


def of_second_order(stability: Stability, solver: str = "", adjoint: bool = True) -> list[EulerianWarning]:
    """Warnings from the Hessian and from the eigenvalue of shooting.

    Parameters
    ----------
    stability : the stability of the solution.
    solver : the repr of the solver; only users of undamped shooting get the advice to change it.
    adjoint : whether the pair of schemes is adjoint, which LBFGS requires.

    Returns
    -------
    list of EulerianWarning
        SeveralCriticalPointsWarning, ShootingThresholdWarning.
    """
    out: list[EulerianWarning] = []
    if stability.index or not stability.layers_convex or stability.kind.startswith("degenerate"):
        out.append(
            SeveralCriticalPointsWarning(
                "the control is not a strict local minimum in every layer (smallest eigenvalue of the "
                f"reduced Hessian {stability.hessian_smallest:.3g}): there may be other controls of lower "
                "cost; use multistart(...), or continuation(...) from a larger penalty"
            )
        )
    if stability.shooting_eigenvalue <= -1:
        told = (
            f"the penalty is below the threshold of undamped shooting (dominant eigenvalue {stability.shooting_eigenvalue:.3g}), "
            "where several critical points may exist: use multistart(...) to look for others"
        )
        if solver.startswith("Shooting(") and "relaxation=1.0" in solver and "anderson=None" in solver:
            told += f', and for convergence Shooting(relaxation="auto"){" or LBFGS()" if adjoint else ""}'
        out.append(ShootingThresholdWarning(told))
    return out


def tell(found: list[EulerianWarning]) -> None:
    """Issue the warnings, at the line of the user's program that called the package.

    Parameters
    ----------
    found : the warnings.
    """
    for warning in found:
        warn(warning)
