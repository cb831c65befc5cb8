"""Flows of controlled fields over layers: layer maps, their derivatives, and time integrators. They do not use a mesh."""

from .characteristics import Flow as Flow
from .characteristics import Layer as Layer
from .characteristics import LayerMap as LayerMap
from .characteristics import Stage as Stage
from .characteristics import Tableau as Tableau

__all__ = ["Flow", "Layer", "LayerMap", "Stage", "Tableau"]
