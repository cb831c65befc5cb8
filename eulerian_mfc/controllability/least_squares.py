"""The penalised least-squares problem of moving points to targets, by Gauss-Newton steps with the whole Jacobian."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from ..errors import NonFiniteError
from ..flow.flow_of_field import Flow
from ..flow.layers import Layer

#: Gauss-Newton steps for one penalty
STEPS = 60
#: differences of costs below this share of the cost are round-off
ROUND_OFF = 1e-11
#: a penalised problem counts as solved if its gradient, relative to the larger of its two terms, is at most this
SOLVED = 1e-8


class Transfer(NamedTuple):
    """Points that a flow on equal layers is to move to targets.

    Attributes
    ----------
    flow : the field and its layer map.
    horizon, layers : the time T and the number of layers.
    x, y : `(n, d)` points and targets.
    weights : `(n,)`, summing to 1.
    """

    flow: Flow
    horizon: float
    layers: int
    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray

    @property
    def dt(self) -> float:
        return self.horizon / self.layers

    def layer(self, n: int, theta: np.ndarray) -> Layer:
        return Layer(n * self.dt, self.dt, theta[n])

    def gap(self, theta: np.ndarray) -> np.ndarray:
        """`(n, d)`: end points minus targets for a control `(layers, m)`."""
        x = self.x
        with np.errstate(all="ignore"):
            for n in range(self.layers):
                x = self.flow(self.layer(n, theta), x)
        return x - self.y

    def gap_and_jacobian(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The gap `(n, d)` and its derivative in the control, `(n, d, layers m)`, carried forwards layer by layer."""
        n, d = self.x.shape
        m = theta.shape[1]
        x, jacobian = self.x, np.zeros((n, d, self.layers * m))
        units = np.eye(d)
        for k in range(self.layers):
            layer = self.layer(k, theta)
            x, stages = self.flow.with_stages(layer, x)
            moved = np.stack(
                [self.flow.pullback(layer, stages, np.broadcast_to(e, (n, d)).copy())[0] for e in units], axis=1
            )
            jacobian[:, :, : k * m] = moved @ jacobian[:, :, : k * m]
            for i, e in enumerate(np.eye(m)):
                jacobian[:, :, k * m + i] = self.flow.tangent(layer, stages, e)[0]
        return x - self.y, jacobian

    def cost(self, theta: np.ndarray, penalty: float) -> float:
        """`sum_i w_i |gap_i|^2 + penalty / 2 int |theta|^2 dt`; infinite if the flow is not finite."""
        value = float(self.weights @ (self.gap(theta) ** 2).sum(axis=1)) + 0.5 * penalty * self.norm(theta) ** 2
        return value if np.isfinite(value) else np.inf

    def norm(self, theta: np.ndarray) -> float:
        """`sqrt(int |theta|^2 dt)`."""
        return float(np.sqrt(self.dt * (theta**2).sum()))


def minimise(transfer: Transfer, theta: np.ndarray, penalty: float, steps: int = STEPS) -> tuple[np.ndarray, bool]:
    """Levenberg-Marquardt for the penalised problem: the control `(layers, m)`, and whether its gradient vanishes.

    References
    ----------
    J. Nocedal, S. J. Wright, Numerical Optimization, Springer 2006, section 10.3.
    """
    cost, damping = transfer.cost(theta, penalty), 0.0
    if not np.isfinite(cost):
        raise NonFiniteError("the flow of the first control is not finite")
    ridge = penalty * transfer.dt
    root = np.sqrt(2.0 * transfer.weights)[:, None]
    for _ in range(steps):
        gap, jacobian = transfer.gap_and_jacobian(theta)
        rows = (root[:, :, None] * jacobian).reshape(gap.size, -1)
        pull = rows.T @ (root * gap).ravel()
        slope = pull + ridge * theta.ravel()
        if np.abs(slope).max() <= SOLVED * max(np.abs(pull).max(), ridge * np.abs(theta).max()):
            return theta, True
        normal = rows.T @ rows
        size = float(np.diagonal(normal).max())
        for _ in range(30):
            try:
                factor = cho_factor(normal + (ridge + damping + 1e-15 * size) * np.eye(len(normal)))
            except LinAlgError:
                damping = max(10.0 * damping, 1e-12 * size)
                continue
            step = -cho_solve(factor, slope)
            predicted = -float(slope @ step + 0.5 * step @ (normal @ step) + 0.5 * ridge * step @ step)
            trial = theta + step.reshape(theta.shape)
            reached = transfer.cost(trial, penalty)
            ratio = (cost - reached) / predicted if predicted > 0 else -1.0
            if ratio > 1e-3:
                break
            if 0 < predicted <= ROUND_OFF * cost and reached <= (1 + ROUND_OFF) * cost:
                ratio = 1.0  # the predicted change is round-off of the cost, so that the cost cannot judge it: take the step
                break
            damping = max(4.0 * damping, 1e-6 * size)
        else:
            return theta, False
        theta, cost = trial, reached
        damping = 0.25 * damping if ratio > 0.75 else damping if ratio > 0.25 else 2.0 * max(damping, 1e-6 * size)
        if damping < 1e-9 * size:
            damping = 0.0
    return theta, False


def reach(transfer: Transfer, theta: np.ndarray, tolerance: float, steps: int = 30) -> np.ndarray:
    """Newton's method for `gap = 0` with steps of least norm; it ends at the tolerance, or when no step reduces the gap."""
    gap, jacobian = transfer.gap_and_jacobian(theta)
    for _ in range(steps):
        error = float(np.abs(gap).max())
        if error <= tolerance:
            break
        step = np.linalg.lstsq(jacobian.reshape(gap.size, -1), -gap.ravel(), rcond=1e-10)[0].reshape(theta.shape)
        length: Any = 1.0
        while length > 1e-3:
            trial = transfer.gap(theta + length * step)
            if np.isfinite(trial).all() and np.abs(trial).max() < (1.0 - 0.1 * length) * error:
                break
            length *= 0.5
        else:
            break
        theta = theta + length * step
        gap, jacobian = transfer.gap_and_jacobian(theta)
    return theta
