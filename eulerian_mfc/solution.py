"""The solution of a problem on a mesh, with its certificate."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ._validate import array, mismatch
from .characteristics import Flow, Layer, LayerMap
from .errors import EulerianError
from .losses import SquaredLoss
from .meshes import Mesh
from .optimality import Cost, OptimalitySystem
from .solvers import Iteration, Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .problem import Problem

#: cells from the boundary within which mass counts as near it
BOUNDARY_CELLS = 3
#: characteristics drawn and exported
TRAJECTORIES = 300


@dataclass(frozen=True)
class Certificate:
    """What was checked of a solution, by evaluating both sweeps at its control.

    Attributes
    ----------
    residual : `max |lambda theta + int D_theta F^T grad psi dmu|` over layers and parameters.
    mass_drift : largest change of the total mass over time.
    duality_drift : largest change of `sum_r <psi_r, m_r>` over time, relative to the sum of the moduli of its terms;
        an estimate of the schemes' error where the pair is not adjoint.
    mass_crossed : share of the mass whose characteristics left the box.
    mass_near_boundary : largest share of mass, at any time, within three cells of the boundary.
    most_negative : most negative cell of a density (of each label's, where there are), relative to its largest at that
        time; 0 for non-negative masses, large where a density is rough on the scale of the cells.
    adjoint : whether the two schemes are each other's transpose.
    """

    residual: float
    mass_drift: float
    duality_drift: float
    mass_crossed: float
    mass_near_boundary: float
    most_negative: float
    adjoint: bool

    def rows(self) -> list[tuple[str, str, str]]:
        """(name, value, meaning) for tables."""
        meanings = {
            "residual": "optimality residual",
            "mass_drift": "largest change of the total mass",
            "duality_drift": "largest relative change of sum <psi, m>",
            "mass_crossed": "share of mass whose characteristics left the box",
            "mass_near_boundary": f"largest share of mass within {BOUNDARY_CELLS} cells of the boundary",
            "most_negative": "most negative cell of the density, relative to the largest",
            "adjoint": "the schemes are each other's transpose",
        }
        return [(k, str(v) if isinstance(v, bool) else f"{v:.3e}", meanings[k]) for k, v in asdict(self).items()]


class Paths(NamedTuple):
    """Characteristics: positions `(layers + 1, n, d)`, and the label of each `(n, q)`."""

    x: np.ndarray
    y: np.ndarray


class Numerics(NamedTuple):
    """How the problem was discretised: what a file must hold to evaluate the solution again."""

    mesh: Mesh
    transport: Any
    continuity: Any
    layer_map: LayerMap
    flow: Flow | None
    horizon: float
    layers: int
    squared_loss: bool


class Solution:
    """A control with its densities, potentials, history and certificate.

    Made by `solve` and by `Solution.load`. Arrays on the mesh are `(layers + 1, R, *shape)`, time first, in the order
    of time, R the moments or labels named by `names`.

    Attributes
    ----------
    control : `(layers, m)`.
    cost, terminal_cost, penalty_cost : `J` and its two parts.
    residual : the optimality residual, `max |lambda theta + int D_theta F^T grad psi dmu|`.
    converged : whether the residual is below the solver's tolerance.
    message : why the solver stopped.
    history : one `Iteration(iteration, cost, residual, evaluations, seconds)` a row.
    certificate : see `Certificate`.
    names : R names of the moments or labels.
    labels : `(K, q)` the labels where the fields are densities of single labels, else None.
    parameter_names : m names.
    rounds : of a solve with `adapt`, (cells, unknowns, cost, estimated error) a round; not kept in files.
    """

    def __init__(
        self,
        *,
        numerics: Numerics,
        outcome: Outcome,
        cost: Cost,
        certificate: Certificate,
        names: tuple[str, ...],
        total: np.ndarray,
        labels: np.ndarray | None,
        parameter_names: tuple[str, ...],
        description: dict[str, str],
        system: OptimalitySystem | None = None,
        masses: np.ndarray | None = None,
        potentials: np.ndarray | None = None,
        paths: Paths | None = None,
    ) -> None:
        self.numerics, self.description, self.system = numerics, description, system
        self.control, self.converged = outcome.control, outcome.converged
        self.message, self.history = outcome.message, [Iteration(*row) for row in outcome.history]
        self.cost, self.terminal_cost, self.penalty_cost = cost.total, cost.terminal, cost.penalty
        self.certificate, self.residual = certificate, certificate.residual
        self.names, self.labels, self.parameter_names = names, labels, parameter_names
        self.total = total
        self.rounds: list[Any] = []
        if masses is not None:
            self.masses = masses
        if potentials is not None:
            self.potentials = potentials
        if paths is not None:
            self.paths = paths

    @classmethod
    def from_outcome(cls, system: OptimalitySystem, outcome: Outcome, description: dict[str, str]) -> Solution:
        """The solution that a solver's outcome is, certified by both sweeps at its control."""
        problem = system.problem
        masses, crossed = system.masses(outcome.control)
        certificate = certify(system, outcome.control, masses, crossed)
        separable = problem.separable
        return cls(
            numerics=Numerics(
                system.mesh.base,
                system.transport_scheme,
                system.continuity_scheme,
                system.flow.layer_map,
                system.flow,
                problem.horizon,
                system.layers,
                isinstance(problem.loss, SquaredLoss),
            ),
            outcome=outcome,
            cost=system.cost(outcome.control),
            certificate=certificate,
            names=separable.names,
            total=separable.total,
            labels=separable.labels,
            parameter_names=problem.field.parameter_names,
            description=description,
            system=system,
            masses=masses,
        )

    def __repr__(self) -> str:
        return (
            f"<Solution cost={self.cost:.10g} residual={self.residual:.2e} converged={self.converged}: {self.message}>"
        )

    @property
    def mesh(self) -> Mesh:
        return self.numerics.mesh

    @cached_property
    def unknowns(self) -> Mesh:
        """The mesh as the schemes see it: its `centres` are the points of the potentials."""
        return self.mesh.unknowns(self.numerics.transport, self.numerics.continuity)

    @property
    def layers(self) -> int:
        return self.numerics.layers

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
        return self._need_system("potentials").potentials(self.control)

    @property
    def densities(self) -> np.ndarray:
        """`(layers + 1, R, *shape)`: masses over the cell volume; for elements at the vertices, `(layers + 1, R, vertices)`."""
        return self.unknowns.density(self.masses)

    @property
    def total_density(self) -> np.ndarray:
        """`(layers + 1, *shape)`: the density of X."""
        return self.unknowns.density(np.einsum("r,nr...->n...", self.total, self.masses))

    @cached_property
    def paths(self) -> Paths:
        """A few hundred characteristics from samples of the law (fixed seed)."""
        x, y = self._need_system("paths").problem.law.sample(TRAJECTORIES, seed=0)
        return Paths(self.trajectories(x), y)

    def layer(self, n: int) -> Layer:
        """Layer n with its control."""
        return Layer(float(self.times[n]), self.numerics.horizon / self.layers, self.control[n])

    def trajectories(self, x: Any) -> np.ndarray:
        """Positions `(layers + 1, n, d)` of points `(n, d)` that start at time 0, by the layer maps."""
        flow = self._need_flow()
        dim = flow.field.dim
        points = array("x", x, ndim=(1, 2))
        points = points[:, None] if points.ndim == 1 and dim == 1 else points
        if points.ndim != 2 or points.shape[1] != dim:
            raise mismatch("x", f"an array of shape {np.shape(x)}", f"points as rows, shape (n, {dim})")
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

        With `labels` `(K, q)`, or where the fields are densities of single labels, the label of least loss at X(T);
        otherwise (regression) X(T) itself.
        """
        final = self.flow(x)
        if labels is None and self.labels is None:
            return final
        known = self.labels if labels is None else array("labels", labels, ndim=(1, 2)).reshape(len(labels), -1)
        assert known is not None
        if self.numerics.squared_loss:
            losses = ((final[:, None, :] - known) ** 2).sum(axis=2)
        else:
            loss = self._need_system("predictions").problem.loss
            losses = np.stack([loss.value(final, np.broadcast_to(y, (len(final), len(y)))) for y in known], axis=1)
        return known[losses.argmin(axis=1)]

    def velocity(self, n: int) -> np.ndarray:
        """`(size, d)`: the field at the cell centres at time n (at the final time with the last layer's control)."""
        layer = self.layer(min(n, self.layers - 1))
        return self._need_flow().field(float(self.times[n]), layer.theta, self.mesh.centres)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an HDF5 file, atomically: the old file stays until the new one is whole."""
        from .storage import save

        save(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str], problem: Problem | None = None) -> Solution:
        """Read a file written by `save`; no code in the file is run.

        A field made of the user's functions cannot be in a file: pass the `problem` to have `flow` and `predict` too.
        """
        from .storage import load

        return load(path, problem)

    def to_vtk(self, folder: str | os.PathLike[str]) -> None:
        """Write a ParaView collection: `solution.pvd`, one `.vti` a time, `trajectories.vtp`; see `vtk.write`."""
        from .vtk import write

        write(self, folder)

    def plot(self) -> Figure:
        """One matplotlib figure: density with trajectories, control, convergence, terminal density."""
        from .plotting import overview

        return overview(self)

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


def certify(system: OptimalitySystem, control: np.ndarray, masses: np.ndarray, crossed: np.ndarray) -> Certificate:
    """The certificate of a control whose forward sweep gave `masses` and `crossed`; makes the backward sweep."""
    total = np.einsum("r,nr...->n...", system.problem.separable.total, masses)
    mass = total.reshape(len(total), -1).sum(axis=1)
    border = system.mesh.near_boundary(BOUNDARY_CELLS)
    psi = system.final_potentials
    pairings = np.empty(system.layers + 1)
    pairings[-1] = system.pairings(psi, masses[-1]).sum()
    scale = system.pairing_scale(masses[-1])
    gradient = np.empty_like(control)
    # Clamped mass stays, and is met again at the next layer; what leaves finite volumes is gone.
    share = np.max if system.continuity_scheme.nodal else np.sum
    densities = system.mesh.density(masses if system.problem.separable.labels is not None else total[:, None])
    peaks = densities.max(axis=tuple(range(2, densities.ndim)))
    for n in range(system.layers - 1, -1, -1):
        psi, slope = system.transport.step_with_slope(system.layer(n, control[n]), psi, system.continuity, masses[n])
        gradient[n] = system.dt * system.problem.penalties * control[n] + slope
        pairings[n] = system.pairings(psi, masses[n]).sum()
    return Certificate(
        residual=system.residual(gradient),
        mass_drift=float(np.abs(mass - mass[0]).max()),
        duality_drift=float(np.ptp(pairings) / max(scale, np.finfo(float).tiny)),
        mass_crossed=float(share(np.abs(crossed @ system.problem.separable.total))),
        mass_near_boundary=float(np.abs(total[:, border].sum(axis=1)).max()),
        most_negative=float(np.minimum(densities.min(axis=tuple(range(2, densities.ndim))) / peaks, 0.0).min()),
        adjoint=system.adjoint,
    )
