"""The shooting method of the source: forward sweep, backward sweep, layer-wise update."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._validate import choice, fail, integer, positive
from .at_bounds import snapped
from .base import Solver, need_layers
from .layer_update import minimise_layer
from .mixing import Anderson, AutomaticRelaxation, FixedRelaxation, Mixing
from .protocol import DiscreteProblem
from .recorder import Recorder
from .status import CONVERGED, Ending, Status, diverged, limit_reached

#: shooting is reported as divergent after this many iterations without a new smallest residual
PATIENCE = 60


@dataclass(frozen=True)
class Shooting(Solver):
    """`theta_{k+1} = (1 - rho) theta_k + rho G(theta_k)`, `G_n = argmin H_n(.; m_k^n, psi_k^{n+1})` on every layer n.

    Parameters
    ----------
    tol, max_iterations : see `Solver`; 1e-9 and 500 by default.
    relaxation : rho in (0, 1]. 1 is the algorithm of the source, which diverges for small penalties. "auto" takes the best rho
        for the estimated dominant eigenvalue of G'.
    anderson : window (>= 1) of Anderson acceleration, instead of plain steps; rho is then the weight of the new changes.
    update : "discrete" minimises the layer's discrete Hamiltonian. "continuous" minimises that of continuous time at the
        layer's start (explicit if the field is linear in the control); its fixed points differ from the discrete ones by O(dt).
    divergence : a factor above 1; the solver stops once the residual exceeds this many times its smallest value.

    With the discrete update on an adjoint pair, the fixed points are exactly the critical points of the discrete cost, and
    `G' = 1 - D^-1 J''`, where D is the block diagonal of J'', one block per layer. Near a fixed point plain shooting converges
    if and only if the eigenvalues of G' are smaller than 1 in modulus. This fails for small penalties.

    Raises
    ------
    ArgumentError
        As `Solver`; also if options are out of range or do not fit together. From `solve`, if the system is one of particles.

    References
    ----------
    B. Bonnet, C. Cipriani, M. Fornasier, H. Huang, A measure theoretical approach to the mean-field maximum principle
    for training NeurODEs, Nonlinear Analysis 227 (2023) 113161, doi:10.1016/j.na.2022.113161, section 5.
    Anderson acceleration: H. F. Walker, P. Ni, Anderson acceleration for fixed-point iterations, SIAM J. Numer. Anal. 49 (2011),
    1715-1735, doi:10.1137/10078356X; when it converges: docs/theory/penalties.md.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> system = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-4.0, 4.0)], 40), layers=2)
    >>> emfc.solvers.Shooting(relaxation="auto").solve(system, initial=0.1).status.value
    'converged'
    """

    relaxation: float | str = 1.0
    anderson: int | None = None
    update: str = "discrete"
    divergence: float = 1e3

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.relaxation, str):
            choice("relaxation", self.relaxation, ("auto",))
            if self.anderson is not None:
                raise fail("relaxation", self.relaxation, "a number in (0, 1], since Anderson acceleration is used")
        elif isinstance(self.relaxation, bool) or not 0 < positive("relaxation", self.relaxation) <= 1:
            raise fail("relaxation", self.relaxation, 'a number in (0, 1], or "auto"')
        if self.anderson is not None:
            integer("anderson", self.anderson)
        choice("update", self.update, ("discrete", "continuous"))
        if positive("divergence", self.divergence) <= 1:
            raise fail("divergence", self.divergence, "a number > 1")

    def _mixing(self) -> Mixing:
        if isinstance(self.relaxation, str):
            return AutomaticRelaxation()
        if self.anderson is not None:
            return Anderson(self.anderson, self.relaxation)
        return FixedRelaxation(self.relaxation)

    @property
    def discrete(self) -> bool:
        return self.update == "discrete"

    def iterate(self, recorder: Recorder, system: DiscreteProblem, initial: np.ndarray) -> Ending:
        system = need_layers(system)
        mixing, space = self._mixing(), system.controls
        lower, upper, metric = space.regulariser.lower, space.regulariser.upper, space.root
        theta = initial.copy()
        smallest, since = np.inf, 0
        for _ in range(self.max_iterations):
            cost, gradient, hamiltonians = system.layer_updates(theta, self.update)
            point = recorder.note(theta, cost, gradient)
            recorder.record(point)
            if recorder.converged(point):
                return CONVERGED
            since = 0 if point.residual < smallest else since + 1
            smallest = min(smallest, point.residual)
            if point.residual > self.divergence * smallest:
                return diverged(f"shooting diverges ({self._estimate(mixing)}; {self._advice(system)})")
            if since >= PATIENCE:
                way = (
                    "alternates between two controls" if mixing.eigenvalue < -0.99 else "does not approach any control"
                )
                found = f"the residual has not decreased for {PATIENCE} iterations; {self._advice(system)}"
                return diverged(f"shooting diverges: the iteration {way} ({found})")
            updated = np.stack([minimise_layer(h, theta[n], *space.limits(n)) for n, h in enumerate(hamiltonians)])
            change = (updated - theta) * metric
            theta = space.project(mixing.next((theta * metric).ravel(), change.ravel()).reshape(theta.shape) / metric)
            if space.regulariser.bounded:
                sizes = system.natural_sizes
                theta = snapped(theta, updated == lower, updated == upper, space.regulariser, sizes)
        reason = f"{limit_reached(self.max_iterations).reason} ({self._estimate(mixing)}; {self._advice(system)})"
        return Ending(Status.ITERATION_LIMIT, reason)

    def _advice(self, system: DiscreteProblem) -> str:
        """Advice for the message: options that are not in use yet. LBFGS needs an adjoint pair."""
        ways = [] if self.relaxation == "auto" else ["reduce the relaxation", 'set relaxation="auto"']
        if self.anderson is None:
            ways.append("anderson=3" if ways else "set anderson=3")
        return f"{' or '.join(ways)}, or raise the penalty{', or use LBFGS' if system.adjoint else ''}"

    @staticmethod
    def _estimate(mixing: Mixing) -> str:
        return (
            f"relaxation {mixing.relaxation:.3g}, dominant eigenvalue of the undamped map about {mixing.eigenvalue:.3g}"
        )
