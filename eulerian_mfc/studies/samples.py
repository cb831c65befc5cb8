"""What a sample costs: the control of N samples beside that of their law."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._validate import choice, fail, integer
from .convergence import CONVERGED, _warned
from .jobs import Job, run_jobs
from .references import Reference, as_reference, averaged, check_parameters
from .runs import sample_run, solve_run
from .sources import Source, depended_on, given
from .store import Result
from .study import Column, ErrorColumn, Study, checked

METHODS = {"mesh": "on the mesh", "particles": "by the particle twin"}
#: orders of the mean of W1 and W2 in N, by dimension
#: (N. Fournier, A. Guillin, Probab. Theory Relat. Fields 162 (2015), 707-738, doi:10.1007/s00440-014-0583-7)
RATES = {
    1: ("1/2 in N", "1/2 in N where the law's support is connected, else 1/4"),
    2: ("1/2 in N, up to a logarithm", "between 1/4 and 1/2 in N"),
    3: ("1/3 in N", "between 1/4 and 1/3 in N"),
}


def sample_convergence(
    problem: Any,
    mesh: Any,
    samples: Sequence[int],
    repeats: int,
    layers: int,
    *,
    seed: int = 0,
    methods: Sequence[str] = ("mesh", "particles"),
    symmetry: Callable[[np.ndarray], np.ndarray] | None = None,
    atoms: int = 4000,
    reference: Any = None,
    folder: Any = None,
    executor: Any = None,
    workers: int | None = None,
    progress: Any = None,
    **options: Any,
) -> Study:
    """Control and cost of empirical laws of N samples, against those of the law itself.

    For each N, `repeats` independent samples train a control each, on the same mesh and by the particle twin, starting at
    the law's own control (so that both are the same branch of critical points). The theory bounds
    `|theta_N - theta| <= C W1(mu_N, mu)`.

    Parameters
    ----------
    problem, mesh, layers, options : as for `solve`, for the true law.
    samples : the N.
    repeats : samples of each size. Every sample has a random stream of its own, spawned from `seed` by its size and
        number: adding sizes or repeats changes none of the others.
    seed : an integer >= 0.
    methods : "mesh", "particles", or both.
    symmetry : see `metrics.wasserstein`: distances of the laws' images are reported too.
    atoms : see `metrics.wasserstein`.
    reference : the law's control: by default its solution on the same mesh.
    folder, executor, workers, progress : see `run_jobs`.

    Returns
    -------
    Study
        A row an N, root mean squares and means over the repeats: distances, errors of the control, training cost
        `J_N(theta_N)`, generalisation cost `J(theta_N)`, their gap, excess `J(theta_N) - J(theta)`, ratios to W1.
        `details["runs"]` has every sample.

    Raises
    ------
    ArgumentError
        For arguments that are none of the study or of `solve`, or if no run succeeded.

    References
    ----------
    B. Bonnet, C. Cipriani, M. Fornasier, H. Huang, A measure theoretical approach to the mean-field maximum principle
    for training NeurODEs, Nonlinear Analysis 227 (2023) 113161, doi:10.1016/j.na.2022.113161
    (the bound); N. Fournier, A. Guillin, On the rate of convergence in Wasserstein distance of the empirical measure, Probab.
    Theory Relat. Fields 162 (2015), 707-738, doi:10.1007/s00440-014-0583-7 (the rates of W1).
    """
    source = given(problem, mesh, integer("layers", layers), options)
    run = {"folder": folder, "executor": executor, "workers": workers, "progress": progress}
    return sample_study(source, samples, repeats, seed, methods, symmetry, atoms, reference, "Samples of the law", run)


def sample_study(
    source: Source,
    samples: Sequence[int],
    repeats: int,
    seed: int,
    methods: Sequence[str],
    symmetry: Any,
    atoms: int,
    reference: Any,
    title: str,
    run: dict[str, Any],
) -> Study:
    """The study of `sample_convergence` for a source of any kind."""
    if np.ndim(samples) != 1 or not len(samples):
        raise fail("samples", samples, "a list of numbers of samples")
    sizes = [integer("samples", n) for n in samples]
    chosen = tuple(choice("methods", m, METHODS) for m in methods)
    if not chosen or len(set(chosen)) < len(chosen):
        raise fail("methods", methods, "one or both of " + ", ".join(map(repr, METHODS)))
    integer("repeats", repeats)
    integer("seed", seed, minimum=0)
    problem, options = source.build()
    known, identity = _given(reference, problem.parameters), depended_on((problem, options))
    truth = run_jobs([Job(solve_run, {"source": source}, "the law itself", {**identity, "twin": False})], **run)[0]
    if truth.error is not None:
        checked("samples", [], [{"label": "the law itself", "error": truth.error}])
    if reference is None and not truth.values["converged"]:
        stuck = "it did not converge, so that no error against it can be told: more iterations, or another solver"
        checked("samples", [], [{"label": "the law itself", "error": stuck}])
    control, cost = truth.arrays["control"], float(truth.values["cost"])  # type: ignore[arg-type]
    if known is not None:
        control = averaged(known.control, len(control))
        cost = cost if known.cost is None else known.cost
    jobs = []
    for n in sizes:
        for k in range(repeats):
            arguments = {"samples": n, "repeat": k, "seed": seed, "initial": control, "methods": chosen,
                         "symmetry": symmetry, "atoms": atoms}  # fmt: skip
            label = f"N = {n}, sample {k + 1} of {repeats}"
            jobs.append(Job(sample_run, {"source": source, **arguments}, label, {**identity, **arguments}))
    results = run_jobs(jobs, **run)
    failures = [{"label": j.label, "error": r.error} for j, r in zip(jobs, results, strict=True) if r.error]
    rows: list[dict[str, Any]] = []
    for job, result in zip(jobs, results, strict=True):
        if result.error is None:
            rows.append(_row(job, result, control, cost, chosen))
    checked("samples", rows, failures)
    columns, errors = _columns(chosen, symmetry is not None, problem.law.dim)
    records = [_summary([r for r in rows if r["N"] == n], chosen) for n in sizes if any(r["N"] == n for r in rows)]
    against = f"the law's control, {'given' if reference is not None else 'on the same mesh'}"
    return Study(
        kind="samples",
        title=f"{title}, {repeats} repeats, seed {seed}",
        parameter="N",
        columns=columns,
        records=tuple({c.name: record.get(c.name) for c in columns} for record in records),
        errors=tuple(ErrorColumn(e, against if e.startswith("error") else a, t) for e, a, t in errors),
        notes=(*_warned([r for r in (truth, *results) if r.error is None]), *_distance_notes(results)),
        failures=tuple(failures),
        details={"runs": rows, "cost": cost, "control": control.tolist(), "methods": list(chosen)},
    )


def _given(reference: Any, parameters: int) -> Reference | None:
    """The law's control where it is known."""
    known = None if reference is None else as_reference(reference)
    if known is not None and (not isinstance(known, Reference) or known.control is None):
        raise fail("reference", reference, "a Reference with a control, a Solution, or none")
    check_parameters(known, parameters)
    return known


