"""The solution of a problem on a mesh, with its certificate."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ._validate import array, integer, mismatch
from .diagnostics import warnings_of as cautions
from .diagnostics.certificate import Certificate, Checks, balance, check
from .diagnostics.maximum_principle import MaximumPrinciple
from .diagnostics.maximum_principle import check as check_maximum
from .diagnostics.off_mesh import Look, look
from .diagnostics.stability import AT_KINK, Stability, analyse
from .errors import EulerianError
from .flow.characteristics import Flow, Layer
from .laws.augmented import with_zeros
from .losses import Loss, Readout
from .meshes import Mesh
from .schemes import ContinuityScheme, TransportScheme
from .solvers import Iteration, Outcome
from .system.controlled import Cost
from .system.discretisation import Discretisation, Resources
from .system.optimality import OptimalitySystem

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .diagnostics.error_budget import ErrorBudget
    from .problem import Problem

#: of a solution whose second order nobody looked at
LEFT_OUT = (
    "The analysis of second order was left out: whether the control is a minimum or a saddle point is not known. To make it: "
    "Solution.load(path, problem).verdict(), or run again without --no-second-order."
)
#: characteristics drawn and exported
TRAJECTORIES = 300


class Paths(NamedTuple):
    """Characteristics.

    Attributes
    ----------
    x : `(layers + 1, n, d)` positions, in units of the state.
    y : `(n, q)`, the label of each.
    """

    x: np.ndarray
    y: np.ndarray


class Numerics(NamedTuple):
    """How the problem was discretised: what a file must hold to evaluate the solution again.

    Attributes
    ----------
    discretisation : mesh, layers, schemes and layer map.
    resources : what its evaluations may use.
    flow : the field with its layer map, None in a solution loaded without its field.
    horizon : the final time, in units of time.
    input_dim : coordinates of the inputs; the others start at zero.
    loss : the loss, None where a file does not hold it.
    """

    discretisation: Discretisation
    resources: Resources
    flow: Flow | None
    horizon: float
    input_dim: int
    loss: Loss | None

    @property
    def transport(self) -> TransportScheme:
        """The backward scheme."""
        return self.discretisation.transport

    @property
    def continuity(self) -> ContinuityScheme:
        """The forward scheme."""
        return self.discretisation.continuity

    @property
    def layers(self) -> int:
        """The number of layers."""
        return self.discretisation.layers


class Solution:
    """A control with its densities, potentials, history and certificate.

    Made by `solve` and by `Solution.load`, not by hand. Arrays on the mesh are `(layers + 1, R, *shape)`, time first, in the
    order of time, R the moments or labels named by `names`.

    Parameters
    ----------
    numerics : how the problem was discretised.
    outcome : what the solver returned.
    cost : the `Cost` of the control.
    checks : what both sweeps at the control show.
    names, labels, parameter_names : see below.
    total : `(R,)` coefficients with `sum_r total_r m_r` = the masses of X.
    description : what was solved and how, in words.
    system : the OptimalitySystem; None in a solution that was loaded without its problem.
    masses, potentials : `(layers + 1, R, *shape)`; made when first asked for, where None.
    paths : characteristics; the same.
    stability : the same.
    bounds : `(2, m)` bounds of the control; none by default.

    Attributes
    ----------
    control : `(layers, m)`.
    cost, terminal_cost, penalty_cost, running_cost : `J` and its parts.
    residual : the optimality residual, `max |lambda theta + int D_theta F^T grad psi dmu|`.
    status : the verdict, see `solvers.Status`: why it did not converge, for programs.
    converged : whether the residual is below the solver's tolerance, and the cost on the mesh is that of the control: not off
        by more than 5 % of the sum of the sizes of its terms, see `look`.
    solved : whether the residual is below the solver's tolerance, whatever the mesh does to the cost.
    look : what the control costs without a mesh, see `look.Look`; None in a solution that was loaded.
    message : why the solver stopped.
    threshold : the largest residual that the solver counts as converged.
    kink : where the cost has kinks and the residual is above the threshold: what the gradients nearby tell, the optimality
        residual of their shortest combination and the distance within which they were taken. None elsewhere.
    history : one `Iteration(iteration, cost, residual, evaluations, sweeps, seconds)` a row.
    checks : what both sweeps at the control show, see `certificate.Checks`.
    stability : Hessian index and shooting's eigenvalue, see `stability.Stability`; computed when first asked for. NaN where
        the control is at a kink of the cost.
    certificate : both together.
    names : R names of the moments or labels.
    labels : `(K, q)` the labels where the fields are densities of single labels, else None.
    parameter_names : m names.
    rounds : of a solve with `adapt`, (cells, unknowns, cost, estimated error) a round; not kept in files.

    Raises
    ------
    EulerianError
        From what needs the problem's functions, if it was loaded without its problem.
    ArgumentError
        From methods, for points, labels or steps of other shapes.
    """

    def __init__(
        self,
        *,
        numerics: Numerics,
        outcome: Outcome,
        cost: Cost,
        checks: Checks,
        names: tuple[str, ...],
        total: np.ndarray,
        labels: np.ndarray | None,
        parameter_names: tuple[str, ...],
        description: dict[str, str],
        system: OptimalitySystem | None = None,
        masses: np.ndarray | None = None,
        potentials: np.ndarray | None = None,
        paths: Paths | None = None,
        stability: Stability | None = None,
        bounds: np.ndarray | None = None,
    ) -> None:
        self.numerics, self.description, self.system = numerics, description, system
        self.control, self.status, self.threshold = outcome.control, outcome.status, outcome.threshold
        self.kink = outcome.kink
        self.message, self.history = outcome.message, [Iteration(*row) for row in outcome.history]
        self.cost, self.terminal_cost, self.penalty_cost = cost.total, cost.terminal, cost.penalty
        self.running_cost = cost.running
        self.checks, self.residual = checks, checks.residual
        self.names, self.labels, self.parameter_names = names, labels, parameter_names
        self.total = total
        #: `(2, m)` lower and upper bounds of the control
        self.bounds = np.array([[-np.inf], [np.inf]]) * np.ones(len(parameter_names)) if bounds is None else bounds
        self.rounds: list[Any] = []
        #: what the control costs without a mesh; None in a solution that was loaded
        self.look: Look | None = None
        if masses is not None:
            self.masses = masses
        if potentials is not None:
            self.potentials = potentials
        if paths is not None:
            self.paths = paths
        if stability is not None:
            self.stability = stability

    @classmethod
    def from_outcome(cls, system: OptimalitySystem, outcome: Outcome, description: dict[str, str]) -> Solution:
        """The solution that a solver's outcome is, certified by both sweeps at its control."""
        problem = system.problem
        masses, crossed = system.masses(outcome.control)
        separable, end = problem.separable, system.terminal(masses[-1])
        cost = system.cost_of_sweep(outcome.control, masses)
        loss = problem.loss if end.readout is None else problem.loss.with_readout(end.readout)
        found = look(system, outcome.control, cost, masses[-1])
        checks = check(system, outcome.control, masses, crossed)
        if found.finite:
            checks = replace(checks, cost_error=found.share, cost_error_tolerance=found.tolerance)
        solution = cls(
            numerics=Numerics(
                system.discretisation, system.resources, system.flow, problem.horizon, problem.law.input_dim, loss
            ),
            outcome=outcome,
            cost=cost,
            checks=checks,
            names=separable.names,
            total=separable.total,
            labels=separable.labels,
            parameter_names=problem.field.parameter_names,
            description=description,
            system=system,
            masses=masses,
            bounds=np.stack([problem.regulariser.lower, problem.regulariser.upper]),
        )
        solution.look = found
        return solution

    def __repr__(self) -> str:
        return (
            f"<Solution cost={self.cost:.10g} residual={self.residual:.2e} converged={self.converged}: {self.message}>"
        )

    @property
    def converged(self) -> bool:
        """Whether the residual is below the solver's tolerance, and the cost on the mesh is that of the control."""
        return self.status.converged

    @property
    def solved(self) -> bool:
        """Whether the residual is below the solver's tolerance, whatever the mesh does to the cost."""
        return self.status.solved

    @property
    def mesh(self) -> Mesh:
        """The mesh that it was solved on."""
        return self.numerics.discretisation.mesh

    @property
    def loss(self) -> Loss | None:
        """The loss, with its read-out as it was trained; None where a file could not hold it."""
        return self.numerics.loss

    @property
    def readout(self) -> Readout | None:
        """The affine read-out of the final states, trained or given; None where the loss has none."""
        return getattr(self.loss, "readout", None)

    @cached_property
    def unknowns(self) -> Mesh:
        """The mesh as the schemes see it: its `centres` are the points of the potentials."""
        chosen = self.numerics.discretisation
        return chosen.continuity.unknowns(chosen.transport.nodes(self.mesh))

    @property
    def layers(self) -> int:
        """The number of layers of the control."""
        return self.numerics.discretisation.layers

    @cached_property
    def times(self) -> np.ndarray:
        """`(layers + 1,)`."""
        return np.linspace(0.0, self.numerics.horizon, self.layers + 1)

    @cached_property
    def masses(self) -> np.ndarray:
        """`(layers + 1, R, *shape)`: the mass of every cell's basis function."""
        return self._need_system("masses").masses(self.control)[0]

    @cached_property
    def potentials(self) -> np.ndarray:
        """`(layers + 1, R, *shape)`: psi at the cell centres."""
        return self._need_system("potentials").potentials(self.control, self.masses[-1])

    @property
    def densities(self) -> np.ndarray:
        """`(layers + 1, R, *shape)`: masses over the cell volume; for elements at the vertices, `(layers + 1, R, vertices)`."""
        return self.unknowns.density(self.masses)

    @cached_property
    def total_density(self) -> np.ndarray:
        """`(layers + 1, *shape)`: the density of X."""
        return self.unknowns.density(np.einsum("r,nr...->n...", self.total, self.masses))

    @cached_property
    def stability(self) -> Stability:
        """Hessian index and shooting's eigenvalue at the control, see `stability.analyse`: some dozens of gradients.

        Warns with SeveralCriticalPointsWarning and ShootingThresholdWarning, see `cautions.of_second_order`.
        """
        return self._analysed()

    def analyse(self, progress: Callable[[int], Any] | None = None) -> Stability:
        """`stability`, now, where it is not known yet; `progress` is called with the number of Hessian products done."""
        if not self.analysed:
            self.stability = self._analysed(progress)
        return self.stability

    def _analysed(self, progress: Callable[[int], Any] | None = None) -> Stability:
        if self.kink is not None:
            return AT_KINK
        found = analyse(self._need_system("the second-order analysis"), self.control, progress)
        solver = self.description.get("solver", "")
        cautions.tell(cautions.of_second_order(found, solver, self.checks.adjoint))
        return found

    @property
    def analysed(self) -> bool:
        """Whether `stability` is known."""
        return "stability" in self.__dict__

    @property
    def certificate(self) -> Certificate:
        """`checks` and `stability` together; the latter is computed when first asked for."""
        return Certificate.of(self.checks, self.stability)

    def verdict(self, analyse: bool = True) -> list[str]:
        """The solver's message and the certificate, in sentences (of a loaded solution, what is known of it).

        With `analyse=False` the analysis of second order is left out where it has not been made, and the sentences say so.
        """
        message = self.message[:1].upper() + self.message[1:] + "."
        if not (analyse or self.analysed or self.kink is not None):
            return [message, *balance(self.checks), LEFT_OUT]
        if self.system is None and not self.analysed and self.kink is None:
            return [message, *balance(self.checks)]
        # Shooting with the update of continuous time converges to points of another system.
        critical = self.residual <= 10 * self.threshold or not self.converged
        return [message, *self.certificate.sentences(self.converged or self.solved, critical)]

    def maximum_principle(self, starts: int = 16, seed: int = 0) -> MaximumPrinciple:
        """The Hamiltonian route: sigma, the maximised Hamiltonian and its excess, see `maximum_principle.check`."""
        return check_maximum(self._need_system("maximum_principle"), self.control, starts, seed)

    def taylor_slope(self, seed: int = 0, steps: Any = (1e-1, 3e-2, 1e-2, 3e-3)) -> float:
        """Order of `|J(theta + s v) - J(theta) - s <J'(theta), v>|` in s along a random v, every parameter of its own size.

        2 where the gradient is that of the cost (above 2 at a degenerate point); 1 where it is not.
        """
        system = self._need_system("taylor_slope")
        lengths = array("steps", steps, ndim=1)
        if len(lengths) < 2 or not (lengths > 0).all():
            raise mismatch("steps", f"{lengths.tolist()}", "at least two positive numbers")
        direction = np.random.default_rng(integer("seed", seed, minimum=0)).normal(size=self.control.shape)
        sizes = 1e-2 * system.problem.scales.control + np.abs(self.control).max(axis=0)
        direction *= sizes / np.abs(direction).max()
        cost, gradient = system.cost_and_gradient(self.control)
        slope = float(np.vdot(gradient, direction))
        rest = [abs(system.cost(self.control + s * direction).total - cost - s * slope) for s in lengths]
        return float(np.polyfit(np.log(lengths), np.log(np.maximum(rest, np.finfo(float).tiny)), 1)[0])

    @cached_property
    def paths(self) -> Paths:
        """A few hundred characteristics from samples of the law (fixed seed)."""
        x, y = self._need_system("paths").problem.law.sample(TRAJECTORIES, seed=0)
        return Paths(self.trajectories(x), y)

    def layer(self, n: int) -> Layer:
        """Layer n with its control."""
        return Layer(float(self.times[n]), self.numerics.horizon / self.layers, self.control[n])

    def trajectories(self, x: Any) -> np.ndarray:
        """Positions `(layers + 1, n, d)` of points `(n, d)` that start at time 0, by the layer maps.

        Of an augmented problem points may be given without the coordinates that start at zero.
        """
        flow = self._need_flow()
        dim = flow.field.dim
        points = array("x", x, ndim=(1, 2))
        points = points[:, None] if points.ndim == 1 and self.numerics.input_dim == 1 else points
        allowed = sorted({self.numerics.input_dim, dim})
        if points.ndim != 2 or points.shape[1] not in allowed:
            shapes = " or ".join(f"(n, {k})" for k in allowed)
            raise mismatch("x", f"an array of shape {np.shape(x)}", f"points as rows, shape {shapes}")
        if points.shape[1] < dim:
            points = with_zeros(points, dim - points.shape[1])
        out = np.empty((self.layers + 1, *points.shape))
        out[0] = points
        for n in range(self.layers):
            out[n + 1] = flow(self.layer(n), out[n])
        return out

    def flow(self, x: Any) -> np.ndarray:
        """The flow map at the final time: points `(n, d)` -> X(T) `(n, d)`, whatever the mesh."""
        return self.trajectories(x)[-1]

    def predict(self, x: Any, labels: Any = None) -> np.ndarray:
        """Labels `(n, q)` predicted for new points.

        With `labels` `(K, q)`, or where the fields are densities of single labels, the label of least loss at X(T) (whatever
        the classes' weights); otherwise (regression) the read-out of X(T), or X(T) itself, those of its coordinates that the
        loss sees.
        """
        final = self.flow(x)
        if labels is None and self.labels is None:
            return final if self.loss is None else self.loss.output(final)
        known = self.labels if labels is None else array("labels", labels, ndim=(1, 2)).reshape(len(labels), -1)
        assert known is not None
        loss = self._need_system("predictions").problem.loss if self.loss is None else self.loss
        return known[loss.misfit(final, known).argmin(axis=1)]

    def velocity(self, n: int) -> np.ndarray:
        """`(size, d)`: the field at the cell centres at time n (at the final time with the last layer's control)."""
        layer = self.layer(min(n, self.layers - 1))
        return self._need_flow().field(float(self.times[n]), layer.theta, self.mesh.centres)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an HDF5 file, atomically: the old file stays until the new one is whole."""
        from .storage.solution_file import save

        save(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str], problem: Problem | None = None) -> Solution:
        """Read a file written by `save`; no code in the file is run.

        A field made of the user's functions cannot be in a file: pass the `problem` to have `flow` and `predict` too.
        """
        from .storage.solution_file import load

        return load(path, problem)

    def to_vtk(self, folder: str | os.PathLike[str]) -> None:
        """Write a ParaView collection: `solution.pvd`, one `.vti` a time, `trajectories.vtp`; see `vtk.write`."""
        from .views.vtk import write

        write(self, folder)

    def to_torch(self, *, dtype: str = "float64", readout: bool = False) -> Any:
        """The residual network as a `torch.nn.Module`; see `export.to_torch`."""
        from .export import to_torch

        return to_torch(self, dtype=dtype, readout=readout)

    def to_onnx(self, path: str | os.PathLike[str], *, dtype: str = "float32", readout: bool = False) -> None:
        """Write the residual network as an ONNX file; see `export.to_onnx`."""
        from .export import to_onnx

        to_onnx(self, path, dtype=dtype, readout=readout)

    def plot(self) -> Figure:
        """One matplotlib figure: density with trajectories, control, convergence, terminal density."""
        from .views.figures import overview

        return overview(self)

    def error_budget(self) -> ErrorBudget:
        """What mesh, layers, samples and the unfinished optimisation each add to the cost; see `error_budget.estimate`."""
        from .diagnostics.error_budget import estimate

        return estimate(self)

    def _need_system(self, what: str) -> OptimalitySystem:
        if self.system is None:
            raise EulerianError(
                f"{what}: this solution was loaded without its problem; use Solution.load(path, problem)"
            )
        return self.system

    def _need_flow(self) -> Flow:
        if self.numerics.flow is None:
            raise EulerianError(
                "the field is made of user functions, which a file cannot hold: use Solution.load(path, problem)"
            )
        return self.numerics.flow
