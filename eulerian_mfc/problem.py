"""The control problem on measures."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from ._validate import choice, fail, integer, mismatch, positive
from .control.bounds import Bounds
from .control.regulariser import Regulariser
from .control.varying import Varying, regulariser_of
from .fields import Field
from .fields.twins import told_apart
from .laws import Augmented, LabelledLaw, LabelledRule, Law
from .losses import FirstCoordinates, Loss, Separable, density_costs
from .losses.base import common_forms
from .scales import Scales, few_points, scales_of

#: derivatives are checked at CHECKED_POINTS samples of the law, and at as many points of a box that holds all mass but
#: CHECKED_MASS
CHECKED_POINTS, CHECKED_MASS = 32, 1e-4
#: examples of the first arguments, for messages
EXAMPLES = {
    "field": "fields.NeuralField(1)",
    "law": "laws.Labelled(laws.Gaussian([0.0], 1.0), numpy.sign)",
    "loss": "losses.SquaredLoss()",
}
#: a coordinate counts as constant if it varies by less than this share of its size
CONSTANT = 1e-12
#: the spread of the states is a quarter of the lengths of a box that leaves out this share of the mass
OUTSIDE = 0.05
#: derivatives are checked at these pairs (time as a share of the horizon, size of random parameters); for fields that do not
#: depend on time, the first three
CHECKED_AT = ((0.03, 0.1), (0.17, 1.0), (0.29, 10.0), (0.44, 1.0), (0.61, 10.0), (0.78, 1.0), (0.97, 1.0))


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
    horizon : the final time T > 0, in units of time.
    representation : "moments", "labels" (one density per label), or "auto": whichever needs fewer fields on the mesh, and
        "labels" if both need the same number.
    running : a loss that is integrated over time (turnpike problems), which may have costs of the density too; or None.
    bounds : bounds of the control at every time: None, one pair `(low, high)`, one pair per parameter (None for no bound), or a
        `scipy.optimize.Bounds`. If they depend on time: a function of time that returns one of these, an array `(n, m, 2)` for n
        equal parts of the horizon, or a `Stepwise`.
    sparsity : the weight >= 0 of the control's L1 norm: one number, or one per parameter `(m,)`; if it depends on time, as for
        `penalty`. The solver is then ProximalGradient.

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

    def __post_init__(self) -> None:
        self._check_kinds()
        if self.field.dim != self.law.dim:
            raise mismatch("law", f"a law in dimension {self.law.dim}", f"the field's dimension {self.field.dim}")
        object.__setattr__(self, "horizon", positive("horizon", self.horizon))
        self.regulariser  # noqa: B018  checks penalty, sparsity and bounds
        rng = np.random.default_rng(0)
        theta = rng.normal(size=self.field.parameters)
        self.field.check(self._points[0][::2], np.stack([self._inside(row, rng) for row in (theta, np.abs(theta))]))
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
        self._check_derivatives()

    def _check_kinds(self) -> None:
        """Raise an ArgumentError if field, law or loss has a wrong type, for example because of the order of the arguments."""
        given: tuple[tuple[str, object, type], ...] = (
            ("field", self.field, Field), ("law", self.law, LabelledLaw), ("loss", self.loss, Loss)
        )  # fmt: skip
        for name, value, kind in given:
            if isinstance(value, kind):
                continue
            expected = f"a {kind.__name__}, such as {EXAMPLES[name]}"
            if name == "law" and isinstance(value, Law):
                expected = "a law with labels: write laws.Labelled(law, label), such as " + EXAMPLES[name]
            elif isinstance(value, type) and issubclass(value, kind):
                expected = f"a {kind.__name__}, not a class: write {value.__name__}(...), such as {EXAMPLES[name]}"
            elif any(
                isinstance(other, kind) for other in (self.field, self.law, self.loss, self.penalty, self.horizon)
            ):
                expected += "; the order of the arguments is Problem(field, law, loss, penalty, horizon)"
            raise fail(name, value, expected)

    def _check_derivatives(self) -> None:
        """Compare the field's derivatives with differences at points of the law, for several times and parameters."""
        rng, (x, width) = np.random.default_rng(0), self._points
        for share, size in CHECKED_AT[: 3 if self.field.autonomous else None]:
            theta = self._inside(size * rng.normal(size=self.field.parameters), rng)
            self.field.check_derivatives(0.0 if self.field.autonomous else share * self.horizon, theta, x, width)

    def _inside(self, theta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Parameters `(m,)` within the bounds; parameters with two finite bounds are strictly between them."""
        box = np.stack([self.regulariser.lower, self.regulariser.upper])
        between = np.isfinite(box).all(axis=0)
        low, high = np.where(between, box, 0.0)
        inside = low + rng.uniform(0.01, 0.99, len(theta)) * (high - low)
        return np.where(between, inside, self.regulariser.project(theta))

    @cached_property
    def _points(self) -> tuple[np.ndarray, np.ndarray]:
        """Points `(n, d)` in the region of the mass, and the lengths `(d,)` of this region.

        Small random shifts avoid special points, such as zero, at which a wrong derivative may happen to be right.
        """
        rng, dim = np.random.default_rng(0), self.field.dim
        low, high = self.law.box(CHECKED_MASS).T
        width = _lengths(low, high)
        inside = low + rng.uniform(0.01, 0.99, size=(CHECKED_POINTS, dim)) * (high - low)
        x = np.concatenate([self.law.sample(CHECKED_POINTS, 0)[0], inside])
        return np.asfortranarray(x + 1e-3 * width * rng.normal(size=x.shape)), width

    @cached_property
    def start(self) -> np.ndarray:
        """`(m,)`: the default first control of every layer: small, and without equal hidden units."""
        low, high = self.law.box(OUTSIDE).T
        spread = _lengths(low, high) / 4.0
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
        return replace(self, **new)

    @cached_property
    def regulariser(self) -> Regulariser:
        """Penalty, L1 norm and bounds of the control at one time, each with one number per parameter.

        If they depend on time, `regulariser.at(t)` has those at time t.
        """
        return regulariser_of(self.penalty, self.sparsity, self.bounds, self.field.parameters, self.horizon)

    @property
    def autonomous(self) -> bool:
        """Whether neither the field nor what a control costs depends on time: the Hamiltonian is then conserved."""
        return self.field.autonomous and not self.regulariser.varies

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
        return self._separable[1]

    @cached_property
    def _separable(self) -> tuple[Separable, Separable | None]:
        losses = [self.loss] if self.running is None else [self.loss, self.running]
        given = self.field.dim, self.law.label_dim, self.law.labels
        forms = common_forms(losses, *given, self.representation)
        return _named(forms[0]), None if self.running is None else forms[1]

    @property
    def sees_density(self) -> bool:
        """Whether the final or the running cost has costs of the density among its terms, see `losses.DensityCost`."""
        return any(density_costs(loss) for loss in (self.loss, self.running) if loss is not None)

    def need_linear(self, what: str) -> None:
        """Raise an ArgumentError if the cost depends on the density, since `what` needs a cost of single states."""
        if self.sees_density:
            wanted = "a mesh and layers, solve(problem, mesh, layers), or a cost without costs of the density"
            raise mismatch("loss", f"a cost of the density, which {what} cannot evaluate", wanted)

    @cached_property
    def parameters(self) -> int:
        """The number m of parameters of the field."""
        return self.field.parameters


def _named(form: Separable) -> Separable:
    """Return the form; raise an ArgumentError if two of its fields have the same name, because files store fields by name."""
    if len(set(form.names)) < len(form.names):
        raise mismatch("loss", f"fields with the names {', '.join(form.names)}", "one name per field, all different")
    return form


def _lengths(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The lengths `(d,)` of a box, each in its own unit; constant coordinates get the largest of the lengths."""
    lengths = high - low
    varying = lengths > CONSTANT * np.maximum(np.abs(low), np.abs(high))
    return np.where(varying, lengths, lengths.max() or 1.0)
