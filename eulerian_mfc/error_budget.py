"""An error budget: what the mesh, the layers, the samples and the unfinished optimisation each add to the cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .laws import Empirical
from .meshes import CartesianMesh, SimplexMesh
from .optimality import OptimalitySystem
from .particles import ParticleSystem
from .solution import Solution
from .solvers import minimiser
from .transport import Elements, SemiLagrangian

#: how much finer the mesh and the layers are that the solution is compared with
FINER_MESH, FINER_LAYERS = 2, 4


class Contribution(NamedTuple):
    """One source of error.

    Attributes
    ----------
    source : "mesh", "layers", "samples" or "optimisation".
    error : what it adds to the cost, in the cost's units; for samples one standard deviation, whose sign is not known.
    how : how it was estimated.
    refine : what makes it smaller.
    """

    source: str
    error: float
    how: str
    refine: str


@dataclass(frozen=True)
class ErrorBudget:
    """Estimated errors of a solution's cost, against the optimal cost of the law with controls of any shape in time.

    Attributes
    ----------
    cost : the solution's.
    contributions : one a source.
    """

    cost: float
    contributions: tuple[Contribution, ...]

    def __getitem__(self, source: str) -> float:
        """The error of one source."""
        return {c.source: c.error for c in self.contributions}[source]

    @property
    def total(self) -> float:
        """What all together may be: the moduli added, for nothing says that signs help."""
        return float(sum(abs(c.error) for c in self.contributions))

    @property
    def refine(self) -> str:
        """The source that adds most: refine this one."""
        return max(self.contributions, key=lambda c: abs(c.error)).source

    def table(self) -> str:
        """For the terminal."""
        rows = [
            f"{c.source:>13}  {'+-' if c.source == 'samples' else '  '}{c.error:10.2e}  {c.how}"
            for c in self.contributions
        ]
        worst = next(c for c in self.contributions if c.source == self.refine)
        advice = f"refine first: {worst.source} ({worst.refine})" if worst.error else "nothing to refine"
        return "\n".join([f"J = {self.cost:.12g}, error at most about {self.total:.1e}", *rows, advice])

    __str__ = table


def estimate(solution: Solution) -> ErrorBudget:
    """The budget of a solution that has its problem.

    * mesh: the cost at the same control, minus that on a mesh of half the width by splines two degrees richer;
    * layers: the cost at the same control without a mesh (particles on the law's own points), minus that of the control
      as a piecewise linear function with the same means on every layer, on four times as many layers (which are then
      also integrated four times as finely); the remaining sixteenth is added;
    * samples: the standard deviation of the loss over the samples, over `sqrt(N)`, where the law is one of samples;
    * optimisation: what goes on minimising from this control takes off the cost, on this mesh (by the adjoint pair of
      quintic splines where the solution's pair is not adjoint: what its control lost to the schemes is then in here too).

    Parameters
    ----------
    solution : made by `solve`, or loaded with its problem.

    Raises
    ------
    EulerianError
        If the solution was loaded without its problem.

    References
    ----------
    Own construction, measured on the page docs/studies.md; the half mesh and the remaining sixteenth: P. J. Roache,
    Quantification of uncertainty in computational fluid dynamics, Annu. Rev. Fluid Mech. 29 (1997), 123-160,
    doi:10.1146/annurev.fluid.29.1.123.
    """
    system = solution._need_system("an error budget")
    control = solution.control
    return ErrorBudget(
        solution.cost,
        (
            _mesh(system, control, solution.cost),
            _layers(system, control),
            _samples(system, control),
            _optimisation(system, control),
        ),
    )


def _as(system: OptimalitySystem) -> dict[str, Any]:
    """The layer map, threads, memory and storage of a system, for others beside it."""
    return {"layer_map": system.flow.layer_map, **system.resources}


def _mesh(system: OptimalitySystem, control: np.ndarray, cost: float) -> Contribution:
    base = system.mesh.base
    if isinstance(base, SimplexMesh):
        degree = min(getattr(system.transport_scheme, "degree", 1) + 1, 3 if base.dim == 2 else 2)
        finer = OptimalitySystem(
            system.problem, base.refined(), system.layers, transport=Elements(degree), **_as(system)
        )
        how = (
            f"against the refined mesh ({finer.mesh.base.size} cells) and elements of degree {degree}, at this control"
        )
        return Contribution("mesh", cost - finer.cost(control).total, how, "more cells, or a higher degree")
    coarse = getattr(system.transport_scheme, "degree", 3)
    scheme = SemiLagrangian(min(coarse + 2, 7))
    mesh = CartesianMesh(system.mesh.bounds, [FINER_MESH * n for n in system.mesh.shape])
    finer = OptimalitySystem(system.problem, mesh, system.layers, transport=scheme, **_as(system))
    how = f"against {' x '.join(map(str, mesh.shape))} cells and splines of degree {scheme.degree}, at this control"
    return Contribution("mesh", cost - finer.cost(control).total, how, "more cells, or a higher degree")


def _layers(system: OptimalitySystem, control: np.ndarray) -> Contribution:
    problem, layer_map = system.problem, system.flow.layer_map
    here = ParticleSystem(problem, system.layers, layer_map=layer_map).cost(control).total
    many = FINER_LAYERS * system.layers
    finer = ParticleSystem(problem, many, layer_map=layer_map).cost(linear_means(control, FINER_LAYERS)).total
    rest = 1 / (1 - FINER_LAYERS**-2.0)
    how = f"against {many} layers with the control made piecewise linear"
    return Contribution("layers", (here - finer) * rest, how, "more layers")


def linear_means(control: np.ndarray, pieces: int) -> np.ndarray:
    """`(pieces * layers, m)`: means over the pieces of each layer of a piecewise linear function with the layer's mean.

    Its slope on a layer is the central difference of the means, one-sided at both ends, of second order.

    Parameters
    ----------
    control : `(layers, m)`, the means.
    pieces : of each layer.
    """
    if len(control) < 2:
        return np.repeat(control, pieces, axis=0)
    slopes = np.gradient(control, axis=0, edge_order=2 if len(control) > 2 else 1)
    offsets = (np.arange(pieces) + 0.5) / pieces - 0.5
    return (control[:, None] + offsets[:, None] * slopes[:, None]).reshape(-1, control.shape[1])


def _samples(system: OptimalitySystem, control: np.ndarray) -> Contribution:
    law = system.problem.law
    if not isinstance(law, Empirical):
        return Contribution("samples", 0.0, "none: the law itself, by quadrature", "-")
    particles = ParticleSystem(system.problem, system.layers, layer_map=system.flow.layer_map)
    x, running = particles.rule.x, system.problem.running
    losses, weights = np.zeros(len(x)), law.weights
    for n in range(system.layers + 1):
        if running is not None:
            losses += (1.0 if 0 < n < system.layers else 0.5) * system.dt * running.value(x, law.y)
        if n < system.layers:
            x = particles.flow(particles.layer(n, control[n]), x)
    losses += particles.terminal(x)[0].value(x, law.y)
    mean = weights @ losses
    # Of weights w, 1 / sum w^2 samples' worth.
    share = float(weights @ weights)
    deviation = float(np.sqrt(weights @ (losses - mean) ** 2 * share / max(1 - share, share)))
    return Contribution(
        "samples", deviation, f"standard deviation of the mean loss of {len(x)} samples", "more samples"
    )


def _optimisation(system: OptimalitySystem, control: np.ndarray) -> Contribution:
    adjoint = system
    if not system.adjoint:
        adjoint = OptimalitySystem(system.problem, system.mesh.base, system.layers, **_as(system))
    here = adjoint.cost(control).total
    solver = minimiser(system.problem)
    outcome = solver.solve(adjoint, control)
    there = adjoint.cost(outcome.control).total
    how = f"against {type(solver).__name__} from this control ({'converged' if outcome.converged else 'which did not converge'})"
    return Contribution("optimisation", max(here - there, 0.0), how, "more iterations, or a smaller tolerance")
