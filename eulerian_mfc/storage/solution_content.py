"""Conversion of a solution to the metadata and arrays of its file, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TypeVar

import numpy as np

from .. import fields, losses
from ..constraints import Held
from ..errors import FileFormatError
from ..flow.flow_of_field import Flow
from ..losses.labels import label_names
from ..meshes import CartesianMesh, Mesh
from ..meshes.rebuilt import simplex_mesh
from ..results.certificate import Checks
from ..results.deferred import Deferred
from ..results.numerics import Numerics, Paths
from ..results.solution_data import SolutionData
from ..results.solution_error import ToleranceRound
from ..results.stability import Stability
from ..solvers import Iteration
from ..solvers.record import Kink
from ..system.controlled import Cost
from ..system.discretisation import Discretisation
from .error_specs import error_of, error_spec
from .scheme_specs import scheme_of, scheme_spec
from .solution_schema import Metadata, Stored, boundaries_of, resources_of
from .status_in_files import status_of
from .tables import Table
from .time_specs import curves_of, curves_spec, layer_map_of, layer_map_spec, mover_of, noise_spec

Kind = TypeVar("Kind", bound=SolutionData)


def arrays_of(solution: SolutionData) -> dict[str, np.ndarray]:
    """The arrays of a solution, by their paths in the file.

    Parameters
    ----------
    solution : the solution; its potentials and paths are computed if they are not known yet.
    """
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


def metadata_of(solution: SolutionData) -> Metadata:
    """All of a solution except its arrays, ready for JSON.

    Parameters
    ----------
    solution : the solution; quantities that are not known yet, such as its second order, are not computed.
    """
    numerics, chosen, curves = solution.numerics, solution.numerics.discretisation, solution.numerics.curves
    return {
        "mesh": chosen.mesh.spec(),
        "transport": scheme_spec(chosen.transport),
        "continuity": scheme_spec(chosen.continuity),
        "layer_map": layer_map_spec(chosen.layer_map),
        "resources": asdict(numerics.resources),
        "field": None if numerics.flow is None else numerics.flow.field.spec(),
        "noise": noise_spec(numerics.flow),
        "constraints": [asdict(held) for held in solution.constraints],
        "horizon": numerics.horizon,
        "layers": chosen.layer_count,
        "control": curves_spec(curves),
        "input_dim": numerics.input_dim,
        "loss": None if numerics.loss is None else numerics.loss.spec(),
        "converged": solution.converged,
        "status": solution.status.value,
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
        "names": list(solution.names),
        "parameter_names": list(solution.parameter_names),
        "description": dict(solution.description),
        "error": None if solution.error is None else error_spec(solution.error),
        "tolerance_rounds": [list(row) for row in solution.tolerance_rounds],
    }


def assembled(kind: type[Kind], meta: Metadata, stored: Stored) -> Kind:
    """The solution that a file describes.

    Parameters
    ----------
    kind : the class of the returned solution.
    meta, stored : the metadata and the arrays of the file.

    Raises
    ------
    FileFormatError
        If the parts do not fit together.
    """
    mesh = _mesh(meta["mesh"], stored)
    schemes = {"transport": scheme_of(meta["transport"]), "continuity": scheme_of(meta["continuity"])}
    unknowns = schemes["continuity"].unknowns(schemes["transport"].nodes(mesh))
    found = stored.shape("control")
    if found[:1] != (meta["layers"],):
        expected = (meta["layers"], *found[1:])
        raise FileFormatError(f"control has shape {found}, expected {expected}: the file was altered")
    curves = curves_of(meta["control"], meta["layers"], meta["horizon"])
    fields_count, parameters = len(meta["names"]), len(meta["parameter_names"])
    coefficients = (parameters,) if curves.degree == 0 else (curves.degree + 1, parameters)
    samples = stored.shape("paths/x")[1:2]
    shapes: dict[str, tuple[int | None, ...]] = {
        "control": (curves.layers, *coefficients),
        "masses": (curves.steps + 1, fields_count, *unknowns.mass_shape),
        "potentials": (curves.steps + 1, fields_count, *unknowns.shape),
        "history": (None, len(Iteration._fields)),
        "total": (fields_count,),
        "paths/x": (curves.steps + 1, None, mesh.dim),
        "paths/y": (*samples, None),
    }
    if np.ndim(meta["bounds"]) > 2 and np.shape(meta["bounds"])[1:] != (curves.layers, *coefficients):
        raise FileFormatError(f"bounds: got the shape {np.shape(meta['bounds'])}, expected that of the control, twice")
    if "labels" in stored:
        shapes["labels"] = (fields_count, None)
    arrays = stored.take(shapes)
    if meta["input_dim"] > mesh.dim or not arrays["paths/x"].size:
        raise FileFormatError(
            "input_dim is larger than the mesh's dimension, or there are no paths: the file was altered"
        )
    layer_map = layer_map_of(meta["layer_map"])
    flow = None if meta["field"] is None else Flow(fields.from_spec(meta["field"]), layer_map)
    if flow is not None and (flow.field.dim != mesh.dim or flow.field.parameters != parameters):
        raise FileFormatError(
            "the field has another dimension, or other parameters, than the control: the file was altered"
        )
    loss = None if meta["loss"] is None else losses.from_spec(meta["loss"])
    history = tuple(
        Iteration(int(i), cost, residual, int(n), int(k), s)
        for i, cost, residual, n, k, s in arrays["history"].tolist()
    )
    cost = Cost(**meta["cost"])
    known = meta["stability"]
    return kind(
        numerics=Numerics(
            Discretisation(mesh, curves.grid, **schemes, layer_map=layer_map, control_degree=curves.degree),
            resources_of(meta),
            flow=mover_of(flow, meta["noise"], mesh.dim),
            curves=curves,
            input_dim=meta["input_dim"],
            loss=loss,
        ),
        control=arrays["control"],
        cost=cost.objective,
        terminal_cost=cost.terminal,
        penalty_cost=cost.penalty,
        running_cost=cost.running,
        status=status_of(meta["status"], meta["message"], meta["converged"]),
        message=meta["message"],
        threshold=meta["threshold"],
        kink=Kink(*meta["kink"]) if meta["kink"] else None,
        history=history,
        checks=Checks(**meta["checks"]),
        names=_names(meta, arrays.get("labels")),
        total=arrays["total"],
        labels=arrays.get("labels"),
        parameter_names=tuple(meta["parameter_names"]),
        bounds=np.array(meta["bounds"]),
        description=meta["description"],
        masses=arrays["masses"],
        deferred_potentials=Deferred.of(arrays["potentials"]),
        deferred_paths=Deferred.of(Paths(arrays["paths/x"], arrays["paths/y"])),
        deferred_stability=Deferred.missing("the second-order analysis")
        if known is None
        else Deferred.of(Stability(**known)),
        error=None if meta["error"] is None else error_of(meta["error"]),
        tolerance_rounds=tuple(ToleranceRound(*row) for row in meta["tolerance_rounds"]),
        constraints=tuple(Held(**row) for row in meta["constraints"]),
    )


def _mesh(spec: Table, stored: Stored) -> Mesh:
    if spec.get("type", "cartesian") == "cartesian":
        return CartesianMesh(spec["bounds"], spec["cells"])
    dim = stored.shape("mesh/points")[-1]
    shapes: dict[str, tuple[int | None, ...]] = {"mesh/points": (None, dim), "mesh/cells": (None, dim + 1)}
    shapes |= {f"mesh/{name}": (None,) for name in boundaries_of(spec)}
    return simplex_mesh(spec, {k.removeprefix("mesh/"): v for k, v in stored.take(shapes).items()})


def _names(meta: Metadata, labels: np.ndarray | None) -> tuple[str, ...]:
    """The names of the fields. In files of earlier versions, labels that first differ in the seventh digit may share a name."""
    stored = tuple(meta["names"])
    return stored if labels is None or len(set(stored)) == len(stored) else label_names(labels)
