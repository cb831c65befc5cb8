"""Reading and writing mesh files with meshio."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .._callers import warn
from .._validate import fail, mismatch
from ..errors import FileFormatError, MeshFileWarning, StorageError
from ..files.atomic import as_path, existing, write_whole, writing
from ._quiet import quiet
from .conversion import ROUND_OFF, to_skfem
from .endless import opened
from .gmsh import GmshGroups, is_gmsh, read_groups
from .groups import encoded
from .memory import allowance, bounded

#: formats that can hold every mesh with all its names
FORMATS = (".vtu", ".msh", ".vtk", ".xdmf", ".med")
#: other formats that can be read
READ_TOO = (".inp", ".mesh", ".su2", ".bdf")
#: options of meshio's writers; XDMF in one file, so that a failed write does not leave a second one behind
OPTIONS: dict[str, dict[str, Any]] = {"xdmf": {"data_format": "XML"}}
#: formats of several files, which cannot be replaced in one step
SEVERAL = ("tetgen", "dolfin-xml")
#: messages of meshio that do not apply, since this module keeps the names of groups itself
HANDLED = re.compile(
    r"Warning: (meshio does not support tags of string type\. Surface tag .*? will be replaced by \d+"
    r"|Appending zeros to replace the missing \w+ tag data\.)"
)
Result = TypeVar("Result")


def read(path: str | os.PathLike[str]) -> Any:
    """The scikit-fem mesh in a file: its simplices of the highest dimension, with their named groups."""
    file = existing("path", path, "mesh file")
    try:
        file.open("rb").close()
    except OSError as error:  # the system does not let it be read: its content is not at fault
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        with bounded(allowance(file)):
            content, gmsh, said = _content(file)
            mesh, notes = to_skfem(content, gmsh, _markers(file))
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error.__cause__
    except MemoryError as error:
        raise FileFormatError(
            f"{path}: reading this file would take more than {allowance(file) / 2**30:.1f} GiB, far more than "
            "its size explains: the file is damaged, or it announces more data than it holds"
        ) from error
    except Exception as error:  # meshio and scikit-fem do not check what they read
        raise FileFormatError(f"{path}: the file is damaged ({_brief(error)})") from error
    remarks = HANDLED.sub("", said).strip()
    for note in [*notes, *([f"meshio says: {remarks}"] if remarks else [])]:
        warn(f"{path}: {note}", MeshFileWarning)
    return mesh


def _brief(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _silently(action: Callable[[], Result]) -> tuple[Result, str]:
    """The result of `action`, and the text that meshio wrote to the terminal meanwhile, as one line."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # NumPy only warns if it meets text that is not a number, and drops the rest: here that is an error.
        warnings.filterwarnings("error", "string or file could not be read to its end")
        try:
            result = action()
        except SystemExit as error:  # meshio exits if no reader accepts the file
            raise FileFormatError(" ".join(said.getvalue().split())) from error
    return result, " ".join(said.getvalue().split())


def _content(file: Path) -> tuple[object, GmshGroups | None, str]:
    """The content that meshio reads, the groups of a Gmsh file, and the messages of meshio."""
    import meshio

    try:
        if file.suffix.lower() != ".msh" or not is_gmsh(data := file.read_bytes()):
            with opened(file) as (source, form):
                content, said = _silently(lambda: meshio.read(source, form))
            return content, None, said
        groups = read_groups(data)
        if groups.rest is None:
            content, said = _silently(lambda: meshio.read(file, "gmsh"))
            return content, groups, said
        with tempfile.TemporaryDirectory() as folder:
            rest = Path(folder) / "rest.msh"
            rest.write_bytes(groups.rest)
            content, said = _silently(lambda: meshio.read(rest, "gmsh"))
        return content, groups, said
    except MemoryError:
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, FileFormatError) else _brief(error)
        raise FileFormatError(
            f"meshio cannot read the file ({reason}); the package reads the formats {', '.join(FORMATS + READ_TOO)}"
        ) from error


def _markers(file: Path) -> dict[int, str]:
    """The names of the markers of an SU2 file, by meshio's numbers for them."""
    out, number = {}, 0
    if file.suffix.lower() == ".su2":
        for name in re.findall(r"^\s*MARKER_TAG\s*=(.*)$", file.read_text("utf-8", errors="replace"), re.MULTILINE):
            try:
                number = int(name)
            except ValueError:
                number += 1
                out[number] = name.strip()
    return out


def write(mesh: Any, path: str | os.PathLike[str]) -> None:
    """Write a scikit-fem mesh with its named groups; the ending of the path determines the format.

    The file is first written elsewhere, read again and compared; only then it replaces an older one. Warns with
    MeshFileWarning if the format cannot hold the names.
    """
    file = as_path("path", path)
    form, ending = _format(file, path)
    with writing(file), tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / f"mesh{ending}"
        try:
            lost = _lost(mesh, part, form)
        except OSError:
            raise
        except Exception as error:  # meshio's writers fail in their own ways
            raise mismatch(
                "path",
                f"{path}, whose format cannot hold this mesh ({_brief(error.__cause__ or error)})",
                f"one of {', '.join(FORMATS)}, which can hold it",
            ) from error
        write_whole(file, part.read_bytes())
    if lost:
        note = (
            f"the file does not hold the names {', '.join(map(repr, lost))}, since its format cannot store them; "
            "to keep the names, write one of "
        )
        warn(f"{path}: {note}{', '.join(FORMATS)}", MeshFileWarning)


def _format(file: Path, path: object) -> tuple[str, str]:
    """Meshio's name for the format of a path, and the ending of the path."""
    import meshio

    known = meshio.extension_to_filetypes
    ending = max((end for end in known if file.name[1:].lower().endswith(end)), key=len, default="")
    # Two formats share the ending .msh; Gmsh's is the one that generators and ParaView read.
    form = "gmsh" if ending == ".msh" else next(iter(known.get(ending, [])), None)
    if form is None or form in SEVERAL:
        raise fail("path", str(path), f"a file ending such as {', '.join(FORMATS)}")
    return form, ending


def _lost(mesh: Any, part: Path, form: str) -> list[str]:
    """Write the file `part`, read it again and compare: the names that it lost. Raises ValueError if the mesh differs."""
    import meshio

    content = _to_meshio(mesh)
    _silently(lambda: meshio.write(part, content, form, **OPTIONS.get(form, {})))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MeshFileWarning)
        other = read(part)
    size = float(np.ptp(mesh.p, axis=1).max())
    if mesh.p.shape != other.p.shape or not np.array_equal(mesh.t, other.t):
        raise ValueError("its cells differ when it is read again")
    if not np.abs(mesh.p - other.p).max() <= ROUND_OFF * size:
        raise ValueError("its points have fewer digits when it is read again")
    lost = []
    for mine, theirs in ((mesh.boundaries, other.boundaries), (mesh.subdomains, other.subdomains)):
        for name, chosen in (mine or {}).items():
            if not np.array_equal(np.sort(chosen), np.sort((theirs or {}).get(name, [-1]))):
                lost.append(name)
    return lost


def _to_meshio(mesh: Any) -> Any:
    """Meshio's form of a mesh, with encoded names that all formats can hold, and with three coordinates, as most need."""
    from skfem.io.meshio import to_meshio

    groups = [
        {encoded(name): chosen for name, chosen in (named or {}).items()} or None
        for named in (mesh.boundaries, mesh.subdomains)
    ]
    with quiet():
        content = to_meshio(type(mesh)(mesh.p, mesh.t, *groups))
    content.points = np.pad(content.points, ((0, 0), (0, 3 - content.points.shape[1])))
    return content
