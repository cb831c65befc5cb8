"""Forward schemes for the masses: each maps masses to masses over a layer."""

from .push_forward import PushForward as PushForward

REGISTRY = {"push_forward": PushForward}

__all__ = ["REGISTRY", "PushForward"]
