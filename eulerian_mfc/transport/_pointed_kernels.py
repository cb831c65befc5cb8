"""The interpolation's kernels behind pointers, for the layer kernels: see `_pointers`."""

from __future__ import annotations

from functools import lru_cache

from numba import carray

from .._pointers import COUNT, DOUBLES, INTEGERS, Pointed
from . import _kernels

#: the mesh and the basis: d, origin, inverse widths, whether feet are clamped, and for each axis the number of nodes, of
#: intervals, of kinds of intervals, the kinds of all intervals and the polynomials of all kinds
PLACE = (COUNT, DOUBLES, DOUBLES, COUNT, *((COUNT, COUNT, COUNT, INTEGERS, DOUBLES) * 3))

_gather, _gather_values, _scatter = _kernels.gather, _kernels.gather_values, _kernels.scatter
_solve_banded = _kernels.solve_banded


def _solve(outer, n, inner, x, below, above, lower, upper, first, last, transposed, groups, lines):
    factors = carray(lower, (n, below)), carray(upper, (n, above)), carray(first, n), carray(last, n)
    _solve_banded(
        factors[0],
        factors[1],
        factors[2],
        factors[3],
        carray(x, (outer, n, inner)),
        transposed != 0,
        carray(lines, (groups, 3)),
    )
    return 0


solve = Pointed(
    _solve, *[COUNT] * 3, DOUBLES, COUNT, COUNT, DOUBLES, DOUBLES, INTEGERS, INTEGERS, COUNT, COUNT, INTEGERS
)


@lru_cache
def gather(sizes: tuple[tuple[int, ...], ...]) -> Pointed:
    """`_kernels.gather` for so many basis functions an axis: `(*PLACE, n, feet, masses, fields, coefficients, values, pull)`."""
    size0, size1, size2 = sizes

    def gather_at(
        d, origin, inverse_widths, clamp, n0, i0, k0, kind0, table0, n1, i1, k1, kind1, table1, n2, i2, k2, kind2, table2,
        n, feet, masses, fields, coefficients, values, pull,
    ):  # fmt: skip
        s0, s1, s2 = len(size0), len(size1), len(size2)
        tables = carray(table0, (k0, s0, s0)), carray(table1, (k1, s1, s1)), carray(table2, (k2, s2, s2))
        return _gather(
            carray(feet, (d, n)), carray(masses, (fields, n)), carray(coefficients, (fields, n0, n1, n2)),
            carray(origin, d), carray(inverse_widths, d), tables, (carray(kind0, i0), carray(kind1, i1), carray(kind2, i2)),
            (size0, size1, size2), clamp != 0, carray(values, (fields, n)), carray(pull, (d, n)),
        )  # fmt: skip

    return Pointed(gather_at, *PLACE, COUNT, DOUBLES, DOUBLES, COUNT, DOUBLES, DOUBLES, DOUBLES)


@lru_cache
def gather_values(sizes: tuple[tuple[int, ...], ...]) -> Pointed:
    """`_kernels.gather_values`: `(*PLACE, n, feet, fields, coefficients, values)`."""
    size0, size1, size2 = sizes

    def gather_values_at(
        d, origin, inverse_widths, clamp, n0, i0, k0, kind0, table0, n1, i1, k1, kind1, table1, n2, i2, k2, kind2, table2,
        n, feet, fields, coefficients, values,
    ):  # fmt: skip
        s0, s1, s2 = len(size0), len(size1), len(size2)
        tables = carray(table0, (k0, s0, s0)), carray(table1, (k1, s1, s1)), carray(table2, (k2, s2, s2))
        return _gather_values(
            carray(feet, (d, n)), carray(coefficients, (fields, n0, n1, n2)), carray(origin, d), carray(inverse_widths, d),
            tables, (carray(kind0, i0), carray(kind1, i1), carray(kind2, i2)), (size0, size1, size2), clamp != 0,
            carray(values, (fields, n)),
        )  # fmt: skip

    return Pointed(gather_values_at, *PLACE, COUNT, DOUBLES, COUNT, DOUBLES, DOUBLES)


@lru_cache
def scatter(sizes: tuple[tuple[int, ...], ...]) -> Pointed:
    """`_kernels.scatter`: `(*PLACE, n, feet, masses, fields, slab, out, clamped)`; slab: where it starts, and its shape."""
    size0, size1, size2 = sizes

    def scatter_at(
        d, origin, inverse_widths, clamp, n0, i0, k0, kind0, table0, n1, i1, k1, kind1, table1, n2, i2, k2, kind2, table2,
        n, feet, masses, fields, slab, out, clamped,
    ):  # fmt: skip
        s0, s1, s2 = len(size0), len(size1), len(size2)
        tables = carray(table0, (k0, s0, s0)), carray(table1, (k1, s1, s1)), carray(table2, (k2, s2, s2))
        part = carray(slab, 6)
        _scatter(
            carray(feet, (d, n)), carray(masses, (fields, n)), carray(origin, d), carray(inverse_widths, d), tables,
            (carray(kind0, i0), carray(kind1, i1), carray(kind2, i2)), (size0, size1, size2), clamp != 0, (n0, n1, n2),
            (part[0], part[1], part[2]), carray(out, (fields, part[3], part[4], part[5])), carray(clamped, fields),
        )  # fmt: skip
        return 0

    return Pointed(scatter_at, *PLACE, COUNT, DOUBLES, DOUBLES, COUNT, INTEGERS, DOUBLES, DOUBLES)
