"""The tables and pictures of docs/controllability.md: `python docs/controllability.py [NAME...]`."""

import sys
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.controllability import (
    bracket_rank,
    check_orientation,
    learn_map,
    steer,
    strong_approximation_error,
    sup_error,
)
from eulerian_mfc.errors import DiffeotopyWarning
from eulerian_mfc.flow import Flow, Layer
from eulerian_mfc.run.case import Case

DOCS = Path(__file__).parent
FAMILY = emfc.fields.AgrachevSarychevField(2)
DISC = emfc.laws.UniformBall([0.0, 0.0], 1.0)
SEEDS = range(5)


def write(name, rows):
    (DOCS / "tables").mkdir(exist_ok=True)
    (DOCS / "tables" / f"{name}.md").write_text("\n".join(rows) + "\n")
    print("\n".join(rows), flush=True)


def save(figure, name):
    figure.savefig(DOCS / "images" / f"{name}.png", dpi=90, bbox_inches="tight")
    plt.close(figure)


def case(name, **settings):
    return Case.load(DOCS.parent / "cases" / f"{name}.py").with_settings(settings).build()[0]


def bracket_ranks():
    """Ranks of folds on random points of the square."""
    families = {
        "Agrachev-Sarychev": (FAMILY, (1, 2, 3, 5), 4),
        "constants": (emfc.fields.AffineField(2, matrix=False), (1, 2), 4),
        "affine": (emfc.fields.AffineField(2), (1, 2, 3, 4, 5), 3),
        "quadratic": (emfc.fields.PolynomialField(2, 2), (4, 7), 2),
    }
    rows = [
        "| family | fields | N | rank by depth | needed | answer | scaled singular values at that depth | tolerance |",
        "|---" * 8 + "|",
    ]
    for name, (field, counts, deepest) in families.items():
        for count in counts:
            points = np.random.default_rng(0).uniform(-1.0, 1.0, (count, 2))
            found = bracket_rank(field, points, deepest)
            if found.generating:
                found = bracket_rank(field, points, found.first_depth)
                answer = f"bracket generating, depth {found.first_depth}"
            else:
                answer = f"not shown to depth {deepest}"
            s = found.scaled_values
            ranks = ", ".join(map(str, found.ranks))
            values = f"{s[0]:.2g} .. {s[: found.rank][-1]:.2g}" + (
                "" if len(s) == found.rank else f", then {s[found.rank]:.0e}"
            )
            size = f"{name} | {field.parameters} | {count} | {ranks} | {found.dimension}"
            rows.append(f"| {size} | {answer} | {values} | {found.tolerance:.0e} |")
    write("bracket_ranks", rows)


def strong_approximation():
    """Two vector fields on the square by brackets of the family, depth by depth, with and without a bound."""
    targets = {
        "`(-x2, x1)`": lambda x: np.stack([-x[:, 1], x[:, 0]], axis=1),
        "`(sin 2 x2, x1^2 - x2/2)`": lambda x: np.stack([np.sin(2 * x[:, 1]), x[:, 0] ** 2 - 0.5 * x[:, 1]], axis=1),
    }
    bounds = (1.0, 2.0, None)
    head = " | ".join("no bound" if b is None else f"norm <= {b:g}" for b in bounds)
    rows = [f"| X | depth | brackets | {head} | norm used without bound |", "|---" * (4 + len(bounds)) + "|"]
    for name, target in targets.items():
        for depth in (1, 2, 3, 4, 5):
            found = [strong_approximation_error(FAMILY, target, [(-1, 1)] * 2, depth, bound=b, grid=13) for b in bounds]
            errors = " | ".join(f"{f.checked_error:.1e}" for f in found)
            rows.append(f"| {name} | {depth} | {len(found[-1].names)} | {errors} | {found[-1].norm:.2f} |")
    write("strong_approximation", rows)


def steering():
    """Five random points of the square to five random targets, ten times; a picture of the first."""
    rows = [
        "| seed | reached | largest error | norm of the control | error of the layers as a flow |",
        "|---" * 5 + "|",
    ]
    for seed in range(10):
        points, targets = np.random.default_rng(seed).uniform(-1.0, 1.0, (2, 5, 2))
        found = steer(points, targets)
        reached = "yes" if found.reached else "no"
        rows.append(f"| {seed} | {reached} | {found.error:.1e} | {found.norm:.2f} | {found.flow_error:.1e} |")
        if seed == 0:
            draw_steering(found, points, targets)
    write("steering", rows)


