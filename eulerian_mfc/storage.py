"""Solutions in HDF5 files: arrays and JSON only, nothing that runs when read."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import fields
from .characteristics import Flow, LayerMap
from .errors import FileFormatError
from .meshes import CartesianMesh
from .optimality import Cost, OptimalitySystem
from .solution import Certificate, Numerics, Paths, Solution
from .solvers import Iteration, Outcome
from .transport import SemiLagrangian
from .version import __version__

if TYPE_CHECKING:
    from .problem import Problem

FORMAT = "eulerian_mfc.solution"
SCHEMA = 1


def save(solution: Solution, path: str | os.PathLike[str]) -> None:
    """Write `solution` to `path`: a temporary file in the same folder, renamed once it is whole."""
    import h5py

    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".part")
    os.close(handle)
    try:
        with h5py.File(name, "w") as file:
            file.attrs["format"], file.attrs["schema"], file.attrs["version"] = FORMAT, SCHEMA, __version__
            file.attrs["metadata"] = json.dumps(_metadata(solution))
            for key, value in _arrays(solution).items():
                file.create_dataset(key, data=value, compression="gzip" if value.size > 4096 else None)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


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
    if solution.labels is not None:
        out["labels"] = solution.labels
    return out


def _metadata(solution: Solution) -> dict[str, Any]:
    numerics = solution.numerics
    return {
        "mesh": {"bounds": numerics.mesh.bounds, "cells": numerics.mesh.shape},
        "transport": asdict(numerics.transport),
        "layer_map": None if numerics.flow is None else asdict(numerics.flow.layer_map),
        "field": None if numerics.flow is None else numerics.flow.field.spec(),
        "horizon": numerics.horizon,
        "layers": numerics.layers,
        "squared_loss": numerics.squared_loss,
        "converged": solution.converged,
        "message": solution.message,
        "cost": {"terminal": solution.terminal_cost, "penalty": solution.penalty_cost},
        "certificate": asdict(solution.certificate),
        "names": solution.names,
        "parameter_names": solution.parameter_names,
        "description": solution.description,
    }


def load(path: str | os.PathLike[str], problem: Problem | None = None) -> Solution:
    """Read a solution; with `problem`, everything that needs its functions works too.

    Raises
    ------
    FileNotFoundError, FileFormatError
        If there is no file, or it is not a solution of this schema.
    """
    import h5py

    if not Path(path).is_file():
        raise FileNotFoundError(f"no solution file at {path}")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                raise FileFormatError(f"{path} is an HDF5 file, but not a solution of eulerian_mfc")
            if file.attrs.get("schema") != SCHEMA:
                raise FileFormatError(f"{path} has schema {file.attrs.get('schema')}, this version reads {SCHEMA}")
            meta = json.loads(file.attrs["metadata"])
            arrays = {
                key: file[key][()]
                for key in ("control", "masses", "potentials", "history", "total", "paths/x", "paths/y")
            }
            labels = file["labels"][()] if "labels" in file else None
            return _assemble(meta, arrays, labels, problem)
    except (OSError, KeyError, json.JSONDecodeError, TypeError) as error:
        raise FileFormatError(f"{path} is damaged or not a solution file: {error}") from error


def _assemble(
    meta: dict[str, Any], arrays: dict[str, np.ndarray], labels: np.ndarray | None, problem: Problem | None
) -> Solution:
    mesh = CartesianMesh(meta["mesh"]["bounds"], meta["mesh"]["cells"])
    transport = SemiLagrangian(**meta["transport"])
    layer_map = None if meta["layer_map"] is None else LayerMap(**meta["layer_map"])
    system = None
    if problem is not None:
        system = OptimalitySystem(problem, mesh, meta["layers"], transport=transport, layer_map=layer_map or "rk4")
        system.control(arrays["control"])
        flow: Flow | None = system.flow
    else:
        spec = meta["field"]
        flow = None
        if spec is not None and layer_map is not None:
            kind = spec.pop("type")
            if kind not in fields.REGISTRY:
                raise FileFormatError(f"unknown field {kind!r}")
            flow = Flow(fields.REGISTRY[kind](**spec), layer_map)
    history = [Iteration(int(i), cost, residual, int(n), s) for i, cost, residual, n, s in arrays["history"].tolist()]
    return Solution(
        numerics=Numerics(mesh, transport, flow, meta["horizon"], meta["layers"], meta["squared_loss"]),
        outcome=Outcome(arrays["control"], meta["converged"], meta["message"], history),
        cost=Cost(**meta["cost"]),
        certificate=Certificate(**meta["certificate"]),
        names=tuple(meta["names"]),
        total=arrays["total"],
        labels=labels,
        parameter_names=tuple(meta["parameter_names"]),
        description=meta["description"],
        system=system,
        masses=arrays["masses"],
        potentials=arrays["potentials"],
        paths=Paths(arrays["paths/x"], arrays["paths/y"]),
    )
