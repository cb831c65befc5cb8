"""The command `emfc`."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import re
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .._validate import fail
from ..errors import EulerianError, EulerianWarning, StorageError
from ..files.atomic import make_folder, write_whole
from ..files.locks import alone
from ..run.case import Case, no_exit
from ..run.solve import interrupted_once, solve
from ..solution import Solution
from ..solvers import Iteration
from ..version import __version__
from . import run_folder as rerun

if TYPE_CHECKING:
    from rich.console import Console

#: exit status of a run that wrote its results but did not converge
NOT_CONVERGED = 3
#: what the system says of disks that take no more
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class Debugged(click.Command):
    """A command that takes `--debug` too: it is the group's, but people write it at the end."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params.append(
            click.Option(["--debug"], is_flag=True, hidden=True, expose_value=False, callback=_debugging)
        )


def _debugging(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    ctx.find_root().params["debug"] |= value


class Told(click.Group):
    """A group of commands whose errors are told in one block; with `--debug` the traceback is shown."""

    command_class = Debugged

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.params["debug"]:
                raise
            raise click.ClickException(told(error)) from None


def told(error: Exception) -> str:
    """What went wrong in one block: the package's own messages as they are, others with the place."""
    if isinstance(error, EulerianError):
        return str(error)
    if isinstance(error, OSError) and error.errno in FULL:
        where = f" {error.filename}" if error.filename else ""
        return f"cannot write{where}: {error.strerror}; make room, or choose another folder"
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(error).__name__}: {error}\n"
        f"  in {place.name}, line {place.lineno} of {place.filename}\n"
        "This is not an error that the package expects: a mistake in the case, or in the package. "
        "`emfc --debug ...` shows the traceback."
    )


@click.group(cls=Told, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="emfc")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Train residual networks as mean-field optimal control, on meshes.

    \b
    Examples:
      emfc new my_case.py
      emfc run my_case.py --set penalty=0.5 --out results/mine
      emfc view results/mine
      emfc study studies/toy_line_mesh.toml --out results/study --workers 2
      emfc info

    \b
    Completion of commands and options, for bash (zsh and fish alike):
      eval "$(_EMFC_COMPLETE=bash_source emfc)"
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a title that the terminal cannot show ends no run


class Memory(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2
    """Bytes, with a unit or without, or a share of the machine's memory."""

    name = "memory"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return value
        found = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?)\s*([kMGT]?)(i?)B?", value.strip())
        number, unit, binary = found.groups() if found else ("nan", "", "")
        try:
            size = float(number) * (1024 if binary else 1000) ** " kMGT".index(unit or " ")
        except ValueError:
            size = math.nan
        if not 0 < size < math.inf:
            self.fail(f"got {value!r}, expected bytes such as 2e9, 500MB or 4GiB, or a share such as 0.25", param, ctx)
        return size if not unit and size <= 1 else int(size)


def resources(command: Any) -> Any:
    """The options that say what a run may use; the solution does not depend on them."""
    for option in (
        click.option(
            "--memory",
            type=Memory(),
            help="For densities: bytes (2e9, 500MB, 4GiB), or a share of the machine's (0.25).",
        ),
        click.option("--threads", type=click.IntRange(min=1), help="By default EMFC_NUM_THREADS, or 1."),
        click.option(
            "--no-second-order",
            "second_order",
            flag_value=False,
            default=True,
            help="Leave out the analysis of second order, some dozens of gradients after the last iteration: whether the "
            "control is a minimum or a saddle point is then not known.",
        ),
    ):
        command = option(command)
    return command


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Change a setting of the case; repeatable."
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the results.")
@click.option("--checkpoint", is_flag=True, help="Keep what is done every ten seconds, for `emfc resume`.")
@resources
def run(file: Path, assignments: tuple[str, ...], out: Path, checkpoint: bool, **given: Any) -> None:
    """Solve the case in FILE and write solution, figures, report and ParaView files.

    FILE is a Python file with a function problem(...); its keyword defaults, and those of its function numerics(...),
    are the settings. A case file is code: it is run. Exit status 0 if the run converged, 3 if its results are written
    but it did not converge, 1 for an error.

    \b
    Examples:
      emfc run cases/toy_line.py --out results/toy_line
      emfc run cases/bimodal_2d.py --set cells=64 --set penalty=0.1 --out results/small
      emfc run cases/bimodal_2d.py --out results/long --checkpoint
      emfc run cases/bimodal_3d.py --out results/space --threads 2 --memory 1GB
    """
    case, changed = Case.load(file), dict(_assignment(a) for a in assignments)
    record = rerun.Record.of(file, changed, case.text)
    rerun.check_free(out, case, record, checkpoint)
    _status(run_case(case.with_settings(changed), out, record if checkpoint else None, **given))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@resources
