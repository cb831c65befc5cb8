"""Every solver on the same problems: `python docs/solvers.py` writes the tables and pictures of docs/solvers.md."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.diagnostics.maximum_principle import check
from eulerian_mfc.run.case import Case
from eulerian_mfc.views.controls import control, controls
from eulerian_mfc.views.densities import density
from eulerian_mfc.views.grid_sampling import on_boxes
from eulerian_mfc.views.style import STYLE

DOCS = Path(__file__).parent
S = emfc.solvers
METHODS = {
    "Shooting()": S.Shooting(),
    'Shooting(relaxation="auto")': S.Shooting(relaxation="auto"),
    "Shooting(anderson=3)": S.Shooting(anderson=3),
    "SuccessiveApproximations()": S.SuccessiveApproximations(),
    'GradientFlow(rule="armijo")': S.GradientFlow(rule="armijo"),
    "GradientFlow()": S.GradientFlow(),
    "LBFGS()": S.LBFGS(),
    "NewtonCG()": S.NewtonCG(),
    "NewtonKrylov()": S.NewtonKrylov(),
    'Direct("trust-constr")': S.Direct(method="trust-constr"),
    'Direct("L-BFGS-B")': S.Direct(method="L-BFGS-B"),
}


def line(penalty, truncation=0.2):
    """The source's toy example on points near 0; without truncation the literal N(0, 1)."""
    return emfc.Problem(
        emfc.fields.NeuralField(1, bias=False),
        emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0, truncation=truncation), np.sign, breaks=[0.0]),
        emfc.losses.SquaredLoss(),
        penalty,
        1.0,
    )


def case(name, **settings):
    problem, options = Case.load(DOCS.parent / "cases" / f"{name}.py").with_settings(settings).build()
    return problem, options.pop("mesh"), options.pop("layers"), options


def eigenvalues():
    """Dominant eigenvalue of undamped shooting, and what undamped, relaxed and accelerated shooting do."""
    rows = [
        "Undamped shooting, dominant eigenvalue at the solution, by layers, extrapolated to continuous time "
        "(first order, from the last two); sweeps to 1e-9 with 80 layers (320 cells on [-2, 2], 160 on [-8, 8]):",
        "",
        "| problem | lambda | 80 layers | 160 | 320 | continuous | undamped | automatic relaxation | Anderson(3) | "
        "largest difference of J from L-BFGS |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, truncation, penalty, box, cells in (
        ("truncated_unimodal_1d", 0.2, 0.2, 2, 320),
        ("truncated_unimodal_1d", 0.2, 0.1, 2, 320),
        ("truncated_unimodal_1d", 0.2, 0.05, 2, 320),
        ("toy_line", None, 1.0, 8, 160),
        ("toy_line", None, 0.2, 8, 160),
    ):
        mesh = emfc.CartesianMesh([(-box, box)], cells)
        found = []
        start = 0.1
        for layers in (80, 160, 320):
            start = solution = emfc.solve(line(penalty, truncation), mesh, layers, initial=start)
            assert solution.converged, solution.message
            found.append(solution.stability.shooting_eigenvalue)
        limit = 2 * found[2] - found[1]
        system = emfc.OptimalitySystem(line(penalty, truncation), mesh, 80)
        best = system.cost(S.LBFGS().solve(system, 0.1).control).total
        words, gaps = [], []
        for method in (S.Shooting(), S.Shooting(relaxation="auto"), S.Shooting(anderson=3)):
            outcome = method.solve(system, 0.1)
            words.append(str(outcome.history[-1].sweeps) if outcome.converged else "diverges")
            assert outcome.converged or "shooting diverges" in outcome.message
            if outcome.converged:
                gaps.append(abs(system.cost(outcome.control).total - best))
        values = " | ".join(f"{v:.3f}" for v in (*found, limit))
        rows.append(f"| {name} | {penalty:g} | {values} | {' | '.join(words)} | {max(gaps):.0e} |")
    return "\n".join(rows) + "\n"


