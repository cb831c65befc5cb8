"""A pair of schemes with noise: every layer is a sum of compositions of the pair's own layers and of heat semigroups."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..flow.layers import Layer
from ..noise import HeatSemigroup, Splitting
from ..noise.splitting import Chain
from ..schemes import Measure, Pairing
from .pairs import LayerTangents, Pair, Step


class NoisyPair(Pair):
    """`m^{n+1} = A(theta, m^n)` for `dX = F dt + sigma dW`, from a pair without noise and heat semigroups.

    Sums of compositions of exactly adjoint maps are exactly adjoint: on an adjoint pair, mass, duality and the gradient of the
    discrete cost stay exact.

    Parameters
    ----------
    pair : the schemes without noise, whose layer map takes one step per piece.
    splitting : the substeps of a layer.
    spread : the heat semigroup of the masses.
    blur : the heat semigroup of the potentials.

    References
    ----------
    docs/noise.md; the Fokker-Planck equation: H. Risken, The Fokker-Planck Equation, Springer 1996.
    """

    def __init__(self, pair: Pair, splitting: Splitting, spread: HeatSemigroup, blur: HeatSemigroup) -> None:
        super().__init__(pair.transport, pair.continuity, pair.mesh)
        self._pair, self._splitting, self._spread, self._blur = pair, splitting, spread, blur
        self.adjoint = pair.adjoint

    # --- a layer

    def push(self, layer: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        met = np.zeros(len(masses))
        for chains in self._splitting.of(layer):
            ends = [self._pushed(chain, masses) for chain in chains]
            masses = summed(chains, [states[-1] for states, _ in ends])
            met = met + summed(chains, [crossed for _, crossed in ends])
        return masses, met

    def pull(self, layer: Layer, masses: np.ndarray, psi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        slope = np.zeros_like(layer.theta)
        for chains, states in reversed(list(zip(*self._forwards(layer, masses), strict=True))):
            pulled = [self._pulled(chain, kept, psi) for chain, kept in zip(chains, states, strict=True)]
            psi = summed(chains, [before for before, _ in pulled])
            slope += summed(chains, [part for _, part in pulled])
        return psi, slope

    def back(self, layer: Layer, psi: np.ndarray) -> np.ndarray:
        return self.through(layer, psi, self._pair.back)

    def through(self, layer: Layer, values: np.ndarray, step: Step) -> np.ndarray:
        for chains in reversed(self._splitting.of(layer)):
            values = summed(chains, [backwards(chain, values, step, self._blur)[0] for chain in chains])
        return values

    def pairing(self, psi: np.ndarray, masses: np.ndarray) -> Pairing:
        return NoisyPairing(self, psi, masses)

    @property
    def tangents(self) -> LayerTangents | None:
        inner = self._pair.tangents
        return None if inner is None else NoisyTangents(self._pair, inner, self._splitting, self._spread, self._blur)

    def noise_rate(self, t: float, psi: np.ndarray, masses: np.ndarray) -> float:
        return float(self.pairings(psi, self._spread.rate(self._splitting.noise.at(t) ** 2, masses)).sum())

    # --- chains

    def _forwards(self, layer: Layer, masses: np.ndarray) -> tuple[list[list[Chain]], list[list[list[np.ndarray]]]]:
        """The chains of all substeps, and the masses before every factor of every chain."""
        substeps, kept = self._splitting.of(layer), []
        for chains in substeps:
            states = [self._pushed(chain, masses)[0] for chain in chains]
            masses = summed(chains, [chain[-1] for chain in states])
            kept.append(states)
        return substeps, kept

    def _pushed(self, chain: Chain, masses: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """The masses before every factor and at the end, and those `(R,)` that met the boundary."""
        states, met = [masses], np.zeros(len(masses))
        for factor in chain.factors:
            if isinstance(factor, Layer):
                after, crossed = self._pair.push(factor, states[-1])
                met = met + crossed
            else:
                after = self._spread.masses(factor, states[-1])
            states.append(after)
        return states, met

    def _pulled(self, chain: Chain, states: list[np.ndarray], psi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        slope = np.zeros(1)
        for factor, masses in zip(reversed(chain.factors), reversed(states[:-1]), strict=True):
            if isinstance(factor, Layer):
                psi, part = self._pair.pull(factor, masses, psi)
                slope = slope + part
            else:
                psi = self._blur.potentials(factor, psi)
        return psi, slope

    # --- the law, functions against masses

    @property
    def points(self) -> np.ndarray:
        return self._pair.points

    def measure(self, masses: np.ndarray) -> Measure:
        return self._pair.measure(masses)

    def at_points(self, nodal: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        return self._pair.at_points(nodal, function)

    def pairings(self, psi: np.ndarray, masses: np.ndarray) -> np.ndarray:
        return self._pair.pairings(psi, masses)


class NoisyPairing(Pairing):
    """`layer -> sum_r <psi_r, m_r>` for the masses that a layer with noise has moved, and its derivative in theta.

    Parameters
    ----------
    pair : the schemes with noise.
    psi : `(R, *shape)`, potentials at the layer's end.
    masses : `(R, *mass_shape)`, at its start.
    """

    def __init__(self, pair: NoisyPair, psi: np.ndarray, masses: np.ndarray) -> None:
        self._pair, self._psi, self._masses = pair, psi, masses

    def __call__(self, layer: Layer) -> tuple[float, np.ndarray]:
        value = float(self._pair.pairings(self._psi, self._pair.push(layer, self._masses)[0]).sum())
        return value, self._pair.pull(layer, self._masses, self._psi)[1]


class NoisyTangents(LayerTangents):
    """The derivatives of a `NoisyPair`'s `push` and `pull` in theta, masses and potentials.

    Parameters
    ----------
    pair : the pair without noise.
    inner : its derivatives.
    splitting, spread, blur : as for `NoisyPair`.
    """

    def __init__(
        self, pair: Pair, inner: LayerTangents, splitting: Splitting, spread: HeatSemigroup, blur: HeatSemigroup
    ) -> None:
        self._pair, self._inner, self._splitting, self._spread, self._blur = pair, inner, splitting, spread, blur

    def prepared(self, psi: np.ndarray) -> np.ndarray:
        return psi

    def push(self, layer: Layer, dtheta: np.ndarray, masses: np.ndarray, dmasses: np.ndarray) -> np.ndarray:
        for chains in self._splitting.of(layer):
            ends = [self._pushed(chain, dtheta, masses, dmasses)[-1] for chain in chains]
            masses, dmasses = (summed(chains, [end[k] for end in ends]) for k in (0, 1))
        return dmasses

    def pull(
        self,
        layer: Layer,
        dtheta: np.ndarray,
        masses: np.ndarray,
        dmasses: np.ndarray,
        prepared: np.ndarray,
        dpsi: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        substeps, kept, psi = self._splitting.of(layer), [], prepared
        for chains in substeps:
            states = [self._pushed(chain, dtheta, masses, dmasses) for chain in chains]
            masses, dmasses = (summed(chains, [chain[-1][k] for chain in states]) for k in (0, 1))
            kept.append(states)
        change = np.zeros_like(layer.theta)
        for chains, states in zip(reversed(substeps), reversed(kept), strict=True):
            pulled = [
                self._pulled(chain, dtheta, along, psi, dpsi) for chain, along in zip(chains, states, strict=True)
            ]
            psi, dpsi = (summed(chains, [one[k] for one in pulled]) for k in (0, 1))
            change += summed(chains, [one[2] for one in pulled])
        return dpsi, change

    def _pushed(
        self, chain: Chain, dtheta: np.ndarray, masses: np.ndarray, dmasses: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Masses and their changes before every factor and at the end."""
        out = [(masses, dmasses)]
        for factor in chain.factors:
            masses, dmasses = out[-1]
            if isinstance(factor, Layer):
                moved = self._inner.push(factor, dtheta, masses, dmasses)
                out.append((self._pair.push(factor, masses)[0], moved))
            else:
                out.append((self._spread.masses(factor, masses), self._spread.masses(factor, dmasses)))
        return out

    def _pulled(
        self,
        chain: Chain,
        dtheta: np.ndarray,
        states: list[tuple[np.ndarray, np.ndarray]],
        psi: np.ndarray,
        dpsi: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The potentials at the chain's start, their change, and the change of the slope."""
        change, potentials = np.zeros(1), backwards(chain, psi, self._pair.back, self._blur)
        for k in range(len(chain.factors) - 1, -1, -1):
            factor, (masses, dmasses) = chain.factors[k], states[k]
            if isinstance(factor, Layer):
                prepared = self._inner.prepared(potentials[k + 1])
                dpsi, part = self._inner.pull(factor, dtheta, masses, dmasses, prepared, dpsi)
                change = change + part
            else:
                dpsi = self._blur.potentials(factor, dpsi)
        return potentials[0], dpsi, change


def backwards(chain: Chain, psi: np.ndarray, step: Step, blur: HeatSemigroup) -> list[np.ndarray]:
    """The potentials `(R, *shape)` before every factor of a chain and at its end, in the order of time.

    Parameters
    ----------
    chain : the factors.
    psi : `(R, *shape)`, the potentials at the end.
    step : a piece of the flow without noise, backwards.
    blur : the heat semigroup of the potentials.
    """
    out = [psi]
    for factor in reversed(chain.factors):
        after = out[-1]
        out.append(step(factor, after) if isinstance(factor, Layer) else blur.potentials(factor, after))
    return out[::-1]


def summed(chains: Sequence[Chain], values: Sequence[np.ndarray]) -> np.ndarray:
    """The weighted sum of the results of chains.

    Parameters
    ----------
    chains : with their weights.
    values : one result per chain.
    """
    if len(chains) == 1:
        return values[0]
    out = chains[0].weight * values[0]
    for chain, value in zip(chains[1:], values[1:], strict=True):
        out = out + chain.weight * value
    return np.asarray(out)