def _row(job: Job, result: Result, control: np.ndarray, cost: float, methods: Sequence[str]) -> dict[str, Any]:
    values = {k: v for k, v in result.values.items() if k not in ("warnings",)}
    row: dict[str, Any] = {"N": job.arguments["samples"], "repeat": job.arguments["repeat"], **values}
    for m in methods:
        row[f"error_{m}"] = float(np.abs(result.arrays[f"control_{m}"] - control).max())
        row[f"excess_{m}"] = row[f"generalisation_{m}"] - cost
    if len(methods) == 2:
        row["difference"] = float(np.abs(result.arrays["control_mesh"] - result.arrays["control_particles"]).max())
    return row


def _summary(rows: list[dict[str, Any]], methods: Sequence[str]) -> dict[str, Any]:
    column = lambda name: np.array([r[name] for r in rows], dtype=float)  # noqa: E731
    rms = lambda name: float(np.sqrt(np.mean(column(name) ** 2)))  # noqa: E731
    out: dict[str, Any] = {"N": rows[0]["N"], "runs": len(rows)}
    for name in ("W1", "W2", "W1_symmetry", "W2_symmetry"):
        if name in rows[0]:
            out[NAMES.get(name, name)] = rms(name)
    main = methods[0]
    for m in methods:
        out[f"error {m}"] = rms(f"error_{m}")
    out["training"], out["generalisation"] = (
        float(column(f"{n}_{main}").mean()) for n in ("training", "generalisation")
    )
    out["gap"] = out["generalisation"] - out["training"]
    out["excess"] = float(column(f"excess_{main}").mean())
    for name in ("W1", "W1_symmetry"):
        if name in rows[0]:
            out[f"ratio {NAMES.get(name, name)}"] = rms(f"error_{main}") / rms(name)
    if len(methods) == 2:
        out["difference"] = float(column("difference").max())
    out["converged"] = bool(all(r["converged"] for r in rows))
    return out


NAMES = {"W1_symmetry": "W1 sym", "W2_symmetry": "W2 sym"}


def _columns(
    methods: Sequence[str], symmetric: bool, dim: int
) -> tuple[tuple[Column, ...], list[tuple[str, str, str]]]:
    state, main = "state", METHODS[methods[0]]
    columns = [
        Column("N", "samples"),
        Column("W1", "rms W1 of the sample to the law", state, 3),
        Column("W2", "rms W2 of the sample to the law", state, 3),
    ]
    errors = [(w, "zero", rate) for w, rate in zip(("W1", "W2"), RATES[dim], strict=True)]
    if symmetric:
        columns += [Column(f"{w} sym", f"rms {w} of their images under the symmetry", state, 3) for w in ("W1", "W2")]
        errors += [("W1 sym", "zero", RATES[dim][0])]
    for m in methods:
        columns.append(
            Column(f"error {m}", f"rms over repeats of the largest error of the control, {METHODS[m]}", "", 3)
        )
        errors.append((f"error {m}", "", "1/2 in N"))
    columns += [
        Column("training", f"mean cost of the sample's control on the sample, {main}", digits=6),
        Column("generalisation", "mean cost of the sample's control on the law", digits=6),
        Column("gap", "generalisation minus training", digits=2),
        Column("excess", "generalisation minus the law's optimal cost", digits=2),
        Column("ratio W1", "rms error of the control over rms W1", "1/state", 3),
        *(
            [Column("ratio W1 sym", "rms error of the control over rms W1 of the images", "1/state", 3)]
            if symmetric
            else []
        ),
        *(
            [Column("difference", "largest difference of the controls of mesh and twin", digits=2)]
            if len(methods) == 2
            else []
        ),
        CONVERGED,
    ]
    errors.append(("excess", "zero", "1 in N"))
    return tuple(columns), errors


def _distance_notes(results: Sequence[Result]) -> tuple[str, ...]:
    done = [r.values for r in results if r.error is None]
    worst = max(float(v["W1_tolerance"]) for v in done)  # type: ignore[arg-type]
    return (f"W1 by {done[-1]['W1_method']}, tolerance {worst:.1e}",)
