"""Solutions in HDF5 files: arrays and JSON only, so that reading them runs no code.

The first 512 bytes, which HDF5 leaves to users, hold format, schema, length and checksum of the rest. A file that was cut off
or altered is therefore rejected before HDF5 reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

from .. import losses
from ..errors import FileFormatError
from ..files.atomic import existing, reading, write_whole
from ..files.untrusted import dataset_at, number, text
from ..results.solution_data import SolutionData
from ..version import __version__
from .solution_content import Kind, arrays_of, assembled, metadata_of
from .solution_schema import Metadata, Stored, boundaries_of, check_metadata

if TYPE_CHECKING:
    import h5py

FORMAT = "eulerian_mfc.solution"
SCHEMA = 3
#: earlier schemas that are read too: 2 had no checksum
READABLE = (2, SCHEMA)
#: number of bytes before the HDF5 file itself
HEAD = 512


def save(solution: SolutionData, path: str | os.PathLike[str]) -> None:
    """Write `solution` to `path`, completely or not at all.

    Parameters
    ----------
    solution : the solution.
    path : the file: HDF5 after a line of text.

    Raises
    ------
    StorageError
        If the file cannot be written; an old file stays intact.
    """
    import h5py

    # HDF5 writes to memory first: if the disk is full, only a plain write fails, not HDF5 in the middle of its work.
    with h5py.File("solution", "w", driver="core", backing_store=False, userblock_size=HEAD) as file:
        file.attrs["format"], file.attrs["schema"], file.attrs["version"] = FORMAT, SCHEMA, __version__
        # HDF5 attributes hold at most 64 kB of text.
        file["metadata"] = json.dumps(metadata_of(solution))
        for key, value in arrays_of(solution).items():
            file.create_dataset(key, data=value, compression="gzip" if value.size > 4096 else None)
        file.flush()
        content = file.id.get_file_image()  # without the first bytes
    write_whole(path, head(content) + content)


def head(content: bytes) -> bytes:
    """The first `HEAD` bytes of the file whose rest is `content`.

    Parameters
    ----------
    content : the complete HDF5 file.
    """
    return _first_line(len(content), hashlib.sha256(content).hexdigest())


def _first_line(size: int, checksum: str) -> bytes:
    return f"{FORMAT} schema {SCHEMA} bytes {size} sha256 {checksum}\n".encode().ljust(HEAD, b"\0")


def _verify(opened: BufferedReader, path: Path, size: int) -> bool:
    """Whether the file has a first line (files of schema 2 do not); FileFormatError if the line does not match the file."""
    first = opened.read(HEAD)
    if first.startswith(b"\x89HDF\r\n\x1a\n"):
        return False
    words = first.split(b"\n")[0].split()
    if not words or words[0] != FORMAT.encode() or len(words) != 7:
        raise FileFormatError(f"{path} is not a solution of eulerian_mfc, or its first line is damaged")
    if words[2] != str(SCHEMA).encode():
        raise _other_schema(path, words[2].decode(errors="replace"))
    if words[4] != str(size - HEAD).encode():
        found = words[4].decode(errors="replace")
        raise FileFormatError(
            f"{path} is damaged: cut off or too long, with {size - HEAD} bytes where {found} are expected"
        )
    opened.seek(HEAD)
    if first != _first_line(size - HEAD, hashlib.file_digest(opened, "sha256").hexdigest()):
        raise FileFormatError(f"{path} is damaged: the file was altered, since its checksum is wrong")
    return True


def _other_schema(path: str | os.PathLike[str], found: object) -> FileFormatError:
    known = " and ".join(map(str, READABLE))
    return FileFormatError(
        f"{path} has schema {found}, but this version reads {known}: load it with the version of the package "
        "that wrote it (attribute `version` of the file), or solve again"
    )


def load(kind: type[Kind], path: str | os.PathLike[str]) -> Kind:
    """Read a solution, without the functions of its problem.

    Parameters
    ----------
    kind : the class of the returned solution: SolutionData, or a subclass.
    path : the file.

    Raises
    ------
    MissingFileError, FileFormatError
        If there is no file, or it is not a solution, was cut off or altered, or has an unknown schema.
    StorageError
        If the system does not allow reading it.
    """
    import h5py

    file_path = existing("path", path, "solution file")
    # One open file serves the checksum and HDF5. HDF5 would lock a file that it opens, which some network file systems refuse.
    with reading(file_path), open(file_path, "rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        headed = _verify(opened, file_path, size)
        try:
            with h5py.File(opened, "r") as file:
                return assembled(kind, *_read(file, opened, size, headed, file_path))
        except FileFormatError as error:
            raise error if str(path) in str(error) else FileFormatError(f"{path}: {error}") from error
        except (
            MemoryError,
            DeprecationWarning,
            FutureWarning,
        ):  # caused by this machine and its packages, not by the file
            raise
        except Exception as error:  # any error of HDF5, JSON or the checks is about the content of the file
            raise FileFormatError(f"{path} is damaged or not a solution file: {error}") from error


def _read(file: h5py.File, opened: BufferedReader, size: int, headed: bool, path: Path) -> tuple[Metadata, Stored]:
    """The metadata and the arrays in an open HDF5 file of `size` bytes."""
    if not headed and file.attrs.get("format") != FORMAT:
        raise FileFormatError(f"{path} is an HDF5 file, but not a solution of eulerian_mfc")
    if (schema := number(file, "schema")) not in READABLE:
        raise _other_schema(path, schema)
    old = file.attrs["metadata"] if not headed and "metadata" in file.attrs else None
    meta = json.loads(text(dataset_at(file, "metadata"), "metadata", opened, size) if old is None else old)
    if "squared_loss" in meta:  # schema 2
        squared = losses.SquaredLoss().spec() if meta.pop("squared_loss") is True else None
        columns = dataset_at(file, "paths/x").shape[-1]
        meta = {"loss": squared, "input_dim": columns, **meta}
    checked = check_metadata(meta)
    return checked, Stored(file, size, boundaries_of(checked["mesh"]))
