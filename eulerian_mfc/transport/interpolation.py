"""Tensor-product interpolation on cell centres, its derivative, and its exact transpose.

For the basis of each axis, its end intervals and the references see `axis_basis`.
"""

from __future__ import annotations

from functools import cached_property, lru_cache, partial
from typing import NamedTuple, NoReturn

import numpy as np

from .._validate import choice, fail, integer
from ..errors import NonFiniteError
from ..kernels import stencils as _stencils
from ..kernels import tensor_interpolation as _kernels
from ..kernels.pointers import Pointed
from ..kernels.threads import ONE, Workers
from ..meshes import CartesianMesh
from ..schemes import TangentInterpolant
from .axis_basis import axis_basis

DEGREES = (1, 3, 5, 7)
INTERPOLATIONS = ("spline", "lagrange")
OUTSIDE = ("clamp", "extrapolate", "periodic")
#: distance from a node, in cells, at which the gradients on its two sides are evaluated
BESIDE = 1e-8


class Deposit(NamedTuple):
    """Sums of point masses times basis functions: `sums` `(R, c0, c1, c2)`, for the basis functions from index `first` on.

    `clamped` `(R,)` is the mass that lay outside the hull of the nodes.
    """

    first: np.ndarray
    sums: np.ndarray
    clamped: np.ndarray

    def add_to(self, deposits: np.ndarray) -> None:
        """Add the sums to `deposits`, which hold those of the whole basis."""
        part = tuple(slice(a, a + n) for a, n in zip(self.first, self.sums.shape[1:], strict=True))
        deposits[:, *part] += self.sums


#: cells by which a period is repeated on both sides, so that the effect of the splines' ends is below round-off
_OVERLAP = {("spline", 3): 28, ("spline", 5): 44, ("spline", 7): 60}


