"""The cost of a control on a finer mesh of a larger box. It checks the cost of problems that particles cannot evaluate."""

from __future__ import annotations

import numpy as np

from ..errors import EulerianError
from ..meshes import CartesianMesh
from ..results.look import Look
from ..system.boundaries import of_the_problem
from ..system.controlled import Cost
from ..system.optimality import OptimalitySystem

#: cells per axis are multiplied by this factor; the box is longer by this share on every side
FINER, LARGER = 1.3, 0.15
#: no look if the finer mesh would have more cells than this
MOST = 2_000_000


def look_on_finer_mesh(system: OptimalitySystem, control: np.ndarray, cost: Cost) -> Look | None:
    """The cost of a control on a box whose cells are finer, and which is larger unless its walls belong to the problem.

    With noise there is no cost without a mesh: paths are random. The difference from a finer mesh is the error of this mesh up to
    a factor that the order decides: `1 / (1 - 1.3^-p)`, 1.3 for order 6.

    Parameters
    ----------
    system : the discrete problem.
    control : of the control's shape.
    cost : its cost on the system's own mesh.

    Returns
    -------
    Look or None
        None on simplices, and where the finer mesh is too large.
    """
    mesh = system.discretisation.mesh
    if not isinstance(mesh, CartesianMesh):
        return None
    walls = of_the_problem(system) is not None
    finer = enlarged(mesh, 0.0 if walls else LARGER)
    if finer.size > MOST:
        return None
    try:
        other = OptimalitySystem.of(system.problem, system.discretisation.on(finer), system.resources)
        there = other.cost(control).objective
    except (EulerianError, MemoryError):
        return None
    sizes = abs(cost.terminal) + cost.penalty + abs(cost.running)
    scale = max(sizes, float(np.finfo(float).tiny))
    found = Look(there, 0.0, cost.objective - there, scale, finer_mesh=True)
    return found._replace(cause="cells") if found.told else found


def enlarged(mesh: CartesianMesh, larger: float) -> CartesianMesh:
    """A box that is longer by a share on every side, with cells that are narrower by `FINER`.

    Parameters
    ----------
    mesh : the mesh.
    larger : the share of the side's length.

    Examples
    --------
    >>> enlarged(CartesianMesh([(0.0, 1.0)], cells=10), 0.0).shape
    (13,)
    """
    sides = np.array(mesh.bounds)
    spare = larger * np.diff(sides, axis=1)
    cells = np.ceil(FINER * (1.0 + 2.0 * larger) * np.array(mesh.shape)).astype(int)
    return CartesianMesh(np.hstack([sides[:, :1] - spare, sides[:, 1:] + spare]).tolist(), cells.tolist())


def finer(mesh: CartesianMesh, factor: float) -> CartesianMesh:
    """The same box with more cells per axis.

    Parameters
    ----------
    mesh : the mesh.
    factor : the factor of the number of cells.

    Examples
    --------
    >>> finer(CartesianMesh([(0.0, 1.0)], 10), 1.5).shape
    (15,)
    """
    return CartesianMesh(mesh.bounds, np.ceil(factor * np.array(mesh.shape)).astype(int).tolist())
