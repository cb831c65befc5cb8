"""A flow with exact densities and potentials: `v = tanh(W x + b)` on a box in the plane that the density never leaves."""

from __future__ import annotations

import numpy as np

HALF = 4.0
HORIZON = 1.0
MATRIX = np.array([[0.5, 1.0], [-0.8, 0.4]])
SHIFT = np.array([0.1, -0.2])
#: the control `(6,)` of `fields.NeuralField(2)`
THETA = np.concatenate([MATRIX.ravel(), SHIFT])
#: steps of the Runge-Kutta method that traces characteristics for the exact solutions: round-off
STEPS = 200


def velocity(x: np.ndarray) -> np.ndarray:
    """`(n, 2)` points -> `(n, 2)`."""
    return np.tanh(x @ MATRIX.T + SHIFT)


def divergence(x: np.ndarray) -> np.ndarray:
    return (1 - velocity(x) ** 2) @ np.diag(MATRIX)


def start(x: np.ndarray) -> np.ndarray:
    """The density at time 0, and the potential at the final time: smooth, 1e-20 at the box's sides."""
    return np.exp(-4 * ((x - [0.3, -0.2]) ** 2).sum(axis=1))


def traced(x: np.ndarray, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Where characteristics lead in `time` (negative: backwards), and the integral of the divergence along them."""
    dt, total = time / STEPS, np.zeros(len(x))
    for _ in range(STEPS):
        points = [x]
        values = [velocity(x)]
        for reach in (0.5, 0.5, 1.0):
            points.append(x + reach * dt * values[-1])
            values.append(velocity(points[-1]))
        total = total + dt / 6 * (np.array([1, 2, 2, 1]) @ np.stack([divergence(p) for p in points]))
        x = x + dt / 6 * (values[0] + 2 * values[1] + 2 * values[2] + values[3])
    return x, total


def density(x: np.ndarray) -> np.ndarray:
    """The density at the final time, `mu_T(x) = mu_0(X_{-T}(x)) exp(-int div v)`, at points `(n, 2)`."""
    feet, total = traced(x, -HORIZON)
    return start(feet) * np.exp(total)  # the integral runs backwards: its sign is in dt


def potential(x: np.ndarray) -> np.ndarray:
    """The potential at time 0, `psi_0(x) = psi_T(X_T(x))`, at points `(n, 2)`."""
    return start(traced(x, HORIZON)[0])


def centres(cells: int) -> np.ndarray:
    """`(cells^2, 2)`: the first coordinate varies slowest."""
    line = -HALF + (np.arange(cells) + 0.5) * (2 * HALF / cells)
    return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)


def averages(function, cells: int) -> np.ndarray:
    """Cell averages `(cells, cells)` of a function of points, by two Gauss points an axis (an error of order 4)."""
    offset = HALF / cells / np.sqrt(3)
    shifts = [(a, b) for a in (-offset, offset) for b in (-offset, offset)]
    x = centres(cells)
    return sum(function(x + shift) for shift in shifts).reshape(cells, cells) / len(shifts)


def values(function, cells: int) -> np.ndarray:
    """Values at the centres `(cells, cells)`."""
    return function(centres(cells)).reshape(cells, cells)