def methods():
    """Sweeps, evaluations and seconds a method, three penalties, in one and two dimensions."""
    rows = [
        "From a constant control of 1 on the line and 0.1 in the plane, 20 layers, each method with its own tolerance. Sweeps "
        "are passes through all layers (two for a gradient, two for an exact Hessian product), evaluations are gradients; "
        "seconds on one core, for comparison within a column only. A dash: not converged, and said so.",
        "",
    ]
    runs = []
    for penalty in (0.2, 0.1, 0.05):
        problem, mesh, layers, options = case("truncated_unimodal_1d", penalty=penalty)
        runs.append(
            (f"line, {penalty:g}", emfc.OptimalitySystem(problem, mesh, layers, **without_initial(options)), 1.0)
        )
    for penalty in (1.0, 0.2, 0.05):
        problem, mesh, layers, options = case("bimodal_2d", penalty=penalty, cells=64)
        runs.append(
            (f"plane, {penalty:g}", emfc.OptimalitySystem(problem, mesh, layers, **without_initial(options)), 0.1)
        )
    rows.append("| method | " + " | ".join(name for name, _, _ in runs) + " |")
    rows.append("|---|" + "---|" * len(runs))
    costs = {}
    for label, method in METHODS.items():
        cells = []
        for name, system, start in runs:
            began = time.perf_counter()
            outcome = method.solve(system, start)
            seconds = time.perf_counter() - began
            last = outcome.history[-1]
            if outcome.converged:
                costs.setdefault(name, []).append(system.cost(outcome.control).total)
                cells.append(f"{last.sweeps} / {last.evaluations} / {seconds:.1f} s")
            else:
                cells.append(f"- ({last.sweeps} sweeps)")
            print(label, name, cells[-1], outcome.message[:100], flush=True)
        rows.append(f"| `{label}` | " + " | ".join(cells) + " |")
    spread = " | ".join(f"{np.ptp(costs[name]):.0e}" for name, _, _ in runs)
    rows.append(f"| largest difference of J among them | {spread} |")
    return "\n".join(rows) + "\n"


def without_initial(options):
    return {k: v for k, v in options.items() if k != "initial"}


def critical_points():
    """Continuation and many starts on the literal N(0, 1) without bias; the picture of their controls."""
    mesh = emfc.CartesianMesh([(-8.0, 8.0)], 160)
    many = emfc.multistart(line(0.2, None), mesh, 80, starts=100, seed=0)
    text = ["lambda = 0.2, 80 layers, 100 random starts:", "", many.table(), ""]
    path = emfc.continuation(line(1.0, None), mesh, 40, penalties=[10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02])
    text += ["40 layers, continuation from lambda = 10 to 0.02:", "", path.table(), ""]
    small = emfc.multistart(line(0.02, None), mesh, 40, starts=60, seed=0)
    cheapest = replace(small, points=small.points[:8])
    text += [f"lambda = 0.02, 40 layers, 60 random starts: {len(small)} critical points, the cheapest eight:", ""]
    text += [cheapest.table()]
    panels = [
        ("continuation", path[-1]),
        *((p.label, p.solution) for p in small.points[:2]),
        *((p.label, p.solution) for p in (many.points[0], many.points[1], many.points[-1])),
    ]
    titles = [
        f"$\\lambda$ = {s.system.problem.penalty:g}, {label}: J = {s.cost:.4f}, index {s.certificate.index}"
        for label, s in panels
    ]
    figure = controls([(title, s) for title, (_, s) in zip(titles, panels, strict=True)])
    figure.savefig(DOCS / "images" / "critical_points.png", dpi=90)
    principle = [
        f"* {title.replace('$', '').replace(chr(92), '')}: " + s.maximum_principle().sentences()[0]
        for title, (_, s) in zip(titles, panels, strict=True)
    ]
    return "\n".join([*text, "", "The maximum principle at the points of the picture:", "", *principle]) + "\n"


