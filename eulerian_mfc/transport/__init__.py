"""Backward schemes for the potentials: each maps the potentials at the end of a layer to those at its start."""

from ..schemes import TransportScheme
from .elements import Elements as Elements
from .finite_volume import FiniteVolume as FiniteVolume
from .interpolation import Interpolation as Interpolation
from .semi_lagrangian import SemiLagrangian as SemiLagrangian

REGISTRY: dict[str, type[TransportScheme]] = {
    "semi_lagrangian": SemiLagrangian,
    "finite_volume": FiniteVolume,
    "elements": Elements,
}

__all__ = ["REGISTRY", "Elements", "FiniteVolume", "Interpolation", "SemiLagrangian"]
