"""The keyword arguments of `solve`, as a schema: for cases, studies, and functions that hand them on."""

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
    """What an OptimalitySystem takes beside problem, mesh and layers.

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
    """What `solve` takes beside problem, mesh and layers.

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
#: those that a case or a study may set: the command and the studies give the others themselves
OPTIONS = (*SYSTEM_OPTIONS, "solver", "initial", "adapt")


def on_the_mesh(problem: Problem, options: Mapping[str, Any]) -> OptimalitySystem:
    """The system of a problem and the keyword arguments of `solve`, mesh and layers among them.

    Parameters
    ----------
    problem : the control problem.
    options : those that are not of the system are left out.
    """
    named = {k: v for k, v in options.items() if k in SYSTEM_OPTIONS}
    return OptimalitySystem(problem, options["mesh"], options["layers"], **named)


def what_counts(options: Mapping[str, Any], *left_out: str) -> dict[str, Any]:
    """The options on which a result depends, in one order: not threads and memory, nor what is `left_out`.

    Of a Solution to start from only its control counts.

    Parameters
    ----------
    options : keyword arguments of `solve`.
    left_out : names.

    Examples
    --------
    >>> what_counts({"threads": 2, "layers": 20, "mesh": None}, "mesh")
    {'layers': 20}
    """
    kept = {k: v for k, v in sorted(options.items()) if k not in (*WITHOUT_EFFECT, *left_out)}
    return {k: v.control if isinstance(v, Solution) else v for k, v in kept.items()}
