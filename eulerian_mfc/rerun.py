"""What `emfc resume` needs to know of a run: its case file and settings, in a file beside the results."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ._files import write_whole
from .case import Case
from .errors import EulerianError, FileFormatError

FORMAT, SCHEMA = "eulerian_mfc.run", 1
RUN, CHECKPOINT = "run.json", "checkpoint"


def note(folder: Path, file: str | os.PathLike[str], assignments: dict[str, str], text: str) -> None:
    """Write down what is run in `folder`: the case's path and text, and the settings that were changed."""
    content = {
        "format": FORMAT,
        "schema": SCHEMA,
        "case": str(Path(file).resolve()),
        "settings": assignments,
        "text": text,
    }
    write_whole(folder / RUN, json.dumps(content, indent=1).encode())


def case_of(folder: Path) -> tuple[Case, str, dict[str, str]]:
    """The case that was run in `folder`, read again (which runs it), its path and its changed settings.

    Raises
    ------
    EulerianError
        If no run was left unfinished there, or the case's file is gone or has changed since.
    """
    path = folder / RUN
    if not path.is_file():
        done = (folder / "solution.h5").is_file()
        reason = "its run is finished" if done else "no run was started there with --checkpoint"
        raise EulerianError(f"nothing to resume in {folder}: {reason}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT or content["schema"] != SCHEMA:
            raise FileFormatError(
                f"{path} has schema {content['schema']}, this version reads {SCHEMA}: run the case again"
            )
        file, settings, text = str(content["case"]), dict(content["settings"]), str(content["text"])
    except FileFormatError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileFormatError(f"{path} is damaged ({error}): run the case again") from error
    case = Case.load(file)
    if case.text != text:
        raise EulerianError(f"{file} has changed since the run in {folder} began: run it again, or restore the file")
    return case.with_settings(settings), file, settings


def finished(folder: Path) -> None:
    """Remove what only an unfinished run needs."""
    for name in (CHECKPOINT, RUN):
        (folder / name).unlink(missing_ok=True)
