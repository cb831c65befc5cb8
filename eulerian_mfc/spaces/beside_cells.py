"""Potentials at the nodes of an element, together with masses that live in the cells of the mesh."""

from __future__ import annotations

import numpy as np

from ..meshes import Mesh
from .lagrange import ElementNodes
from .on_mesh import SpaceOnMesh


class NodesBesideCells(SpaceOnMesh):
    """The space of a pair: potentials at an element's nodes, masses in the cells.

    Parameters
    ----------
    nodes : the nodes of the potentials.
    """

    def __init__(self, nodes: ElementNodes) -> None:
        self.nodes = nodes
        #: the simplex mesh
        self.mesh = nodes.mesh

    @property
    def shape(self) -> tuple[int, ...]:
        """`(nodes,)`: the shape of the potentials."""
        return self.nodes.shape

    @property
    def mass_shape(self) -> tuple[int, ...]:
        return self.mesh.shape

    @property
    def centres(self) -> np.ndarray:
        """`(nodes, d)`: the points at which the potentials live."""
        return self.nodes.centres

    def near_boundary(self, cells: int) -> np.ndarray:
        return self.mesh.near_boundary(cells)

    def density(self, masses: np.ndarray) -> np.ndarray:
        """Masses of the cells `(..., cells)` -> their densities."""
        return self.mesh.density(masses)


def with_cell_masses(nodes: Mesh) -> Mesh:
    """The space of a pair whose masses live in the cells, from the space of its potentials.

    Parameters
    ----------
    nodes : an element's nodes; or a mesh whose cells hold the potentials too, which is returned unchanged.
    """
    return NodesBesideCells(nodes) if isinstance(nodes, ElementNodes) else nodes
