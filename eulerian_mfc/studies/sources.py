"""Where a job's problem and numerics come from: objects in hand, or a case file that the worker reads itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from .._validate import fail, mismatch
from ..meshes import CartesianMesh, Mesh
from ..problem import Problem
from ..run.case import Case
from ..run.options import OPTIONS, what_counts

Built = tuple[Problem, dict[str, Any]]


@dataclass(frozen=True)
class Given:
    """A problem and the keyword arguments of `solve`, mesh and layers among them."""

    problem: Problem
    options: Mapping[str, Any]

    def build(self) -> Built:
        return self.problem, dict(self.options)

    def varied(self, name: str, value: Any) -> Given:
        """With another argument of the problem, of the mesh (`cells`, `bounds`) or of `solve`."""
        if name in (f.name for f in fields(Problem)):
            return replace(self, problem=replace(self.problem, **{name: value}))
        if name in ("mesh", "layers", *OPTIONS):
            return replace(self, options={**self.options, name: value})
        if name in ("cells", "bounds"):
            mesh = replace(self.options["mesh"], **{name: value})
            return replace(self, options={**self.options, "mesh": mesh})
        known = [*(f.name for f in fields(Problem)), "mesh", "cells", "bounds", "layers", *OPTIONS]
        raise fail("vary", name, "an argument of Problem, of the mesh or of solve: " + ", ".join(known))


@dataclass(frozen=True)
class FromCase:
    """A case file with settings: what processes and clusters are sent is its path, and they read it themselves."""

    path: str
    settings: Mapping[str, Any]

    def build(self) -> Built:
        problem, options = Case.load(self.path).with_settings(self.settings).build()
        return problem, options

    def varied(self, name: str, value: Any) -> FromCase:
        """With another setting."""
        return replace(self, settings={**self.settings, name: value})


Source = Given | FromCase


def given(problem: Any, mesh: Any, layers: Any, options: Mapping[str, Any]) -> Given:
    """A source from the arguments of a study, checked as far as `solve` would not do it before the first job."""
    if not isinstance(problem, Problem):
        raise fail("problem", problem, "a Problem")
    for name in options:
        if name not in OPTIONS:
            raise mismatch(
                "study", f"the argument {name!r}", "an argument of the study, or of solve: " + ", ".join(OPTIONS)
            )
    return Given(problem, {"mesh": mesh, "layers": layers, **options})


def depended_on(built: Built, *left_out: str) -> dict[str, Any]:
    """What the result of a job on a problem with options depends on: not on the threads and memory, nor what is left out.

    Nor does it depend on the order of the options, or on anything of a Solution to start from but its control.
    """
    problem, options = built
    return {"problem": problem, "options": what_counts(options, *left_out)}


def meshes(problem: Problem, cells: Any, bounds: Any) -> list[Any]:
    """One box cut into each of `cells`; without bounds, the box that covers the problem with the finest. Meshes as they are."""
    try:
        counts = list(cells)
    except TypeError:
        raise fail("cells", cells, "a list of numbers of cells") from None
    if len(counts) < 2:
        raise fail("cells", cells, "two or more numbers of cells")
    if all(isinstance(c, Mesh) for c in counts):
        if bounds is not None:
            raise fail("bounds", bounds, "None beside meshes, which have their own")
        return counts
    if bounds is None:
        finest = max(counts, key=lambda c: max(c) if isinstance(c, tuple | list) else c)
        bounds = CartesianMesh.covering(problem, finest).bounds
    return [CartesianMesh(bounds, c) for c in counts]
