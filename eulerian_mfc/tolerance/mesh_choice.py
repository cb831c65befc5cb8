"""The choice of box and cells: the coarsest mesh whose cost agrees with that of the same control without a mesh."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from ..errors import NonFiniteError
from ..meshes import CartesianMesh
from ..system.controlled import ControlledSystem
from ..system.optimality import OptimalitySystem
from .goal import Clock
from .pilot import Pilot

#: the mesh may be this share of the tolerance away at the pilot's control
SHARE = 0.35
#: share of the mass, weighted by its loss, that may leave the box, relative to the tolerance; and its least and largest value
OUTSIDE, LEAST, LARGEST = 1e-3, 1e-14, 1e-9
#: the first mesh has this many cells per standard deviation of the law, at least and at most so many per axis
PER_DEVIATION, FEWEST, MOST = 2.0, 12, 64
#: splines of degree 5 feel the boundary by this factor per cell; at the box it may matter by this share of the tolerance, for
#: the mass within so many cells of the side; the fewest and most cells to spare on every side
DECAY, NEAR, CLOSE, FEWEST_SPARE, MOST_SPARE = 0.43, 0.05, 3.0, 3, 30
#: an axis is refined by this factor to see what it contributes
TRIED = 1.5
#: the orders of convergence that are believed, and the largest factor by which cells are multiplied at once
ORDERS, FACTOR = (2.0, 6.0), 2.5
#: the largest number of meshes that are tried, and of cells per axis; the search ends where the error falls this slowly twice
TRIALS, MOST_CELLS, SLOW = 12, 20_000, 0.5
#: densities, potentials and what a gradient keeps, in numbers per cell, field and level in time
NUMBERS = 4

#: what makes meshes converge slowly
HINT = "labels that jump need `breaks`"
#: why there is no finer mesh, if it needs too much memory
FULL = "the memory does not suffice for a finer mesh (memory=)"
#: mesh -> the discrete problem on it
Build = Callable[[CartesianMesh], OptimalitySystem]


class Box:
    """The box of the trajectories without those that matter too little, and the mass near its sides.

    Along every axis, points whose weight times `1 + loss / scale` adds up to a share of the tolerance may leave the box.

    Parameters
    ----------
    pilot : points of the law and the control that moves them.
    relative : the tolerance of J, relative to its scale.

    Attributes
    ----------
    sides : `(d, 2)`.
    """

    def __init__(self, pilot: Pilot, relative: float) -> None:
        twin = pilot.twin
        states = twin.states(pilot.control)
        sizes = np.abs(twin.terminal(states[-1])[0].value(states[-1], twin.rule.y)) / pilot.scale
        self._weights = np.abs(twin.rule.w) * (1.0 + sizes)
        self._edges = np.stack([states.min(axis=0), -states.max(axis=0)], axis=2)  # (points, d, 2)
        self._goal = NEAR * relative
        allowed = float(np.clip(OUTSIDE * relative, LEAST, LARGEST))
        inner = np.array([[self._quantile(edge, allowed) for edge in axis] for axis in self._edges.transpose(1, 2, 0)])
        law = twin.problem.law.box(allowed) * (1.0, -1.0)
        self.sides = np.minimum(inner, law) * (1.0, -1.0)

    def _quantile(self, edge: np.ndarray, share: float) -> float:
        order = np.argsort(edge)
        place = int(np.searchsorted(np.cumsum(self._weights[order]), share))
        return float(edge[order[min(place, len(order) - 1)]])

    def spare(self, widths: np.ndarray) -> np.ndarray:
        """`(d,)`: cells to spare on every side, so that what splines feel of the boundary is below the tolerance.

        Parameters
        ----------
        widths : `(d,)`, the widths of cells.
        """
        reach = self.sides * (1.0, -1.0) + CLOSE * widths[:, None]
        near = np.array(
            [[self._weights[self._edges[:, a, k] <= reach[a, k]].sum() for k in (0, 1)] for a in range(len(widths))]
        )
        needed = np.log(np.maximum(near.max(axis=1) / self._goal, 1.0)) / -np.log(DECAY)
        return np.clip(np.ceil(needed), FEWEST_SPARE, MOST_SPARE).astype(int)


def first_cells(problem_sizes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """`(d,)`: the cells of the first mesh, without those to spare.

    Parameters
    ----------
    problem_sizes : `(d,)`, the standard deviations of the law.
    box : `(d, 2)`.

    Examples
    --------
    >>> first_cells(np.array([1.0]), np.array([[-8.0, 8.0]])).tolist()
    [32]
    """
    deviations = (box[:, 1] - box[:, 0]) / problem_sizes
    return np.clip(np.ceil(PER_DEVIATION * deviations), FEWEST, MOST).astype(int)


def mesh_with(box: Box, cells: np.ndarray) -> CartesianMesh:
    """The mesh that covers a box with cells, and has cells to spare on every side.

    Parameters
    ----------
    box : the box; a coordinate that does not vary gets a length.
    cells : `(d,)`, the number of cells in the box.
    """
    lengths = box.sides[:, 1] - box.sides[:, 0]
    longest = float(lengths.max()) or 1.0
    lengths = np.where(lengths > 1e-9 * longest, lengths, longest)
    middles, widths = box.sides.mean(axis=1), lengths / cells
    spare = box.spare(widths)
    half = 0.5 * lengths + spare * widths
    return CartesianMesh(list(zip(middles - half, middles + half, strict=True)), (cells + 2 * spare).tolist())


class MeshChoice:
    """Meshes on one box, from coarse to fine.

    Parameters
    ----------
    build : mesh -> the discrete problem on it.
    box : the box that the meshes cover.
    control : the control at which costs are compared.
    exact : the cost of this control without a mesh.
    target : the tolerance of J.
    memory : bytes that densities may use.
    clock : the cap of seconds: when it is over, no further mesh is begun.

    Attributes
    ----------
    stopped_by : why no finer mesh is taken; None if the last mesh is good enough.

    Raises
    ------
    NonFiniteError
        If not even the coarsest mesh can be evaluated.
    """

    def __init__(
        self, build: Build, box: Box, control: np.ndarray, exact: float, target: float, memory: int, clock: Clock
    ) -> None:
        self._build, self._box, self._control, self._exact = build, box, control, exact
        self._goal, self._memory, self._clock = SHARE * target, memory, clock
        self.stopped_by: str | None = None

    def __call__(self, cells: np.ndarray) -> OptimalitySystem:
        """The discrete problem on the coarsest mesh that is good enough, from `cells` `(d,)` on."""
        system, error = self._tried(cells)
        order = float(ORDERS[1])
        shape = self._shape(cells, system, error) if len(cells) > 1 and abs(error) > self._goal else np.ones(len(cells))
        slow = 0
        for _ in range(TRIALS):
            if abs(error) <= self._goal:
                break
            factor = (abs(error) / self._goal) ** (1.0 / order) * 1.05
            finer = np.ceil(cells * np.clip(factor, 1.15, FACTOR) * shape).astype(int)
            self.stopped_by = self._held(finer, system)
            if self.stopped_by is not None:
                break
            shape = np.ones(len(cells))
            try:
                system, new = self._tried(finer)
            except (MemoryError, NonFiniteError) as problem:
                self.stopped_by = no_finer(problem)
                break
            slow = slow + 1 if abs(new) > SLOW * abs(error) else 0
            if slow == 2:
                self.stopped_by = f"finer meshes do not bring the cost closer to that without a mesh; {HINT}"
                break
            grown = float(np.log(prod(finer) / prod(cells)) / len(cells))
            if new != 0.0:
                order = float(np.clip(np.log(abs(error / new)) / grown, *ORDERS))
            cells, error = finer, new
        return system

    def _tried(self, cells: np.ndarray) -> tuple[OptimalitySystem, float]:
        system = self._build(mesh_with(self._box, cells))
        return system, system.cost(self._control).total - self._exact

    def _shape(self, cells: np.ndarray, system: OptimalitySystem, error: float) -> np.ndarray:
        """`(d,)`: factors with the geometric mean 1 that give every axis the same contribution to the error."""
        parts = []
        for axis in range(len(cells)):
            finer = cells.copy()
            finer[axis] = int(np.ceil(TRIED * finer[axis]))
            if self._held(finer, system) is not None:
                return np.ones(len(cells))
            try:
                parts.append(abs(error - self._tried(finer)[1]))
            except (MemoryError, NonFiniteError):
                return np.ones(len(cells))
        wanted = np.maximum(parts, 1e-6 * max(parts) + np.finfo(float).tiny) ** (1.0 / ORDERS[1])
        return np.clip(wanted / np.exp(np.log(wanted).mean()), 0.7, 1.5)

    def _held(self, cells: np.ndarray, system: OptimalitySystem) -> str | None:
        """Why a mesh with so many cells in the box is not tried; None if it is."""
        if self._clock.over:
            return self._clock.reason
        if (cells > MOST_CELLS).any():
            return f"a finer mesh would have more than {MOST_CELLS} cells along an axis; {HINT}"
        return FULL if np.prod(cells + 2.0 * FEWEST_SPARE) > most_cells(system, self._memory) else None


def most_cells(system: ControlledSystem, memory: int) -> int:
    """The largest number of cells for which densities and potentials of all times need at most so much memory.

    Parameters
    ----------
    system : the discrete problem, on a mesh of another size or without a mesh.
    memory : bytes.
    """
    return int(memory / (8.0 * NUMBERS * len(system.problem.separable.names) * (system.steps + 1)))


def no_finer(error: MemoryError | NonFiniteError) -> str:
    """Why there is no finer mesh, in words.

    Parameters
    ----------
    error : what building the mesh or evaluating on it raised.
    """
    return FULL if isinstance(error, MemoryError) else f"a finer mesh cannot be evaluated: {error}"
