"""Sweeps over any argument of the problem, the mesh or the solver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Unpack

import numpy as np

from .._validate import mismatch
from ..control.grid import Grid, checked_grid
from ..control.spaces import layer_means
from ..meshes import Mesh
from ..problem import Problem
from .columns import CONVERGED, COST, ERROR_J, ERROR_THETA, RESIDUAL, error_columns, run_notes
from .convergence import several
from .jobs import failures_of
from .records import Run
from .references import (
    Errors,
    ReferenceLike,
    Sequenced,
    check_parameters,
    control_errors,
    cost_errors,
    spread,
)
from .runner import Runner, StudyOptions
from .runs import Measure
from .sources import Built, Source, given_or_chosen, on_a_mesh
from .study import Study
from .study_data import GROWING, Column, ErrorColumn, Record, checked
from .sweep_design import PENALTY, SIZE, TERMINAL, SweepDesign, choice_of_reference


def sweep(
    problem: Problem,
    mesh: Mesh | None,
    layers: Grid | None,
    vary: Mapping[str, Sequence[object]],
    *,
    measure: Mapping[str, Measure] | None = None,
    parameter: str | None = None,
    reference: ReferenceLike = "finest",
    title: str = "Sweep",
    **options: Unpack[StudyOptions],
) -> Study:
    """Solve for every combination of the values of some arguments.

    Parameters
    ----------
    problem, mesh, layers : as for `solve`. With None for mesh or layers, or with `tol`, each problem is solved to a tolerance.
    vary : values by argument: arguments of `Problem`, of the mesh (`cells`, `bounds`) or of `solve`; all combinations are run.
    measure : further columns, by name: functions of the Solution that return a number or a word.
    parameter : a varied argument whose values are numbers from coarse to fine. Errors against `reference`, and orders in this
        argument (for "cells" and "layers" in its inverse), are then reported too. No other argument may vary then.
    reference : as for `mesh_convergence`, except "particles".
    title : the title of the table.
    options : as for `mesh_convergence`.

    Raises
    ------
    ArgumentError
        For unknown arguments (neither of the study nor of `solve`), or if no run succeeded.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), [[1.0]])
    >>> problem = emfc.Problem(emfc.fields.AffineField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> mesh = emfc.CartesianMesh([(-4.0, 5.0)], 40)
    >>> study = emfc.studies.sweep(problem, mesh, 2, {"penalty": [1.0, 2.0], "layer_map": ["euler", "rk4"]})
    >>> len(study.records), study.values("layer_map").tolist()
    (4, ['euler', 'rk4', 'euler', 'rk4'])
    """
    runner, others = Runner.taken_from(sweep, options, to_tolerance=True)
    source = given_or_chosen(problem, mesh, layers, others)
    return sweep_study(source, SweepDesign(vary, measure or {}, parameter, reference), title, runner)


def penalty_sweep(
    problem: Problem,
    mesh: Mesh | None,
    layers: Grid | None,
    penalties: Sequence[float],
    *,
    measure: Mapping[str, Measure] | None = None,
    reference: ReferenceLike = "finest",
    title: str = "Penalty",
    **options: Unpack[StudyOptions],
) -> Study:
    """Cost, its two parts and the size of the control over the penalty lambda.

    Parameters
    ----------
    problem, mesh, layers : as for `sweep`; the problem's own penalty is not used.
    penalties : two or more values of lambda > 0.
    measure, reference, title, options : as for `sweep`.

    Returns
    -------
    Study
        One row per penalty.

    Raises
    ------
    ArgumentError
        For fewer than two penalties, or as `sweep`.

    References
    ----------
    Where critical points multiply as lambda falls: docs/theory/penalties.md.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.2), [[1.0]])
    >>> field = emfc.fields.AffineField(1, matrix=False)
    >>> problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), penalty=2.0, horizon=1.0)
    >>> study = emfc.studies.penalty_sweep(problem, emfc.CartesianMesh([(-2.0, 3.0)], 60), 2, [2.0, 6.0])
    >>> study.values("largest theta").round(6).tolist()
    [0.5, 0.25]
    """
    runner, others = Runner.taken_from(penalty_sweep, options, to_tolerance=True)
    source = given_or_chosen(problem, mesh, layers, others)
    design = SweepDesign({"penalty": several("penalties", penalties)}, measure or {}, None, reference)
    return as_penalty(sweep_study(source, design, title, runner))


def as_penalty(study: Study) -> Study:
    """The sweep as a study of kind "penalty", which has its own figure."""
    return replace(study, kind="penalty")


@dataclass(frozen=True)
class _Point:
    """A successful run of a sweep: its values, as tables show them, its problem and options, and its results."""

    values: Mapping[str, object]
    shown: Record
    built: Built
    run: Run

    def record(self) -> Record:
        """The row of the table, without errors."""
        run = self.run
        measured = {
            "cost": run.cost,
            "terminal_cost": run.terminal_cost,
            "penalty_cost": run.penalty_cost,
            "residual": run.residual,
            "converged": run.converged,
        }
        return {**self.shown, **measured, **run.measures}


def sweep_study(source: Source, design: SweepDesign, title: str, runner: Runner) -> Study:
    """The study of `sweep` for a source of any kind."""
    jobs, built = design.jobs(source)
    if design.parameter is not None and not all(on_a_mesh(options) for _, options in built):
        raise mismatch(
            "parameter",
            f"{design.parameter!r} in a study that solves to a tolerance",
            "no parameter, since each run has a measured error of its own (solution.error); or a mesh, layers and no tolerance",
        )
    results = runner.run(jobs)
    failures = failures_of(jobs, results)
    points = [
        _Point(p, s, b, Run.of(r))
        for p, s, b, r in zip(design.points(), design.shown(), built, results, strict=True)
        if r.error is None
    ]
    records = [p.record() for p in points]
    checked("sweep", records, failures)
    columns: tuple[Column, ...] = (
        *(Column(name, f"the argument {name}", digits=6) for name in design.vary),
        COST, TERMINAL, PENALTY, SIZE,
        *(Column(name, f"measured: {name}", digits=8) for name in design.measure),
        RESIDUAL, CONVERGED,
    )  # fmt: skip
    errors: tuple[ErrorColumn, ...] = ()
    if design.parameter is not None:
        of_cost, of_control = _errors(points, design.parameter, design.reference)
        for k, record in enumerate(records):
            record |= {ERROR_J.name: of_cost.values[k], ERROR_THETA.name: of_control.values[k]}
        columns = (*columns[:2], ERROR_J, ERROR_THETA, *columns[2:])
        errors = error_columns(of_cost, of_control, "")
    return Study(
        kind="sweep",
        title=title,
        parameter=design.parameter or next(iter(design.vary)),
        columns=columns,
        records=tuple({c.name: record.get(c.name) for c in columns} for record in records),
        errors=errors,
        notes=(*run_notes([p.run for p in points]), *_missed(points)),
        failures=failures,
        details={"vary": list(design.vary)},
    )


def _missed(points: Sequence[_Point]) -> tuple[str, ...]:
    """A note on runs that did not meet their tolerance."""
    runs = [p.run for p in points if not on_a_mesh(p.built[1]) and p.run.solved and not p.run.converged]
    return (f"{len(runs)} run(s) did not meet the tolerance; the first of them: {runs[0].message}",) if runs else ()


def _errors(points: Sequence[_Point], parameter: str, reference: ReferenceLike) -> tuple[Errors, Errors]:
    """The errors of the cost and of the control, over the values of the parameter."""
    chosen = choice_of_reference(reference)
    if not isinstance(chosen, str):
        check_parameters(chosen, points[0].built[0].parameters)
    used = [k for k, p in enumerate(points) if p.run.solved or not isinstance(chosen, str)]
    if not used:
        return spread(len(points), [], None), spread(len(points), [], None)
    ended = [(p.run.residual, p.built[0]) for p in points if p.run.solved]
    left = 10 * max((residual / float(problem.regulariser.penalties.min()) for residual, problem in ended), default=0.0)
    values = [float(np.asarray(points[k].values[parameter])) for k in used]
    h = [1.0 / v for v in values] if parameter in GROWING else values
    costs = Sequenced(h, [np.array(points[k].run.cost) for k in used])
    means = [layer_means(points[k].built[0].regulariser, points[k].run.control) for k in used]
    controls = Sequenced(h, means, grids=[checked_grid(points[k].built[1]["layers"]) for k in used])
    return (
        spread(len(points), used, cost_errors(costs, chosen)),
        spread(len(points), used, control_errors(controls, chosen, left)),
    )
