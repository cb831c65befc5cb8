"""The error of a control in time: how much a control of higher degree on the same layers, or on halved layers, would save."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..control.bounds import put_on
from ..control.curves import Curves
from ..control.space import ControlSpace
from ..errors import NonFiniteError
from ..flow.polynomials import HIGHEST, Basis, gauss
from ..flow.resolution import as_layer_map
from ..results.time_resolution import unresolved_in_time
from ..solvers import Outcome, default_solver
from ..solvers.record import Callback
from ..system.controlled import ControlledSystem
from ..system.particles import ParticleSystem
from .jump_places import Moved, better_places

#: how many degrees the richer control has more
HIGHER = 2
#: layers are halved if there are at most this many, or if bounds, an L1 norm or jumps limit the order
FEW = 8
#: relative tolerance of the descent in the richer space, at least; the error of its cost is of the order of the square, and is
#: part of the estimate of what the richer space leaves
TOLERANCE = 1e-7
#: the differences from the richer control are multiplied by this factor: if the order is only 2, a quarter of the error is left
#: in the richer space, and much less otherwise
SAFETY = 1.4
#: and the estimate of what is left beyond the richer space counts so often
REST = 2.0
#: of a control that jumps, halved layers leave about as much as they save; with a margin
JUMPS = 1.5
#: a control is not resolved if, on layers where the two highest of at least FALLING + 1 Legendre coefficients are not below this
#: share of all but the mean, they carry at least this share of what the richer space saves
STEEP, FALLING, UNRESOLVED = 0.05, 3, 0.1
#: what jumps in better places save counts so often, if it is not known how fast this falls from round to round
MOVES = 10.0
#: the error of the richer control's layer map is at most this share of what the richer control saves; its substeps are doubled
#: for that at most so many times
SHARE, ROUNDS = 0.05, 5
#: coefficients this close to a bound, relative to their size, are on it
ON_BOUND = 1e-9
#: round-off of a cost, relative to the cost
ROUND_OFF = 1e-14


class ErrorInTime(NamedTuple):
    """Bounds of the error in time, to leading order.

    Attributes
    ----------
    cost : of `J - J*`, where J* is the least cost of controls of any shape in time; negative if the error of the layer map, or of
        the rule for the running loss, makes the cost too small.
    layer_map : the part of it that the layer map makes at the best control of this space: the cost with it minus that with
        so many substeps that the rest is small.
    control : of `(int |theta - theta*|^2 dt)^(1/2)`.
    how : how they were found, in words.
    richer, richest : the system of the richer space, and the best control there.
    rest : an estimate of what a space that is richer still would save beyond it: `1/2 int |r|^2 / lambda dt` for the residual r
        of the best control there, in that space. It is exact if the Hessian is that of the penalty.
    jumps : whether the control, here or in the richer space, is not resolved in time.
    moved : the layers with the control's jumps in better places, and what this saves.
    tolerance : relative tolerance of the descent in the richer space.
    moves : what counts so often: the rest of the control changes with the jumps' places.
    """

    cost: float
    layer_map: float
    control: float
    how: str
    richer: ParticleSystem
    richest: np.ndarray
    rest: float
    jumps: bool
    moved: Moved
    tolerance: float = TOLERANCE
    moves: float = MOVES

    @property
    def saved(self) -> float:
        """What the richer space and a finer layer map save."""
        return self.cost / SAFETY

    @property
    def left(self) -> float:
        """A bound of what the richer space leaves, to leading order."""
        share = JUMPS if self.jumps else SAFETY - 1.0
        of_space = max(share * abs(self.saved - self.layer_map / SAFETY), REST * self.rest)
        return of_space + SHARE * abs(self.layer_map) + self.moves * self.moved.saved

    @property
    def total(self) -> float:
        """A bound of the error in time in which the parts of the space and of the layer map do not cancel."""
        return abs(self.saved - self.layer_map / SAFETY) + abs(self.layer_map) + self.left


def error_in_time(
    twin: ParticleSystem,
    solved: np.ndarray,
    best: np.ndarray,
    least: float,
    start: tuple[np.ndarray, Curves] | None = None,
    callback: Callback | None = None,
    tolerance: float = TOLERANCE,
) -> ErrorInTime:
    """Bounds of the error that the layers, the degree of the control and the layer map make.

    The richer control minimises J from the best control of this space: with the residual r of the control equation in the
    richer space and the Hessian H there, its first Newton step is `-H^{-1} r`, and `J - J* = 1/2 <r, H^{-1} r>` to leading order.
    Further steps follow until the residual vanishes, because of bounds and of what is not quadratic.

    Parameters
    ----------
    twin : the problem without a mesh, in the control's space.
    solved : the control whose distance from the optimum is asked for.
    best : the best control of this space for the twin.
    least : the cost of `best` for the twin.
    start : a control, of the space that is stated beside it, that is closer to the richer optimum than `best`; or None.
    callback : called after every iteration of the descents in the richer space, or None.
    tolerance : relative tolerance of these descents.

    References
    ----------
    Own construction; hierarchical estimates: P. Deuflhard, P. Leinen, H. Yserentant, Concepts of an adaptive hierarchical finite
    element code, IMPACT Comput. Sci. Engrg. 1 (1989), 3-35, doi:10.1016/0899-8248(89)90018-9.

    Examples
    --------
    `x' = u`, `x(0) = 1`, `J = int x^2 + u^2 dt`, of which the least value is `tanh(1)`:

    >>> import eulerian_mfc as emfc
    >>> law, field = emfc.laws.Empirical([1.0], [0.0]), emfc.fields.AffineField(1, matrix=False)
    >>> loss, running = (emfc.losses.LabelLoss(lambda x, y, a=a: a * x[:, 0] ** 2, [[0.0]]) for a in (0.0, 1.0))
    >>> twin = emfc.ParticleSystem(emfc.Problem(field, law, loss, 2.0, 1.0, running=running), layers=4)
    >>> best = emfc.solvers.LBFGS().solve(twin, -0.5).control
    >>> least = twin.cost(best).total
    >>> bool(1.3 < error_in_time(twin, best, best, least).cost / (least - np.tanh(1.0)) < 1.5)
    True
    """
    space = twin.controls
    regulariser = space.regulariser
    jumps = unresolved_in_time(space, best) is not None
    rough = regulariser.bounded or regulariser.sparse or jumps
    ends = halved(space.ends) if rough or space.layers <= FEW else space.ends
    floor = ROUND_OFF * (abs(least) + twin.penalty_cost(best))
    richer, outcome = _richer_optimum(twin, ends, start or (best, twin.controls), least, floor, tolerance, callback)
    saved = least - richer.cost(outcome.control).total
    distance = np.sqrt(squared_distance(richer, outcome.control, twin, solved))
    told = "" if outcome.converged else ", which did not converge"
    layers = "halved layers" if len(ends) > len(space.ends) else "the same layers"
    how = f"against a control of degree {richer.controls.degree} on {layers}{told}"
    size = np.sqrt(squared_distance(richer, np.zeros(richer.controls.shape), twin, best))
    of_map = SAFETY * _of_layer_map(twin, best, least, floor)
    cost, control = SAFETY * saved + np.copysign(floor, saved), float(SAFETY * distance + tolerance * size)
    jumps = jumps or unresolved_in_time(richer.controls, outcome.control) is not None
    jumps = jumps or unresolved_part(richer.controls, outcome.control) > UNRESOLVED * abs(saved) > UNRESOLVED * floor
    rest, moved = _rest(richer, outcome.control), better_places(twin, best)
    return ErrorInTime(cost, of_map, control, how, richer, outcome.control, rest, jumps, moved, tolerance)


def unresolved_part(space: ControlSpace, control: np.ndarray) -> float:
    """`1/2 int lambda |theta'|^2 dt`, theta' being the two highest Legendre polynomials, over layers where they do not fall.

    Coefficients of a smooth control fall quickly with the degree, and those of a control that jumps or has a kink do not.

    Parameters
    ----------
    space : the space of the control.
    control : its coefficients.

    References
    ----------
    P.-O. Persson, J. Peraire, Sub-cell shock capturing for discontinuous Galerkin methods, AIAA Paper 2006-112 (2006),
    doi:10.2514/6.2006-112.

    Examples
    --------
    >>> from eulerian_mfc.control.regulariser import Regulariser
    >>> from eulerian_mfc.control.spaces import control_space
    >>> space = control_space(Regulariser.of(2.0, 0.0, None, parameters=1), 1.0, 1, degree=3)
    >>> [round(unresolved_part(space, np.array([[[0.0], [1.0], [c], [0.0]]])), 6) for c in (0.01, 1.0)]
    [0.0, 0.2]
    """
    degree = space.degree
    if degree < FALLING:
        return 0.0
    nodes, weights = gauss(degree + 1)
    legendre = Basis(degree)
    values = space.values(control, space.on_layers(nodes).ravel()).reshape(space.layers, len(nodes), -1)
    squares = (
        np.einsum("n,nk,lnm->lkm", weights, legendre(nodes), values) ** 2 * (2.0 * np.arange(degree + 1) + 1.0)[:, None]
    )
    highest, all_but_mean = squares[:, -2:].sum(axis=1), squares[:, 1:].sum(axis=1)
    penalties = space.posed.at(0.5 * (space.ends[1:] + space.ends[:-1])).penalties
    return 0.5 * float((space.lengths[:, None] * penalties * highest * (highest > STEEP**2 * all_but_mean)).sum())


def _rest(richer: ParticleSystem, control: np.ndarray) -> float:
    """What a space of higher degree on the same layers would save at a control, by one step in the penalty's metric."""
    degree = min(richer.controls.degree + HIGHER, HIGHEST)
    chosen = as_layer_map("auto", degree)
    steps = -(-richer.flow.layer_map.substeps // chosen.substeps)
    finest = ParticleSystem(
        richer.problem, richer.grid, rule=richer.rule, control_degree=degree, layer_map=chosen.refined(steps)
    )
    space = finest.controls
    theta = space.carried(control, richer.controls)
    for bound in (space.regulariser.lower, space.regulariser.upper):
        theta = put_on(theta, bound, bound, ON_BOUND, np.abs(theta).max())
    residual = space.conditions.residual_vector(theta, finest.cost_and_gradient(theta)[1])
    return 0.5 * float((space.mass * residual**2 / space.regulariser.penalties).sum())


def _of_layer_map(twin: ParticleSystem, best: np.ndarray, least: float, floor: float) -> float:
    """The cost of a control with the twin's layer map minus the cost with substeps that are doubled until it settles."""
    before, after = least, least
    for k in range(1, 2 * ROUNDS):
        finer = twin.with_layer_map(twin.flow.layer_map.refined(2**k))
        before, after = after, finite_cost(finer, best)
        if not np.isfinite(after):
            return -np.inf
        if abs(after - before) <= max(SHARE * abs(least - after), floor):
            break
    return least - after


def _richer_optimum(
    twin: ParticleSystem,
    ends: np.ndarray,
    start: tuple[np.ndarray, Curves],
    least: float,
    floor: float,
    tolerance: float,
    callback: Callback | None,
) -> tuple[ParticleSystem, Outcome]:
    """The system of higher degree on layers with these ends, and its optimum near a control, which comes with its space.

    Its layer map has as many substeps as its own error needs to be small: below a share of what the optimum saves.
    """
    degree = min(twin.controls.degree + HIGHER, HIGHEST)
    chosen = as_layer_map("auto", degree)
    chosen = chosen.refined(max(1, -(-twin.flow.layer_map.substeps // chosen.substeps)))
    richer = ParticleSystem(twin.problem, ends, rule=twin.rule, control_degree=degree, layer_map=chosen)
    first = richer.controls.carried(*start)
    outcome = default_solver(richer, tolerance).solve(richer, first, callback)
    for _ in range(ROUNDS):
        cost, finer = richer.cost(outcome.control).total, richer.with_layer_map(richer.flow.layer_map.refined(2))
        there = finite_cost(finer, outcome.control)
        if abs(there - cost) <= max(SHARE * abs(least - cost), floor):
            break
        # A control that exploits the stages may be of no use with more of them.
        again = outcome.control if np.isfinite(there) else first
        richer, outcome = finer, default_solver(finer, tolerance).solve(finer, again, callback)
    return richer, outcome


def finite_cost(system: ParticleSystem, control: np.ndarray) -> float:
    """The cost of a control; infinite if states or losses do not stay finite.

    Parameters
    ----------
    system : the discrete problem.
    control : the control.
    """
    with np.errstate(all="ignore"):
        try:
            cost = system.cost(control).total
        except NonFiniteError:
            return np.inf
    return cost if np.isfinite(cost) else np.inf


def halved(ends: np.ndarray) -> np.ndarray:
    """The ends of layers `(layers + 1,)` with the middles of the layers between them.

    Examples
    --------
    >>> halved(np.array([0.0, 0.5, 1.0])).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    return np.insert(ends, np.arange(1, len(ends)), 0.5 * (ends[1:] + ends[:-1]))


def squared_distance(richer: ControlledSystem, one: np.ndarray, twin: ControlledSystem, other: np.ndarray) -> float:
    """`int |theta_1 - theta_2|^2 dt` of controls of two spaces; the layers of the first are parts of those of the second."""
    curves = richer.controls
    times, weights = curves.quadrature(curves.degree + 1)
    gap = curves.values(one, times) - twin.controls.values(other, times)
    return float(weights @ (gap**2).sum(axis=1))
