"""The intensity of the noise: one number per axis, which may depend on time."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from .._validate import array, fail, mismatch
from ..control.over_time import POINTS, OverTime, Written
from ..control.varying import Varying
from ..flow.polynomials import gauss


class Noise:
    """The intensity sigma of the noise in `dX_a = F_a dt + sigma_a(t) dW_a`, one independent Brownian motion per axis a.

    Parameters
    ----------
    constant : `(d,)`, the intensity, in units of the state per square root of time; None if it depends on time.
    over_time : the intensity as a function of time; None if it is constant.

    References
    ----------
    H. Risken, The Fokker-Planck Equation, Springer 1996: with noise the law solves
    `d_t mu + div(F mu) = 1/2 sum_a sigma_a^2 d_aa mu`.

    Examples
    --------
    >>> noise_of(0.5, dim=2, horizon=1.0).variance(0.0, 0.5).tolist()
    [0.125, 0.125]
    >>> bool(abs(noise_of(lambda t: t, dim=1, horizon=1.0).variance(0.0, 1.0)[0] - 1 / 3) < 1e-12)
    True
    """

    def __init__(self, constant: np.ndarray | None, over_time: OverTime | None = None) -> None:
        self._constant, self._over_time = constant, over_time
        self._variance = lru_cache(maxsize=4096)(self._integrated)

    def __bool__(self) -> bool:
        """Whether there is any noise."""
        return self._over_time is not None or bool(self._constant is not None and self._constant.any())

    def __repr__(self) -> str:
        if self._constant is None:
            return "depends on time"
        same = bool((self._constant == self._constant[0]).all())
        return f"{self._constant[0]:g}" if same else ", ".join(f"{sigma:g}" for sigma in self._constant)

    def __reduce__(self) -> tuple[type[Noise], tuple[np.ndarray | None, OverTime | None]]:
        """Pickle the arguments only, without what is kept of integrals."""
        return Noise, (self._constant, self._over_time)

    @property
    def constant(self) -> np.ndarray | None:
        """`(d,)`, the intensity; None if it depends on time."""
        return self._constant

    def at(self, t: float) -> np.ndarray:
        """`(d,)`: the intensity at a time."""
        return self._constant if self._over_time is None else self._over_time.at(t)  # type: ignore[return-value]

    def variance(self, start: float, end: float) -> np.ndarray:
        """`(d,)`: `int sigma^2 dt` between two times, the variance that the noise adds there, in units of the state squared."""
        if self._constant is not None:
            return self._constant**2 * (end - start)
        return self._variance(start, end)

    def _integrated(self, start: float, end: float) -> np.ndarray:
        assert self._over_time is not None
        nodes, weights = gauss(POINTS)
        panels = self._over_time.smooth_panels(start, end)
        parts = [(b - a) * (weights @ self._over_time.inside(a, b, nodes) ** 2) for a, b in panels]
        return np.sum(parts, axis=0)


def noise_of(value: Varying, dim: int, horizon: float) -> Noise:
    """The noise from the argument of `Problem`.

    Parameters
    ----------
    value : sigma >= 0, in units of the state per square root of time: one number, one per axis `(d,)`, a `Stepwise` of these, or
        a function of time that returns one of these.
    dim : the number d of axes.
    horizon : the final time T, in units of time.

    Raises
    ------
    ArgumentError
        If an intensity is negative or not finite, or if their number is neither 1 nor d.

    Examples
    --------
    >>> bool(noise_of(0.0, dim=1, horizon=1.0)), noise_of([0.1, 0.2], dim=2, horizon=1.0).at(0.3).tolist()
    (False, [0.1, 0.2])
    """
    if callable(value):

        def rows(given: Written, name: str) -> np.ndarray:
            return _checked(given, dim, name)

        return Noise(None, OverTime("noise", value, rows, horizon))
    return Noise(_checked(value, dim, "noise"))


def _checked(value: Written | ArrayLike, dim: int, name: str) -> np.ndarray:
    """`(d,)`: the intensities, after their check."""
    like = "0.5" if dim == 1 else "0.5, or one number per axis, " + str([0.5] * dim)
    found = array(name, value, like=like)
    if found.ndim > 1 or (found.ndim == 1 and found.shape != (dim,)):
        raise mismatch(name, f"an array of shape {found.shape}", f"one number >= 0, or one per axis, {dim} in all")
    if (found < 0.0).any():
        raise fail(name, value, "an intensity sigma >= 0, in units of the state per square root of time")
    return np.array(np.broadcast_to(found, (dim,)))
