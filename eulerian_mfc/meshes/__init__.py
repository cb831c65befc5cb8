"""Meshes of the state space."""

from .cartesian import CartesianMesh as CartesianMesh

__all__ = ["CartesianMesh"]
