"""The solution of a problem on a mesh, with its certificate and all operations on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike

from ._frozen import frozen
from ._validate import choice
from .control.controlled_flow import ControlledFlow
from .control.curves import checked_times
from .diagnostics.certificate import check
from .diagnostics.maximum_principle import check as check_maximum
from .diagnostics.off_mesh import look
from .diagnostics.pointwise import Pointwise
from .diagnostics.same_problem import check_problem, settled
from .diagnostics.second_order import analyse_and_warn
from .diagnostics.taylor import taylor_slope
from .errors import EulerianError
from .problem import Problem
from .results.deferred import Deferred
from .results.error_budget import ErrorBudget
from .results.maximum_principle import MaximumPrinciple
from .results.numerics import Numerics, Paths
from .results.prediction import predict
from .results.solution_data import SolutionData
from .results.stability import Stability
from .solvers import Iteration, Outcome
from .storage import solution_file
from .system.optimality import OptimalitySystem

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch.nn import Module


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Solution(SolutionData):
    """A control with its densities, potentials, history and certificate.

    `solve` and `Solution.load` make solutions; users do not call the constructor. A solution is immutable: its arrays are
    read-only (`solution.masses.copy()` is an array of your own). Arrays on the mesh are `(steps + 1, R, *shape)`. The first
    axis is time, in increasing order; R is the number of moments or labels, named by `names`.

    Attributes
    ----------
    control : the coefficients of the control, `(layers, m)` or `(layers, degree + 1, m)`, see `SolutionData`;
        `theta` gives its values.
    cost, terminal_cost, penalty_cost, running_cost : `J` and its parts.
    residual : the optimality residual, `max |lambda theta + int D_theta F^T grad psi dmu|`.
    status, converged, solved, message, threshold, kink, history : the outcome of the solver, see `SolutionData`.
    checks, look, stability, certificate : the checks of the control, see `SolutionData`.
    masses, densities, total_density, potentials, paths : arrays on the mesh and along characteristics, see `SolutionData`.
    names, total, labels, parameter_names, bounds, description, rounds, numerics : see `SolutionData`.
    error, tolerance_rounds, constraints : see `SolutionData`.
    deferred_potentials, deferred_paths, deferred_stability : see `SolutionData`.
    system : the OptimalitySystem; None in a solution that was loaded without its problem.

    Raises
    ------
    EulerianError
        From members that need the problem's functions, if the solution was loaded without its problem.
    ArgumentError
        From methods, if points, labels or steps have wrong shapes.

    Examples
    --------
    Every state is to move from 0 to 1; `(1 - b)^2 + b^2` is least for half of the way:

    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.2), [[1.0]])
    >>> field = emfc.fields.AffineField(1, matrix=False)
    >>> problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), penalty=2.0, horizon=1.0)
    >>> solution = emfc.solve(problem, emfc.CartesianMesh([(-2.0, 3.0)], 60), layers=3)
    >>> solution.converged, solution.control.round(6).ravel().tolist(), solution.flow([[0.0]]).round(6).tolist()
    (True, [0.5, 0.5, 0.5], [[0.5]])
    """

    system: OptimalitySystem | None = None

    @classmethod
    def from_outcome(cls, system: OptimalitySystem, outcome: Outcome, description: dict[str, str]) -> Self:
        """The solution from a solver's outcome, certified by both sweeps at its control.

        Parameters
        ----------
        system : the discrete problem.
        outcome : the outcome of the solver.
        description : the problem, the discretisation and the solver in words.
        """
        problem, control = system.problem, frozen(outcome.control.copy())
        masses, crossed = system.masses(control)
        separable, end = problem.separable, system.terminal(masses[-1])
        cost = replace(system.cost_of_sweep(control, masses), constraints=0.0)
        loss = problem.loss if end.readout is None else problem.loss.with_readout(end.readout)
        found = look(system, control, cost, masses[-1])
        checks = check(system, control, masses, crossed)
        if found is not None and found.finite:
            error, uncertain = found.share, found.tolerance
            checks = replace(checks, cost_error=error, cost_error_tolerance=uncertain, on_finer_mesh=found.finer_mesh)
        numerics = Numerics(
            system.discretisation, system.resources, system.mover, system.controls.plain, problem.law.input_dim, loss
        )
        moved = ControlledFlow(system.mover, numerics.curves, control, numerics.input_dim)
        return cls(
            numerics=numerics,
            control=control,
            cost=cost.total,
            terminal_cost=cost.terminal,
            penalty_cost=cost.penalty,
            running_cost=cost.running,
            status=outcome.status,
            message=outcome.message,
            threshold=outcome.threshold,
            kink=outcome.kink,
            history=tuple(Iteration(*row) for row in outcome.history),
            checks=checks,
            names=separable.names,
            total=separable.total.copy(),
            labels=None if separable.labels is None else separable.labels.copy(),
            parameter_names=problem.field.parameter_names,
            bounds=np.stack([system.controls.regulariser.lower, system.controls.regulariser.upper]),
            description=description,
            masses=masses,
            deferred_potentials=Deferred(partial(system.potentials, control, masses)),
            deferred_paths=Deferred(partial(Paths.sampled, moved, problem.law)),
            deferred_stability=Deferred(partial(analyse_and_warn, system, control, description.get("solver", ""))),
            look=found,
            constraints=system.terminal.held(masses[-1]),
            system=system,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str], problem: Problem | None = None) -> Self:
        """Read a file written by `save`; no code from the file is run.

        A file cannot store a field that consists of the user's functions: pass the `problem` to use `flow` and `predict` too.

        Parameters
        ----------
        path : the file.
        problem : the problem that was solved; without it, members that need its functions raise an EulerianError.

        Raises
        ------
        MissingFileError, FileFormatError
            If there is no file, or it is not a solution, was cut off or altered, or has an unsupported schema.
        StorageError
            If the operating system refuses to read the file.
        ArgumentError
            If `problem` is not the problem that was solved.
        """
        solution = solution_file.load(cls, path)
        return solution if problem is None else solution._of_problem(problem)

    def _of_problem(self, problem: Problem) -> Self:
        """The same solution with the functions of its problem."""
        numerics = self.numerics
        problem = settled(problem, self.constraints)
        system = OptimalitySystem.of(problem, numerics.discretisation, numerics.resources)
        check_problem(system, self)
        loss = numerics.loss if problem.loss.trained else problem.loss
        stability = self.deferred_stability
        if not stability.known:
            stability = Deferred(partial(analyse_and_warn, system, self.control, self.description.get("solver", "")))
        return replace(
            self,
            system=system,
            numerics=numerics._replace(flow=system.mover, loss=loss),
            deferred_stability=stability,
        )

    def described(self, **more: str) -> Self:
        """The same solution with further entries in its description, as keyword arguments."""
        return replace(self, description={**self.description, **more})

    def analyse(self, progress: Callable[[int], object] | None = None) -> Stability:
        """Compute `stability` unless it is known already; `progress` is called with the number of Hessian products done."""
        if self.kink is None and not self.analysed:
            system = self._need_system("the second-order analysis")
            found = analyse_and_warn(system, self.control, self.description.get("solver", ""), progress)
            self.deferred_stability.put(found)
        return self.stability

    def maximum_principle(self, starts: int = 16, seed: int = 0) -> MaximumPrinciple:
        """The maximum principle: sigma, the maximised Hamiltonian and its excess, see `diagnostics.maximum_principle.check`."""
        return check_maximum(self._need_system("maximum_principle"), self.control, starts, seed)

    def taylor_slope(self, seed: int = 0, steps: ArrayLike = (1e-1, 3e-2, 1e-2, 3e-3)) -> float:
        """The order of the remainder of Taylor's formula at the control: 2 for a correct gradient, see `diagnostics.taylor`."""
        return taylor_slope(self._need_system("taylor_slope"), self.control, seed, steps)

    def error_budget(self) -> ErrorBudget:
        """The errors of the cost due to mesh, layers, samples and unfinished optimisation; see `error_budget.estimate`."""
        from .diagnostics.error_budget import estimate

        return estimate(self._need_system("an error budget"), self)

    def theta(self, times: ArrayLike, *, recovered: bool = False) -> np.ndarray:
        """The control at times: `(n, m)` for times `(n,)`, `(m,)` for one; where a layer ends, the value at the next one's start.

        Parameters
        ----------
        times : one time or a list of times from 0 to the horizon; without times, the result is `(0, m)`.
        recovered : whether to return the minimisers of the Hamiltonian at these times for the densities and potentials of this
            control, see `diagnostics.pointwise.Pointwise`. They are of higher order in the layers than the control itself.

        Raises
        ------
        ArgumentError
            For what is not a time from 0 to the horizon.
        EulerianError
            With `recovered=True`, for a solution that was loaded without its problem.
        """
        t = checked_times(times, self.numerics.horizon)
        at = np.atleast_1d(t)
        found = self.pointwise.recovered(at) if recovered and at.size else self.numerics.curves.values(self.control, at)
        return found if t.ndim else found[0]

    @cached_property
    def pointwise(self) -> Pointwise:
        """The control equation in continuous time: `pointwise.residuals(times)` and `pointwise.recovered(times)`, `(n, m)`."""
        return Pointwise(self._need_system("the control equation in continuous time"), self.control, self.masses)

    def trajectories(self, x: ArrayLike, seed: int = 0) -> np.ndarray:
        """Positions `(steps + 1, n, d)` of points that start at `(n, d)` at time 0, computed by the layer maps.

        With noise they are samples, of which the seed decides. For an augmented problem, points may be passed without the
        coordinates that start at zero.
        """
        return self.controlled_flow.trajectories(x, seed)

    def flow(self, x: ArrayLike) -> np.ndarray:
        """The flow map at the final time: points `(n, d)` -> X(T) `(n, d)`, whatever the mesh; with noise there is none."""
        return self.controlled_flow.end(x)

    def predict(self, x: ArrayLike, labels: ArrayLike | None = None) -> np.ndarray:
        """Labels `(n, q)` predicted for new points.

        With `labels` `(K, q)`, or if the fields are densities of single labels, the prediction is the label with the least loss
        at X(T) (the weights of the classes do not matter). Otherwise (regression) it is the read-out of X(T), or, without a
        read-out, the coordinates of X(T) on which the loss depends.
        """
        return predict(self, x, labels)

    def velocity(self, n: int) -> np.ndarray:
        """`(size, d)`: the field at the cell centres at time level n, `times[n]`, with the control that begins there.

        At the final time it is the field with the control at the end of the last layer.
        """
        return self.controlled_flow.velocity(n, self.mesh.centres)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an HDF5 file, atomically: an old file stays until the new one is complete."""
        solution_file.save(self, path)

    def to_vtk(self, folder: str | os.PathLike[str]) -> None:
        """Write a ParaView collection: `solution.pvd`, one `.vti` per time, `trajectories.vtp`; see `views.vtk.write`."""
        from .views.vtk import write

        write(self, folder)

    def to_torch(self, *, dtype: str = "float64", readout: bool = False) -> Module:
        """The residual network as a `torch.nn.Module`; see `export.to_torch`."""
        from .export import to_torch

        return to_torch(self, dtype=dtype, readout=readout)

    def to_onnx(self, path: str | os.PathLike[str], *, dtype: str = "float32", readout: bool = False) -> None:
        """Write the residual network as an ONNX file; see `export.to_onnx`."""
        from .export import to_onnx

        to_onnx(self, path, dtype=dtype, readout=readout)

    def plot(self, what: str = "overview") -> Figure:
        """A matplotlib figure: "overview" (density with trajectories, control, convergence, terminal density), "time" (the
        control with the one that is recovered from the Hamiltonians, and the residual in continuous time), or "rounds" (the
        estimated error of each round of a solve to a tolerance against the time that it took).
        """
        if choice("what", what, ("overview", "time", "rounds")) == "time":
            from .views.continuous_time import in_time

            return in_time(self, self.pointwise)
        from .views.figures import of_rounds, overview

        return overview(self) if what == "overview" else of_rounds(self)

    def _need_system(self, what: str) -> OptimalitySystem:
        if self.system is None:
            raise EulerianError(
                f"{what} is not available, since this solution was loaded without its problem: use "
                "Solution.load(path, problem)"
            )
        return self.system
