"""The keyword arguments of `solve` as a schema, for cases, studies, and functions that pass them on."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any, TypeAlias

from .._validate import mismatch
from ..meshes import Refine, SimplexMesh
from ..problem import Problem
from ..results.solution_error import Report
from ..schemes import Scheme
from ..solution import Solution
from ..solvers import Solver
from ..solvers.record import Callback
from ..storage.journal import Checkpoint
from ..system.discretisation import WITHOUT_EFFECT
from ..system.optimality import OptimalitySystem
from ..system.options import TOLERANCE_OPTIONS, SystemOptions, ToleranceOptions, layer_options, system_options
from ..system.particles import ParticleSystem
from .starts import Start, identity_of

#: keyword arguments of `solve`, by name, mesh and layers among them
Options: TypeAlias = dict[str, Any]


class CaseOptions(SystemOptions, ToleranceOptions, total=False):
    """The keyword arguments of `solve` that a case or a study may set; the command and the studies set the others themselves.

    Examples
    --------
    >>> sorted(set(CaseOptions.__annotations__) - {*SystemOptions.__annotations__, *ToleranceOptions.__annotations__})
    ['adapt', 'initial', 'solver']
    """

    solver: Solver | None
    initial: Start
    adapt: Refine | None


class SolveOptions(CaseOptions, total=False):
    """The keyword arguments of `solve` other than problem, mesh and layers.

    Examples
    --------
    >>> options: SolveOptions = {"layer_map": "euler", "precision": "single"}
    >>> set(options) <= set(OPTIONS)
    True
    """

    callback: Callback | None
    report: Report | None
    checkpoint: Checkpoint | str | PathLike[str] | None


#: the options that a case or a study may set
OPTIONS = tuple(CaseOptions.__annotations__)
#: what a solve to a tolerance chooses by itself, so that it is left out of the options of a case
CHOSEN = ("mesh", "layers", "control_degree", "layer_map", "solver", "adapt")


def is_to_tolerance(options: Mapping[str, object]) -> bool:
    """Whether keyword arguments of `solve` ask for a tolerance.

    Parameters
    ----------
    options : the keyword arguments.

    Examples
    --------
    >>> is_to_tolerance({"tol": 1e-6}), is_to_tolerance({"layers": 20})
    (True, False)
    """
    return any(name in options for name in TOLERANCE_OPTIONS)


def solved_to(options: Options, asked: Mapping[str, object]) -> tuple[Options, list[str]]:
    """The options of a case with a tolerance that is asked for, and the names of those that are left out for it.

    What a solve to a tolerance chooses by itself is left out, see `CHOSEN`. A mesh that is the domain of the problem is kept: a
    mesh of simplices, or a box at whose sides a scheme states what happens.

    Parameters
    ----------
    options : keyword arguments of `solve`.
    asked : keywords of a solve to a tolerance, which replace those of the options; empty if nothing is asked for.

    Raises
    ------
    ArgumentError
        If caps are given without a tolerance.

    Examples
    --------
    >>> solved_to({"layers": 20, "threads": 2}, {"tol": 1e-4})
    ({'threads': 2, 'tol': 0.0001}, ['layers'])
    """
    if not ("tol" in asked or "tol_control" in asked):
        if asked and not is_to_tolerance(options):
            raise mismatch(", ".join(asked), "a cap without a tolerance", "a tolerance too, such as tol=1e-6")
        return {**options, **asked}, []
    left_out = [name for name in CHOSEN if name in options and not (name == "mesh" and _is_domain(options))]
    return {**{k: v for k, v in options.items() if k not in left_out}, **asked}, left_out


def _is_domain(options: Options) -> bool:
    """Whether the mesh of the options is the domain of the problem."""
    schemes = [s for s in (options.get("transport"), options.get("continuity")) if isinstance(s, Scheme)]
    return isinstance(options["mesh"], SimplexMesh) or any(s.boundary != "outflow" for s in schemes)


def on_the_mesh(problem: Problem, options: Options) -> OptimalitySystem:
    """The OptimalitySystem of a problem and the keyword arguments of `solve`.

    Parameters
    ----------
    problem : the control problem.
    options : the keyword arguments, with mesh and layers; those that OptimalitySystem does not have are ignored.
    """
    return OptimalitySystem(problem, options["mesh"], options["layers"], **system_options(options))


def without_mesh(problem: Problem, options: Options) -> ParticleSystem:
    """The ParticleSystem of a problem, on the law's own points, with the layers that keyword arguments of `solve` state.

    Parameters
    ----------
    problem : the control problem.
    options : the keyword arguments; only those of the layers are used.
    """
    return ParticleSystem(problem, options["layers"], **layer_options(options))


def what_counts(options: Mapping[str, object], *left_out: str) -> dict[str, object]:
    """The options on which a result depends, in a fixed order: threads, memory and the names in `left_out` are excluded.

    If `initial` is a Solution, only its control counts, with the times of its layers.

    Parameters
    ----------
    options : keyword arguments of `solve`.
    left_out : names of further options to exclude.

    Examples
    --------
    >>> what_counts({"threads": 2, "layers": 20, "mesh": None}, "mesh")
    {'layers': 20}
    """
    kept = {k: v for k, v in sorted(options.items()) if k not in (*WITHOUT_EFFECT, *left_out)}
    return {k: identity_of(v) if isinstance(v, Solution) else v for k, v in kept.items()}
