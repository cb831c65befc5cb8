"""Losses of final states and labels, and their exact separable form. A new loss is one file and one line here.

The labels never move, so a loss `c_0(y) + sum_r a_r(x) c_r(y)` needs R scalar fields on the mesh of the states, for
any joint law of (X, Y): the moments `m_r = int c_r(y) mu(., dy)` and the potentials `psi_r(T) = a_r`.
"""

from __future__ import annotations

from typing import Any

from .base import Loss as Loss
from .base import Separable as Separable
from .cross_entropy import CrossEntropy as CrossEntropy
from .first_coordinates import FirstCoordinates as FirstCoordinates
from .first_coordinates import seen as seen
from .hinge import Hinge as Hinge
from .huber import Huber as Huber
from .label import LabelLoss as LabelLoss
from .readout import Readout as Readout
from .readout import TrainedReadout as TrainedReadout
from .squared import SquaredLoss as SquaredLoss

REGISTRY: dict[str, type[Loss]] = {
    "squared": SquaredLoss,
    "cross_entropy": CrossEntropy,
    "hinge": Hinge,
    "huber": Huber,
    "label": LabelLoss,
    "first_coordinates": FirstCoordinates,
}

__all__ = [
    "REGISTRY",
    "CrossEntropy",
    "FirstCoordinates",
    "Hinge",
    "Huber",
    "LabelLoss",
    "Loss",
    "Readout",
    "Separable",
    "SquaredLoss",
    "TrainedReadout",
]


def from_spec(spec: dict[str, Any]) -> Loss:
    """The loss that `Loss.spec` described; KeyError for a type that is not registered."""
    arguments = {k: v for k, v in spec.items() if k != "type"}
    if arguments.get("readout") is not None:
        kind = Readout if "matrix" in arguments["readout"] else TrainedReadout
        arguments["readout"] = kind(**arguments["readout"])
    if isinstance(arguments.get("loss"), dict):
        arguments["loss"] = from_spec(arguments["loss"])
    return REGISTRY[spec["type"]](**arguments)
