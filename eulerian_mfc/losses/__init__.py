"""Losses of final states and labels, and their exact separable form. A new loss needs one file and one line here.

The labels never move, so a loss `c_0(y) + sum_r a_r(x) c_r(y)` needs R scalar fields on the mesh of the states, for
any joint law of (X, Y): the moments `m_r = int c_r(y) mu(., dy)` and the potentials `psi_r(T) = a_r`.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import FileFormatError
from .base import CompositeLoss as CompositeLoss
from .base import Loss as Loss
from .base import by_labels as by_labels
from .cross_entropy import CrossEntropy as CrossEntropy
from .density_cost import DensityCost as DensityCost
from .density_cost import SmoothDensityCost as SmoothDensityCost
from .density_cost import StateDensity as StateDensity
from .density_cost import StateGrid as StateGrid
from .density_cost import density_costs as density_costs
from .divergence import KullbackLeibler as KullbackLeibler
from .first_coordinates import FirstCoordinates as FirstCoordinates
from .first_coordinates import seen as seen
from .hinge import Hinge as Hinge
from .huber import Huber as Huber
from .label import LabelLoss as LabelLoss
from .likelihood import LogLikelihood as LogLikelihood
from .mean_discrepancy import MaximumMeanDiscrepancy as MaximumMeanDiscrepancy
from .readout import Readout as Readout
from .readout import Spec as Spec
from .readout import TrainedReadout as TrainedReadout
from .separable import Separable as Separable
from .squared import SquaredLoss as SquaredLoss
from .squared_density import Congestion as Congestion
from .squared_density import SquaredDensityDistance as SquaredDensityDistance
from .state_loss import StateLoss as StateLoss
from .targets import target_of

REGISTRY: dict[str, Callable[..., Loss]] = {
    "squared": SquaredLoss,
    "cross_entropy": CrossEntropy,
    "hinge": Hinge,
    "huber": Huber,
    "label": LabelLoss,
    "first_coordinates": FirstCoordinates,
    "state": StateLoss,
    "composite": CompositeLoss,
    "congestion": Congestion,
    "kullback_leibler": KullbackLeibler,
    "log_likelihood": LogLikelihood,
    "maximum_mean_discrepancy": MaximumMeanDiscrepancy,
    "squared_density_distance": SquaredDensityDistance,
}

__all__ = [
    "REGISTRY",
    "CompositeLoss",
    "Congestion",
    "CrossEntropy",
    "DensityCost",
    "FirstCoordinates",
    "Hinge",
    "Huber",
    "KullbackLeibler",
    "LabelLoss",
    "LogLikelihood",
    "Loss",
    "MaximumMeanDiscrepancy",
    "Readout",
    "Separable",
    "SmoothDensityCost",
    "SquaredDensityDistance",
    "SquaredLoss",
    "StateDensity",
    "StateGrid",
    "StateLoss",
    "TrainedReadout",
    "by_labels",
    "density_costs",
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
    readout, inner, parts = arguments.get("readout"), arguments.get("loss"), arguments.get("parts")
    target = arguments.get("target")
    if isinstance(readout, dict):
        arguments["readout"] = (Readout if "matrix" in readout else TrainedReadout)(**readout)
    if isinstance(inner, dict):
        arguments["loss"] = from_spec(inner)
    if isinstance(target, dict):
        arguments["target"] = target_of(target)
    if isinstance(parts, list):
        arguments["parts"] = tuple((float(weight), from_spec(part)) for weight, part in parts)
    return REGISTRY[kind](**arguments)
