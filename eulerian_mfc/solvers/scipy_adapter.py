"""The discrete cost in the form that SciPy's optimisers need: flat, dimensionless, in the penalty's metric, with bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from .protocol import DiscreteProblem
from .record import Point
from .recorder import Recorder

if TYPE_CHECKING:
    from scipy.optimize import Bounds

#: shortest first step, relative to the size of the control
SHORTEST = 1e-3


class Intermediate(Protocol):
    """The argument of SciPy's callbacks: `x` is the present flat control."""

    x: np.ndarray


class Programme:
    """`min J(theta) / r^2` over the flat vector `z = sqrt(lambda dt) theta / r`, in which the penalty is `|z|^2 / 2`.

    SciPy's methods begin with a step of length 1, or a trust region of radius 1, so r is the length of the first step in the
    penalty's metric. It is the length of the gradient: such a step leads to the update of the source,
    `-int D_theta F^T grad psi dmu / lambda`. It is at most the size of controls (the natural size, or that of the start, if
    this is larger), and at least a thousandth of that size, for a gradient that is almost zero. r is multiplied by `share`.
    """

    def __init__(self, recorder: Recorder, system: DiscreteProblem, start: Point, share: float = 1.0) -> None:
        self._recorder, self._space = recorder, system.controls
        metric = np.sqrt(self._space.gram)
        step = float(np.linalg.norm(start.gradient / metric))
        natural = self._space.length_of(system.natural_sizes)
        length = float(np.linalg.norm(metric * start.control))
        # The gradient is almost zero (an optimum, or a field that vanishes near the control zero): the natural size may then be
        # far too large, and the size of changes around the start limits it.
        if step < SHORTEST * natural:
            first = self._space.values(start.control, np.zeros(1))[0]
            natural = min(natural, self._space.length_of(system.sizes_around(first)))
        longest = max(natural, length)
        self._unit = share * float(np.clip(step, SHORTEST * longest, longest))
        self.scale = self._unit / metric
        self.start = (start.control / self.scale).ravel()

    @property
    def bounds(self) -> Bounds | None:
        """The bounds on z for `scipy.optimize.minimize`; None if there are none."""
        allowed = self._space.regulariser
        if not allowed.bounded:
            return None
        from scipy.optimize import Bounds  # slow to import

        return Bounds(
            *(np.broadcast_to(side / self.scale, self._space.shape).ravel() for side in (allowed.lower, allowed.upper))
        )

    def control(self, z: np.ndarray) -> np.ndarray:
        """The control `(layers, m)` of z; the projection removes round-off beyond a bound."""
        return self._space.project(np.asarray(z).reshape(self._space.shape) * self.scale)

    def objective(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """`J / r^2` and its derivative in z."""
        point = self._recorder.evaluate(self.control(z))
        return point.cost / self._unit**2, (point.gradient * self.scale).ravel() / self._unit**2

    def hessian_product(self, z: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The second derivatives of `J / r^2` in z, times v."""
        image = self._recorder.hessian(self._recorder.evaluate(self.control(z)))
        return (image(v.reshape(self._space.shape) * self.scale) * self.scale).ravel() / self._unit**2
