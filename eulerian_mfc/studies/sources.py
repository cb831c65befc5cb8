"""The source of a job's problem and numerics: objects, or a case file that the worker reads itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from .._validate import fail, mismatch
from ..control.grid import Grid, checked_grid
from ..meshes import CartesianMesh, Mesh
from ..problem import Problem
from ..run.case import Case
from ..run.options import OPTIONS, Options, is_to_tolerance, solved_to, what_counts

Built = tuple[Problem, Options]
#: one pair (low, high) per axis, in units of the state
Box = Sequence[tuple[float, float]]
#: cells per axis, as `CartesianMesh` takes them, or a mesh itself
Cells = int | Sequence[int] | Mesh


@dataclass(frozen=True)
class Given:
    """A problem and the keyword arguments of `solve`, mesh and layers among them."""

    problem: Problem
    options: Options

    def build(self) -> Built:
        return self.problem, dict(self.options)

    def varied(self, name: str, value: object) -> Given:
        """The source with another value of an argument of the problem, of the mesh (`cells`, `bounds`) or of `solve`."""
        changed: Options = {name: value}
        if name in (f.name for f in fields(Problem)):
            return replace(self, problem=replace(self.problem, **changed))
        if name in ("mesh", "layers", *OPTIONS):
            return replace(self, options={**self.options, name: value})
        if name in ("cells", "bounds"):
            if "mesh" not in self.options:
                raise mismatch("vary", f"{name} without a mesh", "also a mesh, whose argument this is")
            mesh = replace(self.options["mesh"], **{name: value})
            return replace(self, options={**self.options, "mesh": mesh})
        known = [*(f.name for f in fields(Problem)), "mesh", "cells", "bounds", "layers", *OPTIONS]
        raise fail("vary", name, "an argument of Problem, of the mesh or of solve: " + ", ".join(known))


@dataclass(frozen=True)
class FromCase:
    """A case file with settings: processes and clusters receive its path and read the file themselves."""

    path: str
    settings: Mapping[str, object]
    #: keyword arguments of `solve` that replace those of the case
    others: Mapping[str, object] = field(default_factory=dict)
    #: keywords of a solve to a tolerance, to which the case is solved instead of on its mesh and layers
    tolerance: Mapping[str, object] = field(default_factory=dict)

    def build(self) -> Built:
        problem, options = Case.load(self.path).with_settings(self.settings).build()
        return problem, solved_to({**options, **self.others}, self.tolerance)[0]

    def varied(self, name: str, value: object) -> FromCase:
        """The source with another value of a setting."""
        return replace(self, settings={**self.settings, name: value})


Source = Given | FromCase


def given(problem: Problem, mesh: Mesh, layers: Grid, options: Mapping[str, object]) -> Given:
    """A source from the arguments of a study, with the checks that should precede the first job."""
    if not isinstance(problem, Problem):
        raise fail("problem", problem, "a Problem")
    return Given(problem, {"mesh": mesh, "layers": layers, **options})


def given_or_chosen(problem: Problem, mesh: Mesh | None, layers: Grid | None, options: Mapping[str, object]) -> Given:
    """A source as from `given`; a mesh or layers that are None are left out, so that `solve` chooses them.

    Parameters
    ----------
    problem, mesh, layers : the problem, and the mesh and the layers or None.
    options : further keyword arguments of `solve`.
    """
    if mesh is not None and layers is not None:
        return given(problem, mesh, checked_grid(layers), options)
    if not isinstance(problem, Problem):
        raise fail("problem", problem, "a Problem")
    where = {"mesh": mesh, "layers": None if layers is None else checked_grid(layers)}
    return Given(problem, {**{name: value for name, value in where.items() if value is not None}, **options})


def on_a_mesh(options: Options) -> bool:
    """Whether options state a mesh and layers and no tolerance, so that `solve` uses just these.

    Parameters
    ----------
    options : keyword arguments of `solve`.
    """
    return "mesh" in options and "layers" in options and not is_to_tolerance(options)


def depended_on(built: Built, *left_out: str) -> dict[str, object]:
    """The inputs that identify a job on a problem with options; threads, memory and `left_out` are excluded.

    The order of the options does not count. Of a Solution to start from, only its control counts.
    """
    problem, options = built
    return {"problem": problem, "options": what_counts(options, *left_out)}


def meshes(problem: Problem, cells: Sequence[Cells], bounds: Box | None) -> list[Mesh]:
    """One mesh per entry of `cells`, all of the same box, by default the one for the finest mesh; meshes stay unchanged."""
    try:
        counts = list(cells)
    except TypeError:
        raise fail("cells", cells, "a list of numbers of cells") from None
    if len(counts) < 2:
        raise fail("cells", cells, "two or more numbers of cells")
    given_meshes = [c for c in counts if isinstance(c, Mesh)]
    if len(given_meshes) == len(counts):
        if bounds is not None:
            raise fail("bounds", bounds, "None, since meshes have their own bounds")
        return given_meshes
    numbers: list[Any] = counts  # CartesianMesh checks them
    if bounds is None:
        finest = max(numbers, key=lambda c: max(c) if isinstance(c, tuple | list) else c)
        bounds = CartesianMesh.covering(problem, finest).bounds
    return [CartesianMesh(bounds, c) for c in numbers]
