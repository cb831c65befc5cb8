"""The tables and the picture of docs/continuous_time.md: `python docs/continuous_time.py`; minutes.

`--time` makes the table of work instead, which needs a quiet machine; `--only NAME...` makes some tables. The references
("continuous" in `tests/reference.json`) are optima over controls of any shape in time, from particles on the rule of the law.
"""

import argparse
import json
import time
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import eulerian_mfc as emfc
from eulerian_mfc.diagnostics.error_in_time import error_in_time, squared_distance
from eulerian_mfc.run.case import Case
from eulerian_mfc.views.style import PALETTE, STYLE

ROOT = Path(__file__).parents[1]
TABLES, IMAGES = ROOT / "docs" / "tables", ROOT / "docs" / "images"
REFERENCE = json.loads((ROOT / "tests" / "reference.json").read_text())["continuous"]
#: the times of the reference controls
TIMES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
#: reference, case, half of the box's length, a first control
PROBLEMS = [
    ("toy_line_nobias_1", "toy_line", 8.0, None),
    ("bimodal_1d_0.2", "bimodal_1d", 4.0, 0.9),
    ("truncated_bimodal_1d_0.2", "truncated_bimodal_1d", 3.0, 0.9),
    ("truncated_unimodal_1d_0.2", "truncated_unimodal_1d", 1.2, 1.0),
    ("bimodal_2d_0.2", "bimodal_2d", 4.0, None),
    ("diffeo_as_2d_0.1", "learn_map_2d", 4.5, None),
    ("bimodal_3d_0.5", "bimodal_3d", 3.2, None),
]
#: cells per side in one, two and three dimensions
CELLS = (160, 64, 32)
#: a layer map whose own error does not count, so that orders are those of the controls
FINE = emfc.LayerMap("dop853", 4)


def problem_of(case):
    return Case.load(ROOT / "cases" / f"{case}.py").build()[0]


def write(name, rows):
    (TABLES / f"continuous_{name}.md").write_text("\n".join(rows) + "\n")
    print(name, *rows, sep="\n", flush=True)


class Work:
    """Counts iterations and gradients of a solve, over all its rounds: it is a callback."""

    def __init__(self):
        self.rows = []

    def __call__(self, iteration):
        self.rows.append(iteration)

    @property
    def last(self):
        """The last row of every round: the counts begin again there."""
        follow = [*self.rows[1:], None]
        return [a for a, b in zip(self.rows, follow, strict=True) if b is None or b.iteration <= a.iteration]

    @property
    def iterations(self):
        return sum(row.iteration for row in self.last)

    @property
    def gradients(self):
        return sum(row.evaluations for row in self.last)


def solved(case, half, start, cells, layers, degree, **options):
    """A solution and its work."""
    problem, work = problem_of(case), Work()
    mesh = emfc.CartesianMesh([(-half, half)] * problem.field.dim, cells)
    options = {"control_degree": degree, "initial": start, "callback": work, **options}
    return emfc.solve(problem, mesh, layers, **options), work


