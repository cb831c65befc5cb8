"""Controls that are polynomials in time on every layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._validate import array, integer, mismatch
from ..flow.polynomials import checked_degree, gauss
from .curves import Curves
from .grid import Grid
from .prolongation import projected
from .regulariser import Regulariser
from .space import MODES, ControlSpace


def basis_of(regulariser: Regulariser) -> str:
    """The name of the basis: "bernstein" for a problem with bounds or an L1 norm, otherwise "legendre"."""
    return "bernstein" if regulariser.bounded or regulariser.sparse else "legendre"


class PiecewisePolynomial(ControlSpace):
    """Controls `(layers, degree + 1, m)` that are polynomials on every layer, without continuity from layer to layer.

    The basis is that of Legendre, whose first coefficient is the mean over the layer, if the problem has neither bounds nor an L1
    norm: it is orthogonal. Otherwise it is that of Bernstein, whose first and last coefficients are the values at the layer's
    ends: bounds of the coefficients hold for the control at every time. This restricts controls of degree 2 and more a little:
    some polynomials within the bounds have coefficients outside.

    The L1 norm of a layer is `dt / (degree + 1) sum_i |c_i|` in this basis. This is exact if the coefficients of a parameter have
    one sign; otherwise it is too large, by at most `dt` times the largest coefficient: by `O(dt^2)` per change of sign.

    Parameters
    ----------
    regulariser : the cost of a control at one time, and its bounds.
    horizon : the final time T, in units of time.
    layers : the number of equal layers, or the increasing times at which layers start and end, from 0 to T.
    degree : the degree of the polynomials, from 1 to `flow.polynomials.HIGHEST`.
    levels : the number of levels in time of a layer: 2 for its ends; more are the points of a Lobatto rule.

    Raises
    ------
    ArgumentError
        If `layers` or `degree` is out of range.

    References
    ----------
    docs/theory/duality.md; R. T. Farouki, The Bernstein polynomial basis: a centennial retrospective, Comput. Aided Geom.
    Design 29 (2012), 379-419, doi:10.1016/j.cagd.2012.03.001.

    Examples
    --------
    >>> space = PiecewisePolynomial(Regulariser.of(3.0, 0.0, None, parameters=1), horizon=2.0, layers=4, degree=2)
    >>> space.shape, round(space.cost(space.coerce(1.0)), 12)
    ((4, 3, 1), 3.0)
    """

    def __init__(self, regulariser: Regulariser, horizon: float, layers: Grid, degree: int, levels: int = 2) -> None:
        kind = basis_of(regulariser)
        curves = Curves(horizon, layers, checked_degree(degree, minimum=1), kind, levels)
        shares = np.full(degree + 1, 1.0 / (degree + 1)) if kind == "bernstein" else np.diag(curves.basis.mass)
        super().__init__(regulariser, curves, curves.lengths[:, None, None] * shares[:, None])
        self._blocks = regulariser.blocks(curves)

    @property
    def orthogonal(self) -> bool:
        """Whether the basis is orthogonal in `L2(0, T)`."""
        return self.basis.kind == "legendre"

    @property
    def diagonal(self) -> bool:
        return self.orthogonal and self._blocks is None

    # --- coefficients

    def coerce(self, value: ArrayLike, name: str = "control") -> np.ndarray:
        out, shape = array(name, value, ndim=(0, 1, 2, 3)), self.shape
        whole = f"shape ({shape[0]}, {shape[2]}) for a control that is constant on layers, or shape {shape}"
        if out.ndim == 3 and out.shape == shape:
            return np.array(out)
        if out.ndim == 3 or (out.ndim > 0 and out.shape not in ((shape[2],), (shape[0], shape[2]))):
            raise mismatch(name, f"an array of shape {out.shape}", f"a number, shape ({shape[2]},), {whole}")
        return self.constant(np.broadcast_to(out, (shape[0], shape[2])))

    def constant(self, rows: np.ndarray) -> np.ndarray:
        if not self.orthogonal:
            return np.repeat(rows[:, None], self.degree + 1, axis=1)
        out = np.zeros((len(rows), self.degree + 1, self.parameters))
        out[:, 0] = rows
        return out

    def carried(self, control: np.ndarray, source: Curves) -> np.ndarray:
        if self.same(source):
            return self.project(control)
        ends, target = source.ends / source.horizon, self.ends / self.horizon
        return self.project(projected(source.at_shares(control), ends, source.degree, target, self.basis))

    def random(self, count: int, seed: int, largest: np.ndarray) -> list[np.ndarray]:
        """Random controls within the bounds: every second is independent per layer, the others are constant or smooth in time.

        Raises
        ------
        ArgumentError
            If the seed is not an integer >= 0.
        """
        rng = np.random.default_rng(integer("seed", seed, minimum=0))
        shares, weights = gauss(self.degree + 3)
        times = self.on_layers(shares) / self.horizon
        modes = np.cos(np.pi * times[..., None] * np.arange(MODES)) / (1.0 + np.arange(MODES))
        mean = weights / weights.sum() * (self.lengths / self.horizon)[:, None]
        out = []
        for k in range(count):
            if k % 2:
                profile = np.einsum("nk,lkm->lnm", self.basis(shares), rng.normal(size=self.shape))
            elif k % 4:
                profile = modes @ rng.normal(size=(MODES, self.parameters))
            else:
                profile = np.broadcast_to(rng.normal(size=self.parameters), (*times.shape, self.parameters))
            profile = profile * np.sqrt(self.parameters / np.einsum("ln,lnm->", mean, profile**2))
            out.append(self.project(self.fitted(rng.uniform() * largest * profile, shares, weights)))
        return out

    # --- the cost of a control

    def penalty_slope(self, control: np.ndarray) -> np.ndarray:
        if self.diagonal:
            return self.gram * control
        if self._blocks is not None:
            return np.einsum("lijm,ljm->lim", self._blocks, control)
        weights = self.lengths[:, None, None] * self.regulariser.penalties
        return weights * np.einsum("ij,ljm->lim", self.basis.mass, control)

    def penalty_term(self, control: np.ndarray) -> np.ndarray:
        return super().penalty_term(control) if self.diagonal else self.penalty_slope(control) / self.mass

    def penalty_block(self, n: int) -> np.ndarray:
        if self._blocks is not None:
            k, m = self.shape[1:]
            return np.einsum("ijm,mp->imjp", self._blocks[n], np.eye(m)).reshape(k * m, k * m)
        return float(self.lengths[n]) * np.kron(self.basis.mass, np.diag(self.posed.penalties))

    def square(self, control: np.ndarray) -> float:
        return float((control * self.penalty_slope(control)).sum())

    def absolute(self, control: np.ndarray) -> float:
        return float((self.mass * self.regulariser.sparsities * np.abs(control)).sum())
