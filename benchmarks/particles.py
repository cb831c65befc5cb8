"""`bimodal_2d_0.2` on a mesh beside particles in PyTorch: the price of a gradient, and of a control to a given error."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import eulerian_mfc as emfc

from .gradient import CELLS, LAYERS, median_seconds, system

#: cells an axis, degree: meshes on which the training is timed
MESHES = ((20, 3), (32, 3), (32, 5), (48, 5), (64, 5))
#: samples on which PyTorch's training is timed
SAMPLES = (1_000, 4_000, 16_000)


def torch_gradient(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Cost and gradient on samples: the same layers (RK4), PyTorch's automatic differentiation, double precision."""
    import torch

    points, labels, dt = torch.tensor(np.array(x)), torch.tensor(np.array(y)), 1.0 / LAYERS

    def evaluate(control: np.ndarray) -> tuple[float, np.ndarray]:
        theta = torch.tensor(control, requires_grad=True)
        state = points
        for row in theta:
            matrix, bias = row[:4].reshape(2, 2).T, row[4:]

            def field(z: Any, matrix: Any = matrix, bias: Any = bias) -> Any:
                return torch.tanh(z @ matrix + bias)

            k1 = field(state)
            k2 = field(state + dt / 2 * k1)
            k3 = field(state + dt / 2 * k2)
            k4 = field(state + dt * k3)
            state = state + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        cost = ((state - labels) ** 2).sum(dim=1).mean() + 0.1 * dt * (theta**2).sum()
        cost.backward()
        return float(cost.detach()), theta.grad.numpy()

    return evaluate


def ratio_of_gradients(repeats: int = 5) -> tuple[float, float]:
    """Price of a gradient a particle in PyTorch over that of a cell, cubic and quintic; one thread each."""
    import torch

    torch.set_num_threads(1)
    ours = [system(degree) for degree in (3, 5)]
    control = np.full((LAYERS, 6), 0.3)
    x, y = ours[0].problem.law.sample(CELLS**2, seed=0)
    theirs = torch_gradient(x, y)
    # The same problem: the optimum's neighbourhood differs by the sampling error only.
    cost, gradient = theirs(control)
    mesh_cost, mesh_gradient = ours[1].cost_and_gradient(control)
    assert abs(cost - mesh_cost) < 0.05
    assert np.abs(gradient - mesh_gradient).max() < 0.05 * np.abs(mesh_gradient).max()
    times = [
        [median_seconds(lambda s=s: s.cost_and_gradient(control), 1) for s in ours]
        + [median_seconds(lambda: theirs(control), 1)]
        for _ in range(repeats)
    ]
    cubic, quintic, torch_time = np.median(times, axis=0)
    return float(torch_time / cubic), float(torch_time / quintic)


def train_on_mesh(cells: int, degree: int) -> tuple[float, np.ndarray]:
    """Seconds of a whole training, the making of the system included, and the control."""
    start = time.perf_counter()
    given = system(degree, cells=cells)
    outcome = emfc.solvers.LBFGS().solve(given, np.full((LAYERS, 6), 0.1))
    return time.perf_counter() - start, outcome.control


def train_in_torch(samples: int, seed: int) -> tuple[float, np.ndarray]:
    """The same by L-BFGS (SciPy's, as ours) on random samples."""
    from scipy.optimize import minimize

    x, y = system(3, cells=16).problem.law.sample(samples, seed=seed)
    start = time.perf_counter()
    evaluate = torch_gradient(x, y)

    def flat(v: np.ndarray) -> tuple[float, np.ndarray]:
        cost, gradient = evaluate(v.reshape(LAYERS, 6))
        return cost, gradient.ravel()

    found = minimize(flat, np.full(6 * LAYERS, 0.1), jac=True, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-7})
    return time.perf_counter() - start, found.x.reshape(LAYERS, 6)


def table() -> str:
    cubic, quintic = ratio_of_gradients()
    _, exact = train_on_mesh(96, 5)
    train_on_mesh(16, 3)
    rows = [
        f"`bimodal_2d_0.2`, {LAYERS} layers, RK4, double precision, one thread, in one process. A gradient costs PyTorch",
        f"{cubic:.1f} times as much a particle as a cell costs cubic splines, {quintic:.1f} times as much as quintic ones",
        f"({CELLS}^2 particles, {CELLS}^2 cells, three moments, medians of 5). Whole trainings by L-BFGS from 0.1, medians of",
        "3; errors of the control (maximum) against 96^2 cells of degree 5, of samples the mean over 3 seeds. Times are in",
        "units of the first row's. The last row follows from the one above it: errors fall as the square root of the",
        "number of samples, times grow with it. Made by `tox -e benchmarks`.",
        "",
        "| method | unknowns | error of the control | time |",
        "|---|---|---|---|",
    ]
    unit, best = 0.0, []
    for cells, degree in MESHES:
        runs = [train_on_mesh(cells, degree) for _ in range(3)]
        seconds, error = float(np.median([t for t, _ in runs])), float(np.abs(runs[0][1] - exact).max())
        unit = unit or seconds
        best.append((error, seconds))
        rows.append(f"| mesh, degree {degree} | 3 x {cells}^2 | {error:.1e} | {seconds / unit:.1f} |")
    for samples in SAMPLES:
        trained = [train_in_torch(samples, seed) for seed in range(3)]
        seconds = float(np.median([t for t, _ in trained]))
        error = float(np.mean([np.abs(c - exact).max() for _, c in trained]))
        rows.append(f"| PyTorch, {samples} samples | {2 * samples} | {error:.1e} | {seconds / unit:.1f} |")
    needed = samples * (error / 1e-4) ** 2
    theirs = seconds * needed / samples
    rows.append(f"| PyTorch, extrapolated | {2 * needed:.0e} | 1.0e-04 | {theirs / unit:.0f} |")
    ours = min(seconds for error, seconds in best if error <= 1e-4)
    rows += ["", f"To an error of 1e-4 particles take {theirs / ours:.0f} times as long as the mesh (extrapolated)."]
    return "\n".join(rows) + "\n"
