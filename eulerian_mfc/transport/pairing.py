"""The pairing of transported potentials with masses, as a function of a layer's control."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..characteristics import Flow, Layer
from .interpolation import Interpolation

#: points a block: the stages of a block and its kernels' work fit in the second-level cache
BLOCK = 8192

Pairing = Callable[[Layer], tuple[float, np.ndarray]]


def point_pairing(
    flow: Flow, interpolation: Interpolation, psi: np.ndarray, points: np.ndarray, weights: np.ndarray
) -> Pairing:
    """`layer -> (sum_rj w_rj (I psi_r)(Phi_theta(x_j)), its derivative in theta)`; points `(n, d)`, weights `(R, n)`."""
    coefficients = interpolation.coefficients(psi)

    def value_and_slope(layer: Layer) -> tuple[float, np.ndarray]:
        value, slope = 0.0, np.zeros_like(layer.theta)
        for start in range(0, len(points), BLOCK):
            block = slice(start, start + BLOCK)
            feet, stages = flow.with_stages(layer, points[block])
            values, pull = interpolation.gather(feet, coefficients, weights[:, block])
            value += float(np.vdot(values, weights[:, block]))
            slope += flow.pullback(layer, stages, pull)[1]
        return value, slope

    return value_and_slope


def measured_pairing(
    flow: Flow, interpolation: Interpolation, psi: np.ndarray, continuity: Any, masses: np.ndarray
) -> Pairing:
    """`point_pairing` with the masses of a continuity operator, as points and weights."""
    points, weights = continuity.measure(masses)
    # Points whose weights all lie below round-off cost as much as the others: leave them out.
    carries = np.abs(weights).max(axis=0) > 1e-18 * np.abs(weights).max()
    return point_pairing(flow, interpolation, psi, np.asfortranarray(points[carries]), weights[:, carries])
