"""The discretisation of a solution, and its stored characteristics: plain records."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from ..control.controlled_flow import ControlledFlow
from ..control.curves import Curves
from ..flow.flow_of_field import Mover
from ..laws import LabelledLaw
from ..losses import Loss
from ..schemes import ContinuityScheme, TransportScheme
from ..system.discretisation import Discretisation, Resources

#: number of characteristics that are drawn and exported
TRAJECTORIES = 300


class Paths(NamedTuple):
    """Characteristics.

    Attributes
    ----------
    x : `(steps + 1, n, d)` positions, in units of the state.
    y : `(n, q)`, the label of each characteristic.
    """

    x: np.ndarray
    y: np.ndarray

    @classmethod
    def sampled(cls, flow: ControlledFlow, law: LabelledLaw) -> Self:
        """The characteristics of samples of a law, with a fixed seed.

        Parameters
        ----------
        flow : the field with a control.
        law : the law of the states at time 0 and of the labels.
        """
        x, y = law.sample(TRAJECTORIES, seed=0)
        return cls(flow.trajectories(x), y)


class Numerics(NamedTuple):
    """The discretisation of a solution: the data that a file must hold to evaluate the solution again.

    Attributes
    ----------
    discretisation : mesh, layers, schemes and layer map.
    resources : the resources of its evaluations.
    flow : the field with its layer map, and with the noise if there is any; None in a solution loaded without its field or noise.
    curves : the layers, the degree and the basis of the control, and the levels in time.
    input_dim : number of coordinates of the inputs; the other coordinates start at zero.
    loss : the loss; None if the file does not hold it.
    """

    discretisation: Discretisation
    resources: Resources
    flow: Mover | None
    curves: Curves
    input_dim: int
    loss: Loss | None

    @property
    def transport(self) -> TransportScheme:
        """The backward scheme."""
        return self.discretisation.transport

    @property
    def continuity(self) -> ContinuityScheme:
        """The forward scheme."""
        return self.discretisation.continuity

    @property
    def horizon(self) -> float:
        """The final time, in units of time."""
        return self.curves.horizon

    @property
    def layers(self) -> int:
        """The number of layers."""
        return self.curves.layers
