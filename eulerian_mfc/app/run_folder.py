"""The folder of a run: the names of its files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..files.atomic import make_folder


@dataclass(frozen=True)
class RunFolder:
    """The folder into which `emfc run` writes.

    Parameters
    ----------
    path : the folder, which need not exist yet.

    Examples
    --------
    >>> RunFolder(Path("results/mine")).solution.as_posix()
    'results/mine/solution.h5'
    """

    path: Path

    @classmethod
    def made(cls, path: str | os.PathLike[str]) -> RunFolder:
        """The folder, which is created if it does not exist; raises a StorageError if that fails."""
        return cls(make_folder("--out", path))

    @property
    def solution(self) -> Path:
        """The solution, see `Solution.load`."""
        return self.path / "solution.h5"

    @property
    def report(self) -> Path:
        """The page with numbers and figures."""
        return self.path / "report.html"

    @property
    def control(self) -> Path:
        """The control as a table."""
        return self.path / "control.csv"

    @property
    def coefficients(self) -> Path:
        """The coefficients of a control of degree 1 or more, as a table."""
        return self.path / "control_coefficients.csv"

    @property
    def rounds(self) -> Path:
        """The rounds of a solve to a tolerance, as a table."""
        return self.path / "rounds.csv"

    @property
    def error(self) -> Path:
        """The error of a solve to a tolerance, as a table."""
        return self.path / "error.csv"

    @property
    def vtk(self) -> Path:
        """The folder of the files for ParaView."""
        return self.path / "vtk"

    @property
    def view(self) -> Path:
        """The folder of the pictures of `emfc view`."""
        return self.path / "view"

    @property
    def record(self) -> Path:
        """The record of the run, which exists while the run is unfinished."""
        return self.path / "run.json"

    @property
    def checkpoint(self) -> Path:
        """The checkpoint of an unfinished run."""
        return self.path / "checkpoint"

    @property
    def begun(self) -> bool:
        """Whether an unfinished run has left a checkpoint or a record."""
        return self.checkpoint.exists() or self.record.exists()

    def finished(self) -> None:
        """Remove the checkpoint and the record, which only an unfinished run needs."""
        self.checkpoint.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)
