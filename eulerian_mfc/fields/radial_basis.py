"""Fields of Gaussian bumps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .._validate import array, mismatch, positive
from .base import Spec
from .scalar_basis import ScalarBasisField


@dataclass(frozen=True)
class RadialBasisField(ScalarBasisField):
    """`F(u, x) = sum_k exp(-|x - c_k|^2 / width^2) u_k` with given centres `c_k`, `u_k` in R^d.

    Parameters
    ----------
    centres : `(K, d)`, in units of the state, kept as tuples; m = K d.
    width : one number, in units of the state. A centre at the origin with width 1 is the bump of AgrachevSarychevField.

    Raises
    ------
    ArgumentError
        For centres of another shape, or a width that is not positive.

    References
    ----------
    A. A. Agrachev, A. V. Sarychev, Control on the manifolds of mappings with a view to the deep learning,
    J. Dyn. Control Syst. 28 (2022), 989-1008, doi:10.1007/s10883-021-09561-2. (its bumps)

    Examples
    --------
    >>> from eulerian_mfc.fields import RadialBasisField
    >>> field = RadialBasisField([[0.0, 0.0], [9.0, 0.0]], width=0.5)
    >>> field(0.0, np.array([1.0, 2.0, 3.0, 4.0]), np.array([[0.0, 0.0]])).tolist()  # the second bump is far away
    [[1.0, 2.0]]
    """

    centres: Sequence[Sequence[float]]
    width: float = 1.0

    def __post_init__(self) -> None:
        centres = array("centres", self.centres, ndim=2, like="centres=[[-1.0], [1.0]], one row per centre")
        if not centres.size or len(np.unique(centres, axis=0)) < len(centres):
            raise mismatch(
                "centres",
                f"{len(centres)} rows, which are not distinct, or empty",
                "at least one centre, as distinct rows (K, d)",
            )
        object.__setattr__(self, "centres", tuple(map(tuple, centres.tolist())))
        object.__setattr__(self, "width", positive("width", self.width))

    @property
    def dim(self) -> int:  # type: ignore[override]
        return len(self.centres[0])

    @property
    def basis_names(self) -> tuple[str, ...]:
        return tuple(f"bump{k + 1}" for k in range(len(self.centres)))

    @cached_property
    def _centres(self) -> np.ndarray:
        """The centres, `(K, d, 1)`."""
        return np.array(self.centres)[:, :, None]

    def _offsets(self, x: np.ndarray) -> np.ndarray:
        """`(K, d, n)`: `(x - c_k) / width`."""
        return (x.T - self._centres) / self.width

    def basis(self, x: np.ndarray) -> np.ndarray:
        return np.exp(-(self._offsets(x) ** 2).sum(axis=1))

    def basis_gradients(self, x: np.ndarray) -> np.ndarray:
        z = self._offsets(x)
        return (-2.0 / self.width) * np.exp(-(z**2).sum(axis=1))[:, None] * z

    def basis_curvature(self, x: np.ndarray, weights: np.ndarray, dx: np.ndarray) -> np.ndarray:
        z, dz = self._offsets(x), dx.T / self.width
        scaled = (2.0 / self.width) * weights * np.exp(-(z**2).sum(axis=1))
        return np.einsum("kn,kdn->dn", 2.0 * scaled * np.einsum("kdn,dn->kn", z, dz), z) - scaled.sum(axis=0) * dz

    def raised(self, extra: int) -> RadialBasisField:
        """The bumps in the larger space around the same centres, with zeros for the new coordinates."""
        return RadialBasisField([(*centre, *([0.0] * extra)) for centre in self.centres], self.width)

    def spec(self) -> Spec:
        return {"type": "radial_basis", "centres": [list(c) for c in self.centres], "width": self.width}
