"""Convergence in mesh width and in layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .._validate import fail, integer, mismatch
from ..continuity import PushForward
from ..system.discretisation import Discretisation, as_layer_map
from ..transport import Elements, SemiLagrangian
from .jobs import Job, run_jobs
from .references import Reference, as_reference, check_parameters, control_errors, cost_errors, spread
from .runs import solve_run, solved
from .sources import Built, Source, depended_on, given, meshes
from .store import Result
from .study import Column, ErrorColumn, Study, checked

STATE, TIME = "state", "time"  # units of the user's problem
COST = Column("cost", "optimal cost J", digits=12)
RESIDUAL = Column("residual", "optimality residual", digits=2)
CONVERGED = Column("converged", "whether the residual is below the solver's tolerance")
ERROR_J = Column("error J", "error of the optimal cost", digits=3)
ERROR_THETA = Column("error theta", "largest error of the optimal control", digits=3)
DT = Column("dt", "length of a layer", TIME)
LAYERS = Column("layers", "layers, on each of which the control is constant")


def mesh_convergence(
    problem: Any,
    cells: Sequence[Any],
    layers: int | Sequence[int],
    bounds: Any = None,
    *,
    reference: Any = "richardson",
    folder: Any = None,
    executor: Any = None,
    workers: int | None = None,
    progress: Any = None,
    **options: Any,
) -> Study:
    """Cost and control on finer and finer meshes.

    Parameters
    ----------
    problem : the control problem.
    cells : cells of each mesh, from coarse to fine, each as for `CartesianMesh`; or the meshes themselves.
    layers : one number for all, or one a mesh (in proportion to the cells: a fixed Courant number).
    bounds : the box, one pair (low, high) an axis in units of the state; by default the one that covers the problem with the
        finest mesh.
    reference : what errors are against: "richardson" (the default), "finest", "particles" (the particle twin on the law's
        own quadrature points or samples, with the same layers: no mesh at all), a `Reference`, a mapping with `cost` and
        `control`, or a Solution.
    folder : where the results of the runs are kept, so that an interrupted study goes on; see `run_jobs`.
    executor, workers, progress : see `run_jobs`.
    options : keyword arguments of `solve`.

    Returns
    -------
    Study
        Columns `cells, h, layers, dt, courant, cost, error J, error theta, residual, converged`.

    Raises
    ------
    ArgumentError
        For arguments that do not fit together, or if no run succeeds.

    References
    ----------
    P. J. Roache, Quantification of uncertainty in computational fluid dynamics, Annu. Rev. Fluid Mech. 29 (1997), 123-160,
    doi:10.1146/annurev.fluid.29.1.123 (Richardson's limit); orders of theory: docs/theory/orders.md.
    """
    boxes = meshes(problem, cells, bounds)
    if any(fine.width >= coarse.width for coarse, fine in pairwise(boxes)):
        raise mismatch("cells", f"widths {[float(m.width) for m in boxes]}", "meshes from coarse to fine")
    counts = [layers] * len(boxes) if np.ndim(layers) == 0 else list(layers)  # type: ignore[arg-type]
    if len(counts) != len(boxes):
        raise fail("layers", layers, f"one number, or {len(boxes)}, one a mesh")
    sources = [given(problem, m, integer("layers", n), options) for m, n in zip(boxes, counts, strict=True)]
    run = {"folder": folder, "executor": executor, "workers": workers, "progress": progress}
    return mesh_study(sources, reference, "Convergence in mesh width", run)


def mesh_study(sources: Sequence[Source], reference: Any, title: str, run: dict[str, Any]) -> Study:
    """The study of `mesh_convergence` for sources that differ in their mesh."""
    return _convergence("mesh", "h", sources, reference, title, run)


def layer_convergence(
    problem: Any,
    mesh: Any,
    layers: Sequence[int],
    *,
    reference: Any = "richardson",
    twin: bool = False,
    folder: Any = None,
    executor: Any = None,
    workers: int | None = None,
    progress: Any = None,
    **options: Any,
) -> Study:
    """Cost and control with more and more layers.

    Parameters
    ----------
    problem, mesh : as for `solve`; the mesh so fine that its error is far below that of the layers.
    layers : numbers of layers, from few to many.
    reference : as for `mesh_convergence`, but "particles".
    twin : run the particle twin on the law's own points instead of a mesh: no mesh error at all.
    folder, executor, workers, progress, options : as for `mesh_convergence`.

    Controls are compared by their means over each layer.

    Raises
    ------
    ArgumentError
        For arguments that are none of the study or of `solve`, or if no run succeeded.

    References
    ----------
    P. J. Roache, Quantification of uncertainty in computational fluid dynamics, Annu. Rev. Fluid Mech. 29 (1997), 123-160,
    doi:10.1146/annurev.fluid.29.1.123 (Richardson's limit); orders of theory: docs/theory/orders.md.
    """
    counts = [integer("layers", n) for n in _several("layers", layers)]
    if any(fine <= coarse for coarse, fine in pairwise(counts)):
        raise fail("layers", layers, "numbers that grow")
    sources = [given(problem, mesh, n, options) for n in counts]
    run = {"folder": folder, "executor": executor, "workers": workers, "progress": progress}
    return layer_study(sources, reference, "Convergence in layers", run, twin)


def layer_study(
    sources: Sequence[Source], reference: Any, title: str, run: dict[str, Any], twin: bool = False
) -> Study:
    """The study of `layer_convergence` for sources that differ in their layers."""
    if reference == "particles":
        raise fail("reference", reference, "'richardson', 'finest' or values (and twin=True for runs without a mesh)")
    return _convergence("layers", "dt", sources, reference, title, run, twin)


def _several(name: str, values: Any) -> list[Any]:
    if np.ndim(values) != 1 or len(values) < 2:
        raise fail(name, values, "a list of two or more")
    return list(values)


def _convergence(
    kind: str,
    parameter: str,
    sources: Sequence[Source],
    reference: Any,
    title: str,
    run: dict[str, Any],
    twin: bool = False,
) -> Study:
    chosen = as_reference(reference)
    built = [source.build() for source in sources]
    check_refined(kind, built)
    check_parameters(chosen, built[0][0].parameters)
    jobs = [_job(s, b, twin) for s, b in zip(sources, built, strict=True)]
    twins = [_job(s, b, True) for s, b in zip(sources, built, strict=True)] if chosen == "particles" else []
    results = run_jobs([*jobs, *twins], **run)
    failures = [{"label": j.label, "error": r.error} for j, r in zip([*jobs, *twins], results, strict=True) if r.error]
    exact: list[Result | None] = [*results[len(jobs) :]] or [None] * len(jobs)
    kept = [
        (b, r, e)
        for b, r, e in zip(built, results, exact, strict=False)
        if r.error is None and (e is None or e.error is None)
    ]
    records = [_record(problem, options, result) for (problem, options), result, _ in kept]
    checked(kind, records, failures)
    h = [record[parameter] for record in records]
    costs, controls = [r.values["cost"] for _, r, _ in kept], [r.arrays["control"] for _, r, _ in kept]
    known = None if not twins else [e.values["cost"] for _, _, e in kept if e is not None]
    known_controls = None if not twins else [e.arrays["control"] for _, _, e in kept if e is not None]
    expected, highest = expected_order(kind, built, [r["courant"] for r in records], [r["layers"] for r in records])
    left = max((float(r.values["left"] or 0.0) for _, r, _ in kept if solved(r.values)), default=0.0)
    # A limit or a twin that did not converge would spoil the errors of all: rows without one have no error.
    solved_too = [
        bool(r["converged"]) and (e is None or bool(e.values["converged"]))
        for r, (_, _, e) in zip(records, kept, strict=True)
    ]
    used = [k for k in range(len(records)) if solved_too[k] or isinstance(chosen, Reference)]
    some = lambda values: None if values is None else [values[k] for k in used]  # noqa: E731
    known_to = max((float(e.values.get("quadrature") or 0.0) for _, _, e in kept if e is not None), default=0.0)
    of_cost = spread(len(h), used, cost_errors, some(h), some(costs), chosen, some(known), highest, known_to)
    of_control = spread(
        len(h), used, control_errors, some(h), some(controls), chosen, some(known_controls), highest, left
    )
    for k, record in enumerate(records):
        record |= {"error J": of_cost.values[k], "error theta": of_control.values[k]}
    return Study(
        kind=kind,
        title=title,
        parameter=parameter,
        columns=_columns(kind, twin),
        records=tuple({c.name: record.get(c.name) for c in _columns(kind, twin)} for record in records),
        errors=tuple(
            ErrorColumn(name, e.against, expected, e.floor, e.spent)
            for name, e in (("error J", of_cost), ("error theta", of_control))
            if any(v is not None for v in e.values)
        ),
        notes=_warned([r for _, r, _ in kept], [e for _, _, e in kept if e is not None]),
        failures=tuple(failures),
        details={"controls": [c.tolist() for c in controls]},
    )


def check_refined(kind: str, built: Sequence[Built]) -> None:
    """ArgumentError where runs on meshes, or in layers, are not from coarse to fine."""
    name, parameter = ("cells", "h") if kind == "mesh" else ("layers", "dt")
    h = [float(o["mesh"].width) if kind == "mesh" else p.horizon / o["layers"] for p, o in built]
    if any(fine >= coarse for coarse, fine in pairwise(h)):
        raise mismatch(name, f"{parameter} = {h}", "runs from coarse to fine")


def _columns(kind: str, twin: bool) -> tuple[Column, ...]:
    mesh = (
        Column("cells", "cells an axis; of simplices, all"),
        Column("h", "mesh width: the largest of the axes, of simplices the longest edge", STATE),
        LAYERS,
        DT,
        Column(
            "courant", "largest Courant number |F| dt / h where there is mass (h a cell's smallest height)", digits=2
        ),
    )
    first = mesh if kind == "mesh" else (LAYERS, DT) if twin else (LAYERS, DT, mesh[0], mesh[4])
    return (*first, COST, ERROR_J, ERROR_THETA, RESIDUAL, CONVERGED)


def _job(source: Source, built: Any, twin: bool) -> Job:
    _, options = built
    label = f"{'twin, ' if twin else ''}{'x'.join(map(str, options['mesh'].shape))} cells, {options['layers']} layers"
    # No mesh and no schemes: twins of several meshes are one job.
    left_out = ("mesh", "continuity", "transport", "precision") if twin else ()
    identity = {**depended_on(built, *left_out), "twin": twin}
    return Job(solve_run, {"source": source, "twin": twin}, label, identity)


def _record(problem: Any, options: Any, result: Result) -> dict[str, Any]:
    mesh, layers = options["mesh"], options["layers"]
    return {
        "cells": "x".join(map(str, mesh.shape)) if len(set(mesh.shape)) > 1 else mesh.shape[0],
        "h": float(mesh.width),
        "layers": layers,
        "dt": problem.horizon / layers,
        "courant": result.values.get("courant"),
        **{k: result.values[k] for k in ("cost", "residual")},
        "converged": solved(result.values),
    }


def _warned(results: Sequence[Result], twins: Sequence[Result] = ()) -> tuple[str, ...]:
    lost = sum(e.values["converged"] is False for e in twins)
    told = [str(r.values["warnings"]) for r in results if r.values.get("warnings")]
    stuck = sum(not solved(r.values) for r in results)
    return (
        *([f"{stuck} run(s) did not converge: no order is read from them"] if stuck else []),
        *([f"{lost} particle twin(s) did not converge: the rows beside them have no errors"] if lost else []),
        *([f"{len(told)} run(s) warned, the first: {told[0]}"] if told else []),
    )


def expected_order(kind: str, built: Sequence[Any], courant: Sequence[Any], layers: Sequence[int]) -> tuple[str, float]:
    """The order that the schemes promise for these runs: in words, and the highest."""
    options = built[-1][1]
    if kind == "layers":
        euler = as_layer_map(options.get("layer_map", "rk4")).order == 1
        return ("1 (Euler layers)", 1.0) if euler else ("2 (piecewise-constant controls)", 2.0)
    schemes = {name: options.get(name) for name in ("transport", "continuity")}
    chosen = Discretisation(options["mesh"], options["layers"], **schemes)
    continuity, transport = chosen.continuity, chosen.transport
    if not isinstance(continuity, PushForward):
        lower = min(transport.order, continuity.order)
        return f"{lower}, the lower of both schemes', where the density is smooth", float(lower)
    p = transport.order
    if isinstance(transport, Elements):
        return f"between {p} and {p + 1}, elements", p + 1.0
    if not isinstance(transport, SemiLagrangian):
        return f"{p}", float(p)
    low, high = min(courant), max(courant)
    seen = f"Courant numbers {low:.2g} to {high:.2g}"
    if len(set(layers)) > 1:
        return f"{p}, cells and layers refined together ({seen})", float(p)
    if low >= 1:
        return f"{p + 1}, fixed layers, feet beyond a cell ({seen})", p + 1.0
    if high < 1:
        return f"between {p} and {p + 1}, fixed layers, feet within a cell ({seen})", p + 1.0
    return f"{p} where Courant numbers are below 1, {p + 1} above ({seen})", p + 1.0
