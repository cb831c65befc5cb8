"""The push-forward of masses: the exact transpose of semi-Lagrangian transport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..characteristics import Layer
from ..laws import LabelledRule
from ..transport.semi_lagrangian import SemiLagrangianOperator


@dataclass(frozen=True)
class PushForward:
    """`m^{n+1} = S_theta^T m^n`, S the transport scheme of the same system.

    Conservative to round-off on every mesh, since S maps constants to constants, and `sum_r <psi_r, m_r>` is constant
    in time. Masses may be negative for degree > 1; quantities tested against smooth functions converge at the order
    of the transport, even where the law has jumps or atoms.
    """

    adjoint: ClassVar[bool] = True
    linear: ClassVar[bool] = True

    def on(self, transport: SemiLagrangianOperator) -> PushForwardOperator:
        """The scheme beside a bound transport scheme."""
        return PushForwardOperator(transport)


class PushForwardOperator:
    """`PushForward` bound to a transport operator. Masses are `(R, *shape)`."""

    def __init__(self, transport: SemiLagrangianOperator) -> None:
        self.transport = transport

    @property
    def lines(self) -> list[np.ndarray]:
        """Coordinates, one array an axis, at which the basis functions are not smooth: the cell centres."""
        mesh = self.transport.mesh
        return [mesh.axis(k) for k in range(mesh.dim)]

    def initial(self, rule: LabelledRule, moments: np.ndarray) -> np.ndarray:
        """Masses of the law, `m_rj = int c_r L_j dmu0`; `moments` `(R, N)` are the c_r at the rule's points."""
        return self.transport.deposit(rule.x, moments * rule.w)

    def step(self, layer: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masses at the layer's start -> at its end; and the masses `(R,)` that met the boundary."""
        return self.transport.adjoint_step(layer, masses)

    def measure(self, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The masses as points `(n, d)` and weights `(R, n)` against which functions are integrated."""
        return self.transport.mesh.centres, masses.reshape(len(masses), -1)
