"""Compiled kernels that walk through simplices along segments: they see arrays, never a mesh or a field.

A cell's frame `(d + 2, d)` holds its first vertex, the gradients of the barycentric coordinates 1 .. d, so that
`b_i(x) = g_i . (x - v)` and `b_0 = 1 - sum b_i`, and first in its last row the round-off of these. Facet i lies opposite to vertex i; `neighbours[c, i]` is the cell beyond
it, -1 at the boundary. Positions arrive as `(d, n)` contiguous rows. The dimension arrives as the length of a tuple, which
is part of its type, so that the compiler unrolls the short loops.
"""

import numpy as np
from numba import njit

#: barycentric coordinates below this count as zero where a position on a facet is looked at
ON_FACET = 1e-9
#: cells about one vertex that are looked at
STAR = 512
HUGE = 1e300


@njit(cache=True, inline="always")
def _barycentric(frame, x, b, size):
    """Fill b with the barycentric coordinates of x."""
    d = len(size)
    b[0] = 1.0
    for i in range(d):
        value = 0.0
        for k in range(d):
            value += frame[i + 1, k] * (x[k] - frame[0, k])
        b[i + 1] = value
        b[0] -= value


@njit(cache=True)
def _slope(frame, i, w, d):
    """The derivative of b_i along w."""
    value = 0.0
    if i > 0:
        for k in range(d):
            value += frame[i, k] * w[k]
    else:
        for j in range(1, d + 1):
            for k in range(d):
                value -= frame[j, k] * w[k]
    return value


@njit(cache=True)
def _normal(frame, i, n, d):
    """Fill n with the outward unit normal of facet i."""
    length = 0.0
    for k in range(d):
        n[k] = 0.0
        if i > 0:
            n[k] = -frame[i, k]
        else:
            for j in range(1, d + 1):
                n[k] += frame[j, k]
        length += n[k] * n[k]
    length = np.sqrt(length)
    for k in range(d):
        n[k] /= length


@njit(cache=True)
def _star(c, x, frames, neighbours, star, size):
    """Fill `star` with the cells that hold x, found through facets that hold it, from c; return how many."""
    d = len(size)
    b = np.empty(d + 1)
    star[0] = c
    count = 1
    at = 0
    while at < count:
        cell = star[at]
        at += 1
        _barycentric(frames[cell], x, b, size)
        for i in range(d + 1):
            other = neighbours[cell, i]
            if other < 0 or b[i] > ON_FACET or count == len(star):
                continue
            known = False
            for j in range(count):
                if star[j] == other:
                    known = True
                    break
            if not known:
                star[count] = other
                count += 1
    return count


@njit(cache=True)
def _open_to(star, count, x, w, frames, size):
    """The first cell of the star into which x may move along w, or -1."""
    d = len(size)
    b = np.empty(d + 1)
    for j in range(count):
        frame = frames[star[j]]
        _barycentric(frame, x, b, size)
        free = True
        for i in range(d + 1):
            if b[i] <= ON_FACET:
                slope = _slope(frame, i, w, d)
                steepest = 0.0
                length = 0.0
                for k in range(d):
                    length = max(length, abs(w[k]))
                    steepest = max(steepest, np.abs(frame[1 : d + 1, k]).max())
                if slope < -1e-12 * length * steepest:
                    free = False
                    break
        if free:
            return star[j]
    return -1


@njit(cache=True)
def _remove(w, n, out, d):
    """Fill out with w less its part along the unit vector n; return the squared length."""
    along = 0.0
    for k in range(d):
        along += w[k] * n[k]
    length = 0.0
    for k in range(d):
        out[k] = w[k] - along * n[k]
        length += out[k] * out[k]
    return length


@njit(cache=True)
def _slide_at_corner(star, count, x, w, frames, neighbours, project, size):
    """The longest projection of w onto a wall (or, in space, an edge of two walls) about x along which x may move.

    Overwrites w with it and `project` `(d, d)` with the projector; returns the cell to go on in, or -1: x is stuck.
    """
    d = len(size)
    walls = np.empty((STAR, d))
    found = 0
    b = np.empty(d + 1)
    for j in range(count):
        _barycentric(frames[star[j]], x, b, size)
        for i in range(d + 1):
            if neighbours[star[j], i] < 0 and b[i] <= ON_FACET and found < STAR:
                _normal(frames[star[j]], i, walls[found], d)
                new = True
                for k in range(found):
                    if np.abs(walls[k] - walls[found]).max() < 1e-9:
                        new = False
                if new:
                    found += 1
    best, cell = 0.0, -1
    size_w = np.sqrt((w * w).sum())
    trial, second, normal = np.empty(d), np.empty(d), np.empty(d)
    chosen = np.zeros(d)
    for a in range(found):
        length = _remove(w, walls[a], trial, d)
        if (w * walls[a]).sum() > 0.0 and length > best and length > (1e-14 * size_w) ** 2:
            there = _open_to(star, count, x, trial, frames, size)
            if there >= 0:
                best, cell = length, there
                chosen[:] = trial
                for k in range(d):
                    for m in range(d):
                        project[k, m] = (1.0 if k == m else 0.0) - walls[a, k] * walls[a, m]
        if d < 3:
            continue
        for o in range(a):
            span = _remove(walls[o], walls[a], normal, d)
            if span < 1e-16:
                continue
            for k in range(d):
                normal[k] /= np.sqrt(span)
            length = _remove(trial, normal, second, d)
            if length > best and length > (1e-14 * size_w) ** 2:
                there = _open_to(star, count, x, second, frames, size)
                if there >= 0:
                    best, cell = length, there
                    chosen[:] = second
                    for k in range(d):
                        for m in range(d):
                            project[k, m] = (
                                (1.0 if k == m else 0.0) - walls[a, k] * walls[a, m] - normal[k] * normal[m]
                            )
    w[:] = chosen
    return cell


