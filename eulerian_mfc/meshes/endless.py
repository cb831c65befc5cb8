"""Readers of meshio that go on for ever at the end of a truncated file, brought to an end."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: formats whose readers wait for what a truncated file does not have, by ending; whether they read text. Files of Gmsh,
#: which have the ending .msh too, are not read here.
FORMATS = {
    ".bdf": ("nastran", True),
    ".dat": ("tecplot", True),
    ".fem": ("nastran", True),
    ".mdpa": ("mdpa", False),
    ".msh": ("ansys", False),
    ".nas": ("nastran", True),
    ".off": ("off", True),
    ".ply": ("ply", False),
    ".tec": ("tecplot", True),
}
#: readings of nothing after the end of a file that are enough
PATIENCE = 100


class _Ends:
    """EOFError where a reader asks for what is beyond the end again and again."""

    _beyond = 0

    def _counted(self, data: Any) -> Any:
        self._beyond = 0 if data else self._beyond + 1
        if self._beyond > PATIENCE:
            raise EOFError("it ends too early")
        return data


class _Text(_Ends, io.TextIOWrapper):
    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]  # as TextIOWrapper has it
        return str(self._counted(super().readline(size)))


class _Bytes(_Ends, io.BufferedReader):
    def readline(self, size: int | None = -1, /) -> bytes:
        return bytes(self._counted(super().readline(size)))

    def read(self, size: int | None = -1, /) -> bytes:
        return bytes(self._counted(super().read(size)))


@contextlib.contextmanager
def opened(file: Path) -> Iterator[tuple[Any, str | None]]:
    """What `meshio.read` is to be given, and the format's name where it is a buffer."""
    ending = file.suffix.lower()
    if ending in (".node", ".ele"):
        for part in (file.with_suffix(".node"), file.with_suffix(".ele")):
            if not any(line.strip() and not line.startswith("#") for line in part.read_text("utf-8").splitlines()):
                raise EOFError(f"{part.name} has no line with numbers")
    if ending not in FORMATS:
        yield file, None
        return
    form, text = FORMATS[ending]
    with file.open("rb") if text else io.FileIO(file) as raw, _Text(raw, "utf-8") if text else _Bytes(raw) as buffer:
        yield buffer, form