def resume(folder: Path, **given: Any) -> None:
    """Go on with the run that `emfc run --checkpoint --out FOLDER` began and that was killed.

    It ends with the same bits as a run that nothing interrupted, whatever the threads and memory. The case is read, and run,
    from where it was.

    \b
    Example:
      emfc resume results/long
    """
    case, record = rerun.case_of(folder)
    _status(run_case(case, folder, record, **given))


def _status(solution: Solution) -> None:
    if not solution.converged:
        sys.exit(NOT_CONVERGED)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
def new(file: Path) -> None:
    """Write a commented case to start from into FILE.

    \b
    Example:
      emfc new my_case.py && emfc run my_case.py --out results/mine
    """
    if file.suffix != ".py":
        raise fail("FILE", str(file), "a name that ends in .py")
    if file.exists():
        raise fail("FILE", str(file), "a file that does not exist yet")
    write_whole(file, files("eulerian_mfc.app").joinpath("new_case.txt").read_bytes())
    click.echo(f"written: {file}; run it with: emfc run {file} --out results/{file.stem}")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--mp4", is_flag=True, help="A film instead of an animated GIF (needs the extra `film`).")
@click.option("--stills", type=click.IntRange(min=1), default=4, show_default=True, help="Number of still pictures.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder; by default FOLDER/view.")
def view(folder: Path, mp4: bool, stills: int, out: Path | None) -> None:
    """Draw the densities of the solution in FOLDER: an animated GIF and still PNGs, without a window.

    \b
    Example:
      emfc view results/toy_line --stills 3
    """
    from ..views.animation import render

    path = folder / "solution.h5" if folder.is_dir() else folder
    if not path.is_file():
        raise fail("FOLDER", str(folder), "a folder of `emfc run`, with a solution.h5 in it")
    for written in render(Solution.load(path), out or path.parent / "view", stills, mp4):
        click.echo(f"written: {written}")


