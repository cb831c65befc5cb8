"""The contract of a scheme of a user's own, checked when it is bound to a mesh and at the first call of each of its methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TypeVar

import numpy as np

from .._validate import mismatch
from ..flow.flow_of_field import Flow
from ..flow.layers import Layer
from ..meshes import Mesh
from .continuity import ContinuityOperator, ContinuityScheme
from .declared import Scheme
from .interpolant import Interpolant
from .measure import Measure
from .operators import TransportOperator, TransposableOperator
from .pairing import Pairing
from .transport import TransportScheme

PACKAGE = __name__.partition(".")[0]
DOCS = "see docs/howto/own_scheme.md"
Bound = TypeVar("Bound", bound=object)
#: the shape of an array: numbers, or None for any number
Shape = tuple[int | None, ...]
#: what a method must return: the shapes of its arrays, or a class
Expected = Sequence[Shape] | type
#: from the arrays among the arguments of a call, and the layer's number m of parameters (0 without a layer), to what is expected
Rule = Callable[[list[np.ndarray], int], Expected]


def _whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 1)


#: the properties that a scheme declares, with a test and its words; `kinks` and `keeps_mass` belong to one of the two kinds
DECLARED: dict[str, tuple[Callable[[object], bool], str]] = {
    "order": (_whole, "an integer >= 1"),
    "stencil": (_whole, "an integer >= 1"),
    "largest_courant_number": (
        lambda v: isinstance(v, int | float | np.floating) and not isinstance(v, bool) and bool(v > 0),
        "a number > 0; numpy.inf without a bound",
    ),
    "positive": (lambda v: isinstance(v, bool), "True or False"),
    "linear": (lambda v: isinstance(v, bool), "True or False"),
    "kinks": (lambda v: isinstance(v, bool), "True or False"),
    "keeps_mass": (lambda v: isinstance(v, bool), "True or False"),
    "reference": (lambda v: isinstance(v, str) and bool(v), "a text: a DOI, or the section of a book"),
}
#: what the methods of operators return
RETURNED: dict[type, dict[str, Rule]] = {
    TransportOperator: {
        "step": lambda a, m: [a[0].shape],
        "step_with_slope": lambda a, m: [a[0].shape, (m,)],
        "nodal_pairing": lambda a, m: Pairing,
        "pairing": lambda a, m: Pairing,
        "node_measure": lambda a, m: Measure,
        "adjoint_step": lambda a, m: [a[0].shape, a[0].shape[:1]],
        "adjoint_step_tangent": lambda a, m: [a[1].shape],
        "step_with_slope_tangent": lambda a, m: [a[2].shape, (m,)],
    },
    ContinuityOperator: {
        "step": lambda a, m: [a[0].shape, a[0].shape[:1]],
        "measure": lambda a, m: Measure,
    },
    Interpolant: {
        "gather": lambda a, m: [(None, len(a[0])), a[0].shape],
        "gradients": lambda a, m: [a[0].shape],
    },
}


def check_declared(name: str, scheme: Scheme) -> None:
    """Raise an ArgumentError if a property that a scheme declares has a value of another kind.

    Parameters
    ----------
    name : the argument of `solve`, "transport" or "continuity".
    scheme : the scheme.
    """
    values: dict[str, object] = {
        "order": scheme.order,
        "stencil": scheme.stencil,
        "largest_courant_number": scheme.largest_courant_number,
        "positive": scheme.positive,
        "linear": scheme.linear,
        "reference": scheme.reference,
    }
    if isinstance(scheme, TransportScheme):
        values["kinks"] = scheme.kinks
    if isinstance(scheme, ContinuityScheme):
        values["keeps_mass"] = scheme.keeps_mass
    for key, value in values.items():
        right, words = DECLARED[key]
        if not right(value):
            raise _refusal(name, f"{value!r} as {type(scheme).__name__}.{key}", words)


def checked_transport(scheme: TransportScheme, operator: object, mesh: Mesh) -> TransportOperator:
    """The operator that `scheme.on` returned, after its check; its own methods are checked at their first calls.

    Parameters
    ----------
    scheme : the transport scheme.
    operator : what its method `on` returned.
    mesh : the mesh.

    Raises
    ------
    ArgumentError
        Here and at the first calls, if the operator breaks the contract.
    """
    if not isinstance(operator, TransportOperator):
        raise _refusal("transport", _words(type(scheme), "on", operator), "a schemes.TransportOperator")
    _attributes(
        "transport", operator, {"scheme": Scheme, "mesh": Mesh, "flow": Flow, "interpolation": Interpolant | None}
    )
    space = operator.mesh
    rules = dict(RETURNED[TransportOperator])
    rules["deposit"] = lambda a, m: [(len(a[1]), *space.shape)]
    rules["line_deposit"] = lambda a, m: [(None,)]
    if isinstance(operator, TransposableOperator) and _own(operator, "lines"):
        _check_lines("transport", operator, operator.lines, mesh)
    if operator.interpolation is not None:
        _watch("transport", operator.interpolation, RETURNED[Interpolant])
    return _watch("transport", operator, rules)


def checked_continuity(scheme: ContinuityScheme, operator: object, mesh: Mesh, space: Mesh) -> ContinuityOperator:
    """The operator that `scheme.on` returned, after its check; its own methods are checked at their first calls.

    Parameters
    ----------
    scheme : the continuity scheme.
    operator : what its method `on` returned.
    mesh : the mesh.
    space : the space of the pair, whose `mass_shape` is the shape of one field of masses.

    Raises
    ------
    ArgumentError
        Here and at the first calls, if the operator breaks the contract.
    """
    if not isinstance(operator, ContinuityOperator):
        raise _refusal("continuity", _words(type(scheme), "on", operator), "a schemes.ContinuityOperator")
    _attributes("continuity", operator, {"scheme": Scheme})
    if _own(operator, "lines"):
        _check_lines("continuity", operator, operator.lines, mesh)
    if _own(operator, "points"):
        _check_arrays("continuity", operator, "points", operator.points, [(None, mesh.dim)])
    rules = dict(RETURNED[ContinuityOperator])
    rules["initial"] = lambda a, m: [(len(a[-1]), *space.mass_shape)]
    return _watch("continuity", operator, rules)


def _own(operator: object, name: str) -> bool:
    """Whether a method or property is defined outside of this package."""
    owner = _owner(operator, name)
    return owner is not None and owner.__module__.partition(".")[0] != PACKAGE


def _owner(operator: object, name: str) -> type | None:
    """The class that defines a method or property of the operator; None if there is no such class."""
    return next((c for c in type(operator).__mro__ if name in vars(c)), None)


def _attributes(name: str, operator: object, kinds: dict[str, object]) -> None:
    """Raise an ArgumentError if an attribute that `__init__` has to set is missing or of another kind."""
    who = type(operator).__name__
    for attribute, kind in kinds.items():
        try:
            value = operator.__getattribute__(attribute)
        except AttributeError:
            got = f"a {who} without the attribute `{attribute}`"
            raise _refusal(name, got, f"an operator whose __init__ sets self.{attribute}") from None
        if not isinstance(value, kind):  # type: ignore[arg-type]
            wanted = "an Interpolant or None" if attribute == "interpolation" else f"a {attribute}"
            raise _refusal(name, f"{value!r} as {who}.{attribute}", wanted)


def _check_lines(name: str, operator: object, lines: object, mesh: Mesh) -> None:
    right = (
        isinstance(lines, list | tuple)
        and len(lines) == mesh.dim
        and all(isinstance(line, np.ndarray) and line.ndim == 1 for line in lines)
    )
    if not right:
        wanted = f"a list of {mesh.dim} arrays of shape (n,), one per axis, which may be empty"
        raise _refusal(name, _words(type(operator), "lines", lines), wanted)


def _watch(name: str, operator: Bound, rules: dict[str, Rule]) -> Bound:
    """The operator, whose own methods are checked at their first calls; later calls run the methods themselves."""
    try:
        state = vars(operator)
    except TypeError:  # a class with __slots__ has no place for another method
        return operator
    state.update(
        {method: _first_call(name, operator, method, rule) for method, rule in rules.items() if _own(operator, method)}
    )
    return operator


def _first_call(name: str, operator: object, method: str, rule: Rule) -> Callable[..., object]:
    """The method of the operator, which checks what it returns and then makes way for the method itself."""
    owner = _owner(operator, method)
    function: Callable[..., object] = vars(owner)[method].__get__(operator)

    @wraps(function)
    def first(*args: object, **options: object) -> object:
        found = function(*args, **options)
        given = (*args, *options.values())
        arrays = [a for a in given if isinstance(a, np.ndarray)]
        parameters = next((len(a.theta) for a in given if isinstance(a, Layer)), 0)
        _check_returned(name, operator, method, found, rule(arrays, parameters))
        vars(operator).pop(method, None)
        return found

    return first


def _check_returned(name: str, operator: object, method: str, found: object, expected: Expected) -> None:
    if isinstance(expected, type):
        if not isinstance(found, expected):
            raise _refusal(name, _words(type(operator), method, found), f"a schemes.{expected.__name__}")
        if isinstance(found, Measure):
            _check_arrays(name, operator, f"{method}.points", found.points, [(None, None)])
            _check_arrays(name, operator, f"{method}.weights", found.weights, [(None, len(found.points))])
        return
    _check_arrays(name, operator, method, found, expected)


def _check_arrays(name: str, operator: object, method: str, found: object, expected: Sequence[Shape]) -> None:
    """Raise an ArgumentError unless `found` is an array, or a tuple of arrays, of the expected shapes."""
    parts = [found] if len(expected) == 1 else list(found) if isinstance(found, tuple) else []
    fits = len(parts) == len(expected) and all(
        isinstance(part, np.ndarray)
        and part.dtype.kind == "f"
        and part.ndim == len(shape)
        and all(n is None or n == k for n, k in zip(shape, part.shape, strict=True))
        for part, shape in zip(parts, expected, strict=True)
    )
    if not fits:
        shapes = [f"({', '.join('n' if n is None else str(n) for n in s)}{',' * (len(s) == 1)})" for s in expected]
        words = f"an array of shape {shapes[0]}" if len(shapes) == 1 else f"arrays of shapes {' and '.join(shapes)}"
        raise _refusal(name, _words(type(operator), method, found), f"{words}, of floating-point numbers")


def _words(owner: type, method: str, found: object) -> str:
    return f"{_shown(found)} from {owner.__name__}.{method}"


def _shown(value: object) -> str:
    """A value in words: shapes of arrays, and the type of anything else."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}: " + ", ".join(map(_shown, value[:3]))
    return "None" if value is None else f"a {type(value).__name__}"


def _refusal(name: str, got: str, expected: str) -> Exception:
    return mismatch(name, got, f"{expected}: {DOCS}")
