"""The base class of meshes: what a system, a solution and a view need of a mesh."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np

Derived = TypeVar("Derived")


class Mesh(ABC):
    """A mesh of the state space, or the points on it at which the unknowns of a pair of schemes are.

    Arrays on a mesh are `(R, *shape)` for R fields; `centres` are the points of one field's entries, as rows.

    `centres` and `bounds` are in units of the state.

    Attributes
    ----------
    dim : the dimension d.
    shape : the shape of one field's array; it has `size` entries.
    centres : `(size, d)`.
    bounds : (low, high) of every axis.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> mesh: emfc.meshes.Mesh = emfc.CartesianMesh([(-1, 1), (0, 1)], cells=(4, 2))
    >>> mesh.dim, mesh.shape, mesh.size, mesh.width
    (2, (4, 2), 8, 0.5)
    >>> mesh.contains([[0.0, 0.5], [0.0, 2.0]]).tolist()
    [True, False]
    """

    #: which schemes work on it: those for "cartesian" or those for "simplex"
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
        """The mesh width: on boxes the largest over the axes, on simplices the longest edge."""
        raise NotImplementedError

    def crossing_rates(self, velocities: np.ndarray) -> np.ndarray:
        """`(cells,)`: cells crossed in a unit of time at velocities `(cells, d)` at the cells' centres."""
        raise NotImplementedError

    def cells_of(self, held: np.ndarray) -> np.ndarray:
        """Booleans per cell `(cells,)` from booleans per entry of the masses (flat)."""
        return held

    @property
    def base(self) -> Mesh:
        """The mesh as the user gave it."""
        return self

    @property
    @abstractmethod
    def title(self) -> str:
        """A description of the mesh, for reports and messages."""

    @abstractmethod
    def contains(self, points: np.ndarray) -> np.ndarray:
        """`(n,)` booleans: whether each of the `(n, d)` points lies in the closed domain."""

    @abstractmethod
    def near_boundary(self, cells: int) -> np.ndarray:
        """`(*mass_shape)` booleans: whether an entry of the masses lies within `cells` cells of the boundary."""

    @abstractmethod
    def density(self, masses: np.ndarray) -> np.ndarray:
        """Masses `(..., *shape)` -> densities."""

    @abstractmethod
    def spec(self) -> dict[str, object]:
        """The JSON-ready data from which the mesh can be rebuilt; "type" is one of the keys."""

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that rebuild the mesh, together with `spec`.

        Of simplices they are `points (p, d)` and `cells (n, d + 1)`; boxes do not need arrays.
        """
        return {}

    def derived(self, key: Hashable, make: Callable[[], Derived]) -> Derived:
        """What others make of this mesh, made once per key and kept as long as the mesh is."""
        kept = self.__dict__.setdefault("_derived", {})
        if key not in kept:
            kept[key] = make()
        return kept[key]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.title}>"
