"""The contract of transport schemes: potentials at the end of a layer -> potentials at its start."""

from __future__ import annotations

from abc import abstractmethod

from .._validate import fail
from ..flow.flow_of_field import Flow
from ..meshes import Mesh
from .adjoint import adjoint_of
from .continuity import ContinuityScheme
from .declared import Scheme
from .operators import TransportOperator


class TransportScheme(Scheme):
    """A scheme for `d_t psi + <grad_x psi, F> = 0`, backwards over one layer.

    A scheme of your own is a frozen dataclass that inherits from this class, see docs/howto/own_scheme.md.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> scheme = emfc.transport.SemiLagrangian(degree=1)
    >>> isinstance(scheme, emfc.schemes.TransportScheme), scheme.transpose, scheme.kinks
    (True, PushForward(), True)
    """

    @property
    def kinks(self) -> bool:
        """Whether the cost has kinks, because the gradient of the interpolated potentials jumps."""
        return False

    @property
    def transpose(self) -> ContinuityScheme | None:
        """The continuity scheme that makes an adjoint pair with this scheme; None if there is no such scheme."""
        return None

    def adjoint(self) -> ContinuityScheme:
        """The transpose, a continuity scheme; ArgumentError if the scheme has no transpose."""
        found = adjoint_of(self)
        assert isinstance(found, ContinuityScheme)
        return found

    def nodes(self, mesh: Mesh) -> Mesh:
        """The space of the potentials on a mesh; here the mesh itself: they live at the centres of its cells."""
        return mesh.base

    @abstractmethod
    def on(self, mesh: Mesh, flow: Flow) -> TransportOperator:
        """The scheme on a mesh, for the field of a flow."""


@adjoint_of.register
def _(scheme: TransportScheme) -> Scheme:
    if scheme.transpose is None:
        raise fail(
            "adjoint", scheme, 'a linear scheme, such as SemiLagrangian(...) or continuity.FiniteVolume("upwind")'
        )
    return scheme.transpose
