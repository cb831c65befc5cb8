"""Second-order analysis of a control: the index of the reduced Hessian, and the eigenvalues of the shooting map.

Let `J''` be the Hessian of the discrete cost, `M = lambda dt` that of the penalty, and D the block diagonal of `J''`, one block
per layer (the Hessians of the discrete Hamiltonians). Then

* the reduced Hessian is `M^{-1/2} J'' M^{-1/2}` on the entries that no bound holds: the identity plus a compact map, whose
  eigenvalues do not depend on units;
* undamped shooting, `theta -> argmin H_n`, has the derivative `G' = 1 - D^{-1} J''` at its fixed points, since the gradient
  of layer n is that of H_n, whose masses and potentials depend only on the other layers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from ..results.stability import DEGENERATE, WANTED, Stability
from ..system.hamiltonian import LayerHamiltonian
from ..system.optimality import OptimalitySystem

#: up to this number of unknowns the Hessian is computed as a dense matrix, column by column
DENSE = 40
#: relative accuracy of Lanczos: most eigenvalues cluster at 1, and a higher accuracy there would need hundreds of products
_LANCZOS_TOLERANCE = 1e-3


def analyse(
    system: OptimalitySystem, control: np.ndarray, progress: Callable[[int], object] | None = None
) -> Stability:
    """The second-order facts of a control `(layers, m)`: a dense Hessian for few unknowns, Lanczos for many.

    Parameters
    ----------
    system : the discrete problem.
    control : `(layers, m)`.
    progress : called before every Hessian product with the number of products done.

    Raises
    ------
    NonFiniteError
        If a Hessian product meets NaN or infinity.

    References
    ----------
    R. B. Lehoucq, D. C. Sorensen, C. Yang, ARPACK Users' Guide, SIAM 1998, doi:10.1137/1.9780898719628 (Lanczos, Arnoldi).
    """
    _, gradient, hamiltonians = system.layer_updates(control)
    free = system.controls.conditions.strictly_free(control, gradient, system.natural_sizes).ravel()
    if not free.any():
        return Stability(np.inf, 0, 0.0, 0.0, True, True)
    hessian = system.hessian(control)
    size, count = control.size, int(free.sum())
    numbers = itertools.count()

    def product(v: np.ndarray) -> np.ndarray:
        if progress is not None:
            progress(next(numbers))
        whole = np.zeros(size)
        whole[free] = v
        return hessian.product(whole.reshape(control.shape)).ravel()[free]

    metric = np.sqrt(system.controls.gram).ravel()[free]
    blocks = layer_blocks(hamiltonians, control, free)
    convex = bool(np.linalg.eigvalsh(blocks).min() > 0)
    if count <= DENSE:
        matrix = np.stack([product(e) for e in np.eye(count)], axis=1)
        reduced = matrix / np.outer(metric, metric)
        smallest = np.linalg.eigvalsh((reduced + reduced.T) / 2)
        iteration = np.linalg.eigvals(np.linalg.solve(blocks, matrix))
    else:
        smallest, iteration = _krylov(product, metric, blocks, system.adjoint, convex)
    index = int((smallest < -DEGENERATE[hessian.exact]).sum())
    shooting = 1.0 - iteration
    dominant = shooting[np.abs(shooting).argmax()]
    return Stability(
        float(smallest.min()),
        index,
        float(np.copysign(np.abs(dominant), np.real(dominant))),
        float(np.real(shooting).max()),
        convex,
        hessian.exact,
    )


def layer_blocks(hamiltonians: Sequence[LayerHamiltonian], control: np.ndarray, free: np.ndarray) -> np.ndarray:
    """D on the k free entries, `(k, k)`: block diagonal, one block per layer.

    Parameters
    ----------
    hamiltonians : one per layer.
    control : the control.
    free : `(layers m,)` booleans, True for entries that no bound holds.
    """
    layers, m = len(control), control[0].size
    out = np.zeros((layers * m, layers * m))
    for n, h in enumerate(hamiltonians):
        out[n * m : (n + 1) * m, n * m : (n + 1) * m] = h.hessian(control[n])
    return out[np.ix_(free, free)]


def _krylov(
    product: Callable[[np.ndarray], np.ndarray], metric: np.ndarray, blocks: np.ndarray, adjoint: bool, convex: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Smallest eigenvalues of the reduced Hessian, and the extreme ones of `D^-1 J''`; if `convex`, D is positive definite."""
    from scipy.linalg import lu_factor, lu_solve
    from scipy.sparse.linalg import LinearOperator, eigs, eigsh

    count = len(metric)
    # A fixed start vector, so that a repeated call returns the same bits.
    start = np.random.default_rng(0).normal(size=count)
    options = {"tol": _LANCZOS_TOLERANCE, "v0": start, "ncv": min(count, 12), "return_eigenvectors": False}
    reduced = LinearOperator((count, count), matvec=lambda v: product(v.ravel() / metric) / metric, dtype=np.float64)
    # Without an adjoint pair the matrix of the products is not symmetric.
    find, end = (eigsh, "SA") if adjoint else (eigs, "SR")
    smallest = np.real(find(reduced, k=1, which=end, **options))
    if smallest[0] < DEGENERATE[False]:
        smallest = np.real(find(reduced, k=WANTED, which=end, **{**options, "tol": 1e-6, "ncv": min(count, 30)}))
    if adjoint and convex:
        inverse = np.linalg.inv(np.linalg.cholesky(blocks))
        scaled = LinearOperator(
            (count, count), matvec=lambda v: inverse @ product(inverse.T @ v.ravel()), dtype=np.float64
        )
        return smallest, eigsh(scaled, k=2, which="BE", **options)
    factors = lu_factor(blocks)
    shooting = LinearOperator(
        (count, count), matvec=lambda v: v.ravel() - lu_solve(factors, product(v.ravel())), dtype=np.float64
    )
    ends = [eigs(shooting, k=1, which=which, **options) for which in ("LM", "LR")]
    return smallest, 1.0 - np.concatenate(ends)
