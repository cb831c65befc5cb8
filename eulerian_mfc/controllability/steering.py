"""Controls that move points to targets, or a set to its image under a map, for penalties that fall to zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .._callers import warn
from .._validate import array, fail, integer, mismatch, positive
from ..errors import DiffeotopyWarning
from ..fields import AgrachevSarychevField, Field
from ..flow.flow_of_field import Flow
from ..flow.layer_map import LayerMap
from ..laws import Labelled, LabelledRule, Rule, Uniform, UniformBall, refined_rule
from ..system.discretisation import as_layer_map
from .least_squares import Transfer, minimise, reach
from .maps import Map, as_region, check_orientation, image

#: penalties of the continuation
PENALTIES = tuple(10.0**-k for k in range(1, 7))
#: Gauss-Newton steps per penalty
STEPS = 15
#: if a penalised problem of a map is not solved, its mean square must at least fall to this share of the one before
FALL = 0.5
#: relative error of the mean square that is accepted from the region's own quadrature rule
RESOLVED = 1e-3
#: standard deviation of the random first control
START = 0.5


class Step(NamedTuple):
    """One penalty of the continuation.

    Attributes
    ----------
    penalty : lambda.
    error : the largest distance of an end point to its target.
    norm : `sqrt(int |u|^2 dt)`.
    solved : whether the penalised problem was solved to its tolerance; on the way this is not necessary.
    """

    penalty: float
    error: float
    norm: float
    solved: bool


@dataclass(frozen=True)
class Steering:
    """A control that moves points to targets, and its errors.

    Attributes
    ----------
    control : `(layers, m)`.
    error : the largest distance of an end point to its target, in units of the state, with the layer map that was used.
    tolerance : the error that counts as reached.
    flow_error : the largest distance between these end points and those of a more accurate layer map (four times the
        substeps). As a residual network the layers are exact; as a flow they have this error.
    path : one `Step` per penalty.
    transfer : the points, the targets, the field and the layers.
    message : why the continuation ended before its last penalty; empty if it did not.

    Examples
    --------
    >>> from eulerian_mfc.controllability import steer
    >>> found = steer([[0.0, 0.0]], [[0.5, 0.0]], layers=2)
    >>> found.flow([[0.0, 0.0]]).round(4).tolist(), found.trajectories([[0.0, 0.0]]).shape
    ([[0.5, 0.0]], (3, 1, 2))
    """

    control: np.ndarray
    error: float
    tolerance: float
    flow_error: float
    path: tuple[Step, ...]
    transfer: Transfer
    message: str = ""

    @property
    def reached(self) -> bool:
        """Whether the error is within the tolerance."""
        return self.error <= self.tolerance

    @property
    def norm(self) -> float:
        """`sqrt(int |u|^2 dt)`."""
        return self.transfer.norm(self.control)

    def trajectories(self, x: Any) -> np.ndarray:
        """Positions `(layers + 1, n, d)` of points `(n, d)`."""
        points = array("x", x, ndim=2)
        if points.shape[1] != self.transfer.x.shape[1]:
            raise mismatch(
                "x", f"an array of shape {points.shape}", f"points as rows, shape (n, {self.transfer.x.shape[1]})"
            )
        out = [points]
        for n in range(self.transfer.layers):
            out.append(self.transfer.flow(self.transfer.layer(n, self.control), out[-1]))
        return np.stack(out)

    def flow(self, x: Any) -> np.ndarray:
        """The end points `(n, d)` of points `(n, d)`."""
        return self.trajectories(x)[-1]

    def __str__(self) -> str:
        verdict = "reached" if self.reached else "not reached"
        return (
            f"{len(self.transfer.x)} targets {verdict}: largest error {self.error:.2e} (tolerance {self.tolerance:.0e}), "
            f"norm of the control {self.norm:.3f}, error of the layers as a flow {self.flow_error:.1e}"
            + (f"; {self.message}" if self.message else "")
        )


def steer(
    points: Any,
    targets: Any,
    field: Field | None = None,
    *,
    layers: int = 20,
    horizon: float = 1.0,
    layer_map: Any = LayerMap("rk4", 2),  # noqa: B008  frozen
    tolerance: float = 1e-6,
    penalties: Sequence[float] = PENALTIES,
    starts: int = 4,
    seed: int = 0,
) -> Steering:
    """A control that moves N points to N targets, with a norm as small as the continuation finds.

    `1/N sum_i |X_i(T) - y_i|^2 + lambda/2 int |u|^2 dt` is minimised for falling lambda, and each minimiser is the start for
    the next lambda. Newton steps of least norm then solve `X_i(T) = y_i`. If that fails, all begins again from another
    random control.

    Parameters
    ----------
    points, targets : `(N, d)`, each pairwise distinct.
    field : by default AgrachevSarychevField(d), which moves any N points to any others for d >= 2.
    layers, horizon, layer_map : as for `solve`.
    tolerance : the targets count as reached if the error is at most this, in units of the state, in the maximum norm over
        points and components.
    penalties : the values of lambda, falling, above zero.
    starts : how many random first controls to try at most.
    seed : the seed of the first one.

    Returns
    -------
    Steering
        `reached` says whether the control moves the points to the targets. If no start reaches them, it is the best of all.

    Raises
    ------
    ArgumentError
        For wrong shapes, and if two points, or two targets, coincide.

    Warns
    -----
    DiffeotopyWarning
        On the line, if the targets are in another order than the points: a flow cannot change the order.

    References
    ----------
    A. A. Agrachev, A. V. Sarychev, Control in the spaces of ensembles of points, SIAM J. Control Optim. 58 (2020),
    1579-1596, doi:10.1137/19M1273049.

    Examples
    --------
    >>> from eulerian_mfc.controllability import steer
    >>> found = steer([[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.5], [1.0, -0.5]], layers=4)
    >>> found.reached, found.control.shape[0]
    (True, 4)
    """
    x, y = (np.asfortranarray(array(name, a, ndim=2)) for name, a in (("points", points), ("targets", targets)))
    if x.shape != y.shape or not x.size:
        raise mismatch("targets", f"an array of shape {y.shape}", f"one target per point, shape {x.shape}")
    for name, rows in (("points", x), ("targets", y)):
        if len(np.unique(rows, axis=0)) < len(rows):
            raise mismatch(name, "two equal rows", "pairwise distinct rows: flows keep distinct points distinct")
    if x.shape[1] == 1 and (np.argsort(x[:, 0]) != np.argsort(y[:, 0])).any():
        warn(
            "the targets are in another order than the points, and on the line a flow cannot change the order: use one more "
            "coordinate, Problem.augmented(1)",
            DiffeotopyWarning,
        )
    transfer = _transfer(x, y, np.full(len(x), 1.0 / len(x)), field, layers, horizon, layer_map)
    values = _checked_penalties(penalties)
    best: Steering | None = None
    for k in range(integer("starts", starts)):
        control, path, _ = _continued(transfer, _start(transfer, seed + k), values)
        control = reach(transfer, control, 1e-3 * positive("tolerance", tolerance))
        found = _steering(transfer, control, tolerance, path)
        if best is None or found.error < best.error:
            best = found
        if best.reached:
            break
    assert best is not None
    return best


def learn_map(
    target: Callable[[np.ndarray], np.ndarray],
    region: Any,
    field: Field | None = None,
    *,
    samples: int | None = None,
    layers: int = 20,
    horizon: float = 1.0,
    layer_map: Any = LayerMap("rk4", 2),  # noqa: B008  frozen
    tolerance: float = 1e-3,
    penalties: Sequence[float] = PENALTIES,
    initial: Any = None,
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
    samples : number of random points of the region; by default the points of a quadrature rule that resolves the target.
    initial : the first control `(layers, m)`; random by default.
    field, layers, horizon, layer_map, tolerance, penalties : as for `steer`.
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

    >>> from eulerian_mfc.controllability import learn_map, sup_error
    >>> shift = lambda x: x + 0.25
    >>> found = learn_map(shift, [(-1, 1)], layers=2)
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
    transfer = _transfer(np.asfortranarray(x), image(target, x), w, field, layers, horizon, layer_map)
    first = _start(transfer, seed)
    if initial is not None:
        first = array("initial", initial, ndim=2)
        if first.shape != (transfer.layers, transfer.flow.field.parameters):
            shape = (transfer.layers, transfer.flow.field.parameters)
            raise mismatch("initial", f"an array of shape {first.shape}", f"shape {shape}")
    control, path, message = _continued(transfer, first, _checked_penalties(penalties), 4 * STEPS, FALL)
    return _steering(transfer, control, positive("tolerance", tolerance), path, message)


def _resolved(compact: Uniform | UniformBall, target: Map) -> Rule | LabelledRule:
    """The region's own rule if it resolves the target, otherwise a refined rule."""
    law = Labelled(compact, lambda points: image(target, points))
    square = lambda points, goals: ((points - goals) ** 2).sum(axis=1)  # noqa: E731
    own = compact.quadrature()
    here = float(own.w @ square(own.x, image(target, own.x)))
    found = refined_rule(law, square, RESOLVED / 10 * here, len(own.w))
    return own if abs(found.integral - here) <= RESOLVED * here else found.rule


