"""Flows of controlled fields over layers: layer maps, their derivatives, and time integrators. They do not use a mesh."""

from .flow_of_field import Flow as Flow
from .layer_map import LayerMap as LayerMap
from .layers import Layer as Layer
from .layers import Stage as Stage
from .tableaux import Tableau as Tableau

__all__ = ["Flow", "Layer", "LayerMap", "Stage", "Tableau"]
