"""Where layers have to be cut: at kinks, jumps and steep parts of a control, and where its jumps belong."""

from __future__ import annotations

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.flow.polynomials import Basis, gauss

#: into how many parts a layer is cut whose last coefficients carry a large share of their energy, or else into two; layers are
#: cut down to this share of the horizon, and if they have more than a share of the largest such energy
PARTS, SLOW, SHORTEST, SHARE = 4, 1e-4, 2e-6, 0.02
#: the smallest jump between layers, as a share of the control's largest value, that is taken for one of the optimal control
#: layers beside it are cut down to the second share of the horizon
JUMP, NEAR = 3e-3, 5e-3
#: a layer that is shorter than this share of the horizon may be made a jump
STEEP = 0.05


def cut(system: emfc.ParticleSystem, control: np.ndarray, aim: float) -> np.ndarray:
    """The ends of layers where those with the largest share of the error are cut.

    The energy `lambda int |.|^2 dt` of the last two Legendre coefficients of a layer stands for its share: of a smooth control it
    falls by powers of the length, at kinks and jumps by few of them, and there layers are cut into more parts.
    """
    space = system.controls
    nodes, weights = gauss(space.degree + 2)
    values = space.values(control, space.on_layers(nodes).ravel()).reshape(space.layers, len(nodes), -1)
    degrees = 2 * np.arange(space.degree + 1) + 1.0
    coefficients = np.einsum("nk,n,lnm->lkm", Basis(space.degree)(nodes) * degrees, weights, values)
    energies = np.einsum("l,k,m,lkm->lk", space.lengths, 1 / degrees, space.regulariser.penalties, coefficients**2)
    last = energies[:, -2:].sum(axis=1)
    chosen = (last > max(SHARE * last.max(), 1e-3 * aim)) & (space.lengths > SHORTEST * space.horizon)
    slow = last > SLOW * energies[:, 1:].sum(axis=1)
    beside = np.zeros(space.layers, dtype=bool)
    for n in _jumps(system, control):
        beside[n : n + 2] = True
    chosen, slow = chosen | (beside & (space.lengths > NEAR * space.horizon)), slow | beside
    times, saved = better_places(system, control)
    parts = [np.linspace(a, b, (PARTS if s else 2) + 1)[1:-1] for a, b, c, s in
             zip(space.ends[:-1], space.ends[1:], chosen, slow, strict=True) if c]  # fmt: skip
    parts += [np.array(times)] if saved > 1e-3 * aim else []
    ends = np.unique(np.concatenate([space.ends, *parts]))
    return ends[np.concatenate([[True], np.diff(ends) > 1e-8 * space.horizon])]


def _ends(system: emfc.ParticleSystem, control: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The control at the start and at the end of every layer, `(layers, m)` in the penalty's metric, and its largest value."""
    space = system.controls
    scale = np.sqrt(space.regulariser.penalties)
    starts = scale * space.values(control, space.ends[:-1])
    ends = scale * space.values(control, space.ends[1:] - 1e-9 * space.lengths)
    inside = scale * space.values(control, np.linspace(0.0, space.horizon, 200))
    return starts, ends, max(float(np.abs(inside).max()), 1e-300)


def _jumps(system: emfc.ParticleSystem, control: np.ndarray) -> np.ndarray:
    """The layers at whose ends the control jumps by more than a share of its range."""
    starts, ends, largest = _ends(system, control)
    return np.flatnonzero(np.abs(starts[1:] - ends[:-1]).max(axis=1) > JUMP * largest)


def _steep(system: emfc.ParticleSystem, control: np.ndarray) -> np.ndarray:
    """The short layers, between others, on which the control changes as if it jumped."""
    starts, ends, largest = _ends(system, control)
    steep = np.abs(ends - starts).max(axis=1) > JUMP * largest
    steep &= system.controls.lengths < STEEP * system.controls.horizon
    return np.flatnonzero(steep[1:-1]) + 1


def _held(system: emfc.ParticleSystem, control: np.ndarray, layer: int, time: float) -> np.ndarray:
    """The control with the value at a time on a whole layer."""
    out, space = control.copy(), system.controls
    out[layer] = space.constant(space.values(control, np.array([time])))[0]
    return out


def _shifted(system: emfc.ParticleSystem, control: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The control with the jump at the end of layer n moved by a whole layer: to its start or to the end of the next."""
    space = system.controls
    end, before = space.ends[n + 1], space.ends[n + 1] - 1e-9 * space.lengths[n]
    return _held(system, control, n, end), _held(system, control, n + 1, before)


def _sharpened(system: emfc.ParticleSystem, control: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The control with the value of the layer before, or of the layer after, on layer n."""
    space = system.controls
    before = space.ends[n] - 1e-9 * space.lengths[n - 1]
    return _held(system, control, n, before), _held(system, control, n, space.ends[n + 1])


def jumps_moved(system: emfc.ParticleSystem, control: np.ndarray) -> np.ndarray:
    """The control with jumps moved by whole layers, and steep layers made jumps, as long as this lowers the cost.

    It is the same object if nothing does.

    Where the Hamiltonian has two minima in theta, a descent lets every short layer stay at its own one. A jump is then a
    critical point wherever it is, although only one place is optimal.
    """
    best, least = control, system.cost(control).total
    for _ in range(4 * PARTS):
        before = least
        places = [(_shifted, n) for n in _jumps(system, best)] + [(_sharpened, n) for n in _steep(system, best)]
        for change, n in places:
            for trial in change(system, best, n):
                cost = system.cost(trial).total
                if cost < least:
                    best, least = trial, cost
        if not least < before:
            break
    return best


def better_places(system: emfc.ParticleSystem, control: np.ndarray) -> tuple[list[float], float]:
    """Better times for the jumps, from parabolas through the costs with jumps moved by a layer, and what they save in all."""
    space, here = system.controls, system.cost(control).total
    times, saved = [], 0.0
    for n in _jumps(system, control):
        a, b = -space.lengths[n], space.lengths[n + 1]
        left, right = ((system.cost(trial).total - here) for trial in _shifted(system, control, n))
        curvature = (right / b - left / a) / (b - a)
        slope = left / a - curvature * a
        if curvature > 0 and a < -slope / (2 * curvature) < b:
            times.append(float(space.ends[n + 1] - slope / (2 * curvature)))
            saved += slope**2 / (4 * curvature)
        else:
            saved += abs(min(left, right, 0.0))
    return times, saved
