"""Runs that are refined step by step, in their meshes or their layers, and their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from .._validate import mismatch
from ..control.grid import checked_grid, count_of
from ..control.spaces import layer_means
from .columns import CONVERGED, COST, DT, ERROR_J, ERROR_THETA, LAYERS, RESIDUAL, STATE, error_columns, run_notes
from .job import Job
from .jobs import failures_of
from .records import Run
from .references import (
    Errors,
    Reference,
    ReferenceLike,
    Sequenced,
    as_reference,
    check_parameters,
    control_errors,
    cost_errors,
    spread,
)
from .runner import Runner
from .runs import solve_run
from .sources import Built, Source, depended_on
from .store import Result
from .study import Study
from .study_data import Column, Record, checked
from .theory import order_in_cells, order_in_layers


@dataclass(frozen=True)
class Refined:
    """One successful run of a refinement study: problem and options, the run, and its particle twin if there is one."""

    built: Built
    run: Run
    twin: Run | None

    @property
    def solved(self) -> bool:
        """Whether both solvers reached their tolerance."""
        return self.run.solved and (self.twin is None or self.twin.converged)

    def means(self, run: Run) -> np.ndarray:
        """`(layers, m)`: the means over the layers of the control of a run of this problem."""
        return layer_means(self.built[0].regulariser, run.control)

    def record(self) -> Record:
        """The row of the table, without errors."""
        problem, options = self.built
        mesh, layers = options["mesh"], options["layers"]
        return {
            "cells": "x".join(map(str, mesh.shape)) if len(set(mesh.shape)) > 1 else mesh.shape[0],
            "h": float(mesh.width),
            "layers": count_of(layers),
            "dt": problem.horizon / count_of(layers),
            "courant": self.run.courant,
            "cost": self.run.cost,
            "residual": self.run.residual,
            "converged": self.run.solved,
        }


@dataclass(frozen=True)
class Refinement:
    """Runs on finer and finer meshes, or with more and more layers.

    Attributes
    ----------
    kind : "mesh" or "layers".
    reference : the value from which errors are measured.
    refined : the runs that succeeded, from coarse to fine.
    failures : `label` and `error` of the runs that failed.
    without_mesh : whether the runs are particle twins.
    """

    kind: str
    reference: Reference | str
    refined: tuple[Refined, ...]
    failures: tuple[dict[str, str], ...]
    without_mesh: bool = False

    @classmethod
    def run(
        cls,
        kind: str,
        sources: Sequence[Source],
        reference: ReferenceLike,
        runner: Runner,
        without_mesh: bool = False,
    ) -> Refinement:
        """Run all sources, and their twins if these are the reference."""
        chosen = as_reference(reference)
        built = [source.build() for source in sources]
        check_refined(kind, built)
        check_parameters(chosen, built[0][0].parameters)
        jobs = [_job(s, b, without_mesh) for s, b in zip(sources, built, strict=True)]
        twins = [_job(s, b, True) for s, b in zip(sources, built, strict=True)] if chosen == "particles" else []
        results = runner.run([*jobs, *twins])
        beside: list[Result | None] = [*results[len(jobs) :]] or [None] * len(jobs)
        refined = tuple(
            Refined(b, Run.of(r), None if e is None else Run.of(e))
            for b, r, e in zip(built, results, beside, strict=False)
            if r.error is None and (e is None or e.error is None)
        )
        return cls(kind, chosen, refined, failures_of([*jobs, *twins], results), without_mesh)

    @property
    def parameter(self) -> str:
        """The column in powers of which errors fall."""
        return "h" if self.kind == "mesh" else "dt"

    @cached_property
    def h(self) -> list[float]:
        """Widths of the cells, or lengths of the layers."""
        return [_width(self.kind, r.built) for r in self.refined]

    @cached_property
    def used(self) -> list[int]:
        """The rows that have errors. Unless the reference is known, only solved runs: others would spoil all errors."""
        stated = isinstance(self.reference, Reference)
        return [k for k, r in enumerate(self.refined) if r.solved or stated]

    def theory(self) -> tuple[str, float]:
        """The order that theory predicts for the schemes: in words, and the highest order as a number."""
        options = self.refined[-1].built[1]
        if self.kind == "layers":
            return order_in_layers(options)
        counts = [r.built[1]["layers"] for r in self.refined]
        return order_in_cells(options, [r.run.courant for r in self.refined], counts)

    def errors(self) -> tuple[Errors, Errors]:
        """The errors of the cost and of the control."""
        chosen, h, runs = [self.refined[k] for k in self.used], [self.h[k] for k in self.used], len(self.refined)
        if not chosen:
            return spread(runs, [], None), spread(runs, [], None)
        twins = [r.twin for r in self.refined if r.twin is not None]
        left = max((r.run.left for r in self.refined if r.run.solved), default=0.0)
        known_to = max((e.quadrature for e in twins), default=0.0)
        expected = self.theory()[1]
        beside = [r.twin for r in chosen if r.twin is not None] if twins else None
        costs = Sequenced(
            h,
            [np.array(r.run.cost) for r in chosen],
            None if beside is None else [np.array(e.cost) for e in beside],
            expected,
        )
        controls = Sequenced(
            h,
            [r.means(r.run) for r in chosen],
            None if beside is None else [r.means(e) for r, e in zip(chosen, beside, strict=True)],
            expected,
            [checked_grid(r.built[1]["layers"]) for r in chosen],
        )
        return (
            spread(runs, self.used, cost_errors(costs, self.reference, known_to)),
            spread(runs, self.used, control_errors(controls, self.reference, left)),
        )

    def study(self, title: str) -> Study:
        """The table; ArgumentError if no run succeeded."""
        records = [r.record() for r in self.refined]
        checked(self.kind, records, self.failures)
        of_cost, of_control = self.errors()
        for k, record in enumerate(records):
            record |= {ERROR_J.name: of_cost.values[k], ERROR_THETA.name: of_control.values[k]}
        columns = _columns(self.kind, self.without_mesh)
        return Study(
            kind=self.kind,
            title=title,
            parameter=self.parameter,
            columns=columns,
            records=tuple({c.name: record.get(c.name) for c in columns} for record in records),
            errors=error_columns(of_cost, of_control, self.theory()[0]),
            notes=run_notes([r.run for r in self.refined], [r.twin for r in self.refined if r.twin is not None]),
            failures=self.failures,
            details={"controls": [r.means(r.run).tolist() for r in self.refined]},
        )


def _width(kind: str, built: Built) -> float:
    problem, options = built
    return float(options["mesh"].width) if kind == "mesh" else problem.horizon / count_of(options["layers"])


def check_refined(kind: str, built: Sequence[Built]) -> None:
    """ArgumentError if the meshes, or the layers, are not ordered from coarse to fine."""
    name, parameter = ("cells", "h") if kind == "mesh" else ("layers", "dt")
    h = [_width(kind, b) for b in built]
    if any(fine >= coarse for coarse, fine in pairwise(h)):
        raise mismatch(name, f"{parameter} = {h}", "runs from coarse to fine")


def _columns(kind: str, twin: bool) -> tuple[Column, ...]:
    mesh = (
        Column("cells", "number of cells per axis; on simplices, of all cells"),
        Column("h", "mesh width: the largest width of all axes; on simplices, the longest edge", STATE),
        LAYERS,
        DT,
        Column(
            "courant", "largest Courant number |F| dt / h where there is mass (h is a cell's smallest height)", digits=2
        ),
    )
    first = mesh if kind == "mesh" else (LAYERS, DT) if twin else (LAYERS, DT, mesh[0], mesh[4])
    return (*first, COST, ERROR_J, ERROR_THETA, RESIDUAL, CONVERGED)


def _job(source: Source, built: Built, twin: bool) -> Job:
    _, options = built
    label = f"{'twin, ' if twin else ''}{'x'.join(map(str, options['mesh'].shape))} cells, {options['layers']} layers"
    # The mesh and the schemes are left out: the twins of several meshes are one job.
    left_out = ("mesh", "continuity", "transport", "precision") if twin else ()
    identity = {**depended_on(built, *left_out), "twin": twin}
    return Job(solve_run, {"source": source, "twin": twin}, label, identity)
