"""Compiled kernels of finite volumes on simplices: they take arrays, never a mesh, a field or a law.

For each facet, `left` and `right` are its cells (right is -1 at the boundary), and `flux` is the normal velocity from left to
right times the area. The neighbours of cell c are `about[first[c]:first[c + 1]]`.
"""

from .compiling import njit


@njit()
def gradients(u, first, about, weights, out):
    """Least-squares gradients `(cells, d)` of averages u `(cells,)`; `weights` `(nnz, d)` are the fit's."""
    d = weights.shape[1]
    for c in range(len(u)):
        for k in range(d):
            out[c, k] = 0.0
        for j in range(first[c], first[c + 1]):
            difference = u[about[j]] - u[c]
            for k in range(d):
                out[c, k] += weights[j, k] * difference


@njit()
def limit(u, first, about, offsets, smooth, slopes):
    """Scale gradients so that values at the facets' centres stay between the averages of the cell and its neighbours.

    `offsets` `(cells, d + 1, d)` lead from centroids to facets' centres. The factor is that of Barth and Jespersen, or, with
    `smooth`, that of Venkatakrishnan without its threshold, which is smaller.
    """
    d = slopes.shape[1]
    for c in range(len(u)):
        low = u[c]
        high = u[c]
        for j in range(first[c], first[c + 1]):
            low = min(low, u[about[j]])
            high = max(high, u[about[j]])
        factor = 1.0
        for i in range(d + 1):
            change = 0.0
            for k in range(d):
                change += slopes[c, k] * offsets[c, i, k]
            room = high - u[c] if change > 0.0 else low - u[c]
            if change == 0.0:
                continue
            ratio = room / change
            if smooth:
                # (y^2 + 2y) / (y^2 + y + 2) tends to 1; written so that large y do not overflow.
                share = 1.0 if ratio > 1e8 else (ratio * ratio + 2.0 * ratio) / (ratio * ratio + ratio + 2.0)
            else:
                share = min(ratio, 1.0)
            factor = min(factor, share)
        for k in range(d):
            slopes[c, k] *= factor


@njit()
def upwind_step(u, slopes, linear, left, right, flux, to_left, to_right, scale, side, out, crossed):
    """Add a forward Euler step of length `scale` to the masses `out` `(cells,)`; mass that leaves is added to `crossed`.

    `to_left`, `to_right` `(facets, d)` lead from the centroids to the facet's centre. With `linear`, the values there are
    reconstructed with the slopes; otherwise they are the averages of the cells. For a boundary facet, `side` `(facets,)` is the
    index into `crossed`.
    """
    d = to_left.shape[1]
    for f in range(len(left)):
        v = flux[f]
        if v == 0.0:
            continue
        c = left[f] if v > 0.0 else right[f]
        value = u[c]
        if linear:
            for k in range(d):
                value += slopes[c, k] * (to_left[f, k] if v > 0.0 else to_right[f, k])
        moved = scale * v * value
        out[left[f]] -= moved
        if right[f] >= 0:
            out[right[f]] += moved
        else:
            crossed[side[f]] += moved
