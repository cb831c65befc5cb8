"""Descent by step halving, with the step lengths of Barzilai and Borwein: shared by GradientFlow and ProximalGradient."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from .record import Point
from .recorder import Recorder
from .status import CONVERGED, Ending, limit_reached, stalled

#: number of past costs with whose maximum a spectral step is compared
MEMORY = 10
#: a change of the cost below this share of the largest cost so far counts as round-off
SETTLED = 1e-12
#: a line search gives up after this many halvings
HALVINGS = 60
#: largest and smallest spectral step
LONGEST, SHORTEST = 1e6, 1e-6


class Descent(ABC):
    """`theta_{k+1} = trial(theta_k, s)` with the first s among s_k, s_k / 2, s_k / 4, ... that lowers the cost enough.

    Parameters
    ----------
    recorder : the recorder of the run.
    first_step : s_0, dimensionless: 1 is the update of the source.
    """

    #: the reason to report if no step lowers the cost
    stuck: str

    def __init__(self, recorder: Recorder, first_step: float) -> None:
        self.recorder, self.space, self.step = recorder, recorder.system.controls, first_step
        self.costs: list[float] = []

    def run(self, initial: np.ndarray, max_iterations: int) -> Ending:
        """Iterate from the control `initial` until `recorder.converged` is true for a point."""
        recorder = self.recorder
        point = recorder.evaluate(initial)
        recorder.record(point)
        self.costs = [point.cost]
        for _ in range(max_iterations):
            if recorder.converged(point):
                return CONVERGED
            found = self._descend(point)
            if found is None:
                return stalled(self.stuck)
            self.step = self.next_step(point, *found)
            point = found[0]
            self.costs.append(point.cost)
            recorder.record(point)
        return limit_reached(max_iterations)

    def _descend(self, point: Point) -> tuple[Point, float] | None:
        """The first trial that is good enough, and its step; None if no trial is."""
        step = self.step
        for _ in range(HALVINGS):
            new = self.recorder.evaluate(self.trial(point, step))
            if self.good_enough(point, new, step):
                return new, step
            step *= 0.5
        return None

    @property
    def round_off(self) -> float:
        """A change of the cost below this value counts as round-off."""
        return SETTLED * max(map(abs, self.costs))

    @abstractmethod
    def trial(self, point: Point, step: float) -> np.ndarray:
        """The control that a step of length `step` from `point` reaches."""

    @abstractmethod
    def good_enough(self, point: Point, new: Point, step: float) -> bool:
        """Whether the cost fell enough."""

    def next_step(self, point: Point, new: Point, taken: float) -> float:
        """The first step of the next line search: `|dtheta|^2 / <dtheta, dg>` in the penalty's metric.

        dtheta and dg are the changes of control and gradient. If `<dtheta, dg> <= 0` (no positive curvature along the step), it
        is twice the first step of the last line search.
        """
        moved = new.control - point.control
        bend = float(np.vdot(moved, new.gradient - point.gradient))
        length = float((self.space.gram * moved**2).sum())
        return float(np.clip(length / bend, SHORTEST, LONGEST)) if bend > 0 else min(2 * self.step, LONGEST)
