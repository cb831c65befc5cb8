"""The keyword arguments of `solve` as a schema, for cases, studies, and functions that pass them on."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from ..meshes import Refine
from ..problem import Problem
from ..solution import Solution
from ..solvers import Solver
from ..solvers.record import Callback
from ..storage.journal import Checkpoint
from ..system.discretisation import WITHOUT_EFFECT
from ..system.optimality import OptimalitySystem
from ..system.options import SystemOptions, layer_options, system_options
from ..system.particles import ParticleSystem
from .starts import Start, identity_of


class CaseOptions(SystemOptions, total=False):
    """The keyword arguments of `solve` that a case or a study may set; the command and the studies set the others themselves.

    Examples
    --------
    >>> sorted(set(CaseOptions.__annotations__) - set(SystemOptions.__annotations__))
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
    checkpoint: Checkpoint | str | PathLike[str] | None


#: the options that a case or a study may set
OPTIONS = tuple(CaseOptions.__annotations__)


def on_the_mesh(problem: Problem, options: Mapping[str, Any]) -> OptimalitySystem:
    """The OptimalitySystem of a problem and the keyword arguments of `solve`.

    Parameters
    ----------
    problem : the control problem.
    options : the keyword arguments, with mesh and layers; those that OptimalitySystem does not have are ignored.
    """
    return OptimalitySystem(problem, options["mesh"], options["layers"], **system_options(options))


def without_mesh(problem: Problem, options: Mapping[str, Any]) -> ParticleSystem:
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
