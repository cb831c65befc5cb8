"""Finite volumes for the continuity equation on simplices: conservative, unsplit, upwind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from .._validate import choice, fail, positive
from ..errors import NonFiniteError
from ..flow.flow_of_field import Flow
from ..flow.integrators import INTEGRATORS, State, checked_substeps, substeps
from ..flow.layers import Layer
from ..kernels import simplex_finite_volume as _kernels
from ..laws import LabelledRule, ProductRule
from ..meshes import Mesh, SimplexMesh
from ..schemes import ContinuityOperator, ContinuityScheme, Measure, TransportOperator
from ..schemes.declared import simplices
from ..spaces import element_nodes, with_cell_masses
from ..transport.element_interpolation import ElementInterpolation
from .limiters import SimplexLimiter, simplex_limiter_of, simplex_resolved
from .simplex_boundary import conditions
from .simplex_geometry import SimplexGeometry


class Reconstruction(NamedTuple):
    """A reconstruction: its order, its default integrator, and its source."""

    order: int
    integrator: str
    reference: str


RECONSTRUCTIONS = {
    "upwind": Reconstruction(1, "euler", "R. LeVeque, Finite Volume Methods, 2002, section 4.9"),
    "muscl": Reconstruction(2, "ssprk3", "doi:10.2514/6.1989-366"),
}
BOUNDARIES = ("outflow", "no_flux")


@dataclass(frozen=True)
class SimplexFiniteVolume(ContinuityScheme):
    """Cell averages on simplices, `d m_K / dt = - sum of the fluxes through the facets of K`, upwind.

    Parameters
    ----------
    reconstruction : "upwind" (order 1), or "muscl" (order 2): linear on each cell, with a least-squares gradient over the
        cells that share a vertex.
    limiter : for "muscl": "barth_jespersen", "venkatakrishnan" (smoother and stricter; its threshold is zero), "none", the
        name of a limiter that you registered, or a `SimplexLimiter`.
    integrator : "euler", "ssprk2", "ssprk3" or "ssprk104"; euler for upwind and ssprk3 for muscl by default.
    cfl : share (dimensionless) of the longest Euler step that keeps bounds, at most the integrator's SSP coefficient; 0.9 by
        default. In that step a cell loses at most its volume in total ("upwind"), or at most the (d + 1)-th part of its
        volume through each facet ("muscl").
    boundary : "outflow" (mass may leave, none enters) or "no_flux": one for all, or a mapping from the names of the mesh's
        boundaries. If a facet has several names, those in the mapping must agree, and their condition holds. Facets without
        a name in the mapping are outflow.
    substeps : number of substeps per layer, instead of the choice by `cfl` (which refuses controls that would carry mass
        more than ten times across the mesh in one layer).

    Velocities are point values at the facets' centres. With a limiter masses stay non-negative. If the discrete divergence of
    the velocities is zero in every cell, no new extrema appear: a cell's average is the mean of its values at the facets'
    centres, each of these values lies between averages, and the step is a convex combination of them.

    Raises
    ------
    ArgumentError
        For a name that is not one of these, a `cfl` above the integrator's coefficient, or a mesh without simplices. From
        `on`, for two conditions on one facet, and for names that have no facets, or facets inside the domain.
    SubstepError
        During a step, if the control is too large, or if `substeps` are too few for it.

    References
    ----------
    T. Barth, D. Jespersen, The design and application of upwind schemes on unstructured meshes, AIAA paper 89-0366
    (1989), doi:10.2514/6.1989-366; V. Venkatakrishnan, Convergence to steady state solutions of the Euler equations on
    unstructured grids with limiters, J. Comput. Phys. 118 (1995), 120-130, doi:10.1006/jcph.1995.1084.
    The integrators: S. Gottlieb, D. Ketcheson, C.-W. Shu, Strong Stability Preserving Runge-Kutta and Multistep Time
    Discretizations, World Scientific 2011, doi:10.1142/7498; D. Ketcheson, Highly efficient strong stability-preserving
    Runge-Kutta methods with low-storage implementations, SIAM J. Sci. Comput. 30 (2008), 2113-2136, doi:10.1137/07070485X
    (ssprk104).

    Examples
    --------
    >>> import numpy as np
    >>> import skfem
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Uniform([(0.2, 0.6), (0.2, 0.6)]), [[1.0, 0.0]])
    >>> problem = emfc.Problem(emfc.fields.AffineField(2, matrix=False), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> mesh = emfc.SimplexMesh(skfem.MeshTri().refined(3))
    >>> pair = {"continuity": emfc.continuity.SimplexFiniteVolume(boundary="no_flux"), "transport": emfc.transport.Elements(1)}
    >>> system = emfc.OptimalitySystem(problem, mesh, layers=2, **pair)
    >>> masses, crossed = system.masses(0.1)
    >>> masses[-1, 0].sum().round(12).item(), bool(crossed.any())  # nothing crosses these walls
    (1.0, False)
    """

    reconstruction: str = "muscl"
    limiter: str | SimplexLimiter = "barth_jespersen"
    integrator: str | None = None
    cfl: float = 0.9
    boundary: str | Mapping[str, str] = "outflow"
    substeps: int | None = None

    keeps_mass: ClassVar[bool] = False
    stencil: ClassVar[int] = 1
    mesh_kind: ClassVar[str] = "simplex"

    def __post_init__(self) -> None:
        suits = RECONSTRUCTIONS[choice("reconstruction", self.reconstruction, RECONSTRUCTIONS)]
        object.__setattr__(self, "limiter", simplex_resolved(self.limiter))
        chosen = suits.integrator if self.integrator is None else choice("integrator", self.integrator, INTEGRATORS)
        object.__setattr__(self, "integrator", chosen)
        if positive("cfl", self.cfl) > self.largest_courant_number:
            raise fail("cfl", self.cfl, f"at most {self.largest_courant_number:g} for the integrator {chosen}")
        if self.substeps is not None:
            checked_substeps(self.substeps)
        for kind in self.boundary.values() if isinstance(self.boundary, Mapping) else [self.boundary]:
            choice("boundary", kind, BOUNDARIES)

    @property
    def order(self) -> int:
        """Order in the mesh width at a fixed Courant number."""
        return RECONSTRUCTIONS[self.reconstruction].order

    @property
    def largest_courant_number(self) -> float:
        """The integrator's SSP coefficient, in units of the longest Euler step that keeps bounds."""
        return INTEGRATORS[str(self.integrator)].coefficient

    @property
    def linear(self) -> bool:
        """Whether the scheme is linear in the masses."""
        return self.reconstruction == "upwind" or self.limiter == "none"

    @property
    def positive(self) -> bool:
        return self.reconstruction == "upwind" or self.limiter != "none"

    @property
    def reference(self) -> str:
        return RECONSTRUCTIONS[self.reconstruction].reference

    def unknowns(self, nodes: Mesh) -> Mesh:
        """The space of a pair: the nodes of the potentials, together with masses in the cells."""
        return with_cell_masses(nodes)

    def on(
        self, mesh: Mesh, flow: Flow, transport: TransportOperator | None = None, signed: Sequence[bool] = ()
    ) -> SimplexFiniteVolumeOperator:
        """The scheme on a mesh, for a field."""
        return SimplexFiniteVolumeOperator(self, simplices(mesh, self), flow)


class SimplexFiniteVolumeOperator(ContinuityOperator):
    """`SimplexFiniteVolume` bound to a mesh and a flow. Masses are `(R, cells)`."""

    def __init__(self, scheme: SimplexFiniteVolume, mesh: SimplexMesh, flow: Flow) -> None:
        self.scheme: SimplexFiniteVolume = scheme
        self.mesh, self.flow = mesh, flow
        self.geometry = SimplexGeometry(mesh)
        self._kinds = conditions(scheme.boundary, self.geometry)
        self._key: tuple[float, bytes] | None = None
        self._flux, self._speed = np.zeros(0), 0.0

    @property
    def lines(self) -> list[np.ndarray]:
        """The coordinates for the hat functions, from which the initial masses are computed."""
        dim = self.mesh.dim
        size = float(np.quantile(self.mesh.volumes, 0.1)) ** (1 / dim)
        most = {1: 2000, 2: 200, 3: 60}[dim]
        return [np.linspace(a, b, min(int((b - a) / size) + 2, most)) for a, b in self.mesh.bounds]

    def initial(self, rule: LabelledRule | ProductRule, moments: np.ndarray) -> np.ndarray:
        """Masses of the cells; `moments` `(R, N)` are the c_r at the rule's points.

        The mass of each vertex is integrated against its hat function, and is then spread evenly over the support of the hat.
        This is conservative, non-negative for densities, and of order 2. (Counting the rule's points in each cell would be
        noisy.)
        """
        assert isinstance(rule, LabelledRule)
        nodes = element_nodes(self.mesh, 1)
        interpolation = ElementInterpolation(nodes)
        deposits = interpolation.deposits(len(moments))
        interpolation.scatter(self.mesh.locator.locate(rule.x), moments * rule.w, deposits)
        at_vertices = nodes.density(interpolation.nodal_masses(deposits))
        return at_vertices[:, self.mesh.cells].mean(axis=2) * self.mesh.volumes

    @property
    def points(self) -> np.ndarray:
        """`(n, d)`: quadrature points of degree 2 in every cell."""
        return self.geometry.points

    @cached_property
    def _cells_of_points(self) -> np.ndarray:
        """`(n,)`: the cell of each of the `points`."""
        return np.repeat(np.arange(self.mesh.size), len(self.points) // self.mesh.size)

    def measure(self, masses: np.ndarray) -> Measure:
        """The masses as points `(n, d)` and weights `(R, n)`: the linear reconstruction times the quadrature weights."""
        shares, offsets = self.geometry.shares, self.geometry.point_offsets
        out = np.empty((len(masses), self.mesh.size, len(shares)))
        for r, mass in enumerate(masses):
            u = mass / self.mesh.volumes
            slopes = self._slopes(u) if self.scheme.order > 1 else np.zeros((self.mesh.size, self.mesh.dim))
            values = u[:, None] + np.einsum("ck,cqk->cq", slopes, offsets)
            out[r] = values * self.mesh.volumes[:, None] * shares
        return Measure(self.points, out.reshape(len(masses), -1), self._cells_of_points)

    def _slopes(self, u: np.ndarray) -> np.ndarray:
        about, out = self.geometry.about, np.empty((self.mesh.size, self.mesh.dim))
        _kernels.gradients(u, about.first, about.cells, about.weights, out)
        limiter = simplex_limiter_of(self.scheme.limiter)
        if limiter is not None:
            _kernels.limit(limiter.share)(u, about.first, about.cells, self.geometry.facet_offsets, out)
        return out

    def velocities(self, t: float, theta: np.ndarray) -> np.ndarray:
        """`(facets,)`: normal velocity times area of each facet; zero for inflow at the boundary and on no-flux sides."""
        key = (0.0 if self.flow.field.autonomous else t, theta.tobytes())
        if self._key != key:
            value = self.flow.field(t, theta, self.geometry.facet_centres)
            if not np.isfinite(value).all():
                raise NonFiniteError("the velocity through a facet is not finite")
            flux = np.einsum("fk,fk->f", value, self.geometry.areas)
            closed = np.array([kind == "no_flux" for kind in self._kinds])[self.geometry.side]
            flux[self.geometry.outer & (closed | (flux < 0))] = 0.0
            self._key, self._flux, self._speed = key, flux, float(np.linalg.norm(value, axis=1).max())
        return self._flux

    def _rates(self, t: float, theta: np.ndarray) -> tuple[float, float]:
        """The inverse of the longest Euler step that keeps bounds, and how often the mesh is crossed per unit of time."""
        rate = self._rate(self.velocities(t, theta))
        return rate, self._speed / float(np.linalg.norm(np.ptp(self.mesh.points, axis=0)))

    def _rate(self, flux: np.ndarray) -> float:
        """The inverse of the longest Euler step that keeps bounds."""
        geometry, size = self.geometry, self.mesh.size
        out, into = np.maximum(flux, 0.0), np.maximum(-flux, 0.0)
        inner = ~geometry.outer
        if self.scheme.order == 1:
            leaving = np.bincount(geometry.left, out, size)
            leaving += np.bincount(geometry.right[inner], into[inner], size)
            return float((leaving / self.mesh.volumes).max())
        worst = np.zeros(size)
        np.maximum.at(worst, geometry.left, out)
        np.maximum.at(worst, geometry.right[inner], into[inner])
        return float((worst / self.mesh.volumes).max()) * (self.mesh.dim + 1)

    def substeps_of(self, layer: Layer) -> int:
        """Number of substeps: the scheme's own, or the one for which its `cfl` holds; SubstepError as in `integrators`."""
        times = layer.sample_times(self.flow.field.autonomous).tolist()
        courant, crossings = np.max([self._rates(t, layer.at_time(t)) for t in times], axis=0) * layer.length
        return substeps(courant, crossings, self.scheme.cfl, self.scheme.largest_courant_number, self.scheme.substeps)

    def step(self, layer: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masses at the layer's start -> at its end; and the mass `(R,)` that left the domain."""
        out, ledger = self.step_with_ledger(layer, masses)
        return out, ledger.sum(axis=1)

    def step_with_ledger(self, layer: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masses at the layer's end, and the mass `(R, sides)` that left through each of the `sides`."""
        count = self.substeps_of(layer)
        method = INTEGRATORS[str(self.scheme.integrator)]
        state: State = (masses, np.zeros((len(masses), len(self.geometry.parts))), np.array(layer.start))
        for _ in range(count):
            state = method.step(lambda s, tau: self._euler(s, tau, layer), state, layer.length / count)
        if not np.isfinite(state[0]).all():
            raise NonFiniteError("masses are not finite")
        return state[0], state[1]

    def _euler(self, state: State, dt: float, layer: Layer) -> State:
        masses, ledger, t = state
        flux = self.velocities(float(t), layer.at_time(float(t)))
        out, crossed = masses.copy(), ledger.copy()
        geometry, linear = self.geometry, self.scheme.order > 1
        for r, mass in enumerate(masses):
            u = mass / self.mesh.volumes
            slopes = self._slopes(u) if linear else np.empty((0, self.mesh.dim))
            facets = geometry.left, geometry.right, geometry.to_left, geometry.to_right, geometry.side
            _kernels.upwind_step(u, slopes, linear, facets, flux, dt, out[r], crossed[r])
        return out, crossed, t + dt

    @cached_property
    def sides(self) -> list[str]:
        """Names of the ledger's entries. No two entries share a facet: facets that have two names form a separate entry.

        E.g. `["all", "all & inlet", "unnamed"]`. The mass that left through "inlet" is the sum of all entries with that name.
        """
        return [" & ".join(part) if part else "unnamed" for part in self.geometry.parts]
