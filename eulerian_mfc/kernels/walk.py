"""Compiled kernels that walk through simplices along segments: they take arrays, never a mesh or a field.

A cell's frame `(d + 2, d)` holds its first vertex v and the gradients g_i of the barycentric coordinates 1 .. d, so that
`b_i(x) = g_i . (x - v)` and `b_0 = 1 - sum b_i`. The first entry of its last row is the round-off of these coordinates. Facet i
is opposite to vertex i; `neighbours[c, i]` is the cell beyond it, -1 at the boundary. Positions are contiguous rows `(d, n)`.
The dimension is the length of a tuple `size`, which is part of its type, so that the compiler unrolls the short loops.

Tolerances. `slack` is the round-off of a cell's barycentric coordinates: a point with coordinates above `-slack` is in the cell.
A position that was moved onto a facet is there only up to an error, so that the wider ON_FACET decides which facets it lies on.
"""

import numpy as np

from .compiling import njit

#: a position lies on a facet if its barycentric coordinate is below this plus ten times the round-off
ON_FACET = 1e-9
#: largest number of cells around one vertex that are examined
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
    """Fill `star` with the cells that contain x, and return their number.

    The search starts at the cell c and crosses only facets that contain x.
    """
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
            # A linear search is enough: a star usually has a few dozen cells.
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
    """The first cell of the star into which x can move along w, or -1.

    x can move into a cell if w does not point out of it through any of the facets on which x lies.
    """
    d = len(size)
    b = np.empty(d + 1)
    for j in range(count):
        frame = frames[star[j]]
        _barycentric(frame, x, b, size)
        free = True
        for i in range(d + 1):
            if b[i] <= ON_FACET + 10.0 * frame[d + 1, 0]:
                slope = _slope(frame, i, w, d)
                # A slope of the size of round-off is a motion along the facet. `trace` uses the slightly larger factor 5, so
                # that it does not send a point back through a facet that this test accepted.
                if slope < -4.0 * frame[d + 1, 0]:
                    free = False
                    break
        if free:
            return star[j]
    return -1


@njit()
def _remove(w, n, out, d):
    """Fill out with w minus its part along the unit vector n; return the squared length."""
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
    """The longest projection of w onto a wall through x (or, in space, onto the edge of two walls) along which x can move.

    Overwrites w with it, and `project` `(d, d)` with the projector; returns the cell in which to go on, or -1 if x is stuck.
    """
    # The projection of w onto the cone of the directions that stay in the mesh is the projection onto one of its faces: a wall,
    # or an edge of two walls. There are few of them, so that all are tried.
    d = len(size)
    # The unit normals of the walls through x. Coplanar facets are one wall, hence the comparison.
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
        # Only walls that w points out of hold x back.
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
            # The edge is orthogonal to both normals: the second one is made orthogonal to the first. Parallel walls have no edge.
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
    """Fill `u` with the velocity at a point x of the boundary: v, or the projection of v onto walls through x.

    `wall` is the facet of c on which x lies, or -1 if x may lie on several. Fills the projector `project` `(d, d)`; returns the
    cell in which to go on, or -1 if x is stuck, and whether v is not projected.
    """
    d = len(size)
    for k in range(d):
        u[k] = v[k]
        for m in range(d):
            project[k, m] = 1.0 if k == m else 0.0
    if wall >= 0:  # the usual case, inside one facet: no search is needed
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
    """Move x by `share` of the way to f, onto a facet, with the derivatives of x, `moved` `(d, d)`, and of the time, `late`.

    `state[0]` is the time, between 0 and 1. Derivatives are taken in the target. The time of arrival depends on the target too:
    its derivative follows from `n . dx = 0`, since x stays on the facet, with the normal n, when the target changes.
    """
    n = np.empty(d)
    _normal(frame, facet, n, d)
    tau = share * (1.0 - state[0])
    # First the derivative at a fixed time of arrival: that of u, and `-u late`, since a later start shortens this piece.
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
    # Then the change of the position by the change of the time of arrival.
    for k in range(d):
        for m in range(d):
            moved[k, m] += u[k] * late[m]


@njit()
def trace(starts, origins, targets, frames, neighbours, size, cells, feet, bary, projected, jacobian):
    """Walk from origins `(d, n)` in the cells `starts` to targets `(d, n)`, sliding along the boundary.

    Points move with the constant velocity v = target - origin for a unit of time. At the boundary they move with the projection
    of v onto the directions that do not leave the mesh (a projected dynamical system, continuous in v on convex domains).

    Fills, per point: `cells`, the last cell; `feet` `(d, n)`, the end of the walk; `bary` `(n, d + 1)`, its barycentric
    coordinates in that cell; `projected`, whether the point was held back by a wall; and, if so, `jacobian` `(n, d, d)`, the
    derivative of the foot in the target. Returns the number of targets that are not finite.
    """
    d = len(size)
    x, f, v, u = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    bx, bf = np.empty(d + 1), np.empty(d + 1)
    project, moved = np.empty((d, d)), np.empty((d, d))
    late, state = np.empty(d), np.empty(1)
    star = np.empty(STAR, dtype=np.int64)
    # A segment crosses every cell at most once; the factor leaves room for detours around edges and vertices.
    limit = 1000 + 4 * len(frames)
    bad = 0
    # Marsaglia's xorshift with a fixed seed: results are the same in every run.
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
            if not outside:  # the target lies in this cell
                break
            # The segment leaves the cell through the facet that it meets first, at the share b_i(x) / (b_i(x) - b_i(f)) of its
            # length. x stays where the segment began: so round-off does not grow from cell to cell.
            _barycentric(frame, x, bx, size)
            facet = -1
            first = 2.0
            for i in range(d + 1):
                # A facet along which the segment runs, up to round-off, is not an exit: where `_open_to` let a point pass, the
                # walk must go on.
                if bf[i] < -slack and bx[i] - bf[i] > 5.0 * slack:
                    share = max(bx[i], 0.0) / (max(bx[i], 0.0) - bf[i])
                    if share < first - 1e-13:
                        first, facet = share, i
                    elif share <= first + 1e-13:
                        # A tie: the segment leaves through an edge or a vertex, and both facets are right. A random choice
                        # prevents the walk from turning in circles around the edge for ever.
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
            # An event: x meets a wall, or it slides along a wall and comes to the end of the facet. Only now the derivative of
            # the foot differs from the identity, so that its arrays are set up at the first event.
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
            # One wall is known if x came from inside and lies on no other facet; otherwise all facets through x are searched.
            wall = facet if other < 0 and not sliding else -1
            _barycentric(frame, x, bx, size)
            for i in range(d + 1):
                if i != facet and bx[i] <= ON_FACET + 10.0 * slack:
                    wall = -1
            there, free = c, False
            if events > 200:  # a point that still slides back and forth in a corner is stopped
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
            # The rest of the way is (1 - time) u: its derivative is that of u, by the projector, and that of the time.
            for k in range(d):
                for m in range(d):
                    jacobian[p, k, m] = moved[k, m] + (1.0 - state[0]) * project[k, m] - u[k] * late[m]
        cells[p] = c
        _barycentric(frames[c], f, bf, size)
        # Negative coordinates are round-off: they are set to zero, and the sum to 1 again, so that weights stay convex.
        total = 0.0
        for i in range(d + 1):
            bf[i] = max(bf[i], 0.0)
            total += bf[i]
        for i in range(d + 1):
            bary[p, i] = bf[i] / total
        for k in range(d):
            feet[k, p] = f[k]
    return bad
