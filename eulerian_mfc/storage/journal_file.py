"""The file of a journal: a line of JSON that describes it, and plain arrays; reading it runs no code."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np

from ..errors import FileFormatError
from ..files.atomic import read_whole
from ..files.untrusted import archive
from ..fingerprint.sources import SOURCES
from .environment import versions

#: the modules on which the values in a checkpoint depend
SOLVING = "eulerian_mfc.run.solve"
FORMAT = "eulerian_mfc.checkpoint"
SCHEMA = 1
#: bytes of a hash
KEY = 16


def encode(run: str, values: dict[bytes, np.ndarray], errors: dict[bytes, str]) -> bytes:
    """The content of the file: a line of JSON (format, schema, versions, run, length and checksum of the rest), then arrays.

    Parameters
    ----------
    run : the fingerprint of the run.
    values : flat float64 arrays by key.
    errors : messages of evaluations that failed, by key.
    """
    content = io.BytesIO()
    flat = [np.zeros(0), *values.values()]
    np.savez(
        content,
        keys=np.frombuffer(b"".join(values), dtype=np.uint8),
        sizes=np.array([len(v) for v in values.values()], dtype=np.int64),
        values=np.concatenate(flat),
        errors=np.frombuffer(json.dumps({k.hex(): v for k, v in errors.items()}).encode(), dtype=np.uint8),
    )
    body = content.getvalue()
    head = {
        "format": FORMAT,
        "schema": SCHEMA,
        "versions": {**versions(), "sources": SOURCES.of_modules([SOLVING])},
        "run": run,
        "bytes": len(body),
    }
    line = json.dumps(head).encode()
    return b"%s %s\n" % (line, hashlib.sha256(line + body).hexdigest().encode()) + body


def read(path: Path, run: str) -> tuple[dict[bytes, np.ndarray], dict[bytes, str]]:
    """The values and errors of a checkpoint file of this run.

    Parameters
    ----------
    path : the file.
    run : the fingerprint of the run that reads the file.

    Raises
    ------
    FileFormatError
        If it is not a checkpoint, is damaged, or belongs to another run, schema or version.
    StorageError
        If the system does not allow reading it.
    """
    start_anew = "delete this file to start from the beginning"
    line, _, body = read_whole(path).partition(b"\n")
    text, _, checksum = line.rpartition(b" ")
    try:
        head = json.loads(text)
        told, schema = head["format"], head["schema"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FileFormatError(f"{path} is not a checkpoint of eulerian_mfc, or its first line is damaged") from None
    if told != FORMAT:
        raise FileFormatError(f"{path} is not a checkpoint of eulerian_mfc, but a file of the format {told!r}")
    if schema != SCHEMA:
        raise FileFormatError(
            f"{path} is a checkpoint of schema {schema}, but this version reads schema {SCHEMA}: {start_anew}"
        )
    if len(body) != head.get("bytes"):
        raise FileFormatError(
            f"{path} is cut off or too long: got {len(body)} bytes, expected {head.get('bytes')}; {start_anew}"
        )
    if hashlib.sha256(text + body).hexdigest().encode() != checksum:
        raise FileFormatError(f"{path} was altered: its checksum is wrong; {start_anew}")
    here = {**versions(), "sources": SOURCES.of_modules([SOLVING])}
    try:
        for name, number in head["versions"].items():
            if here.get(name) != number:
                raise FileFormatError(
                    f"{path} was made with {name} {str(number)[:12]}, but this program runs with "
                    f"{str(here.get(name))[:12]}, whose results may differ in the last bits: {start_anew}, or "
                    "continue with the version of the file"
                )
        if head["run"] != run:
            raise FileFormatError(
                f"{path} belongs to another run, with another problem, mesh, number of layers, scheme, solver "
                f"or start: {start_anew}, or name another file"
            )
        return _rows(body)
    except (FileFormatError, MemoryError):
        raise
    except Exception as error:  # a checksum excludes accidental changes, not a file that was made otherwise
        raise FileFormatError(f"{path} was altered: {error}; {start_anew}") from error


def _rows(body: bytes) -> tuple[dict[bytes, np.ndarray], dict[bytes, str]]:
    """Values and errors by key, from the arrays of a checkpoint file."""
    found = archive(body)
    keys, sizes, values = found["keys"].tobytes(), found["sizes"], found["values"]
    told = json.loads(found["errors"].tobytes() or b"{}")
    if sizes.dtype != np.int64 or sizes.ndim != 1 or values.dtype != np.float64 or values.ndim != 1:
        raise ValueError("the arrays have other types than those of a checkpoint")
    if (sizes < 0).any() or int(sizes.sum()) != len(values) or len(keys) != KEY * len(sizes):
        raise ValueError(f"{len(values)} values and {len(keys)} bytes of keys for the sizes {str(sizes.tolist())[:80]}")
    rows = np.split(values, np.cumsum(sizes)[:-1]) if len(sizes) else []
    names = (keys[k : k + KEY] for k in range(0, len(keys), KEY))
    return dict(zip(names, rows, strict=True)), {bytes.fromhex(k): str(v) for k, v in told.items()}
