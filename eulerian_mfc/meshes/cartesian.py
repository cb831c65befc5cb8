"""Uniform Cartesian boxes in one, two and three dimensions, with the unknowns at the cell centres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from .._validate import affordable, array, fail, integer, positive, sides
from .base import Mesh


class Law(Protocol):
    """What has a box that holds all but a share of its mass."""

    def box(self, tolerance: float) -> np.ndarray:
        """`(d, 2)`: low and high of every axis."""


class MovingField(Protocol):
    """What moves mass at a bounded speed."""

    @property
    def dim(self) -> int:
        """The dimension d."""

    @property
    def speed_bound(self) -> float | None:
        """A bound of `|F_i|` for all controls; None where there is none."""


@runtime_checkable
class Moved(Protocol):
    """What a box may be asked to cover: a law that a field moves up to a horizon. Every `Problem` is one."""

    @property
    def law(self) -> Law:
        """The law at time 0."""

    @property
    def field(self) -> MovingField:
        """The field."""

    @property
    def horizon(self) -> float:
        """The time up to which the law moves."""


@dataclass(frozen=True)
class CartesianMesh(Mesh):
    """A box cut into equal cells; unknowns live at the cell centres.

    Parameters
    ----------
    bounds : sequence of (low, high), one pair per axis; one to three axes. Units: those of the state.
    cells : number of cells of every axis, or one number an axis.

    Attributes
    ----------
    dim : number of axes d.
    shape : cells per axis, `(n_1, ..., n_d)`; arrays on the mesh are `(R, *shape)`.
    widths : `(d,)`, the cell widths h.
    centres : `(size, d)`, the cell centres as rows, the last axis running fastest.

    Raises
    ------
    ArgumentError
        For bounds without an inside, more than three axes, cells that are no positive integers.

    Examples
    --------
    >>> mesh = CartesianMesh([(-1.0, 1.0)], cells=4)
    >>> mesh.centres[:, 0]
    array([-0.75, -0.25,  0.25,  0.75])
    """

    bounds: Sequence[tuple[float, float]]
    cells: int | Sequence[int] = field(default=100)

    kind: ClassVar[str] = "cartesian"

    def __post_init__(self) -> None:
        box = sides("bounds", self.bounds)
        counts = [self.cells] * len(box) if np.ndim(self.cells) == 0 else list(self.cells)  # type: ignore[arg-type]
        if len(counts) != len(box):
            like = " or ".join(sorted({"cells=100", f"cells={[100] * len(box)}"}))
            raise fail("cells", self.cells, f"one number, or {len(box)} numbers for {len(box)} axes, such as {like}")
        counts = [integer("cells", n) for n in counts]
        affordable("cells", self.cells, prod(counts) * len(counts), "the centres of the cells")
        object.__setattr__(self, "bounds", tuple((float(a), float(b)) for a, b in box))
        object.__setattr__(self, "cells", tuple(counts))

    @property
    def dim(self) -> int:
        return len(self.bounds)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.cells  # type: ignore[return-value]

    @property
    def width(self) -> float:
        return float(self.widths.max())

    def crossing_rates(self, velocities: np.ndarray) -> np.ndarray:
        """`(cells,)`: `max |F_i| / h_i`."""
        return np.asarray((np.abs(velocities) / self.widths).max(axis=1))

    @property
    def title(self) -> str:
        return f"{' x '.join(map(str, self.shape))} cells on {self.bounds}"

    def density(self, masses: np.ndarray) -> np.ndarray:
        """Masses of the cells `(..., *shape)` -> densities."""
        return masses / self.volume

    def spec(self) -> dict[str, object]:
        return {"type": self.kind, "bounds": self.bounds, "cells": self.shape}

    @cached_property
    def widths(self) -> np.ndarray:
        """`(d,)`: the width of a cell along each axis."""
        return np.array([(b - a) / n for (a, b), n in zip(self.bounds, self.shape, strict=True)])

    @property
    def volume(self) -> float:
        """The volume of one cell."""
        return float(np.prod(self.widths))

    def faces(self, axis: int) -> np.ndarray:
        """`(n + 1,)`: the coordinates of the faces across `axis`."""
        return np.linspace(*self.bounds[axis], self.shape[axis] + 1)

    def axis(self, axis: int) -> np.ndarray:
        """`(n,)`: the coordinates of the cell centres along `axis`."""
        (low, _), n = self.bounds[axis], self.shape[axis]
        return low + self.widths[axis] * (np.arange(n) + 0.5)

    @cached_property
    def centres(self) -> np.ndarray:
        """`(cells, d)`: the centres of the cells, the last axis fastest."""
        # Rows to the reader, columns in memory: whole-array operations on one coordinate stay contiguous.
        grid = np.meshgrid(*(self.axis(k) for k in range(self.dim)), indexing="ij")
        return np.stack([g.ravel() for g in grid]).T

    def contains(self, points: np.ndarray) -> np.ndarray:
        """`(n,)` booleans: whether each of the `(n, d)` points lies in the closed box."""
        low, high = np.array(self.bounds).T
        return ((points >= low) & (points <= high)).all(axis=1)

    def near_boundary(self, cells: int) -> np.ndarray:
        """`(*shape)` booleans: the cells within `cells` cells of the boundary."""
        mask = np.ones(self.shape, dtype=bool)
        mask[tuple(slice(cells, max(n - cells, cells)) for n in self.shape)] = False
        return mask

    @classmethod
    def covering(
        cls,
        problem: Moved,
        cells: int | Sequence[int],
        *,
        speed: float | Sequence[float] | None = None,
        tolerance: float = 1e-14,
        margin: int | None = None,
    ) -> CartesianMesh:
        """The box that holds the law moved by at most `T sup|F|`, with cells to spare on every side.

        By default a fifth of the cells, twenty at most: splines of degree 5 feel the boundary by a factor 0.43 a cell.

        Parameters
        ----------
        problem : its law gives the box that holds all mass but `tolerance`, its horizon the time T.
        cells : as for the constructor.
        speed : bound of `|F_i|` (one number, or one an axis), needed where the field has no a priori bound
            (activations that grow, fields that are linear in the control).
        tolerance : share of the mass that may lie outside before it moves.
        margin : cells to spare on every side, less than half of them all.

        Raises
        ------
        ArgumentError
            If the field has no bound of its own and `speed` is not given.
        """
        if not isinstance(problem, Moved):
            raise fail("problem", problem, "a Problem, such as Problem(field, law, loss, penalty, horizon)")
        known = problem.field.speed_bound if speed is None else speed
        if known is None:
            raise fail(
                "speed",
                None,
                f"a bound of |F| on the trajectories: {type(problem.field).__name__} has no bound for all controls",
            )
        speeds = array("speed", known, ndim=(0, 1))
        if (speeds < 0).any() or (speeds.ndim == 1 and len(speeds) != problem.field.dim):
            raise fail("speed", known, f"one number >= 0, or {problem.field.dim} numbers >= 0, one per axis")
        speeds = np.broadcast_to(speeds, problem.field.dim)
        if positive("tolerance", tolerance) >= 1:
            raise fail("tolerance", tolerance, "a share of the mass, less than 1")
        box = problem.law.box(tolerance) + problem.horizon * speeds[:, None] * np.array([-1.0, 1.0])
        return cls.with_margin(box, cells, margin)

    @classmethod
    def with_margin(cls, box: np.ndarray, cells: int | Sequence[int], margin: int | None = None) -> CartesianMesh:
        """A box `(d, 2)` and so many cells around it on every side; `margin` as for `covering`."""
        counts = np.array(cls([(0.0, 1.0)] * len(box), cells).shape)  # checks them
        spared = np.minimum(20, counts // 5) if margin is None else integer("margin", margin, minimum=0)
        if (2 * spared >= counts).any():
            raise fail("margin", margin, f"less than half of the cells {counts.tolist()}")
        spare = (box[:, 1] - box[:, 0]) / (counts - 2 * spared) * spared
        return cls([(a - s, b + s) for (a, b), s in zip(box, spare, strict=True)], cells)
