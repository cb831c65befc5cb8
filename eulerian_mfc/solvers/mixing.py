"""The step of a fixed-point iteration from `theta` towards `G(theta)`: relaxation (fixed or automatic), Anderson acceleration."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

#: while the change is larger than FAR times the first one, an Anderson step is at most LONGEST plain changes long: far from a
#: fixed point the secants are a poor model of G, and a long step may send the iteration away
FAR, LONGEST = 0.1, 1.5


class Mixing(ABC):
    """Chooses the next control from the present one and the change `f = G(theta) - theta`, both flat, in the penalty's metric."""

    #: the relaxation of the last step
    relaxation = 1.0

    def __init__(self) -> None:
        self._last: tuple[np.ndarray, np.ndarray] | None = None
        #: estimate of the dominant eigenvalue of G' from the last two changes, along the last step; NaN before the second change
        self.eigenvalue = np.nan

    def next(self, theta: np.ndarray, change: np.ndarray) -> np.ndarray:
        """The next control."""
        if self._last is not None:
            old_theta, old_change = self._last
            moved = theta - old_theta
            length = float(moved @ moved)
            if length > 0.0:
                # f changes by (G' - 1) s along the step s, so this is a Rayleigh quotient of G'.
                self.eigenvalue = 1.0 + float((change - old_change) @ moved) / length
        out = self._next(theta, change)
        self._last = theta, change
        return out

    @abstractmethod
    def _next(self, theta: np.ndarray, change: np.ndarray) -> np.ndarray: ...


class FixedRelaxation(Mixing):
    """`theta + rho f`."""

    def __init__(self, relaxation: float) -> None:
        super().__init__()
        self.relaxation = relaxation

    def _next(self, theta: np.ndarray, change: np.ndarray) -> np.ndarray:
        return theta + self.relaxation * change


class AutomaticRelaxation(Mixing):
    """`rho = 2 / (2 - g)`, which is optimal if the eigenvalues of G' lie in [g, 0].

    g is the most negative estimate so far; it decays by 5 % per step. If the norm of the change grows by more than half in a
    step, rho is halved; it then recovers by a fifth per step.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lowest, self._caution = 0.0, 1.0

    def _next(self, theta: np.ndarray, change: np.ndarray) -> np.ndarray:
        if np.isfinite(self.eigenvalue):
            self._lowest = min(self.eigenvalue, 0.95 * self._lowest)
        if self._last is not None:
            grows = float(change @ change) > 1.5**2 * float(self._last[1] @ self._last[1])
            self._caution = 0.5 * self._caution if grows else min(1.0, 1.2 * self._caution)
        self.relaxation = self._caution * 2.0 / (2.0 - self._lowest)
        return theta + self.relaxation * change


class Anderson(Mixing):
    """Type II mixing of the last `window` changes: `theta + rho f - (dTheta + rho dF) gamma`, gamma minimises `|f - dF gamma|`.

    Safeguard: if the change grows to more than twice the smallest so far, the memory is dropped. The iteration then continues
    from the control with the smallest change, with half the relaxation, which doubles again per step that reduces the change.

    References
    ----------
    H. F. Walker, P. Ni, Anderson acceleration for fixed-point iterations, SIAM J. Numer. Anal. 49 (2011), 1715-1735,
    doi:10.1137/10078356X.
    """

    def __init__(self, window: int, relaxation: float) -> None:
        super().__init__()
        self._window, self._full = window, relaxation
        self.relaxation = relaxation
        self._moves: list[tuple[np.ndarray, np.ndarray]] = []
        self._best: tuple[np.ndarray, np.ndarray] | None = None
        self._first = np.inf

    def _next(self, theta: np.ndarray, change: np.ndarray) -> np.ndarray:
        size = float(np.linalg.norm(change))
        self._first = size if self._last is None else self._first
        if self._best is not None and size > 2.0 * np.linalg.norm(self._best[1]):
            self._moves.clear()
            self.relaxation = 0.5 * self.relaxation
            theta, change = self._best
        else:
            if self._last is not None and self._best is not None and self._best[0] is self._last[0]:
                self.relaxation = min(self._full, 2.0 * self.relaxation)
            if self._last is not None:
                self._moves.append((theta - self._last[0], change - self._last[1]))
                del self._moves[: -self._window]
            if self._best is None or size < np.linalg.norm(self._best[1]):
                self._best = theta, change
        step = self.relaxation * change
        if self._moves:
            steps, changes = (np.stack(parts, axis=1) for parts in zip(*self._moves, strict=True))
            gamma = np.linalg.lstsq(changes, change, rcond=1e-10)[0]
            step = step - (steps + self.relaxation * changes) @ gamma
            if np.linalg.norm(change) > FAR * self._first:
                step *= min(1.0, LONGEST * float(np.linalg.norm(change)) / max(float(np.linalg.norm(step)), 1e-300))
        return theta + step
