"""The record of a run for `emfc resume`: its case file and settings, in a file next to the results."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..errors import EulerianError, FileFormatError
from ..files.atomic import read_whole, write_whole
from ..run.case import Case
from ..storage.journal import Checkpoint, Journal
from ..storage.journal_file import read
from .run_folder import RunFolder

FORMAT, SCHEMA = "eulerian_mfc.run", 1


@dataclass(frozen=True)
class Record:
    """The run in a folder: the path of the case, the settings that were changed, and the text of the case."""

    case: str
    settings: Mapping[str, str]
    text: str

    @classmethod
    def of(cls, file: str | os.PathLike[str], settings: Mapping[str, str], text: str) -> Record:
        return cls(str(Path(file).resolve()), settings, text)

    @classmethod
    def read(cls, folder: RunFolder) -> Record | None:
        """The record of the unfinished run in a folder; None if there is none.

        Raises
        ------
        FileFormatError
            If the file is damaged, is not a record of this package, or has another schema.
        """
        path = folder.record
        if not path.is_file():
            return None
        anew = "delete this file, and run the case again"
        data = read_whole(path)
        try:
            content = json.loads(data.decode())
            if content["format"] != FORMAT:
                raise FileFormatError(
                    f"{path}: got the format {content['format']!r}, expected the record of a run of "
                    f"eulerian_mfc: {anew}"
                )
            if content["schema"] != SCHEMA:
                raise FileFormatError(
                    f"{path} has schema {content['schema']}, but this version reads schema {SCHEMA}: {anew}"
                )
            return cls(str(content["case"]), dict(content["settings"]), str(content["text"]))
        except FileFormatError:
            raise
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise FileFormatError(f"{path} is damaged ({error}): {anew}") from error

    def write(self, folder: RunFolder) -> None:
        content = {"format": FORMAT, "schema": SCHEMA, **asdict(self)}
        write_whole(folder.record, json.dumps(content, indent=1).encode())


def check_free(folder: RunFolder, case: Case, new: Record, goes_on: bool) -> None:
    """Check that a new run of a case does not overwrite an unfinished run in its folder.

    A run with `goes_on` resumes the unfinished run if both have the same case and settings.

    Raises
    ------
    EulerianError
        If the folder holds an unfinished run that would be overwritten.
    """
    left = Record.read(folder)
    if left is None:
        return
    same = (
        left.text == new.text
        and case.with_settings(left.settings).settings == case.with_settings(new.settings).settings
    )
    if not (goes_on and same):
        changed = "".join(f" --set {name}={value}" for name, value in left.settings.items())
        raise EulerianError(
            f"{folder.path} holds the unfinished run of {left.case}{changed}. Continue this run with `emfc "
            f"resume {folder.path}`, or name another folder, or delete {folder.record} and "
            f"{folder.checkpoint} to discard the run"
        )


def case_of(folder: RunFolder) -> tuple[Case, Record]:
    """The case of the unfinished run in `folder`, with its settings, and the run's record. The case is read again, which runs it.

    Raises
    ------
    EulerianError
        If there is no unfinished run, or the file of the case is missing or has changed since.
    """
    record = Record.read(folder)
    if record is None:
        done = folder.solution.is_file()
        reason = (
            "the run in this folder has finished"
            if done
            else "no run was started there with --checkpoint, which `emfc resume` needs"
        )
        raise EulerianError(f"nothing to resume in {folder.path}, because {reason}")
    case = Case.load(record.case)
    if case.text != record.text:
        raise EulerianError(
            f"{record.case} has changed since the run in {folder} began: restore the file, or run the changed "
            "case again in another folder"
        )
    return case.with_settings(record.settings), record


@dataclass(frozen=True)
class Recorded(Checkpoint):
    """A checkpoint with the record of its run, which is written once the checkpoint file is known to belong to this run."""

    record: Record | None = None
    journals: list[Journal] = field(default_factory=list)

    def journal(self, **arguments: object) -> Journal:
        journal = super().journal(**arguments)
        if self.record is not None:
            self.record.write(RunFolder(Path(self.path).parent))
        self.journals.append(journal)
        return journal


@contextmanager
def recorded(folder: RunFolder, record: Record | None) -> Iterator[Checkpoint | None]:
    """The checkpoint of a run in `folder`; None if `record` is None.

    If a new run fails before its first checkpoint value, its checkpoint and record are removed: there is nothing to resume.
    """
    if record is None:
        yield None
        return
    new = not folder.begun
    checkpoint = Recorded(folder.checkpoint, record=record)
    try:
        yield checkpoint
    except Exception:
        if new and not any(read(j.path, j.run)[0] for j in checkpoint.journals):
            folder.finished()
        raise
