"""Controlled vector fields F(t, theta, x). A new field is one file and one line here."""

from .affine import AffineField as AffineField
from .agrachev_sarychev import AgrachevSarychevField as AgrachevSarychevField
from .base import Field as Field
from .custom import CustomField as CustomField
from .linear_control import LinearControlField as LinearControlField
from .neural import ACTIVATIONS as ACTIVATIONS
from .neural import NeuralField as NeuralField

REGISTRY = {
    "neural": NeuralField,
    "affine": AffineField,
    "agrachev_sarychev": AgrachevSarychevField,
    "linear_control": LinearControlField,
    "custom": CustomField,
}

__all__ = [
    "ACTIVATIONS",
    "REGISTRY",
    "AffineField",
    "AgrachevSarychevField",
    "CustomField",
    "Field",
    "LinearControlField",
    "NeuralField",
]
