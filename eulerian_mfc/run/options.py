"""The keyword arguments of `solve` as a schema, for cases, studies, and functions that pass them on."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any, TypedDict

from ..flow.layer_map import LayerMap
from ..meshes import Refine
from ..problem import Problem
from ..schemes import ContinuityScheme, TransportScheme
from ..solution import Solution
from ..solvers import Solver
from ..solvers.record import Callback
from ..storage.journal import Checkpoint
from ..system.discretisation import WITHOUT_EFFECT
from ..system.optimality import OptimalitySystem
from .starts import Start


class SystemOptions(TypedDict, total=False):
    """The keyword arguments of OptimalitySystem other than problem, mesh and layers.

    Examples
    --------
    >>> sorted(SystemOptions.__annotations__)
    ['continuity', 'layer_map', 'memory', 'precision', 'threads', 'transport']
    """

    continuity: ContinuityScheme
    transport: TransportScheme
    layer_map: LayerMap | str
    threads: int | None
    memory: float
    precision: str


class SolveOptions(SystemOptions, total=False):
    """The keyword arguments of `solve` other than problem, mesh and layers.

    Examples
    --------
    >>> options: SolveOptions = {"layer_map": "euler", "precision": "single"}
    >>> set(options) <= set(OPTIONS)
    True
    """

    solver: Solver | None
    initial: Start
    callback: Callback | None
    adapt: Refine | None
    checkpoint: Checkpoint | str | PathLike[str] | None


SYSTEM_OPTIONS = tuple(SystemOptions.__annotations__)
#: the options that a case or a study may set; the command and the studies set the others themselves
OPTIONS = (*SYSTEM_OPTIONS, "solver", "initial", "adapt")


def on_the_mesh(problem: Problem, options: Mapping[str, Any]) -> OptimalitySystem:
    """The OptimalitySystem of a problem and the keyword arguments of `solve`.

    Parameters
    ----------
    problem : the control problem.
    options : the keyword arguments, with mesh and layers; those that OptimalitySystem does not have are ignored.
    """
    named = {k: v for k, v in options.items() if k in SYSTEM_OPTIONS}
    return OptimalitySystem(problem, options["mesh"], options["layers"], **named)


def what_counts(options: Mapping[str, object], *left_out: str) -> dict[str, object]:
    """The options on which a result depends, in a fixed order: threads, memory and the names in `left_out` are excluded.

    If `initial` is a Solution, only its control counts.

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
    return {k: v.control if isinstance(v, Solution) else v for k, v in kept.items()}
