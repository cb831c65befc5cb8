"""Sweeps over any argument of the problem, the mesh or the solver."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .._names import numbered
from .._validate import array, choice, fail, integer
from .convergence import CONVERGED, COST, ERROR_J, ERROR_THETA, RESIDUAL, _several, _warned
from .jobs import Job, run_jobs
from .references import as_reference, check_parameters, control_errors, cost_errors, spread
from .runs import solve_run, solved
from .sources import Source, depended_on, given
from .study import GROWING, Column, ErrorColumn, Study, checked

TERMINAL = Column("terminal_cost", "E[loss(X(T), Y)]", digits=10)
PENALTY = Column("penalty_cost", "1/2 int lambda |theta|^2 dt", digits=10)
SIZE = Column("largest theta", "largest modulus of the control", digits=6)


def sweep(
    problem: Any,
    mesh: Any,
    layers: int,
    vary: Mapping[str, Sequence[Any]],
    *,
    measure: Mapping[str, Callable[[Any], Any]] | None = None,
    parameter: str | None = None,
    reference: Any = "finest",
    title: str = "Sweep",
    folder: Any = None,
    executor: Any = None,
    workers: int | None = None,
    progress: Any = None,
    **options: Any,
) -> Study:
    """Solve for every combination of the values of some arguments.

    Parameters
    ----------
    problem, mesh, layers, options : as for `solve`.
    vary : values by argument: any of `Problem`, of the mesh (`cells`, `bounds`) or of `solve`; all combinations are run.
    measure : further columns, by name: functions of the Solution that return a number or a word.
    parameter : a varied argument whose values are numbers from coarse to fine: errors against `reference` and orders in it
        are reported too (of "cells" and "layers" in their inverse). Nothing else may vary then.
    reference : as for `mesh_convergence`, but "particles".
    title : of the table.
    folder, executor, workers, progress : see `run_jobs`.

    Raises
    ------
    ArgumentError
        For arguments that are none of the study or of `solve`, or if no run succeeded.
    """
    source = given(problem, mesh, integer("layers", layers), options)
    run = {"folder": folder, "executor": executor, "workers": workers, "progress": progress}
    return sweep_study(source, vary, measure, parameter, reference, title, run)


def penalty_sweep(problem: Any, mesh: Any, layers: int, penalties: Sequence[float], **options: Any) -> Study:
    """Cost, its two parts and the size of the control over the penalty lambda.

    Parameters
    ----------
    problem, mesh, layers : as for `solve`; the problem's own penalty is not used.
    penalties : two or more values of lambda > 0.
    options : as for `sweep`.

    Returns
    -------
    Study
        A row a penalty.

    Raises
    ------
    ArgumentError
        For fewer than two penalties, or as `sweep`.

    References
    ----------
    Where critical points multiply as lambda falls: docs/theory/penalties.md.
    """
    values = _several("penalties", penalties)
    study = sweep(problem, mesh, layers, {"penalty": values}, **{"title": "Penalty", **options})
    return as_penalty(study)


def as_penalty(study: Study) -> Study:
    """A sweep over penalties, drawn as such."""
    return replace(study, kind="penalty")


def sweep_study(
    source: Source,
    vary: Mapping[str, Sequence[Any]],
    measure: Mapping[str, Callable[[Any], Any]] | None,
    parameter: str | None,
    reference: Any,
    title: str,
    run: dict[str, Any],
) -> Study:
    """The study of `sweep` for a source of any kind."""
    if not isinstance(vary, Mapping) or not vary or any(np.ndim(v) == 0 or not len(v) for v in vary.values()):
        raise fail("vary", vary, "lists of values by argument")
    if parameter is not None:
        check_parameter(vary, parameter, reference)
    points = [dict(zip(vary, values, strict=True)) for values in itertools.product(*vary.values())]
    shown = [dict(zip(vary, texts, strict=True)) for texts in itertools.product(*map(_all_shown, vary.values()))]
    measures = {**_MEASURES, **(measure or {})}
    taken = {c.name for c in (COST, TERMINAL, PENALTY, SIZE, ERROR_J, ERROR_THETA, RESIDUAL, CONVERGED)} | set(vary)
    for name in measure or {}:
        if name in taken:
            raise fail("measure", name, "names that no other column has")
    built, jobs = [], []
    for point, texts in zip(points, shown, strict=True):
        varied = source
        for name, value in point.items():
            varied = varied.varied(name, value)
        problem, options = varied.build()
        built.append((problem, options))
        label = ", ".join(f"{k}={v}" for k, v in texts.items())
        identity = {**depended_on((problem, options)), "measures": measures}
        jobs.append(Job(solve_run, {"source": varied, "measures": measures}, label, identity))
    results = run_jobs(jobs, **run)
    failures = [{"label": j.label, "error": r.error} for j, r in zip(jobs, results, strict=True) if r.error]
    kept = [(p, r, b) for p, r, b in zip(points, results, built, strict=True) if r.error is None]
    records = [{**t, **r.values} for t, r in zip(shown, results, strict=True) if r.error is None]
    checked("sweep", records, failures)
    columns = (
        *(Column(name, f"the argument {name}", digits=6) for name in vary),
        COST, TERMINAL, PENALTY, SIZE,
        *(Column(name, f"measured: {name}", digits=8) for name in measure or {}),
        RESIDUAL, CONVERGED,
    )  # fmt: skip
    errors: tuple[ErrorColumn, ...] = ()
    if parameter is not None:
        chosen = choice_of_reference(reference)
        h = [1.0 / p[parameter] if parameter in GROWING else float(p[parameter]) for p, _, _ in kept]
        ended = [(float(r.values["residual"]), b[0]) for _, r, b in kept if solved(r.values)]  # type: ignore[arg-type]
        left = 10 * max((residual / p.regulariser.penalties.min() for residual, p in ended), default=0.0)
        if not isinstance(chosen, str):
            check_parameters(chosen, kept[0][2][0].parameters)
        used = [k for k, (_, r, _) in enumerate(kept) if solved(r.values) or not isinstance(chosen, str)]
        some, results = [h[k] for k in used], [kept[k][1] for k in used]
        costs, controls = [r.values["cost"] for r in results], [r.arrays["control"] for r in results]
        of_cost = spread(len(h), used, cost_errors, some, costs, chosen, None, None)
        of_control = spread(len(h), used, control_errors, some, controls, chosen, None, None, left)
        for k, record in enumerate(records):
            record |= {"error J": of_cost.values[k], "error theta": of_control.values[k]}
        columns = (*columns[:2], ERROR_J, ERROR_THETA, *columns[2:])
        pairs = (("error J", of_cost), ("error theta", of_control))
        errors = tuple(
            ErrorColumn(n, e.against, "", e.floor, e.spent) for n, e in pairs if any(v is not None for v in e.values)
        )
    return Study(
        kind="sweep",
        title=title,
        parameter=parameter or next(iter(vary)),
        columns=columns,
        records=tuple({c.name: record.get(c.name) for c in columns} for record in records),
        errors=errors,
        notes=_warned([r for _, r, _ in kept]),
        failures=tuple(failures),
        details={"vary": list(vary)},
    )


def check_parameter(vary: Mapping[str, Sequence[Any]], parameter: str, reference: Any) -> None:
    """ArgumentError where errors cannot be told of the parameter's values."""
    if list(vary) != [parameter]:
        raise fail("parameter", parameter, "the one argument that varies")
    values = array(parameter, vary[parameter], ndim=1).tolist()
    finer = [-v for v in values] if parameter in GROWING else values
    if isinstance(choice_of_reference(reference), str) and any(b >= a for a, b in itertools.pairwise(finer)):
        raise fail(parameter, values, f"values from coarse to fine where errors are against {reference!r}")


def choice_of_reference(reference: Any) -> Any:
    chosen = as_reference(reference)
    return choice("reference", chosen, ("richardson", "finest")) if isinstance(chosen, str) else chosen


def largest_control(solution: Any) -> float:
    """`max |theta|`."""
    return float(np.abs(solution.control).max())


_MEASURES: dict[str, Callable[[Any], Any]] = {"largest theta": largest_control}


def _all_shown(values: Sequence[Any]) -> list[Any]:
    """Numbers and words as they are, other arguments in words: those that differ, with a number where their words agree."""
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    words = [isinstance(v, bool | int | float | str) or v is None for v in plain]
    texts = [repr(v.tolist() if isinstance(v, np.ndarray) else v) for v in plain]
    told = iter(numbered([t for t, w in zip(texts, words, strict=True) if not w], range(len(plain) - sum(words))))
    return [v if word else next(told) for v, word in zip(plain, words, strict=True)]
