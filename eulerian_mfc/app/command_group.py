"""How the command `emfc` reads options and reports errors."""

from __future__ import annotations

import errno
import math
import re
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..errors import EulerianError

#: error numbers for a file that cannot grow: full disk, quota, size limit, read-only file system
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)

Command = TypeVar("Command", bound=Callable[..., object])


class DebugCommand(click.Command):
    """A command that accepts `--debug` too. It is an option of the group, but users often write it at the end."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params.append(
            click.Option(["--debug"], is_flag=True, hidden=True, expose_value=False, callback=_debugging)
        )


def _debugging(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    ctx.find_root().params["debug"] |= value


class ErrorPrintingGroup(click.Group):
    """A group of commands that prints an error as one message; with `--debug` it shows the traceback."""

    command_class = DebugCommand

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.params["debug"]:
                raise
            raise click.ClickException(error_text(error)) from None


def error_text(error: Exception) -> str:
    """The message for an error: the package's own messages are unchanged, others get the place where they were raised."""
    if isinstance(error, EulerianError):
        return str(error)
    if isinstance(error, OSError) and error.errno in FULL:
        where = f" {error.filename}" if error.filename else ""
        return f"cannot write{where}: {error.strerror}; free some disk space, or choose another folder"
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(error).__name__}: {error}\n"
        f"  in {place.name}, line {place.lineno} of {place.filename}\n"
        "The package does not expect this error: there is a mistake in the case or in the package. `emfc "
        "--debug ...` shows the traceback."
    )


class Memory(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2
    """A number of bytes, with or without a unit, or a share of the machine's memory."""

    name = "memory"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return value
        found = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?)\s*([kMGT]?)(i?)B?", str(value).strip())
        number, unit, binary = found.groups() if found else ("nan", "", "")
        try:
            size = float(number) * (1024 if binary else 1000) ** " kMGT".index(unit or " ")
        except ValueError:
            size = math.nan
        if not 0 < size < math.inf:
            self.fail(
                f"got {value!r}, expected a number of bytes such as 2e9, 500MB or 4GiB, or a share of the "
                "machine's memory such as 0.25",
                param,
                ctx,
            )
        return size if not unit and size <= 1 else int(size)


def resources(command: Command) -> Command:
    """Add the options for the resources of a run; the solution does not depend on them."""
    for option in (
        click.option(
            "--memory",
            type=Memory(),
            help="Memory for the densities: a number of bytes (2e9, 500MB, 4GiB), or a share of the machine's "
            "memory (0.25).",
        ),
        click.option(
            "--threads",
            type=click.IntRange(min=1),
            help="Number of threads; by default the environment variable EMFC_NUM_THREADS, or 1.",
        ),
        click.option(
            "--no-second-order",
            "second_order",
            flag_value=False,
            default=True,
            help="Leave out the second-order analysis, which takes as long as some dozens of gradients after the "
            "last iteration. Without it, the report cannot say whether the control is a minimum or a saddle "
            "point.",
        ),
    ):
        command = option(command)
    return command
