"""Truncated mesh files: some readers of meshio wait for ever at the end of such a file, and here they are stopped."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: by ending of the file, the formats whose readers never end on a truncated file, and whether they read text. Files of Gmsh,
#: which have the ending .msh too, are read elsewhere.
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
#: a reader is stopped after so many empty reads beyond the end of the file
PATIENCE = 100


class _Ends:
    """Raises EOFError if a reader reads beyond the end of the file again and again."""

    _beyond = 0

    def _counted(self, data: Any) -> Any:
        self._beyond = 0 if data else self._beyond + 1
        if self._beyond > PATIENCE:
            raise EOFError("the file ends too early")
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
def opened(file: Path) -> Iterator[tuple[object, str | None]]:
    """The arguments of `meshio.read`: the path and None, or an open buffer and the name of its format."""
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
