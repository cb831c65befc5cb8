"""Random controls, of sizes that a minimiser may have, as starts of many runs."""

from __future__ import annotations

import numpy as np

from .._validate import integer
from ..errors import NonFiniteError
from ..system.controlled import ControlledSystem
from ..system.particles import ParticleSystem

#: lower limit of the size of random controls, relative to the natural size: the bound by the cost may be zero
SMALLEST = 0.01


def _available(system: ControlledSystem) -> float:
    """An upper bound of `J(0) - inf J`: the modulus of the cost at the control nearest to zero (`inf J` is taken as zero).

    If the field is singular at this control, it is the cost of states that do not move.
    """
    zero = system.controls.project(system.controls.coerce(0.0))
    try:
        with np.errstate(all="ignore"):
            return abs(system.cost(zero).total)
    except NonFiniteError:
        twin = system
        if not isinstance(twin, ParticleSystem):
            twin = ParticleSystem(system.problem, system.grid, **system.layer_options)
        return abs(twin.cost_at_rest(zero).total)


def random_controls(system: ControlledSystem, count: int, seed: int = 0) -> list[np.ndarray]:
    """Random controls `(layers, m)`: every second is independent from layer to layer, the others are constant or smooth in time.

    A minimiser has `lambda/2 int |theta|^2 dt <= J(0) - inf J`, which bounds the root mean square of each parameter. The root
    mean squares of the random controls are uniform up to twice this bound, with `inf J` taken as zero (or up to a hundredth of
    the natural sizes, if these are larger; see `scales`). If bounds exclude the control 0, the nearest control replaces it. If
    the field is singular there, J(0) is the cost of states that do not move.

    Parameters
    ----------
    system : the discrete problem, which defines the layers, the parameters and the bound.
    count : number of controls.
    seed : an integer >= 0.

    Raises
    ------
    ArgumentError
        If `count` or `seed` is not such an integer.

    References
    ----------
    The bound: docs/theory/penalties.md.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> mesh = emfc.CartesianMesh([(-4.0, 4.0)], cells=40)
    >>> [c.shape for c in random_controls(emfc.OptimalitySystem(problem, mesh, layers=3), 2)]
    [(3, 2), (3, 2)]
    """
    integer("seed", seed, minimum=0)
    largest = np.maximum(2.0 * system.controls.largest_worth(_available(system)), SMALLEST * system.natural_sizes)
    return system.controls.random(count, seed, largest)
