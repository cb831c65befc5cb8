"""A whole layer in compiled code, by a team of threads: trace, interpolate, pull back, one way; trace, deposit, the other.

A few hundred points at a time go through all of it, so that what lies between the steps stays in the first-level cache. Tasks
are the same for any number of threads and what they add up is summed in their order, so that the bits are the same too.

What depends on the field and on the interpolation's degree lies behind pointers. (And `np.int64(0)` stands where a plain 0
would have its value made part of its type, and the callee compiled for each value.) `member`, `members` and `sync` are of the
team, see `_team`; what both kernels are `given`:

    calls : addresses: trace, pull, gather, gather_values, scatter, solve.
    field, method : of `trace` and `pull`: integers and numbers that only these read, and the Runge-Kutta method, the latter
        as (stages, steps) and the length of a step with the weights.
    place : the mesh and the basis, `_stencils.PLACE`; period : `(low, length)` of each axis, length 0 for none.
    factors, lines : of each axis, as `solve` takes them.
    nodes : `(d, N)`; masses : `(R, N)`; largest : `(members,)`, work.
"""

import numpy as np

from .compiling import njit
from .neural_field import CHUNK
from .pointers import call
from .team import BROKEN, FAILED, USED, fetch, fetch_add, meet, take
from .tensor_interpolation import extent

#: masses below this share of the largest are round-off: their nodes are neither pushed forward nor pulled back
SHARE = 1e-18
#: a mask for the bits of a number without its sign; the bits of infinity
UNSIGNED, INFINITE = np.int64(0x7FFFFFFFFFFFFFFF), np.int64(0x7FF0000000000000)
#: nodes per task. Small tasks let all threads end at the same time. Tasks with a slab are larger: neighbouring slabs overlap at
#: their rims, and the rims are extra work
TASK, SLAB_TASK = 1024, 4096
#: the columns of a row of `slabs`: where the slab starts in the workspace, its first basis functions, its shape
START, FIRST, SHAPE, SLAB = 0, 1, 4, 7


@njit(nogil=True)
def _solve(member, members, sync, address, factors, transposed, lines, shape, x):
    """`A c = x` in place, axis by axis, x of the shape `(R, n0, n1, n2)`; each member takes its share of the groups of lines."""
    fields, n0, n1, n2 = shape
    shapes = ((fields, n0, n1 * n2), (fields * n0, n1, n2), (fields * n0 * n1, n2, 1))
    for axis in range(3):
        lower, upper, first, last = factors[axis]
        if lower.size:
            groups = lines[axis]
            begin, end = member * len(groups) // members, (member + 1) * len(groups) // members
            outer, n, inner = shapes[axis]
            widths = lower.shape[1], upper.shape[1]
            share = groups[begin:end]
            call(address, (outer, n, inner, x, *widths, lower, upper, first, last, transposed, end - begin, share))
            meet(members, sync)  # the lines of the next axis cross those of all members


@njit(nogil=True)
def _threshold(member, members, sync, masses, largest):
    """Masses up to here are round-off; infinite, and a failure, where one is not finite. `largest` `(members,)`: of each."""
    found = np.int64(0)
    for row in masses:
        # Without the sign, the bits, read as integers, are ordered like the numbers, and infinity and NaN come last. The maximum
        # of integers can be vectorised, and it does not lose a NaN as the maximum of floats may do.
        bits = row.view(np.int64)
        begin, end = member * len(row) // members, (member + 1) * len(row) // members
        for j in range(begin, end):
            found = max(found, bits[j] & UNSIGNED)
    largest.view(np.int64)[member] = min(found, INFINITE)
    meet(members, sync)
    most = 0.0
    for size in largest:
        most = max(most, size)
    if most == np.inf:
        fetch_add(sync, FAILED, 1)
    return SHARE * most


