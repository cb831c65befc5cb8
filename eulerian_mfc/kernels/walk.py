"""Compiled kernels that walk through simplices along segments: they see arrays, never a mesh or a field.

A cell's frame `(d + 2, d)` holds its first vertex, the gradients of the barycentric coordinates 1 .. d, so that
`b_i(x) = g_i . (x - v)` and `b_0 = 1 - sum b_i`, and first in its last row the round-off of these. Facet i lies opposite
to vertex i; `neighbours[c, i]` is the cell beyond it, -1 at the boundary. Positions arrive as `(d, n)` contiguous rows.
The dimension arrives as the length of a tuple, which is part of its type: the compiler then unrolls the short loops.
"""

import numpy as np

from .compiling import njit

#: barycentric coordinates below this, and ten times their round-off, count as zero where a position on a facet is looked at
ON_FACET = 1e-9
#: cells about one vertex that are looked at
STAR = 512
HUGE = 1e300


@njit(inline="always")
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


@njit()
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


@njit()
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


@njit()
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
        near = ON_FACET + 10.0 * frames[cell, d + 1, 0]
        _barycentric(frames[cell], x, b, size)
        for i in range(d + 1):
            other = neighbours[cell, i]
            if other < 0 or b[i] > near or count == len(star):
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


@njit()
def _open_to(star, count, x, w, frames, size):
    """The first cell of the star into which x may move along w, or -1."""
    d = len(size)
    b = np.empty(d + 1)
    for j in range(count):
        frame = frames[star[j]]
        _barycentric(frame, x, b, size)
        free = True
        for i in range(d + 1):
            if b[i] <= ON_FACET + 10.0 * frame[d + 1, 0]:
                slope = _slope(frame, i, w, d)
                if slope < -4.0 * frame[d + 1, 0]:
                    free = False
                    break
        if free:
            return star[j]
    return -1


@njit()
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


@njit()
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
            if neighbours[star[j], i] < 0 and b[i] <= ON_FACET + 10.0 * frames[star[j], d + 1, 0] and found < STAR:
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
                            project[k, m] = (1.0 if k == m else 0.0) - walls[a, k] * walls[a, m] - normal[k] * normal[m]
    w[:] = chosen
    return cell


@njit()
def _direct(c, x, v, wall, frames, neighbours, star, u, project, size):
    """The velocity `u` at a point x of the boundary that is to move by v: v, or its projection onto walls about x.

    `wall` is the facet of c that x lies on, -1 if x may lie on several. Fills `project` `(d, d)`; returns the cell to go on
    in, -1 where x is stuck, and whether v is free.
    """
    d = len(size)
    for k in range(d):
        u[k] = v[k]
        for m in range(d):
            project[k, m] = 1.0 if k == m else 0.0
    if wall >= 0:
        n = np.empty(d)
        _normal(frames[c], wall, n, d)
        _remove(v, n, u, d)
        for k in range(d):
            for m in range(d):
                project[k, m] -= n[k] * n[m]
        return c, False
    count = _star(c, x, frames, neighbours, star, size)
    there = _open_to(star, count, x, v, frames, size)
    if there >= 0:
        return there, True
    there = _slide_at_corner(star, count, x, u, frames, neighbours, project, size)
    if there < 0:
        project[:] = 0.0
        u[:] = 0.0
    return there, False


@njit()
def _advance(frame, facet, share, u, project, x, f, moved, late, state, d):
    """Move x by `share` of the way to f, onto a facet, with its derivative `moved` `(d, d)` and that of the time, `late`.

    `state[0]` is the time. The facet fixes when it is reached: `n . dx = 0` for the event's position.
    """
    n = np.empty(d)
    _normal(frame, facet, n, d)
    tau = share * (1.0 - state[0])
    along = 0.0
    for k in range(d):
        along += n[k] * u[k]
        x[k] += share * (f[k] - x[k])
        for m in range(d):
            moved[k, m] += tau * project[k, m] - u[k] * late[m]
    state[0] += tau
    for m in range(d):
        late[m] = 0.0
        for k in range(d):
            late[m] -= n[k] * moved[k, m]
        late[m] = late[m] / along if along > 1e-300 else 0.0
    for k in range(d):
        for m in range(d):
            moved[k, m] += u[k] * late[m]


@njit()
def trace(starts, origins, targets, frames, neighbours, size, cells, feet, bary, projected, jacobian):
    """Walk from origins `(d, n)` in the cells `starts` to targets `(d, n)`, sliding along the boundary where it is met.

    Points move with the constant velocity v = target - origin for a unit of time; at the boundary with the projection of v
    onto the directions that are open there (a projected dynamical system, continuous in v on convex domains).

    Fills, a point each: `cells`, the last cell; `feet` `(d, n)`, the place reached; `bary` `(n, d + 1)`, its barycentric
    coordinates there; `projected`, whether a wall was met, and where so `jacobian` `(n, d, d)`, the derivative of the foot
    in the target. Returns the number of targets that are not finite.
    """
    d = len(size)
    x, f, v, u = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    bx, bf = np.empty(d + 1), np.empty(d + 1)
    project, moved = np.empty((d, d)), np.empty((d, d))
    late, state = np.empty(d), np.empty(1)
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
        sliding = False
        events = 0
        for _ in range(limit):
            frame = frames[c]
            slack = frame[d + 1, 0]
            _barycentric(frame, f, bf, size)
            outside = False
            for i in range(d + 1):
                outside = outside or bf[i] < -slack
            if not outside:
                break
            _barycentric(frame, x, bx, size)
            facet = -1
            first = 2.0
            for i in range(d + 1):
                # Facets that the segment runs along, to round-off, are no exits: what `_open_to` lets pass must get on.
                if bf[i] < -slack and bx[i] - bf[i] > 5.0 * slack:
                    share = max(bx[i], 0.0) / (max(bx[i], 0.0) - bf[i])
                    if share < first - 1e-13:
                        first, facet = share, i
                    elif share <= first + 1e-13:
                        # Through an edge or a vertex: either will do; chance keeps the walk from going round in circles.
                        random ^= random << np.uint64(13)
                        random ^= random >> np.uint64(7)
                        random ^= random << np.uint64(17)
                        if random & np.uint64(1):
                            first, facet = min(share, first), i
            if facet < 0:
                break
            other = neighbours[c, facet]
            if other >= 0 and not sliding:
                c = other
                continue
            # A wall is met, or x slides along one and comes to its end.
            if events == 0:
                state[0] = 0.0
                late[:] = 0.0
                moved[:] = 0.0
                for k in range(d):
                    v[k] = f[k] - x[k]
                    u[k] = v[k]
                    for m in range(d):
                        project[k, m] = 1.0 if k == m else 0.0
            events += 1
            if first > 1e-15:
                _advance(frame, facet, first, u, project, x, f, moved, late, state, d)
            wall = facet if other < 0 and not sliding else -1
            _barycentric(frame, x, bx, size)
            for i in range(d + 1):
                if i != facet and bx[i] <= ON_FACET + 10.0 * slack:
                    wall = -1
            there, free = c, False
            if events > 200:
                u[:] = 0.0
                project[:] = 0.0
                there = -1
            else:
                there, free = _direct(c, x, v, wall, frames, neighbours, star, u, project, size)
            projected[p] = projected[p] or not free
            sliding = not free
            for k in range(d):
                f[k] = x[k] + (1.0 - state[0]) * u[k]
            if there < 0:
                break
            c = there
        if projected[p]:
            for k in range(d):
                for m in range(d):
                    jacobian[p, k, m] = moved[k, m] + (1.0 - state[0]) * project[k, m] - u[k] * late[m]
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
