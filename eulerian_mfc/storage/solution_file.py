"""Solutions in HDF5 files: arrays and JSON only, nothing that runs when read.

The first 512 bytes, which HDF5 leaves to users, say format, schema, length and checksum of the rest: a file that was cut off
or altered anywhere is refused before HDF5 sees it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from dataclasses import fields as fields_of
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import continuity, fields, losses, transport
from .._validate import mismatch
from ..continuity.limiters import Limiter, SimplexLimiter, stored_name
from ..diagnostics.certificate import Checks
from ..diagnostics.stability import Stability
from ..errors import FileFormatError
from ..files.atomic import existing, reading, write_whole
from ..files.untrusted import dataset_at, number, text
from ..flow.characteristics import Flow, LayerMap
from ..losses.base import label_names
from ..meshes import CartesianMesh, Mesh, SimplexMesh
from ..solution import Numerics, Paths, Solution
from ..solvers import Iteration, Outcome
from ..solvers.kinks import Kink
from ..system.controlled import Cost
from ..system.optimality import OptimalitySystem
from ..version import __version__
from .solution_schema import Stored, boundaries_of, check_metadata

if TYPE_CHECKING:
    from ..problem import Problem

FORMAT = "eulerian_mfc.solution"
SCHEMA = 3
#: earlier schemas that are read too: 2 had no checksum
READABLE = (2, SCHEMA)
#: bytes before the HDF5 file proper
HEAD = 512


def save(solution: Solution, path: str | os.PathLike[str]) -> None:
    """Write `solution` to `path`, whole or not at all.

    Parameters
    ----------
    solution : the solution.
    path : the file, HDF5 after a line of text.

    Raises
    ------
    StorageError
        If the file cannot be written; the old one is intact.
    """
    import h5py

    # In memory first: a disk that fills up then meets plain bytes, not HDF5 in the middle of its work.
    with h5py.File("solution", "w", driver="core", backing_store=False, userblock_size=HEAD) as file:
        file.attrs["format"], file.attrs["schema"], file.attrs["version"] = FORMAT, SCHEMA, __version__
        # Longer texts than 64 kB are no attributes.
        file["metadata"] = json.dumps(_metadata(solution))
        for key, value in _arrays(solution).items():
            file.create_dataset(key, data=value, compression="gzip" if value.size > 4096 else None)
        file.flush()
        content = file.id.get_file_image()  # without the first bytes
    write_whole(path, head(content) + content)


def head(content: bytes) -> bytes:
    """The first `HEAD` bytes of the file whose rest is `content`.

    Parameters
    ----------
    content : all of the HDF5 file.
    """
    return _first_line(len(content), hashlib.sha256(content).hexdigest())


def _first_line(size: int, checksum: str) -> bytes:
    return f"{FORMAT} schema {SCHEMA} bytes {size} sha256 {checksum}\n".encode().ljust(HEAD, b"\0")


def _verify(opened: BufferedReader, path: Path, size: int) -> bool:
    """Whether the file has a first line, which files of schema 2 have not; FileFormatError if it has, and is another file."""
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
        raise FileFormatError(f"{path} is damaged: cut off or too long, {size - HEAD} bytes of {found}")
    opened.seek(HEAD)
    if first != _first_line(size - HEAD, hashlib.file_digest(opened, "sha256").hexdigest()):
        raise FileFormatError(f"{path} is damaged: it was altered, its checksum is wrong")
    return True


def _other_schema(path: str | os.PathLike[str], found: Any) -> FileFormatError:
    known = " and ".join(map(str, READABLE))
    return FileFormatError(
        f"{path} has schema {found}, this version reads {known}: load it with the version of the package that wrote it "
        "(attribute `version` of the file), or solve again"
    )


def _arrays(solution: Solution) -> dict[str, np.ndarray]:
    out = {
        "times": solution.times,
        "control": solution.control,
        "masses": solution.masses,
        "potentials": solution.potentials,
        "history": np.array(solution.history, dtype=np.float64).reshape(-1, len(Iteration._fields)),
        "paths/x": solution.paths.x,
        "paths/y": solution.paths.y,
        "total": solution.total,
    }
    out |= {f"mesh/{key}": value for key, value in solution.mesh.arrays().items()}
    if solution.labels is not None:
        out["labels"] = solution.labels
    return out


def _metadata(solution: Solution) -> dict[str, Any]:
    numerics = solution.numerics
    return {
        "mesh": numerics.mesh.spec(),
        "transport": scheme_spec(numerics.transport),
        "continuity": scheme_spec(numerics.continuity),
        "layer_map": asdict(numerics.layer_map),
        "field": None if numerics.flow is None else numerics.flow.field.spec(),
        "horizon": numerics.horizon,
        "layers": numerics.layers,
        "input_dim": numerics.input_dim,
        "loss": None if numerics.loss is None else numerics.loss.spec(),
        "converged": solution.converged,
        "message": solution.message,
        "threshold": solution.threshold,
        "kink": solution.kink,
        "bounds": solution.bounds.tolist(),
        "cost": {
            "terminal": solution.terminal_cost,
            "penalty": solution.penalty_cost,
            "running": solution.running_cost,
        },
        "checks": asdict(solution.checks),
        "stability": asdict(solution.stability) if solution.analysed else None,
        "names": solution.names,
        "parameter_names": solution.parameter_names,
        "description": solution.description,
    }


#: every scheme by the name of its class and module, for files
_SCHEMES = {
    f"{kind.__module__.split('.')[1]}.{kind.__name__}": kind
    for kind in (*transport.REGISTRY.values(), *continuity.REGISTRY.values(), continuity.FiniteVolumeTranspose)
}


def scheme_spec(scheme: Any) -> dict[str, Any]:
    """JSON-ready name and arguments of a scheme.

    Parameters
    ----------
    scheme : of transport or continuity.

    Raises
    ------
    ArgumentError
        For a limiter of the user's that is not registered.
    """
    name = next(name for name, kind in _SCHEMES.items() if type(scheme) is kind)
    arguments = {f.name: getattr(scheme, f.name) for f in fields_of(scheme)}
    return {"type": name, **{k: _stored(v) for k, v in arguments.items()}}


def _stored(value: Any) -> Any:
    """An argument of a scheme, JSON-ready."""
    if isinstance(value, Limiter | SimplexLimiter):
        return stored_name(value)
    if is_dataclass(value):
        return scheme_spec(value)
    return dict(value) if isinstance(value, Mapping) else value


def scheme_of(spec: dict[str, Any]) -> Any:
    """The scheme that `scheme_spec` described.

    Parameters
    ----------
    spec : a name and arguments.

    Raises
    ------
    FileFormatError
        For a name that is not registered.
    """
    arguments = {k: scheme_of(v) if isinstance(v, dict) and "type" in v else v for k, v in spec.items() if k != "type"}
    if spec["type"] not in _SCHEMES:
        raise FileFormatError(f"unknown scheme {spec['type']!r}")
    return _SCHEMES[spec["type"]](**arguments)


def load(path: str | os.PathLike[str], problem: Problem | None = None) -> Solution:
    """Read a solution; with `problem`, everything that needs its functions works too.

    Parameters
    ----------
    path : the file.
    problem : the one that was solved; without it what needs its functions raises EulerianError.

    Raises
    ------
    MissingFileError, FileFormatError
        If there is no file, or it is not a solution, was cut off or altered, or has a schema that is not read.
    StorageError
        If the system does not let it be read.
    ArgumentError
        If `problem` is not the one that was solved.
    """
    import h5py

    file_path = existing("path", path, "solution file")
    # One open file for the checksum and for HDF5, which opens nothing itself: no locks, which some network file systems refuse.
    with reading(file_path), open(file_path, "rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        headed = _verify(opened, file_path, size)
        try:
            with h5py.File(opened, "r") as file:
                meta, solution = _read(file, opened, size, headed, file_path)
        except FileFormatError as error:
            raise error if str(path) in str(error) else FileFormatError(f"{path}: {error}") from error
        except (MemoryError, DeprecationWarning, FutureWarning):  # of this machine, and of the packages on it
            raise
        except Exception as error:  # whatever HDF5, JSON or the checks of the parts say of what is in the file
            raise FileFormatError(f"{path} is damaged or not a solution file: {error}") from error
    if problem is not None:
        schemes = {name: getattr(solution.numerics, name) for name in ("transport", "continuity", "layer_map")}
        system = OptimalitySystem(problem, solution.mesh, solution.layers, **schemes)
        _check_problem(system, meta, solution)
        loss = solution.numerics.loss if problem.loss.trained else problem.loss
        solution.system, solution.numerics = system, solution.numerics._replace(flow=system.flow, loss=loss)
    return solution


def _read(file: Any, opened: BufferedReader, size: int, headed: bool, path: Path) -> tuple[dict[str, Any], Solution]:
    """The metadata and the solution in an open HDF5 file of `size` bytes."""
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
    check_metadata(meta)
    return meta, _assemble(meta, Stored(file, size, boundaries_of(meta["mesh"])))


def _assemble(meta: dict[str, Any], stored: Stored) -> Solution:
    mesh = _mesh(meta["mesh"], stored)
    schemes = {"transport": scheme_of(meta["transport"]), "continuity": scheme_of(meta["continuity"])}
    unknowns = mesh.unknowns(schemes["transport"], schemes["continuity"])
    layers, fields_count, parameters = meta["layers"], len(meta["names"]), len(meta["parameter_names"])
    samples = stored.shape("paths/x")[1:2]
    shapes: dict[str, tuple[int | None, ...]] = {
        "control": (layers, parameters),
        "masses": (layers + 1, fields_count, *unknowns.mass_shape),
        "potentials": (layers + 1, fields_count, *unknowns.shape),
        "history": (None, len(Iteration._fields)),
        "total": (fields_count,),
        "paths/x": (layers + 1, None, mesh.dim),
        "paths/y": (*samples, None),
    }
    if "labels" in stored:
        shapes["labels"] = (fields_count, None)
    arrays = stored.take(shapes)
    if meta["input_dim"] > mesh.dim or not arrays["paths/x"].size:
        raise FileFormatError(
            "input_dim is larger than the mesh's dimension, or there are no paths: the file was altered"
        )
    layer_map = LayerMap(**meta["layer_map"])
    flow = None if meta["field"] is None else Flow(fields.from_spec(meta["field"]), layer_map)
    if flow is not None and (flow.field.dim != mesh.dim or flow.field.parameters != parameters):
        raise FileFormatError(
            "the field has another dimension, or other parameters, than the control: the file was altered"
        )
    loss = None if meta["loss"] is None else losses.from_spec(meta["loss"])
    history = [
        Iteration(int(i), cost, residual, int(n), int(k), s)
        for i, cost, residual, n, k, s in arrays["history"].tolist()
    ]
    return Solution(
        numerics=Numerics(
            mesh,
            **schemes,
            layer_map=layer_map,
            flow=flow,
            horizon=meta["horizon"],
            layers=layers,
            input_dim=meta["input_dim"],
            loss=loss,
        ),
        outcome=Outcome(
            arrays["control"],
            meta["converged"],
            meta["message"],
            history,
            meta["threshold"],
            Kink(*meta["kink"]) if meta.get("kink") else None,  # none in older files
        ),
        bounds=np.array(meta["bounds"]),
        cost=Cost(**meta["cost"]),
        checks=Checks(**meta["checks"]),
        stability=None if meta["stability"] is None else Stability(**meta["stability"]),
        names=_names(meta, arrays.get("labels")),
        total=arrays["total"],
        labels=arrays.get("labels"),
        parameter_names=tuple(meta["parameter_names"]),
        description=meta["description"],
        masses=arrays["masses"],
        potentials=arrays["potentials"],
        paths=Paths(arrays["paths/x"], arrays["paths/y"]),
    )


def _mesh(spec: dict[str, Any], stored: Stored) -> Mesh:
    if spec.get("type", "cartesian") == "cartesian":
        return CartesianMesh(spec["bounds"], spec["cells"])
    dim = stored.shape("mesh/points")[-1]
    shapes: dict[str, tuple[int | None, ...]] = {"mesh/points": (None, dim), "mesh/cells": (None, dim + 1)}
    shapes |= {f"mesh/{name}": (None,) for name in boundaries_of(spec)}
    return SimplexMesh.from_arrays(spec, {k.removeprefix("mesh/"): v for k, v in stored.take(shapes).items()})


def _names(meta: dict[str, Any], labels: np.ndarray | None) -> tuple[str, ...]:
    """The names of the fields. Files of earlier versions may have one name for labels that differ from the seventh digit on."""
    stored = tuple(meta["names"])
    return stored if labels is None or len(set(stored)) == len(stored) else label_names(labels)


def _check_problem(system: OptimalitySystem, meta: dict[str, Any], solution: Solution) -> None:
    """The problem that a user passes must be the one that was solved: it gives the file's cost at the file's control."""
    problem = system.problem
    told = {
        "horizon": meta["horizon"],
        "parameter_names": tuple(meta["parameter_names"]),
        "names": solution.names,
        "bounds": meta["bounds"],
    }
    given = {
        "horizon": problem.horizon,
        "parameter_names": problem.field.parameter_names,
        "names": problem.separable.names,
        "bounds": [problem.lower.tolist(), problem.upper.tolist()],
    }
    for key, value in told.items():
        if given[key] != value:
            raise mismatch("problem", f"one whose {key} is {given[key]!r}", f"the file's {value!r}")
    cost, stored = system.cost(solution.control), Cost(**meta["cost"])
    parts = [(getattr(cost, f.name), getattr(stored, f.name)) for f in fields_of(Cost)]
    if max(abs(a - b) for a, b in parts) > 1e-8 * sum(abs(b) for _, b in parts):
        raise mismatch("problem", f"one whose cost at the file's control is {cost.total:.10g}", f"{stored.total:.10g}")
