"""The store of results: one file per job, named by its fingerprint, written completely or not at all."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import FileFormatError
from ..files.atomic import make_folder, read_whole, write_whole
from ..files.locks import Claim
from ..files.untrusted import archive

#: a number or a word
Value = bool | int | float | str | None
#: keyword arguments of a job's function
Arguments = Mapping[str, Any]
#: the return value of a job's function: numbers, words and arrays by name
Entries = dict[str, Value | np.ndarray]


class Result(NamedTuple):
    """The result of a job: numbers and words by name, and arrays by name; or the reason why it failed."""

    values: dict[str, Value]
    arrays: dict[str, np.ndarray]
    error: str | None = None


class Store:
    """A folder of results. Files hold JSON and plain arrays, so that reading them runs no code."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = make_folder("folder", folder)

    def path(self, fingerprint: str) -> Path:
        return self.folder / f"{fingerprint}.npz"

    def get(self, fingerprint: str) -> Result | None:
        """The result under this fingerprint; None if it is not stored.

        Raises
        ------
        FileFormatError
            If the file is damaged.
        StorageError
            If the system does not allow reading it.
        """
        path = self.path(fingerprint)
        if not path.is_file():
            return None
        data = read_whole(path)
        try:
            found = archive(data)
            values = json.loads(bytes(found.pop("values")).decode())
            return Result(values, {name.removeprefix("array/"): array for name, array in found.items()})
        except MemoryError:
            raise
        except Exception as error:
            raise FileFormatError(f"{path} is damaged ({error}): delete this file, and its job runs again") from error

    def put(self, fingerprint: str, result: Result) -> None:
        """Store a result, and remove the record of an earlier failure. The same result gives the same bytes."""
        values = np.frombuffer(json.dumps(result.values, sort_keys=True).encode(), dtype=np.uint8)
        arrays = {f"array/{k}": v for k, v in sorted(result.arrays.items())}
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, values=values, **arrays)
        write_whole(self.path(fingerprint), content.getvalue())
        self._failure(fingerprint).unlink(missing_ok=True)

    def claim(self, fingerprint: str) -> Claim | None:
        """The exclusive right to compute a result, until it is released or this process ends; None if another has it."""
        return Claim.of(self.folder / f"{fingerprint}.claim")

    def put_failure(self, fingerprint: str, label: str, error: str) -> None:
        """Record why a job failed, for the user; the job runs again with the study."""
        write_whole(self._failure(fingerprint), f"{label}\n\n{error}\n".encode())

    def _failure(self, fingerprint: str) -> Path:
        return self.folder / f"{fingerprint}.failed.txt"


def as_result(returned: Mapping[str, object]) -> Result:
    """The return value of a job's function, split into values and arrays, with plain Python numbers."""
    values: dict[str, Value] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, item in returned.items():
        if isinstance(item, np.generic):
            item = item.item()
        if isinstance(item, np.ndarray):
            arrays[name] = item
        elif item is None or isinstance(item, bool | int | float | str):
            values[name] = item
        else:
            raise TypeError(f"a job may return numbers, words and arrays; {name!r} is a {type(item).__name__}")
    return Result(values, arrays)