@njit(cache=True)
def trace(starts, origins, targets, frames, neighbours, size, cells, feet, bary, projected, jacobian):
    """Walk from origins `(d, n)` in the cells `starts` to targets `(d, n)`, sliding along the boundary where it is met.

    Fills, a point each: `cells`, the last cell; `feet` `(d, n)`, the place reached; `bary` `(n, d + 1)`, its barycentric
    coordinates there; `projected`, whether a wall was met, and where so `jacobian` `(n, d, d)`, the derivative of the foot
    in the target. Returns the number of targets that are not finite.
    """
    d = len(size)
    x, f, w, n = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    bx, bf = np.empty(d + 1), np.empty(d + 1)
    project, product = np.empty((d, d)), np.empty((d, d))
    star = np.empty(STAR, dtype=np.int64)
    limit = 1000 + 4 * len(frames)
    bad = 0
    random = np.uint64(88172645463325252)
    for p in range(len(starts)):
        c = starts[p]
        finite = True
        for k in range(d):
            x[k] = origins[k, p]
            f[k] = targets[k, p]
            finite = finite and abs(f[k]) < HUGE
        projected[p] = False
        if not finite:
            bad += 1
            cells[p] = -1
            continue
        resting = 0  # walls met without moving
        for step in range(limit):
            frame = frames[c]
            slack = frame[d + 1, 0]
            _barycentric(frame, f, bf, size)
            exit_facet = -1
            first = 2.0
            outside = False
            for i in range(d + 1):
                outside = outside or bf[i] < -slack
            if not outside:
                break
            _barycentric(frame, x, bx, size)
            for i in range(d + 1):
                if bf[i] < -slack:
                    s = max(bx[i], 0.0) / (max(bx[i], 0.0) - bf[i])
                    if s < first - 1e-13:
                        first, exit_facet = s, i
                    elif s <= first + 1e-13:
                        # Through an edge or a vertex: either will do; chance keeps the walk from going round in circles.
                        random ^= random << np.uint64(13)
                        random ^= random >> np.uint64(7)
                        random ^= random << np.uint64(17)
                        if random & np.uint64(1):
                            first, exit_facet = min(s, first), i
            other = neighbours[c, exit_facet]
            if other >= 0:
                c = other
                continue
            # A wall. On to it, then along it.
            if bx[exit_facet] > ON_FACET:
                resting = 0
            for k in range(d):
                w[k] = f[k] - x[k]
                if bx[exit_facet] > ON_FACET:
                    x[k] += first * w[k]
                    w[k] = f[k] - x[k]
            if bx[exit_facet] <= ON_FACET:
                # The segment may go on inside the domain through another cell about this point.
                count = _star(c, x, frames, neighbours, star, size)
                there = _open_to(star, count, x, w, frames, size)
                if there >= 0 and there != c and resting < 64:
                    c = there
                    resting += 1
                    continue
            if not projected[p]:
                projected[p] = True
                for k in range(d):
                    for m in range(d):
                        jacobian[p, k, m] = 1.0 if k == m else 0.0
            resting += 1
            if resting == 1:
                _normal(frame, exit_facet, n, d)
                _remove(w, n, w, d)
                for k in range(d):
                    for m in range(d):
                        project[k, m] = (1.0 if k == m else 0.0) - n[k] * n[m]
            else:
                for k in range(d):
                    w[k] = targets[k, p] - x[k]
                    for m in range(d):
                        jacobian[p, k, m] = 1.0 if k == m else 0.0
                there = -1
                if resting < 64:
                    count = _star(c, x, frames, neighbours, star, size)
                    there = _slide_at_corner(star, count, x, w, frames, neighbours, project, size)
                if there < 0:  # stuck in a corner
                    for k in range(d):
                        f[k] = x[k]
                        for m in range(d):
                            jacobian[p, k, m] = 0.0
                    break
                c = there
            for k in range(d):
                f[k] = x[k] + w[k]
                for m in range(d):
                    value = 0.0
                    for j in range(d):
                        value += project[k, j] * jacobian[p, j, m]
                    product[k, m] = value
            jacobian[p] = product
        else:
            for k in range(d):
                f[k] = x[k]
            if not projected[p]:
                projected[p] = True
            jacobian[p] = 0.0
        cells[p] = c
        _barycentric(frames[c], f, bf, size)
        total = 0.0
        for i in range(d + 1):
            bf[i] = max(bf[i], 0.0)
            total += bf[i]
        for i in range(d + 1):
            bary[p, i] = bf[i] / total
        for k in range(d):
            feet[k, p] = f[k]
    return bad
