"""A bound on the memory that reading a file may take: what a file from a stranger claims may be anything."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from .._validate import machine_memory

#: bytes that any file may take, and bytes for each byte of a file: text becomes lists, compressed arrays are unpacked
FLOOR, SHARE = 2**30, 100
_lock = threading.Lock()


def allowance(file: Path) -> int:
    """Bytes that reading a file may take: in proportion to it and to the files that belong to it."""
    size = sum(part.stat().st_size for part in _parts(file) if part.is_file())
    return min(FLOOR + SHARE * size, machine_memory())


def _parts(file: Path) -> set[Path]:
    """The file, and those that hold its arrays: named in it (XDMF), or of the same name (TetGen)."""
    out = {file}
    if file.suffix.lower() in (".xdmf", ".xmf"):
        text = file.read_text(encoding="utf-8", errors="replace")
        out.add(file.with_suffix(".h5"))
        out |= {file.parent / name for name in re.findall(r"[^<>\s:\"']+\.(?:h5|hdf5?|bin)\b", text)}
    elif file.suffix.lower() in (".node", ".ele"):
        out |= {file.with_suffix(".node"), file.with_suffix(".ele")}
    return out


@contextlib.contextmanager
def bounded(count: int) -> Iterator[None]:
    """MemoryError where this process would take more than `count` bytes beyond what it has, on Linux.

    The bound is one of the whole process, for the time of a read: it is far above what other threads take meanwhile.
    Elsewhere nothing is bounded, since the system does not offer it.
    """
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError, ValueError):
        yield
        return
    with _lock:
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        bound = pages * resource.getpagesize() + count
        limits = [bound, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
        resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
