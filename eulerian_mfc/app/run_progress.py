"""What `emfc run` prints while it solves: its heading, and a row per iteration or per round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from rich.console import Console
from rich.markup import escape

from ..control.grid import count_of
from ..problem import Problem
from ..results.solution_error import ToleranceRound
from ..run.case import Case
from ..run.options import Options, is_to_tolerance
from ..solvers import Iteration
from ..system.options import tolerance_options
from ..tolerance.goal import Goal, scale_of


class Display(Protocol):
    """A display of a solve."""

    def __call__(self, row: Iteration) -> None:
        """Show an iteration."""

    def report(self, row: ToleranceRound) -> None:
        """Show a round of a solve to a tolerance."""


def display_of(
    console: Console,
    case: Case,
    problem: Problem,
    options: Options,
    left_out: Sequence[str],
    busy: Callable[[str], object],
) -> Display:
    """The display of a solve.

    Parameters
    ----------
    console : where it is printed.
    case : the case, whose title and settings are printed.
    problem : its problem.
    options : keyword arguments of `solve`.
    left_out : the names of options of the case that are not used.
    busy : shows a text in the line that moves, and replaces it.
    """
    if not is_to_tolerance(options):
        return Iterations(console, [f"[bold]{escape(case.title)}[/bold]", heading(case, options)])
    goal = Goal(**tolerance_options(options))
    target = max(goal.tol * scale_of(problem), goal.atol)
    asked = f"The error of the cost is to be at most {target:.1e} ({goal.tol:g} of the size of the losses)"
    if goal.tol_control is not None:
        asked += f", that of the control at most {goal.tol_control:.1e}"
    lines = [f"[bold]{escape(case.title)}[/bold]", heading(case, options), f"{asked}."]
    if left_out:
        names = ", ".join(left_out)
        lines.append(f"Of the case, these are left out, since they are chosen to reach the tolerance: {names}.")
    return Rounds(console, lines, busy)


def heading(case: Case, options: Options) -> str:
    """The name and the settings of a case, and what is solved.

    Parameters
    ----------
    case : the case.
    options : keyword arguments of `solve`.
    """
    changed = ", ".join(f"{k}={v!r}" for k, v in case.settings.items())
    parts = []
    if "mesh" in options:
        parts.append(f"{' x '.join(map(str, options['mesh'].shape))} cells")
    if "layers" in options:
        parts.append(f"{count_of(options['layers'])} layers")
    if degree := options.get("control_degree", 0):
        parts.append(f"controls of degree {degree}")
    if is_to_tolerance(options):
        parts.append("to a tolerance")
    return escape(f"{case.name}({changed}): {', '.join(parts)}")


class _Headed:
    """Prints lines once, before the first row: errors in the arguments have been raised by then."""

    def __init__(self, console: Console, lines: Sequence[str]) -> None:
        self._console, self._lines = console, list(lines)

    def _begin(self) -> None:
        for line in self._lines:
            self._console.print(line, soft_wrap=True)
        self._lines = []


class Iterations(_Headed):
    """A row per iteration.

    Parameters
    ----------
    console : where it is printed.
    lines : the heading.
    """

    def __init__(self, console: Console, lines: Sequence[str]) -> None:
        head = f"{'iteration':>9}  {'cost':>18}  {'residual':>10}  {'sweeps':>7}  {'seconds':>8}"
        super().__init__(console, [*lines, head])

    def __call__(self, row: Iteration) -> None:
        """Print an iteration."""
        self._begin()
        line = f"{row.iteration:9d}  {row.cost:18.12f}  {row.residual:10.2e}  {row.sweeps:7d}  {row.seconds:8.2f}"
        self._console.print(line)

    def report(self, row: ToleranceRound) -> None:
        """There are no rounds."""


class Rounds(_Headed):
    """A row per round of a solve to a tolerance; the iterations within a round are shown in the line that moves.

    Parameters
    ----------
    console : where it is printed.
    lines : the heading.
    busy : shows a text in the line that moves, and replaces it.
    """

    def __init__(self, console: Console, lines: Sequence[str], busy: Callable[[str], object]) -> None:
        head = f"{'stage':>5}  {'size':>16}  {'layers':>6}  {'degree':>6}  {'cost':>18}  {'error':>8}  {'seconds':>8}"
        super().__init__(console, [*lines, head])
        self._busy, self._rounds = busy, 0

    def __call__(self, row: Iteration) -> None:
        """Show an iteration in the line that moves."""
        self._begin()
        self._busy(
            f"round {self._rounds + 1}, iteration {row.iteration}: cost {row.cost:.8g}, residual {row.residual:.1e}"
        )

    def report(self, row: ToleranceRound) -> None:
        """Print a round."""
        self._begin()
        self._rounds += 1
        size = f"{row.points} {'cells' if row.stage == 'mesh' else 'points'}"
        self._console.print(
            f"{row.stage:>5}  {size:>16}  {row.layers:6d}  {row.degree:6d}  {row.cost:18.12f}  {row.error:8.1e}  "
            f"{row.seconds:8.2f}"
        )
