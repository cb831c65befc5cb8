"""A control that moves points to targets, with its errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .._validate import array, mismatch
from ..flow.layer_map import LayerMap
from .least_squares import Transfer


class Step(NamedTuple):
    """One penalty of the continuation.

    Attributes
    ----------
    penalty : lambda.
    error : the largest distance of an end point to its target.
    norm : `sqrt(int |u|^2 dt)`.
    solved : whether the penalised problem was solved to its tolerance; on the way this is not necessary.
    """

    penalty: float
    error: float
    norm: float
    solved: bool


@dataclass(frozen=True)
class Steering:
    """A control that moves points to targets, and its errors.

    Attributes
    ----------
    control : `(layers, m)`.
    error : the largest distance of an end point to its target, in units of the state, with the layer map that was used.
    tolerance : the error that counts as reached.
    flow_error : the largest distance between these end points and those of a more accurate layer map (four times the
        substeps). As a residual network the layers are exact; as a flow they have this error.
    path : one `Step` per penalty.
    transfer : the points, the targets, the field and the layers.
    message : why the continuation ended before its last penalty; empty if it did not.

    Examples
    --------
    >>> from eulerian_mfc.controllability import Dynamics, steer
    >>> found = steer([[0.0, 0.0]], [[0.5, 0.0]], Dynamics(layers=2))
    >>> found.flow([[0.0, 0.0]]).round(4).tolist(), found.trajectories([[0.0, 0.0]]).shape
    ([[0.5, 0.0]], (3, 1, 2))
    """

    control: np.ndarray
    error: float
    tolerance: float
    flow_error: float
    path: tuple[Step, ...]
    transfer: Transfer
    message: str = ""

    @property
    def reached(self) -> bool:
        """Whether the error is within the tolerance."""
        return self.error <= self.tolerance

    @property
    def norm(self) -> float:
        """`sqrt(int |u|^2 dt)`."""
        return self.transfer.norm(self.control)

    def trajectories(self, x: object) -> np.ndarray:
        """Positions `(layers + 1, n, d)` of points `(n, d)`."""
        points = array("x", x, ndim=2)
        if points.shape[1] != self.transfer.x.shape[1]:
            raise mismatch(
                "x",
                f"an array of shape {points.shape}",
                f"points as rows, an array of shape (n, {self.transfer.x.shape[1]})",
            )
        out = [points]
        for n in range(self.transfer.layers):
            out.append(self.transfer.flow(self.transfer.layer(n, self.control), out[-1]))
        return np.stack(out)

    def flow(self, x: Any) -> np.ndarray:
        """The end points `(n, d)` of points `(n, d)`."""
        return self.trajectories(x)[-1]

    def __str__(self) -> str:
        verdict = "reached" if self.reached else "not reached"
        return (
            f"{len(self.transfer.x)} targets {verdict}: largest error {self.error:.2e} (tolerance {self.tolerance:.0e}), "
            f"norm of the control {self.norm:.3f}, error of the layers as a flow {self.flow_error:.1e}"
            + (f"; {self.message}" if self.message else "")
        )


def steering_of(
    transfer: Transfer, control: np.ndarray, tolerance: float, path: list[Step], message: str = ""
) -> Steering:
    """A control `(layers, m)` with its errors."""
    gap, used = transfer.gap(control), transfer.flow.layer_map
    finer = transfer._replace(flow=transfer.flow._replace(layer_map=LayerMap(used.method, 4 * used.substeps)))
    difference = float(np.abs(finer.gap(control) - gap).max())
    return Steering(control, float(np.abs(gap).max()), tolerance, difference, tuple(path), transfer, message)
