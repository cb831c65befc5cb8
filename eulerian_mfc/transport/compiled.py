"""Layers of semi-Lagrangian transport, and of its transpose, for a compiled field: see `kernels.neural_layer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from .._validate import mismatch
from ..fields.compiled import CompiledField
from ..flow.flow_of_field import Flow
from ..flow.layers import Layer
from ..kernels import neural_layer as _layer_kernels
from ..kernels.team import FAILED, USED
from .interpolation import Interpolation

#: initial size of the slabs, as a multiple of the number of all coefficients
ROOM = 3


class CompiledLayers:
    """`S_theta psi` with its slope, and `S_theta^T m`: each takes one call of a kernel per layer.

    A method returns None if a foot is not finite; the uncompiled method then reports which one, and where.
    """

    def __init__(self, interpolation: Interpolation, flow: Flow) -> None:
        self.interpolation, self.flow = interpolation, flow
        self.field = cast(CompiledField, flow.field)
        self._nodes = np.ascontiguousarray(interpolation.mesh.centres.T)

    def backward(
        self, layer: Layer, psi: np.ndarray, rows: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """`S_theta psi` `(R, N)`, and the derivative in theta, of its shape, of its pairing with the masses `rows` `(R, N)`."""
        values, count = self.interpolation.padded(psi), self._nodes.shape[1]
        out = np.empty((len(psi), count))
        field = self._arguments(layer)
        slopes = np.empty((-(-count // _layer_kernels.TASK), field[1].size))
        masses = np.empty((len(psi), 0)) if rows is None else rows
        if len(masses) != len(psi):
            raise mismatch("masses", f"{len(masses)} fields", f"{len(psi)} fields, one per potential")
        arrays = values.shape, values.reshape(-1), np.empty(values.size)
        sync = self._run(_layer_kernels.backward, layer, field, masses, *arrays, out, slopes)
        if sync[FAILED]:
            return None
        in_numbers = np.add.reduce(slopes, axis=0).reshape(field[1].shape)
        slope = in_numbers[..., : self.field.parameters]
        return out, slope if layer.basis is None else layer.gathered(self.flow.layer_map.shares, slope)

    def _arguments(self, layer: Layer) -> tuple[np.ndarray, np.ndarray]:
        """The field's integers and numbers, for the parameters at all stages of a layer."""
        return self.field.kernel_arguments(self.flow.layer_map.parameters(layer))

    def forward(self, layer: Layer, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """`S_theta^T m` `(R, *shape)` for masses `rows` `(R, N)`, and the mass `(R,)` whose feet were clamped."""
        tasks = -(-self._nodes.shape[1] // _layer_kernels.SLAB_TASK)
        out = np.empty((len(rows), *self.interpolation.counts))
        needed, field = ROOM * out.size, self._arguments(layer)
        while True:
            slabs, clamped = np.empty((tasks, _layer_kernels.SLAB), np.int64), np.zeros((tasks, len(rows)))
            work = self.interpolation.degree, (np.empty(needed), slabs, clamped), out.shape, out.reshape(-1)
            sync = self._run(_layer_kernels.forward, layer, field, rows, *work)
            if sync[FAILED]:
                return None
            if sync[USED] <= needed:
                return self.interpolation.folded(out), clamped.sum(axis=0)
            needed = int(sync[USED])

    def _run(
        self,
        kernel: Callable[..., object],
        layer: Layer,
        field: tuple[np.ndarray, np.ndarray],
        rows: np.ndarray,
        *arrays: object,
    ) -> np.ndarray:
        """Run a kernel in all threads; return its counters, such as `FAILED` and `USED`."""
        if self.field.dim != len(self._nodes):
            raise mismatch("field", f"dimension {self.field.dim}", f"the mesh's dimension {len(self._nodes)}")
        if rows.shape[1] not in (0, self._nodes.shape[1]):
            raise mismatch(
                "masses", f"{rows.shape[1]} numbers per field", f"{self._nodes.shape[1]} numbers, one per node"
            )
        pointers, place, rest = self.interpolation.compiled(len(rows))
        trace, pull = self.field.addresses
        method = self.flow.layer_map.steps(layer).pointed(field[1])
        workers = self.flow.workers
        shared = self._nodes, np.require(rows, np.float64, ["C", "W"]), np.empty(workers.threads)
        return workers.together(kernel, ((trace, pull, *pointers), field, method, place, *rest, *shared), *arrays)
