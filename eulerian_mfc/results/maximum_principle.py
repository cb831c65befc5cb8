"""The check of a control by the maximum principle: a plain record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class MaximumPrinciple:
    """The check of a control by the maximum principle.

    Attributes
    ----------
    hamiltonian : `(layers,)` H at the start of every layer, at the layer's own control.
    excess : `(layers,)` `max_theta H - H(theta_n)` for the discrete Hamiltonians, as means over the layer: zero if the control is
        the maximiser. The maximum is sought from many starts, so that this is a lower bound.
    maximiser : `(layers, m)` where the maximum was found.
    drift : largest change of H over time, relative to the sum of the sizes of its parts; None for fields that depend on time.
    starts : number of controls from which the maximum was sought on each layer.
    sigma : `(steps + 1, R, d, *shape)` covectors of every field, at the nodes.
    sigma_gap : largest over time of `int |sigma + grad psi| dmu / int |sigma| dmu`, sums over fields (`|m_r|` for mu).
    size : the scale of the excess: the larger of `max |H|` and the penalty per unit of time of a control of natural size (see
        `scales`). The second does not vanish if the optimal control is zero.
    """

    hamiltonian: np.ndarray
    excess: np.ndarray
    maximiser: np.ndarray
    drift: float | None
    starts: int
    sigma: np.ndarray
    sigma_gap: float
    size: float

    def sentences(self) -> list[str]:
        """The findings in words."""
        worst = int(self.excess.argmax())
        holds = self.excess[worst] <= 1e-6 * self.size
        return [
            f"The maximum principle: from {self.starts} starts no layer has a better control (to {self.excess[worst]:.1e})."
            if holds
            else f"The maximum principle fails: on layer {worst} another control, {self.maximiser[worst].round(4).tolist()}, "
            f"has a Hamiltonian larger by {self.excess[worst]:.2e}.",
            f"The covectors sigma and -grad psi differ by {self.sigma_gap:.1e} (relative, in the mean).",
            *([] if self.drift is None else [f"The Hamiltonian changes by {self.drift:.1e} (relative) over time."]),
        ]
