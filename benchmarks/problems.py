"""The problem that most benchmarks share."""

from __future__ import annotations

from typing import Any

import numpy as np

import eulerian_mfc as emfc

CELLS, LAYERS = 256, 20


def bimodal(**changes: Any) -> emfc.Problem:
    """`bimodal_2d_0.2` by its three moments."""
    return emfc.Problem(
        **{
            "field": emfc.fields.NeuralField(2),
            "law": emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1, -1], [1, 1]], 0.2), [[-2.0, -2.0], [2.0, 2.0]]),
            "loss": emfc.losses.SquaredLoss(),
            "penalty": 0.2,
            "horizon": 1.0,
            "representation": "moments",
            **changes,
        }
    )


def system(degree: int, cells: int = CELLS, layers: int = LAYERS, **options: Any) -> emfc.OptimalitySystem:
    """`bimodal` on [-4, 4]^2, RK4, one thread unless asked otherwise."""
    mesh = emfc.CartesianMesh([(-4.0, 4.0)] * 2, cells)
    return emfc.OptimalitySystem(
        bimodal(), mesh, layers, transport=emfc.transport.SemiLagrangian(degree), **{"threads": 1, **options}
    )


def a_control(layers: int = LAYERS) -> np.ndarray:
    """`(layers, 6)`: a control at which gradients are timed."""
    return np.full((layers, 6), 0.3)
