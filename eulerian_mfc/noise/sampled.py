"""Points that a field and noise move: sampled paths of the stochastic equation, the same ones for every control."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..fields import Field
from ..flow.flow_of_field import Flow
from ..flow.layer_map import LayerMap, Pull
from ..flow.layers import Layer
from .intensity import Noise


class SampledFlow(NamedTuple):
    """`dX = F dt + sigma dW` by half Gaussian steps around every substep of the layer map.

    A point's random numbers depend on the seed, the time and its place in the array only: different controls see the same
    Brownian paths (common random numbers). Expectations have the order 2 in the substep's length, and with the layer map "euler"
    the order 1, as the method of Euler and Maruyama has.

    Attributes
    ----------
    flow : the field with its layer map.
    noise : the intensity of the noise.
    seed : an integer >= 0.

    References
    ----------
    P. E. Kloeden, E. Platen, Numerical Solution of Stochastic Differential Equations, Springer 1992; additive noise and symmetric
    splittings: B. Leimkuhler, C. Matthews, Molecular Dynamics, Springer 2015.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> flow = emfc.flow.Flow(emfc.fields.AffineField(1), emfc.LayerMap("rk4"))
    >>> sampled = SampledFlow(flow, emfc.noise.noise_of(0.5, 1, 1.0), seed=0)
    >>> x = sampled(emfc.flow.Layer(0.0, 1.0, np.zeros(2)), np.zeros((10_000, 1)))
    >>> bool(abs(x.std() - 0.5) < 0.01)
    True
    """

    flow: Flow
    noise: Noise
    seed: int = 0

    @property
    def field(self) -> Field:
        """The field F."""
        return self.flow.field

    @property
    def layer_map(self) -> LayerMap:
        """The layer map."""
        return self.flow.layer_map

    @property
    def random(self) -> bool:
        """Whether points move at random: they do."""
        return True

    def seeded(self, seed: int) -> SampledFlow:
        """The same equation with the Brownian paths of a seed."""
        return self._replace(seed=seed)

    def __call__(self, layer: Layer, x: np.ndarray) -> np.ndarray:
        one, rng = self._one_step, self._generator(layer)
        for piece in self._pieces(layer):
            x = one(piece, x + self._step(rng, piece, 0.0, x.shape))
            x = x + self._step(rng, piece, 0.5, x.shape)
        return x

    def trace(self, layer: Layer, x: np.ndarray) -> tuple[np.ndarray, Pull]:
        """`(n, d)` end points, and the transposed derivatives there; see `LayerMap.trace`."""
        one, rng, pulls = self._one_step, self._generator(layer), []
        for piece in self._pieces(layer):
            x, pull = one.trace(piece, x + self._step(rng, piece, 0.0, x.shape))
            x = x + self._step(rng, piece, 0.5, x.shape)
            pulls.append(pull)

        def pulled(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            slope = np.zeros_like(layer.theta)
            for pull in reversed(pulls):
                p, part = pull(p)
                slope += part
            return p, slope

        return x, pulled

    @property
    def _one_step(self) -> Flow:
        return self.flow._replace(layer_map=self.layer_map.with_substeps(1))

    def _pieces(self, layer: Layer) -> list[Layer]:
        share = 1.0 / self.layer_map.substeps
        return [layer.part(n * share, share) for n in range(self.layer_map.substeps)]

    def _generator(self, layer: Layer) -> np.random.Generator:
        return np.random.default_rng([self.seed, int(np.float64(layer.start).view(np.uint64))])

    def _step(self, rng: np.random.Generator, piece: Layer, begin: float, shape: tuple[int, ...]) -> np.ndarray:
        """A Gaussian step for the half of a piece that begins after a share of it."""
        start = piece.start + begin * piece.length
        deviation = np.sqrt(self.noise.variance(start, start + 0.5 * piece.length))
        return np.asarray(deviation * rng.standard_normal(shape))
