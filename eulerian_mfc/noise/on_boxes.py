"""The heat semigroup on boxes: exact, by cosine transforms with reflecting sides and by Fourier transforms on periodic axes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from scipy import fft

from ..meshes import CartesianMesh
from .semigroup import HeatSemigroup

#: the factors of so many variances are kept
KEPT = 32


class HeatOnBoxes(HeatSemigroup):
    """The heat semigroup for values at the centres of equal cells.

    Values are the coefficients of a trigonometric interpolant with reflecting sides (even about them) or of a periodic one. Each
    mode `cos(k x)` or `exp(i k x)` is multiplied by `exp(-k^2 v / 2)`: for the interpolant this is exact. The map is symmetric,
    keeps constants and sums, and `H(u) H(v) = H(u + v)`. With `differences`, `k^2` is that of second differences,
    `(2 / h sin(k h / 2))^2`: values that are not negative stay so, up to round-off, and the order in the mesh width h is 2.

    Parameters
    ----------
    mesh : the box with its cells.
    periodic : whether each axis is periodic; otherwise its sides reflect.
    differences : whether to use the eigenvalues of second differences.

    References
    ----------
    G. Strang, The discrete cosine transform, SIAM Rev. 41 (1999), 135-147, doi:10.1137/S0036144598336745.

    Examples
    --------
    The variance of a law grows by that of the noise:

    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.CartesianMesh([(-8.0, 8.0)], cells=80)
    >>> x, heat = mesh.centres[:, 0], HeatOnBoxes(mesh, [False])
    >>> masses = np.exp(-0.5 * x**2)[None] / np.exp(-0.5 * x**2).sum()
    >>> round(float(heat.masses(np.array([0.25]), masses)[0] @ x**2), 10)
    1.25
    """

    def __init__(self, mesh: CartesianMesh, periodic: Sequence[bool], differences: bool = False) -> None:
        self._shape, self._periodic = mesh.shape, tuple(periodic)
        self._rates = [
            _rates(cells, width, around, differences)
            for cells, width, around in zip(mesh.shape, mesh.widths.tolist(), periodic, strict=True)
        ]
        self._kept: OrderedDict[tuple[int, float], np.ndarray] = OrderedDict()

    def potentials(self, variances: np.ndarray, psi: np.ndarray) -> np.ndarray:
        out = psi
        for axis, variance in enumerate(np.asarray(variances).tolist()):
            if variance:
                out = self._along(axis, self._factors(axis, variance), out)
        return out

    def masses(self, variances: np.ndarray, masses: np.ndarray) -> np.ndarray:
        return self.potentials(variances, masses)

    def rate(self, rates: np.ndarray, masses: np.ndarray) -> np.ndarray:
        parts = [
            self._along(axis, self._over(axis, -0.5 * rate * self._rates[axis]), masses)
            for axis, rate in enumerate(np.asarray(rates).tolist())
        ]
        return np.asarray(sum(parts))

    def _along(self, axis: int, factors: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Values whose modes along an axis are multiplied by factors."""
        place = axis - len(self._shape)
        if self._periodic[axis]:
            modes = fft.rfft(values, axis=place) * factors
            return np.asarray(fft.irfft(modes, n=self._shape[axis], axis=place))
        return np.asarray(fft.idct(fft.dct(values, type=2, axis=place) * factors, type=2, axis=place))

    def _factors(self, axis: int, variance: float) -> np.ndarray:
        """The factor of every mode along an axis, for a variance."""
        key = axis, variance
        if key not in self._kept:
            if len(self._kept) == KEPT:
                self._kept.popitem(last=False)
            self._kept[key] = self._over(axis, np.exp(-0.5 * variance * self._rates[axis]))
        return self._kept[key]

    def _over(self, axis: int, numbers: np.ndarray) -> np.ndarray:
        """Numbers per mode of an axis, with the shape that broadcasts against values."""
        return numbers.reshape(-1, *[1] * (len(self._shape) - 1 - axis))


def _rates(cells: int, width: float, periodic: bool, differences: bool) -> np.ndarray:
    """`k^2` of every mode of an axis, or what second differences make of it."""
    steps = 2.0 * np.arange(cells // 2 + 1) if periodic else np.arange(cells).astype(float)
    half_angles = 0.5 * np.pi * steps / cells  # k h / 2
    return np.asarray((2.0 / width * (np.sin(half_angles) if differences else half_angles)) ** 2)
