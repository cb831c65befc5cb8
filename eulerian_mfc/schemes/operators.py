"""The contracts of transport operators: a transport scheme that is bound to a mesh and to a flow."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from .._validate import fail, mismatch
from ..flow.flow_of_field import Flow
from ..flow.layers import Layer
from ..meshes import Mesh
from .declared import Scheme
from .interpolant import Interpolant
from .measure import Measure
from .pairing import Pairing, point_pairing


class TransportOperator(ABC):
    """A transport scheme that is bound to a mesh and a flow. Potentials are `(R, *shape)`.

    Attributes
    ----------
    scheme : the scheme.
    mesh : the space of the potentials, see `TransportScheme.nodes`.
    flow : the characteristics of the controlled field.
    interpolation : evaluates potentials between the nodes; None if the scheme has no interpolation.

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.CartesianMesh([(-1.0, 1.0)], cells=10)
    >>> flow = emfc.flow.Flow(emfc.fields.AffineField(1, matrix=False), emfc.LayerMap("rk4"))
    >>> layer = emfc.flow.Layer(0.0, 1.0, np.array([0.2]))  # points move by 0.2, one cell
    >>> operator = emfc.transport.FiniteVolume().on(mesh, flow)
    >>> isinstance(operator, emfc.schemes.TransportOperator), operator.step(layer, np.ones((2, 10))).shape
    (True, (2, 10))
    """

    scheme: Scheme
    mesh: Mesh
    flow: Flow
    interpolation: Interpolant | None

    @abstractmethod
    def step(self, layer: Layer, psi: np.ndarray) -> np.ndarray:
        """Potentials `(R, *shape)` at the layer's end -> at its start."""

    def pairing(self, psi: np.ndarray, measure: Measure) -> Pairing:
        """`layer -> (sum_r int (I psi_r) o Phi_theta dm_r, its derivative in theta, of its shape)` for masses at any points.

        `psi` `(R, *shape)` are the potentials at the layer's end; `measure` is the measure of the masses at its start.
        """
        return point_pairing(self.flow, self.between_nodes(), psi, measure)

    def between_nodes(self) -> Interpolant:
        """The interpolation; ArgumentError if the scheme has none."""
        if self.interpolation is None:
            raise fail("transport", self.scheme, "a scheme whose potentials have gradients between the nodes")
        return self.interpolation


class AdjointOperator(TransportOperator):
    """A transport operator `S` whose transpose is a layer of the pair's continuity scheme, `m^{n+1} = S^T m^n`.

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.CartesianMesh([(-1.0, 1.0)], cells=10)
    >>> flow = emfc.flow.Flow(emfc.fields.AffineField(1, matrix=False), emfc.LayerMap("rk4"))
    >>> layer = emfc.flow.Layer(0.0, 1.0, np.array([0.2]))  # points move by 0.2, one cell
    >>> operator = emfc.continuity.FiniteVolume("upwind").adjoint().on(mesh, flow)
    >>> psi, slope = operator.step_with_slope(layer, np.ones((1, 10)), np.full((1, 10), 0.1))
    >>> isinstance(operator, emfc.schemes.AdjointOperator), psi.shape, slope.shape
    (True, (1, 10), (1,))
    """

    @abstractmethod
    def step_with_slope(self, layer: Layer, psi: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`S_theta psi`, and the derivative in theta, of its shape, of `sum_r <S_theta psi_r, m_r>`, masses `(R, *shape)`."""

    @abstractmethod
    def nodal_pairing(self, psi: np.ndarray, masses: np.ndarray) -> Pairing:
        """`layer -> (sum_r <S_theta psi_r, m_r>, its derivative in theta, of its shape)`; psi and masses are `(R, *shape)`."""

    def node_measure(self, masses: np.ndarray) -> Measure:
        """Masses `(R, *shape)` of the nodes as points and weights."""
        return Measure(self.mesh.centres, masses.reshape(len(masses), -1))


class TransposableOperator(AdjointOperator):
    """A linear transport operator that can apply its own transpose, as `continuity.PushForward` requires.

    `nodal_pairing` assumes a semi-Lagrangian scheme, `(S_theta psi)(x_j) = (I psi)(Phi_theta(x_j))`; a scheme of another
    kind overrides it.

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.CartesianMesh([(-1.0, 1.0)], cells=10)
    >>> flow = emfc.flow.Flow(emfc.fields.AffineField(1, matrix=False), emfc.LayerMap("rk4"))
    >>> layer = emfc.flow.Layer(0.0, 1.0, np.array([0.2]))  # points move by 0.2, one cell
    >>> operator = emfc.transport.SemiLagrangian(degree=3).on(mesh, flow)
    >>> rng = np.random.default_rng(0)
    >>> psi, masses = rng.normal(size=(2, 1, 10))
    >>> pushed, clamped = operator.adjoint_step(layer, masses)
    >>> bool(np.isclose((operator.step(layer, psi) * masses).sum(), (psi * pushed).sum()))  # <S psi, m> = <psi, S^T m>
    True
    """

    @property
    @abstractmethod
    def lines(self) -> list[np.ndarray]:
        """Coordinates, one array `(n,)` per axis, at which the basis functions are not smooth: panel ends of the law's rule."""

    @abstractmethod
    def adjoint_step(self, layer: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`S_theta^T m`: masses `(R, *shape)` at the layer's start -> at its end; and the mass `(R,)` that met the boundary."""

    @abstractmethod
    def deposit(self, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Nodal masses `m_j = sum_q w_q L_j(x_q)`, L_j the basis functions; points `(N, d)`, weights `(R, N)`."""

    @property
    def products(self) -> bool:
        """Whether each basis function is a product of one function per axis, so that `line_deposit` can be used."""
        return False

    def line_deposit(self, axis: int, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        """`(n,)`: `sum_q w_q L_j(x_q)`, L_j the basis functions of one axis; coordinates and weights are `(N,)`."""
        raise mismatch(
            "law",
            "a product of coordinates per axis",
            f"an array of points, since the basis functions of {self.scheme!r} are not products",
        )

    def nodal_pairing(self, psi: np.ndarray, masses: np.ndarray) -> Pairing:
        return self.pairing(psi, self.node_measure(masses))


class TangentOperator(TransposableOperator):
    """A transposable operator with exact derivatives of its steps, from which exact Hessians are computed.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.CartesianMesh([(-1.0, 1.0)], cells=10)
    >>> flow = emfc.flow.Flow(emfc.fields.AffineField(1, matrix=False), emfc.LayerMap("rk4"))
    >>> isinstance(emfc.transport.SemiLagrangian(degree=3).on(mesh, flow), emfc.schemes.TangentOperator)
    True
    """

    @abstractmethod
    def prepared(self, psi: np.ndarray) -> np.ndarray:
        """The form of potentials `(R, *shape)` that `step_with_slope_tangent` takes; it is computed once per Hessian."""

    @abstractmethod
    def adjoint_step_tangent(
        self, layer: Layer, dtheta: np.ndarray, masses: np.ndarray, dmasses: np.ndarray
    ) -> np.ndarray:
        """The directional derivative of `adjoint_step`'s masses `(R, *shape)` in theta and the masses."""

    @abstractmethod
    def step_with_slope_tangent(
        self,
        layer: Layer,
        dtheta: np.ndarray,
        prepared: np.ndarray,
        dpsi: np.ndarray,
        masses: np.ndarray,
        dmasses: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The directional derivative of `step_with_slope` in theta, potentials and masses, `(R, *shape)` and of theta's shape."""
