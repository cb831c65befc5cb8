"""What a study file may say: its keys and words, and what they stand for."""

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

KINDS = ("mesh", "layers", "samples", "penalty", "sweep")
#: keys that each kind takes beside kind, case, title, settings and vary
KEYS = {
    "mesh": ("reference", "measure"),
    "layers": ("reference", "measure"),
    "samples": ("repeats", "seed", "methods", "symmetry", "atoms", "reference"),
    "penalty": ("measure",),
    "sweep": ("reference", "measure", "parameter"),
}
#: words that a kind takes as its reference beside those of all others
REFERENCES: dict[str, tuple[str, ...]] = {"mesh": ("richardson", "finest", "particles"), "samples": ()}
ERRORS = {"cost": "error J", "control": "error theta"}
SYMMETRIES: dict[str, Fold] = {"abs": np.abs}


def iterations(solution: SolutionData) -> int:
    """Iterations that the solver made."""
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


MEASURES: dict[str, Measure] = {f.__name__: f for f in (iterations, duality_drift, most_negative, mass_near_boundary)}


def points_of(content: Content) -> list[dict[str, object]]:
    """The settings that vary, of each run: together where they refine, in all combinations in sweeps, none of samples."""
    kind, vary = content["kind"], content["vary"]
    if kind == "samples":
        return [{}]
    combined = zip(*vary.values(), strict=True) if kind in ("mesh", "layers") else itertools.product(*vary.values())
    return [dict(zip(vary, values, strict=True)) for values in combined]


def reference_of(folder: Path, value: ReferenceLike) -> ReferenceLike:
    """A word, or a table: values, or `file` and `entry` of a JSON file that holds them."""
    if not isinstance(value, Mapping) or "file" not in value:
        return value
    rest = {k: v for k, v in value.items() if k not in ("file", "entry")}
    known = json.loads((folder / str(value["file"])).read_text(encoding="utf-8-sig"))
    found = known[value["entry"]] if "entry" in value else known
    return {"source": str(value.get("entry", "the reference")), **found, **rest}
