"""The heat semigroup on the nodes of continuous elements, by a rational approximation of the exponential."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from ..spaces import ElementNodes
from .semigroup import HeatSemigroup

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import SuperLU

#: points of the contour, of which half are solved for: the error is about 3.9^-POINTS
POINTS = 20
#: factorisations for so many variances are kept
KEPT = 4


class HeatOnSimplices(HeatSemigroup):
    """The heat semigroup in the space of continuous elements: `M d psi / dv + K psi = 0` with natural conditions at walls.

    M is scikit-fem's mass matrix, and `K = 1/2 sum_a v_a int d_a phi_i d_a phi_j`. The exponential `exp(-M^{-1} K)` is replaced
    by `sum_j c_j (z_j M + K)^{-1} M` with the points z_j of Weideman's cotangent contour: the error is about 1e-12 for all
    eigenvalues at once, and large ones are damped. Every matrix is factorised once per variance. Walls reflect. Constants and the
    sum of masses stay as they are; masses may become negative.

    Parameters
    ----------
    nodes : the nodes of the elements.

    References
    ----------
    L. N. Trefethen, J. A. C. Weideman, T. Schmelzer, Talbot quadratures and rational approximations, BIT 46 (2006), 653-670,
    doi:10.1007/s10543-006-0077-9.

    Examples
    --------
    >>> import skfem
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.SimplexMesh(skfem.MeshTri().refined(4))
    >>> nodes = emfc.transport.Elements(2).nodes(mesh)
    >>> psi = np.cos(np.pi * nodes.centres[:, 0])[None]
    >>> after = HeatOnSimplices(nodes).potentials(np.array([0.02, 0.02]), psi)
    >>> bool(np.abs(after - np.exp(-0.01 * np.pi**2) * psi).max() < 1e-4)
    True
    """

    def __init__(self, nodes: ElementNodes) -> None:
        self._nodes = nodes
        self._kept: OrderedDict[tuple[float, ...], list[tuple[complex, SuperLU]]] = OrderedDict()

    def potentials(self, variances: np.ndarray, psi: np.ndarray) -> np.ndarray:
        mass, _ = self._matrices
        return self._summed(variances, psi, lambda solve, rows: solve(mass @ rows))

    def masses(self, variances: np.ndarray, masses: np.ndarray) -> np.ndarray:
        mass, _ = self._matrices
        return self._summed(variances, masses, lambda solve, rows: mass @ solve(rows))

    def rate(self, rates: np.ndarray, masses: np.ndarray) -> np.ndarray:
        densities = self._mass_factors.solve(masses.T.astype(np.float64))
        return np.ascontiguousarray(-(self._stiffness(rates) @ densities).T)

    def _stiffness(self, variances: Iterable[float]) -> csc_matrix:
        """`K = 1/2 sum_a v_a int d_a phi_i d_a phi_j`."""
        return sum(0.5 * v * part for v, part in zip(variances, self._matrices[1], strict=True))

    def _summed(
        self,
        variances: np.ndarray,
        values: np.ndarray,
        apply: Callable[[Callable[[np.ndarray], np.ndarray], np.ndarray], np.ndarray],
    ) -> np.ndarray:
        if not np.any(variances):
            return values
        rows, out = values.T.astype(complex), np.zeros(values.T.shape)
        for weight, factors in self._factorised(tuple(np.asarray(variances).tolist())):
            out += (weight * apply(partial(_solved, factors), rows)).real
        return np.ascontiguousarray(out.T)

    def _factorised(self, variances: tuple[float, ...]) -> list[tuple[complex, SuperLU]]:
        from scipy.sparse.linalg import splu  # slow to import

        if variances not in self._kept:
            if len(self._kept) == KEPT:
                self._kept.popitem(last=False)
            mass, whole = self._matrices[0], self._stiffness(variances)
            self._kept[variances] = [(c, splu((z * mass + whole).tocsc())) for z, c in contour(POINTS)]
        return self._kept[variances]

    @cached_property
    def _mass_factors(self) -> SuperLU:
        """The factors of the mass matrix."""
        from scipy.sparse.linalg import splu  # slow to import

        return splu(self._matrices[0])

    @cached_property
    def _matrices(self) -> tuple[csc_matrix, list[csc_matrix]]:
        """The mass matrix, and per axis the matrix of `int d_a phi_i d_a phi_j`."""
        import skfem

        basis = skfem.Basis(self._nodes.mesh.skfem, self._nodes.element)
        mass = skfem.BilinearForm(lambda u, v, _: u * v).assemble(basis).tocsc()
        stiff = [
            skfem.BilinearForm(lambda u, v, _, a=a: u.grad[a] * v.grad[a]).assemble(basis).tocsc()
            for a in range(self._nodes.dim)
        ]
        return mass, stiff


def _solved(factors: SuperLU, rows: np.ndarray) -> np.ndarray:
    return np.asarray(factors.solve(rows))


def contour(points: int) -> list[tuple[complex, complex]]:
    """Points z_j and weights c_j with `exp(-x) = Re sum_j c_j / (z_j + x)` for all `x >= 0`; at x = 0 exactly.

    Parameters
    ----------
    points : the number of points of the whole contour, even; those above the real axis are returned, with doubled weights.

    Examples
    --------
    >>> x = np.array([0.0, 0.1, 1.0, 10.0, 1e6])
    >>> bool(np.abs(sum((c / (z + x)).real for z, c in contour(20)) - np.exp(-x)).max() < 1e-11)
    True
    """
    angles = np.pi * np.arange(1, points, 2) / points
    scaled = 0.6407 * angles
    z = points * (0.5017 * angles / np.tan(scaled) - 0.6122 + 0.2645j * angles)
    slope = points * (0.5017 / np.tan(scaled) - 0.5017 * scaled / np.sin(scaled) ** 2 + 0.2645j)
    weights = 2.0 / points * np.exp(z) * slope / 1j
    weights /= (weights / z).sum().real  # constants stay
    return list(zip(z.tolist(), weights.tolist(), strict=True))
