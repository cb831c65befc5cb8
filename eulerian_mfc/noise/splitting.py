"""A layer with noise as compositions of flows without noise and Gaussian steps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validate import choice
from ..flow.layer_map import SPLITTINGS
from ..flow.layers import Layer
from .intensity import Noise

#: (weight, number of equal parts) of the chains of a substep, by order: the weighted sum removes the error of order 2
CHAINS = {2: ((1.0, 1),), 4: ((4.0 / 3.0, 2), (-1.0 / 3.0, 1))}

#: a piece of the flow without noise, or the variances `(d,)` of a Gaussian step
Factor = Layer | np.ndarray


class Chain(NamedTuple):
    """Factors that act one after the other, in the order of time, and the weight of the result.

    Attributes
    ----------
    weight : the weight; those of all chains of a substep sum to 1.
    factors : the factors.
    """

    weight: float
    factors: tuple[Factor, ...]


class Splitting:
    """The substeps of a layer with noise: Gaussian steps around flows without noise, symmetric in time (Strang).

    With `H(v)` a Gaussian step of variance v and `A(h)` the flow of a piece of length h, a substep of order 2 is
    `S(h) = H(v/2) A(h) H(v/2)`, and one of order 4 is `(4 S(h/2) S(h/2) - S(h)) / 3`: S is symmetric, so its error is even in h.
    The weighted sum conserves mass and stays exactly adjoint, but has a negative weight.

    Parameters
    ----------
    noise : the intensity of the noise.
    substeps : substeps per layer.
    order : 2 or 4.

    Raises
    ------
    ArgumentError
        For another order.

    References
    ----------
    G. Strang, On the construction and comparison of difference schemes, SIAM J. Numer. Anal. 5 (1968), 506-517,
    doi:10.1137/0705041; extrapolation: E. Hairer, C. Lubich, G. Wanner, Geometric Numerical Integration, Springer 2006, II.4.

    Examples
    --------
    >>> from eulerian_mfc.noise import noise_of
    >>> splitting = Splitting(noise_of(1.0, 1, 1.0), substeps=1, order=2)
    >>> chain, = splitting.of(Layer(0.0, 1.0, np.zeros(1)))[0]
    >>> chain.factors[0].tolist(), chain.factors[1].length, chain.factors[2].tolist()
    ([0.5], 1.0, [0.5])
    """

    def __init__(self, noise: Noise, substeps: int, order: int) -> None:
        self.noise, self._substeps = noise, substeps
        self._chains = CHAINS[choice("splitting", order, SPLITTINGS)]

    def of(self, layer: Layer) -> list[list[Chain]]:
        """Per substep of a layer, in the order of time, its chains."""
        share = 1.0 / self._substeps
        return [
            [Chain(weight, self._chain(layer.part(n * share, share), parts)) for weight, parts in self._chains]
            for n in range(self._substeps)
        ]

    def _chain(self, layer: Layer, parts: int) -> tuple[Factor, ...]:
        out: list[Factor] = []
        waiting = np.zeros(1)
        for n in range(parts):
            piece = layer.part(n / parts, 1.0 / parts)
            middle, end = piece.start + 0.5 * piece.length, piece.start + piece.length
            out += [waiting + self.noise.variance(piece.start, middle), piece]
            waiting = self.noise.variance(middle, end)
        return (*out, waiting)
