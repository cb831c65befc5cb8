"""The swirl by general packages for partial differential equations: a density forwards, a potential backwards.

Each function makes a `Solve` on `cells^2` cells: what one calls for the values `(cells, cells)` at the other end of time.
The backward problem is a forward one in reversed time, `psi_s = v . grad psi`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import swirl


class Solve(NamedTuple):
    """A solve, the steps that it takes, and the evaluations of its scheme a step."""

    run: Callable[[], np.ndarray]
    steps: int
    stages: int


def steps_at(courant: float, cells: int) -> int:
    """Steps over the horizon with that Courant number, `dt sum_k |v_k| / h_k`, of the fastest cell."""
    rate = np.abs(swirl.velocity(swirl.centres(cells))).sum(axis=1).max() / (2 * swirl.HALF / cells)
    return int(np.ceil(swirl.HORIZON * rate / courant))


def py_pde(cells: int, forward: bool) -> Solve:
    """Central differences and RK4, Courant number 1; the stepper of its Numba backend, the faster one once compiled."""
    import pde

    grid = pde.CartesianGrid([[-swirl.HALF, swirl.HALF]] * 2, [cells, cells])
    x = swirl.centres(cells)
    v = pde.VectorField(grid, swirl.velocity(x).T.reshape(2, cells, cells))
    right = "-divergence(v * c)" if forward else "dot(v, gradient(c))"
    equation = pde.PDE({"c": right}, consts={"v": v}, bc={"derivative": 0})
    initial = pde.ScalarField(grid, swirl.values(swirl.start, cells))
    steps = steps_at(1.0, cells)
    solver = pde.RungeKuttaSolver(equation, adaptive=False, backend="numba")
    advance = solver.make_stepper(initial, swirl.HORIZON / steps)

    def run() -> np.ndarray:
        state = initial.copy()
        advance(state, 0.0, swirl.HORIZON)
        return state.data

    return Solve(run, steps, 4)


def fipy(cells: int, forward: bool) -> Solve:
    """Finite volumes, van Leer's convection and implicit Euler steps, Courant number 1; SciPy's solver."""
    from fipy import CellVariable, FaceVariable, Grid2D, ImplicitSourceTerm, TransientTerm, VanLeerConvectionTerm

    h = 2 * swirl.HALF / cells
    corner = np.full((2, 1), -swirl.HALF)
    mesh = Grid2D(dx=h, dy=h, nx=cells, ny=cells) + corner
    sign = 1.0 if forward else -1.0  # v . grad c = div(v c) - c div v
    v = FaceVariable(mesh=mesh, rank=1, value=sign * swirl.velocity(np.asarray(mesh.faceCenters).T).T)
    x = np.asarray(mesh.cellCenters).T  # the first coordinate varies fastest
    state = CellVariable(mesh=mesh, value=0.0, hasOld=True)
    equation = TransientTerm() + VanLeerConvectionTerm(coeff=v)
    if not forward:
        equation = equation - ImplicitSourceTerm(coeff=CellVariable(mesh=mesh, value=sign * swirl.divergence(x)))
    steps = steps_at(1.0, cells)

    def run() -> np.ndarray:
        state.setValue(swirl.start(x))
        for _ in range(steps):
            state.updateOld()
            equation.solve(var=state, dt=swirl.HORIZON / steps)
        return np.array(state.value).reshape(cells, cells).T

    return Solve(run, steps, 1)


def pyclaw(cells: int, forward: bool) -> Solve:
    """Classic wave propagation, unsplit, MC limiter, Courant number 0.9. The advective form only: its Riemann solver's."""
    if forward:
        raise NotImplementedError("PyClaw's solver for variable velocities in the plane is for the advective form")
    from clawpack import pyclaw as claw
    from clawpack import riemann

    solver = claw.ClawSolver2D(riemann.vc_advection_2D)
    solver.limiters = claw.limiters.tvd.MC
    solver.dimensional_split, solver.transverse_waves = False, 2
    solver.cfl_max, solver.cfl_desired = 1.0, 0.9
    for sides in (solver.bc_lower, solver.bc_upper, solver.aux_bc_lower, solver.aux_bc_upper):
        sides[0] = sides[1] = claw.BC.extrap
    domain = claw.Domain([-swirl.HALF] * 2, [swirl.HALF] * 2, [cells, cells])
    h, x = 2 * swirl.HALF / cells, swirl.centres(cells)
    steps = steps_at(0.9, cells)

    def run() -> np.ndarray:
        state = claw.State(domain, 1, 2)
        for axis, shift in enumerate(([h / 2, 0.0], [0.0, h / 2])):  # velocities at the low faces
            state.aux[axis] = -swirl.velocity(x - shift)[:, axis].reshape(cells, cells)
        state.q[0] = swirl.values(swirl.start, cells)
        controller = claw.Controller()
        controller.solution, controller.solver = claw.Solution(state, domain), solver
        controller.tfinal, controller.num_output_times, controller.output_format = swirl.HORIZON, 1, None
        controller.run()
        return np.array(controller.solution.state.q[0])

    return Solve(run, steps, 1)


#: name -> the peer that must be installed, what makes the solve, whether it can go forwards
PACKAGES = {
    "py-pde, central, RK4": ("py-pde", py_pde, True),
    "FiPy, van Leer, implicit": ("FiPy", fipy, True),
    "PyClaw classic, MC": ("PyClaw", pyclaw, False),
}
