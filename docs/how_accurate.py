"""The table of docs/how_accurate.md: `python docs/how_accurate.py`; minutes.

`--time` makes the table of times instead, which needs a quiet machine; `--only NAME...` makes the rows of some references, which
are printed and not written. The references ("continuous" in `tests/reference.json`) are optima over controls of any shape in
time, from particles on the rule of the law; both tables solve the cases' problems to tolerances without anything else.
"""

import argparse
import json
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.run.case import Case

ROOT = Path(__file__).parents[1]
TABLES = ROOT / "docs" / "tables"
REFERENCE = json.loads((ROOT / "tests" / "reference.json").read_text())["continuous"]
#: by reference, the case
PROBLEMS = {
    "toy_line_nobias_1": "toy_line",
    "bimodal_1d_0.2": "bimodal_1d",
    "truncated_bimodal_1d_0.2": "truncated_bimodal_1d",
    "truncated_unimodal_1d_0.2": "truncated_unimodal_1d",
    "bimodal_2d_0.2": "bimodal_2d",
    "diffeo_as_2d_0.1": "learn_map_2d",
    "bimodal_3d_0.5": "bimodal_3d",
}
TOLERANCES = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10)
#: the smallest tolerance by dimension of the state
SMALLEST = {1: 1e-10, 2: 1e-10, 3: 1e-6}


def built(case):
    """The problem of a case, and the numerics that were chosen for it by hand."""
    return Case.load(ROOT / "cases" / f"{case}.py").build()


def tolerances(problem):
    return [tol for tol in TOLERANCES if tol >= SMALLEST[problem.field.dim]]


def quietly(problem, *arguments, **options):
    """A solution, without the warnings: what they suspect is in the table as an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", emfc.errors.EulerianWarning)
        return emfc.solve(problem, *arguments, **options)


def claims(references):
    """What is chosen, the true error, and what is claimed."""
    rows = [
        "| case | tol | cells | layers, degree | asked | claimed | true error | met |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for entry in references:
        problem, _ = built(PROBLEMS[entry])
        for tol in tolerances(problem):
            solution = quietly(problem, tol=tol)
            error, curves = solution.error, solution.numerics.curves
            cells = " x ".join(map(str, solution.mesh.shape))
            rows.append(
                f"| {PROBLEMS[entry]} | $10^{{{np.log10(tol):.0f}}}$ | {cells} | {curves.layers}, {curves.degree} | "
                f"{error.tolerance:.1e} | {error.cost:.1e} | {abs(solution.cost - REFERENCE[entry]['cost']):.1e} | "
                f"{'yes' if error.met else 'no'} |"
            )
            print(rows[-1], error.stopped_by or "", flush=True)
    return "accuracy_claims", rows


def medians(runs, repeats=5):
    """The medians of the times of functions that are called in turn, once beforehand."""
    taken = []
    for k in range(repeats + 1):
        row = []
        for run in runs:
            start = time.perf_counter()
            run()
            row.append(time.perf_counter() - start)
        if k:
            taken.append(row)
    return np.median(taken, axis=0)


def times(references):
    """Times of solves to a tolerance, divided by that of the case with the numerics that were chosen by hand."""
    rows = [
        f"| case | by hand: error | {' | '.join(f'tol {tol:.0e}: ratio (error)' for tol in TOLERANCES)} |",
        f"|---|---|{'---|' * len(TOLERANCES)}",
    ]
    for entry in references:
        problem, numerics = built(PROBLEMS[entry])
        runs = [partial(quietly, problem, **numerics)]
        runs += [partial(quietly, problem, tol=tol) for tol in tolerances(problem)]
        errors = [abs(run().cost - REFERENCE[entry]["cost"]) for run in runs]
        taken = medians(runs, repeats=5 if problem.field.dim == 1 else 1)
        cells = [f"{t / taken[0]:.2g} ({e:.1e})" for t, e in zip(taken[1:], errors[1:], strict=True)]
        cells += ["-"] * (len(TOLERANCES) - len(cells))
        rows.append(f"| {PROBLEMS[entry]} | {errors[0]:.1e} | {' | '.join(cells)} |")
        print(rows[-1], flush=True)
    return "accuracy_times", rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--time", action="store_true", help="the table of times, on a quiet machine")
    parser.add_argument("--only", nargs="*", choices=PROBLEMS)
    arguments = parser.parse_args()
    name, rows = (times if arguments.time else claims)(arguments.only or PROBLEMS)
    if not arguments.only:
        (TABLES / f"{name}.md").write_text("\n".join(rows) + "\n")
