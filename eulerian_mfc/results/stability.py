"""The second-order analysis of a control: a plain record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: number of smallest eigenvalues that Lanczos computes, to count the negative ones
WANTED = 6
#: eigenvalues of the reduced Hessian up to this modulus count as zero, for exact products (True) and differences (False); the
#: penalty alone has the eigenvalue 1
DEGENERATE = {True: 1e-6, False: 1e-3}


@dataclass(frozen=True)
class Stability:
    """Second-order facts about a control; eigenvalues are dimensionless, and those of the penalty are 1.

    Attributes
    ----------
    hessian_smallest : smallest eigenvalue of the reduced Hessian, in the penalty's metric; infinity if bounds hold all entries.
    index : number of eigenvalues below -1e-6 (-1e-3 if products are differences); 6 means at least 6.
    shooting_eigenvalue : modulus of the dominant eigenvalue of undamped shooting's derivative, with the sign of its real part.
    shooting_largest : the largest real part of these eigenvalues; if it is 1 or more, shooting converges for no relaxation.
    layers_convex : whether every layer's Hamiltonian is strictly convex at the layer's control, as at the minima of shooting.
    exact : whether Hessian products are exact to round-off for the discrete cost.

    At a kink of the cost there are no second derivatives, see `AT_KINK`.

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
        """Whether the cost has second derivatives at the control."""
        return not np.isnan(self.hessian_smallest)

    @property
    def kind(self) -> str:
        """The kind of a critical point with this Hessian: strict local minimum, saddle point, degenerate; or at a kink."""
        if not self.known:
            return "critical point at a kink"
        if self.hessian_smallest > DEGENERATE[self.exact]:
            return "strict local minimum"
        if self.index > 0:
            return f"saddle point of index {self.index_in_words}"
        return "degenerate critical point"

    @property
    def index_in_words(self) -> str:
        """The index; "or more" if Lanczos did not compute further eigenvalues."""
        return f"{self.index}{' or more' if self.index == WANTED else ''}"


#: the stability of a control at a kink of the cost: second derivatives do not exist there
AT_KINK = Stability(np.nan, 0, np.nan, np.nan, False, False)
