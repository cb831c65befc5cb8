"""Mesh against sample: for N samples, the mesh beyond which refinement no longer helps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._names import apart, numbered
from .._validate import integer, mismatch
from . import orders
from .convergence import mesh_convergence
from .jobs import Job, run_jobs
from .runs import sample_control_run
from .sources import given, meshes
from .study import Column, Study, checked


def crossover(
    problem: Any,
    samples: Sequence[int],
    cells: Sequence[Any],
    layers: int,
    bounds: Any = None,
    *,
    repeats: int = 8,
    seed: int = 0,
    folder: Any = None,
    executor: Any = None,
    workers: int | None = None,
    progress: Any = None,
    **options: Any,
) -> Study:
    """The error of the control of N samples on meshes of width h, and where its two parts are equal.

    The mesh error `C h^p` is fitted to runs with the law itself, the sampling error `c N^-q` to particle twins of the
    samples, both against the particle twin of the law. They are equal at `h* = (c N^-q / C)^(1/p)`: finer meshes are
    spent on an error that the sample does not let go.

    Parameters
    ----------
    problem, cells, layers, bounds, options : as for `mesh_convergence`.
    samples, repeats, seed : as for `sample_convergence`.
    folder, executor, workers, progress : see `run_jobs`.

    Returns
    -------
    Study
        A row an N: `N, sampling error, h*, cells*`, and the measured rms error on every mesh. The fits are in `details`.

    Raises
    ------
    ArgumentError
        For arguments that are none of the study or of `solve`, or if no run succeeded.

    References
    ----------
    Own construction; the rates: docs/theory/orders.md, and N. Fournier, A. Guillin, On the rate of convergence in Wasserstein
    distance of the empirical measure, Probab. Theory Relat. Fields 162 (2015), 707-738, doi:10.1007/s00440-014-0583-7.
    """
    run = {"folder": folder, "executor": executor, "workers": workers, "progress": progress}
    of_mesh = mesh_convergence(problem, cells, layers, bounds, reference="particles", **run, **options)
    boxes = meshes(problem, cells, bounds)
    if of_mesh.failures:
        raise mismatch(
            "cells", f"a run that failed: {of_mesh.failures[0]['error'].splitlines()[0]}", "runs that succeed"
        )
    truth = _law_control(problem, boxes[-1], layers, options, run)
    jobs = []
    for n in samples:
        for k in range(integer("repeats", repeats)):
            for mesh in [None, *boxes]:
                source = given(problem, boxes[0] if mesh is None else mesh, layers, options)
                draw = {"samples": integer("samples", n), "repeat": k, "seed": seed, "initial": truth}
                arguments = {"source": source, "twin": mesh is None, **draw}
                label = f"N = {n}, sample {k + 1}, {'twin' if mesh is None else mesh.shape}"
                jobs.append(Job(sample_control_run, arguments, label))
    results = run_jobs(jobs, **run)
    failures = [{"label": j.label, "error": r.error} for j, r in zip(jobs, results, strict=True) if r.error]
    errors = np.array([np.nan if r.error else np.abs(r.arrays["control"] - truth).max() for r in results])
    errors = errors.reshape(len(samples), repeats, 1 + len(boxes))
    if np.isnan(errors).all(axis=1).any():
        checked("crossover", [], failures)
    rms = np.sqrt(np.nanmean(errors**2, axis=1))
    h = of_mesh.values("h")
    if of_mesh.fitted_points("error theta") < 2 or len(samples) < 2:
        raise mismatch(
            "cells", "too few mesh errors above round-off", "coarser meshes, or a lower degree, and several N"
        )
    mesh_fit = of_mesh.fit("error theta")
    sample_fit = orders.fit([1.0 / n for n in samples], rms[:, 0].tolist())
    names = numbered([f"h={text}" for text in apart(h, 4)], range(len(h)))
    width = float(max(b - a for a, b in boxes[0].bounds))
    columns = (
        Column("N", "samples"),
        Column("sampling error", "rms error of the control by the particle twin", digits=3),
        Column("h*", "mesh width at which both errors are equal, from the fits", "state", 3),
        Column("cells*", "cells along the longest side of the box at that width"),
        *(Column(name, f"rms error of the control on the mesh of width {name[2:]}", digits=3) for name in names),
    )
    records = []
    for n, row in zip(samples, rms, strict=True):
        where = (sample_fit.constant * n**-sample_fit.order / mesh_fit.constant) ** (1 / mesh_fit.order)
        found = {name: float(e) for name, e in zip(names, row[1:], strict=True)}
        found |= {"N": n, "sampling error": float(row[0]), "h*": where, "cells*": int(np.ceil(width / where))}
        records.append({c.name: found[c.name] for c in columns})
    return Study(
        kind="crossover",
        title=f"Mesh against sample, {repeats} repeats, seed {seed}",
        parameter="N",
        columns=columns,
        records=tuple(records),
        notes=(
            f"mesh error of the control {mesh_fit.constant:.3g} h^{mesh_fit}, {of_mesh.error_column('error theta').theory}",
            f"sampling error {sample_fit.constant:.3g} N^-{sample_fit}",
        ),
        failures=tuple(failures),
        details={
            "h": h.tolist(),
            "rms": rms[:, 1:].tolist(),
            "mesh errors": of_mesh.values("error theta").tolist(),
            "mesh fit": list(mesh_fit),
            "sample fit": list(sample_fit),
        },
    )


def _law_control(problem: Any, mesh: Any, layers: int, options: Any, run: Any) -> np.ndarray:
    """The control of the law's particle twin, done already by the mesh study."""
    from .convergence import _job

    source = given(problem, mesh, layers, options)
    return run_jobs([_job(source, source.build(), True)], **run)[0].arrays["control"]
