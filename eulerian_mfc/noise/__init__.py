"""Noise of the dynamics: its intensity over time, and the heat semigroup that it means for densities and potentials."""

from .intensity import Noise, noise_of
from .on_boxes import HeatOnBoxes
from .on_simplices import HeatOnSimplices
from .sampled import SampledFlow
from .semigroup import HeatSemigroup
from .splitting import Splitting

__all__ = [
    "HeatOnBoxes",
    "HeatOnSimplices",
    "HeatSemigroup",
    "Noise",
    "SampledFlow",
    "Splitting",
    "noise_of",
]
