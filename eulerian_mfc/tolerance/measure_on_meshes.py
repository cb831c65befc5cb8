"""The bracket of a solution where only meshes give a cost: every source of error is measured on a finer or larger mesh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..diagnostics.error_in_time import FEW, halved, squared_distance
from ..diagnostics.finer_mesh import finer
from ..flow.resolution import REFUSED, substeps_for
from ..meshes import CartesianMesh
from ..solvers import default_solver
from ..solvers.record import Callback
from ..system.discretisation import Discretisation
from ..system.optimality import OptimalitySystem

#: cells per axis are multiplied by this factor to see their error, the box is longer by this share on every side, and substeps
#: are multiplied by this factor
CELLS, LARGER, SUBSTEPS = 1.5, 0.2, 2
#: differences are multiplied by these factors: that of the cells is right for the order 3, that of the substeps for the order 2,
#: and both are nearly 1 for the orders that smooth problems have
OF_CELLS, OF_SUBSTEPS, OF_TIME, OF_BOX, OF_LEVELS = 1.45, 1.34, 1.4, 2.0, 1.34
#: relative round-off of a cost
ROUND_OFF = 2e-13
#: the sources, in the order in which they are told
SOURCES = ("mesh", "box", "splitting", "levels", "time")


@dataclass(frozen=True)
class Measured:
    """What finer meshes, a larger box, more substeps and a richer control change at a control.

    Attributes
    ----------
    cost : the cost of the control on its own mesh.
    sources : by source, the cost minus the better one, with its sign.
    distance : of the control from the best one of the richer space, in L2.
    known : whether the richer control was found; otherwise nothing is known of what it saves.
    """

    cost: float
    sources: Mapping[str, float]
    distance: float
    known: bool

    @property
    def better(self) -> float:
        """The cost of the control without the errors of mesh, box, substeps and the levels of a running cost."""
        return self.cost - sum(self.sources[name] for name in SOURCES[:-1])

    @property
    def rest(self) -> float:
        """A bound of the error of `better`, to leading order."""
        factors = {"mesh": OF_CELLS, "box": OF_BOX, "splitting": OF_SUBSTEPS, "levels": OF_LEVELS}
        rest = sum((factor - 1.0) * abs(self.sources[name]) for name, factor in factors.items())
        return rest + ROUND_OFF * abs(self.cost)

    @property
    def bracket(self) -> tuple[float, float]:
        """`(low, high)`, between which J* lies, to leading order."""
        saved = OF_TIME * abs(self.sources["time"])
        low = self.better - saved - self.rest if self.known else -np.inf
        return float(low), float(self.better + self.rest)

    @property
    def error(self) -> float:
        """A bound of `|J - J*|`."""
        low, high = self.bracket
        return max(abs(self.cost - low), abs(self.cost - high))


def measured_on_meshes(
    system: OptimalitySystem, control: np.ndarray, tolerance: float, walls: bool, callback: Callback
) -> Measured:
    """Measure the error of a control that is optimal for a discrete problem.

    `J - J* = (J - J_fine)(theta) + (J_fine(theta) - J_fine*)`. The first difference comes from forward sweeps: one on a mesh with
    more cells, one on a larger box with cells of the same size, one with more substeps. The second one is what the best control
    on halved layers of a higher degree saves, on the system's own mesh. These layers have other levels at which a running cost
    is evaluated: how this changes the cost of the control is the error of the levels.

    Parameters
    ----------
    system : the discrete problem, on a CartesianMesh.
    control : its best control.
    tolerance : the relative tolerance of the descent in the richer space.
    walls : whether the sides of the box belong to the problem.
    callback : called after every iteration of this descent; it raises a KeyboardInterrupt if the time is over.
    """
    chosen, cost = system.discretisation, system.cost(control).total
    mesh = chosen.mesh
    assert isinstance(mesh, CartesianMesh)
    more = replace(chosen, layer_map=chosen.layer_map.refined(SUBSTEPS))
    accurate = _cost(system, more, control)
    sources = {
        "mesh": cost - _cost(system, chosen.on(finer(mesh, CELLS)), control),
        "box": 0.0 if walls else cost - _cost(system, chosen.on(longer(mesh, LARGER)), control),
        "splitting": cost - accurate,
        "levels": 0.0,
        "time": 0.0,
    }
    curves = system.controls
    ends = halved(curves.ends) if curves.layers <= FEW or curves.regulariser.bounded else curves.ends
    degree = chosen.control_degree + 1
    substeps = more.layer_map if len(ends) == len(curves.ends) else chosen.layer_map
    substeps = substeps.with_substeps(max(substeps.substeps, substeps_for(substeps.method, degree, REFUSED)))
    richer = OptimalitySystem.of(
        system.problem,
        Discretisation(mesh, tuple(ends.tolist()), chosen.transport, chosen.continuity, substeps, degree),
        system.resources,
    )
    first = richer.controls.carried(control, curves)
    try:
        best = default_solver(richer, tolerance).solve(richer, first, callback).control
    except KeyboardInterrupt:
        return Measured(cost, sources, np.inf, known=False)
    here = richer.cost(first).total  # of the same function of time, with the levels of the richer space
    sources["levels"], sources["time"] = accurate - here, here - richer.cost(best).total
    return Measured(cost, sources, np.sqrt(squared_distance(richer, best, system, control)), known=True)


def _cost(system: OptimalitySystem, discretisation: Discretisation, control: np.ndarray) -> float:
    return OptimalitySystem.of(system.problem, discretisation, system.resources).cost(control).total


def longer(mesh: CartesianMesh, share: float) -> CartesianMesh:
    """A box that is longer by a share on every side, with cells of the same size at the same places.

    Parameters
    ----------
    mesh : the mesh.
    share : the share of a side's length, rounded up to whole cells.

    Examples
    --------
    >>> longer(CartesianMesh([(0.0, 1.0)], 10), 0.15).bounds
    ((-0.2, 1.2),)
    """
    spare = np.ceil(share * np.array(mesh.shape)).astype(int)
    sides = np.array(mesh.bounds) + np.array([-1.0, 1.0]) * (spare * mesh.widths)[:, None]
    return CartesianMesh(sides.round(12).tolist(), (np.array(mesh.shape) + 2 * spare).tolist())