def references():
    """Errors against the optima of continuous time."""
    rows = [
        "| reference | cells | layers | degree | error in J | error in theta | recovered | theta of the reference | gradients | "
        "residual in time |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for entry, case, half, start in PROBLEMS:
        reference = REFERENCE[entry]
        dim = problem_of(case).field.dim
        for cells, layers, degree in [(CELLS[dim - 1], 4, 2), *([(320, 2, 3)] if dim == 1 else [])]:
            solution, work = solved(case, half, start, cells, layers, degree)
            errors = [np.abs(solution.theta(TIMES, recovered=r) - reference["control"]).max() for r in (False, True)]
            rows.append(
                f"| {entry} | {' x '.join([str(cells)] * dim)} | {layers} | {degree} | "
                f"{abs(solution.cost - reference['cost']):.1e} | {errors[0]:.1e} | {errors[1]:.1e} | "
                f"{reference['control_agree']:.1e} | {work.gradients} | {solution.checks.residual_in_time:.1e} |"
            )
            print(rows[-1], flush=True)
    write("references", rows)


def fading(t):
    """The speed of the field that depends on time."""
    return 1.0 / (1.0 + t)


def variants():
    """Problems that differ from bimodal_1d in one thing each, with the words of the tables."""
    plain = problem_of("bimodal_1d")
    return {
        "bimodal_1d": plain,
        "bimodal_1d, field / (1 + t)": replace(plain, field=fading * plain.field),
        "bimodal_1d, running loss": replace(plain, running=emfc.losses.SquaredLoss()),
        "bimodal_1d, theta <= 0.95": replace(plain, bounds=(0.0, 0.95)),
    }


#: layers of the orders
LAYERS = [2, 4, 8, 16]


def orders():
    """Orders of the cost in the layers, without a mesh, against degree 5 on 16 layers."""
    rows = [
        f"| problem | degree | error in J on {' / '.join(map(str, LAYERS))} layers | orders | theory |",
        "|---|---|---|---|---|",
    ]
    mesh = emfc.CartesianMesh([(-4.0, 4.0)], 40)  # not used by particles
    for name, problem in variants().items():
        limit = particles(problem, 16, 5)
        known = {"cost": limit[2], "cost_floor": 3e-14 * abs(limit[2]), "source": "degree 5 on 16 layers"}
        if problem.regulariser.bounded:
            known = {"cost": particles(problem, 160, 1)[2], "source": "degree 1 on 160 layers"}
        study = emfc.studies.layer_convergence(
            problem, mesh, LAYERS, reference=known, twin=True, degrees=[0, 1, 2], layer_map=FINE, initial=0.9
        )
        for degree in (0, 1, 2):
            column = f"error J, degree {degree}"
            found = [f"{p:.2f}" if p is not None else "-" for p in study.orders(column)[1:]]
            rows.append(
                f"| {name} | {degree} | {' / '.join(f'{e:.1e}' for e in study.values(column))} | {' / '.join(found)} | "
                f"{2 * degree + 2} |"
            )
    write("orders", rows)


def few_points(problem):
    """A rule of the law whose points suffice to 1e-4 of the cost: bounds and true errors are of the problem with these points."""
    start = np.broadcast_to(problem.start, (4, problem.parameters))
    return emfc.ParticleSystem.refined(problem, 4, start, tolerance=1e-4, limit=1000).rule


def particles(problem, layers, degree, start=None, **options):
    """`(system, control, cost)` of the optimum without a mesh."""
    if problem.field.dim > 1 and "rule" not in options:
        options["rule"] = few_points(problem)
    system = emfc.ParticleSystem(problem, layers, control_degree=degree, layer_map=FINE, **options)
    outcome = emfc.solvers.LBFGS(tol=1e-11).solve(system, system.controls.coerce(0.5) if start is None else start)
    return system, outcome.control, system.cost(outcome.control).total


#: problem, layers, degree
BOUNDED = [
    ("toy_line", 5, 0),
    ("bimodal_1d", 20, 0),
    ("bimodal_1d", 4, 1),
    ("bimodal_1d", 2, 2),
    ("bimodal_1d", 1, 3),
    ("truncated_bimodal_1d", 10, 0),
    ("truncated_unimodal_1d", 8, 1),
    ("truncated_unimodal_1d", 4, 2),
    ("bimodal_2d", 5, 0),
    ("bimodal_2d", 3, 1),
    ("bimodal_2d", 2, 2),
    ("learn_map_2d", 4, 0),
    ("learn_map_2d", 2, 1),
    ("bimodal_1d, field / (1 + t)", 10, 0),
    ("bimodal_1d, field / (1 + t)", 4, 2),
    ("bimodal_1d, running loss", 5, 1),
    ("bimodal_1d, running loss", 2, 2),
    ("bimodal_1d, theta <= 0.95", 4, 1),
    ("bimodal_1d, theta <= 0.95", 6, 2),
]


def bounds():
    """Bounds of the errors in time beside the true errors, without a mesh."""
    rows = [
        "| problem | layers | degree | error in J | bound / error | error in theta, L2 | bound / error |",
        "|---|---|---|---|---|---|---|",
    ]
    known = variants()
    public = {case: REFERENCE[entry]["cost"] for entry, case, *_ in PROBLEMS if problem_of(case).field.dim == 1}
    for name, layers, degree in BOUNDED:
        problem = known.get(name) or problem_of(name)
        twin, best, least = particles(problem, layers, degree)
        found = error_in_time(twin, best, best, least)
        # The reference: layers that are parts of these, many of them where the control is not smooth.
        rough = problem.regulariser.bounded
        count, high = layers * -(-(120 if rough else 8) // layers), 2 if rough else degree + 3
        limit, control, optimum = particles(problem, count, high, rule=twin.rule)
        optimum = public.get(name, optimum)
        distance = np.sqrt(squared_distance(limit, control, twin, best))
        rows.append(
            f"| {name} | {layers} | {degree} | {least - optimum:.1e} | {found.cost / (least - optimum):.2f} | "
            f"{distance:.1e} | {found.control / distance:.2f} |"
        )
        print(rows[-1], flush=True)
    write("bounds", rows)


def iterations():
    """Iterations and gradients of L-BFGS on four layers, by degree."""
    rows = [
        "| problem | degree 0 | degree 1 | degree 2 | degree 3 |",
        "|---|---|---|---|---|",
    ]
    for name, layers in (("bimodal_1d", 4), ("truncated_unimodal_1d", 4), ("bimodal_2d", 4), ("learn_map_2d", 4)):
        problem, cells = problem_of(name), []
        for degree in range(4):
            options = {"rule": few_points(problem)} if problem.field.dim > 1 else {}
            system = emfc.ParticleSystem(problem, layers, control_degree=degree, **options)
            outcome = emfc.solvers.LBFGS(last_steps=0, tol=1e-7).solve(system, system.controls.coerce(problem.start))
            row = outcome.history[-1]
            cells.append(f"{row[0]} ({row[3]})")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    write("iterations", rows)


def picture():
    """Controls of bimodal_1d, and the pointwise residual."""
    times = np.linspace(0.0, 1.0, 801)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.0, 5.6))
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        for (layers, degree), colour in zip(((20, 0), (4, 2)), PALETTE, strict=False):
            solution, _ = solved("bimodal_1d", 4.0, 0.9, 160, layers, degree)
            label = f"degree {degree}, {layers} layers"
            above.plot(times, solution.theta(times)[:, 0], color=colour, label=label)
            residuals = np.abs(solution.pointwise.residuals(times)[:, 0])
            below.semilogy(times, np.maximum(residuals, 1e-12), color=colour, label=label)
        dashes = {"color": "black", "linestyle": (0, (5, 3)), "linewidth": 1.0}
        above.plot(times, solution.theta(times, recovered=True)[:, 0], label="recovered from degree 2", **dashes)
        above.set_ylabel(r"control $\theta(t)$")
        below.set(xlabel="time $t$", ylabel="residual $|r(t)|$", xlim=(0.0, 1.0))
        above.legend()
        figure.savefig(IMAGES / "continuous_time.png", dpi=110)


