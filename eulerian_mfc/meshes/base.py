"""What a system, a solution and a view need of a mesh."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np


class Mesh(ABC):
    """A mesh of the state space, or the places on it where the unknowns of a pair of schemes live.

    Arrays on a mesh are `(R, *shape)`; `centres` are the points of one field's entries, as rows.

    `centres` and `bounds` are in units of the state.

    Attributes
    ----------
    dim : the dimension d.
    shape : of one field's array; its size is `size`.
    centres : `(size, d)`.
    bounds : (low, high) of every axis.
    """

    #: which schemes live on it: "cartesian" or "simplex"
    kind: ClassVar[str]

    if TYPE_CHECKING:  # not at run time: a dataclass would take an inherited property for a field's default

        @property
        def bounds(self) -> Sequence[tuple[float, float]]:
            """(low, high) of every axis."""

        @property
        def centres(self) -> np.ndarray:
            """`(n, d)`: the points of one field's entries."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """The dimension d."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one field."""

    @property
    def mass_shape(self) -> tuple[int, ...]:
        """Shape of one field of masses."""
        return self.shape

    @property
    def masses_in_cells(self) -> bool:
        """Whether densities are those of the cells; otherwise they are values at the vertices."""
        return True

    @property
    def size(self) -> int:
        """Entries of one field."""
        return int(np.prod(self.shape))

    @property
    def width(self) -> float:
        """The mesh width: the largest of the axes' on boxes, the longest edge on simplices."""
        raise NotImplementedError

    def crossing_rates(self, velocities: np.ndarray) -> np.ndarray:
        """`(cells,)`: cells crossed in a unit of time at velocities `(cells, d)` at the cells' centres."""
        raise NotImplementedError

    def cells_of(self, held: np.ndarray) -> np.ndarray:
        """Booleans an entry of the masses, flat -> `(cells,)`: the cells that they belong to."""
        return held

    @property
    def base(self) -> Mesh:
        """The mesh as the user gave it."""
        return self

    @property
    @abstractmethod
    def title(self) -> str:
        """The mesh in words, for reports and messages."""

    @abstractmethod
    def contains(self, points: np.ndarray) -> np.ndarray:
        """`(n,)` booleans: whether each of the `(n, d)` points lies in the closed domain."""

    @abstractmethod
    def near_boundary(self, cells: int) -> np.ndarray:
        """`(*shape)` booleans, the shape that of the masses: whether an entry lies within `cells` cells of the boundary."""

    @abstractmethod
    def density(self, masses: np.ndarray) -> np.ndarray:
        """Masses `(..., *shape)` -> densities."""

    @abstractmethod
    def spec(self) -> dict[str, object]:
        """JSON-ready part of what rebuilds the mesh, its "type" among it."""

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that rebuild the mesh, beside `spec`: of simplices `points (p, d)` and `cells (n, d + 1)`; of boxes none."""
        return {}
