"""`python -m benchmarks.fokker_planck`: control of a Fokker-Planck equation in the plane, beside a code of first order.

States move in a quadratic potential with noise, and controls push them along gradients, so that the law reaches its stationary
state sooner: the cost is the squared distance of the density to that of the stationary law, over time and at the end. The law is
normal and stays so, which gives the exact cost of any control by an ordinary differential equation, and the exact optimum.

The code of first order is of the design that the field uses: Chang and Cooper's finite volumes in space, implicit Euler steps in
time, controls that are constant on steps, the exact gradient of its discrete cost, L-BFGS. Both codes get the exact cost of the
control that they find. The table is written to `docs/tables/fokker_planck.md`.

References: J. S. Chang, G. Cooper, A practical difference scheme for Fokker-Planck equations, J. Comput. Phys. 6 (1970), 1-16,
doi:10.1016/0021-9991(70)90001-X; D. Kalise, L. M. Moschen, G. A. Pavliotis, U. Vaes, A spectral approach to optimal control of
the Fokker-Planck equation, IEEE Control Syst. Lett. (2025), arXiv:2503.15125.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import minimize
from scipy.sparse import csc_matrix, diags, eye, kron
from scipy.sparse.linalg import splu

import eulerian_mfc as emfc

TABLE = Path(__file__).parents[1] / "docs" / "tables" / "fokker_planck.md"
SIGMA, PENALTY, HORIZON, HALF = 0.8, 0.02, 1.0, 3.2
START, SPREAD = np.array([0.9, 0.5]), np.array([0.35, 0.45])
STEADY = SIGMA / np.sqrt(2.0)

Control = Callable[[float], np.ndarray]
#: the control found, the times between which it is smooth, its cost as the code sees it, and the code's steps in time
Found = tuple[Control, np.ndarray, float, int]


def problem() -> emfc.Problem:
    """`dX = -X dt + u_1 e_1 dt + u_2 e_2 dt + u_3 X dt + sigma dW`, three controls."""
    field = emfc.fields.PotentialField(lambda x: 0.5 * (x**2).sum(axis=1), 2) + emfc.fields.GradientField(
        [lambda x: x[:, 0], lambda x: x[:, 1], lambda x: 0.5 * (x**2).sum(axis=1)], 2
    )
    law = emfc.laws.Labelled(emfc.laws.Gaussian(START.tolist(), SPREAD.tolist()), [[0.0, 0.0]])
    distance = emfc.losses.SquaredDensityDistance(emfc.laws.Gaussian([0.0, 0.0], float(STEADY)))
    return emfc.Problem(field, law, distance, PENALTY, HORIZON, running=distance, noise=SIGMA)


def distance_of(mean: np.ndarray, variance: np.ndarray) -> Any:
    """`1/2 int (rho - rho_inf)^2 dx` for normal laws with these means and variances `(2, ...)`, also complex ones."""

    def product(apart: np.ndarray, sums: np.ndarray) -> Any:
        return np.prod(np.exp(-0.5 * apart**2 / sums) / np.sqrt(2.0 * np.pi * sums), axis=0)

    zero, steady = np.zeros_like(mean), np.full_like(variance, STEADY**2)
    own = product(zero, 2.0 * variance) + product(zero, 2.0 * steady)
    return 0.5 * (own - 2.0 * product(mean, variance + steady))


def exact_cost(control: Control, breaks: np.ndarray) -> float:
    """J of a control `t -> (3,)` that is smooth between the times `breaks`."""

    def rates(t: float, z: np.ndarray) -> np.ndarray:
        u = control(t)
        spent = distance_of(z[:2], z[2:4]) + 0.5 * PENALTY * float(u @ u)
        return np.concatenate([(u[2] - 1.0) * z[:2] + u[:2], 2.0 * (u[2] - 1.0) * z[2:4] + SIGMA**2, [spent]])

    state = np.concatenate([START, SPREAD**2, [0.0]])
    for a, b in pairwise(breaks.tolist()):
        inner = np.nextafter(b, a)

        def within(t: float, z: np.ndarray, last: float = inner) -> np.ndarray:
            return rates(min(t, last), z)

        state = solve_ivp(within, (a, b), state, method="DOP853", rtol=1e-10, atol=1e-12).y[:, -1]
    return float(state[4] + distance_of(state[:2], state[2:4]))


def optimum() -> float:
    """J*, over polynomials of degree 12 on the whole horizon, by complex-step gradients of a Runge-Kutta method."""
    steps, degree = 200, 12
    dt = HORIZON / steps
    basis = np.polynomial.legendre.legvander(np.linspace(-1.0, 1.0, 2 * steps + 1), degree)

    def cost(coefficients: np.ndarray) -> np.ndarray:
        """J of complex coefficients `(degree + 1, 3, n)`, `(n,)`."""
        u = np.einsum("tk,kmn->tmn", basis, coefficients)
        z = np.concatenate([START, SPREAD**2, [0.0]]).astype(complex)[:, None] * np.ones(coefficients.shape[2])

        def rates(z: np.ndarray, u: np.ndarray) -> np.ndarray:
            means, variances = (u[2] - 1.0) * z[:2] + u[:2], 2.0 * (u[2] - 1.0) * z[2:4] + SIGMA**2
            spent = distance_of(z[:2], z[2:4]) + 0.5 * PENALTY * (u**2).sum(axis=0)
            return np.concatenate([means, variances, spent[None]])

        for n in range(steps):
            start, middle, end = u[2 * n : 2 * n + 3]
            one = rates(z, start)
            two = rates(z + 0.5 * dt * one, middle)
            three = rates(z + 0.5 * dt * two, middle)
            z = z + dt / 6.0 * (one + 2.0 * two + 2.0 * three + rates(z + dt * three, end))
        return np.asarray(z[4] + distance_of(z[:2], z[2:4]))

    def cost_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        values = cost((flat[:, None] + 1e-30j * np.eye(len(flat))).reshape(degree + 1, 3, -1))
        return float(values[0].real), values.imag / 1e-30

    first = np.zeros(3 * (degree + 1))
    found = minimize(cost_and_gradient, first, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 500})
    best = found.x.reshape(degree + 1, 3)

    def control(t: float) -> np.ndarray:
        return np.asarray(np.polynomial.legendre.legvander(np.array([2.0 * t / HORIZON - 1.0]), degree)[0] @ best)

    return exact_cost(control, np.array([0.0, HORIZON]))


class ChangCooper:
    """Chang and Cooper's scheme on `cells x cells`, implicit Euler steps, and the exact gradient of its cost.

    The flux between two cells at a distance h is `b rho_m - D (rho_+ - rho_-) / h`, with the mean
    `rho_m = (1 - w) rho_+ + w rho_-` and the weight `w = 1/q - 1/(exp(q) - 1)`, `q = -h b / D`, `D = sigma^2 / 2`.
    """

    def __init__(self, cells: int, steps: int) -> None:
        self.cells, self.steps, self.dt, self.h = cells, steps, HORIZON / steps, 2.0 * HALF / cells
        self.x = -HALF + (np.arange(cells) + 0.5) * self.h
        self.sides = self.x[:-1] + 0.5 * self.h
        self.target = self._normal(np.zeros(2), np.full(2, STEADY))
        self.start = self._normal(START, SPREAD)
        self.start /= self.start.sum() * self.h**2

    def _normal(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        one, two = (
            np.exp(-0.5 * ((self.x - m) / s) ** 2) / (s * np.sqrt(2.0 * np.pi)) for m, s in zip(mean, std, strict=True)
        )
        return np.outer(one, two).ravel()

    def _line(self, shift: complex, scale: complex) -> csc_matrix:
        """The operator along one axis for the drift `shift + scale x`, `(cells, cells)`."""
        diffusion, drift = 0.5 * SIGMA**2, shift + scale * self.sides
        q = -self.h * drift / diffusion
        q = np.where(np.abs(q) < 1e-8, 1e-8, q)
        w = 1.0 / q - 1.0 / np.expm1(q)
        left = (drift * w + diffusion / self.h) / self.h  # of the flux, times rho of the cell before the side
        right = (drift * (1.0 - w) - diffusion / self.h) / self.h
        middle = np.zeros(self.cells, dtype=q.dtype)
        middle[:-1] -= left
        middle[1:] += right
        return csc_matrix(diags([left, middle, -right], [-1, 0, 1]))

    def operator(self, u: np.ndarray) -> csc_matrix:
        """The discrete Fokker-Planck operator for the controls `(3,)`."""
        one = eye(self.cells, format="csc")
        first, second = self._line(u[0], u[2] - 1.0), self._line(u[1], u[2] - 1.0)
        return csc_matrix(kron(first, one) + kron(one, second))

    def cost_and_gradient(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        u, area = flat.reshape(self.steps, 3), self.h**2
        rho, states, solvers = self.start, [], []
        cost = 0.5 * PENALTY * self.dt * float((u**2).sum())
        for row in u:
            solvers.append(splu(eye(self.cells**2, format="csc") - self.dt * self.operator(row)))
            rho = solvers[-1].solve(rho)
            states.append(rho)
            cost += 0.5 * self.dt * area * float(((rho - self.target) ** 2).sum())
        cost += 0.5 * area * float(((rho - self.target) ** 2).sum())
        gradient, costate = PENALTY * self.dt * u, area * (rho - self.target)
        for n in range(self.steps - 1, -1, -1):
            costate = solvers[n].solve(costate + self.dt * area * (states[n] - self.target), trans="T")
            for k in range(3):
                moved = u[n] + 1e-30j * np.eye(3)[k]
                slope = self.operator(moved).imag / 1e-30
                gradient[n, k] += self.dt * float(costate @ (slope @ states[n]))
        return cost, gradient.ravel()

    def solve(self) -> Found:
        """The control found, which is constant on steps."""
        found = minimize(
            self.cost_and_gradient, np.full(3 * self.steps, 0.01), jac=True, method="L-BFGS-B",
            options={"maxiter": 200, "ftol": 1e-14, "gtol": 1e-9},
        )  # fmt: skip
        u, ends = found.x.reshape(self.steps, 3), np.linspace(0.0, HORIZON, self.steps + 1)
        return lambda t: u[min(int(t / self.dt), self.steps - 1)], ends, float(found.fun), self.steps


def on_mesh(cells: int, layers: int, degree: int, substeps: int) -> Found:
    """The same for the package; all three flows of every substep count as steps."""
    mesh = emfc.CartesianMesh([(-HALF, HALF)] * 2, [cells, cells])
    found = emfc.solve(
        problem(), mesh, layers, control_degree=degree, layer_map=emfc.LayerMap("rk4", substeps),
        solver=emfc.solvers.LBFGS(tol=1e-6),
    )  # fmt: skip
    curves = found.numerics.curves
    return lambda t: found.theta([t])[0], curves.ends, found.cost, 3 * substeps * curves.steps


def main() -> int:
    rows = [
        "| code | cells | steps | unknowns | $J - J^*$ of the control found | error of its own $J$ | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    runs: list[tuple[str, int, Callable[[], Found]]] = [
        *(("first order", n, ChangCooper(n, m).solve) for n, m in ((32, 16), (48, 24), (64, 32))),
        *(
            (f"eulerian_mfc, {layers} layers of degree {k}", n, partial(on_mesh, n, layers, k, s))
            for n, layers, k, s in ((16, 2, 1, 1), (20, 2, 1, 2), (24, 2, 2, 3))
        ),
    ]
    best = optimum()
    print(best, flush=True)
    for name, cells, run in runs:
        begin = time.perf_counter()
        control, breaks, own, steps = run()
        took, true = time.perf_counter() - begin, exact_cost(control, breaks)
        rows.append(
            f"| {name} | {cells} x {cells} | {steps} | {cells**2 * steps:,} | {true - best:.1e} | {own - true:+.1e} "
            f"| {took:.1f} |"
        )
        print(rows[-1], flush=True)
    TABLE.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
