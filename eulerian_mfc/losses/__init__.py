"""Losses of final states and labels, and their exact separable form. A new loss needs one file and one line here.

The labels never move, so a loss `c_0(y) + sum_r a_r(x) c_r(y)` needs R scalar fields on the mesh of the states, for
any joint law of (X, Y): the moments `m_r = int c_r(y) mu(., dy)` and the potentials `psi_r(T) = a_r`.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import FileFormatError
from .base import Loss as Loss
from .base import Separable as Separable
from .base import by_labels as by_labels
from .cross_entropy import CrossEntropy as CrossEntropy
from .first_coordinates import FirstCoordinates as FirstCoordinates
from .first_coordinates import seen as seen
from .hinge import Hinge as Hinge
from .huber import Huber as Huber
from .label import LabelLoss as LabelLoss
from .readout import Readout as Readout
from .readout import Spec as Spec
from .readout import TrainedReadout as TrainedReadout
from .squared import SquaredLoss as SquaredLoss

REGISTRY: dict[str, Callable[..., Loss]] = {
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
    "by_labels",
    "from_spec",
]


def from_spec(spec: Spec) -> Loss:
    """The loss that `Loss.spec` describes.

    Parameters
    ----------
    spec : `type`, which is a name of `REGISTRY`, and the constructor's arguments.

    Raises
    ------
    FileFormatError
        If no loss of that name is registered.
    ArgumentError
        From the constructor.

    Examples
    --------
    >>> from_spec({"type": "squared", "readout": {"penalty": 0.5}})
    SquaredLoss(readout=TrainedReadout(penalty=0.5))
    """
    kind = str(spec.get("type"))
    if kind not in REGISTRY:
        raise FileFormatError(f"unknown loss {kind!r}")
    arguments = {name: value for name, value in spec.items() if name != "type"}
    readout, inner = arguments.get("readout"), arguments.get("loss")
    if isinstance(readout, dict):
        arguments["readout"] = (Readout if "matrix" in readout else TrainedReadout)(**readout)
    if isinstance(inner, dict):
        arguments["loss"] = from_spec(inner)
    return REGISTRY[kind](**arguments)