@main.command()
def info() -> None:
    """Print versions, threads, the cache of compiled kernels and the optional extras found."""
    from ..storage.environment import information

    rows = information()
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:<{width}}  {value}")


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

    \b
    Examples:
      emfc study studies/toy_line_mesh.toml --out results/mesh
      emfc study studies/toy_line_mesh.toml --out results/mesh --workers 2
    """
    from ..studies.command import run_study

    try:
        complete = run_study(file, out, workers, scheduler)
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


def run_case(
    case: Case,
    out: str | os.PathLike[str],
    record: rerun.Record | None = None,
    threads: int | None = None,
    memory: float | None = None,
    second_order: bool = True,
) -> Solution:
    """Solve a case with a progress display, and write everything into the folder `out`.

    With a `record` of the run, what is evaluated is kept there, for `emfc resume`. `threads` and `memory`, where given, take
    the place of the case's own. Without `second_order` its analysis is left out.
    """
    from rich.console import Console
    from rich.markup import escape

    from ..views import report

    console = Console(stderr=False, highlight=False)
    problem, options = case.build()
    target = make_folder("--out", out)
    click.get_current_context().with_resource(alone(target))
    options |= {k: v for k, v in (("threads", threads), ("memory", memory)) if v is not None}
    mesh, layers = options.pop("mesh"), options.pop("layers")
    changed = ", ".join(f"{k}={v!r}" for k, v in case.settings.items())
    heading = escape(f"{case.name}({changed}): {' x '.join(map(str, mesh.shape))} cells, {layers} layers")
    begun: list[Iteration] = []

    def show(row: Iteration) -> None:
        if not begun:  # what is wrong with the arguments has been told by now
            console.print(f"[bold]{escape(case.title)}[/bold]", soft_wrap=True)
            console.print(heading, soft_wrap=True)
            console.print(f"{'iteration':>9}  {'cost':>18}  {'residual':>10}  {'sweeps':>7}  {'seconds':>8}")
        begun.append(row)
        line = f"{row.iteration:9d}  {row.cost:18.12f}  {row.residual:10.2e}  {row.sweeps:7d}  {row.seconds:8.2f}"
        console.print(line)

    with interrupted_once(), own_warnings() as caught:
        stopped = no_exit(f"{case.path}: the case", "while it was solved")
        with console.status(f"solving {heading}"), rerun.recorded(target, record) as checkpoint, stopped:
            solution = solve(problem, mesh, layers, **options, callback=show, checkpoint=checkpoint)
        solution = solution.described(case=case.text, settings=json.dumps(dict(case.settings), default=repr))
        # The solution first: whatever happens to the analysis and the pictures, the work is kept.
        solution.save(target / "solution.h5")
        if second_order:
            words = "analysing second order, some dozens of gradients (--no-second-order leaves it out)"
            with step(console, words) as progress:
                solution.analyse(lambda done: progress(f"{done} Hessian products done"))
            solution.save(target / "solution.h5")
    for warning in caught:
        console.print(f"[yellow]warning:[/yellow] {warning}", soft_wrap=True)
    colour = "green" if solution.converged else "red"
    verdict, *details = solution.verdict(second_order)
    console.print(f"[{colour}]{verdict}[/{colour}]", soft_wrap=True)
    for sentence in details:
        console.print(sentence, soft_wrap=True)
    parts = f"{solution.terminal_cost:.12g} (terminal) + {solution.penalty_cost:.12g} (penalty)"
    if solution.running_cost:
        parts += f" + {solution.running_cost:.12g} (running)"
    console.print(f"J = {solution.cost:.12g} = {parts}", soft_wrap=True)
    try:
        with step(console, "writing files for ParaView"):
            solution.to_vtk(target / "vtk")
        with step(console, "drawing figures, writing the report"):
            write_control(solution, target / "control.csv")
            report.write(solution, target, case.title, case.text, second_order)
    except OSError as error:
        what = error if isinstance(error, StorageError) else f"cannot write into {target}: {error.strerror or error}"
        raise StorageError(f"{what}. The solution is whole in {target / 'solution.h5'}") from error
    if record is not None and not solution.message.startswith("not converged: interrupt"):
        rerun.finished(target)
    console.print(
        f"written: {target / 'report.html'}, {target / 'solution.h5'}, {target / 'vtk' / 'solution.pvd'}",
        soft_wrap=True,
    )
    return solution


@contextmanager
def step(console: Console, what: str) -> Iterator[Callable[[str], None]]:
    """Say what is done, with a moving sign on terminals and what `yield` gives is called with; at the end, how long it took."""
    begun = time.perf_counter()
    console.print(f"{what} ...", soft_wrap=True)
    with console.status(what) as status:
        yield lambda more: status.update(f"{what}: {more}")
    console.print(f"  done in {time.perf_counter() - begun:.1f} s")


@contextmanager
def own_warnings() -> Iterator[list[EulerianWarning]]:
    """The package's own warnings as they come, to be printed at the end; others go the usual way."""
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


def write_control(solution: Solution, path: Path) -> None:
    """The control as a table: start and end of every layer, then one column a parameter."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["t_start", "t_end", *solution.parameter_names])
    for n, row in enumerate(solution.control.tolist()):
        writer.writerow([repr(float(solution.times[n])), repr(float(solution.times[n + 1])), *map(repr, row)])
    write_whole(path, text.getvalue().encode())


def main_of_case(file: str) -> None:
    """What `python cases/NAME.py` does: `emfc run` on that file, into `results/NAME` unless `--out` says otherwise."""
    arguments = sys.argv[1:]
    if not any(a == "--out" or a.startswith("--out=") for a in arguments):
        arguments = [*arguments, "--out", f"results/{Path(file).stem}"]
    main.main(args=["run", file, *arguments], prog_name="emfc")
