"""The contract of an interpolation: potentials at the nodes -> a function on the whole domain."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np


class Interpolant(ABC):
    """The operator I: values at the nodes `(R, *shape)` -> functions, with values and gradients at any points.

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.CartesianMesh([(0.0, 1.0)], cells=10)
    >>> flow = emfc.flow.Flow(emfc.fields.AffineField(1, matrix=False), emfc.LayerMap("rk4"))
    >>> interpolant = emfc.transport.SemiLagrangian(degree=3).on(mesh, flow).between_nodes()
    >>> values, _ = interpolant.gather(np.array([[0.5]]), interpolant.coefficients(mesh.centres.T**2))
    >>> isinstance(interpolant, emfc.schemes.Interpolant), round(float(values[0, 0]), 12)
    (True, 0.25)
    """

    @abstractmethod
    def coefficients(self, values: np.ndarray) -> np.ndarray:
        """The argument of `gather`, from nodal values `(R, *shape)`; each interpolation has its own shape of it."""

    @abstractmethod
    def gather(
        self, points: np.ndarray, coefficients: np.ndarray, masses: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Values `(R, n)` at points `(n, d)`, and `sum_r m_r grad (I psi_r)` `(n, d)` for masses `(R, n)` (0 by default)."""

    def gradients(self, points: np.ndarray, coefficients: np.ndarray, masses: np.ndarray) -> np.ndarray:
        """`sum_r m_r grad (I psi_r)`, `(n, d)`, at points `(n, d)` for masses `(R, n)`."""
        return self.gather(points, coefficients, masses)[1]


class TangentInterpolant(Interpolant):
    """An interpolation with exact second derivatives.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.CartesianMesh([(0.0, 1.0)], cells=10)
    >>> flow = emfc.flow.Flow(emfc.fields.AffineField(1, matrix=False), emfc.LayerMap("rk4"))
    >>> isinstance(emfc.transport.SemiLagrangian(degree=3).on(mesh, flow).between_nodes(), emfc.schemes.TangentInterpolant)
    True
    """

    @abstractmethod
    def gather_tangent(
        self,
        feet: np.ndarray,
        dfeet: np.ndarray,
        masses: np.ndarray,
        dmasses: np.ndarray,
        coefficients: np.ndarray,
        dcoefficients: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`gather`'s second result `(n, d)`, and the directional derivatives of both results, `(R, n)` and `(n, d)`.

        All arguments of `gather` move: points and their changes are `(n, d)`, masses and their changes `(R, n)`.
        """
