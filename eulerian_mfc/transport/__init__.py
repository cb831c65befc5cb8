"""Backward schemes for the potentials: each maps potentials to potentials over a layer."""

from .finite_volume import FiniteVolume as FiniteVolume
from .semi_lagrangian import SemiLagrangian as SemiLagrangian

REGISTRY = {"semi_lagrangian": SemiLagrangian, "finite_volume": FiniteVolume}

__all__ = ["REGISTRY", "FiniteVolume", "SemiLagrangian"]
