"""A law for scaling: points on a lattice, so that mass covers a box alike on every mesh and costs no quadrature."""

from __future__ import annotations

from typing import Any

import numpy as np

import eulerian_mfc as emfc

HALF = 4.0
#: cells from a point of the lattice to the next
SPACING = 4


def system(
    dim: int,
    cells: int,
    layers: int,
    degree: int = 3,
    labels: int | None = None,
    threads: int = 1,
    reach: float = HALF / 2,
) -> emfc.OptimalitySystem:
    """`tanh(W x + b)` on [-4, 4]^d, RK4: by the `d + 1` moments, or by so many labels; mass on [-reach, reach]^d."""
    line = np.linspace(-reach, reach, max(2, round(cells * reach / (HALF * SPACING))))
    x = np.stack(np.meshgrid(*[line] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
    given: dict[str, Any] = {"representation": "moments"}
    y = 2.0 * np.sign(x)
    if labels is not None:
        given = {"representation": "labels"}
        y = np.repeat(1.0 * (np.arange(len(x)) % labels)[:, None], dim, axis=1)
    problem = emfc.Problem(
        emfc.fields.NeuralField(dim), emfc.laws.Empirical(x, y), emfc.losses.SquaredLoss(), 0.2, 1.0, **given
    )
    mesh = emfc.CartesianMesh([(-HALF, HALF)] * dim, cells)
    transport = emfc.transport.SemiLagrangian(degree)
    return emfc.OptimalitySystem(problem, mesh, layers, transport=transport, threads=threads)
