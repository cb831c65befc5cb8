"""The push-forward of masses: the exact transpose of semi-Lagrangian transport."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._validate import mismatch
from ..flow.flow_of_field import Flow
from ..flow.layers import Layer
from ..laws import LabelledRule, ProductRule
from ..meshes import Mesh
from ..schemes import (
    Boundary,
    ContinuityOperator,
    ContinuityScheme,
    Measure,
    TransportOperator,
    TransposableOperator,
)


@dataclass(frozen=True)
class PushForward(ContinuityScheme):
    """`m^{n+1} = S_theta^T m^n`, where S is the transport scheme of the same system.

    Conservative to round-off on every mesh, since S maps constants to constants, and `sum_r <psi_r, m_r>` is constant
    in time. Masses may be negative for degree > 1. Integrals of smooth functions against the masses converge at the order
    of the transport, even if the law has jumps or atoms.

    Raises
    ------
    ArgumentError
        When bound to a pair whose transport is not linear and semi-Lagrangian.

    References
    ----------
    docs/theory/duality.md (conservation and duality), docs/theory/orders.md (orders).

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.1), [[1.0]])
    >>> problem = emfc.Problem(emfc.fields.AffineField(1, matrix=False), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> system = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-2.0, 2.0)], 40), layers=2)
    >>> masses, crossed = system.masses(0.5)
    >>> system.continuity_scheme, masses[:, 0].sum(axis=1).round(12).tolist()  # the mass of every time
    (PushForward(), [1.0, 1.0, 1.0])
    """

    mesh_kind: ClassVar[str] = "any"
    # These hold for every transport. A pair may have a larger order and stencil, and non-negative masses for degree 1.
    order: ClassVar[int] = 1
    stencil: ClassVar[int] = 1
    largest_courant_number: ClassVar[float] = np.inf
    positive: ClassVar[bool] = False
    linear: ClassVar[bool] = True
    keeps_mass: ClassVar[bool] = True
    reference: ClassVar[str] = "docs/theory/duality.md"

    def on(
        self, mesh: Mesh, flow: Flow, transport: TransportOperator | None = None, signed: Sequence[bool] = ()
    ) -> PushForwardOperator:
        """The scheme, bound to a transport operator that can apply its transpose."""
        if not isinstance(transport, TransposableOperator) or not transport.scheme.linear:
            beside = "no transport scheme" if transport is None else repr(transport.scheme)
            raise mismatch(
                "continuity",
                f"PushForward together with {beside}",
                "a linear SemiLagrangian transport, since PushForward is its transpose; or another "
                "continuity scheme, such as continuity.FiniteVolume(...)",
            )
        return PushForwardOperator(self, transport)


class PushForwardOperator(ContinuityOperator):
    """`PushForward` bound to a transport operator. Masses are `(R, *shape)`."""

    def __init__(self, scheme: PushForward, transport: TransposableOperator) -> None:
        self.scheme, self.transport = scheme, transport

    @property
    def lines(self) -> list[np.ndarray]:
        """Coordinates, one array per axis, at which the basis functions are not smooth."""
        return self.transport.lines

    @property
    def products(self) -> bool:
        return self.transport.products

    def initial(self, rule: LabelledRule | ProductRule, moments: np.ndarray) -> np.ndarray:
        """Masses of the law, `m_rj = int c_r L_j dmu0`; `moments` `(R, N)` are the c_r at the rule's points.

        The L_j of tensor-product splines are products of one function per axis. For a `ProductRule`, with `moments` `(R, 1)`,
        only integrals on lines are therefore computed.
        """
        if isinstance(rule, LabelledRule):
            return self.transport.deposit(rule.x, moments * rule.w)
        lines = [self.transport.line_deposit(k, *line) for k, line in enumerate(rule.axes)]
        return rule.masses(lines, moments)

    def step(self, layer: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masses at the layer's start -> at its end; and the mass `(R,)` that met the boundary."""
        return self.transport.adjoint_step(layer, masses)

    def measure(self, masses: np.ndarray) -> Measure:
        """The masses of the nodes, as points `(n, d)` and weights `(R, n)`."""
        return self.transport.node_measure(masses)

    @property
    def points(self) -> np.ndarray:
        """`(n, d)`: the nodes."""
        return self.transport.mesh.centres

    @property
    def boundary(self) -> Boundary:
        return self.transport.scheme.boundary
