"""Descent with line searches that halve, and step lengths of Barzilai and Borwein: what two methods share."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from .record import Point
from .recorder import Recorder
from .status import CONVERGED, Ending, limit_reached, stalled

#: how many past costs spectral steps are compared with
MEMORY = 10
#: change of the cost, relative to the largest so far, that is taken for round-off
SETTLED = 1e-12
#: halvings of a step after which a line search gives up
HALVINGS = 60
#: largest and smallest step
LONGEST, SHORTEST = 1e6, 1e-6


class Descent(ABC):
    """`theta_{k+1} = trial(theta_k, s)` with the first s among s_k, s_k / 2, s_k / 4, ... that lowers the cost enough.

    Parameters
    ----------
    recorder : of the run.
    first_step : s_0, dimensionless: 1 is the source's update.
    """

    #: why it stopped, where no step lowers the cost
    stuck: str

    def __init__(self, recorder: Recorder, first_step: float) -> None:
        self.recorder, self.space, self.step = recorder, recorder.system.controls, first_step
        self.costs: list[float] = []

    def run(self, initial: np.ndarray, max_iterations: int) -> Ending:
        """Iterate from a control until the recorder calls a point converged."""
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
        """The first trial that is good enough, and its step."""
        step = self.step
        for _ in range(HALVINGS):
            new = self.recorder.evaluate(self.trial(point, step))
            if self.good_enough(point, new, step):
                return new, step
            step *= 0.5
        return None

    @property
    def round_off(self) -> float:
        """The change of the cost that is taken for round-off."""
        return SETTLED * max(map(abs, self.costs))

    @abstractmethod
    def trial(self, point: Point, step: float) -> np.ndarray:
        """The control to which a step leads from a point."""

    @abstractmethod
    def good_enough(self, point: Point, new: Point, step: float) -> bool:
        """Whether the cost fell enough."""

    def next_step(self, point: Point, new: Point, taken: float) -> float:
        """`|ds|^2 / <ds, dg>` in the penalty's metric; twice the last first step where the cost does not bend upwards."""
        moved = new.control - point.control
        bend = float(np.vdot(moved, new.gradient - point.gradient))
        length = float((self.space.gram * moved**2).sum())
        return float(np.clip(length / bend, SHORTEST, LONGEST)) if bend > 0 else min(2 * self.step, LONGEST)
