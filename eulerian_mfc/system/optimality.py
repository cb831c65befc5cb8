"""The discrete optimality system on a mesh."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Unpack

import numpy as np

from .._validate import choice, mismatch
from ..control.coerced import ControlLike
from ..control.grid import Grid
from ..errors import NonFiniteError
from ..flow.layers import Layer
from ..meshes import Mesh
from ..problem import Problem
from .backward_sweep import backward_sweep
from .controlled import Cost, LayeredSystem, trapezoidal
from .discretisation import Discretisation, Resources
from .hamiltonian import ContinuousHamiltonian, Hamiltonian, LayerHamiltonian, SteppedHamiltonian
from .hessian import ExactHessian, Hessian
from .initial import initial_of
from .layer_sweep import LayerSweep
from .noise_choice import with_noise
from .options import SystemOptions, options_of, showing_system_options, values_of
from .reverse_sweep import backwards, states_within
from .running import RunningCost
from .scheme_choice import pair_of
from .terminal import TerminalCost


class OptimalitySystem(LayeredSystem):
    """A problem on a mesh with layers and schemes: cost, gradient, densities, potentials, layer-wise updates.

    Parameters
    ----------
    problem : the control problem.
    mesh : the mesh of the state space; it must hold the law up to `initial.MASS_TOLERANCE`.
    layers : number M of equal layers, on each of which the control is a polynomial in time; or the times of their ends.
    continuity : forward scheme, a `schemes.ContinuityScheme`; by default the exact transpose of `transport`: an exact gradient.
    transport : backward scheme, a `schemes.TransportScheme`; by default quintic splines; on simplices quadratic elements.
    layer_map, control_degree : the time integrator of the layers, and the degree of the control; see `Discretisation`.
    threads, memory, precision : the resources of evaluations, see `Resources`.

    Methods take a control as `control.coerced` does: a number, values, a function of time, or coefficients (in the basis of
    Legendre, with bounds or an L1 norm in that of Bernstein). With an adjoint pair `m^{n+1} = S_n^T m^n`,
    `psi^n = S_n psi^{n+1}`, and the derivative of the discrete J is
    `dJ/dtheta_n = lambda dt theta_n + d/dtheta sum_r <S_theta psi_r^{n+1}, m_r^n>`.

    Raises
    ------
    DomainError
        If more than `initial.MASS_TOLERANCE` of the law lies outside the mesh.
    NonFiniteError
        From evaluations, with the number of the layer, if characteristics are not finite.
    KeywordError
        If there is no such keyword.
    ArgumentError
        If arguments have wrong types, are out of range, or do not fit together.

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

    @showing_system_options
    def __init__(self, problem: Problem, mesh: Mesh, layers: Grid, **options: Unpack[SystemOptions]) -> None:
        chosen, resources = values_of(OptimalitySystem, mesh, layers, options)
        threads, degree = resources.threads, chosen.control_degree
        super().__init__(problem, layers, threads, layer_map=chosen.layer_map, control_degree=degree)
        self.discretisation, self.resources, mesh = chosen, resources, chosen.mesh
        if mesh.dim != problem.field.dim:
            raise mismatch("mesh", f"a mesh of dimension {mesh.dim}", f"the problem's dimension {problem.field.dim}")
        self.transport_scheme, self.continuity_scheme = chosen.transport, chosen.continuity
        #: the two schemes together, as an operator per layer
        one_step = (
            self.flow._replace(layer_map=self.flow.layer_map.with_substeps(1)) if problem.diffusion else self.flow
        )
        pair = pair_of(self.transport_scheme, self.continuity_scheme, mesh, one_step, problem.separable.signed)
        self.pair = with_noise(pair, problem.diffusion, self.flow.layer_map)
        #: the mesh as the pair sees it: points and shape of the potentials, densities of the masses
        self.mesh = self.pair.mesh
        #: masses `(R, *shape)` at time 0, and the constant part of the cost, E[c_0(Y)]
        self.initial_masses, self.offset, running_offset = initial_of(problem, self.pair)
        self.terminal = TerminalCost(problem, self.pair, self.offset, self.initial_masses)
        self.running = RunningCost(problem, self.pair, self.controls, running_offset, self.initial_masses)
        #: the largest number of states of the forward sweep that a gradient keeps
        self.kept_states = states_within(
            self.resources.memory, self.initial_masses.size * self.resources.bytes_per_value
        )

    @classmethod
    def of(
        cls, problem: Problem, discretisation: Discretisation, resources: Resources | None = None
    ) -> OptimalitySystem:
        """The system of a problem and a discretisation, with resources (by default `Resources()`)."""
        options = options_of(discretisation, Resources() if resources is None else resources)
        return cls(problem, discretisation.mesh, discretisation.layers, **options)

    def __reduce__(self) -> tuple[Callable[..., OptimalitySystem], tuple[Problem, Discretisation, Resources]]:
        """Pickle the arguments only: the system is built again in the other process."""
        return OptimalitySystem.of, (self.problem, self.discretisation, self.resources)

    def cancelling(self) -> float:
        return self.terminal.scale(self.initial_masses)

    @property
    def adjoint(self) -> bool:
        """Whether the two schemes are each other's transpose, so that the gradient is that of the discrete cost."""
        return self.pair.adjoint

    @property
    def kinks(self) -> bool:
        return self.transport_scheme.kinks

    # --- sweeps

    def _step(self, n: int, step: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map masses at the start of step n to those at its end; also returns the masses `(R,)` that met the boundary."""
        try:
            return self.pair.push(step, masses)
        except NonFiniteError as error:
            raise self._located(n, error) from None

    def masses(self, control: ControlLike) -> tuple[np.ndarray, np.ndarray]:
        """Forward sweep: masses `(steps + 1, R, *shape)`, and the masses that met the boundary, `(steps, R)`."""
        out = np.empty((self.steps + 1, *self.initial_masses.shape))
        crossed = np.empty((self.steps, len(self.initial_masses)))
        out[0] = self.initial_masses
        for n, step in enumerate(self.controls.path(self.control(control))):
            out[n + 1], crossed[n] = self._step(n, step, out[n])
        return out, crossed

    def final_masses(self, control: ControlLike) -> np.ndarray:
        """`(R, *shape)`: masses at the final time, by a forward sweep that does not store the others."""
        masses = self.initial_masses
        for n, step in enumerate(self.controls.path(self.control(control))):
            masses = self._step(n, step, masses)[0]
        return masses

    def potentials(self, control: ControlLike, masses: np.ndarray | None = None) -> np.ndarray:
        """Backward sweep: potentials `(steps + 1, R, *shape)`, in the order of time; see `backward_sweep`.

        They depend on the `masses` `(steps + 1, R, *shape)` of the forward sweep if a read-out is trained, or the cost depends on
        the density. By default a forward sweep computes what is needed of them.
        """
        theta, end = self.control(control), self.terminal.fixed
        if masses is None and self.running.density_costs is not None:
            masses = self.masses(theta)[0]
        if end is None:
            end = self.terminal(self.final_masses(theta) if masses is None else masses[-1])
        return backward_sweep(self.pair, self.running, self.controls.path(theta), end.potentials, masses)

    def step_back_with_slope(
        self, n: int, step: Layer, psi: np.ndarray, masses: np.ndarray, after: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Step n of the backward sweep: the potentials at its start, and the derivative of J without the penalty.

        The derivative, `(m,)` or `(degree + 1, m)`, is in the layer's coefficients; the masses are at its start and `after` it.
        """
        before, slope = self.pair.pull(step, masses, self.running.at_end(n, psi, after))
        return self.running.at_start(n, before, masses), slope

    # --- cost and gradient

    def cost(self, control: ControlLike) -> Cost:
        theta = self.control(control)
        masses, halves = self.initial_masses, [self.running.half(self.initial_masses, 0)]
        for n, step in enumerate(self.controls.path(theta)):
            masses, _ = self._step(n, step, masses)
            halves.append(self.running.half(masses, n + 1))
        return self._cost(theta, masses, halves)

    def _cost(self, theta: np.ndarray, final: np.ndarray, halves: list[float]) -> Cost:
        running, end = self.running.constant + trapezoidal(halves), self.terminal
        return Cost(end.value(final), self.penalty_cost(theta), running, end.constraint_cost(final))

    def cost_of_sweep(self, control: np.ndarray, masses: np.ndarray) -> Cost:
        """The cost's parts, from the masses of a forward sweep `(steps + 1, R, *shape)`."""
        return self._cost(control, masses[-1], [self.running.half(m, n) for n, m in enumerate(masses)])

    def cost_and_gradient(self, control: ControlLike) -> tuple[float, np.ndarray]:
        """`J` and `dJ/dcontrol`, of the control's shape `(layers, ...)`: one forward and one backward sweep."""
        theta, slopes, halves = self.control(control), [np.empty(0)] * self.steps, [0.0] * (self.steps + 1)
        path = self.controls.path(theta)
        psi = final = after = self.initial_masses

        def advance(n: int, masses: np.ndarray) -> np.ndarray:
            return self._step(n, path[n], masses)[0]

        kept, precision = self.kept_states, self.resources.precision
        for n, masses in backwards(advance, self.initial_masses, self.steps, kept, precision):
            if n + 1 == self.steps:
                final = after = advance(n, masses)
                halves[-1] = self.running.half(final, n + 1)
                psi = self.terminal(final).potentials
            halves[n] = self.running.half(masses, n)
            psi, slopes[n] = self.step_back_with_slope(n, path[n], psi, masses, after)
            after = masses
        gradient = self.controls.gathered(slopes) + self.controls.penalty_slope(theta)
        if not np.isfinite(gradient).all():
            n = max(n for n, slope in enumerate(slopes) if not np.isfinite(slope).all())
            raise self._located(n, NonFiniteError("the gradient is not finite"))
        return self._cost(theta, final, halves).total, gradient

    def hessian(self, control: ControlLike) -> Hessian:
        theta, tangents = self.control(control), self.pair.tangents
        if tangents is None or not (self.terminal.smooth and self.running.smooth):
            return self._differenced(theta)
        masses, _ = self.masses(theta)
        ends = enumerate(self.potentials(theta, masses)[1:])
        prepared = [tangents.prepared(self.running.at_end(n, psi, masses[n + 1])) for n, psi in ends]
        follow = None if self.terminal.fixed is not None else partial(self.terminal.tangent, masses[-1])
        path = self.controls.path(theta)
        return ExactHessian(tangents, path, masses, prepared, self.controls, follow, self.running)

    # --- layer by layer

    def hamiltonian(
        self, n: int, masses: np.ndarray, psi: np.ndarray, after: np.ndarray | None = None
    ) -> LayerHamiltonian:
        """The Hamiltonian of layer n for masses at its start, and potentials `(R, *shape)` and masses `after` it at its end."""
        space, sizes = self.controls, self.problem.scales.control
        block = None if space.diagonal else space.penalty_block(n)
        end = self.running.at_end((n + 1) * space.steps_per_layer - 1, psi, after)
        if space.steps_per_layer > 1:
            sweep = LayerSweep(self.pair, self.running, space, n, masses, end)
            return SteppedHamiltonian(space.gram[n], block, sweep, sizes)
        return Hamiltonian(space.gram[n], block, partial(self.layer, n), self.pair.pairing(end, masses), sizes)

    def at_time(self, t: float, masses: np.ndarray, psi: np.ndarray, length: float = 1.0) -> ContinuousHamiltonian:
        """`length` times the Hamiltonian of continuous time at time t, as a function of theta `(m,)` at that time.

        Masses and potentials `(R, *shape)` are those at this time.
        """
        moment = Layer(t, length, np.zeros(self.problem.parameters))
        weights = length * self.problem.regulariser.at(t).penalties
        return ContinuousHamiltonian(moment, weights, self.problem.field, *self.pair.covectors(psi, masses))

    def layer_updates(
        self, control: ControlLike, form: str = "discrete"
    ) -> tuple[float, np.ndarray, list[LayerHamiltonian]]:
        """Cost, gradient `(layers, ...)`, and the Hamiltonian of every layer, for the densities and potentials of `control`.

        With `form="continuous"` these are the Hamiltonians of continuous time at the layers' starts, and the gradient consists
        of their derivatives: it differs from that of the discrete cost. The control must then be constant on layers.
        """
        choice("form", form, ("discrete", "continuous"))
        theta, count = self.control(control), self.controls.steps_per_layer
        if form == "continuous" and self.controls.degree:
            wanted = 'a control of degree 0: for other degrees take the "discrete" update'
            raise mismatch("update", f'"continuous" with a control of degree {self.controls.degree}', wanted)
        masses, _ = self.masses(theta)
        potentials = self.potentials(theta, masses)
        hamiltonians: list[LayerHamiltonian] = []
        for n, length in enumerate(self.controls.lengths):
            if form == "discrete":
                end = (n + 1) * count
                hamiltonians.append(self.hamiltonian(n, masses[n * count], potentials[end], masses[end]))
            else:
                hamiltonians.append(self.at_time(float(self.times[n]), masses[n], potentials[n], float(length)))
        gradient = np.stack([h(row)[1] for h, row in zip(hamiltonians, theta, strict=True)])
        return self.cost_of_sweep(theta, masses).total, gradient, hamiltonians

    def sequential_update(
        self, potentials: np.ndarray, choose: Callable[[int, LayerHamiltonian], np.ndarray]
    ) -> tuple[np.ndarray, float]:
        """One forward sweep in which layer n's control is `choose(n, H_n)`, with the masses of the controls chosen before.

        `potentials` come from a backward sweep. Returns the control and its cost. A running cost of the density is refused.
        """
        self.running.need_linear()
        masses, count = self.initial_masses, self.controls.steps_per_layer
        halves = [self.running.half(masses, 0)]
        theta = np.empty(self.controls.shape)
        for n in range(self.layers):
            theta[n] = choose(n, self.hamiltonian(n, masses, potentials[(n + 1) * count]))
            for k, step in enumerate(self.controls.of_layer(n, theta[n]), start=n * count):
                masses, _ = self._step(k, step, masses)
                halves.append(self.running.half(masses, k + 1))
        return theta, self._cost(theta, masses, halves).total
