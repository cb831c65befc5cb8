"""Controlled vector fields F(t, theta, x). A new field needs one file and one line here."""

from collections.abc import Callable

from ..errors import FileFormatError
from .activations import ACTIVATIONS as ACTIVATIONS
from .activations import Activation as Activation
from .activations import need_known
from .activations import register_activation as register_activation
from .affine import AffineField as AffineField
from .agrachev_sarychev import AgrachevSarychevField as AgrachevSarychevField
from .base import Field as Field
from .base import ScaledField as ScaledField
from .base import Spec as Spec
from .base import SumField as SumField
from .bottleneck import BottleneckField as BottleneckField
from .custom import CustomField as CustomField
from .differentiable import DifferentiableField as DifferentiableField
from .linear_control import LinearControlField as LinearControlField
from .neural import NeuralField as NeuralField
from .points import At as At
from .points import Direction as Direction
from .polynomial import PolynomialField as PolynomialField
from .potential import GradientField as GradientField
from .potential import PotentialField as PotentialField
from .radial_basis import RadialBasisField as RadialBasisField

REGISTRY: dict[str, Callable[..., Field]] = {
    "neural": NeuralField,
    "bottleneck": BottleneckField,
    "affine": AffineField,
    "polynomial": PolynomialField,
    "agrachev_sarychev": AgrachevSarychevField,
    "radial_basis": RadialBasisField,
    "linear_control": LinearControlField,
    "gradient": GradientField,
    "potential": PotentialField,
    "custom": CustomField,
    "sum": SumField,
    "scaled": ScaledField,
}


def from_spec(spec: Spec) -> Field:
    """The field that `Field.spec` describes; the spec may contain further fields.

    Parameters
    ----------
    spec : `type`, which is a name of `REGISTRY`, and the constructor's arguments.

    Raises
    ------
    FileFormatError
        If no field or activation of that name is registered.
    ArgumentError
        From the constructor.

    Examples
    --------
    >>> from_spec({"type": "neural", "dim": 2, "activation": "sin", "bias": False})
    NeuralField(dim=2, activation='sin', bias=False)
    """

    def rebuilt(value: object) -> object:
        if isinstance(value, dict):
            return from_spec(value)
        return [rebuilt(v) for v in value] if isinstance(value, list) else value

    kind = str(spec.get("type"))
    if kind not in REGISTRY:
        raise FileFormatError(f"unknown field {kind!r}")
    if "activation" in spec:
        need_known(spec["activation"])
    return REGISTRY[kind](**{key: rebuilt(value) for key, value in spec.items() if key != "type"})


__all__ = [
    "ACTIVATIONS",
    "REGISTRY",
    "Activation",
    "AffineField",
    "AgrachevSarychevField",
    "At",
    "BottleneckField",
    "CustomField",
    "DifferentiableField",
    "Direction",
    "Field",
    "GradientField",
    "LinearControlField",
    "NeuralField",
    "PolynomialField",
    "PotentialField",
    "RadialBasisField",
    "ScaledField",
    "SumField",
    "from_spec",
    "register_activation",
]
