"""One look off the mesh: the cost of the control by particles, without a mesh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..errors import NonFiniteError
from ..laws import LabelledRule, refined_rule
from ..losses import Loss
from ..results.look import Look
from ..system.boundaries import of_the_mesh, of_the_problem, within_the_mesh
from ..system.controlled import ControlledSystem, Cost
from ..system.optimality import OptimalitySystem
from ..system.particles import Bound, ParticleSystem, one_point
from .finer_mesh import look_on_finer_mesh

#: errors are relative to at least this share of the cost of states that do not move
FLOOR = 1e-3
#: errors are relative to at least this share of the terms that cancel in the cost on the mesh: below it they are round-off
ROUND_OFF = 1e-11
#: target error of the look itself, as a share of the cost
AIM = 1e-5
#: tolerance of the share of the mass that leaves the mesh, and the share that is negligible
SHARE = NEGLIGIBLE = 1e-6
#: number of points of the look, or the number of cells of the mesh if that is larger
FEWEST = 20_000


def look(
    system: OptimalitySystem,
    control: np.ndarray,
    cost: Cost,
    final_masses: np.ndarray,
    tolerance: float | None = None,
    limit: int | None = None,
) -> Look | None:
    """The look off the mesh at a control: one pass of particles on points of the law.

    With noise or costs of the density, the cost is compared with that on a finer mesh instead, see `finer_mesh`; None if there is
    none. Walls and periodic sides of the domain, or of a finite-volume scheme, act on the particles too.

    Parameters
    ----------
    system : the discrete problem.
    control : `(layers, m)`.
    cost : the cost of the control on the mesh.
    final_masses : `(R, *shape)`, the final masses on the mesh; a trained read-out is the best one for them.
    tolerance : the tolerance of the cost without a mesh; by default 1e-5 of the cost.
    limit : the largest number of points; the look then keeps them. By default it is 20,000, or the number of cells if larger.
    """
    if system.problem.needs_mesh:
        return look_on_finer_mesh(system, control, cost)
    held = of_the_problem(system)
    found = _by_particles(system, control, cost, final_masses, tolerance, limit, held)
    if found.finite or held is not None:
        return found
    # The user's functions may raise errors for states outside the mesh, where almost no mass is: then particles stay inside.
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
    """`look` with the boundary map `held`, which also acts on the start if `from_within`; the cost is NaN if particles fail."""
    end = system.terminal(final_masses)
    loss = system.problem.loss if end.readout is None else system.problem.loss.with_readout(end.readout)
    readout_penalty = 0.0 if end.fit is None else end.fit.penalty_cost
    problem = replace(system.problem, constraints=()) if system.terminal.constraints else system.problem
    options = system.layer_options
    if system.controls.degree and system.flow.layer_map.refinable:
        # An optimiser may exploit stages that do not resolve the control in time: particles see it at other times.
        options["layer_map"] = system.flow.layer_map.refined(2)
    twin = ParticleSystem(problem, system.grid, rule=one_point(problem), **options)
    constant = twin.penalty_cost(control) + readout_penalty

    def start(x: np.ndarray) -> np.ndarray:
        return held(x, x)[0] if from_within and held is not None else x

    def values(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return twin.losses(control, loss, start(x), y, held)

    aim = AIM * (abs(cost.objective) + constant) if tolerance is None else tolerance
    most = max(FEWEST, system.mesh.size) if limit is None else limit
    with np.errstate(all="ignore"):
        try:
            rule, integral, error = refined_rule(problem.law, values, aim, most)
        except NonFiniteError:
            return Look(np.nan, np.nan, np.nan, 1.0)
        except MemoryError:
            raise
        except Exception as failure:
            # A user's function may raise an error for states that do not occur on the mesh. The solution must not be lost for it.
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
    found = Look(here, error, float(cost.objective - here), float(scale))
    if limit is not None:
        return found._replace(rule=rule)
    if not found.told:
        return found
    twin.rule = rule
    return found._replace(cause="cells" if from_within else _cause(system, twin, control, loss, found, held))


def _cause(
    system: OptimalitySystem, twin: ParticleSystem, control: np.ndarray, loss: Loss, found: Look, held: Bound | None
) -> str:
    """The source of more than half of the difference: "box", "quadrature", or else "cells"."""

    def mean(rule: LabelledRule, bound: Bound | None) -> float:
        return float(rule.w @ twin.losses(control, loss, np.asfortranarray(rule.x), rule.y, bound))

    here, half = mean(twin.rule, held), abs(found.difference) / 2
    if abs(mean(twin.rule, of_the_mesh(system)) - here) > half:
        return "box"
    if system.mesh.dim < 3:  # for d = 3 the law's own rule has millions of points
        own = twin.problem.law.quadrature()
        if abs(mean(own, held) - here) > half:
            return "quadrature"
    return "cells"


def at_any_time(
    system: ControlledSystem, control: np.ndarray, x: np.ndarray, where: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Whether a condition holds for a point at the start or end of any layer; the layer maps move the points, without a mesh.

    Parameters
    ----------
    system : the discrete problem, with its layers and layer maps.
    control : `(layers, m)`.
    x : `(n, d)`, the points at time 0.
    where : the condition, a function of points `(n, d)` that returns booleans `(..., n)`.

    Returns
    -------
    numpy.ndarray
        `(..., n)` booleans.
    """
    found = where(x)
    for step in system.controls.path(control):
        x = system.mover(step, x)
        found = found | where(x)
    return found


def share_beyond(system: OptimalitySystem, control: np.ndarray) -> float:
    """The share of the law whose characteristics leave the mesh at any time, measured by particles that move freely.

    NaN if the user's functions cannot be evaluated there.

    Parameters
    ----------
    system : the discrete problem.
    control : `(layers, m)`.
    """
    inside = system.mesh.base.contains

    def left(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return at_any_time(system, control, x, lambda z: ~inside(z)).astype(np.float64)

    with np.errstate(all="ignore"):
        try:
            return refined_rule(system.problem.law, left, SHARE, FEWEST).integral
        except MemoryError:
            raise
        except Exception:
            return float("nan")
