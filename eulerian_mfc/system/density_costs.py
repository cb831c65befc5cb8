"""Costs of the density on a mesh: their values, their potentials, and the derivatives of these."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .._validate import mismatch
from ..errors import NonFiniteError
from ..losses import DensityCost, Loss, SmoothDensityCost, StateDensity, StateGrid, density_costs
from ..meshes import CartesianMesh, Mesh
from ..problem import Problem
from ..spaces import ElementNodes

#: masses are changed by this share of themselves in the check of a cost's derivatives, which may differ by the tolerance from
#: differences, relative to the sum of the moduli of the terms
STEP, AGREEMENT = 1e-4, 1e-5


class StateView:
    """The law of the states on a mesh, as costs of the density see it: a linear map of the masses, and its transpose.

    Parameters
    ----------
    mesh : the mesh as the pair of schemes sees it.
    total : `(R,)` coefficients such that `sum_r total_r m_r` is the law of the states.
    at_nodes : whether masses are seen as point masses at the nodes, see `losses.DensityCost`.

    Raises
    ------
    ArgumentError
        If masses and potentials of the pair live at different points.
    """

    def __init__(self, mesh: Mesh, total: np.ndarray, at_nodes: bool) -> None:
        if mesh.mass_shape != mesh.shape:
            wanted = "a pair whose masses and potentials live at the same points, such as transport.Elements() alone"
            raise mismatch("continuity", "masses in cells and potentials at nodes, for a cost of the density", wanted)
        self._mesh, self._total = mesh, total
        self._hats = mesh.hats if isinstance(mesh, ElementNodes) and not at_nodes else None
        if isinstance(mesh, CartesianMesh):
            axes = tuple(mesh.axis(k) for k in range(mesh.dim))
            self.grid = StateGrid(mesh.centres, np.full(mesh.size, mesh.volume), axes)
        elif isinstance(mesh, ElementNodes):
            points = mesh.centres if at_nodes else mesh.mesh.points
            self.grid = StateGrid(points, mesh.basis_volumes if at_nodes else mesh.hat_volumes)
        else:
            self.grid = StateGrid(mesh.centres, np.asarray(mesh.base.volumes))  # type: ignore[attr-defined]

    def masses(self, fields: np.ndarray) -> np.ndarray:
        """`(n,)`: the masses of the states' law, from masses `(R, *shape)`."""
        summed = self._total @ fields.reshape(len(fields), -1)
        return summed if self._hats is None else np.asarray(self._hats @ summed)

    def potentials(self, potential: np.ndarray) -> np.ndarray:
        """`(R, *shape)`: the derivatives in the masses `(R, *shape)`, from those in `masses`, `(n,)`."""
        nodal = potential if self._hats is None else np.asarray(self._hats.T @ potential)
        return np.multiply.outer(self._total, nodal.reshape(self._mesh.shape))


