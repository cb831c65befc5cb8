"""A solution as plain data, which is stored, drawn, checked and exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from .._frozen import FrozenFields, frozen
from ..constraints import Held, in_words
from ..control.controlled_flow import ControlledFlow
from ..errors import EulerianError
from ..losses import Loss, Readout
from ..meshes import Mesh
from ..solvers import Iteration, Status
from ..solvers.record import Kink
from .certificate import Certificate, Checks, balance
from .deferred import Deferred
from .look import Look
from .numerics import Numerics, Paths
from .refinement import Round
from .solution_error import SolutionError, ToleranceRound
from .stability import AT_KINK, Stability
from .time_resolution import bound_within_a_layer, penalty_term, unresolved_in_time

#: the sentence for a solution without second-order analysis
LEFT_OUT = (
    "The second-order analysis was left out, so that it is not known whether the control is a minimum or a "
    "saddle point. To make this analysis, call Solution.load(path, problem).verdict(), or run the case again "
    "without --no-second-order."
)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class SolutionData(FrozenFields):
    """A control with its densities, potentials, history and certificate, as values.

    Arrays on the mesh are `(steps + 1, R, *shape)`. The first axis is time, in increasing order; R is the number of moments or
    labels, named by `names`. Nobody can write into a solution: its arrays are read-only, lists become tuples, and `description`
    is a mapping without assignment.

    Attributes
    ----------
    numerics : the discretisation of the problem.
    control : the coefficients of the control: `(layers, m)`, its values, for degree 0; otherwise `(layers, degree + 1, m)`, in
        the basis that `control.curves.Curves` states: that of Legendre, or that of Bernstein if there are bounds or an L1 norm.
    cost, terminal_cost, penalty_cost, running_cost : `J` and its parts.
    status : the verdict for programs, see `solvers.Status`; it also says why a solution did not converge.
    converged : whether the residual is below the solver's tolerance, and the cost on the mesh agrees with that without a mesh
        within 5 % of the sum of the sizes of its terms, see `look`.
    solved : whether the residual is below the solver's tolerance, even if the cost on the mesh is wrong.
    message : why the solver stopped.
    threshold : the largest residual that the solver counts as converged.
    kink : for a cost with kinks and a residual above the threshold: the optimality residual of the shortest convex combination of
        the gradients nearby, and the distance within which they were taken. Otherwise None.
    history : one row `Iteration(iteration, cost, residual, evaluations, sweeps, seconds)` per iteration.
    checks : the checks of both sweeps at the control, see `certificate.Checks`.
    names : R names of the moments or labels.
    total : `(R,)` coefficients with `sum_r total_r m_r` = the masses of X.
    labels : `(K, q)` the labels, if the fields are densities of single labels, else None.
    parameter_names : m names.
    bounds : `(2, m)` lower and upper bounds of the control; `(2, *control.shape)`, those of the coefficients, if they depend on
        time.
    description : the problem, the discretisation and the solver in words.
    masses : `(steps + 1, R, *shape)`: the mass of every cell's basis function.
    deferred_potentials, deferred_paths, deferred_stability : see `potentials`, `paths` and `stability`.
    look : the cost of the control without a mesh, see `look.Look`; None in a loaded solution.
    rounds : for a solve with `adapt`, one row (cells, unknowns, cost, estimated error) per round; not stored in files.
    error : for a solve to a tolerance, the bracket of the least cost and the bounds, see `SolutionError`; otherwise None.
    tolerance_rounds : for a solve to a tolerance, one row per round, see `ToleranceRound`.
    constraints : the constraints of the problem with their values, multipliers and violations, see `constraints.Held`. With
        constraints, `cost` is J itself; the residual, the potentials, the costs of the history and the second order are those of
        the augmented Lagrangian.

    Raises
    ------
    EulerianError
        From members that need the problem's functions, if the solution was loaded without its problem.
    """

    numerics: Numerics
    control: np.ndarray
    cost: float
    terminal_cost: float
    penalty_cost: float
    running_cost: float
    status: Status
    message: str
    threshold: float
    kink: Kink | None
    history: tuple[Iteration, ...]
    checks: Checks
    names: tuple[str, ...]
    total: np.ndarray
    labels: np.ndarray | None
    parameter_names: tuple[str, ...]
    bounds: np.ndarray
    description: Mapping[str, str]
    masses: np.ndarray
    deferred_potentials: Deferred[np.ndarray]
    deferred_paths: Deferred[Paths]
    deferred_stability: Deferred[Stability]
    look: Look | None = None
    rounds: tuple[Round, ...] = ()
    error: SolutionError | None = None
    tolerance_rounds: tuple[ToleranceRound, ...] = ()
    constraints: tuple[Held, ...] = ()

    def __repr__(self) -> str:
        numbers = f"cost={self.cost:.10g} residual={self.residual:.2e} converged={self.converged}"
        return f"<{type(self).__name__} {numbers}: {self.message}>"

    def judged(self, status: Status, message: str) -> Self:
        """The same solution with a verdict that is not converged.

        Parameters
        ----------
        status : why the solution is rejected. A solution that had not converged before keeps its own status.
        message : the reason in words.
        """
        return replace(self, status=status if self.status.converged else self.status, message=message)

    @property
    def converged(self) -> bool:
        """Whether the residual is below the solver's tolerance, and the cost on the mesh agrees with that without a mesh."""
        return self.status.converged

    @property
    def solved(self) -> bool:
        """Whether the residual is below the solver's tolerance, even if the cost on the mesh is wrong."""
        return self.status.solved

    @property
    def residual(self) -> float:
        """The optimality residual, `max |lambda theta + int D_theta F^T grad psi dmu|`."""
        return self.checks.residual

    @property
    def mesh(self) -> Mesh:
        """The mesh that the problem was solved on."""
        return self.numerics.discretisation.mesh

    @property
    def loss(self) -> Loss | None:
        """The loss, with its trained read-out if it trains one; None if the file could not hold the loss."""
        return self.numerics.loss

    @property
    def readout(self) -> Readout | None:
        """The affine read-out of the final states, trained or fixed; None if the loss has none."""
        found = None if self.loss is None else self.loss.readout
        return found if isinstance(found, Readout) else None

    @cached_property
    def unknowns(self) -> Mesh:
        """The mesh of the unknowns: its `centres` are the points of the potentials."""
        chosen = self.numerics.discretisation
        return chosen.continuity.unknowns(chosen.transport.nodes(self.mesh))

    @property
    def layers(self) -> int:
        """The number of layers of the control."""
        return self.numerics.curves.layers

    @property
    def times(self) -> np.ndarray:
        """`(steps + 1,)`: the levels in time: the times at which layers start and end, and those of steps within layers."""
        return frozen(self.numerics.curves.times)

    @property
    def densities(self) -> np.ndarray:
        """`(steps + 1, R, *shape)`: masses over the cell volume; for elements at the vertices, `(steps + 1, R, vertices)`."""
        return frozen(self.unknowns.density(self.masses))

    @cached_property
    def total_density(self) -> np.ndarray:
        """`(steps + 1, *shape)`: the density of X."""
        return frozen(self.unknowns.density(np.einsum("r,nr...->n...", self.total, self.masses)))

    @property
    def potentials(self) -> np.ndarray:
        """`(steps + 1, R, *shape)`: psi at the cell centres; the first access makes one backward sweep."""
        return self.deferred_potentials.get()

    @property
    def paths(self) -> Paths:
        """A few hundred characteristics from samples of the law (fixed seed), which the first access computes."""
        return self.deferred_paths.get()

    @property
    def stability(self) -> Stability:
        """Hessian index and shooting's eigenvalue at the control, see `stability.Stability`; NaN at a kink of the cost.

        The first access costs some dozens of gradients. It may issue a SeveralCriticalPointsWarning and a
        ShootingThresholdWarning, see `diagnostics.warnings_of.of_second_order`.
        """
        return AT_KINK if self.kink is not None else self.deferred_stability.get()

    @property
    def analysed(self) -> bool:
        """Whether `stability` is known."""
        return self.deferred_stability.known

    @property
    def certificate(self) -> Certificate:
        """`checks` and `stability` together; the first access computes `stability`."""
        return Certificate.of(self.checks, self.stability)

    def verdict(self, analyse: bool = True) -> list[str]:
        """The solver's message and the certificate, in sentences (for a loaded solution, as far as they are known).

        With `analyse=False` the second-order analysis is not computed; if it is not known, the sentences say so.
        """
        message = self.message[:1].upper() + self.message[1:] + "."
        curves, residual = self.numerics.curves, self.checks.residual_in_time or 0.0
        term = penalty_term(curves, self.control, self.penalty_cost)
        share = (
            residual / term if term and self.checks.adjoint else 0.0
        )  # for other pairs it is an error of the schemes
        kink = bound_within_a_layer(curves, self.control, self.bounds, self.parameter_names)
        met = self.error is not None and self.error.met
        told = None if met else kink or unresolved_in_time(curves, self.control, share)
        message += f" {told}" if told else ""
        words = self.checks.layer_map_words
        message += f" {words[0].upper()}{words[1:]}." if words else ""
        measured = [*in_words(self.constraints), *([] if self.error is None else self.error.sentences)]
        if not (analyse or self.analysed or self.kink is not None):
            return [message, *measured, *balance(self.checks), LEFT_OUT]
        if self.kink is None and not self.deferred_stability.available:
            return [message, *measured, *balance(self.checks)]
        # Shooting with the continuous-time update converges to fixed points that are not critical points of the discrete cost.
        critical = self.residual <= 10 * self.threshold or not self.converged
        of = "augmented Lagrangian" if self.constraints else "discrete cost"
        return [message, *measured, *self.certificate.sentences(self.converged or self.solved, critical, of)]

    @property
    def controlled_flow(self) -> ControlledFlow:
        """The field with the control inserted, which moves points.

        Raises
        ------
        EulerianError
            If the field is made of the user's functions, and the solution was loaded without its problem.
        """
        numerics = self.numerics
        if numerics.flow is None:
            raise EulerianError(
                "the field, or the noise, is made of the user's functions, which cannot be stored in a file: use "
                "Solution.load(path, problem)"
            )
        return ControlledFlow(numerics.flow, numerics.curves, self.control, numerics.input_dim)
