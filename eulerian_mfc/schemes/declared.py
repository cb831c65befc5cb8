"""The properties that every scheme declares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from .._validate import mismatch
from ..meshes import CartesianMesh, Mesh, SimplexMesh

#: one condition for all sides ("outflow", "no_flux" or "periodic"), or a mapping from the names of sides to conditions
Boundary = str | Mapping[str, str]


class Scheme(ABC):
    """A scheme that is not yet bound to a mesh: a frozen dataclass of settings, with the properties that it declares.

    A subclass may define a property as a class variable, e.g. `order: ClassVar[int] = 1`.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> scheme = emfc.transport.SemiLagrangian(degree=3)
    >>> isinstance(scheme, emfc.schemes.Scheme), scheme.order, scheme.linear
    (True, 3, True)
    """

    #: the meshes on which the scheme lives: "cartesian", "simplex" or "any"
    mesh_kind: ClassVar[str] = "cartesian"

    @property
    @abstractmethod
    def order(self) -> int:
        """Order in the mesh width at a fixed Courant number."""

    @property
    @abstractmethod
    def stencil(self) -> int:
        """The smallest number of cells per axis that the scheme accepts."""

    @property
    @abstractmethod
    def largest_courant_number(self) -> float:
        """The largest Courant number of one step, or of one substep if the scheme takes substeps; infinity without a bound."""

    @property
    @abstractmethod
    def positive(self) -> bool:
        """Whether potentials stay between their bounds, or masses stay non-negative."""

    @property
    @abstractmethod
    def linear(self) -> bool:
        """Whether a step is linear in the potentials, or in the masses."""

    @property
    @abstractmethod
    def reference(self) -> str:
        """The source of the scheme: a DOI, a section of a book, or a page of the docs."""

    @property
    def boundary(self) -> Boundary:
        """What happens at the sides of the mesh: "outflow" unless the scheme says otherwise."""
        return "outflow"


def boxes(mesh: Mesh, scheme: Scheme) -> CartesianMesh:
    """The mesh itself, after a check that it is Cartesian.

    Parameters
    ----------
    mesh : a mesh, or a space on it.
    scheme : the scheme that needs a Cartesian mesh; the error names it.

    Raises
    ------
    ArgumentError
        For a mesh of another kind.
    """
    base = mesh.base
    if not isinstance(base, CartesianMesh):
        raise mismatch("mesh", f"a {type(base).__name__} for {scheme!r}", "a CartesianMesh")
    return base


def simplices(mesh: Mesh, scheme: Scheme) -> SimplexMesh:
    """The simplex mesh of the argument, after a check that there is one.

    Parameters
    ----------
    mesh : a mesh, or a space on it.
    scheme : the scheme that needs simplices; the error names it.

    Raises
    ------
    ArgumentError
        For a mesh of another kind.
    """
    base = mesh.base
    if not isinstance(base, SimplexMesh):
        raise mismatch("mesh", f"a {type(base).__name__} for {scheme!r}", "a SimplexMesh")
    return base
