"""Studies as JSON, with a checksum."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from typing import TypeVar

import numpy as np

from ..errors import FileFormatError
from ..files.atomic import existing, read_whole
from .study_data import Column, ErrorColumn, Json, StudyData

FORMAT = "eulerian_mfc.study"
SCHEMA = 2
#: earlier schemas that are read too: 1 had neither checksum nor provenance
READABLE = (1, SCHEMA)

Kind = TypeVar("Kind", bound=StudyData)


def encoded(study: StudyData) -> bytes:
    """The content of a study's file; equal studies give equal bytes.

    Parameters
    ----------
    study : the study that is written.
    """
    content = json.loads(json.dumps(asdict(study), default=_plain))
    text = json.dumps({"format": FORMAT, "schema": SCHEMA, "sha256": _checksum(content), **content}, indent=1)
    return (text + "\n").encode()


def load(kind: type[Kind], path: str | os.PathLike[str]) -> Kind:
    """Read a file that was written with `encoded`.

    Parameters
    ----------
    kind : the class of the returned study: StudyData, or a subclass.
    path : the file.

    Raises
    ------
    MissingFileError, FileFormatError
        If there is no file, or it is not a study, was altered, or has an unknown schema.
    StorageError
        If the system does not allow reading it.
    """
    data = read_whole(existing("path", path, "study file"))
    try:
        found = json.loads(data.decode())
        if found.pop("format") != FORMAT:
            raise FileFormatError(f"{path} is not a study of eulerian_mfc")
        if (schema := found.pop("schema")) not in READABLE:
            known = " and ".join(map(str, READABLE))
            raise FileFormatError(
                f"{path} has schema {schema}, but this version reads {known}: load it with the version of the "
                "package that wrote it, or run the study again"
            )
        if schema == 1:
            found = {"provenance": {}, **found}
        elif found.pop("sha256") != _checksum(found):
            raise FileFormatError(f"{path} is damaged: the file was altered, since its checksum is wrong")
        return kind(
            **{
                **found,
                "columns": tuple(Column(**c) for c in found["columns"]),
                "errors": tuple(ErrorColumn(**e) for e in found["errors"]),
                **{k: tuple(found[k]) for k in ("records", "notes", "failures")},
            }
        )
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{path} is damaged or not a study file: {error}") from error


def _checksum(content: Json) -> str:
    """The checksum of a file's content, independent of its indentation."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} in a study")