def draw_steering(found, points, targets):
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2))
    paths, transfer = [points], found.transfer
    for n in range(transfer.layers):  # within the layers too
        for k in range(10):
            part = Layer((n + k / 10) * transfer.dt, transfer.dt / 10, found.control[n])
            paths.append(transfer.flow(part, paths[-1]))
    paths = np.stack(paths)
    for k in range(len(points)):
        (line,) = axes[0].plot(*paths[:, k].T, lw=1.2)
        axes[0].plot(*points[k], "o", color=line.get_color(), ms=6)
        axes[0].plot(*targets[k], "x", color=line.get_color(), ms=9, mew=2)
    axes[0].set(title="Five points (o) to five targets (x)", xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    times = np.linspace(0, 1, len(found.control) + 1)
    for name, row in zip(
        ("$u_1$: constant", "$u_2$: constant", "$u_3$: bump", "$u_4$: bump"), found.control.T, strict=True
    ):
        axes[1].stairs(row, times, label=name, lw=1.4)
    axes[1].set(title=f"Control, norm {found.norm:.1f}", xlabel="t")
    axes[1].legend(fontsize=8)
    save(figure, "steering")


def made_map(x):
    """The flow of the family under four constant controls, accurately."""
    control, flow = np.random.default_rng(1).normal(scale=1.5, size=(4, 4)), Flow(FAMILY, emfc.LayerMap("rk4", 20))
    for n, u in enumerate(control):
        x = flow(Layer(n / 4, 1 / 4, u), x)
    return x


def end_points(system, control):
    """The flow map of a system's layers under a control."""

    def flow(x):
        for n in range(system.layers):
            x = system.flow(system.layer(n, control[n]), x)
        return x

    return flow


def learnt_map():
    """A map that is a flow of the family, learnt on the disc: errors as the penalty falls."""
    penalties = [10.0**-k for k in range(1, 9)]
    found, rows = None, ["| penalty | sup error on the grid | mean squared error | norm of u |", "|---" * 4 + "|"]
    for penalty in penalties:
        found = learn_map(
            made_map, DISC, samples=400, penalties=[penalty], initial=None if found is None else found.control
        )
        error = sup_error(found, made_map, DISC)
        rows.append(f"| {penalty:.0e} | {error.value:.1e} | {error.mean_square:.1e} | {found.norm:.3f} |")
    made = np.random.default_rng(1).normal(scale=1.5, size=(4, 4))
    rows.append(f"| the control that made it | 0 | 0 | {np.sqrt((made**2).mean(axis=0).sum()):.3f} |")
    write("learnt_map", rows)
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2))
    for ax, (title, image) in zip(
        axes, (("The disc", lambda x: x), ("Its image", made_map), ("Learnt", found.flow)), strict=True
    ):
        draw_grid(ax, image)
        ax.set_title(title)
    save(figure, "learnt_map")


def draw_grid(ax, image):
    radii, angles = np.linspace(0.0, 1.0, 2001), np.linspace(0.0, 2 * np.pi, 8001)
    polar = lambda r, a: np.stack([r * np.cos(a), r * np.sin(a)], axis=1)  # noqa: E731
    for r in (0.25, 0.5, 0.75, 1.0):
        ax.plot(*image(polar(np.full_like(angles, r), angles)).T, color="C0", lw=1.0)
    for k, a in enumerate(np.linspace(0.0, 2 * np.pi, 17)[:-1]):
        first = {0: "C3", 4: "C1"}.get(k, "0.6")
        ax.plot(*image(polar(radii, np.full_like(radii, a))).T, color=first, lw=2.0 if k in (0, 4) else 0.8)
    ax.set_aspect("equal")


def descend(problem, layers, starts, tol=1e-7, layer_map="rk4"):
    """The cheapest critical point of the particles from some starts: its system, control and cost, and whether solved."""
    system = emfc.ParticleSystem(problem, layers, layer_map=layer_map)
    outcomes = [emfc.solvers.LBFGS(tol=tol, max_iterations=300).solve(system, start) for start in starts]
    best = min(outcomes, key=lambda o: system.cost(o.control).total)
    return system, best.control, system.cost(best.control).total, best.converged


def norm(control):
    return float(np.sqrt((control**2).sum() / len(control)))


def random_start(seed, layers):
    return np.random.default_rng(seed).normal(scale=0.5, size=(layers, FAMILY.parameters))


