"""The discrete optimality system: the only thing a solver sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .. import continuity as continuity_schemes
from .. import transport as transport_schemes
from .._validate import choice, fail, mismatch
from ..continuity import FiniteVolumeTranspose, PushForward
from ..errors import DomainError, EulerianError, NonFiniteError
from ..kernels.sums import paired
from ..laws import LabelledRule, ProductRule
from ..losses import Readout, Separable
from ..losses.readout_training import Fit
from ..meshes import Mesh, SimplexMesh
from ..problem import Problem
from ..transport import Elements, SemiLagrangian
from .controlled import ControlledSystem, Cost, trapezoidal
from .hamiltonian import ContinuousHamiltonian, Hamiltonian, LayerHamiltonian
from .hessian import DifferencedHessian, ExactHessian, Hessian
from .reverse_sweep import STORAGE, backwards, states_within

#: share of the law's mass that may lie outside the mesh
MASS_TOLERANCE = 1e-8
#: largest value of a loss on the mesh
LARGEST_VALUE = 1e100


@dataclass(frozen=True)
class Terminal:
    """The terminal cost at final masses: `G(m) = <potentials, m> + offset`, and what the backward sweep starts from.

    Attributes
    ----------
    separable : the loss's separable form, its read-out (where one is trained) the best for these masses.
    potentials : `(R, *shape)`.
    values : `(R, N)`, a_r at the points of the continuity scheme's measure; None on an adjoint pair.
    offset : the constant part: E[c_0(Y)], and the penalty of a trained read-out.
    fit : a trained read-out, or None.

    References
    ----------
    docs/theory/duality.md; the read-out: `losses.TrainedReadout`.
    """

    separable: Separable
    potentials: np.ndarray
    values: np.ndarray | None
    offset: float
    fit: Fit | None = None

    @property
    def readout(self) -> Readout | None:
        """The trained read-out, where there is one."""
        return None if self.fit is None else self.fit.readout


def _at_labels(y: np.ndarray, form: Separable) -> tuple[np.ndarray, ...]:
    return form.offset(y), form.moments(y)


def outside_of(mesh: Mesh, rule: LabelledRule | ProductRule) -> float:
    """The weight of a rule's points that lie outside the mesh.

    Parameters
    ----------
    mesh : the mesh.
    rule : of a law.
    """
    if isinstance(rule, LabelledRule):
        return float(rule.w[~mesh.contains(rule.x)].sum())
    shares = [w[(low <= x) & (x <= high)].sum() for (x, w), (low, high) in zip(rule.axes, mesh.bounds, strict=True)]
    return float(rule.w[0] * (1.0 - np.prod(shares)))


TRANSPORT = (*transport_schemes.REGISTRY.values(), FiniteVolumeTranspose)
CONTINUITY = tuple(continuity_schemes.REGISTRY.values())


class OptimalitySystem(ControlledSystem):
    """A problem on a mesh with layers and schemes: cost, gradient, densities, potentials, layer-wise updates.

    Parameters
    ----------
    problem : the control problem.
    mesh : the mesh of the state space; it must hold the law up to `MASS_TOLERANCE`.
    layers : number M of layers, on each of which the control is constant.
    continuity : forward scheme; by default the exact transpose of `transport`, which makes the gradient exact.
    transport : backward scheme; by default quintic splines, on simplices quadratic elements.
    layer_map : "euler" (a residual network), "midpoint", "rk4", or a LayerMap with substeps.
    threads : of semi-Lagrangian steps; by default `EMFC_NUM_THREADS`, or 1. Results are the same bits for any number.
    memory : what a gradient may use for the densities of the forward sweep: bytes (an integer), or a fraction of the machine's
        memory (a float in (0, 1]). What does not fit is computed again from checkpoints: same bits, see `checkpointing`.
    storage : "double", or "single" for densities rounded to single precision where a gradient waits for them: half the memory,
        relative errors of the gradient of about 1e-7 (costs are not touched).

    With an adjoint pair `m^{n+1} = S_n^T m^n`, `psi^n = S_n psi^{n+1}`, and
    `dJ/dtheta_n = lambda dt theta_n + d/dtheta sum_r <S_theta psi_r^{n+1}, m_r^n>` is the derivative of the discrete J.

    Raises
    ------
    DomainError
        If more than `MASS_TOLERANCE` of the law lies outside the mesh.
    NonFiniteError
        During an evaluation, naming the layer, if characteristics are not finite.
    ArgumentError
        For arguments that are of other kinds, out of range, or do not fit together.

    References
    ----------
    B. Bonnet, C. Cipriani, M. Fornasier, H. Huang, A measure theoretical approach to the mean-field maximum principle
    for training NeurODEs, Nonlinear Analysis 227 (2023) 113161, doi:10.1016/j.na.2022.113161 (the continuous
    system); the adjoint pair and its gradient: docs/theory/duality.md; checkpoints: A. Griewank, A. Walther, Algorithm 799:
    Revolve, ACM Trans. Math. Software 26 (2000), 19-45, doi:10.1145/347837.347846.

    Examples
    --------
    The gradient agrees with a difference quotient of the cost.

    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), lambda x: 0.5 * x)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), 0.1, 1.0)
    >>> system = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-4, 4)], 80), layers=4)
    >>> theta = system.control(0.1)
    >>> cost, gradient = system.cost_and_gradient(theta)
    >>> quotient = (system.cost(theta + 1e-5).total - system.cost(theta - 1e-5).total) / 2e-5
    >>> gradient.shape, bool(abs(gradient.sum() - quotient) < 1e-8)
    ((4, 2), True)
    """

    def __init__(
        self,
        problem: Problem,
        mesh: Mesh,
        layers: int,
        *,
        continuity: Any = None,
        transport: Any = None,
        layer_map: Any = "rk4",
        threads: int | None = None,
        memory: float = 0.5,
        storage: str = "double",
    ) -> None:
        super().__init__(problem, layers, layer_map, threads)
        if not isinstance(mesh, Mesh):
            raise fail("mesh", mesh, "a CartesianMesh or a SimplexMesh")
        mesh = mesh.base
        if mesh.dim != problem.field.dim:
            raise mismatch("mesh", f"a mesh of dimension {mesh.dim}", f"the problem's dimension {problem.field.dim}")
        default: Any = Elements() if isinstance(mesh, SimplexMesh) else SemiLagrangian()
        self.transport_scheme = default if transport is None else transport
        self.continuity_scheme: Any = PushForward() if continuity is None else continuity
        for name, scheme, kinds, example in (
            ("transport", self.transport_scheme, TRANSPORT, "transport.SemiLagrangian()"),
            ("continuity", self.continuity_scheme, CONTINUITY, "continuity.FiniteVolume()"),
        ):
            if not isinstance(scheme, kinds):
                raise fail(name, scheme, f"a scheme of the module {name}, such as {example}")
            if getattr(scheme, "mesh_kind", "cartesian") not in ("any", mesh.kind):
                suits = {"transport": "transport.Elements()", "continuity": "continuity.SimplexFiniteVolume()"}[name]
                suits = suits if mesh.kind == "simplex" else example
                raise mismatch(name, f"{scheme!r} on a {type(mesh).__name__}", f"a scheme for that mesh: {suits}")
        self.mesh = mesh.unknowns(self.transport_scheme, self.continuity_scheme)
        self.transport = self.transport_scheme.on(mesh, self.flow)
        self.continuity = self.continuity_scheme.on(mesh, self.flow, self.transport, problem.separable.signed)
        self._bind_law()
        kept = STORAGE[choice("storage", storage, STORAGE)]
        #: states of the forward sweep that a gradient keeps at most
        self.kept_states = states_within(memory, self.initial_masses.size * np.dtype(kept).itemsize)
        self._storage = storage
        #: `threads`, `memory` and `storage` as they were given
        self.resources: dict[str, Any] = {"threads": threads, "memory": memory, "storage": storage}

    def _bind_law(self) -> None:
        separable, running = self.problem.separable, self.problem.separable_running
        box = np.array(self.mesh.bounds)
        lines = [np.append(line, b) for line, b in zip(self.continuity.lines, box, strict=True)]
        #: the constant part of the cost, E[c_0(Y)]
        self.offset = 0.0
        #: `(R, *shape)`: masses at time 0
        self.initial_masses = np.zeros((len(separable.names), *self.mesh.mass_shape))
        outside = running_offset = 0.0
        for rule in self.problem.law.pieces(lines, products=self.mesh.kind == "cartesian"):
            outside += outside_of(self.mesh, rule)
            if outside > MASS_TOLERANCE:
                continue
            self._check_sizes("at the law's labels", partial(_at_labels, rule.y))
            self.offset += float(rule.w @ separable.offset(rule.y))
            self.initial_masses += self.continuity.initial(rule, separable.moments(rule.y))
            if running is not None:
                running_offset += float(rule.w @ running.offset(rule.y))
        if outside > MASS_TOLERANCE:
            where = f"box {self.mesh.bounds}" if self.mesh.kind == "cartesian" else f"mesh ({self.mesh.title})"
            needed = ", ".join(f"[{a:.4g}, {b:.4g}]" for a, b in self.problem.law.box(MASS_TOLERANCE))
            raise DomainError(
                f"mesh: {outside:.2e} of the law's mass lies outside the {where}, expected at most "
                f"{MASS_TOLERANCE:g}: the law alone needs {needed}, and it moves by up to T sup|F|; "
                "see CartesianMesh.covering"
            )
        self._check_sizes("on the mesh", lambda form: (form.terminal(self.mesh.centres),))
        self._known: tuple[np.ndarray, Terminal] | None = None
        self._fixed = None if separable.training is not None else self._terminal(separable, self.offset)
        #: `(R, *shape)`: half a layer's length times the running loss, in `terminal`'s form; None where there is none
        self._running: np.ndarray | None = None
        if running is not None:
            self._running = 0.5 * self.dt * running.terminal(self.mesh.centres).reshape(-1, *self.mesh.shape)
            self._running_offset = self.problem.horizon * running_offset
        if not self.adjoint and running is not None:
            self._running_values = 0.5 * self.dt * running.terminal(self.continuity.points)

    def __reduce__(self) -> Any:
        """Sent to other processes as its arguments."""
        schemes = {"continuity": self.continuity_scheme, "transport": self.transport_scheme}
        arguments = {"layers": self.layers, **schemes, "layer_map": self.flow.layer_map, **self.resources}
        return partial(OptimalitySystem, **arguments), (self.problem, self.mesh.base)

    def _terminal(self, separable: Separable, offset: float, fit: Fit | None = None) -> Terminal:
        potentials = separable.terminal(self.mesh.centres).reshape(-1, *self.mesh.shape)
        if not np.isfinite(potentials).all():
            raise NonFiniteError("the loss is not finite on the mesh")
        values = None if self.adjoint else separable.terminal(self.continuity.points)
        return Terminal(separable, potentials, values, offset, fit)

    def terminal(self, masses: np.ndarray) -> Terminal:
        """The terminal cost at final masses `(R, *shape)`; where the loss trains a read-out, with the best one for them."""
        if self._fixed is not None:
            return self._fixed
        if self._known is None or not np.array_equal(self._known[0], masses):
            training = self.problem.separable.training
            assert training is not None
            points, weights = (
                (self.mesh.centres, masses.reshape(len(masses), -1))
                if self.adjoint
                else self.continuity.measure(masses)
            )
            fit = training.fit(points, weights)
            law, loss = self.problem.law, self.problem.loss.with_readout(fit.readout)
            form = loss.separate(law.dim, law.label_dim, law.labels, self.problem.representation)
            self._known = masses.copy(), self._terminal(form, self.offset + fit.penalty_cost, fit)
        return self._known[1]

    def terminal_tangent(self, masses: np.ndarray, dmasses: np.ndarray) -> np.ndarray:
        """How the final potentials `(R, *shape)` move with the final masses: a trained read-out follows them."""
        fit = self.terminal(masses).fit
        if fit is None:
            return np.zeros_like(dmasses)
        change = fit.tangent(dmasses.reshape(len(dmasses), -1))
        return fit.terminal_tangent(self.mesh.centres, change).reshape(-1, *self.mesh.shape)

    @property
    def final_potentials(self) -> np.ndarray:
        """`(R, *shape)`: potentials at the final time of a loss without a trained read-out."""
        if self._fixed is None:
            raise EulerianError("final_potentials: the read-out is trained; ask terminal(final masses).potentials")
        return self._fixed.potentials

    def _check_sizes(self, where: str, values_of: Callable[[Separable], tuple[np.ndarray, ...]]) -> None:
        """The losses' values must be finite, and their squares too, which solvers take."""
        for name, form in (("loss", self.problem.separable), ("running", self.problem.separable_running)):
            if form is None or form.training is not None:  # a read-out that is trained has no values yet
                continue
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                values = values_of(form)
            if not all(np.isfinite(v).all() for v in values):
                raise NonFiniteError(f"the {name} is not finite {where}")
            largest = max(float(np.abs(v).max(initial=0.0)) for v in values)
            if largest > LARGEST_VALUE:
                raise mismatch(
                    name, f"values of size {largest:.1e} {where}", f"at most {LARGEST_VALUE:g}: change units"
                )

    @property
    def adjoint(self) -> bool:
        """Whether the two schemes are each other's transpose, so that the gradient is that of the discrete cost."""
        if isinstance(self.transport_scheme, FiniteVolumeTranspose):
            return self.transport_scheme.scheme == self.continuity_scheme
        return isinstance(self.continuity_scheme, PushForward)

    @property
    def kinks(self) -> bool:
        return getattr(self.transport_scheme, "kinks", False)

    def hessian(self, control: Any) -> Hessian:
        theta = self.control(control)
        if self.adjoint and hasattr(self.transport, "step_with_slope_tangent"):
            return ExactHessian(self, theta)
        return DifferencedHessian(self, theta)

    def with_running(self, psi: np.ndarray) -> np.ndarray:
        """`psi + dt/2 L`, psi `(R, *shape)`: the trapezoidal rule for the running loss L, half of it at each end of a layer."""
        return psi if self._running is None else psi + self._running

    def step_back(self, n: int, theta: np.ndarray, psi: np.ndarray) -> np.ndarray:
        """Potentials at the end of layer n -> at its start, `S_theta (psi + dt/2 L) + dt/2 L`; theta is `(m,)`."""
        return self.with_running(self.transport.step(self.layer(n, theta), self.with_running(psi)))

    def step_back_with_slope(
        self, n: int, theta: np.ndarray, psi: np.ndarray, masses: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """`step_back`, and the derivative `dJ/dtheta_n` `(m,)` for the masses at the layer's start."""
        layer = self.layer(n, theta)
        before, slope = self.transport.step_with_slope(layer, self.with_running(psi), self.continuity, masses)
        return self.with_running(before), slope + self.dt * self.problem.penalties * theta

    def running_half(self, masses: np.ndarray) -> float:
        """`dt/2 sum_r int L_r dm_r` of masses `(R, *shape)`: an end of a layer adds it to the running cost, without constants."""
        if self._running is None:
            return 0.0
        if self.adjoint:
            return paired(self._running, masses)
        return paired(self._running_values, self.continuity.measure(masses)[1])

    def pairings(self, psi: np.ndarray, masses: np.ndarray) -> np.ndarray:
        """`(R,)`: `int psi_r dm_r`; on an adjoint pair the sums over the nodes."""
        if self.adjoint:
            return (psi * masses).reshape(len(psi), -1).sum(axis=1)
        points, weights = self.continuity.measure(masses)
        values, _ = self.transport.interpolation.gather(points, self.transport.interpolation.coefficients(psi))
        return (values * weights).sum(axis=1)

    def pairing_scale(self, final_masses: np.ndarray) -> float:
        """The sum of the moduli of the terms of `pairings` at the final time, whose masses are `(R, *shape)`."""
        end = self.terminal(final_masses)
        if end.values is None:
            return float(np.abs(end.potentials * final_masses).sum())
        return float(np.abs(end.values * self.continuity.measure(final_masses)[1]).sum())

    def masses(self, control: Any) -> tuple[np.ndarray, np.ndarray]:
        """Forward sweep: masses `(layers + 1, R, *shape)`, and the masses that met the boundary, `(layers, R)`."""
        theta = self.control(control)
        out = np.empty((self.layers + 1, *self.initial_masses.shape))
        crossed = np.empty((self.layers, len(self.initial_masses)))
        out[0] = self.initial_masses
        for n in range(self.layers):
            out[n + 1], crossed[n] = self._step(n, theta[n], out[n])
        return out, crossed

    def final_masses(self, control: Any) -> np.ndarray:
        """`(R, *shape)`: masses at the final time, by a forward sweep that keeps no others."""
        theta, masses = self.control(control), self.initial_masses
        for n in range(self.layers):
            masses, _ = self._step(n, theta[n], masses)
        return masses

    def potentials(self, control: Any, final_masses: np.ndarray | None = None) -> np.ndarray:
        """Backward sweep: potentials `(layers + 1, R, *shape)`, in the order of time.

        Where a read-out is trained it starts from the `final_masses`, of a forward sweep that is made where not given.
        """
        theta = self.control(control)
        if self._fixed is None and final_masses is None:
            final_masses = self.final_masses(theta)
        end = self.terminal(final_masses) if self._fixed is None else self._fixed  # type: ignore[arg-type]
        out = np.empty((self.layers + 1, *end.potentials.shape))
        out[-1] = end.potentials
        for n in range(self.layers - 1, -1, -1):
            out[n] = self.step_back(n, theta[n], out[n + 1])
        return out

    def cost(self, control: Any) -> Cost:
        theta = self.control(control)
        masses, halves = self.initial_masses, [self.running_half(self.initial_masses)]
        for n in range(self.layers):
            masses, _ = self._step(n, theta[n], masses)
            halves.append(self.running_half(masses))
        return self._cost(theta, masses, trapezoidal(halves))

    def _step(self, n: int, theta: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masses at the start of layer n -> at its end, and the masses `(R,)` that met the boundary."""
        try:
            return self.continuity.step(self.layer(n, theta), masses)
        except NonFiniteError as error:
            raise self._located(n, error) from None

    def _cost(self, theta: np.ndarray, final_masses: np.ndarray, running: float) -> Cost:
        # On an adjoint pair the nodes, so that duality is exact; else points at which the density is reconstructed.
        end = self.terminal(final_masses)
        final = (
            (end.potentials, final_masses)
            if end.values is None
            else (end.values, self.continuity.measure(final_masses)[1])
        )
        constant = 0.0 if self._running is None else self._running_offset
        return Cost(end.offset + paired(*final), self.penalty_cost(theta), constant + running)

    def cost_of_sweep(self, control: np.ndarray, masses: np.ndarray) -> Cost:
        """The cost's parts, from the masses of a forward sweep `(layers + 1, R, *shape)`."""
        halves = [0.0] if self._running is None else [self.running_half(m) for m in masses]
        return self._cost(control, masses[-1], trapezoidal(halves))

    def cost_and_gradient(self, control: Any) -> tuple[float, np.ndarray]:
        """`J` and `dJ/dcontrol`, `(layers, m)`: one forward and one backward sweep."""
        theta = self.control(control)
        gradient, halves = np.empty_like(theta), [0.0] * (self.layers + 1)
        psi = final = self.initial_masses

        def advance(n: int, masses: np.ndarray) -> np.ndarray:
            return self._step(n, theta[n], masses)[0]

        for n, masses in backwards(advance, self.initial_masses, self.layers, self.kept_states, self._storage):
            if n + 1 == self.layers:
                final = advance(n, masses)
                halves[-1] = self.running_half(final)
                psi = self.terminal(final).potentials
            halves[n] = self.running_half(masses)
            psi, gradient[n] = self.step_back_with_slope(n, theta[n], psi, masses)
        if not np.isfinite(gradient).all():
            n = int(np.flatnonzero(~np.isfinite(gradient).all(axis=1))[-1])
            raise self._located(n, NonFiniteError("the gradient is not finite"))
        return self._cost(theta, final, trapezoidal(halves)).total, gradient

    def layer_updates(self, control: Any, form: str = "discrete") -> tuple[float, np.ndarray, list[LayerHamiltonian]]:
        """Cost, gradient `(layers, m)`, and the Hamiltonian of every layer, at the densities and potentials of `control`.

        With `form="continuous"` the Hamiltonians of continuous time at the layers' starts; the gradient is then theirs.
        """
        choice("form", form, ("discrete", "continuous"))
        theta = self.control(control)
        masses, _ = self.masses(theta)
        potentials = self.potentials(theta, masses[-1])
        hamiltonians: list[LayerHamiltonian] = [
            Hamiltonian(self, n, masses[n], potentials[n + 1])
            if form == "discrete"
            else ContinuousHamiltonian(self, n, masses[n], potentials[n])
            for n in range(self.layers)
        ]
        gradient = np.stack([h(row)[1] for h, row in zip(hamiltonians, theta, strict=True)])
        return self.cost_of_sweep(theta, masses).total, gradient, hamiltonians

    def sequential_update(
        self, potentials: np.ndarray, choose: Callable[[int, LayerHamiltonian], np.ndarray]
    ) -> tuple[np.ndarray, float]:
        """One forward sweep in which layer n's control is `choose(n, H_n)`, at the masses that the earlier choices gave.

        `potentials` are a backward sweep's; returns the control `(layers, m)` and its cost.
        """
        masses = self.initial_masses
        halves = [self.running_half(masses)]
        theta = np.empty((self.layers, self.problem.parameters))
        for n in range(self.layers):
            theta[n] = choose(n, Hamiltonian(self, n, masses, potentials[n + 1]))
            masses, _ = self._step(n, theta[n], masses)
            halves.append(self.running_half(masses))
        return theta, self._cost(theta, masses, trapezoidal(halves)).total
