"""The contract of continuity schemes: masses at the start of a layer -> masses at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from ..flow.flow_of_field import Flow
from ..flow.layers import Layer
from ..laws import LabelledRule, ProductRule
from ..meshes import Mesh
from .adjoint import adjoint_of
from .declared import Boundary, Scheme
from .measure import Measure
from .operators import TransportOperator


class ContinuityScheme(Scheme):
    """A scheme for `d_t mu + div_x (F mu) = 0`, forwards over one layer.

    A scheme of your own is a frozen dataclass that inherits from this class, see docs/howto/own_scheme.md.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> scheme = emfc.continuity.FiniteVolume("weno5")
    >>> isinstance(scheme, emfc.schemes.ContinuityScheme), scheme.order, scheme.keeps_mass
    (True, 5, False)
    """

    @property
    @abstractmethod
    def keeps_mass(self) -> bool:
        """Whether mass that meets the boundary of the mesh stays on the mesh; otherwise it leaves and is lost."""

    def adjoint(self) -> Scheme:
        """The transpose, a transport scheme; ArgumentError if the scheme has no transpose."""
        return adjoint_of(self)

    def unknowns(self, nodes: Mesh) -> Mesh:
        """The space of a pair, from the space of the potentials: by default the masses live at the same places."""
        return nodes

    @abstractmethod
    def on(
        self, mesh: Mesh, flow: Flow, transport: TransportOperator | None = None, signed: Sequence[bool] = ()
    ) -> ContinuityOperator:
        """The scheme on a mesh, for the field of a flow.

        `transport` is the operator of the pair's transport scheme; `signed` says for each field of masses whether it may be
        negative.
        """


class ContinuityOperator(ABC):
    """A continuity scheme that is bound to a mesh and a flow. Masses are `(R, *shape)`.

    Attributes
    ----------
    scheme : the scheme.

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.CartesianMesh([(-1.0, 1.0)], cells=10)
    >>> flow = emfc.flow.Flow(emfc.fields.AffineField(1, matrix=False), emfc.LayerMap("rk4"))
    >>> layer = emfc.flow.Layer(0.0, 1.0, np.array([0.2]))  # points move by 0.2, one cell
    >>> operator = emfc.continuity.FiniteVolume().on(mesh, flow, emfc.transport.SemiLagrangian(1).on(mesh, flow))
    >>> isinstance(operator, emfc.schemes.ContinuityOperator), operator.points.shape[1]
    (True, 1)
    """

    scheme: ContinuityScheme

    @abstractmethod
    def step(self, layer: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masses `(R, *shape)` at the layer's start -> at its end; and the mass `(R,)` that met the boundary."""

    @property
    @abstractmethod
    def lines(self) -> list[np.ndarray]:
        """Coordinates, one array `(n,)` per axis, at which the functions that `initial` integrates are not smooth."""

    @abstractmethod
    def initial(self, rule: LabelledRule | ProductRule, moments: np.ndarray) -> np.ndarray:
        """Masses `(R, *shape)` of a law's rule; `moments` `(R, N)` are the c_r at its points.

        A `ProductRule`, with moments `(R, 1)`, is passed only if `products` is True.
        """

    @property
    def products(self) -> bool:
        """Whether `initial` takes a `ProductRule`; otherwise the law is passed as points."""
        return False

    @property
    @abstractmethod
    def points(self) -> np.ndarray:
        """`(n, d)`: the points of `measure`."""

    @abstractmethod
    def measure(self, masses: np.ndarray) -> Measure:
        """Masses `(R, *shape)` as points and weights, against which functions are integrated."""

    @property
    def boundary(self) -> Boundary:
        """What happens at the sides of the mesh."""
        return self.scheme.boundary
