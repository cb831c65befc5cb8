"""The push-forward of masses: the exact transpose of semi-Lagrangian transport."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .._validate import mismatch
from ..flow.characteristics import Flow, Layer
from ..laws import LabelledRule, ProductRule
from ..meshes import CartesianMesh, Mesh
from ..transport.elements import ElementsOperator
from ..transport.semi_lagrangian import SemiLagrangianOperator


@dataclass(frozen=True)
class PushForward:
    """`m^{n+1} = S_theta^T m^n`, S the transport scheme of the same system.

    Conservative to round-off on every mesh, since S maps constants to constants, and `sum_r <psi_r, m_r>` is constant
    in time. Masses may be negative for degree > 1; quantities tested against smooth functions converge at the order
    of the transport, even where the law has jumps or atoms.

    Raises
    ------
    ArgumentError
        When bound to a pair whose transport is not linear and semi-Lagrangian.

    References
    ----------
    docs/theory/duality.md proves both; orders: docs/theory/orders.md.
    """

    linear: ClassVar[bool] = True
    nodal: ClassVar[bool] = True
    mesh_kind: ClassVar[str] = "any"

    def on(self, mesh: Mesh, flow: Flow, transport: Any, signed: Sequence[bool] = ()) -> PushForwardOperator:
        """The scheme beside a bound transport scheme, which must be a linear semi-Lagrangian one."""
        if not isinstance(transport, SemiLagrangianOperator | ElementsOperator) or not transport.scheme.linear:
            raise mismatch(
                "continuity",
                f"PushForward beside {transport.scheme!r}",
                "a linear SemiLagrangian transport, whose transpose it is; or continuity.FiniteVolume(...)",
            )
        return PushForwardOperator(self, transport)


class PushForwardOperator:
    """`PushForward` bound to a transport operator. Masses are `(R, *shape)`."""

    def __init__(self, scheme: PushForward, transport: SemiLagrangianOperator | ElementsOperator) -> None:
        self.scheme, self.transport = scheme, transport

    @property
    def lines(self) -> list[np.ndarray]:
        """Coordinates, one array an axis, at which the basis functions are not smooth."""
        return self.transport.lines

    def initial(self, rule: LabelledRule | ProductRule, moments: np.ndarray) -> np.ndarray:
        """Masses of the law, `m_rj = int c_r L_j dmu0`; `moments` `(R, N)` are the c_r at the rule's points.

        The L_j of tensor-product splines are products of those of the axes, so that a `ProductRule`, with `moments` `(R, 1)`,
        takes integrals on lines only.
        """
        if isinstance(rule, LabelledRule):
            return self.transport.deposit(rule.x, moments * rule.w)
        return rule.masses([self._line_masses(k, *line) for k, line in enumerate(rule.axes)], moments)

    def _line_masses(self, axis: int, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        """`(n,)`: `sum_q w_q L_j(x_q)`, L_j the cardinal functions of one axis."""
        mesh = self.transport.mesh
        line = CartesianMesh([mesh.bounds[axis]], mesh.shape[axis])
        return self.transport.scheme.on(line, self.transport.flow).deposit(x[:, None], w[None])[0]

    def step(self, layer: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masses at the layer's start -> at its end; and the masses `(R,)` that met the boundary."""
        return self.transport.adjoint_step(layer, masses)

    def measure(self, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The masses as points `(n, d)` and weights `(R, n)` against which functions are integrated."""
        return self.points, masses.reshape(len(masses), -1)

    @property
    def points(self) -> np.ndarray:
        """`(n, d)`: the nodes."""
        return self.transport.mesh.centres
