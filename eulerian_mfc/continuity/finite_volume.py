"""Finite volumes for the continuity equation: conservative, unsplit, on Cartesian boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from .._validate import choice, fail, integer, mismatch, positive
from ..errors import ArgumentError, NonFiniteError
from ..flow.characteristics import Flow, Layer
from ..flow.integrators import INTEGRATORS, State, substeps
from ..kernels import finite_volume as _kernels
from ..laws import LabelledRule, ProductRule
from ..meshes import CartesianMesh
from ..meshes.padded import BOUNDARIES, PaddedMesh, boundary_kinds
from .face_velocities import AxisVelocities, FaceVelocities
from .gauss import GaussPoints
from .limiters import Limiter, limiter_of, resolved

if TYPE_CHECKING:
    from .transpose import FiniteVolumeTranspose


class Reconstruction(NamedTuple):
    """A reconstruction: its order, cells an axis that it needs, and the integrator and CFL number that suit it."""

    order: int
    stencil: int
    integrator: str
    cfl: float
    reference: str


RECONSTRUCTIONS = {
    "upwind": Reconstruction(1, 1, "euler", 0.9, "R. LeVeque, Finite Volume Methods, 2002, section 4.9"),
    "muscl": Reconstruction(2, 3, "ssprk3", 0.4, "doi:10.1016/0021-9991(79)90145-1"),
    "weno5": Reconstruction(5, 5, "ssprk104", 1.0, "doi:10.1016/j.jcp.2007.11.038"),
}

#: entries of an array that are worth a thread: with fewer, two threads are slower than one
PART = 2**18


@dataclass(frozen=True)
class FiniteVolume:
    """Cell averages of the densities, `d m_j / dt = - sum of the fluxes out of cell j`, upwind in the face velocities.

    Parameters
    ----------
    reconstruction : "upwind" (order 1), "muscl" (order 2), "weno5" (WENO-Z, order 5).
    limiter : for "muscl": "none", "minmod", "van_leer", "mc", "superbee" or "van_albada", the name of one that you registered,
        or a `Limiter`.
    integrator : "euler", "ssprk2", "ssprk3" or "ssprk104" (ten stages, order 4); by default the one that suits the
        reconstruction: euler, ssprk3, ssprk104.
    cfl : Courant number (dimensionless) of a substep, `dt sum_k |v_k| / h_k` at most; by default 0.9, 0.4, 1.0. At most the
        integrator's SSP coefficient (1, or 6 for ssprk104).
    boundary : "outflow" (mass may leave, none enters), "no_flux", "periodic": one for all sides, or a mapping such as
        `{"x_low": "no_flux", "x_high": "outflow"}` with the axes x, y, z; sides not named are outflow.
    substeps : number of substeps for each layer, instead of the choice by `cfl` (which refuses controls that would carry mass
        more than ten times across the box in a layer).
    positivity : keep densities that are not signed moments non-negative, by limiting antidiffusive fluxes.

    Face velocities are point values at the face centres; for "weno5" the flux is integrated over the face by Legendre
    moments of velocity and density, so that order 5 holds in two and three dimensions too.

    Positivity: the flux is the upwind flux plus an antidiffusive one, and each cell gives away at most what it has
    after the upwind step (the donor's share of S. Zalesak's flux-corrected transport, doi:10.1016/0021-9991(79)90051-2;
    for WENO: X. Hu, N. Adams, C.-W. Shu, doi:10.1016/j.jcp.2013.01.024). Unlike the scaling of point values by Zhang and
    Shu it holds up to Courant number 1 a stage in every dimension.

    Raises
    ------
    ArgumentError
        For a name that is none of these, a `cfl` above the integrator's coefficient, substeps that are no positive integer.
    SubstepError
        While a layer is stepped, for a control that is too large, or substeps that are too few for it.

    References
    ----------
    R. LeVeque, Finite Volume Methods for Hyperbolic Problems, Cambridge 2002, section 4.9 (upwind), chapter 6 (limiters);
    B. van Leer, Towards the ultimate conservative difference scheme V, J. Comput. Phys. 32 (1979), 101-136,
    doi:10.1016/0021-9991(79)90145-1 (MUSCL); P. K. Sweby, High resolution schemes using flux limiters for hyperbolic conservation
    laws, SIAM J. Numer. Anal. 21 (1984), 995-1011, doi:10.1137/0721062; G. D. van Albada, B. van Leer, W. W. Roberts, A
    comparative study of computational methods in cosmic gas dynamics, Astron. Astrophys. 108 (1982), 76-84; R. Borges, M.
    Carmona, B. Costa, W. S. Don, An improved weighted essentially non-oscillatory scheme for hyperbolic conservation laws, J.
    Comput. Phys. 227 (2008), 3191-3211, doi:10.1016/j.jcp.2007.11.038 (WENO-Z). S. Gottlieb, D. Ketcheson, C.-W. Shu, Strong
    Stability Preserving Runge-Kutta and Multistep Time Discretizations, World Scientific 2011, doi:10.1142/7498; D.
    Ketcheson, Highly efficient strong stability-preserving Runge-Kutta methods with low-storage implementations, SIAM J. Sci.
    Comput. 30 (2008), 2113-2136, doi:10.1137/07070485X (ssprk104).
    """

    reconstruction: str = "muscl"
    limiter: str | Limiter = "mc"
    integrator: str | None = None
    cfl: float | None = None
    boundary: str | Mapping[str, str] = "outflow"
    substeps: int | None = None
    positivity: bool = True

    nodal: ClassVar[bool] = False

    def __post_init__(self) -> None:
        choice("reconstruction", self.reconstruction, RECONSTRUCTIONS)
        object.__setattr__(self, "limiter", resolved(self.limiter))
        suits = RECONSTRUCTIONS[self.reconstruction]
        chosen = suits.integrator if self.integrator is None else choice("integrator", self.integrator, INTEGRATORS)
        object.__setattr__(self, "integrator", chosen)
        limit = INTEGRATORS[chosen].coefficient
        cfl = min(suits.cfl, limit) if self.cfl is None else positive("cfl", self.cfl)
        if cfl > limit:
            raise fail("cfl", cfl, f"at most {limit:g} for {chosen}: use cfl <= {limit:g} or more substeps")
        object.__setattr__(self, "cfl", cfl)
        if self.substeps is not None:
            integer("substeps", self.substeps)
        kinds = self.boundary if isinstance(self.boundary, Mapping) else {"all": self.boundary}
        for kind in kinds.values():
            choice("boundary", kind, BOUNDARIES)

    @property
    def order(self) -> int:
        """Order in the mesh width at a fixed Courant number."""
        return RECONSTRUCTIONS[self.reconstruction].order

    @property
    def stencil(self) -> int:
        """Cells an axis that the scheme needs at least."""
        return RECONSTRUCTIONS[self.reconstruction].stencil

    @property
    def largest_courant_number(self) -> float:
        return INTEGRATORS[str(self.integrator)].coefficient

    @property
    def linear(self) -> bool:
        """Whether the scheme is linear in the masses, so that it has an adjoint: upwind with Euler steps."""
        return self.reconstruction == "upwind" and self.integrator == "euler"

    @property
    def positive(self) -> bool:
        return self.positivity or self.linear

    @property
    def reference(self) -> str:
        return RECONSTRUCTIONS[self.reconstruction].reference

    def adjoint(self) -> FiniteVolumeTranspose:
        """The transpose, a transport scheme; ArgumentError for schemes that are not linear."""
        from .transpose import FiniteVolumeTranspose

        if not self.linear:
            raise mismatch(
                "adjoint",
                f"{self.reconstruction} with {self.integrator}, which is not linear in the masses",
                'a linear scheme: FiniteVolume("upwind")',
            )
        return FiniteVolumeTranspose(self)

    def on(
        self, mesh: CartesianMesh, flow: Flow, transport: Any = None, signed: Sequence[bool] = ()
    ) -> FiniteVolumeOperator:
        """The scheme on a mesh, for a field; `signed` says of every field whether it may be negative."""
        return FiniteVolumeOperator(self, mesh, flow, signed)


class FiniteVolumeOperator:
    """`FiniteVolume` bound to a mesh and a flow, whose threads it uses. Masses are `(R, *shape)`."""

    def __init__(self, scheme: FiniteVolume, mesh: CartesianMesh, flow: Flow, signed: Sequence[bool]) -> None:
        if min(mesh.shape) < scheme.stencil:
            wanted = f"at least {scheme.stencil} cells on every axis for {scheme.reconstruction}"
            raise fail("cells", mesh.shape, wanted)
        self.scheme, self.mesh, self.signed = scheme, mesh, list(signed)
        self.grid = PaddedMesh(mesh, boundary_kinds(scheme.boundary, mesh.dim))
        self._autonomous = flow.field.autonomous
        self.velocities = FaceVelocities(self.grid, flow, moments=scheme.order > 2)
        self._legendre = _kernels.legendre_from_averages()
        self._low, self._high, self._face, self._total, self._share = np.zeros((5, self.grid.size))
        self._flux, self._upwind = np.zeros((2, mesh.dim, self.grid.size))
        self._workers = flow.workers
        # A part a thread. An entry's value does not depend on the part that it is in.
        ends = np.linspace(0, self.grid.size, max(1, min(flow.workers.threads, self.grid.size // PART)) + 1)
        self._parts = list(pairwise(ends.astype(int).tolist()))

    @property
    def lines(self) -> list[np.ndarray]:
        """Coordinates at which the cell averages' test functions jump: the faces."""
        return [self.mesh.faces(k) for k in range(self.mesh.dim)]

    def initial(self, rule: LabelledRule | ProductRule, moments: np.ndarray) -> np.ndarray:
        """Mass of every cell; `moments` `(R, N)` are the c_r at the rule's points, `(R, 1)` for a `ProductRule`."""
        if isinstance(rule, ProductRule):
            lines = [np.bincount(self._cell(k, x), w, self.mesh.shape[k]) for k, (x, w) in enumerate(rule.axes)]
            out = rule.masses(lines, moments)
        else:
            index = np.zeros(len(rule.x), dtype=np.int64)
            for k, n in enumerate(self.mesh.shape):
                index = index * n + self._cell(k, rule.x[:, k])
            out = np.stack([np.bincount(index, weights=row * rule.w, minlength=self.mesh.size) for row in moments])
        for r, field in enumerate(out):
            if not self._is_signed(r) and field.min() < -1e-13 * np.abs(field).max():
                raise ArgumentError(f"law: density {r} has a negative mass {field.min():.3e}, expected masses >= 0")
        return out.reshape(-1, *self.mesh.shape)

    def _cell(self, axis: int, x: np.ndarray) -> np.ndarray:
        """The cells of coordinates along an axis."""
        low, n = self.mesh.bounds[axis][0], self.mesh.shape[axis]
        return np.clip(((x - low) / self.mesh.widths[axis]).astype(np.int64), 0, n - 1)

    def measure(self, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The masses as Gauss points `(n, d)` and weights `(R, n)`: average times point value is second order only."""
        return self.points, self._gauss.weights(masses)

    @property
    def points(self) -> np.ndarray:
        """`(n, d)`: the points of `measure`."""
        return self._gauss.points

    @cached_property
    def _gauss(self) -> GaussPoints:
        return GaussPoints(self.mesh, [self.grid.periodic(k) for k in range(self.mesh.dim)])

    def _is_signed(self, r: int) -> bool:
        return r < len(self.signed) and self.signed[r]

    def substeps(self, layer: Layer) -> int:
        """Substeps that keep the Courant number at the scheme's, or those asked for; SubstepError as in `integrators`."""
        limit = self.scheme.largest_courant_number
        times = [layer.start] if self._autonomous else layer.start + layer.length * np.linspace(0.0, 1.0, 5)
        rates = [(self.velocities.rate(float(t), layer.theta), self._crossings(float(t), layer.theta)) for t in times]
        courant, crossings = np.max(rates, axis=0) * layer.length
        return substeps(courant, crossings, float(self.scheme.cfl or limit), limit, self.scheme.substeps)

    def _crossings(self, t: float, theta: np.ndarray) -> float:
        """How often the fastest velocity crosses the box in a unit of time."""
        widths = [high - low for low, high in self.mesh.bounds]
        return max(float(np.abs(v.mean).max()) / w for v, w in zip(self.velocities(t, theta), widths, strict=True))

    def step(self, layer: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masses at the layer's start -> at its end; and the masses `(R,)` that left the box."""
        out, ledger = self.step_with_ledger(layer, masses)
        return out, ledger.reshape(len(ledger), -1).sum(axis=1)

    def step_with_ledger(self, layer: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masses at the layer's end, and the masses `(R, d, 2)` that left through the low and high side of every axis."""
        count = self.substeps(layer)
        method = INTEGRATORS[str(self.scheme.integrator)]
        state = self._state(layer, masses)
        for _ in range(count):
            state = method.step(lambda s, tau: self._euler(s, tau, layer.theta), state, layer.length / count)
        if not np.isfinite(state[0]).all():
            raise NonFiniteError("masses are not finite")
        return state[0], state[1]

    def euler_step(self, layer: Layer, masses: np.ndarray) -> np.ndarray:
        """One forward Euler step over the whole layer: masses -> masses."""
        return self._euler(self._state(layer, masses), layer.length, layer.theta)[0]

    def _state(self, layer: Layer, masses: np.ndarray) -> State:
        """Masses, ledger and time: all three are combined alike by the integrator."""
        return masses, np.zeros((len(masses), self.mesh.dim, 2)), np.array(layer.start)

    def _euler(self, state: State, dt: float, theta: np.ndarray) -> State:
        masses, ledger, t = state
        velocities = self.velocities(float(t), theta)
        out, crossed = np.empty_like(masses), ledger.copy()
        for r, field in enumerate(masses):
            out[r] = self._euler_field(field, dt / self.mesh.widths, velocities, crossed[r], self._is_signed(r))
        return out, crossed, t + dt

    def _euler_field(
        self,
        field: np.ndarray,
        factors: np.ndarray,
        velocities: list[AxisVelocities],
        crossed: np.ndarray,
        signed: bool,
    ) -> np.ndarray:
        """A forward Euler step of one field; what leaves is added to `crossed` `(d, 2)`."""
        u = self.grid.pad(field)
        linear = self.scheme.reconstruction == "upwind"
        limited = not linear and self.scheme.positivity and not signed
        new = u.copy()
        for k, (v, s) in enumerate(zip(velocities, self.grid.strides, strict=True)):
            if linear or limited:
                self._each(_kernels.upwind_flux, u, s, v.mean, self._upwind[k])
                self.outflow_only(self._upwind[k], v.mean, k)
            if not linear:
                # With the limiter: what the high-order flux has beyond the upwind flux.
                self._reconstructed_flux(u, k, v, self._upwind[k], float(limited))
                self.outflow_only(self._flux[k], v.mean, k)
            used = self._upwind[k] if linear or limited else self._flux[k]
            self._each(_kernels.divergence, used, s, factors[k], new)
            self._book(used, k, factors[k], crossed)
        if limited:
            self._antidiffusion(new, factors, crossed)
        return self.grid.unpad(new)

    def _each(self, kernel: Callable[..., None], *arguments: Any) -> None:
        """A kernel on every part of the padded arrays, by the flow's threads."""
        self._workers.run(lambda part: kernel(*arguments, part), self._parts)

    def _reconstructed_flux(self, u: np.ndarray, axis: int, v: AxisVelocities, base: np.ndarray, share: float) -> None:
        """The high-order flux less `share * base`, into the axis's flux array."""
        strides = self.grid.strides
        if self.scheme.reconstruction == "muscl":
            limiter = limiter_of(self.scheme.limiter)
            edges = _kernels.muscl_edges(limiter.formula, limiter.limited)
            self._each(edges, u, strides[axis], self._low, self._high)
        else:
            self._each(_kernels.weno_edges, u, strides[axis], self._low, self._high)
        sides = self._low, self._high, strides[axis]
        self._each(_kernels.edge_flux, *sides, v.mean, self._face, base, share, self._flux[axis])
        transverse = [s for k, s in enumerate(strides) if k != axis]
        for (a, b), moment in v.moments.items():
            face = self._face
            if a and b:
                face = self._low  # no longer needed: the moment along the second transverse axis
                self._each(_kernels.line_moment, self._face, transverse[1], tuple(self._legendre[b]), face)
            along, degree = (transverse[0], a) if a else (transverse[1], b)
            weights = tuple(self._legendre[degree])
            self._each(_kernels.add_line_moment, face, along, weights, moment, self._flux[axis])

    def outflow_only(self, flux: np.ndarray, v: np.ndarray, axis: int) -> None:
        """Clear a face array where the velocity points inwards: mass (or what a moment counts) leaves and none enters.

        Nothing crosses no-flux sides.
        """
        if self.grid.periodic(axis):
            return
        faces, velocity = flux.reshape(self.grid.shape), v.reshape(self.grid.shape)
        (low, high), (first, last) = self.grid.kinds[axis], self.grid.boundary_faces(axis)
        faces[first] *= (velocity[first] < 0.0) & (low == "outflow")
        faces[last] *= (velocity[last] > 0.0) & (high == "outflow")

    def _book(self, flux: np.ndarray, axis: int, factor: float, crossed: np.ndarray) -> None:
        """Enter what crosses the sides of an axis into the ledger."""
        if not self.grid.periodic(axis):
            grid = flux.reshape(self.grid.shape)
            first, last = self.grid.boundary_faces(axis)
            crossed[axis, 0] -= factor * grid[first].sum()
            crossed[axis, 1] += factor * grid[last].sum()

    def _antidiffusion(self, new: np.ndarray, factors: np.ndarray, crossed: np.ndarray) -> None:
        """Add the antidiffusive fluxes to the upwind step `new`, each limited by what its donor has."""
        self._total[:] = 0.0
        for k, s in enumerate(self.grid.strides):
            if not self.grid.periodic(k):
                # Sides keep their upwind flux: what lies beyond them has nothing to give or take.
                for side in self.grid.boundary_faces(k):
                    self._flux[k].reshape(self.grid.shape)[side] = 0.0
            self._each(_kernels.drained, self._flux[k], s, factors[k], self._total)
        self._each(_kernels.shares, new, self._total, self._share)
        share = self._share.reshape(self.grid.shape)
        for k, s in enumerate(self.grid.strides):
            if self.grid.periodic(k):
                self.grid.wrap(share, k)
            self._each(_kernels.limited_divergence, self._flux[k], s, factors[k], self._share, new)