def gamma_convergence():
    """Minima and minimisers of N samples against those of the continuum, five seeds."""
    layers, counts = 10, (5, 20, 80, 320, 1280, 5120)
    runs = [descend(case("gamma_convergence"), layers, [random_start(k, layers)]) for k in SEEDS]
    assert all(solved for *_, solved in runs)
    _, whole, least, _ = min(runs, key=lambda run: run[2])
    others = sorted({(round(run[2], 6), round(norm(run[1] - whole), 2)) for run in runs if run[2] > least + 1e-6})
    print("other critical points of the continuum (cost, distance):", others)
    rows = [
        "| N | min_N - min, 5 seeds | median of the moduli | distances of the minimisers (L2), 5 seeds | median |",
        "|---" * 5 + "|",
    ]
    gaps, distances = [], []
    for count in counts:
        found = [
            descend(case("gamma_convergence", samples=count, seed=seed), layers, [whole, random_start(seed, layers)])
            for seed in SEEDS
        ]
        assert all(solved for *_, solved in found)
        gaps.append([cost - least for _, _, cost, _ in found])
        distances.append([norm(control - whole) for _, control, *_ in found])
        each = ", ".join(f"{g:+.1e}" for g in gaps[-1])
        spread = ", ".join(f"{d:.1e}" for d in distances[-1])
        rows.append(
            f"| {count} | {each} | {np.median(np.abs(gaps[-1])):.1e} | {spread} | {np.median(distances[-1]):.1e} |"
        )
    gaps, distances = np.abs(gaps), np.array(distances)
    slopes = [np.polyfit(np.log(counts), np.log(np.median(a, axis=1)), 1)[0] for a in (gaps, distances)]
    rows.append(f"| slope in N | | {slopes[0]:.2f} | | {slopes[1]:.2f} |")
    rows.append(f"| continuum | J = {least:.8f}, norm of u {norm(whole):.4f} | | | |")
    write("gamma_convergence", rows)
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.0))
    for ax, values, name in zip(axes, (gaps, distances), ("|min$_N$ - min|", "$|u_N - u|_{L^2}$"), strict=True):
        ax.loglog(counts, values, "o", color="C0", ms=4, alpha=0.6)
        ax.loglog(counts, np.median(values, axis=1), "-", color="C0", label="median of 5 seeds")
        guide = np.median(values, axis=1)[0] * np.sqrt(counts[0] / np.array(counts))
        ax.loglog(counts, guide, "--", color="0.5", label="$N^{-1/2}$")
        ax.set(xlabel="N", title=name)
        ax.legend()
    save(figure, "gamma_convergence")


def blow_up():
    """The penalty to zero for the reflection and for the rotation of the disc."""
    penalties, layers, layer_map = [10.0 ** (-0.5 * k) for k in range(2, 11)], 20, emfc.LayerMap("rk4", 4)
    points = DISC.sample(300, seed=0)
    sweeps, last = {}, {}
    for name in ("reflection", "rotation"):
        control, sweep = random_start(0, layers), []
        target = case("not_a_flow", map=name).law.label
        for penalty in penalties:
            law = emfc.laws.Empirical(points, target(points))
            problem = emfc.Problem(FAMILY, law, emfc.losses.SquaredLoss(), penalty, 1.0)
            system, control, *_ = descend(problem, layers, [control], 1e-5, layer_map)
            flow = end_points(system, control)
            error = sup_error(flow, target, DISC)
            finer = emfc.ParticleSystem(problem, layers, layer_map=emfc.LayerMap("rk4", 16))
            drift = np.abs(end_points(finer, control)(points) - flow(points)).max()
            sweep.append((norm(control), error.mean_square, error.value, drift))
        sweeps[name], last[name] = np.array(sweep), flow
    head = "norm of u | mean square | sup error | error of the layers as a flow"
    rows = [f"| alpha | reflection: {head} | rotation: {head} |", "|---" * 9 + "|"]
    for k, penalty in enumerate(penalties):
        parts = [f"{s[k, 0]:.2f} | {s[k, 1]:.1e} | {s[k, 2]:.2f} | {s[k, 3]:.0e}" for s in sweeps.values()]
        rows.append(f"| {penalty:.1e} | {' | '.join(parts)} |")
    write("blow_up", rows)
    figure, axes = plt.subplots(1, 4, figsize=(17, 4.0))
    for k, title in ((0, "norm of u"), (2, "error on the disc")):
        ax = axes[0 if k == 0 else 1]
        for name, colour in (("reflection", "C3"), ("rotation", "C0")):
            ax.loglog(penalties, sweeps[name][:, k], "o-", color=colour, ms=4, label=name + (": sup" if k else ""))
            if k:
                ax.loglog(
                    penalties, np.sqrt(sweeps[name][:, 1]), "s--", color=colour, ms=3, label=f"{name}: root mean square"
                )
        ax.set(xlabel="alpha", title=title)
        ax.invert_xaxis()
        ax.legend(fontsize=8)
    for ax, name in zip(axes[2:], last, strict=True):
        draw_grid(ax, last[name])
        ax.set_title(f"{name}, alpha = {penalties[-1]:.0e}")
    save(figure, "blow_up")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_orientation(case("not_a_flow").law.label, DISC)
    assert caught[0].category is DiffeotopyWarning


SECTIONS = (bracket_ranks, strong_approximation, steering, learnt_map, gamma_convergence, blow_up)

if __name__ == "__main__":
    warnings.simplefilter("ignore", DiffeotopyWarning)  # the reflection is meant
    for section in SECTIONS:
        if len(sys.argv) == 1 or section.__name__ in sys.argv[1:]:
            section()
