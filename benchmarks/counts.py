"""Bytes moved between memory and caches, and floating-point operations, a cell: counted by hand from the algorithms.

Bytes: every array of the size of the mesh that a pass reads or writes counts once, 8 bytes a number; what stays in a block
(feet, stages, weights) does not count. Operations: additions, multiplications and divisions count one each, `tanh` 30.
"""

from __future__ import annotations

from typing import NamedTuple

TANH = 30
STAGES = 4


class Count(NamedTuple):
    """Of one cell: bytes and operations."""

    bytes: float
    operations: float


def layer_map(dim: int) -> int:
    """Operations of the four stages of RK4 through `tanh(W x + b)`."""
    return STAGES * dim * (2 * dim + TANH + 2) + 8 * dim


def pull_back(dim: int) -> int:
    """Operations of its transposed derivatives in x and theta."""
    return STAGES * dim * (2 + 1 + 2 * dim + 2 * dim + 1 + 4)


def stencil(dim: int, degree: int, fields: int, slopes: bool) -> int:
    """Operations of the weights by Horner's rule, and of the sums over `(p + 1)^d` functions axis by axis."""
    width, parts = degree + 1, 2 if slopes else 1
    weights = dim * width * 2 * degree * parts
    sums = sum(2 * width**k * (dim + 1 - k if slopes else 1) for k in range(1, dim + 1))
    return weights + fields * sums


def splines(dim: int, degree: int, fields: int) -> Count:
    """The banded solves along every axis: two passes over `(p - 1) / 2` neighbours; one load and one store an axis."""
    return Count(16.0 * fields * dim, fields * dim * (2 * degree - 1) if degree > 1 else 0)


def gradient(dim: int, degree: int, fields: int) -> Count:
    """One cost and gradient, a cell a layer: the push-forward, then transport with the slope in theta."""
    solve = splines(dim, degree, fields)
    if degree == 1:
        solve = Count(0.0, 0)
    # Forwards: centres, masses, deposits zeroed and added to (read, written), result; backwards: centres, masses, potentials
    # copied (read, written), coefficients gathered, result.
    forwards = 8 * dim + fields * 8 * (1 + 1 + 2 + 2)
    backwards = 8 * dim + fields * 8 * (1 + 2 + 1 + 1)
    work = (
        2 * layer_map(dim) + pull_back(dim) + stencil(dim, degree, fields, False) + stencil(dim, degree, fields, True)
    )
    return Count(forwards + backwards + 2 * solve.bytes, work + 2 * solve.operations)


def finite_volumes(dim: int, reconstruction: str) -> Count:
    """One stage, one density, positivity kept: the passes of `kernels.finite_volume` over padded arrays."""
    pad, combine = 32 + 16, 40
    upwind, update = Count(24, 1), Count(24, 3)
    if reconstruction == "upwind":
        return Count(pad + dim * (upwind.bytes + update.bytes), dim * (upwind.operations + update.operations))
    edges = {"muscl": Count(24, 15), "weno5": Count(40, 2 * 62)}[reconstruction]
    flux, drained, limited = Count(48, 3), Count(24, 4), Count(32, 6)
    moments = Count(0, 0)
    if reconstruction == "weno5":  # two moments an axis in the plane: face, velocity, flux (read, written)
        moments = Count((dim - 1) * 2 * 32, (dim - 1) * 2 * 11)
    axis = [upwind, update, edges, flux, drained, limited, moments]
    return Count(pad + combine + 32 + dim * sum(c.bytes for c in axis), 3 + 3 + dim * sum(c.operations for c in axis))
