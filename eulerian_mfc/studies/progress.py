"""The progress of a study: jobs done, running and failed, and the time left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID


class Progress(Protocol):
    """The notifications that `run_jobs` sends."""

    def start(self, total: int, done: int) -> None:
        """The study starts: `total` jobs in all, of which `done` have stored results."""

    def running(self, count: int) -> None:
        """`count` jobs are running now."""

    def finished(self, label: str, error: str | None) -> None:
        """One more job is done, or has failed with `error`."""

    def stop(self) -> None:
        """The study has ended."""


class Silent:
    """Shows nothing."""

    def start(self, total: int, done: int) -> None: ...

    def running(self, count: int) -> None: ...

    def finished(self, label: str, error: str | None) -> None: ...

    def stop(self) -> None: ...


class Bar:
    """A progress bar in the terminal."""

    def __init__(self, console: Console | None = None) -> None:
        from rich import progress as rich_progress

        self._bar = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}"),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TextColumn("{task.fields[running]} running, {task.fields[failed]} failed, left:"),
            rich_progress.TimeRemainingColumn(),
            console=console,
        )
        self._task: TaskID | None = None
        self._failed = 0

    def start(self, total: int, done: int) -> None:
        if done:
            self._bar.console.print(f"{done} of {total} jobs were finished before")
        if total == done:
            return
        self._bar.start()
        self._task = self._bar.add_task("jobs", total=total - done, running=0, failed=0)

    def running(self, count: int) -> None:
        if self._task is not None:
            self._bar.update(self._task, running=count)

    def finished(self, label: str, error: str | None) -> None:
        if error is not None:
            self._failed += 1
            self._bar.console.print(f"[red]failed:[/red] {label}: {error.splitlines()[0]}", soft_wrap=True)
        if self._task is not None:
            self._bar.update(self._task, advance=1, failed=self._failed)

    def stop(self) -> None:
        if self._task is not None:
            self._bar.update(self._task, running=0)
            self._bar.stop()
