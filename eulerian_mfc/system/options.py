"""The keywords of a discretisation and of resources, in one place: their names, their types, and what they are made into.

Every function that takes these keywords has `**options: Unpack[SystemOptions]`, so that mypy checks its calls. A new keyword is
added to a schema here and to `Discretisation` or `Resources`, which state its default and its meaning.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import TypedDict, TypeVar, cast

from .._validate import unknown
from ..control.grid import Grid
from ..flow.layer_map import LayerMap
from ..meshes import Mesh
from ..schemes import ContinuityScheme, TransportScheme
from .discretisation import Discretisation, Resources

Function = TypeVar("Function", bound=Callable[..., object])


class LayerOptions(TypedDict, total=False):
    """The keywords of the layers: those of a `Discretisation` that systems without a mesh take too.

    Examples
    --------
    >>> list(LayerOptions.__annotations__)
    ['layer_map', 'control_degree']
    """

    layer_map: LayerMap | str
    control_degree: int


class DiscretisationOptions(LayerOptions, total=False):
    """The keywords of a `Discretisation` other than mesh and layers.

    Examples
    --------
    >>> sorted(DiscretisationOptions.__annotations__)
    ['continuity', 'control_degree', 'layer_map', 'transport']
    """

    transport: TransportScheme | None
    continuity: ContinuityScheme | None


class ResourceOptions(TypedDict, total=False):
    """The keywords of `Resources`.

    Examples
    --------
    >>> list(ResourceOptions.__annotations__)
    ['threads', 'memory', 'precision']
    """

    threads: int | None
    memory: float
    precision: str


class SystemOptions(DiscretisationOptions, ResourceOptions, total=False):
    """The keywords of `OptimalitySystem`, which also `solve` and all functions that call it take.

    Examples
    --------
    >>> len(SystemOptions.__annotations__)
    7
    """


class ToleranceOptions(TypedDict, total=False):
    """The keywords of a solve to a tolerance, see `tolerance.goal.Goal`.

    Examples
    --------
    >>> list(ToleranceOptions.__annotations__)[:3]
    ['tol', 'atol', 'tol_control']
    """

    tol: float
    atol: float
    tol_control: float | None
    seconds: float | None
    max_rounds: int
    starts: int


class SolveOptions(SystemOptions, ToleranceOptions, total=False):
    """The keywords of `solve`.

    Examples
    --------
    >>> "tol" in SolveOptions.__annotations__, "threads" in SolveOptions.__annotations__
    (True, True)
    """


#: their names
SYSTEM_OPTIONS = tuple(SystemOptions.__annotations__)
TOLERANCE_OPTIONS = tuple(ToleranceOptions.__annotations__)
SOLVE_OPTIONS = tuple(SolveOptions.__annotations__)


def values_of(
    function: Callable[..., object], mesh: Mesh, layers: Grid, options: SystemOptions
) -> tuple[Discretisation, Resources]:
    """The discretisation and the resources that the keywords of a function state.

    Parameters
    ----------
    function : the function (or class) that was called; errors name it.
    mesh : the mesh of the state space.
    layers : number of layers, or their times.
    options : the keywords; those that are left out have the defaults of `Discretisation` and `Resources`.

    Raises
    ------
    KeywordError
        If the function does not have one of the keywords.
    ArgumentError
        If their values have wrong types, are out of range, or do not fit together.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.CartesianMesh([(-1.0, 1.0)], cells=10)
    >>> discretisation, resources = values_of(emfc.solve, mesh, 4, {"layer_map": "euler", "threads": 2})
    >>> discretisation.layer_map.order, resources.threads, resources.precision
    (1, 2, 'double')
    """
    check_keywords(function, options, SYSTEM_OPTIONS)
    of_the_mesh = cast(DiscretisationOptions, _part(options, DiscretisationOptions.__annotations__))
    return Discretisation(mesh, layers, **of_the_mesh), Resources(**resource_options(options))


def options_of(discretisation: Discretisation, resources: Resources) -> SystemOptions:
    """The keywords that state a discretisation and resources: the inverse of `values_of`.

    Parameters
    ----------
    discretisation, resources : the two values.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> coarse = Discretisation(emfc.CartesianMesh([(-1.0, 1.0)], cells=10), layers=4, layer_map="euler")
    >>> options_of(coarse, Resources(threads=2))["layer_map"].order
    1
    """
    return system_options({**vars(discretisation), **vars(resources)})


def layer_options(options: Mapping[str, object]) -> LayerOptions:
    """The keywords of the layers among other keywords.

    Parameters
    ----------
    options : keywords of `solve`.

    Examples
    --------
    >>> layer_options({"layer_map": "euler", "threads": 2, "solver": None})
    {'layer_map': 'euler'}
    """
    return cast(LayerOptions, _part(options, LayerOptions.__annotations__))


def system_options(options: Mapping[str, object]) -> SystemOptions:
    """The keywords of `OptimalitySystem` among other keywords.

    Parameters
    ----------
    options : keywords of `solve`.

    Examples
    --------
    >>> system_options({"layer_map": "euler", "threads": 2, "solver": None})
    {'layer_map': 'euler', 'threads': 2}
    """
    return cast(SystemOptions, _part(options, SYSTEM_OPTIONS))


def resource_options(options: Mapping[str, object]) -> ResourceOptions:
    """The keywords of `Resources` among other keywords.

    Parameters
    ----------
    options : keywords of `solve`.

    Examples
    --------
    >>> resource_options({"layer_map": "euler", "threads": 2})
    {'threads': 2}
    """
    return cast(ResourceOptions, _part(options, ResourceOptions.__annotations__))


def tolerance_options(options: Mapping[str, object]) -> ToleranceOptions:
    """The keywords of a solve to a tolerance among other keywords.

    Parameters
    ----------
    options : keywords of `solve`.

    Examples
    --------
    >>> tolerance_options({"tol": 1e-6, "threads": 2})
    {'tol': 1e-06}
    """
    return cast(ToleranceOptions, _part(options, TOLERANCE_OPTIONS))


def _part(options: Mapping[str, object], names: Collection[str]) -> dict[str, object]:
    return {name: value for name, value in options.items() if name in names}


def check_keywords(function: Callable[..., object], options: Mapping[str, object], known: Collection[str]) -> None:
    """Check the names of the keywords that a function was given in its `**options`.

    Parameters
    ----------
    function : the function (or class); the error names it and also knows the arguments of its signature.
    options : the keywords that it was given.
    known : the names that its options may have.

    Raises
    ------
    KeywordError
        For a name that is not known, with the nearest one that is.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> check_keywords(emfc.OptimalitySystem, {"thread": 2}, SYSTEM_OPTIONS)
    Traceback (most recent call last):
    ...
    eulerian_mfc.errors.KeywordError: OptimalitySystem: got the keyword 'thread', expected 'threads', or another of problem, ...
    """
    for name in options:
        if name not in known:
            parameters = inspect.signature(function).parameters.values()
            own = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
            raise unknown(function.__name__, name, dict.fromkeys([*own, *known]), f"help({function.__name__})")


def showing_system_options(function: Function) -> Function:
    """A decorator: the signature of a function shows the keywords of SystemOptions, with their defaults, instead of `**options`.

    `help`, completion in notebooks and the API page read this signature.

    Parameters
    ----------
    function : a function with `**options: Unpack[SystemOptions]`.

    Examples
    --------
    >>> @showing_system_options
    ... def area(mesh, **options): ...
    >>> list(inspect.signature(area).parameters)[:4]
    ['mesh', 'transport', 'continuity', 'layer_map']
    """
    return _showing(function, SYSTEM_OPTIONS)


def showing_solve_options(*kinds: type) -> Callable[[Function], Function]:
    """A decorator like `showing_system_options`, for functions with `**options: Unpack[SolveOptions]`.

    Parameters
    ----------
    kinds : classes whose constructors state the defaults of the keywords that a system does not have.
    """
    return lambda function: _showing(function, SOLVE_OPTIONS, *kinds)


def showing_layer_options(function: Function) -> Function:
    """A decorator like `showing_system_options`, for functions with `**options: Unpack[LayerOptions]`.

    Parameters
    ----------
    function : the function.

    Examples
    --------
    >>> @showing_layer_options
    ... def cost(control, **options): ...
    >>> list(inspect.signature(cost).parameters)
    ['control', 'layer_map', 'control_degree']
    """
    return _showing(function, LayerOptions.__annotations__)


def _showing(function: Function, names: Collection[str], *others: type) -> Function:
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    stated = [p for kind in (Discretisation, Resources, *others) for p in inspect.signature(kind).parameters.values()]
    shown = [p.replace(kind=p.KEYWORD_ONLY) for p in stated if p.name in names]
    vars(function)["__signature__"] = signature.replace(parameters=[*own, *shown])
    return function
