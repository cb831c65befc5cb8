"""Settings of adaptive refinement: which cells are chosen, and when to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._validate import fail, integer, positive


@dataclass(frozen=True)
class Refine:
    """Goal-oriented refinement for `solve(..., adapt=Refine(...))`.

    Parameters
    ----------
    target : refinement stops when the estimated error of the cost is below this, in units of the cost. It goes on if the sign
        of the estimate has just changed, since the estimate may then be small by accident.
    max_cells : refinement stops in any case before a mesh has more cells than this.
    share : the refined cells carry this share of the sum of the cells' indicators, in (0, 1].
    max_rounds : largest number of solves.
    report : called with one line of text per round; `print` by default, None for silence.

    Raises
    ------
    ArgumentError
        If a number is out of range, or `report` is not a function.

    References
    ----------
    W. Doerfler, A convergent adaptive algorithm for Poisson's equation, SIAM J. Numer. Anal. 33 (1996), 1106-1124,
    doi:10.1137/0733054 (the choice of cells); R. Becker, R. Rannacher, An optimal control approach to a posteriori error
    estimation in finite element methods, Acta Numerica 10 (2001), 1-102, doi:10.1017/S0962492901000010 (the weights).

    Examples
    --------
    >>> import numpy as np
    >>> from eulerian_mfc.meshes import Refine
    >>> Refine(share=0.6, report=None).marked(np.array([1.0, 5.0, 4.0])).tolist()
    [1, 2]
    """

    target: float = 1e-4
    max_cells: int = 200_000
    share: float = 0.6
    max_rounds: int = 20
    report: Callable[[str], object] | None = print

    def __post_init__(self) -> None:
        positive("target", self.target)
        integer("max_cells", self.max_cells)
        integer("max_rounds", self.max_rounds)
        if not 0 < positive("share", self.share) <= 1:
            raise fail("share", self.share, "a number in (0, 1]")
        if self.report is not None and not callable(self.report):
            raise fail("report", self.report, "a function of one string, or None")

    def marked(self, indicators: np.ndarray) -> np.ndarray:
        """The fewest cells that together carry `share` of the sum of the indicators `(cells,)`."""
        order = np.argsort(-indicators, kind="stable")
        total = np.cumsum(indicators[order])
        count = int(np.searchsorted(total, self.share * total[-1])) + 1
        return order[:count]