def hamiltonian():
    """The gap between sigma and -grad psi by mesh and degree; drift of the Hamiltonian by layers."""
    rows = ["| degree | gap at 40 / 80 / 160 / 320 cells | orders |", "|---|---|---|"]
    control = np.stack([np.linspace(0.2, -0.4, 10), np.linspace(0.1, 0.3, 10)], axis=1)
    problem, _, _, _ = case("toy_line", bias=True)
    for degree in (1, 3, 5):
        gaps = []
        for cells in (40, 80, 160, 320):
            mesh, transport = emfc.CartesianMesh([(-8.0, 8.0)], cells), emfc.transport.SemiLagrangian(degree)
            system = emfc.OptimalitySystem(problem, mesh, 10, transport=transport)
            gaps.append(check(system, control, starts=0).sigma_gap)
        orders = np.log2(np.array(gaps[:-1]) / np.array(gaps[1:]))
        rows.append(f"| {degree} | {' / '.join(f'{g:.1e}' for g in gaps)} | {' / '.join(f'{o:.2f}' for o in orders)} |")
    rows += ["", "| problem | lambda | drift at 20 / 40 / 80 / 160 layers |", "|---|---|---|"]
    for name, truncation, penalty, box in (
        ("toy_line", None, 1.0, 8),
        ("toy_line", None, 0.2, 8),
        ("truncated_unimodal_1d", 0.2, 0.2, 2),
        ("truncated_unimodal_1d", 0.2, 0.1, 2),
        ("truncated_unimodal_1d", 0.2, 0.05, 2),
    ):
        drifts = []
        for layers in (20, 40, 80, 160):
            solution = emfc.solve(line(penalty, truncation), emfc.CartesianMesh([(-box, box)], 400), layers)
            drifts.append(f"{solution.checks.hamiltonian_drift:.1e}")
        rows.append(f"| {name} | {penalty:g} | {' / '.join(drifts)} |")
    return "\n".join(rows) + "\n"


def explicit_update():
    """The explicit update of a control-linear field against Newton's: seconds a sweep, and the fixed points' distance."""
    problem, mesh, _, options = case("learn_map_2d", cells=40)
    rows = [
        "| layers | largest difference of the controls | order | seconds an iteration, Newton over explicit |",
        "|---|---|---|---|",
    ]
    before = None
    for layers in (10, 20, 40):
        system = emfc.OptimalitySystem(problem, mesh, layers, **options)
        best = S.LBFGS().solve(system, 0.1)
        paces = {"discrete": [], "continuous": []}
        for _ in range(3):
            for update in paces:
                outcome = S.Shooting(update=update, max_iterations=4).solve(system, 0.1)
                paces[update].append(outcome.history[-1].seconds / len(outcome.history))
        explicit = S.Shooting(relaxation="auto", update="continuous").solve(system, 0.1)
        assert explicit.converged, explicit.message
        gap = np.abs(explicit.control - best.control).max()
        ratio = np.median(paces["discrete"]) / np.median(paces["continuous"])
        order = "-" if before is None else f"{np.log2(before / gap):.2f}"
        rows.append(f"| {layers} | {gap:.2e} | {order} | {ratio:.1f} |")
        before = gap
    return "\n".join(rows) + "\n"


def slides():
    """The source's three figures: penalty large enough, too large, too small."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    regimes = {"large enough": 0.2, "too large": 5.0, "too small": 0.05}
    lines = []
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(14.0, 7.2))
        columns = figure.subfigures(1, 3)
        for column, (regime, penalty) in zip(columns, regimes.items(), strict=True):
            problem, mesh, layers, options = case("toy_penalties", penalty=penalty)
            solution = emfc.solve(problem, mesh, layers, **options)
            column.suptitle(f"$\\lambda$ = {penalty:g}: {regime}" + ("" if solution.converged else " (not converged)"))
            top, bottom = column.subfigures(2, 1)
            density(top, on_boxes(solution))
            control(bottom, solution)
            lines += [f"**lambda = {penalty:g}, {regime}.** " + " ".join(solution.verdict()[:3]), ""]
        figure.savefig(DOCS / "images" / "toy_penalties.png", dpi=80)
    return "\n".join(lines).rstrip() + "\n"


TABLES = {
    "shooting_eigenvalues": eigenvalues,
    "solvers": methods,
    "critical_points": critical_points,
    "hamiltonian": hamiltonian,
    "explicit_update": explicit_update,
    "toy_penalties": slides,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or TABLES:
        text = TABLES[name]()
        (DOCS / "tables" / f"{name}.md").write_text(text)
        print(text, flush=True)
