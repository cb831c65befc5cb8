"""The control problem on measures."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from ._validate import choice, fail, integer, mismatch
from .constraints import ConstraintsLike, TerminalConstraints, terminal_constraints
from .control.bounds import Bounds
from .control.horizon import checked_horizon
from .control.regulariser import Regulariser
from .control.varying import Varying, regulariser_of
from .fields import Field
from .fields.twins import told_apart
from .laws import Augmented, LabelledLaw, LabelledRule
from .losses import FirstCoordinates, Loss, Separable, density_costs
from .losses.base import common_forms
from .losses.separable import named_apart
from .noise import Noise, noise_of
from .problem_checks import check_derivatives, check_kinds, check_values, checked_points, lengths_of
from .scales import Scales, few_points, scales_of

#: the spread of the states is a quarter of the lengths of a box that leaves out this share of the mass
OUTSIDE = 0.05


@dataclass(frozen=True)
class Problem:
    """Minimise `J(theta) = E[loss(X(T), Y)] + 1/2 int_0^T lambda |theta|^2 dt` over `dX/dt = F(t, theta(t), X)`.

    The control theta is any function of time; `solve` approximates it by a polynomial on each layer. A running loss adds
    `E int_0^T running(X(t), Y) dt`, and sparsity adds `int_0^T sparsity |theta|_1 dt`. Bounds restrict the control to
    `low <= theta(t) <= high`.

    Parameters
    ----------
    field : the controlled vector field F.
    law : the law mu0 of inputs and labels (X(0), Y).
    loss : the loss of a final state and a label, a cost of the density (`losses.DensityCost`), or a sum of such with weights.
    penalty : lambda > 0, in cost / (theta^2 time): one number, or one per parameter `(m,)`. If it depends on time: a function of
        time that returns these, an array `(n, m)` for n equal parts of the horizon, or a `Stepwise`.
    horizon : the final time T > 0, in units of time; or a `FreeHorizon(low, high, weight)` within which `solve` chooses it.
    representation : "moments", "labels" (one density per label), or "auto": whichever needs fewer fields on the mesh, and
        "labels" if both need the same number.
    running : a loss that is integrated over time (turnpike problems), which may have costs of the density too; or None.
    bounds : bounds of the control at every time: None, one pair `(low, high)`, one pair per parameter (None for no bound), or a
        `scipy.optimize.Bounds`. If they depend on time: a function of time that returns one of these, an array `(n, m, 2)` for n
        equal parts of the horizon, or a `Stepwise`.
    sparsity : the weight >= 0 of the control's L1 norm: one number, or one per parameter `(m,)`; if it depends on time, as for
        `penalty`. The solver is then ProximalGradient.
    noise : the intensity sigma >= 0 of noise, `dX_a = F_a dt + sigma_a dW_a` with independent Brownian motions, in units of the
        state per square root of time: one number, or one per axis `(d,)`; if it depends on time, a function of time or a
        `Stepwise`. 0 means none.
    constraints : constraints on the law of the final states, such as `constraints.Expectation(g, at_most=0.5)`; one or a list of
        them. `solve` finds their multipliers, see `run.constrained`.

    Raises
    ------
    ArgumentError
        If an argument is out of range, if two arguments do not fit together, if a derivative that was passed is wrong, or if the
        field is not finite at any of the points of the law that are checked.
    NotAnalyticError
        If a function of the field has no complex-step derivative, or computes in single precision, at points of the law.

    References
    ----------
    B. Bonnet, C. Cipriani, M. Fornasier, H. Huang, A measure theoretical approach to the mean-field maximum principle
    for training NeurODEs, Nonlinear Analysis 227 (2023) 113161, doi:10.1016/j.na.2022.113161; the fields that suffice:
    docs/theory/reduction.md.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> problem.parameters, problem.regulariser.penalties.tolist(), problem.separable.names
    (2, [1.0, 1.0], ('mass', 'moment y'))
    """

    field: Field
    law: LabelledLaw
    loss: Loss
    penalty: Varying
    horizon: float
    representation: str = "auto"
    running: Loss | None = None
    bounds: Bounds | Varying = None
    sparsity: Varying = 0.0
    noise: Varying = 0.0
    constraints: ConstraintsLike = ()

    def __post_init__(self) -> None:
        check_kinds(self.field, self.law, self.loss, (self.penalty, self.horizon))
        if self.field.dim != self.law.dim:
            raise mismatch("law", f"a law in dimension {self.law.dim}", f"the field's dimension {self.field.dim}")
        if not self.field.parameters:
            got = f"a {type(self.field).__name__} without parameters, which cannot be controlled"
            raise mismatch(
                "field", got, "the sum of it and a controlled field: field + fields.AffineField(dim, matrix=False)"
            )
        object.__setattr__(self, "horizon", checked_horizon(self.horizon))
        self.regulariser, self.diffusion  # noqa: B018  checks penalty, sparsity, bounds and noise
        object.__setattr__(self, "constraints", terminal_constraints(self.constraints, self.field.dim))
        check_values(self.field, self.regulariser, self._points[0])
        choice("representation", self.representation, ("auto", "moments", "labels"))
        if self.running is not None and not isinstance(self.running, Loss):
            raise fail("running", self.running, "a Loss, such as losses.SquaredLoss(), or None")
        if self.running is not None and self.running.trained:
            raise fail(
                "running",
                self.running,
                "a loss with a fixed read-out: only the read-out of the final loss can be trained",
            )
        if self.law.labels is not None:
            self.separable.moments(self.law.labels)  # checks that losses, labels and representation fit together
        check_derivatives(self.field, self.regulariser, self.horizon, self._points)

    @cached_property
    def _points(self) -> tuple[np.ndarray, np.ndarray]:
        """Points `(n, d)` in the region of the mass, and the lengths `(d,)` of this region."""
        return checked_points(self.law, self.field.dim)

    @cached_property
    def start(self) -> np.ndarray:
        """`(m,)`: the default first control of every layer: small, and without equal hidden units."""
        low, high = self.law.box(OUTSIDE).T
        spread = lengths_of(low, high) / 4.0
        theta = self.field.start(0.5 * (low + high), spread, self.horizon)
        if theta.shape != (self.field.parameters,) or not np.isfinite(theta).all():
            raise mismatch("field.start", f"an array of shape {theta.shape}", f"{self.field.parameters} finite numbers")
        return told_apart(self.field, theta, *self.probes)

    @cached_property
    def probes(self) -> tuple[np.ndarray, np.ndarray]:
        """Points `(n, d)` and times at which equivalent parameters are distinguished, see `fields.twins`."""
        times = np.zeros(1) if self.field.autonomous else np.array([0.21, 0.87]) * self.horizon
        return self._points[0][::2], times

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the arguments only, without cached values."""
        return {f.name: self.__dict__[f.name] for f in fields(self)}

    def augmented(self, extra: int = 1, **changes: Any) -> Problem:
        """The problem on `R^{d + extra}`: inputs get `extra` coordinates that start at zero and that the losses do not depend on.

        Parameters
        ----------
        extra : number of coordinates.
        changes : other arguments of Problem, such as `field=` (by default the field of the same type in the larger space),
            `loss=` (by default the loss of this problem as a function of the first d coordinates; a loss that is passed here is a
            function of all coordinates) or `penalty=`.

        Raises
        ------
        ArgumentError
            If the field exists only in its dimension and `field=` is not passed, or if arguments with one number per parameter
            (penalty, bounds) do not fit the larger field.
        """
        dim = self.field.dim
        new = {"law": Augmented(self.law, integer("extra", extra)), "loss": FirstCoordinates(self.loss, dim), **changes}
        if "field" not in new:
            new["field"] = self.field.raised(extra)
        if self.running is not None and "running" not in new:
            new["running"] = FirstCoordinates(self.running, dim)
        if self.terminal_constraints and "constraints" not in new:
            new["constraints"] = self.terminal_constraints.of_first_coordinates(dim)
        return replace(self, **new)

    @cached_property
    def regulariser(self) -> Regulariser:
        """Penalty, L1 norm and bounds of the control at one time, each with one number per parameter.

        If they depend on time, `regulariser.at(t)` has those at time t.
        """
        return regulariser_of(self.penalty, self.sparsity, self.bounds, self.field.parameters, self.horizon)

    @cached_property
    def diffusion(self) -> Noise:
        """The noise: its intensity at any time, and the variance that it adds; False if there is none."""
        return noise_of(self.noise, self.field.dim, self.horizon)

    @property
    def autonomous(self) -> bool:
        """Whether neither field, noise nor what a control costs depends on time: the Hamiltonian is then conserved."""
        constant = self.diffusion.constant is not None
        return self.field.autonomous and constant and not self.regulariser.varies

    @cached_property
    def few_points(self) -> LabelledRule:
        """At most 256 points `(n, d)` of the law with their weights and labels, from which natural sizes are estimated."""
        return few_points(self.law)

    @cached_property
    def scales(self) -> Scales:
        """The natural sizes of states and parameters, see `scales`."""
        return scales_of(self)

    @property
    def separable(self) -> Separable:
        """The loss as a finite sum of products of a function of the state and a function of the label."""
        return self._separable[0]

    @property
    def separable_running(self) -> Separable | None:
        """The running loss in the same form, with the same moments; None without a running loss."""
        return None if self.running is None else self._separable[1]

    @property
    def separable_constraints(self) -> list[Separable]:
        """The functions of the K constraints in the same form, with the same moments."""
        return self._separable[-len(self.terminal_constraints.rows) :] if self.terminal_constraints else []

    @cached_property
    def _separable(self) -> list[Separable]:
        losses = [self.loss] if self.running is None else [self.loss, self.running]
        losses += [row.loss for row in self.terminal_constraints.rows]
        given = self.field.dim, self.law.label_dim, self.law.labels
        forms = common_forms(losses, *given, self.representation)
        return [named_apart(forms[0]), *forms[1:]]

    @property
    def terminal_constraints(self) -> TerminalConstraints:
        """The constraints as expectations, with their multipliers in a problem that `solve` has settled."""
        return terminal_constraints(self.constraints, self.field.dim)

    @property
    def sees_density(self) -> bool:
        """Whether the final or the running cost has costs of the density among its terms, see `losses.DensityCost`."""
        return any(density_costs(loss) for loss in (self.loss, self.running) if loss is not None)

    @property
    def needs_mesh(self) -> bool:
        """Whether only a mesh gives the cost: points of the law do not with noise, or if the cost depends on the density."""
        return self.sees_density or bool(self.diffusion)

    def need_points(self, what: str, noise: bool = False) -> None:
        """Raise an ArgumentError if points of the law do not give the cost that `what` needs; `noise`: it allows noise."""
        wanted = "a mesh and layers, solve(problem, mesh, layers), or a problem without"
        if self.sees_density:
            got = f"a cost of the density, which {what} cannot evaluate"
            raise mismatch("loss", got, f"{wanted} costs of the density")
        if self.diffusion and not noise:
            raise mismatch("noise", f"noise, with which {what} has no cost without a mesh", f"{wanted} noise")
        if self.terminal_constraints:
            got = f"constraints, which {what} would not keep"
            raise mismatch("constraints", got, f"{wanted} constraints")

    @cached_property
    def parameters(self) -> int:
        """The number m of parameters of the field."""
        return self.field.parameters
