"""Layers and degrees to try: the first ones, what the user fixed, layers on which bounds leave room, and places of jumps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..control.grid import Grid, layer_ends
from ..diagnostics.error_in_time import ErrorInTime, halved
from ..diagnostics.jump_places import Moved, after_two, extended
from ..errors import ArgumentError
from ..flow.layer_map import LayerMap
from ..flow.resolution import as_layer_map
from ..problem import Problem
from ..system.options import LayerOptions
from ..system.particles import ParticleSystem

#: degrees that are tried on FIRST layers before layers are halved
DEGREES, FIRST = (1, 2, 3), 2
#: layers are halved so often until bounds that depend on time leave room for a control
HALVINGS = 5
#: what moving jumps saves is the first term of a geometric series, of which the ratio is at most SLOWEST; the sum counts so often
SLOWEST, AGAIN = 0.95, 3.0


@dataclass(frozen=True)
class Fixed:
    """What the user chose of the time: layers, degree and layer map; None for what is to be chosen.

    Parameters
    ----------
    layers : the number of layers or their times, or None.
    degree : the degree of the control, or None.
    layer_map : the layer map, or "auto".

    Examples
    --------
    >>> Fixed(layers=4).degree is None
    True
    """

    layers: Grid | None = None
    degree: int | None = None
    layer_map: LayerMap | str = "auto"


def admissible(
    problem: Problem, grid: Grid, layer_map: LayerMap | str, degree: int, fixed: Fixed
) -> tuple[ParticleSystem, Grid]:
    """A system on few points of the law, on layers that are halved until the bounds leave room for a control.

    Parameters
    ----------
    problem : the control problem.
    grid : the layers that are tried first.
    layer_map, degree : see `Discretisation`.
    fixed : what the user chose; layers that were given are not halved.
    """
    options: LayerOptions = {"layer_map": layer_map, "control_degree": degree}
    halvings = HALVINGS if fixed.layers is None and problem.regulariser.varies else 0
    while True:
        try:
            return ParticleSystem(problem, grid, rule=problem.few_points, **options), grid
        except ArgumentError:
            if not halvings:
                raise
            halvings -= 1
            grid = tuple(halved(layer_ends(grid, problem.horizon)).tolist())


def first_layers(problem: Problem) -> Grid:
    """The first layers: equal ones, and ends where penalties or bounds jump.

    Parameters
    ----------
    problem : the control problem.
    """
    breaks, horizon = problem.regulariser.breaks, problem.horizon
    if not breaks.size:
        return FIRST
    equal = np.linspace(0.0, horizon, FIRST + 1)
    far = np.abs(equal[:, None] - breaks).min(axis=1) > 0.1 * horizon / FIRST
    far[[0, -1]] = True
    return tuple(np.sort(np.concatenate([equal[far], breaks])).tolist())


class Places:
    """The places of jumps from round to round: how fast what moving them saves falls, and where secants lead."""

    def __init__(self) -> None:
        self._found: list[tuple[np.ndarray, Moved]] = []

    def seen(self, twin: ParticleSystem, time: ErrorInTime) -> ErrorInTime:
        """The error in time, with the factor that the fall from the last round implies: the rest of a geometric series."""
        self._found.append((twin.controls.ends, time.moved))
        last = self._found[-3:]
        if len(last) < 3 or any(len(ends) != len(twin.controls.ends) for ends, _ in last):
            return time
        before = last[1][1].saved
        ratio = time.moved.saved / before if before > 0.0 else 0.0
        return time._replace(moves=float(AGAIN / (1.0 - min(ratio, SLOWEST))))

    def moved(self, twin: ParticleSystem, control: np.ndarray) -> tuple[tuple[float, ...], np.ndarray]:
        """The ends of layers with jumps in better places, and the control there."""
        ends, found = self._found[-1]
        secant = after_two(*self._found[-2:]) if len(self._found) > 1 else None
        if secant is None:
            return tuple(found.ends.tolist()), found.control
        return tuple(secant.tolist()), extended(twin.controls, ends, secant, control)


def first_degree(relative: float) -> int:
    """The degree that is tried first.

    Parameters
    ----------
    relative : the tolerance of J, relative to its scale.

    Examples
    --------
    >>> first_degree(1e-3), first_degree(1e-6), first_degree(1e-10)
    (1, 2, 3)
    """
    return DEGREES[0] if relative >= 1e-4 else DEGREES[1] if relative >= 1e-9 else DEGREES[2]


def resolved(layer_map: LayerMap | str) -> list[int]:
    """The degrees that the stages of a layer map resolve, of those that are tried; degree 0 if there are none.

    Parameters
    ----------
    layer_map : the layer map, or its name.

    Examples
    --------
    >>> resolved("auto"), resolved("rk4")
    ([1, 2, 3], [1])
    """
    found = []
    for degree in DEGREES:
        try:
            as_layer_map(layer_map, degree)
        except ArgumentError:
            continue
        found.append(degree)
    return found or [0]
