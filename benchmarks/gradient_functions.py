"""Cost and gradient of `bimodal_2d_0.2` on samples, written for the packages that follow particles.

Each entry of `FUNCTIONS` makes `control (layers, 6) -> (cost, gradient)` from points `(n, 2)` and labels `(n, 2)`; the layers
are those of this package: one RK4 step each, the control constant on it, double precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import eulerian_mfc as emfc

from .problems import LAYERS, bimodal

Evaluation = Callable[[np.ndarray], tuple[float, np.ndarray]]
PENALTY = 0.2


def ours(x: np.ndarray, y: np.ndarray, threads: int = 1) -> Evaluation:
    """The particle twin of this package."""
    law = emfc.laws.Empirical(x, y)
    return emfc.ParticleSystem(bimodal(law=law), LAYERS).cost_and_gradient


def _torch(x: np.ndarray, y: np.ndarray, threads: int, advance: Callable[[Any, Any, float], Any]) -> Evaluation:
    """By PyTorch's automatic differentiation; `advance(field, state, dt)` moves the points through a layer."""
    import torch

    torch.set_num_threads(threads)
    points, labels, dt = torch.tensor(np.array(x)), torch.tensor(np.array(y)), 1.0 / LAYERS

    def evaluate(control: np.ndarray) -> tuple[float, np.ndarray]:
        theta = torch.tensor(control, requires_grad=True)
        state = points
        for row in theta:
            matrix, bias = row[:4].reshape(2, 2).T, row[4:]
            state = advance(lambda t, z, matrix=matrix, bias=bias: torch.tanh(z @ matrix + bias), state, dt)
        cost = ((state - labels) ** 2).sum(dim=1).mean() + 0.5 * PENALTY * dt * (theta**2).sum()
        cost.backward()
        return float(cost.detach()), theta.grad.numpy()

    return evaluate


def plain_torch(x: np.ndarray, y: np.ndarray, threads: int = 1) -> Evaluation:
    """The classical Runge-Kutta method written out."""

    def step(field: Any, state: Any, dt: float) -> Any:
        k1 = field(0.0, state)
        k2 = field(0.0, state + dt / 2 * k1)
        k3 = field(0.0, state + dt / 2 * k2)
        k4 = field(0.0, state + dt * k3)
        return state + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    return _torch(x, y, threads, step)


def torchdiffeq(x: np.ndarray, y: np.ndarray, threads: int = 1) -> Evaluation:
    """`odeint(..., method="rk4")`: its Runge-Kutta method is the 3/8 rule, of order 4 too."""
    import torch
    from torchdiffeq import odeint

    def step(field: Any, state: Any, dt: float) -> Any:
        return odeint(field, state, torch.tensor([0.0, dt], dtype=torch.float64), method="rk4")[1]

    return _torch(x, y, threads, step)


def _jax(x: np.ndarray, y: np.ndarray, advance: Callable[[Any, Any, Any, float], Any]) -> Evaluation:
    """By JAX, compiled as a whole; `advance(field, theta, state, dt)`. Its threads are the processors that it sees."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    points, labels, dt = jnp.asarray(x.T), jnp.asarray(y.T), 1.0 / LAYERS  # components contiguous: faster here

    def field(t: Any, state: Any, row: Any) -> Any:
        return jnp.tanh(row[:4].reshape(2, 2) @ state + row[4:, None])

    def cost(theta: Any) -> Any:
        state, _ = jax.lax.scan(lambda s, row: (advance(field, row, s, dt), None), points, theta)
        return ((state - labels) ** 2).sum(axis=0).mean() + 0.5 * PENALTY * dt * (theta**2).sum()

    compiled = jax.jit(jax.value_and_grad(cost))

    def evaluate(control: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = compiled(jnp.asarray(control))
        return float(value), np.asarray(gradient)

    return evaluate


def plain_jax(x: np.ndarray, y: np.ndarray, threads: int = 1) -> Evaluation:
    """The classical Runge-Kutta method written out."""

    def step(field: Any, row: Any, state: Any, dt: float) -> Any:
        k1 = field(0.0, state, row)
        k2 = field(0.0, state + dt / 2 * k1, row)
        k3 = field(0.0, state + dt / 2 * k2, row)
        k4 = field(0.0, state + dt * k3, row)
        return state + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    return _jax(x, y, step)


def diffrax(x: np.ndarray, y: np.ndarray, threads: int = 1) -> Evaluation:
    """`diffeqsolve` over every layer by the classical tableau, which diffrax does not bring but lets a user define."""
    from diffrax import AbstractERK, ButcherTableau, DirectAdjoint, ODETerm, diffeqsolve
    from diffrax import ThirdOrderHermitePolynomialInterpolation as Hermite

    class RK4(AbstractERK):
        tableau = ButcherTableau(
            a_lower=(np.array([0.5]), np.array([0.0, 0.5]), np.array([0.0, 0.0, 1.0])),
            b_sol=np.array([1 / 6, 1 / 3, 1 / 3, 1 / 6]),
            b_error=np.zeros(4),
            c=np.array([0.5, 0.5, 1.0]),
        )
        interpolation_cls = Hermite.from_k

        def order(self, terms: Any) -> int:
            return 4

    def step(field: Any, row: Any, state: Any, dt: float) -> Any:
        out = diffeqsolve(
            ODETerm(field), RK4(), 0.0, dt, dt, state, args=row, max_steps=1, adjoint=DirectAdjoint(), throw=False
        )
        return out.ys[0]

    return _jax(x, y, step)


#: name -> (the peer that must be installed, what makes the evaluation)
FUNCTIONS: dict[str, tuple[str, Callable[..., Evaluation]]] = {
    "PyTorch, RK4 written out": ("PyTorch", plain_torch),
    "torchdiffeq, rk4": ("torchdiffeq", torchdiffeq),
    "JAX, RK4 written out": ("JAX", plain_jax),
    "diffrax, RK4": ("diffrax", diffrax),
}
