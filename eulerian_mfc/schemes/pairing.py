"""The pairing of transported potentials with masses, as a function of a layer's control."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from ..errors import NonFiniteError
from ..flow.flow_of_field import Flow
from ..flow.layers import Layer
from ..kernels import tensor_interpolation as _kernels
from ..kernels.neural_layer import SHARE
from ..kernels.sums import paired
from .interpolant import Interpolant, TangentInterpolant
from .measure import Measure

#: points per block: the stages of a block and the work arrays of its kernels fit in the second-level cache
BLOCK = 8192


class Pairing(ABC):
    """`layer -> (sum_r int (S_theta psi_r) dm_r, its derivative, of theta's shape)` for fixed psi and m.

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.1), [[1.0]])
    >>> problem = emfc.Problem(emfc.fields.AffineField(1, matrix=False), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> system = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-2.0, 2.0)], 40), layers=2)
    >>> pairing = system.pair.pairing(system.mesh.centres.T[:, :40] ** 1, system.initial_masses[:1])
    >>> value, slope = pairing(system.layer(0, np.array([0.4])))  # int (x + 0.2) dm, and its derivative in theta
    >>> round(value, 6), slope.round(6).tolist()
    (0.2, [0.5])
    """

    @abstractmethod
    def __call__(self, layer: Layer) -> tuple[float, np.ndarray]:
        """The value and its derivative at the layer's theta."""

    def hessian(self, layer: Layer, sizes: np.ndarray) -> np.ndarray:
        """The matrix of second derivatives in the flat theta.

        Here these are differences of the derivative, with steps relative to `sizes` `(m,)`.
        """
        return differenced(lambda theta: self(layer._replace(theta=theta))[1], layer.theta, sizes)


def differenced(slope: Callable[[np.ndarray], np.ndarray], theta: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The symmetric matrix of second derivatives in the flat theta, by central differences of the first derivatives.

    Parameters
    ----------
    slope : theta -> the derivative, of theta's shape.
    theta : `(m,)` or `(degree + 1, m)`.
    sizes : `(m,)`; steps are `1e-5 (sizes + |theta|)`.
    """
    steps = 1e-5 * (sizes + np.abs(theta))
    rows = []
    for step, e in zip(steps.ravel(), np.diag(steps.ravel()), strict=True):
        along = e.reshape(theta.shape)
        rows.append((slope(theta + along) - slope(theta - along)).ravel() / (2 * step))
    matrix = np.stack(rows)
    return (matrix + matrix.T) / 2


class PointPairing(Pairing):
    """`sum_rj w_rj (I psi_r)(Phi_theta(x_j))`, its first derivatives exact; points `(n, d)`, weights `(R, n)`."""

    def __init__(
        self, flow: Flow, interpolation: Interpolant, psi: np.ndarray, points: np.ndarray, weights: np.ndarray
    ) -> None:
        self._flow, self._interpolation, self._points, self._weights = flow, interpolation, points, weights
        self._coefficients = interpolation.coefficients(psi)

    def _blocks(self) -> list[slice]:
        return [slice(start, start + BLOCK) for start in range(0, len(self._points), BLOCK)]

    def __call__(self, layer: Layer) -> tuple[float, np.ndarray]:
        def part(block: slice) -> tuple[float, np.ndarray]:
            feet, pull = self._flow.trace(layer, self._points[block])
            values, covectors = self._interpolation.gather(feet, self._coefficients, self._weights[:, block])
            return paired(values, self._weights[:, block]), pull(covectors)[1]

        value, slope = 0.0, np.zeros_like(layer.theta)
        for v, s in self._flow.workers.map(part, self._blocks()):
            value, slope = value + v, slope + s
        return value, slope


class SmoothPointPairing(PointPairing):
    """`PointPairing` with exact second derivatives; points are `(n, d)`, weights `(R, n)`."""

    def __init__(
        self, flow: Flow, interpolation: TangentInterpolant, psi: np.ndarray, points: np.ndarray, weights: np.ndarray
    ) -> None:
        super().__init__(flow, interpolation, psi, points, weights)
        self._smooth = interpolation

    def hessian(self, layer: Layer, sizes: np.ndarray) -> np.ndarray:
        nothing = np.zeros_like(self._coefficients)

        def part(block: slice) -> np.ndarray:
            feet, stages = self._flow.with_stages(layer, self._points[block])
            weights, rows = self._weights[:, block], []
            for e in np.eye(layer.theta.size).reshape(-1, *layer.theta.shape):
                dfeet, dstages = self._flow.tangent(layer, stages, e)
                pull, _, dpull = self._smooth.gather_tangent(
                    feet, dfeet, weights, np.zeros_like(weights), self._coefficients, nothing
                )
                rows.append(self._flow.pullback_tangent(layer, stages, pull, e, dstages, dpull).ravel())
            return np.stack(rows)

        matrix = sum(self._flow.workers.map(part, self._blocks()), np.zeros((layer.theta.size,) * 2))
        return (matrix + matrix.T) / 2


def point_pairing(flow: Flow, interpolation: Interpolant, psi: np.ndarray, measure: Measure) -> PointPairing:
    """The pairing of potentials with a measure, without the points whose weights are round-off.

    Parameters
    ----------
    flow : the characteristics.
    interpolation : of the potentials.
    psi : `(R, *shape)`, the potentials at the layer's end.
    measure : of the masses at its start.

    Raises
    ------
    NonFiniteError
        For masses that are not finite.
    """
    kept = nodes_above_roundoff(measure.weights)
    points, weights = np.asfortranarray(measure.points[kept]), measure.weights[:, kept]
    if isinstance(interpolation, TangentInterpolant):
        return SmoothPointPairing(flow, interpolation, psi, points, weights)
    return PointPairing(flow, interpolation, psi, points, weights)


def nodes_above_roundoff(weights: np.ndarray) -> np.ndarray:
    """`(n,)`: the points whose weights `(R, n)` are not all below round-off; the others would cost time and add nothing."""
    if not np.isfinite(weights).all():
        raise NonFiniteError("the masses are not finite")
    sizes = _kernels.largest_moduli(np.ascontiguousarray(weights))
    return sizes > SHARE * sizes.max(initial=0.0)