#: the error in J that the table of work asks for, and the share of it that the layers of degree 0 may make
AIM, SHARE = 1e-8, 0.5
#: numbers of cells that are tried, in increasing order, by dimension
TRIED = ((48, 64, 80, 96, 120, 160, 240), (32, 40, 48, 64, 80, 96))


def least_cells(tried, case, half, start, layers, degree, reference, **options):
    """The smallest number of cells with which the error in J is at most AIM, or None."""
    for cells in tried:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", emfc.errors.BoundaryMassWarning)  # too few cells, as is to be found out
            solution, _ = solved(case, half, start, cells, layers, degree, **options)
        if abs(solution.cost - reference) <= AIM:
            return cells
    return None


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


def work():
    """Time to an error of 1e-8 in J: ratios."""
    rows = [
        "| reference | degree 0: layers, cells | degree, layers, cells | error in J | ratio of times |",
        "|---|---|---|---|---|",
    ]
    for entry, case, half, start in (PROBLEMS[1], PROBLEMS[4]):
        best, tried = REFERENCE[entry]["cost"], TRIED[problem_of(case).field.dim - 1]
        coarse = solved(case, half, start, tried[-1], 20, 0)[0].cost - best
        needed = int(np.ceil(20 * np.sqrt(coarse / (SHARE * AIM))))
        found = {
            (degree, layers): least_cells(tried, case, half, start, layers, degree, best)
            for degree, layers in ((2, 2), (2, 3), (2, 4), (3, 1), (3, 2))
        }
        choices = [(*key, cells) for key, cells in found.items() if cells is not None]
        taken = medians([partial(solved, case, half, start, c[2], c[1], c[0]) for c in choices])
        degree, layers, cells = choices[int(np.argmin(taken))]
        error = abs(solved(case, half, start, cells, layers, degree)[0].cost - best)
        # Degree 0: on a line, the cells are tried too; in the plane it gets those of the other side, which favours it.
        line = len(tried) == len(TRIED[0])
        constant = least_cells(tried, case, half, start, needed, 0, best) if line else cells
        if constant is None:
            raise SystemExit(f"{entry}: no number of cells is enough for degree 0")
        ran = needed if line else 40
        slow, fast = medians(
            [
                partial(solved, case, half, start, constant, ran, 0),
                partial(solved, case, half, start, cells, layers, degree),
            ],
            repeats=3,
        )
        told = "" if ran == needed else f" (time of {ran} layers times {needed} / {ran})"
        ratio = slow / fast * needed / ran
        rows.append(
            f"| {entry} | {needed}, {constant}{told} | {degree}, {layers}, {cells} | {error:.1e} | {ratio:.0f} |"
        )
        print(rows[-1], flush=True)
    write("work", rows)


ALL = (references, orders, bounds, iterations, picture)

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--time", action="store_true", help="the table of work, on a quiet machine")
    parser.add_argument("--only", nargs="*", choices=[f.__name__ for f in ALL])
    arguments = parser.parse_args()
    for make in (work,) if arguments.time else ALL:
        if not arguments.only or make.__name__ in arguments.only:
            make()
