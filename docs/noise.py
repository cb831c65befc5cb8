"""The tables and the picture of docs/noise.md: `python docs/noise.py`; about a minute.

The law of an affine field with noise stays normal, so that mean and variance give exact costs and, with their costates, the
exact optimum.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import root

import eulerian_mfc as emfc

DOCS = Path(__file__).parent
NOISE, PENALTY, MEAN, STD = 0.5, 0.1, 0.5, 0.4
#: a control whose cost is compared
FIXED = (-1.3, 0.7)


def problem():
    law = emfc.laws.Labelled(emfc.laws.Gaussian([MEAN], STD), label=[[1.0]])
    return emfc.Problem(emfc.fields.AffineField(1), law, emfc.losses.SquaredLoss(), PENALTY, 1.0, noise=NOISE)


def mesh(cells=160):
    return emfc.CartesianMesh([(-4.0, 5.0)], cells)


def cost_of_fixed():
    """`E |X(1) - 1|^2` for the control FIXED at all times."""
    w, b = FIXED
    mean = MEAN * np.exp(w) + b * np.expm1(w) / w
    return (mean - 1.0) ** 2 + STD**2 * np.exp(2 * w) + NOISE**2 * np.expm1(2 * w) / (2 * w)


def optimum():
    """J*, and theta* as a function of times: the Hamiltonian system of mean and variance, by shooting."""

    def control(z):
        return -(z[2] * z[0] + 2.0 * z[3] * z[1]) / PENALTY, -z[2] / PENALTY

    def rates(t, z):
        w, b = control(z)
        spent = 0.5 * PENALTY * (w * w + b * b)
        return [w * z[0] + b, 2 * w * z[1] + NOISE**2, -z[2] * w, -2 * z[3] * w, spent]

    def path(costates):
        start = [MEAN, STD**2, *costates, 0.0]
        return solve_ivp(rates, (0.0, 1.0), start, method="DOP853", rtol=1e-12, atol=1e-13, dense_output=True)

    def gap(costates):
        m, _, p, q, _ = path(costates).y[:, -1]
        return [p - 2.0 * (m - 1.0), q - 1.0]

    best = path(root(gap, [-0.1, 0.3], tol=1e-12).x)
    m, v, _, _, spent = best.y[:, -1]
    return (m - 1.0) ** 2 + v + spent, lambda t: np.stack(control(best.sol(t)), axis=1)


def in_time():
    """The error of the cost of a fixed control by layers and order of the splitting."""
    rows = ["| layers | order 2 | order 4 |", "|---|---|---|"]
    for layers in (5, 10, 20, 40):
        errors = []
        for splitting in (2, 4):
            options = {"layer_map": emfc.LayerMap("dop853", splitting=splitting)}
            system = emfc.OptimalitySystem(problem(), mesh(), layers, **options)
            errors.append(abs(system.cost(FIXED).terminal - cost_of_fixed()))
        rows.append(f"| {layers} | " + " | ".join(f"{error:.1e}" for error in errors) + " |")
    return rows


def in_the_mesh():
    """The error of the cost of a fixed control by cells and scheme."""
    volumes = {name: emfc.continuity.FiniteVolume(name) for name in ("upwind", "muscl", "weno5")}
    schemes = {f"splines of degree {k}": {"transport": emfc.transport.SemiLagrangian(degree=k)} for k in (1, 3, 5)}
    schemes |= {f"{name} finite volumes": {"continuity": scheme} for name, scheme in volumes.items()}
    counts = (20, 40, 80, 160)
    rows = ["| scheme | " + " | ".join(f"{n} cells" for n in counts) + " |", "|---" * (len(counts) + 1) + "|"]
    for name, options in schemes.items():
        cells = []
        for count in counts:
            layer_map = emfc.LayerMap("dop853", 4, splitting=4)
            system = emfc.OptimalitySystem(problem(), mesh(count), 10, layer_map=layer_map, **options)
            cells.append(f"{abs(system.cost(FIXED).terminal - cost_of_fixed()):.1e}")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


def optima():
    """The error of the least cost and of the recovered control at five times."""
    best, theta = optimum()
    times = np.linspace(0.0, 1.0, 5)
    rows = ["| layers, degree | substeps | $J - J^*$ | recovered control | control |", "|---|---|---|---|---|"]
    for layers, degree, substeps in ((20, 0, 1), (20, 1, 1), (20, 1, 2), (20, 2, 4)):
        options = {"layer_map": emfc.LayerMap("rk4", substeps), "control_degree": degree}
        found = emfc.solve(problem(), mesh(), layers, **options)
        apart = [np.abs(found.theta(times, recovered=r) - theta(times)).max() for r in (True, False)]
        rows.append(f"| {layers}, {degree} | {substeps} | {found.cost - best:.1e} | {apart[0]:.1e} | {apart[1]:.1e} |")
    return rows


def picture():
    """Density over time, paths, and the control beside the exact one."""
    _, theta = optimum()
    found = emfc.solve(problem(), mesh(), 20, layer_map=emfc.LayerMap("rk4"))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.4), layout="constrained")
    x, paths = found.mesh.centres[:, 0], found.trajectories(np.full((5, 1), MEAN), seed=1)
    density = found.total_density
    shown = left.pcolormesh(found.times, x, density.T, cmap="Blues", shading="gouraud")
    left.plot(found.times, paths[:, :, 0], color="black", linewidth=0.6)
    left.set(xlabel="t", ylabel="x", ylim=(-1.5, 2.5), title="density and sampled paths")
    figure.colorbar(shown, ax=left)
    fine = np.linspace(0.0, 1.0, 201)
    for k, name in enumerate(("w", "b")):
        right.plot(fine, theta(fine)[:, k], color=f"C{k}", label=f"{name}, exact")
        recovered = found.theta(found.times, recovered=True)[:, k]
        right.plot(found.times, recovered, "o", color=f"C{k}", markersize=3, label=f"{name}, recovered from 20 layers")
    right.set(xlabel="t", title="control")
    right.legend(fontsize=8)
    figure.savefig(DOCS / "images" / "noise.png", dpi=130)


if __name__ == "__main__":
    for name, rows in (("noise_time", in_time), ("noise_mesh", in_the_mesh), ("noise_optimum", optima)):
        table = "\n".join(rows()) + "\n"
        print(table, flush=True)
        (DOCS / "tables" / f"{name}.md").write_text(table)
    picture()
