"""An error budget: the errors of the cost due to mesh, box, quadrature, layers, samples and unfinished optimisation."""

from __future__ import annotations

import numpy as np

from ..errors import NonFiniteError
from ..laws import LabelledRule
from ..meshes import SimplexMesh
from ..results.error_budget import Contribution, ErrorBudget
from ..results.solution_data import SolutionData
from ..solvers import default_solver
from ..system.boundaries import of_the_mesh, of_the_problem
from ..system.optimality import OptimalitySystem
from ..system.particles import Bound, ParticleSystem
from .cross_validation import deviation_of_the_mean, left_out
from .error_in_time import error_in_time

#: target error of the law's integrals, relative to the cost, and the largest number of points for it
AIM, POINTS = 1e-9, 20_000
#: if the mesh's rule of the law has more points than this, its error is not computed separately from that of the mesh
MESH_POINTS = 400_000
#: relative tolerance of the descents on the same layers; errors of the costs are of the order of the square
TOLERANCE = 1e-6
#: size of the step away from the control for the second descent, relative to the largest control that can be optimal
OFF = 1e-2
#: cross-validation is left out for more points times layers
WORK = 100_000
#: number of parts into which samples are split for cross-validation
FOLDS = 5


def estimate(system: OptimalitySystem, solution: SolutionData) -> ErrorBudget:
    """The error budget of a solution.

    The cost on the mesh is compared with that of particles at the same control, on a rule of the law that is refined until
    its integrals are accurate (an empirical law is exact). The difference has three contributions:

    * box: the cost of particles that meet the boundary of the mesh as its masses do, minus that of particles that move on
      (0 on domains with walls).
    * quadrature: the cost with the points by which the mesh integrates the law, minus that with the refined points, both without
      a mesh. The estimated error of the refined points is added. Jumps of labels that `breaks` does not declare appear here. If
      the mesh's rule has too many points (for d = 3), this error is part of the mesh's contribution.
    * mesh: the rest of the difference.

    Particles also measure how much a better control would save:

    * optimisation: the cost at this control minus the least cost on the same layers. The least cost comes from two descents: one
      starts from this control, the other a step away from it, so that it leaves saddles.
    * layers: the least cost on these layers minus that of controls whose degree is higher by two, on halved layers if there are
      few, with a layer map of high order, see `error_in_time`.
    * layer map: the cost at the best control of these layers minus that with more substeps.
    * samples: for a law of samples, the root of the sum of two squares. One is the standard deviation of the mean loss at this
      control; for unequal weights w, the number of samples is replaced by 1 / sum w^2. The other is half of the gap between
      the loss of samples that were left out of the training and that of trained samples (5-fold cross-validation): the cost
      lies below the optimum of the true law by about half of this gap.

    The budget does not include: better critical points that are more than a step away; features of the law, of its labels or of
    the field that lie between all points at which they are evaluated.

    Parameters
    ----------
    system : the discrete problem that was solved.
    solution : a solution of that problem.

    Raises
    ------
    NonFiniteError
        If particles at the control of the solution do not stay finite.

    References
    ----------
    Own construction, measured on the page docs/studies.md; the rest of a series of known order: P. J. Roache, Quantification of
    uncertainty in computational fluid dynamics, Annu. Rev. Fluid Mech. 29 (1997), 123-160,
    doi:10.1146/annurev.fluid.29.1.123; cross-validation: M. Stone, Cross-validatory choice and assessment of statistical
    predictions, J. R. Stat. Soc. B 36 (1974), 111-147, doi:10.1111/j.2517-6161.1974.tb00994.x.
    """
    system.problem.need_points("an error budget")
    twin = ParticleSystem.refined(
        system.problem,
        system.grid,
        solution.control,
        tolerance=AIM * abs(solution.cost),
        limit=POINTS,
        loss=solution.loss,
        **system.layer_options,
    )
    here = at_the_control(system, solution, twin, twin.rule)
    if not np.isfinite(here):
        raise NonFiniteError(
            "an error budget cannot be made: the states of particles at this control do not stay finite"
        )
    box = box_contribution(system, solution, twin)
    quadrature = _quadrature(system, solution, twin, here)
    mesh = Contribution(
        "mesh",
        solution.cost - here - box.error - quadrature.error,
        "cost on the mesh minus that of particles at this control, without the errors of the box and the quadrature",
        "more cells, or a higher degree",
    )
    quadrature = quadrature._replace(error=quadrature.error + np.copysign(twin.error or 0.0, quadrature.error))
    optimisation, least, best = _optimisation(twin, solution.control, here)
    time = error_in_time(twin, solution.control, best, least)
    layers = Contribution(
        "layers", time.cost - time.layer_map, time.how, "a higher degree of the control, or more layers"
    )
    chosen = system.flow.layer_map
    steps = Contribution(
        "layer map",
        time.layer_map,
        f"{chosen.method if isinstance(chosen.method, str) else 'the tableau'} with {chosen.substeps} substeps, against more",
        "more substeps, or a layer map of higher order",
    )
    samples = _samples(solution, twin)
    return ErrorBudget(solution.cost, (mesh, box, quadrature, layers, steps, samples, optimisation), time.control)


