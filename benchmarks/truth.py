"""The least cost in continuous time, without a mesh and independent of what a solve chooses: what a claim is judged by.

Particles on a refined rule of the law are moved by a method of order 8, under controls that are polynomials on layers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.diagnostics.error_in_time import halved
from eulerian_mfc.flow.polynomials import gauss
from eulerian_mfc.flow.resolution import REFUSED, substeps_for
from eulerian_mfc.laws import LabelledRule
from eulerian_mfc.losses import Loss
from eulerian_mfc.system.particles import one_point

from .truth_layers import better_places, cut, jumps_moved

#: the error that is aimed at, by dimension, relative to the larger of the cost and 1
AIMS = {1: 1e-11, 2: 1e-9, 3: 1e-8}
#: points of the rules: those for the search in time, those of the last descent, and those that check the rule
SEARCH, LAST, CHECK = 20_000, {1: 60_000, 2: 80_000, 3: 120_000}, {1: 400_000, 2: 400_000, 3: 250_000}
#: the first number of layers; the rounds of refinement, and in how many of them all layers are halved
LAYERS, ROUNDS, EVERYWHERE = 2, 30, 2
#: the degree of the controls, without and with a running loss, and how well the layer map resolves it (see `flow.resolution`)
DEGREE, DEGREE_WITH_RUNNING, RESOLVED = {1: 5, 2: 5, 3: 3}, {1: 4, 2: 4, 3: 3}, 1e-3
#: absolute tolerances of the rule of the law for the search in time, and how often it may be made again for the control that was
#: found; in space the search takes so many samples instead
FIRST, RULES, SAMPLES = {1: 1e-8, 2: 1e-5}, 4, 2_000
#: what is left out with points of small weight, relative to the tolerance of a rule
TAILS = 1e-2
#: relative tolerances of the descents, by dimension, and what is not resolved of a cost for round-off and the ends of laws
TOLERANCE, ROUND_OFF = {1: 1e-6, 2: 1e-6, 3: 1e-5}, 1e-13
#: the largest number of iterations of a descent, and the share of all seconds for the search in time (all, on the line)
ITERATIONS, SEARCHING = 400, {1: 1.0, 2: 0.5, 3: 0.3}

Function = Callable[[np.ndarray], np.ndarray]


class Truth(NamedTuple):
    """An optimum of continuous time.

    Attributes
    ----------
    cost : J*.
    error : an estimate of its error: twice what the last refinements in time and of the law's rule changed, and what a Newton
        step would still save.
    control : theta* as a function of times `(n,)` with values `(n, m)`.
    how : how it was found, in words.
    """

    cost: float
    error: float
    control: Function
    how: str


class _LateError(Exception):
    """The time is up."""


def truth(problem: emfc.Problem, start: Function | np.ndarray | None = None, seconds: float = 60.0) -> Truth:
    """The least cost of a problem in continuous time, near a first control.

    Parameters
    ----------
    problem : the problem.
    start : the control from which the descent starts, as a function of times `(n,)` with values `(n, m)`, such as
        `solution.theta`, or as parameters `(m,)` for all times; by default `problem.start`. If there are several critical points,
        it decides which one is found.
    seconds : the time after which no further refinement begins; what was found by then is returned with its error.

    Raises
    ------
    ValueError
        If not even the coarsest control was found in this time.
    """
    return _Search(problem, seconds).run(start)


class _Search:
    """The refinement in time on one rule of the law, then that of the rule."""

    def __init__(self, problem: emfc.Problem, seconds: float) -> None:
        self.problem, self.end = problem, time.perf_counter() + seconds
        self.dim = 1 if problem.law.finite else problem.law.input_dim
        #: when the search in time has to end
        self.soon = time.perf_counter() + SEARCHING[self.dim] * seconds
        self.notes: list[str] = []
        #: whether layers were cut beside those that were halved everywhere
        self.cut = False
        #: what moving jumps of the control would save
        self.misplaced = 0.0

    def run(self, start: Function | np.ndarray | None) -> Truth:
        system, control, time_error = self._in_time(start)
        system, control, cost, rule_error = self._in_law(system, control)
        if self.cut and self.dim > 1 and not self.problem.law.finite:
            # The layers were cut for another rule of the law, for which kinks and jumps may be elsewhere.
            time_error += 2.0 * self._saved_by_cuts(system, control)
        unfinished = self._to_gain(system, control)
        floor = ROUND_OFF * (abs(cost) + system.penalty_cost(control))
        error = time_error + rule_error + unfinished + floor
        curves = system.controls
        told = [
            f"{curves.layers} layers of degree {curves.degree}, {len(system.rule.w)} points",
            f"time {time_error:.0e}, law {rule_error:.0e}, descent {unfinished:.0e}",
            *self.notes,
        ]
        return Truth(cost, float(error), lambda times: curves.values(control, times), "; ".join(told))

    # --- time

    def _saved_by_cuts(self, system: emfc.ParticleSystem, control: np.ndarray) -> float:
        """What one more round of cuts saves."""
        before = system.cost(control).total
        finer = self._system(cut(system, control, self._aim(before)), system.rule)
        try:
            found = self._descend(finer, finer.controls.carried(control, system.controls))
        except _LateError:
            self.notes.append("out of time before a last cut of the layers")
            return np.inf
        return abs(before - finer.cost(found).total)

    def _in_time(self, start: Function | np.ndarray | None) -> tuple[emfc.ParticleSystem, np.ndarray, float]:
        """The system of the layers on which the cost settles, its best control, and the error in time."""
        system, control = self._first(np.linspace(0.0, self.problem.horizon, LAYERS + 1), start)
        costs = [system.cost(control).total]
        for n in range(ROUNDS):
            ends = halved(system.controls.ends) if n < EVERYWHERE else cut(system, control, self._aim(costs[-1]))
            finer = self._system(ends, system.rule)
            try:
                found = self._descend(finer, finer.controls.carried(control, system.controls), self.soon)
                moved = jumps_moved(finer, found)
                if moved is found and finer.layers == system.layers:
                    break  # there is nothing left to cut or to move
                if moved is not found:
                    found = self._descend(finer, moved, self.soon)
            except _LateError:
                self.notes.append("out of time in the search")
                break
            costs.append(finer.cost(found).total)
            self.misplaced = better_places(finer, found)[1]
            change = max(abs(costs[-1] - costs[-2]), self.misplaced)
            settled = n >= EVERYWHERE - 1 and change <= self._aim(costs[-1]) / 10
            if settled and self.dim > 1:
                break  # with the coarser control, which takes less time on many points
            system, control, self.cut = finer, found, n >= EVERYWHERE
            if settled:
                break
            if self.dim < 3 and not self.problem.law.finite and n < EVERYWHERE:
                other = self._refined(system, control, FIRST[self.dim], SEARCH, self._readout(system, control))
                if abs(other.cost(control).total - costs[-1]) > 10 * FIRST[self.dim]:
                    system, costs = other, [other.cost(control).total]  # the rule did not fit this control
        changes = np.abs(np.diff(costs))
        if not len(changes):
            return system, control, np.inf
        # A small change by chance, after a large one, is not believed.
        return (
            system,
            control,
            2.0 * self.misplaced + 2.0 * max(changes[-1], 1e-4 * changes[-2] if len(changes) > 1 else 0.0),
        )

    def _first(self, ends: np.ndarray, start: Function | np.ndarray | None) -> tuple[emfc.ParticleSystem, np.ndarray]:
        """The coarsest system, on a rule that is refined for its own best control, with this control."""
        empty = self._system(ends, one_point(self.problem))
        control = self._fitted(empty.controls, self.problem.start if start is None else start)
        loss: Loss | None = None
        system = empty
        try:
            if self.dim > 2:
                x, y = self.problem.law.sample(SAMPLES, 0)
                system = self._system(ends, LabelledRule(x, np.full(SAMPLES, 1.0 / SAMPLES), y))
                return system, self._descend(system, control)
            for _ in range(RULES):
                finer = self._refined(system, control, FIRST[self.dim], SEARCH, loss)
                if system is not empty and len(finer.rule.w) == len(system.rule.w):
                    break  # the rule also fits the control that was found on it
                system = finer
                control = self._descend(system, control)
                loss = self._readout(system, control)
        except _LateError:
            raise ValueError("not even the coarsest control was found in this time") from None
        return system, control

    @staticmethod
    def _fitted(space: Any, start: Function | np.ndarray) -> np.ndarray:
        if not callable(start):
            return space.coerce(start)
        shares, weights = gauss(space.degree + 3)
        times = space.on_layers(shares)
        return space.project(space.fitted(start(times.ravel()).reshape(*times.shape, -1), shares, weights))

    # --- law

    def _in_law(
        self, system: emfc.ParticleSystem, control: np.ndarray
    ) -> tuple[emfc.ParticleSystem, np.ndarray, float, float]:
        """The system on an accurate rule, its best control, the cost on a still finer rule, and the error of this rule."""
        here = system.cost(control).total
        if self.problem.law.finite:
            return system, control, here, 0.0
        aim, loss = self._aim(here), self._readout(system, control)
        last = system
        try:
            for tolerance in (aim / 10,) if self.dim < 3 else (1e-4, aim / 5):
                last = self._refined(last, control, tolerance, LAST[self.dim], loss)
                if self._to_gain(last, control) > aim / 10:
                    control = self._descend(last, control)
                    loss = self._readout(last, control)
            here = last.cost(control).total
            fine = self._refined(last, control, aim / 50, CHECK[self.dim], loss)
            cost = fine.cost(control).total
            gain = self._to_gain(fine, control) if len(fine.rule.w) <= LAST[self.dim] else 0.0
        except _LateError:
            self.notes.append("out of time on the last rule")
            now = last.cost(control).total
            return last, control, now, 2.0 * abs(now - here)
        estimated = float(fine.error or 0.0)
        error = estimated if estimated <= aim / 10 else min(estimated, 2.0 * abs(cost - here) + estimated / 30)
        return last, control, cost, error + gain

    # --- pieces

    def _aim(self, cost: float) -> float:
        return AIMS[self.dim] * max(abs(cost), 1.0)

    def _system(self, ends: np.ndarray, rule: LabelledRule) -> emfc.ParticleSystem:
        # A running loss makes steps within the layers already, which resolve the control.
        degree = (DEGREE if self.problem.running is None else DEGREE_WITH_RUNNING)[self.dim]
        substeps = substeps_for("dop853", degree, RESOLVED if self.problem.running is None else REFUSED)
        layer_map = emfc.LayerMap("dop853", substeps)
        return emfc.ParticleSystem(self.problem, ends, rule=rule, control_degree=degree, layer_map=layer_map)

    def _refined(
        self, system: emfc.ParticleSystem, control: np.ndarray, tolerance: float, limit: int, loss: Loss | None
    ) -> emfc.ParticleSystem:
        found = emfc.ParticleSystem.refined(
            self.problem, system.grid, control, tolerance=tolerance, limit=limit, loss=loss, **system.layer_options
        )
        fixed = self.problem.loss if loss is None else loss
        if not fixed.trained:
            sizes = np.abs(found.losses(found.control(control), fixed, found.rule.x, found.rule.y))
            found.rule = _without_tails(found.rule, sizes, TAILS * tolerance)
        return found

    def _readout(self, system: emfc.ParticleSystem, control: np.ndarray) -> Loss | None:
        if not self.problem.loss.trained:
            return None
        return system.terminal(system.carried(control, system.rule.x))[0]

    def _descend(self, system: emfc.ParticleSystem, control: np.ndarray, end: float | None = None) -> np.ndarray:
        def late(row: object) -> None:
            if time.perf_counter() > (end or self.end):
                raise _LateError

        late(None)
        solver = emfc.solvers.LBFGS(tol=TOLERANCE[self.dim], max_iterations=ITERATIONS, last_steps=2)
        return solver.solve(system, control, late).control

    def _to_gain(self, system: emfc.ParticleSystem, control: np.ndarray) -> float:
        """About ten times what a Newton step would save, if the Hessian is at least a tenth of the penalty's."""
        _, gradient = system.cost_and_gradient(control)
        space = system.controls
        slope = np.where(space.conditions.free(control, gradient), gradient, 0.0)
        return 5.0 * float((slope**2 / space.gram).sum())


def _without_tails(rule: LabelledRule, sizes: np.ndarray, tolerance: float) -> LabelledRule:
    """The rule without points that matter least, of which there are many in space, up to a tolerance of the mean loss."""
    parts = rule.w * (1.0 + sizes)
    order = np.argsort(parts)
    kept = np.sort(order[np.cumsum(parts[order]) >= tolerance])
    w = rule.w[kept]
    return LabelledRule(np.asfortranarray(rule.x[kept]), w / w.sum(), rule.y[kept])
