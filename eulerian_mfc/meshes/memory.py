"""A bound on the memory for reading a file, since an untrusted file may announce arrays of any size."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from .._validate import machine_memory

#: bytes that any file may take, and bytes per byte of the file (text becomes lists, and compressed arrays are unpacked)
FLOOR, SHARE = 2**30, 100
_lock = threading.Lock()


def allowance(file: Path) -> int:
    """Bytes that reading a file may take, in proportion to its size and to that of the files that belong to it."""
    size = sum(part.stat().st_size for part in _parts(file) if part.is_file())
    return min(FLOOR + SHARE * size, machine_memory())


def _parts(file: Path) -> set[Path]:
    """The file, and the files with its arrays: those named in it (XDMF), or with the same name (TetGen)."""
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
    """On Linux, raise MemoryError if this process takes more than `count` bytes beyond its present memory.

    The bound holds for the whole process during the read; it is far above what other threads use meanwhile. On other systems
    nothing is bounded, since they do not offer such a limit.
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
