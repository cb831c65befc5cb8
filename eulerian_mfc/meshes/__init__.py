"""Meshes of the state space."""

from .base import Mesh as Mesh
from .cartesian import CartesianMesh as CartesianMesh
from .simplex import SimplexMesh as SimplexMesh

__all__ = ["CartesianMesh", "Mesh", "SimplexMesh"]
