"""The work of `emfc run` and `emfc resume`: solve a case, show the progress, and write the results into a folder."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from .._validate import mismatch
from ..errors import EulerianWarning, StorageError
from ..files.locks import alone
from ..results.solution_data import SolutionData
from ..run.case import Case, no_exit
from ..run.interrupts import interrupted_once
from ..run.options import is_to_tolerance, solved_to
from ..run.solve import solve
from ..schemes import Scheme
from ..solution import Solution
from ..solvers import Status
from ..storage.scheme_specs import scheme_spec
from .control_tables import write_control
from .error_tables import write_error
from .ignored_settings import ignored_settings
from .run_folder import RunFolder
from .run_progress import display_of, heading
from .run_record import Record, recorded


def run_case(
    case: Case,
    out: str | os.PathLike[str],
    record: Record | None = None,
    threads: int | None = None,
    memory: float | None = None,
    second_order: bool = True,
    tolerance: Mapping[str, object] | None = None,
) -> Solution:
    """Solve a case with a progress display, and write everything into the folder `out`.

    With a `record` of the run, the folder also gets a checkpoint of the evaluations, for `emfc resume`. `threads` and `memory`
    replace those of the case unless they are None. With `second_order=False` the second-order analysis is left out.
    `tolerance` has keywords of a solve to a tolerance, as for `run.options.solved_to`.
    """
    console = Console(stderr=False, highlight=False)
    problem, options = case.build()
    options, left_out = solved_to(options, tolerance or {})
    if record is not None and is_to_tolerance(options):
        raise mismatch(
            "--checkpoint",
            "a run to a tolerance, of which the state cannot be saved",
            "a run without --checkpoint, or one with the case's own mesh and layers and without a tolerance",
        )
    for name in ignored_settings(case, tolerance or {}):
        given = f"{name}={case.settings[name]!r}"
        words = f"the setting {given} has no effect on a run to a tolerance, which chooses the {' and the '.join(left_out[:2])}"
        console.print(f"[yellow]warning:[/yellow] {escape(words)}: leave out --tol to use it", soft_wrap=True)
    folder = RunFolder.made(out)
    click.get_current_context().with_resource(alone(folder.path))
    options |= {k: v for k, v in (("threads", threads), ("memory", memory)) if v is not None}
    for name in ("transport", "continuity"):
        if isinstance(scheme := options.get(name), Scheme):
            scheme_spec(scheme)  # before the work, since its solution could not be saved otherwise
    with interrupted_once(), own_warnings() as caught:
        stopped = no_exit(f"{case.path}: the case", "while it was solved")
        with (
            console.status(f"solving {heading(case, options)}") as status,
            recorded(folder, record) as checkpoint,
            stopped,
        ):
            display = display_of(console, case, problem, options, left_out, status.update)
            solution = solve(problem, **options, callback=display, report=display.report, checkpoint=checkpoint)
        solution = solution.described(case=case.text, settings=json.dumps(dict(case.settings), default=repr))
        # Save the solution before the analysis and the figures: an error there must not lose it.
        solution.save(folder.solution)
        if second_order:
            words = (
                "second-order analysis, which takes as long as some dozens of gradients (--no-second-order "
                "leaves it out)"
            )
            with step(console, words) as progress:
                solution.analyse(lambda done: progress(f"{done} Hessian products computed"))
            solution.save(folder.solution)
    for warning in caught:
        console.print(f"[yellow]warning:[/yellow] {warning}", soft_wrap=True)
    _print_verdict(console, solution, second_order)
    _write_views(console, solution, folder, case, second_order)
    if record is not None and solution.status is not Status.INTERRUPTED:
        folder.finished()
    collection = folder.vtk / "solution.pvd"
    console.print(f"written: {folder.report}, {folder.solution}, {collection}", soft_wrap=True)
    return solution


def _print_verdict(console: Console, solution: SolutionData, second_order: bool) -> None:
    colour = "green" if solution.converged else "red"
    verdict, *details = solution.verdict(second_order)
    console.print(f"[{colour}]{verdict}[/{colour}]", soft_wrap=True)
    for sentence in details:
        console.print(sentence, soft_wrap=True)
    parts = f"{solution.terminal_cost:.12g} (terminal) + {solution.penalty_cost:.12g} (penalty)"
    if solution.running_cost:
        parts += f" + {solution.running_cost:.12g} (running)"
    console.print(f"J = {solution.cost:.12g} = {parts}", soft_wrap=True)


def _write_views(console: Console, solution: Solution, folder: RunFolder, case: Case, second_order: bool) -> None:
    """Write figures, report, table and ParaView files; a StorageError names the file of the solution, which stays complete."""
    from ..views import report

    try:
        with step(console, "writing files for ParaView"):
            solution.to_vtk(folder.vtk)
        with step(console, "drawing figures, writing the report"):
            write_control(solution, folder)
            write_error(solution, folder)
            report.write(solution, folder.path, case.title, case.text, second_order)
    except OSError as error:
        failed = f"cannot write into {folder.path}: {error.strerror or error}"
        what = error if isinstance(error, StorageError) else failed
        raise StorageError(f"{what}. The solution itself is complete, in the file {folder.solution}") from error


@contextmanager
def step(console: Console, what: str) -> Iterator[Callable[[str], None]]:
    """Print the name of a step, show progress during it, and print its duration at the end.

    The context manager returns a function that shows a text after the name.
    """
    begun = time.perf_counter()
    console.print(f"{what} ...", soft_wrap=True)
    with console.status(what) as status:
        yield lambda more: status.update(f"{what}: {more}")
    console.print(f"  done in {time.perf_counter() - begun:.1f} s")


@contextmanager
def own_warnings() -> Iterator[list[EulerianWarning]]:
    """Collect the package's own warnings in a list, to be printed at the end; other warnings are shown as usual."""
    caught: list[EulerianWarning] = []
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def keep(message: Warning | str, *where: Any, **more: Any) -> None:
            if isinstance(message, EulerianWarning):
                caught.append(message)
            else:
                usual(message, *where, **more)

        warnings.showwarning = keep
        warnings.simplefilter("always", EulerianWarning)
        yield caught
