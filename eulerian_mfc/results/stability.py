"""What second derivatives say of a control: a plain record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: smallest eigenvalues that Lanczos is asked for, to count the negative ones
WANTED = 6
#: eigenvalues of the reduced Hessian (1 for the penalty alone) within which a critical point counts as degenerate
DEGENERATE = {True: 1e-6, False: 1e-3}


@dataclass(frozen=True)
class Stability:
    """Second-order facts of a control; eigenvalues are dimensionless, the penalty's own being 1.

    Attributes
    ----------
    hessian_smallest : smallest eigenvalue of the reduced Hessian, in the penalty's metric; infinity where bounds hold all.
    index : number of eigenvalues below -1e-6 (-1e-3 where products are differenced); at least that many if it is 6.
    shooting_eigenvalue : the eigenvalue of largest modulus of undamped shooting's derivative, with the sign of its real part.
    shooting_largest : the largest real part: no relaxation converges where it is 1 or more.
    layers_convex : whether every layer's Hamiltonian is strictly convex at the layer's control, as shooting's minima are.
    exact : whether Hessian products are those of the discrete cost to round-off.

    At a kink of the cost there are no such facts, see `AT_KINK`.

    References
    ----------
    docs/theory/penalties.md.

    Examples
    --------
    >>> Stability(-0.5, 1, -1.5, 0.2, True, True).kind
    'saddle point of index 1'
    """

    hessian_smallest: float
    index: int
    shooting_eigenvalue: float
    shooting_largest: float
    layers_convex: bool
    exact: bool

    @property
    def known(self) -> bool:
        """Whether the cost has second derivatives there."""
        return not np.isnan(self.hessian_smallest)

    @property
    def kind(self) -> str:
        """What a critical point with this Hessian is: strict local minimum, saddle point, degenerate; or at a kink."""
        if not self.known:
            return "critical point at a kink"
        if self.hessian_smallest > DEGENERATE[self.exact]:
            return "strict local minimum"
        if self.index > 0:
            return f"saddle point of index {self.index_in_words}"
        return "degenerate critical point"

    @property
    def index_in_words(self) -> str:
        """The index, "or more" where Lanczos stopped counting."""
        return f"{self.index}{' or more' if self.index == WANTED else ''}"


#: of a control at a kink of the cost, or where only kinks explain its residual: second derivatives are of no use
AT_KINK = Stability(np.nan, 0, np.nan, np.nan, False, False)
