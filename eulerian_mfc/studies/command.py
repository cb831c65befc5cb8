"""The work of the command `emfc study`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

from .._validate import fail
from ..errors import EulerianError
from ..files.atomic import make_folder, together, write_whole
from ..files.locks import alone
from ..views.report import png
from .progress import Bar
from .study import Study
from .study_file import StudyFile


def run_study(
    file: str | os.PathLike[str], out: str | os.PathLike[str], workers: int | None = None, scheduler: str | None = None
) -> bool:
    """Run a study file with a progress bar and write everything into a folder; return whether all runs converged.

    The folder gets `study.json` (see `Study.load`), `table.txt`, `.md`, `.tex`, `.csv`, `study.png`, a copy of the study
    file, and `jobs/` with one file per result, from which an interrupted study continues.
    """
    from rich.console import Console

    loaded = StudyFile.load(file)
    target = make_folder("--out", out)
    console = Console(highlight=False)
    with _cluster(scheduler, workers) as executor:
        found = loaded.run(folder=target / "jobs", executor=executor, workers=workers, progress=Bar(console))
    with alone(target, patient=True):  # if two studies end at once, one waits: files of the two do not mix
        write_whole(target / "study.toml", loaded.text.encode())
        write(found, target)
    console.print(found.table(), soft_wrap=True, markup=False)
    written = f"written: {target / 'study.json'}, {target / 'study.png'}, {target / 'table.md'} (.tex, .csv, .txt)"
    console.print(written, soft_wrap=True, markup=False)
    return not found.failures and all(record.get("converged", True) is not False for record in found.records)


def write(study: Study, folder: Path) -> None:
    """Tables, figure and data of a study, all of them or none."""
    tables = {"txt": study.table() + "\n", "md": study.to_markdown(), "tex": study.to_latex(), "csv": study.to_csv()}
    with together() as put:
        put(folder / "study.json", study.encoded())
        for ending, text in tables.items():
            put(folder / f"table.{ending}", text.encode())
        put(folder / "study.png", png(study.plot()))


@contextmanager
def _cluster(scheduler: str | None, workers: int | None) -> Iterator[Executor | None]:
    """The executor of a Dask scheduler's client, closed at the end."""
    if scheduler is None:
        yield None
        return
    if workers is not None:
        raise fail(
            "--workers", workers, "no --workers together with --scheduler, since the cluster has its own workers"
        )
    try:
        from distributed import Client
    except ImportError:
        raise EulerianError(
            "--scheduler needs the package dask.distributed: pip install 'eulerian-mfc[distributed]'"
        ) from None
    try:
        client = Client(scheduler, timeout="10s")
    except (OSError, ValueError) as error:
        raise EulerianError(
            f"--scheduler: got {scheduler}, expected the address of a running Dask scheduler: {error}"
        ) from None
    with client:
        yield client.get_executor()
