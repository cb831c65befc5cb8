"""Errors of the default solver against the reference optima: `python docs/reference_errors.py` writes the table.

The references (`tests/reference.json`) come from spectral quadrature of the law and particles, with no mesh: 20 layers,
RK4 with 4 substeps, gradient below 1e-9, controls to ten digits.
"""

import json
from pathlib import Path

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.run.case import Case

ROOT = Path(__file__).parents[1]
REFERENCE = json.loads((ROOT / "tests" / "reference.json").read_text())
RUNS = [
    ("toy_line_nobias_1", "toy_line", {}),
    ("toy_line_bias_1", "toy_line", {"bias": True}),
    ("truncated_bimodal_1d_0.2", "truncated_bimodal_1d", {}),
    ("truncated_unimodal_1d_0.2", "truncated_unimodal_1d", {}),
    ("bimodal_2d_0.2", "bimodal_2d", {}),
    ("diffeo_as_2d_0.1", "learn_map_2d", {}),
]
MESHES = [(3, 40), (3, 80), (3, 160), (3, 320), (5, 40), (5, 80), (5, 160), (7, 40), (7, 80)]


def errors(name, solution):
    reference = REFERENCE[name]
    return abs(solution.cost - reference["cost"]), np.abs(solution.control - reference["control"]).max()


def solve(file, settings):
    problem, options = Case.load(ROOT / "cases" / f"{file}.py").with_settings(settings).build()
    return emfc.solve(problem, options.pop("mesh"), options.pop("layers"), **options)


def table():
    rows = [
        "The cases as they are (quintic splines, 160 cells on a line, 96^2 in the plane):",
        "",
        "| reference | cells | error in J | error in theta (max) | residual | mass drift | duality drift |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, file, settings in RUNS:
        solution = solve(file, settings)
        cost, control = errors(name, solution)
        checks = solution.checks
        rows.append(
            f"| {name} | {' x '.join(map(str, solution.mesh.shape))} | {cost:.1e} | {control:.1e} | "
            f"{checks.residual:.1e} | {checks.mass_drift:.1e} | {checks.duality_drift:.1e} |"
        )
    rows += [
        "",
        "`toy_line_nobias_1`, splines:",
        "",
        "| degree | cells | error in J | error in theta (max) |",
        "|---|---|---|---|",
    ]
    for degree, cells in MESHES:
        cost, control = errors("toy_line_nobias_1", solve("toy_line", {"degree": degree, "cells": cells}))
        rows.append(f"| {degree} | {cells} | {cost:.1e} | {control:.1e} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    text = table()
    Path(__file__).with_name("tables").joinpath("reference_errors.md").write_text(text)
    print(text)