class Interpolation(TangentInterpolant):
    """The operator I on a mesh: nodal values -> a function on the box, and its transpose: point masses -> nodal masses.

    Parameters
    ----------
    mesh : CartesianMesh; its cell centres are the nodes.
    degree : 1, 3, 5 or 7.
    interpolation : "spline" (not-a-knot) or "lagrange" (local, p + 1 points per axis).
    outside : what happens to points outside the hull of the nodes: "clamp" moves them onto it, "extrapolate" continues
        the linear end pieces, "periodic" wraps them around (the period is the box).
    workers : the threads that solve for coefficients.

    Raises
    ------
    ArgumentError
        For an unknown degree, kind or rule, or fewer than degree + 1 cells on an axis.

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> from eulerian_mfc.transport.interpolation import Interpolation
    >>> mesh = emfc.CartesianMesh([(0.0, 1.0)], cells=10)
    >>> cubic = Interpolation(mesh, 3, "spline")
    >>> values, slopes = cubic.gather(np.array([[0.5]]), cubic.coefficients(mesh.centres.T**3), np.ones((1, 1)))
    >>> round(float(values[0, 0]), 12), round(float(slopes[0, 0]), 12)  # x^3 and 3 x^2 at x = 0.5
    (0.125, 0.75)
    """

    def __init__(
        self,
        mesh: CartesianMesh,
        degree: int,
        interpolation: str,
        outside: str = "clamp",
        workers: Workers = ONE,
    ) -> None:
        degree = choice("degree", integer("degree", degree), DEGREES)
        choice("interpolation", interpolation, INTERPOLATIONS)
        choice("outside", outside, OUTSIDE)
        if min(mesh.shape) < degree + 1:
            raise fail("cells", mesh.shape, f"at least {degree + 1} cells on every axis for degree {degree}")
        self.mesh, self.degree, self.outside, self._workers = mesh, degree, outside, workers
        #: whether the interpolant's gradient jumps at the nodes
        self.kinks = degree == 1 or interpolation == "lagrange"
        self._overlap = _OVERLAP.get((interpolation, degree), degree + 1) if outside == "periodic" else 0
        padded = [n + 2 * self._overlap for n in mesh.shape]
        missing = 3 - mesh.dim
        #: of basis functions, `(n0, n1, n2)`; 1 on an axis beyond the dimension
        self.counts = (*([1] * missing), *padded)
        self.axes = [axis_basis(1, 0, interpolation)] * missing + [axis_basis(n, degree, interpolation) for n in padded]
        self._origin = np.array([mesh.axis(k)[0] for k in range(mesh.dim)]) - self._overlap * mesh.widths
        self._inverse_widths = 1.0 / mesh.widths
        sizes = tuple((0,) * a.pieces.shape[1] for a in self.axes)
        kinds = tuple(a.kind for a in self.axes)
        lengths = [(low, high - low if outside == "periodic" else 0.0) for low, high in mesh.bounds]
        self._period = tuple(lengths + [(0.0, 0.0)] * missing)
        self._basis = (tuple(a.pieces for a in self.axes), kinds, sizes, outside != "extrapolate")

    def __getstate__(self) -> dict[str, object]:
        """The state without addresses, which are valid in this process only."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_pointed", "_place")}

    @property
    def _gather(self) -> Pointed:
        return _stencils.gather(self._basis[2])

    @property
    def _scatter(self) -> Pointed:
        return _stencils.scatter(self._basis[2])

    def coefficients(self, values: np.ndarray) -> np.ndarray:
        """`(R, *shape)` nodal values -> `(R, n0, n1, n2)` coefficients c with A c = values on every axis."""
        return self._solve(self.padded(values).copy(), False)

    def compiled(self, fields: int) -> tuple[tuple[int, ...], tuple[object, ...], tuple[object, ...]]:
        """Arguments of `neural_layer`: pointers; mesh and basis; and period, factors and groups of lines for `fields` fields."""
        factors = tuple((a.lower, a.upper, a.first, a.last) for a in self.axes)
        lines = tuple(_lines(*view) for view in _views(fields, self.counts))
        return *self._pointed, (self._period, factors, lines)

    @cached_property
    def _pointed(self) -> tuple[tuple[int, ...], tuple[object, ...]]:
        """The addresses of the kernels for this basis, and the arguments that all of them take."""
        sizes = self._basis[2]
        kernels = self._gather, _stencils.gather_values(sizes), self._scatter, _stencils.solve
        return tuple(kernel.address for kernel in kernels), self._place

    @cached_property
    def _place(self) -> tuple[object, ...]:
        """The mesh and the basis, as the functions of `kernels.stencils` take them."""
        tables, kinds, _, clamp = self._basis
        axes = [
            (n, len(kind), len(table), kind, table) for n, kind, table in zip(self.counts, kinds, tables, strict=True)
        ]
        return self.mesh.dim, self._origin, self._inverse_widths, int(clamp), *(part for axis in axes for part in axis)

    def padded(self, values: np.ndarray) -> np.ndarray:
        """Nodal values `(R, *shape)` as `(R, n0, n1, n2)`, repeated beyond the ends of a period; may share memory."""
        if self._overlap:
            values = np.pad(values, ((0, 0), *([(self._overlap,) * 2] * self.mesh.dim)), mode="wrap")
        return np.ascontiguousarray(values, dtype=np.float64).reshape(-1, *self.counts)

    def deposits(self, fields: int) -> np.ndarray:
        """Zeros `(fields, n0, n1, n2)`, to which the results of `scatter` are added."""
        return np.zeros((fields, *self.counts))

    def nodal_masses(self, deposits: np.ndarray) -> np.ndarray:
        """Sums of point masses times `B_j` -> nodal masses `A^-T deposits`, `(R, *shape)`. Overwrites its argument."""
        return self.folded(self._solve(deposits, True))

    def folded(self, work: np.ndarray) -> np.ndarray:
        """The transpose of `padded`: `(R, n0, n1, n2)` -> `(R, *shape)`."""
        out = work.reshape(-1, *self.counts[3 - self.mesh.dim :])
        for k, n in enumerate(self.mesh.shape):
            if self._overlap:
                view = np.moveaxis(out, k + 1, 0)
                folded = np.zeros((n, *view.shape[1:]))
                np.add.at(folded, (np.arange(len(view)) - self._overlap) % n, view)
                out = np.moveaxis(folded, 0, k + 1)
        return np.ascontiguousarray(out)

    def _solve(self, work: np.ndarray, transposed: bool) -> np.ndarray:
        for axis, shape in zip(self.axes, _views(len(work), work.shape[1:]), strict=True):
            if not axis.cardinal:
                view = work.reshape(shape)
                widths = axis.lower.shape[1], axis.upper.shape[1]
                arguments = *shape, view, *widths, *axis[2:], transposed
                groups = np.array_split(_lines(*shape), self._workers.threads)
                self._workers.run(partial(_solve_groups, arguments), groups)
        return work

    def _rows(self, feet: np.ndarray) -> np.ndarray:
        """`(n, d)` feet -> `(d, n)` contiguous rows, wrapped into the period if the box is periodic."""
        rows = np.ascontiguousarray(feet.T, dtype=np.float64)
        if self._overlap:
            low, high = np.array(self.mesh.bounds).T[:, :, None]
            rows = low + (rows - low) % (high - low)
        return rows

    def scatter(self, feet: np.ndarray, masses: np.ndarray) -> Deposit:
        """Point masses `(R, n)` at `(n, d)` feet times basis functions, on the smallest block that holds their stencils."""
        rows, weights = self._rows(feet), np.ascontiguousarray(masses, dtype=np.float64)
        counts = self.counts
        slab = np.array([0, 0, 0, 1, 1, 1])
        first, size = slab[:3], slab[3:]
        for k, row in enumerate(rows, start=3 - len(rows)):
            at = self._origin[k - 3], self._inverse_widths[k - 3], counts[k], self.degree
            first[k], size[k] = _kernels.extent(row, *at)
            if not size[k]:
                _raise_not_finite(feet)
        out, clamped = np.zeros((len(weights), *size)), np.zeros(len(weights))
        self._scatter(*self._place, len(feet), rows, weights, len(weights), slab, out, clamped)
        return Deposit(first, out, clamped)

    def gather(
        self, feet: np.ndarray, coefficients: np.ndarray, masses: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Values `(R, n)` at `(n, d)` feet, and `sum_r m_r grad (I psi_r)` `(n, d)` for masses `(R, n)` (0 by default)."""
        rows = self._rows(feet)
        values = np.empty((len(coefficients), len(feet)))
        pull = np.empty(rows.shape)
        weights = np.zeros(values.shape) if masses is None else np.ascontiguousarray(masses, dtype=np.float64)
        work = np.ascontiguousarray(coefficients, dtype=np.float64)
        if self._gather(*self._place, len(feet), rows, weights, len(values), work, values, pull):
            _raise_not_finite(feet)
        return values, pull.T

    def gradients(self, points: np.ndarray, coefficients: np.ndarray, masses: np.ndarray) -> np.ndarray:
        """`sum_r m_r grad (I psi_r)`, `(n, d)`, at points `(n, d)`; the mean of both sides at a node with a kink.

        A one-sided gradient would prefer a direction: a mirrored problem would have another Hamiltonian.
        """
        if not self.kinks:
            return self.gather(points, coefficients, masses)[1]
        aside = BESIDE * self.mesh.widths
        return sum(self.gather(points + side, coefficients, masses)[1] for side in (aside, -aside)) / 2  # type: ignore[return-value]

    def scatter_tangent(
        self, feet: np.ndarray, dfeet: np.ndarray, masses: np.ndarray, dmasses: np.ndarray, deposits: np.ndarray
    ) -> None:
        """Add to `deposits` the derivative of `scatter` in the direction of tangents of feet `(n, d)` and masses `(R, n)`."""
        rows, drows = self._rows(feet), np.ascontiguousarray(dfeet.T)
        weights, dweights = np.ascontiguousarray(masses), np.ascontiguousarray(dmasses)
        arguments = rows, drows, weights, dweights, self._origin, self._inverse_widths
        _kernels.scatter_tangent(*arguments, *self._basis, deposits)

    def gather_tangent(
        self,
        feet: np.ndarray,
        dfeet: np.ndarray,
        masses: np.ndarray,
        dmasses: np.ndarray,
        coefficients: np.ndarray,
        dcoefficients: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`gather`'s second result `(n, d)`, and the directional derivatives of both results, `(R, n)` and `(n, d)`."""
        rows, drows = self._rows(feet), np.ascontiguousarray(dfeet.T)
        weights, dweights = np.ascontiguousarray(masses), np.ascontiguousarray(dmasses)
        dvalues = np.empty((len(coefficients), len(feet)))
        pull, dpull = np.empty(rows.shape), np.empty(rows.shape)
        arguments = rows, drows, weights, dweights, coefficients, dcoefficients, self._origin, self._inverse_widths
        _kernels.gather_tangent(*arguments, *self._basis, dvalues, pull, dpull)
        return pull.T, dvalues, dpull.T

    def bounded(self, feet: np.ndarray, nodal: np.ndarray) -> np.ndarray:
        """Values `(R, n)` at `(n, d)` feet, each limited to the range of the nodal values around it.

        `nodal` are the coefficients of a cardinal basis (Lagrange), that is, the nodal values.
        """
        values, _ = self.gather(feet, nodal)
        _kernels.bound_by_cell(self._rows(feet), nodal, self._origin, self._inverse_widths, values)
        return values


#: numbers per group of lines
_TASK = 2**15


def _views(fields: int, counts: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Shapes `(outer, n, inner)` of `(fields, n0, n1, n2)` coefficients, one per axis: n is the length of that axis."""
    n0, n1, n2 = counts
    return [(fields, n0, n1 * n2), (fields * n0, n1, n2), (fields * n0 * n1, n2, 1)]


def _solve_groups(arguments: tuple[object, ...], lines: np.ndarray) -> None:
    _stencils.solve(*arguments, len(lines), lines)


@lru_cache(maxsize=64)
def _lines(outer: int, n: int, inner: int) -> np.ndarray:
    """Lines of an array `(outer, n, inner)` along its middle axis for `kernels.stencils.solve`, in groups that fit the cache."""
    step = max(_stencils.LINES, _TASK // n)
    if inner == 1:
        return np.array([(0, begin, min(begin + step, outer)) for begin in range(0, outer, step)])
    return np.array([(o, begin, min(begin + step, inner)) for o in range(outer) for begin in range(0, inner, step)])


def _raise_not_finite(feet: np.ndarray) -> NoReturn:
    bad = np.flatnonzero(~(np.abs(feet).max(axis=1) < 1e-3 * _kernels.HUGE))
    raise NonFiniteError(
        f"{len(bad)} of {len(feet)} characteristics are not finite, the first at row {bad[0]}: {feet[bad[0]]}"
    )