@njit(nogil=True)
def _carrying(masses, begin, end, threshold, sizes, nodes):
    """Write those nodes from `begin` to `end` whose masses are not all round-off into `nodes`; return their number."""
    for j in range(end - begin):
        sizes[j] = 0.0
    for row in masses:
        part = row[begin:end]
        for j in range(end - begin):
            sizes[j] = max(sizes[j], abs(part[j]))
    # Every node is written, and the position moves on only if the node counts: without a branch. So `nodes` needs one more entry.
    found = 0
    for j in range(end - begin):
        nodes[found] = begin + j
        found += sizes[j] > threshold
    return found


@njit(nogil=True)
def _wrap(feet, d, n, period):
    """Feet `(d, n)`, one row after the other, into the period, on axes that have one."""
    for k in range(d):
        low, length = period[k]
        if length > 0.0:
            for j in range(n):
                feet[k * n + j] = low + (feet[k * n + j] - low) % length


@njit(nogil=True)
def backward(
    member,
    members,
    sync,
    given,
    shape,
    psi,
    coefficients,
    out,
    slopes,
):
    """`S psi` at the nodes into `out` `(R, N)`, and the masses' pairing differentiated in theta, task by task, into `slopes`.

    shape : `(R, n0, n1, n2)`, of the values psi and of the coefficients, which are overwritten; masses `(R, 0)` : no pairing.
    """
    calls, field, method, place, period, factors, lines, nodes, masses, largest = given
    trace, pull, gather, gather_values, _, solve = calls
    begin, end = member * psi.size // members, (member + 1) * psi.size // members
    for j in range(begin, end):
        coefficients[j] = psi[j]
    paired = masses.shape[1] > 0
    threshold = _threshold(member, members, sync, masses, largest)
    if threshold == np.inf:
        return
    _solve(member, members, sync, solve, factors, np.int64(0), lines, shape, coefficients)
    d, count = nodes.shape
    fields = shape[0]
    x, feet, covectors = np.empty(d * CHUNK), np.empty(d * CHUNK), np.empty(d * CHUNK)
    values, weighted = np.empty(fields * CHUNK), np.empty(fields * CHUNK)
    kept = np.empty(method[0][0] * method[0][1] * d * CHUNK)
    sizes, heavy = np.empty(CHUNK), np.empty(CHUNK + 1, np.int64)
    while True:
        task = take(member, members, sync, len(slopes))
        if task < 0:
            break
        for i in range(slopes.shape[1]):
            slopes[task, i] = 0.0
        for begin in range(task * TASK, min((task + 1) * TASK, count), CHUNK):
            m = min(CHUNK, count - begin)
            carries = paired and _carrying(masses, begin, begin + m, threshold, sizes, heavy) > 0
            for k in range(d):
                for j in range(m):
                    x[k * m + j] = feet[k * m + j] = nodes[k, begin + j]
            call(trace, (*field, *method, m, feet, carries, kept))
            _wrap(feet, d, m, period)
            if carries:  # the derivative needs the gradients at the feet, and a pull-back through the trace
                for r in range(fields):
                    for j in range(m):
                        weighted[r * m + j] = masses[r, begin + j]
                bad = call(gather, (*place, m, feet, weighted, fields, coefficients, values, covectors))
                call(pull, (*field, *method, m, x, kept, covectors, slopes[task]))
            else:
                bad = call(gather_values, (*place, m, feet, fields, coefficients, values))
            if bad:
                fetch_add(sync, FAILED, bad)
            for r in range(fields):
                for j in range(m):
                    out[r, begin + j] = values[r * m + j]
    meet(members, sync)


