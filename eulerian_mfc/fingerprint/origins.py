"""The origin of code, and the content of the files of installed packages and of modules."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

#: origins of code: Python itself, this package, installed packages, the user
PYTHON, PACKAGE, INSTALLED, OWN = "python", "package", "installed", "own"
SITE = ("site-packages", "dist-packages")
#: installed packages with more files or bytes are identified by the list of checksums from their installer
SMALL_FILES, SMALL_BYTES = 400, 4_000_000

_ROOT = Path(__file__).resolve().parents[1]
_LIBRARY = Path(os.__file__).resolve().parent


def file_of(module: ModuleType) -> str | None:
    """The file of a module; None if it has no file.

    Parameters
    ----------
    module : any module.
    """
    file = vars(module).get("__file__")
    return file if isinstance(file, str) else None


def origin(name: str, file: object) -> str:
    """The origin of a module. Its file decides, since a user's `statistics.py` has the name of a module of Python.

    Parameters
    ----------
    name : the name of the module.
    file : its `__file__`; None if it has no file.
    """
    if not isinstance(file, str):
        built_in = name in sys.builtin_module_names or name.split(".")[0] in sys.stdlib_module_names
        return PYTHON if built_in and name != "__main__" else OWN
    return _origin_of_file(file)


@functools.cache
def _origin_of_file(file: str) -> str:
    path = Path(file)
    # This is the first test: the package has the same fingerprint whether it is installed or not.
    if path.resolve().is_relative_to(_ROOT):
        return PACKAGE
    if not set(SITE).isdisjoint(path.parts):
        return INSTALLED
    path = path.resolve()
    return PYTHON if path.is_relative_to(_LIBRARY) or "<frozen" in file else OWN


def origin_of_module(name: str) -> str:
    """The origin of the module with this name; the user if there is no such module (code made while the program ran)."""
    module = sys.modules.get(name)
    return OWN if module is None else origin(name, file_of(module))


def module_content(module: ModuleType) -> str:
    """A hash of a module's file, which may be inside an archive; the hash of no bytes if there is no file."""
    file = file_of(module)
    if file is None:
        return ""
    try:
        return file_content(file)
    except OSError:
        loader = vars(module).get("__loader__")
        try:
            return hashlib.sha256(loader.get_data(file)).hexdigest()  # type: ignore[union-attr]
        except (AttributeError, OSError):
            return ""


def file_content(file: str | os.PathLike[str]) -> str:
    """A hash of the content of a file, computed again after the file was written to."""
    return _content(os.fspath(file), *_stamp(os.stat(file)))


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    # The inode's change time is used: tools that preserve the modification time cannot preserve this one.
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


@functools.lru_cache(maxsize=4096)
def _content(file: str, *stamp: int) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def package_content(name: str, file: object) -> str:
    """A hash of the installed package that a module belongs to.

    A small package is identified by its files, a large one by the checksums that its installer has recorded (or by all its
    files, if there are no checksums).

    Parameters
    ----------
    name : the name of the module.
    file : its `__file__`.
    """
    if not isinstance(file, str):
        return ""
    parts = Path(file).parts
    depth = max(k for k, part in enumerate(parts) if part in SITE)
    if len(parts) == depth + 2:  # a package that is one file
        return file_content(file)
    root = Path(*parts[: depth + 2])
    recorded = _recorded(root)
    return recorded if recorded is not None else _tree(root)


@functools.cache
def _recorded(root: Path) -> str | None:
    """A hash of the installer's record of a large package, computed once: loaded code does not change in this process."""
    count = size = 0
    for file in _files(root):
        count, size = count + 1, size + file.stat().st_size
        if count > SMALL_FILES or size > SMALL_BYTES:
            break
    else:
        return None
    distribution = _distribution(root.name)
    record = None if distribution is None else distribution.read_text("RECORD")
    return None if record is None else hashlib.sha256(record.encode()).hexdigest()


def _distribution(package: str) -> importlib.metadata.Distribution | None:
    try:
        return importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        names = importlib.metadata.packages_distributions().get(package)  # such as scikit-learn for sklearn
        return importlib.metadata.distribution(names[0]) if names else None


def _tree(root: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(_files(root)):
        digest.update(f"{file.relative_to(root).as_posix()}\0{file_content(file)}\0".encode())
    return digest.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f != "__pycache__"]
        yield from (Path(folder, n) for n in names if not n.endswith(".pyc"))
