"""Meshes of the state space: geometry, topology, location of points, files. Meshes do not use schemes or problems."""

from . import domains as domains
from .base import Mesh as Mesh
from .cartesian import CartesianMesh as CartesianMesh
from .refine import Refine as Refine
from .simplex import SimplexMesh as SimplexMesh

__all__ = ["CartesianMesh", "Mesh", "Refine", "SimplexMesh", "domains"]
