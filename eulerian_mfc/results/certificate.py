"""The certificate of a control: its checks, in numbers and in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields

import numpy as np

from .look import TOLD
from .stability import Stability

#: mass within this number of cells from the boundary counts as near it
BOUNDARY_CELLS = 3

MEANINGS = {
    "residual": "optimality residual",
    "mass_drift": "largest change of the total mass",
    "duality_drift": "largest relative change of sum <psi, m>",
    "mass_crossed": "share of mass whose characteristics left the box",
    "mass_near_boundary": f"largest share of mass within {BOUNDARY_CELLS} cells of the boundary",
    "most_negative": "most negative cell of the density, relative to the largest",
    "hamiltonian_drift": "largest relative change of the Hamiltonian over time",
    "adjoint": "the schemes are each other's transpose",
    "cost_error": "cost on the mesh minus the cost of the same control without a mesh, relative to the sum of the sizes of "
    "its terms",
    "residual_in_time": "largest residual of the control equation in continuous time, at the ends of the layers",
    "layer_map_share": "error of the cost due to the layer map that was given, relative to that due to the control's degree",
    "cost_error_tolerance": "uncertainty of the cost without a mesh, relative to the same sum",
    "on_finer_mesh": "the other cost is that on a finer mesh of a larger box, since there is none without a mesh",
    "hessian_smallest": "smallest eigenvalue of the reduced Hessian (that of the penalty alone is 1)",
    "index": "number of negative eigenvalues of the reduced Hessian",
    "shooting_eigenvalue": "dominant eigenvalue of undamped shooting",
    "shooting_largest": "largest real part of the eigenvalues of undamped shooting",
    "layers_convex": "the Hamiltonians of the layers are convex at the control",
    "exact": "Hessian products are exact",
}


@dataclass(frozen=True)
class Checks:
    """The checks of both sweeps at a control; shares and relative numbers are dimensionless.

    Attributes
    ----------
    residual : `max |lambda theta + int D_theta F^T grad psi dmu|` over layers, parameters and coefficients in time (projected, if
        there are bounds), in cost / (theta time); if penalties differ, in the penalty's metric, see
        `ControlledSystem.residual`.
    mass_drift : largest change of the total mass over time, a share of 1.
    duality_drift : largest change of `sum_r <psi_r, m_r>` (plus the running cost so far) over time, relative to the sum of
        the sizes of its terms; if the pair is not adjoint, an estimate of the error of the schemes.
    mass_crossed : share of the mass whose characteristics left the box, at any time.
    mass_near_boundary : largest share of mass, at any time, within three cells of the boundary.
    most_negative : most negative value of a density (of any label's density, if there is one per label), relative to its largest
        value at that time; 0 for non-negative masses, large if a density is rough on the scale of the cells.
    hamiltonian_drift : largest change over time of `int <grad psi, F> + L dmu + lambda/2 |theta|^2`, which is constant at
        an optimum (up to the order of the layers), relative to the sum of the sizes of its parts; None for a field that
        depends on time, or a transport scheme without gradients between the nodes.
    adjoint : whether the two schemes are each other's transpose.
    cost_error : the cost on the mesh minus that of the same control without a mesh (particles on a rule of the law that is
        refined for it, see `look.Look`), relative to the sum of the sizes of the terms of the latter; None if it is not
        known: in older files, or because the particles did not stay finite.
    cost_error_tolerance : the estimated error of the cost without a mesh, relative to the same scale; None as above.
    residual_in_time : `max |lambda theta + int D_theta F^T grad psi dmu|` at the ends of the layers, in the units of `residual`:
        the control equation in continuous time, while `residual` is that of the best control of this degree on these layers. None
        in older files, or for a transport scheme without gradients between the nodes.
    layer_map_share : the error of the cost due to the layer map, relative to that due to the control's degree, see
        `run.layer_map_choice.layer_map_share`; None unless a layer map was given for a degree above 0.
    on_finer_mesh : whether `cost_error` compares with a finer mesh of a larger box, because there is no cost without a mesh.

    References
    ----------
    L. S. Pontryagin, V. G. Boltyanskii, R. V. Gamkrelidze, E. F. Mishchenko, The Mathematical Theory of Optimal Processes, Wiley
    1962 (the Hamiltonian is constant); conservation and duality: docs/theory/duality.md.
    """

    residual: float
    mass_drift: float
    duality_drift: float
    mass_crossed: float
    mass_near_boundary: float
    most_negative: float
    hamiltonian_drift: float | None
    adjoint: bool
    cost_error: float | None = field(default=None, kw_only=True)
    cost_error_tolerance: float | None = field(default=None, kw_only=True)
    residual_in_time: float | None = field(default=None, kw_only=True)
    layer_map_share: float | None = field(default=None, kw_only=True)
    on_finer_mesh: bool = field(default=False, kw_only=True)

    @property
    def layer_map_words(self) -> str:
        """A sentence if the layer map causes a larger error than the control's degree; otherwise an empty text."""
        if self.layer_map_share is None or self.layer_map_share <= 1.0:
            return ""
        return (
            f"the layer map causes an error of the cost that is {self.layer_map_share:.2g} times that of the control's degree: "
            'use more substeps, a method of higher order, or layer_map="auto", which chooses the substeps by itself'
        )


@dataclass(frozen=True)
class Certificate(Stability, Checks):
    """Checks of both sweeps (see `Checks`) and second-order facts (see `Stability`) of a solution.

    Attributes
    ----------
    residual, mass_drift, duality_drift, mass_crossed, mass_near_boundary : see `Checks`.
    most_negative, hamiltonian_drift, adjoint, cost_error, cost_error_tolerance, residual_in_time, layer_map_share : see `Checks`.
    on_finer_mesh : see `Checks`.
    hessian_smallest, index, shooting_eigenvalue, shooting_largest, layers_convex, exact : see `Stability`.

    Examples
    --------
    Every state is to move from 0 to 1 by a translation: the cost is a parabola in the control.

    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.2), [[1.0]])
    >>> field = emfc.fields.AffineField(1, matrix=False)
    >>> problem = emfc.Problem(field, law, emfc.losses.SquaredLoss(), penalty=2.0, horizon=1.0)
    >>> certificate = emfc.solve(problem, emfc.CartesianMesh([(-2.0, 3.0)], 60), layers=3).certificate
    >>> certificate.kind, certificate.adjoint, certificate.mass_drift < 1e-12
    ('strict local minimum', True, True)
    """

    @classmethod
    def of(cls, checks: Checks, stability: Stability) -> Certificate:
        """The certificate from its two parts."""
        return cls(**asdict(checks), **asdict(stability))

    def rows(self) -> list[tuple[str, str, str]]:
        """(name, value, meaning) for tables."""
        second = () if self.known else [f.name for f in fields(Stability)]
        return [(k, "-" if k in second else _shown(v), MEANINGS[k]) for k, v in asdict(self).items()]

    def sentences(self, converged: bool, critical: bool = True, of: str = "discrete cost") -> list[str]:
        """The verdict in words.

        `converged` says whether the run converged; `critical`, whether its limit is a critical point of the discrete cost, or of
        another function that `of` names.
        """
        if not self.known:
            return [*balance(self), self._without_second_order(converged)]
        return [self._kind(converged, critical, of), self._shooting(converged and critical), *balance(self)]

    def _without_second_order(self, converged: bool) -> str:
        if converged:
            return (
                "Second-order information does not exist at a kink of the cost: the control may be a minimum, or not."
            )
        return (
            "The control is not known to be a critical point: its optimality residual is "
            f"{self.residual:.2e}, and for a cost with kinks no second-order analysis is made at such a "
            "control."
        )

    def _kind(self, converged: bool, critical: bool, of: str) -> str:
        reduced = (
            f"smallest eigenvalue of the reduced Hessian {self.hessian_smallest:.3g}, where that of the penalty "
            "alone is 1"
        )
        if not np.isfinite(self.hessian_smallest):
            reduced = "every entry of the control is held by a bound"
        if converged and critical:
            if self.adjoint:
                return f"The control is a {self.kind} of the {of} ({reduced})."
            return (
                "The control solves its control equation; by the linearisation of this equation, the control is "
                f"a {self.kind} ({reduced})."
            )
        what = "The control is not a critical point" if critical else f"The control is not a critical point of the {of}"
        count = self.index_in_words if self.index else "no"
        return (
            f"{what}: the optimality residual is {self.residual:.2e}. The Hessian at this control has {count} "
            f"negative eigenvalue{'' if self.index == 1 else 's'} ({reduced})."
        )

    def _shooting(self, at_fixed_point: bool) -> str:
        g = self.shooting_eigenvalue
        if not at_fixed_point:
            return f"The linearised shooting map has the dominant eigenvalue {g:.3f} at this control."
        if not self.layers_convex or self.shooting_largest >= 1:
            return (
                "Shooting moves away from this control for every relaxation: the control is not a minimum of "
                "the Hamiltonians of its layers, or not a minimum of the cost."
            )
        if abs(g) < 1:
            return f"Undamped shooting converges from nearby controls: its dominant eigenvalue is {g:.3f}."
        return (
            f"Undamped shooting diverges from nearby controls: its dominant eigenvalue is {g:.3f}. Shooting "
            f"with the relaxation {2.0 / (2.0 - g):.2g} converges."
        )


def balance(checks: Checks) -> list[str]:
    """The checks of both sweeps in words.

    Parameters
    ----------
    checks : the checks of a solution.
    """
    out = [
        "The schemes are each other's transpose: mass and duality hold to "
        f"{checks.mass_drift:.0e} and {checks.duality_drift:.0e}."
        if checks.adjoint
        else "The schemes are not each other's transpose: the duality drift of "
        f"{checks.duality_drift:.1e} estimates their error."
    ]
    if checks.hamiltonian_drift is not None:
        out.append(f"The Hamiltonian changes by {checks.hamiltonian_drift:.1e} (relative) over time.")
    if checks.cost_error is not None:
        where = "on a finer mesh of a larger box" if checks.on_finer_mesh else "without a mesh"
        out.append(_elsewhere(where, abs(checks.cost_error), checks.cost_error_tolerance or 0.0))
    touched = max(checks.mass_crossed, checks.mass_near_boundary)
    out.append(f"At most {touched:.0e} of the mass came within {BOUNDARY_CELLS} cells of the boundary or crossed it.")
    return out


def _elsewhere(where: str, error: float, tolerance: float) -> str:
    """The error of the cost that the look found off the mesh, or on a finer one, in words."""
    if error > TOLD:
        share = f"{error:.1%} of the sum of the sizes of the cost's terms"
        return f"{where[0].upper()}{where[1:]} the same control has another cost: the two costs differ by {share}."
    same = max(error, tolerance)
    return (
        f"The cost of the control is the same {where.replace('without', 'with and without')}, up to {same:.0e} of the sum of the "
        "sizes of the cost's terms."
    )


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, bool | int) else f"{value:.3e}"