class DensityCosts:
    """The costs of the density among the terms of a loss, on a mesh: `G(m) = sum_i w_i G_i(sum_r total_r m_r)`.

    Parameters
    ----------
    terms : the costs with their weights; at least one.
    mesh : the mesh as the pair of schemes sees it.
    total : `(R,)`, see `losses.Separable`.
    first : masses `(R, *shape)` at time 0, at which the costs are checked.

    Raises
    ------
    ArgumentError
        If a cost is not defined on this mesh, or its derivatives differ from differences.

    References
    ----------
    docs/costs_of_the_density.md.
    """

    def __init__(
        self, terms: Sequence[tuple[float, DensityCost]], mesh: Mesh, total: np.ndarray, first: np.ndarray
    ) -> None:
        self._terms = terms
        self._views = {kind: StateView(mesh, total, kind) for kind in {cost.at_nodes for _, cost in terms}}
        #: whether every cost has second derivatives
        self.smooth = all(isinstance(cost, SmoothDensityCost) for _, cost in terms)
        self._known: tuple[np.ndarray, np.ndarray] | None = None
        for _, cost in terms:
            density = self._seen(cost, first)
            cost.check(density)
            check_derivatives(cost, density)

    @classmethod
    def of(cls, loss: Loss | None, problem: Problem, mesh: Mesh, first: np.ndarray) -> DensityCosts | None:
        """Those of a loss of a problem; None if it has none."""
        terms = [] if loss is None else density_costs(loss)
        return cls(terms, mesh, problem.separable.total, first) if terms else None

    def _seen(self, cost: DensityCost, masses: np.ndarray) -> StateDensity:
        view = self._views[cost.at_nodes]
        return StateDensity(view.grid, view.masses(masses))

    def value(self, masses: np.ndarray) -> float:
        """`G(m)` at masses `(R, *shape)`."""
        return sum(weight * float(cost.cost(self._seen(cost, masses))) for weight, cost in self._terms)

    def potentials(self, masses: np.ndarray) -> np.ndarray:
        """`(R, *shape)`: the derivatives of G in the masses.

        Raises
        ------
        NonFiniteError
            If they are not finite.
        """
        if self._known is None or not np.array_equal(self._known[0], masses):
            out = np.zeros_like(masses)
            for weight, cost in self._terms:
                potential = np.asarray(cost.potential(self._seen(cost, masses)))
                out += weight * self._views[cost.at_nodes].potentials(potential)
            if not np.isfinite(out).all():
                raise NonFiniteError("the derivative of a cost of the density is not finite")
            self._known = masses.copy(), out
        return self._known[1]

    def tangent(self, masses: np.ndarray, dmasses: np.ndarray) -> np.ndarray:
        """`(R, *shape)`: the change of `potentials` for a change of the masses."""
        out = np.zeros_like(dmasses)
        for weight, cost in self._terms:
            assert isinstance(cost, SmoothDensityCost)
            view = self._views[cost.at_nodes]
            out += weight * view.potentials(cost.tangent(self._seen(cost, masses), view.masses(dmasses)))
        return out

    def scale(self, masses: np.ndarray) -> float:
        """The sum of the moduli of the terms `potentials * masses`, with that of G."""
        return float(np.abs(self.potentials(masses) * masses).sum()) + abs(self.value(masses))

    def notes(self, masses: np.ndarray) -> list[str]:
        """What a user must know about the values at these masses, in words."""
        return [note for _, cost in self._terms for note in cost.notes(self._seen(cost, masses))]


def check_derivatives(cost: DensityCost, density: StateDensity) -> None:
    """Compare a cost's derivatives with differences, in the direction of masses that change by random shares of themselves.

    Parameters
    ----------
    cost : a cost of the density.
    density : a law on the mesh.

    Raises
    ------
    ArgumentError
        If shapes or values are wrong.
    """
    name, masses = type(cost).__name__, density.masses
    direction = masses * np.random.default_rng(0).uniform(-1.0, 1.0, size=len(masses))

    def shifted(share: float) -> StateDensity:
        return StateDensity(density.grid, masses + share * direction)

    def difference(of: Callable[[StateDensity], np.ndarray]) -> np.ndarray:
        return (of(shifted(STEP)) - of(shifted(-STEP))) / (2.0 * STEP)

    potential = _checked(f"{name}.potential", cost.potential(density), masses.shape)
    terms = potential * direction
    value = np.asarray(cost.cost(density), dtype=np.float64)
    scale = float(np.abs(terms).sum() + abs(value))
    _compare(f"{name}.potential", terms.sum(), difference(lambda d: np.asarray(cost.cost(d))), scale)
    if isinstance(cost, SmoothDensityCost):
        tangent = _checked(f"{name}.tangent", cost.tangent(density, direction), masses.shape)
        scale = float(max(np.abs(tangent).max(), np.abs(potential).max()))
        _compare(f"{name}.tangent", tangent, difference(cost.potential), scale)


def _checked(name: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if np.shape(values) != shape:
        raise mismatch(name, f"an array of shape {np.shape(values)}", f"the shape {shape} of the masses")
    if not np.isfinite(values).all():
        raise mismatch(name, "values that are not finite at the initial law", "finite values")
    return np.asarray(values, dtype=np.float64)


def _compare(name: str, found: np.ndarray, expected: np.ndarray, scale: float) -> None:
    gap = float(np.abs(found - expected).max())
    if not gap <= AGREEMENT * scale:
        told = f"a derivative that differs from a finite difference by {gap:.1e}, of terms of size {scale:.1e}"
        raise mismatch(name, told, "the derivative of the cost in the masses")
