"""The update of one layer: a local minimiser of its Hamiltonian within the bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .protocol import LayerProblem


@dataclass(frozen=True)
class Proximal:
    """A layer's Hamiltonian plus `weight / 2 sum_i a_i (theta_i - centre_i)^2`, where a is the Hessian of the penalty."""

    hamiltonian: LayerProblem
    centre: np.ndarray
    weight: float

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = self.hamiltonian(theta)
        moved = theta - self.centre.reshape(theta.shape)
        pull = self.weight * self.hamiltonian.weights.reshape(theta.shape) * moved
        return value + 0.5 * float(pull.ravel() @ moved.ravel()), slope + pull

    @property
    def weights(self) -> np.ndarray:
        """`(m,)`, the Hessian of the penalty, which defines its metric."""
        return self.hamiltonian.weights

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        return self.hamiltonian.hessian(theta) + np.diag(self.weight * self.hamiltonian.weights)

    def minimiser(self) -> None:
        return None


@dataclass(frozen=True)
class ProximalUpdate:
    """The update of layer n: a local minimiser of its proximal Hamiltonian. It is called with n and the layer's Hamiltonian."""

    centre: np.ndarray
    weight: float
    limits: Callable[[int], tuple[np.ndarray, np.ndarray]]

    def __call__(self, n: int, hamiltonian: LayerProblem) -> np.ndarray:
        centre = self.centre[n]
        return minimise_layer(Proximal(hamiltonian, centre, self.weight), centre, *self.limits(n))


def minimise_layer(
    hamiltonian: LayerProblem,
    theta: np.ndarray,
    lower: ArrayLike = -np.inf,
    upper: ArrayLike = np.inf,
    reduction: float = 1e-4,
) -> np.ndarray:
    """A local minimiser of `hamiltonian`, found by descent from `theta`, within `lower <= theta <= upper`.

    `hamiltonian(theta)` is the value and its derivative, `.hessian(theta)` the second derivatives, `.minimiser()` the
    explicit minimiser or None, `.weights` the diagonal of the Hessian of the penalty, in whose metric lengths are taken. The
    descent stops once the derivative (without the entries that a bound holds) is at most `reduction` times that at the start.
    This does not change the fixed points of shooting: at a fixed point the derivative at the start is zero already.

    Parameters
    ----------
    hamiltonian : the layer's Hamiltonian.
    theta : `(m,)` or `(degree + 1, m)`, where the descent starts.
    lower, upper : bounds, numbers or `(m,)`.
    reduction : the factor by which the derivative is to be reduced.

    Examples
    --------
    >>> class Parabola:
    ...     weights = np.ones(1)
    ...     def __call__(self, theta): return float((theta[0] - 3.0) ** 2), 2.0 * (theta - 3.0)
    ...     def hessian(self, theta): return np.array([[2.0]])
    ...     def minimiser(self): return None
    >>> minimise_layer(Parabola(), np.zeros(1), upper=2.0).tolist()
    [2.0]
    """
    explicit = hamiltonian.minimiser()
    if explicit is not None:
        return np.clip(explicit, lower, upper)
    low, high = (np.broadcast_to(side, theta.shape).ravel() for side in (lower, upper))
    descend = _scalar if theta.size == 1 else _newton
    return descend(hamiltonian, theta.ravel(), low, high, reduction).reshape(theta.shape)


def _scalar(h: LayerProblem, theta: np.ndarray, lower: np.ndarray, upper: np.ndarray, reduction: float) -> np.ndarray:
    """A root of the derivative: one Newton step, then secant steps; bisection if a secant step leaves the bracket."""
    slope = float(h(theta)[1][0])
    downhill = -np.sign(slope)
    goal = reduction * abs(slope)
    behind, here, end = theta, theta, (upper if downhill > 0 else lower)
    if slope == 0.0 or np.array_equal(theta, end):
        return theta
    ahead: np.ndarray | None = None
    length = 0.0
    curvature = float(h.hessian(here)[0, 0])
    for _ in range(100):
        if abs(slope) <= goal:
            break
        step = abs(slope / curvature) if curvature != 0 else abs(slope) / float(h.weights[0])
        if ahead is None:
            # No bracket yet: go at least twice as far as before, so that the number of steps to a bracket is logarithmic.
            length = max(step, 2 * length)
            trial = np.clip(here + downhill * length, lower, upper)
        else:
            trial = here - slope / curvature if curvature > 0 else here
            if not min(behind[0], ahead[0]) < trial[0] < max(behind[0], ahead[0]):
                trial = (behind + ahead) / 2
        if abs(trial[0] - here[0]) <= 1e-15 * max(abs(here[0]), abs(behind[0])):
            break
        last, before = here, slope
        here, slope = trial, float(h(trial)[1][0])
        curvature = (slope - before) / float(here[0] - last[0])
        if slope * downhill < 0:
            behind = here
            if np.array_equal(here, end):
                break
        else:
            ahead = here
    return here


def _newton(h: LayerProblem, theta: np.ndarray, lower: ArrayLike, upper: ArrayLike, reduction: float) -> np.ndarray:
    """Projected Newton steps with backtracking; the eigenvalues of the Hessian are replaced by their moduli.

    Reference: D. P. Bertsekas, Projected Newton methods for optimization problems with simple constraints,
    SIAM J. Control Optim. 20 (1982), 221-246, doi:10.1137/0320018.
    """

    def free_slope(point: np.ndarray, derivative: np.ndarray) -> np.ndarray:
        held = ((point <= lower) & (derivative >= 0)) | ((point >= upper) & (derivative <= 0))
        return np.where(held, 0.0, derivative)

    metric = np.sqrt(h.weights)
    value, slope = h(theta)
    moving = free_slope(theta, slope)
    goal = reduction * np.abs(moving / metric).max()
    for _ in range(30):
        size = np.abs(moving / metric).max()
        if size <= goal:
            break
        step = -_guarded_solve(h.hessian(theta) / np.outer(metric, metric), moving / metric, moving != 0) / metric
        for _ in range(40):
            new = np.clip(theta + step, lower, upper)
            new_value, new_slope = h(new)
            new_moving = free_slope(new, new_slope)
            # Near the minimum, differences of the value are round-off: accept a step that halves the derivative instead.
            if (
                new_value <= value + 1e-4 * float(slope @ (new - theta))
                or np.abs(new_moving / metric).max() < 0.5 * size
            ):
                break
            step = 0.5 * step
        else:
            break
        theta, value, slope, moving = new, new_value, new_slope, new_moving
    return theta


def _guarded_solve(hessian: np.ndarray, right: np.ndarray, free: np.ndarray) -> np.ndarray:
    """`|H|^-1 right` on the free entries, zero on the others. `|H|` has the moduli of H's eigenvalues: a descent direction."""
    eigenvalues, vectors = np.linalg.eigh(hessian[np.ix_(free, free)])
    moduli = np.abs(eigenvalues)
    out = np.zeros_like(right)
    out[free] = vectors @ ((vectors.T @ right[free]) / np.maximum(moduli, 1e-8 * moduli.max()))
    return out
