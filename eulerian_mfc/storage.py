"""Solutions in HDF5 files: arrays and JSON only, nothing that runs when read."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from dataclasses import fields as fields_of
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import continuity, fields, transport
from ._validate import mismatch
from .certificate import Checks
from .characteristics import Flow, LayerMap
from .errors import FileFormatError
from .meshes import CartesianMesh, Mesh, SimplexMesh
from .optimality import Cost, OptimalitySystem
from .solution import Numerics, Paths, Solution
from .solvers import Iteration, Outcome
from .solvers.kinks import Kink
from .stability import Stability
from .version import __version__

if TYPE_CHECKING:
    from .problem import Problem

FORMAT = "eulerian_mfc.solution"
SCHEMA = 2


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
        "squared_loss": numerics.squared_loss,
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
    """JSON-ready name and arguments of a scheme."""
    name = next(name for name, kind in _SCHEMES.items() if type(scheme) is kind)
    arguments = {f.name: getattr(scheme, f.name) for f in fields_of(scheme)}
    return {
        "type": name,
        **{
            k: scheme_spec(v) if is_dataclass(v) else dict(v) if isinstance(v, Mapping) else v
            for k, v in arguments.items()
        },
    }


def scheme_of(spec: dict[str, Any]) -> Any:
    """The scheme that `scheme_spec` described."""
    arguments = {k: scheme_of(v) if isinstance(v, dict) and "type" in v else v for k, v in spec.items() if k != "type"}
    if spec["type"] not in _SCHEMES:
        raise FileFormatError(f"unknown scheme {spec['type']!r}")
    return _SCHEMES[spec["type"]](**arguments)


def load(path: str | os.PathLike[str], problem: Problem | None = None) -> Solution:
    """Read a solution; with `problem`, everything that needs its functions works too.

    Raises
    ------
    FileNotFoundError, FileFormatError
        If there is no file, or it is not a solution of this schema.
    ArgumentError
        If `problem` is not the one that was solved.
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
            arrays |= _mesh_arrays(file)
            labels = file["labels"][()] if "labels" in file else None
            return _assemble(meta, arrays, labels, problem)
    except (OSError, KeyError, json.JSONDecodeError, TypeError, AttributeError) as error:
        raise FileFormatError(f"{path} is damaged or not a solution file: {error}") from error


def _assemble(
    meta: dict[str, Any], arrays: dict[str, np.ndarray], labels: np.ndarray | None, problem: Problem | None
) -> Solution:
    mesh = _mesh(meta["mesh"], arrays)
    schemes = {"transport": scheme_of(meta["transport"]), "continuity": scheme_of(meta["continuity"])}
    unknowns = mesh.unknowns(schemes["transport"], schemes["continuity"])
    layers, fields_count, parameters = meta["layers"], len(meta["names"]), len(meta["parameter_names"])
    for key, shape in {
        "control": (layers, parameters),
        "masses": (layers + 1, fields_count, *unknowns.mass_shape),
        "potentials": (layers + 1, fields_count, *unknowns.shape),
    }.items():
        if arrays[key].shape != shape:
            raise FileFormatError(f"{key} has shape {arrays[key].shape}, the file says {shape}: it was altered")
    layer_map = LayerMap(**meta["layer_map"])
    flow, system = None, None
    if problem is not None:
        system = OptimalitySystem(problem, mesh, layers, **schemes, layer_map=layer_map)
        _check_problem(system, meta, arrays["control"])
        flow = system.flow
    elif meta["field"] is not None:
        spec = dict(meta["field"])
        kind = spec.pop("type")
        if kind not in fields.REGISTRY:
            raise FileFormatError(f"unknown field {kind!r}")
        flow = Flow(fields.REGISTRY[kind](**spec), layer_map)
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
            squared_loss=meta["squared_loss"],
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


def _mesh_arrays(file: Any) -> dict[str, np.ndarray]:
    """Every array below "mesh" by its path."""
    found: dict[str, np.ndarray] = {}

    def take(key: str, item: Any) -> None:
        if hasattr(item, "shape"):
            found[f"mesh/{key}"] = item[()]

    if "mesh" in file:
        file["mesh"].visititems(take)
    return found


def _mesh(spec: dict[str, Any], arrays: dict[str, np.ndarray]) -> Mesh:
    if spec.get("type", "cartesian") == "cartesian":
        return CartesianMesh(spec["bounds"], spec["cells"])
    return SimplexMesh.from_arrays(
        spec, {k.removeprefix("mesh/"): v for k, v in arrays.items() if k.startswith("mesh/")}
    )


def _check_problem(system: OptimalitySystem, meta: dict[str, Any], control: np.ndarray) -> None:
    """The problem that a user passes must be the one that was solved: it gives the file's cost at the file's control."""
    problem = system.problem
    told = {
        "horizon": meta["horizon"],
        "parameter_names": tuple(meta["parameter_names"]),
        "names": tuple(meta["names"]),
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
    cost, stored = system.cost(control), Cost(**meta["cost"])
    parts = [(getattr(cost, f.name), getattr(stored, f.name)) for f in fields_of(Cost)]
    if max(abs(a - b) for a, b in parts) > 1e-8 * sum(abs(b) for _, b in parts):
        raise mismatch("problem", f"one whose cost at the file's control is {cost.total:.10g}", f"{stored.total:.10g}")
