"""Compiled kernels of finite volumes on simplices: they take arrays, never a mesh, a field or a law.

For each facet, `left` and `right` are its cells (right is -1 at the boundary), and `flux` is the normal velocity from left to
right times the area. The neighbours of cell c are `about[first[c]:first[c + 1]]`.
"""

from functools import lru_cache

from .compiling import WithFormula, njit


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


@lru_cache
def limit(share_of):
    """The kernel `(u, first, about, offsets, slopes)` of a limiter, for its share of a ratio; uncompiled where that is.

    It scales gradients so that values at the facets' centres stay between the averages about the cell. `offsets`
    `(cells, d + 1, d)` lead from centroids to facets' centres.
    """

    def make(share):
        def limited(u, first, about, offsets, slopes):
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
                    factor = min(factor, share(room / change))
                for k in range(d):
                    slopes[c, k] *= factor

        return limited

    return WithFormula(make, share_of)


@njit()
def upwind_step(u, slopes, linear, facets, flux, scale, out, crossed):
    """Add a forward Euler step to masses `out` `(cells,)`: `scale` is its length; mass that leaves goes to `crossed`.

    `facets`: left, right, to_left, to_right and side. `to_left`, `to_right` `(facets, d)` lead from the centroids to the facet's
    centre; with `linear` the values there are reconstructed, else they are averages. `side` `(facets,)` is the entry of
    `crossed` of boundary facets.
    """
    left, right, to_left, to_right, side = facets
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
