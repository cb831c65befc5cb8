"""Controls that move a compact set to its image under a map, for penalties that fall to zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .._validate import array, integer, mismatch, positive
from ..laws import Labelled, LabelledRule, Rule, Uniform, UniformBall, refined_rule
from .continuation import PENALTIES, STEPS, checked_penalties, continued, random_start
from .dynamics import DYNAMICS, Dynamics, transfer_of
from .maps import Map, as_region, check_orientation, image
from .steering import Steering, steering_of

#: if a penalised problem of a map is not solved, its mean square must at least fall to this share of the one before
FALL = 0.5
#: relative error of the mean square that is accepted from the region's own quadrature rule
RESOLVED = 1e-3


def learn_map(
    target: Callable[[np.ndarray], np.ndarray],
    region: object,
    dynamics: Dynamics = DYNAMICS,
    *,
    samples: int | None = None,
    tolerance: float = 1e-3,
    penalties: Sequence[float] = PENALTIES,
    initial: object = None,
    seed: int = 0,
) -> Steering:
    """A control whose flow is close to a map on a compact set: `steer` for a continuum of points.

    `int |Phi_u(x) - Psi(x)|^2 dmu + lambda/2 int |u|^2 dt`, with mu uniform on the region, is minimised for falling lambda,
    and the last control is returned. The continuation ends early if a penalised problem is not solved and its mean square is
    above half of the one before: then the fields cannot follow the map, and `message` says so. `sup_error` computes the error
    in the maximum norm.

    Parameters
    ----------
    target : the map Psi, a function `(n, d) -> (n, d)`.
    region : `laws.UniformBall(centre, radius)`, `laws.Uniform(bounds)`, or the bounds alone.
    dynamics : the field, by default AgrachevSarychevField(d), and its layers.
    samples : number of random points of the region; by default the points of a quadrature rule that resolves the target.
    initial : the first control `(layers, m)`; random by default.
    tolerance, penalties : as for `steer`.
    seed : the seed of the random first control, and of the samples.

    Warns
    -----
    DiffeotopyWarning
        If the target is not diffeotopic to the identity, see `check_orientation`.

    Raises
    ------
    ArgumentError
        For a target, a region or options that are not of these kinds.

    References
    ----------
    A. A. Agrachev, A. V. Sarychev, Control on the manifolds of mappings with a view to the deep learning,
    J. Dyn. Control Syst. 28 (2022), 989-1008, doi:10.1007/s10883-021-09561-2.

    Examples
    --------
    A shift of the interval [-1, 1] by a quarter.

    >>> from eulerian_mfc.controllability import Dynamics, learn_map, sup_error
    >>> shift = lambda x: x + 0.25
    >>> found = learn_map(shift, [(-1, 1)], Dynamics(layers=2))
    >>> found.reached, bool(sup_error(found, shift, [(-1, 1)]).value < 1e-3)
    (True, True)
    """
    compact = as_region(region)
    check_orientation(target, compact)
    if samples is None:
        rule = _resolved(compact, target)
        x, w = rule.x, rule.w
    else:
        x = compact.sample(integer("samples", samples), seed)
        w = np.full(samples, 1.0 / samples)
    transfer = transfer_of(np.asfortranarray(x), image(target, x), w, dynamics)
    first = random_start(transfer, seed)
    if initial is not None:
        first = array("initial", initial, ndim=2)
        if first.shape != (transfer.layers, transfer.flow.field.parameters):
            shape = (transfer.layers, transfer.flow.field.parameters)
            raise mismatch("initial", f"an array of shape {first.shape}", f"the shape (layers, parameters) = {shape}")
    control, path, message = continued(transfer, first, checked_penalties(penalties), 4 * STEPS, FALL)
    return steering_of(transfer, control, positive("tolerance", tolerance), path, message)


def _resolved(compact: Uniform | UniformBall, target: Map) -> Rule | LabelledRule:
    """The region's own rule if it resolves the target, otherwise a refined rule."""
    law = Labelled(compact, lambda points: image(target, points))
    square = lambda points, goals: ((points - goals) ** 2).sum(axis=1)  # noqa: E731
    own = compact.quadrature()
    here = float(own.w @ square(own.x, image(target, own.x)))
    found = refined_rule(law, square, RESOLVED / 10 * here, len(own.w))
    return own if abs(found.integral - here) <= RESOLVED * here else found.rule
