"""Forward schemes for the masses: each maps the masses at the start of a layer to those at its end."""

from ..schemes import ContinuityScheme
from ..transport.push_forward import PushForward as PushForward
from .cells import CellOperator as CellOperator
from .finite_volume import FiniteVolume as FiniteVolume
from .limiters import Limiter as Limiter
from .limiters import SimplexLimiter as SimplexLimiter
from .limiters import register_limiter as register_limiter
from .simplex_finite_volume import SimplexFiniteVolume as SimplexFiniteVolume
from .transpose import FiniteVolumeTranspose as FiniteVolumeTranspose

REGISTRY: dict[str, type[ContinuityScheme]] = {
    "push_forward": PushForward,
    "finite_volume": FiniteVolume,
    "simplex_finite_volume": SimplexFiniteVolume,
}

__all__ = [
    "REGISTRY",
    "CellOperator",
    "FiniteVolume",
    "FiniteVolumeTranspose",
    "Limiter",
    "PushForward",
    "SimplexFiniteVolume",
    "SimplexLimiter",
    "register_limiter",
]
