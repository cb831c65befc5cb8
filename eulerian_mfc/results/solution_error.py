"""The error of a solution that was solved to a tolerance: a bracket for the least cost, bounds, and what limits them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import NamedTuple, TypeAlias

from .._frozen import FrozenFields


class ToleranceRound(NamedTuple):
    """One round of a solve to a tolerance.

    Attributes
    ----------
    stage : "time" for rounds without a mesh, which choose layers and degree, or "mesh".
    points : the number of cells of the mesh, or of points of the law without a mesh.
    layers, degree : of the control in time.
    cost : J of the round.
    error : its estimated error: without a mesh that of the layers, on the mesh that of everything.
    seconds : since the start.
    """

    stage: str
    points: int
    layers: int
    degree: int
    cost: float
    error: float
    seconds: float


#: a function that is called with each round when it has ended
Report: TypeAlias = Callable[[ToleranceRound], object]


@dataclass(frozen=True)
class SolutionError(FrozenFields):
    """How far a solution is from the optimum of the posed problem, in continuous time and for the law itself.

    J* is the least cost near the solution: of all controls of any shape in time that belong to the same valley of the cost. With
    a law of samples, J* is the least cost for these samples.

    Attributes
    ----------
    bracket : `(low, high)`, between which J* lies.
    cost : a bound of `|J - J*|`, where J is the solution's cost.
    control : a bound of `(int |theta - theta*|^2 dt)^(1/2)`.
    tolerance : the largest `cost` that was asked for, in the cost's units: `max(tol scale, atol)`.
    tolerance_control : the largest `control` that was asked for, or None.
    met : whether both are met and the solution has converged.
    sources : the parts of `J - J*` by source, with their signs: "mesh", "box", "quadrature" (of the law), "time" (layers and
        degree of the control), "layer map", "optimisation"; for a law of samples also "samples", the standard deviation of J
        over samples, which is not part of the bracket. With noise or costs of the density: "mesh", "box", "splitting" (substeps),
        "levels" (times at which a running cost is evaluated) and "time". If the search in time was cut off, only the first
        three are known.
    stopped_by : None if the tolerance is met, otherwise what prevented it, in words.
    without_mesh : the cost of the solution's control without a mesh, on a rule of the law: the second opinion. With noise or
        costs of the density it is extrapolated from finer meshes.
    scale : the size of the data to which `tol` refers, see `tolerance.goal.scale_of`.
    valley : words if rounds did not follow one valley of the cost: the bracket is that of the last one; otherwise None.

    References
    ----------
    docs/how_accurate.md

    Examples
    --------
    >>> error = SolutionError((0.99, 1.01), 0.02, 0.1, 0.05, None, True, {"mesh": 0.005}, None, 1.0, 1.0)
    >>> print(error)
    J* lies between 0.99 and 1.01: |J - J*| <= 2.0e-02; 5.0e-02 was asked for, this is met.
    The control is at most 1.0e-01 from the optimal one, in L2.
    J - J* by source: mesh +5.0e-03.
    Without a mesh, the cost of this control is 1.
    """

    bracket: tuple[float, float]
    cost: float
    control: float
    tolerance: float
    tolerance_control: float | None
    met: bool
    sources: Mapping[str, float] = field(repr=False)
    stopped_by: str | None
    without_mesh: float
    scale: float
    valley: str | None = None

    @property
    def shortfall(self) -> str:
        """What is asked for and not reached, and why, in words; empty if the tolerance is met."""
        if self.met:
            return ""
        found = f"{self.cost:.1e}" if isfinite(self.cost) else "not known"
        missed = [f"the error of the cost is {found}, {self.tolerance:.1e} was asked for"]
        if self.tolerance_control is not None and self.tolerance_control < self.control < inf:
            missed.append(f"that of the control {self.control:.1e}, {self.tolerance_control:.1e} was asked for")
        return f"{'; '.join(missed)} ({self.stopped_by})"

    @property
    def sentences(self) -> list[str]:
        """The bracket, the bounds, their sources and the second opinion, a sentence for each."""
        low, high = (f"{value:.15g}" for value in self.bracket)
        verdict = "this is met" if self.met else f"this is NOT met: {self.stopped_by}"
        asked = f"; {self.tolerance_control:.1e} was asked for" if self.tolerance_control is not None else ""
        parts = ", ".join(f"{source} {value:+.1e}" for source, value in self.sources.items())
        return [
            f"J* lies between {low} and {high}: |J - J*| <= {self.cost:.1e}; {self.tolerance:.1e} was asked for, {verdict}."
            if isfinite(self.cost)
            else f"J* is at most {high}, and how far below is not known; {self.tolerance:.1e} was asked for, {verdict}.",
            f"The control is at most {self.control:.1e} from the optimal one, in L2{asked}."
            if isfinite(self.control)
            else "How far the control is from the optimal one is not known.",
            *([f"J - J* by source: {parts}."] if parts else []),
            *self.second_opinion,
            *([] if self.valley is None else [f"{self.valley[:1].upper()}{self.valley[1:]}."]),
        ]

    @property
    def elsewhere(self) -> str:
        """Where the second opinion comes from: points of the law, or finer meshes if only meshes give the cost."""
        return "Extrapolated from finer meshes" if "splitting" in self.sources else "Without a mesh"

    @property
    def second_opinion(self) -> list[str]:
        """Sentences: the cost without a mesh; and that it is better than J, if the mesh's error exceeds the bracket's width."""
        of_mesh = self.sources.get("mesh", 0.0) + self.sources.get("box", 0.0)
        on_mesh = self.without_mesh + of_mesh
        told = [f"{self.elsewhere}, the cost of this control is {self.without_mesh:.12g}."]
        width, nearer = self.bracket[1] - self.bracket[0], self._outside(self.without_mesh) < self._outside(on_mesh)
        if not (isfinite(self.cost) and abs(of_mesh) > width and nearer):
            return told
        return [
            *told,
            f"This is a better estimate of J* than J = {on_mesh:.12g}, which lies outside the bracket: the error of the mesh "
            f"in J, {of_mesh:+.1e}, is known, and larger than the bracket is wide.",
        ]

    def _outside(self, cost: float) -> float:
        """How far a cost lies outside the bracket; 0 if it lies in it."""
        return max(self.bracket[0] - cost, cost - self.bracket[1], 0.0)

    def __str__(self) -> str:
        return "\n".join(self.sentences)
