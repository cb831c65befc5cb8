"""Spaces of unknowns on a mesh: nodes of Lagrange elements, alone or with masses in the cells. A box is its own space."""

from .beside_cells import NodesBesideCells as NodesBesideCells
from .beside_cells import with_cell_masses as with_cell_masses
from .lagrange import ElementNodes as ElementNodes
from .lagrange import element_nodes as element_nodes

__all__ = ["ElementNodes", "NodesBesideCells", "element_nodes", "with_cell_masses"]
