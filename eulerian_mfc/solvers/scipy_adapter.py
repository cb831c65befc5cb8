"""The discrete cost as SciPy's optimisers see it: flat, without units, in the penalty's metric, with bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..scales import sizes_around
from .base import Point, Recorder

if TYPE_CHECKING:
    from scipy.optimize import Bounds

#: shortest first step, in the control's size
SHORTEST = 1e-3


def natural_length(system: Any, sizes: np.ndarray | None = None) -> float:
    """`|z|`, `z = sqrt(lambda dt) theta`, of a control that has the problem's own `sizes` on every layer (see `scales`)."""
    problem = system.problem
    sizes = problem.scales.control if sizes is None else sizes
    return float(np.sqrt(problem.horizon * (problem.penalties * sizes**2).sum()))


class Programme:
    """`min J(theta) / r^2` over `z = sqrt(lambda dt) theta / r`, flat: the penalty is `|z|^2 / 2`.

    SciPy's methods begin with a step of length 1, or a trust region of radius 1: r is the length of the first step. It is
    that of the gradient, with which the step would lead to the source's update `-int D_theta F^T grad psi dmu / lambda`; but
    where this is farther away than controls are large, only as far as they are, and where the gradient is as good as zero a
    thousandth of that, from where the way back is seen. Of this a `share` is taken.
    """

    def __init__(self, recorder: Recorder, system: Any, start: Point, share: float = 1.0) -> None:
        self._recorder, self._problem, self._shape = recorder, system.problem, start.control.shape
        metric = np.broadcast_to(np.sqrt(system.dt * system.problem.penalties), start.control.shape)
        step = float(np.linalg.norm(start.gradient / metric))
        natural, length = natural_length(system), float(np.linalg.norm(metric * start.control))
        if (
            step < SHORTEST * natural
        ):  # the gradient is as good as zero, or the field does nothing near the control zero
            natural = min(natural, natural_length(system, sizes_around(system.problem, start.control[0])))
        longest = max(natural, length)
        self._unit = share * float(np.clip(step, SHORTEST * longest, longest))
        self.scale = self._unit / metric
        self.start = (start.control / self.scale).ravel()

    @property
    def bounds(self) -> Bounds | None:
        """As `scipy.optimize.minimize` takes them."""
        if not self._problem.bounded:
            return None
        from scipy.optimize import Bounds  # slow to import

        return Bounds(*((side / self.scale).ravel() for side in (self._problem.lower, self._problem.upper)))

    def control(self, z: np.ndarray) -> np.ndarray:
        """The control `(layers, m)`, round-off beyond a bound taken off."""
        return self._problem.project(np.asarray(z).reshape(self._shape) * self.scale)

    def objective(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """`J / r^2` and its derivative in z."""
        point = self._recorder.evaluate(self.control(z))
        return point.cost / self._unit**2, (point.gradient * self.scale).ravel() / self._unit**2

    def hessian_product(self, z: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The second derivatives of `J / r^2` in z, times v."""
        image = self._recorder.hessian(self._recorder.evaluate(self.control(z)))
        return (image(v.reshape(self._shape) * self.scale) * self.scale).ravel() / self._unit**2
