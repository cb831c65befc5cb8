"""The shooting method of the source: forward sweep, backward sweep, layer-wise update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._validate import fail, mismatch, positive
from .base import Recorder, Solver


@dataclass(frozen=True)
class Shooting(Solver):
    """`theta_{k+1} = (1 - rho) theta_k + rho argmin H_n(.; m_k^n, psi_k^{n+1})` on every layer n.

    Parameters
    ----------
    relaxation : rho in (0, 1]; 1 is the source's algorithm, which diverges for small penalties.
    divergence : stop once the residual exceeds this many times its smallest value.

    On an adjoint pair the fixed points are exactly the critical points of the discrete cost.

    References
    ----------
    B. Bonnet, C. Cipriani, M. Fornasier, H. Huang, A measure theoretical approach to the mean-field maximum principle
    for training NeurODEs, Nonlinear Analysis 227 (2023) 113161, doi:10.1016/j.na.2022.113161, section 5.
    """

    relaxation: float = 1.0
    divergence: float = 1e3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < positive("relaxation", self.relaxation) <= 1:
            raise fail("relaxation", self.relaxation, "a number in (0, 1]")
        if positive("divergence", self.divergence) <= 1:
            raise fail("divergence", self.divergence, "a number > 1")

    def _run(self, recorder: Recorder, system: Any, initial: np.ndarray) -> str:
        if not hasattr(system, "layer_updates"):
            raise mismatch("system", type(system).__name__, "an OptimalitySystem: layer-wise updates need a mesh")
        theta = initial.copy()
        smallest = np.inf
        change: np.ndarray | None = None
        factor = np.nan
        for _ in range(self.max_iterations):
            cost, gradient, hamiltonians = system.layer_updates(theta)
            point = recorder.note(theta, cost, gradient)
            recorder.record(point)
            if recorder.converged(point):
                return "residual below the tolerance"
            smallest = min(smallest, point.residual)
            if point.residual > self.divergence * smallest:
                return f"shooting diverges ({self._diagnosis(factor)})"
            updated = np.stack([minimise_layer(h, row) for h, row in zip(hamiltonians, theta, strict=True)])
            previous, change = change, updated - theta
            if previous is not None:
                factor = float(np.linalg.norm(change) / np.linalg.norm(previous))
            theta = theta + self.relaxation * change
        return f"the limit of {self.max_iterations} iterations is reached ({self._diagnosis(factor)})"

    def _diagnosis(self, factor: float) -> str:
        return (
            f"the last update changed by a factor {factor:.3g}; relaxation {self.relaxation:g}: "
            "reduce it, raise the penalty, or use LBFGS"
        )


def minimise_layer(hamiltonian: Any, theta: np.ndarray, reduction: float = 1e-3, max_steps: int = 30) -> np.ndarray:
    """A minimiser of one layer's Hamiltonian from `theta` `(m,)`: Newton with a guarded Hessian and backtracking.

    Stops once the derivative is `reduction` times the first, which leaves the fixed points of shooting as they are.
    The Hessian is a central difference of the exact derivative, its eigenvalues replaced by their moduli; it is kept
    from step to step while it serves.
    """
    value, slope = hamiltonian(theta)
    goal = reduction * np.abs(slope).max()
    inverse: np.ndarray | None = None
    for _ in range(max_steps):
        size = np.abs(slope).max()
        if size <= goal:
            break
        if inverse is None:
            inverse = _guarded_inverse(hamiltonian, theta)
        step = -inverse @ slope
        decrease = float(slope @ step)
        for _ in range(40):
            new_value, new_slope = hamiltonian(theta + step)
            # Near the minimum values are round-off: a smaller derivative is then the better witness.
            if new_value <= value + 1e-4 * decrease or np.abs(new_slope).max() < 0.5 * size:
                break
            step, decrease = 0.5 * step, 0.5 * decrease
        else:
            break
        theta, value, slope = theta + step, new_value, new_slope
        if np.abs(slope).max() > 0.1 * size:
            inverse = None
    return theta


def _guarded_inverse(hamiltonian: Any, theta: np.ndarray) -> np.ndarray:
    step = 1e-5 * (1 + np.abs(theta).max())
    rows = [
        (hamiltonian(theta + step * e)[1] - hamiltonian(theta - step * e)[1]) / (2 * step) for e in np.eye(len(theta))
    ]
    hessian = np.stack(rows)
    eigenvalues, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    moduli = np.abs(eigenvalues)
    return vectors / np.maximum(moduli, 1e-8 * moduli.max()) @ vectors.T
