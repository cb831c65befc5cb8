"""The discrete cost as SciPy's optimisers see it: flat, in the penalty's metric, with bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Recorder

if TYPE_CHECKING:
    from scipy.optimize import Bounds


class Programme:
    """`min J(theta)` over `z = sqrt(lambda dt) theta`, flat: the penalty is `|z|^2 / 2`."""

    def __init__(self, recorder: Recorder, system: Any, initial: np.ndarray) -> None:
        self._recorder, self._problem, self._shape = recorder, system.problem, initial.shape
        self.scale = np.broadcast_to(1.0 / np.sqrt(system.dt * system.problem.penalties), initial.shape)
        self.start = (initial / self.scale).ravel()

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
        """J and its derivative in z."""
        point = self._recorder.evaluate(self.control(z))
        return point.cost, (point.gradient * self.scale).ravel()

    def hessian_product(self, z: np.ndarray, v: np.ndarray) -> np.ndarray:
        """`J'' v` in z."""
        image = self._recorder.hessian(self._recorder.evaluate(self.control(z)))
        return (image(v.reshape(self._shape) * self.scale) * self.scale).ravel()
