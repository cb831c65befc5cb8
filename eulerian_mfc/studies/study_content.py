"""The content of a study file: its keys and words, and their meaning."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..results.solution_data import SolutionData
from .references import ReferenceLike
from .runs import Fold, Measure
from .study_data import Json

#: a table of a TOML file
Content = Json

#: keys with which each problem of a study is solved to a tolerance
TOLERANCES = ("tol", "atol", "tol_control")
KINDS = ("mesh", "layers", "samples", "penalty", "sweep")
#: keys of each kind, in addition to kind, case, title, settings and vary
KEYS = {
    "mesh": ("reference", "measure"),
    "layers": ("reference", "measure", "degrees"),
    "samples": ("repeats", "seed", "methods", "symmetry", "atoms", "reference"),
    "penalty": ("measure", *TOLERANCES),
    "sweep": ("reference", "measure", "parameter", *TOLERANCES),
}
#: words that are accepted as `reference`, for the kinds that differ from the others
REFERENCES: dict[str, tuple[str, ...]] = {"mesh": ("richardson", "finest", "particles"), "samples": ()}
ERRORS = {"cost": "error J", "control": "error theta"}
SYMMETRIES: dict[str, Fold] = {"abs": np.abs}


def iterations(solution: SolutionData) -> int:
    """The number of iterations of the solver."""
    return len(solution.history) - 1


def duality_drift(solution: SolutionData) -> float:
    """Largest relative change of `sum <psi, m>`."""
    return float(solution.checks.duality_drift)


def most_negative(solution: SolutionData) -> float:
    """Most negative cell of a density, relative to the largest."""
    return float(solution.checks.most_negative)


def mass_near_boundary(solution: SolutionData) -> float:
    """Largest share of mass near the boundary."""
    return float(solution.checks.mass_near_boundary)


def error_bound(solution: SolutionData) -> float:
    """The bound of `|J - J*|` of a solve to a tolerance, otherwise NaN."""
    return np.nan if solution.error is None else solution.error.cost


MEASURES: dict[str, Measure] = {
    f.__name__: f for f in (iterations, duality_drift, most_negative, mass_near_boundary, error_bound)
}


def points_of(content: Content) -> list[dict[str, object]]:
    """The varied settings of each run: lists in step for refinement, all combinations for sweeps, none for samples."""
    kind, vary = content["kind"], content["vary"]
    if kind == "samples":
        return [{}]
    combined = zip(*vary.values(), strict=True) if kind in ("mesh", "layers") else itertools.product(*vary.values())
    return [dict(zip(vary, values, strict=True)) for values in combined]


def reference_of(folder: Path, value: ReferenceLike) -> ReferenceLike:
    """The reference: a word, or a table of values; the table may name `file` and `entry` of a JSON file with the values."""
    if not isinstance(value, Mapping) or "file" not in value:
        return value
    rest = {k: v for k, v in value.items() if k not in ("file", "entry")}
    known = json.loads((folder / str(value["file"])).read_text(encoding="utf-8-sig"))
    found = known[value["entry"]] if "entry" in value else known
    return {"source": str(value.get("entry", "the reference")), **found, **rest}
