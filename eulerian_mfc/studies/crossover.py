"""Mesh against sample: for N samples, the mesh beyond which refinement no longer helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import numpy as np

from .._names import apart, numbered
from .._validate import integer, mismatch
from ..problem import Problem
from . import orders
from .convergence import mesh_sources
from .job import Job
from .jobs import failures_of
from .orders import Fit
from .refinement import Refinement
from .runner import Runner, StudyOptions
from .runs import MOST_REPEATS, sample_control_run
from .sources import Box, Cells, Source
from .study import Study
from .study_data import Column, checked


def crossover(
    problem: Problem,
    samples: Sequence[int],
    cells: Sequence[Cells],
    layers: int,
    bounds: Box | None = None,
    *,
    repeats: int = 8,
    seed: int = 0,
    **options: Unpack[StudyOptions],
) -> Study:
    """The error of the control of N samples on meshes of width h, and the width at which its two parts are equal.

    The mesh error `C h^p` is fitted to runs with the law itself, and the sampling error `c N^-q` to particle twins of the
    samples. Both are measured from the particle twin of the law. They are equal at `h* = (c N^-q / C)^(1/p)`: on finer
    meshes the sampling error dominates, and refinement does not reduce it.

    Parameters
    ----------
    problem, cells, layers, bounds, options : as for `mesh_convergence`.
    samples, repeats, seed : as for `sample_convergence`.

    Returns
    -------
    Study
        One row per N: `N, sampling error, h*, cells*`, and the measured rms error on every mesh. The fits are in `details`.

    Raises
    ------
    ArgumentError
        For unknown arguments (neither of the study nor of `solve`), or if no run succeeded.

    References
    ----------
    The construction is our own. The rates: docs/theory/orders.md, and N. Fournier, A. Guillin, On the rate of convergence in
    Wasserstein distance of the empirical measure, Probab. Theory Relat. Fields 162 (2015), 707-738,
    doi:10.1007/s00440-014-0583-7.

    Examples
    --------
    >>> import numpy as np, eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), np.tanh)
    >>> problem = emfc.Problem(emfc.fields.AffineField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> study = emfc.studies.crossover(problem, [50, 100], [16, 24, 32], layers=2, bounds=[(-4.0, 4.0)], repeats=2)
    >>> study.values("N").tolist()
    [50.0, 100.0]
    """
    runner, others = Runner.taken_from(crossover, options)
    sources = mesh_sources(problem, cells, layers, bounds, others)
    of_law = Refinement.run("mesh", sources, "particles", runner)
    of_mesh = of_law.study("Convergence in mesh width")
    if of_law.failures:
        raise mismatch(
            "cells", f"a run that failed: {of_law.failures[0]['error'].splitlines()[0]}", "runs that succeed"
        )
    twin = of_law.refined[-1].twin
    assert twin is not None
    trained = _trained(sources, samples, integer("repeats", repeats, maximum=MOST_REPEATS), seed, twin.control, runner)
    h = of_mesh.values("h")
    if of_mesh.fitted_points("error theta") < 2 or len(samples) < 2:
        raise mismatch(
            "cells",
            "fewer than two meshes with errors above round-off, or fewer than two values of N",
            "at least two of both: use coarser meshes or a lower degree, and several N",
        )
    mesh_fit = of_mesh.fit("error theta")
    sample_fit = orders.fit([1.0 / n for n in samples], trained.rms[:, 0].tolist())
    names = numbered([f"h={text}" for text in apart(h, 4)], range(len(h)))
    width = float(max(b - a for a, b in of_law.refined[0].built[1]["mesh"].bounds))
    columns = (
        Column("N", "samples"),
        Column("sampling error", "rms error of the control by the particle twin", digits=3),
        Column("h*", "mesh width at which the two fitted errors are equal", "state", 3),
        Column("cells*", "cells along the longest side of the box at that width"),
        *(Column(name, f"rms error of the control on the mesh of width {name[2:]}", digits=3) for name in names),
    )
    records = []
    for n, row in zip(samples, trained.rms, strict=True):
        where = equal_width(n, mesh_fit, sample_fit)
        found = {"N": n, "sampling error": float(row[0]), "h*": where, "cells*": int(np.ceil(width / where))}
        records.append({**found, **{name: float(e) for name, e in zip(names, row[1:], strict=True)}})
    return Study(
        kind="crossover",
        title=f"Mesh against sample, {repeats} repeats, seed {seed}",
        parameter="N",
        columns=columns,
        records=tuple({c.name: record[c.name] for c in columns} for record in records),
        notes=(
            f"mesh error of the control {mesh_fit.constant:.3g} h^{mesh_fit}, {of_mesh.error_column('error theta').theory}",
            f"sampling error {sample_fit.constant:.3g} N^-{sample_fit}",
        ),
        failures=trained.failures,
        details={
            "h": h.tolist(),
            "rms": trained.rms[:, 1:].tolist(),
            "mesh errors": of_mesh.values("error theta").tolist(),
            "mesh fit": list(mesh_fit),
            "sample fit": list(sample_fit),
        },
    )


def equal_width(samples: int, mesh_fit: Fit, sample_fit: Fit) -> float:
    """The mesh width h at which `C h^p = c N^-q`.

    Parameters
    ----------
    samples : the number N.
    mesh_fit, sample_fit : the fits, with the orders p and q, and the constants C and c.
    """
    sampling = sample_fit.constant * samples**-sample_fit.order
    return float((sampling / mesh_fit.constant) ** (1 / mesh_fit.order))


@dataclass(frozen=True)
class _Trained:
    """Root mean squares of the control's errors `(samples, 1 + meshes)`, the twin in column 0; and the failed jobs."""

    rms: np.ndarray
    failures: tuple[dict[str, str], ...]


def _trained(
    sources: Sequence[Source], samples: Sequence[int], repeats: int, seed: int, truth: np.ndarray, runner: Runner
) -> _Trained:
    """Train on every sample, by the particle twin and on every mesh."""
    jobs = []
    for n in samples:
        for k in range(repeats):
            for twin, source in [(True, sources[0]), *((False, s) for s in sources)]:
                draw = {"samples": integer("samples", n), "repeat": k, "seed": seed, "initial": truth}
                label = f"N = {n}, sample {k + 1}, {'twin' if twin else source.build()[1]['mesh'].shape}"
                jobs.append(Job(sample_control_run, {"source": source, "twin": twin, **draw}, label))
    results = runner.run(jobs)
    failures = failures_of(jobs, results)
    errors = np.array([np.nan if r.error else np.abs(r.arrays["control"] - truth).max() for r in results])
    errors = errors.reshape(len(samples), repeats, 1 + len(sources))
    if np.isnan(errors).all(axis=1).any():
        checked("crossover", [], failures)
    return _Trained(np.sqrt(np.nanmean(errors**2, axis=1)), failures)
