"""Constraints on the final law by an augmented Lagrangian: rounds of a solver, with multipliers and weights between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..constraints import TerminalConstraints
from ..problem import Problem
from ..solution import Solution
from ..solvers import GradientFlow, Iteration, Outcome, Shooting, Solver, Status, SuccessiveApproximations
from ..solvers.record import Callback
from ..system.constraint_terms import ConstraintTerms
from ..system.optimality import OptimalitySystem
from .starts import Start

#: the largest number of rounds
ROUNDS = 40
#: the first weights, in units of the cost per square of a constraint's natural size; for methods that slow down with the weights,
#: the smaller ones
FIRST, GENTLE = 100.0, 1.0
SLOWED = (Shooting, SuccessiveApproximations, GradientFlow)
#: a weight is multiplied by `STIFFER` where the violation does not fall to this share in a round
FALLS, STIFFER = 0.5, 10.0
#: the constraints count as infeasible if the violation has not fallen to this share of its least value in `PATIENCE` rounds
PROGRESS, PATIENCE = 0.9, 4
#: a secant step is at most this multiple of the step `r v`; singular values below this share of the largest are left out
FARTHEST, SINGULAR = 10.0, 1e-8
#: verdicts of a solver after which there are no further rounds
LAST = (Status.INTERRUPTED, Status.NOT_FINITE, Status.DIVERGED)


@dataclass(frozen=True, eq=False)
class _Round:
    """One round: the system with its multipliers, the solver's outcome, and how well the constraints are met.

    Attributes
    ----------
    system, outcome : of this round.
    excess : `(K,)`, `E g - c`.
    unmet : the largest violation, in units of what is allowed.
    """

    system: OptimalitySystem
    outcome: Outcome
    excess: np.ndarray
    unmet: float


def solve_constrained(
    system: OptimalitySystem, solver: Solver, start: np.ndarray, initial: Start, callback: Callback | None
) -> tuple[OptimalitySystem, Outcome]:
    """Find a control and multipliers; returns the system with these multipliers, and the outcome of the last round.

    Each round minimises `J + sum_k m_k v_k + r_k/2 v_k^2` with `v_k = E g_k - c_k` (for inequalities see
    `constraints.TerminalConstraints`), from the control of the round before. Then `m_k + r_k v_k` is the next multiplier, plus a
    secant step from the rounds before. A weight r_k grows where the violation does not fall to a half. If no round reaches the
    tolerances of the constraints, the round with the least violation is returned, and its outcome says by how much they are
    violated.

    Parameters
    ----------
    system : the discrete problem.
    solver : the method of each round.
    start : the first control.
    initial : what was passed as the first control; a Solution with the same constraints brings its multipliers.
    callback : called with each row of the history.

    Raises
    ------
    NonFiniteError
        If not even the first control can be evaluated.

    References
    ----------
    J. Nocedal, S. J. Wright, Numerical Optimization, Springer 2006, doi:10.1007/978-0-387-40065-5, algorithm 17.4.
    """
    terms = system.terminal.constraints
    assert terms is not None
    held = _first_multipliers(system, terms, initial, GENTLE if isinstance(solver, SLOWED) else FIRST)
    history: list[Iteration] = []
    best: _Round | None = None
    found: _Round | None = None
    secants = _Secants(terms.sizes)
    stale = count = 0
    while count < ROUNDS:
        count += 1
        control = start if found is None else found.outcome.control
        last, found = found, _one_round(system.problem, system, held, solver, control, _numbered_on(history, callback))
        history += _after(history, found.outcome.history)
        stale = 0 if best is None or found.unmet < PROGRESS * best.unmet else stale + 1
        best = found if best is None or found.unmet < best.unmet else best
        if found.unmet <= 1.0 or found.outcome.status in LAST or stale == PATIENCE:
            break
        held = _next(held, found, last, secants)
    assert best is not None
    chosen = found if found is not None and found.outcome.status in LAST else best
    return chosen.system, _told(chosen, history, count)


def _first_multipliers(
    system: OptimalitySystem, terms: ConstraintTerms, initial: Start, first: float
) -> TerminalConstraints:
    """The multipliers and weights of the first round: those of a solution before, or zeros and weights of a natural size.

    Parameters
    ----------
    system : the discrete problem.
    terms : its constraints on the mesh.
    initial : the argument `initial` of `solve`.
    first : the weights, in units of the cost per square of a natural size.
    """
    known = terms.known
    if isinstance(initial, Solution) and initial.constraints and known.fits(initial.constraints):
        return known.settled_as(initial.constraints)
    if known.settled:
        return known
    problem = system.problem
    moving = problem.regulariser.penalties * problem.scales.control**2
    cost = system.cancelling() + 0.5 * float(problem.horizon) * float(np.mean(moving))
    return known.at(np.zeros(len(known.rows)), first * cost / terms.sizes**2)


def _one_round(
    problem: Problem,
    system: OptimalitySystem,
    held: TerminalConstraints,
    solver: Solver,
    control: np.ndarray,
    callback: Callback | None,
) -> _Round:
    own = OptimalitySystem.of(replace(problem, constraints=held), system.discretisation, system.resources)
    outcome = solver.solve(own, control, callback)
    terms = own.terminal.constraints
    assert terms is not None
    excess = terms.excess(own.final_masses(outcome.control))
    return _Round(own, outcome, excess, float((held.unmet(excess) / terms.allowed).max()))


class _Secants:
    """Steps of the multipliers from differences of rounds: the excess is a smooth function of `m + r v`, whatever r is.

    Parameters
    ----------
    sizes : `(K,)`, the natural sizes of the constraints.

    References
    ----------
    D. G. Anderson, Iterative procedures for nonlinear integral equations, J. ACM 12 (1965), 547-560, doi:10.1145/321296.321305.
    """

    def __init__(self, sizes: np.ndarray) -> None:
        self._sizes = sizes
        self._active = np.zeros(len(sizes), dtype=bool)
        self._slopes: list[np.ndarray] = []
        self._excess: list[np.ndarray] = []

    def step(self, held: TerminalConstraints, excess: np.ndarray) -> np.ndarray:
        """`(K,)`: what is added to the next multipliers; 0 for constraints that are not active, and in a first round.

        Only rounds with the same active constraints count.
        """
        active = held.bends(excess) > 0.0
        if (active != self._active).any():
            self._slopes, self._excess, self._active = [], [], active
        self._slopes.append(held.slopes(excess) * self._sizes)
        self._excess.append(excess / self._sizes)
        count = int(active.sum())
        del self._slopes[: -count - 1], self._excess[: -count - 1]
        out = np.zeros(len(excess))
        if len(self._slopes) > 1:
            columns = np.diff(np.array(self._excess)[:, active], axis=0).T
            shares = np.linalg.lstsq(columns, self._excess[-1][active], rcond=SINGULAR)[0]
            out[active] = -np.diff(np.array(self._slopes)[:, active], axis=0).T @ shares
        own = float(np.abs(held.stiffness * excess * self._sizes)[active].max(initial=0.0))
        return np.clip(out, -FARTHEST * own, FARTHEST * own) / self._sizes


def _next(held: TerminalConstraints, found: _Round, last: _Round | None, secants: _Secants) -> TerminalConstraints:
    """The multipliers and weights of the next round."""
    now = held.unmet(found.excess)
    before = np.full(len(now), np.inf) if last is None else held.unmet(last.excess)
    slow = now > FALLS * before
    multipliers = held.slopes(found.excess) + secants.step(held, found.excess)
    multipliers = np.where(held.equalities, multipliers, np.maximum(multipliers, 0.0))
    return held.at(multipliers, np.where(slow, STIFFER * held.stiffness, held.stiffness))


def _numbered_on(history: list[Iteration], callback: Callback | None) -> Callback | None:
    """A callback for a further run of a solver, whose rows are numbered on from those of the runs before.

    Parameters
    ----------
    history : the rows of the runs before.
    callback : the callback of all rows, or None.
    """
    if callback is None or not history:
        return callback
    told: Callable[[Iteration], object] = callback
    return lambda row: told(_after(history, [row])[0])


def _after(history: list[Iteration], rows: list[Iteration]) -> list[Iteration]:
    """Rows of a further run, numbered on."""
    if not history:
        return rows
    end = history[-1]
    return [
        row._replace(
            iteration=row.iteration + end.iteration + 1,
            evaluations=row.evaluations + end.evaluations,
            sweeps=row.sweeps + end.sweeps,
            seconds=row.seconds + end.seconds,
        )
        for row in rows
    ]


def _told(found: _Round, history: list[Iteration], count: int) -> Outcome:
    """The outcome with the history of all rounds, and what the constraints say in the message."""
    outcome, rounds = found.outcome, f"{count} round{'s' * (count != 1)} of multipliers"
    if found.unmet <= 1.0:
        return replace(outcome, history=history, message=f"{outcome.message}; the constraints hold after {rounds}")
    terms = found.system.terminal.constraints
    assert terms is not None
    worst = int(np.argmax(terms.known.unmet(found.excess) / terms.allowed))
    row, by = terms.known.rows[worst], float(terms.known.unmet(found.excess)[worst])
    told = f"the constraint {row.title} is violated by {by:.3g} after {rounds}"
    if not outcome.converged:
        return replace(outcome, history=history, message=f"{outcome.message}; {told}")
    told += f", the least violation reached: the constraints may be infeasible; the discrete system: {outcome.message}"
    status = Status.CONSTRAINTS_VIOLATED
    return replace(outcome, history=history, status=status, message=f"not converged: {told}")
