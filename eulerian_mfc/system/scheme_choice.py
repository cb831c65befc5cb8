"""The default schemes of a mesh, and the pair of two schemes on a mesh."""

from __future__ import annotations

from collections.abc import Sequence

from .._validate import affordable, fail, mismatch
from ..continuity import PushForward
from ..flow.flow_of_field import Flow
from ..meshes import Mesh, SimplexMesh
from ..schemes import AdjointOperator, ContinuityScheme, Scheme, TransportScheme
from ..schemes.contract import check_declared, checked_continuity, checked_transport
from ..transport import Elements, SemiLagrangian
from .pairs import AdjointPair, MeasuredPair, Pair

#: estimate of the number of arrays of the densities' shape that the evaluation of a cost holds
WORKING = 4


def default_pair(mesh: Mesh) -> tuple[TransportScheme, ContinuityScheme]:
    """The default schemes of a mesh: quintic splines on boxes, quadratic elements on simplices, and their transpose.

    Parameters
    ----------
    mesh : the mesh.
    """
    transport: TransportScheme = Elements() if isinstance(mesh.base, SimplexMesh) else SemiLagrangian()
    return transport, beside(transport)


def beside(transport: TransportScheme) -> ContinuityScheme:
    """The default continuity scheme for a transport scheme: its transpose.

    Parameters
    ----------
    transport : the transport scheme. If it has no transpose, binding the pair to a mesh raises an error.
    """
    return PushForward() if transport.transpose is None else transport.transpose


def chosen(
    mesh: Mesh, transport: TransportScheme | None = None, continuity: ContinuityScheme | None = None
) -> tuple[TransportScheme, ContinuityScheme]:
    """The two schemes on a mesh. By default the transport is that of `default_pair`, and the continuity its transpose.

    Parameters
    ----------
    mesh : the mesh.
    transport : a transport scheme, or None for the default.
    continuity : a continuity scheme, or None for the default.

    Raises
    ------
    ArgumentError
        If an argument is not a scheme, or is a scheme for another kind of mesh.
    """
    given = default_pair(mesh)[0] if transport is None else transport
    _check(given, isinstance(given, TransportScheme), mesh, "transport", "SemiLagrangian()", "Elements()")
    other = beside(given) if continuity is None else continuity
    _check(other, isinstance(other, ContinuityScheme), mesh, "continuity", "FiniteVolume()", "SimplexFiniteVolume()")
    return given, other


def _check(scheme: Scheme, is_one: bool, mesh: Mesh, name: str, on_boxes: str, on_simplices: str) -> None:
    """Raise an ArgumentError if `scheme` is not a scheme of the kind `name`, or is for another kind of mesh."""
    if not is_one:
        own = f"or a scheme of your own, which inherits from schemes.{name.capitalize()}Scheme"
        raise fail(name, scheme, f"a scheme of the module {name}, such as {name}.{on_boxes}, {own}")
    if scheme.mesh_kind not in ("any", mesh.kind):
        suits = on_simplices if mesh.kind == "simplex" else on_boxes
        raise mismatch(name, f"{scheme!r} on a {type(mesh).__name__}", f"a scheme for that mesh: {name}.{suits}")


def pair_of(
    transport: TransportScheme, continuity: ContinuityScheme, mesh: Mesh, flow: Flow, signed: Sequence[bool] = ()
) -> Pair:
    """The pair of two schemes on a mesh, for the field of a flow.

    Parameters
    ----------
    transport : the transport scheme.
    continuity : the continuity scheme; if it is the transpose of the transport scheme, the pair is an `AdjointPair`.
    mesh : the mesh.
    flow : the characteristics.
    signed : whether each field of masses may be negative.

    Raises
    ------
    ArgumentError
        If the mesh needs more memory than the machine has, the schemes do not fit the mesh or each other, or a scheme of a
        user's own breaks the contract.
    """
    affordable("mesh", mesh, WORKING * max(len(signed), 1) * mesh.size, "the densities and potentials of one time")
    check_declared("transport", transport)
    check_declared("continuity", continuity)
    potentials = checked_transport(transport, transport.on(mesh, flow), mesh)
    space = continuity.unknowns(transport.nodes(mesh))
    masses = checked_continuity(continuity, continuity.on(mesh, flow, potentials, signed), mesh, space)
    if transport.transpose != continuity:
        return MeasuredPair(potentials, masses, space)
    if not isinstance(potentials, AdjointOperator):
        got = f"{transport!r}, which declares a transpose, with an operator of type {type(potentials).__name__}"
        raise mismatch("transport", got, "an operator that inherits from schemes.AdjointOperator")
    return AdjointPair(potentials, masses, space)
