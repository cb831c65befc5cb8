"""Sums over a tensor-product stencil as vector code without loops.

If these sums are written as loops over small arrays, the compiler keeps the accumulators in memory, since it cannot know that
the arrays do not overlap. Here the LLVM code is written directly: each row of a stencil is one vector, whatever its length, and
the sums over the rows stay in registers. The lengths come from the types of the tuples `size0`, `size1`, `size2` (see
`tensor_interpolation`), so that Python's loops below run at compile time and leave straight-line code.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

DOUBLE = ir.DoubleType()
# The same freedom as in `fastmath.FAST`: multiplications and additions may become fused instructions, and sums may be reordered.
FLAGS = ("contract", "reassoc", "nsz", "arcp")


class _Builder:
    """Instructions on vectors of doubles in one function: loads, stores, `a b + c`, sums.

    Arrays are named by their position in the list `arrays`.
    """

    def __init__(self, context, builder, array_types, arrays):
        self.builder = builder
        structs = [
            cgutils.create_struct_proxy(t)(context, builder, value=v) for t, v in zip(array_types, arrays, strict=True)
        ]
        self.data = [s.data for s in structs]

    def pointer(self, array, at):
        at = ir.Constant(ir.IntType(64), at) if isinstance(at, int) else at
        return self.builder.gep(self.data[array], [at])

    def load(self, array, at, size):
        pointer = self.builder.bitcast(self.pointer(array, at), ir.VectorType(DOUBLE, size).as_pointer())
        # A row of a stencil may begin at any entry, so that only the alignment of one double may be assumed: with the default,
        # that of the whole vector, an aligned instruction would fault.
        return self.builder.load(pointer, align=8)

    def store(self, value, array, at):
        pointer = self.builder.bitcast(self.pointer(array, at), value.type.as_pointer())
        self.builder.store(value, pointer, align=8)

    def scalar(self, array, at):
        return self.builder.load(self.pointer(array, at))

    def wide(self, scalar, size):
        """The vector whose lanes all have this value."""
        # LLVM has no instruction for this: insert the value into lane 0, and shuffle with a mask of zeros to repeat it.
        vector = ir.VectorType(DOUBLE, size)
        one = self.builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), size), [0] * size)
        return self.builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), lanes)

    def zero(self, size):
        return ir.Constant(ir.VectorType(DOUBLE, size), [0.0] * size)

    def times(self, a, b):
        return self.builder.fmul(a, b, flags=FLAGS)

    def multiply_add(self, a, b, c):
        return self.builder.fadd(self.times(a, b), c, flags=FLAGS)

    def dot(self, a, b):
        size = a.type.count
        name = f"llvm.vector.reduce.fadd.v{size}f64"
        reduce = cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(DOUBLE, [DOUBLE, a.type]), name)
        # -0.0 and not 0.0 is the neutral element of addition: it keeps the sign of a zero sum. The flag "reassoc" lets the lanes
        # be added as a tree; without it they would be added one after the other.
        return self.builder.call(reduce, [ir.Constant(DOUBLE, -0.0), self.times(a, b)], fastmath=FLAGS)


@intrinsic
def horner(typing, pieces, at, u, weights, slopes, size):
    """Values and slopes at u of p + 1 polynomials of degree p, by Horner's rule for all of them at once.

    Their coefficients lie in `pieces` from `at` on, one row of p + 1 per power.
    """
    count = len(size)

    def code(context, builder, signature, arguments):
        # The arrays 0, 1, 2 are pieces, weights, slopes.
        vector = _Builder(
            context, builder, signature.args[::3][:1] + signature.args[3:5], [arguments[0], *arguments[3:5]]
        )
        start, point = arguments[1], vector.wide(arguments[2], count)

        def row(power):
            return vector.load(0, builder.add(start, ir.Constant(start.type, power * count)), count)

        value, slope = row(count - 1), vector.zero(count)
        for power in range(count - 2, -1, -1):
            slope = vector.multiply_add(slope, point, value)
            value = vector.multiply_add(value, point, row(power))
        vector.store(value, 1, 0)
        vector.store(slope, 2, 0)
        return context.get_dummy_value()

    return types.void(pieces, at, u, weights, slopes, size), code


@intrinsic
def stencil_sums(typing, c, at, stride0, stride1, w0, w1, w2, d0, d1, d2, size0, size1, size2):
    """The sums over a stencil of c times `w0 w1 w2`, `d0 w1 w2`, `w0 d1 w2`, `w0 w1 d2`; `at` is the stencil's first entry.

    They are an interpolated value and its derivatives along the three axes.
    """
    rows0, rows1, size = len(size0), len(size1), len(size2)

    def code(context, builder, signature, arguments):
        # The arrays are 0: c; 1, 2, 3: w0, w1, w2; 4, 5, 6: d0, d1, d2. Sums along axes 0 and 1 are vectors along axis 2; only at
        # the end they are multiplied by w2 or d2 and added up. A missing axis has one row, and its sums are left out.
        vector = _Builder(context, builder, signature.args[:1] + signature.args[4:10], [arguments[0], *arguments[4:10]])
        start, stride0, stride1 = arguments[1:4]
        total = total0 = total1 = vector.zero(size)
        slopes1 = [vector.wide(vector.scalar(5, j), size) for j in range(rows1)] if rows1 > 1 else []
        weights1 = [vector.wide(vector.scalar(2, j), size) for j in range(rows1)]
        for j0 in range(rows0):
            line = line1 = vector.zero(size)
            for j1 in range(rows1):
                row = vector.load(0, start, size)
                line = vector.multiply_add(weights1[j1], row, line)
                if rows1 > 1:
                    line1 = vector.multiply_add(slopes1[j1], row, line1)
                    start = builder.add(start, stride1)
            weight = vector.wide(vector.scalar(1, j0), size)
            total = vector.multiply_add(weight, line, total)
            if rows1 > 1:
                total1 = vector.multiply_add(weight, line1, total1)
                back = builder.mul(stride1, ir.Constant(stride1.type, rows1))
                start = builder.add(builder.sub(start, back), stride0)
            if rows0 > 1:
                total0 = vector.multiply_add(vector.wide(vector.scalar(4, j0), size), line, total0)
        weights, slopes = vector.load(3, 0, size), vector.load(6, 0, size)
        zero = ir.Constant(DOUBLE, 0.0)
        sums = [
            vector.dot(total, weights),
            vector.dot(total0, weights) if rows0 > 1 else zero,
            vector.dot(total1, weights) if rows1 > 1 else zero,
            vector.dot(total, slopes),
        ]
        return context.make_tuple(builder, signature.return_type, sums)

    sums = types.UniTuple(types.float64, 4)
    return sums(c, at, stride0, stride1, w0, w1, w2, d0, d1, d2, size0, size1, size2), code


@intrinsic
def stencil_value(typing, c, at, stride0, stride1, w0, w1, w2, size0, size1, size2):
    """The interpolated value alone: the first of `stencil_sums`."""
    rows0, rows1, size = len(size0), len(size1), len(size2)

    def code(context, builder, signature, arguments):
        vector = _Builder(context, builder, signature.args[:1] + signature.args[4:7], [arguments[0], *arguments[4:7]])
        start, stride0, stride1 = arguments[1:4]
        weights1 = [vector.wide(vector.scalar(2, j), size) for j in range(rows1)]
        total = vector.zero(size)
        for j0 in range(rows0):
            at, line = start, vector.zero(size)
            for j1 in range(rows1):
                line = vector.multiply_add(weights1[j1], vector.load(0, at, size), line)
                at = builder.add(at, stride1)
            total = vector.multiply_add(vector.wide(vector.scalar(1, j0), size), line, total) if rows0 > 1 else line
            start = builder.add(start, stride0)
        return vector.dot(total, vector.load(3, 0, size))

    return types.float64(c, at, stride0, stride1, w0, w1, w2, size0, size1, size2), code


@intrinsic
def stencil_add(typing, out, at, stride0, stride1, mass, w0, w1, w2, size0, size1, size2):
    """Add `mass w0 w1 w2` to a stencil of `out` whose first entry is `at`."""
    rows0, rows1, size = len(size0), len(size1), len(size2)

    def code(context, builder, signature, arguments):
        vector = _Builder(context, builder, signature.args[:1] + signature.args[5:8], [arguments[0], *arguments[5:8]])
        start, stride0, stride1, mass = arguments[1:5]
        weights1 = [vector.scalar(2, j) for j in range(rows1)]
        share = vector.times(vector.load(3, 0, size), vector.wide(mass, size))
        lines = [vector.times(share, vector.wide(weight, size)) for weight in weights1]
        for j0 in range(rows0):
            weight = vector.wide(vector.scalar(1, j0), size)
            at = start
            for j1 in range(rows1):
                vector.store(vector.multiply_add(weight, lines[j1], vector.load(0, at, size)), 0, at)
                at = builder.add(at, stride1)
            start = builder.add(start, stride0)
        return context.get_dummy_value()

    return types.void(out, at, stride0, stride1, mass, w0, w1, w2, size0, size1, size2), code
