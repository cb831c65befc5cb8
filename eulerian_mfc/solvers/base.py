"""What every solver shares: the options, the start of a run, and the verdict at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from .._validate import integer, mismatch, positive
from ..control.coerced import ControlLike, coerced
from ..errors import NonFiniteError
from .protocol import DiscreteProblem, LayeredProblem, LayerWise
from .record import Callback, Outcome, Point
from .recorder import Recorder
from .status import Ending, Status


@dataclass(frozen=True)
class Solver(ABC):
    """A method for the optimality system.

    Parameters
    ----------
    tol : relative tolerance, dimensionless. A control is converged if the optimality residual
        `max |lambda theta + int D_theta F^T grad psi dmu|` is at most tol times the larger of its two terms,
        `max |lambda theta|` and `max |int D_theta F^T grad psi dmu|`. If both terms have become small during the run, a tenth
        of the second term at a tenth of the control's natural size (see `scales`) takes their place, if it is larger.
        The maxima are taken over layers and parameters, without the entries that a bound holds, in the penalty's metric: if
        penalties differ between parameters, terms are divided by `sqrt(lambda)` first. A parameter whose terms are far
        smaller than those of the others is therefore found with a larger relative error. If the cost has kinks (elements on
        simplices), no gradient vanishes at a minimum on a kink. The residual of the shortest convex combination of the
        gradients within `min(tol, 0.01) max |theta|` of the control may then take the residual's place, see
        `solvers.kinks`.
    max_iterations : iterations after which the solver gives up.

    Raises
    ------
    ArgumentError
        If a number is out of range. From `solve`, if the method cannot treat the system.
    NonFiniteError
        From `solve`, if not even the first control can be evaluated.

    References
    ----------
    A. S. Lewis, M. L. Overton, Nonsmooth optimization via quasi-Newton methods, Math. Program. 141 (2013), 135-163,
    doi:10.1007/s10107-012-0514-2, section 6.3 (the test at kinks).

    Examples
    --------
    >>> from eulerian_mfc.solvers import CONVERGED, limit_reached
    >>> class Steps(Solver):
    ...     def iterate(self, recorder, system, initial):
    ...         point = recorder.evaluate(initial)
    ...         for _ in range(self.max_iterations):
    ...             recorder.record(point)
    ...             if recorder.converged(point):
    ...                 return CONVERGED
    ...             step = 0.5 * point.gradient / system.controls.gram
    ...             point = recorder.evaluate(system.controls.project(point.control - step))
    ...         return limit_reached(self.max_iterations)
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> Steps(tol=1e-6).solve(emfc.ParticleSystem(problem, layers=2), initial=0.1).status.value
    'converged'
    """

    tol: float = 1e-9
    max_iterations: int = 500

    #: True: the best of several points is the one with the least cost. False: the one with the least residual
    by_cost: ClassVar[bool] = True
    #: whether the L1 norm of the control may be in the cost
    takes_sparsity: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive("tol", self.tol)
        integer("max_iterations", self.max_iterations)

    @property
    def discrete(self) -> bool:
        """Whether the method drives the residual of the discrete system to zero, which the certificate computes."""
        return True

    def solve(self, system: DiscreteProblem, initial: ControlLike, callback: Callback | None = None) -> Outcome:
        """Run from the control `initial`: a number, an array or a function of time, see `control.coerced`.

        It is first projected onto the problem's bounds.

        An interrupt (Ctrl-C) or a non-finite value ends the run. The outcome then holds the best control so far, and it counts
        as converged only if its residual is below the threshold.

        Raises
        ------
        NonFiniteError
            If not even the initial control can be evaluated.
        """
        space = system.controls
        if space.regulariser.sparse and not self.takes_sparsity:
            name = type(self).__name__
            raise mismatch(
                "solver",
                f"{name}, which needs a smooth cost, for a problem with sparsity",
                "solvers.ProximalGradient()",
            )
        recorder = Recorder(system, self.tol, callback, self.by_cost)
        ending = self._ended(recorder, system, space.project(coerced(space, initial, "initial")))
        return self._outcome(recorder, ending)

    def _ended(self, recorder: Recorder, system: DiscreteProblem, start: np.ndarray) -> Ending:
        """Iterate, and return why the iteration ended. An exception before the first evaluation is raised again."""
        try:
            ending = self.iterate(recorder, system, start)
        except KeyboardInterrupt:
            if recorder.best is None:
                raise
            return Ending(Status.INTERRUPTED, "interrupted")
        except NonFiniteError as error:
            if recorder.best is None:
                raise
            return Ending(Status.NOT_FINITE, str(error))
        if not isinstance(ending, Ending):
            expected = "an Ending, such as solvers.limit_reached(100) or solvers.CONVERGED"
            raise mismatch(
                "solver", f"{ending!r} as the return value of the method `iterate` of {type(self).__name__}", expected
            )
        return ending

    def _outcome(self, recorder: Recorder, ending: Ending) -> Outcome:
        """The best control of a run, with the verdict on it."""
        judge, best = recorder.judge, self._best(recorder)
        converged = judge.converged(best)
        early = ending.status not in (Status.INTERRUPTED, Status.NOT_FINITE)
        if early and len(recorder.history) <= self.max_iterations and not converged:
            # The start may already be as close to the optimum as round-off allows: its terms alone are then too small a scale.
            judge.refer(best)
            converged = judge.converged(best)
        threshold = judge.threshold(best)
        above = best.residual > threshold
        kink = judge.at_kink(best) if recorder.system.kinks and above else None
        words = f"optimality residual {best.residual:.2e} {'>' if above else '<='} {threshold:.1e}"
        status, verdict = Status.CONVERGED, "converged to a critical point"
        if not converged:
            status, verdict = ending.status, f"not converged: {ending.reason}"
            status = Status.STALLED if status.converged else status
        elif kink is not None:
            status, verdict = Status.CONVERGED_AT_KINK, f"{verdict} at a kink of the cost"
            words = (
                f"the shortest combination of the gradients within distance {kink.distance:.1e} has the optimality "
                f"residual {kink.residual:.2e} <= {threshold:.1e}, the control itself {best.residual:.2e}"
            )
        return Outcome(best.control, status, f"{verdict}; {words}", recorder.history, threshold, kink)

    @staticmethod
    def _best(recorder: Recorder) -> Point:
        """The last accepted point if it is converged, else the best of all evaluated points."""
        best = recorder.accepted
        if best is None or not recorder.converged(best):
            best = recorder.best
        if best is None:
            raise NonFiniteError(
                "the solver ended before it evaluated a control: call recorder.evaluate(initial) first"
            )
        return best

    @abstractmethod
    def iterate(self, recorder: Recorder, system: DiscreteProblem, initial: np.ndarray) -> Ending:
        """Iterate from the control `initial` `(layers, m)` until `recorder.converged` is true for a point; return the reason.

        The method evaluates controls with `recorder.evaluate` and ends each iteration with `recorder.record`.
        """


def need_adjoint(system: DiscreteProblem, method: str) -> None:
    """Raise an ArgumentError if the gradient is not exactly that of the discrete cost; for methods that compare costs.

    Parameters
    ----------
    system : the discrete problem.
    method : the method's name, for the message.
    """
    if not system.adjoint:
        raise mismatch(
            "solver",
            f"{method}, which needs the exact gradient of the cost, on a pair of schemes that is not adjoint",
            "the solver solvers.Shooting(relaxation=0.5), or an adjoint pair, which is either the default "
            'continuity, or FiniteVolume("upwind") with its adjoint() as transport',
        )


def need_layers(system: DiscreteProblem) -> LayeredProblem:
    """Return the same problem, typed as one with layer-wise updates; raise an ArgumentError if it has none.

    Parameters
    ----------
    system : the discrete problem.
    """
    if not isinstance(system, LayerWise):
        raise mismatch("system", type(system).__name__, "an OptimalitySystem, since layer-wise updates need a mesh")
    return cast(LayeredProblem, system)
