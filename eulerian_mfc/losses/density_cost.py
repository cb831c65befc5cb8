"""Costs that depend on the density of the states itself: the contract, and the values that they see."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import ClassVar, TypeVar

import numpy as np

from .._validate import mismatch
from .base import Loss, by_labels
from .separable import Separable, of_states

Derived = TypeVar("Derived")


class StateGrid:
    """The points at which a density is known.

    Parameters
    ----------
    points : `(n, d)`; on a tensor grid the last axis runs fastest.
    volumes : `(n,)`, the volume that belongs to each point.
    axes : on a tensor grid with equal distances, the coordinates along each axis; empty on other meshes.

    Raises
    ------
    ArgumentError
        If the volumes are not one number per point, or the axes do not make this number of points.

    Examples
    --------
    >>> grid = StateGrid(np.array([[0.25], [0.75]]), np.full(2, 0.5), (np.array([0.25, 0.75]),))
    >>> len(grid.points), float(grid.volumes.sum())
    (2, 1.0)
    """

    def __init__(self, points: np.ndarray, volumes: np.ndarray, axes: tuple[np.ndarray, ...] = ()) -> None:
        if np.shape(volumes) != (len(points),):
            raise mismatch(
                "volumes", f"an array of shape {np.shape(volumes)}", f"one number for each of {len(points)} points"
            )
        if axes and (len(axes) != points.shape[1] or prod(map(len, axes)) != len(points)):
            told = " x ".join(str(len(axis)) for axis in axes)
            raise mismatch(
                "axes", f"a grid of {told} points", f"one of {len(points)} points in dimension {points.shape[1]}"
            )
        self.points, self.volumes, self.axes = points, volumes, axes
        self._kept: dict[Hashable, object] = {}

    def derived(self, key: Hashable, make: Callable[[], Derived]) -> Derived:
        """What a cost makes of these points, such as a target's density there: made once per key and kept with the grid."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]  # type: ignore[return-value]


@dataclass(frozen=True, eq=False)
class StateDensity:
    """The law of X(t) on a mesh, as point masses; divided by volumes these are a density.

    Masses are integrals of the mesh's basis functions. Those of high degree take negative values, so that masses may be negative.

    Parameters
    ----------
    grid : the points with their volumes.
    masses : `(n,)`; their sum is the mass of the law.

    Examples
    --------
    >>> density = StateDensity(StateGrid(np.array([[0.25], [0.75]]), np.full(2, 0.5)), np.array([0.25, 0.75]))
    >>> density.values.tolist()
    [0.5, 1.5]
    """

    grid: StateGrid
    masses: np.ndarray

    @property
    def points(self) -> np.ndarray:
        """`(n, d)`: the points."""
        return self.grid.points

    @property
    def volumes(self) -> np.ndarray:
        """`(n,)`: the volumes of the points."""
        return self.grid.volumes

    @cached_property
    def values(self) -> np.ndarray:
        """`(n,)`: the density, `masses / volumes`."""
        return self.masses / self.grid.volumes


class DensityCost(Loss):
    """A cost `G(mu)` of the law of the states, which is not an integral of a function of the state.

    It is passed as a loss: as the final cost `loss=`, as the cost per unit of time `running=`, or as a term of a sum such as
    `losses.SquaredLoss() + 0.1 * losses.Congestion()`. A subclass defines `cost` and `potential`. A subclass of
    `SmoothDensityCost` defines `tangent` too, with which products with the Hessian of J are exact; else they are differenced.
    The derivatives are compared with differences when a system is built.

    Attributes
    ----------
    at_nodes : whether the cost uses masses as point masses and never divides by volumes. On simplices it then sees all nodes
        of the elements, with the integrals of their basis functions as volumes, which may be zero. Else it sees the vertices,
        with the masses of the hat functions, so that `masses / volumes` is a weighted mean of the density.

    Notes
    -----
    Particles have no density, so particle twins, error budgets, solves to a tolerance and local refinement refuse such costs.

    References
    ----------
    docs/costs_of_the_density.md.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> class Cubic(emfc.losses.DensityCost):
    ...     def cost(self, density):
    ...         return float(density.volumes @ density.values**3)
    ...     def potential(self, density):
    ...         return 3.0 * density.values**2
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), [[0.0]])
    >>> problem = emfc.Problem(emfc.fields.AffineField(1), law, Cubic(), penalty=1.0, horizon=1.0)
    >>> system = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-6.0, 6.0)], 60), layers=2)
    >>> system.cost_and_gradient(0.1)[1].shape
    (2, 2)
    """

    at_nodes: ClassVar[bool] = False

    @abstractmethod
    def cost(self, density: StateDensity) -> float:
        """G at a law."""

    @abstractmethod
    def potential(self, density: StateDensity) -> np.ndarray:
        """`(n,)`: the derivatives of G in the masses, `dG = sum_j potential_j dmasses_j`."""

    def check(self, density: StateDensity) -> None:
        """Raise an ArgumentError if the cost is not defined on the points of a mesh; `density` is the initial law there."""

    def check_dim(self, dim: int) -> None:
        """Raise an ArgumentError if the cost is not defined for states of this dimension."""

    def notes(self, density: StateDensity) -> tuple[str, ...]:
        """What a user must know about the value at this law, in words; empty by default."""
        return ()

    def value(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """`(n,)` zeros: the cost has no part that is a function of states `(n, d)` and labels `(n, q)`."""
        return np.zeros(len(x))

    def gradient(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """`(n, d)` zeros, as `value`."""
        return np.zeros(x.shape)

    def separate(self, dim: int, label_dim: int, labels: np.ndarray | None, form: str) -> Separable:
        self.check_dim(dim)
        if form == "labels" and labels is not None:
            return by_labels(self, labels)
        return of_states(lambda x: np.zeros(len(x)), np.zeros_like)


class SmoothDensityCost(DensityCost):
    """A cost of the density with second derivatives.

    Examples
    --------
    >>> from eulerian_mfc.losses import Congestion, SmoothDensityCost
    >>> isinstance(Congestion(), SmoothDensityCost)
    True
    """

    @abstractmethod
    def tangent(self, density: StateDensity, dmasses: np.ndarray) -> np.ndarray:
        """`(n,)`: the change of `potential` for a change `(n,)` of the masses."""


def density_costs(loss: Loss) -> list[tuple[float, DensityCost]]:
    """The costs of the density among the terms of a loss, with their weights.

    Parameters
    ----------
    loss : a loss.

    Examples
    --------
    >>> from eulerian_mfc.losses import Congestion, SquaredLoss
    >>> [(weight, type(cost).__name__) for weight, cost in density_costs(SquaredLoss() + 0.5 * Congestion())]
    [(0.5, 'Congestion')]
    """
    return [(weight, term) for weight, term in loss.terms if isinstance(term, DensityCost)]


def same_dim(what: str, found: int, dim: int) -> None:
    """Raise an ArgumentError if a target does not have the dimension of the state.

    Parameters
    ----------
    what : the target in words.
    found : its dimension.
    dim : the dimension of the state.

    Examples
    --------
    >>> same_dim("a law", 2, 2)
    """
    if found != dim:
        raise mismatch("target", f"{what} in dimension {found}", f"the dimension {dim} of the state")
