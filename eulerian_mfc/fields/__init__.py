"""Controlled vector fields F(t, theta, x). A new field is one file and one line here."""

from typing import Any

from ..errors import FileFormatError
from .affine import AffineField as AffineField
from .agrachev_sarychev import AgrachevSarychevField as AgrachevSarychevField
from .base import Field as Field
from .base import ScaledField as ScaledField
from .base import SumField as SumField
from .bottleneck import BottleneckField as BottleneckField
from .custom import CustomField as CustomField
from .linear_control import LinearControlField as LinearControlField
from .neural import ACTIVATIONS as ACTIVATIONS
from .neural import NeuralField as NeuralField
from .points import At as At
from .points import Direction as Direction
from .polynomial import PolynomialField as PolynomialField
from .radial_basis import RadialBasisField as RadialBasisField

REGISTRY = {
    "neural": NeuralField,
    "bottleneck": BottleneckField,
    "affine": AffineField,
    "polynomial": PolynomialField,
    "agrachev_sarychev": AgrachevSarychevField,
    "radial_basis": RadialBasisField,
    "linear_control": LinearControlField,
    "custom": CustomField,
    "sum": SumField,
    "scaled": ScaledField,
}


def from_spec(spec: dict[str, Any]) -> Field:
    """The field that `Field.spec` described; fields within fields too.

    Parameters
    ----------
    spec : `type`, a name of `REGISTRY`, and the constructor's arguments.

    Raises
    ------
    FileFormatError
        If nothing of that name is registered.
    ArgumentError
        From the constructor.
    """

    def rebuilt(value: Any) -> Any:
        if isinstance(value, dict):
            return from_spec(value)
        return [rebuilt(v) for v in value] if isinstance(value, list) else value

    if spec.get("type") not in REGISTRY:
        raise FileFormatError(f"unknown field {spec.get('type')!r}")
    return REGISTRY[spec["type"]](**{key: rebuilt(value) for key, value in spec.items() if key != "type"})


__all__ = [
    "ACTIVATIONS",
    "REGISTRY",
    "AffineField",
    "AgrachevSarychevField",
    "At",
    "BottleneckField",
    "CustomField",
    "Direction",
    "Field",
    "LinearControlField",
    "NeuralField",
    "PolynomialField",
    "RadialBasisField",
    "ScaledField",
    "SumField",
    "from_spec",
]
