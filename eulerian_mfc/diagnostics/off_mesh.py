"""One look off the mesh: what the control costs where no mesh is in between."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import NonFiniteError
from ..laws import LabelledRule, refined_rule
from ..losses import Loss
from ..results.look import Look
from ..system.boundaries import of_the_mesh, of_the_problem, within_the_mesh
from ..system.controlled import ControlledSystem, Cost
from ..system.optimality import OptimalitySystem
from ..system.particles import Bound, ParticleSystem, one_point

#: share of the cost of states that do not move below which errors are not relative to the cost
FLOOR = 1e-3
#: share of the terms that cancel in the cost on the mesh below which differences are round-off
ROUND_OFF = 1e-11
#: error of the look itself that is aimed at, as a share of the cost
AIM = 1e-5
#: error of the share of mass that leaves the mesh, and share that may be ignored
SHARE = NEGLIGIBLE = 1e-6
#: points of the look, where the mesh has fewer cells
FEWEST = 20_000


def look(
    system: OptimalitySystem,
    control: np.ndarray,
    cost: Cost,
    final_masses: np.ndarray,
    tolerance: float | None = None,
    limit: int | None = None,
) -> Look:
    """The look at a control: particles on points of the law, one pass.

    On domains with walls, and where a finite-volume scheme has walls or is periodic, particles are held as these say.

    Parameters
    ----------
    system : the discrete problem.
    control : `(layers, m)`.
    cost : of the control on the mesh.
    final_masses : `(R, *shape)`, of the control on the mesh; a read-out that is trained is the best for them.
    tolerance : of the cost without a mesh; by default 1e-5 of the cost.
    limit : of the points, which are then kept; by default 20,000, or as many as the mesh has cells.
    """
    held = of_the_problem(system)
    found = _by_particles(system, control, cost, final_masses, tolerance, limit, held)
    if found.finite or held is not None:
        return found
    # Functions of the user may refuse states beyond the mesh, where next to no mass is: then particles stay in it.
    beyond = share_beyond(system, control)
    if not beyond <= NEGLIGIBLE:
        return found
    inside = _by_particles(system, control, cost, final_masses, tolerance, limit, within_the_mesh(system), True)
    return inside if inside.finite else found


def _by_particles(
    system: OptimalitySystem,
    control: np.ndarray,
    cost: Cost,
    final_masses: np.ndarray,
    tolerance: float | None,
    limit: int | None,
    held: Bound | None,
    from_within: bool = False,
) -> Look:
    """`look` with particles that are held as `held` says, `from_within` the start; no cost where they cannot be followed."""
    end = system.terminal(final_masses)
    loss = system.problem.loss if end.readout is None else system.problem.loss.with_readout(end.readout)
    readout_penalty = 0.0 if end.fit is None else end.fit.penalty_cost
    problem = system.problem
    twin = ParticleSystem(problem, system.layers, layer_map=system.flow.layer_map, rule=one_point(problem))
    constant = twin.penalty_cost(control) + readout_penalty

    def start(x: np.ndarray) -> np.ndarray:
        return held(x, x)[0] if from_within and held is not None else x

    def values(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return twin.losses(control, loss, start(x), y, held)

    aim = AIM * (abs(cost.total) + constant) if tolerance is None else tolerance
    most = max(FEWEST, system.mesh.size) if limit is None else limit
    with np.errstate(all="ignore"):
        try:
            rule, integral, error = refined_rule(problem.law, values, aim, most)
        except NonFiniteError:
            return Look(np.nan, np.nan, np.nan, 1.0)
        except MemoryError:
            raise
        except Exception as failure:
            # A user's function may refuse states that the mesh has none of: the solution must not be lost for that.
            return Look(np.nan, np.nan, np.nan, 1.0, f"{type(failure).__name__}: {failure}")
    if not np.isfinite(integral):
        return Look(np.nan, np.nan, np.nan, 1.0)
    rule = rule._replace(x=start(rule.x))
    sizes = np.abs(loss.value(rule.x, rule.y))
    if problem.running is not None:
        sizes = sizes + problem.horizon * np.abs(problem.running.value(rule.x, rule.y))
    here = float(integral) + float(constant)
    rest = float(rule.w @ sizes)
    cancelling = abs(system.offset) + system.terminal.scale(final_masses)
    scale = max(abs(float(integral)) + constant, FLOOR * rest, ROUND_OFF * cancelling, float(np.finfo(float).tiny))
    found = Look(here, error, float(cost.total - here), float(scale))
    if limit is not None:
        return found._replace(rule=rule)
    if not found.told:
        return found
    twin.rule = rule
    return found._replace(cause="cells" if from_within else _cause(system, twin, control, loss, found, held))


def _cause(
    system: OptimalitySystem, twin: ParticleSystem, control: np.ndarray, loss: Loss, found: Look, held: Bound | None
) -> str:
    """What most of the difference comes from."""

    def mean(rule: LabelledRule, bound: Bound | None) -> float:
        return float(rule.w @ twin.losses(control, loss, np.asfortranarray(rule.x), rule.y, bound))

    here, half = mean(twin.rule, held), abs(found.difference) / 2
    if abs(mean(twin.rule, of_the_mesh(system)) - here) > half:
        return "box"
    if system.mesh.dim < 3:  # in space the law's own rule has millions of points
        own = twin.problem.law.quadrature()
        if abs(mean(own, held) - here) > half:
            return "quadrature"
    return "cells"


def at_any_time(
    system: ControlledSystem, control: np.ndarray, x: np.ndarray, where: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Whether points are somewhere at the start or at the end of any layer, moved by the layer maps without a mesh.

    Parameters
    ----------
    system : its layers and layer maps.
    control : `(layers, m)`.
    x : `(n, d)`, the points at time 0.
    where : points `(n, d)` -> booleans `(..., n)`.

    Returns
    -------
    numpy.ndarray
        `(..., n)` booleans.
    """
    found = where(x)
    for n in range(system.layers):
        x = system.flow(system.layer(n, control[n]), x)
        found = found | where(x)
    return found


def share_beyond(system: OptimalitySystem, control: np.ndarray) -> float:
    """The share of the law whose characteristics leave the mesh at any time, by particles that move freely.

    NaN where the user's functions cannot be evaluated there.

    Parameters
    ----------
    system : the mesh, the problem and its layers.
    control : `(layers, m)`.
    """
    problem = system.problem
    twin = ParticleSystem(problem, system.layers, layer_map=system.flow.layer_map, rule=one_point(problem))
    inside = system.mesh.base.contains

    def left(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return at_any_time(twin, control, x, lambda z: ~inside(z)).astype(np.float64)

    with np.errstate(all="ignore"):
        try:
            return refined_rule(problem.law, left, SHARE, FEWEST).integral
        except MemoryError:
            raise
        except Exception:
            return float("nan")