@njit(nogil=True)
def forward(
    member,
    members,
    sync,
    given,
    degree,
    work,
    shape,
    out,
):
    """`S^T m` into `out`, of the shape `(R, n0, n1, n2)`; `work` is the workspace, slabs and clamped masses.

    Each task adds its masses to a slab of `workspace` that just holds their stencils; `slabs` `(tasks, 7)` say where it is.
    `clamped` `(tasks, R)`, zeros at first, are the masses outside the hull of the nodes. Where the workspace is too short
    nothing is done but `sync[USED]`, how much is needed.
    """
    calls, field, method, place, period, factors, lines, nodes, masses, largest = given
    trace, _, _, _, scatter, solve = calls
    workspace, slabs, clamped = work
    d, count = nodes.shape
    origin, inverse_widths = place[1], place[2]
    fields, n0, n1, n2 = shape
    counts = (n0, n1, n2)
    feet, weighted = np.empty(d * SLAB_TASK), np.empty(fields * SLAB_TASK)
    sizes, heavy = np.empty(SLAB_TASK), np.empty(SLAB_TASK + 1, np.int64)
    threshold = _threshold(member, members, sync, masses, largest)
    if threshold == np.inf:
        return
    while True:
        task = take(member, members, sync, len(slabs))
        if task < 0:
            break
        slabs[task, SHAPE] = 0
        begin = task * SLAB_TASK
        m = _carrying(masses, begin, min(begin + SLAB_TASK, count), threshold, sizes, heavy)
        if m == 0:
            continue
        for k in range(d):
            for j in range(m):
                feet[k * m + j] = nodes[k, heavy[j]]
        call(trace, (*field, *method, m, feet, 0, feet))  # 0: without stages, so that the last argument is not used
        _wrap(feet, d, m, period)
        size = fields
        for axis in range(3):
            start, width = 0, 1
            if axis >= 3 - d:
                k = axis - 3 + d
                start, width = extent(feet[k * m : (k + 1) * m], origin[k], inverse_widths[k], counts[axis], degree)
            slabs[task, FIRST + axis], slabs[task, SHAPE + axis] = start, width
            size *= width
        if size == 0:  # a foot is not finite, see `extent`
            slabs[task, SHAPE] = 0
            fetch_add(sync, FAILED, 1)
            continue
        # Where a slab lies depends on which thread comes first, but the order of the sums does not.
        at = fetch_add(sync, USED, size)
        if at + size > len(workspace):
            continue
        slabs[task, START] = at
        for r in range(fields):
            for j in range(m):
                weighted[r * m + j] = masses[r, heavy[j]]
        slab = workspace[at : at + size]
        for i in range(size):
            slab[i] = 0.0
        call(scatter, (*place, m, feet, weighted, fields, slabs[task, FIRST:], slab, clamped[task]))
    meet(members, sync)
    if fetch(sync, BROKEN) or fetch(sync, FAILED) or fetch(sync, USED) > len(workspace):
        return
    _sum_slabs(member, members, workspace, slabs, shape, out)
    meet(members, sync)
    _solve(member, members, sync, solve, factors, np.int64(1), lines, shape, out)
    meet(members, sync)


@njit(nogil=True)
def _sum_slabs(member, members, workspace, slabs, shape, out):
    """The member's part of `out`, whole rows or (where there are few) columns, summed over the slabs in their order."""
    fields, n0, n1, n2 = shape
    rows = fields * n0 * n1
    low, high, left, right = member * rows // members, (member + 1) * rows // members, 0, n2
    if rows < 8 * members:
        low, high, left, right = 0, rows, member * n2 // members, (member + 1) * n2 // members
    for q in range(low, high):
        r, i0, i1 = q // (n0 * n1), q // n1 % n0, q % n1
        for i in range(left, right):
            out[q * n2 + i] = 0.0
        for task in range(len(slabs)):
            j0, j1 = i0 - slabs[task, FIRST], i1 - slabs[task, FIRST + 1]
            c0, c1, c2 = slabs[task, SHAPE], slabs[task, SHAPE + 1], slabs[task, SHAPE + 2]
            if j0 < 0 or j0 >= c0 or j1 < 0 or j1 >= c1:
                continue
            first = slabs[task, FIRST + 2]
            at = slabs[task, START] + ((r * c0 + j0) * c1 + j1) * c2 - first
            for i in range(max(left, first), min(right, first + c2)):
                out[q * n2 + i] += workspace[at + i]