def _transfer(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, field: Field | None, layers: int, horizon: float, layer_map: Any
) -> Transfer:
    dim = x.shape[1]
    chosen = AgrachevSarychevField(dim) if field is None else field
    if not isinstance(chosen, Field):
        raise fail("field", field, "a field, such as fields.AgrachevSarychevField(2)")
    if chosen.dim != dim:
        raise mismatch("field", f"a field of dimension {chosen.dim}", f"the dimension {dim} of the points")
    flow = Flow(chosen, as_layer_map(layer_map))
    return Transfer(flow, positive("horizon", horizon), integer("layers", layers), x, y, w)


def _start(transfer: Transfer, seed: int) -> np.ndarray:
    rng = np.random.default_rng(integer("seed", seed, minimum=0))
    return START * rng.normal(size=(transfer.layers, transfer.flow.field.parameters)) / transfer.horizon


def _checked_penalties(penalties: Sequence[float]) -> list[float]:
    values = array("penalties", penalties, ndim=1)
    if not len(values) or not (values > 0).all() or (np.diff(values) >= 0).any():
        raise fail("penalties", penalties, "positive numbers, each smaller than the one before")
    return values.tolist()


def _continued(
    transfer: Transfer, control: np.ndarray, penalties: Sequence[float], steps: int = STEPS, fall: float = np.inf
) -> tuple[np.ndarray, list[Step], str]:
    """The last control, one step per penalty, and why the continuation ended early (empty if it did not)."""
    path: list[Step] = []
    before = np.inf
    for penalty in penalties:
        control, solved = minimise(transfer, control, penalty, steps)
        path.append(Step(penalty, float(np.abs(transfer.gap(control)).max()), transfer.norm(control), solved))
        square = transfer.cost(control, 0.0)
        if not solved and square > fall * before and penalty > penalties[-1]:
            return (
                control,
                path,
                f"stopped at the penalty {penalty:.0e}, which {steps} steps did not solve: the mean square fell from "
                f"{before:.1e} to {square:.1e} only, and the norm of the control is {path[-1].norm:.1f}, so that the fields "
                "hardly follow this target; use more layers or fields, or ParticleSystem with solvers.LBFGS()",
            )
        before = square
    return control, path, ""


def _steering(
    transfer: Transfer, control: np.ndarray, tolerance: float, path: list[Step], message: str = ""
) -> Steering:
    gap, used = transfer.gap(control), transfer.flow.layer_map
    finer = transfer._replace(flow=transfer.flow._replace(layer_map=LayerMap(used.method, 4 * used.substeps)))
    difference = float(np.abs(finer.gap(control) - gap).max())
    return Steering(control, float(np.abs(gap).max()), tolerance, difference, tuple(path), transfer, message)
