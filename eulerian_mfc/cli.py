"""The command `emfc`."""

from __future__ import annotations

import csv
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import click

from .case import Case
from .errors import EulerianError, EulerianWarning
from .solution import Solution
from .solvers import Iteration
from .solving import interrupted_once, solve
from .version import __version__

#: exit status of a run that wrote its results but did not converge
NOT_CONVERGED = 3


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="emfc")
def main() -> None:
    """Train residual networks as mean-field optimal control, on meshes."""


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Change a setting of the case; repeatable."
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the results.")
def run(file: Path, assignments: tuple[str, ...], out: Path) -> None:
    """Solve the case in FILE and write solution, figures, report and ParaView files.

    FILE is a Python file with a function problem(...); its keyword defaults, and those of its function numerics(...),
    are the settings. A case file is code: it is run. Exit status 0 if the run converged, 3 if its results are written
    but it did not converge, 1 for an error.
    """
    try:
        case = Case.load(file).with_settings(dict(_assignment(a) for a in assignments))
        solution = run_case(case, out)
    except EulerianError as error:
        raise click.ClickException(str(error)) from None
    if not solution.converged:
        sys.exit(NOT_CONVERGED)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the results.")
@click.option("--workers", type=click.IntRange(min=1), help="Run jobs in so many processes; by default here, in turn.")
@click.option("--scheduler", metavar="ADDRESS", help="Run jobs on a Dask cluster, such as tcp://host:8786.")
def study(file: Path, out: Path, workers: int | None, scheduler: str | None) -> None:
    """Run the study in FILE and write its tables, figure and data.

    FILE is a TOML file that names a case, what varies and what is measured. Every result is kept in the folder as it
    comes: after an interrupt the same command goes on. Exit status 0 if all runs converged, 3 if some failed or did not
    converge, 1 for an error, 130 if it was interrupted.
    """
    from .studies.command import run_study

    try:
        complete = run_study(file, out, workers, scheduler)
    except EulerianError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("interrupted: what was done is kept; the same command goes on from there", err=True)
        sys.exit(130)
    if not complete:
        sys.exit(NOT_CONVERGED)


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.BadParameter(f"got {text!r}, expected NAME=VALUE", param_hint="--set")
    return name.strip(), value.strip()


def run_case(case: Case, out: str | os.PathLike[str]) -> Solution:
    """Solve a case with a progress display, and write everything into the folder `out`."""
    from rich.console import Console

    from . import report

    console = Console(stderr=False, highlight=False)
    problem, options = case.build()
    target = Path(out)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EulerianError(f"--out: cannot make the folder {target}: {error}") from None
    mesh = options["mesh"]
    changed = ", ".join(f"{k}={v!r}" for k, v in case.settings.items())
    console.print(f"[bold]{case.title}[/bold]", soft_wrap=True)
    console.print(
        f"{case.name}({changed}): {' x '.join(map(str, mesh.shape))} cells, {options['layers']} layers", soft_wrap=True
    )
    console.print(f"{'iteration':>9}  {'cost':>18}  {'residual':>10}  {'sweeps':>7}  {'seconds':>8}")

    def show(row: Iteration) -> None:
        line = f"{row.iteration:9d}  {row.cost:18.12f}  {row.residual:10.2e}  {row.sweeps:7d}  {row.seconds:8.2f}"
        console.print(line)

    with interrupted_once(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EulerianWarning)
        with console.status("solving"):
            solution = solve(problem, mesh, options.pop("layers"), **_without(options, "mesh"), callback=show)
        # The solution first: whatever happens to the analysis and the pictures, the work is kept.
        solution.save(target / "solution.h5")
        with console.status("analysing second order"):
            solution.stability  # noqa: B018  computed, to be printed and stored
        solution.save(target / "solution.h5")
    for warning in caught:
        console.print(f"[yellow]warning:[/yellow] {warning.message}", soft_wrap=True)
    colour = "green" if solution.converged else "red"
    verdict, *details = solution.verdict()
    console.print(f"[{colour}]{verdict}[/{colour}]", soft_wrap=True)
    for sentence in details:
        console.print(sentence, soft_wrap=True)
    parts = f"{solution.terminal_cost:.12g} (terminal) + {solution.penalty_cost:.12g} (penalty)"
    if solution.running_cost:
        parts += f" + {solution.running_cost:.12g} (running)"
    console.print(f"J = {solution.cost:.12g} = {parts}", soft_wrap=True)
    with console.status("writing"):
        solution.to_vtk(target / "vtk")
        write_control(solution, target / "control.csv")
        report.write(solution, target, case.title, case.text)
    console.print(
        f"written: {target / 'report.html'}, {target / 'solution.h5'}, {target / 'vtk' / 'solution.pvd'}",
        soft_wrap=True,
    )
    return solution


def _without(options: dict[str, Any], name: str) -> dict[str, Any]:
    return {k: v for k, v in options.items() if k != name}


def write_control(solution: Solution, path: Path) -> None:
    """The control as a table: start and end of every layer, then one column a parameter."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["t_start", "t_end", *solution.parameter_names])
        for n, row in enumerate(solution.control.tolist()):
            writer.writerow([repr(float(solution.times[n])), repr(float(solution.times[n + 1])), *map(repr, row)])


def main_of_case(file: str) -> None:
    """What `python cases/NAME.py` does: `emfc run` on that file, into `results/NAME` unless `--out` says otherwise."""
    arguments = sys.argv[1:]
    if not any(a == "--out" or a.startswith("--out=") for a in arguments):
        arguments = [*arguments, "--out", f"results/{Path(file).stem}"]
    run.main(args=[file, *arguments], prog_name=Path(file).name)
