"""Masses that live in the cells of a box: the part that all finite-volume schemes on boxes share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ..errors import ArgumentError
from ..laws import LabelledRule, ProductRule
from ..meshes import CartesianMesh
from ..meshes.padded import boundary_kinds
from ..schemes import ContinuityOperator, ContinuityScheme, Measure
from .gauss import GaussPoints


class CellOperator(ContinuityOperator):
    """A continuity operator with one mass per cell, `(R, *shape)`; a subclass adds `step`.

    Parameters
    ----------
    scheme : the scheme, whose `boundary` says which axes are periodic.
    mesh : the box.
    signed : whether each field of masses may be negative; fields beyond its length may not.

    Raises
    ------
    ArgumentError
        In `initial`, if the law gives negative masses to a field that may not be negative.

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.CartesianMesh([(-1.0, 1.0)], cells=10)
    >>> flow = emfc.flow.Flow(emfc.fields.AffineField(1, matrix=False), emfc.LayerMap("rk4"))
    >>> layer = emfc.flow.Layer(0.0, 1.0, np.array([0.2]))  # points move by 0.2, one cell
    >>> scheme = emfc.continuity.FiniteVolume("upwind")
    >>> operator = scheme.on(mesh, flow, emfc.transport.SemiLagrangian(1).on(mesh, flow))
    >>> isinstance(operator, emfc.continuity.CellOperator), operator.lines[0][:3].round(6).tolist()  # the faces
    (True, [-1.0, -0.8, -0.6])
    """

    def __init__(self, scheme: ContinuityScheme, mesh: CartesianMesh, signed: Sequence[bool] = ()) -> None:
        self.scheme: ContinuityScheme = scheme
        self.mesh, self.signed = mesh, list(signed)

    @property
    def lines(self) -> list[np.ndarray]:
        """Coordinates at which the indicator functions of the cells jump: the faces, `(n + 1,)` per axis."""
        return [self.mesh.faces(k) for k in range(self.mesh.dim)]

    @property
    def products(self) -> bool:
        return True

    def initial(self, rule: LabelledRule | ProductRule, moments: np.ndarray) -> np.ndarray:
        """Mass of every cell; `moments` `(R, N)` are the c_r at the rule's points, `(R, 1)` for a `ProductRule`."""
        if isinstance(rule, ProductRule):
            lines = [np.bincount(self._cell(k, x), w, self.mesh.shape[k]) for k, (x, w) in enumerate(rule.axes)]
            out = rule.masses(lines, moments)
        else:
            index = np.zeros(len(rule.x), dtype=np.int64)
            for k, n in enumerate(self.mesh.shape):
                index = index * n + self._cell(k, rule.x[:, k])
            out = np.stack([np.bincount(index, weights=row * rule.w, minlength=self.mesh.size) for row in moments])
        for r, field in enumerate(out):
            if not self.may_be_negative(r) and field.min() < -1e-13 * np.abs(field).max():
                raise ArgumentError(f"law: density {r} has a negative mass {field.min():.3e}, expected masses >= 0")
        return out.reshape(-1, *self.mesh.shape)

    def _cell(self, axis: int, x: np.ndarray) -> np.ndarray:
        """The indices of the cells, along an axis, that hold the coordinates."""
        low, n = self.mesh.bounds[axis][0], self.mesh.shape[axis]
        return np.clip(((x - low) / self.mesh.widths[axis]).astype(np.int64), 0, n - 1)

    def may_be_negative(self, r: int) -> bool:
        """Whether field r may be negative."""
        return r < len(self.signed) and self.signed[r]

    def measure(self, masses: np.ndarray) -> Measure:
        """The masses as Gauss points `(n, d)` and weights `(R, n)`: a single point per cell would be of second order only."""
        return Measure(self.points, self._gauss.weights(masses))

    @property
    def points(self) -> np.ndarray:
        """`(n, d)`: the points of `measure`."""
        return self._gauss.points

    @cached_property
    def _gauss(self) -> GaussPoints:
        kinds = boundary_kinds(self.scheme.boundary, self.mesh.dim)
        return GaussPoints(self.mesh, [pair[0] == "periodic" for pair in kinds])
