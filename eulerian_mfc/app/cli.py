"""The command `emfc`."""

from __future__ import annotations

import io
import sys
from importlib.resources import files
from pathlib import Path
from typing import TypedDict, Unpack

import click

from .._validate import fail
from ..files.atomic import write_whole
from ..run.case import Case
from ..solution import Solution
from ..version import __version__
from .command_group import ErrorPrintingGroup, resources
from .run_case import run_case
from .run_folder import RunFolder
from .run_record import Record, case_of, check_free

#: exit status of a run that wrote its results but did not converge
NOT_CONVERGED = 3


class Resources(TypedDict):
    """The values of the options `resources`."""

    threads: int | None
    memory: float | None
    second_order: bool


@click.group(cls=ErrorPrintingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="emfc")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Train residual networks as mean-field optimal control, on meshes.

    \b
    Examples:
      emfc new my_case.py
      emfc run my_case.py --set penalty=0.5 --out results/mine
      emfc run my_case.py --tol 1e-6 --out results/accurate
      emfc view results/mine
      emfc study studies/toy_line_mesh.toml --out results/study --workers 2
      emfc info

    \b
    Completion of commands and options, for bash (zsh and fish alike):
      eval "$(_EMFC_COMPLETE=bash_source emfc)"
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a title with characters that the terminal lacks must not end a run


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change a setting of the case. This option can be given several times.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the results.")
@click.option(
    "--checkpoint",
    is_flag=True,
    help="Save the state of the run every ten seconds, so that `emfc resume` can continue it.",
)
@click.option(
    "--tol",
    type=float,
    help="Solve to this error of the cost, relative to the size of the losses. The mesh, the layers, the degree, the layer map "
    "and the solver of the case's `numerics` are then left out, since they are chosen to reach the tolerance.",
)
@click.option("--tol-control", type=float, help="Solve to this error of the control too, in L2 over time.")
@click.option(
    "--seconds", type=float, help="With a tolerance: the longest time; then the best solution so far is kept."
)
@resources
def run(
    file: Path,
    assignments: tuple[str, ...],
    out: Path,
    checkpoint: bool,
    tol: float | None,
    tol_control: float | None,
    seconds: float | None,
    **given: Unpack[Resources],
) -> None:
    """Solve the case in FILE and write solution, figures, report and ParaView files.

    FILE is a Python file with a function problem(...). The settings are its keyword arguments, and those of its function
    numerics(...). A case file is code, which is run. Exit status 0 if the run converged, 3 if its results are written
    but it did not converge or its tolerance is not met, 1 for an error.

    With --tol or --tol-control, or if the case's `numerics` returns a tolerance, the problem is solved to this tolerance:
    everything numerical that is not given is chosen, and the error is measured.

    \b
    Examples:
      emfc run cases/toy_line.py --out results/toy_line
      emfc run cases/bimodal_2d.py --set cells=64 --set penalty=0.1 --out results/small
      emfc run cases/toy_line.py --tol 1e-6 --seconds 60 --out results/accurate
      emfc run cases/bimodal_2d.py --out results/long --checkpoint
      emfc run cases/bimodal_3d.py --out results/space --threads 2 --memory 1GB
    """
    case, changed = Case.load(file), dict(_assignment(a) for a in assignments)
    record = Record.of(file, changed, case.text)
    check_free(RunFolder(out), case, record, checkpoint)
    asked = {"tol": tol, "tol_control": tol_control, "seconds": seconds}
    tolerance = {name: value for name, value in asked.items() if value is not None}
    _status(run_case(case.with_settings(changed), out, record if checkpoint else None, tolerance=tolerance, **given))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@resources
def resume(folder: Path, **given: Unpack[Resources]) -> None:
    """Resume a killed run of `emfc run --checkpoint --out FOLDER`.

    It ends with the same bits as a run that was not interrupted, for any threads and memory. The case file is read again from
    its old place, and its code is run.

    \b
    Example:
      emfc resume results/long
    """
    case, record = case_of(RunFolder(folder))
    _status(run_case(case, folder, record, **given))


def _status(solution: Solution) -> None:
    if not solution.converged:
        sys.exit(NOT_CONVERGED)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
def new(file: Path) -> None:
    """Write a commented case into FILE, as a starting point.

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
@click.option("--mp4", is_flag=True, help="Write a film (MP4) instead of an animated GIF. This needs the extra `film`.")
@click.option("--stills", type=click.IntRange(min=1), default=4, show_default=True, help="Number of still pictures.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the pictures; by default FOLDER/view."
)
def view(folder: Path, mp4: bool, stills: int, out: Path | None) -> None:
    """Draw the densities of the solution in FOLDER: an animated GIF and still PNGs, without a window.

    \b
    Example:
      emfc view results/toy_line --stills 3
    """
    from ..views.animation import render

    path = RunFolder(folder).solution if folder.is_dir() else folder
    if not path.is_file():
        raise fail(
            "FOLDER",
            str(folder),
            f"a folder that `emfc run` has written, with the file {RunFolder(folder).solution.name} in it",
        )
    for written in render(Solution.load(path), out or RunFolder(path.parent).view, stills, mp4):
        click.echo(f"written: {written}")


@main.command()
def info() -> None:
    """Print versions, threads, the cache of compiled kernels and the installed optional extras."""
    from ..storage.environment import information

    rows = information()
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:<{width}}  {value}")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the results.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Number of processes that run the jobs; by default, this process runs them one after the other.",
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="Address of a Dask cluster that runs the jobs, such as tcp://host:8786."
)
def study(file: Path, out: Path, workers: int | None, scheduler: str | None) -> None:
    """Run the study in FILE and write its tables, figure and data.

    FILE is a TOML file that names a case, the parameters that vary and the measured quantities. Every result is stored in the
    folder at once, so that the same command resumes after an interrupt. Exit status 0 if all runs converged, 3 if some failed
    or did not converge, 1 for an error, 130 if it was interrupted.

    \b
    Examples:
      emfc study studies/toy_line_mesh.toml --out results/mesh
      emfc study studies/toy_line_mesh.toml --out results/mesh --workers 2
    """
    from ..studies.command import run_study

    try:
        complete = run_study(file, out, workers, scheduler)
    except KeyboardInterrupt:
        click.echo("interrupted: all finished results are kept, and the same command continues from them", err=True)
        sys.exit(130)
    if not complete:
        sys.exit(NOT_CONVERGED)


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.BadParameter(f"got {text!r}, expected NAME=VALUE, such as cells=64", param_hint="--set")
    return name.strip(), value.strip()


def main_of_case(file: str) -> None:
    """The action of `python cases/NAME.py`: `emfc run` on that file, by default with `--out results/NAME`."""
    arguments = sys.argv[1:]
    if not any(a == "--out" or a.startswith("--out=") for a in arguments):
        arguments = [*arguments, "--out", f"results/{Path(file).stem}"]
    main.main(args=["run", file, *arguments], prog_name="emfc")


if __name__ == "__main__":
    main()
