"""The studies that docs/studies.md shows: `tox -e studies`, or `python docs/studies.py [--workers K]`; a few minutes.

Tables go to docs/tables, pictures to docs/images, results of runs to `results/studies`: started again, it goes on.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.run.case import Case
from eulerian_mfc.studies.progress import Bar
from eulerian_mfc.studies.study_file import StudyFile

ROOT = Path(__file__).parents[1]
TABLES, IMAGES = ROOT / "docs" / "tables", ROOT / "docs" / "images"
REFERENCE = json.loads((ROOT / "tests" / "reference.json").read_text())
SL, RK4 = emfc.transport.SemiLagrangian, emfc.LayerMap("rk4", 4)
studies = emfc.studies


def case(name):
    problem, options = Case.load(ROOT / "cases" / f"{name}.py").build()
    return problem, options.pop("mesh"), options.pop("layers"), options


#: reference, case, degree, cells
MESHES = [
    ("toy_line_nobias_1", "toy_line", 3, (40, 80, 160, 320)),
    ("toy_line_nobias_1", "toy_line", 5, (40, 56, 80, 112, 160)),
    ("bimodal_1d_0.2", "bimodal_1d", 3, (40, 60, 80, 120, 160, 240, 320)),
    ("bimodal_1d_0.2", "bimodal_1d", 5, (40, 60, 80, 120, 160)),
    ("bimodal_2d_0.2", "bimodal_2d", 3, (32, 48, 64, 96, 128)),
    ("bimodal_2d_0.2", "bimodal_2d", 5, (32, 48, 64, 96)),
]


def mesh_study(entry, name, degree, cells, reference, run):
    problem, mesh, layers, options = case(name)
    numerics = {"transport": SL(degree), "layer_map": RK4, "initial": options.get("initial", 0.1)}
    return studies.mesh_convergence(problem, cells, layers, mesh.bounds, reference=reference, **numerics, **run)


def meshes(run):
    """Orders against the reference, one row a study; the plane in full, with its picture."""
    rows = [
        "| reference | degree | cells per side | Courant numbers | error in J | fitted order, 95% | order of theory |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry, name, degree, cells in MESHES:
        floors = {"cost_floor": 1e-13, "control_floor": 1e-8}
        study = mesh_study(entry, name, degree, cells, {**REFERENCE[entry], **floors, "source": entry}, run)
        courant, errors = study.values("courant"), study.values("error J")
        theory = study.error_column("error J").theory.split(", fixed")[0].split(" (")[0]
        rows.append(
            f"| {entry} | {degree} | {' / '.join(map(str, cells))} | {courant.min():.2f} to {courant.max():.2f} | "
            f"{' / '.join(f'{e:.1e}' for e in errors)} | {study.fit('error J')} | {theory} |"
        )
        if (name, degree) == ("bimodal_2d", 3):
            study = dataclasses.replace(study, title="bimodal_2d, cubic splines, 20 layers")
            (TABLES / "study_bimodal_2d.md").write_text(study.to_markdown())
            study.plot().savefig(IMAGES / "study_mesh.png", dpi=110)
    (TABLES / "study_meshes.md").write_text("\n".join(rows) + "\n")


#: case, degree, cells: doubled, as Richardson is used
ESTIMATES = [
    ("toy_line", 3, (40, 80, 160, 320)),
    ("toy_line", 5, (40, 80, 160)),
    ("bimodal_1d", 3, (40, 80, 160, 320)),
    ("bimodal_1d", 5, (40, 80, 160)),
    ("bimodal_1d", 5, (40, 80, 160, 320)),
    ("bimodal_2d", 3, (32, 64, 128)),
    ("bimodal_2d", 3, (32, 64, 128, 256)),
    ("bimodal_2d", 5, (24, 48, 96)),
]


def richardson(run):
    """Estimated errors without a reference beside the true ones, against no mesh at all."""
    rows = [
        "| case | degree | cells per side | true error in J | estimated | ratio | how |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, degree, cells in ESTIMATES:
        estimated, true = (mesh_study("", name, degree, cells, r, run) for r in ("richardson", "particles"))
        a, b = estimated.values("error J"), true.values("error J")
        known = np.isfinite(a)
        rows.append(
            f"| {name} | {degree} | {' / '.join(map(str, cells))} | {' / '.join(f'{e:.1e}' for e in b)} | "
            f"{' / '.join(f'{e:.1e}' if k else '-' for e, k in zip(a, known, strict=True))} | "
            f"{' / '.join(f'{q:.2f}' if k else '-' for q, k in zip(a / b, known, strict=True))} | "
            f"{estimated.error_column('error J').against} |"
        )
    (TABLES / "study_richardson.md").write_text("\n".join(rows) + "\n")


def layers(run):
    problem, _, _, options = case("bimodal_1d")
    mesh = emfc.CartesianMesh([(-4.0, 4.0)], 320)
    study = studies.layer_convergence(problem, mesh, [10, 20, 40, 80, 160], **options, **run)
    study = dataclasses.replace(study, title="bimodal_1d, quintic splines")
    (TABLES / "study_layers.md").write_text(study.to_markdown())


def samples(run):
    study = StudyFile.load(ROOT / "studies" / "truncated_unimodal_samples.toml").run(**run)
    (TABLES / "study_samples.md").write_text(study.to_markdown())
    study.plot().savefig(IMAGES / "study_samples.png", dpi=110)
    problem, mesh, count, options = case("truncated_unimodal_1d")
    options |= {"layer_map": "rk4", "solver": emfc.solvers.LBFGS(tol=1e-7)}
    asked = {16: (0.075, 0.0139), 64: (0.054, 0.0077), 256: (0.026, 0.0040), 1024: (0.012, 0.0023)}
    long = studies.sample_convergence(
        problem,
        mesh,
        list(asked),
        240,
        count,
        methods=["particles"],
        distances=studies.Distances(np.abs),
        seed=1,
        **options,
        **run,
    )
    rows = [
        "| N | prototype: error, W1 | seed 0, 12 repeats: error, W1 sym, W1 | 240 repeats: error, W1 sym, W1 | "
        "error, rms over each 12 of the 240: 5% to 95% |",
        "|---|---|---|---|---|",
    ]
    for short, record in zip(study.records, long.records, strict=True):
        n = record["N"]
        errors = np.array([r["error_particles"] for r in long.details["runs"] if r["N"] == n])
        parts = np.sqrt((errors.reshape(-1, 12) ** 2).mean(axis=1))
        shown = lambda r, e: f"{r[e]:.3f}, {r['W1 sym']:.4f}, {r['W1']:.4f}"  # noqa: E731
        rows.append(
            f"| {n} | {asked[n][0]}, {asked[n][1]} | {shown(short, 'error mesh')} | {shown(record, 'error particles')} | "
            f"{np.quantile(parts, 0.05):.3f} to {np.quantile(parts, 0.95):.3f} |"
        )
    fit = {name: long.fit(name) for name in ("error particles", "W1 sym", "W1", "excess")}
    rows += ["", "Fitted orders in N over 240 repeats: " + ", ".join(f"{k} {v}" for k, v in fit.items()) + "."]
    (TABLES / "study_samples_long.md").write_text("\n".join(rows) + "\n")


def crossover(run):
    problem, mesh, count, options = case("truncated_unimodal_1d")
    options |= {"transport": SL(3)}
    cells = [20, 24, 32, 40, 60, 80, 120]
    study = studies.crossover(problem, [16, 64, 256, 1024], cells, count, mesh.bounds, repeats=24, **options, **run)
    study = dataclasses.replace(study, title="truncated_unimodal_1d, cubic splines, 24 repeats")
    (TABLES / "study_crossover.md").write_text(study.to_markdown())
    study.plot().savefig(IMAGES / "study_crossover.png", dpi=110)


def descent(run):
    problem, mesh, count, options = case("truncated_unimodal_1d")
    study = studies.coupled_descent(problem, mesh, [16, 64, 256, 1024], count, repeats=12, **options, **run)
    study.plot().savefig(IMAGES / "study_descent.png", dpi=110)


def dirac(run):
    """50 points and the law they are from: cells and layers refined together, optimum against the particle twin's."""
    smooth, *_ = case("bimodal_1d")
    points = dataclasses.replace(smooth, law=emfc.laws.Empirical(*smooth.law.sample(50, seed=0)))
    rows = ["| data | schemes | cells | layers | error in J | fitted order, 95% |", "|---|---|---|---|---|---|"]
    cells = (64, 96, 128, 192, 256, 384)
    volumes = {"continuity": emfc.continuity.FiniteVolume("muscl"), "transport": SL(3)}
    for label, options in {
        "quintic splines": {"transport": SL(5)},
        "quintic Lagrange": {"transport": SL(5, "lagrange")},
        "MUSCL finite volumes, cubic splines": volumes,
        "upwind finite volumes, cubic splines": {**volumes, "continuity": emfc.continuity.FiniteVolume("upwind")},
    }.items():
        for data, problem in {"50 points": points, "their law": smooth}.items():
            counts = [n // 4 for n in cells]
            study = studies.mesh_convergence(
                problem, cells, counts, [(-5.0, 5.0)], reference="particles", initial=0.9, **options, **run
            )
            rows.append(
                f"| {data} | {label} | {' / '.join(map(str, cells))} | {' / '.join(map(str, counts))} | "
                f"{' / '.join(f'{e:.1e}' for e in study.values('error J'))} | {study.fit('error J')} |"
            )
    (TABLES / "study_dirac.md").write_text("\n".join(rows) + "\n")


def penalties(run):
    study = StudyFile.load(ROOT / "studies" / "toy_line_penalty.toml").run(**run)
    (TABLES / "study_penalty.md").write_text(study.to_markdown())


def budgets(run):
    """Budgets beside true errors; the true cost from particles on 160 and 320 layers, extrapolated."""
    problem, _, _, options = case("bimodal_1d")
    twin = studies.layer_convergence(
        problem, emfc.CartesianMesh([(-4, 4)], 40), [80, 160, 320], twin=True, **options, **run
    )
    best = twin.values("cost")[-1] - twin.values("error J")[-1]
    rows = [
        "| cells | layers | schemes, solver | mesh | layers | optimisation | total | true error | total / true | refine first |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    volumes = {"continuity": emfc.continuity.FiniteVolume("muscl"), "transport": SL(3)}
    for n, m, label, more in (
        (40, 10, "cubic splines", {"transport": SL(3)}),
        (80, 10, "degree 1", {"transport": SL(1)}),
        (160, 10, "quintic splines", {}),
        (40, 3, "quintic splines", {}),
        (160, 40, "quintic splines, 2 iterations", {"solver": emfc.solvers.LBFGS(max_iterations=2)}),
        (80, 20, "cubic splines, 3 iterations", {"transport": SL(3), "solver": emfc.solvers.LBFGS(max_iterations=3)}),
        (160, 20, "MUSCL, cubic splines", volumes),
    ):
        solution = emfc.solve(problem, emfc.CartesianMesh([(-4, 4)], n), m, **{"initial": 0.5, **more})
        budget, true = solution.error_budget(), solution.cost - best
        parts = " | ".join(f"{budget[source]:.1e}" for source in ("mesh", "layers", "optimisation"))
        rows.append(
            f"| {n} | {m} | {label} | {parts} | {budget.total:.1e} | {true:.1e} | {budget.total / abs(true):.2f} | "
            f"{budget.refine} |"
        )
    (TABLES / "study_budgets.md").write_text("\n".join(rows) + "\n")


ALL = (meshes, richardson, layers, samples, crossover, descent, dirac, penalties, budgets)

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int)
    parser.add_argument("--only", nargs="*", choices=[f.__name__ for f in ALL])
    arguments = parser.parse_args()
    for make in ALL:
        if not arguments.only or make.__name__ in arguments.only:
            print(make.__name__, flush=True)
            make({"folder": ROOT / "results" / "studies", "workers": arguments.workers, "progress": Bar()})
