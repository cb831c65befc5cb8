"""Forward schemes for the masses: each maps masses to masses over a layer."""

from .finite_volume import FiniteVolume as FiniteVolume
from .push_forward import PushForward as PushForward
from .transpose import FiniteVolumeTranspose as FiniteVolumeTranspose

REGISTRY = {"push_forward": PushForward, "finite_volume": FiniteVolume}

__all__ = ["REGISTRY", "FiniteVolume", "FiniteVolumeTranspose", "PushForward"]
