"""What happens to particles at a boundary: that of the problem (walls, periodic sides), and that of the mesh."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..meshes import CartesianMesh, SimplexMesh
from ..meshes.padded import boundary_kinds
from .optimality import OptimalitySystem
from .particles import Bound


def of_the_problem(system: OptimalitySystem) -> Bound | None:
    """The map that keeps particles in the problem's own domain; None if the domain is the whole space.

    Parameters
    ----------
    system : the discrete problem. Its mesh may have walls, and its schemes may have periodic or no-flux sides.
    """
    base = system.mesh.base
    kinds = system.pair.boundary
    if isinstance(base, SimplexMesh):
        named = kinds.values() if isinstance(kinds, Mapping) else [kinds]
        return _sliding(base) if base.walls or "no_flux" in named else None
    assert isinstance(base, CartesianMesh)
    sides = boundary_kinds(kinds, base.dim)
    if all(kind == "outflow" for pair in sides for kind in pair):
        return None
    low, high = np.array(base.bounds).T
    lowest = np.array([a if pair[0] == "no_flux" else -np.inf for a, pair in zip(low, sides, strict=True)])
    highest = np.array([b if pair[1] == "no_flux" else np.inf for b, pair in zip(high, sides, strict=True)])
    around = np.array([pair[0] == "periodic" for pair in sides])

    def held(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        wrapped = np.where(around, low + (after - low) % (high - low), after)
        return np.clip(wrapped, lowest, highest), np.ones(len(after), dtype=bool)

    return held


def of_the_mesh(system: OptimalitySystem) -> Bound:
    """What the schemes do with particles that leave the mesh.

    Schemes with values at nodes move such particles onto the boundary; finite volumes lose them. Walls and periodic sides of the
    problem are applied first: particles that they hold do not leave the mesh.

    Parameters
    ----------
    system : the discrete problem, with its mesh and schemes.
    """
    base, held = system.mesh.base, of_the_problem(system)
    if system.pair.keeps_mass:
        return within_the_mesh(system) if held is None else held

    def lost(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        kept, counts = (after, np.ones(len(after), dtype=bool)) if held is None else held(before, after)
        return kept, counts & base.contains(kept)

    return lost


def within_the_mesh(system: OptimalitySystem) -> Bound:
    """The map that moves particles that leave the mesh onto its boundary.

    Parameters
    ----------
    system : the discrete problem, with its mesh.
    """
    base = system.mesh.base
    if isinstance(base, SimplexMesh):
        return _sliding(base)
    assert isinstance(base, CartesianMesh)
    low, high = np.array(base.bounds).T
    low, high = low + base.widths / 2, high - base.widths / 2
    return lambda before, after: (np.clip(after, low, high), np.ones(len(after), dtype=bool))


def _sliding(mesh: SimplexMesh) -> Bound:
    """Particles slide along the boundary of a simplex mesh, as the feet of characteristics do in the transport scheme."""

    def held(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        place = mesh.locator.locate(np.asfortranarray(before))
        found = mesh.locator.trace(place.cells, np.asfortranarray(place.feet), np.asfortranarray(after))
        return np.asfortranarray(found.feet), np.ones(len(after), dtype=bool)

    return held