def at_the_control(
    system: OptimalitySystem,
    solution: SolutionData,
    twin: ParticleSystem,
    rule: LabelledRule,
    bound: Bound | None = None,
) -> float:
    """The cost of the solution's control, with the solution's read-out, for particles on a rule.

    Parameters
    ----------
    system : the discrete problem.
    solution : its solution.
    twin : particles with the same layers.
    rule : points of the law.
    bound : what happens to particles at a boundary; by default that of the problem.
    """
    loss = solution.loss
    assert loss is not None
    held = of_the_problem(system) if bound is None else bound
    fit = system.terminal(solution.masses[-1]).fit
    values = twin.losses(solution.control, loss, np.asfortranarray(rule.x), rule.y, held)
    return float(rule.w @ values) + twin.penalty_cost(solution.control) + (0.0 if fit is None else fit.penalty_cost)


def box_contribution(system: OptimalitySystem, solution: SolutionData, twin: ParticleSystem) -> Contribution:
    """The contribution of the box: particles that meet the boundary of the mesh, compared with particles that move on.

    Parameters
    ----------
    system : the discrete problem.
    solution : its solution.
    twin : particles with the same layers.
    """
    if of_the_problem(system) is not None and (system.pair.keeps_mass or isinstance(system.mesh.base, SimplexMesh)):
        return Contribution("box", 0.0, "no error: the problem's own domain ends there", "-")
    ended = at_the_control(system, solution, twin, twin.rule, of_the_mesh(system))
    error = ended - at_the_control(system, solution, twin, twin.rule)
    return Contribution(
        "box",
        error,
        "particles that stop at the boundary of the mesh, compared with particles that do not stop",
        "a larger box",
    )


def _quadrature(system: OptimalitySystem, solution: SolutionData, twin: ParticleSystem, here: float) -> Contribution:
    law, refine = system.problem.law, "`breaks` where labels jump, smoother labels, or more cells"
    if law.finite:
        return Contribution("quadrature", 0.0, "no error: the law consists of its samples", "-")
    pieces, points = [], 0
    for piece in law.pieces(system.pair.lines):
        assert isinstance(piece, LabelledRule)
        points += len(piece.w)
        if points > MESH_POINTS:
            how = (
                f"accuracy of the particles' quadrature rule; the mesh's rule has over {MESH_POINTS} points, and "
                "its error is part of the line `mesh`"
            )
            return Contribution("quadrature", 0.0, how, refine)
        pieces.append(piece)
    x, w, y = (np.concatenate(part) for part in zip(*pieces, strict=True))
    error = at_the_control(system, solution, twin, LabelledRule(x, w, y)) - here
    return Contribution(
        "quadrature",
        error,
        f"the mesh's rule with {points} points of the law, compared with {len(twin.rule.w)} points",
        refine,
    )


def _optimisation(twin: ParticleSystem, control: np.ndarray, here: float) -> tuple[Contribution, float, np.ndarray]:
    """The contribution of the optimisation, the least cost on these layers, and the control that has it."""
    solver = default_solver(twin, TOLERANCE)
    outcomes = [solver.solve(twin, start) for start in (control, control + step_off(twin, control))]
    costs = [twin.cost(outcome.control).total for outcome in outcomes]
    best = int(np.argmin(costs))
    least = min(costs[best], here)
    told = "converged" if outcomes[best].converged else "this run did not converge"
    how = (
        f"compared with the control that {type(solver).__name__} finds for particles, from this control and from "
        f"one beside it ({told})"
    )
    line = Contribution("optimisation", here - least, how, "more iterations, a smaller tolerance, or another start")
    return line, least, outcomes[best].control


def step_off(twin: ParticleSystem, control: np.ndarray) -> np.ndarray:
    """A small random step, so that a descent does not stay on a saddle.

    Its size is relative to the largest control whose penalty does not exceed the cost at the control zero.

    Parameters
    ----------
    twin : particles, with the space of the control.
    control : the control.

    Raises
    ------
    NonFiniteError
        If states do not stay finite, neither at this control nor at the control zero.
    """
    available = abs(twin.cost(np.zeros_like(control)).total) or abs(twin.cost(control).total)
    largest = twin.controls.largest_worth(available)
    # One part of the step is the same on all layers, so that the step has a component that is smooth in time.
    rng = np.random.default_rng(0)
    same = rng.normal(size=(1, twin.controls.parameters))
    shape = twin.controls.constant(np.repeat(same, twin.layers, axis=0)) + rng.normal(size=control.shape)
    return twin.controls.project(control + OFF * largest * shape) - control


def _samples(solution: SolutionData, twin: ParticleSystem) -> Contribution:
    if not twin.problem.law.finite:
        return Contribution("samples", 0.0, "no error: the problem is solved for the law itself, by quadrature", "-")
    (x, w, y), loss = twin.rule, solution.loss
    assert loss is not None
    losses = twin.losses(solution.control, loss, np.asfortranarray(x), y)
    mean, deviation = w @ losses, deviation_of_the_mean(losses, w)
    how = f"standard deviation of the mean loss of {len(x)} samples"
    if len(x) < 2 or len(x) * twin.layers > WORK:
        return Contribution("samples", deviation, f"{how}; this does not include overfitting", "more samples")
    folds = min(FOLDS, len(x))
    gap = max(left_out(twin, solution.control, folds) - mean, 0.0)
    how += f", and half of what {folds}-fold cross-validation adds ({gap:.1e})"
    return Contribution("samples", float(np.hypot(deviation, gap / 2)), how, "more samples")
