"""The discrete cost as SciPy's optimisers see it: flat, without units, in the penalty's metric, with bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from .protocol import DiscreteProblem
from .record import Point
from .recorder import Recorder

if TYPE_CHECKING:
    from scipy.optimize import Bounds

#: shortest first step, in the control's size
SHORTEST = 1e-3


class Intermediate(Protocol):
    """What SciPy hands to callbacks: its present flat control `x`."""

    x: np.ndarray


class Programme:
    """`min J(theta) / r^2` over `z = sqrt(lambda dt) theta / r`, flat: the penalty is `|z|^2 / 2`.

    SciPy's methods begin with a step of length 1, or a trust region of radius 1: r is the length of the first step. It is
    that of the gradient, with which the step would lead to the source's update `-int D_theta F^T grad psi dmu / lambda`; but
    where this is farther away than controls are large, only as far as they are, and where the gradient is as good as zero a
    thousandth of that, from where the way back is seen. Of this a `share` is taken.
    """

    def __init__(self, recorder: Recorder, system: DiscreteProblem, start: Point, share: float = 1.0) -> None:
        self._recorder, self._space = recorder, system.controls
        metric = np.sqrt(self._space.gram)
        step = float(np.linalg.norm(start.gradient / metric))
        natural = self._space.length_of(system.natural_sizes)
        length = float(np.linalg.norm(metric * start.control))
        # Where the gradient is as good as zero, or the field does nothing near the control zero:
        if step < SHORTEST * natural:
            natural = min(natural, self._space.length_of(system.sizes_around(start.control[0])))
        longest = max(natural, length)
        self._unit = share * float(np.clip(step, SHORTEST * longest, longest))
        self.scale = self._unit / metric
        self.start = (start.control / self.scale).ravel()

    @property
    def bounds(self) -> Bounds | None:
        """As `scipy.optimize.minimize` takes them."""
        allowed = self._space.regulariser
        if not allowed.bounded:
            return None
        from scipy.optimize import Bounds  # slow to import

        return Bounds(*((side / self.scale).ravel() for side in (allowed.lower, allowed.upper)))

    def control(self, z: np.ndarray) -> np.ndarray:
        """The control `(layers, m)`, round-off beyond a bound taken off."""
        return self._space.project(np.asarray(z).reshape(self._space.shape) * self.scale)

    def objective(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """`J / r^2` and its derivative in z."""
        point = self._recorder.evaluate(self.control(z))
        return point.cost / self._unit**2, (point.gradient * self.scale).ravel() / self._unit**2

    def hessian_product(self, z: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The second derivatives of `J / r^2` in z, times v."""
        image = self._recorder.hessian(self._recorder.evaluate(self.control(z)))
        return (image(v.reshape(self._space.shape) * self.scale) * self.scale).ravel() / self._unit**2
