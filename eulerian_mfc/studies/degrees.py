"""Convergence in layers for controls of several degrees in time, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._validate import fail, integer, mismatch
from .columns import CONVERGED, COST, DT, ERROR_J, LAYERS
from .references import Reference, ReferenceLike
from .refinement import Refined, Refinement
from .runner import Runner
from .sources import Source
from .study import Study
from .study_data import Column, ErrorColumn, Record, checked

#: errors up to this share of the reference cost are round-off or the reference's own error
FLOOR = 1e-13


def degree_study(
    sources: Mapping[int, Sequence[Source]], reference: ReferenceLike, title: str, runner: Runner, twin: bool = False
) -> Study:
    """One row per number of layers, with the cost and its error for every degree.

    Parameters
    ----------
    sources : the sources of each degree, from few to many layers; all degrees have the same layers.
    reference : "finest" for the cost with the highest degree on the most layers, or values.
    title : the title.
    runner : runs the jobs.
    twin : whether to run the particle twin instead of a mesh.

    Raises
    ------
    ArgumentError
        For another reference, or if no run succeeded.
    """
    degrees = sorted(sources)
    if isinstance(reference, str) and reference != "finest":
        raise fail("reference", reference, "'finest', or values, for several degrees")
    best = Refinement.run(
        "layers", sources[degrees[-1]], "finest" if isinstance(reference, str) else reference, runner, twin
    )
    checked("layers", [r.record() for r in best.refined], best.failures)
    known = best.reference
    if isinstance(known, str):
        cost = best.refined[-1].run.cost
        source = f"degree {degrees[-1]} on {best.refined[-1].record()['layers']} layers"
        known = Reference(cost=cost, cost_floor=FLOOR * abs(cost), source=source)
    rows: dict[int, Record] = {}
    columns: list[Column] = []
    errors: list[ErrorColumn] = []
    failures: list[dict[str, str]] = []
    for degree in degrees:
        refined = Refinement.run("layers", sources[degree], known, runner, twin)
        of_cost, _ = refined.errors()
        names = f"{COST.name}, degree {degree}", f"{ERROR_J.name}, degree {degree}"
        columns += [
            Column(names[0], COST.meaning, digits=COST.digits),
            Column(names[1], ERROR_J.meaning, digits=ERROR_J.digits),
        ]
        for run, error in zip(refined.refined, of_cost.values, strict=True):
            own = _is_reference(run, best, reference) and degree == degrees[-1]
            row = rows.setdefault(int(str(run.record()["layers"])), {**_first(run), CONVERGED.name: True})
            row |= {names[0]: run.run.cost, names[1]: None if own else error}
            row[CONVERGED.name] = bool(row[CONVERGED.name]) and run.run.solved
        errors.append(ErrorColumn(names[1], of_cost.against, refined.theory()[0], of_cost.floor, of_cost.spent))
        failures += refined.failures
    every = (LAYERS, DT, *columns, CONVERGED)
    records = tuple({c.name: rows[n].get(c.name) for c in every} for n in sorted(rows))
    return Study("layers", title, DT.name, every, records, tuple(errors), (), tuple(failures))


def _first(run: Refined) -> Record:
    record = run.record()
    return {LAYERS.name: record["layers"], DT.name: record["dt"]}


def _is_reference(run: Refined, best: Refinement, reference: ReferenceLike) -> bool:
    """Whether a run is the one from which the errors are measured."""
    return isinstance(reference, str) and run.record()["layers"] == best.refined[-1].record()["layers"]


def checked_degrees(degrees: Sequence[int]) -> list[int]:
    """Degrees of controls in time, from low to high.

    Parameters
    ----------
    degrees : two or more different integers >= 0.

    Raises
    ------
    ArgumentError
        For anything else.

    Examples
    --------
    >>> checked_degrees([2, 0, 1])
    [0, 1, 2]
    """
    found = sorted(integer("degrees", k, minimum=0) for k in degrees)
    if len(found) < 2 or len(set(found)) < len(found):
        raise mismatch("degrees", repr(degrees), "two or more different degrees, such as [0, 1, 2]")
    return found
