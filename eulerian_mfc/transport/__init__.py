"""Backward schemes for the potentials: each maps potentials to potentials over a layer."""

from .semi_lagrangian import SemiLagrangian as SemiLagrangian

REGISTRY = {"semi_lagrangian": SemiLagrangian}

__all__ = ["REGISTRY", "SemiLagrangian"]
