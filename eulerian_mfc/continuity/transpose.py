"""The transpose of upwind finite volumes: a transport scheme that makes an adjoint pair with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..flow.flow_of_field import Flow
from ..flow.layers import Layer
from ..kernels import finite_volume as _kernels
from ..kernels.sums import paired
from ..meshes import CartesianMesh, Mesh
from ..schemes import AdjointOperator, Pairing, TransportScheme, adjoint_of
from ..schemes.declared import Boundary, boxes
from .euler_step import outflow_only
from .finite_volume import FiniteVolume, FiniteVolumeOperator


@dataclass(frozen=True)
class FiniteVolumeTranspose(TransportScheme):
    """`psi^n = A_theta^T psi^{n+1}`, where A is the layer of a linear finite-volume scheme (upwind with Euler steps).

    This is a non-conservative upwind scheme for the transport equation. It is monotone, of first order, and preserves
    constants where no mass leaves. `FiniteVolume("upwind").adjoint()` makes it.

    Parameters
    ----------
    scheme : the linear scheme, `FiniteVolume("upwind")` with Euler steps.

    Raises
    ------
    ArgumentError
        From `FiniteVolume.adjoint`, for a scheme that is not linear.

    References
    ----------
    R. Courant, E. Isaacson, M. Rees, On the solution of nonlinear hyperbolic differential equations by finite differences,
    Comm. Pure Appl. Math. 5 (1952), 243-255, doi:10.1002/cpa.3160050303 (upwind); the transpose: docs/theory/duality.md.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> upwind = emfc.continuity.FiniteVolume("upwind")
    >>> upwind.adjoint().order, upwind.adjoint().adjoint() == upwind
    (1, True)
    """

    scheme: FiniteVolume

    linear: ClassVar[bool] = True
    order: ClassVar[int] = 1
    stencil: ClassVar[int] = 1
    positive: ClassVar[bool] = True
    reference: ClassVar[str] = "doi:10.1002/cpa.3160050303"

    @property
    def largest_courant_number(self) -> float:
        return self.scheme.largest_courant_number

    @property
    def boundary(self) -> Boundary:
        return self.scheme.boundary

    @property
    def transpose(self) -> FiniteVolume:
        """The scheme itself."""
        return self.scheme

    def on(self, mesh: Mesh, flow: Flow) -> FiniteVolumeTransposeOperator:
        """The scheme on a mesh, for a field."""
        return FiniteVolumeTransposeOperator(self, boxes(mesh, self), flow)


@adjoint_of.register
def _(scheme: FiniteVolume) -> FiniteVolumeTranspose:
    return FiniteVolumeTranspose(scheme)


class FiniteVolumeTransposeOperator(AdjointOperator):
    """`FiniteVolumeTranspose` bound to a mesh and a flow. Potentials and masses are `(R, *shape)`."""

    def __init__(self, scheme: FiniteVolumeTranspose, mesh: CartesianMesh, flow: Flow) -> None:
        self.scheme: FiniteVolumeTranspose = scheme
        self.mesh: CartesianMesh = mesh
        self.flow = flow
        self.interpolation = None
        self._forward = FiniteVolumeOperator(scheme.scheme, mesh, flow, ())

    def step(self, layer: Layer, psi: np.ndarray) -> np.ndarray:
        """`A_theta^T psi`: potentials at the layer's end -> at its start."""
        for substep in reversed(self._substeps(layer)):
            psi = self._back(substep, psi)
        return psi

    def step_with_slope(self, layer: Layer, psi: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`A_theta^T psi`, and the derivative in theta, of its shape, of `sum_r <psi_r, A_theta m_r>`."""
        substeps = self._substeps(layer)
        states = [masses]
        for substep in substeps[:-1]:
            states.append(self._forward.euler_step(substep, states[-1]))
        slope = np.zeros_like(layer.theta)
        for k in range(len(substeps) - 1, -1, -1):
            slope += layer.pulled_back(k / len(substeps), self._slope(substeps[k], psi, states[k]))
            psi = self._back(substeps[k], psi)
        return psi, slope

    def _substeps(self, layer: Layer) -> list[Layer]:
        """The Euler steps of a layer, each with the constant parameters that it uses: those at its start."""
        count = self._forward.substeps(layer)
        dt = layer.length / count
        return [Layer(layer.start + k * dt, dt, layer.at(k / count)) for k in range(count)]

    def nodal_pairing(self, psi: np.ndarray, masses: np.ndarray) -> Pairing:
        """`layer -> (sum_r <psi_r, A_theta m_r>, its derivative in theta)`."""
        return TransposePairing(self, psi, masses)

    def _padded_potential(self, field: np.ndarray) -> np.ndarray:
        """The potential, padded: zero beyond outflow sides (mass that left has no cost), wrapped around periodic sides."""
        grid = self._forward.grid
        padded = np.zeros(grid.shape)
        padded[grid.inside] = field
        for axis in range(self.mesh.dim):
            if grid.periodic(axis):
                grid.wrap(padded, axis)
        return padded.ravel()

    def _velocities(self, t: float, theta: np.ndarray) -> list[np.ndarray]:
        """Face velocities as the upwind flux uses them: no inflow at outflow sides."""
        out = [v.mean.copy() for v in self._forward.velocities(t, theta)]
        for axis, v in enumerate(out):
            outflow_only(self._forward.grid, v, v.copy(), axis)
        return out

    def _back(self, substep: Layer, psi: np.ndarray) -> np.ndarray:
        """The transpose of one Euler step, for potentials `(R, *shape)`."""
        grid = self._forward.grid
        velocities = self._velocities(substep.start, substep.theta)
        rows = []
        for field in psi:
            padded = self._padded_potential(field)
            out = padded.copy()
            for v, s, h in zip(velocities, grid.strides, self.mesh.widths, strict=True):
                _kernels.upwind_transpose(padded, s, v, substep.length / h, out)
            rows.append(grid.unpad(out))
        return np.stack(rows)

    def _slope(self, substep: Layer, psi: np.ndarray, masses: np.ndarray) -> np.ndarray:
        """Derivative `(m,)` of `<psi, A m>` over one Euler step in its parameters, through the face velocities."""
        grid, field = self._forward.grid, self.flow.field
        slope = np.zeros_like(substep.theta)
        for axis, v in enumerate(self._velocities(substep.start, substep.theta)):
            weights = np.zeros(v.size)
            for potential, mass in zip(psi, masses, strict=True):
                arguments = self._padded_potential(potential), grid.pad(mass), grid.strides[axis], v
                _kernels.upwind_slope(*arguments, substep.length / self.mesh.widths[axis], weights)
            weights[v == 0.0] = 0.0  # faces without flow do not contribute
            faces = weights.reshape(grid.shape)[grid.faces(axis)]
            if grid.periodic(axis):
                np.moveaxis(faces, axis, 0)[0] = 0.0  # the periodic image of the last face: counted once
            points = grid.face_points(axis)
            p = np.zeros_like(points)
            p[:, axis] = faces.ravel()
            slope += field.pullback(field.at(substep.start, substep.theta, points), p)[1]
        return slope


class TransposePairing(Pairing):
    """`sum_r <psi_r, A_theta m_r>` with its derivative; second derivatives by differences, since the function has kinks."""

    def __init__(self, operator: FiniteVolumeTransposeOperator, psi: np.ndarray, masses: np.ndarray) -> None:
        self._operator, self._psi, self._masses = operator, psi, masses

    def __call__(self, layer: Layer) -> tuple[float, np.ndarray]:
        before, slope = self._operator.step_with_slope(layer, self._psi, self._masses)
        return paired(before, self._masses), slope
